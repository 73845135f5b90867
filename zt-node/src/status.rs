//! What a running node tells about itself: plain values, made by the engine on request.
//!
//! The shapes follow the JSON objects of the local HTTP interface (06 §4) but are independent of it.

mod next_step;

pub use next_step::{Standing, next_step};

pub use crate::drop_reason::{DropReason, Unsent};
use std::net::IpAddr;
use zt_netconf::controller::ControllerCounts;
use zt_netconf::{Decisions, FrameCounts, Settings as NetworkSettings, Withheld};
use zt_peer::{BondView, BondedPath, Endpoint, PacketCounts, PeerTraffic};
pub use zt_peer::{LinkKind, Role};
use zt_wire::{Address, Identity, InetAddress, IpPrefix, Mac, MulticastGroup, NetworkId, SoftwareVersion};

/// State of the node as a whole (06 §4.3).
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// Public identity.
    pub identity: Identity,
    /// A root answered lately, or this node is a root.
    pub online: bool,
    /// Since when it is online, milliseconds since 1970; none while it is not, and at a root that no other root answers.
    pub online_since: Option<i64>,
    /// World ID of the first planet, 0 if none.
    pub planet_id: u64,
    /// Timestamp of the first planet, milliseconds since 1970.
    pub planet_timestamp: u64,
    /// Physical addresses under which others see this node.
    pub surface: Vec<InetAddress>,
    /// Local addresses of the UDP sockets.
    pub listening_on: Vec<InetAddress>,
    /// Wall clock of the node, milliseconds since 1970.
    pub clock: i64,
    /// Milliseconds by which the clocks of peers are ahead of it, in the middle of them; none while none has told its own.
    pub clock_behind: Option<i64>,
    /// Dropped packets and frames by reason, in a fixed order, zero counts left out.
    pub drops: Vec<(DropReason, u64)>,
    /// Datagrams and bytes since start.
    pub traffic: Traffic,
    /// What the kernel and the node leave to each other.
    pub offload: OffloadStatus,
    /// What somebody should look at: sentences for people.
    pub trouble: Vec<String>,
}

/// What the kernel and a node leave to each other now (docs/offload.md), in the words of the settings; an engine without
/// sockets and devices has none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffloadStatus {
    /// At the UDP sockets; `None` when there is none.
    pub udp: Option<UdpOffloadStatus>,
    /// At virtual ports that are devices.
    pub ports: Vec<PortOffloadStatus>,
}

/// What all UDP sockets of a node have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpOffloadStatus {
    /// What is in effect at every socket: `all`, `send`, `receive` or `none`.
    pub level: &'static str,
    /// Destinations whose trains leave one by one, all or the longer ones, as one was refused in the last two minutes.
    pub refusing: usize,
    /// Bytes in the smallest buffer for what arrives.
    pub receive_buffer: usize,
    /// Bytes in the smallest buffer for what leaves.
    pub send_buffer: usize,
}

/// What a virtual port and its kernel leave to each other: `all`, `tcp`, `checksums` or `none`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortOffloadStatus {
    /// Its network.
    pub network: NetworkId,
    /// Name of the device.
    pub device: String,
    /// What the kernel leaves to the node: what both could when the port was opened.
    pub from_kernel: &'static str,
    /// What the node leaves to the kernel: the same, or less since the kernel refused.
    pub to_kernel: &'static str,
}

/// Counters of physical traffic.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// Datagrams received.
    pub datagrams_in: u64,
    /// Bytes received (UDP payload).
    pub bytes_in: u64,
    /// Datagrams sent.
    pub datagrams_out: u64,
    /// Bytes sent (UDP payload).
    pub bytes_out: u64,
    /// Of the bytes received, those by TCP: tunnels and the relay.
    pub tcp_in: u64,
    /// Of the bytes sent, those by TCP.
    pub tcp_out: u64,
    /// Of the bytes received, those in raw Ethernet frames.
    pub ethernet_in: u64,
    /// Of the bytes sent, those in raw Ethernet frames.
    pub ethernet_out: u64,
}

#[cfg(feature = "driver")]
impl Traffic {
    /// Bytes came by a link of some kind.
    pub(crate) const fn came(&mut self, kind: LinkKind, bytes: u64) {
        self.bytes_in += bytes;
        match kind {
            LinkKind::Udp => {}
            LinkKind::Ethernet => self.ethernet_in += bytes,
            LinkKind::TcpOut | LinkKind::TcpIn | LinkKind::WebSocket | LinkKind::Relay => self.tcp_in += bytes,
        }
    }

    /// Bytes left by a link of some kind.
    pub(crate) const fn left(&mut self, kind: LinkKind, bytes: u64) {
        self.bytes_out += bytes;
        match kind {
            LinkKind::Udp => {}
            LinkKind::Ethernet => self.ethernet_out += bytes,
            LinkKind::TcpOut | LinkKind::TcpIn | LinkKind::WebSocket | LinkKind::Relay => self.tcp_out += bytes,
        }
    }
}

/// What a node counts, for the metrics of 06 §10.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Packets received and opened.
    pub received: PacketCounts,
    /// Packets sent.
    pub sent: PacketCounts,
    /// What was counted of roots and of peers that proved a relation to this node, by address.
    pub peers: Vec<PeerTraffic>,
    /// Frames of joined networks, by ID.
    pub networks: Vec<(NetworkId, FrameCounts)>,
    /// The controller; all 0 where there is none.
    pub controller: ControllerCounts,
    /// Networks and members that it has, and configurations that wait to be made.
    pub controlled: (usize, usize, usize),
}

