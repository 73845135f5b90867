//! Numbers of `ZeroTierOne.h`: limits, trace events and enumerations (08 A.1, A.2).

use core::ffi::c_uint;

/// Usual UDP port (08 A.1).
pub const ZT_DEFAULT_PORT: c_uint = 9993;
/// Least MTU of a virtual network, bytes (08 A.1).
pub const ZT_MIN_MTU: c_uint = 1280;
/// Largest MTU of a virtual network, bytes (08 A.1).
pub const ZT_MAX_MTU: c_uint = 10000;
/// Least physical UDP payload, bytes (08 A.1).
pub const ZT_MIN_PHYSMTU: c_uint = 1400;
/// Physical UDP payload unless configured, bytes (08 A.1).
pub const ZT_DEFAULT_PHYSMTU: c_uint = 1432;
/// Largest physical payload without headroom, bytes (08 A.1).
pub const ZT_MAX_PHYSPAYLOAD: c_uint = 10100;
/// Headroom of a physical packet, bytes (08 A.1).
pub const ZT_MAX_HEADROOM: c_uint = 224;
/// Largest physical UDP payload, bytes (08 A.1).
pub const ZT_MAX_PHYSMTU: c_uint = 10324;
/// Buffer of an interface name, bytes with NUL (08 A.1).
pub const ZT_MAX_PHYSIFNAME: usize = 256;
/// Largest remote trace, bytes (08 A.1).
pub const ZT_MAX_REMOTE_TRACE_SIZE: c_uint = 10000;
/// Longest network name, bytes without NUL (08 A.1).
pub const ZT_MAX_NETWORK_SHORT_NAME_LENGTH: usize = 127;
/// Routes of a network (08 A.1).
pub const ZT_MAX_NETWORK_ROUTES: usize = 128;
/// Addresses a network assigns to a member (08 A.1).
pub const ZT_MAX_ZT_ASSIGNED_ADDRESSES: usize = 32;
/// Specialists of a network (08 A.1).
pub const ZT_MAX_NETWORK_SPECIALISTS: usize = 256;
/// Multicast groups of a network (08 A.1).
pub const ZT_MAX_NETWORK_MULTICAST_SUBSCRIPTIONS: usize = 4096;
/// Revision of the rules engine (08 A.1).
pub const ZT_RULES_ENGINE_REVISION: c_uint = 1;
/// Rules of a network (08 A.1).
pub const ZT_MAX_NETWORK_RULES: usize = 1024;
/// Capabilities of a member (08 A.1).
pub const ZT_MAX_NETWORK_CAPABILITIES: usize = 128;
/// Tags of a member (08 A.1).
pub const ZT_MAX_NETWORK_TAGS: usize = 128;
/// Paths of a peer (08 A.1).
pub const ZT_MAX_PEER_NETWORK_PATHS: usize = 64;
/// Path configurations a node keeps (08 A.1).
pub const ZT_MAX_CONFIGURABLE_PATHS: usize = 32;
/// Rules of a capability (08 A.1).
pub const ZT_MAX_CAPABILITY_RULES: usize = 64;
/// Certificates of ownership of a member (08 A.1).
pub const ZT_MAX_CERTIFICATES_OF_OWNERSHIP: usize = 4;
/// Custody chain of a capability (08 A.1).
pub const ZT_MAX_CAPABILITY_CUSTODY_CHAIN_LENGTH: usize = 7;
/// Multicast groups in a `ZT_VirtualNetworkConfig` (08 A.1).
pub const ZT_MAX_MULTICAST_SUBSCRIPTIONS: usize = 1024;
/// Best quality of a link (08 A.1).
pub const ZT_PATH_LINK_QUALITY_MAX: c_uint = 0xff;
/// Name servers of a network (08 A.1).
pub const ZT_MAX_DNS_SERVERS: usize = 4;

