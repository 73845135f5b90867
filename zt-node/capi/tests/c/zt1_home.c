/*
 * What the header of 2015 has by itself: a node with files under homePath, pointers to callbacks, and run by the
 * system's clock. With it the roles: the files hold a moon, and its root is a HUB.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "zt1_rig.h"

#include <ftw.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct zt1 root, hub, master, home;
static char folder[] = "home-XXXXXX";
static unsigned ports, deleted, statuses;
static struct ZT1_VirtualPortConfig last;
static int last_family;

static void on_port(uint64_t nwid, const struct ZT1_VirtualPortConfig *config)
{
    ports++;
    if (config == NULL) {
        deleted++;
        return;
    }
    CHECK_INT(config->networkId, nwid);
    last = *config;
    last_family = config->assignedAddressCount > 0 ? config->assignedAddresses[0].ss_family : 0;
}

static void on_status(enum ZT1_StatusCode code, const char *text, const void *extra)
{
    statuses++;
    CHECK_INT(code, ZT1_STATUS_ONLINE);
    CHECK(text != NULL);
    CHECK(extra == NULL);
}

static void write_file(const char *name, const void *data, size_t length)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    CHECK_INT(fwrite(data, 1, length, file), length);
    CHECK_INT(fclose(file), 0);
}

static bool has_file(const char *name, int mode)
{
    char path[256];
    struct stat found;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return stat(path, &found) == 0 && (mode == 0 || (int)(found.st_mode & 0777) == mode);
}

static void make_folder(void)
{
    char name[64];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(name, sizeof name, "%s/moons.d", folder);
    CHECK_INT(mkdir(name, 0755), 0);
    write_file("identity.secret", ALICE_SECRET, strlen(ALICE_SECRET));
    write_file("planet", PLANET, PLANET_LENGTH);
    snprintf(name, sizeof name, "moons.d/%016" PRIx64 ".moon", HUB);
    write_file(name, MOON, MOON_LENGTH);
}

static int remove_entry(const char *path, const struct stat *found, int kind, struct FTW *place)
{
    (void)found;
    (void)kind;
    (void)place;
    return remove(path);
}

static void open_node(void)
{
    ZT1_VirtualPortConfigCallback port_callback = on_port;
    ZT1_StatusCallback status_callback = on_status;
    home.node = (ZT1_Node *)1;
    CHECK_INT(ZT1_Node_new(&home.node, folder, &port_callback, &status_callback), ZT1_OK);
    CHECK(home.node != NULL);
    /* They were read during the call. */
    port_callback = NULL;
    status_callback = NULL;
    home.place.due = 0;
}

/* A turn by the system's clock; what it sends goes nowhere. */
static unsigned run_now(void)
{
    const struct ZT1_WireMessage *wires;
    const struct ZT1_VirtualLanFrame *frames;
    unsigned wire_count, frame_count;
    unsigned long wait;
    CHECK_INT(ZT1_Node_run(NULL, 0, NULL, 0, &wires, &wire_count, &frames, &frame_count, &wait), ZT1_OK);
    CHECK_RANGE(wait, 1, 60000);
    CHECK_INT(frame_count, 0);
    CHECK((wire_count == 0) == (wires == NULL));
    return wire_count;
}

static void roles(void)
{
    struct ZT1_Node_Peer peer;
    struct ZT1_Node_PhysicalPath path[4];
    CHECK(zt1_peer(&home, ROOT, &peer, path, 4));
    CHECK_INT(peer.role, ZT1_Node_Peer_SUPERNODE);
    CHECK(zt1_peer(&home, HUB, &peer, path, 4));
    CHECK_INT(peer.role, ZT1_Node_Peer_HUB);
    CHECK(peer.numPaths > 0);
    CHECK(path[0].fixed);
    CHECK_TEXT(path[0].address.ascii, "10.0.0.2");
    CHECK(zt1_peer(&home, MASTER, &peer, path, 4));
    CHECK_INT(peer.role, ZT1_Node_Peer_NODE);
    struct ZT1_Node_Status status;
    CHECK_INT(ZT1_Node_status(home.node, &status), ZT1_OK);
    CHECK_INT(status.supernodes, 1);
    CHECK_INT(status.knownPeers, 3);
}

