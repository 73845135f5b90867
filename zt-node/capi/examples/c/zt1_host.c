/*
 * A host for a node on the interface of 2015: UDP sockets, a TCP link through a relay, a TAP per network.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * It prints a JSON object per event on standard output. SIGUSR1 prints all that can be asked for; SIGTERM and SIGINT
 * end it. See `usage` for the rest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zt1/ZeroTierOne.h>

#include "clock.h"
#include "files.h"
#include "json.h"
#include "zt1_links.h"
#include "zt1_master.h"
#include "zt1_report.h"
#include "signals.h"
#include "tap.h"

#define MAX_PORTS 8
#define MAX_OPTIONS 16
/* Frames that one turn of the node takes at most. */
#define FRAMES 16

static const char usage[] =
    "usage: zt1_host --home FOLDER [options]\n"
    "\n"
    "  --home FOLDER         where the node keeps its identity and what it learns\n"
    "  --simple              use ZT1_Node_new and ZT1_Node_run: the library keeps the files and reads the clock\n"
    "  --port N              UDP port (9993)\n"
    "  --join NWID           join a network, 16 hex digits; may be given several times\n"
    "  --master              be the controller of a private network, and join it\n"
    "  --network NWID        its number (own address and 000001)\n"
    "  --settings JSON       its settings, as POST /controller/network/NWID takes them\n"
    "  --member ADDRESS      let this node in; may be given several times; all = whoever asks\n"
    "  --tcp-relay IP:PORT   offer level 1: TCP to a relay\n";

/* The port of a network. */
struct port {
    uint64_t network; /* 0 = this place is free. */
    struct tap tap;
    /* errno of what went wrong. */
    int error;
    /* The node is still to be told of the device. */
    bool announce;
};

struct host {
    const char *home;
    ZT1_Node *node;
    bool simple;
    struct links links;
    struct port ports[MAX_PORTS];
    struct master master;
    struct tap_frame frames[FRAMES];
    int signals;
    bool ends;
    /* When the node must run again. */
    uint64_t due;
};

/* What the command line asks for. */
struct options {
    uint16_t port;
    bool master;
    const char *settings;
    uint64_t join[MAX_OPTIONS], members[MAX_OPTIONS];
    unsigned int join_count, member_count;
};

/* ---- Ports ----------------------------------------------------------------------------------------------------- */

static struct port *find_port(struct host *host, uint64_t network)
{
    for (int i = 0; i < MAX_PORTS; i++) {
        if (host->ports[i].network == network)
            return &host->ports[i];
    }
    return NULL;
}

static void close_port(struct port *port)
{
    tap_close(&port->tap);
    memset(port, 0, sizeof *port);
    port->tap.fd = -1;
}

/* Brings the device to what the configuration says; opens it first. */
static int set_up_port(struct port *port, const struct ZT1_VirtualPortConfig *config)
{
    if (port->tap.fd < 0) {
        if (tap_open(&port->tap, config->mac, config->mtu) != 0)
            return -1;
        port->announce = true;
    }
    if (tap_set_mtu(&port->tap, config->mtu) != 0)
        return -1;
    return tap_set_addresses(&port->tap, config->assignedAddresses, config->assignedAddressCount);
}

static void change_port(struct host *host, uint64_t network, const struct ZT1_VirtualPortConfig *config)
{
    struct port *port = find_port(host, network);
    if (config == NULL) {
        if (port != NULL)
            close_port(port);
        report_port(network, NULL, "");
        return;
    }
    if (port == NULL)
        port = find_port(host, 0);
    if (port == NULL) {
        ZT1_Node_setPort(host->node, network, NULL, ZT1_PORT_NO_MORE_DEVICES);
        return;
    }
    port->network = network;
    port->error = 0;
    if (set_up_port(port, config) != 0) {
        port->error = errno;
        port->announce = true;
        fprintf(stderr, "zt1_host: cannot set up a TAP device for network %016llx (%s); it takes root rights (or "
                        "CAP_NET_ADMIN) and /dev/net/tun\n",
                (unsigned long long)network, strerror(errno));
    }
    report_port(network, config, port->tap.name);
}

