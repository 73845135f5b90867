/*
 * A planet of one's own: the list of root servers that a node starts with.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef EXAMPLE_PLANET_H
#define EXAMPLE_PLANET_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of a planet with one root at one IPv4 address. */
#define PLANET_SIZE 257

/*
 * Makes a planet with one root. public_identity is the text of a status (address:0:128 hex digits), ip and port where
 * the root is. -1: that is no such text.
 *
 * A node trusts the planet of its own data store without a signature, so this one has none, and nobody can publish an
 * update of it. Planets for the world are made with `zt planet create`.
 */
int planet_make(unsigned char planet[PLANET_SIZE], const char *public_identity, const unsigned char ip[4],
                uint16_t port);

#endif
