//! Answers of the ZT1 interface, as structures of C that own what they point to.

use super::abi::*;
use crate::sys::pointers::char_array;
use crate::sys::sockaddr;
use crate::zt1::{NetworkView, NodeView, PathKind, PathView, PeerView, PortImage, PortStatus};
use core::ffi::{c_long, c_uint, c_ulong};
use libc::sockaddr_storage;
use std::ffi::CString;
use std::net::SocketAddr;
use zt_netconf::NetworkStatus;
use zt_peer::{Endpoint, Role};
use zt_wire::InetAddress;

/// A port configuration. C gets the address of `config`, which is that of the whole.
#[repr(C)]
pub(super) struct PortAnswer {
    pub(super) config: ZT1_VirtualPortConfig,
    addresses: Vec<sockaddr_storage>,
    name: CString,
}

impl PortAnswer {
    pub(super) fn new(image: &PortImage) -> Self {
        let addresses: Vec<sockaddr_storage> = image.addresses.iter().map(sockaddr::of_inet).collect();
        let name = c_string(&image.name);
        let config = ZT1_VirtualPortConfig {
            networkId: image.network.0,
            mac: image.mac.as_u64(),
            status: match image.status {
                PortStatus::Waiting => ZT1_VirtualPortConfig_STATUS_WAITING,
                PortStatus::Authorized => ZT1_VirtualPortConfig_STATUS_AUTHORIZED,
                PortStatus::AccessDenied => ZT1_VirtualPortConfig_STATUS_ACCESS_DENIED,
                PortStatus::NotFound => ZT1_VirtualPortConfig_STATUS_NOT_FOUND,
            },
            r#type: if image.is_public {
                ZT1_VirtualPortConfig_NETWORK_TYPE_PUBLIC
            } else {
                ZT1_VirtualPortConfig_NETWORK_TYPE_PRIVATE
            },
            mtu: image.mtu.into(),
            dhcp: 0,
            bridge: image.bridge.into(),
            netconfRevision: image.revision as c_ulong,
            assignedAddresses: addresses.as_ptr(),
            assignedAddressCount: count(addresses.len()),
            networkName: name.as_ptr(),
        };
        Self { config, addresses, name }
    }
}

/// A list of peers.
#[repr(C)]
pub(super) struct PeersAnswer {
    list: ZT1_Node_PeerList,
    peers: Vec<ZT1_Node_Peer>,
    paths: Vec<Vec<ZT1_Node_PhysicalPath>>,
}

impl PeersAnswer {
    pub(super) fn new(views: &[PeerView]) -> Self {
        let mut paths: Vec<Vec<_>> = views.iter().map(|view| view.paths.iter().map(path).collect()).collect();
        let mut peers: Vec<_> = views.iter().zip(&mut paths).map(|(view, paths)| peer(view, paths)).collect();
        let list = ZT1_Node_PeerList { peers: peers.as_mut_ptr(), numPeers: count(peers.len()) };
        Self { list, peers, paths }
    }
}

/// A list of networks.
#[repr(C)]
pub(super) struct NetworksAnswer {
    list: ZT1_Node_NetworkList,
    networks: Vec<ZT1_Node_Network>,
    addresses: Vec<Vec<ZT1_Node_PhysicalAddress>>,
}

impl NetworksAnswer {
    pub(super) fn new(views: &[NetworkView]) -> Self {
        let assigned = |view: &NetworkView| view.addresses.iter().map(assigned_address).collect();
        let mut addresses: Vec<Vec<_>> = views.iter().map(assigned).collect();
        let mut networks: Vec<_> =
            views.iter().zip(&mut addresses).map(|(view, addresses)| network(view, addresses)).collect();
        let list = ZT1_Node_NetworkList { networks: networks.as_mut_ptr(), numNetworks: count(networks.len()) };
        Self { list, networks, addresses }
    }
}

pub(super) fn status(view: &NodeView) -> ZT1_Node_Status {
    ZT1_Node_Status {
        publicIdentity: char_array(&view.identity.to_string()),
        address: char_array(&view.identity.address.to_string()),
        rawAddress: view.identity.address.as_u64(),
        knownPeers: count(view.known),
        supernodes: count(view.supernodes),
        directlyConnectedPeers: count(view.direct),
        alivePeers: count(view.alive),
        directLinkSuccessRate: if view.alive == 0 { 0.0 } else { view.direct as f32 / view.alive as f32 },
        online: view.online,
        running: true,
        initialized: true,
    }
}

fn peer(view: &PeerView, paths: &mut [ZT1_Node_PhysicalPath]) -> ZT1_Node_Peer {
    let version = view.version.map(|version| version.to_string());
    ZT1_Node_Peer {
        remoteVersion: char_array(&version.unwrap_or_default()),
        address: char_array(&view.address.to_string()),
        rawAddress: view.address.as_u64(),
        // 0 means unknown, so the quickest answer counts as 1.
        latency: view.latency.map_or(0, |millis| c_uint::try_from(millis.max(1)).unwrap_or(c_uint::MAX)),
        role: match view.role {
            Role::Planet => ZT1_Node_Peer_SUPERNODE,
            Role::Moon => ZT1_Node_Peer_HUB,
            Role::Leaf => ZT1_Node_Peer_NODE,
        },
        paths: paths.as_mut_ptr(),
        numPaths: count(paths.len()),
    }
}

