/*
 * The data store of a node as files under a folder.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#define _GNU_SOURCE
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int files_open(const char *folder)
{
    return mkdir(folder, 0700) == 0 || errno == EEXIST ? 0 : -1;
}

/* The library never uses such names; a store must still not trust them, for they lead out of the folder. */
static int is_safe(const char *name)
{
    return name[0] != '\0' && name[0] != '/' && strstr(name, "..") == NULL && strchr(name, '\\') == NULL;
}

static int path_of(char path[PATH_MAX], const char *folder, const char *name, const char *suffix)
{
    if (!is_safe(name))
        return -1;
    int len = snprintf(path, PATH_MAX, "%s/%s%s", folder, name, suffix);
    return len > 0 && len < PATH_MAX ? 0 : -1;
}

long files_get(const char *folder, const char *name, void *buf, unsigned long cap, unsigned long start,
               unsigned long *total)
{
    char path[PATH_MAX];
    if (path_of(path, folder, name, "") != 0)
        return -2;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? -1 : -2;
    struct stat st;
    long got = -2;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        *total = (unsigned long)st.st_size;
        got = pread(fd, buf, cap, (off_t)start);
        if (got < 0)
            got = -2;
    }
    close(fd);
    return got;
}

/* Makes the folders that the name of an object leads through. */
static void make_parents(char *path, size_t from)
{
    for (char *slash = strchr(path + from, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
}

/* A rename is durable only when the folder is, too. */
static int sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fsync(fd);
    close(fd);
    return result;
}

static int write_all(int fd, const char *data, unsigned long len)
{
    while (len > 0) {
        ssize_t written = write(fd, data, len);
        if (written < 0 && errno != EINTR)
            return -1;
        if (written > 0) {
            data += written;
            len -= (unsigned long)written;
        }
    }
    return fsync(fd);
}

int files_put(const char *folder, const char *name, const void *data, unsigned long len, bool secret)
{
    char path[PATH_MAX], temporary[PATH_MAX];
    if (path_of(path, folder, name, "") != 0 || path_of(temporary, folder, name, ".new") != 0)
        return -1;
    if (data == NULL) {
        if (unlink(path) != 0 && errno != ENOENT && errno != ENOTDIR)
            return -1;
        return 0;
    }
    make_parents(path, strlen(folder) + 1);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, secret ? 0600 : 0644);
    if (fd < 0)
        return -1;
    int result = write_all(fd, data, len);
    if (close(fd) != 0 || result != 0 || rename(temporary, path) != 0) {
        unlink(temporary);
        return -1;
    }
    return sync_folder_of(path);
}
