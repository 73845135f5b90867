/*
 * What a host of the ZT interface says about paths: checks, lookups, sockets, own addresses, settings of physical
 * networks; and moons.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "zt_rig.h"

#include <netinet/in.h>

static struct zt root, hub, alice, bob;
/* IPv4 between Alice and Bob does not work. */
static bool apart;
/* Packets that went to this address, and the longest of all packets. */
static struct sockaddr_storage watched;
static unsigned to_watched, longest;
static uint64_t lan;
static bool refuse_bob, know_bob;

static bool carries(const struct place *from, const struct place *to, const struct packet *packet)
{
    const bool both = (from == &alice.place && to == &bob.place) || (from == &bob.place && to == &alice.place);
    if (packet->length > longest)
        longest = packet->length;
    return !(apart && both && packet->to.ss_family == AF_INET);
}

static int check(struct zt *zt, uint64_t peer, const struct sockaddr_storage *remote)
{
    (void)zt;
    CHECK(remote->ss_family == AF_INET || remote->ss_family == AF_INET6);
    return !(refuse_bob && peer == BOB);
}

static int look_up(struct zt *zt, uint64_t peer, int family, struct sockaddr_storage *result)
{
    (void)zt;
    CHECK(family == -1 || family == AF_INET || family == AF_INET6);
    if (peer != BOB || !know_bob)
        return 0;
    *result = rig_ipv6("fd00::5", 9993, 0);
    return 1;
}

/* Frames go to and fro; the last ones arrive. */
static void talk(unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        alice.received_count = bob.received_count = 0;
        CHECK_INT(zt_give(&alice, lan, zt_mac(&bob, lan), 0x0800, "to bob", 6), ZT_RESULT_OK);
        CHECK_INT(zt_give(&bob, lan, zt_mac(&alice, lan), 0x0800, "to alice", 8), ZT_RESULT_OK);
        alice.place.due = bob.place.due = 0;
        rig_run(1000);
    }
    CHECK(alice.received_count > 0 && bob.received_count > 0);
}

static unsigned live_paths(struct zt *zt, uint64_t address, int family)
{
    ZT_Peer peer;
    unsigned count = 0;
    if (!zt_peer(zt, address, &peer))
        return 0;
    for (unsigned i = 0; i < peer.pathCount; i++)
        count += !peer.paths[i].expired && peer.paths[i].address.ss_family == family;
    return count;
}

static void checks(void)
{
    /* Refused: they talk through the root. */
    refuse_bob = true;
    talk(20);
    CHECK(alice.checks > 0);
    CHECK_INT(live_paths(&alice, BOB, AF_INET), 0);
    CHECK(live_paths(&alice, ROOT, AF_INET) > 0);
    /* Allowed: answers hold for a minute, then the host is asked again. */
    refuse_bob = false;
    talk(150);
    CHECK(live_paths(&alice, BOB, AF_INET) > 0);
}

static void look_ups(void)
{
    apart = true;
    talk(20);
    CHECK_INT(live_paths(&alice, BOB, AF_INET), 0);
    CHECK(alice.look_ups > 0);
    rig_address(&alice.place, rig_ipv6("fd00::4", 9993, 0));
    rig_address(&bob.place, rig_ipv6("fd00::5", 9993, 0));
    know_bob = true;
    talk(30);
    CHECK(live_paths(&alice, BOB, AF_INET6) > 0);
    apart = false;
}

static void sockets(void)
{
    /* Packets that came by a socket are answered by it. */
    alice.socket = 4242;
    alice.sent_by_socket = 0;
    talk(10);
    ZT_Peer peer;
    bool found = false;
    CHECK(zt_peer(&alice, BOB, &peer));
    for (unsigned i = 0; i < peer.pathCount; i++)
        found = found || peer.paths[i].localSocket == 4242;
    CHECK(found);
    CHECK(alice.sent_by_socket > 0);
    alice.socket = -1;
}

static bool count_watched(const struct place *from, const struct place *to, const struct packet *packet)
{
    to_watched += rig_same(&packet->to, &watched);
    return carries(from, to, packet);
}

