/*
 * Callbacks of the ZT interface that call back into their node with every function.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "zt_rig.h"

static struct zt root, alice;
static uint64_t lan;
static unsigned depth, calls;

static void call_everything(struct zt *zt, uint64_t nwid)
{
    const struct sockaddr_storage from = rig_ipv4("10.0.0.1", 9993);
    volatile int64_t deadline = INT64_MAX;
    const int64_t now = (int64_t)rig_now;
    ZT_NodeStatus status;
    ZT_PhysicalPathConfiguration settings = {.trustedPathId = 0, .mtu = 1432};
    if (depth > 0 || zt->node == NULL)
        return;
    depth++;
    calls++;
    ZT_Node *node = zt->node;
    CHECK_INT(ZT_Node_processWirePacket(node, NULL, now, -1, &from, "nothing that means anything", 27, &deadline),
              ZT_RESULT_OK);
    CHECK_INT(ZT_Node_processBackgroundTasks(node, NULL, now, &deadline), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_join(node, lan + 5, NULL, NULL), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_processVirtualNetworkFrame(node, NULL, now, lan + 5, 1, 2, 0x0800, 0, "x", 1, &deadline),
              ZT_RESULT_OK);
    CHECK_INT(ZT_Node_multicastSubscribe(node, NULL, lan + 5, 0x010203040506ULL, 7), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_multicastUnsubscribe(node, lan + 5, 0x010203040506ULL, 7), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_leave(node, lan + 5, NULL, NULL), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_orbit(node, NULL, 0x99, 0), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_deorbit(node, NULL, 0x99), ZT_RESULT_OK);
    CHECK(ZT_Node_address(node) != 0);
    ZT_Node_status(node, &status);
    ZT_Node_freeQueryResult(node, ZT_Node_peers(node));
    ZT_Node_freeQueryResult(node, ZT_Node_networks(node));
    ZT_Node_freeQueryResult(node, ZT_Node_networkConfig(node, nwid));
    (void)ZT_Node_addLocalInterfaceAddress(node, &from);
    ZT_Node_clearLocalInterfaceAddresses(node);
    (void)ZT_Node_sendUserMessage(node, NULL, ROOT, 1, "from within", 11);
    ZT_Node_setNetconfMaster(node, NULL);
    CHECK_INT(ZT_Node_setPhysicalPathConfiguration(node, NULL, &settings), ZT_RESULT_OK);
    ZT_Controller *controller = ZT_Controller_new(NULL);
    ZT_Node_setNetconfMaster(node, controller);
    (void)ZT_Controller_request(controller, "POST", "/controller/network", "{}", 2, NULL);
    CHECK_INT(ZT_Controller_delete(controller), ZT_RESULT_OK);
    if (zt->controller != NULL)
        CHECK_INT(ZT_Controller_request(zt->controller, "GET", "/controller/network", NULL, 0, NULL), 200);
    depth--;
}

static void in_port(struct zt *zt, uint64_t nwid, void **nuptr, enum ZT_VirtualNetworkConfigOperation op,
                    const ZT_VirtualNetworkConfig *config)
{
    (void)config;
    if (op != ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_DOWN)
        call_everything(zt, nwid);
    *nuptr = nuptr;
}

static void in_event(struct zt *zt, enum ZT_Event event)
{
    (void)event;
    call_everything(zt, lan);
}

static void in_frame(struct zt *zt)
{
    call_everything(zt, lan);
    zt->received_count = 1;
}

static int check(struct zt *zt, uint64_t peer, const struct sockaddr_storage *remote)
{
    (void)peer;
    (void)remote;
    call_everything(zt, lan);
    return 1;
}

static int look_up(struct zt *zt, uint64_t peer, int family, struct sockaddr_storage *result)
{
    (void)peer;
    (void)family;
    call_everything(zt, lan);
    /* An address that is none. */
    memset(result, 0xff, sizeof *result);
    return 1;
}

