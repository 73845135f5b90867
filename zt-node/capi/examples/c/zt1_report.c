/*
 * What a node of the ZT1 interface tells about itself, as lines of JSON.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#define _GNU_SOURCE
#include "zt1_report.h"

#include <stddef.h>

#include "json.h"

/* The name at this place of a list. */
#define NAME(names, number) ((unsigned int)(number) < sizeof(names) / sizeof *(names) ? (names)[number] : "?")

void report_status(enum ZT1_StatusCode code, const void *extra)
{
    static const char *const names[] = {"?", "ONLINE", "OFFLINE", "DESPERATION_CHANGE"};
    json_begin("status");
    json_text("code", NAME(names, code));
    if (code == ZT1_STATUS_DESPERATION_CHANGE && extra != NULL)
        json_number("level", *(const int *)extra);
    json_end();
}

void report_port(uint64_t nwid, const struct ZT1_VirtualPortConfig *config, const char *device)
{
    static const char *const states[] = {"WAITING", "AUTHORIZED", "ACCESS_DENIED", "NOT_FOUND"};
    json_begin("port");
    json_network("network", nwid);
    if (config == NULL) {
        json_text("status", "DELETED");
    } else {
        json_text("status", NAME(states, config->status));
        json_text("device", device);
        json_text("name", config->networkName);
        json_bool("private", config->type == ZT1_VirtualPortConfig_NETWORK_TYPE_PRIVATE);
        json_number("mtu", config->mtu);
        json_number("revision", (long long)config->netconfRevision);
        json_open("addresses", '[');
        for (unsigned int i = 0; i < config->assignedAddressCount; i++)
            json_address(NULL, &config->assignedAddresses[i]);
        json_close(']');
    }
    json_end();
}

static void status_object(ZT1_Node *node)
{
    struct ZT1_Node_Status status;
    if (ZT1_Node_status(node, &status) != ZT1_OK)
        return;
    json_open("status", '{');
    json_text("address", status.address);
    json_number("knownPeers", status.knownPeers);
    json_number("supernodes", status.supernodes);
    json_number("directlyConnectedPeers", status.directlyConnectedPeers);
    json_number("alivePeers", status.alivePeers);
    json_real("directLinkSuccessRate", (double)status.directLinkSuccessRate);
    json_bool("online", status.online);
    json_bool("running", status.running);
    json_bool("initialized", status.initialized);
    json_close('}');
}

static void path_object(const struct ZT1_Node_PhysicalPath *path)
{
    static const char *const types[] = {"NULL", "UDP", "TCP_OUT", "TCP_IN", "ETHERNET"};
    json_open(NULL, '{');
    json_text("type", NAME(types, path->type));
    json_text("address", path->address.ascii);
    json_number("port", path->address.port);
    json_number("lastSend", path->lastSend);
    json_number("lastReceive", path->lastReceive);
    json_number("lastPing", path->lastPing);
    json_bool("active", path->active);
    json_bool("fixed", path->fixed);
    json_close('}');
}

static void peer_objects(ZT1_Node *node)
{
    static const char *const roles[] = {"SUPERNODE", "HUB", "NODE"};
    struct ZT1_Node_PeerList *list = ZT1_Node_peers(node);
    json_open("peers", '[');
    for (unsigned int i = 0; list != NULL && i < list->numPeers; i++) {
        const struct ZT1_Node_Peer *peer = &list->peers[i];
        json_open(NULL, '{');
        json_text("address", peer->address);
        json_text("version", peer->remoteVersion);
        json_number("latency", peer->latency);
        json_text("role", NAME(roles, peer->role));
        json_open("paths", '[');
        for (unsigned int p = 0; p < peer->numPaths; p++)
            path_object(&peer->paths[p]);
        json_close(']');
        json_close('}');
    }
    json_close(']');
    ZT1_Node_freeQueryResult(list);
}

static void network_objects(ZT1_Node *node)
{
    static const char *const states[] = {"INITIALIZING", "WAITING_FOR_FIRST_AUTOCONF", "OK", "ACCESS_DENIED",
                                         "NOT_FOUND",    "INITIALIZATION_FAILED",      "NO_MORE_DEVICES"};
    struct ZT1_Node_NetworkList *list = ZT1_Node_networks(node);
    json_open("networks", '[');
    for (unsigned int i = 0; list != NULL && i < list->numNetworks; i++) {
        const struct ZT1_Node_Network *network = &list->networks[i];
        json_open(NULL, '{');
        json_text("network", network->nwidHex);
        json_text("name", network->name);
        json_text("device", network->device);
        json_text("status", NAME(states, network->status));
        json_text("mac", network->macStr);
        json_number("configAge", network->configAge);
        json_bool("enabled", network->enabled);
        json_bool("private", network->isPrivate);
        json_open("ips", '[');
        for (unsigned int ip = 0; ip < network->numIps; ip++)
            json_text(NULL, network->ips[ip].ascii);
        json_close(']');
        json_close('}');
    }
    json_close(']');
    ZT1_Node_freeQueryResult(list);
}

void report_everything(ZT1_Node *node, const struct link_count *links, unsigned int link_count)
{
    json_begin("dump");
    status_object(node);
    peer_objects(node);
    network_objects(node);
    json_open("links", '[');
    for (unsigned int level = 0; level < link_count; level++) {
        json_open(NULL, '{');
        json_number("level", (long long)level);
        json_number("sent", (long long)links[level].sent);
        json_number("spam", (long long)links[level].spam);
        json_number("failed", (long long)links[level].failed);
        json_number("received", (long long)links[level].received);
        json_close('}');
    }
    json_close(']');
    json_end();
}