/* Outside of the callback, for a node that is being made has no handle yet; and the node then has something to do. */
static void announce_ports(struct host *host)
{
    for (int i = 0; i < MAX_PORTS; i++) {
        struct port *port = &host->ports[i];
        if (port->network != 0 && port->announce) {
            ZT1_Node_setPort(host->node, port->network, port->tap.name, port->error);
            port->announce = false;
            host->due = 0;
        }
    }
}

/* ---- Callbacks ------------------------------------------------------------------------------------------------- */

static void on_port(void *user, ZT1_Node *node, uint64_t nwid, const struct ZT1_VirtualPortConfig *config)
{
    (void)node;
    change_port(user, nwid, config);
}

static void on_status(void *user, ZT1_Node *node, enum ZT1_StatusCode code, const char *text, const void *extra)
{
    (void)user, (void)node, (void)text;
    report_status(code, extra);
}

static long on_get(void *user, const char *name, void *buf, unsigned long cap, unsigned long start,
                   unsigned long *total)
{
    const struct host *host = user;
    return files_get(host->home, name, buf, cap, start, total);
}

static int on_put(void *user, const char *name, const void *data, unsigned long len, int secure)
{
    const struct host *host = user;
    return files_put(host->home, name, data, len, secure != 0);
}

/* The callbacks of ZT1_Node_new come without a pointer of ours. */
static struct host *only_host;

static void on_plain_port(uint64_t nwid, const struct ZT1_VirtualPortConfig *config)
{
    change_port(only_host, nwid, config);
}

static void on_plain_status(enum ZT1_StatusCode code, const char *text, const void *extra)
{
    (void)text;
    report_status(code, extra);
}

/* ---- The node -------------------------------------------------------------------------------------------------- */

static enum ZT1_ReturnValue make_node(struct host *host)
{
    if (host->simple) {
        ZT1_VirtualPortConfigCallback port = on_plain_port;
        ZT1_StatusCallback status = on_plain_status;
        only_host = host;
        return ZT1_Node_new(&host->node, host->home, &port, &status);
    }
    const struct ZT1_Node_Host callbacks = {
        .user = host, .dataStoreGet = on_get, .dataStorePut = on_put, .portConfig = on_port, .status = on_status};
    return ZT1_Node_newWithStore(&host->node, clock_now(), &callbacks);
}

/* One turn: gives the node what came, takes what it has to send and to deliver. */
static enum ZT1_ReturnValue run_node(struct host *host, const struct ZT1_WireMessage *packets,
                                     unsigned int packet_count, const struct ZT1_VirtualLanFrame *frames,
                                     unsigned int frame_count)
{
    const struct ZT1_WireMessage *to_send = NULL;
    const struct ZT1_VirtualLanFrame *to_deliver = NULL;
    unsigned int send_count = 0, deliver_count = 0;
    unsigned long wait = 1000;
    uint64_t now = clock_now();
    enum ZT1_ReturnValue result;
    if (host->simple)
        result = ZT1_Node_run(packets, packet_count, frames, frame_count, &to_send, &send_count, &to_deliver,
                              &deliver_count, &wait);
    else
        result = ZT1_Node_runAt(host->node, now, packets, packet_count, frames, frame_count, &to_send, &send_count,
                                &to_deliver, &deliver_count, &wait);
    for (unsigned int i = 0; i < send_count; i++)
        links_send(&host->links, &to_send[i], now);
    for (unsigned int i = 0; i < deliver_count; i++) {
        const struct ZT1_VirtualLanFrame *frame = &to_deliver[i];
        const struct port *port = find_port(host, frame->networkId);
        if (port != NULL && port->tap.fd >= 0)
            tap_write(&port->tap, frame->sourceMac, frame->destMac, frame->etherType, frame->frameData,
                      frame->frameLength);
    }
    host->due = now + wait;
    return result;
}

/* ---- The loop -------------------------------------------------------------------------------------------------- */

