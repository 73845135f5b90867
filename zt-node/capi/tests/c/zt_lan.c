/*
 * Four nodes of the ZT interface on a private network: every query, every callback, and every field they fill.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "zt_rig.h"

#include <netinet/in.h>

static struct zt root, master, alice, bob;
static struct store records;
static uint64_t lan;
static int alice_port, bob_port, set_by_callback, join_thread, leave_thread;
/* What the callback of Alice saw last. */
static ZT_VirtualNetworkConfig seen;

static void note_port(struct zt *zt, uint64_t nwid, void **nuptr, enum ZT_VirtualNetworkConfigOperation op,
                      const ZT_VirtualNetworkConfig *config)
{
    (void)zt;
    (void)nwid;
    seen = *config;
    if (op == ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_CONFIG_UPDATE)
        *nuptr = &set_by_callback;
}

static void start(void)
{
    zt_start(&root, "10.0.0.1", ROOT_SECRET, PLANET, PLANET_LENGTH);
    zt_start(&master, "10.0.0.3", MASTER_SECRET, PLANET, PLANET_LENGTH);
    zt_start(&alice, "10.0.0.4", ALICE_SECRET, PLANET, PLANET_LENGTH);
    zt_start(&bob, "10.0.0.5", BOB_SECRET, PLANET, PLANET_LENGTH);
    alice.in_port = note_port;
    CHECK_INT(alice.event_count, 1);
    CHECK_INT(alice.events[0], ZT_EVENT_UP);
    CHECK(alice.event_threads[0] == &zt_new_thread);
    CHECK(alice.gets[ZT_STATE_OBJECT_IDENTITY_SECRET] > 0);
    CHECK(alice.gets[ZT_STATE_OBJECT_PLANET] > 0);
    CHECK_INT(alice.puts[ZT_STATE_OBJECT_IDENTITY_SECRET], 0);
    CHECK_INT(alice.puts[ZT_STATE_OBJECT_IDENTITY_PUBLIC], 1);
    CHECK(alice.last_state_thread == &zt_new_thread);
    CHECK_INT(ZT_Node_address(alice.node), ALICE);
    CHECK(!zt_is_online(&alice));
    RIG_UNTIL(zt_is_online(&alice) && zt_is_online(&bob) && zt_is_online(&master), 10000);
    CHECK(zt_had_event(&alice, ZT_EVENT_ONLINE));

    ZT_NodeStatus status;
    ZT_Node_status(alice.node, &status);
    CHECK_INT(status.address, ALICE);
    CHECK_TEXT(status.publicIdentity, ALICE_PUBLIC);
    CHECK_TEXT(status.secretIdentity, ALICE_SECRET);
    CHECK_INT(status.online, 1);
}

static void membership(void)
{
    zt_serve(&master, &records);
    lan = zt_network(&master, 1);
    CHECK(records.puts > 0);

    /* UP comes from within join, with the pointers that join was given. */
    CHECK_INT(ZT_Node_join(alice.node, lan, &alice_port, &join_thread), ZT_RESULT_OK);
    CHECK_INT(alice.port_count, 1);
    CHECK_INT(alice.ports[0].op, ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_UP);
    CHECK_INT(alice.ports[0].status, ZT_NETWORK_STATUS_REQUESTING_CONFIGURATION);
    CHECK_INT(alice.ports[0].nwid, lan);
    CHECK(alice.ports[0].nuptr == &alice_port);
    CHECK(alice.ports[0].tptr == &join_thread);
    CHECK_INT(seen.mtu, 2800);
    CHECK_INT(seen.type, ZT_NETWORK_TYPE_PRIVATE);
    CHECK_INT(seen.netconfRevision, 0);
    CHECK(alice.gets[ZT_STATE_OBJECT_NETWORK_CONFIG] > 0);
    CHECK_INT(ZT_Node_join(alice.node, lan, &bob_port, NULL), ZT_RESULT_OK);
    CHECK_INT(alice.port_count, 1);
    RIG_UNTIL(zt_network_status(&alice, lan) == ZT_NETWORK_STATUS_ACCESS_DENIED, 10000);
    CHECK_INT(alice.ports[alice.port_count - 1].op, ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_CONFIG_UPDATE);
    CHECK_INT(alice.ports[alice.port_count - 1].status, ZT_NETWORK_STATUS_ACCESS_DENIED);

    CHECK_INT(ZT_Node_join(alice.node, lan + 1, NULL, NULL), ZT_RESULT_OK);
    RIG_UNTIL(zt_network_status(&alice, lan + 1) == ZT_NETWORK_STATUS_NOT_FOUND, 10000);
    ZT_VirtualNetworkList *list = ZT_Node_networks(alice.node);
    CHECK(list != NULL);
    CHECK_INT(list->networkCount, 2);
    CHECK(list->networks[0].nwid == lan || list->networks[1].nwid == lan);
    ZT_Node_freeQueryResult(alice.node, list);
    CHECK_INT(ZT_Node_leave(alice.node, lan + 1, NULL, NULL), ZT_RESULT_OK);

    zt_authorise(&master, lan, ALICE, true);
    zt_authorise(&master, lan, BOB, true);
    RIG_UNTIL(zt_network_status(&alice, lan) == ZT_NETWORK_STATUS_OK, 20000);
    CHECK(alice.puts[ZT_STATE_OBJECT_NETWORK_CONFIG] > 0);
    CHECK_INT(ZT_Node_join(bob.node, lan, &bob_port, NULL), ZT_RESULT_OK);
    RIG_UNTIL(zt_network_status(&bob, lan) == ZT_NETWORK_STATUS_OK, 20000);
}

