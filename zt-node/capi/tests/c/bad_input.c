/*
 * Everything that cannot be used, given to every function of both interfaces: NULL, handles that are none, lengths and
 * counts out of bounds, pointers that are not aligned, text that is no text, addresses of no family.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "zt_rig.h"
#include "zt1_rig.h"

#include <limits.h>

static struct zt1 root, alice;
static struct zt bob;
static const uint64_t lan = 0x1234567890000001ULL;
static const struct ZT1_WireMessage *wires;
static const struct ZT1_VirtualLanFrame *frames;
static unsigned wire_count, frame_count;
static unsigned long wait;

/* A handle that was deleted, handles that never were, and those of other things. */
static void *no_zt1[8], *no_zt[8];
#define NOBODY 8

static enum ZT1_ReturnValue run_with(ZT1_Node *node, const struct ZT1_WireMessage *in_wires, unsigned in_wire_count,
                                     const struct ZT1_VirtualLanFrame *in_frames, unsigned in_frame_count)
{
    /* What was there before must not be taken for an answer. */
    wires = (const void *)&wire_count;
    frames = (const void *)&frame_count;
    wire_count = frame_count = 12345;
    wait = 0;
    return ZT1_Node_runAt(node, rig_now, in_wires, in_wire_count, in_frames, in_frame_count, &wires, &wire_count, &frames,
                          &frame_count, &wait);
}

static void refused_run(const struct ZT1_WireMessage *in_wires, unsigned in_wire_count,
                        const struct ZT1_VirtualLanFrame *in_frames, unsigned in_frame_count)
{
    CHECK_INT(run_with(alice.node, in_wires, in_wire_count, in_frames, in_frame_count), ZT1_ERROR_BAD_PARAMETER);
    CHECK_INT(wire_count, 0);
    CHECK_INT(frame_count, 0);
}

static void make_handles(void)
{
    static int foreign;
    struct zt1 gone;
    struct zt lost;
    zt1_start(&gone, "10.0.0.8", EVE_SECRET, PLANET, PLANET_LENGTH);
    void *old = gone.node;
    zt1_end(&gone);
    zt_prepare(&lost, "10.0.0.9", EVE_SECRET, PLANET, PLANET_LENGTH);
    CHECK_INT(zt_open(&lost), ZT_RESULT_OK);
    void *old_zt = lost.node;
    zt_end(&lost);
    void *both[] = {NULL, &foreign, (void *)1, (void *)-1, (void *)0x1001, old, (char *)old + 1};
    memcpy(no_zt1, both, sizeof both);
    memcpy(no_zt, both, sizeof both);
    no_zt[5] = old_zt;
    no_zt[6] = (char *)old_zt + 1;
    no_zt1[7] = bob.node;
    no_zt[7] = alice.node;
}

static void zt1_handles(void)
{
    struct ZT1_Node_Status status;
    for (int i = 0; i < NOBODY; i++) {
        ZT1_Node *node = no_zt1[i];
        CHECK_INT(ZT1_Node_delete(node), ZT1_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT1_Node_enableNetconfMaster(node, NULL), ZT1_ERROR_BAD_PARAMETER);
        CHECK_INT(run_with(node, NULL, 0, NULL, 0), ZT1_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT1_Node_join(node, lan), ZT1_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT1_Node_leave(node, lan), ZT1_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT1_Node_setPort(node, lan, "zt0", 0), ZT1_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT1_Node_multicastSubscribe(node, lan, 1, 2), ZT1_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT1_Node_multicastUnsubscribe(node, lan, 1, 2), ZT1_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT1_Node_status(node, &status), ZT1_ERROR_BAD_PARAMETER);
        CHECK(ZT1_Node_peers(node) == NULL);
        CHECK(ZT1_Node_networks(node) == NULL);
        CHECK(ZT1_Node_networkConfig(node, lan) == NULL);
        ZT1_Node_freeQueryResult(node);
        CHECK_INT(ZT1_NetconfMaster_delete(node), ZT1_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT1_NetconfMaster_request(node, "GET", "/controller", NULL, 0, NULL), 0);
        CHECK_INT(ZT1_Node_enableNetconfMaster(alice.node, node), ZT1_ERROR_BAD_PARAMETER);
    }
}

