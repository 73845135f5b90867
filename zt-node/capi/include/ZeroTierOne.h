/*
 * The network core as a C library, in the interface of ZeroTier One 1.14.1 (prefix ZT_).
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A node has no socket, no thread and no timer of its own. The host hands it packets and frames as they arrive, calls
 * ZT_Node_processBackgroundTasks in time, and sends and delivers what the callbacks give. The interface of 2015 (prefix
 * ZT1_) is in the other header of this name; both may be included in one file.
 *
 * Handles. ZT_Node * and ZT_Controller * are looked up in a table and never dereferenced: one that is NULL, stale or
 * foreign gives an error, 0 or NULL.
 *
 * Threads. Every function may be called from several threads at once, except ZT_Node_delete: no other thread may be
 * inside the node then. ZT_Node_processBackgroundTasks excludes itself. Callbacks run on the calling thread, on several
 * threads at once if there are several callers, and with no lock of the library held. Those of the state store may come
 * from any call. Where a callback must not call back, its description says so.
 *
 * Numbers. Times are milliseconds from any epoch and should not go backwards; the last one that a function was given is
 * the node's clock. Lengths are bytes; network numbers are 64 bits; addresses of nodes are the low 40 and MACs the low
 * 48 bits of a uint64_t, most significant byte first. All integers are in host order unless said otherwise.
 *
 * Memory. Data that a callback gets lives during the callback; data that a function gets is copied or read during the
 * call. Query results are snapshots; ZT_Node_freeQueryResult frees each with all it points to.
 */
#ifndef ZTCORE_ZEROTIERONE_H
#define ZTCORE_ZEROTIERONE_H

#include <stdint.h>

#ifndef __cplusplus
#include <stdbool.h>
#endif

#ifdef _WIN32
#include <winsock2.h>
#include <ws2tcpip.h>
#else
#include <sys/socket.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Limits ---------------------------------------------------------------------------------------------------- */

#define ZT_DEFAULT_PORT 9993 /* Usual UDP port */
#define ZT_MIN_MTU 1280 /* Least MTU of a virtual network, bytes */
#define ZT_MAX_MTU 10000 /* Largest MTU of a virtual network, bytes */
#define ZT_MIN_PHYSMTU 1400 /* Least physical UDP payload, bytes */
#define ZT_DEFAULT_PHYSMTU 1432 /* Physical UDP payload unless configured, bytes */
#define ZT_MAX_PHYSPAYLOAD 10100 /* Largest physical payload without headroom, bytes */
#define ZT_MAX_HEADROOM 224 /* Headroom of a physical packet, bytes */
#define ZT_MAX_PHYSMTU (ZT_MAX_PHYSPAYLOAD + ZT_MAX_HEADROOM) /* Largest physical UDP payload, bytes */
#define ZT_MAX_PHYSIFNAME 256 /* Buffer of an interface name, bytes with NUL */
#define ZT_MAX_REMOTE_TRACE_SIZE 10000 /* Largest remote trace, bytes */
#define ZT_MAX_NETWORK_SHORT_NAME_LENGTH 127 /* Longest network name, bytes without NUL */
#define ZT_MAX_NETWORK_ROUTES 128 /* Routes of a network */
#define ZT_MAX_ZT_ASSIGNED_ADDRESSES 32 /* Addresses a network assigns to a member */
#define ZT_MAX_NETWORK_SPECIALISTS 256 /* Specialists of a network */
#define ZT_MAX_NETWORK_MULTICAST_SUBSCRIPTIONS 4096 /* Multicast groups of a network */
#define ZT_RULES_ENGINE_REVISION 1 /* Revision of the rules engine */
#define ZT_MAX_NETWORK_RULES 1024 /* Rules of a network */
#define ZT_MAX_NETWORK_CAPABILITIES 128 /* Capabilities of a member */
#define ZT_MAX_NETWORK_TAGS 128 /* Tags of a member */
#define ZT_MAX_PEER_NETWORK_PATHS 64 /* Paths of a peer */
#define ZT_MAX_CONFIGURABLE_PATHS 32 /* Path configurations a node keeps */
#define ZT_MAX_CAPABILITY_RULES 64 /* Rules of a capability */
#define ZT_MAX_CERTIFICATES_OF_OWNERSHIP 4 /* Certificates of ownership of a member */
#define ZT_MAX_CAPABILITY_CUSTODY_CHAIN_LENGTH 7 /* Custody chain of a capability */
#define ZT_MAX_MULTICAST_SUBSCRIPTIONS 1024 /* Multicast groups in a ZT_VirtualNetworkConfig */
#define ZT_PATH_LINK_QUALITY_MAX 0xff /* Best quality of a link */
#define ZT_MAX_DNS_SERVERS 4 /* Name servers of a network */

/* ---- Characteristics of packets, for ZT_NETWORK_RULE_MATCH_CHARACTERISTICS (uint64_t) --------------------------- */

#define ZT_RULE_PACKET_CHARACTERISTICS_INBOUND 0x8000000000000000ULL /* The packet came in */
#define ZT_RULE_PACKET_CHARACTERISTICS_MULTICAST 0x4000000000000000ULL /* The receiver is a multicast MAC */
#define ZT_RULE_PACKET_CHARACTERISTICS_BROADCAST 0x2000000000000000ULL /* The receiver is the broadcast MAC */
#define ZT_RULE_PACKET_CHARACTERISTICS_SENDER_IP_AUTHENTICATED 0x1000000000000000ULL /* The IP sender is certified */
#define ZT_RULE_PACKET_CHARACTERISTICS_SENDER_MAC_AUTHENTICATED 0x0800000000000000ULL /* The MAC is the sender's */
#define ZT_RULE_PACKET_CHARACTERISTICS_TCP_RESERVED_0 0x0000000000000800ULL /* First reserved TCP flag */
#define ZT_RULE_PACKET_CHARACTERISTICS_TCP_RESERVED_1 0x0000000000000400ULL /* Second reserved TCP flag */
#define ZT_RULE_PACKET_CHARACTERISTICS_TCP_RESERVED_2 0x0000000000000200ULL /* Third reserved TCP flag */
#define ZT_RULE_PACKET_CHARACTERISTICS_TCP_NS 0x0000000000000100ULL /* TCP NS */
#define ZT_RULE_PACKET_CHARACTERISTICS_TCP_CWR 0x0000000000000080ULL /* TCP CWR */
#define ZT_RULE_PACKET_CHARACTERISTICS_TCP_ECE 0x0000000000000040ULL /* TCP ECE */
#define ZT_RULE_PACKET_CHARACTERISTICS_TCP_URG 0x0000000000000020ULL /* TCP URG */
#define ZT_RULE_PACKET_CHARACTERISTICS_TCP_ACK 0x0000000000000010ULL /* TCP ACK */
#define ZT_RULE_PACKET_CHARACTERISTICS_TCP_PSH 0x0000000000000008ULL /* TCP PSH */
#define ZT_RULE_PACKET_CHARACTERISTICS_TCP_RST 0x0000000000000004ULL /* TCP RST */
#define ZT_RULE_PACKET_CHARACTERISTICS_TCP_SYN 0x0000000000000002ULL /* TCP SYN */
#define ZT_RULE_PACKET_CHARACTERISTICS_TCP_FIN 0x0000000000000001ULL /* TCP FIN */

/* ---- Remote traces: keys of the dictionary ---------------------------------------------------------------------- */

