/*
 * Two nodes in one program on the interface of 2015, without a socket, a thread or a clock.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The first is the only root and the controller of a network, the second a member. Packets are passed by hand between
 * addresses that do not exist; time is a number. The first sends frames, the second sends them back. Exit code 0 = all
 * came back.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zt1/ZeroTierOne.h>

#include "memory.h"
#include "zt1_master.h"

#define FRAMES 1000
/* What a packet needs from one node to the other, milliseconds. */
#define DELAY 5
#define MAX_PACKETS 256
#define MAX_PACKET 1500
/* An Ethernet type for experiments. */
#define ETHER_TYPE 0x88b5
#define FRAME_LENGTH 64
#define TIME_LIMIT 120000

/* A packet on its way. */
struct packet {
    uint64_t arrives;
    unsigned int len;
    unsigned char data[MAX_PACKET];
};

struct node {
    ZT1_Node *handle;
    struct memory memory;
    struct sockaddr_in address;
    uint64_t zt_address, mac;
    bool is_member;
    /* On their way to it, in order. */
    struct packet packets[MAX_PACKETS];
    unsigned int packet_count;
    /* A frame that its port has for the node. */
    struct ZT1_VirtualLanFrame frame;
    unsigned char frame_data[FRAME_LENGTH];
    bool has_frame;
    uint64_t due;
};

static struct node nodes[2];
static struct master master;
static uint64_t now = 1000000;
/* Frames that came to each. */
static unsigned int received[2];

static void die(const char *what)
{
    fprintf(stderr, "zt1_two_nodes: %s\n", what);
    exit(1);
}

/* ---- Callbacks ------------------------------------------------------------------------------------------------- */

static long on_get(void *user, const char *name, void *buf, unsigned long cap, unsigned long start,
                   unsigned long *total)
{
    return memory_get(&((struct node *)user)->memory, name, buf, cap, start, total);
}

static int on_put(void *user, const char *name, const void *data, unsigned long len, int secure)
{
    (void)secure;
    return memory_put(&((struct node *)user)->memory, name, data, len);
}

static void on_port(void *user, ZT1_Node *handle, uint64_t nwid, const struct ZT1_VirtualPortConfig *config)
{
    struct node *node = user;
    (void)handle, (void)nwid;
    node->is_member = config != NULL && config->status == ZT1_VirtualPortConfig_STATUS_AUTHORIZED;
    node->mac = config != NULL ? config->mac : 0;
}

/* ---- Setting up ------------------------------------------------------------------------------------------------ */

static void make_node(struct node *node)
{
    const struct ZT1_Node_Host host = {
        .user = node, .dataStoreGet = on_get, .dataStorePut = on_put, .portConfig = on_port};
    if (ZT1_Node_newWithStore(&node->handle, now, &host) != ZT1_OK)
        die("no node");
}

/* Both nodes must know the root, who it is and where, before they start. */
static void make_both(void)
{
    char secret[512];
    unsigned char planet[8480];
    struct sockaddr_storage root_address;
    struct ZT1_Node_Status status;
    for (int i = 0; i < 2; i++) {
        nodes[i].address.sin_family = AF_INET;
        nodes[i].address.sin_port = htons(9993);
        nodes[i].address.sin_addr.s_addr = htonl(0x0a000001 + (uint32_t)i * 256); /* 10.0.0.1, 10.0.1.1 */
    }
    memset(&root_address, 0, sizeof root_address);
    memcpy(&root_address, &nodes[0].address, sizeof nodes[0].address);
    if (ZT1_newIdentity(secret, sizeof secret) != ZT1_OK)
        die("no identity");
    const struct ZT1_PlanetRoot root = {.identity = secret, .endpoints = &root_address, .endpointCount = 1};
    long planet_len = ZT1_newPlanet(now, &root, 1, planet, sizeof planet);
    if (planet_len < 0)
        die("no planet");
    memory_put(&nodes[0].memory, "identity.secret", secret, strlen(secret));
    for (int i = 0; i < 2; i++) {
        memory_put(&nodes[i].memory, "planet", planet, (unsigned long)planet_len);
        make_node(&nodes[i]);
        ZT1_Node_status(nodes[i].handle, &status);
        nodes[i].zt_address = status.rawAddress;
    }
}

/* ---- Passing packets ------------------------------------------------------------------------------------------- */

/* Takes the packets that have arrived from the front of the queue. */
static unsigned int take_arrived(struct node *node, struct ZT1_WireMessage *messages)
{
    const struct node *other = &nodes[node == &nodes[0]];
    unsigned int count = 0;
    for (; count < node->packet_count && node->packets[count].arrives <= now; count++) {
        memset(&messages[count], 0, sizeof messages[count]);
        memcpy(&messages[count].remoteAddress, &other->address, sizeof other->address);
        messages[count].packetData = node->packets[count].data;
        messages[count].packetLength = node->packets[count].len;
    }
    return count;
}

