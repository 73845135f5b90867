/*
 * The network core as a C library, in the interface of March 2015 (prefix ZT1_).
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A node has no socket, no thread and no timer of its own. The host hands it the packets and frames that arrived,
 * in one call of ZT1_Node_run, and gets those to send and to deliver. The interface with prefix ZT_ is in the
 * other header of this name; both may be included in one file.
 *
 * Handles. ZT1_Node * and ZT1_NetconfMaster * are looked up in a table and never dereferenced: one that is NULL,
 * stale or foreign gives an error.
 *
 * Threads. Every function may be called from any thread. For one node only one run may be going on; a second one,
 * from another thread or from a callback, gives ZT1_ERROR_BUSY and does nothing.
 *
 * Callbacks come on the calling thread, from within new, newWithStore, run and runAt (those of the data store from
 * join, leave and requests to a controller too). No lock is held meanwhile; a callback may call every function of
 * this header except run and runAt.
 *
 * Numbers. Times are milliseconds; lengths are bytes; network numbers are 64 bits; addresses of nodes are the low 40
 * and MACs the low 48 bits of a uint64_t, most significant byte first. All integers are in host order.
 *
 * Desperation and spam. Links have levels: each input packet carries the level of the link it came by; level 0 UDP,
 * 1 TCP tunnel, 2 HTTP relay, negative raw Ethernet. The core raises its level by one every 5 s without an answer,
 * up to 2 or the highest level ever heard; probes for better levels carry the spam flag (send over every level up to
 * the given one); level 0 is back within 5 s of an answer there; the status callback reports every change. Addresses
 * stay those of the final UDP endpoint; the host's link carries the datagram unchanged; an AF_PACKET address is a
 * path of type ETHERNET; at level 1 a path heard first is TCP_IN, one sent to first is TCP_OUT.
 */
#ifndef ZTCORE_ZT1_ZEROTIERONE_H
#define ZTCORE_ZT1_ZEROTIERONE_H

#include <stdint.h>

#ifndef __cplusplus
#include <stdbool.h>
#endif

/* The structure that holds a socket address. A port without one may define its own before it includes this header;
 * it must be laid out as the library was built with. */
#ifndef ZT_SOCKADDR_STORAGE
#ifdef _WIN32
#include <winsock2.h>
#include <ws2tcpip.h>
#else
#include <sys/socket.h>
#endif
#define ZT_SOCKADDR_STORAGE struct sockaddr_storage
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Enumerations ---------------------------------------------------------------------------------------------- */

/* What functions return. Below 1000 and not 0: fatal, the node should be deleted. */
enum ZT1_ReturnValue {
    /* Done. */
    ZT1_OK = 0,
    /* Another node holds our address with another key. Found while running; the next run returns it. Delete the
     * identity and start again. */
    ZT1_FATAL_ERROR_IDENTITY_COLLISION = 1,
    /* No memory. */
    ZT1_FATAL_ERROR_OUT_OF_MEMORY = 2,
    /* The data store refuses writes, or failed in another way. */
    ZT1_FATAL_ERROR_DATA_STORE_NOT_WRITABLE = 3,

    /* Addition: a NULL, length, handle or name that cannot be used. Nothing was done. */
    ZT1_ERROR_BAD_PARAMETER = 1000,
    /* Addition: another thread, or the caller of this callback, is inside run. Nothing was done. */
    ZT1_ERROR_BUSY = 1001,
    /* Addition: the node is not a member of that network. */
    ZT1_ERROR_NETWORK_NOT_FOUND = 1002,
    /* Addition: a fault of this library, contained. The node should be deleted. */
    ZT1_ERROR_INTERNAL = 1003
};

/* What the status callback reports. */
enum ZT1_StatusCode {
    /* Something upstream answers. extra is NULL. */
    ZT1_STATUS_ONLINE = 1,
    /* Nothing upstream answers any more. extra is NULL. */
    ZT1_STATUS_OFFLINE = 2,
    /* The desperation of the core changed. extra points to an int, the new level. */
    ZT1_STATUS_DESPERATION_CHANGE = 3
};