#define ZT_REMOTE_TRACE_FIELD__EVENT "event" /* Kind of event, 4 hex digits */
#define ZT_REMOTE_TRACE_FIELD__NODE_ID "nodeId" /* The node that reports */
#define ZT_REMOTE_TRACE_FIELD__PACKET_ID "packetId" /* Packet */
#define ZT_REMOTE_TRACE_FIELD__PACKET_VERB "packetVerb" /* Verb of the packet */
#define ZT_REMOTE_TRACE_FIELD__PACKET_TRUSTED_PATH_ID "packetTrustedPathId" /* Trusted path it named */
#define ZT_REMOTE_TRACE_FIELD__PACKET_TRUSTED_PATH_APPROVED "packetTrustedPathApproved" /* Whether we trust it */
#define ZT_REMOTE_TRACE_FIELD__PACKET_HOPS "packetHops" /* Relays it passed */
#define ZT_REMOTE_TRACE_FIELD__REMOTE_ZTADDR "remoteZtAddr" /* Address of the peer */
#define ZT_REMOTE_TRACE_FIELD__REMOTE_PHYADDR "remotePhyAddr" /* Physical address of the peer */
#define ZT_REMOTE_TRACE_FIELD__LOCAL_ZTADDR "localZtAddr" /* Our address */
#define ZT_REMOTE_TRACE_FIELD__LOCAL_PHYADDR "localPhyAddr" /* Our physical address */
#define ZT_REMOTE_TRACE_FIELD__LOCAL_SOCKET "localSocket" /* Socket of ours */
#define ZT_REMOTE_TRACE_FIELD__IP_SCOPE "phyAddrIpScope" /* Scope of the physical address */
#define ZT_REMOTE_TRACE_FIELD__NETWORK_ID "networkId" /* Network */
#define ZT_REMOTE_TRACE_FIELD__SOURCE_ZTADDR "sourceZtAddr" /* Sending node */
#define ZT_REMOTE_TRACE_FIELD__DEST_ZTADDR "destZtAddr" /* Receiving node */
#define ZT_REMOTE_TRACE_FIELD__SOURCE_MAC "sourceMac" /* Sending MAC */
#define ZT_REMOTE_TRACE_FIELD__DEST_MAC "destMac" /* Receiving MAC */
#define ZT_REMOTE_TRACE_FIELD__ETHERTYPE "etherType" /* Ethernet type */
#define ZT_REMOTE_TRACE_FIELD__VLAN_ID "vlanId" /* VLAN */
#define ZT_REMOTE_TRACE_FIELD__FRAME_LENGTH "frameLength" /* Length of the frame, bytes */
#define ZT_REMOTE_TRACE_FIELD__FRAME_DATA "frameData" /* Beginning of the frame */
#define ZT_REMOTE_TRACE_FIELD__FILTER_FLAG_NOTEE "filterNoTee" /* The frame is itself a copy */
#define ZT_REMOTE_TRACE_FIELD__FILTER_FLAG_INBOUND "filterInbound" /* The frame came in */
#define ZT_REMOTE_TRACE_FIELD__FILTER_RESULT "filterResult" /* Verdict of the rules */
#define ZT_REMOTE_TRACE_FIELD__FILTER_BASE_RULE_LOG "filterBaseRuleLog" /* Log of the network's rules */
#define ZT_REMOTE_TRACE_FIELD__FILTER_CAP_RULE_LOG "filterCapRuleLog" /* Log of a capability's rules */
#define ZT_REMOTE_TRACE_FIELD__FILTER_CAP_ID "filterMatchingCapId" /* Capability that matched */
#define ZT_REMOTE_TRACE_FIELD__CREDENTIAL_TYPE "credType" /* Kind of credential */
#define ZT_REMOTE_TRACE_FIELD__CREDENTIAL_ID "credId" /* Its number */
#define ZT_REMOTE_TRACE_FIELD__CREDENTIAL_TIMESTAMP "credTs" /* Its time */
#define ZT_REMOTE_TRACE_FIELD__CREDENTIAL_INFO "credInfo" /* More about it */
#define ZT_REMOTE_TRACE_FIELD__CREDENTIAL_ISSUED_TO "credIssuedTo" /* Its owner */
#define ZT_REMOTE_TRACE_FIELD__CREDENTIAL_REVOCATION_TARGET "credRevocationTarget" /* What is revoked */
#define ZT_REMOTE_TRACE_FIELD__REASON "reason" /* Reason in words */
#define ZT_REMOTE_TRACE_FIELD__NETWORK_CONTROLLER_ID "networkControllerId" /* Controller of the network */

/* ---- Remote traces: events, as numbers and (with _S) as the dictionary holds them ------------------------------- */

#define ZT_REMOTE_TRACE_EVENT__RESETTING_PATHS_IN_SCOPE 0x1000 /* The paths of an address scope are forgotten */
#define ZT_REMOTE_TRACE_EVENT__RESETTING_PATHS_IN_SCOPE_S "1000"
#define ZT_REMOTE_TRACE_EVENT__PEER_CONFIRMING_UNKNOWN_PATH 0x1001 /* A path is being probed */
#define ZT_REMOTE_TRACE_EVENT__PEER_CONFIRMING_UNKNOWN_PATH_S "1001"
#define ZT_REMOTE_TRACE_EVENT__PEER_LEARNED_NEW_PATH 0x1002 /* A path was learnt */
#define ZT_REMOTE_TRACE_EVENT__PEER_LEARNED_NEW_PATH_S "1002"
#define ZT_REMOTE_TRACE_EVENT__PEER_REDIRECTED 0x1003 /* A cluster redirected the peer */
#define ZT_REMOTE_TRACE_EVENT__PEER_REDIRECTED_S "1003"
#define ZT_REMOTE_TRACE_EVENT__PACKET_MAC_FAILURE 0x1004 /* A packet failed authentication */
#define ZT_REMOTE_TRACE_EVENT__PACKET_MAC_FAILURE_S "1004"
#define ZT_REMOTE_TRACE_EVENT__PACKET_INVALID 0x1005 /* A packet does not parse */
#define ZT_REMOTE_TRACE_EVENT__PACKET_INVALID_S "1005"
#define ZT_REMOTE_TRACE_EVENT__DROPPED_HELLO 0x1006 /* A HELLO was dropped */
#define ZT_REMOTE_TRACE_EVENT__DROPPED_HELLO_S "1006"
#define ZT_REMOTE_TRACE_EVENT__OUTGOING_NETWORK_FRAME_DROPPED 0x2000 /* A frame of ours was dropped */
#define ZT_REMOTE_TRACE_EVENT__OUTGOING_NETWORK_FRAME_DROPPED_S "2000"
#define ZT_REMOTE_TRACE_EVENT__INCOMING_NETWORK_ACCESS_DENIED 0x2001 /* A peer is no member */
#define ZT_REMOTE_TRACE_EVENT__INCOMING_NETWORK_ACCESS_DENIED_S "2001"
#define ZT_REMOTE_TRACE_EVENT__INCOMING_NETWORK_FRAME_DROPPED 0x2002 /* A frame for us was dropped */
#define ZT_REMOTE_TRACE_EVENT__INCOMING_NETWORK_FRAME_DROPPED_S "2002"
#define ZT_REMOTE_TRACE_EVENT__CREDENTIAL_REJECTED 0x2003 /* A credential was refused */
#define ZT_REMOTE_TRACE_EVENT__CREDENTIAL_REJECTED_S "2003"
#define ZT_REMOTE_TRACE_EVENT__CREDENTIAL_ACCEPTED 0x2004 /* A credential was taken */
#define ZT_REMOTE_TRACE_EVENT__CREDENTIAL_ACCEPTED_S "2004"
#define ZT_REMOTE_TRACE_EVENT__NETWORK_CONFIG_REQUEST_SENT 0x2005 /* A configuration was asked for */
#define ZT_REMOTE_TRACE_EVENT__NETWORK_CONFIG_REQUEST_SENT_S "2005"
#define ZT_REMOTE_TRACE_EVENT__NETWORK_FILTER_TRACE 0x2006 /* The rules judged a frame */
#define ZT_REMOTE_TRACE_EVENT__NETWORK_FILTER_TRACE_S "2006"