static void check_address(const struct sockaddr_storage *address, unsigned upper, unsigned bits)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;
    CHECK_INT(in->sin_family, AF_INET);
    CHECK_INT(ntohl(in->sin_addr.s_addr) >> 8, upper);
    CHECK_INT(ntohs(in->sin_port), bits);
}

static void network_config(void)
{
    CHECK_INT(ZT_Node_multicastSubscribe(alice.node, NULL, lan, 0x01005e000042ULL, 7), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_multicastSubscribe(alice.node, NULL, lan, 0x01005e000042ULL, 7), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_multicastSubscribe(alice.node, NULL, lan + 3, 0x01005e000042ULL, 7),
              ZT_RESULT_ERROR_NETWORK_NOT_FOUND);
    ZT_VirtualNetworkConfig *config = ZT_Node_networkConfig(alice.node, lan);
    CHECK(config != NULL);
    CHECK_INT(config->nwid, lan);
    CHECK(config->mac != 0 && config->mac >> 48 == 0);
    CHECK_TEXT(config->name, "lan");
    CHECK_INT(config->status, ZT_NETWORK_STATUS_OK);
    CHECK_INT(config->type, ZT_NETWORK_TYPE_PRIVATE);
    CHECK_INT(config->mtu, 2800);
    CHECK_INT(config->dhcp, 0);
    CHECK_INT(config->bridge, 0);
    CHECK_INT(config->broadcastEnabled, 1);
    CHECK_INT(config->portError, 0);
    CHECK(config->netconfRevision > 0);
    CHECK_INT(config->assignedAddressCount, 1);
    check_address(&config->assignedAddresses[0], 0x0a0900, 24);
    CHECK_INT(config->assignedAddresses[1].ss_family, 0);
    CHECK_INT(config->routeCount, 2);
    const unsigned own = ((const struct sockaddr_in *)&config->routes[0].via)->sin_family == 0 ? 0 : 1;
    check_address(&config->routes[own].target, 0x0a0900, 24);
    check_address(&config->routes[!own].target, 0x0a0800, 16);
    check_address(&config->routes[!own].via, 0x0a0900, 0);
    CHECK_INT(config->routes[own].flags, 0);
    CHECK_INT(config->routes[own].metric, 0);
    bool found = false, arp = false;
    for (unsigned i = 0; i < config->multicastSubscriptionCount; i++) {
        found = found
            || (config->multicastSubscriptions[i].mac == 0x01005e000042ULL && config->multicastSubscriptions[i].adi == 7);
        arp = arp || config->multicastSubscriptions[i].mac == 0xffffffffffffULL;
    }
    CHECK(found && arp);
    CHECK_TEXT(config->dns.domain, "lan.test");
    const struct sockaddr_in *server = (const struct sockaddr_in *)&config->dns.server_addr[0];
    CHECK_INT(server->sin_family, AF_INET);
    CHECK_INT(ntohl(server->sin_addr.s_addr), 0x0a090035);
    CHECK_INT(config->dns.server_addr[1].ss_family, 0);
    CHECK(!config->ssoEnabled);
    CHECK_INT(config->ssoVersion, 0);
    CHECK_TEXT(config->authenticationURL, "");
    CHECK_INT(config->authenticationExpiryTime, 0);
    CHECK_TEXT(config->issuerURL, "");
    CHECK_TEXT(config->centralAuthURL, "");
    CHECK_TEXT(config->ssoNonce, "");
    CHECK_TEXT(config->ssoState, "");
    CHECK_TEXT(config->ssoClientID, "");
    CHECK_TEXT(config->ssoProvider, "");
    /* The callback saw the same, but for what it is not told of. */
    CHECK_INT(seen.netconfRevision, config->netconfRevision);
    CHECK_TEXT(seen.name, "lan");
    ZT_Node_freeQueryResult(alice.node, config);
    ZT_Node_freeQueryResult(alice.node, config);

    CHECK_INT(ZT_Node_multicastUnsubscribe(alice.node, lan, 0x01005e000042ULL, 7), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_multicastUnsubscribe(alice.node, lan + 3, 0x01005e000042ULL, 7),
              ZT_RESULT_ERROR_NETWORK_NOT_FOUND);
    config = ZT_Node_networkConfig(alice.node, lan);
    for (unsigned i = 0; i < config->multicastSubscriptionCount; i++)
        CHECK(config->multicastSubscriptions[i].mac != 0x01005e000042ULL);
    ZT_Node_freeQueryResult(alice.node, config);
    CHECK(ZT_Node_networkConfig(alice.node, lan + 3) == NULL);
}

