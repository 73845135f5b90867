/*
 * A host for a node on the ZT interface: UDP sockets, a TAP per network, state in files.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * It uses what ZeroTier One's core offers and nothing else, so it links against that library or this one. It prints a
 * JSON object per event on standard output. SIGUSR1 prints all that can be asked for; SIGTERM and SIGINT end it.
 */
#define _GNU_SOURCE
#include <ZeroTierOne.h>
#include <errno.h>
#include <getopt.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "files.h"
#include "json.h"
#include "signals.h"
#include "tap.h"
#include "udp.h"

#define MAX_PORTS 8
/* Datagrams, or frames of one device, that are taken in one go. */
#define BATCH 32

static const char usage[] =
    "usage: zt_host --home FOLDER [--port N] [--join NWID]...\n"
    "\n"
    "  --home FOLDER   where the node keeps its identity and what it learns\n"
    "  --port N        UDP port (9993)\n"
    "  --join NWID     join a network, 16 hex digits; may be given several times\n";

/* The port of a network; the node keeps a pointer to it for us. */
struct port {
    uint64_t network; /* 0 = this place is free. */
    struct tap tap;
    /* The addresses whose multicast groups are subscribed. */
    struct sockaddr_storage subscribed[TAP_MAX_ADDRESSES];
    unsigned int subscribed_count;
    /* The addresses are others now. */
    bool resubscribe;
};

struct host {
    const char *home;
    uint16_t udp_port;
    struct udp udp;
    ZT_Node *node;
    struct port ports[MAX_PORTS];
    uint64_t join[MAX_PORTS];
    unsigned int join_count;
    int signals;
    bool ends;
    int exit_code;
    /* When the node must work again. */
    volatile int64_t due;
};

static int64_t now(void)
{
    return (int64_t)clock_now();
}

/* ---- State ----------------------------------------------------------------------------------------------------- */

/* The name of an object in the home folder; those of ZeroTier One. */
static int object_name(char name[64], enum ZT_StateObjectType type, const uint64_t id[2])
{
    unsigned long long number = id[0];
    switch (type) {
    case ZT_STATE_OBJECT_IDENTITY_PUBLIC:
        return snprintf(name, 64, "identity.public");
    case ZT_STATE_OBJECT_IDENTITY_SECRET:
        return snprintf(name, 64, "identity.secret");
    case ZT_STATE_OBJECT_PLANET:
        return snprintf(name, 64, "planet");
    case ZT_STATE_OBJECT_MOON:
        return snprintf(name, 64, "moons.d/%016llx.moon", number);
    case ZT_STATE_OBJECT_PEER:
        return snprintf(name, 64, "peers.d/%010llx.peer", number);
    case ZT_STATE_OBJECT_NETWORK_CONFIG:
        return snprintf(name, 64, "networks.d/%016llx.conf", number);
    default:
        return 0;
    }
}

static void on_put(ZT_Node *node, void *uptr, void *tptr, enum ZT_StateObjectType type, const uint64_t id[2],
                   const void *data, int len)
{
    const struct host *host = uptr;
    char name[64];
    (void)node, (void)tptr;
    if (object_name(name, type, id) == 0)
        return;
    if (files_put(host->home, name, len < 0 ? NULL : data, len < 0 ? 0 : (unsigned long)len,
                  type == ZT_STATE_OBJECT_IDENTITY_SECRET)
        != 0)
        fprintf(stderr, "zt_host: cannot keep %s/%s (%s); is there room, and the right to write?\n", host->home,
                name, strerror(errno));
}

static int on_get(ZT_Node *node, void *uptr, void *tptr, enum ZT_StateObjectType type, const uint64_t id[2], void *buf,
                  unsigned int cap)
{
    const struct host *host = uptr;
    char name[64];
    unsigned long total = 0;
    (void)node, (void)tptr;
    if (object_name(name, type, id) == 0)
        return -1;
    long len = files_get(host->home, name, buf, cap, 0, &total);
    /* Part of an object is worse than none. */
    return len < 0 || (unsigned long)len != total ? -1 : (int)len;
}

