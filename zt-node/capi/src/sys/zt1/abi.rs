//! Mirror of `zt1/ZeroTierOne.h` (08 B.1–B.3, then the additions of this library).
//!
//! Names, orders and numbers are those of the header; `tests/it/headers.rs` holds the two against each other.
//! Enumerations are plain integers with constants: a value that C invents must not be undefined behaviour here.

#![expect(non_camel_case_types, non_snake_case, non_upper_case_globals, reason = "the names of the C header")]

use core::ffi::{c_char, c_int, c_long, c_uchar, c_uint, c_ulong, c_void};

use libc::sockaddr_storage;

/// Asserts the size of a structure and the offsets of its fields as 08 gives them (measured on LP64).
macro_rules! layout {
    ($name:ident, $size:literal, { $($field:ident: $offset:literal),* $(,)? }) => {
        #[cfg(all(unix, target_pointer_width = "64"))]
        const _: () = {
            assert!(core::mem::size_of::<$name>() == $size);
            $(assert!(core::mem::offset_of!($name, $field) == $offset);)*
        };
    };
}

pub(crate) use layout;

/// A node. Opaque: the library looks handles up and never dereferences them.
pub type ZT1_Node = c_void;

/// What functions return (08 B.1).
pub type ZT1_ReturnValue = c_uint;
/// Done.
pub const ZT1_OK: ZT1_ReturnValue = 0;
/// Another node of this network holds our address with another key; the identity must be made anew.
pub const ZT1_FATAL_ERROR_IDENTITY_COLLISION: ZT1_ReturnValue = 1;
/// No memory.
pub const ZT1_FATAL_ERROR_OUT_OF_MEMORY: ZT1_ReturnValue = 2;
/// The data store refuses writes, or failed in another way.
pub const ZT1_FATAL_ERROR_DATA_STORE_NOT_WRITABLE: ZT1_ReturnValue = 3;
/// Addition: a NULL, length, handle or name that cannot be used; nothing was done.
pub const ZT1_ERROR_BAD_PARAMETER: ZT1_ReturnValue = 1000;
/// Addition: another thread, or the caller of this callback, is inside run.
pub const ZT1_ERROR_BUSY: ZT1_ReturnValue = 1001;
/// Addition: the node is not a member of that network.
pub const ZT1_ERROR_NETWORK_NOT_FOUND: ZT1_ReturnValue = 1002;
/// Addition: a fault of this library; the node should be deleted.
pub const ZT1_ERROR_INTERNAL: ZT1_ReturnValue = 1003;

/// What a status callback reports (08 B.1).
pub type ZT1_StatusCode = c_uint;
/// Something upstream answers.
pub const ZT1_STATUS_ONLINE: ZT1_StatusCode = 1;
/// Nothing upstream answers any more.
pub const ZT1_STATUS_OFFLINE: ZT1_StatusCode = 2;
/// The desperation of the core changed; extra points to an `int`, the new level.
pub const ZT1_STATUS_DESPERATION_CHANGE: ZT1_StatusCode = 3;

/// State of a port (08 B.1, anonymous in C).
pub type ZT1_VirtualPortConfig_status = c_uint;
/// No configuration yet.
pub const ZT1_VirtualPortConfig_STATUS_WAITING: ZT1_VirtualPortConfig_status = 0;
/// A member with a configuration.
pub const ZT1_VirtualPortConfig_STATUS_AUTHORIZED: ZT1_VirtualPortConfig_status = 1;
/// The controller refuses us.
pub const ZT1_VirtualPortConfig_STATUS_ACCESS_DENIED: ZT1_VirtualPortConfig_status = 2;
/// The controller knows no such network.
pub const ZT1_VirtualPortConfig_STATUS_NOT_FOUND: ZT1_VirtualPortConfig_status = 3;

/// Kind of a network (08 B.1, anonymous in C).
pub type ZT1_VirtualPortConfig_type = c_uint;
/// Members need authorisation.
pub const ZT1_VirtualPortConfig_NETWORK_TYPE_PRIVATE: ZT1_VirtualPortConfig_type = 0;
/// Open to everybody.
pub const ZT1_VirtualPortConfig_NETWORK_TYPE_PUBLIC: ZT1_VirtualPortConfig_type = 1;

/// Kind of an address (08 B.1).
pub type ZT1_Node_PhysicalAddressType = c_uint;
/// No address.
pub const ZT1_Node_PhysicalAddress_TYPE_NULL: ZT1_Node_PhysicalAddressType = 0;
/// IPv4, 4 bytes of bits.
pub const ZT1_Node_PhysicalAddress_TYPE_IPV4: ZT1_Node_PhysicalAddressType = 1;
/// IPv6, 16 bytes of bits.
pub const ZT1_Node_PhysicalAddress_TYPE_IPV6: ZT1_Node_PhysicalAddressType = 2;
/// Ethernet, 6 bytes of bits.
pub const ZT1_Node_PhysicalAddress_TYPE_ETHERNET: ZT1_Node_PhysicalAddressType = 3;