/* Kind of an address. */
enum ZT1_Node_PhysicalAddressType {
    /* None. */
    ZT1_Node_PhysicalAddress_TYPE_NULL = 0,
    /* IPv4: 4 bytes of bits. */
    ZT1_Node_PhysicalAddress_TYPE_IPV4 = 1,
    /* IPv6: 16 bytes of bits. */
    ZT1_Node_PhysicalAddress_TYPE_IPV6 = 2,
    /* Ethernet: 6 bytes of bits. */
    ZT1_Node_PhysicalAddress_TYPE_ETHERNET = 3
};

/* Transport of a path. */
enum ZT1_Node_PhysicalPathType {
    /* None. */
    ZT1_Node_PhysicalPath_TYPE_NULL = 0,
    /* UDP. */
    ZT1_Node_PhysicalPath_TYPE_UDP = 1,
    /* A TCP tunnel on which we sent first. */
    ZT1_Node_PhysicalPath_TYPE_TCP_OUT = 2,
    /* A TCP tunnel on which we heard first. */
    ZT1_Node_PhysicalPath_TYPE_TCP_IN = 3,
    /* Raw frames on a trusted backplane. */
    ZT1_Node_PhysicalPath_TYPE_ETHERNET = 4
};

/* Role of a peer. */
enum ZT1_Node_PeerRole {
    /* A root of the planet. */
    ZT1_Node_Peer_SUPERNODE = 0,
    /* A root of a moon. */
    ZT1_Node_Peer_HUB = 1,
    /* Any other node. */
    ZT1_Node_Peer_NODE = 2
};

/* State of a network. */
enum ZT1_Node_NetworkStatus {
    /* No port yet. */
    ZT1_Node_Network_INITIALIZING = 0,
    /* Waits for its first configuration. */
    ZT1_Node_Network_WAITING_FOR_FIRST_AUTOCONF = 1,
    /* Configured; frames flow. */
    ZT1_Node_Network_OK = 2,
    /* The controller refuses us. */
    ZT1_Node_Network_ACCESS_DENIED = 3,
    /* The controller knows no such network. */
    ZT1_Node_Network_NOT_FOUND = 4,
    /* The host could not open the port (ZT1_Node_setPort). */
    ZT1_Node_Network_INITIALIZATION_FAILED = 5,
    /* The host has no device left for the port (ZT1_Node_setPort with ZT1_PORT_NO_MORE_DEVICES). */
    ZT1_Node_Network_NO_MORE_DEVICES = 6
};

/* ---- Structures ------------------------------------------------------------------------------------------------ */

/* A node; opaque. */
typedef void ZT1_Node;

/* A packet that came in, or that is to be sent. */
struct ZT1_WireMessage {
    /* Sender or receiver: always the final UDP endpoint (or AF_PACKET address), whatever link carries the packet. */
    ZT_SOCKADDR_STORAGE remoteAddress;
    /* In: the level of the link the packet came by. Out: the worst level it may go by. See the top of this file. */
    int desperation;
    /* Out: not 0 = send it over every level from the lowest up to desperation; 0 = over that of exactly desperation.
     * In: ignored. */
    int spam;
    /* The datagram. In: read during run only. Out: belongs to the node until its next run. */
    const void *packetData;
    /* Its length in bytes, at most 65535. */
    unsigned int packetLength;
};

/* An Ethernet frame of a virtual network that came from the port, or that is to be delivered to it. */
struct ZT1_VirtualLanFrame {
    /* The network. */
    uint64_t networkId;
    /* Sending MAC. */
    uint64_t sourceMac;
    /* Receiving MAC. */
    uint64_t destMac;
    /* Ethernet type. */
    unsigned int etherType;
    /* VLAN, 0 = none. Frames of a VLAN are not carried. */
    unsigned int vlanId;
    /* What follows the Ethernet header. In: read during run only. Out: belongs to the node until its next run. */
    const void *frameData;
    /* Its length in bytes, at most 10000; frames longer than the mtu of the port are dropped. */
    unsigned int frameLength;
};

