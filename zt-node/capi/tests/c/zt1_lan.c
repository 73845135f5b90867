/*
 * Four nodes of the ZT1 interface: a root, a controller and two members of a private network. All queries are made
 * and every field of what they fill is looked at.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "zt1_rig.h"

#include <netinet/in.h>

static struct zt1 root, master, alice, bob;
static uint64_t lan;

static bool all_online(void)
{
    return zt1_is_online(&master) && zt1_is_online(&alice) && zt1_is_online(&bob);
}

static void start(void)
{
    zt1_start(&root, "10.0.0.1", ROOT_SECRET, PLANET, PLANET_LENGTH);
    zt1_start(&master, "10.0.0.3", MASTER_SECRET, PLANET, PLANET_LENGTH);
    zt1_start(&alice, "10.0.0.4", ALICE_SECRET, PLANET, PLANET_LENGTH);
    zt1_start(&bob, "10.0.0.5", BOB_SECRET, PLANET, PLANET_LENGTH);
    CHECK(!zt1_is_online(&alice));
    CHECK_INT(alice.status_count, 0);
    RIG_UNTIL(all_online(), 10000);
    CHECK_INT(alice.status_count, 1);
    CHECK_INT(alice.statuses[0].code, ZT1_STATUS_ONLINE);
    CHECK(alice.statuses[0].text[0] != 0);
}

static void membership(void)
{
    zt1_serve(&master);
    lan = zt1_network(&master, 1);
    CHECK_INT(zt1_network_status(&alice, lan), -1);
    CHECK_INT(ZT1_Node_join(alice.node, lan), ZT1_OK);
    CHECK_INT(ZT1_Node_join(alice.node, lan), ZT1_OK);
    CHECK_INT(zt1_network_status(&alice, lan), ZT1_Node_Network_INITIALIZING);
    CHECK_INT(alice.port_count, 0);
    zt1_turn(&alice);
    CHECK_INT(alice.port_count, 1);
    CHECK_INT(alice.ports[0].nwid, lan);
    CHECK_INT(alice.ports[0].config.status, ZT1_VirtualPortConfig_STATUS_WAITING);
    CHECK_INT(alice.ports[0].config.netconfRevision, 0);
    CHECK_INT(alice.ports[0].config.assignedAddressCount, 0);
    CHECK_INT(alice.ports[0].config.type, ZT1_VirtualPortConfig_NETWORK_TYPE_PRIVATE);
    CHECK_TEXT(alice.ports[0].name, "");
    CHECK_INT(zt1_network_status(&alice, lan), ZT1_Node_Network_WAITING_FOR_FIRST_AUTOCONF);
    RIG_UNTIL(zt1_network_status(&alice, lan) == ZT1_Node_Network_ACCESS_DENIED, 10000);
    CHECK_INT(alice.ports[alice.port_count - 1].config.status, ZT1_VirtualPortConfig_STATUS_ACCESS_DENIED);

    /* A network that the controller does not have. */
    CHECK_INT(ZT1_Node_join(alice.node, lan + 1), ZT1_OK);
    RIG_UNTIL(zt1_network_status(&alice, lan + 1) == ZT1_Node_Network_NOT_FOUND, 10000);
    CHECK_INT(alice.ports[alice.port_count - 1].config.status, ZT1_VirtualPortConfig_STATUS_NOT_FOUND);
    CHECK_INT(ZT1_Node_leave(alice.node, lan + 1), ZT1_OK);
    CHECK_INT(ZT1_Node_leave(alice.node, lan + 1), ZT1_ERROR_NETWORK_NOT_FOUND);
    CHECK_INT(zt1_network_status(&alice, lan + 1), -1);
    unsigned before = alice.port_count;
    zt1_turn(&alice);
    CHECK_INT(alice.port_count, before + 1);
    CHECK(alice.ports[before].deleted);
    CHECK_INT(alice.ports[before].nwid, lan + 1);

    zt1_authorise(&master, lan, ALICE, true);
    RIG_UNTIL(zt1_network_status(&alice, lan) == ZT1_Node_Network_OK, 10000);
    zt1_authorise(&master, lan, BOB, true);
    CHECK_INT(ZT1_Node_join(bob.node, lan), ZT1_OK);
    RIG_UNTIL(zt1_network_status(&bob, lan) == ZT1_Node_Network_OK, 10000);
}

