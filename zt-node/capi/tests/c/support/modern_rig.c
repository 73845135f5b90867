/*
 * Hosts of the modern interface in the world of rig.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "modern_rig.h"

int modern_wire_thread, modern_task_thread, modern_frame_thread, modern_new_thread;

const char *modern_state_name(enum ZT_StateObjectType type, uint64_t id)
{
    static _Thread_local char name[64];
    /* The identity and the planet are one of a kind, and asked for without a number. */
    snprintf(name, sizeof name, "%d/%016" PRIx64, (int)type, type <= ZT_STATE_OBJECT_PLANET ? 0 : id);
    return name;
}

static void put(ZT_Node *node, void *uptr, void *tptr, enum ZT_StateObjectType type, const uint64_t id[2],
                const void *data, int length)
{
    struct modern *modern = uptr;
    (void)node;
    CHECK_RANGE(type, ZT_STATE_OBJECT_IDENTITY_PUBLIC, ZT_STATE_OBJECT_NETWORK_CONFIG);
    CHECK_INT(id[1], 0);
    modern->last_state_thread = tptr;
    if (data == NULL) {
        CHECK_INT(length, -1);
        modern->deletes[type]++;
        (void)store_put(&modern->store, modern_state_name(type, id[0]), NULL, 0, 0);
    } else {
        CHECK(length >= 0);
        modern->puts[type]++;
        (void)store_put(&modern->store, modern_state_name(type, id[0]), data, (unsigned long)length, 0);
    }
}

static int get(ZT_Node *node, void *uptr, void *tptr, enum ZT_StateObjectType type, const uint64_t id[2], void *buf,
               unsigned cap)
{
    struct modern *modern = uptr;
    unsigned long total = 0;
    (void)node;
    CHECK_RANGE(type, ZT_STATE_OBJECT_IDENTITY_PUBLIC, ZT_STATE_OBJECT_NETWORK_CONFIG);
    CHECK_INT(id[1], 0);
    modern->last_state_thread = tptr;
    modern->gets[type]++;
    long length = store_get(&modern->store, modern_state_name(type, id[0]), buf, cap, 0, &total);
    return length > INT32_MAX ? INT32_MAX : (int)length;
}

static int send_packet(ZT_Node *node, void *uptr, void *tptr, int64_t socket, const struct sockaddr_storage *to,
                       const void *data, unsigned length, unsigned ttl)
{
    struct modern *modern = uptr;
    (void)node;
    (void)tptr;
    CHECK(ttl < 256);
    CHECK(length > 0);
    modern->sent_by_socket += socket == modern->socket;
    if (modern->send_answer == 0)
        rig_send(&modern->place, to, 0, 0, data, length);
    return modern->send_answer;
}

static void deliver(ZT_Node *node, void *uptr, void *tptr, uint64_t nwid, void **nuptr, uint64_t from, uint64_t to,
                    unsigned kind, unsigned vlan, const void *data, unsigned length)
{
    struct modern *modern = uptr;
    (void)node;
    CHECK(modern->received_count < MODERN_RECORDS);
    struct modern_frame *frame = &modern->received[modern->received_count++];
    CHECK(length <= sizeof frame->bytes);
    *frame = (struct modern_frame){.nwid = nwid, .from = from, .to = to, .kind = kind, .vlan = vlan, .length = length,
                                   .nuptr = *nuptr, .tptr = tptr};
    memcpy(frame->bytes, data, length);
    if (modern->in_frame != NULL)
        modern->in_frame(modern);
}

static int configure(ZT_Node *node, void *uptr, void *tptr, uint64_t nwid, void **nuptr,
                     enum ZT_VirtualNetworkConfigOperation op, const ZT_VirtualNetworkConfig *config)
{
    struct modern *modern = uptr;
    CHECK(node == modern->node);
    CHECK(modern->port_count < MODERN_RECORDS);
    CHECK(config != NULL);
    CHECK_INT(config->nwid, nwid);
    modern->ports[modern->port_count++] = (struct modern_port_record){
        .nwid = nwid, .op = op, .status = config->status, .nuptr = *nuptr, .tptr = tptr};
    if (modern->in_port != NULL)
        modern->in_port(modern, nwid, nuptr, op, config);
    return modern->port_answer;
}

