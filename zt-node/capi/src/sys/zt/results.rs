//! Answers of the ZT interface, as structures of C.

use super::abi::*;
use crate::sys::pointers::char_array;
use crate::sys::sockaddr;
use crate::zt::{NetworkImage, RouteImage};
use core::ffi::{c_int, c_uint, c_ulong};
use libc::sockaddr_storage;
use std::time::Duration;
use zt_netconf::{NetworkStatus, SignOn};
use zt_peer::{PathView, PeerView, Role};
use zt_wire::MulticastGroup;

/// A list of networks. C gets the address of `list`, which is that of the whole.
#[repr(C)]
pub(super) struct NetworksAnswer {
    list: ZT_VirtualNetworkList,
    networks: Vec<ZT_VirtualNetworkConfig>,
}

impl NetworksAnswer {
    pub(super) fn new(images: &[NetworkImage]) -> Self {
        let mut networks: Vec<_> = images.iter().map(|image| *network(image)).collect();
        let list = ZT_VirtualNetworkList { networks: networks.as_mut_ptr(), networkCount: networks.len() as c_ulong };
        Self { list, networks }
    }
}

/// A list of peers. C gets the address of `list`, which is that of the whole.
#[repr(C)]
pub(super) struct PeersAnswer {
    list: ZT_PeerList,
    peers: Vec<ZT_Peer>,
}

impl PeersAnswer {
    /// `now`: the host's clock. `socket`: its number for the socket of a path.
    pub(super) fn new(now: i64, views: &[PeerView], socket: impl Fn(&PathView) -> i64) -> Self {
        let mut peers: Vec<_> = views.iter().map(|view| peer(now, view, &socket)).collect();
        let list = ZT_PeerList { peers: peers.as_mut_ptr(), peerCount: peers.len() as c_ulong };
        Self { list, peers }
    }
}

/// A structure of zeros, on the heap: these are too large for some stacks.
///
/// # Safety
/// All zeros is a value of `T`.
unsafe fn zeroed<T>() -> Box<T> {
    // SAFETY: the caller's promise.
    unsafe { Box::<T>::new_zeroed().assume_init() }
}

pub(super) fn network(image: &NetworkImage) -> Box<ZT_VirtualNetworkConfig> {
    // SAFETY: integers, arrays of integers and a bool: all zeros is a value.
    let mut config: Box<ZT_VirtualNetworkConfig> = unsafe { zeroed() };
    config.nwid = image.network.0;
    config.mac = image.mac.as_u64();
    config.name = char_array(&image.name);
    config.status = status(image.status);
    config.r#type = if image.is_public { ZT_NETWORK_TYPE_PUBLIC } else { ZT_NETWORK_TYPE_PRIVATE };
    config.mtu = image.mtu;
    config.bridge = image.bridge.into();
    config.broadcastEnabled = image.broadcast.into();
    config.portError = image.port_error;
    config.netconfRevision = image.revision as c_ulong;
    config.assignedAddressCount = fill(&mut config.assignedAddresses, &image.addresses, sockaddr::of_inet);
    config.routeCount = fill(&mut config.routes, &image.routes, route);
    config.multicastSubscriptionCount = fill(&mut config.multicastSubscriptions, &image.groups, subscription);
    config.dns.domain = char_array(&image.domain);
    fill(&mut config.dns.server_addr, &image.servers, sockaddr::of_inet);
    sign_on(&mut config, image);
    config
}

/// Fills an array of C and counts; what does not fit is left out.
fn fill<T, U>(places: &mut [T], values: &[U], convert: impl Fn(&U) -> T) -> c_uint {
    let mut count = 0;
    for (place, value) in places.iter_mut().zip(values) {
        *place = convert(value);
        count += 1;
    }
    count
}

fn status(status: NetworkStatus) -> ZT_VirtualNetworkStatus {
    match status {
        NetworkStatus::RequestingConfiguration => ZT_NETWORK_STATUS_REQUESTING_CONFIGURATION,
        NetworkStatus::Ok => ZT_NETWORK_STATUS_OK,
        NetworkStatus::AccessDenied => ZT_NETWORK_STATUS_ACCESS_DENIED,
        NetworkStatus::NotFound => ZT_NETWORK_STATUS_NOT_FOUND,
        NetworkStatus::PortError => ZT_NETWORK_STATUS_PORT_ERROR,
        NetworkStatus::ClientTooOld => ZT_NETWORK_STATUS_CLIENT_TOO_OLD,
        NetworkStatus::AuthenticationRequired => ZT_NETWORK_STATUS_AUTHENTICATION_REQUIRED,
    }
}

