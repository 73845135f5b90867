/*
 * A data store in memory that fails on demand, for both interfaces.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_OBJECTS 64
#define STORE_NAME 160

/* How a store fails. */
enum store_fault {
    FAULT_NONE,
    FAULT_ERROR,        /* get: -2 (zt: -1), put: not 0 */
    FAULT_MISSING,      /* get: -1, put: not 0 */
    FAULT_ODD_CODE,     /* get: -99, put: INT_MIN */
    FAULT_SHORT,        /* get: one byte only, of the true total; put: works */
    FAULT_TOO_MUCH,     /* get: says it gave more than there was room for */
    FAULT_LONG_TOTAL,   /* get: a total of gigabytes, and nothing more to read */
    FAULT_LONG_READ,    /* get: says it gave gigabytes */
    FAULT_SMALL_TOTAL,  /* get: a total of less than it gave */
    FAULT_NO_TOTAL,     /* get: leaves the total as it was */
    FAULT_GARBAGE,      /* get: bytes that mean nothing */
    FAULT_KINDS
};

struct object {
    char name[STORE_NAME];
    unsigned char *bytes;
    size_t length;
    int secure;
};

struct store {
    struct object objects[STORE_OBJECTS];
    unsigned count;
    unsigned long gets, puts, deletes;
    /* Calls of get and put so far; the fault comes from call number `from` on, `times` times (0 = never ends). */
    unsigned long calls, from, times;
    enum store_fault fault;
    /* Puts are lost without a word: what a crash leaves is what came before. */
    bool crashed;
    /* Called at each put that works, if not NULL. */
    void (*watch)(struct store *, const char *name);
};

/* The functions of the data store; user is a struct store. */
long store_get(void *user, const char *name, void *buf, unsigned long cap, unsigned long start, unsigned long *total);
int store_put(void *user, const char *name, const void *data, unsigned long length, int secure);

/* Puts an object there, or finds one; for tests. */
void store_set(struct store *store, const char *name, const void *data, size_t length);
const struct object *store_find(const struct store *store, const char *name);
/* Makes the store fail from its next call but `after` on. */
void store_fail(struct store *store, enum store_fault fault, unsigned long after, unsigned long times);
/* Whether this call fails, and how. */
enum store_fault store_fault_now(struct store *store);
/* A copy of what is stored now, without faults. */
void store_copy(struct store *to, const struct store *from);
void store_free(struct store *store);

#endif