/* A packet of one node becomes one on its way to the other, if it has the right address and goes by level 0. */
static void pass_on(struct node *to, const struct ZT1_WireMessage *message)
{
    const struct sockaddr_in *address = (const struct sockaddr_in *)&message->remoteAddress;
    if (address->sin_family != AF_INET || address->sin_addr.s_addr != to->address.sin_addr.s_addr
        || (message->desperation != 0 && !message->spam) || message->packetLength > MAX_PACKET
        || to->packet_count == MAX_PACKETS)
        return; /* lost, as packets may be */
    struct packet *packet = &to->packets[to->packet_count++];
    packet->arrives = now + DELAY;
    packet->len = message->packetLength;
    memcpy(packet->data, message->packetData, message->packetLength);
}

/* A frame comes from the port of a node. The data is copied, for what a node hands out is gone at its next run. */
static void send_frame(struct node *node, uint64_t from, uint64_t to, const void *data)
{
    memcpy(node->frame_data, data, FRAME_LENGTH);
    node->frame = (struct ZT1_VirtualLanFrame){
        .networkId = master.network,
        .sourceMac = from,
        .destMac = to,
        .etherType = ETHER_TYPE,
        .frameData = node->frame_data,
        .frameLength = FRAME_LENGTH,
    };
    node->has_frame = true;
    node->due = now;
}

static void run(struct node *node)
{
    static struct ZT1_WireMessage in[MAX_PACKETS];
    const struct ZT1_WireMessage *out;
    const struct ZT1_VirtualLanFrame *frames;
    unsigned int in_count = take_arrived(node, in), out_count, frame_count;
    unsigned long wait;
    struct node *other = &nodes[node == &nodes[0]];
    if (ZT1_Node_runAt(node->handle, now, in, in_count, &node->frame, node->has_frame, &out, &out_count, &frames,
                       &frame_count, &wait)
        != ZT1_OK)
        die("a node cannot go on");
    node->has_frame = false;
    node->packet_count -= in_count;
    memmove(node->packets, node->packets + in_count, node->packet_count * sizeof *node->packets);
    for (unsigned int i = 0; i < out_count; i++)
        pass_on(other, &out[i]);
    node->due = now + wait;
    for (unsigned int i = 0; i < frame_count; i++) {
        if (frames[i].etherType != ETHER_TYPE || frames[i].frameLength != FRAME_LENGTH)
            continue;
        received[node == &nodes[1]]++;
        if (node == &nodes[1])
            send_frame(node, frames[i].destMac, frames[i].sourceMac, frames[i].frameData);
    }
}

/* Goes on to the next moment at which something is due. */
static void step(void)
{
    uint64_t next = UINT64_MAX;
    for (int i = 0; i < 2; i++) {
        if (nodes[i].due < next)
            next = nodes[i].due;
        if (nodes[i].packet_count > 0 && nodes[i].packets[0].arrives < next)
            next = nodes[i].packets[0].arrives;
    }
    if (next > now)
        now = next;
    for (int i = 0; i < 2; i++) {
        if (nodes[i].due <= now || (nodes[i].packet_count > 0 && nodes[i].packets[0].arrives <= now))
            run(&nodes[i]);
    }
}

/* ---- What is shown --------------------------------------------------------------------------------------------- */

/* The first node sends a frame to the second and waits for its return, and sends it again after a second without.
 * Virtual milliseconds. */
static uint64_t round_trip(unsigned int number)
{
    char payload[FRAME_LENGTH] = {0};
    unsigned int want = received[0] + 1;
    uint64_t start = now, again = now;
    snprintf(payload, sizeof payload, "frame %u", number);
    while (received[0] < want) {
        if (now >= again) {
            send_frame(&nodes[0], nodes[0].mac, nodes[1].mac, payload);
            again = now + 1000;
        }
        step();
        if (now > start + TIME_LIMIT)
            die("a frame did not come back");
    }
    return now - start;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(void)
{
    make_both();
    if (master_create(&master, nodes[0].handle, nodes[0].zt_address, MASTER_SETTINGS) != 0
        || master_admit(&master, nodes[1].zt_address) != 0)
        die("no network");
    uint64_t start = now;
    for (int i = 0; i < 2; i++) {
        if (ZT1_Node_join(nodes[i].handle, master.network) != ZT1_OK)
            die("a node does not join");
    }
    while (!nodes[0].is_member || !nodes[1].is_member) {
        step();
        if (now > start + TIME_LIMIT)
            die("a node does not become a member");
    }
    printf("members after %llu virtual ms\n", (unsigned long long)(now - start));
    printf("first frame and back: %llu virtual ms\n", (unsigned long long)round_trip(0));
    uint64_t longest = 0;
    double begin = seconds();
    for (unsigned int i = 1; i <= FRAMES; i++) {
        uint64_t time = round_trip(i);
        if (time > longest)
            longest = time;
    }
    double each = (seconds() - begin) / FRAMES;
    printf("%u frames there and %u back; longest round trip %llu virtual ms, %.1f us of work each\n", received[1],
           received[0], (unsigned long long)longest, each * 1e6);
    for (int i = 0; i < 2; i++) {
        ZT1_Node_delete(nodes[i].handle);
        memory_clear(&nodes[i].memory);
    }
    ZT1_NetconfMaster_delete(master.handle);
    return 0;
}
