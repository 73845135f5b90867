//! Mirror of `ZeroTierOne.h` (08 part A, then the additions of this library).
//!
//! Names, orders and numbers are those of the header; `tests/it/headers.rs` holds the two against each other.
//! Enumerations are plain integers with constants: a value that C invents must not be undefined behaviour here.

#![expect(non_camel_case_types, non_snake_case, reason = "the names of the C header")]

mod controller;
mod numbers;
mod rules;

use core::ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void};

use libc::sockaddr_storage;

pub use self::controller::*;
pub use self::numbers::*;
pub use self::rules::*;
use crate::sys::zt1::abi::layout;

/// A node. Opaque: the library looks handles up and never dereferences them.
pub type ZT_Node = c_void;

/// A remote trace; meta of `ZT_EVENT_REMOTE_TRACE`. Unauthenticated content from any peer (08 A.3).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_RemoteTrace {
    /// The node that sent it, low 40 bits.
    pub origin: u64,
    /// A dictionary, NUL-terminated; the callee may modify it.
    pub data: *mut c_char,
    /// Its length with the NUL, bytes.
    pub len: c_uint,
}
layout!(ZT_RemoteTrace, 24, { origin: 0, data: 8, len: 16 });

/// A message of a user; meta of `ZT_EVENT_USER_MESSAGE` (08 A.3).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_UserMessage {
    /// The node that sent it, low 40 bits.
    pub origin: u64,
    /// Kind, for users to agree on.
    pub typeId: u64,
    /// Content; lives during the callback.
    pub data: *const c_void,
    /// Its length, bytes.
    pub length: c_uint,
}
layout!(ZT_UserMessage, 32, { origin: 0, typeId: 8, data: 16, length: 24 });

/// State of a node (08 A.3).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_NodeStatus {
    /// Our address, low 40 bits.
    pub address: u64,
    /// Public identity as text; lives as long as the node.
    pub publicIdentity: *const c_char,
    /// Secret identity as text; lives as long as the node.
    pub secretIdentity: *const c_char,
    /// Not 0: something upstream answers.
    pub online: c_int,
}
layout!(ZT_NodeStatus, 32, { address: 0, publicIdentity: 8, secretIdentity: 16, online: 24 });

/// Counters by verb; no function returns them (08 A.3).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_NodeStatistics {
    /// Packets in.
    pub inVerbCounts: [u64; 32],
    /// Bytes in.
    pub inVerbBytes: [u64; 32],
}
layout!(ZT_NodeStatistics, 512, { inVerbCounts: 0, inVerbBytes: 256 });

/// A route of a network (08 A.3).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_VirtualNetworkRoute {
    /// Destination; the port field is the prefix length.
    pub target: sockaddr_storage,
    /// Gateway; family 0 = none, the network itself.
    pub via: sockaddr_storage,
    /// Flags.
    pub flags: u16,
    /// Metric, unused.
    pub metric: u16,
}
layout!(ZT_VirtualNetworkRoute, 264, { target: 0, via: 128, flags: 256, metric: 258 });

/// Name service of a network (08 A.3).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_VirtualNetworkDNS {
    /// Search domain, NUL-terminated.
    pub domain: [c_char; 128],
    /// Servers; family 0 = none.
    pub server_addr: [sockaddr_storage; ZT_MAX_DNS_SERVERS],
}
layout!(ZT_VirtualNetworkDNS, 640, { domain: 0, server_addr: 128 });

/// A multicast group (08 A.3).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_MulticastGroup {
    /// MAC, low 48 bits.
    pub mac: u64,
    /// Additional distinguishing information, 32 bits.
    pub adi: c_ulong,
}
layout!(ZT_MulticastGroup, 16, { mac: 0, adi: 8 });

/// A subscription in [`ZT_VirtualNetworkConfig`] (08 A.3, anonymous in C).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_VirtualNetworkConfig_multicastSubscriptions {
    /// MAC, low 48 bits.
    pub mac: u64,
    /// Additional distinguishing information.
    pub adi: u32,
}
layout!(ZT_VirtualNetworkConfig_multicastSubscriptions, 16, { mac: 0, adi: 8 });

