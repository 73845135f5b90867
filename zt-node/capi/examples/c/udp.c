/*
 * The UDP sockets of a host.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#define _GNU_SOURCE
#include "udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

socklen_t address_length(const struct sockaddr_storage *address)
{
    switch (address->ss_family) {
    case AF_INET:
        return sizeof(struct sockaddr_in);
    case AF_INET6:
        return sizeof(struct sockaddr_in6);
    default:
        return 0;
    }
}

static int open_family(sa_family_t family, uint16_t port)
{
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    struct sockaddr_storage any;
    memset(&any, 0, sizeof any);
    any.ss_family = family;
    if (family == AF_INET6) {
        int on = 1;
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        ((struct sockaddr_in6 *)&any)->sin6_port = htons(port);
    } else {
        ((struct sockaddr_in *)&any)->sin_port = htons(port);
    }
    if (bind(fd, (struct sockaddr *)&any, address_length(&any)) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int udp_open(struct udp *udp, uint16_t port)
{
    udp->fds[0] = open_family(AF_INET, port);
    if (udp->fds[0] < 0)
        return -1;
    udp->fds[1] = open_family(AF_INET6, port);
    if (udp->fds[1] < 0 && errno == EADDRINUSE) {
        close(udp->fds[0]);
        errno = EADDRINUSE;
        return -1;
    }
    return 0;
}

int udp_send(const struct udp *udp, const struct sockaddr_storage *remote, const void *data, unsigned int len)
{
    int fd = udp->fds[remote->ss_family == AF_INET6];
    socklen_t length = address_length(remote);
    if (fd < 0 || length == 0)
        return -1;
    return sendto(fd, data, len, 0, (const struct sockaddr *)remote, length) == (ssize_t)len ? 0 : -1;
}

void udp_set_ttl(const struct udp *udp, sa_family_t family, unsigned int ttl)
{
    int value = ttl == 0 || ttl > 255 ? -1 : (int)ttl;
    if (family == AF_INET6)
        setsockopt(udp->fds[1], IPPROTO_IPV6, IPV6_UNICAST_HOPS, &value, sizeof value);
    else
        setsockopt(udp->fds[0], IPPROTO_IP, IP_TTL, &value, sizeof value);
}

int udp_receive(int fd, void *buf, unsigned int cap, struct sockaddr_storage *remote)
{
    socklen_t length = sizeof *remote;
    memset(remote, 0, sizeof *remote);
    ssize_t got = recvfrom(fd, buf, cap, 0, (struct sockaddr *)remote, &length);
    return got < 0 ? -1 : (int)got;
}

void udp_close(struct udp *udp)
{
    for (int i = 0; i < 2; i++) {
        if (udp->fds[i] >= 0)
            close(udp->fds[i]);
    }
}
