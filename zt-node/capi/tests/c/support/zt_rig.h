/*
 * Hosts of the ZT interface in the world of rig.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef ZT_RIG_H
#define ZT_RIG_H

#include "fixtures.h"
#include "rig.h"
#include "store.h"
#include "ZeroTierOne.h"

#define ZT_RECORDS 64

struct zt_port_record {
    uint64_t nwid;
    enum ZT_VirtualNetworkConfigOperation op;
    enum ZT_VirtualNetworkStatus status;
    void *nuptr, *tptr;
};

struct zt_frame {
    uint64_t nwid, from, to;
    unsigned kind, vlan, length;
    void *nuptr, *tptr;
    unsigned char bytes[1600];
};

struct zt_message {
    uint64_t origin, kind;
    unsigned length;
    unsigned char bytes[256];
};

struct zt {
    struct place place;
    struct store store;
    ZT_Node *node;
    ZT_Controller *controller;
    /* Socket by which packets are said to come, and packets that were to be sent by it. */
    int64_t socket;
    unsigned long sent_by_socket;
    volatile int64_t deadline;
    struct zt_port_record ports[ZT_RECORDS];
    unsigned port_count;
    struct zt_frame received[ZT_RECORDS];
    unsigned received_count;
    enum ZT_Event events[ZT_RECORDS];
    void *event_threads[ZT_RECORDS];
    unsigned event_count;
    struct zt_message message;
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
    int (*check)(struct zt *, uint64_t peer, const struct sockaddr_storage *remote);
    int (*look_up)(struct zt *, uint64_t peer, int family, struct sockaddr_storage *result);
    unsigned checks, look_ups;
    /* Called from within the callbacks, if not NULL. */
    void (*in_port)(struct zt *, uint64_t nwid, void **nuptr, enum ZT_VirtualNetworkConfigOperation op,
                    const ZT_VirtualNetworkConfig *config);
    void (*in_event)(struct zt *, enum ZT_Event);
    void (*in_frame)(struct zt *);
};

/* Thread pointers that the rig gives. */
extern int zt_wire_thread, zt_task_thread, zt_frame_thread, zt_new_thread;

void zt_prepare(struct zt *zt, const char *address, const char *secret, const unsigned char *planet,
                unsigned planet_length);
enum ZT_ResultCode zt_open(struct zt *zt);
/* Prepares and opens. */
void zt_start(struct zt *zt, const char *address, const char *secret, const unsigned char *planet,
              unsigned planet_length);
void zt_serve(struct zt *zt, struct store *store);
void zt_stop(struct zt *zt);
void zt_end(struct zt *zt);
void zt_turn(struct zt *zt);
enum ZT_ResultCode zt_give(struct zt *zt, uint64_t nwid, uint64_t to, unsigned kind, const void *data,
                           unsigned length);
bool zt_had_event(const struct zt *zt, enum ZT_Event event);
int zt_network_status(struct zt *zt, uint64_t nwid);
uint64_t zt_mac(struct zt *zt, uint64_t nwid);
bool zt_peer(struct zt *zt, uint64_t address, ZT_Peer *peer);
bool zt_is_online(struct zt *zt);
/* A private network as in zt1_rig.h. */
uint64_t zt_network(struct zt *zt, unsigned number);
void zt_authorise(struct zt *zt, uint64_t nwid, uint64_t member, bool is_authorised);
/* Makes a root the controller of such a network, with Alice and Bob as its members. */
uint64_t zt_lan_of(struct zt *root, struct zt *alice, struct zt *bob);
void zt_ask(struct zt *zt, const char *method, const char *path, const char *body, int status,
            char **answer);
/* Name of a state object in the store. */
const char *zt_state_name(enum ZT_StateObjectType type, uint64_t id);

#endif