static void zt_handles(void)
{
    for (int i = 0; i < NOBODY; i++) {
        ZT_Node *node = no_zt[i];
        const struct sockaddr_storage from = rig_ipv4("10.0.0.1", 9993);
        volatile int64_t deadline = 7;
        ZT_NodeStatus status = {.address = 5};
        void *pointer = &status;
        ZT_PhysicalPathConfiguration settings = {0};
        ZT_Node_delete(node);
        CHECK_INT(ZT_Node_processWirePacket(node, NULL, 1, -1, &from, "x", 1, &deadline), ZT_RESULT_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT_Node_processVirtualNetworkFrame(node, NULL, 1, lan, 1, 2, 3, 0, "x", 1, &deadline),
                  ZT_RESULT_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT_Node_processBackgroundTasks(node, NULL, 1, &deadline), ZT_RESULT_ERROR_BAD_PARAMETER);
        CHECK_INT(deadline, 7);
        CHECK_INT(ZT_Node_join(node, lan, NULL, NULL), ZT_RESULT_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT_Node_leave(node, lan, &pointer, NULL), ZT_RESULT_ERROR_BAD_PARAMETER);
        CHECK(pointer == &status);
        CHECK_INT(ZT_Node_multicastSubscribe(node, NULL, lan, 1, 2), ZT_RESULT_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT_Node_multicastUnsubscribe(node, lan, 1, 2), ZT_RESULT_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT_Node_orbit(node, NULL, HUB, HUB), ZT_RESULT_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT_Node_deorbit(node, NULL, HUB), ZT_RESULT_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT_Node_address(node), 0);
        ZT_Node_status(node, &status);
        CHECK_INT(status.address, 5);
        CHECK(ZT_Node_peers(node) == NULL);
        CHECK(ZT_Node_networks(node) == NULL);
        CHECK(ZT_Node_networkConfig(node, lan) == NULL);
        ZT_Node_freeQueryResult(node, node);
        CHECK_INT(ZT_Node_addLocalInterfaceAddress(node, &from), 0);
        ZT_Node_clearLocalInterfaceAddresses(node);
        CHECK_INT(ZT_Node_sendUserMessage(node, NULL, ALICE, 1, "x", 1), 0);
        ZT_Node_setNetconfMaster(node, NULL);
        CHECK_INT(ZT_Node_setPhysicalPathConfiguration(node, &from, &settings), ZT_RESULT_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT_Controller_delete(node), ZT_RESULT_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT_Controller_request(node, "GET", "/controller", NULL, 0, NULL), 0);
        ZT_Node_setNetconfMaster(bob.node, node);
    }
}

