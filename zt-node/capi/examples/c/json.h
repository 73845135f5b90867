/*
 * One JSON object per line on standard output: what a host tells whoever runs it.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef EXAMPLE_JSON_H
#define EXAMPLE_JSON_H

#include <stddef.h>
#include <sys/socket.h>

/* Begins a line: {"event":"NAME","ms":NOW, with the milliseconds of clock.h. */
void json_begin(const char *event);

/* Goes on with a member. The key must need no escapes; the text may hold anything. */
void json_text(const char *key, const char *text);
void json_number(const char *key, long long number);
void json_real(const char *key, double number);
void json_bool(const char *key, int value);

/* A network number as 16 hex digits, and the address of a node as 10. */
void json_network(const char *key, unsigned long long nwid);
void json_node(const char *key, unsigned long long address);

/* An address as "IP/PORT"; addresses of devices keep their prefix length in the port. */
void json_address(const char *key, const struct sockaddr_storage *address);

/* An array or an object inside the line. Members of arrays have a NULL key. */
void json_open(const char *key, char bracket);
void json_close(char bracket);

/* Ends the line and hands it out at once. */
void json_end(void);

/* "IP/PORT" of an address, or "?". Returns text. */
char *address_text(const struct sockaddr_storage *address, char *text, size_t cap);

#endif