/* ---- Enumerations ----------------------------------------------------------------------------------------------- */

/* What functions return. */
enum ZT_ResultCode {
    ZT_RESULT_OK = 0, /* Done */
    ZT_RESULT_OK_IGNORED = 1, /* Nothing was done, and nothing was wrong */
    ZT_RESULT_FATAL_ERROR_OUT_OF_MEMORY = 100, /* Fatal: no memory */
    ZT_RESULT_FATAL_ERROR_DATA_STORE_FAILED = 101, /* Fatal: the data store failed */
    ZT_RESULT_FATAL_ERROR_INTERNAL = 102, /* Fatal: anything else */
    ZT_RESULT_ERROR_NETWORK_NOT_FOUND = 1000, /* Not a member of that network */
    ZT_RESULT_ERROR_UNSUPPORTED_OPERATION = 1001, /* The node does not do that */
    ZT_RESULT_ERROR_BAD_PARAMETER = 1002 /* A NULL, length, handle or number that cannot be used; nothing was done */
};

/* Fatal: the node cannot go on and should be deleted. x is evaluated twice. */
#define ZT_ResultCode_isFatal(x) ((((int)(x)) >= 100) && (((int)(x)) < 1000))

/* What an event callback reports. */
enum ZT_Event {
    ZT_EVENT_UP = 0, /* The node works; sent from within ZT_Node_new; no meta */
    ZT_EVENT_OFFLINE = 1, /* Nothing upstream answers any more; no meta */
    ZT_EVENT_ONLINE = 2, /* Something upstream answers; no meta */
    ZT_EVENT_DOWN = 3, /* Defined, and never sent (quirk of 1.14.1) */
    ZT_EVENT_FATAL_ERROR_IDENTITY_COLLISION = 4, /* Another node holds our address: make a new identity; no meta */
    ZT_EVENT_TRACE = 5, /* Meta is const char *, a line for people */
    ZT_EVENT_USER_MESSAGE = 6, /* Meta is a ZT_UserMessage */
    ZT_EVENT_REMOTE_TRACE = 7 /* Meta is a ZT_RemoteTrace */
};

/* State of a network. */
enum ZT_VirtualNetworkStatus {
    ZT_NETWORK_STATUS_REQUESTING_CONFIGURATION = 0, /* Waits for its configuration */
    ZT_NETWORK_STATUS_OK = 1, /* Configured */
    ZT_NETWORK_STATUS_ACCESS_DENIED = 2, /* The controller refuses us */
    ZT_NETWORK_STATUS_NOT_FOUND = 3, /* The controller knows no such network */
    ZT_NETWORK_STATUS_PORT_ERROR = 4, /* The port callback reported an error */
    ZT_NETWORK_STATUS_CLIENT_TOO_OLD = 5, /* The network wants a newer node */
    ZT_NETWORK_STATUS_AUTHENTICATION_REQUIRED = 6 /* A person must sign in first */
};

/* Kind of a network. */
enum ZT_VirtualNetworkType {
    ZT_NETWORK_TYPE_PRIVATE = 0, /* Members need authorisation */
    ZT_NETWORK_TYPE_PUBLIC = 1 /* Open to everybody */
};

/* Type of a rule, the low 6 bits of its `t`. */
enum ZT_VirtualNetworkRuleType {
    ZT_NETWORK_RULE_ACTION_DROP = 0, /* Drop the frame */
    ZT_NETWORK_RULE_ACTION_ACCEPT = 1, /* Let it pass */
    ZT_NETWORK_RULE_ACTION_TEE = 2, /* Send a copy to fwd */
    ZT_NETWORK_RULE_ACTION_WATCH = 3, /* As TEE, with copies of what we receive */
    ZT_NETWORK_RULE_ACTION_REDIRECT = 4, /* Send it to fwd instead */
    ZT_NETWORK_RULE_ACTION_BREAK = 5, /* Stop reading this table */
    ZT_NETWORK_RULE_ACTION_PRIORITY = 6, /* Queue of qosBucket */
    ZT_NETWORK_RULE_ACTION__MAX_ID = 15, /* Last number of an action */
    ZT_NETWORK_RULE_MATCH_SOURCE_ZEROTIER_ADDRESS = 24, /* Sending node is zt */
    ZT_NETWORK_RULE_MATCH_DEST_ZEROTIER_ADDRESS = 25, /* Receiving node is zt */
    ZT_NETWORK_RULE_MATCH_VLAN_ID = 26, /* VLAN */
    ZT_NETWORK_RULE_MATCH_VLAN_PCP = 27, /* VLAN priority */
    ZT_NETWORK_RULE_MATCH_VLAN_DEI = 28, /* VLAN drop eligibility */
    ZT_NETWORK_RULE_MATCH_MAC_SOURCE = 29, /* Sending MAC */
    ZT_NETWORK_RULE_MATCH_MAC_DEST = 30, /* Receiving MAC */
    ZT_NETWORK_RULE_MATCH_IPV4_SOURCE = 31, /* Sending IPv4 network */
    ZT_NETWORK_RULE_MATCH_IPV4_DEST = 32, /* Receiving IPv4 network */
    ZT_NETWORK_RULE_MATCH_IPV6_SOURCE = 33, /* Sending IPv6 network */
    ZT_NETWORK_RULE_MATCH_IPV6_DEST = 34, /* Receiving IPv6 network */
    ZT_NETWORK_RULE_MATCH_IP_TOS = 35, /* Type of service in a range */
    ZT_NETWORK_RULE_MATCH_IP_PROTOCOL = 36, /* IP protocol */
    ZT_NETWORK_RULE_MATCH_ETHERTYPE = 37, /* Ethernet type */
    ZT_NETWORK_RULE_MATCH_ICMP = 38, /* ICMP type and code */
    ZT_NETWORK_RULE_MATCH_IP_SOURCE_PORT_RANGE = 39, /* Sending port in a range */
    ZT_NETWORK_RULE_MATCH_IP_DEST_PORT_RANGE = 40, /* Receiving port in a range */
    ZT_NETWORK_RULE_MATCH_CHARACTERISTICS = 41, /* Any bit of characteristics */
    ZT_NETWORK_RULE_MATCH_FRAME_SIZE_RANGE = 42, /* Frame length in a range */
    ZT_NETWORK_RULE_MATCH_RANDOM = 43, /* By chance */
    ZT_NETWORK_RULE_MATCH_TAGS_DIFFERENCE = 44, /* Difference of both tags at most the value */
    ZT_NETWORK_RULE_MATCH_TAGS_BITWISE_AND = 45, /* AND of both tags is the value */
    ZT_NETWORK_RULE_MATCH_TAGS_BITWISE_OR = 46, /* OR of both tags is the value */
    ZT_NETWORK_RULE_MATCH_TAGS_BITWISE_XOR = 47, /* XOR of both tags is the value */
    ZT_NETWORK_RULE_MATCH_TAGS_EQUAL = 48, /* Both tags are the value */
    ZT_NETWORK_RULE_MATCH_TAG_SENDER = 49, /* The sender's tag is the value */
    ZT_NETWORK_RULE_MATCH_TAG_RECEIVER = 50, /* The receiver's tag is the value */
    ZT_NETWORK_RULE_MATCH_INTEGER_RANGE = 51, /* Integer inside the frame in a range */
    ZT_NETWORK_RULE_MATCH__MAX_ID = 63 /* Last number of a match */
};

/* Why a port callback is called. */
enum ZT_VirtualNetworkConfigOperation {
    ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_UP = 1, /* Open the port */
    ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_CONFIG_UPDATE = 2, /* The configuration changed */
    ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_DOWN = 3, /* The node is being deleted: close the port, keep its settings */
    ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_DESTROY = 4 /* The network was left: remove the port */
};

