/*
 * A data store in memory that fails on demand, for both interfaces.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "store.h"

#include "check.h"

#include <limits.h>

static struct object *find(const struct store *store, const char *name)
{
    for (unsigned i = 0; i < store->count; i++)
        if (strcmp(store->objects[i].name, name) == 0)
            return (struct object *)&store->objects[i];
    return NULL;
}

const struct object *store_find(const struct store *store, const char *name)
{
    return find(store, name);
}

void store_set(struct store *store, const char *name, const void *data, size_t length)
{
    struct object *object = find(store, name);
    if (object == NULL) {
        CHECK(store->count < STORE_OBJECTS);
        CHECK(strlen(name) < STORE_NAME);
        object = &store->objects[store->count++];
        memset(object, 0, sizeof *object);
        strcpy(object->name, name);
    }
    free(object->bytes);
    object->bytes = malloc(length + 1);
    CHECK(object->bytes != NULL);
    memcpy(object->bytes, data, length);
    object->length = length;
}

static void forget(struct store *store, const char *name)
{
    struct object *object = find(store, name);
    if (object == NULL)
        return;
    free(object->bytes);
    *object = store->objects[--store->count];
    memset(&store->objects[store->count], 0, sizeof store->objects[0]);
}

void store_fail(struct store *store, enum store_fault fault, unsigned long after, unsigned long times)
{
    store->fault = fault;
    store->from = store->calls + after;
    store->times = times;
}

enum store_fault store_fault_now(struct store *store)
{
    unsigned long call = store->calls++;
    if (store->fault == FAULT_NONE || call < store->from || (store->times != 0 && call >= store->from + store->times))
        return FAULT_NONE;
    return store->fault;
}

/* Without its identity a node makes one, and without a planet it checks the roots of the public one: both take so long
 * that slow checkers (CHECK_QUICK) spare these two. */
static bool is_spared(const char *name)
{
    static const char *const slow[] = {"identity.secret", "planet", "2/", "3/"};
    for (unsigned i = 0; i < sizeof slow / sizeof slow[0]; i++)
        if (strncmp(name, slow[i], strlen(slow[i])) == 0)
            return getenv("CHECK_QUICK") != NULL;
    return false;
}

long store_get(void *user, const char *name, void *buf, unsigned long cap, unsigned long start, unsigned long *total)
{
    struct store *store = user;
    enum store_fault fault = store_fault_now(store);
    const struct object *object = find(store, name);
    if (is_spared(name))
        fault = FAULT_NONE;
    CHECK(name[0] != '/' && strstr(name, "..") == NULL && strchr(name, '\\') == NULL);
    store->gets++;
    *total = object == NULL ? 0 : object->length;
    switch (fault) {
    case FAULT_ERROR:
        return -2;
    case FAULT_MISSING:
        return -1;
    case FAULT_ODD_CODE:
        return -99;
    case FAULT_TOO_MUCH:
        return (long)cap + 1;
    case FAULT_LONG_TOTAL:
        *total = ULONG_MAX;
        return 0;
    case FAULT_LONG_READ:
        *total = 1UL << 40;
        return LONG_MAX;
    case FAULT_GARBAGE:
        memset(buf, 0xa5, cap);
        *total = cap;
        return (long)cap;
    default:
        break;
    }
    if (object == NULL || start > object->length)
        return -1;
    unsigned long rest = object->length - start;
    unsigned long length = rest < cap ? rest : cap;
    if (fault == FAULT_SHORT && length > 1)
        length = 1;
    memcpy(buf, object->bytes + start, length);
    if (fault == FAULT_SMALL_TOTAL)
        *total = 1;
    if (fault == FAULT_NO_TOTAL)
        *total = 0;
    return (long)length;
}

int store_put(void *user, const char *name, const void *data, unsigned long length, int secure)
{
    struct store *store = user;
    enum store_fault fault = store_fault_now(store);
    CHECK(name[0] != '/' && strstr(name, "..") == NULL && strchr(name, '\\') == NULL);
    if (fault == FAULT_ERROR || fault == FAULT_MISSING)
        return 1;
    if (fault == FAULT_ODD_CODE)
        return INT_MIN;
    if (store->crashed)
        return 0;
    if (data == NULL) {
        CHECK_INT(length, 0);
        store->deletes++;
        forget(store, name);
    } else {
        store->puts++;
        store_set(store, name, data, length);
        find(store, name)->secure = secure;
    }
    if (store->watch != NULL)
        store->watch(store, name);
    return 0;
}

void store_copy(struct store *to, const struct store *from)
{
    memset(to, 0, sizeof *to);
    for (unsigned i = 0; i < from->count; i++) {
        store_set(to, from->objects[i].name, from->objects[i].bytes, from->objects[i].length);
        to->objects[i].secure = from->objects[i].secure;
    }
}

void store_free(struct store *store)
{
    for (unsigned i = 0; i < store->count; i++)
        free(store->objects[i].bytes);
    memset(store, 0, sizeof *store);
}