static void leave_at_once(struct zt *zt, uint64_t nwid, void **nuptr, enum ZT_VirtualNetworkConfigOperation op,
                          const ZT_VirtualNetworkConfig *config)
{
    (void)nuptr;
    (void)config;
    if (op == ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_UP)
        CHECK_INT(ZT_Node_leave(zt->node, nwid, NULL, NULL), ZT_RESULT_OK);
}

static void join_and_leave(struct zt *zt, uint64_t nwid, void **nuptr, enum ZT_VirtualNetworkConfigOperation op,
                           const ZT_VirtualNetworkConfig *config)
{
    /* Each port that goes up brings two more, up to a limit. */
    (void)nuptr;
    (void)config;
    if (op == ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_UP && (nwid & 0xff) < 20) {
        CHECK_INT(ZT_Node_join(zt->node, nwid + 1, NULL, NULL), ZT_RESULT_OK);
        CHECK_INT(ZT_Node_leave(zt->node, nwid, NULL, NULL), ZT_RESULT_OK);
    }
}

/* The state functions call back too: the rig's are wrapped. */
static ZT_Node *busy;
static unsigned from_state;

static void query(void)
{
    if (busy == NULL || depth > 0)
        return;
    depth++;
    from_state++;
    ZT_Node_freeQueryResult(busy, ZT_Node_peers(busy));
    ZT_Node_freeQueryResult(busy, ZT_Node_networks(busy));
    (void)ZT_Node_join(busy, 0x77, NULL, NULL);
    (void)ZT_Node_leave(busy, 0x77, NULL, NULL);
    volatile int64_t deadline;
    CHECK_INT(ZT_Node_processBackgroundTasks(busy, NULL, (int64_t)rig_now, &deadline), ZT_RESULT_OK);
    depth--;
}

static void put(ZT_Node *node, void *uptr, void *tptr, enum ZT_StateObjectType type, const uint64_t id[2],
                const void *data, int length)
{
    (void)node;
    (void)tptr;
    query();
    (void)store_put(uptr, zt_state_name(type, id[0]), data, data == NULL ? 0 : (unsigned long)length, 0);
}

static int get(ZT_Node *node, void *uptr, void *tptr, enum ZT_StateObjectType type, const uint64_t id[2], void *buf,
               unsigned cap)
{
    unsigned long total;
    (void)node;
    (void)tptr;
    query();
    return (int)store_get(uptr, zt_state_name(type, id[0]), buf, cap, 0, &total);
}

static int send_nothing(ZT_Node *node, void *uptr, void *tptr, int64_t socket, const struct sockaddr_storage *to,
                        const void *data, unsigned length, unsigned ttl)
{
    (void)node, (void)uptr, (void)tptr, (void)socket, (void)to, (void)data, (void)length, (void)ttl;
    query();
    return 1;
}

static void deliver_nothing(ZT_Node *node, void *uptr, void *tptr, uint64_t nwid, void **nuptr, uint64_t from,
                            uint64_t to, unsigned kind, unsigned vlan, const void *data, unsigned length)
{
    (void)node, (void)uptr, (void)tptr, (void)nwid, (void)nuptr, (void)from, (void)to, (void)kind, (void)vlan;
    (void)data, (void)length;
}

static int configure_nothing(ZT_Node *node, void *uptr, void *tptr, uint64_t nwid, void **nuptr,
                             enum ZT_VirtualNetworkConfigOperation op, const ZT_VirtualNetworkConfig *config)
{
    (void)node, (void)uptr, (void)tptr, (void)nwid, (void)nuptr, (void)op, (void)config;
    return 0;
}

static void no_event(ZT_Node *node, void *uptr, void *tptr, enum ZT_Event event, const void *meta)
{
    (void)node, (void)uptr, (void)tptr, (void)event, (void)meta;
}