static void zt1_nulls(void)
{
    ZT1_Node *node = (ZT1_Node *)1;
    ZT1_VirtualPortConfigCallback port = NULL;
    ZT1_StatusCallback status = NULL;
    CHECK_INT(ZT1_Node_new(NULL, "somewhere", &port, &status), ZT1_ERROR_BAD_PARAMETER);
    CHECK_INT(ZT1_Node_new(&node, NULL, &port, &status), ZT1_ERROR_BAD_PARAMETER);
    CHECK(node == NULL);
    node = (ZT1_Node *)1;
    CHECK_INT(ZT1_Node_new(&node, "", &port, &status), ZT1_ERROR_BAD_PARAMETER);
    CHECK(node == NULL);
    CHECK_INT(ZT1_Node_new(&node, "/dev/null/home", NULL, NULL), ZT1_FATAL_ERROR_DATA_STORE_NOT_WRITABLE);
    CHECK_INT(ZT1_Node_new(&node, "/proc/self/no\xff\xfe", NULL, NULL), ZT1_FATAL_ERROR_DATA_STORE_NOT_WRITABLE);
    CHECK(node == NULL);

    struct ZT1_Node_Host host = {.user = &alice.store, .dataStoreGet = store_get, .dataStorePut = store_put};
    CHECK_INT(ZT1_Node_newWithStore(NULL, 0, &host), ZT1_ERROR_BAD_PARAMETER);
    CHECK_INT(ZT1_Node_newWithStore(&node, 0, NULL), ZT1_ERROR_BAD_PARAMETER);
    host.dataStoreGet = NULL;
    CHECK_INT(ZT1_Node_newWithStore(&node, 0, &host), ZT1_ERROR_BAD_PARAMETER);
    host = (struct ZT1_Node_Host){.user = &alice.store, .dataStoreGet = store_get};
    CHECK_INT(ZT1_Node_newWithStore(&node, 0, &host), ZT1_ERROR_BAD_PARAMETER);
    CHECK(node == NULL);

    /* Each output of run, on its own. */
    for (int missing = 0; missing < 5; missing++) {
        CHECK_INT(ZT1_Node_runAt(alice.node, rig_now, NULL, 0, NULL, 0, missing == 0 ? NULL : &wires,
                                 missing == 1 ? NULL : &wire_count, missing == 2 ? NULL : &frames,
                                 missing == 3 ? NULL : &frame_count, missing == 4 ? NULL : &wait),
                  ZT1_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT1_Node_run(NULL, 0, NULL, 0, missing == 0 ? NULL : &wires, missing == 1 ? NULL : &wire_count,
                               missing == 2 ? NULL : &frames, missing == 3 ? NULL : &frame_count,
                               missing == 4 ? NULL : &wait),
                  ZT1_ERROR_BAD_PARAMETER);
    }
    CHECK_INT(ZT1_Node_status(alice.node, NULL), ZT1_ERROR_BAD_PARAMETER);
    CHECK_INT(ZT1_Node_setPort(alice.node, lan, NULL, 0), ZT1_ERROR_NETWORK_NOT_FOUND);
    ZT1_Node_freeQueryResult(NULL);
    ZT1_Node_freeQueryResult(&node);
    ZT1_Node_freeQueryResult((void *)-1);
}

static void run_bounds(void)
{
    static char data[70000];
    struct ZT1_WireMessage wire = {.remoteAddress = rig_ipv4("10.0.0.1", 9993), .packetData = data};
    struct ZT1_VirtualLanFrame frame = {.networkId = lan, .frameData = data};
    refused_run(NULL, 1, NULL, 0);
    refused_run(NULL, 0, NULL, 1);
    refused_run(NULL, UINT_MAX, NULL, 0);
    refused_run(&wire, UINT_MAX, NULL, 0);
    refused_run(&wire, 1U << 30, NULL, 0);
    refused_run(NULL, 0, &frame, UINT_MAX);
    for (int shift = 1; shift < 8; shift++) {
        refused_run((const void *)((const char *)&wire + shift), 1, NULL, 0);
        refused_run(NULL, 0, (const void *)((const char *)&frame + shift), 1);
    }
    wire.packetLength = UINT_MAX;
    refused_run(&wire, 1, NULL, 0);
    wire.packetLength = 65536;
    refused_run(&wire, 1, NULL, 0);
    wire.packetLength = 1;
    wire.packetData = NULL;
    refused_run(&wire, 1, NULL, 0);
    frame.frameLength = 10001;
    refused_run(NULL, 0, &frame, 1);
    frame.frameLength = UINT_MAX;
    refused_run(NULL, 0, &frame, 1);
    frame.frameLength = 1;
    frame.frameData = NULL;
    refused_run(NULL, 0, &frame, 1);
    /* One bad one among good ones: nothing is taken. */
    struct ZT1_WireMessage several[3];
    for (int i = 0; i < 3; i++)
        several[i] = (struct ZT1_WireMessage){.remoteAddress = wire.remoteAddress, .packetData = data, .packetLength = 9};
    several[2].packetLength = 99999999;
    refused_run(several, 3, NULL, 0);

    /* Just within bounds: of no use, and no error. */
    wire.packetData = data;
    const unsigned lengths[] = {0, 1, 15, 16, 27, 28, 1500, 65535};
    for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        wire.packetLength = lengths[i];
        CHECK_INT(run_with(alice.node, &wire, 1, NULL, 0), ZT1_OK);
    }
    wire.packetData = NULL;
    wire.packetLength = 0;
    CHECK_INT(run_with(alice.node, &wire, 1, NULL, 0), ZT1_OK);
    frame.frameData = data;
    frame.frameLength = 10000;
    CHECK_INT(run_with(alice.node, NULL, 0, &frame, 1), ZT1_OK);
    frame.etherType = UINT_MAX;
    frame.vlanId = UINT_MAX;
    frame.sourceMac = frame.destMac = UINT64_MAX;
    CHECK_INT(run_with(alice.node, NULL, 0, &frame, 1), ZT1_OK);
    frame.frameData = NULL;
    frame.frameLength = 0;
    CHECK_INT(run_with(alice.node, NULL, 0, &frame, 1), ZT1_OK);
    /* Levels of all kinds, families of all kinds. */
    const int levels[] = {INT_MIN, -17, -16, -1, 0, 1, 2, 15, 16, INT_MAX};
    wire.packetData = data;
    wire.packetLength = 100;
    for (unsigned i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        wire.desperation = levels[i];
        CHECK_INT(run_with(alice.node, &wire, 1, NULL, 0), ZT1_OK);
    }
    wire.desperation = 0;
    for (unsigned family = 0; family < 65536; family += family < 64 ? 1 : 1021) {
        memset(&wire.remoteAddress, 0xff, sizeof wire.remoteAddress);
        wire.remoteAddress.ss_family = (sa_family_t)family;
        CHECK_INT(run_with(alice.node, &wire, 1, NULL, 0), ZT1_OK);
    }
    /* Times of all kinds: a clock that goes back stands still. */
    CHECK_INT(ZT1_Node_runAt(alice.node, 0, NULL, 0, NULL, 0, &wires, &wire_count, &frames, &frame_count, &wait), ZT1_OK);
    CHECK_RANGE(wait, 1, 60000);
}

