/*
 * Two nodes of the ZT interface under four threads at once: packets for each of them, frames and messages, and
 * background tasks with joining, leaving and all queries.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "check.h"
#include "fixtures.h"
#include "rig.h"
#include "store.h"
#include "ZeroTierOne.h"

#include <pthread.h>
#include <sched.h>

#define QUEUE 256
#define ROUNDS 300

struct packet_slot {
    unsigned length;
    unsigned char bytes[1500];
};

struct host {
    pthread_mutex_t lock;
    ZT_Node *node;
    struct host *other;
    struct sockaddr_storage address;
    struct store store;
    struct packet_slot queue[QUEUE];
    unsigned first, count;
    unsigned frames, messages, ports, events, checks;
};

static struct host root = {.lock = PTHREAD_MUTEX_INITIALIZER}, alice = {.lock = PTHREAD_MUTEX_INITIALIZER};
static pthread_mutex_t clock_lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t clock_now = (int64_t)RIG_START;
static uint64_t lan;

static int64_t now(void)
{
    pthread_mutex_lock(&clock_lock);
    int64_t value = clock_now;
    pthread_mutex_unlock(&clock_lock);
    return value;
}

static void pass(int64_t milliseconds)
{
    pthread_mutex_lock(&clock_lock);
    clock_now += milliseconds;
    pthread_mutex_unlock(&clock_lock);
}

static void name_of(char *name, size_t room, enum ZT_StateObjectType type, uint64_t id)
{
    snprintf(name, room, "%d/%" PRIx64, (int)type, type <= ZT_STATE_OBJECT_PLANET ? 0 : id);
}

static void state_put(ZT_Node *node, void *uptr, void *tptr, enum ZT_StateObjectType type, const uint64_t id[2],
                      const void *data, int length)
{
    struct host *host = uptr;
    char name[64];
    (void)node, (void)tptr;
    name_of(name, sizeof name, type, id[0]);
    pthread_mutex_lock(&host->lock);
    (void)store_put(&host->store, name, data, data == NULL ? 0 : (unsigned long)length, 0);
    pthread_mutex_unlock(&host->lock);
}

static int state_get(ZT_Node *node, void *uptr, void *tptr, enum ZT_StateObjectType type, const uint64_t id[2],
                     void *buf, unsigned cap)
{
    struct host *host = uptr;
    char name[64];
    unsigned long total;
    (void)node, (void)tptr;
    name_of(name, sizeof name, type, id[0]);
    pthread_mutex_lock(&host->lock);
    int length = (int)store_get(&host->store, name, buf, cap, 0, &total);
    pthread_mutex_unlock(&host->lock);
    return length;
}

static int send_packet(ZT_Node *node, void *uptr, void *tptr, int64_t socket, const struct sockaddr_storage *to,
                       const void *data, unsigned length, unsigned ttl)
{
    struct host *host = uptr, *other = host->other;
    (void)node, (void)tptr, (void)socket, (void)ttl;
    if (!rig_same(to, &other->address) || length > sizeof other->queue[0].bytes)
        return 1;
    pthread_mutex_lock(&other->lock);
    if (other->count < QUEUE) {
        struct packet_slot *slot = &other->queue[(other->first + other->count++) % QUEUE];
        slot->length = length;
        memcpy(slot->bytes, data, length);
    }
    pthread_mutex_unlock(&other->lock);
    return 0;
}

static void deliver(ZT_Node *node, void *uptr, void *tptr, uint64_t nwid, void **nuptr, uint64_t from, uint64_t to,
                    unsigned kind, unsigned vlan, const void *data, unsigned length)
{
    struct host *host = uptr;
    (void)node, (void)tptr, (void)nwid, (void)nuptr, (void)from, (void)to, (void)kind, (void)vlan;
    CHECK(length == 0 || data != NULL);
    pthread_mutex_lock(&host->lock);
    host->frames++;
    pthread_mutex_unlock(&host->lock);
}

static int configure(ZT_Node *node, void *uptr, void *tptr, uint64_t nwid, void **nuptr,
                     enum ZT_VirtualNetworkConfigOperation op, const ZT_VirtualNetworkConfig *config)
{
    struct host *host = uptr;
    (void)node, (void)tptr, (void)nuptr, (void)op;
    CHECK_INT(config->nwid, nwid);
    pthread_mutex_lock(&host->lock);
    host->ports++;
    pthread_mutex_unlock(&host->lock);
    return 0;
}

static void happen(ZT_Node *node, void *uptr, void *tptr, enum ZT_Event event, const void *meta)
{
    struct host *host = uptr;
    (void)node, (void)tptr, (void)meta;
    pthread_mutex_lock(&host->lock);
    host->events++;
    host->messages += event == ZT_EVENT_USER_MESSAGE;
    pthread_mutex_unlock(&host->lock);
}

static int check_path(ZT_Node *node, void *uptr, void *tptr, uint64_t peer, int64_t socket,
                      const struct sockaddr_storage *remote)
{
    struct host *host = uptr;
    (void)node, (void)tptr, (void)peer, (void)socket, (void)remote;
    pthread_mutex_lock(&host->lock);
    host->checks++;
    pthread_mutex_unlock(&host->lock);
    return 1;
}

static void start(struct host *host, struct host *other, const char *secret, const char *address)
{
    const struct ZT_Node_Callbacks callbacks = {.statePutFunction = state_put, .stateGetFunction = state_get,
        .wirePacketSendFunction = send_packet, .virtualNetworkFrameFunction = deliver,
        .virtualNetworkConfigFunction = configure, .eventCallback = happen, .pathCheckFunction = check_path};
    host->other = other;
    host->address = rig_ipv4(address, 9993);
    store_set(&host->store, "2/0", secret, strlen(secret));
    store_set(&host->store, "3/0", PLANET_OF_ALL, PLANET_OF_ALL_LENGTH);
    CHECK_INT(ZT_Node_new(&host->node, host, NULL, &callbacks, now()), ZT_RESULT_OK);
}

/* Takes one packet in; false if there is none. */
static bool pump(struct host *host)
{
    struct packet_slot slot;
    volatile int64_t deadline = INT64_MAX;
    pthread_mutex_lock(&host->lock);
    bool found = host->count > 0;
    if (found) {
        slot = host->queue[host->first];
        host->first = (host->first + 1) % QUEUE;
        host->count--;
    }
    pthread_mutex_unlock(&host->lock);
    if (found)
        CHECK_INT(ZT_Node_processWirePacket(host->node, &slot, now(), -1, &host->other->address, slot.bytes, slot.length,
                                            &deadline),
                  ZT_RESULT_OK);
    return found;
}