static void frames(void)
{
    const uint64_t to = zt_mac(&bob, lan);
    CHECK_INT(zt_give(&alice, lan, to, 0x0800, "hello, bob", 10), ZT_RESULT_OK);
    RIG_UNTIL(bob.received_count > 0, 10000);
    const struct zt_frame *frame = &bob.received[0];
    CHECK_INT(frame->nwid, lan);
    CHECK_INT(frame->from, zt_mac(&alice, lan));
    CHECK_INT(frame->to, to);
    CHECK_INT(frame->kind, 0x0800);
    CHECK_INT(frame->vlan, 0);
    CHECK_INT(frame->length, 10);
    CHECK(memcmp(frame->bytes, "hello, bob", 10) == 0);
    CHECK(frame->nuptr == &bob_port);
    CHECK(frame->tptr == &zt_wire_thread);
    /* Alice's callback put another pointer there. */
    CHECK_INT(zt_give(&bob, lan, zt_mac(&alice, lan), 0x0800, "hello, alice", 12), ZT_RESULT_OK);
    RIG_UNTIL(alice.received_count > 0, 10000);
    CHECK(alice.received[0].nuptr == &set_by_callback);
    CHECK_INT(ZT_Node_processVirtualNetworkFrame(alice.node, NULL, (int64_t)rig_now, lan + 3, 1, 2, 0x0800, 0, "x", 1,
                                                 NULL),
              ZT_RESULT_ERROR_NETWORK_NOT_FOUND);
    /* A frame of a VLAN goes nowhere. */
    unsigned before = bob.received_count;
    CHECK_INT(ZT_Node_processVirtualNetworkFrame(alice.node, NULL, (int64_t)rig_now, lan, zt_mac(&alice, lan), to,
                                                 0x0800, 12, "vlan", 4, &alice.deadline),
              ZT_RESULT_OK);
    rig_run(1000);
    CHECK_INT(bob.received_count, before);
}

static void peers(void)
{
    ZT_Peer peer;
    CHECK(zt_peer(&alice, ROOT, &peer));
    CHECK_INT(peer.address, ROOT);
    CHECK_INT(peer.versionMajor, 1);
    CHECK_INT(peer.versionMinor, 14);
    CHECK_INT(peer.versionRev, 1);
    CHECK_RANGE(peer.latency, 1, 100);
    CHECK_INT(peer.role, ZT_PEER_ROLE_PLANET);
    CHECK(!peer.isBonded);
    CHECK_INT(peer.bondingPolicy, 0);
    CHECK_INT(peer.numAliveLinks, 0);
    CHECK_INT(peer.numTotalLinks, 0);
    CHECK_TEXT(peer.customBondName, "");
    CHECK(peer.pathCount >= 1);
    const ZT_PeerPhysicalPath *path = &peer.paths[0];
    const struct sockaddr_in *in = (const struct sockaddr_in *)&path->address;
    CHECK_INT(in->sin_family, AF_INET);
    CHECK_INT(ntohl(in->sin_addr.s_addr), 0x0a000001);
    CHECK_INT(ntohs(in->sin_port), 9993);
    CHECK_RANGE(path->lastSend, RIG_START, rig_now);
    CHECK_RANGE(path->lastReceive, RIG_START, rig_now);
    CHECK_INT(path->trustedPathId, 0);
    CHECK(path->latencyMean >= 0.0f && path->latencyMax >= 0.0f && path->latencyVariance >= 0.0f);
    CHECK(path->packetLossRatio == 0.0f && path->packetErrorRatio == 0.0f && path->relativeQuality == 0.0f);
    CHECK_INT(path->assignedFlowCount, 0);
    CHECK_TEXT(path->ifname, "");
    CHECK_INT(path->localPort, 0);
    CHECK_INT(path->expired, 0);
    CHECK_INT(path->bonded, 0);
    CHECK_INT(path->eligible, 0);
    CHECK_INT(path->linkSpeed, 0);
    CHECK_INT(path->preferred, 1);
    CHECK_INT((int64_t)path->localSocket, -1);
    CHECK(zt_peer(&alice, BOB, &peer));
    CHECK_INT(peer.role, ZT_PEER_ROLE_LEAF);
    CHECK(!zt_peer(&alice, EVE, &peer));
}

