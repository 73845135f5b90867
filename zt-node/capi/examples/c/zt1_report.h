/*
 * What a node of the ZT1 interface tells about itself, as lines of JSON.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef EXAMPLE_ZT1_REPORT_H
#define EXAMPLE_ZT1_REPORT_H

#include <zt1/ZeroTierOne.h>

/* What went over a link of one level. */
struct link_count {
    /* Packets that it took, and that it did not take. */
    unsigned long sent, failed;
    /* Those with the spam flag among both. */
    unsigned long spam;
    unsigned long received;
};

/* A change of state, as the status callback got it. */
void report_status(enum ZT1_StatusCode code, const void *extra);

/* A change of a port, as the port callback got it; config NULL = deleted. */
void report_port(uint64_t nwid, const struct ZT1_VirtualPortConfig *config, const char *device);

/* All there is to ask for: state, peers with their paths, networks; and the counts of the links from level 0 on. */
void report_everything(ZT1_Node *node, const struct link_count *links, unsigned int link_count);

#endif