static void tend(struct host *host)
{
    volatile int64_t deadline = 0;
    CHECK_INT(ZT_Node_processBackgroundTasks(host->node, NULL, now(), &deadline), ZT_RESULT_OK);
}

static uint64_t mac(struct host *host)
{
    ZT_VirtualNetworkConfig *config = ZT_Node_networkConfig(host->node, lan);
    CHECK(config != NULL);
    uint64_t value = config->mac;
    ZT_Node_freeQueryResult(host->node, config);
    return value;
}

static bool is_member(struct host *host)
{
    ZT_VirtualNetworkConfig *config = ZT_Node_networkConfig(host->node, lan);
    CHECK(config != NULL);
    bool member = config->status == ZT_NETWORK_STATUS_OK;
    ZT_Node_freeQueryResult(host->node, config);
    return member;
}

static void *packets_of(void *user)
{
    for (unsigned i = 0; i < 4 * ROUNDS; i++)
        if (!pump(user))
            sched_yield();
    return NULL;
}

static void *frames_of_both(void *user)
{
    (void)user;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct host *from = i % 2 == 0 ? &alice : &root;
        volatile int64_t deadline = INT64_MAX;
        (void)ZT_Node_processVirtualNetworkFrame(from->node, NULL, now(), lan, mac(from), mac(from->other), 0x0800, 0,
                                                 "a frame of some length, which is not long", 42, &deadline);
        CHECK_INT(ZT_Node_sendUserMessage(from->node, NULL, from == &alice ? ROOT : ALICE, i, &i, sizeof i), 1);
        if (i % 4 == 0)
            sched_yield();
    }
    return NULL;
}

