/*
 * Fixed identities and worlds: see tests/it/fixtures.rs.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef FIXTURES_H
#define FIXTURES_H

#include <stdint.h>

/* Secret and public identities as text, and addresses. */
#define PERSON(name)                   \
    extern const char name##_SECRET[]; \
    extern const char name##_PUBLIC[]; \
    extern const uint64_t name;
PERSON(ROOT)
PERSON(HUB)
PERSON(MASTER)
PERSON(ALICE)
PERSON(BOB)
PERSON(EVE)
#undef PERSON
/* Somebody who has ALICE's address, and other keys. */
extern const char TWIN_SECRET[];

#define BYTES(name)                      \
    extern const unsigned char name[];   \
    extern const unsigned name##_LENGTH;
/* Its only root is ROOT, at 10.0.0.1 and fd00::1, port 9993. */
BYTES(PLANET)
/* All are roots, so that they know one another at once: ROOT, MASTER at 10.0.0.3, ALICE at 10.0.0.4, BOB at 10.0.0.5. */
BYTES(PLANET_OF_ALL)
/* The moon of HUB, at 10.0.0.2. Its number is HUB. */
BYTES(MOON)
/* A trace that ROOT sends to ALICE. */
BYTES(TRACE_PACKET)
#undef BYTES

#endif
