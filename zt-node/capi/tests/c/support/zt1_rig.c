/*
 * Hosts of the ZT1 interface in the world of rig.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "zt1_rig.h"

static void port(void *user, ZT1_Node *node, uint64_t nwid, const struct ZT1_VirtualPortConfig *config)
{
    struct zt1 *zt1 = user;
    CHECK(zt1->node == NULL || node == zt1->node);
    CHECK(zt1->port_count < ZT1_RECORDS);
    struct zt1_port_record *record = &zt1->ports[zt1->port_count++];
    memset(record, 0, sizeof *record);
    record->nwid = nwid;
    record->deleted = config == NULL;
    if (config != NULL) {
        record->config = *config;
        CHECK_INT(config->networkId, nwid);
        CHECK(config->networkName != NULL);
        snprintf(record->name, sizeof record->name, "%s", config->networkName);
        for (unsigned i = 0; i < config->assignedAddressCount && i < 8; i++)
            record->addresses[i] = config->assignedAddresses[i];
    }
    if (zt1->in_port != NULL)
        zt1->in_port(zt1, nwid, config);
}

static void status(void *user, ZT1_Node *node, enum ZT1_StatusCode code, const char *text, const void *extra)
{
    struct zt1 *zt1 = user;
    CHECK(zt1->node == NULL || node == zt1->node);
    CHECK(zt1->status_count < ZT1_RECORDS);
    struct zt1_status_record *record = &zt1->statuses[zt1->status_count++];
    record->code = code;
    record->at = rig_now;
    snprintf(record->text, sizeof record->text, "%s", text == NULL ? "" : text);
    if (code == ZT1_STATUS_DESPERATION_CHANGE) {
        CHECK(extra != NULL);
        record->level = *(const int *)extra;
    } else {
        CHECK(extra == NULL);
    }
    if (zt1->in_status != NULL)
        zt1->in_status(zt1, code);
}

static long get(void *user, const char *name, void *buf, unsigned long cap, unsigned long start, unsigned long *total)
{
    return store_get(&((struct zt1 *)user)->store, name, buf, cap, start, total);
}

static int put(void *user, const char *name, const void *data, unsigned long length, int secure)
{
    return store_put(&((struct zt1 *)user)->store, name, data, length, secure);
}

enum ZT1_ReturnValue zt1_open(struct zt1 *zt1)
{
    const struct ZT1_Node_Host host = {
        .user = zt1, .dataStoreGet = get, .dataStorePut = put, .portConfig = port, .status = status};
    enum ZT1_ReturnValue result = ZT1_Node_newWithStore(&zt1->node, rig_now, &host);
    zt1->place.due = 0;
    return result;
}

static void turn(struct place *place)
{
    struct zt1 *zt1 = (struct zt1 *)place;
    if (zt1->node != NULL) {
        zt1_turn(zt1);
        return;
    }
    for (unsigned i = 0; i < place->waiting; i++)
        free(place->inbox[i].bytes);
    place->waiting = 0;
}

void zt1_start(struct zt1 *zt1, const char *address, const char *secret, const unsigned char *planet,
               unsigned planet_length)
{
    memset(zt1, 0, sizeof *zt1);
    zt1->place.turn = turn;
    zt1->place.highest = 15;
    if (address != NULL)
        rig_address(&zt1->place, rig_ipv4(address, 9993));
    if (secret != NULL)
        store_set(&zt1->store, "identity.secret", secret, strlen(secret));
    if (planet != NULL)
        store_set(&zt1->store, "planet", planet, planet_length);
    rig_add(&zt1->place);
    CHECK_INT(zt1_open(zt1), ZT1_OK);
    CHECK(zt1->node != NULL);
}

void zt1_serve(struct zt1 *zt1)
{
    zt1->master = ZT1_NetconfMaster_new();
    CHECK(zt1->master != NULL);
    CHECK_INT(ZT1_Node_enableNetconfMaster(zt1->node, zt1->master), ZT1_OK);
}

void zt1_stop(struct zt1 *zt1)
{
    CHECK_INT(ZT1_Node_delete(zt1->node), ZT1_OK);
    CHECK_INT(ZT1_Node_delete(zt1->node), ZT1_ERROR_BAD_PARAMETER);
    zt1->node = NULL;
    if (zt1->master != NULL)
        CHECK_INT(ZT1_NetconfMaster_delete(zt1->master), ZT1_OK);
    zt1->master = NULL;
}

void zt1_end(struct zt1 *zt1)
{
    if (zt1->node != NULL)
        zt1_stop(zt1);
    rig_remove(&zt1->place);
    store_free(&zt1->store);
}

void zt1_give(struct zt1 *zt1, uint64_t nwid, uint64_t to, unsigned kind, const void *data, unsigned length)
{
    CHECK(zt1->given_count < 8 && length <= sizeof zt1->given[0].bytes);
    struct zt1_frame *given = &zt1->given[zt1->given_count++];
    memcpy(given->bytes, data, length);
    given->frame = (struct ZT1_VirtualLanFrame){
        .networkId = nwid, .sourceMac = zt1_mac(zt1, nwid), .destMac = to, .etherType = kind, .frameLength = length};
    zt1->place.due = 0;
}

void zt1_detour(struct zt1 *zt1, uint64_t nwid, uint64_t mac, const struct sockaddr_storage *to, int level,
                const char *text)
{
    const struct ZT1_WireMessage *wires;
    const struct ZT1_VirtualLanFrame *frames;
    unsigned wire_count, frame_count;
    unsigned long wait;
    const struct ZT1_VirtualLanFrame frame = {.networkId = nwid,
                                              .sourceMac = zt1_mac(zt1, nwid),
                                              .destMac = mac,
                                              .etherType = 0x0800,
                                              .frameData = text,
                                              .frameLength = (unsigned)strlen(text)};
    CHECK_INT(ZT1_Node_runAt(zt1->node, rig_now, NULL, 0, &frame, 1, &wires, &wire_count, &frames, &frame_count, &wait),
              ZT1_OK);
    CHECK(wire_count > 0);
    for (unsigned i = 0; i < wire_count; i++)
        rig_send(&zt1->place, to, level, 0, wires[i].packetData, wires[i].packetLength);
}

static void keep_frames(struct zt1 *zt1, const struct ZT1_VirtualLanFrame *frames, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        CHECK(zt1->received_count < ZT1_RECORDS);
        CHECK(frames[i].frameLength <= sizeof zt1->received[0].bytes);
        struct zt1_frame *received = &zt1->received[zt1->received_count++];
        received->frame = frames[i];
        if (frames[i].frameLength > 0)
            memcpy(received->bytes, frames[i].frameData, frames[i].frameLength);
    }
}

void zt1_turn(struct zt1 *zt1)
{
    static struct packet packets[RIG_PACKETS];
    static struct ZT1_WireMessage wires[RIG_PACKETS];
    struct ZT1_VirtualLanFrame frames[8];
    unsigned wire_count = rig_take(&zt1->place, packets, RIG_PACKETS);
    for (unsigned i = 0; i < wire_count; i++)
        wires[i] = (struct ZT1_WireMessage){
            .remoteAddress = packets[i].from, .desperation = packets[i].level, .packetData = packets[i].bytes,
            .packetLength = packets[i].length};
    for (unsigned i = 0; i < zt1->given_count; i++) {
        frames[i] = zt1->given[i].frame;
        frames[i].frameData = zt1->given[i].bytes;
    }
    const struct ZT1_WireMessage *out_wires;
    const struct ZT1_VirtualLanFrame *out_frames;
    unsigned out_wire_count, out_frame_count;
    unsigned long wait;
    zt1->turns++;
    zt1->ran = ZT1_Node_runAt(zt1->node, rig_now, wires, wire_count, frames, zt1->given_count, &out_wires,
                              &out_wire_count, &out_frames, &out_frame_count, &wait);
    for (unsigned i = 0; i < wire_count; i++)
        free(packets[i].bytes);
    zt1->given_count = 0;
    CHECK_RANGE(wait, 1, 60000);
    zt1->place.due = rig_now + wait;
    for (unsigned i = 0; i < out_wire_count; i++)
        rig_send(&zt1->place, &out_wires[i].remoteAddress, out_wires[i].desperation, out_wires[i].spam,
                 out_wires[i].packetData, out_wires[i].packetLength);
    keep_frames(zt1, out_frames, out_frame_count);
}

void zt1_ask(struct zt1 *zt1, const char *method, const char *path, const char *body, int status, char **answer)
{
    char *text = (char *)1;
    CHECK_INT(ZT1_NetconfMaster_request(zt1->master, method, path, body, body == NULL ? 0 : strlen(body), &text),
              status);
    CHECK(text != NULL);
    if (answer != NULL)
        *answer = text;
    else
        ZT1_Node_freeQueryResult(text);
    zt1->place.due = 0;
}

uint64_t zt1_network(struct zt1 *zt1, unsigned number)
{
    struct ZT1_Node_Status status;
    char path[96];
    CHECK_INT(ZT1_Node_status(zt1->node, &status), ZT1_OK);
    uint64_t nwid = status.rawAddress << 24 | number;
    snprintf(path, sizeof path, "/controller/network/%016" PRIx64, nwid);
    zt1_ask(zt1, "POST", path,
            "{\"name\":\"lan\",\"private\":true,\"v4AssignMode\":{\"zt\":true},\"ipAssignmentPools\":[{\"ipRangeStart\":"
            "\"10.9.0.1\",\"ipRangeEnd\":\"10.9.0.99\"}],\"routes\":[{\"target\":\"10.9.0.0/24\"}],\"mtu\":2800}",
            200, NULL);
    return nwid;
}

void zt1_authorise(struct zt1 *zt1, uint64_t nwid, uint64_t member, bool is_authorised)
{
    char path[96];
    snprintf(path, sizeof path, "/controller/network/%016" PRIx64 "/member/%010" PRIx64, nwid, member);
    zt1_ask(zt1, "POST", path, is_authorised ? "{\"authorized\":true}" : "{\"authorized\":false}", 200, NULL);
}

int zt1_network_status(struct zt1 *zt1, uint64_t nwid)
{
    struct ZT1_Node_NetworkList *list = ZT1_Node_networks(zt1->node);
    int status = -1;
    CHECK(list != NULL);
    for (unsigned i = 0; i < list->numNetworks; i++)
        if (list->networks[i].nwid == nwid)
            status = (int)list->networks[i].status;
    ZT1_Node_freeQueryResult(list);
    return status;
}

bool zt1_is_online(struct zt1 *zt1)
{
    struct ZT1_Node_Status status;
    CHECK_INT(ZT1_Node_status(zt1->node, &status), ZT1_OK);
    CHECK(status.running);
    CHECK(status.initialized);
    return status.online;
}

uint64_t zt1_mac(struct zt1 *zt1, uint64_t nwid)
{
    struct ZT1_VirtualPortConfig *config = ZT1_Node_networkConfig(zt1->node, nwid);
    CHECK(config != NULL);
    uint64_t mac = config->mac;
    ZT1_Node_freeQueryResult(config);
    return mac;
}

bool zt1_peer(struct zt1 *zt1, uint64_t address, struct ZT1_Node_Peer *peer, struct ZT1_Node_PhysicalPath *paths,
              unsigned room)
{
    struct ZT1_Node_PeerList *list = ZT1_Node_peers(zt1->node);
    bool found = false;
    CHECK(list != NULL);
    for (unsigned i = 0; i < list->numPeers; i++) {
        if (list->peers[i].rawAddress != address)
            continue;
        found = true;
        *peer = list->peers[i];
        for (unsigned k = 0; k < peer->numPaths && k < room; k++)
            paths[k] = list->peers[i].paths[k];
    }
    ZT1_Node_freeQueryResult(list);
    return found;
}