/* Configuration of a port: what the host sets its network device to. */
struct ZT1_VirtualPortConfig {
    /* The network. */
    uint64_t networkId;
    /* MAC of the port. */
    uint64_t mac;
    /* State of our membership. */
    enum {
        /* No configuration yet. */
        ZT1_VirtualPortConfig_STATUS_WAITING = 0,
        /* A member, with a configuration. */
        ZT1_VirtualPortConfig_STATUS_AUTHORIZED = 1,
        /* The controller refuses us, or wants a person to sign in. */
        ZT1_VirtualPortConfig_STATUS_ACCESS_DENIED = 2,
        /* The controller knows no such network. */
        ZT1_VirtualPortConfig_STATUS_NOT_FOUND = 3
    } status;
    /* Kind of the network. */
    enum {
        /* Members need authorisation. */
        ZT1_VirtualPortConfig_NETWORK_TYPE_PRIVATE = 0,
        /* Open to everybody. */
        ZT1_VirtualPortConfig_NETWORK_TYPE_PUBLIC = 1
    } type;
    /* Largest payload of a frame in bytes. */
    unsigned int mtu;
    /* Not 0: addresses come by DHCP. Always 0. */
    int dhcp;
    /* Not 0: the port may send frames of other MACs. */
    int bridge;
    /* Revision of the configuration, 0 = still waiting. */
    unsigned long netconfRevision;
    /* Addresses to set; the port field (network order) is the prefix length. Not to be followed if the count is 0. */
    const ZT_SOCKADDR_STORAGE *assignedAddresses;
    /* How many. */
    unsigned int assignedAddressCount;
    /* Name of the network, NUL-terminated, never NULL. */
    const char *networkName;
};

/* State of a node. */
struct ZT1_Node_Status {
    /* Public identity as text, NUL-terminated. */
    char publicIdentity[256];
    /* Address as 10 hex digits, NUL-terminated. */
    char address[16];
    /* Address. */
    uint64_t rawAddress;
    /* Peers we know, with supernodes. */
    unsigned int knownPeers;
    /* Supernodes among them. */
    unsigned int supernodes;
    /* Those of alivePeers to which a direct path works. */
    unsigned int directlyConnectedPeers;
    /* Peers heard in the last 2 minutes, directly or not. */
    unsigned int alivePeers;
    /* Share of alivePeers that directlyConnectedPeers are, 0 to 1; 0 if there are none. */
    float directLinkSuccessRate;
    /* Something upstream answers. */
    bool online;
    /* The node runs. If false the rest means nothing. */
    bool running;
    /* The node has its identity. */
    bool initialized;
};

/* An address of a path, or one assigned to a port. */
struct ZT1_Node_PhysicalAddress {
    /* Kind. */
    enum ZT1_Node_PhysicalAddressType type;
    /* The address in network order: 4, 16 or 6 bytes, the rest 0. */
    unsigned char bits[16];
    /* UDP port; for an assigned address the prefix length. */
    unsigned int port;
    /* The address as text, NUL-terminated. */
    char ascii[64];
    /* Zone of a link-local IPv6 address (what follows a per cent sign), NUL-terminated, otherwise empty. */
    char zoneIndex[16];
};

/* A path to a peer. */
struct ZT1_Node_PhysicalPath {
    /* Transport. */
    enum ZT1_Node_PhysicalPathType type;
    /* Where it leads. */
    struct ZT1_Node_PhysicalAddress address;
    /* When we sent last: milliseconds ago, -1 = never. */
    long lastSend;
    /* When we heard last: milliseconds ago, -1 = never. */
    long lastReceive;
    /* When we probed last: milliseconds ago, -1 = never. */
    long lastPing;
    /* The path works. */
    bool active;
    /* The path is a stable endpoint of a root; it is not forgotten. */
    bool fixed;
};

