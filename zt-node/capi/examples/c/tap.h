/*
 * A TAP device of Linux: the port of a virtual network. Needs CAP_NET_ADMIN.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef EXAMPLE_TAP_H
#define EXAMPLE_TAP_H

#include <net/if.h>
#include <stdint.h>
#include <sys/socket.h>

/* Addresses that a device may have. */
#define TAP_MAX_ADDRESSES 32
/* Largest payload of a frame, bytes. */
#define TAP_MAX_PAYLOAD 10000

struct tap {
    /* Non-blocking; -1 = closed. The device goes away when it is closed. */
    int fd;
    char name[IFNAMSIZ];
    unsigned int mtu;
    /* What was set; the port field is the prefix length. */
    struct sockaddr_storage addresses[TAP_MAX_ADDRESSES];
    unsigned int address_count;
};

struct tap_frame {
    uint64_t source;
    uint64_t destination;
    unsigned int ether_type;
    /* What follows the Ethernet header. */
    unsigned char payload[TAP_MAX_PAYLOAD];
    unsigned int length;
};

/* Makes a device zt0, zt1, ... with this MAC and MTU, and sets it up. -1 with errno. */
int tap_open(struct tap *tap, uint64_t mac, unsigned int mtu);

/* Changes the MTU if it is another. -1 with errno. */
int tap_set_mtu(struct tap *tap, unsigned int mtu);

/* Makes these the addresses of the device; the port field is the prefix length. -1 with errno if one failed. */
int tap_set_addresses(struct tap *tap, const struct sockaddr_storage *addresses, unsigned int count);

/* Takes a frame that the system sent; -1 = there is none now. */
int tap_read(const struct tap *tap, struct tap_frame *frame);

/* Hands a frame to the system. -1 = lost, as frames may be. */
int tap_write(const struct tap *tap, uint64_t source, uint64_t destination, unsigned int ether_type,
              const void *payload, unsigned int length);

/* Whether an address is inside one of the device's networks. */
int tap_contains(const struct tap *tap, const struct sockaddr_storage *address);

void tap_close(struct tap *tap);

#endif
