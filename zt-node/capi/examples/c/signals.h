/*
 * Signals as bytes in a pipe, for poll(2).
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef EXAMPLE_SIGNALS_H
#define EXAMPLE_SIGNALS_H

/* Catches SIGTERM, SIGINT and SIGUSR1. Returns the descriptor that becomes readable when one came, -1 with errno.
 * Handlers, and not signalfd(2), because a core may have threads that were there before main and block nothing. */
int signals_open(void);

/* The number of a signal that came, 0 = none is left. */
int signals_next(int fd);

#endif