static unsigned int read_frames(struct host *host, const struct pollfd *fds, struct ZT1_VirtualLanFrame *frames)
{
    unsigned int count = 0;
    for (int i = 0; i < MAX_PORTS; i++) {
        const struct port *port = &host->ports[i];
        while (fds[i].revents != 0 && count < FRAMES && tap_read(&port->tap, &host->frames[count]) == 0) {
            const struct tap_frame *frame = &host->frames[count];
            frames[count++] = (struct ZT1_VirtualLanFrame){
                .networkId = port->network,
                .sourceMac = frame->source,
                .destMac = frame->destination,
                .etherType = frame->ether_type,
                .frameData = frame->payload,
                .frameLength = frame->length,
            };
        }
    }
    return count;
}

static void take_signals(struct host *host)
{
    int number;
    while ((number = signals_next(host->signals)) != 0) {
        if (number == SIGUSR1)
            report_everything(host->node, host->links.counts, LEVELS);
        else
            host->ends = true;
    }
}

static int milliseconds_until(uint64_t due)
{
    uint64_t now = clock_now();
    if (due <= now)
        return 0;
    return due - now > INT_MAX ? INT_MAX : (int)(due - now);
}

/* Waits until something comes or the node is due, and lets it run. */
static enum ZT1_ReturnValue turn(struct host *host)
{
    static struct ZT1_WireMessage packets[LINKS_BATCH];
    struct ZT1_VirtualLanFrame frames[FRAMES];
    struct pollfd fds[1 + LINKS_FDS + MAX_PORTS];
    struct pollfd *ports = fds + 1 + LINKS_FDS;
    fds[0] = (struct pollfd){.fd = host->signals, .events = POLLIN};
    links_poll(&host->links, fds + 1);
    for (int i = 0; i < MAX_PORTS; i++)
        ports[i] = (struct pollfd){.fd = host->ports[i].tap.fd, .events = POLLIN};
    if (poll(fds, sizeof fds / sizeof *fds, milliseconds_until(host->due)) < 0 && errno != EINTR)
        return ZT1_ERROR_INTERNAL;
    if (fds[0].revents != 0)
        take_signals(host);
    unsigned int packet_count = links_receive(&host->links, fds + 1, packets);
    unsigned int frame_count = read_frames(host, ports, frames);
    enum ZT1_ReturnValue result = run_node(host, packets, packet_count, frames, frame_count);
    announce_ports(host);
    if (host->master.handle != NULL)
        master_turn(&host->master, clock_now());
    /* Packets that the connection holds already would not wake poll. */
    if (packet_count >= LINKS_BATCH / 2)
        host->due = 0;
    return result;
}

/* ---- Start and end --------------------------------------------------------------------------------------------- */

static int fail(const char *what, const char *advice)
{
    fprintf(stderr, "zt1_host: %s; %s\n", what, advice);
    return 1;
}

static const char *advice_for(enum ZT1_ReturnValue result)
{
    switch (result) {
    case ZT1_FATAL_ERROR_IDENTITY_COLLISION:
        return "somebody else has our address: delete identity.secret and identity.public and start again";
    case ZT1_FATAL_ERROR_DATA_STORE_NOT_WRITABLE:
        return "the home folder must be writable, and identity.secret in it must hold an identity (or not be there)";
    default:
        return "this is a fault of the program or the library";
    }
}

/* IP:PORT or [IP]:PORT. */
static int parse_server(const char *text, struct sockaddr_storage *address)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    bool bracketed = text[0] == '[' && colon != NULL && colon > text && colon[-1] == ']';
    if (colon == NULL || (size_t)(colon - text) >= sizeof host)
        return -1;
    snprintf(host, sizeof host, "%.*s", (int)(colon - text) - (bracketed ? 2 : 0), text + (bracketed ? 1 : 0));
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return -1;
    memcpy(address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return 0;
}

/* A number of exactly this many hex digits; 0 = it is none. */
static uint64_t parse_hex(const char *text, size_t digits)
{
    char *end;
    uint64_t number = strtoull(text, &end, 16);
    return strlen(text) == digits && *end == '\0' ? number : 0;
}

static bool add_number(uint64_t *list, unsigned int *count, uint64_t number)
{
    if (number == 0 || *count == MAX_OPTIONS)
        return false;
    list[(*count)++] = number;
    return true;
}