static void port_configuration(void)
{
    const struct zt1_port_record *told = &alice.ports[alice.port_count - 1];
    CHECK_INT(told->nwid, lan);
    CHECK_INT(told->config.status, ZT1_VirtualPortConfig_STATUS_AUTHORIZED);
    CHECK_INT(told->config.assignedAddressCount, 1);
    CHECK_TEXT(told->name, "lan");

    struct ZT1_VirtualPortConfig *config = ZT1_Node_networkConfig(alice.node, lan);
    CHECK(config != NULL);
    CHECK_INT(config->networkId, lan);
    CHECK(config->mac != 0 && config->mac >> 48 == 0 && (config->mac >> 40 & 3) == 2);
    CHECK_INT(config->mac, told->config.mac);
    CHECK_INT(config->status, ZT1_VirtualPortConfig_STATUS_AUTHORIZED);
    CHECK_INT(config->type, ZT1_VirtualPortConfig_NETWORK_TYPE_PRIVATE);
    CHECK_INT(config->mtu, 2800);
    CHECK_INT(config->dhcp, 0);
    CHECK_INT(config->bridge, 0);
    CHECK(config->netconfRevision > 0);
    CHECK_INT(config->assignedAddressCount, 1);
    const struct sockaddr_in *address = (const struct sockaddr_in *)config->assignedAddresses;
    CHECK_INT(address->sin_family, AF_INET);
    CHECK_INT(ntohl(address->sin_addr.s_addr) >> 8, 0x0a0900);
    CHECK_INT(ntohs(address->sin_port), 24);
    CHECK_TEXT(config->networkName, "lan");
    ZT1_Node_freeQueryResult(config);
    ZT1_Node_freeQueryResult(config);
    CHECK(ZT1_Node_networkConfig(alice.node, lan + 9) == NULL);
}

static void network_list(void)
{
    CHECK_INT(ZT1_Node_setPort(alice.node, lan, "zt7nnet", 0), ZT1_OK);
    /* Ages are those of the node's latest turn. */
    zt1_turn(&alice);
    struct ZT1_Node_NetworkList *list = ZT1_Node_networks(alice.node);
    CHECK(list != NULL);
    CHECK_INT(list->numNetworks, 1);
    const struct ZT1_Node_Network *network = &list->networks[0];
    char text[32];
    CHECK_INT(network->nwid, lan);
    snprintf(text, sizeof text, "%016" PRIx64, lan);
    CHECK_TEXT(network->nwidHex, text);
    CHECK_TEXT(network->name, "lan");
    CHECK_TEXT(network->description, "");
    CHECK_TEXT(network->device, "zt7nnet");
    CHECK_TEXT(network->statusStr, "OK");
    const unsigned char *mac = network->mac;
    snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
    CHECK_TEXT(network->macStr, text);
    uint64_t number = 0;
    for (int i = 0; i < 6; i++)
        number = number << 8 | mac[i];
    CHECK_INT(number, zt1_mac(&alice, lan));
    CHECK_RANGE(network->configAge, 0, 10000);
    CHECK_INT(network->numIps, 1);
    CHECK_INT(network->ips[0].type, ZT1_Node_PhysicalAddress_TYPE_IPV4);
    CHECK_INT(network->ips[0].bits[0], 10);
    CHECK_INT(network->ips[0].bits[1], 9);
    CHECK_INT(network->ips[0].bits[4], 0);
    CHECK_INT(network->ips[0].port, 24);
    snprintf(text, sizeof text, "10.9.0.%u", network->ips[0].bits[3]);
    CHECK_TEXT(network->ips[0].ascii, text);
    CHECK_TEXT(network->ips[0].zoneIndex, "");
    CHECK_INT(network->status, ZT1_Node_Network_OK);
    CHECK(network->enabled);
    CHECK(network->isPrivate);
    long age = network->configAge;
    ZT1_Node_freeQueryResult(list);
    rig_run(100);
    zt1_turn(&alice);
    list = ZT1_Node_networks(alice.node);
    CHECK_RANGE(list->networks[0].configAge, age + 100, age + 100);
    ZT1_Node_freeQueryResult(list);
}

