/*
 * A controller by types: networks and members are made, read, changed and deleted; what cannot be is refused by name.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "zt_rig.h"

#include <arpa/inet.h>

#define ALL_NETWORK_FIELDS 1023u
#define ALL_MEMBER_FIELDS 15u

static struct zt root, alice;
static uint64_t lan;

static struct sockaddr_storage ip(const char *text, uint16_t bits)
{
    struct sockaddr_storage storage;
    memset(&storage, 0, sizeof storage);
    if (strchr(text, ':') != NULL) {
        struct sockaddr_in6 *in = (struct sockaddr_in6 *)&storage;
        in->sin6_family = AF_INET6;
        in->sin6_port = htons(bits);
        CHECK_INT(inet_pton(AF_INET6, text, &in->sin6_addr), 1);
    } else {
        struct sockaddr_in *in = (struct sockaddr_in *)&storage;
        in->sin_family = AF_INET;
        in->sin_port = htons(bits);
        CHECK_INT(inet_pton(AF_INET, text, &in->sin_addr), 1);
    }
    return storage;
}

static bool same(const struct sockaddr_storage *a, struct sockaddr_storage b)
{
    return memcmp(a, &b, sizeof b) == 0;
}

static bool lists(ZT_ControllerList *list, uint64_t id)
{
    bool found = false;
    CHECK(list != NULL);
    for (unsigned long i = 0; i < list->count; i++)
        found = found || list->ids[i] == id;
    ZT_Node_freeQueryResult(NULL, list);
    return found;
}

static void expect_problem(enum ZT_ResultCode result, char **problem, const char *field)
{
    CHECK_INT(result, ZT_RESULT_ERROR_BAD_PARAMETER);
    CHECK(*problem != NULL && strncmp(*problem, field, strlen(field)) == 0);
    ZT_Node_freeQueryResult(NULL, *problem);
}

/* Every field of a new network comes back as it was given, and those that are not named stay as they are. */
static void networks(void)
{
    const ZT_VirtualNetworkRoute routes[2] = {{.target = ip("10.9.0.0", 24)},
                                              {.target = ip("fd00:1::", 64), .via = ip("fd00:2::1", 0)}};
    const ZT_ControllerPool pool = {.start = ip("10.9.0.1", 0), .end = ip("10.9.0.99", 0)};
    ZT_ControllerNetwork network = {
        .name = "lan",
        .type = ZT_NETWORK_TYPE_PRIVATE,
        .mtu = 1500,
        .multicastLimit = 7,
        .broadcastEnabled = 1,
        .assignV4 = 1,
        .assignV6 = ZT_CONTROLLER_ASSIGN_V6_RFC4193 | ZT_CONTROLLER_ASSIGN_V6_6PLANE,
        .routes = routes,
        .routeCount = 2,
        .pools = &pool,
        .poolCount = 1,
        .dns = {.domain = "lan.test", .server_addr = {ip("10.9.0.53", 0)}},
    };
    CHECK_INT(ZT_Controller_setNetwork(root.controller, &network, ALL_NETWORK_FIELDS, &lan, NULL), ZT_RESULT_OK);
    CHECK_INT(lan >> 24, ZT_Node_address(root.node));
    CHECK(lists(ZT_Controller_networks(root.controller), lan));

    ZT_ControllerNetwork *told = ZT_Controller_network(root.controller, lan);
    CHECK(told != NULL && told->nwid == lan && told->revision > 0);
    CHECK_TEXT(told->name, "lan");
    CHECK_INT(told->type, ZT_NETWORK_TYPE_PRIVATE);
    CHECK_INT(told->mtu, 1500);
    CHECK_INT(told->multicastLimit, 7);
    CHECK_INT(told->broadcastEnabled, 1);
    CHECK_INT(told->assignV4, 1);
    CHECK_INT(told->assignV6, ZT_CONTROLLER_ASSIGN_V6_RFC4193 | ZT_CONTROLLER_ASSIGN_V6_6PLANE);
    CHECK_INT(told->routeCount, 2);
    CHECK(same(&told->routes[0].target, ip("10.9.0.0", 24)) && told->routes[0].via.ss_family == 0);
    CHECK(same(&told->routes[1].target, ip("fd00:1::", 64)) && same(&told->routes[1].via, ip("fd00:2::1", 0)));
    CHECK_INT(told->poolCount, 1);
    CHECK(same(&told->pools[0].start, pool.start) && same(&told->pools[0].end, pool.end));
    CHECK_TEXT(told->dns.domain, "lan.test");
    CHECK(same(&told->dns.server_addr[0], ip("10.9.0.53", 0)) && told->dns.server_addr[1].ss_family == 0);
    uint64_t revision = told->revision;

    /* What was read can be sent back as it is, and with one thing changed. */
    CHECK_INT(ZT_Controller_setNetwork(root.controller, told, ALL_NETWORK_FIELDS, NULL, NULL), ZT_RESULT_OK);
    ZT_Node_freeQueryResult(NULL, told);
    network = (ZT_ControllerNetwork){.nwid = lan, .mtu = 2800, .multicastLimit = 1};
    CHECK_INT(ZT_Controller_setNetwork(root.controller, &network, ZT_CONTROLLER_NETWORK_MTU, NULL, NULL), ZT_RESULT_OK);
    told = ZT_Controller_network(root.controller, lan);
    CHECK(told != NULL && told->revision > revision);
    CHECK_INT(told->mtu, 2800);
    CHECK_INT(told->multicastLimit, 7);
    CHECK_INT(told->routeCount, 2);
    ZT_Node_freeQueryResult(NULL, told);
}

