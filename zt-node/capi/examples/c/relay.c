/*
 * The relay of level 1: hosts whose UDP does not get through connect to it by TCP, and it sends their datagrams by UDP.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 *   relay --listen PORT
 *
 * Each connection has a UDP socket of its own, so what answers to that socket goes back by that connection. The relay
 * cannot read or forge packets of the network; but it sends for anybody who connects. One on the internet should ask
 * who that is, and limit how much.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "signals.h"
#include "tunnel.h"
#include "udp.h"

#define MAX_CONNECTIONS 16

struct connection {
    struct tunnel tunnel;
    struct udp udp;
    unsigned long to_udp, to_tcp;
};

static struct connection *connections[MAX_CONNECTIONS];

static int listen_on(uint16_t port)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, off = 0;
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off); /* IPv4, too */
    if (bind(fd, (struct sockaddr *)&any, sizeof any) == 0 && listen(fd, MAX_CONNECTIONS) == 0)
        return fd;
    close(fd);
    return -1;
}

static struct connection **free_place(void)
{
    for (int i = 0; i < MAX_CONNECTIONS; i++) {
        if (connections[i] == NULL)
            return &connections[i];
    }
    return NULL;
}

static void take_connection(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct connection **place = free_place();
    struct connection *new = place == NULL ? NULL : calloc(1, sizeof *new);
    if (new == NULL || udp_open(&new->udp, 0) != 0) {
        free(new);
        close(fd);
        return;
    }
    tunnel_accept(&new->tunnel, fd);
    *place = new;
    json_begin("connected");
    json_end();
}

static void end_connection(struct connection **place)
{
    struct connection *old = *place;
    json_begin("closed");
    json_number("to_udp", (long long)old->to_udp);
    json_number("to_tcp", (long long)old->to_tcp);
    json_end();
    tunnel_close(&old->tunnel);
    udp_close(&old->udp);
    free(old);
    *place = NULL;
}

static void pass_to_udp(struct connection *c)
{
    struct sockaddr_storage to;
    const unsigned char *data;
    int len;
    while ((len = tunnel_next(&c->tunnel, &to, &data)) >= 0) {
        if (udp_send(&c->udp, &to, data, (unsigned int)len) == 0)
            c->to_udp++;
    }
}

static void pass_to_tcp(struct connection *c, int fd)
{
    static unsigned char data[UDP_MAX_PAYLOAD];
    struct sockaddr_storage from;
    int len;
    while ((len = udp_receive(fd, data, sizeof data, &from)) >= 0) {
        if (tunnel_send(&c->tunnel, &from, data, (unsigned int)len) == 0)
            c->to_tcp++;
    }
}

/* One round of poll(2). False = asked to end. */
static bool turn(int signals, int listener)
{
    struct pollfd fds[2 + 3 * MAX_CONNECTIONS] = {
        {.fd = signals, .events = POLLIN},
        {.fd = listener, .events = POLLIN},
    };
    for (int i = 0; i < MAX_CONNECTIONS; i++) {
        struct pollfd *three = &fds[2 + 3 * i];
        struct connection *c = connections[i];
        /* poll ignores negative ones. */
        three[0] = (struct pollfd){.fd = c ? c->tunnel.fd : -1, .events = c ? tunnel_events(&c->tunnel) : 0};
        three[1] = (struct pollfd){.fd = c ? c->udp.fds[0] : -1, .events = POLLIN};
        three[2] = (struct pollfd){.fd = c ? c->udp.fds[1] : -1, .events = POLLIN};
    }
    if (poll(fds, sizeof fds / sizeof *fds, -1) < 0 && errno != EINTR)
        return false;
    for (int i = 0; i < MAX_CONNECTIONS; i++) {
        struct pollfd *three = &fds[2 + 3 * i];
        struct connection *c = connections[i];
        if (c == NULL)
            continue;
        for (int family = 0; family < 2; family++) {
            if (three[1 + family].revents != 0)
                pass_to_tcp(c, three[1 + family].fd);
        }
        bool ended = tunnel_work(&c->tunnel, three[0].revents) != 0;
        pass_to_udp(c);
        if (ended)
            end_connection(&connections[i]);
    }
    if (fds[1].revents != 0)
        take_connection(listener);
    return signals_next(signals) == 0;
}

int main(int argc, char **argv)
{
    long port = argc == 3 && strcmp(argv[1], "--listen") == 0 ? strtol(argv[2], NULL, 10) : 0;
    if (port < 1 || port > 65535) {
        fprintf(stderr, "usage: relay --listen PORT\n");
        return 2;
    }
    int signals = signals_open();
    int listener = listen_on((uint16_t)port);
    if (listener < 0 || signals < 0) {
        fprintf(stderr, "relay: cannot listen on TCP port %ld (%s); choose another one\n", port, strerror(errno));
        return 1;
    }
    json_begin("ready");
    json_number("port", port);
    json_end();
    while (turn(signals, listener)) {
    }
    for (int i = 0; i < MAX_CONNECTIONS; i++) {
        if (connections[i] != NULL)
            end_connection(&connections[i]);
    }
    close(listener);
    return 0;
}
