/*
 * A network that this program is the controller of.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef EXAMPLE_ZT1_MASTER_H
#define EXAMPLE_ZT1_MASTER_H

#include <stdbool.h>
#include <zt1/ZeroTierOne.h>

/* Settings of a network with addresses from a pool, for master_create. */
#define MASTER_SETTINGS                                                                                               \
    "{\"name\":\"example\",\"private\":true,\"v4AssignMode\":{\"zt\":true},"                                          \
    "\"routes\":[{\"target\":\"10.9.0.0/16\"}],"                                                                      \
    "\"ipAssignmentPools\":[{\"ipRangeStart\":\"10.9.0.1\",\"ipRangeEnd\":\"10.9.0.99\"}]}"

/* Members that an example lets in. */
#define MASTER_MAX_ADMITTED 64

struct master {
    ZT1_NetconfMaster *handle;
    uint64_t network;
    /* Whoever asks is let in. */
    bool admit_all;
    uint64_t next_look;
    /* Who was let in by this program. */
    uint64_t admitted[MASTER_MAX_ADMITTED];
    unsigned int admitted_count;
};

/* Makes the node the controller of a network with these settings (JSON) and lets the node itself in. */
int master_create(struct master *master, ZT1_Node *node, uint64_t own_address, const char *settings);

/* Lets a node in. */
int master_admit(struct master *master, uint64_t address);

/* With admit_all: lets those in who asked. To be called after a turn of the node; looks twice a second. */
void master_turn(struct master *master, uint64_t now);

#endif
