/*
 * Hosts of the seed's interface in the world of rig.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "seed_rig.h"

static void port(void *user, ZT1_Node *node, uint64_t nwid, const struct ZT1_VirtualPortConfig *config)
{
    struct seed *seed = user;
    CHECK(seed->node == NULL || node == seed->node);
    CHECK(seed->port_count < SEED_RECORDS);
    struct seed_port_record *record = &seed->ports[seed->port_count++];
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
    if (seed->in_port != NULL)
        seed->in_port(seed, nwid, config);
}

static void status(void *user, ZT1_Node *node, enum ZT1_StatusCode code, const char *text, const void *extra)
{
    struct seed *seed = user;
    CHECK(seed->node == NULL || node == seed->node);
    CHECK(seed->status_count < SEED_RECORDS);
    struct seed_status_record *record = &seed->statuses[seed->status_count++];
    record->code = code;
    record->at = rig_now;
    snprintf(record->text, sizeof record->text, "%s", text == NULL ? "" : text);
    if (code == ZT1_STATUS_DESPERATION_CHANGE) {
        CHECK(extra != NULL);
        record->level = *(const int *)extra;
    } else {
        CHECK(extra == NULL);
    }
    if (seed->in_status != NULL)
        seed->in_status(seed, code);
}

static long get(void *user, const char *name, void *buf, unsigned long cap, unsigned long start, unsigned long *total)
{
    return store_get(&((struct seed *)user)->store, name, buf, cap, start, total);
}

static int put(void *user, const char *name, const void *data, unsigned long length, int secure)
{
    return store_put(&((struct seed *)user)->store, name, data, length, secure);
}

enum ZT1_ReturnValue seed_open(struct seed *seed)
{
    const struct ZT1_Node_Host host = {
        .user = seed, .dataStoreGet = get, .dataStorePut = put, .portConfig = port, .status = status};
    enum ZT1_ReturnValue result = ZT1_Node_newWithStore(&seed->node, rig_now, &host);
    seed->place.due = 0;
    return result;
}

static void turn(struct place *place)
{
    struct seed *seed = (struct seed *)place;
    if (seed->node != NULL) {
        seed_turn(seed);
        return;
    }
    for (unsigned i = 0; i < place->waiting; i++)
        free(place->inbox[i].bytes);
    place->waiting = 0;
}

void seed_start(struct seed *seed, const char *address, const char *secret, const unsigned char *planet,
                unsigned planet_length)
{
    memset(seed, 0, sizeof *seed);
    seed->place.turn = turn;
    seed->place.highest = 15;
    if (address != NULL)
        rig_address(&seed->place, rig_ipv4(address, 9993));
    if (secret != NULL)
        store_set(&seed->store, "identity.secret", secret, strlen(secret));
    if (planet != NULL)
        store_set(&seed->store, "planet", planet, planet_length);
    rig_add(&seed->place);
    CHECK_INT(seed_open(seed), ZT1_OK);
    CHECK(seed->node != NULL);
}

void seed_serve(struct seed *seed)
{
    seed->master = ZT1_NetconfMaster_new();
    CHECK(seed->master != NULL);
    CHECK_INT(ZT1_Node_enableNetconfMaster(seed->node, seed->master), ZT1_OK);
}

void seed_stop(struct seed *seed)
{
    CHECK_INT(ZT1_Node_delete(seed->node), ZT1_OK);
    CHECK_INT(ZT1_Node_delete(seed->node), ZT1_ERROR_BAD_PARAMETER);
    seed->node = NULL;
    if (seed->master != NULL)
        CHECK_INT(ZT1_NetconfMaster_delete(seed->master), ZT1_OK);
    seed->master = NULL;
}

void seed_end(struct seed *seed)
{
    if (seed->node != NULL)
        seed_stop(seed);
    rig_remove(&seed->place);
    store_free(&seed->store);
}

void seed_give(struct seed *seed, uint64_t nwid, uint64_t to, unsigned kind, const void *data, unsigned length)
{
    CHECK(seed->given_count < 8 && length <= sizeof seed->given[0].bytes);
    struct seed_frame *given = &seed->given[seed->given_count++];
    memcpy(given->bytes, data, length);
    given->frame = (struct ZT1_VirtualLanFrame){
        .networkId = nwid, .sourceMac = seed_mac(seed, nwid), .destMac = to, .etherType = kind, .frameLength = length};
    seed->place.due = 0;
}

void seed_detour(struct seed *seed, uint64_t nwid, uint64_t mac, const struct sockaddr_storage *to, int level,
                 const char *text)
{
    const struct ZT1_WireMessage *wires;
    const struct ZT1_VirtualLanFrame *frames;
    unsigned wire_count, frame_count;
    unsigned long wait;
    const struct ZT1_VirtualLanFrame frame = {.networkId = nwid,
                                              .sourceMac = seed_mac(seed, nwid),
                                              .destMac = mac,
                                              .etherType = 0x0800,
                                              .frameData = text,
                                              .frameLength = (unsigned)strlen(text)};
    CHECK_INT(ZT1_Node_runAt(seed->node, rig_now, NULL, 0, &frame, 1, &wires, &wire_count, &frames, &frame_count, &wait),
              ZT1_OK);
    CHECK(wire_count > 0);
    for (unsigned i = 0; i < wire_count; i++)
        rig_send(&seed->place, to, level, 0, wires[i].packetData, wires[i].packetLength);
}

static void keep_frames(struct seed *seed, const struct ZT1_VirtualLanFrame *frames, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        CHECK(seed->received_count < SEED_RECORDS);
        CHECK(frames[i].frameLength <= sizeof seed->received[0].bytes);
        struct seed_frame *received = &seed->received[seed->received_count++];
        received->frame = frames[i];
        if (frames[i].frameLength > 0)
            memcpy(received->bytes, frames[i].frameData, frames[i].frameLength);
    }
}

void seed_turn(struct seed *seed)
{
    static struct packet packets[RIG_PACKETS];
    static struct ZT1_WireMessage wires[RIG_PACKETS];
    struct ZT1_VirtualLanFrame frames[8];
    unsigned wire_count = rig_take(&seed->place, packets, RIG_PACKETS);
    for (unsigned i = 0; i < wire_count; i++)
        wires[i] = (struct ZT1_WireMessage){
            .remoteAddress = packets[i].from, .desperation = packets[i].level, .packetData = packets[i].bytes,
            .packetLength = packets[i].length};
    for (unsigned i = 0; i < seed->given_count; i++) {
        frames[i] = seed->given[i].frame;
        frames[i].frameData = seed->given[i].bytes;
    }
    const struct ZT1_WireMessage *out_wires;
    const struct ZT1_VirtualLanFrame *out_frames;
    unsigned out_wire_count, out_frame_count;
    unsigned long wait;
    seed->turns++;
    seed->ran = ZT1_Node_runAt(seed->node, rig_now, wires, wire_count, frames, seed->given_count, &out_wires,
                               &out_wire_count, &out_frames, &out_frame_count, &wait);
    for (unsigned i = 0; i < wire_count; i++)
        free(packets[i].bytes);
    seed->given_count = 0;
    CHECK_RANGE(wait, 1, 60000);
    seed->place.due = rig_now + wait;
    for (unsigned i = 0; i < out_wire_count; i++)
        rig_send(&seed->place, &out_wires[i].remoteAddress, out_wires[i].desperation, out_wires[i].spam,
                 out_wires[i].packetData, out_wires[i].packetLength);
    keep_frames(seed, out_frames, out_frame_count);
}

void seed_ask(struct seed *seed, const char *method, const char *path, const char *body, int status, char **answer)
{
    char *text = (char *)1;
    CHECK_INT(ZT1_NetconfMaster_request(seed->master, method, path, body, body == NULL ? 0 : strlen(body), &text),
              status);
    CHECK(text != NULL);
    if (answer != NULL)
        *answer = text;
    else
        ZT1_Node_freeQueryResult(text);
    seed->place.due = 0;
}

uint64_t seed_network(struct seed *seed, unsigned number)
{
    struct ZT1_Node_Status status;
    char path[96];
    CHECK_INT(ZT1_Node_status(seed->node, &status), ZT1_OK);
    uint64_t nwid = status.rawAddress << 24 | number;
    snprintf(path, sizeof path, "/controller/network/%016" PRIx64, nwid);
    seed_ask(seed, "POST", path,
             "{\"name\":\"lan\",\"private\":true,\"v4AssignMode\":{\"zt\":true},\"ipAssignmentPools\":[{\"ipRangeStart\":"
             "\"10.9.0.1\",\"ipRangeEnd\":\"10.9.0.99\"}],\"routes\":[{\"target\":\"10.9.0.0/24\"}],\"mtu\":2800}",
             200, NULL);
    return nwid;
}

void seed_authorise(struct seed *seed, uint64_t nwid, uint64_t member, bool is_authorised)
{
    char path[96];
    snprintf(path, sizeof path, "/controller/network/%016" PRIx64 "/member/%010" PRIx64, nwid, member);
    seed_ask(seed, "POST", path, is_authorised ? "{\"authorized\":true}" : "{\"authorized\":false}", 200, NULL);
}

int seed_network_status(struct seed *seed, uint64_t nwid)
{
    struct ZT1_Node_NetworkList *list = ZT1_Node_networks(seed->node);
    int status = -1;
    CHECK(list != NULL);
    for (unsigned i = 0; i < list->numNetworks; i++)
        if (list->networks[i].nwid == nwid)
            status = (int)list->networks[i].status;
    ZT1_Node_freeQueryResult(list);
    return status;
}

bool seed_is_online(struct seed *seed)
{
    struct ZT1_Node_Status status;
    CHECK_INT(ZT1_Node_status(seed->node, &status), ZT1_OK);
    CHECK(status.running);
    CHECK(status.initialized);
    return status.online;
}

uint64_t seed_mac(struct seed *seed, uint64_t nwid)
{
    struct ZT1_VirtualPortConfig *config = ZT1_Node_networkConfig(seed->node, nwid);
    CHECK(config != NULL);
    uint64_t mac = config->mac;
    ZT1_Node_freeQueryResult(config);
    return mac;
}

bool seed_peer(struct seed *seed, uint64_t address, struct ZT1_Node_Peer *peer, struct ZT1_Node_PhysicalPath *paths,
               unsigned room)
{
    struct ZT1_Node_PeerList *list = ZT1_Node_peers(seed->node);
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
