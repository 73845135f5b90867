/*
 * Two nodes in one program on the ZT interface, without a socket, a thread or a clock.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * As zt1_two_nodes.c: the first is the only root and the controller of a network, the second a member; the first sends
 * frames, the second sends them back. The controller is an addition of this library, and the functions that make
 * identity and planet are in the other header, which goes with this one.
 */
#define _GNU_SOURCE
#include <ZeroTierOne.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zt1/ZeroTierOne.h>

#include "memory.h"

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
    int64_t arrives;
    unsigned int len;
    unsigned char data[MAX_PACKET];
};

struct node {
    ZT_Node *handle;
    struct memory memory;
    struct sockaddr_in address;
    uint64_t mac;
    bool is_member;
    /* On their way to it, in order. */
    struct packet packets[MAX_PACKETS];
    unsigned int packet_count;
    /* A frame that came back to its port, for the loop: it does not go in again from within the callback. */
    unsigned char frame[FRAME_LENGTH];
    bool has_frame;
    volatile int64_t due;
};

static struct node nodes[2];
static uint64_t network;
static int64_t now = 1000000;
/* Frames that came to each. */
static unsigned int received[2];

static void die(const char *what)
{
    fprintf(stderr, "zt_two_nodes: %s\n", what);
    exit(1);
}

/* ---- Callbacks ------------------------------------------------------------------------------------------------- */

/* Any name will do, as long as each object has its own. */
static void object_name(char name[MEMORY_MAX_NAME], enum ZT_StateObjectType type, const uint64_t id[2])
{
    int has_id = type != ZT_STATE_OBJECT_IDENTITY_PUBLIC && type != ZT_STATE_OBJECT_IDENTITY_SECRET
                 && type != ZT_STATE_OBJECT_PLANET;
    snprintf(name, MEMORY_MAX_NAME, "%d/%llx", (int)type, has_id ? (unsigned long long)id[0] : 0);
}

static void on_put(ZT_Node *handle, void *uptr, void *tptr, enum ZT_StateObjectType type, const uint64_t id[2],
                   const void *data, int len)
{
    char name[MEMORY_MAX_NAME];
    (void)handle, (void)tptr;
    object_name(name, type, id);
    memory_put(&((struct node *)uptr)->memory, name, len < 0 ? NULL : data, len < 0 ? 0 : (unsigned long)len);
}

static int on_get(ZT_Node *handle, void *uptr, void *tptr, enum ZT_StateObjectType type, const uint64_t id[2],
                  void *buf, unsigned int cap)
{
    char name[MEMORY_MAX_NAME];
    unsigned long total = 0;
    (void)handle, (void)tptr;
    object_name(name, type, id);
    long len = memory_get(&((struct node *)uptr)->memory, name, buf, cap, 0, &total);
    return len < 0 || (unsigned long)len != total ? -1 : (int)len;
}

/* A packet of one node becomes one on its way to the other, if it has the right address. */
static int on_send(ZT_Node *handle, void *uptr, void *tptr, int64_t socket, const struct sockaddr_storage *address,
                   const void *data, unsigned int len, unsigned int ttl)
{
    struct node *to = &nodes[uptr == &nodes[0]];
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;
    (void)handle, (void)tptr, (void)socket;
    if (in->sin_family != AF_INET || in->sin_addr.s_addr != to->address.sin_addr.s_addr || ttl != 0
        || len > MAX_PACKET || to->packet_count == MAX_PACKETS)
        return -1; /* lost, as packets may be */
    struct packet *packet = &to->packets[to->packet_count++];
    packet->arrives = now + DELAY;
    packet->len = len;
    memcpy(packet->data, data, len);
    return 0;
}

static int on_port(ZT_Node *handle, void *uptr, void *tptr, uint64_t nwid, void **nuptr,
                   enum ZT_VirtualNetworkConfigOperation op, const ZT_VirtualNetworkConfig *config)
{
    struct node *node = uptr;
    (void)handle, (void)tptr, (void)nwid, (void)nuptr;
    node->is_member = (op == ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_UP
                       || op == ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_CONFIG_UPDATE)
                      && config->status == ZT_NETWORK_STATUS_OK;
    node->mac = config->mac;
    return 0;
}