static void frames(void)
{
    uint64_t to = zt1_mac(&bob, lan), from = zt1_mac(&alice, lan);
    unsigned before = bob.received_count;
    zt1_give(&alice, lan, to, 0x0800, "hello, bob", 10);
    RIG_UNTIL(bob.received_count > before, 10000);
    const struct zt1_frame *got = &bob.received[before];
    CHECK_INT(got->frame.networkId, lan);
    CHECK_INT(got->frame.sourceMac, from);
    CHECK_INT(got->frame.destMac, to);
    CHECK_INT(got->frame.etherType, 0x0800);
    CHECK_INT(got->frame.vlanId, 0);
    CHECK_INT(got->frame.frameLength, 10);
    CHECK(memcmp(got->bytes, "hello, bob", 10) == 0);

    /* Multicast: who subscribed gets it, and who ended that does not. */
    const uint64_t group = 0x01005e000042ULL;
    CHECK_INT(ZT1_Node_multicastSubscribe(bob.node, lan, group, 0), ZT1_OK);
    CHECK_INT(ZT1_Node_multicastSubscribe(bob.node, lan, group, 0), ZT1_OK);
    CHECK_INT(ZT1_Node_multicastSubscribe(bob.node, lan + 1, group, 0), ZT1_ERROR_NETWORK_NOT_FOUND);
    rig_run(1000);
    before = bob.received_count;
    zt1_give(&alice, lan, group, 0x86dd, "to all", 6);
    RIG_UNTIL(bob.received_count > before, 10000);
    CHECK_INT(bob.received[before].frame.destMac, group);
    CHECK(memcmp(bob.received[before].bytes, "to all", 6) == 0);
    CHECK_INT(ZT1_Node_multicastUnsubscribe(bob.node, lan, group, 0), ZT1_OK);
    CHECK_INT(ZT1_Node_multicastUnsubscribe(bob.node, lan, group, 0), ZT1_OK);
    CHECK_INT(ZT1_Node_multicastUnsubscribe(bob.node, lan + 1, group, 0), ZT1_ERROR_NETWORK_NOT_FOUND);
    /* That it ended is not told to the others: they forget it in time. */
    rig_run(700000);
    before = bob.received_count;
    zt1_give(&alice, lan, group, 0x86dd, "to none", 7);
    rig_run(1000);
    CHECK_INT(bob.received_count, before);
}

static void status(void)
{
    struct ZT1_Node_Status status;
    memset(&status, 0x55, sizeof status);
    CHECK_INT(ZT1_Node_status(alice.node, &status), ZT1_OK);
    char address[16];
    snprintf(address, sizeof address, "%010" PRIx64, ALICE);
    CHECK_TEXT(status.publicIdentity, ALICE_PUBLIC);
    CHECK_TEXT(status.address, address);
    CHECK_INT(status.rawAddress, ALICE);
    CHECK_INT(status.knownPeers, 3);
    CHECK_INT(status.supernodes, 1);
    CHECK_INT(status.directlyConnectedPeers, 3);
    CHECK_INT(status.alivePeers, 3);
    CHECK(status.directLinkSuccessRate == 1.0f);
    CHECK(status.online && status.running && status.initialized);
}

