/*
 * Hosts of the ZT1 interface in the world of rig.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef ZT1_RIG_H
#define ZT1_RIG_H

#include "fixtures.h"
#include "rig.h"
#include "store.h"
#include "zt1/ZeroTierOne.h"

#define ZT1_RECORDS 64

struct zt1_port_record {
    uint64_t nwid;
    bool deleted;
    struct ZT1_VirtualPortConfig config;
    struct sockaddr_storage addresses[8];
    char name[128];
};

struct zt1_status_record {
    enum ZT1_StatusCode code;
    int level;
    char text[64];
    uint64_t at;
};

struct zt1_frame {
    struct ZT1_VirtualLanFrame frame;
    unsigned char bytes[1600];
};

struct zt1 {
    struct place place;
    struct store store;
    ZT1_Node *node;
    ZT1_NetconfMaster *master;
    struct zt1_port_record ports[ZT1_RECORDS];
    unsigned port_count;
    struct zt1_status_record statuses[ZT1_RECORDS];
    unsigned status_count;
    struct zt1_frame received[ZT1_RECORDS];
    unsigned received_count;
    struct zt1_frame given[8];
    unsigned given_count;
    /* What run returned last. */
    enum ZT1_ReturnValue ran;
    unsigned long turns;
    /* Called from within the callbacks, if not NULL. */
    void (*in_port)(struct zt1 *, uint64_t nwid, const struct ZT1_VirtualPortConfig *);
    void (*in_status)(struct zt1 *, enum ZT1_StatusCode);
};

/* Starts a host at an address, with an identity and a planet in its store unless they are NULL. */
void zt1_start(struct zt1 *zt1, const char *address, const char *secret, const unsigned char *planet,
               unsigned planet_length);
/* Makes the node from what is stored. */
enum ZT1_ReturnValue zt1_open(struct zt1 *zt1);
/* Makes the node a controller. */
void zt1_serve(struct zt1 *zt1);
/* Deletes the node; the store stays. */
void zt1_stop(struct zt1 *zt1);
/* All of it. */
void zt1_end(struct zt1 *zt1);
/* Hands a frame in at the next turn. */
void zt1_give(struct zt1 *zt1, uint64_t nwid, uint64_t to, unsigned kind, const void *data, unsigned length);
/* Hands a frame in at once; what leaves because of it goes to `to` by a level, wherever the node wanted it. */
void zt1_detour(struct zt1 *zt1, uint64_t nwid, uint64_t mac, const struct sockaddr_storage *to, int level,
                const char *text);
/* One turn now. */
void zt1_turn(struct zt1 *zt1);

/* Asks the controller; the status must be this one. The answer (free it) if wanted. */
void zt1_ask(struct zt1 *zt1, const char *method, const char *path, const char *body, int status, char **answer);
/* Makes a private network with IPv4 addresses 10.9.0.1 to 10.9.0.99, and authorises its members. */
uint64_t zt1_network(struct zt1 *zt1, unsigned number);
void zt1_authorise(struct zt1 *zt1, uint64_t nwid, uint64_t member, bool is_authorised);

/* State of a network as the query has it; -1 if not joined. */
int zt1_network_status(struct zt1 *zt1, uint64_t nwid);
bool zt1_is_online(struct zt1 *zt1);
uint64_t zt1_mac(struct zt1 *zt1, uint64_t nwid);
/* Copies a peer, its first paths too; false if it is not known. */
bool zt1_peer(struct zt1 *zt1, uint64_t address, struct ZT1_Node_Peer *peer, struct ZT1_Node_PhysicalPath *paths,
              unsigned room);

#endif