static void on_frame(ZT_Node *handle, void *uptr, void *tptr, uint64_t nwid, void **nuptr, uint64_t source,
                     uint64_t destination, unsigned int ether_type, unsigned int vlan, const void *data,
                     unsigned int len)
{
    struct node *node = uptr;
    (void)handle, (void)tptr, (void)nwid, (void)nuptr, (void)source, (void)destination, (void)vlan;
    if (ether_type != ETHER_TYPE || len != FRAME_LENGTH)
        return;
    received[node == &nodes[1]]++;
    memcpy(node->frame, data, len);
    node->has_frame = node == &nodes[1];
}

static void on_event(ZT_Node *handle, void *uptr, void *tptr, enum ZT_Event event, const void *meta)
{
    (void)handle, (void)uptr, (void)tptr, (void)event, (void)meta;
}

/* ---- Setting up ------------------------------------------------------------------------------------------------ */

static void make_node(struct node *node)
{
    static const struct ZT_Node_Callbacks callbacks = {
        .statePutFunction = on_put,
        .stateGetFunction = on_get,
        .wirePacketSendFunction = on_send,
        .virtualNetworkFrameFunction = on_frame,
        .virtualNetworkConfigFunction = on_port,
        .eventCallback = on_event,
    };
    if (ZT_Node_new(&node->handle, node, NULL, &callbacks, now) != ZT_RESULT_OK)
        die("no node");
}

/* Both nodes must know the root, who it is and where, before they start. */
static void make_both(void)
{
    static const uint64_t no_id[2];
    char secret[512];
    unsigned char planet[8480];
    struct sockaddr_storage root_address;
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
    long planet_len = ZT1_newPlanet((uint64_t)now, &root, 1, planet, sizeof planet);
    if (planet_len < 0)
        die("no planet");
    on_put(NULL, &nodes[0], NULL, ZT_STATE_OBJECT_IDENTITY_SECRET, no_id, secret, (int)strlen(secret));
    for (int i = 0; i < 2; i++) {
        on_put(NULL, &nodes[i], NULL, ZT_STATE_OBJECT_PLANET, no_id, planet, (int)planet_len);
        make_node(&nodes[i]);
    }
}

