/*
 * Hosts of the ZT interface in the world of rig.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "zt_rig.h"

int zt_wire_thread, zt_task_thread, zt_frame_thread, zt_new_thread;

const char *zt_state_name(enum ZT_StateObjectType type, uint64_t id)
{
    static _Thread_local char name[64];
    /* The identity and the planet are one of a kind, and asked for without a number. */
    snprintf(name, sizeof name, "%d/%016" PRIx64, (int)type, type <= ZT_STATE_OBJECT_PLANET ? 0 : id);
    return name;
}

static void put(ZT_Node *node, void *uptr, void *tptr, enum ZT_StateObjectType type, const uint64_t id[2],
                const void *data, int length)
{
    struct zt *zt = uptr;
    (void)node;
    CHECK_RANGE(type, ZT_STATE_OBJECT_IDENTITY_PUBLIC, ZT_STATE_OBJECT_NETWORK_CONFIG);
    CHECK_INT(id[1], 0);
    zt->last_state_thread = tptr;
    if (data == NULL) {
        CHECK_INT(length, -1);
        zt->deletes[type]++;
        (void)store_put(&zt->store, zt_state_name(type, id[0]), NULL, 0, 0);
    } else {
        CHECK(length >= 0);
        zt->puts[type]++;
        (void)store_put(&zt->store, zt_state_name(type, id[0]), data, (unsigned long)length, 0);
    }
}

static int get(ZT_Node *node, void *uptr, void *tptr, enum ZT_StateObjectType type, const uint64_t id[2], void *buf,
               unsigned cap)
{
    struct zt *zt = uptr;
    unsigned long total = 0;
    (void)node;
    CHECK_RANGE(type, ZT_STATE_OBJECT_IDENTITY_PUBLIC, ZT_STATE_OBJECT_NETWORK_CONFIG);
    CHECK_INT(id[1], 0);
    zt->last_state_thread = tptr;
    zt->gets[type]++;
    long length = store_get(&zt->store, zt_state_name(type, id[0]), buf, cap, 0, &total);
    return length > INT32_MAX ? INT32_MAX : (int)length;
}

static int send_packet(ZT_Node *node, void *uptr, void *tptr, int64_t socket, const struct sockaddr_storage *to,
                       const void *data, unsigned length, unsigned ttl)
{
    struct zt *zt = uptr;
    (void)node;
    (void)tptr;
    CHECK(ttl < 256);
    CHECK(length > 0);
    zt->sent_by_socket += socket == zt->socket;
    if (zt->send_answer == 0)
        rig_send(&zt->place, to, 0, 0, data, length);
    return zt->send_answer;
}

static void deliver(ZT_Node *node, void *uptr, void *tptr, uint64_t nwid, void **nuptr, uint64_t from, uint64_t to,
                    unsigned kind, unsigned vlan, const void *data, unsigned length)
{
    struct zt *zt = uptr;
    (void)node;
    CHECK(zt->received_count < ZT_RECORDS);
    struct zt_frame *frame = &zt->received[zt->received_count++];
    CHECK(length <= sizeof frame->bytes);
    *frame = (struct zt_frame){.nwid = nwid, .from = from, .to = to, .kind = kind, .vlan = vlan, .length = length,
                               .nuptr = *nuptr, .tptr = tptr};
    memcpy(frame->bytes, data, length);
    if (zt->in_frame != NULL)
        zt->in_frame(zt);
}

static int configure(ZT_Node *node, void *uptr, void *tptr, uint64_t nwid, void **nuptr,
                     enum ZT_VirtualNetworkConfigOperation op, const ZT_VirtualNetworkConfig *config)
{
    struct zt *zt = uptr;
    CHECK(node == zt->node);
    CHECK(zt->port_count < ZT_RECORDS);
    CHECK(config != NULL);
    CHECK_INT(config->nwid, nwid);
    zt->ports[zt->port_count++] = (struct zt_port_record){
        .nwid = nwid, .op = op, .status = config->status, .nuptr = *nuptr, .tptr = tptr};
    if (zt->in_port != NULL)
        zt->in_port(zt, nwid, nuptr, op, config);
    return zt->port_answer;
}

static void take_event(struct zt *zt, enum ZT_Event event, const void *meta)
{
    if (event == ZT_EVENT_USER_MESSAGE) {
        const ZT_UserMessage *message = meta;
        CHECK(message->length <= sizeof zt->message.bytes);
        zt->message = (struct zt_message){
            .origin = message->origin, .kind = message->typeId, .length = message->length};
        memcpy(zt->message.bytes, message->data, message->length);
    } else if (event == ZT_EVENT_REMOTE_TRACE) {
        const ZT_RemoteTrace *trace = meta;
        CHECK_INT(trace->data[trace->len - 1], 0);
        snprintf(zt->remote_trace, sizeof zt->remote_trace, "%s", trace->data);
        zt->remote_trace_length = trace->len;
        zt->remote_trace_origin = trace->origin;
        /* The header lets us. */
        memset(trace->data, 'x', trace->len - 1);
    } else if (event == ZT_EVENT_TRACE) {
        snprintf(zt->trace, sizeof zt->trace, "%s", (const char *)meta);
    } else {
        CHECK(meta == NULL);
    }
}

