/*
 * Callbacks of the ZT1 interface that call back into their node with every function: run is refused, the rest works,
 * leaving the network at hand and deleting the node itself included.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "zt1_rig.h"

static struct zt1 root, alice;
static uint64_t lan;
static unsigned depth, calls;

static void call_everything(struct zt1 *zt1, uint64_t nwid)
{
    const struct ZT1_WireMessage *wires = NULL;
    const struct ZT1_VirtualLanFrame *frames = NULL;
    unsigned wire_count = 5, frame_count = 5;
    unsigned long wait = 0;
    struct ZT1_Node_Status status;
    if (depth > 0)
        return;
    depth++;
    calls++;
    CHECK_INT(ZT1_Node_runAt(zt1->node, rig_now, NULL, 0, NULL, 0, &wires, &wire_count, &frames, &frame_count, &wait),
              ZT1_ERROR_BUSY);
    CHECK_INT(wire_count, 0);
    CHECK_INT(frame_count, 0);
    CHECK_INT(ZT1_Node_run(NULL, 0, NULL, 0, &wires, &wire_count, &frames, &frame_count, &wait),
              ZT1_ERROR_BAD_PARAMETER);
    CHECK_INT(ZT1_Node_join(zt1->node, lan + 5), ZT1_OK);
    CHECK_INT(ZT1_Node_multicastSubscribe(zt1->node, lan + 5, 0x010203040506ULL, 7), ZT1_OK);
    CHECK_INT(ZT1_Node_setPort(zt1->node, lan + 5, "inside", 3), ZT1_OK);
    CHECK_INT(ZT1_Node_multicastUnsubscribe(zt1->node, lan + 5, 0x010203040506ULL, 7), ZT1_OK);
    CHECK_INT(ZT1_Node_leave(zt1->node, lan + 5), ZT1_OK);
    if (nwid != 0)
        (void)ZT1_Node_setPort(zt1->node, nwid, "zt0", 0);
    CHECK_INT(ZT1_Node_status(zt1->node, &status), ZT1_OK);
    struct ZT1_Node_PeerList *peers = ZT1_Node_peers(zt1->node);
    struct ZT1_Node_NetworkList *networks = ZT1_Node_networks(zt1->node);
    struct ZT1_VirtualPortConfig *config = ZT1_Node_networkConfig(zt1->node, nwid);
    CHECK(peers != NULL && networks != NULL);
    ZT1_Node_freeQueryResult(peers);
    ZT1_Node_freeQueryResult(networks);
    ZT1_Node_freeQueryResult(config);
    ZT1_NetconfMaster *master = ZT1_NetconfMaster_new();
    (void)ZT1_Node_enableNetconfMaster(zt1->node, master);
    (void)ZT1_NetconfMaster_request(master, "POST", "/controller/network", "{}", 2, NULL);
    CHECK_INT(ZT1_NetconfMaster_delete(master), ZT1_OK);
    if (zt1->master != NULL)
        CHECK_INT(ZT1_NetconfMaster_request(zt1->master, "GET", "/controller/network", NULL, 0, NULL), 200);
    /* Another node may be made, run and deleted here. */
    ZT1_Node *other = NULL;
    const struct ZT1_Node_Host host = {
        .user = &root.store, .dataStoreGet = store_get, .dataStorePut = store_put};
    CHECK_INT(ZT1_Node_newWithStore(&other, rig_now, &host), ZT1_OK);
    CHECK_INT(ZT1_Node_runAt(other, rig_now, NULL, 0, NULL, 0, &wires, &wire_count, &frames, &frame_count, &wait),
              ZT1_OK);
    CHECK_INT(ZT1_Node_delete(other), ZT1_OK);
    depth--;
}

static void in_port(struct zt1 *zt1, uint64_t nwid, const struct ZT1_VirtualPortConfig *config)
{
    (void)config;
    call_everything(zt1, nwid);
}

static void in_status(struct zt1 *zt1, enum ZT1_StatusCode code)
{
    (void)code;
    call_everything(zt1, lan);
}

static void leave_at_once(struct zt1 *zt1, uint64_t nwid, const struct ZT1_VirtualPortConfig *config)
{
    if (config != NULL)
        CHECK_INT(ZT1_Node_leave(zt1->node, nwid), ZT1_OK);
}

static void delete_at_once(struct zt1 *zt1, uint64_t nwid, const struct ZT1_VirtualPortConfig *config)
{
    (void)nwid;
    (void)config;
    CHECK_INT(ZT1_Node_delete(zt1->node), ZT1_OK);
    CHECK_INT(ZT1_Node_delete(zt1->node), ZT1_ERROR_BAD_PARAMETER);
}

