//! A controller by types: additions of this library to `ZeroTierOne.h`.

use super::{ZT_VirtualNetworkDNS, ZT_VirtualNetworkRoute, ZT_VirtualNetworkType};
use crate::sys::zt1::abi::layout;
use core::ffi::{c_char, c_int, c_uint, c_ulong};
use libc::sockaddr_storage;

/// Fields of a network that are set; added up.
pub type ZT_ControllerNetworkField = c_uint;
/// The name.
pub const ZT_CONTROLLER_NETWORK_NAME: ZT_ControllerNetworkField = 1;
/// The type.
pub const ZT_CONTROLLER_NETWORK_TYPE: ZT_ControllerNetworkField = 2;
/// The MTU.
pub const ZT_CONTROLLER_NETWORK_MTU: ZT_ControllerNetworkField = 4;
/// The multicast limit.
pub const ZT_CONTROLLER_NETWORK_MULTICAST_LIMIT: ZT_ControllerNetworkField = 8;
/// Whether there is broadcast.
pub const ZT_CONTROLLER_NETWORK_BROADCAST: ZT_ControllerNetworkField = 16;
/// How IPv4 addresses are assigned.
pub const ZT_CONTROLLER_NETWORK_ASSIGN_V4: ZT_ControllerNetworkField = 32;
/// How IPv6 addresses are assigned.
pub const ZT_CONTROLLER_NETWORK_ASSIGN_V6: ZT_ControllerNetworkField = 64;
/// The routes and their number.
pub const ZT_CONTROLLER_NETWORK_ROUTES: ZT_ControllerNetworkField = 128;
/// The pools and their number.
pub const ZT_CONTROLLER_NETWORK_POOLS: ZT_ControllerNetworkField = 256;
/// The name service.
pub const ZT_CONTROLLER_NETWORK_DNS: ZT_ControllerNetworkField = 512;

/// Fields of a member that are set; added up.
pub type ZT_ControllerMemberField = c_uint;
/// Whether it is a member.
pub const ZT_CONTROLLER_MEMBER_AUTHORIZED: ZT_ControllerMemberField = 1;
/// Whether it may bridge.
pub const ZT_CONTROLLER_MEMBER_ACTIVE_BRIDGE: ZT_ControllerMemberField = 2;
/// Whether it gets no addresses but its own.
pub const ZT_CONTROLLER_MEMBER_NO_AUTO_ASSIGN_IPS: ZT_ControllerMemberField = 4;
/// Its addresses and their number.
pub const ZT_CONTROLLER_MEMBER_ADDRESSES: ZT_ControllerMemberField = 8;

/// How members get IPv6 addresses; added up.
pub type ZT_ControllerAssignV6 = c_uint;
/// From the pools.
pub const ZT_CONTROLLER_ASSIGN_V6_POOLS: ZT_ControllerAssignV6 = 1;
/// By RFC 4193.
pub const ZT_CONTROLLER_ASSIGN_V6_RFC4193: ZT_ControllerAssignV6 = 2;
/// By 6PLANE.
pub const ZT_CONTROLLER_ASSIGN_V6_6PLANE: ZT_ControllerAssignV6 = 4;

/// A range that addresses are assigned from.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_ControllerPool {
    /// First address.
    pub start: sockaddr_storage,
    /// Last address.
    pub end: sockaddr_storage,
}
layout!(ZT_ControllerPool, 256, { start: 0, end: 128 });

/// A network of a controller.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_ControllerNetwork {
    /// Network ID.
    pub nwid: u64,
    /// When it was made, Unix milliseconds.
    pub creationTime: u64,
    /// Grows with each change.
    pub revision: u64,
    /// Name for people, NUL-terminated.
    pub name: [c_char; 128],
    /// Who is authorised.
    pub r#type: ZT_VirtualNetworkType,
    /// Largest frame, bytes.
    pub mtu: c_uint,
    /// Most receivers of a multicast frame.
    pub multicastLimit: c_uint,
    /// Not 0: Ethernet broadcast is allowed.
    pub broadcastEnabled: c_int,
    /// Not 0: members get IPv4 addresses from the pools.
    pub assignV4: c_int,
    /// Sum of `ZT_ControllerAssignV6`.
    pub assignV6: c_uint,
    /// Number of routes.
    pub routeCount: c_uint,
    /// Number of pools.
    pub poolCount: c_uint,
    /// Managed routes.
    pub routes: *const ZT_VirtualNetworkRoute,
    /// Ranges that addresses are assigned from.
    pub pools: *const ZT_ControllerPool,
    /// Name service.
    pub dns: ZT_VirtualNetworkDNS,
}
layout!(ZT_ControllerNetwork, 840, {
    nwid: 0, creationTime: 8, revision: 16, name: 24, r#type: 152, mtu: 156, multicastLimit: 160, broadcastEnabled: 164,
    assignV4: 168, assignV6: 172, routeCount: 176, poolCount: 180, routes: 184, pools: 192, dns: 200,
});

/// A member of a network, or a node that asked to be one.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_ControllerMember {
    /// Network ID.
    pub nwid: u64,
    /// Its node, low 40 bits.
    pub address: u64,
    /// When it was made, Unix milliseconds.
    pub creationTime: u64,
    /// Grows with each change.
    pub revision: u64,
    /// When it was last authorised, Unix milliseconds; 0: never.
    pub lastAuthorizedTime: u64,
    /// When that ended, Unix milliseconds; 0: never.
    pub lastDeauthorizedTime: u64,
    /// Not 0: it is a member.
    pub authorized: c_int,
    /// Not 0: it may bridge.
    pub activeBridge: c_int,
    /// Not 0: it gets no addresses but those given here.
    pub noAutoAssignIps: c_int,
    /// Number of addresses.
    pub addressCount: c_uint,
    /// Its addresses.
    pub addresses: *const sockaddr_storage,
}
layout!(ZT_ControllerMember, 72, {
    nwid: 0, address: 8, creationTime: 16, revision: 24, lastAuthorizedTime: 32, lastDeauthorizedTime: 40,
    authorized: 48, activeBridge: 52, noAutoAssignIps: 56, addressCount: 60, addresses: 64,
});

/// IDs of networks, or addresses of members.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_ControllerList {
    /// As many as `count` says.
    pub ids: *const u64,
    /// How many.
    pub count: c_ulong,
}
layout!(ZT_ControllerList, 16, { ids: 0, count: 8 });
