/*
 * A world for tests: a clock, hosts, and an internet that carries their packets by levels. Nothing sleeps.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef RIG_H
#define RIG_H

#include "check.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* Packets take this long, milliseconds. */
#define RIG_STEP 10
#define RIG_HOSTS 8
#define RIG_PACKETS 512
#define RIG_START 1700000000000ULL

struct packet {
    struct sockaddr_storage from, to;
    int level;
    int spam;
    unsigned length;
    unsigned char *bytes;
};

/* A place in the internet, the first member of every host. */
struct place {
    struct sockaddr_storage addresses[4];
    unsigned address_count;
    struct packet inbox[RIG_PACKETS];
    unsigned waiting;
    /* When the host wants its turn, at the latest. */
    uint64_t due;
    /* Does the turn: takes the inbox, sets `due`. NULL = the host is away. */
    void (*turn)(struct place *);
    /* Highest level this host has a link of. */
    int highest;
    /* Levels that are cut for this host: bit level + 16. */
    uint64_t cut;
    /* Packets it sent, and those with the spam flag; the highest level among them. */
    unsigned long sent, spam;
    int highest_sent;
};

extern uint64_t rig_now;
/* Whether a packet gets through, if not NULL. */
extern bool (*rig_carries)(const struct place *from, const struct place *to, const struct packet *packet);

/* Addresses for tests. */
struct sockaddr_storage rig_ipv4(const char *text, unsigned port);
struct sockaddr_storage rig_ipv6(const char *text, unsigned port, unsigned zone);
struct sockaddr_storage rig_ethernet(unsigned last);
bool rig_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b);

/* Adds a host at these addresses. */
void rig_add(struct place *place);
void rig_remove(struct place *place);
void rig_address(struct place *place, struct sockaddr_storage address);
/* Carries a packet over the level, or with spam over all from the lowest to it. */
void rig_send(struct place *from, const struct sockaddr_storage *to, int level, int spam, const void *data,
              unsigned length);
/* Gives the packets of the inbox away: the caller frees their bytes. */
unsigned rig_take(struct place *place, struct packet *packets, unsigned room);
/* Lets time pass. */
void rig_run(uint64_t milliseconds);
/* Lets time pass until something holds; fails after a limit. */
#define RIG_UNTIL(condition, limit)                                        \
    do {                                                                   \
        const uint64_t rig_end = rig_now + (limit);                        \
        while (!(condition) && rig_now < rig_end)                          \
            rig_run(RIG_STEP);                                             \
        CHECK(condition);                                                  \
    } while (0)

/* Bit of a level in `cut`. */
#define RIG_LEVEL(level) (1ULL << ((level) + 16))

#endif