/// One physical path to a peer.
#[derive(Clone, Debug)]
pub struct PathStatus {
    /// Remote address.
    pub address: Endpoint,
    /// Local link number.
    pub link: u32,
    /// The interface of this host that carries it, if that is known.
    pub interface: Option<String>,
    /// What carries it.
    pub kind: LinkKind,
    /// Wall clock of the last datagram sent, 0 if never.
    pub last_send: i64,
    /// Wall clock of the last datagram received, 0 if never.
    pub last_receive: i64,
    /// Smoothed round trip time in milliseconds, if measured.
    pub latency: Option<u32>,
    /// The path is usable.
    pub alive: bool,
    /// Traffic uses this path.
    pub preferred: bool,
    /// Trusted path ID, 0 if none.
    pub trusted_path_id: u64,
    /// Largest datagram in bytes that packets to the peer are cut for.
    pub mtu: u16,
    /// Its part in the bond with the peer.
    pub bonded: Option<BondedPath>,
    /// Port of the local socket, 0 if it has none.
    pub local_port: u16,
}

/// One known peer (06 §4.6).
#[derive(Clone, Debug)]
pub struct PeerStatus {
    /// Address.
    pub address: Address,
    /// Software version, if known.
    pub version: Option<SoftwareVersion>,
    /// Protocol version, 0 if unknown.
    pub protocol: u16,
    /// Round trip time of the best path in milliseconds, −1 if unknown.
    pub latency: i32,
    /// Role.
    pub role: Role,
    /// Direct paths; empty when the peer is reached through a root.
    pub paths: Vec<PathStatus>,
    /// The paths are used together.
    pub bond: Option<BondView>,
}

/// One joined network (06 §4.5).
#[derive(Clone, Debug)]
pub struct NetworkStatus {
    /// Network.
    pub id: NetworkId,
    /// Own MAC on it.
    pub mac: Mac,
    /// Name given by the controller.
    pub name: String,
    /// How the network stands (04 §2.2).
    pub status: zt_netconf::NetworkStatus,
    /// Membership certificates are needed.
    pub private: bool,
    /// MTU of the port.
    pub mtu: u16,
    /// This node may bridge.
    pub bridge: bool,
    /// Broadcast is on.
    pub broadcast: bool,
    /// Error of the virtual port, 0 if none.
    pub port_error: i32,
    /// Revision of the configuration.
    pub revision: u64,
    /// Assigned addresses with prefix length in the port field.
    pub assigned: Vec<InetAddress>,
    /// Managed routes.
    pub routes: Vec<RouteStatus>,
    /// Groups subscribed.
    pub groups: Vec<MulticastGroup>,
    /// Name of the TAP device, empty if none.
    pub device: String,
    /// Why it has not the name that was asked for; `None` when it has, or none was.
    pub device_problem: Option<String>,
    /// Local settings.
    pub settings: NetworkSettings,
    /// DNS search domain and servers.
    pub dns: Option<(String, Vec<InetAddress>)>,
    /// What became of them on this host; `None` when they are not allowed or there are none.
    pub dns_status: Option<DnsStatus>,
    /// The controller asks for external sign-on.
    pub sign_on: bool,
    /// URL where the user has to sign on, if the controller names one.
    pub authentication_url: Option<String>,
    /// When the present authentication ends, Unix milliseconds; 0 if that is not known.
    pub authentication_expires: u64,
    /// Managed addresses and routes that the host does not get, or that have no effect there.
    pub withheld: Vec<WithheldStatus>,
    /// No frame of this node can pass: the rules accept none.
    pub passes_nothing: bool,
    /// What decided about frames, and how often.
    pub rules: RulesStatus,
}

/// Which rules and capabilities of a network decided, and how often: what a rule that drops decided was dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesStatus {
    /// Index of the deciding rule, and its statement in the words of the rule language.
    pub rules: Vec<(usize, String, Decisions)>,
    /// Capabilities that accepted, by ID.
    pub capabilities: Vec<(u32, Decisions)>,
    /// Dropped because nothing accepted.
    pub undecided: Decisions,
}

/// A managed address or route that the host does not get, or that has no effect there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithheldStatus {
    /// A route, else an address.
    pub is_route: bool,
    /// Target of the route, or the address with the length of its prefix.
    pub prefix: IpPrefix,
    /// Gateway of a route that has one.
    pub via: Option<IpAddr>,
    /// Why, for people.
    pub why: String,
    /// The setting that would let it in, if there is one.
    pub setting: Option<&'static str>,
}

impl From<Withheld> for WithheldStatus {
    fn from(withheld: Withheld) -> Self {
        let (is_route, prefix, via, why) = match withheld {
            Withheld::Address(address, why) => (false, address, None, why),
            Withheld::Route(target, via, why) => (true, target, via, why),
        };
        Self { is_route, prefix, via, why: why.to_string(), setting: why.setting() }
    }
}

/// What the host's resolver made of a network's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsStatus {
    /// It has not answered yet.
    Pending,
    /// It uses them; the resolver's name.
    Applied(String),
    /// It does not, and why.
    Failed(String),
}

/// A managed route.
#[derive(Clone, Debug)]
pub struct RouteStatus {
    /// Target with prefix length in the port field.
    pub target: InetAddress,
    /// Gateway, `InetAddress::None` for on-link.
    pub via: InetAddress,
    /// Flags.
    pub flags: u16,
    /// Metric.
    pub metric: u16,
}

/// A moon, held or wanted.
#[derive(Clone, Debug)]
pub struct MoonStatus {
    /// World ID.
    pub id: u64,
    /// The seed asked for it while it is not yet held.
    pub seed: Option<Address>,
    /// The world, if held, in binary form.
    pub world: Option<zt_wire::World>,
}