static void zt1_text(void)
{
    CHECK_INT(ZT1_Node_join(alice.node, lan), ZT1_OK);
    CHECK_INT(ZT1_Node_setPort(alice.node, lan, "\xff\xfe\x80", 0), ZT1_ERROR_BAD_PARAMETER);
    static char text[100000];
    memset(text, 'a', sizeof text - 1);
    CHECK_INT(ZT1_Node_setPort(alice.node, lan, text, 0), ZT1_ERROR_BAD_PARAMETER);
    CHECK_INT(ZT1_Node_setPort(alice.node, lan, "", INT_MIN), ZT1_OK);
    CHECK_INT(ZT1_Node_leave(alice.node, lan), ZT1_OK);
    for (unsigned i = 0; i < 3; i++) {
        const uint64_t odd = i == 0 ? 0 : i == 1 ? UINT64_MAX : ALICE << 24;
        (void)ZT1_Node_join(alice.node, odd);
        ZT1_Node_freeQueryResult(ZT1_Node_networkConfig(alice.node, odd));
        (void)ZT1_Node_multicastSubscribe(alice.node, odd, UINT64_MAX, UINT32_MAX);
        CHECK_INT(run_with(alice.node, NULL, 0, NULL, 0), ZT1_OK);
        (void)ZT1_Node_leave(alice.node, odd);
    }

    ZT1_NetconfMaster *master = ZT1_NetconfMaster_new();
    char *answer = (char *)1;
    CHECK_INT(ZT1_NetconfMaster_request(master, "GET", "/controller", NULL, 0, &answer), 0);
    CHECK(answer == NULL);
    CHECK_INT(ZT1_Node_enableNetconfMaster(alice.node, NULL), ZT1_ERROR_BAD_PARAMETER);
    CHECK_INT(ZT1_Node_enableNetconfMaster(alice.node, master), ZT1_OK);
    CHECK_INT(ZT1_NetconfMaster_request(master, NULL, "/controller", NULL, 0, NULL), 0);
    CHECK_INT(ZT1_NetconfMaster_request(master, "GET", NULL, NULL, 0, NULL), 0);
    CHECK_INT(ZT1_NetconfMaster_request(master, "\xff", "/controller", NULL, 0, NULL), 0);
    CHECK_INT(ZT1_NetconfMaster_request(master, "GET", "\xff\xff", NULL, 0, NULL), 0);
    CHECK_INT(ZT1_NetconfMaster_request(master, "GET", text, NULL, 0, NULL), 0);
    CHECK_INT(ZT1_NetconfMaster_request(master, "POST", "/controller/network", NULL, 5, NULL), 0);
    CHECK_INT(ZT1_NetconfMaster_request(master, "POST", "/controller/network", text, ULONG_MAX, NULL), 0);
    CHECK_INT(ZT1_NetconfMaster_request(master, "POST", "/controller/network", text, 1UL << 33, NULL), 0);
    CHECK_INT(ZT1_NetconfMaster_request(master, "POST", "/controller/network", text, 1048577, NULL), 0);
    CHECK_RANGE(ZT1_NetconfMaster_request(master, "POST", "/controller/network", "{", 1, NULL), 400, 500);
    CHECK_INT(ZT1_NetconfMaster_request(master, "BREW", "/coffee", "\0\1\2", 3, &answer), 404);
    CHECK(answer != NULL);
    ZT1_Node_freeQueryResult(answer + 1);
    ZT1_Node_freeQueryResult(answer);
    ZT1_Node_freeQueryResult(answer);
    CHECK_INT(ZT1_NetconfMaster_delete(master), ZT1_OK);
}