/* ---- Packets --------------------------------------------------------------------------------------------------- */

/* Our sockets are number 1 (IPv4) and 2 (IPv6) to the node; which one it is follows from the address, too. */
static int on_send(ZT_Node *node, void *uptr, void *tptr, int64_t socket, const struct sockaddr_storage *address,
                   const void *data, unsigned int len, unsigned int ttl)
{
    const struct host *host = uptr;
    (void)node, (void)tptr, (void)socket;
    if (ttl == 0)
        return udp_send(&host->udp, address, data, len);
    /* These are not meant to arrive: they open the way through a NAT near us. */
    udp_set_ttl(&host->udp, address->ss_family, ttl);
    int result = udp_send(&host->udp, address, data, len);
    udp_set_ttl(&host->udp, address->ss_family, 0);
    return result;
}

/* A path through one of our own virtual networks would carry itself. */
static int on_path_check(ZT_Node *node, void *uptr, void *tptr, uint64_t peer, int64_t socket,
                         const struct sockaddr_storage *remote)
{
    const struct host *host = uptr;
    (void)node, (void)tptr, (void)peer, (void)socket;
    for (int i = 0; i < MAX_PORTS; i++) {
        if (host->ports[i].network != 0 && tap_contains(&host->ports[i].tap, remote))
            return 0;
    }
    return 1;
}

/* Tells the node where this machine can be reached, so that peers on the same LAN find it there. */
static void tell_own_addresses(const struct host *host)
{
    struct ifaddrs *list, *one;
    if (getifaddrs(&list) != 0)
        return;
    for (one = list; one != NULL; one = one->ifa_next) {
        if (one->ifa_addr == NULL || (one->ifa_flags & (IFF_UP | IFF_LOOPBACK)) != IFF_UP)
            continue;
        struct sockaddr_storage address;
        memset(&address, 0, sizeof address);
        address.ss_family = one->ifa_addr->sa_family;
        if (address_length(&address) == 0)
            continue;
        memcpy(&address, one->ifa_addr, address_length(&address));
        /* The port is at the same place in both families. */
        ((struct sockaddr_in *)&address)->sin_port = htons(host->udp_port);
        ZT_Node_addLocalInterfaceAddress(host->node, &address);
    }
    freeifaddrs(list);
}

/* ---- Ports ----------------------------------------------------------------------------------------------------- */

static void close_port(struct port *port)
{
    tap_close(&port->tap);
    memset(port, 0, sizeof *port);
    port->tap.fd = -1;
}

static struct port *open_port(struct host *host, const ZT_VirtualNetworkConfig *config)
{
    for (int i = 0; i < MAX_PORTS; i++) {
        struct port *port = &host->ports[i];
        if (port->network != 0)
            continue;
        if (tap_open(&port->tap, config->mac, config->mtu) != 0)
            return NULL;
        port->network = config->nwid;
        return port;
    }
    errno = EMFILE;
    return NULL;
}

static void report_port(const ZT_VirtualNetworkConfig *config, const char *device)
{
    static const char *const states[] = {"REQUESTING_CONFIGURATION", "OK",         "ACCESS_DENIED", "NOT_FOUND",
                                         "PORT_ERROR",               "CLIENT_TOO_OLD", "AUTHENTICATION_REQUIRED"};
    json_begin("port");
    json_network("network", config->nwid);
    json_text("status", config->status < sizeof states / sizeof *states ? states[config->status] : "?");
    json_text("device", device);
    json_text("name", config->name);
    json_number("mtu", config->mtu);
    json_number("revision", (long long)config->netconfRevision);
    json_open("addresses", '[');
    for (unsigned int i = 0; i < config->assignedAddressCount; i++)
        json_address(NULL, &config->assignedAddresses[i]);
    json_close(']');
    json_end();
}