static void take_event(struct modern *modern, enum ZT_Event event, const void *meta)
{
    if (event == ZT_EVENT_USER_MESSAGE) {
        const ZT_UserMessage *message = meta;
        CHECK(message->length <= sizeof modern->message.bytes);
        modern->message = (struct modern_message){
            .origin = message->origin, .kind = message->typeId, .length = message->length};
        memcpy(modern->message.bytes, message->data, message->length);
    } else if (event == ZT_EVENT_REMOTE_TRACE) {
        const ZT_RemoteTrace *trace = meta;
        CHECK_INT(trace->data[trace->len - 1], 0);
        snprintf(modern->remote_trace, sizeof modern->remote_trace, "%s", trace->data);
        modern->remote_trace_length = trace->len;
        modern->remote_trace_origin = trace->origin;
        /* The header lets us. */
        memset(trace->data, 'x', trace->len - 1);
    } else if (event == ZT_EVENT_TRACE) {
        snprintf(modern->trace, sizeof modern->trace, "%s", (const char *)meta);
    } else {
        CHECK(meta == NULL);
    }
}

static void happen(ZT_Node *node, void *uptr, void *tptr, enum ZT_Event event, const void *meta)
{
    struct modern *modern = uptr;
    (void)node;
    CHECK(modern->event_count < MODERN_RECORDS);
    modern->events[modern->event_count] = event;
    modern->event_threads[modern->event_count++] = tptr;
    take_event(modern, event, meta);
    if (modern->in_event != NULL)
        modern->in_event(modern, event);
}

static int check_path(ZT_Node *node, void *uptr, void *tptr, uint64_t peer, int64_t socket,
                      const struct sockaddr_storage *remote)
{
    struct modern *modern = uptr;
    (void)node;
    (void)tptr;
    (void)socket;
    modern->checks++;
    return modern->check(modern, peer, remote);
}

static int look_up(ZT_Node *node, void *uptr, void *tptr, uint64_t peer, int family, struct sockaddr_storage *result)
{
    struct modern *modern = uptr;
    (void)node;
    (void)tptr;
    modern->look_ups++;
    return modern->look_up(modern, peer, family, result);
}

static void turn(struct place *place)
{
    modern_turn((struct modern *)place);
}

void modern_prepare(struct modern *modern, const char *address, const char *secret, const unsigned char *planet,
                    unsigned planet_length)
{
    memset(modern, 0, sizeof *modern);
    modern->place.turn = turn;
    modern->socket = -1;
    rig_address(&modern->place, rig_ipv4(address, 9993));
    if (secret != NULL)
        store_set(&modern->store, modern_state_name(ZT_STATE_OBJECT_IDENTITY_SECRET, 0), secret, strlen(secret));
    if (planet != NULL)
        store_set(&modern->store, modern_state_name(ZT_STATE_OBJECT_PLANET, 0), planet, planet_length);
}

enum ZT_ResultCode modern_open(struct modern *modern)
{
    const struct ZT_Node_Callbacks callbacks = {
        .version = 0,
        .statePutFunction = put,
        .stateGetFunction = get,
        .wirePacketSendFunction = send_packet,
        .virtualNetworkFrameFunction = deliver,
        .virtualNetworkConfigFunction = configure,
        .eventCallback = happen,
        .pathCheckFunction = modern->check == NULL ? NULL : check_path,
        .pathLookupFunction = modern->look_up == NULL ? NULL : look_up,
    };
    modern->deadline = 0;
    modern->place.due = 0;
    return ZT_Node_new(&modern->node, modern, &modern_new_thread, &callbacks, (int64_t)rig_now);
}

void modern_start(struct modern *modern, const char *address, const char *secret, const unsigned char *planet,
                  unsigned planet_length)
{
    modern_prepare(modern, address, secret, planet, planet_length);
    CHECK_INT(modern_open(modern), ZT_RESULT_OK);
    rig_add(&modern->place);
}

void modern_serve(struct modern *modern, struct store *store)
{
    const ZT_Controller_Store functions = {.user = store, .get = store_get, .put = store_put};
    modern->controller = ZT_Controller_new(store == NULL ? NULL : &functions);
    CHECK(modern->controller != NULL);
    ZT_Node_setNetconfMaster(modern->node, modern->controller);
}

void modern_stop(struct modern *modern)
{
    ZT_Node_delete(modern->node);
    modern->node = NULL;
    if (modern->controller != NULL)
        CHECK_INT(ZT_Controller_delete(modern->controller), ZT_RESULT_OK);
    modern->controller = NULL;
}

void modern_end(struct modern *modern)
{
    if (modern->node != NULL)
        modern_stop(modern);
    rig_remove(&modern->place);
    store_free(&modern->store);
}