static void own_addresses(void)
{
    struct sockaddr_storage address = rig_ipv4("10.7.0.4", 9993);
    CHECK_INT(ZT_Node_addLocalInterfaceAddress(alice.node, &address), 1);
    CHECK_INT(ZT_Node_addLocalInterfaceAddress(alice.node, &address), 0);
    address = rig_ipv4("127.0.0.1", 9993);
    CHECK_INT(ZT_Node_addLocalInterfaceAddress(alice.node, &address), 0);
    address = rig_ipv4("10.7.0.5", 0);
    CHECK_INT(ZT_Node_addLocalInterfaceAddress(alice.node, &address), 0);
    address = rig_ethernet(1);
    CHECK_INT(ZT_Node_addLocalInterfaceAddress(alice.node, &address), 0);
    CHECK_INT(ZT_Node_addLocalInterfaceAddress(alice.node, NULL), 0);
    /* Bob is told, and tries it. */
    watched = rig_ipv4("10.7.0.4", 9993);
    rig_address(&alice.place, watched);
    rig_carries = count_watched;
    talk(100);
    CHECK(to_watched > 0);
    rig_carries = carries;
    ZT_Node_clearLocalInterfaceAddresses(alice.node);
    address = rig_ipv4("10.7.0.4", 9993);
    CHECK_INT(ZT_Node_addLocalInterfaceAddress(alice.node, &address), 1);
    ZT_Node_clearLocalInterfaceAddresses(alice.node);
}

static uint64_t trusted_path(struct zt *zt, uint64_t address)
{
    ZT_Peer peer;
    CHECK(zt_peer(zt, address, &peer));
    for (unsigned i = 0; i < peer.pathCount; i++)
        if (peer.paths[i].trustedPathId != 0)
            return peer.paths[i].trustedPathId;
    return 0;
}

static unsigned longest_of_frame(void)
{
    static unsigned char text[1380];
    for (unsigned i = 0; i < sizeof text; i++)
        text[i] = (unsigned char)(i * i >> 3);
    bob.received_count = longest = 0;
    CHECK_INT(zt_give(&alice, lan, zt_mac(&bob, lan), 0x0800, text, sizeof text), ZT_RESULT_OK);
    RIG_UNTIL(bob.received_count > 0, 1000);
    CHECK_INT(bob.received[0].length, sizeof text);
    CHECK(memcmp(bob.received[0].bytes, text, sizeof text) == 0);
    return longest;
}

static void physical_settings(void)
{
    struct sockaddr_storage network = rig_ipv4("10.0.0.0", 24), wrong = rig_ipv4("10.0.0.0", 33);
    ZT_PhysicalPathConfiguration settings = {.trustedPathId = 42, .mtu = 1500};
    CHECK_INT(ZT_Node_setPhysicalPathConfiguration(alice.node, &network, &settings), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_setPhysicalPathConfiguration(root.node, &network, &settings), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_setPhysicalPathConfiguration(bob.node, &network, &settings), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_setPhysicalPathConfiguration(alice.node, &wrong, &settings), ZT_RESULT_ERROR_BAD_PARAMETER);
    wrong = rig_ethernet(3);
    CHECK_INT(ZT_Node_setPhysicalPathConfiguration(alice.node, &wrong, &settings), ZT_RESULT_ERROR_BAD_PARAMETER);
    talk(5);
    CHECK_INT(trusted_path(&alice, ROOT), 42);
    CHECK(zt_is_online(&alice));
    /* Forgotten, one and all. */
    CHECK_INT(ZT_Node_setPhysicalPathConfiguration(alice.node, &network, NULL), ZT_RESULT_OK);
    CHECK_INT(trusted_path(&alice, ROOT), 0);
    CHECK_INT(ZT_Node_setPhysicalPathConfiguration(root.node, NULL, NULL), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_setPhysicalPathConfiguration(bob.node, NULL, NULL), ZT_RESULT_OK);

    /* A packet of more than 1400 bytes is whole, until the mtu is as small as it may be. */
    CHECK_RANGE(longest_of_frame(), ZT_MIN_PHYSMTU + 1, ZT_DEFAULT_PHYSMTU);
    network = rig_ipv4("0.0.0.0", 0);
    settings = (ZT_PhysicalPathConfiguration){.trustedPathId = 0, .mtu = 5};
    CHECK_INT(ZT_Node_setPhysicalPathConfiguration(alice.node, &network, &settings), ZT_RESULT_OK);
    network = rig_ipv6("::", 0, 0);
    CHECK_INT(ZT_Node_setPhysicalPathConfiguration(alice.node, &network, &settings), ZT_RESULT_OK);
    CHECK_RANGE(longest_of_frame(), 1, ZT_MIN_PHYSMTU);
    /* Too many: those at the end are dropped. */
    for (unsigned i = 0; i < 2 * ZT_MAX_CONFIGURABLE_PATHS; i++) {
        char name[32];
        snprintf(name, sizeof name, "10.%u.0.0", i);
        network = rig_ipv4(name, 16);
        CHECK_INT(ZT_Node_setPhysicalPathConfiguration(alice.node, &network, &settings), ZT_RESULT_OK);
    }
    CHECK_INT(ZT_Node_setPhysicalPathConfiguration(alice.node, NULL, &settings), ZT_RESULT_OK);
}