/// Trace event: the paths of an address scope are forgotten (08 A.1).
pub const ZT_REMOTE_TRACE_EVENT__RESETTING_PATHS_IN_SCOPE: c_uint = 0x1000;
/// Trace event: a path is being probed (08 A.1).
pub const ZT_REMOTE_TRACE_EVENT__PEER_CONFIRMING_UNKNOWN_PATH: c_uint = 0x1001;
/// Trace event: a path was learnt (08 A.1).
pub const ZT_REMOTE_TRACE_EVENT__PEER_LEARNED_NEW_PATH: c_uint = 0x1002;
/// Trace event: a cluster redirected the peer (08 A.1).
pub const ZT_REMOTE_TRACE_EVENT__PEER_REDIRECTED: c_uint = 0x1003;
/// Trace event: a packet failed authentication (08 A.1).
pub const ZT_REMOTE_TRACE_EVENT__PACKET_MAC_FAILURE: c_uint = 0x1004;
/// Trace event: a packet does not parse (08 A.1).
pub const ZT_REMOTE_TRACE_EVENT__PACKET_INVALID: c_uint = 0x1005;
/// Trace event: a HELLO was dropped (08 A.1).
pub const ZT_REMOTE_TRACE_EVENT__DROPPED_HELLO: c_uint = 0x1006;
/// Trace event: a frame of ours was dropped (08 A.1).
pub const ZT_REMOTE_TRACE_EVENT__OUTGOING_NETWORK_FRAME_DROPPED: c_uint = 0x2000;
/// Trace event: a peer is no member (08 A.1).
pub const ZT_REMOTE_TRACE_EVENT__INCOMING_NETWORK_ACCESS_DENIED: c_uint = 0x2001;
/// Trace event: a frame for us was dropped (08 A.1).
pub const ZT_REMOTE_TRACE_EVENT__INCOMING_NETWORK_FRAME_DROPPED: c_uint = 0x2002;
/// Trace event: a credential was refused (08 A.1).
pub const ZT_REMOTE_TRACE_EVENT__CREDENTIAL_REJECTED: c_uint = 0x2003;
/// Trace event: a credential was taken (08 A.1).
pub const ZT_REMOTE_TRACE_EVENT__CREDENTIAL_ACCEPTED: c_uint = 0x2004;
/// Trace event: a configuration was asked for (08 A.1).
pub const ZT_REMOTE_TRACE_EVENT__NETWORK_CONFIG_REQUEST_SENT: c_uint = 0x2005;
/// Trace event: the rules judged a frame (08 A.1).
pub const ZT_REMOTE_TRACE_EVENT__NETWORK_FILTER_TRACE: c_uint = 0x2006;

/// What functions return (08 A.2).
pub type ZT_ResultCode = c_uint;
/// Done.
pub const ZT_RESULT_OK: ZT_ResultCode = 0;
/// Nothing was done, and nothing was wrong.
pub const ZT_RESULT_OK_IGNORED: ZT_ResultCode = 1;
/// Fatal: no memory.
pub const ZT_RESULT_FATAL_ERROR_OUT_OF_MEMORY: ZT_ResultCode = 100;
/// Fatal: the data store failed.
pub const ZT_RESULT_FATAL_ERROR_DATA_STORE_FAILED: ZT_ResultCode = 101;
/// Fatal: anything else.
pub const ZT_RESULT_FATAL_ERROR_INTERNAL: ZT_ResultCode = 102;
/// Not a member of that network.
pub const ZT_RESULT_ERROR_NETWORK_NOT_FOUND: ZT_ResultCode = 1000;
/// The node does not do that.
pub const ZT_RESULT_ERROR_UNSUPPORTED_OPERATION: ZT_ResultCode = 1001;
/// A NULL, length, handle or number that cannot be used; nothing was done.
pub const ZT_RESULT_ERROR_BAD_PARAMETER: ZT_ResultCode = 1002;

/// What an event callback reports (08 A.2).
pub type ZT_Event = c_uint;
/// The node works; sent from within ZT_Node_new; no meta.
pub const ZT_EVENT_UP: ZT_Event = 0;
/// Nothing upstream answers any more; no meta.
pub const ZT_EVENT_OFFLINE: ZT_Event = 1;
/// Something upstream answers; no meta.
pub const ZT_EVENT_ONLINE: ZT_Event = 2;
/// Defined, and never sent (quirk of 1.14.1).
pub const ZT_EVENT_DOWN: ZT_Event = 3;
/// Another node holds our address: make a new identity; no meta.
pub const ZT_EVENT_FATAL_ERROR_IDENTITY_COLLISION: ZT_Event = 4;
/// Meta is `const char *`, a line for people.
pub const ZT_EVENT_TRACE: ZT_Event = 5;
/// Meta is a `ZT_UserMessage`.
pub const ZT_EVENT_USER_MESSAGE: ZT_Event = 6;
/// Meta is a `ZT_RemoteTrace`.
pub const ZT_EVENT_REMOTE_TRACE: ZT_Event = 7;

