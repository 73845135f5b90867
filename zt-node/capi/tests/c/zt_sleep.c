/*
 * A host that sleeps calls nothing for long, and goes on as if no time had passed: the node takes that for what it is.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "zt_rig.h"

#include <netinet/in.h>

static struct zt root, alice, bob;
static uint64_t lan;
/* Nothing reaches Alice, and she is not called. */
static bool asleep;
/* Packets that Alice sent to the root, and to Bob without it. */
static unsigned to_root, to_bob;

static bool carries(const struct place *from, const struct place *to, const struct packet *packet)
{
    (void)packet;
    to_root += from == &alice.place && to == &root.place;
    to_bob += from == &alice.place && to == &bob.place;
    return !(asleep && to == &alice.place);
}

/* Frames go to and fro, ten in a second; some arrive on both sides. */
static void talk(unsigned seconds)
{
    alice.received_count = bob.received_count = 0;
    for (unsigned i = 0; i < 10 * seconds; i++) {
        CHECK_INT(zt_give(&alice, lan, zt_mac(&bob, lan), 0x0800, "to bob", 6), ZT_RESULT_OK);
        CHECK_INT(zt_give(&bob, lan, zt_mac(&alice, lan), 0x0800, "to alice", 8), ZT_RESULT_OK);
        alice.place.due = bob.place.due = 0;
        rig_run(100);
    }
    CHECK(alice.received_count > 0 && bob.received_count > 0);
}

static bool is_direct(void)
{
    ZT_Peer peer;
    if (!zt_peer(&alice, BOB, &peer))
        return false;
    for (unsigned i = 0; i < peer.pathCount; i++)
        if (!peer.paths[i].expired)
            return true;
    return false;
}

static void sleeps(uint64_t milliseconds)
{
    void (*turn)(struct place *) = alice.place.turn;
    alice.place.turn = NULL;
    asleep = true;
    rig_run(milliseconds);
    alice.place.turn = turn;
    asleep = false;
}

int main(void)
{
    rig_carries = carries;
    zt_start(&root, "10.0.0.1", ROOT_SECRET, PLANET, PLANET_LENGTH);
    zt_start(&alice, "10.0.0.4", ALICE_SECRET, PLANET, PLANET_LENGTH);
    zt_start(&bob, "10.0.0.5", BOB_SECRET, PLANET, PLANET_LENGTH);
    lan = zt_lan_of(&root, &alice, &bob);
    talk(5);
    CHECK(is_direct());
    for (unsigned i = 0; i < 3; i++) {
        sleeps(i == 0 ? 30000 : 600000);
        alice.event_count = 0;
        to_root = to_bob = 0;
        /* The first call after it: the root and the peer she talked to are greeted at once. */
        zt_turn(&alice);
        CHECK(to_root > 0);
        CHECK(to_bob > 0);
        CHECK(!zt_had_event(&alice, ZT_EVENT_OFFLINE));
        /* And what is said in the next second arrives, without the root. */
        talk(1);
        CHECK(is_direct());
        CHECK_INT(zt_network_status(&alice, lan), ZT_NETWORK_STATUS_OK);
        talk(5);
    }
    zt_end(&root);
    zt_end(&alice);
    zt_end(&bob);
    return 0;
}
