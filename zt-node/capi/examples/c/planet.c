/*
 * A planet of one's own.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "planet.h"

#include <stdio.h>
#include <string.h>

/* Any number but that of the public planet. */
#define WORLD_ID 0x7a74657861000001ULL

static unsigned char *put_number(unsigned char *at, uint64_t number, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        *at++ = (unsigned char)(number >> 8 * i);
    return at;
}

/* Bytes of hex digits; NULL = there are not so many. */
static unsigned char *put_hex(unsigned char *at, const char *text, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        unsigned int byte;
        if (sscanf(text + 2 * i, "%2x", &byte) != 1)
            return NULL;
        *at++ = (unsigned char)byte;
    }
    return at;
}

int planet_make(unsigned char planet[PLANET_SIZE], const char *public_identity, const unsigned char ip[4],
                uint16_t port)
{
    if (strlen(public_identity) < 10 + 3 + 128 || strncmp(public_identity + 10, ":0:", 3) != 0)
        return -1;
    memset(planet, 0, PLANET_SIZE);
    unsigned char *at = put_number(planet, 1, 1); /* a planet, not a moon */
    at = put_number(at, WORLD_ID, 8);
    at = put_number(at, 1, 8);                /* revision */
    at += 64 + 96;                            /* key of updates and signature: none */
    at = put_number(at, 1, 1);                /* roots */
    at = put_hex(at, public_identity, 5);     /* its identity: address, */
    if (at == NULL)
        return -1;
    at = put_number(at, 0, 1);                /* kind of keys, */
    at = put_hex(at, public_identity + 13, 64); /* public keys, */
    if (at == NULL)
        return -1;
    at = put_number(at, 0, 1); /* no secret keys */
    at = put_number(at, 1, 1); /* addresses */
    at = put_number(at, 4, 1); /* IPv4 */
    memcpy(at, ip, 4);
    at = put_number(at + 4, port, 2);
    return at == planet + PLANET_SIZE ? 0 : -1;
}