/* Brings a device to what the configuration says; opens it first. */
static int change_port(struct host *host, struct port **port, const ZT_VirtualNetworkConfig *config)
{
    if (*port == NULL)
        *port = open_port(host, config);
    if (*port == NULL || tap_set_mtu(&(*port)->tap, config->mtu) != 0
        || tap_set_addresses(&(*port)->tap, config->assignedAddresses, config->assignedAddressCount) != 0) {
        fprintf(stderr, "zt_host: cannot set up a TAP device for network %016llx (%s); it takes root rights (or "
                        "CAP_NET_ADMIN) and /dev/net/tun\n",
                (unsigned long long)config->nwid, strerror(errno));
        return -errno;
    }
    (*port)->resubscribe = true;
    report_port(config, (*port)->tap.name);
    return 0;
}

static int on_port(ZT_Node *node, void *uptr, void *tptr, uint64_t nwid, void **nuptr,
                   enum ZT_VirtualNetworkConfigOperation op, const ZT_VirtualNetworkConfig *config)
{
    struct host *host = uptr;
    (void)node, (void)tptr;
    switch (op) {
    case ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_UP:
    case ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_CONFIG_UPDATE:
        return change_port(host, (struct port **)nuptr, config);
    default:
        if (*nuptr != NULL)
            close_port(*nuptr);
        *nuptr = NULL;
        json_begin("port");
        json_network("network", nwid);
        json_text("status", "DELETED");
        json_end();
        return 0;
    }
}

static void on_frame(ZT_Node *node, void *uptr, void *tptr, uint64_t nwid, void **nuptr, uint64_t source,
                     uint64_t destination, unsigned int ether_type, unsigned int vlan, const void *data,
                     unsigned int len)
{
    const struct port *port = *nuptr;
    (void)node, (void)uptr, (void)tptr, (void)nwid, (void)vlan;
    if (port != NULL)
        tap_write(&port->tap, source, destination, ether_type, data, len);
}