/* A peer. */
struct ZT1_Node_Peer {
    /* Version as major.minor.revision, or empty if not known; NUL-terminated. */
    char remoteVersion[16];
    /* Address as 10 hex digits, NUL-terminated. */
    char address[16];
    /* Address. */
    uint64_t rawAddress;
    /* Round trip in milliseconds, 0 = not known. */
    unsigned int latency;
    /* Role. */
    enum ZT1_Node_PeerRole role;
    /* Paths, part of the same answer. Not to be followed if numPaths is 0. */
    struct ZT1_Node_PhysicalPath *paths;
    /* How many. */
    unsigned int numPaths;
};

/* All peers. Free it whole, by this structure, with ZT1_Node_freeQueryResult. */
struct ZT1_Node_PeerList {
    /* The peers, ordered by address. Not to be followed if numPeers is 0. */
    struct ZT1_Node_Peer *peers;
    /* How many. */
    unsigned int numPeers;
};

/* A network that the node joined. */
struct ZT1_Node_Network {
    /* The network. */
    uint64_t nwid;
    /* The same as 16 hex digits, NUL-terminated. */
    char nwidHex[32];
    /* Name that its controller gave it, NUL-terminated. */
    char name[256];
    /* Description, NUL-terminated; empty if the controller sends none. */
    char description[4096];
    /* Name of the host's device (ZT1_Node_setPort), NUL-terminated. */
    char device[256];
    /* State in words, NUL-terminated. */
    char statusStr[64];
    /* MAC of the port as text, NUL-terminated. */
    char macStr[32];
    /* MAC of the port. */
    unsigned char mac[6];
    /* Age of the configuration in milliseconds, -1 = none yet. */
    long configAge;
    /* Addresses of the port, part of the same answer; port is the prefix length. Not to be followed if numIps is 0. */
    struct ZT1_Node_PhysicalAddress *ips;
    /* How many. */
    unsigned int numIps;
    /* State. */
    enum ZT1_Node_NetworkStatus status;
    /* The port may carry frames. */
    bool enabled;
    /* Members need authorisation. */
    bool isPrivate;
};

/* All networks. Free it whole, by this structure, with ZT1_Node_freeQueryResult. */
struct ZT1_Node_NetworkList {
    /* The networks. Not to be followed if numNetworks is 0. */
    struct ZT1_Node_Network *networks;
    /* How many. */
    unsigned int numNetworks;
};

/* ---- Functions ------------------------------------------------------------------------------------------------- */

/* A port is to be made or changed, or (config NULL) deleted. config and all it points to live during the call. */
typedef void (*ZT1_VirtualPortConfigCallback)(uint64_t networkId, const struct ZT1_VirtualPortConfig *config);

/* The state of the node changed. text is for people and may be NULL; extra depends on the code and may be NULL. Both
 * live during the call. */
typedef void (*ZT1_StatusCallback)(enum ZT1_StatusCode code, const char *text, const void *extra);

/*
 * Makes a node whose state lives in files under homePath and starts it.
 *
 * node               receives the handle; set to NULL first, and left so on errors
 * homePath           a directory, made if it is not there; the text is copied
 * portConfigCallback a pointer TO a function pointer, read during this call; NULL, or one to NULL, = no callback
 * statusCallback     the same
 *
 * Without a stored identity one is made, which can take seconds. Networks joined earlier are joined again. The node is
 * the one that ZT1_Node_run drives until the next ZT1_Node_new.
 *
 * ZT1_ERROR_BAD_PARAMETER: node or homePath NULL, or homePath empty. ZT1_FATAL_ERROR_DATA_STORE_NOT_WRITABLE: the
 * directory cannot be used, or holds an identity that is none.
 */
enum ZT1_ReturnValue ZT1_Node_new(
    ZT1_Node **node,
    const char *homePath,
    ZT1_VirtualPortConfigCallback *portConfigCallback,
    ZT1_StatusCallback *statusCallback);

/*
 * Makes the node a network controller. instance comes from ZT1_NetconfMaster_new. It serves this node until the node is
 * deleted, and stays the caller's to delete, before the node or after it.
 *
 * ZT1_ERROR_BAD_PARAMETER: instance is NULL, no controller of this library or that of another node, or the node has one
 * already. ZT1_FATAL_ERROR_DATA_STORE_NOT_WRITABLE: its networks cannot be read; the node goes on without it.
 */
