/*
 * The UDP sockets of a host: one for IPv4, one for IPv6.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef EXAMPLE_UDP_H
#define EXAMPLE_UDP_H

#include <stdint.h>
#include <sys/socket.h>

/* Largest datagram of the protocol, bytes. */
#define UDP_MAX_PAYLOAD 10324

struct udp {
    /* Non-blocking, of AF_INET and AF_INET6; -1 = this machine does not have the family. */
    int fds[2];
};

/* Binds both to a port. -1 with errno if the port cannot be had. */
int udp_open(struct udp *udp, uint16_t port);

/* 0 = sent. -1: the datagram is lost, as datagrams may be. */
int udp_send(const struct udp *udp, const struct sockaddr_storage *remote, const void *data, unsigned int len);

/* Sets the time to live of what is sent from now on to addresses of this family; 0 = as usual. */
void udp_set_ttl(const struct udp *udp, sa_family_t family, unsigned int ttl);

/* Bytes of a datagram that arrived at a socket, and where from; -1 = there is none now. */
int udp_receive(int fd, void *buf, unsigned int cap, struct sockaddr_storage *remote);

void udp_close(struct udp *udp);

/* Length of an IPv4 or IPv6 socket address, 0 = another family. */
socklen_t address_length(const struct sockaddr_storage *address);

#endif
