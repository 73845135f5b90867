/*
 * The links of a host of the ZT1 interface: UDP (level 0) and, if there is a relay, TCP (level 1).
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef EXAMPLE_ZT1_LINKS_H
#define EXAMPLE_ZT1_LINKS_H

#include <poll.h>
#include <stdbool.h>
#include <zt1/ZeroTierOne.h>

#include "zt1_report.h"
#include "tunnel.h"
#include "udp.h"

#define LEVEL_UDP 0
#define LEVEL_TCP 1
#define LEVELS 2

/* Packets that one turn of the node takes at most. */
#define LINKS_BATCH 32

/* Places in the array for poll(2). */
#define LINKS_FDS 3

struct links {
    struct udp udp;
    struct tunnel tunnel;
    /* Where the relay is; family 0 = there is none, and no level 1. */
    struct sockaddr_storage relay;
    /* No connection is tried before this. */
    uint64_t retry_at;
    struct link_count counts[LEVELS];
    unsigned char packets[LINKS_BATCH][UDP_MAX_PAYLOAD];
};

/* Fills LINKS_FDS places. */
void links_poll(const struct links *links, struct pollfd *fds);

/* After poll(2): packets that came, at most LINKS_BATCH. They are valid until the next call. */
unsigned int links_receive(struct links *links, const struct pollfd *fds, struct ZT1_WireMessage *messages);

/* Sends a packet over the link, or the links, that the node wants. */
void links_send(struct links *links, const struct ZT1_WireMessage *message, uint64_t now);

#endif