fn path(view: &PathView) -> ZT1_Node_PhysicalPath {
    let ago = |millis: Option<u64>| millis.map_or(-1, |millis| c_long::try_from(millis).unwrap_or(c_long::MAX));
    ZT1_Node_PhysicalPath {
        r#type: match view.kind {
            PathKind::Udp => ZT1_Node_PhysicalPath_TYPE_UDP,
            PathKind::TcpOut => ZT1_Node_PhysicalPath_TYPE_TCP_OUT,
            PathKind::TcpIn => ZT1_Node_PhysicalPath_TYPE_TCP_IN,
            PathKind::Ethernet => ZT1_Node_PhysicalPath_TYPE_ETHERNET,
        },
        address: match view.remote {
            Endpoint::Ip(address) => ip_address(&address),
            Endpoint::Mac(mac) => {
                address(ZT1_Node_PhysicalAddress_TYPE_ETHERNET, &mac.0, 0, &mac.to_string(), String::new())
            }
        },
        lastSend: ago(view.last_send),
        lastReceive: ago(view.last_receive),
        lastPing: ago(view.last_ping),
        active: view.active,
        fixed: view.fixed,
    }
}

fn network(view: &NetworkView, addresses: &mut [ZT1_Node_PhysicalAddress]) -> ZT1_Node_Network {
    let status = match view.status {
        _ if view.port_error == ZT1_PORT_NO_MORE_DEVICES => ZT1_Node_Network_NO_MORE_DEVICES,
        NetworkStatus::PortError => ZT1_Node_Network_INITIALIZATION_FAILED,
        _ if !view.has_port => ZT1_Node_Network_INITIALIZING,
        NetworkStatus::Ok => ZT1_Node_Network_OK,
        NetworkStatus::AccessDenied | NetworkStatus::AuthenticationRequired => ZT1_Node_Network_ACCESS_DENIED,
        NetworkStatus::NotFound => ZT1_Node_Network_NOT_FOUND,
        NetworkStatus::RequestingConfiguration | NetworkStatus::ClientTooOld => {
            ZT1_Node_Network_WAITING_FOR_FIRST_AUTOCONF
        }
    };
    ZT1_Node_Network {
        nwid: view.id.0,
        nwidHex: char_array(&view.id.to_string()),
        name: char_array(&view.name),
        description: char_array(""),
        device: char_array(&view.device),
        statusStr: char_array(view.status.name()),
        macStr: char_array(&view.mac.to_string()),
        mac: view.mac.0,
        configAge: view.age.map_or(-1, |millis| c_long::try_from(millis).unwrap_or(c_long::MAX)),
        ips: addresses.as_mut_ptr(),
        numIps: count(addresses.len()),
        status,
        enabled: view.port_error == 0,
        isPrivate: view.private,
    }
}

fn assigned_address(assigned: &InetAddress) -> ZT1_Node_PhysicalAddress {
    let none = || address(ZT1_Node_PhysicalAddress_TYPE_NULL, &[], 0, "", String::new());
    assigned.socket_addr().map_or_else(none, |assigned| ip_address(&assigned))
}

fn ip_address(at: &SocketAddr) -> ZT1_Node_PhysicalAddress {
    let (port, text) = (at.port(), at.ip().to_string());
    match at {
        SocketAddr::V4(v4) => {
            address(ZT1_Node_PhysicalAddress_TYPE_IPV4, &v4.ip().octets(), port, &text, String::new())
        }
        SocketAddr::V6(v6) => {
            let zone = if v6.scope_id() == 0 { String::new() } else { v6.scope_id().to_string() };
            address(ZT1_Node_PhysicalAddress_TYPE_IPV6, &v6.ip().octets(), port, &text, zone)
        }
    }
}

fn address(
    r#type: ZT1_Node_PhysicalAddressType,
    octets: &[u8],
    port: u16,
    text: &str,
    zone: String,
) -> ZT1_Node_PhysicalAddress {
    let mut bits = [0; 16];
    for (to, from) in bits.iter_mut().zip(octets) {
        *to = *from;
    }
    ZT1_Node_PhysicalAddress { r#type, bits, port: port.into(), ascii: char_array(text), zoneIndex: char_array(&zone) }
}

/// Text for C: what a controller names with a NUL inside ends there.
fn c_string(text: &str) -> CString {
    CString::new(text.split('\0').next().unwrap_or_default()).unwrap_or_default()
}

fn count(len: usize) -> c_uint {
    c_uint::try_from(len).unwrap_or(c_uint::MAX)
}
