/*
 * What outlives the process: identity, network configurations and the records of a controller. A crash after any write
 * loses nothing that was acknowledged.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "zt1_rig.h"

#include <netinet/in.h>

#define SNAPSHOTS 64

static struct zt1 root, master, alice;
static uint64_t lan;

/* The store after each write. */
static struct store snapshots[SNAPSHOTS];
static unsigned snapshot_count;

static void watch(struct store *store, const char *name)
{
    (void)name;
    CHECK(snapshot_count < SNAPSHOTS);
    store_copy(&snapshots[snapshot_count++], store);
}

/* A request of which the answer was seen. */
struct acknowledged {
    const char *method, *path, *body;
    /* Writes that were done when the answer came. */
    unsigned writes;
    /* What GET of the path gives from then on, until `ends`. */
    int status;
};

static struct acknowledged requests[] = {
    {.method = "POST", .path = "/controller/network/%1$010" PRIx64 "000001", .body = "{\"name\":\"one\"}", .status = 200},
    {.method = "POST", .path = "/controller/network/%1$010" PRIx64 "000002", .body = "{\"name\":\"two\"}", .status = 200},
    {.method = "POST", .path = "/controller/network/%1$010" PRIx64 "000001/member/%2$010" PRIx64,
     .body = "{\"authorized\":true}", .status = 200},
    {.method = "POST", .path = "/controller/network/%1$010" PRIx64 "000002/member/%2$010" PRIx64,
     .body = "{\"authorized\":true}", .status = 200},
    {.method = "DELETE", .path = "/controller/network/%1$010" PRIx64 "000002/member/%2$010" PRIx64, .status = 404},
    {.method = "DELETE", .path = "/controller/network/%1$010" PRIx64 "000002", .status = 404},
};
#define REQUESTS (sizeof requests / sizeof requests[0])

static int ask(struct zt1 *zt1, const char *method, const char *pattern, const char *body)
{
    char path[128];
    snprintf(path, sizeof path, pattern, MASTER, ALICE);
    return ZT1_NetconfMaster_request(zt1->master, method, path, body, body == NULL ? 0 : strlen(body), NULL);
}

static void crashes(void)
{
    master.store.watch = watch;
    for (unsigned i = 0; i < REQUESTS; i++) {
        CHECK_INT(ask(&master, requests[i].method, requests[i].path, requests[i].body), 200);
        requests[i].writes = snapshot_count;
    }
    master.store.watch = NULL;
    CHECK(snapshot_count >= REQUESTS);
    for (unsigned s = 0; s < snapshot_count; s++) {
        static struct zt1 again;
        memset(&again, 0, sizeof again);
        store_copy(&again.store, &snapshots[s]);
        CHECK_INT(zt1_open(&again), ZT1_OK);
        zt1_serve(&again);
        for (unsigned i = 0; i < REQUESTS; i++) {
            /* Only the last acknowledged word about a path counts. */
            bool is_last = true, is_begun = false;
            for (unsigned k = 0; k < REQUESTS; k++) {
                if (k != i && strcmp(requests[k].path, requests[i].path) == 0) {
                    is_last = is_last && (k < i || requests[k].writes > s + 1);
                    is_begun = is_begun || (k > i && requests[k - 1].writes <= s);
                }
            }
            if (requests[i].writes > s + 1 || !is_last || is_begun)
                continue;
            CHECK_INT(ask(&again, "GET", requests[i].path, NULL), requests[i].status);
        }
        zt1_stop(&again);
        store_free(&again.store);
        store_free(&snapshots[s]);
    }
}

