/*
 * The data store of a node as files under a folder.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef EXAMPLE_FILES_H
#define EXAMPLE_FILES_H

#include <stdbool.h>

/* Largest object that is kept, bytes. */
#define FILES_MAX_OBJECT (1u << 20)

/* Makes the folder if it is not there. 0, or -1 with errno. */
int files_open(const char *folder);

/* Reads at most cap bytes of an object from start on, and sets *total to its size. Returns the bytes read; -1 if there
 * is no such object, -2 on any other error. */
long files_get(const char *folder, const char *name, void *buf, unsigned long cap, unsigned long start,
               unsigned long *total);

/* Replaces an object, or deletes it (data NULL). Once this returns 0 it survives a crash and a power cut; readers see
 * the old object or the new one, nothing in between. secret: only the owner may read it. -1 on errors. */
int files_put(const char *folder, const char *name, const void *data, unsigned long len, bool secret);

#endif
