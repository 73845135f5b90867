/*
 * Assertions of the C tests: they print where they stand and what was expected, and end the program.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition);  \
            exit(1);                                                                  \
        }                                                                             \
    } while (0)

/* Integers of any type. */
#define CHECK_INT(value, wanted)                                                                                     \
    do {                                                                                                             \
        const long long check_value = (long long)(value);                                                            \
        const long long check_wanted = (long long)(wanted);                                                          \
        if (check_value != check_wanted) {                                                                           \
            fprintf(stderr, "%s:%d: expected %s to be %s = %lld, and it is %lld\n", __FILE__, __LINE__, #value,      \
                    #wanted, check_wanted, check_value);                                                             \
            exit(1);                                                                                                 \
        }                                                                                                            \
    } while (0)

/* The value lies between two bounds, both included. */
#define CHECK_RANGE(value, least, most)                                                                              \
    do {                                                                                                             \
        const long long check_value = (long long)(value);                                                            \
        if (check_value < (long long)(least) || check_value > (long long)(most)) {                                   \
            fprintf(stderr, "%s:%d: expected %s between %lld and %lld, and it is %lld\n", __FILE__, __LINE__,        \
                    #value, (long long)(least), (long long)(most), check_value);                                     \
            exit(1);                                                                                                 \
        }                                                                                                            \
    } while (0)

#define CHECK_TEXT(value, wanted)                                                                                    \
    do {                                                                                                             \
        const char *check_value = (value);                                                                           \
        const char *check_wanted = (wanted);                                                                         \
        if (check_value == NULL || strcmp(check_value, check_wanted) != 0) {                                         \
            fprintf(stderr, "%s:%d: expected %s to be \"%s\", and it is \"%s\"\n", __FILE__, __LINE__, #value,       \
                    check_wanted, check_value == NULL ? "(NULL)" : check_value);                                     \
            exit(1);                                                                                                 \
        }                                                                                                            \
    } while (0)

#endif