static void happen(ZT_Node *node, void *uptr, void *tptr, enum ZT_Event event, const void *meta)
{
    struct zt *zt = uptr;
    (void)node;
    CHECK(zt->event_count < ZT_RECORDS);
    zt->events[zt->event_count] = event;
    zt->event_threads[zt->event_count++] = tptr;
    take_event(zt, event, meta);
    if (zt->in_event != NULL)
        zt->in_event(zt, event);
}

static int check_path(ZT_Node *node, void *uptr, void *tptr, uint64_t peer, int64_t socket,
                      const struct sockaddr_storage *remote)
{
    struct zt *zt = uptr;
    (void)node;
    (void)tptr;
    (void)socket;
    zt->checks++;
    return zt->check(zt, peer, remote);
}

static int look_up(ZT_Node *node, void *uptr, void *tptr, uint64_t peer, int family, struct sockaddr_storage *result)
{
    struct zt *zt = uptr;
    (void)node;
    (void)tptr;
    zt->look_ups++;
    return zt->look_up(zt, peer, family, result);
}

static void turn(struct place *place)
{
    zt_turn((struct zt *)place);
}

void zt_prepare(struct zt *zt, const char *address, const char *secret, const unsigned char *planet,
                unsigned planet_length)
{
    memset(zt, 0, sizeof *zt);
    zt->place.turn = turn;
    zt->socket = -1;
    rig_address(&zt->place, rig_ipv4(address, 9993));
    if (secret != NULL)
        store_set(&zt->store, zt_state_name(ZT_STATE_OBJECT_IDENTITY_SECRET, 0), secret, strlen(secret));
    if (planet != NULL)
        store_set(&zt->store, zt_state_name(ZT_STATE_OBJECT_PLANET, 0), planet, planet_length);
}

enum ZT_ResultCode zt_open(struct zt *zt)
{
    const struct ZT_Node_Callbacks callbacks = {
        .version = 0,
        .statePutFunction = put,
        .stateGetFunction = get,
        .wirePacketSendFunction = send_packet,
        .virtualNetworkFrameFunction = deliver,
        .virtualNetworkConfigFunction = configure,
        .eventCallback = happen,
        .pathCheckFunction = zt->check == NULL ? NULL : check_path,
        .pathLookupFunction = zt->look_up == NULL ? NULL : look_up,
    };
    zt->deadline = 0;
    zt->place.due = 0;
    return ZT_Node_new(&zt->node, zt, &zt_new_thread, &callbacks, (int64_t)rig_now);
}

void zt_start(struct zt *zt, const char *address, const char *secret, const unsigned char *planet,
              unsigned planet_length)
{
    zt_prepare(zt, address, secret, planet, planet_length);
    CHECK_INT(zt_open(zt), ZT_RESULT_OK);
    rig_add(&zt->place);
}

void zt_serve(struct zt *zt, struct store *store)
{
    const ZT_Controller_Store functions = {.user = store, .get = store_get, .put = store_put};
    zt->controller = ZT_Controller_new(store == NULL ? NULL : &functions);
    CHECK(zt->controller != NULL);
    ZT_Node_setNetconfMaster(zt->node, zt->controller);
}

void zt_stop(struct zt *zt)
{
    ZT_Node_delete(zt->node);
    zt->node = NULL;
    if (zt->controller != NULL)
        CHECK_INT(ZT_Controller_delete(zt->controller), ZT_RESULT_OK);
    zt->controller = NULL;
}

void zt_end(struct zt *zt)
{
    if (zt->node != NULL)
        zt_stop(zt);
    rig_remove(&zt->place);
    store_free(&zt->store);
}

void zt_turn(struct zt *zt)
{
    struct packet packets[RIG_PACKETS];
    unsigned count = rig_take(&zt->place, packets, RIG_PACKETS);
    for (unsigned i = 0; i < count; i++) {
        if (zt->node == NULL) {
            free(packets[i].bytes);
            continue;
        }
        CHECK_INT(ZT_Node_processWirePacket(zt->node, &zt_wire_thread, (int64_t)rig_now, zt->socket,
                                            &packets[i].from, packets[i].bytes, packets[i].length, &zt->deadline),
                  ZT_RESULT_OK);
        free(packets[i].bytes);
    }
    if (zt->node != NULL && zt->deadline <= (int64_t)rig_now) {
        CHECK_INT(ZT_Node_processBackgroundTasks(zt->node, &zt_task_thread, (int64_t)rig_now,
                                                 &zt->deadline),
                  ZT_RESULT_OK);
        CHECK_RANGE(zt->deadline, rig_now + 1, rig_now + 5000);
    }
    zt->place.due = (uint64_t)zt->deadline;
}