/// Transport of a path (08 B.1).
pub type ZT1_Node_PhysicalPathType = c_uint;
/// No path.
pub const ZT1_Node_PhysicalPath_TYPE_NULL: ZT1_Node_PhysicalPathType = 0;
/// UDP.
pub const ZT1_Node_PhysicalPath_TYPE_UDP: ZT1_Node_PhysicalPathType = 1;
/// A TCP tunnel that we sent to first.
pub const ZT1_Node_PhysicalPath_TYPE_TCP_OUT: ZT1_Node_PhysicalPathType = 2;
/// A TCP tunnel that we heard first.
pub const ZT1_Node_PhysicalPath_TYPE_TCP_IN: ZT1_Node_PhysicalPathType = 3;
/// Raw frames on a trusted backplane.
pub const ZT1_Node_PhysicalPath_TYPE_ETHERNET: ZT1_Node_PhysicalPathType = 4;

/// Role of a peer (08 B.1).
pub type ZT1_Node_PeerRole = c_uint;
/// A root of the planet.
pub const ZT1_Node_Peer_SUPERNODE: ZT1_Node_PeerRole = 0;
/// A root of a moon.
pub const ZT1_Node_Peer_HUB: ZT1_Node_PeerRole = 1;
/// Any other node.
pub const ZT1_Node_Peer_NODE: ZT1_Node_PeerRole = 2;

/// State of a network (08 B.1).
pub type ZT1_Node_NetworkStatus = c_uint;
/// No port yet.
pub const ZT1_Node_Network_INITIALIZING: ZT1_Node_NetworkStatus = 0;
/// Waits for its first configuration.
pub const ZT1_Node_Network_WAITING_FOR_FIRST_AUTOCONF: ZT1_Node_NetworkStatus = 1;
/// Configured.
pub const ZT1_Node_Network_OK: ZT1_Node_NetworkStatus = 2;
/// The controller refuses us.
pub const ZT1_Node_Network_ACCESS_DENIED: ZT1_Node_NetworkStatus = 3;
/// The controller knows no such network.
pub const ZT1_Node_Network_NOT_FOUND: ZT1_Node_NetworkStatus = 4;
/// The host could not open the port.
pub const ZT1_Node_Network_INITIALIZATION_FAILED: ZT1_Node_NetworkStatus = 5;
/// The host has no device left for the port.
pub const ZT1_Node_Network_NO_MORE_DEVICES: ZT1_Node_NetworkStatus = 6;

/// A packet on the wire, in or out (08 B.2).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT1_WireMessage {
    /// Sender or receiver: the final UDP endpoint, whatever link carries the packet.
    pub remoteAddress: sockaddr_storage,
    /// In: level of the link it came by. Out: the worst level it may go by (08 B.5).
    pub desperation: c_int,
    /// Out: not 0 = send over every level from the lowest to `desperation`.
    pub spam: c_int,
    /// The datagram.
    pub packetData: *const c_void,
    /// Its length, bytes.
    pub packetLength: c_uint,
}
layout!(ZT1_WireMessage, 152, {
    remoteAddress: 0, desperation: 128, spam: 132, packetData: 136, packetLength: 144,
});

/// A frame of a virtual network, in or out (08 B.2).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT1_VirtualLanFrame {
    /// Network, 64 bits.
    pub networkId: u64,
    /// Sender, low 48 bits.
    pub sourceMac: u64,
    /// Receiver, low 48 bits.
    pub destMac: u64,
    /// Ethernet type.
    pub etherType: c_uint,
    /// VLAN, 0 = none.
    pub vlanId: c_uint,
    /// Payload behind the Ethernet header.
    pub frameData: *const c_void,
    /// Its length, bytes.
    pub frameLength: c_uint,
}
layout!(ZT1_VirtualLanFrame, 48, {
    networkId: 0, sourceMac: 8, destMac: 16, etherType: 24, vlanId: 28, frameData: 32, frameLength: 40,
});