/* Role of a peer. */
enum ZT_PeerRole {
    ZT_PEER_ROLE_LEAF = 0, /* An ordinary node */
    ZT_PEER_ROLE_MOON = 1, /* A root of a moon */
    ZT_PEER_ROLE_PLANET = 2 /* A root of the planet */
};

/* Who made a node's software. */
enum ZT_Vendor {
    ZT_VENDOR_UNSPECIFIED = 0, /* Not said */
    ZT_VENDOR_ZEROTIER = 1 /* ZeroTier */
};

/* Operating system of a node. */
enum ZT_Platform {
    ZT_PLATFORM_UNSPECIFIED = 0, /* Not said */
    ZT_PLATFORM_LINUX = 1, /* Linux */
    ZT_PLATFORM_WINDOWS = 2, /* Windows */
    ZT_PLATFORM_MACOS = 3, /* MacOS */
    ZT_PLATFORM_ANDROID = 4, /* Android */
    ZT_PLATFORM_IOS = 5, /* IOS */
    ZT_PLATFORM_SOLARIS_SMARTOS = 6, /* Solaris or SmartOS */
    ZT_PLATFORM_FREEBSD = 7, /* FreeBSD */
    ZT_PLATFORM_NETBSD = 8, /* NetBSD */
    ZT_PLATFORM_OPENBSD = 9, /* OpenBSD */
    ZT_PLATFORM_RISCOS = 10, /* RISC OS */
    ZT_PLATFORM_VXWORKS = 11, /* VxWorks */
    ZT_PLATFORM_FREERTOS = 12, /* FreeRTOS */
    ZT_PLATFORM_SYSBIOS = 13, /* SYS/BIOS */
    ZT_PLATFORM_HURD = 14, /* GNU Hurd */
    ZT_PLATFORM_WEB = 15 /* A browser */
};

/* Processor of a node. */
enum ZT_Architecture {
    ZT_ARCHITECTURE_UNSPECIFIED = 0, /* Not said */
    ZT_ARCHITECTURE_X86 = 1, /* 32-bit x86 */
    ZT_ARCHITECTURE_X64 = 2, /* 64-bit x86 */
    ZT_ARCHITECTURE_ARM32 = 3, /* 32-bit ARM */
    ZT_ARCHITECTURE_ARM64 = 4, /* 64-bit ARM */
    ZT_ARCHITECTURE_MIPS32 = 5, /* 32-bit MIPS */
    ZT_ARCHITECTURE_MIPS64 = 6, /* 64-bit MIPS */
    ZT_ARCHITECTURE_POWER32 = 7, /* 32-bit POWER */
    ZT_ARCHITECTURE_POWER64 = 8, /* 64-bit POWER */
    ZT_ARCHITECTURE_OPENRISC32 = 9, /* 32-bit OpenRISC */
    ZT_ARCHITECTURE_OPENRISC64 = 10, /* 64-bit OpenRISC */
    ZT_ARCHITECTURE_SPARC32 = 11, /* 32-bit SPARC */
    ZT_ARCHITECTURE_SPARC64 = 12, /* 64-bit SPARC */
    ZT_ARCHITECTURE_DOTNET_CLR = 13, /* The .NET runtime */
    ZT_ARCHITECTURE_JAVA_JVM = 14, /* A Java machine */
    ZT_ARCHITECTURE_WEB = 15, /* A browser */
    ZT_ARCHITECTURE_S390X = 16, /* IBM Z */
    ZT_ARCHITECTURE_LOONGARCH64 = 17 /* 64-bit LoongArch */
};

/* Kind of a stored object. */
enum ZT_StateObjectType {
    ZT_STATE_OBJECT_NULL = 0, /* None; never asked for */
    ZT_STATE_OBJECT_IDENTITY_PUBLIC = 1, /* Our public identity; keep it */
    ZT_STATE_OBJECT_IDENTITY_SECRET = 2, /* Our secret identity; keep it, for our eyes only */
    ZT_STATE_OBJECT_PLANET = 3, /* The planet; better kept */
    ZT_STATE_OBJECT_MOON = 4, /* A moon; id[0] is its world; keep it */
    ZT_STATE_OBJECT_PEER = 5, /* A peer; id[0] is its address; may be lost */
    ZT_STATE_OBJECT_NETWORK_CONFIG = 6 /* A network; id[0] is its number; keep it */
};

/* ---- Structures ------------------------------------------------------------------------------------------------- */

/* A node; opaque. */
typedef void ZT_Node;

/* A trace that another node sent; meta of ZT_EVENT_REMOTE_TRACE. Any peer can send any content: trust none of it. */
typedef struct ZT_RemoteTrace {
    /* The node that sent it. */
    uint64_t origin;
    /* A dictionary of the keys above, NUL-terminated. The callback may modify it. */
    char *data;
    /* Its length with the NUL. */
    unsigned int len;
} ZT_RemoteTrace;

/* A message that another node sent with ZT_Node_sendUserMessage; meta of ZT_EVENT_USER_MESSAGE. */
typedef struct ZT_UserMessage {
    /* The node that sent it, authenticated. */
    uint64_t origin;
    /* Kind; for users to agree on. */
    uint64_t typeId;
    /* Content. */
    const void *data;
    /* Its length. */
    unsigned int length;
} ZT_UserMessage;

/* State of a node. */
typedef struct ZT_NodeStatus {
    /* Address. */
    uint64_t address;
    /* Public identity as text, NUL-terminated; lives as long as the node. */
    const char *publicIdentity;
    /* Secret identity as text, NUL-terminated; lives as long as the node. */
    const char *secretIdentity;
    /* Not 0: something upstream answers. */
    int online;
} ZT_NodeStatus;

/* Counters by verb. No function returns them. */
typedef struct ZT_NodeStatistics {
    /* Packets that came in. */
    uint64_t inVerbCounts[32];
    /* Bytes that came in. */
    uint64_t inVerbBytes[32];
} ZT_NodeStatistics;

/* An entry of a table of rules: a match or an action. */
typedef struct ZT_VirtualNetworkRule {
    /* 0x80 = the match is inverted, 0x40 = OR with what came before, 0x3f = enum ZT_VirtualNetworkRuleType. */
    uint8_t t;
    /* What it compares with or does; the type tells which member counts. */
    union {
        /* IPv6 network: address and prefix length. */
        struct {
            /* Address. */
            uint8_t ip[16];
            /* Prefix length in bits. */
            uint8_t mask;
        } ipv6;
        /* IPv4 network: address and prefix length. */
        struct {
            /* Address in network order. */
            uint32_t ip;
            /* Prefix length in bits. */
            uint8_t mask;
        } ipv4;
        /* Range of an integer inside the frame. */
        struct {
            /* Least value. */
            uint64_t start;
            /* Greatest value, counted from start. */
            uint32_t end;
            /* Where the integer is in the frame, in bytes. */
            uint16_t idx;
            /* Low 6 bits: its width in bits less 1. 0x80: least significant byte first. */
            uint8_t format;
        } intRange;
        /* Bits of ZT_RULE_PACKET_CHARACTERISTICS_; any of them matches. */
        uint64_t characteristics;
        /* Least and greatest port. */
        uint16_t port[2];
        /* Address of a node. */
        uint64_t zt;
        /* Chance, of 0xffffffff. */
        uint32_t randomProbability;
        /* MAC. */
        uint8_t mac[6];
        /* VLAN. */
        uint16_t vlanId;
        /* VLAN priority. */
        uint8_t vlanPcp;
        /* VLAN drop eligibility. */
        uint8_t vlanDei;
        /* Ethernet type. */
        uint16_t etherType;
        /* IP protocol. */
        uint8_t ipProtocol;
        /* Range of the type of service. */
        struct {
            /* Bits that count. */
            uint8_t mask;
            /* Least and greatest value. */
            uint8_t value[2];
        } ipTos;
        /* Least and greatest length of the frame. */
        uint16_t frameSize[2];
        /* ICMP. */
        struct {
            /* Type. */
            uint8_t type;
            /* Code. */
            uint8_t code;
            /* 1 = the code counts. */
            uint8_t flags;
        } icmp;
        /* A tag, for all matches of tags. */
        struct {
            /* Which. */
            uint32_t id;
            /* What it is compared with. */
            uint32_t value;
        } tag;
        /* Where a frame or a copy goes. */
        struct {
            /* Receiving node. */
            uint64_t address;
            /* Flags. */
            uint32_t flags;
            /* How much of the frame is copied. */
            uint16_t length;
        } fwd;
        /* Queue. */
        uint8_t qosBucket;
    } v;
} ZT_VirtualNetworkRule;