enum ZT1_ReturnValue ZT1_Node_enableNetconfMaster(ZT1_Node *node, void *instance);

/*
 * One turn of the node that ZT1_Node_new made last, by the system's clock: packets and frames in, packets and frames
 * out.
 *
 * inputWireMessages, inputWireMessageCount       packets that arrived, in order; may be NULL with count 0
 * inputLanFrames, inputLanFrameCount             frames that the ports gave, in order; may be NULL with count 0
 * outputWireMessages, outputWireMessageCount     receive an array of packets to send, and its length
 * outputLanFrames, outputLanFrameCount           receive an array of frames to deliver to the ports, and its length
 * maxNextInterval                                receives the milliseconds after which the host must call again at
 *                                                the latest, at least 1
 *
 * The node takes the packets, then the frames, then does what is due. The arrays it returns, and the data they point
 * to, belong to it and are valid until its next run or its deletion. Input is copied: the host may reuse it at once.
 * With no input the host must call again after *maxNextInterval milliseconds at the latest, and may call earlier.
 * Packets and frames that mean nothing are dropped, one by one; their content never makes an error. An array with a
 * count of 0 may be NULL.
 *
 * Callbacks are called from within.
 *
 * ZT1_ERROR_BAD_PARAMETER: there is no node, an output pointer is NULL, an input array or a packet or frame in one is
 * NULL with a length, or a count (more than 1048576) or a length is out of bounds. ZT1_ERROR_BUSY: a run of this node
 * is going on. With these and ZT1_ERROR_INTERNAL the counts are 0, and no input was taken.
 * ZT1_FATAL_ERROR_IDENTITY_COLLISION: another node has our address. ZT1_FATAL_ERROR_DATA_STORE_NOT_WRITABLE: something
 * could not be kept; the next run tries again. With these two the turn was done, and the arrays are as ever.
 */
enum ZT1_ReturnValue ZT1_Node_run(
    const struct ZT1_WireMessage *inputWireMessages,
    unsigned int inputWireMessageCount,
    const struct ZT1_VirtualLanFrame *inputLanFrames,
    unsigned int inputLanFrameCount,
    const struct ZT1_WireMessage **outputWireMessages,
    unsigned int *outputWireMessageCount,
    const struct ZT1_VirtualLanFrame **outputLanFrames,
    unsigned int *outputLanFrameCount,
    unsigned long *maxNextInterval);

/* ---- Additions of this library ---------------------------------------------------------------------------------
 *
 * The interface of 2015 drives one node, cannot delete it, join a network or ask for the structures above. What
 * follows does, under names of its own, without a clock or a file: the host gives both.
 */

/* For ZT1_Node_setPort: the host has no device left. */
#define ZT1_PORT_NO_MORE_DEVICES (-2)

/*
 * Reads an object of the data store. Names are paths with '/', never "..", '\' or a leading '/': identity.secret,
 * identity.public, planet, moons.d/<16 hex>.moon, peers.d/<10 hex>.peer, networks.d/<16 hex>.conf, controller.d/...
 *
 * Copies at most cap bytes from startIndex on to buf, sets *totalSize to the size of the object and returns the bytes
 * copied; -1 if there is no such object, -2 on any other error. user is that of the host structure.
 */
typedef long (*ZT1_DataStoreGetFunction)(
    void *user,
    const char *name,
    void *buf,
    unsigned long cap,
    unsigned long startIndex,
    unsigned long *totalSize);

/*
 * Writes an object of the data store, or deletes it (data NULL and len 0). Returns 0 once it is durable, anything else
 * on errors. secure is 1 for what only we may read. data lives during the call.
 */
typedef int (*ZT1_DataStorePutFunction)(
    void *user,
    const char *name,
    const void *data,
    unsigned long len,
    int secure);

/* As ZT1_VirtualPortConfigCallback, with the host's pointer and the node. config NULL = deleted. */
typedef void (*ZT1_Node_PortConfigFunction)(
    void *user,
    ZT1_Node *node,
    uint64_t nwid,
    const struct ZT1_VirtualPortConfig *config);