/// Configuration of the port of a network (08 B.2).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT1_VirtualPortConfig {
    /// Network, 64 bits.
    pub networkId: u64,
    /// Our MAC on it, low 48 bits.
    pub mac: u64,
    /// State of the port.
    pub status: ZT1_VirtualPortConfig_status,
    /// Kind of the network.
    pub r#type: ZT1_VirtualPortConfig_type,
    /// Largest frame payload, bytes.
    pub mtu: c_uint,
    /// Always 0.
    pub dhcp: c_int,
    /// Not 0: we may bridge.
    pub bridge: c_int,
    /// Revision of the configuration, 0 = still waiting.
    pub netconfRevision: c_ulong,
    /// Assigned addresses; the port field is the prefix length.
    pub assignedAddresses: *const sockaddr_storage,
    /// How many.
    pub assignedAddressCount: c_uint,
    /// Name of the network, NUL-terminated.
    pub networkName: *const c_char,
}
layout!(ZT1_VirtualPortConfig, 72, {
    networkId: 0, mac: 8, status: 16, r#type: 20, mtu: 24, dhcp: 28, bridge: 32, netconfRevision: 40,
    assignedAddresses: 48, assignedAddressCount: 56, networkName: 64,
});

/// State of a node (08 B.2).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT1_Node_Status {
    /// Public identity as text, NUL-terminated.
    pub publicIdentity: [c_char; 256],
    /// Address as 10 hex digits, NUL-terminated.
    pub address: [c_char; 16],
    /// Address, low 40 bits.
    pub rawAddress: u64,
    /// Peers known, with supernodes.
    pub knownPeers: c_uint,
    /// Supernodes known.
    pub supernodes: c_uint,
    /// Peers with a live direct path.
    pub directlyConnectedPeers: c_uint,
    /// Peers heard lately by any way.
    pub alivePeers: c_uint,
    /// Share of live peers that are linked directly, 0 to 1.
    pub directLinkSuccessRate: f32,
    /// Something upstream answers.
    pub online: bool,
    /// The node runs; if false the rest means nothing.
    pub running: bool,
    /// The node has its identity.
    pub initialized: bool,
}
layout!(ZT1_Node_Status, 304, {
    publicIdentity: 0, address: 256, rawAddress: 272, knownPeers: 280, supernodes: 284, directlyConnectedPeers: 288,
    alivePeers: 292, directLinkSuccessRate: 296, online: 300, running: 301, initialized: 302,
});

/// A physical or assigned address (08 B.2).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT1_Node_PhysicalAddress {
    /// Kind.
    pub r#type: ZT1_Node_PhysicalAddressType,
    /// 4, 16 or 6 bytes in network order, the rest 0.
    pub bits: [c_uchar; 16],
    /// UDP port or prefix length.
    pub port: c_uint,
    /// As text, NUL-terminated.
    pub ascii: [c_char; 64],
    /// Zone of a link-local address, NUL-terminated.
    pub zoneIndex: [c_char; 16],
}
layout!(ZT1_Node_PhysicalAddress, 104, { r#type: 0, bits: 4, port: 20, ascii: 24, zoneIndex: 88 });

/// A path to a peer (08 B.2).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT1_Node_PhysicalPath {
    /// Transport.
    pub r#type: ZT1_Node_PhysicalPathType,
    /// Where it leads.
    pub address: ZT1_Node_PhysicalAddress,
    /// Last packet sent, ms ago, -1 = never.
    pub lastSend: c_long,
    /// Last packet heard, ms ago, -1 = never.
    pub lastReceive: c_long,
    /// Last probe sent, ms ago, -1 = never.
    pub lastPing: c_long,
    /// The path works.
    pub active: bool,
    /// The path is a stable endpoint of a root.
    pub fixed: bool,
}
layout!(ZT1_Node_PhysicalPath, 144, {
    r#type: 0, address: 4, lastSend: 112, lastReceive: 120, lastPing: 128, active: 136, fixed: 137,
});

/// A peer (08 B.2).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT1_Node_Peer {
    /// Version as `major.minor.revision` or empty, NUL-terminated.
    pub remoteVersion: [c_char; 16],
    /// Address as 10 hex digits, NUL-terminated.
    pub address: [c_char; 16],
    /// Address, low 40 bits.
    pub rawAddress: u64,
    /// Round trip, ms, 0 = unknown.
    pub latency: c_uint,
    /// Role.
    pub role: ZT1_Node_PeerRole,
    /// Its paths.
    pub paths: *mut ZT1_Node_PhysicalPath,
    /// How many.
    pub numPaths: c_uint,
}
layout!(ZT1_Node_Peer, 64, {
    remoteVersion: 0, address: 16, rawAddress: 32, latency: 40, role: 44, paths: 48, numPaths: 56,
});

/// All peers (08 B.2).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT1_Node_PeerList {
    /// The peers.
    pub peers: *mut ZT1_Node_Peer,
    /// How many.
    pub numPeers: c_uint,
}
layout!(ZT1_Node_PeerList, 16, { peers: 0, numPeers: 8 });