/* A route of a network. */
typedef struct ZT_VirtualNetworkRoute {
    /* Destination; the port field (network order) is the prefix length. */
    struct sockaddr_storage target;
    /* Gateway; family 0 = none, the network itself. */
    struct sockaddr_storage via;
    /* Flags. */
    uint16_t flags;
    /* Metric; unused. */
    uint16_t metric;
} ZT_VirtualNetworkRoute;

/* Name service of a network. */
typedef struct ZT_VirtualNetworkDNS {
    /* Search domain, NUL-terminated. */
    char domain[128];
    /* Servers; family 0 = none. */
    struct sockaddr_storage server_addr[ZT_MAX_DNS_SERVERS];
} ZT_VirtualNetworkDNS;

/* A multicast group. */
typedef struct ZT_MulticastGroup {
    /* Multicast MAC. */
    uint64_t mac;
    /* What divides the MAC further, 32 bits; for IPv4 ARP the address. */
    unsigned long adi;
} ZT_MulticastGroup;

/* Configuration of a network and of our port on it. */
typedef struct ZT_VirtualNetworkConfig {
    /* The network. */
    uint64_t nwid;
    /* MAC of the port. */
    uint64_t mac;
    /* Name, NUL-terminated. */
    char name[ZT_MAX_NETWORK_SHORT_NAME_LENGTH + 1];
    /* State of our membership. */
    enum ZT_VirtualNetworkStatus status;
    /* Kind of the network; private until configured. */
    enum ZT_VirtualNetworkType type;
    /* Largest payload of a frame; 2800 until configured. */
    unsigned int mtu;
    /* Not 0: addresses come by DHCP. Always 0. */
    int dhcp;
    /* Not 0: the port may send frames of other MACs. */
    int bridge;
    /* Not 0: broadcasts are carried. */
    int broadcastEnabled;
    /* Last value other than 0 that the port callback returned. */
    int portError;
    /* Revision of the configuration, 0 = none. */
    unsigned long netconfRevision;
    /* How many of the next field count. */
    unsigned int assignedAddressCount;
    /* Addresses to set; the port field (network order) is the prefix length; the unused ones are zero. */
    struct sockaddr_storage assignedAddresses[ZT_MAX_ZT_ASSIGNED_ADDRESSES];
    /* How many of the next field count. */
    unsigned int routeCount;
    /* Routes to set. */
    ZT_VirtualNetworkRoute routes[ZT_MAX_NETWORK_ROUTES];
    /* How many of the next field count; more groups than there is room for are left out. */
    unsigned int multicastSubscriptionCount;
    /* Multicast groups that the port belongs to. */
    struct {
        /* Multicast MAC. */
        uint64_t mac;
        /* What divides the MAC further. */
        uint32_t adi;
    } multicastSubscriptions[ZT_MAX_MULTICAST_SUBSCRIPTIONS];
    /* Name service. */
    ZT_VirtualNetworkDNS dns;
    /* People must sign in. */
    bool ssoEnabled;
    /* Version of the sign-in. */
    uint64_t ssoVersion;
    /* Where to sign in, NUL-terminated. */
    char authenticationURL[2048];
    /* When the sign-in ends, milliseconds since 1970. */
    uint64_t authenticationExpiryTime;
    /* Issuer of the sign-in, NUL-terminated. */
    char issuerURL[2048];
    /* Central server of the sign-in, NUL-terminated. */
    char centralAuthURL[2048];
    /* Nonce of the sign-in, NUL-terminated. */
    char ssoNonce[128];
    /* State of the sign-in, NUL-terminated. */
    char ssoState[256];
    /* Client of the sign-in, NUL-terminated. */
    char ssoClientID[256];
    /* Provider of the sign-in, NUL-terminated. */
    char ssoProvider[64];
} ZT_VirtualNetworkConfig;

/* All networks, in no order. */
typedef struct ZT_VirtualNetworkList {
    /* The networks, part of the same answer. Not to be followed if networkCount is 0. */
    ZT_VirtualNetworkConfig *networks;
    /* How many. */
    unsigned long networkCount;
} ZT_VirtualNetworkList;

/* Settings for a physical network. */
typedef struct ZT_PhysicalPathConfiguration {
    /* Trusted path: packets go unencrypted and unauthenticated under this number. 0 = none. */
    uint64_t trustedPathId;
    /* Largest UDP payload. At most 0 = ZT_DEFAULT_PHYSMTU, otherwise brought into ZT_MIN_PHYSMTU to ZT_MAX_PHYSMTU. */
    int mtu;
} ZT_PhysicalPathConfiguration;

/* A path to a peer. The fields of bonding are 0 unless the peer is bonded. */
typedef struct ZT_PeerPhysicalPath {
    /* Where it leads. */
    struct sockaddr_storage address;
    /* When we sent last, by the node's clock; 0 = never. */
    uint64_t lastSend;
    /* When we heard last, by the node's clock; 0 = never. */
    uint64_t lastReceive;
    /* Trusted path, 0 = none. */
    uint64_t trustedPathId;
    /* Bonding: mean round trip in milliseconds. */
    float latencyMean;
    /* Bonding: greatest round trip in milliseconds. */
    float latencyMax;
    /* Bonding: variance of round trips in milliseconds. */
    float latencyVariance;
    /* Bonding: share of packets lost, 0 to 1. */
    float packetLossRatio;
    /* Bonding: share of packets broken, 0 to 1. */
    float packetErrorRatio;
    /* Bonding: flows on the path. */
    uint16_t assignedFlowCount;
    /* Bonding: scope of the address. */
    uint8_t scope;
    /* Bonding: quality among the paths of the peer, 0 to 1. */
    float relativeQuality;
    /* Bonding: interface, NUL-terminated. */
    char ifname[ZT_MAX_PHYSIFNAME];
    /* Socket of the host that the path uses. */
    uint64_t localSocket;
    /* Port of that socket. */
    uint16_t localPort;
    /* Not 0: the path is dead. */
    int expired;
    /* Bonding: not 0 = in use. */
    uint8_t bonded;
    /* Bonding: not 0 = may be used. */
    uint8_t eligible;
    /* Bonding: speed of the link. */
    uint32_t linkSpeed;
    /* Not 0: the path that we send by. */
    int preferred;
} ZT_PeerPhysicalPath;

/* A peer. */
typedef struct ZT_Peer {
    /* Address. */
    uint64_t address;
    /* Version, -1 = not known. */
    int versionMajor;
    /* Version, -1 = not known. */
    int versionMinor;
    /* Version, -1 = not known. */
    int versionRev;
    /* Round trip in milliseconds, -1 = not known. */
    int latency;
    /* Role. */
    enum ZT_PeerRole role;
    /* Several links are used as one. */
    bool isBonded;
    /* Bonding: policy. */
    int bondingPolicy;
    /* Bonding: links alive. */
    int numAliveLinks;
    /* Bonding: links. */
    int numTotalLinks;
    /* Bonding: name of the policy, NUL-terminated. */
    char customBondName[32];
    /* How many of the next field count. */
    unsigned int pathCount;
    /* Paths. */
    ZT_PeerPhysicalPath paths[ZT_MAX_PEER_NETWORK_PATHS];
} ZT_Peer;