/* As ZT1_StatusCallback, with the host's pointer and the node. */
typedef void (*ZT1_Node_StatusFunction)(
    void *user,
    ZT1_Node *node,
    enum ZT1_StatusCode code,
    const char *text,
    const void *extra);

/* The host of a node. Copied by ZT1_Node_newWithStore; what user points to must outlive the node. */
struct ZT1_Node_Host {
    /* Handed to every function below; may be NULL. */
    void *user;
    /* Required. */
    ZT1_DataStoreGetFunction dataStoreGet;
    /* Required. */
    ZT1_DataStorePutFunction dataStorePut;
    /* May be NULL. */
    ZT1_Node_PortConfigFunction portConfig;
    /* May be NULL. */
    ZT1_Node_StatusFunction status;
};

/* A network controller; opaque. What ZT1_Node_enableNetconfMaster takes. */
typedef void ZT1_NetconfMaster;

/*
 * Makes a node on a data store of the host. now is the host's clock at this moment: milliseconds from any epoch, never
 * going backwards. *node is set to NULL first, and left so on errors. Without a stored identity one is made, which can
 * take seconds. The host joins its networks again itself.
 *
 * ZT1_ERROR_BAD_PARAMETER: a NULL where one is not allowed. ZT1_FATAL_ERROR_DATA_STORE_NOT_WRITABLE: the store failed,
 * or holds an identity that is none.
 */
enum ZT1_ReturnValue ZT1_Node_newWithStore(ZT1_Node **node, uint64_t now, const struct ZT1_Node_Host *host);

/* ZT1_Node_run for any node, at a time that the host gives: by the clock of ZT1_Node_newWithStore, or for a node of
 * ZT1_Node_new in milliseconds since 1970. */
enum ZT1_ReturnValue ZT1_Node_runAt(
    ZT1_Node *node,
    uint64_t now,
    const struct ZT1_WireMessage *inputWireMessages,
    unsigned int inputWireMessageCount,
    const struct ZT1_VirtualLanFrame *inputLanFrames,
    unsigned int inputLanFrameCount,
    const struct ZT1_WireMessage **outputWireMessages,
    unsigned int *outputWireMessageCount,
    const struct ZT1_VirtualLanFrame **outputLanFrames,
    unsigned int *outputLanFrameCount,
    unsigned long *maxNextInterval);

/*
 * Deletes a node. The handle and the arrays that its run returned are invalid from then on, those of a run that is
 * going on (a callback may delete its node) included; query results are not, they are freed as ever. Its controller can
 * be given to another node. ZT1_ERROR_BAD_PARAMETER if there is no such node, as on a second call.
 */
enum ZT1_ReturnValue ZT1_Node_delete(ZT1_Node *node);

/* Joins a network, and keeps that in the data store. The port callback follows in a run. ZT1_OK also if the node is a
 * member already. */
enum ZT1_ReturnValue ZT1_Node_join(ZT1_Node *node, uint64_t nwid);

/* Leaves a network and deletes its configuration in the data store. The port callback follows in a run.
 * ZT1_ERROR_NETWORK_NOT_FOUND if the node is not a member. */
enum ZT1_ReturnValue ZT1_Node_leave(ZT1_Node *node, uint64_t nwid);

/*
 * Tells what became of the port of a network. device is the name of the host's device (NULL = none); error 0 = it is
 * open, ZT1_PORT_NO_MORE_DEVICES = none is left, any other value = it could not be opened.
 * ZT1_ERROR_NETWORK_NOT_FOUND if the node is not a member.
 */
enum ZT1_ReturnValue ZT1_Node_setPort(ZT1_Node *node, uint64_t nwid, const char *device, int error);

/*
 * Subscribes the port to a multicast group: a multicast MAC and 32 bits that divide it further (for IPv4 ARP the
 * broadcast MAC and the address in host order). Those of assigned IP addresses and of broadcasts are subscribed by the
 * node itself. ZT1_OK also if subscribed already. ZT1_ERROR_NETWORK_NOT_FOUND if the node is not a member.
 */