static void zt_nulls(void)
{
    ZT_Node *node = (ZT_Node *)1;
    struct ZT_Node_Callbacks none;
    memset(&none, 0, sizeof none);
    CHECK_INT(ZT_Node_new(NULL, NULL, NULL, &none, 0), ZT_RESULT_ERROR_BAD_PARAMETER);
    CHECK_INT(ZT_Node_new(&node, NULL, NULL, NULL, 0), ZT_RESULT_ERROR_BAD_PARAMETER);
    CHECK(node == NULL);
    CHECK_INT(ZT_Node_new(&node, NULL, NULL, &none, 0), ZT_RESULT_ERROR_BAD_PARAMETER);
    none.version = 1;
    CHECK(ZT_ResultCode_isFatal(ZT_Node_new(&node, NULL, NULL, &none, 0)));
    CHECK_INT(ZT_Node_new((ZT_Node **)((char *)&node + 1), NULL, NULL, &none, 0), ZT_RESULT_ERROR_BAD_PARAMETER);

    const struct sockaddr_storage from = rig_ipv4("10.0.0.1", 9993);
    volatile int64_t deadline = INT64_MAX;
    const int64_t now = (int64_t)rig_now;
    CHECK_INT(ZT_Node_processWirePacket(bob.node, NULL, now, -1, NULL, "x", 1, &deadline), ZT_RESULT_ERROR_BAD_PARAMETER);
    CHECK_INT(ZT_Node_processWirePacket(bob.node, NULL, now, -1, &from, NULL, 1, &deadline),
              ZT_RESULT_ERROR_BAD_PARAMETER);
    CHECK_INT(ZT_Node_processWirePacket(bob.node, NULL, now, -1, &from, "x", UINT_MAX, &deadline),
              ZT_RESULT_ERROR_BAD_PARAMETER);
    CHECK_INT(ZT_Node_processWirePacket(bob.node, NULL, now, -1, &from, "x", 1, NULL), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_processWirePacket(bob.node, NULL, now, -1, &from, NULL, 0, NULL), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_processWirePacket(bob.node, NULL, now, -1, (const void *)((const char *)&from + 1), "x", 1, NULL),
              ZT_RESULT_ERROR_BAD_PARAMETER);
    CHECK_INT(ZT_Node_processVirtualNetworkFrame(bob.node, NULL, now, lan, 1, 2, 3, 0, NULL, 5, NULL),
              ZT_RESULT_ERROR_BAD_PARAMETER);
    CHECK_INT(ZT_Node_processVirtualNetworkFrame(bob.node, NULL, now, lan, 1, 2, 3, 0, "x", 10001, NULL),
              ZT_RESULT_ERROR_BAD_PARAMETER);
    CHECK_INT(ZT_Node_processVirtualNetworkFrame(bob.node, NULL, now, lan, 1, 2, 3, 0, "x", UINT_MAX, NULL),
              ZT_RESULT_ERROR_BAD_PARAMETER);
    CHECK_INT(ZT_Node_processBackgroundTasks(bob.node, NULL, now, NULL), ZT_RESULT_ERROR_BAD_PARAMETER);
    for (int64_t odd = -1; odd <= 1; odd++)
        CHECK_INT(ZT_Node_processBackgroundTasks(bob.node, NULL, odd == 0 ? 0 : odd < 0 ? INT64_MIN : now, &deadline),
                  ZT_RESULT_OK);
    ZT_Node_status(bob.node, NULL);
    CHECK_INT(ZT_Node_sendUserMessage(bob.node, NULL, ALICE, 1, NULL, 7), 0);
    CHECK_INT(ZT_Node_sendUserMessage(bob.node, NULL, ALICE, 1, "x", UINT_MAX), 0);
    CHECK_INT(ZT_Node_addLocalInterfaceAddress(bob.node, NULL), 0);
    ZT_Node_setNetconfMaster(bob.node, NULL);
    CHECK_INT(ZT_Node_leave(bob.node, lan, NULL, NULL), ZT_RESULT_OK);
    ZT_Node_freeQueryResult(bob.node, NULL);
    ZT_Node_freeQueryResult(bob.node, &node);
    ZT_version(NULL, NULL, NULL);
    int minor = 0;
    ZT_version(NULL, &minor, NULL);
    CHECK_INT(minor, 14);
    for (unsigned family = 0; family < 65536; family += family < 64 ? 1 : 1021) {
        struct sockaddr_storage odd;
        memset(&odd, 0xff, sizeof odd);
        odd.ss_family = (sa_family_t)family;
        CHECK_INT(ZT_Node_processWirePacket(bob.node, NULL, now, family, &odd, "what is this", 12, NULL), ZT_RESULT_OK);
        (void)ZT_Node_addLocalInterfaceAddress(bob.node, &odd);
        (void)ZT_Node_setPhysicalPathConfiguration(bob.node, &odd, NULL);
    }
    ZT_Node_clearLocalInterfaceAddresses(bob.node);
}