/* All peers, ordered by address. */
typedef struct ZT_PeerList {
    /* The peers, part of the same answer. Not to be followed if peerCount is 0. */
    ZT_Peer *peers;
    /* How many. */
    unsigned long peerCount;
} ZT_PeerList;

/* ---- Callbacks --------------------------------------------------------------------------------------------------
 *
 * All begin with the node; the user pointer of ZT_Node_new; and the thread pointer that was given to the function which
 * caused the callback.
 */

/*
 * The port of a network is to be opened (from within join), changed, closed (from within the deletion of the node) or
 * removed (from within leave). *nuptr is the host's own pointer for this network, which it may set. Returns 0; any
 * other value becomes portError, and the network goes to ZT_NETWORK_STATUS_PORT_ERROR. Hosts that are to work with the
 * stock core too must not join, leave or change subscriptions from here; with this one they may.
 */
typedef int (*ZT_VirtualNetworkConfigFunction)(
    ZT_Node *node,
    void *uptr,
    void *tptr,
    uint64_t nwid,
    void **nuptr,
    enum ZT_VirtualNetworkConfigOperation op,
    const ZT_VirtualNetworkConfig *config);

/* A frame for the port: data is what follows the Ethernet header, vlanId 0 = none. */
typedef void (*ZT_VirtualNetworkFrameFunction)(
    ZT_Node *node,
    void *uptr,
    void *tptr,
    uint64_t nwid,
    void **nuptr,
    uint64_t srcMac,
    uint64_t dstMac,
    unsigned int etherType,
    unsigned int vlanId,
    const void *data,
    unsigned int len);

/* An event. The type of *meta depends on it, see enum ZT_Event. */
typedef void (*ZT_EventCallback)(ZT_Node *node, void *uptr, void *tptr, enum ZT_Event event, const void *meta);

/*
 * Stores an object, or deletes it (data NULL and len -1). id[0] is the address of the node, the number of the world or
 * network or the address of the peer; id[1] is 0. Secret identities should be readable by the host alone.
 */
typedef void (*ZT_StatePutFunction)(
    ZT_Node *node,
    void *uptr,
    void *tptr,
    enum ZT_StateObjectType type,
    const uint64_t id[2],
    const void *data,
    int len);

/* Reads an object as it was stored. Returns the bytes put into buf, -1 if there is none or cap is too small. */
typedef int (*ZT_StateGetFunction)(
    ZT_Node *node,
    void *uptr,
    void *tptr,
    enum ZT_StateObjectType type,
    const uint64_t id[2],
    void *buf,
    unsigned int cap);

/*
 * Sends a datagram. localSocket is what the host gave with a packet; -1 or 0 = any, or all. ttl is the IP time to live,
 * 0 = as usual. Returns 0 if it was sent.
 */
typedef int (*ZT_WirePacketSendFunction)(
    ZT_Node *node,
    void *uptr,
    void *tptr,
    int64_t localSocket,
    const struct sockaddr_storage *addr,
    const void *data,
    unsigned int len,
    unsigned int ttl);

/* May packets to and from this node use this path? Not 0 = yes. */
typedef int (*ZT_PathCheckFunction)(
    ZT_Node *node,
    void *uptr,
    void *tptr,
    uint64_t ztaddr,
    int64_t localSocket,
    const struct sockaddr_storage *remote);

/* Where might this node be? family is AF_INET, AF_INET6 or -1 for any. Not 0 = *result is filled. */
typedef int (*ZT_PathLookupFunction)(
    ZT_Node *node,
    void *uptr,
    void *tptr,
    uint64_t ztaddr,
    int family,
    struct sockaddr_storage *result);

/* The callbacks of a node. Copied by ZT_Node_new. */
typedef struct ZT_Node_Callbacks {
    /* Version of this structure: 0. */
    long version;
    /* Required. */
    ZT_StatePutFunction statePutFunction;
    /* Required. */
    ZT_StateGetFunction stateGetFunction;
    /* Required. */
    ZT_WirePacketSendFunction wirePacketSendFunction;
    /* Required. */
    ZT_VirtualNetworkFrameFunction virtualNetworkFrameFunction;
    /* Required. */
    ZT_VirtualNetworkConfigFunction virtualNetworkConfigFunction;
    /* Required. */
    ZT_EventCallback eventCallback;
    /* May be NULL: every path may be used. */
    ZT_PathCheckFunction pathCheckFunction;
    /* May be NULL: the host knows of no path. */
    ZT_PathLookupFunction pathLookupFunction;
} ZT_Node_Callbacks;

/* ---- Functions --------------------------------------------------------------------------------------------------
 *
 * tptr is handed to the callbacks that the call causes and may be NULL. now is the time, see the top of this file.
 */

/*
 * Makes a node. *node is set to NULL first, and left so on errors. The identity is read from the state store, or made
 * (which can take seconds) and stored there, the secret part first. uptr is handed to every callback. ZT_EVENT_UP is
 * sent before this returns; callbacks that come before it get a handle that cannot be used yet.
 *
 * ZT_RESULT_ERROR_BAD_PARAMETER: node, callbacks or a required callback NULL. ZT_RESULT_FATAL_ERROR_DATA_STORE_FAILED:
 * the identity could not be kept. ZT_RESULT_FATAL_ERROR_INTERNAL: version is not 0, or the stored identity is none.
 */
enum ZT_ResultCode ZT_Node_new(
    ZT_Node **node,
    void *uptr,
    void *tptr,
    const struct ZT_Node_Callbacks *callbacks,
    int64_t now);

/* Deletes a node. The ports are closed first (ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_DOWN). Query results stay valid. No
 * other thread may be inside the node, and no callback may call this. */
void ZT_Node_delete(ZT_Node *node);

/*
 * A UDP payload arrived from remoteAddress at localSocket, the host's own number for a socket (-1 = it does not say).
 * Packets that mean nothing are dropped and give ZT_RESULT_OK. nextBackgroundTaskDeadline may be NULL; otherwise
 * *nextBackgroundTaskDeadline may be brought forward.
 * ZT_RESULT_ERROR_BAD_PARAMETER: a NULL, or more than 65535 bytes.
 */
enum ZT_ResultCode ZT_Node_processWirePacket(
    ZT_Node *node,
    void *tptr,
    int64_t now,
    int64_t localSocket,
    const struct sockaddr_storage *remoteAddress,
    const void *packetData,
    unsigned int packetLength,
    volatile int64_t *nextBackgroundTaskDeadline);

/*
 * A frame came from the port of a network: frameData is what follows the Ethernet header. Frames of a VLAN (vlanId not
 * 0) are dropped. nextBackgroundTaskDeadline is as above.
 * ZT_RESULT_ERROR_NETWORK_NOT_FOUND if the node is not a member. ZT_RESULT_ERROR_BAD_PARAMETER: NULL with a length, or
 * more than ZT_MAX_MTU bytes.
 */
enum ZT_ResultCode ZT_Node_processVirtualNetworkFrame(
    ZT_Node *node,
    void *tptr,
    int64_t now,
    uint64_t nwid,
    uint64_t sourceMac,
    uint64_t destMac,
    unsigned int etherType,
    unsigned int vlanId,
    const void *frameData,
    unsigned int frameLength,
    volatile int64_t *nextBackgroundTaskDeadline);

/*
 * Does what is due. To be called when the time reaches *nextBackgroundTaskDeadline, which this sets to the time of the
 * next call, at most 5 s away; calling earlier does no harm. ZT_EVENT_ONLINE and ZT_EVENT_OFFLINE come from here.
 * ZT_RESULT_ERROR_BAD_PARAMETER: nextBackgroundTaskDeadline is NULL.
 */
