//! One host in one network: smoltcp with its sockets, between frames and connections. No clock, no thread, no socket of the
//! system: frames and time come in by `handle_*`, frames leave by `poll_frames`.

mod connections;
mod frames;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use smoltcp::iface::{Config, Interface, Route, SocketHandle, SocketSet};
use smoltcp::socket::{icmp, tcp, udp};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpCidr, IpEndpoint, IpListenEndpoint};
use thiserror::Error;
use zt_tap::offload::{Cut, Gso, VnetHeader};
use zt_tap::{HostRoute, HostState};
use zt_wire::{IpPrefix, Mac};

use super::flow::{Flow, Verdict};
use super::segment::{ACK, ETHERNET, Ends, RST, SYN, Segment};
use super::wire::{Frame, Outgoing, Wire};

/// Connections of one network, both ways, those that are ending among them.
pub(super) const MOST_CONNECTIONS: usize = 1024;
/// Of them, those that came and are not through their handshake.
const MOST_HALF_OPEN: usize = 64;
/// Flows of datagrams of one network.
pub(super) const MOST_DATAGRAM_FLOWS: usize = 256;
/// Buffers of a connection, each way: what fills 1 Gbit/s over 8 ms. The memory is the system's until it is used.
const BUFFER: usize = 1 << 20;
/// Those of connections beyond so many.
const MANY: usize = 64;
const SMALL_BUFFER: usize = 128 << 10;
/// Datagrams that wait in a flow, and their bytes.
const DATAGRAMS: usize = 64;
const DATAGRAM_BYTES: usize = 128 << 10;
/// Frames that wait to leave; no more come in meanwhile.
const MOST_WAITING: usize = 128;
/// A peer that says nothing is asked, and given up.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const GIVEN_UP: Duration = Duration::from_secs(120);
/// The same for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(20);
/// A connection that both have closed, or nobody uses, is forgotten after so long.
const LINGERING: i64 = 60_000_000;
/// Those that are over and wait for what may still come.
const MOST_LINGERING: usize = 64;
/// Addresses of an interface; one is its own of the link.
const MOST_ADDRESSES: usize = 7;
const MOST_ROUTES: usize = 256;
/// Ports of our own choice.
const OWN_PORTS: std::ops::RangeInclusive<u16> = 49_152..=65_535;

/// A connection of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    handle: SocketHandle,
    ends: Ends,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum StackError {
    /// No address of the right family.
    #[error("the network has no address of this family for this node")]
    NoAddress,
    /// All places are taken.
    #[error("too many connections")]
    Full,
    /// The port is in use.
    #[error("the port is in use")]
    InUse,
    /// The address cannot be a destination.
    #[error("not an address to connect to")]
    Invalid,
}

/// What was refused or lost, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StackCounts {
    /// Connections that came while all places were taken.
    pub no_place: u64,
    /// Segments with a wrong checksum.
    pub bad_checksum: u64,
    /// Frames longer than the network takes.
    pub too_long: u64,
}

/// A frame that is being given out.
struct Leaving {
    frame: Frame,
    cut: Cut,
    /// Which segments leave, when not all do.
    plan: Vec<bool>,
    index: usize,
}

/// The stack.
pub struct Stack {
    interface: Interface,
    sockets: SocketSet<'static>,
    outgoing: Outgoing,
    leaving: Option<Leaving>,
    scratch: Vec<u8>,
    mac: Mac,
    mtu: usize,
    own: Vec<IpAddr>,
    /// What is reached: networks of the addresses, targets of routes.
    reach: Vec<IpPrefix>,
    flows: HashMap<Ends, Flow>,
    /// Ports that take connections, with those that came and nobody took.
    listeners: BTreeMap<u16, VecDeque<Connection>>,
    half_open: Vec<(u16, Connection)>,
    /// Connections that nobody holds any more, and when they are forgotten.
    lingering: Vec<(Connection, i64)>,
    datagram_flows: usize,
    next_port: u16,
    counts: StackCounts,
    now: i64,
}

impl std::fmt::Debug for Stack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stack").field("mac", &self.mac).field("flows", &self.flows.len()).finish_non_exhaustive()
    }
}

