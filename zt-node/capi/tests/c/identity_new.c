/*
 * Nodes that make their own identity: slow, so it has a program of its own.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "zt_rig.h"
#include "zt1_rig.h"

int main(void)
{
    static struct zt1 zt1;
    static struct zt zt;
    zt1_start(&zt1, "10.0.0.4", NULL, PLANET, PLANET_LENGTH);
    const struct object *secret = store_find(&zt1.store, "identity.secret");
    const struct object *public = store_find(&zt1.store, "identity.public");
    CHECK(secret != NULL && public != NULL);
    CHECK_INT(secret->secure, 1);
    CHECK_INT(public->secure, 0);
    CHECK(memcmp(secret->bytes, public->bytes, public->length) == 0);
    struct ZT1_Node_Status status;
    CHECK_INT(ZT1_Node_status(zt1.node, &status), ZT1_OK);
    CHECK_INT(public->length, strlen(status.publicIdentity));
    CHECK(memcmp(public->bytes, status.publicIdentity, public->length) == 0);
    CHECK(strncmp(status.publicIdentity, status.address, 10) == 0);
    uint64_t address = status.rawAddress;
    zt1_stop(&zt1);
    CHECK_INT(zt1_open(&zt1), ZT1_OK);
    CHECK_INT(ZT1_Node_status(zt1.node, &status), ZT1_OK);
    CHECK_INT(status.rawAddress, address);

    zt_start(&zt, "10.0.0.5", NULL, PLANET, PLANET_LENGTH);
    CHECK_INT(zt.puts[ZT_STATE_OBJECT_IDENTITY_SECRET], 1);
    CHECK_INT(zt.puts[ZT_STATE_OBJECT_IDENTITY_PUBLIC], 1);
    address = ZT_Node_address(zt.node);
    CHECK(address != 0 && address != status.rawAddress);
    zt_stop(&zt);
    CHECK_INT(zt_open(&zt), ZT_RESULT_OK);
    CHECK_INT(ZT_Node_address(zt.node), address);
    CHECK_INT(zt.puts[ZT_STATE_OBJECT_IDENTITY_SECRET], 1);

    /* One made beforehand is the one that the node has. */
    char text[512], small[16];
    memset(small, 'x', sizeof small);
    CHECK_INT(ZT1_newIdentity(NULL, sizeof text), ZT1_ERROR_BAD_PARAMETER);
    CHECK_INT(ZT1_newIdentity(small, sizeof small), ZT1_ERROR_BAD_PARAMETER);
    CHECK(memchr(small, ':', sizeof small) == NULL);
    CHECK_INT(ZT1_newIdentity(text, sizeof text), ZT1_OK);
    CHECK_RANGE(strlen(text), 270, 271);
    zt1_stop(&zt1);
    store_set(&zt1.store, "identity.secret", text, strlen(text));
    CHECK_INT(zt1_open(&zt1), ZT1_OK);
    CHECK_INT(ZT1_Node_status(zt1.node, &status), ZT1_OK);
    CHECK(strncmp(status.address, text, 10) == 0);
    zt1_end(&zt1);
    zt_end(&zt);
    return 0;
}