static void messages(void)
{
    CHECK_INT(ZT_Node_sendUserMessage(alice.node, NULL, BOB, 0x1122334455667788ULL, "a word", 6), 1);
    RIG_UNTIL(zt_had_event(&bob, ZT_EVENT_USER_MESSAGE), 10000);
    CHECK_INT(bob.message.origin, ALICE);
    CHECK_INT(bob.message.kind, 0x1122334455667788ULL);
    CHECK_INT(bob.message.length, 6);
    CHECK(memcmp(bob.message.bytes, "a word", 6) == 0);
    static const char long_text[10001];
    CHECK_INT(ZT_Node_sendUserMessage(alice.node, NULL, BOB, 1, long_text, sizeof long_text), 0);
    CHECK_INT(ZT_Node_sendUserMessage(alice.node, NULL, ALICE, 1, "x", 1), 0);
    CHECK_INT(ZT_Node_sendUserMessage(alice.node, NULL, 0, 1, "x", 1), 0);
    CHECK_INT(ZT_Node_sendUserMessage(alice.node, NULL, BOB, 2, NULL, 0), 1);
    RIG_UNTIL(bob.message.kind == 2, 10000);
    CHECK_INT(bob.message.length, 0);

    const struct sockaddr_storage from = rig_ipv4("10.0.0.1", 9993);
    CHECK_INT(ZT_Node_processWirePacket(alice.node, NULL, (int64_t)rig_now, -1, &from, TRACE_PACKET,
                                        TRACE_PACKET_LENGTH, NULL),
              ZT_RESULT_OK);
    CHECK(zt_had_event(&alice, ZT_EVENT_REMOTE_TRACE));
    CHECK_INT(alice.remote_trace_origin, ROOT);
    CHECK_INT(alice.remote_trace_length, strlen(alice.remote_trace) + 1);
    CHECK_TEXT(alice.remote_trace, ZT_REMOTE_TRACE_FIELD__EVENT "=" ZT_REMOTE_TRACE_EVENT__PACKET_INVALID_S "\n"
               ZT_REMOTE_TRACE_FIELD__NODE_ID "=4e2f33b117");
}

static void port_errors(void)
{
    char path[64];
    unsigned before = alice.port_count;
    alice.port_answer = 77;
    snprintf(path, sizeof path, "/controller/network/%016" PRIx64, lan);
    zt_ask(&master, "POST", path, "{\"name\":\"renamed\"}", 200, NULL);
    RIG_UNTIL(alice.port_count > before, 180000);
    ZT_VirtualNetworkConfig *config = ZT_Node_networkConfig(alice.node, lan);
    CHECK_INT(config->status, ZT_NETWORK_STATUS_PORT_ERROR);
    CHECK_INT(config->portError, 77);
    CHECK_TEXT(config->name, "renamed");
    ZT_Node_freeQueryResult(alice.node, config);
    /* Better luck at the next change. */
    alice.port_answer = 0;
    before = alice.port_count;
    zt_ask(&master, "POST", path, "{\"name\":\"lan\"}", 200, NULL);
    RIG_UNTIL(alice.port_count > before, 180000);
    CHECK_INT(zt_network_status(&alice, lan), ZT_NETWORK_STATUS_OK);
}

static void expulsion(void)
{
    zt_authorise(&master, lan, BOB, false);
    RIG_UNTIL(zt_network_status(&bob, lan) == ZT_NETWORK_STATUS_ACCESS_DENIED, 180000);
}