/// State of a network (08 A.2).
pub type ZT_VirtualNetworkStatus = c_uint;
/// Waits for its configuration.
pub const ZT_NETWORK_STATUS_REQUESTING_CONFIGURATION: ZT_VirtualNetworkStatus = 0;
/// Configured.
pub const ZT_NETWORK_STATUS_OK: ZT_VirtualNetworkStatus = 1;
/// The controller refuses us.
pub const ZT_NETWORK_STATUS_ACCESS_DENIED: ZT_VirtualNetworkStatus = 2;
/// The controller knows no such network.
pub const ZT_NETWORK_STATUS_NOT_FOUND: ZT_VirtualNetworkStatus = 3;
/// The port callback reported an error.
pub const ZT_NETWORK_STATUS_PORT_ERROR: ZT_VirtualNetworkStatus = 4;
/// The network wants a newer node.
pub const ZT_NETWORK_STATUS_CLIENT_TOO_OLD: ZT_VirtualNetworkStatus = 5;
/// A person must sign in first.
pub const ZT_NETWORK_STATUS_AUTHENTICATION_REQUIRED: ZT_VirtualNetworkStatus = 6;

/// Kind of a network (08 A.2).
pub type ZT_VirtualNetworkType = c_uint;
/// Members need authorisation.
pub const ZT_NETWORK_TYPE_PRIVATE: ZT_VirtualNetworkType = 0;
/// Open to everybody.
pub const ZT_NETWORK_TYPE_PUBLIC: ZT_VirtualNetworkType = 1;

/// Why a port callback is called (08 A.2).
pub type ZT_VirtualNetworkConfigOperation = c_uint;
/// Open the port.
pub const ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_UP: ZT_VirtualNetworkConfigOperation = 1;
/// The configuration changed.
pub const ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_CONFIG_UPDATE: ZT_VirtualNetworkConfigOperation = 2;
/// The node is being deleted: close the port, keep its settings.
pub const ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_DOWN: ZT_VirtualNetworkConfigOperation = 3;
/// The network was left: remove the port.
pub const ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_DESTROY: ZT_VirtualNetworkConfigOperation = 4;

/// Role of a peer (08 A.2).
pub type ZT_PeerRole = c_uint;
/// An ordinary node.
pub const ZT_PEER_ROLE_LEAF: ZT_PeerRole = 0;
/// A root of a moon.
pub const ZT_PEER_ROLE_MOON: ZT_PeerRole = 1;
/// A root of the planet.
pub const ZT_PEER_ROLE_PLANET: ZT_PeerRole = 2;

/// Who made a node's software (08 A.2).
pub type ZT_Vendor = c_uint;
/// Not said.
pub const ZT_VENDOR_UNSPECIFIED: ZT_Vendor = 0;
/// ZeroTier.
pub const ZT_VENDOR_ZEROTIER: ZT_Vendor = 1;

/// Operating system of a node (08 A.2).
pub type ZT_Platform = c_uint;
/// Not said.
pub const ZT_PLATFORM_UNSPECIFIED: ZT_Platform = 0;
/// Linux.
pub const ZT_PLATFORM_LINUX: ZT_Platform = 1;
/// Windows.
pub const ZT_PLATFORM_WINDOWS: ZT_Platform = 2;
/// MacOS.
pub const ZT_PLATFORM_MACOS: ZT_Platform = 3;
/// Android.
pub const ZT_PLATFORM_ANDROID: ZT_Platform = 4;
/// IOS.
pub const ZT_PLATFORM_IOS: ZT_Platform = 5;
/// Solaris or SmartOS.
pub const ZT_PLATFORM_SOLARIS_SMARTOS: ZT_Platform = 6;
/// FreeBSD.
pub const ZT_PLATFORM_FREEBSD: ZT_Platform = 7;
/// NetBSD.
pub const ZT_PLATFORM_NETBSD: ZT_Platform = 8;
/// OpenBSD.
pub const ZT_PLATFORM_OPENBSD: ZT_Platform = 9;
/// RISC OS.
pub const ZT_PLATFORM_RISCOS: ZT_Platform = 10;
/// VxWorks.
pub const ZT_PLATFORM_VXWORKS: ZT_Platform = 11;
/// FreeRTOS.
pub const ZT_PLATFORM_FREERTOS: ZT_Platform = 12;
/// SYS/BIOS.
pub const ZT_PLATFORM_SYSBIOS: ZT_Platform = 13;
/// GNU Hurd.
pub const ZT_PLATFORM_HURD: ZT_Platform = 14;
/// A browser.
pub const ZT_PLATFORM_WEB: ZT_Platform = 15;