static void zt_controller(void)
{
    static char text[100000];
    ZT_Controller_Store half = {.user = NULL, .get = store_get, .put = NULL};
    CHECK(ZT_Controller_new(&half) == NULL);
    half = (ZT_Controller_Store){.user = NULL, .get = NULL, .put = store_put};
    CHECK(ZT_Controller_new(&half) == NULL);
    ZT_Controller *controller = ZT_Controller_new(NULL);
    CHECK(controller != NULL);
    CHECK_INT(ZT_Controller_request(controller, "GET", "/controller", NULL, 0, NULL), 0);
    ZT_Node_setNetconfMaster(bob.node, controller);
    CHECK_INT(ZT_Controller_request(controller, "GET", "/controller", NULL, 0, NULL), 200);
    CHECK_INT(ZT_Controller_request(controller, NULL, "/controller", NULL, 0, NULL), 0);
    CHECK_INT(ZT_Controller_request(controller, "GET", NULL, NULL, 0, NULL), 0);
    CHECK_INT(ZT_Controller_request(controller, "GET", "\xc0", NULL, 0, NULL), 0);
    CHECK_INT(ZT_Controller_request(controller, "POST", "/controller/network", NULL, 3, NULL), 0);
    CHECK_INT(ZT_Controller_request(controller, "POST", "/controller/network", text, 1UL << 40, NULL), 0);
    CHECK_RANGE(ZT_Controller_request(controller, "POST", "/controller/network", text, sizeof text, NULL), 400, 500);
    /* A second one is ignored, as is the first on another node. */
    ZT_Controller *second = ZT_Controller_new(NULL);
    ZT_Node_setNetconfMaster(bob.node, second);
    CHECK_INT(ZT_Controller_request(second, "GET", "/controller", NULL, 0, NULL), 0);
    CHECK_INT(ZT_Controller_delete(second), ZT_RESULT_OK);
    CHECK_INT(ZT_Controller_delete(second), ZT_RESULT_ERROR_BAD_PARAMETER);
    CHECK_INT(ZT_Controller_delete(controller), ZT_RESULT_OK);
    CHECK_INT(ZT_Controller_request(controller, "GET", "/controller", NULL, 0, NULL), 0);
}