static void moons(void)
{
    ZT_Peer peer;
    zt_prepare(&hub, "10.0.0.2", HUB_SECRET, PLANET, PLANET_LENGTH);
    store_set(&hub.store, zt_state_name(ZT_STATE_OBJECT_MOON, HUB), MOON, MOON_LENGTH);
    CHECK_INT(zt_open(&hub), ZT_RESULT_OK);
    rig_add(&hub.place);
    CHECK_INT(ZT_Node_orbit(hub.node, NULL, HUB, 0), ZT_RESULT_OK);
    CHECK(hub.gets[ZT_STATE_OBJECT_MOON] > 0);
    RIG_UNTIL(zt_is_online(&hub), 10000);
    /* Alice gets the moon from its root. */
    int thread = 0;
    CHECK_INT(ZT_Node_orbit(alice.node, &thread, HUB, HUB), ZT_RESULT_OK);
    CHECK(alice.last_state_thread == &thread);
    RIG_UNTIL(alice.puts[ZT_STATE_OBJECT_MOON] > 0, 180000);
    rig_run(2000);
    CHECK(zt_peer(&alice, HUB, &peer));
    CHECK_INT(peer.role, ZT_PEER_ROLE_MOON);
    const struct object *moon = store_find(&alice.store, zt_state_name(ZT_STATE_OBJECT_MOON, HUB));
    CHECK(moon != NULL);
    CHECK_INT(moon->length, MOON_LENGTH);
    CHECK(memcmp(moon->bytes, MOON, MOON_LENGTH) == 0);
    CHECK_INT(ZT_Node_deorbit(alice.node, NULL, HUB), ZT_RESULT_OK);
    CHECK(alice.deletes[ZT_STATE_OBJECT_MOON] > 0);
    CHECK(zt_peer(&alice, HUB, &peer));
    CHECK_INT(peer.role, ZT_PEER_ROLE_LEAF);
    CHECK_INT(ZT_Node_deorbit(alice.node, NULL, HUB), ZT_RESULT_OK);
    /* A planet that is damaged is not replaced by a stranger's: a trace says so. */
    zt_stop(&hub);
    store_set(&hub.store, zt_state_name(ZT_STATE_OBJECT_PLANET, 0), "no planet", 9);
    hub.event_count = 0;
    CHECK_INT(zt_open(&hub), ZT_RESULT_OK);
    CHECK(zt_had_event(&hub, ZT_EVENT_TRACE));
    CHECK(strstr(hub.trace, "planet") != NULL);
    zt_end(&hub);
}

int main(void)
{
    rig_carries = carries;
    zt_start(&root, "10.0.0.1", ROOT_SECRET, PLANET, PLANET_LENGTH);
    zt_prepare(&alice, "10.0.0.4", ALICE_SECRET, PLANET, PLANET_LENGTH);
    alice.check = check;
    alice.look_up = look_up;
    CHECK_INT(zt_open(&alice), ZT_RESULT_OK);
    rig_add(&alice.place);
    zt_start(&bob, "10.0.0.5", BOB_SECRET, PLANET, PLANET_LENGTH);
    lan = zt_lan_of(&root, &alice, &bob);
    checks();
    look_ups();
    sockets();
    own_addresses();
    physical_settings();
    moons();
    zt_end(&root);
    zt_end(&alice);
    zt_end(&bob);
    return 0;
}