/// Processor of a node (08 A.2).
pub type ZT_Architecture = c_uint;
/// Not said.
pub const ZT_ARCHITECTURE_UNSPECIFIED: ZT_Architecture = 0;
/// 32-bit x86.
pub const ZT_ARCHITECTURE_X86: ZT_Architecture = 1;
/// 64-bit x86.
pub const ZT_ARCHITECTURE_X64: ZT_Architecture = 2;
/// 32-bit ARM.
pub const ZT_ARCHITECTURE_ARM32: ZT_Architecture = 3;
/// 64-bit ARM.
pub const ZT_ARCHITECTURE_ARM64: ZT_Architecture = 4;
/// 32-bit MIPS.
pub const ZT_ARCHITECTURE_MIPS32: ZT_Architecture = 5;
/// 64-bit MIPS.
pub const ZT_ARCHITECTURE_MIPS64: ZT_Architecture = 6;
/// 32-bit POWER.
pub const ZT_ARCHITECTURE_POWER32: ZT_Architecture = 7;
/// 64-bit POWER.
pub const ZT_ARCHITECTURE_POWER64: ZT_Architecture = 8;
/// 32-bit OpenRISC.
pub const ZT_ARCHITECTURE_OPENRISC32: ZT_Architecture = 9;
/// 64-bit OpenRISC.
pub const ZT_ARCHITECTURE_OPENRISC64: ZT_Architecture = 10;
/// 32-bit SPARC.
pub const ZT_ARCHITECTURE_SPARC32: ZT_Architecture = 11;
/// 64-bit SPARC.
pub const ZT_ARCHITECTURE_SPARC64: ZT_Architecture = 12;
/// The .NET runtime.
pub const ZT_ARCHITECTURE_DOTNET_CLR: ZT_Architecture = 13;
/// A Java machine.
pub const ZT_ARCHITECTURE_JAVA_JVM: ZT_Architecture = 14;
/// A browser.
pub const ZT_ARCHITECTURE_WEB: ZT_Architecture = 15;
/// IBM Z.
pub const ZT_ARCHITECTURE_S390X: ZT_Architecture = 16;
/// 64-bit LoongArch.
pub const ZT_ARCHITECTURE_LOONGARCH64: ZT_Architecture = 17;

/// Kind of a stored object (08 A.2).
pub type ZT_StateObjectType = c_uint;
/// None; never asked for.
pub const ZT_STATE_OBJECT_NULL: ZT_StateObjectType = 0;
/// Our public identity; keep it.
pub const ZT_STATE_OBJECT_IDENTITY_PUBLIC: ZT_StateObjectType = 1;
/// Our secret identity; keep it, for our eyes only.
pub const ZT_STATE_OBJECT_IDENTITY_SECRET: ZT_StateObjectType = 2;
/// The planet; better kept.
pub const ZT_STATE_OBJECT_PLANET: ZT_StateObjectType = 3;
/// A moon; `id[0]` is its world; keep it.
pub const ZT_STATE_OBJECT_MOON: ZT_StateObjectType = 4;
/// A peer; `id[0]` is its address; may be lost.
pub const ZT_STATE_OBJECT_PEER: ZT_StateObjectType = 5;
/// A network; `id[0]` is its number; keep it.
pub const ZT_STATE_OBJECT_NETWORK_CONFIG: ZT_StateObjectType = 6;