/// Configuration of a network (08 A.3).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_VirtualNetworkConfig {
    /// Network, 64 bits.
    pub nwid: u64,
    /// Our MAC on it, low 48 bits.
    pub mac: u64,
    /// Name, NUL-terminated.
    pub name: [c_char; 128],
    /// State.
    pub status: ZT_VirtualNetworkStatus,
    /// Kind; private until configured.
    pub r#type: ZT_VirtualNetworkType,
    /// Largest frame payload, bytes; 2800 until configured.
    pub mtu: c_uint,
    /// Always 0.
    pub dhcp: c_int,
    /// Not 0: we may bridge.
    pub bridge: c_int,
    /// Not 0: broadcasts are carried.
    pub broadcastEnabled: c_int,
    /// Last value other than 0 that the port callback returned.
    pub portError: c_int,
    /// Revision, 0 = none.
    pub netconfRevision: c_ulong,
    /// How many of `assignedAddresses` count.
    pub assignedAddressCount: c_uint,
    /// Addresses; the port field is the prefix length; unused ones are zero.
    pub assignedAddresses: [sockaddr_storage; ZT_MAX_ZT_ASSIGNED_ADDRESSES],
    /// How many of `routes` count.
    pub routeCount: c_uint,
    /// Routes.
    pub routes: [ZT_VirtualNetworkRoute; ZT_MAX_NETWORK_ROUTES],
    /// How many of `multicastSubscriptions` count.
    pub multicastSubscriptionCount: c_uint,
    /// Multicast groups we belong to, at most 1024 of them.
    pub multicastSubscriptions: [ZT_VirtualNetworkConfig_multicastSubscriptions; ZT_MAX_MULTICAST_SUBSCRIPTIONS],
    /// Name service.
    pub dns: ZT_VirtualNetworkDNS,
    /// The network wants people to sign in.
    pub ssoEnabled: bool,
    /// Version of the sign-in.
    pub ssoVersion: u64,
    /// Where to sign in (version 0), NUL-terminated.
    pub authenticationURL: [c_char; 2048],
    /// When the sign-in ends, ms.
    pub authenticationExpiryTime: u64,
    /// Issuer of tokens, NUL-terminated.
    pub issuerURL: [c_char; 2048],
    /// Central server, NUL-terminated.
    pub centralAuthURL: [c_char; 2048],
    /// Nonce, NUL-terminated.
    pub ssoNonce: [c_char; 128],
    /// State, NUL-terminated.
    pub ssoState: [c_char; 256],
    /// Client, NUL-terminated.
    pub ssoClientID: [c_char; 256],
    /// Provider, NUL-terminated.
    pub ssoProvider: [c_char; 64],
}
layout!(ZT_VirtualNetworkConfig, 61992, {
    nwid: 0, mac: 8, name: 16, status: 144, r#type: 148, mtu: 152, dhcp: 156, bridge: 160, broadcastEnabled: 164,
    portError: 168, netconfRevision: 176, assignedAddressCount: 184, assignedAddresses: 192, routeCount: 4288,
    routes: 4296, multicastSubscriptionCount: 38088, multicastSubscriptions: 38096, dns: 54480, ssoEnabled: 55120,
    ssoVersion: 55128, authenticationURL: 55136, authenticationExpiryTime: 57184, issuerURL: 57192,
    centralAuthURL: 59240, ssoNonce: 61288, ssoState: 61416, ssoClientID: 61672, ssoProvider: 61928,
});

/// All networks (08 A.3).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_VirtualNetworkList {
    /// The networks.
    pub networks: *mut ZT_VirtualNetworkConfig,
    /// How many.
    pub networkCount: c_ulong,
}
layout!(ZT_VirtualNetworkList, 16, { networks: 0, networkCount: 8 });

/// Settings of a physical network (08 A.3).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_PhysicalPathConfiguration {
    /// Trusted path, 0 = none.
    pub trustedPathId: u64,
    /// UDP payload, bytes; at most 0 = 1432, else clamped to 1400 to 10324.
    pub mtu: c_int,
}
layout!(ZT_PhysicalPathConfiguration, 16, { trustedPathId: 0, mtu: 8 });

