/*
 * Hosts of the modern interface in the world of rig.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MODERN_RIG_H
#define MODERN_RIG_H

#include "fixtures.h"
#include "rig.h"
#include "store.h"
#include "ZeroTierOne.h"

#define MODERN_RECORDS 64

struct modern_port_record {
    uint64_t nwid;
    enum ZT_VirtualNetworkConfigOperation op;
    enum ZT_VirtualNetworkStatus status;
    void *nuptr, *tptr;
};

struct modern_frame {
    uint64_t nwid, from, to;
    unsigned kind, vlan, length;
    void *nuptr, *tptr;
    unsigned char bytes[1600];
};

struct modern_message {
    uint64_t origin, kind;
    unsigned length;
    unsigned char bytes[256];
};

struct modern {
    struct place place;
    struct store store;
    ZT_Node *node;
    ZT_Controller *controller;
    /* Socket by which packets are said to come, and packets that were to be sent by it. */
    int64_t socket;
    unsigned long sent_by_socket;
    volatile int64_t deadline;
    struct modern_port_record ports[MODERN_RECORDS];
    unsigned port_count;
    struct modern_frame received[MODERN_RECORDS];
    unsigned received_count;
    enum ZT_Event events[MODERN_RECORDS];
    void *event_threads[MODERN_RECORDS];
    unsigned event_count;
    struct modern_message message;
    char trace[256];
    char remote_trace[256];
    unsigned remote_trace_length;
    uint64_t remote_trace_origin;
    /* How often the store was asked and told, by kind. */
    unsigned gets[8], puts[8], deletes[8];
    void *last_state_thread;
    /* What the callbacks answer. */
    int port_answer;
    int send_answer;
    int (*check)(struct modern *, uint64_t peer, const struct sockaddr_storage *remote);
    int (*look_up)(struct modern *, uint64_t peer, int family, struct sockaddr_storage *result);
    unsigned checks, look_ups;
    /* Called from within the callbacks, if not NULL. */
    void (*in_port)(struct modern *, uint64_t nwid, void **nuptr, enum ZT_VirtualNetworkConfigOperation op,
                    const ZT_VirtualNetworkConfig *config);
    void (*in_event)(struct modern *, enum ZT_Event);
    void (*in_frame)(struct modern *);
};

/* Thread pointers that the rig gives. */
extern int modern_wire_thread, modern_task_thread, modern_frame_thread, modern_new_thread;

void modern_prepare(struct modern *modern, const char *address, const char *secret, const unsigned char *planet,
                    unsigned planet_length);
enum ZT_ResultCode modern_open(struct modern *modern);
/* Prepares and opens. */
void modern_start(struct modern *modern, const char *address, const char *secret, const unsigned char *planet,
                  unsigned planet_length);
void modern_serve(struct modern *modern, struct store *store);
void modern_stop(struct modern *modern);
void modern_end(struct modern *modern);
void modern_turn(struct modern *modern);
enum ZT_ResultCode modern_give(struct modern *modern, uint64_t nwid, uint64_t to, unsigned kind, const void *data,
                               unsigned length);
bool modern_had_event(const struct modern *modern, enum ZT_Event event);
int modern_network_status(struct modern *modern, uint64_t nwid);
uint64_t modern_mac(struct modern *modern, uint64_t nwid);
bool modern_peer(struct modern *modern, uint64_t address, ZT_Peer *peer);
bool modern_is_online(struct modern *modern);
/* A private network as in seed_rig.h. */
uint64_t modern_network(struct modern *modern, unsigned number);
void modern_authorise(struct modern *modern, uint64_t nwid, uint64_t member, bool is_authorised);
void modern_ask(struct modern *modern, const char *method, const char *path, const char *body, int status,
                char **answer);
/* Name of a state object in the store. */
const char *modern_state_name(enum ZT_StateObjectType type, uint64_t id);

#endif