void modern_turn(struct modern *modern)
{
    struct packet packets[RIG_PACKETS];
    unsigned count = rig_take(&modern->place, packets, RIG_PACKETS);
    for (unsigned i = 0; i < count; i++) {
        if (modern->node == NULL) {
            free(packets[i].bytes);
            continue;
        }
        CHECK_INT(ZT_Node_processWirePacket(modern->node, &modern_wire_thread, (int64_t)rig_now, modern->socket,
                                            &packets[i].from, packets[i].bytes, packets[i].length, &modern->deadline),
                  ZT_RESULT_OK);
        free(packets[i].bytes);
    }
    if (modern->node != NULL && modern->deadline <= (int64_t)rig_now) {
        CHECK_INT(ZT_Node_processBackgroundTasks(modern->node, &modern_task_thread, (int64_t)rig_now,
                                                 &modern->deadline),
                  ZT_RESULT_OK);
        CHECK_RANGE(modern->deadline, rig_now + 1, rig_now + 5000);
    }
    modern->place.due = (uint64_t)modern->deadline;
}

enum ZT_ResultCode modern_give(struct modern *modern, uint64_t nwid, uint64_t to, unsigned kind, const void *data,
                               unsigned length)
{
    return ZT_Node_processVirtualNetworkFrame(modern->node, &modern_frame_thread, (int64_t)rig_now, nwid,
                                              modern_mac(modern, nwid), to, kind, 0, data, length, &modern->deadline);
}

bool modern_had_event(const struct modern *modern, enum ZT_Event event)
{
    for (unsigned i = 0; i < modern->event_count; i++)
        if (modern->events[i] == event)
            return true;
    return false;
}

int modern_network_status(struct modern *modern, uint64_t nwid)
{
    ZT_VirtualNetworkConfig *config = ZT_Node_networkConfig(modern->node, nwid);
    int status = config == NULL ? -1 : (int)config->status;
    ZT_Node_freeQueryResult(modern->node, config);
    return status;
}

uint64_t modern_mac(struct modern *modern, uint64_t nwid)
{
    ZT_VirtualNetworkConfig *config = ZT_Node_networkConfig(modern->node, nwid);
    CHECK(config != NULL);
    uint64_t mac = config->mac;
    ZT_Node_freeQueryResult(modern->node, config);
    return mac;
}

bool modern_peer(struct modern *modern, uint64_t address, ZT_Peer *peer)
{
    ZT_PeerList *list = ZT_Node_peers(modern->node);
    bool found = false;
    CHECK(list != NULL);
    for (unsigned long i = 0; i < list->peerCount; i++) {
        CHECK(i == 0 || list->peers[i - 1].address < list->peers[i].address);
        if (list->peers[i].address == address) {
            *peer = list->peers[i];
            found = true;
        }
    }
    ZT_Node_freeQueryResult(modern->node, list);
    return found;
}

bool modern_is_online(struct modern *modern)
{
    ZT_NodeStatus status = {0};
    ZT_Node_status(modern->node, &status);
    CHECK(status.address != 0);
    return status.online != 0;
}

void modern_ask(struct modern *modern, const char *method, const char *path, const char *body, int status,
                char **answer)
{
    char *text = (char *)1;
    CHECK_INT(ZT_Controller_request(modern->controller, method, path, body, body == NULL ? 0 : strlen(body), &text),
              status);
    CHECK(text != NULL);
    if (answer != NULL)
        *answer = text;
    else
        ZT_Node_freeQueryResult(modern->node, text);
    modern->place.due = 0;
}

uint64_t modern_network(struct modern *modern, unsigned number)
{
    char path[96];
    uint64_t nwid = ZT_Node_address(modern->node) << 24 | number;
    snprintf(path, sizeof path, "/controller/network/%016" PRIx64, nwid);
    modern_ask(modern, "POST", path,
               "{\"name\":\"lan\",\"private\":true,\"v4AssignMode\":{\"zt\":true},\"ipAssignmentPools\":[{"
               "\"ipRangeStart\":\"10.9.0.1\",\"ipRangeEnd\":\"10.9.0.99\"}],\"routes\":[{\"target\":\"10.9.0.0/24\"},"
               "{\"target\":\"10.8.0.0/16\",\"via\":\"10.9.0.1\"}],\"mtu\":2800,"
               "\"dns\":{\"domain\":\"lan.test\",\"servers\":[\"10.9.0.53\"]}}",
               200, NULL);
    return nwid;
}

void modern_authorise(struct modern *modern, uint64_t nwid, uint64_t member, bool is_authorised)
{
    char path[96];
    snprintf(path, sizeof path, "/controller/network/%016" PRIx64 "/member/%010" PRIx64, nwid, member);
    modern_ask(modern, "POST", path, is_authorised ? "{\"authorized\":true}" : "{\"authorized\":false}", 200, NULL);
}
