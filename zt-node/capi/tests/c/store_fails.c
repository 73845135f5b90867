/*
 * Data stores that fail at every point, in every way, for both interfaces: each call of the scenario works or gives an
 * error code, and once the store works again so does the node.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "modern_rig.h"
#include "seed_rig.h"

static const uint64_t lan = 0x1234567890000001ULL;
static unsigned long longest;

static bool is_known(enum ZT1_ReturnValue value)
{
    return value == ZT1_OK || value == ZT1_FATAL_ERROR_DATA_STORE_NOT_WRITABLE || value == ZT1_ERROR_NETWORK_NOT_FOUND
        || value == ZT1_ERROR_BAD_PARAMETER;
}

static void seed_runs(ZT1_Node *node, uint64_t now)
{
    const struct ZT1_WireMessage *wires;
    const struct ZT1_VirtualLanFrame *frames;
    unsigned wire_count, frame_count;
    unsigned long wait;
    CHECK(is_known(ZT1_Node_runAt(node, now, NULL, 0, NULL, 0, &wires, &wire_count, &frames, &frame_count, &wait)));
}

static void seed_scenario(struct store *store, bool is_well)
{
    const struct ZT1_Node_Host host = {.user = store, .dataStoreGet = store_get, .dataStorePut = store_put};
    ZT1_Node *node = NULL;
    enum ZT1_ReturnValue made = ZT1_Node_newWithStore(&node, rig_now, &host);
    CHECK(is_known(made));
    CHECK((made == ZT1_OK) == (node != NULL));
    if (node == NULL)
        return;
    ZT1_NetconfMaster *master = ZT1_NetconfMaster_new();
    CHECK(is_known(ZT1_Node_enableNetconfMaster(node, master)));
    char path[64];
    snprintf(path, sizeof path, "/controller/network/%010" PRIx64 "000001", ALICE);
    int status = ZT1_NetconfMaster_request(master, "POST", path, "{}", 2, NULL);
    CHECK(status == 0 || status == 200 || status >= 400);
    CHECK(!is_well || status == 200);
    const enum ZT1_ReturnValue joined = ZT1_Node_join(node, lan);
    CHECK(is_known(joined));
    seed_runs(node, rig_now + 10);
    seed_runs(node, rig_now + 60000);
    const enum ZT1_ReturnValue left = ZT1_Node_leave(node, lan);
    CHECK(is_known(left));
    CHECK(!is_well || (joined == ZT1_OK && left == ZT1_OK));
    status = ZT1_NetconfMaster_request(master, "DELETE", path, NULL, 0, NULL);
    CHECK(status == 0 || status == 200 || status >= 400);
    seed_runs(node, rig_now + 120000);
    struct ZT1_Node_Status state;
    CHECK_INT(ZT1_Node_status(node, &state), ZT1_OK);
    CHECK_INT(ZT1_Node_delete(node), ZT1_OK);
    CHECK_INT(ZT1_NetconfMaster_delete(master), ZT1_OK);
    if (store->calls > longest)
        longest = store->calls;
}

static void seed_stores(void)
{
    for (int fault = FAULT_NONE; fault < FAULT_KINDS; fault++) {
        longest = 0;
        for (unsigned long k = 0; fault != FAULT_NONE ? k <= longest : k == 0; k++) {
            /* Once, and from then on. */
            for (unsigned long times = 0; times < 2; times++) {
                static struct store store;
                memset(&store, 0, sizeof store);
                store_set(&store, "identity.secret", ALICE_SECRET, strlen(ALICE_SECRET));
                store_set(&store, "identity.public", ALICE_PUBLIC, strlen(ALICE_PUBLIC));
                /* A planet that is none: checking the identities of roots would take most of the time. */
                store_set(&store, "planet", "none", 4);
                store_fail(&store, (enum store_fault)fault, k, times);
                seed_scenario(&store, fault == FAULT_NONE);
                /* It works again. A garbled object that was kept as such is no concern here. */
                store.fault = FAULT_NONE;
                seed_scenario(&store, fault != FAULT_GARBAGE && fault != FAULT_NO_TOTAL && fault != FAULT_SMALL_TOTAL);
                store_free(&store);
            }
        }
        CHECK(longest > 0 || fault == FAULT_NONE);
    }
}

static void modern_scenario(struct modern *modern)
{
    modern->node = NULL;
    enum ZT_ResultCode made = modern_open(modern);
    CHECK(made == ZT_RESULT_OK || ZT_ResultCode_isFatal(made));
    CHECK((made == ZT_RESULT_OK) == (modern->node != NULL));
    if (modern->node == NULL)
        return;
    static struct store records;
    const ZT_Controller_Store functions = {.user = &records, .get = store_get, .put = store_put};
    records.fault = modern->store.fault;
    records.from = modern->store.from;
    records.times = modern->store.times;
    ZT_Controller *controller = ZT_Controller_new(&functions);
    ZT_Node_setNetconfMaster(modern->node, controller);
    int status = ZT_Controller_request(controller, "POST", "/controller/network", "{}", 2, NULL);
    CHECK(status == 0 || status == 200 || status >= 400);
    CHECK_INT(ZT_Node_join(modern->node, lan, NULL, NULL), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_orbit(modern->node, NULL, HUB, HUB), ZT_RESULT_OK);
    for (int i = 0; i < 3; i++)
        CHECK_INT(ZT_Node_processBackgroundTasks(modern->node, NULL, (int64_t)rig_now + i * 60000, &modern->deadline),
                  ZT_RESULT_OK);
    CHECK_INT(ZT_Node_deorbit(modern->node, NULL, HUB), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_leave(modern->node, lan, NULL, NULL), ZT_RESULT_OK);
    ZT_Node_delete(modern->node);
    modern->node = NULL;
    CHECK_INT(ZT_Controller_delete(controller), ZT_RESULT_OK);
    store_free(&records);
    if (modern->store.calls > longest)
        longest = modern->store.calls;
}

static void modern_stores(void)
{
    for (int fault = FAULT_ERROR; fault < FAULT_KINDS; fault++) {
        longest = 0;
        for (unsigned long k = 0; k <= longest; k++) {
            static struct modern modern;
            modern_prepare(&modern, "10.0.0.4", ALICE_SECRET, (const unsigned char *)"none", 4);
            store_set(&modern.store, modern_state_name(ZT_STATE_OBJECT_IDENTITY_PUBLIC, 0), ALICE_PUBLIC,
                      strlen(ALICE_PUBLIC));
            if (k == 0)
                store_set(&modern.store, modern_state_name(ZT_STATE_OBJECT_MOON, HUB), MOON, MOON_LENGTH);
            store_fail(&modern.store, (enum store_fault)fault, k, k % 2);
            modern_scenario(&modern);
            modern.port_count = modern.event_count = 0;
            modern.store.fault = FAULT_NONE;
            modern_scenario(&modern);
            store_free(&modern.store);
        }
        CHECK(longest > 0);
    }
}

int main(void)
{
    seed_stores();
    modern_stores();
    return 0;
}
