/*
 * The clock of the examples.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef EXAMPLE_CLOCK_H
#define EXAMPLE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_read(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Milliseconds since 1970 when the program started, and steady from then on: a node must never see time go back, which
 * the clock on the wall does when somebody sets it. */
static inline uint64_t clock_now(void)
{
    static uint64_t offset;
    if (offset == 0)
        offset = clock_read(CLOCK_REALTIME) - clock_read(CLOCK_MONOTONIC);
    return clock_read(CLOCK_MONOTONIC) + offset;
}

#endif
