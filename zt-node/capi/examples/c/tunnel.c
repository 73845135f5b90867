/*
 * Datagrams through a TCP connection.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#define _GNU_SOURCE
#include "tunnel.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* Length field, and the longest address. */
#define LENGTH 2
#define MAX_ADDRESS 19

static void start(struct tunnel *tunnel, int fd, bool connecting)
{
    int on = 1;
    /* Small packets must not wait for one another. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    tunnel->fd = fd;
    tunnel->connecting = connecting;
    tunnel->in_start = tunnel->in_end = tunnel->out_end = 0;
}

int tunnel_connect(struct tunnel *tunnel, const struct sockaddr_storage *server)
{
    int fd = socket(server->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int result = connect(fd, (const struct sockaddr *)server, address_length(server));
    if (result != 0 && errno != EINPROGRESS) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    start(tunnel, fd, result != 0);
    return 0;
}

void tunnel_accept(struct tunnel *tunnel, int fd)
{
    start(tunnel, fd, false);
}

void tunnel_close(struct tunnel *tunnel)
{
    if (tunnel->fd >= 0)
        close(tunnel->fd);
    tunnel->fd = -1;
}

short tunnel_events(const struct tunnel *tunnel)
{
    return (short)(POLLIN | (tunnel->connecting || tunnel->out_end > 0 ? POLLOUT : 0));
}

static int end(struct tunnel *tunnel, int error)
{
    tunnel_close(tunnel);
    errno = error;
    return -1;
}

static int is_again(void)
{
    return errno == EAGAIN || errno == EINTR;
}

static int send_waiting(struct tunnel *tunnel)
{
    ssize_t sent = send(tunnel->fd, tunnel->out, tunnel->out_end, MSG_NOSIGNAL);
    if (sent < 0)
        return is_again() ? 0 : -1;
    tunnel->out_end -= (unsigned int)sent;
    memmove(tunnel->out, tunnel->out + sent, tunnel->out_end);
    return 0;
}

int tunnel_work(struct tunnel *tunnel, short revents)
{
    if (tunnel->connecting && revents != 0) {
        int error = 0;
        socklen_t length = sizeof error;
        getsockopt(tunnel->fd, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error != 0)
            return end(tunnel, error);
        tunnel->connecting = false;
    }
    if ((revents & POLLOUT) != 0 && tunnel->out_end > 0 && send_waiting(tunnel) != 0)
        return end(tunnel, errno);
    if ((revents & (POLLIN | POLLHUP | POLLERR)) == 0)
        return 0;
    memmove(tunnel->in, tunnel->in + tunnel->in_start, tunnel->in_end - tunnel->in_start);
    tunnel->in_end -= tunnel->in_start;
    tunnel->in_start = 0;
    if (tunnel->in_end == TUNNEL_IN)
        return 0; /* The caller takes what is there first. */
    ssize_t got = recv(tunnel->fd, tunnel->in + tunnel->in_end, TUNNEL_IN - tunnel->in_end, 0);
    if (got == 0)
        return end(tunnel, 0);
    if (got < 0)
        return is_again() ? 0 : end(tunnel, errno);
    tunnel->in_end += (unsigned int)got;
    return 0;
}

/* Bytes of an address: 7 or 19; 0 = the family byte is none. */
static unsigned int get_address(const unsigned char *bytes, unsigned int len, struct sockaddr_storage *address)
{
    memset(address, 0, sizeof *address);
    if (len >= 7 && bytes[0] == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)address;
        in->sin_family = AF_INET;
        memcpy(&in->sin_addr, bytes + 1, 4);
        memcpy(&in->sin_port, bytes + 5, 2);
        return 7;
    }
    if (len >= 19 && bytes[0] == 6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
        in6->sin6_family = AF_INET6;
        memcpy(&in6->sin6_addr, bytes + 1, 16);
        memcpy(&in6->sin6_port, bytes + 17, 2);
        return 19;
    }
    return 0;
}

static unsigned int put_address(unsigned char *bytes, const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        bytes[0] = 4;
        memcpy(bytes + 1, &in->sin_addr, 4);
        memcpy(bytes + 5, &in->sin_port, 2);
        return 7;
    }
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
        bytes[0] = 6;
        memcpy(bytes + 1, &in6->sin6_addr, 16);
        memcpy(bytes + 17, &in6->sin6_port, 2);
        return 19;
    }
    return 0;
}

int tunnel_next(struct tunnel *tunnel, struct sockaddr_storage *address, const unsigned char **data)
{
    const unsigned char *bytes = tunnel->in + tunnel->in_start;
    unsigned int have = tunnel->in_end - tunnel->in_start;
    if (tunnel->fd < 0 || have < LENGTH)
        return -1;
    unsigned int length = (unsigned int)bytes[0] << 8 | bytes[1];
    if (have < LENGTH + length)
        return -1;
    unsigned int used = get_address(bytes + LENGTH, length, address);
    if (used == 0 || length - used > UDP_MAX_PAYLOAD) {
        /* Whoever is at the other end does not speak our language. */
        shutdown(tunnel->fd, SHUT_RDWR);
        tunnel->in_start = tunnel->in_end;
        return -1;
    }
    tunnel->in_start += LENGTH + length;
    *data = bytes + LENGTH + used;
    return (int)(length - used);
}

int tunnel_send(struct tunnel *tunnel, const struct sockaddr_storage *address, const void *data, unsigned int len)
{
    if (tunnel->fd < 0 || len > UDP_MAX_PAYLOAD || tunnel->out_end + LENGTH + MAX_ADDRESS + len > TUNNEL_OUT)
        return -1;
    unsigned char *bytes = tunnel->out + tunnel->out_end;
    unsigned int used = put_address(bytes + LENGTH, address);
    if (used == 0)
        return -1;
    bytes[0] = (unsigned char)((used + len) >> 8);
    bytes[1] = (unsigned char)(used + len);
    memcpy(bytes + LENGTH + used, data, len);
    tunnel->out_end += LENGTH + used + len;
    if (!tunnel->connecting)
        (void)send_waiting(tunnel); /* A broken connection shows in tunnel_work. */
    return 0;
}