static bool take_option(struct host *host, struct options *options, int option)
{
    switch (option) {
    case 'h':
        host->home = optarg;
        return true;
    case 's':
        host->simple = true;
        return true;
    case 'p':
        options->port = (uint16_t)strtoul(optarg, NULL, 10);
        return options->port != 0;
    case 'j':
        return add_number(options->join, &options->join_count, parse_hex(optarg, 16));
    case 'm':
        return options->master = true;
    case 'n':
        return (host->master.network = parse_hex(optarg, 16)) != 0;
    case 'o':
        options->settings = optarg;
        return true;
    case 'a':
        if (strcmp(optarg, "all") == 0)
            return host->master.admit_all = true;
        return add_number(options->members, &options->member_count, parse_hex(optarg, 10));
    case 't':
        return parse_server(optarg, &host->links.relay) == 0;
    default:
        return false;
    }
}

static bool parse(struct host *host, struct options *options, int argc, char **argv)
{
    static const struct option names[] = {
        {"home", required_argument, NULL, 'h'},    {"simple", no_argument, NULL, 's'},
        {"port", required_argument, NULL, 'p'},    {"join", required_argument, NULL, 'j'},
        {"master", no_argument, NULL, 'm'},        {"network", required_argument, NULL, 'n'},
        {"settings", required_argument, NULL, 'o'}, {"member", required_argument, NULL, 'a'},
        {"tcp-relay", required_argument, NULL, 't'}, {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (!take_option(host, options, option))
            return false;
    }
    return optind == argc && host->home != NULL;
}

static int start_master(struct host *host, const struct options *options, uint64_t address)
{
    if (master_create(&host->master, host->node, address, options->settings) != 0)
        return -1;
    for (unsigned int i = 0; i < options->member_count; i++) {
        if (master_admit(&host->master, options->members[i]) != 0)
            return -1;
    }
    return ZT1_Node_join(host->node, host->master.network) == ZT1_OK ? 0 : -1;
}

/* Everything up to the first turn. 0, or the exit code. */
static int start(struct host *host, const struct options *options)
{
    host->signals = signals_open();
    if (host->signals < 0)
        return fail(strerror(errno), "there may be too many open files");
    if (files_open(host->home) != 0)
        return fail(strerror(errno), "choose another --home");
    if (udp_open(&host->links.udp, options->port) != 0)
        return fail(strerror(errno), "another program may use the UDP port: choose another --port");
    enum ZT1_ReturnValue result = make_node(host);
    if (result != ZT1_OK)
        return fail("the node does not start", advice_for(result));
    struct ZT1_Node_Status status;
    ZT1_Node_status(host->node, &status);
    if (options->master && start_master(host, options, status.rawAddress) != 0)
        return fail("no network can be made", "see above");
    for (unsigned int i = 0; i < options->join_count; i++)
        ZT1_Node_join(host->node, options->join[i]);
    json_begin("start");
    json_text("address", status.address);
    json_number("port", options->port);
    if (options->master)
        json_network("network", host->master.network);
    json_end();
    return 0;
}

static void stop(struct host *host)
{
    ZT1_Node_delete(host->node);
    if (host->master.handle != NULL)
        ZT1_NetconfMaster_delete(host->master.handle);
    for (int i = 0; i < MAX_PORTS; i++)
        close_port(&host->ports[i]);
    tunnel_close(&host->links.tunnel);
    udp_close(&host->links.udp);
    json_begin("end");
    json_end();
}

int main(int argc, char **argv)
{
    static struct host host;
    struct options options = {.port = 9993, .settings = MASTER_SETTINGS};
    host.links.tunnel.fd = -1;
    for (int i = 0; i < MAX_PORTS; i++)
        host.ports[i].tap.fd = -1;
    if (!parse(&host, &options, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    int code = start(&host, &options);
    if (code != 0)
        return code;
    while (!host.ends) {
        enum ZT1_ReturnValue result = turn(&host);
        if (result != ZT1_OK) {
            code = fail("the node cannot go on", advice_for(result));
            break;
        }
    }
    stop(&host);
    return code;
}