static struct sockaddr_storage ip(const char *text, uint16_t port)
{
    struct sockaddr_storage storage;
    struct sockaddr_in *in = (struct sockaddr_in *)&storage;
    memset(&storage, 0, sizeof storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    inet_pton(AF_INET, text, &in->sin_addr);
    return storage;
}

/* A network of the first node, with both as members. */
static ZT_Controller *make_network(void)
{
    ZT_Controller *controller = ZT_Controller_new(NULL);
    ZT_Node_setNetconfMaster(nodes[0].handle, controller);
    const ZT_VirtualNetworkRoute route = {.target = ip("10.9.0.0", 16)};
    const ZT_ControllerPool pool = {.start = ip("10.9.0.1", 0), .end = ip("10.9.0.99", 0)};
    const ZT_ControllerNetwork settings = {
        .name = "example",
        .type = ZT_NETWORK_TYPE_PRIVATE,
        .assignV4 = 1,
        .routes = &route,
        .routeCount = 1,
        .pools = &pool,
        .poolCount = 1,
    };
    const unsigned int fields = ZT_CONTROLLER_NETWORK_NAME | ZT_CONTROLLER_NETWORK_TYPE
                                | ZT_CONTROLLER_NETWORK_ASSIGN_V4 | ZT_CONTROLLER_NETWORK_ROUTES
                                | ZT_CONTROLLER_NETWORK_POOLS;
    char *problem = NULL;
    if (ZT_Controller_setNetwork(controller, &settings, fields, &network, &problem) != ZT_RESULT_OK)
        die(problem == NULL ? "the controller makes no network" : problem);
    for (int i = 0; i < 2; i++) {
        const ZT_ControllerMember member = {
            .nwid = network, .address = ZT_Node_address(nodes[i].handle), .authorized = 1};
        if (ZT_Controller_setMember(controller, &member, ZT_CONTROLLER_MEMBER_AUTHORIZED, NULL) != ZT_RESULT_OK)
            die("the controller makes no member");
    }
    for (int i = 0; i < 2; i++) {
        if (ZT_Node_join(nodes[i].handle, network, NULL, NULL) != ZT_RESULT_OK)
            die("a node does not join");
    }
    return controller;
}

/* ---- The loop -------------------------------------------------------------------------------------------------- */

static void deliver(struct node *node)
{
    const struct node *other = &nodes[node == &nodes[0]];
    struct sockaddr_storage from;
    memset(&from, 0, sizeof from);
    memcpy(&from, &other->address, sizeof other->address);
    while (node->packet_count > 0 && node->packets[0].arrives <= now) {
        struct packet packet = node->packets[0];
        memmove(node->packets, node->packets + 1, --node->packet_count * sizeof *node->packets);
        ZT_Node_processWirePacket(node->handle, NULL, now, 1, &from, packet.data, packet.len, &node->due);
    }
}

/* A frame from the port of one node to the other's. */
static void send_frame(struct node *node, const void *data)
{
    const struct node *other = &nodes[node == &nodes[0]];
    ZT_Node_processVirtualNetworkFrame(node->handle, NULL, now, network, node->mac, other->mac, ETHER_TYPE, 0, data,
                                       FRAME_LENGTH, &node->due);
}

/* Goes on to the next moment at which something is due. */
static void step(void)
{
    int64_t next = INT64_MAX;
    for (int i = 0; i < 2; i++) {
        if (nodes[i].due < next)
            next = nodes[i].due;
        if (nodes[i].packet_count > 0 && nodes[i].packets[0].arrives < next)
            next = nodes[i].packets[0].arrives;
    }
    if (next > now)
        now = next;
    for (int i = 0; i < 2; i++) {
        struct node *node = &nodes[i];
        deliver(node);
        if (node->has_frame) {
            node->has_frame = false;
            send_frame(node, node->frame);
        }
        if (node->due <= now)
            ZT_Node_processBackgroundTasks(node->handle, NULL, now, &node->due);
    }
}

/* ---- What is shown --------------------------------------------------------------------------------------------- */

/* The first node sends a frame to the second and waits for its return, and sends it again after a second without.
 * Virtual milliseconds. */
static int64_t round_trip(unsigned int number)
{
    char payload[FRAME_LENGTH] = {0};
    unsigned int want = received[0] + 1;
    int64_t start = now, again = now;
    snprintf(payload, sizeof payload, "frame %u", number);
    while (received[0] < want) {
        if (now >= again) {
            send_frame(&nodes[0], payload);
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
    int64_t start = now;
    ZT_Controller *controller = make_network();
    while (!nodes[0].is_member || !nodes[1].is_member) {
        step();
        if (now > start + TIME_LIMIT)
            die("a node does not become a member");
    }
    printf("members after %lld virtual ms\n", (long long)(now - start));
    printf("first frame and back: %lld virtual ms\n", (long long)round_trip(0));
    int64_t longest = 0;
    double begin = seconds();
    for (unsigned int i = 1; i <= FRAMES; i++) {
        int64_t time = round_trip(i);
        if (time > longest)
            longest = time;
    }
    double each = (seconds() - begin) / FRAMES;
    printf("%u frames there and %u back; longest round trip %lld virtual ms, %.1f us of work each\n", received[1],
           received[0], (long long)longest, each * 1e6);
    for (int i = 0; i < 2; i++) {
        ZT_Node_delete(nodes[i].handle);
        memory_clear(&nodes[i].memory);
    }
    ZT_Controller_delete(controller);
    return 0;
}
