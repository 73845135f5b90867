/*
 * The data store of a node in memory.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "memory.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static struct object *find(const struct memory *memory, const char *name)
{
    for (unsigned int i = 0; i < memory->count; i++) {
        if (strcmp(memory->objects[i].name, name) == 0)
            return (struct object *)&memory->objects[i];
    }
    return NULL;
}

long memory_get(const struct memory *memory, const char *name, void *buf, unsigned long cap, unsigned long start,
                unsigned long *total)
{
    const struct object *object = find(memory, name);
    if (object == NULL)
        return -1;
    *total = object->len;
    if (start >= object->len)
        return 0;
    unsigned long len = object->len - start < cap ? object->len - start : cap;
    memcpy(buf, object->data + start, len);
    return (long)len;
}

static void delete(struct memory *memory, struct object *object)
{
    free(object->data);
    *object = memory->objects[--memory->count];
}

int memory_put(struct memory *memory, const char *name, const void *data, unsigned long len)
{
    struct object *object = find(memory, name);
    if (data == NULL) {
        if (object != NULL)
            delete(memory, object);
        return 0;
    }
    if (strlen(name) >= MEMORY_MAX_NAME || (object == NULL && memory->count == MEMORY_MAX_OBJECTS))
        return -1;
    unsigned char *copy = malloc(len > 0 ? len : 1);
    if (copy == NULL)
        return -1;
    memcpy(copy, data, len);
    if (object == NULL) {
        object = &memory->objects[memory->count++];
        strcpy(object->name, name);
    } else {
        free(object->data);
    }
    object->data = copy;
    object->len = len;
    return 0;
}

void memory_clear(struct memory *memory)
{
    while (memory->count > 0)
        delete(memory, &memory->objects[0]);
}
