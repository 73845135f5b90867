/*
 * Data stores that fail at every point, in every way, for both interfaces: each call of the scenario works or gives an
 * error code, and once the store works again so does the node.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "zt_rig.h"
#include "zt1_rig.h"

static const uint64_t lan = 0x1234567890000001ULL;
static unsigned long longest;

static bool is_known(enum ZT1_ReturnValue value)
{
    return value == ZT1_OK || value == ZT1_FATAL_ERROR_DATA_STORE_NOT_WRITABLE || value == ZT1_ERROR_NETWORK_NOT_FOUND
        || value == ZT1_ERROR_BAD_PARAMETER;
}

static void zt1_runs(ZT1_Node *node, uint64_t now)
{
    const struct ZT1_WireMessage *wires;
    const struct ZT1_VirtualLanFrame *frames;
    unsigned wire_count, frame_count;
    unsigned long wait;
    CHECK(is_known(ZT1_Node_runAt(node, now, NULL, 0, NULL, 0, &wires, &wire_count, &frames, &frame_count, &wait)));
}

static void zt1_scenario(struct store *store, bool is_well)
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
    zt1_runs(node, rig_now + 10);
    zt1_runs(node, rig_now + 60000);
    const enum ZT1_ReturnValue left = ZT1_Node_leave(node, lan);
    CHECK(is_known(left));
    CHECK(!is_well || (joined == ZT1_OK && left == ZT1_OK));
    status = ZT1_NetconfMaster_request(master, "DELETE", path, NULL, 0, NULL);
    CHECK(status == 0 || status == 200 || status >= 400);
    zt1_runs(node, rig_now + 120000);
    struct ZT1_Node_Status state;
    CHECK_INT(ZT1_Node_status(node, &state), ZT1_OK);
    CHECK_INT(ZT1_Node_delete(node), ZT1_OK);
    CHECK_INT(ZT1_NetconfMaster_delete(master), ZT1_OK);
    if (store->calls > longest)
        longest = store->calls;
}

/* Of every so many calls one fails: all of them where long runs are asked for, else another third for each kind of
 * failure. */
static unsigned long stride(void)
{
    const char *cases = getenv("PROPTEST_CASES");
    return cases != NULL && atoi(cases) >= 256 ? 1 : 3;
}

static void zt1_stores(void)
{
    for (int fault = FAULT_NONE; fault < FAULT_KINDS; fault++) {
        longest = 0;
        unsigned long step = stride(), first = fault == FAULT_NONE ? 0 : (unsigned long)fault % step;
        for (unsigned long k = first; k == first || (fault != FAULT_NONE && k <= longest); k += step) {
            /* Once, and from then on. */
            for (unsigned long times = 0; times < 2; times++) {
                static struct store store;
                memset(&store, 0, sizeof store);
                store_set(&store, "identity.secret", ALICE_SECRET, strlen(ALICE_SECRET));
                store_set(&store, "identity.public", ALICE_PUBLIC, strlen(ALICE_PUBLIC));
                /* A planet that is none: checking the identities of roots would take most of the time. */
                store_set(&store, "planet", "none", 4);
                store_fail(&store, (enum store_fault)fault, k, times);
                zt1_scenario(&store, fault == FAULT_NONE);
                /* It works again. A garbled object that was kept as such is no concern here. */
                store.fault = FAULT_NONE;
                zt1_scenario(&store, fault != FAULT_GARBAGE && fault != FAULT_NO_TOTAL && fault != FAULT_SMALL_TOTAL);
                store_free(&store);
            }
        }
        CHECK(longest > 0 || fault == FAULT_NONE);
    }
}

static void zt_scenario(struct zt *zt)
{
    zt->node = NULL;
    enum ZT_ResultCode made = zt_open(zt);
    CHECK(made == ZT_RESULT_OK || ZT_ResultCode_isFatal(made));
    CHECK((made == ZT_RESULT_OK) == (zt->node != NULL));
    if (zt->node == NULL)
        return;
    static struct store records;
    const ZT_Controller_Store functions = {.user = &records, .get = store_get, .put = store_put};
    records.fault = zt->store.fault;
    records.from = zt->store.from;
    records.times = zt->store.times;
    ZT_Controller *controller = ZT_Controller_new(&functions);
    ZT_Node_setNetconfMaster(zt->node, controller);
    int status = ZT_Controller_request(controller, "POST", "/controller/network", "{}", 2, NULL);
    CHECK(status == 0 || status == 200 || status >= 400);
    CHECK_INT(ZT_Node_join(zt->node, lan, NULL, NULL), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_orbit(zt->node, NULL, HUB, HUB), ZT_RESULT_OK);
    for (int i = 0; i < 3; i++)
        CHECK_INT(ZT_Node_processBackgroundTasks(zt->node, NULL, (int64_t)rig_now + i * 60000, &zt->deadline),
                  ZT_RESULT_OK);
    CHECK_INT(ZT_Node_deorbit(zt->node, NULL, HUB), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_leave(zt->node, lan, NULL, NULL), ZT_RESULT_OK);
    ZT_Node_delete(zt->node);
    zt->node = NULL;
    CHECK_INT(ZT_Controller_delete(controller), ZT_RESULT_OK);
    store_free(&records);
    if (zt->store.calls > longest)
        longest = zt->store.calls;
}

static void zt_stores(void)
{
    for (int fault = FAULT_ERROR; fault < FAULT_KINDS; fault++) {
        longest = 0;
        unsigned long step = stride(), first = (unsigned long)fault % step;
        for (unsigned long k = first; k == first || k <= longest; k += step) {
            static struct zt zt;
            zt_prepare(&zt, "10.0.0.4", ALICE_SECRET, (const unsigned char *)"none", 4);
            store_set(&zt.store, zt_state_name(ZT_STATE_OBJECT_IDENTITY_PUBLIC, 0), ALICE_PUBLIC,
                      strlen(ALICE_PUBLIC));
            if (k < step)
                store_set(&zt.store, zt_state_name(ZT_STATE_OBJECT_MOON, HUB), MOON, MOON_LENGTH);
            /* Once, or from then on. */
            store_fail(&zt.store, (enum store_fault)fault, k, k / step % 2);
            zt_scenario(&zt);
            zt.port_count = zt.event_count = 0;
            zt.store.fault = FAULT_NONE;
            zt_scenario(&zt);
            store_free(&zt.store);
        }
        CHECK(longest > 0);
    }
}

int main(void)
{
    zt1_stores();
    zt_stores();
    return 0;
}