/* A node waits until it is authorised, has what it is given, and nothing once it is deleted. */
static void members(void)
{
    uint64_t address = ZT_Node_address(alice.node);
    CHECK_INT(ZT_Node_join(alice.node, lan, NULL, NULL), ZT_RESULT_OK);
    RIG_UNTIL(zt_network_status(&alice, lan) == ZT_NETWORK_STATUS_ACCESS_DENIED, 20000);
    CHECK(lists(ZT_Controller_members(root.controller, lan), address));
    ZT_ControllerMember *told = ZT_Controller_member(root.controller, lan, address);
    CHECK(told != NULL && told->nwid == lan && told->address == address);
    CHECK_INT(told->authorized, 0);
    CHECK_INT(told->lastAuthorizedTime, 0);
    ZT_Node_freeQueryResult(NULL, told);

    const struct sockaddr_storage addresses[1] = {ip("10.9.0.77", 0)};
    const ZT_ControllerMember member = {
        .nwid = lan, .address = address, .authorized = 1, .activeBridge = 1, .addresses = addresses, .addressCount = 1,
        .noAutoAssignIps = 1};
    CHECK_INT(ZT_Controller_setMember(root.controller, &member, ALL_MEMBER_FIELDS, NULL), ZT_RESULT_OK);
    told = ZT_Controller_member(root.controller, lan, address);
    CHECK(told != NULL && told->authorized == 1 && told->activeBridge == 1 && told->noAutoAssignIps == 1);
    CHECK(told->lastAuthorizedTime > 0 && told->addressCount == 1 && same(told->addresses, ip("10.9.0.77", 0)));
    ZT_Node_freeQueryResult(NULL, told);
    RIG_UNTIL(zt_network_status(&alice, lan) == ZT_NETWORK_STATUS_OK, 20000);
    ZT_VirtualNetworkConfig *config = ZT_Node_networkConfig(alice.node, lan);
    CHECK(config != NULL && config->assignedAddressCount > 0 && config->bridge != 0);
    CHECK(same(&config->assignedAddresses[0], ip("10.9.0.77", 24)));
    ZT_Node_freeQueryResult(NULL, config);

    CHECK_INT(ZT_Controller_deleteMember(root.controller, lan, address), ZT_RESULT_OK);
    CHECK(ZT_Controller_member(root.controller, lan, address) == NULL);
    CHECK_INT(ZT_Controller_deleteMember(root.controller, lan, address), ZT_RESULT_ERROR_NETWORK_NOT_FOUND);
}