static void identity_and_network(void)
{
    lan = zt1_network(&master, 7);
    zt1_authorise(&master, lan, ALICE, true);
    CHECK_INT(ZT1_Node_join(alice.node, lan), ZT1_OK);
    RIG_UNTIL(zt1_network_status(&alice, lan) == ZT1_Node_Network_OK, 20000);
    CHECK_INT(store_find(&alice.store, "identity.secret")->length, strlen(ALICE_SECRET));
    CHECK(store_find(&alice.store, "identity.public") != NULL);
    CHECK_INT(store_find(&alice.store, "identity.public")->secure, 0);
    char name[64];
    snprintf(name, sizeof name, "networks.d/%016" PRIx64 ".conf", lan);
    CHECK(store_find(&alice.store, name) != NULL);
    const struct zt1_port_record before = alice.ports[alice.port_count - 1];

    /* Alone in the world, from what is stored. */
    root.place.cut = master.place.cut = ~0ULL;
    zt1_stop(&alice);
    alice.port_count = 0;
    CHECK_INT(zt1_open(&alice), ZT1_OK);
    struct ZT1_Node_Status status;
    CHECK_INT(ZT1_Node_status(alice.node, &status), ZT1_OK);
    CHECK_TEXT(status.publicIdentity, ALICE_PUBLIC);
    CHECK(!status.online);
    CHECK_INT(status.alivePeers, 0);
    CHECK(status.directLinkSuccessRate == 0.0f);
    CHECK_INT(zt1_network_status(&alice, lan), -1);
    CHECK_INT(ZT1_Node_join(alice.node, lan), ZT1_OK);
    zt1_turn(&alice);
    CHECK_INT(alice.port_count, 1);
    CHECK_INT(alice.ports[0].config.status, ZT1_VirtualPortConfig_STATUS_AUTHORIZED);
    CHECK_INT(alice.ports[0].config.netconfRevision, before.config.netconfRevision);
    CHECK_INT(alice.ports[0].config.mac, before.config.mac);
    CHECK(rig_same(&alice.ports[0].addresses[0], &before.addresses[0]));

    /* Its peers come back from the store too, which spares the work of checking them. */
    snprintf(name, sizeof name, "peers.d/%010" PRIx64 ".peer", MASTER);
    CHECK(store_find(&alice.store, name) != NULL);
    root.place.cut = master.place.cut = 0;
    RIG_UNTIL(zt1_is_online(&alice), 30000);

    /* The controller knows its networks, and that Alice may come in. */
    zt1_stop(&master);
    CHECK_INT(zt1_open(&master), ZT1_OK);
    zt1_serve(&master);
    CHECK_INT(ZT1_Node_leave(alice.node, lan), ZT1_OK);
    snprintf(name, sizeof name, "networks.d/%016" PRIx64 ".conf", lan);
    CHECK(store_find(&alice.store, name) == NULL);
    CHECK_INT(ZT1_Node_join(alice.node, lan), ZT1_OK);
    RIG_UNTIL(zt1_network_status(&alice, lan) == ZT1_Node_Network_OK, 30000);
    CHECK(rig_same(&alice.ports[alice.port_count - 1].addresses[0], &before.addresses[0]));
}

static void one_controller_one_node(void)
{
    /* A controller that serves a node is no other node's, and a node has one. */
    ZT1_NetconfMaster *second = ZT1_NetconfMaster_new();
    CHECK(second != NULL);
    CHECK_INT(ZT1_Node_enableNetconfMaster(alice.node, master.master), ZT1_ERROR_BAD_PARAMETER);
    CHECK_INT(ZT1_Node_enableNetconfMaster(master.node, second), ZT1_ERROR_BAD_PARAMETER);
    CHECK_INT(ZT1_NetconfMaster_request(second, "GET", "/controller", NULL, 0, NULL), 0);
    CHECK_INT(ZT1_Node_enableNetconfMaster(alice.node, second), ZT1_OK);
    CHECK_INT(ZT1_NetconfMaster_request(second, "GET", "/controller", NULL, 0, NULL), 200);
    /* When its node goes it is free. */
    zt1_stop(&alice);
    CHECK_INT(ZT1_NetconfMaster_request(second, "GET", "/controller", NULL, 0, NULL), 0);
    CHECK_INT(zt1_open(&alice), ZT1_OK);
    CHECK_INT(ZT1_Node_enableNetconfMaster(alice.node, second), ZT1_OK);
    CHECK_INT(ZT1_NetconfMaster_delete(second), ZT1_OK);
    CHECK_INT(ZT1_NetconfMaster_delete(second), ZT1_ERROR_BAD_PARAMETER);
    CHECK_INT(ZT1_NetconfMaster_request(second, "GET", "/controller", NULL, 0, NULL), 0);
}

static void collision(void)
{
    /* Somebody with Alice's address comes to a root that knows her. */
    static struct zt1 twin;
    RIG_UNTIL(zt1_is_online(&alice), 30000);
    zt1_stop(&alice);
    zt1_start(&twin, "10.0.0.6", TWIN_SECRET, PLANET, PLANET_LENGTH);
    RIG_UNTIL(twin.ran != ZT1_OK, 10000);
    CHECK_INT(twin.ran, ZT1_FATAL_ERROR_IDENTITY_COLLISION);
    zt1_turn(&twin);
    CHECK_INT(twin.ran, ZT1_FATAL_ERROR_IDENTITY_COLLISION);
    zt1_end(&twin);
}

int main(void)
{
    zt1_start(&root, "10.0.0.1", ROOT_SECRET, PLANET, PLANET_LENGTH);
    zt1_start(&master, "10.0.0.3", MASTER_SECRET, PLANET, PLANET_LENGTH);
    zt1_start(&alice, "10.0.0.4", ALICE_SECRET, PLANET, PLANET_LENGTH);
    zt1_serve(&master);
    crashes();
    identity_and_network();
    one_controller_one_node();
    collision();
    zt1_end(&root);
    zt1_end(&master);
    zt1_end(&alice);
    return 0;
}