/* The group on which others ask for the MAC of an address: ARP, or neighbour discovery. */
static void group_of(const struct sockaddr_storage *address, uint64_t *group, unsigned long *adi)
{
    *group = 0xffffffffffffULL;
    *adi = 0;
    if (address->ss_family == AF_INET) {
        *adi = ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr);
    } else if (address->ss_family == AF_INET6) {
        const unsigned char *ip = ((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr;
        *group = 0x3333ff000000ULL | (uint64_t)ip[13] << 16 | (uint64_t)ip[14] << 8 | ip[15];
    }
}

/* Outside of the port callback, which must not do this. A host that wants more than the addresses of the network, say
 * mDNS, subscribes the groups that the system joined on the device, too (/proc/net/dev_mcast). */
static void subscribe_ports(struct host *host)
{
    uint64_t group;
    unsigned long adi;
    for (int i = 0; i < MAX_PORTS; i++) {
        struct port *port = &host->ports[i];
        if (port->network == 0 || !port->resubscribe)
            continue;
        for (unsigned int a = 0; a < port->subscribed_count; a++) {
            group_of(&port->subscribed[a], &group, &adi);
            ZT_Node_multicastUnsubscribe(host->node, port->network, group, adi);
        }
        port->subscribed_count = port->tap.address_count;
        memcpy(port->subscribed, port->tap.addresses, sizeof port->subscribed);
        for (unsigned int a = 0; a < port->subscribed_count; a++) {
            group_of(&port->subscribed[a], &group, &adi);
            ZT_Node_multicastSubscribe(host->node, NULL, port->network, group, adi);
        }
        port->resubscribe = false;
    }
}

/* ---- Events ---------------------------------------------------------------------------------------------------- */

static void on_event(ZT_Node *node, void *uptr, void *tptr, enum ZT_Event event, const void *meta)
{
    static const char *const names[] = {"UP", "OFFLINE", "ONLINE", "DOWN", "IDENTITY_COLLISION"};
    struct host *host = uptr;
    (void)node, (void)tptr, (void)meta;
    if (event >= sizeof names / sizeof *names)
        return; /* Traces and messages, which anybody may send us. */
    json_begin("status");
    json_text("code", names[event]);
    json_end();
    if (event == ZT_EVENT_FATAL_ERROR_IDENTITY_COLLISION) {
        fprintf(stderr, "zt_host: somebody else has our address; delete identity.secret and identity.public in %s "
                        "and start again\n",
                host->home);
        host->ends = true;
        host->exit_code = 1;
    }
}

static void report_peers(const struct host *host)
{
    static const char *const roles[] = {"LEAF", "MOON", "PLANET"};
    ZT_PeerList *list = ZT_Node_peers(host->node);
    json_open("peers", '[');
    for (unsigned long i = 0; list != NULL && i < list->peerCount; i++) {
        const ZT_Peer *peer = &list->peers[i];
        json_open(NULL, '{');
        json_node("address", peer->address);
        json_number("latency", peer->latency);
        json_text("role", peer->role < 3 ? roles[peer->role] : "?");
        json_open("paths", '[');
        for (unsigned int p = 0; p < peer->pathCount; p++) {
            json_open(NULL, '{');
            json_address("address", &peer->paths[p].address);
            json_bool("expired", peer->paths[p].expired);
            json_bool("preferred", peer->paths[p].preferred);
            json_close('}');
        }
        json_close(']');
        json_close('}');
    }
    json_close(']');
    ZT_Node_freeQueryResult(host->node, list);
}

static void report_everything(const struct host *host)
{
    ZT_NodeStatus status;
    ZT_Node_status(host->node, &status);
    json_begin("dump");
    json_node("address", status.address);
    json_bool("online", status.online);
    report_peers(host);
    ZT_VirtualNetworkList *list = ZT_Node_networks(host->node);
    json_open("networks", '[');
    for (unsigned long i = 0; list != NULL && i < list->networkCount; i++) {
        json_open(NULL, '{');
        json_network("network", list->networks[i].nwid);
        json_text("name", list->networks[i].name);
        json_number("status", list->networks[i].status);
        json_close('}');
    }
    json_close(']');
    ZT_Node_freeQueryResult(host->node, list);
    json_end();
}

/* ---- The loop -------------------------------------------------------------------------------------------------- */

static void take_packets(struct host *host, int family)
{
    static unsigned char data[UDP_MAX_PAYLOAD];
    struct sockaddr_storage remote;
    for (int i = 0; i < BATCH; i++) {
        int len = udp_receive(host->udp.fds[family], data, sizeof data, &remote);
        if (len < 0)
            return;
        ZT_Node_processWirePacket(host->node, NULL, now(), 1 + family, &remote, data, (unsigned int)len, &host->due);
    }
}

static void take_frames(struct host *host, const struct port *port)
{
    static struct tap_frame frame;
    for (int i = 0; i < BATCH && port->network != 0 && tap_read(&port->tap, &frame) == 0; i++)
        ZT_Node_processVirtualNetworkFrame(host->node, NULL, now(), port->network, frame.source, frame.destination,
                                           frame.ether_type, 0, frame.payload, frame.length, &host->due);
}

static void take_signals(struct host *host)
{
    int number;
    while ((number = signals_next(host->signals)) != 0) {
        if (number == SIGUSR1)
            report_everything(host);
        else
            host->ends = true;
    }
}

static int milliseconds_until(int64_t due)
{
    int64_t wait = due - now();
    return wait < 0 ? 0 : wait > INT_MAX ? INT_MAX : (int)wait;
}

/* Waits until something comes or the node has work to do. */
static void turn(struct host *host)
{
    struct pollfd fds[3 + MAX_PORTS] = {
        {.fd = host->signals, .events = POLLIN},
        {.fd = host->udp.fds[0], .events = POLLIN},
        {.fd = host->udp.fds[1], .events = POLLIN},
    };
    for (int i = 0; i < MAX_PORTS; i++)
        fds[3 + i] = (struct pollfd){.fd = host->ports[i].tap.fd, .events = POLLIN};
    if (poll(fds, sizeof fds / sizeof *fds, milliseconds_until(host->due)) < 0 && errno != EINTR)
        host->ends = true;
    if (fds[0].revents != 0)
        take_signals(host);
    for (int family = 0; family < 2; family++) {
        if (fds[1 + family].revents != 0)
            take_packets(host, family);
    }
    for (int i = 0; i < MAX_PORTS; i++) {
        if (fds[3 + i].revents != 0)
            take_frames(host, &host->ports[i]);
    }
    if (now() >= host->due)
        ZT_Node_processBackgroundTasks(host->node, NULL, now(), &host->due);
    subscribe_ports(host);
}

/* ---- Start and end --------------------------------------------------------------------------------------------- */

static int fail(const char *what, const char *advice)
{
    fprintf(stderr, "zt_host: %s; %s\n", what, advice);
    return 1;
}

static bool take_option(struct host *host, int option)
{
    char *end;
    unsigned long long number;
    switch (option) {
    case 'h':
        host->home = optarg;
        return true;
    case 'p':
        host->udp_port = (uint16_t)strtoul(optarg, NULL, 10);
        return host->udp_port != 0;
    case 'j':
        number = strtoull(optarg, &end, 16);
        if (end != optarg + 16 || *end != '\0' || number == 0 || host->join_count == MAX_PORTS)
            return false;
        host->join[host->join_count++] = number;
        return true;
    default:
        return false;
    }
}

static bool parse(struct host *host, int argc, char **argv)
{
    static const struct option names[] = {{"home", required_argument, NULL, 'h'},
                                          {"port", required_argument, NULL, 'p'},
                                          {"join", required_argument, NULL, 'j'},
                                          {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (!take_option(host, option))
            return false;
    }
    return optind == argc && host->home != NULL;
}

/* Everything up to the first turn. 0, or the exit code. */
static int start(struct host *host)
{
    static const struct ZT_Node_Callbacks callbacks = {
        .version = 0,
        .statePutFunction = on_put,
        .stateGetFunction = on_get,
        .wirePacketSendFunction = on_send,
        .virtualNetworkFrameFunction = on_frame,
        .virtualNetworkConfigFunction = on_port,
        .eventCallback = on_event,
        .pathCheckFunction = on_path_check,
    };
    host->signals = signals_open();
    if (host->signals < 0)
        return fail(strerror(errno), "there may be too many open files");
    if (files_open(host->home) != 0)
        return fail(strerror(errno), "choose another --home");
    if (udp_open(&host->udp, host->udp_port) != 0)
        return fail(strerror(errno), "another program may use the UDP port: choose another --port");
    if (ZT_Node_new(&host->node, host, NULL, &callbacks, now()) != ZT_RESULT_OK)
        return fail("the node does not start", "identity.secret in --home must hold an identity, or not be there");
    tell_own_addresses(host);
    for (unsigned int i = 0; i < host->join_count; i++)
        ZT_Node_join(host->node, host->join[i], NULL, NULL);
    json_begin("start");
    json_node("address", ZT_Node_address(host->node));
    json_number("port", host->udp_port);
    json_end();
    return 0;
}

int main(int argc, char **argv)
{
    static struct host host = {.udp_port = 9993};
    for (int i = 0; i < MAX_PORTS; i++)
        host.ports[i].tap.fd = -1;
    if (!parse(&host, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    int code = start(&host);
    if (code != 0)
        return code;
    while (!host.ends)
        turn(&host);
    ZT_Node_delete(host.node);
    udp_close(&host.udp);
    json_begin("end");
    json_end();
    return host.exit_code;
}
