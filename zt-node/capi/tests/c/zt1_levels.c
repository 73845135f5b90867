/*
 * Desperation and spam: levels rise while nothing answers and fall when something does; paths have the type of the link
 * that carries them.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "zt1_rig.h"

static struct zt1 root, master, alice, bob;
static uint64_t lan;
/* Alice and Bob do not hear each other directly. */
static bool apart;

static bool carries(const struct place *from, const struct place *to, const struct packet *packet)
{
    const bool both = (from == &alice.place && to == &bob.place) || (from == &bob.place && to == &alice.place);
    (void)packet;
    return !apart || !both;
}

/* The path by which a host heard a peer last. */
static struct ZT1_Node_PhysicalPath latest(struct zt1 *zt1, uint64_t address)
{
    struct ZT1_Node_Peer peer;
    struct ZT1_Node_PhysicalPath paths[8], best;
    memset(&best, 0, sizeof best);
    best.lastReceive = -1;
    CHECK(zt1_peer(zt1, address, &peer, paths, 8));
    for (unsigned i = 0; i < peer.numPaths && i < 8; i++)
        if (paths[i].lastReceive >= 0 && (best.lastReceive < 0 || paths[i].lastReceive < best.lastReceive))
            best = paths[i];
    return best;
}

static int level_told(const struct zt1 *zt1)
{
    int level = 0;
    for (unsigned i = 0; i < zt1->status_count; i++)
        if (zt1->statuses[i].code == ZT1_STATUS_DESPERATION_CHANGE)
            level = zt1->statuses[i].level;
    return level;
}

static void rise_and_fall(void)
{
    CHECK_INT(latest(&alice, ROOT).type, ZT1_Node_PhysicalPath_TYPE_UDP);
    CHECK_INT(alice.place.highest_sent, 0);
    CHECK_INT(alice.place.spam, 0);
    unsigned before = alice.status_count;
    alice.place.cut = RIG_LEVEL(0);
    RIG_UNTIL(level_told(&alice) == 1, 60000);
    CHECK_INT(alice.statuses[alice.status_count - 1].code, ZT1_STATUS_DESPERATION_CHANGE);
    CHECK(alice.statuses[alice.status_count - 1].text[0] != 0);
    RIG_UNTIL(latest(&alice, ROOT).type == ZT1_Node_PhysicalPath_TYPE_TCP_OUT, 10000);
    CHECK_TEXT(latest(&alice, ROOT).address.ascii, "10.0.0.1");
    CHECK(latest(&alice, ROOT).fixed);
    RIG_UNTIL(latest(&root, ALICE).type == ZT1_Node_PhysicalPath_TYPE_TCP_IN, 5000);
    CHECK(zt1_is_online(&alice));
    CHECK_INT(alice.place.highest_sent, 1);
    rig_run(20000);
    CHECK_INT(level_told(&alice), 1);
    CHECK(alice.place.spam > 0);

    uint64_t back = rig_now;
    alice.place.cut = 0;
    RIG_UNTIL(level_told(&alice) == 0, 5000);
    CHECK(rig_now - back <= 5000);
    RIG_UNTIL(latest(&alice, ROOT).type == ZT1_Node_PhysicalPath_TYPE_UDP, 5000);
    /* Once up, once down. */
    unsigned changes = 0;
    for (unsigned i = before; i < alice.status_count; i++)
        changes += alice.statuses[i].code == ZT1_STATUS_DESPERATION_CHANGE;
    CHECK_INT(changes, 2);
    unsigned long spam = alice.place.spam;
    rig_run(30000);
    CHECK_INT(alice.place.spam, spam);
}

static void to_the_top(void)
{
    alice.place.cut = RIG_LEVEL(0) | RIG_LEVEL(1);
    RIG_UNTIL(level_told(&alice) == 1, 60000);
    uint64_t first = rig_now;
    RIG_UNTIL(level_told(&alice) == 2, 10000);
    CHECK_RANGE(rig_now - first, 4900, 5500);
    RIG_UNTIL(latest(&alice, ROOT).type == ZT1_Node_PhysicalPath_TYPE_TCP_OUT, 10000);
    CHECK(zt1_is_online(&alice));
    /* Nothing is worse than level 2 unless something was heard there. */
    alice.place.cut |= RIG_LEVEL(2);
    rig_run(60000);
    CHECK_INT(level_told(&alice), 2);
    CHECK_INT(alice.place.highest_sent, 2);
    CHECK(!zt1_is_online(&alice));
    /* Straight back. */
    alice.place.cut = 0;
    RIG_UNTIL(level_told(&alice) == 0, 5000);
    RIG_UNTIL(zt1_is_online(&alice), 5000);
}