/* The store's functions call back too. */
static ZT1_Node *busy;
static unsigned from_store;

static void query(void)
{
    struct ZT1_Node_Status status;
    from_store++;
    (void)ZT1_Node_status(busy, &status);
    ZT1_Node_freeQueryResult(ZT1_Node_peers(busy));
    ZT1_Node_freeQueryResult(ZT1_Node_networks(busy));
    if (depth++ == 0) {
        const struct ZT1_WireMessage *wires;
        const struct ZT1_VirtualLanFrame *frames;
        unsigned wire_count, frame_count;
        unsigned long wait;
        (void)ZT1_Node_join(busy, 0x77);
        (void)ZT1_Node_leave(busy, 0x77);
        (void)ZT1_Node_runAt(busy, rig_now, NULL, 0, NULL, 0, &wires, &wire_count, &frames, &frame_count, &wait);
    }
    depth--;
}

static long asking_get(void *user, const char *name, void *buf, unsigned long cap, unsigned long start,
                       unsigned long *total)
{
    query();
    return store_get(user, name, buf, cap, start, total);
}

static int asking_put(void *user, const char *name, const void *data, unsigned long length, int secure)
{
    query();
    return store_put(user, name, data, length, secure);
}

static void the_store_calls_back(void)
{
    const struct ZT1_Node_Host host = {
        .user = &root.store, .dataStoreGet = asking_get, .dataStorePut = asking_put};
    const struct ZT1_WireMessage *wires;
    const struct ZT1_VirtualLanFrame *frames;
    unsigned wire_count, frame_count;
    unsigned long wait;
    CHECK_INT(ZT1_Node_newWithStore(&busy, rig_now, &host), ZT1_OK);
    from_store = 0;
    ZT1_NetconfMaster *master = ZT1_NetconfMaster_new();
    CHECK_INT(ZT1_Node_enableNetconfMaster(busy, master), ZT1_OK);
    CHECK_INT(ZT1_NetconfMaster_request(master, "POST", "/controller/network", "{}", 2, NULL), 200);
    CHECK_INT(ZT1_Node_join(busy, lan), ZT1_OK);
    for (int i = 0; i < 10; i++)
        CHECK_INT(ZT1_Node_runAt(busy, rig_now + 1000U * (unsigned)i, NULL, 0, NULL, 0, &wires, &wire_count, &frames,
                                 &frame_count, &wait),
                  ZT1_OK);
    CHECK_INT(ZT1_Node_leave(busy, lan), ZT1_OK);
    CHECK(from_store > 3);
    CHECK_INT(ZT1_Node_delete(busy), ZT1_OK);
    CHECK_INT(ZT1_NetconfMaster_delete(master), ZT1_OK);
}

int main(void)
{
    zt1_start(&root, "10.0.0.1", ROOT_SECRET, PLANET, PLANET_LENGTH);
    zt1_serve(&root);
    lan = zt1_network(&root, 1);
    zt1_authorise(&root, lan, ALICE, true);
    zt1_start(&alice, "10.0.0.4", ALICE_SECRET, PLANET, PLANET_LENGTH);
    alice.in_port = in_port;
    alice.in_status = in_status;
    CHECK_INT(ZT1_Node_join(alice.node, lan), ZT1_OK);
    RIG_UNTIL(zt1_network_status(&alice, lan) == ZT1_Node_Network_OK, 20000);
    CHECK(calls >= 3);
    CHECK_INT(zt1_network_status(&alice, lan + 5), -1);

    /* Leaving from within the first callback of a network. */
    alice.in_port = leave_at_once;
    CHECK_INT(ZT1_Node_join(alice.node, lan + 6), ZT1_OK);
    rig_run(1000);
    zt1_turn(&alice);
    CHECK_INT(zt1_network_status(&alice, lan + 6), -1);
    CHECK(alice.ports[alice.port_count - 1].deleted);

    /* Deleting the node from within. What run returns then belongs to nobody: it is not looked at. */
    alice.in_port = delete_at_once;
    alice.in_status = NULL;
    CHECK_INT(ZT1_Node_join(alice.node, lan + 7), ZT1_OK);
    const struct ZT1_WireMessage *wires;
    const struct ZT1_VirtualLanFrame *frames;
    unsigned wire_count, frame_count;
    unsigned long wait;
    (void)ZT1_Node_runAt(alice.node, rig_now, NULL, 0, NULL, 0, &wires, &wire_count, &frames, &frame_count, &wait);
    CHECK_INT(ZT1_Node_delete(alice.node), ZT1_ERROR_BAD_PARAMETER);
    alice.node = NULL;
    alice.place.turn = NULL;
    the_store_calls_back();
    zt1_end(&alice);
    zt1_end(&root);
    return 0;
}