enum ZT1_ReturnValue ZT1_Node_multicastSubscribe(ZT1_Node *node, uint64_t nwid, uint64_t group, uint32_t adi);

/* Ends such a subscription. ZT1_OK also if there was none. ZT1_ERROR_NETWORK_NOT_FOUND as above. */
enum ZT1_ReturnValue ZT1_Node_multicastUnsubscribe(ZT1_Node *node, uint64_t nwid, uint64_t group, uint32_t adi);

/* Fills *status, the caller's own. */
enum ZT1_ReturnValue ZT1_Node_status(ZT1_Node *node, struct ZT1_Node_Status *status);

/* All peers at this moment, to be freed with ZT1_Node_freeQueryResult. NULL on errors. */
struct ZT1_Node_PeerList *ZT1_Node_peers(ZT1_Node *node);

/* All networks at this moment, to be freed with ZT1_Node_freeQueryResult. NULL on errors. */
struct ZT1_Node_NetworkList *ZT1_Node_networks(ZT1_Node *node);

/* Configuration of one network, to be freed with ZT1_Node_freeQueryResult. NULL if the node is not a member. */
struct ZT1_VirtualPortConfig *ZT1_Node_networkConfig(ZT1_Node *node, uint64_t nwid);

/* Frees what a query, or ZT1_NetconfMaster_request, returned. NULL and pointers that no query gave are ignored. */
void ZT1_Node_freeQueryResult(void *result);

/*
 * Makes a network controller. It keeps its networks in the data store of the node it is given to, under controller.d/,
 * and reads them from there. NULL on errors.
 */
ZT1_NetconfMaster *ZT1_NetconfMaster_new(void);

/* Deletes the handle of a controller. A node that has it goes on serving its networks until it is deleted itself.
 * ZT1_ERROR_BAD_PARAMETER if there is no such controller. */
enum ZT1_ReturnValue ZT1_NetconfMaster_delete(ZT1_NetconfMaster *master);

/*
 * Asks a controller as its HTTP interface would be asked: method (GET, POST, PUT, DELETE), path
 * (/controller/network/...) and a body of JSON with its length in bytes (NULL and 0 = none; at most 1048576). Returns
 * the HTTP status; 0 if no node has the controller or a parameter cannot be used. answer may be NULL; otherwise *answer
 * is set to NULL or to a NUL-terminated JSON text, to be freed with ZT1_Node_freeQueryResult.
 */
int ZT1_NetconfMaster_request(
    ZT1_NetconfMaster *master,
    const char *method,
    const char *path,
    const void *body,
    unsigned long bodyLength,
    char **answer);

/*
 * Makes a new identity, which takes up to a few seconds, and writes its secret text, NUL-terminated, into secret, which
 * has room for cap bytes; 512 are enough. Put it into a data store as identity.secret to let a node have it; the text
 * begins with the 10 digits of the address. Whoever knows it is the node: keep it secret.
 */
enum ZT1_ReturnValue ZT1_newIdentity(char *secret, unsigned long cap);

/* A root of a planet that is to be made. */
struct ZT1_PlanetRoot {
    /* Its identity, public or secret text. */
    const char *identity;
    /* The addresses (IPv4 or IPv6, with port) at which other nodes reach it, 1 to 32 of them. */
    const ZT_SOCKADDR_STORAGE *endpoints;
    /* How many. */
    unsigned int endpointCount;
};

/*
 * Makes a planet of 1 to 4 roots and writes it into planet, which has room for cap bytes; 8480 are enough. Returns its
 * length, or -1. now: milliseconds since 1970. Put it into the data store of every node as planet before the node is
 * made; roots are nodes like others. The planet is signed with a key that nobody keeps: to be able to change it later,
 * make it with "zt planet create" instead.
 */
long ZT1_newPlanet(
    uint64_t now,
    const struct ZT1_PlanetRoot *roots,
    unsigned int rootCount,
    void *planet,
    unsigned long cap);

/* Version of this library. Each pointer may be NULL. */
void ZT1_version(int *major, int *minor, int *revision);

#ifdef __cplusplus
}
#endif

#endif