static void results_twice(void)
{
    struct ZT1_Node_PeerList *peers = ZT1_Node_peers(alice.node);
    struct ZT1_Node_NetworkList *networks = ZT1_Node_networks(alice.node);
    ZT_PeerList *zt_peers = ZT_Node_peers(bob.node);
    ZT_VirtualNetworkList *zt_networks = ZT_Node_networks(bob.node);
    /* Any of the functions frees any result, once. */
    ZT_Node_freeQueryResult(NULL, peers);
    ZT1_Node_freeQueryResult(peers);
    ZT1_Node_freeQueryResult(networks);
    ZT1_Node_freeQueryResult(networks);
    ZT_Node_freeQueryResult(bob.node, zt_peers);
    ZT_Node_freeQueryResult(bob.node, zt_peers);
    ZT1_Node_freeQueryResult(zt_networks);
    ZT_Node_freeQueryResult(bob.node, zt_networks);
}

static void extreme_times(void)
{
    /* Last, as the clock does not come back. */
    volatile int64_t deadline = 0;
    CHECK_INT(ZT1_Node_runAt(alice.node, UINT64_MAX, NULL, 0, NULL, 0, &wires, &wire_count, &frames, &frame_count, &wait),
              ZT1_OK);
    CHECK_RANGE(wait, 1, 60000);
    CHECK_INT(ZT1_Node_join(alice.node, lan), ZT1_OK);
    CHECK_INT(ZT1_Node_runAt(alice.node, UINT64_MAX, NULL, 0, NULL, 0, &wires, &wire_count, &frames, &frame_count, &wait),
              ZT1_OK);
    CHECK_INT(ZT_Node_processBackgroundTasks(bob.node, NULL, INT64_MAX, &deadline), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_join(bob.node, lan, NULL, NULL), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_processBackgroundTasks(bob.node, NULL, INT64_MAX, &deadline), ZT_RESULT_OK);
    results_twice();
    ZT1_Node *node;
    struct ZT1_Node_Host host = {.user = &alice.store, .dataStoreGet = store_get, .dataStorePut = store_put};
    CHECK_INT(ZT1_Node_newWithStore(&node, UINT64_MAX, &host), ZT1_OK);
    CHECK_INT(run_with(node, NULL, 0, NULL, 0), ZT1_OK);
    CHECK_INT(ZT1_Node_delete(node), ZT1_OK);
    CHECK_INT(ZT1_Node_newWithStore(&node, 0, &host), ZT1_OK);
    CHECK_INT(run_with(node, NULL, 0, NULL, 0), ZT1_OK);
    CHECK_INT(ZT1_Node_delete(node), ZT1_OK);
}

int main(void)
{
    zt1_start(&root, "10.0.0.1", ROOT_SECRET, PLANET, PLANET_LENGTH);
    zt1_start(&alice, "10.0.0.4", ALICE_SECRET, PLANET, PLANET_LENGTH);
    zt_start(&bob, "10.0.0.5", BOB_SECRET, PLANET, PLANET_LENGTH);
    RIG_UNTIL(zt1_is_online(&alice) && zt_is_online(&bob), 10000);
    make_handles();
    zt1_handles();
    zt_handles();
    zt1_nulls();
    run_bounds();
    zt1_text();
    zt_nulls();
    zt_controller();
    results_twice();
    extreme_times();
    zt1_end(&root);
    zt1_end(&alice);
    zt_end(&bob);
    return 0;
}
