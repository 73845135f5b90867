/*
 * A world for tests: a clock, hosts, and an internet that carries their packets by levels.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "rig.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>

uint64_t rig_now = RIG_START;
bool (*rig_carries)(const struct place *from, const struct place *to, const struct packet *packet);

static struct place *hosts[RIG_HOSTS];
static unsigned host_count;

struct sockaddr_storage rig_ipv4(const char *text, unsigned port)
{
    struct sockaddr_storage storage;
    struct sockaddr_in *in = (struct sockaddr_in *)&storage;
    memset(&storage, 0, sizeof storage);
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)port);
    CHECK_INT(inet_pton(AF_INET, text, &in->sin_addr), 1);
    return storage;
}

struct sockaddr_storage rig_ipv6(const char *text, unsigned port, unsigned zone)
{
    struct sockaddr_storage storage;
    struct sockaddr_in6 *in = (struct sockaddr_in6 *)&storage;
    memset(&storage, 0, sizeof storage);
    in->sin6_family = AF_INET6;
    in->sin6_port = htons((uint16_t)port);
    in->sin6_scope_id = zone;
    CHECK_INT(inet_pton(AF_INET6, text, &in->sin6_addr), 1);
    return storage;
}

struct sockaddr_storage rig_ethernet(unsigned last)
{
    struct sockaddr_storage storage;
    struct sockaddr_ll *ll = (struct sockaddr_ll *)&storage;
    memset(&storage, 0, sizeof storage);
    ll->sll_family = AF_PACKET;
    ll->sll_halen = 6;
    ll->sll_addr[0] = 2;
    ll->sll_addr[5] = (unsigned char)last;
    return storage;
}

bool rig_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family)
        return false;
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *x = (const void *)a, *y = (const void *)b;
        return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
    }
    if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *x = (const void *)a, *y = (const void *)b;
        return x->sin6_port == y->sin6_port && memcmp(&x->sin6_addr, &y->sin6_addr, 16) == 0;
    }
    if (a->ss_family == AF_PACKET) {
        const struct sockaddr_ll *x = (const void *)a, *y = (const void *)b;
        return memcmp(x->sll_addr, y->sll_addr, 6) == 0;
    }
    return false;
}

void rig_add(struct place *place)
{
    CHECK(host_count < RIG_HOSTS);
    place->due = 0;
    hosts[host_count++] = place;
}

void rig_remove(struct place *place)
{
    for (unsigned i = 0; i < host_count; i++) {
        if (hosts[i] == place) {
            hosts[i] = hosts[--host_count];
            break;
        }
    }
    for (unsigned i = 0; i < place->waiting; i++)
        free(place->inbox[i].bytes);
    place->waiting = 0;
}

void rig_address(struct place *place, struct sockaddr_storage address)
{
    CHECK(place->address_count < 4);
    place->addresses[place->address_count++] = address;
}

static struct place *host_at(const struct sockaddr_storage *address)
{
    for (unsigned i = 0; i < host_count; i++)
        for (unsigned k = 0; k < hosts[i]->address_count; k++)
            if (rig_same(&hosts[i]->addresses[k], address))
                return hosts[i];
    return NULL;
}

/* The sender's address as the receiver sees it: one of the same family and, for IPv6, of the same scope. */
static const struct sockaddr_storage *source(const struct place *from, const struct sockaddr_storage *to)
{
    for (unsigned k = 0; k < from->address_count; k++) {
        const struct sockaddr_storage *own = &from->addresses[k];
        if (own->ss_family != to->ss_family)
            continue;
        if (to->ss_family == AF_INET6
            && IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)own)->sin6_addr)
                != IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)to)->sin6_addr))
            continue;
        return own;
    }
    return NULL;
}

static void carry(struct place *from, struct place *to, const struct packet *packet)
{
    if (packet->level > from->highest || packet->level > to->highest)
        return;
    if (((from->cut | to->cut) & RIG_LEVEL(packet->level)) != 0)
        return;
    if (rig_carries != NULL && !rig_carries(from, to, packet))
        return;
    CHECK(to->waiting < RIG_PACKETS);
    struct packet *copy = &to->inbox[to->waiting++];
    *copy = *packet;
    copy->bytes = malloc(packet->length + 1);
    CHECK(copy->bytes != NULL);
    memcpy(copy->bytes, packet->bytes, packet->length);
}

void rig_send(struct place *from, const struct sockaddr_storage *to, int level, int spam, const void *data,
              unsigned length)
{
    from->sent++;
    from->spam += spam != 0;
    if (level > from->highest_sent)
        from->highest_sent = level;
    struct place *receiver = host_at(to);
    const struct sockaddr_storage *own = source(from, to);
    if (receiver == NULL || own == NULL)
        return;
    struct packet packet = {
        .from = *own, .to = *to, .spam = spam, .length = length, .bytes = (unsigned char *)data};
    for (packet.level = spam && level > 0 ? 0 : level; packet.level <= level; packet.level++)
        carry(from, receiver, &packet);
}

unsigned rig_take(struct place *place, struct packet *packets, unsigned room)
{
    CHECK(place->waiting <= room);
    unsigned count = place->waiting;
    memcpy(packets, place->inbox, count * sizeof *packets);
    place->waiting = 0;
    return count;
}

void rig_run(uint64_t milliseconds)
{
    for (const uint64_t end = rig_now + milliseconds; rig_now < end;) {
        rig_now += RIG_STEP;
        for (unsigned i = 0; i < host_count; i++)
            if (hosts[i]->turn != NULL && (hosts[i]->waiting > 0 || hosts[i]->due <= rig_now))
                hosts[i]->turn(hosts[i]);
    }
}