enum ZT_ResultCode ZT_Node_processBackgroundTasks(
    ZT_Node *node,
    void *tptr,
    int64_t now,
    volatile int64_t *nextBackgroundTaskDeadline);

/* Joins a network; the port callback is called from within. uptr is the first value of its nuptr. ZT_RESULT_OK also if
 * the node is a member already. Mind the order: uptr, then tptr. */
enum ZT_ResultCode ZT_Node_join(ZT_Node *node, uint64_t nwid, void *uptr, void *tptr);

/* Leaves a network and deletes its stored configuration; the port callback is called from within. *uptr (uptr may be
 * NULL) receives the value of nuptr. ZT_RESULT_OK also if the node is not a member; *uptr is not changed then. */
enum ZT_ResultCode ZT_Node_leave(ZT_Node *node, uint64_t nwid, void **uptr, void *tptr);

/* Subscribes the port of a network to a multicast group. For IPv4 ARP the group is ff:ff:ff:ff:ff:ff and the adi the
 * address in host order. ZT_RESULT_OK also if it was subscribed; ZT_RESULT_ERROR_NETWORK_NOT_FOUND if not a member. */
enum ZT_ResultCode ZT_Node_multicastSubscribe(
    ZT_Node *node,
    void *tptr,
    uint64_t nwid,
    uint64_t multicastGroup,
    unsigned long multicastAdi);

/* Ends such a subscription. ZT_RESULT_ERROR_NETWORK_NOT_FOUND if not a member. Mind that there is no tptr. */
enum ZT_ResultCode ZT_Node_multicastUnsubscribe(
    ZT_Node *node,
    uint64_t nwid,
    uint64_t multicastGroup,
    unsigned long multicastAdi);

/* Orbits a moon: its world number, and a node to ask for it (0 = none; it is in the state store). */
enum ZT_ResultCode ZT_Node_orbit(ZT_Node *node, void *tptr, uint64_t moonWorldId, uint64_t moonSeed);

/* Leaves a moon. ZT_RESULT_OK also if it was not orbited. */
enum ZT_ResultCode ZT_Node_deorbit(ZT_Node *node, void *tptr, uint64_t moonWorldId);

/* Address of the node. 0 if there is no such node. */
uint64_t ZT_Node_address(ZT_Node *node);

/* Fills *status, the caller's own. Does nothing if status is NULL or there is no such node. */
void ZT_Node_status(ZT_Node *node, ZT_NodeStatus *status);

/* All peers, to be freed with ZT_Node_freeQueryResult. NULL on errors. */
ZT_PeerList *ZT_Node_peers(ZT_Node *node);

/* Configuration of one network, to be freed with ZT_Node_freeQueryResult. NULL if the node is not a member. */
ZT_VirtualNetworkConfig *ZT_Node_networkConfig(ZT_Node *node, uint64_t nwid);

/* All networks, to be freed with ZT_Node_freeQueryResult. NULL on errors. */
ZT_VirtualNetworkList *ZT_Node_networks(ZT_Node *node);

/* Frees what a query of this node, or ZT_Controller_request, returned. NULL and pointers that no query gave are
 * ignored; so is node. */
void ZT_Node_freeQueryResult(ZT_Node *node, void *qr);

/* Tells the node an address that others may reach it at. 1 = new, 0 = known already, or of no use. */
int ZT_Node_addLocalInterfaceAddress(ZT_Node *node, const struct sockaddr_storage *addr);

/* Forgets the addresses of ZT_Node_addLocalInterfaceAddress. */
void ZT_Node_clearLocalInterfaceAddresses(ZT_Node *node);

/* Sends a message to another node, which gets it as ZT_EVENT_USER_MESSAGE, or does not. 1 = on its way, 0 = dest is
 * this node or no address, or the message is too long for a packet. */
int ZT_Node_sendUserMessage(
    ZT_Node *node,
    void *tptr,
    uint64_t dest,
    uint64_t typeId,
    const void *data,
    unsigned int len);

/* Makes the node a network controller. networkConfigMasterInstance is a ZT_Controller. It serves this node until the
 * node is deleted, and stays the caller's to delete, before the node or after it. Anything else is ignored, as are a
 * controller that another node has and a second one. */
void ZT_Node_setNetconfMaster(ZT_Node *node, void *networkConfigMasterInstance);

/*
 * Sets what holds for a physical network (its port field is the prefix length). pathNetwork NULL = forget all;
 * pathConfig NULL = forget this one. At most ZT_MAX_CONFIGURABLE_PATHS are kept; those that are too many, in the order
 * of addresses, are dropped without an error. ZT_RESULT_ERROR_BAD_PARAMETER: pathNetwork is no IP address, or its
 * prefix is too long.
 */
enum ZT_ResultCode ZT_Node_setPhysicalPathConfiguration(
    ZT_Node *node,
    const struct sockaddr_storage *pathNetwork,
    const ZT_PhysicalPathConfiguration *pathConfig);

/* Version of the stock core whose interface and behaviour this library has. Each pointer may be NULL. */
void ZT_version(int *major, int *minor, int *revision);

/* ---- Additions of this library ---------------------------------------------------------------------------------- */

/*
 * Reads an object of a controller's store. Names are paths with '/', never "..", '\' or a leading '/'. Copies at most
 * cap bytes from startIndex on to buf, sets *totalSize to the size of the object and returns the bytes copied; -1 if
 * there is no such object, -2 on any other error. user is that of the structure.
 */
typedef long (*ZT_Controller_GetFunction)(
    void *user,
    const char *name,
    void *buf,
    unsigned long cap,
    unsigned long startIndex,
    unsigned long *totalSize);

/*
 * Writes an object of a controller's store, or deletes it (data NULL and len 0). Returns 0 once it is durable, anything
 * else on errors. secure is 1 for what only the host may read. data lives during the call.
 */
typedef int (*ZT_Controller_PutFunction)(
    void *user,
    const char *name,
    const void *data,
    unsigned long len,
    int secure);

/* The store of a controller. Copied by ZT_Controller_new; what user points to must outlive the controller. */
typedef struct ZT_Controller_Store {
    /* Handed to both functions; may be NULL. */
    void *user;
    /* Required. */
    ZT_Controller_GetFunction get;
    /* Required. */
    ZT_Controller_PutFunction put;
} ZT_Controller_Store;

/* A network controller; opaque. What ZT_Node_setNetconfMaster takes. */
typedef void ZT_Controller;

/* Makes a network controller that keeps its networks in store, or (NULL) in memory only. NULL on errors. */
ZT_Controller *ZT_Controller_new(const ZT_Controller_Store *store);

/* Deletes the handle of a controller. A node that has it goes on serving its networks until it is deleted itself.
 * ZT_RESULT_ERROR_BAD_PARAMETER if there is no such controller. */
enum ZT_ResultCode ZT_Controller_delete(ZT_Controller *controller);

/*
 * Asks a controller as its HTTP interface would be asked: method (GET, POST, PUT, DELETE), path
 * (/controller/network/...) and a body of JSON with its length in bytes (NULL and 0 = none; at most 1048576). Returns
 * the HTTP status; 0 if no node has the controller or a parameter cannot be used. answer may be NULL; otherwise *answer
 * is set to NULL or to a NUL-terminated JSON text, to be freed with ZT_Node_freeQueryResult.
 */
int ZT_Controller_request(
    ZT_Controller *controller,
    const char *method,
    const char *path,
    const void *body,
    unsigned long bodyLength,
    char **answer);

/*
 * A controller by types: what ZT_Controller_request asks in JSON, without JSON. Rules, capabilities, tags and sign-on are
 * only in the JSON. Answers are freed with ZT_Node_freeQueryResult; those that are pointers are NULL if no node has the
 * controller, or there is no such network or member.
 */