/* What cannot be is named, and nothing has changed. */
static void refused(void)
{
    char *problem = (char *)"something";
    ZT_ControllerNetwork network = {.nwid = lan, .mtu = 70000};
    expect_problem(ZT_Controller_setNetwork(root.controller, &network, ZT_CONTROLLER_NETWORK_MTU, NULL, &problem),
                   &problem, "mtu");
    memset(network.name, 'x', sizeof network.name);
    expect_problem(ZT_Controller_setNetwork(root.controller, &network, ZT_CONTROLLER_NETWORK_NAME, NULL, &problem),
                   &problem, "name");
    network.type = (enum ZT_VirtualNetworkType)7;
    expect_problem(ZT_Controller_setNetwork(root.controller, &network, ZT_CONTROLLER_NETWORK_TYPE, NULL, &problem),
                   &problem, "type");
    network.assignV6 = 8;
    expect_problem(ZT_Controller_setNetwork(root.controller, &network, ZT_CONTROLLER_NETWORK_ASSIGN_V6, NULL, &problem),
                   &problem, "assignV6");
    network.routeCount = 1; /* and no array */
    expect_problem(ZT_Controller_setNetwork(root.controller, &network, ZT_CONTROLLER_NETWORK_ROUTES, NULL, &problem),
                   &problem, "routes");
    const ZT_VirtualNetworkRoute nowhere = {.target = {0}}, far = {.target = ip("10.0.0.0", 300)};
    network.routes = &nowhere;
    expect_problem(ZT_Controller_setNetwork(root.controller, &network, ZT_CONTROLLER_NETWORK_ROUTES, NULL, &problem),
                   &problem, "routes");
    network.routes = &far;
    expect_problem(ZT_Controller_setNetwork(root.controller, &network, ZT_CONTROLLER_NETWORK_ROUTES, NULL, &problem),
                   &problem, "routes");
    network.routeCount = UINT32_MAX;
    expect_problem(ZT_Controller_setNetwork(root.controller, &network, ZT_CONTROLLER_NETWORK_ROUTES, NULL, &problem),
                   &problem, "routes");
    const ZT_ControllerPool mixed = {.start = ip("10.9.0.1", 0), .end = ip("fd00::1", 0)};
    network.pools = &mixed;
    network.poolCount = 1;
    expect_problem(ZT_Controller_setNetwork(root.controller, &network, ZT_CONTROLLER_NETWORK_POOLS, NULL, &problem),
                   &problem, "ipAssignmentPools");
    expect_problem(ZT_Controller_setNetwork(root.controller, &network, 1024, NULL, &problem), &problem, "fields");
    ZT_ControllerMember member = {.nwid = lan, .address = 0};
    expect_problem(ZT_Controller_setMember(root.controller, &member, 16, &problem), &problem, "fields");
    expect_problem(ZT_Controller_setMember(root.controller, &member, ZT_CONTROLLER_MEMBER_AUTHORIZED, &problem),
                   &problem, "address");
    CHECK_INT(ZT_Controller_setNetwork(root.controller, NULL, 0, NULL, &problem), ZT_RESULT_ERROR_BAD_PARAMETER);
    CHECK(problem == NULL);
    CHECK_INT(ZT_Controller_setMember(root.controller, NULL, 0, &problem), ZT_RESULT_ERROR_BAD_PARAMETER);
    CHECK(problem == NULL);
    member.nwid = lan + 1;
    member.address = 0x1122334455;
    CHECK_INT(ZT_Controller_setMember(root.controller, &member, 0, &problem), ZT_RESULT_ERROR_NETWORK_NOT_FOUND);
    CHECK(ZT_Controller_network(root.controller, lan + 1) == NULL);
    CHECK(ZT_Controller_members(root.controller, lan + 1) == NULL);
    ZT_ControllerNetwork *told = ZT_Controller_network(root.controller, lan);
    CHECK(told != NULL && told->mtu == 2800 && told->routeCount == 2 && told->poolCount == 1);
    CHECK_TEXT(told->name, "lan");
    ZT_Node_freeQueryResult(NULL, told);
}

/* A controller without a node, and what is none. */
static void strangers(void)
{
    ZT_Controller *idle = ZT_Controller_new(NULL);
    ZT_Controller *const none[] = {NULL, idle, (ZT_Controller *)root.node, (ZT_Controller *)16};
    const ZT_ControllerNetwork network = {0};
    const ZT_ControllerMember member = {0};
    for (unsigned i = 0; i < sizeof none / sizeof *none; i++) {
        CHECK(ZT_Controller_networks(none[i]) == NULL && ZT_Controller_network(none[i], lan) == NULL);
        CHECK(ZT_Controller_members(none[i], lan) == NULL && ZT_Controller_member(none[i], lan, 1) == NULL);
        CHECK_INT(ZT_Controller_setNetwork(none[i], &network, 0, NULL, NULL), ZT_RESULT_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT_Controller_setMember(none[i], &member, 0, NULL), ZT_RESULT_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT_Controller_deleteNetwork(none[i], lan), ZT_RESULT_ERROR_BAD_PARAMETER);
        CHECK_INT(ZT_Controller_deleteMember(none[i], lan, 1), ZT_RESULT_ERROR_BAD_PARAMETER);
    }
    CHECK_INT(ZT_Controller_delete(idle), ZT_RESULT_OK);
}

/* What the store does not take is not acknowledged. */
static void not_stored(struct store *store)
{
    const ZT_ControllerNetwork network = {.nwid = lan, .mtu = 1400};
    store_fail(store, FAULT_ERROR, 0, 0);
    CHECK_INT(ZT_Controller_setNetwork(root.controller, &network, ZT_CONTROLLER_NETWORK_MTU, NULL, NULL),
              ZT_RESULT_FATAL_ERROR_DATA_STORE_FAILED);
    store->fault = FAULT_NONE;
    ZT_ControllerNetwork *told = ZT_Controller_network(root.controller, lan);
    CHECK(told != NULL && told->mtu == 2800);
    ZT_Node_freeQueryResult(NULL, told);
    CHECK_INT(ZT_Controller_deleteNetwork(root.controller, lan), ZT_RESULT_OK);
    CHECK(!lists(ZT_Controller_networks(root.controller), lan));
    CHECK_INT(ZT_Controller_deleteNetwork(root.controller, lan), ZT_RESULT_ERROR_NETWORK_NOT_FOUND);
}

int main(void)
{
    static struct store store;
    zt_start(&root, "10.0.0.1", ROOT_SECRET, PLANET, PLANET_LENGTH);
    zt_serve(&root, &store);
    zt_start(&alice, "10.0.0.4", ALICE_SECRET, PLANET, PLANET_LENGTH);
    networks();
    members();
    refused();
    strangers();
    not_stored(&store);
    zt_end(&alice);
    zt_end(&root);
    store_free(&store);
    return 0;
}
