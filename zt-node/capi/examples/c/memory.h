/*
 * The data store of a node in memory, for nodes that live as long as their program.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef EXAMPLE_MEMORY_H
#define EXAMPLE_MEMORY_H

#define MEMORY_MAX_OBJECTS 64
#define MEMORY_MAX_NAME 80

struct memory {
    struct object {
        char name[MEMORY_MAX_NAME];
        unsigned char *data;
        unsigned long len;
    } objects[MEMORY_MAX_OBJECTS];
    unsigned int count;
};

/* As the data store functions of the interface want it: bytes copied, -1 = there is no such object. */
long memory_get(const struct memory *memory, const char *name, void *buf, unsigned long cap, unsigned long start,
                unsigned long *total);

/* Replaces an object, or deletes it (data NULL). 0, or -1 if there is no room. */
int memory_put(struct memory *memory, const char *name, const void *data, unsigned long len);

/* Deletes all. */
void memory_clear(struct memory *memory);

#endif