enum ZT_ResultCode zt_give(struct zt *zt, uint64_t nwid, uint64_t to, unsigned kind, const void *data,
                           unsigned length)
{
    return ZT_Node_processVirtualNetworkFrame(zt->node, &zt_frame_thread, (int64_t)rig_now, nwid,
                                              zt_mac(zt, nwid), to, kind, 0, data, length, &zt->deadline);
}

bool zt_had_event(const struct zt *zt, enum ZT_Event event)
{
    for (unsigned i = 0; i < zt->event_count; i++)
        if (zt->events[i] == event)
            return true;
    return false;
}

int zt_network_status(struct zt *zt, uint64_t nwid)
{
    ZT_VirtualNetworkConfig *config = ZT_Node_networkConfig(zt->node, nwid);
    int status = config == NULL ? -1 : (int)config->status;
    ZT_Node_freeQueryResult(zt->node, config);
    return status;
}

uint64_t zt_mac(struct zt *zt, uint64_t nwid)
{
    ZT_VirtualNetworkConfig *config = ZT_Node_networkConfig(zt->node, nwid);
    CHECK(config != NULL);
    uint64_t mac = config->mac;
    ZT_Node_freeQueryResult(zt->node, config);
    return mac;
}

bool zt_peer(struct zt *zt, uint64_t address, ZT_Peer *peer)
{
    ZT_PeerList *list = ZT_Node_peers(zt->node);
    bool found = false;
    CHECK(list != NULL);
    for (unsigned long i = 0; i < list->peerCount; i++) {
        CHECK(i == 0 || list->peers[i - 1].address < list->peers[i].address);
        if (list->peers[i].address == address) {
            *peer = list->peers[i];
            found = true;
        }
    }
    ZT_Node_freeQueryResult(zt->node, list);
    return found;
}

bool zt_is_online(struct zt *zt)
{
    ZT_NodeStatus status = {0};
    ZT_Node_status(zt->node, &status);
    CHECK(status.address != 0);
    return status.online != 0;
}

void zt_ask(struct zt *zt, const char *method, const char *path, const char *body, int status,
            char **answer)
{
    char *text = (char *)1;
    CHECK_INT(ZT_Controller_request(zt->controller, method, path, body, body == NULL ? 0 : strlen(body), &text),
              status);
    CHECK(text != NULL);
    if (answer != NULL)
        *answer = text;
    else
        ZT_Node_freeQueryResult(zt->node, text);
    zt->place.due = 0;
}

uint64_t zt_network(struct zt *zt, unsigned number)
{
    char path[96];
    uint64_t nwid = ZT_Node_address(zt->node) << 24 | number;
    snprintf(path, sizeof path, "/controller/network/%016" PRIx64, nwid);
    zt_ask(zt, "POST", path,
           "{\"name\":\"lan\",\"private\":true,\"v4AssignMode\":{\"zt\":true},\"ipAssignmentPools\":[{"
           "\"ipRangeStart\":\"10.9.0.1\",\"ipRangeEnd\":\"10.9.0.99\"}],\"routes\":[{\"target\":\"10.9.0.0/24\"},"
           "{\"target\":\"10.8.0.0/16\",\"via\":\"10.9.0.1\"}],\"mtu\":2800,"
           "\"dns\":{\"domain\":\"lan.test\",\"servers\":[\"10.9.0.53\"]}}",
           200, NULL);
    return nwid;
}

void zt_authorise(struct zt *zt, uint64_t nwid, uint64_t member, bool is_authorised)
{
    char path[96];
    snprintf(path, sizeof path, "/controller/network/%016" PRIx64 "/member/%010" PRIx64, nwid, member);
    zt_ask(zt, "POST", path, is_authorised ? "{\"authorized\":true}" : "{\"authorized\":false}", 200, NULL);
}

uint64_t zt_lan_of(struct zt *root, struct zt *alice, struct zt *bob)
{
    RIG_UNTIL(zt_is_online(alice) && zt_is_online(bob), 10000);
    zt_serve(root, NULL);
    const uint64_t lan = zt_network(root, 1);
    zt_authorise(root, lan, ALICE, true);
    zt_authorise(root, lan, BOB, true);
    CHECK_INT(ZT_Node_join(alice->node, lan, NULL, NULL), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_join(bob->node, lan, NULL, NULL), ZT_RESULT_OK);
    RIG_UNTIL(zt_network_status(alice, lan) == ZT_NETWORK_STATUS_OK, 20000);
    RIG_UNTIL(zt_network_status(bob, lan) == ZT_NETWORK_STATUS_OK, 20000);
    return lan;
}
