/*
 * One JSON object per line on standard output.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#define _GNU_SOURCE
#include "json.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "clock.h"

/* Whether the next member needs no comma before it. */
static int first = 1;

static void quoted(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            printf("\\%c", byte);
        else if (byte < 0x20)
            printf("\\u%04x", byte);
        else
            putchar(byte);
    }
    putchar('"');
}

static void member(const char *key)
{
    if (!first)
        putchar(',');
    first = 0;
    if (key != NULL) {
        quoted(key);
        putchar(':');
    }
}

void json_begin(const char *event)
{
    putchar('{');
    first = 1;
    json_text("event", event);
    json_number("ms", (long long)clock_now());
}

void json_text(const char *key, const char *text)
{
    member(key);
    quoted(text);
}

void json_number(const char *key, long long number)
{
    member(key);
    printf("%lld", number);
}

void json_real(const char *key, double number)
{
    member(key);
    printf("%.3f", number);
}

void json_bool(const char *key, int value)
{
    member(key);
    fputs(value ? "true" : "false", stdout);
}

void json_network(const char *key, unsigned long long nwid)
{
    member(key);
    printf("\"%016llx\"", nwid);
}

void json_node(const char *key, unsigned long long address)
{
    member(key);
    printf("\"%010llx\"", address);
}

void json_address(const char *key, const struct sockaddr_storage *address)
{
    char text[80];
    json_text(key, address_text(address, text, sizeof text));
}

void json_open(const char *key, char bracket)
{
    member(key);
    putchar(bracket);
    first = 1;
}

void json_close(char bracket)
{
    putchar(bracket);
    first = 0;
}

void json_end(void)
{
    puts("}");
    fflush(stdout);
}

char *address_text(const struct sockaddr_storage *address, char *text, size_t cap)
{
    char ip[INET6_ADDRSTRLEN] = "?";
    unsigned int port = 0;
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        inet_ntop(AF_INET, &in->sin_addr, ip, sizeof ip);
        port = ntohs(in->sin_port);
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
        inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof ip);
        port = ntohs(in6->sin6_port);
    }
    snprintf(text, cap, "%s/%u", ip, port);
    return text;
}
