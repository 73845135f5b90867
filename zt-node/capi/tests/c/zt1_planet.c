/*
 * A planet made by the library: nodes that have it meet at its root.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "zt1_rig.h"

int main(void)
{
    static struct zt1 root, alice;
    static struct sockaddr_storage endpoints[33];
    unsigned char planet[8480], again[8480];
    for (unsigned i = 0; i < 33; i++)
        endpoints[i] = rig_ipv4("10.0.0.1", 9993 + i);
    struct ZT1_PlanetRoot made = {.identity = ROOT_PUBLIC, .endpoints = endpoints, .endpointCount = 1};
    long length = ZT1_newPlanet(rig_now, &made, 1, planet, sizeof planet);
    CHECK_RANGE(length, 100, 500);
    zt1_start(&root, "10.0.0.1", ROOT_SECRET, planet, (unsigned)length);
    zt1_start(&alice, "10.0.0.4", ALICE_SECRET, planet, (unsigned)length);
    RIG_UNTIL(zt1_is_online(&alice), 10000);
    struct ZT1_Node_Peer peer;
    CHECK(zt1_peer(&alice, ROOT, &peer, NULL, 0));
    CHECK_INT(peer.role, ZT1_Node_Peer_SUPERNODE);
    zt1_end(&root);
    zt1_end(&alice);

    /* The secret text is as good, and nothing secret is in the planet. */
    made.identity = ROOT_SECRET;
    CHECK_INT(ZT1_newPlanet(rig_now, &made, 1, again, sizeof again), length);
    CHECK(memcmp(planet, again, (size_t)length) != 0);
    struct ZT1_PlanetRoot five[5] = {made, made, made, made, made};
    made.endpointCount = 32;
    CHECK(ZT1_newPlanet(rig_now, &made, 1, planet, sizeof planet) > length);

    CHECK_INT(ZT1_newPlanet(rig_now, NULL, 1, planet, sizeof planet), -1);
    CHECK_INT(ZT1_newPlanet(rig_now, &made, 0, planet, sizeof planet), -1);
    CHECK_INT(ZT1_newPlanet(rig_now, five, 5, planet, sizeof planet), -1);
    CHECK_INT(ZT1_newPlanet(rig_now, five, UINT32_MAX, planet, sizeof planet), -1);
    CHECK_INT(ZT1_newPlanet(rig_now, &made, 1, NULL, sizeof planet), -1);
    CHECK_INT(ZT1_newPlanet(rig_now, &made, 1, planet, 10), -1);
    CHECK_INT(ZT1_newPlanet(rig_now, &made, 1, planet, 0), -1);
    made.endpointCount = 33;
    CHECK_INT(ZT1_newPlanet(rig_now, &made, 1, planet, sizeof planet), -1);
    made.endpointCount = UINT32_MAX;
    CHECK_INT(ZT1_newPlanet(rig_now, &made, 1, planet, sizeof planet), -1);
    made.endpointCount = 0;
    CHECK_INT(ZT1_newPlanet(rig_now, &made, 1, planet, sizeof planet), -1);
    made.endpointCount = 1;
    endpoints[0] = rig_ethernet(1);
    CHECK_INT(ZT1_newPlanet(rig_now, &made, 1, planet, sizeof planet), -1);
    made.endpoints = NULL;
    CHECK_INT(ZT1_newPlanet(rig_now, &made, 1, planet, sizeof planet), -1);
    made.endpoints = endpoints + 1;
    made.identity = NULL;
    CHECK_INT(ZT1_newPlanet(rig_now, &made, 1, planet, sizeof planet), -1);
    made.identity = "\xff\xfe no identity";
    CHECK_INT(ZT1_newPlanet(rig_now, &made, 1, planet, sizeof planet), -1);
    return 0;
}