int main(void)
{
    const struct ZT1_WireMessage *wires;
    const struct ZT1_VirtualLanFrame *frames;
    unsigned wire_count, frame_count;
    unsigned long wait;
    CHECK_INT(ZT1_Node_run(NULL, 0, NULL, 0, &wires, &wire_count, &frames, &frame_count, &wait),
              ZT1_ERROR_BAD_PARAMETER);
    make_folder();
    rig_now = (uint64_t)time(NULL) * 1000;
    zt1_start(&root, "10.0.0.1", ROOT_SECRET, PLANET, PLANET_LENGTH);
    zt1_start(&hub, "10.0.0.2", HUB_SECRET, PLANET, PLANET_LENGTH);
    zt1_start(&master, "10.0.0.3", MASTER_SECRET, PLANET, PLANET_LENGTH);
    zt1_serve(&master);
    const uint64_t lan = zt1_network(&master, 1);
    zt1_authorise(&master, lan, ALICE, true);

    /* Its rig is that of the others, but the node is made here. */
    zt1_start(&home, "10.0.0.4", EVE_SECRET, PLANET, PLANET_LENGTH);
    CHECK_INT(ZT1_Node_delete(home.node), ZT1_OK);
    open_node();
    CHECK(has_file("identity.public", 0644));
    CHECK(run_now() > 0);
    CHECK_INT(statuses, 0);
    /* The rig's clock goes on from there. */
    rig_now = ((uint64_t)time(NULL) + 2) * 1000;
    CHECK_INT(ZT1_Node_join(home.node, lan), ZT1_OK);
    RIG_UNTIL(zt1_network_status(&home, lan) == ZT1_Node_Network_OK, 20000);
    CHECK(statuses >= 1);
    CHECK(ports >= 2);
    CHECK_INT(last.networkId, lan);
    CHECK_INT(last.status, ZT1_VirtualPortConfig_STATUS_AUTHORIZED);
    CHECK_INT(last.assignedAddressCount, 1);
    CHECK_INT(last_family, AF_INET);
    rig_run(2000);
    roles();
    char name[64];
    snprintf(name, sizeof name, "networks.d/%016" PRIx64 ".conf", lan);
    CHECK(has_file(name, 0644));
    CHECK(has_file("identity.secret", 0));

    /* A second node under the same folder: the first is deleted, and its networks come back by themselves. */
    CHECK_INT(ZT1_Node_delete(home.node), ZT1_OK);
    CHECK_INT(ZT1_Node_run(NULL, 0, NULL, 0, &wires, &wire_count, &frames, &frame_count, &wait),
              ZT1_ERROR_BAD_PARAMETER);
    snprintf(name, sizeof name, "peers.d/%010" PRIx64 ".peer", MASTER);
    CHECK(has_file(name, 0));
    ports = 0;
    memset(&last, 0, sizeof last);
    open_node();
    (void)run_now();
    CHECK_INT(ports, 1);
    CHECK_INT(last.status, ZT1_VirtualPortConfig_STATUS_AUTHORIZED);
    CHECK_INT(last.assignedAddressCount, 1);
    struct ZT1_Node_Status status;
    CHECK_INT(ZT1_Node_status(home.node, &status), ZT1_OK);
    CHECK_INT(status.rawAddress, ALICE);
    CHECK_INT(ZT1_Node_leave(home.node, lan), ZT1_OK);
    snprintf(name, sizeof name, "networks.d/%016" PRIx64 ".conf", lan);
    CHECK(!has_file(name, 0));
    (void)run_now();
    CHECK_INT(deleted, 1);
    CHECK_INT(ZT1_Node_delete(home.node), ZT1_OK);
    home.node = NULL;

    /* Callbacks are optional on both levels. */
    ZT1_VirtualPortConfigCallback none = NULL;
    CHECK_INT(ZT1_Node_new(&home.node, folder, &none, NULL), ZT1_OK);
    CHECK_INT(ZT1_Node_join(home.node, lan), ZT1_OK);
    (void)run_now();
    CHECK_INT(ZT1_Node_delete(home.node), ZT1_OK);
    home.node = NULL;

    int major = -1, minor = -1, revision = -1;
    ZT1_version(&major, &minor, &revision);
    CHECK(major >= 0 && minor >= 0 && revision >= 0);
    CHECK(major + minor + revision > 0);
    ZT1_version(NULL, NULL, NULL);
    zt1_end(&home);
    zt1_end(&master);
    zt1_end(&hub);
    zt1_end(&root);
    CHECK_INT(nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
    return 0;
}