static void peers(void)
{
    struct ZT1_Node_PeerList *list = ZT1_Node_peers(alice.node);
    CHECK(list != NULL);
    CHECK_INT(list->numPeers, 3);
    for (unsigned i = 1; i < list->numPeers; i++)
        CHECK(list->peers[i - 1].rawAddress < list->peers[i].rawAddress);
    ZT1_Node_freeQueryResult(list);

    struct ZT1_Node_Peer peer;
    struct ZT1_Node_PhysicalPath path[4];
    char text[16];
    CHECK(zt1_peer(&alice, ROOT, &peer, path, 4));
    snprintf(text, sizeof text, "%010" PRIx64, ROOT);
    CHECK_TEXT(peer.address, text);
    CHECK_TEXT(peer.remoteVersion, "1.14.1");
    CHECK_RANGE(peer.latency, 1, 60);
    CHECK_INT(peer.role, ZT1_Node_Peer_SUPERNODE);
    CHECK(peer.numPaths >= 1);
    CHECK_INT(path[0].type, ZT1_Node_PhysicalPath_TYPE_UDP);
    CHECK_INT(path[0].address.type, ZT1_Node_PhysicalAddress_TYPE_IPV4);
    CHECK_INT(path[0].address.bits[0], 10);
    CHECK_INT(path[0].address.bits[3], 1);
    CHECK_INT(path[0].address.port, 9993);
    CHECK_TEXT(path[0].address.ascii, "10.0.0.1");
    CHECK_TEXT(path[0].address.zoneIndex, "");
    CHECK(path[0].active);
    CHECK(path[0].fixed);
    CHECK_RANGE(path[0].lastSend, 0, 120000);
    CHECK_RANGE(path[0].lastReceive, 0, 120000);
    CHECK_RANGE(path[0].lastPing, 0, 120000);
    long heard = path[0].lastReceive;

    CHECK(zt1_peer(&alice, BOB, &peer, path, 4));
    CHECK_INT(peer.role, ZT1_Node_Peer_NODE);
    CHECK_INT(path[0].type, ZT1_Node_PhysicalPath_TYPE_UDP);
    CHECK_TEXT(path[0].address.ascii, "10.0.0.5");
    CHECK(path[0].active);
    CHECK(!path[0].fixed);
    /* Times pass. */
    rig_run(RIG_STEP);
    CHECK(zt1_peer(&alice, ROOT, &peer, path, 4));
    CHECK(path[0].lastReceive <= heard + RIG_STEP);
}

static void expulsion(void)
{
    zt1_authorise(&master, lan, ALICE, false);
    RIG_UNTIL(zt1_network_status(&alice, lan) == ZT1_Node_Network_ACCESS_DENIED, 120000);
    CHECK_INT(alice.ports[alice.port_count - 1].config.status, ZT1_VirtualPortConfig_STATUS_ACCESS_DENIED);
    unsigned before = bob.received_count;
    zt1_give(&alice, lan, zt1_mac(&bob, lan), 0x0800, "still here", 10);
    rig_run(1000);
    CHECK_INT(bob.received_count, before);
}

static void silence(void)
{
    /* The root falls silent: OFFLINE follows, and ONLINE when it is back. */
    unsigned before = alice.status_count;
    alice.place.cut = ~0ULL;
    RIG_UNTIL(!zt1_is_online(&alice), 300000);
    bool told = false;
    for (unsigned i = before; i < alice.status_count; i++)
        told = told || alice.statuses[i].code == ZT1_STATUS_OFFLINE;
    CHECK(told);
    alice.place.cut = 0;
    RIG_UNTIL(zt1_is_online(&alice), 60000);
    CHECK(alice.statuses[alice.status_count - 1].code != ZT1_STATUS_OFFLINE);
}

int main(void)
{
    start();
    membership();
    port_configuration();
    network_list();
    frames();
    status();
    peers();
    expulsion();
    silence();
    zt1_end(&root);
    zt1_end(&master);
    zt1_end(&alice);
    zt1_end(&bob);
    return 0;
}
