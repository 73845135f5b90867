/*
 * The ZT1 interface under several threads: two of them run one node, where one is told that it is busy or both take
 * turns; others query, join and leave; and nodes are made and deleted meanwhile.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "check.h"
#include "fixtures.h"
#include "rig.h"
#include "store.h"
#include "zt1/ZeroTierOne.h"

#include <pthread.h>
#include <sched.h>

#define ROUNDS 400

static struct store stores[3];
static pthread_mutex_t store_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t count_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long busy, done, ports;
static uint64_t lan;

static long get(void *user, const char *name, void *buf, unsigned long cap, unsigned long start, unsigned long *total)
{
    pthread_mutex_lock(&store_lock);
    long result = store_get(user, name, buf, cap, start, total);
    pthread_mutex_unlock(&store_lock);
    return result;
}

static int put(void *user, const char *name, const void *data, unsigned long length, int secure)
{
    pthread_mutex_lock(&store_lock);
    int result = store_put(user, name, data, length, secure);
    pthread_mutex_unlock(&store_lock);
    return result;
}

static void port(void *user, ZT1_Node *node, uint64_t nwid, const struct ZT1_VirtualPortConfig *config)
{
    (void)user, (void)node, (void)nwid, (void)config;
    pthread_mutex_lock(&count_lock);
    ports++;
    pthread_mutex_unlock(&count_lock);
    /* Long enough for the other thread to come by. */
    sched_yield();
}

static ZT1_Node *make(unsigned number, const char *secret)
{
    const struct ZT1_Node_Host host = {
        .user = &stores[number], .dataStoreGet = get, .dataStorePut = put, .portConfig = port};
    ZT1_Node *node = NULL;
    pthread_mutex_lock(&store_lock);
    store_set(&stores[number], "identity.secret", secret, strlen(secret));
    /* No root: nothing here needs one. */
    store_set(&stores[number], "planet", "none", 4);
    pthread_mutex_unlock(&store_lock);
    CHECK_INT(ZT1_Node_newWithStore(&node, RIG_START, &host), ZT1_OK);
    return node;
}

static enum ZT1_ReturnValue run_at(ZT1_Node *node, uint64_t now)
{
    const struct sockaddr_storage from = rig_ipv4("10.0.0.9", 9993);
    const struct ZT1_WireMessage wire = {.remoteAddress = from, .packetData = "no packet that means anything",
                                         .packetLength = 29};
    const struct ZT1_VirtualLanFrame frame = {.networkId = lan, .sourceMac = 1, .destMac = 2, .etherType = 0x0800,
                                              .frameData = "a frame", .frameLength = 7};
    const struct ZT1_WireMessage *wires;
    const struct ZT1_VirtualLanFrame *frames;
    unsigned wire_count, frame_count;
    unsigned long wait;
    return ZT1_Node_runAt(node, now, &wire, 1, &frame, 1, &wires, &wire_count, &frames, &frame_count, &wait);
}

static void *runs(void *user)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        enum ZT1_ReturnValue value = run_at(user, RIG_START + i * 100);
        CHECK(value == ZT1_OK || value == ZT1_ERROR_BUSY);
        pthread_mutex_lock(&count_lock);
        busy += value == ZT1_ERROR_BUSY;
        done += value == ZT1_OK;
        pthread_mutex_unlock(&count_lock);
    }
    return NULL;
}

static void *asks(void *user)
{
    ZT1_Node *node = user;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct ZT1_Node_Status status;
        const uint64_t other = lan + 1 + i % 4;
        CHECK_INT(ZT1_Node_status(node, &status), ZT1_OK);
        CHECK_INT(status.rawAddress, ALICE);
        CHECK_INT(ZT1_Node_join(node, other), ZT1_OK);
        CHECK_INT(ZT1_Node_setPort(node, other, "zt0", (int)(i % 3) - 2), ZT1_OK);
        CHECK_INT(ZT1_Node_multicastSubscribe(node, other, 0x01005e000001ULL, i), ZT1_OK);
        ZT1_Node_freeQueryResult(ZT1_Node_peers(node));
        ZT1_Node_freeQueryResult(ZT1_Node_networks(node));
        ZT1_Node_freeQueryResult(ZT1_Node_networkConfig(node, other));
        CHECK_INT(ZT1_Node_multicastUnsubscribe(node, other, 0x01005e000001ULL, i), ZT1_OK);
        CHECK_INT(ZT1_Node_leave(node, other), ZT1_OK);
        if (i % 8 == 0)
            sched_yield();
    }
    return NULL;
}