static void silence(void)
{
    /* Nothing can be sent, and nothing is heard. */
    alice.send_answer = 1;
    alice.place.cut = ~0ULL;
    RIG_UNTIL(zt_had_event(&alice, ZT_EVENT_OFFLINE), 300000);
    CHECK(!zt_is_online(&alice));
    alice.send_answer = 0;
    alice.place.cut = 0;
    RIG_UNTIL(zt_is_online(&alice), 60000);
}

static void farewell(void)
{
    void *pointer = NULL;
    unsigned before = alice.port_count;
    CHECK_INT(ZT_Node_leave(alice.node, lan, &pointer, &leave_thread), ZT_RESULT_OK);
    CHECK(pointer == &set_by_callback);
    CHECK_INT(alice.port_count, before + 1);
    CHECK_INT(alice.ports[before].op, ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_DESTROY);
    CHECK(alice.ports[before].tptr == &leave_thread);
    CHECK(alice.last_state_thread == &leave_thread);
    CHECK(alice.deletes[ZT_STATE_OBJECT_NETWORK_CONFIG] > 0);
    CHECK(ZT_Node_networkConfig(alice.node, lan) == NULL);
    pointer = NULL;
    CHECK_INT(ZT_Node_leave(alice.node, lan, &pointer, NULL), ZT_RESULT_OK);
    CHECK(pointer == NULL);

    ZT_VirtualNetworkConfig *kept = ZT_Node_networkConfig(bob.node, lan);
    before = bob.port_count;
    unsigned puts = bob.puts[ZT_STATE_OBJECT_PEER];
    zt_stop(&bob);
    CHECK_INT(bob.port_count, before + 1);
    CHECK_INT(bob.ports[before].op, ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_DOWN);
    CHECK(bob.puts[ZT_STATE_OBJECT_PEER] > puts);
    CHECK(!zt_had_event(&bob, ZT_EVENT_DOWN));
    /* Query results outlive the node. */
    CHECK_INT(kept->nwid, lan);
    ZT_Node_freeQueryResult(NULL, kept);
}

static void restart(void)
{
    /* Bob comes back as himself, with the network he had; the controller from its own store. */
    bob.event_count = bob.port_count = 0;
    CHECK_INT(zt_open(&bob), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_address(bob.node), BOB);
    CHECK_INT(ZT_Node_join(bob.node, lan, NULL, NULL), ZT_RESULT_OK);
    CHECK_INT(bob.ports[0].op, ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_UP);
    zt_stop(&master);
    master.event_count = 0;
    CHECK_INT(zt_open(&master), ZT_RESULT_OK);
    zt_serve(&master, &records);
    char path[64];
    char *answer;
    snprintf(path, sizeof path, "/controller/network/%016" PRIx64, lan);
    zt_ask(&master, "GET", path, NULL, 200, &answer);
    CHECK(strstr(answer, "\"lan\"") != NULL);
    ZT_Node_freeQueryResult(NULL, answer);
    zt_authorise(&master, lan, BOB, true);
    RIG_UNTIL(zt_network_status(&bob, lan) == ZT_NETWORK_STATUS_OK, 180000);

    /* Without a store a controller forgets. */
    zt_stop(&master);
    CHECK_INT(zt_open(&master), ZT_RESULT_OK);
    zt_serve(&master, NULL);
    CHECK_INT(ZT_Controller_request(master.controller, "GET", path, NULL, 0, NULL), 404);
    (void)zt_network(&master, 1);
    CHECK_INT(ZT_Controller_request(master.controller, "GET", path, NULL, 0, NULL), 200);
}

static void collision(void)
{
    static struct zt twin;
    RIG_UNTIL(zt_is_online(&alice), 30000);
    zt_stop(&alice);
    zt_start(&twin, "10.0.0.6", TWIN_SECRET, PLANET, PLANET_LENGTH);
    RIG_UNTIL(zt_had_event(&twin, ZT_EVENT_FATAL_ERROR_IDENTITY_COLLISION), 10000);
    zt_end(&twin);
}

int main(void)
{
    int major = -1, minor = -1, revision = -1;
    ZT_version(&major, &minor, &revision);
    CHECK_INT(major, 1);
    CHECK_INT(minor, 14);
    CHECK_INT(revision, 1);
    ZT_version(NULL, NULL, NULL);
    start();
    membership();
    network_config();
    frames();
    peers();
    messages();
    port_errors();
    expulsion();
    silence();
    farewell();
    restart();
    collision();
    zt_end(&root);
    zt_end(&master);
    zt_end(&alice);
    zt_end(&bob);
    store_free(&records);
    return 0;
}
