/*
 * Datagrams through a TCP connection: the link of level 1 between a host and the relay.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A message is: 2 bytes length of what follows; 1 byte 4 or 6; the IPv4 or IPv6 address; 2 bytes port; the datagram.
 * Numbers have the most significant byte first. To the relay the address is where the datagram goes, from the relay it
 * is where it came from. The datagram is carried unchanged, so the node sees the addresses of UDP endpoints only.
 */
#ifndef EXAMPLE_TUNNEL_H
#define EXAMPLE_TUNNEL_H

#include <stdbool.h>
#include <sys/socket.h>

#include "udp.h"

#define TUNNEL_IN (1u << 17)
#define TUNNEL_OUT (1u << 18)

struct tunnel {
    /* Non-blocking; -1 = no connection. */
    int fd;
    /* The connection is being made. */
    bool connecting;
    /* Bytes that came, up to in_end; those before in_start are done with. */
    unsigned int in_start, in_end;
    /* Bytes that wait to be sent. */
    unsigned int out_end;
    unsigned char in[TUNNEL_IN];
    unsigned char out[TUNNEL_OUT];
};

/* Begins to connect. -1 with errno. */
int tunnel_connect(struct tunnel *tunnel, const struct sockaddr_storage *server);

/* Takes over a connection that was accepted. */
void tunnel_accept(struct tunnel *tunnel, int fd);

/* What poll(2) should wait for. */
short tunnel_events(const struct tunnel *tunnel);

/* Does what poll(2) said. -1: the connection has ended and is closed; errno is 0 if the other side ended it. */
int tunnel_work(struct tunnel *tunnel, short revents);

/* Takes a datagram that came: its length, and the address with it. *data is valid until the next tunnel_work.
 * -1 = none yet. What is no message ends the connection at the next tunnel_work. */
int tunnel_next(struct tunnel *tunnel, struct sockaddr_storage *address, const unsigned char **data);

/* Queues a datagram. -1: there is no connection, or no room, and the datagram is lost, as datagrams may be. */
int tunnel_send(struct tunnel *tunnel, const struct sockaddr_storage *address, const void *data, unsigned int len);

void tunnel_close(struct tunnel *tunnel);

#endif