impl Stack {
    /// A stack without addresses. `seed` is random: sequence numbers and ports are drawn from it.
    #[must_use]
    pub fn new(mac: Mac, mtu: u16, seed: u64) -> Self {
        let mut outgoing = Outgoing::default();
        let mut config = Config::new(EthernetAddress(mac.0).into());
        config.random_seed = seed;
        let mut wire = Wire { incoming: None, outgoing: &mut outgoing };
        let interface = Interface::new(config, &mut wire, Instant::ZERO);
        let span = u64::from(OWN_PORTS.end() - OWN_PORTS.start()) + 1;
        Self {
            interface,
            sockets: SocketSet::new(Vec::new()),
            outgoing,
            leaving: None,
            scratch: Vec::new(),
            mac,
            mtu: mtu.into(),
            own: Vec::new(),
            reach: Vec::new(),
            flows: HashMap::new(),
            listeners: BTreeMap::new(),
            half_open: Vec::new(),
            lingering: Vec::new(),
            datagram_flows: 0,
            next_port: OWN_PORTS.start() + u16::try_from(seed % span).unwrap_or(0),
            counts: StackCounts::default(),
            now: 0,
        }
    }

    /// What was refused or lost.
    #[must_use]
    pub fn counts(&self) -> StackCounts {
        self.counts
    }

    /// Connections, those that are ending among them.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.flows.len()
    }

    /// Longest payload of a frame. Connections that are open go on with segments as they are.
    pub fn set_mtu(&mut self, mtu: u16) {
        self.mtu = mtu.into();
        #[expect(clippy::iter_over_hash_type, reason = "each is changed by itself")]
        for (ends, flow) in &mut self.flows {
            flow.shorten(most_payload(self.mtu, ends.local.ip()));
        }
    }

    /// Longest datagram to an address.
    #[must_use]
    pub fn longest_datagram(&self, to: IpAddr) -> usize {
        self.mtu - if to.is_ipv4() { 28 } else { 48 }
    }

    /// Addresses and routes; says which of them the stack has no room for, or no way to use.
    pub fn set_host(&mut self, state: &HostState) -> (Vec<IpPrefix>, Vec<HostRoute>) {
        let wanted = state.distinct_addresses();
        let usable = |prefix: &IpPrefix| !prefix.address().is_unspecified() && !prefix.address().is_multicast();
        let (mut own, mut left): (Vec<IpPrefix>, Vec<IpPrefix>) = wanted.into_iter().partition(usable);
        left.extend(own.split_off(own.len().min(MOST_ADDRESSES)));
        let routes = state.installed_routes();
        let (on_link, gateways): (Vec<HostRoute>, Vec<HostRoute>) = routes.into_iter().partition(|r| r.via.is_none());
        let mut unused = Vec::new();
        let mut cidrs: Vec<IpCidr> =
            own.iter().map(|prefix| IpCidr::new(prefix.address().into(), prefix.bits())).collect();
        for route in on_link {
            // What is on the link is told by the length of an address's prefix.
            let holder = own.iter().position(|own| route.target.contains(own.address()));
            match holder {
                Some(at) if route.target.bits() < cidrs[at].prefix_len() => {
                    cidrs[at] = IpCidr::new(cidrs[at].address(), route.target.bits());
                }
                Some(_) => {}
                None if own.iter().any(|own| own.network().contains(route.target.address())) => {}
                None => unused.push(route),
            }
        }
        if own.iter().any(|prefix| prefix.address().is_ipv6()) {
            cidrs.push(IpCidr::new(link_local(self.mac).into(), 64));
        }
        self.interface.update_ip_addrs(|list| {
            list.clear();
            list.extend(cidrs);
        });
        unused.extend(gateways.iter().skip(MOST_ROUTES));
        self.interface.routes_mut().update(|list| {
            list.clear();
            list.extend(gateways.iter().take(MOST_ROUTES).filter_map(|route| {
                let cidr = IpCidr::new(route.target.address().into(), route.target.bits());
                Some(Route { cidr, via_router: route.via?.into(), preferred_until: None, expires_at: None })
            }));
        });
        self.own = own.iter().map(|own| own.address()).collect();
        self.reach = own.iter().map(|own| own.network()).collect();
        self.reach.extend(state.installed_routes().iter().filter(|r| !unused.contains(r)).map(|r| r.target));
        (left, unused)
    }

    /// How long the prefix is by which an address is reached here; `None` when it is not.
    #[must_use]
    pub fn reach(&self, to: IpAddr) -> Option<u8> {
        self.reach.iter().filter(|prefix| prefix.contains(to)).map(|prefix| prefix.bits()).max()
    }

    /// Addresses of the stack, without that of the link.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        &self.own
    }
}

fn link_local(mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0.map(u16::from);
    Ipv6Addr::new(0xfe80, 0, 0, 0, (a ^ 2) << 8 | b, c << 8 | 0xff, 0xfe00 | d, e << 8 | f)
}

/// Payload of a segment to or from an address.
fn most_payload(mtu: usize, ip: IpAddr) -> usize {
    mtu - if ip.is_ipv4() { 40 } else { 60 }
}

fn moment(now: i64) -> Instant {
    Instant::from_micros(now)
}

#[cfg(test)]
mod tests;
