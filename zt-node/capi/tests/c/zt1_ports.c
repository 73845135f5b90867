/*
 * Ports as the host reports them, and roots of both kinds of address: the states of a network that only a host causes,
 * and paths over IPv6 with and without a zone.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "zt1_rig.h"

static struct zt1 root, master, alice, bob;
static uint64_t lan;

static void expect_network(enum ZT1_Node_NetworkStatus status, const char *words, const char *device)
{
    struct ZT1_Node_NetworkList *list = ZT1_Node_networks(alice.node);
    CHECK(list != NULL);
    CHECK_INT(list->numNetworks, 1);
    CHECK_INT(list->networks[0].status, status);
    CHECK_TEXT(list->networks[0].statusStr, words);
    CHECK_TEXT(list->networks[0].device, device);
    ZT1_Node_freeQueryResult(list);
}

static void host_reports(void)
{
    CHECK_INT(ZT1_Node_setPort(alice.node, lan + 1, "zt0", 0), ZT1_ERROR_NETWORK_NOT_FOUND);
    expect_network(ZT1_Node_Network_OK, "OK", "");
    CHECK_INT(ZT1_Node_setPort(alice.node, lan, NULL, ZT1_PORT_NO_MORE_DEVICES), ZT1_OK);
    expect_network(ZT1_Node_Network_NO_MORE_DEVICES, "PORT_ERROR", "");
    CHECK_INT(ZT1_Node_setPort(alice.node, lan, "zt0", 12), ZT1_OK);
    expect_network(ZT1_Node_Network_INITIALIZATION_FAILED, "PORT_ERROR", "zt0");
    /* The configuration is what it was. */
    struct ZT1_VirtualPortConfig *config = ZT1_Node_networkConfig(alice.node, lan);
    CHECK_INT(config->status, ZT1_VirtualPortConfig_STATUS_AUTHORIZED);
    ZT1_Node_freeQueryResult(config);
    CHECK_INT(ZT1_Node_setPort(alice.node, lan, "zt1", 0), ZT1_OK);
    expect_network(ZT1_Node_Network_OK, "OK", "zt1");
    /* Names that are too long are cut. */
    char name[400];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    CHECK_INT(ZT1_Node_setPort(alice.node, lan, name, 0), ZT1_OK);
    name[255] = 0;
    expect_network(ZT1_Node_Network_OK, "OK", name);
}

static void changes(void)
{
    /* A change of the configuration is told, and what did not change is not. */
    char path[64];
    unsigned before = alice.port_count;
    unsigned long revision = alice.ports[before - 1].config.netconfRevision;
    rig_run(30000);
    CHECK_INT(alice.port_count, before);
    snprintf(path, sizeof path, "/controller/network/%016" PRIx64, lan);
    zt1_ask(&master, "POST", path, "{\"name\":\"renamed\",\"mtu\":1500,\"private\":false}", 200, NULL);
    RIG_UNTIL(alice.port_count > before, 180000);
    const struct zt1_port_record *told = &alice.ports[alice.port_count - 1];
    CHECK_TEXT(told->name, "renamed");
    CHECK_INT(told->config.mtu, 1500);
    CHECK_INT(told->config.type, ZT1_VirtualPortConfig_NETWORK_TYPE_PUBLIC);
    CHECK(told->config.netconfRevision > revision);
    struct ZT1_Node_NetworkList *list = ZT1_Node_networks(alice.node);
    CHECK(!list->networks[0].isPrivate);
    CHECK_TEXT(list->networks[0].name, "renamed");
    ZT1_Node_freeQueryResult(list);

    /* A bridge, by the controller's word. */
    snprintf(path, sizeof path, "/controller/network/%016" PRIx64 "/member/%010" PRIx64, lan, ALICE);
    CHECK_INT(told->config.bridge, 0);
    before = alice.port_count;
    zt1_ask(&master, "POST", path, "{\"activeBridge\":true,\"ipAssignments\":[\"10.9.0.7\",\"10.9.0.8\"]}", 200, NULL);
    RIG_UNTIL(alice.port_count > before && alice.ports[alice.port_count - 1].config.bridge != 0, 180000);
    CHECK_INT(alice.ports[alice.port_count - 1].config.assignedAddressCount, 2);
    char *answer;
    zt1_ask(&master, "GET", path, NULL, 200, &answer);
    CHECK(strstr(answer, "10.9.0.8") != NULL);
    ZT1_Node_freeQueryResult(answer);
    ZT1_Node_freeQueryResult(answer);
    zt1_ask(&master, "GET", "/controller/network/0000000000000000", NULL, 404, NULL);
    zt1_ask(&master, "DELETE", path, NULL, 200, NULL);
    CHECK_INT(ZT1_NetconfMaster_request(master.master, "GET", path, NULL, 0, NULL), 404);
}

