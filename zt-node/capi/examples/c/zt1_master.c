/*
 * A network that this program is the controller of.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#define _GNU_SOURCE
#include "zt1_master.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_EVERY_MS 500

static int post(struct master *master, const char *path, const char *body)
{
    char *answer = NULL;
    int status = ZT1_NetconfMaster_request(master->handle, "POST", path, body, strlen(body), &answer);
    if (status != 200)
        fprintf(stderr, "the controller answers %d to POST %s: %s\n", status, path, answer ? answer : "");
    ZT1_Node_freeQueryResult(answer);
    return status == 200 ? 0 : -1;
}

int master_create(struct master *master, ZT1_Node *node, uint64_t own_address, const char *settings)
{
    master->handle = ZT1_NetconfMaster_new();
    if (ZT1_Node_enableNetconfMaster(node, master->handle) != ZT1_OK) {
        fprintf(stderr, "the node does not take the controller\n");
        return -1;
    }
    if (master->network == 0)
        master->network = own_address << 24 | 1;
    char path[64];
    snprintf(path, sizeof path, "/controller/network/%016llx", (unsigned long long)master->network);
    return post(master, path, settings) == 0 ? master_admit(master, own_address) : -1;
}

static bool is_admitted(const struct master *master, uint64_t address)
{
    for (unsigned int i = 0; i < master->admitted_count; i++) {
        if (master->admitted[i] == address)
            return true;
    }
    return false;
}

int master_admit(struct master *master, uint64_t address)
{
    if (is_admitted(master, address))
        return 0;
    if (master->admitted_count == MASTER_MAX_ADMITTED) {
        fprintf(stderr, "the network is full: an example lets in %d members\n", MASTER_MAX_ADMITTED);
        return -1;
    }
    char path[96];
    snprintf(path, sizeof path, "/controller/network/%016llx/member/%010llx", (unsigned long long)master->network,
             (unsigned long long)address);
    if (post(master, path, "{\"authorized\":true}") != 0)
        return -1;
    master->admitted[master->admitted_count++] = address;
    return 0;
}

void master_turn(struct master *master, uint64_t now)
{
    if (!master->admit_all || now < master->next_look || master->admitted_count == MASTER_MAX_ADMITTED)
        return;
    master->next_look = now + LOOK_EVERY_MS;
    char path[64], *members = NULL;
    snprintf(path, sizeof path, "/controller/network/%016llx/member", (unsigned long long)master->network);
    if (ZT1_NetconfMaster_request(master->handle, "GET", path, NULL, 0, &members) == 200 && members != NULL) {
        /* {"1122334455":1,"66778899aa":3}: addresses, and revisions that do not matter here. */
        for (const char *key = strchr(members, '"'); key != NULL; key = strchr(key, '"')) {
            char *end;
            uint64_t address = strtoull(key + 1, &end, 16);
            if (end == key + 11 && *end == '"')
                master_admit(master, address);
            key = end + 1;
        }
    }
    ZT1_Node_freeQueryResult(members);
}