/// A network we joined (08 B.2).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT1_Node_Network {
    /// Network, 64 bits.
    pub nwid: u64,
    /// The same as 16 hex digits, NUL-terminated.
    pub nwidHex: [c_char; 32],
    /// Name, NUL-terminated.
    pub name: [c_char; 256],
    /// Description, NUL-terminated.
    pub description: [c_char; 4096],
    /// Name of the host's device, NUL-terminated.
    pub device: [c_char; 256],
    /// State as text, NUL-terminated.
    pub statusStr: [c_char; 64],
    /// Our MAC as text, NUL-terminated.
    pub macStr: [c_char; 32],
    /// Our MAC.
    pub mac: [c_uchar; 6],
    /// Age of the configuration, ms, -1 = never.
    pub configAge: c_long,
    /// Assigned addresses; port is the prefix length.
    pub ips: *mut ZT1_Node_PhysicalAddress,
    /// How many.
    pub numIps: c_uint,
    /// State.
    pub status: ZT1_Node_NetworkStatus,
    /// The network may carry frames.
    pub enabled: bool,
    /// Members need authorisation.
    pub isPrivate: bool,
}
layout!(ZT1_Node_Network, 4784, {
    nwid: 0, nwidHex: 8, name: 40, description: 296, device: 4392, statusStr: 4648, macStr: 4712, mac: 4744,
    configAge: 4752, ips: 4760, numIps: 4768, status: 4772, enabled: 4776, isPrivate: 4777,
});

/// All networks (08 B.2).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT1_Node_NetworkList {
    /// The networks.
    pub networks: *mut ZT1_Node_Network,
    /// How many.
    pub numNetworks: c_uint,
}
layout!(ZT1_Node_NetworkList, 16, { networks: 0, numNetworks: 8 });

/// A port was made, changed or deleted (config NULL); config lives during the call (08 B.3).
pub type ZT1_VirtualPortConfigCallback =
    Option<unsafe extern "C" fn(networkId: u64, config: *const ZT1_VirtualPortConfig)>;
/// The state of the node changed; text and extra may be NULL and live during the call (08 B.3).
pub type ZT1_StatusCallback =
    Option<unsafe extern "C" fn(code: ZT1_StatusCode, text: *const c_char, extra: *const c_void)>;

// Additions of this library.

/// Error number for `ZT1_Node_setPort`: the host has no device left.
pub const ZT1_PORT_NO_MORE_DEVICES: c_int = -2;

/// Reads an object of the data store: bytes read, -1 not there, -2 error.
pub type ZT1_DataStoreGetFunction = Option<
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
pub type ZT1_DataStorePutFunction = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        name: *const c_char,
        data: *const c_void,
        len: c_ulong,
        secure: c_int,
    ) -> c_int,
>;
/// As [`ZT1_VirtualPortConfigCallback`], with the user pointer and the node.
pub type ZT1_Node_PortConfigFunction = Option<
    unsafe extern "C" fn(user: *mut c_void, node: *mut ZT1_Node, nwid: u64, config: *const ZT1_VirtualPortConfig),
>;
/// As [`ZT1_StatusCallback`], with the user pointer and the node.
pub type ZT1_Node_StatusFunction = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        node: *mut ZT1_Node,
        code: ZT1_StatusCode,
        text: *const c_char,
        extra: *const c_void,
    ),
>;

/// The host of a node: its store and its callbacks; copied by `ZT1_Node_newWithStore`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT1_Node_Host {
    /// Handed to every function below.
    pub user: *mut c_void,
    /// Required.
    pub dataStoreGet: ZT1_DataStoreGetFunction,
    /// Required.
    pub dataStorePut: ZT1_DataStorePutFunction,
    /// May be NULL.
    pub portConfig: ZT1_Node_PortConfigFunction,
    /// May be NULL.
    pub status: ZT1_Node_StatusFunction,
}
layout!(ZT1_Node_Host, 40, { user: 0, dataStoreGet: 8, dataStorePut: 16, portConfig: 24, status: 32 });

/// A network controller, made by `ZT1_NetconfMaster_new`. Opaque and never dereferenced.
pub type ZT1_NetconfMaster = c_void;

/// A root of a planet that is to be made.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT1_PlanetRoot {
    /// Its identity, public or secret text, NUL-terminated.
    pub identity: *const c_char,
    /// Where other nodes reach it, with port.
    pub endpoints: *const sockaddr_storage,
    /// How many.
    pub endpointCount: c_uint,
}
layout!(ZT1_PlanetRoot, 24, { identity: 0, endpoints: 8, endpointCount: 16 });