/* A frame of Bob's for Alice leaves from his address number `number` to the one of Alice's. */
static void frame_by(unsigned number)
{
    unsigned before = alice.received_count;
    zt1_detour(&bob, lan, zt1_mac(&alice, lan), &alice.place.addresses[number], 0, "by another address");
    RIG_UNTIL(alice.received_count > before, 1000);
    rig_run(3000);
}

static const struct ZT1_Node_PhysicalPath *find_ipv6(const struct ZT1_Node_Peer *peer,
                                                     const struct ZT1_Node_PhysicalPath *paths, unsigned char first)
{
    for (unsigned i = 0; i < peer->numPaths && i < 8; i++)
        if (paths[i].address.type == ZT1_Node_PhysicalAddress_TYPE_IPV6 && paths[i].address.bits[0] == first)
            return &paths[i];
    return NULL;
}

static void ipv6(void)
{
    struct ZT1_Node_Peer peer;
    struct ZT1_Node_PhysicalPath paths[8];
    rig_address(&alice.place, rig_ipv6("fd00::4", 9993, 0));
    rig_address(&bob.place, rig_ipv6("fd00::5", 9995, 0));
    frame_by(1);
    CHECK(zt1_peer(&alice, BOB, &peer, paths, 8));
    const struct ZT1_Node_PhysicalPath *path = find_ipv6(&peer, paths, 0xfd);
    CHECK(path != NULL);
    CHECK_INT(path->address.bits[1], 0);
    CHECK_INT(path->address.bits[15], 5);
    CHECK_INT(path->address.port, 9995);
    CHECK_TEXT(path->address.ascii, "fd00::5");
    CHECK_TEXT(path->address.zoneIndex, "");
    CHECK_INT(path->type, ZT1_Node_PhysicalPath_TYPE_UDP);
    CHECK(path->active && !path->fixed);

    /* Link-local addresses, which would have a zone, carry packets and are no paths (03 section 8). */
    rig_address(&alice.place, rig_ipv6("fe80::4", 9993, 3));
    rig_address(&bob.place, rig_ipv6("fe80::5", 9993, 3));
    frame_by(2);
    CHECK(zt1_peer(&alice, BOB, &peer, paths, 8));
    CHECK(find_ipv6(&peer, paths, 0xfe) == NULL);
}

int main(void)
{
    zt1_start(&root, "10.0.0.1", ROOT_SECRET, PLANET, PLANET_LENGTH);
    rig_address(&root.place, rig_ipv6("fd00::1", 9993, 0));
    zt1_start(&master, "10.0.0.3", MASTER_SECRET, PLANET, PLANET_LENGTH);
    zt1_start(&alice, "10.0.0.4", ALICE_SECRET, PLANET, PLANET_LENGTH);
    zt1_start(&bob, "10.0.0.5", BOB_SECRET, PLANET, PLANET_LENGTH);
    zt1_serve(&master);
    lan = zt1_network(&master, 1);
    zt1_authorise(&master, lan, ALICE, true);
    zt1_authorise(&master, lan, BOB, true);
    CHECK_INT(ZT1_Node_join(alice.node, lan), ZT1_OK);
    CHECK_INT(ZT1_Node_join(bob.node, lan), ZT1_OK);
    RIG_UNTIL(zt1_network_status(&alice, lan) == ZT1_Node_Network_OK, 20000);
    RIG_UNTIL(zt1_network_status(&bob, lan) == ZT1_Node_Network_OK, 20000);
    zt1_give(&alice, lan, zt1_mac(&bob, lan), 0x0800, "hello", 5);
    RIG_UNTIL(bob.received_count > 0, 10000);
    host_reports();
    ipv6();
    changes();
    zt1_end(&root);
    zt1_end(&master);
    zt1_end(&alice);
    zt1_end(&bob);
    return 0;
}