static void ethernet(void)
{
    /* Bob is on Alice's backplane: one of his packets comes from there, and so do the answers. */
    rig_address(&alice.place, rig_ethernet(4));
    rig_address(&bob.place, rig_ethernet(5));
    unsigned before = alice.received_count;
    const struct sockaddr_storage to = rig_ethernet(4);
    zt1_detour(&bob, lan, zt1_mac(&alice, lan), &to, -1, "over the backplane");
    RIG_UNTIL(alice.received_count > before, 1000);
    rig_run(5000);
    struct ZT1_Node_Peer peer;
    struct ZT1_Node_PhysicalPath paths[8];
    bool found = false;
    CHECK(zt1_peer(&alice, BOB, &peer, paths, 8));
    for (unsigned i = 0; i < peer.numPaths; i++) {
        if (paths[i].type != ZT1_Node_PhysicalPath_TYPE_ETHERNET)
            continue;
        found = true;
        CHECK_INT(paths[i].address.type, ZT1_Node_PhysicalAddress_TYPE_ETHERNET);
        CHECK_INT(paths[i].address.bits[0], 2);
        CHECK_INT(paths[i].address.bits[5], 5);
        CHECK_INT(paths[i].address.bits[6], 0);
        CHECK_INT(paths[i].address.port, 0);
        CHECK_TEXT(paths[i].address.ascii, "02:00:00:00:00:05");
        CHECK_TEXT(paths[i].address.zoneIndex, "");
        CHECK(paths[i].active && !paths[i].fixed);
        CHECK(paths[i].lastReceive >= 0 && paths[i].lastSend >= 0);
    }
    CHECK(found);
    /* The better link is used from now on, in both directions. */
    alice.place.cut = bob.place.cut = RIG_LEVEL(0);
    before = bob.received_count;
    zt1_give(&alice, lan, zt1_mac(&bob, lan), 0x0800, "and back", 8);
    RIG_UNTIL(bob.received_count > before, 1000);
    alice.place.cut = bob.place.cut = 0;
}

static void success_rate(void)
{
    struct ZT1_Node_Status status;
    CHECK_INT(ZT1_Node_status(alice.node, &status), ZT1_OK);
    CHECK_INT(status.directlyConnectedPeers, 3);
    CHECK(status.directLinkSuccessRate == 1.0f);
    /* Only the root carries between them now. */
    apart = true;
    for (int i = 0; i < 40; i++) {
        zt1_give(&alice, lan, zt1_mac(&bob, lan), 0x0800, "by the root", 11);
        zt1_give(&bob, lan, zt1_mac(&alice, lan), 0x0800, "by the root", 11);
        alice.received_count = bob.received_count = 0;
        rig_run(10000);
    }
    CHECK(alice.received_count > 0 && bob.received_count > 0);
    CHECK_INT(ZT1_Node_status(alice.node, &status), ZT1_OK);
    CHECK_INT(status.alivePeers, 3);
    CHECK_INT(status.directlyConnectedPeers, 2);
    CHECK(status.directLinkSuccessRate > 0.66f && status.directLinkSuccessRate < 0.67f);
    struct ZT1_Node_Peer peer;
    CHECK(zt1_peer(&alice, BOB, &peer, NULL, 0));
    CHECK_INT(peer.role, ZT1_Node_Peer_NODE);
}

static void worse_than_known(void)
{
    /* Who hears somebody at a worse level than 2 may go there too. */
    CHECK_INT(ZT1_Node_leave(alice.node, lan), ZT1_OK);
    const struct ZT1_WireMessage *wires;
    const struct ZT1_VirtualLanFrame *frames;
    unsigned wire_count, frame_count;
    unsigned long wait;
    const struct ZT1_WireMessage wire = {
        .remoteAddress = rig_ipv4("10.0.0.77", 9993), .desperation = 4, .packetData = "what is this?", .packetLength = 13};
    CHECK_INT(ZT1_Node_runAt(alice.node, rig_now, &wire, 1, NULL, 0, &wires, &wire_count, &frames, &frame_count, &wait),
              ZT1_OK);
    alice.place.cut = RIG_LEVEL(0) | RIG_LEVEL(1) | RIG_LEVEL(2) | RIG_LEVEL(3);
    RIG_UNTIL(level_told(&alice) >= 3, 60000);
    alice.place.cut = 0;
    RIG_UNTIL(level_told(&alice) == 0, 5000);
}

int main(void)
{
    rig_carries = carries;
    zt1_start(&root, "10.0.0.1", ROOT_SECRET, PLANET, PLANET_LENGTH);
    zt1_start(&master, "10.0.0.3", MASTER_SECRET, PLANET, PLANET_LENGTH);
    zt1_start(&alice, "10.0.0.4", ALICE_SECRET, PLANET, PLANET_LENGTH);
    zt1_start(&bob, "10.0.0.5", BOB_SECRET, PLANET, PLANET_LENGTH);
    RIG_UNTIL(zt1_is_online(&alice), 10000);
    rise_and_fall();
    to_the_top();
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
    rig_run(2000);
    ethernet();
    success_rate();
    worse_than_known();
    zt1_end(&root);
    zt1_end(&master);
    zt1_end(&alice);
    zt1_end(&bob);
    return 0;
}
