/*
 * The links of a host of the ZT1 interface.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#define _GNU_SOURCE
#include "zt1_links.h"

#include <errno.h>
#include <string.h>

#include "json.h"

/* A relay that refuses is asked again after this. */
#define RETRY_MS 1000

void links_poll(const struct links *links, struct pollfd *fds)
{
    fds[0] = (struct pollfd){.fd = links->udp.fds[0], .events = POLLIN};
    fds[1] = (struct pollfd){.fd = links->udp.fds[1], .events = POLLIN};
    fds[2] = (struct pollfd){.fd = links->tunnel.fd, .events = tunnel_events(&links->tunnel)};
}

static void report_tunnel(const char *state, const char *reason)
{
    json_begin("tunnel");
    json_text("state", state);
    if (reason != NULL)
        json_text("reason", reason);
    json_end();
}

/* Lets the connection get on, and tells what became of it. */
static void work_on_tunnel(struct links *links, short revents)
{
    bool was_connecting = links->tunnel.connecting;
    if (links->tunnel.fd < 0)
        return;
    if (tunnel_work(&links->tunnel, revents) != 0)
        report_tunnel("closed", errno == 0 ? "the relay ended it" : strerror(errno));
    else if (was_connecting && !links->tunnel.connecting)
        report_tunnel("connected", NULL);
}

static void fill(struct ZT1_WireMessage *message, int level, const void *data, int len)
{
    message->desperation = level;
    message->spam = 0;
    message->packetData = data;
    message->packetLength = (unsigned int)len;
}

unsigned int links_receive(struct links *links, const struct pollfd *fds, struct ZT1_WireMessage *messages)
{
    unsigned int count = 0;
    work_on_tunnel(links, fds[2].revents);
    /* Half of the places for each level, so that neither starves the other; what is left over waits in the sockets. */
    const unsigned char *data;
    int len;
    while (count < LINKS_BATCH / 2
           && (len = tunnel_next(&links->tunnel, &messages[count].remoteAddress, &data)) >= 0) {
        fill(&messages[count++], LEVEL_TCP, data, len);
        links->counts[LEVEL_TCP].received++;
    }
    for (int family = 0; family < 2; family++) {
        while (fds[family].revents != 0 && count < LINKS_BATCH) {
            unsigned char *packet = links->packets[count];
            len = udp_receive(fds[family].fd, packet, UDP_MAX_PAYLOAD, &messages[count].remoteAddress);
            if (len < 0)
                break;
            fill(&messages[count++], LEVEL_UDP, packet, len);
            links->counts[LEVEL_UDP].received++;
        }
    }
    return count;
}

/* The connection is made when the node first wants to use it. */
static int send_by_tcp(struct links *links, const struct ZT1_WireMessage *message, uint64_t now)
{
    if (links->relay.ss_family == 0)
        return -1;
    if (links->tunnel.fd < 0) {
        if (now < links->retry_at)
            return -1;
        links->retry_at = now + RETRY_MS;
        if (tunnel_connect(&links->tunnel, &links->relay) != 0) {
            report_tunnel("closed", strerror(errno));
            return -1;
        }
    }
    return tunnel_send(&links->tunnel, &message->remoteAddress, message->packetData, message->packetLength);
}

static void send_by(struct links *links, int level, const struct ZT1_WireMessage *message, uint64_t now)
{
    int result = -1;
    if (level == LEVEL_UDP)
        result = udp_send(&links->udp, &message->remoteAddress, message->packetData, message->packetLength);
    else if (level == LEVEL_TCP)
        result = send_by_tcp(links, message, now);
    else
        return; /* A link that we do not have: the packet is lost, and the node finds out by itself. */
    struct link_count *count = &links->counts[level];
    if (result == 0)
        count->sent++;
    else
        count->failed++;
    count->spam += message->spam != 0;
}

void links_send(struct links *links, const struct ZT1_WireMessage *message, uint64_t now)
{
    /* Spam goes over every link up to that level: the node wants to know which of them work. */
    int from = message->spam != 0 && message->desperation > LEVEL_UDP ? LEVEL_UDP : message->desperation;
    for (int level = from; level <= message->desperation && level < LEVELS; level++)
        send_by(links, level, message, now);
}