/// A path to a peer (08 A.3). The fields from `latencyMean` on are 0 unless the peer is bonded.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_PeerPhysicalPath {
    /// Where it leads.
    pub address: sockaddr_storage,
    /// Last packet sent, node's clock, ms; 0 = never.
    pub lastSend: u64,
    /// Last packet heard, node's clock, ms; 0 = never.
    pub lastReceive: u64,
    /// Trusted path, 0 = none.
    pub trustedPathId: u64,
    /// Mean round trip, ms.
    pub latencyMean: f32,
    /// Greatest round trip, ms.
    pub latencyMax: f32,
    /// Variance of round trips, ms.
    pub latencyVariance: f32,
    /// Share of packets lost, 0 to 1.
    pub packetLossRatio: f32,
    /// Share of packets broken, 0 to 1.
    pub packetErrorRatio: f32,
    /// Flows on it.
    pub assignedFlowCount: u16,
    /// Scope of the address.
    pub scope: u8,
    /// Quality among the paths of the peer, 0 to 1.
    pub relativeQuality: f32,
    /// Interface, NUL-terminated.
    pub ifname: [c_char; ZT_MAX_PHYSIFNAME],
    /// The host's socket.
    pub localSocket: u64,
    /// Our port on it.
    pub localPort: u16,
    /// Not 0: the path is dead.
    pub expired: c_int,
    /// Not 0: part of a bond.
    pub bonded: u8,
    /// Not 0: the bond may use it.
    pub eligible: u8,
    /// Speed, bit/s.
    pub linkSpeed: u32,
    /// Not 0: what we send by.
    pub preferred: c_int,
}
layout!(ZT_PeerPhysicalPath, 472, {
    address: 0, lastSend: 128, lastReceive: 136, trustedPathId: 144, latencyMean: 152, latencyMax: 156,
    latencyVariance: 160, packetLossRatio: 164, packetErrorRatio: 168, assignedFlowCount: 172, scope: 174,
    relativeQuality: 176, ifname: 180, localSocket: 440, localPort: 448, expired: 452, bonded: 456, eligible: 457,
    linkSpeed: 460, preferred: 464,
});

/// A peer (08 A.3).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_Peer {
    /// Address, low 40 bits.
    pub address: u64,
    /// Version, -1 = unknown.
    pub versionMajor: c_int,
    /// Version, -1 = unknown.
    pub versionMinor: c_int,
    /// Version, -1 = unknown.
    pub versionRev: c_int,
    /// Round trip, ms, -1 = unknown.
    pub latency: c_int,
    /// Role.
    pub role: ZT_PeerRole,
    /// Several links are used as one.
    pub isBonded: bool,
    /// Policy of the bond.
    pub bondingPolicy: c_int,
    /// Links alive in the bond.
    pub numAliveLinks: c_int,
    /// Links in the bond.
    pub numTotalLinks: c_int,
    /// Name of the bond's policy, NUL-terminated.
    pub customBondName: [c_char; 32],
    /// How many of `paths` count.
    pub pathCount: c_uint,
    /// Paths.
    pub paths: [ZT_PeerPhysicalPath; ZT_MAX_PEER_NETWORK_PATHS],
}
layout!(ZT_Peer, 30288, {
    address: 0, versionMajor: 8, versionMinor: 12, versionRev: 16, latency: 20, role: 24, isBonded: 28,
    bondingPolicy: 32, numAliveLinks: 36, numTotalLinks: 40, customBondName: 44, pathCount: 76, paths: 80,
});

/// All peers, ordered by address (08 A.3).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_PeerList {
    /// The peers.
    pub peers: *mut ZT_Peer,
    /// How many.
    pub peerCount: c_ulong,
}
layout!(ZT_PeerList, 16, { peers: 0, peerCount: 8 });

/// A port is to be opened, changed or closed; not 0 = PORT_ERROR with that value (08 A.4).
pub type ZT_VirtualNetworkConfigFunction = Option<
    unsafe extern "C" fn(
        node: *mut ZT_Node,
        uptr: *mut c_void,
        tptr: *mut c_void,
        nwid: u64,
        nuptr: *mut *mut c_void,
        op: ZT_VirtualNetworkConfigOperation,
        config: *const ZT_VirtualNetworkConfig,
    ) -> c_int,
>;
/// A frame for the port; data lives during the call (08 A.4).
pub type ZT_VirtualNetworkFrameFunction = Option<
    unsafe extern "C" fn(
        node: *mut ZT_Node,
        uptr: *mut c_void,
        tptr: *mut c_void,
        nwid: u64,
        nuptr: *mut *mut c_void,
        srcMac: u64,
        dstMac: u64,
        etherType: c_uint,
        vlanId: c_uint,
        data: *const c_void,
        len: c_uint,
    ),
>;
/// An event; the type of meta depends on it (08 A.4).
pub type ZT_EventCallback = Option<
    unsafe extern "C" fn(
        node: *mut ZT_Node,
        uptr: *mut c_void,
        tptr: *mut c_void,
        event: ZT_Event,
        meta: *const c_void,
    ),