static void the_state_calls_back(void)
{
    const struct ZT_Node_Callbacks callbacks = {.statePutFunction = put, .stateGetFunction = get,
        .wirePacketSendFunction = send_nothing, .virtualNetworkFrameFunction = deliver_nothing,
        .virtualNetworkConfigFunction = configure_nothing, .eventCallback = no_event};
    volatile int64_t deadline;
    CHECK_INT(ZT_Node_new(&busy, &root.store, NULL, &callbacks, (int64_t)rig_now), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_join(busy, lan, NULL, NULL), ZT_RESULT_OK);
    for (int i = 0; i < 10; i++)
        CHECK_INT(ZT_Node_processBackgroundTasks(busy, NULL, (int64_t)rig_now + 1000 * i, &deadline), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_orbit(busy, NULL, HUB, HUB), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_leave(busy, lan, NULL, NULL), ZT_RESULT_OK);
    CHECK(from_state > 3);
    ZT_Node_delete(busy);
    busy = NULL;
}

static void delete_at_once(struct zt *zt, uint64_t nwid, void **nuptr, enum ZT_VirtualNetworkConfigOperation op,
                           const ZT_VirtualNetworkConfig *config)
{
    (void)nwid;
    (void)nuptr;
    (void)config;
    if (op == ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_UP)
        ZT_Node_delete(zt->node);
}

/* The header forbids it; a host that does it all the same gets a node that is gone, and nothing worse. */
static void delete_from_within(void)
{
    alice.in_port = delete_at_once;
    (void)ZT_Node_join(alice.node, 0x2200, NULL, NULL);
    CHECK_INT(ZT_Node_address(alice.node), 0);
    alice.node = NULL;
    alice.in_port = NULL;
}

int main(void)
{
    zt_start(&root, "10.0.0.1", ROOT_SECRET, PLANET, PLANET_LENGTH);
    zt_serve(&root, NULL);
    lan = zt_network(&root, 1);
    zt_authorise(&root, lan, ALICE, true);
    zt_prepare(&alice, "10.0.0.4", ALICE_SECRET, PLANET, PLANET_LENGTH);
    alice.in_port = in_port;
    alice.in_event = in_event;
    alice.in_frame = in_frame;
    alice.check = check;
    alice.look_up = look_up;
    CHECK_INT(zt_open(&alice), ZT_RESULT_OK);
    rig_add(&alice.place);
    CHECK(calls > 0);
    CHECK_INT(ZT_Node_join(alice.node, lan, NULL, NULL), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_join(root.node, lan, NULL, NULL), ZT_RESULT_OK);
    zt_authorise(&root, lan, ROOT, true);
    RIG_UNTIL(zt_network_status(&alice, lan) == ZT_NETWORK_STATUS_OK, 20000);
    RIG_UNTIL(zt_network_status(&root, lan) == ZT_NETWORK_STATUS_OK, 20000);
    CHECK_INT(zt_give(&root, lan, zt_mac(&alice, lan), 0x0800, "hello", 5), ZT_RESULT_OK);
    RIG_UNTIL(alice.received_count > 0, 10000);
    CHECK(calls >= 4);
    CHECK_INT(zt_network_status(&alice, lan + 5), -1);

    alice.in_event = NULL;
    alice.in_port = leave_at_once;
    CHECK_INT(ZT_Node_join(alice.node, lan + 6, NULL, NULL), ZT_RESULT_OK);
    CHECK_INT(zt_network_status(&alice, lan + 6), -1);
    CHECK_INT(alice.ports[alice.port_count - 1].op, ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_DESTROY);
    alice.in_port = join_and_leave;
    alice.port_count = 0;
    CHECK_INT(ZT_Node_join(alice.node, 0x1100, NULL, NULL), ZT_RESULT_OK);
    CHECK_INT(zt_network_status(&alice, 0x1114), ZT_NETWORK_STATUS_REQUESTING_CONFIGURATION);
    CHECK_INT(zt_network_status(&alice, 0x1113), -1);
    CHECK_INT(alice.port_count, 20 * 2 + 1);

    alice.in_port = NULL;
    alice.in_frame = NULL;
    the_state_calls_back();
    delete_from_within();
    zt_end(&alice);
    zt_end(&root);
    return 0;
}