/* Fields of a ZT_ControllerNetwork that ZT_Controller_setNetwork sets. */
enum ZT_ControllerNetworkField {
    /* name */
    ZT_CONTROLLER_NETWORK_NAME = 1,
    /* type */
    ZT_CONTROLLER_NETWORK_TYPE = 2,
    /* mtu */
    ZT_CONTROLLER_NETWORK_MTU = 4,
    /* multicastLimit */
    ZT_CONTROLLER_NETWORK_MULTICAST_LIMIT = 8,
    /* broadcastEnabled */
    ZT_CONTROLLER_NETWORK_BROADCAST = 16,
    /* assignV4 */
    ZT_CONTROLLER_NETWORK_ASSIGN_V4 = 32,
    /* assignV6 */
    ZT_CONTROLLER_NETWORK_ASSIGN_V6 = 64,
    /* routes and routeCount */
    ZT_CONTROLLER_NETWORK_ROUTES = 128,
    /* pools and poolCount */
    ZT_CONTROLLER_NETWORK_POOLS = 256,
    /* dns */
    ZT_CONTROLLER_NETWORK_DNS = 512
};

/* Fields of a ZT_ControllerMember that ZT_Controller_setMember sets. */
enum ZT_ControllerMemberField {
    /* authorized */
    ZT_CONTROLLER_MEMBER_AUTHORIZED = 1,
    /* activeBridge */
    ZT_CONTROLLER_MEMBER_ACTIVE_BRIDGE = 2,
    /* noAutoAssignIps */
    ZT_CONTROLLER_MEMBER_NO_AUTO_ASSIGN_IPS = 4,
    /* addresses and addressCount */
    ZT_CONTROLLER_MEMBER_ADDRESSES = 8
};

/* How members get IPv6 addresses; may be added up. */
enum ZT_ControllerAssignV6 {
    /* From the pools. */
    ZT_CONTROLLER_ASSIGN_V6_POOLS = 1,
    /* RFC 4193: a /88 of the network, one address for each member. */
    ZT_CONTROLLER_ASSIGN_V6_RFC4193 = 2,
    /* 6PLANE: a /40 of the network, a /80 for each member. */
    ZT_CONTROLLER_ASSIGN_V6_6PLANE = 4
};

/* A range that addresses are assigned from: both ends belong to it, ports do not matter. */
typedef struct ZT_ControllerPool {
    /* First address. */
    struct sockaddr_storage start;
    /* Last address, of the same family. */
    struct sockaddr_storage end;
} ZT_ControllerPool;

/* A network of a controller. */
typedef struct ZT_ControllerNetwork {
    /* 64-bit network ID. */
    uint64_t nwid;
    /* When it was made, milliseconds since 1970. Never set. */
    uint64_t creationTime;
    /* Grows with each change. Never set. */
    uint64_t revision;
    /* Name for people, NUL-terminated UTF-8. */
    char name[ZT_MAX_NETWORK_SHORT_NAME_LENGTH + 1];
    /* ZT_NETWORK_TYPE_PUBLIC: every node that asks is authorised. */
    enum ZT_VirtualNetworkType type;
    /* Largest frame, ZT_MIN_MTU to ZT_MAX_MTU bytes. */
    unsigned int mtu;
    /* Most receivers of a multicast frame. */
    unsigned int multicastLimit;
    /* Not 0: Ethernet broadcast is allowed. */
    int broadcastEnabled;
    /* Not 0: members get IPv4 addresses from the pools. */
    int assignV4;
    /* Sum of ZT_ControllerAssignV6. */
    unsigned int assignV6;
    /* Number of routes. */
    unsigned int routeCount;
    /* Number of pools. */
    unsigned int poolCount;
    /* Managed routes; flags and metric do not matter. NULL if there are none. */
    const ZT_VirtualNetworkRoute *routes;
    /* Ranges that addresses are assigned from. NULL if there are none. */
    const ZT_ControllerPool *pools;
    /* Name service; no domain and no server = none. */
    ZT_VirtualNetworkDNS dns;
} ZT_ControllerNetwork;

/* A member of a network, or a node that asked to be one. */
typedef struct ZT_ControllerMember {
    /* 64-bit network ID. */
    uint64_t nwid;
    /* Its node, low 40 bits. */
    uint64_t address;
    /* When it was made, milliseconds since 1970. Never set. */
    uint64_t creationTime;
    /* Grows with each change. Never set. */
    uint64_t revision;
    /* When it was last authorised, milliseconds since 1970, 0 = never. Never set. */
    uint64_t lastAuthorizedTime;
    /* When that ended, milliseconds since 1970, 0 = never. Never set. */
    uint64_t lastDeauthorizedTime;
    /* Not 0: it is a member. */
    int authorized;
    /* Not 0: it may bridge other Ethernets in. */
    int activeBridge;
    /* Not 0: it gets no addresses but those given here. */
    int noAutoAssignIps;
    /* Number of addresses. */
    unsigned int addressCount;
    /* Its addresses; ports do not matter. NULL if there are none. */
    const struct sockaddr_storage *addresses;
} ZT_ControllerMember;

/* IDs of networks, or addresses of members, ascending. */
typedef struct ZT_ControllerList {
    /* As many as count says. */
    const uint64_t *ids;
    /* How many. */
    unsigned long count;
} ZT_ControllerList;

/* IDs of all networks. */
ZT_ControllerList *ZT_Controller_networks(ZT_Controller *controller);

/* A network. */
ZT_ControllerNetwork *ZT_Controller_network(ZT_Controller *controller, uint64_t nwid);

/*
 * Changes a network, or makes one: fields is a sum of ZT_ControllerNetworkField, what is not in it stays as it is, or as
 * it is by default. nwid 0 in network = a new one of a free ID. *nwid, which may be NULL, is set to its ID. What is
 * acknowledged is durable; on errors nothing has changed.
 *
 * ZT_RESULT_ERROR_BAD_PARAMETER: no node has the controller, or a field cannot be as it is; then *problem is set to a
 * text that names it, to be freed with ZT_Node_freeQueryResult. problem may be NULL; *problem is NULL in all other cases.
 * ZT_RESULT_ERROR_UNSUPPORTED_OPERATION: the controller's records are not loaded yet.
 * ZT_RESULT_FATAL_ERROR_DATA_STORE_FAILED: the store refused it.
 */
enum ZT_ResultCode ZT_Controller_setNetwork(
    ZT_Controller *controller,
    const ZT_ControllerNetwork *network,
    unsigned int fields,
    uint64_t *nwid,
    char **problem);

/* Deletes a network with its members. ZT_RESULT_ERROR_NETWORK_NOT_FOUND if there is none; else as
 * ZT_Controller_setNetwork. */
enum ZT_ResultCode ZT_Controller_deleteNetwork(ZT_Controller *controller, uint64_t nwid);

/* Addresses of all members of a network, those that only asked included. */
ZT_ControllerList *ZT_Controller_members(ZT_Controller *controller, uint64_t nwid);

/* A member of a network. */
ZT_ControllerMember *ZT_Controller_member(ZT_Controller *controller, uint64_t nwid, uint64_t address);

/* Changes a member, or makes one before it ever asked; fields is a sum of ZT_ControllerMemberField.
 * ZT_RESULT_ERROR_NETWORK_NOT_FOUND if there is no such network; else as ZT_Controller_setNetwork. */
enum ZT_ResultCode ZT_Controller_setMember(
    ZT_Controller *controller,
    const ZT_ControllerMember *member,
    unsigned int fields,
    char **problem);

/* Deletes a member. ZT_RESULT_ERROR_NETWORK_NOT_FOUND if there is no such network or member; else as
 * ZT_Controller_setNetwork. */
enum ZT_ResultCode ZT_Controller_deleteMember(ZT_Controller *controller, uint64_t nwid, uint64_t address);

#ifdef __cplusplus
}
#endif

#endif