>;
/// Stores an object; len -1 with data NULL deletes it; id has two elements (08 A.4).
pub type ZT_StatePutFunction = Option<
    unsafe extern "C" fn(
        node: *mut ZT_Node,
        uptr: *mut c_void,
        tptr: *mut c_void,
        r#type: ZT_StateObjectType,
        id: *const u64,
        data: *const c_void,
        len: c_int,
    ),
>;
/// Reads an object: bytes stored in buf, -1 = not there; id has two elements (08 A.4).
pub type ZT_StateGetFunction = Option<
    unsafe extern "C" fn(
        node: *mut ZT_Node,
        uptr: *mut c_void,
        tptr: *mut c_void,
        r#type: ZT_StateObjectType,
        id: *const u64,
        buf: *mut c_void,
        cap: c_uint,
    ) -> c_int,
>;
/// Sends a datagram, 0 = sent; localSocket -1 or 0 = any or all, ttl 0 = default (08 A.4).
pub type ZT_WirePacketSendFunction = Option<
    unsafe extern "C" fn(
        node: *mut ZT_Node,
        uptr: *mut c_void,
        tptr: *mut c_void,
        localSocket: i64,
        addr: *const sockaddr_storage,
        data: *const c_void,
        len: c_uint,
        ttl: c_uint,
    ) -> c_int,
>;
/// May this path be used? Not 0 = yes. Optional (08 A.4).
pub type ZT_PathCheckFunction = Option<
    unsafe extern "C" fn(
        node: *mut ZT_Node,
        uptr: *mut c_void,
        tptr: *mut c_void,
        ztaddr: u64,
        localSocket: i64,
        remote: *const sockaddr_storage,
    ) -> c_int,
>;
/// Where may this node be? Not 0 = result filled; family -1 = any. Optional (08 A.4).
pub type ZT_PathLookupFunction = Option<
    unsafe extern "C" fn(
        node: *mut ZT_Node,
        uptr: *mut c_void,
        tptr: *mut c_void,
        ztaddr: u64,
        family: c_int,
        result: *mut sockaddr_storage,
    ) -> c_int,
>;

/// The callbacks of a node; copied by `ZT_Node_new` (08 A.4).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_Node_Callbacks {
    /// Must be 0.
    pub version: c_long,
    /// Required.
    pub statePutFunction: ZT_StatePutFunction,
    /// Required.
    pub stateGetFunction: ZT_StateGetFunction,
    /// Required.
    pub wirePacketSendFunction: ZT_WirePacketSendFunction,
    /// Required.
    pub virtualNetworkFrameFunction: ZT_VirtualNetworkFrameFunction,
    /// Required.
    pub virtualNetworkConfigFunction: ZT_VirtualNetworkConfigFunction,
    /// Required.
    pub eventCallback: ZT_EventCallback,
    /// May be NULL.
    pub pathCheckFunction: ZT_PathCheckFunction,
    /// May be NULL.
    pub pathLookupFunction: ZT_PathLookupFunction,
}
layout!(ZT_Node_Callbacks, 72, {
    version: 0, statePutFunction: 8, stateGetFunction: 16, wirePacketSendFunction: 24,
    virtualNetworkFrameFunction: 32, virtualNetworkConfigFunction: 40, eventCallback: 48, pathCheckFunction: 56,
    pathLookupFunction: 64,
});

// Additions of this library.

/// Reads an object of a controller's store: bytes read, -1 not there, -2 error.
pub type ZT_Controller_GetFunction = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        name: *const c_char,
        buf: *mut c_void,
        cap: c_ulong,
        startIndex: c_ulong,
        totalSize: *mut c_ulong,
    ) -> c_long,
>;
/// Writes an object (0 = durable); data NULL and len 0 delete it; secure 1 = for our eyes only.
pub type ZT_Controller_PutFunction = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        name: *const c_char,
        data: *const c_void,
        len: c_ulong,
        secure: c_int,
    ) -> c_int,
>;

/// The store of a controller; copied by `ZT_Controller_new`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_Controller_Store {
    /// Handed to both functions.
    pub user: *mut c_void,
    /// Required.
    pub get: ZT_Controller_GetFunction,
    /// Required.
    pub put: ZT_Controller_PutFunction,
}
layout!(ZT_Controller_Store, 24, { user: 0, get: 8, put: 16 });

/// A network controller, made by `ZT_Controller_new`. Opaque and never dereferenced.
pub type ZT_Controller = c_void;