static void *everything_else(void *user)
{
    struct sockaddr_storage address = rig_ipv4("10.3.3.3", 9993), network = rig_ipv4("10.4.0.0", 16);
    const ZT_PhysicalPathConfiguration settings = {.trustedPathId = 0, .mtu = 1432};
    ZT_Controller *controller = user;
    for (unsigned i = 0; i < ROUNDS; i++) {
        ZT_Node *node = i % 2 == 0 ? alice.node : root.node;
        void *pointer = NULL;
        ZT_NodeStatus status;
        pass(5);
        tend(&root);
        tend(&alice);
        CHECK_INT(ZT_Node_join(node, lan + 1 + i % 3, &pointer, NULL), ZT_RESULT_OK);
        CHECK_INT(ZT_Node_multicastSubscribe(node, NULL, lan, 0x01005e000001ULL, i), ZT_RESULT_OK);
        CHECK_INT(ZT_Node_multicastUnsubscribe(node, lan, 0x01005e000001ULL, i), ZT_RESULT_OK);
        CHECK_INT(ZT_Node_leave(node, lan + 1 + i % 3, &pointer, NULL), ZT_RESULT_OK);
        CHECK_INT(ZT_Node_orbit(node, NULL, 0x99, 0), ZT_RESULT_OK);
        CHECK_INT(ZT_Node_deorbit(node, NULL, 0x99), ZT_RESULT_OK);
        ZT_Node_status(node, &status);
        CHECK_INT(status.address, ZT_Node_address(node));
        ZT_Node_freeQueryResult(node, ZT_Node_peers(node));
        ZT_Node_freeQueryResult(node, ZT_Node_networks(node));
        (void)ZT_Node_addLocalInterfaceAddress(node, &address);
        ZT_Node_clearLocalInterfaceAddresses(node);
        CHECK_INT(ZT_Node_setPhysicalPathConfiguration(node, &network, i % 4 == 0 ? NULL : &settings), ZT_RESULT_OK);
        if (i % 16 == 0) {
            char path[64];
            snprintf(path, sizeof path, "/controller/network/%016" PRIx64, lan);
            CHECK_INT(ZT_Controller_request(controller, "POST", path, "{\"name\":\"again\"}", 16, NULL), 200);
        }
    }
    return NULL;
}

static void settle(bool (*done)(void))
{
    for (int i = 0; i < 3000 && !done(); i++) {
        pass(10);
        tend(&root);
        tend(&alice);
        while (pump(&root) || pump(&alice))
            continue;
    }
    CHECK(done());
}

static bool both_are_members(void)
{
    return is_member(&root) && is_member(&alice);
}

int main(void)
{
    start(&root, &alice, ROOT_SECRET, "10.0.0.1");
    start(&alice, &root, ALICE_SECRET, "10.0.0.4");
    ZT_Controller *controller = ZT_Controller_new(NULL);
    ZT_Node_setNetconfMaster(root.node, controller);
    lan = ROOT << 24 | 1;
    char path[64];
    const char body[] = "{\"private\":false}";
    snprintf(path, sizeof path, "/controller/network/%016" PRIx64, lan);
    CHECK_INT(ZT_Controller_request(controller, "POST", path, body, strlen(body), NULL), 200);
    CHECK_INT(ZT_Node_join(root.node, lan, NULL, NULL), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_join(alice.node, lan, NULL, NULL), ZT_RESULT_OK);
    settle(both_are_members);

    pthread_t threads[4];
    CHECK_INT(pthread_create(&threads[0], NULL, packets_of, &root), 0);
    CHECK_INT(pthread_create(&threads[1], NULL, packets_of, &alice), 0);
    CHECK_INT(pthread_create(&threads[2], NULL, frames_of_both, NULL), 0);
    CHECK_INT(pthread_create(&threads[3], NULL, everything_else, controller), 0);
    for (int i = 0; i < 4; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    while (pump(&root) || pump(&alice))
        continue;
    CHECK(root.frames > 10 && alice.frames > 10);
    CHECK(root.messages > 10 && alice.messages > 10);
    CHECK(root.ports > 10 && alice.ports > 10);
    settle(both_are_members);
    ZT_Node_delete(root.node);
    ZT_Node_delete(alice.node);
    CHECK_INT(ZT_Controller_delete(controller), ZT_RESULT_OK);
    store_free(&root.store);
    store_free(&alice.store);
    return 0;
}