static void *comes_and_goes(void *user)
{
    (void)user;
    for (unsigned i = 0; i < 20; i++) {
        ZT1_Node *node = make(1, BOB_SECRET);
        ZT1_NetconfMaster *master = ZT1_NetconfMaster_new();
        CHECK_INT(ZT1_Node_enableNetconfMaster(node, master), ZT1_OK);
        CHECK_INT(ZT1_NetconfMaster_request(master, "GET", "/controller/network", NULL, 0, NULL), 200);
        CHECK_INT(run_at(node, RIG_START), ZT1_OK);
        CHECK_INT(ZT1_Node_delete(node), ZT1_OK);
        CHECK_INT(ZT1_Node_delete(node), ZT1_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT1_NetconfMaster_delete(master), ZT1_OK);
    }
    return NULL;
}

static void *requests(void *user)
{
    for (unsigned i = 0; i < ROUNDS / 8; i++) {
        char *answer = NULL;
        CHECK_INT(ZT1_NetconfMaster_request(user, "POST", "/controller/network/" "________________", "{}", 2, NULL) >= 200, 1);
        CHECK_INT(ZT1_NetconfMaster_request(user, "GET", "/controller/network", NULL, 0, &answer), 200);
        CHECK(answer != NULL);
        ZT1_Node_freeQueryResult(answer);
    }
    return NULL;
}

/* A controller for a node, both of which others want too. */
struct wish {
    ZT1_Node *node;
    ZT1_NetconfMaster *master;
};

static void *enables(void *user)
{
    const struct wish *wish = user;
    enum ZT1_ReturnValue value = ZT1_Node_enableNetconfMaster(wish->node, wish->master);
    CHECK(value == ZT1_OK || value == ZT1_ERROR_BAD_PARAMETER);
    pthread_mutex_lock(&count_lock);
    done += value == ZT1_OK;
    pthread_mutex_unlock(&count_lock);
    return NULL;
}

static void one_of_two(void)
{
    for (int i = 0; i < 20; i++) {
        pthread_t threads[2];
        ZT1_Node *nodes[2] = {make(1, BOB_SECRET), make(2, EVE_SECRET)};
        ZT1_NetconfMaster *masters[2] = {ZT1_NetconfMaster_new(), ZT1_NetconfMaster_new()};
        /* One controller for two nodes, or two for one. */
        struct wish wishes[2] = {{nodes[0], masters[0]}, {nodes[i % 2], masters[(i + 1) % 2]}};
        done = 0;
        for (int k = 0; k < 2; k++)
            CHECK_INT(pthread_create(&threads[k], NULL, enables, &wishes[k]), 0);
        for (int k = 0; k < 2; k++)
            CHECK_INT(pthread_join(threads[k], NULL), 0);
        CHECK_INT(done, 1);
        for (int k = 0; k < 2; k++) {
            CHECK_INT(ZT1_Node_delete(nodes[k]), ZT1_OK);
            CHECK_INT(ZT1_NetconfMaster_delete(masters[k]), ZT1_OK);
        }
    }
}

static void *deletes(void *user)
{
    sched_yield();
    enum ZT1_ReturnValue value = ZT1_Node_delete(user);
    CHECK(value == ZT1_OK || value == ZT1_ERROR_BAD_PARAMETER);
    pthread_mutex_lock(&count_lock);
    done += value == ZT1_OK;
    pthread_mutex_unlock(&count_lock);
    return NULL;
}

int main(void)
{
    pthread_t threads[7];
    ZT1_Node *node = make(0, ALICE_SECRET);
    ZT1_NetconfMaster *master = ZT1_NetconfMaster_new();
    CHECK_INT(ZT1_Node_enableNetconfMaster(node, master), ZT1_OK);
    lan = ALICE << 24 | 1;
    CHECK_INT(ZT1_Node_join(node, lan), ZT1_OK);
    CHECK_INT(pthread_create(&threads[0], NULL, runs, node), 0);
    CHECK_INT(pthread_create(&threads[1], NULL, runs, node), 0);
    CHECK_INT(pthread_create(&threads[2], NULL, asks, node), 0);
    CHECK_INT(pthread_create(&threads[3], NULL, comes_and_goes, NULL), 0);
    CHECK_INT(pthread_create(&threads[4], NULL, requests, master), 0);
    CHECK_INT(pthread_create(&threads[5], NULL, requests, master), 0);
    for (int i = 0; i < 6; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK_INT(busy + done, 2 * ROUNDS);
    CHECK(done > 0 && ports > 0);

    one_of_two();

    /* Two threads delete a node: one of them does. */
    done = 0;
    CHECK_INT(pthread_create(&threads[0], NULL, deletes, node), 0);
    CHECK_INT(pthread_create(&threads[1], NULL, deletes, node), 0);
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK_INT(done, 1);
    CHECK_INT(ZT1_NetconfMaster_delete(master), ZT1_OK);
    for (int i = 0; i < 3; i++)
        store_free(&stores[i]);
    return 0;
}
