/*
 * Hosts of the seed's interface in the world of rig.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef SEED_RIG_H
#define SEED_RIG_H

#include "fixtures.h"
#include "rig.h"
#include "store.h"
#include "zt1/ZeroTierOne.h"

#define SEED_RECORDS 64

struct seed_port_record {
    uint64_t nwid;
    bool deleted;
    struct ZT1_VirtualPortConfig config;
    struct sockaddr_storage addresses[8];
    char name[128];
};

struct seed_status_record {
    enum ZT1_StatusCode code;
    int level;
    char text[64];
    uint64_t at;
};

struct seed_frame {
    struct ZT1_VirtualLanFrame frame;
    unsigned char bytes[1600];
};

struct seed {
    struct place place;
    struct store store;
    ZT1_Node *node;
    ZT1_NetconfMaster *master;
    struct seed_port_record ports[SEED_RECORDS];
    unsigned port_count;
    struct seed_status_record statuses[SEED_RECORDS];
    unsigned status_count;
    struct seed_frame received[SEED_RECORDS];
    unsigned received_count;
    struct seed_frame given[8];
    unsigned given_count;
    /* What run returned last. */
    enum ZT1_ReturnValue ran;
    unsigned long turns;
    /* Called from within the callbacks, if not NULL. */
    void (*in_port)(struct seed *, uint64_t nwid, const struct ZT1_VirtualPortConfig *);
    void (*in_status)(struct seed *, enum ZT1_StatusCode);
};

/* Starts a host at an address, with an identity and a planet in its store unless they are NULL. */
void seed_start(struct seed *seed, const char *address, const char *secret, const unsigned char *planet,
                unsigned planet_length);
/* Makes the node from what is stored. */
enum ZT1_ReturnValue seed_open(struct seed *seed);
/* Makes the node a controller. */
void seed_serve(struct seed *seed);
/* Deletes the node; the store stays. */
void seed_stop(struct seed *seed);
/* All of it. */
void seed_end(struct seed *seed);
/* Hands a frame in at the next turn. */
void seed_give(struct seed *seed, uint64_t nwid, uint64_t to, unsigned kind, const void *data, unsigned length);
/* Hands a frame in at once; what leaves because of it goes to `to` by a level, wherever the node wanted it. */
void seed_detour(struct seed *seed, uint64_t nwid, uint64_t mac, const struct sockaddr_storage *to, int level,
                 const char *text);
/* One turn now. */
void seed_turn(struct seed *seed);

/* Asks the controller; the status must be this one. The answer (free it) if wanted. */
void seed_ask(struct seed *seed, const char *method, const char *path, const char *body, int status, char **answer);
/* Makes a private network with IPv4 addresses 10.9.0.1 to 10.9.0.99, and authorises its members. */
uint64_t seed_network(struct seed *seed, unsigned number);
void seed_authorise(struct seed *seed, uint64_t nwid, uint64_t member, bool is_authorised);

/* State of a network as the query has it; -1 if not joined. */
int seed_network_status(struct seed *seed, uint64_t nwid);
bool seed_is_online(struct seed *seed);
uint64_t seed_mac(struct seed *seed, uint64_t nwid);
/* Copies a peer, its first paths too; false if it is not known. */
bool seed_peer(struct seed *seed, uint64_t address, struct ZT1_Node_Peer *peer, struct ZT1_Node_PhysicalPath *paths,
               unsigned room);

#endif