fn route(route: &RouteImage) -> ZT_VirtualNetworkRoute {
    ZT_VirtualNetworkRoute {
        target: sockaddr::of_inet(&route.target),
        via: sockaddr::of_inet(&route.via),
        flags: route.flags,
        metric: route.metric,
    }
}

fn subscription(group: &MulticastGroup) -> ZT_VirtualNetworkConfig_multicastSubscriptions {
    ZT_VirtualNetworkConfig_multicastSubscriptions { mac: group.mac.as_u64(), adi: group.adi }
}

/// What the configuration says of sign-on; a refusal that asks for it says more (04 §2.7).
fn sign_on(config: &mut ZT_VirtualNetworkConfig, image: &NetworkImage) {
    config.ssoEnabled = image.sign_on.is_enabled();
    match &image.sign_on {
        SignOn::V0 { url, expires, .. } => {
            config.authenticationURL = char_array(url);
            config.authenticationExpiryTime = *expires;
        }
        SignOn::V1 { issuer, central, nonce, state, client, provider, .. } => {
            config.ssoVersion = 1;
            config.issuerURL = char_array(issuer);
            config.centralAuthURL = char_array(central);
            config.ssoNonce = char_array(nonce);
            config.ssoState = char_array(state);
            config.ssoClientID = char_array(client);
            config.ssoProvider = char_array(provider);
        }
    }
    if let Some(wanted) = &image.authentication {
        config.ssoEnabled = true;
        config.ssoVersion = wanted.version;
        config.authenticationURL = char_array(&wanted.url);
        config.issuerURL = char_array(&wanted.issuer);
        config.centralAuthURL = char_array(&wanted.central);
        config.ssoNonce = char_array(&wanted.nonce);
        config.ssoState = char_array(&wanted.state);
        config.ssoClientID = char_array(&wanted.client);
        config.ssoProvider = char_array(&wanted.provider);
    }
}

fn peer(now: i64, view: &PeerView, socket: &impl Fn(&PathView) -> i64) -> ZT_Peer {
    // SAFETY: integers, floats, arrays of them and bools: all zeros is a value.
    let mut peer: Box<ZT_Peer> = unsafe { zeroed() };
    peer.address = view.identity.address.as_u64();
    let version = view.version.map(|v| v.software).map(|v| (v.major.into(), v.minor.into(), v.revision.into()));
    (peer.versionMajor, peer.versionMinor, peer.versionRev) = version.unwrap_or((-1, -1, -1));
    peer.latency = view.latency.map_or(-1, |latency| c_int::try_from(latency.as_millis()).unwrap_or(c_int::MAX));
    peer.role = match view.role {
        Role::Leaf => ZT_PEER_ROLE_LEAF,
        Role::Moon => ZT_PEER_ROLE_MOON,
        Role::Planet => ZT_PEER_ROLE_PLANET,
    };
    peer.pathCount = fill(&mut peer.paths, &view.paths, |path| physical_path(now, path, socket(path)));
    *peer
}

fn physical_path(now: i64, view: &PathView, socket: i64) -> ZT_PeerPhysicalPath {
    // SAFETY: integers, floats and arrays of them: all zeros is a value.
    let mut path: ZT_PeerPhysicalPath = unsafe { core::mem::zeroed() };
    let at = |age: Option<Duration>| {
        age.map_or(0, |age| u64::try_from(now).unwrap_or(0).saturating_sub(age.as_millis() as u64))
    };
    path.address = remote(view);
    path.lastSend = at(view.last_sent);
    path.lastReceive = at(view.last_heard);
    path.trustedPathId = view.trusted_path_id;
    path.latencyMean = view.latency.map_or(0.0, |latency| latency.as_secs_f32() * 1000.0);
    path.scope = view.path.remote.scope() as u8;
    path.localSocket = socket.cast_unsigned();
    path.expired = (!view.is_active).into();
    path.preferred = view.preferred.into();
    path
}

fn remote(view: &PathView) -> sockaddr_storage {
    sockaddr::of_endpoint(&view.path.remote)
}
