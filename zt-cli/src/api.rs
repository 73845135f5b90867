//! The objects of the local HTTP interface (06 §4), as the daemon sends and the client reads them.
//!
//! Fields stand in the order of their names, which is the order on the wire.

mod rules;
mod words;

pub use rules::{CapabilityCounter, Count, Question, RuleCounter, RuleCounters, TagValues, Why};
pub use words::{Spoken, Word};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zt_netconf::{NetworkStatus, NetworkType};
use zt_node::status::Role;

/// `GET /status` (06 §4.5).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Node address, 10 hex digits.
    pub address: String,
    /// Wall clock, milliseconds since 1970.
    pub clock: i64,
    /// `local.conf` with effective values in `settings`.
    pub config: Value,
    /// A root answered lately.
    pub online: bool,
    /// World ID of the planet.
    pub planet_world_id: u64,
    /// Timestamp of the planet, milliseconds since 1970.
    pub planet_world_timestamp: u64,
    /// Public identity.
    pub public_identity: String,
    /// A TCP relay is in use.
    pub tcp_fallback_active: bool,
    /// Version as text.
    pub version: String,
    /// Build number.
    pub version_build: u16,
    /// Major version.
    pub version_major: u16,
    /// Minor version.
    pub version_minor: u16,
    /// Revision.
    pub version_rev: u16,
    /// Our own addition: version of the program that runs the node. Absent from ZeroTier One.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zt_version: Option<String>,
    /// Our own addition: milliseconds by which the clocks of peers are ahead of the node's, in the middle of them. Absent while none has told its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zt_clock_behind: Option<i64>,
    /// Our own addition: since when it is online, milliseconds since 1970. Absent while it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zt_online_since: Option<i64>,
    /// Our own addition: the port of a gateway that leads here, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zt_port_mapping: Option<PortMapping>,
    /// Our own addition: interfaces of `settings.ethernet`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zt_ethernet: Vec<EthernetPort>,
    /// Our own addition: what the kernel and the node leave to each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zt_offload: Option<Offload>,
    /// Our own addition: what somebody should look at, such as a full disk, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zt_trouble: Vec<String>,
    /// Our own addition: what the daemon has given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zt_sandbox: Option<Sandbox>,
}

/// What the daemon has given up of its rights (docs/install.md).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sandbox {
    /// User that it runs as.
    pub user: String,
    /// Capabilities that it holds.
    pub capabilities: Vec<String>,
    /// Programs that it starts can gain no rights.
    pub no_new_privileges: bool,
    /// Files, by Landlock.
    pub files: Confined,
    /// System calls, by seccomp.
    pub system_calls: Confined,
}

/// Whether something is confined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confined {
    /// It is.
    On,
    /// As far as this kernel knows how.
    Partly,
    /// The kernel does not know how.
    Unknown,
    /// It is not.
    #[default]
    Off,
}

/// What the kernel and the node leave to each other now, in the words of the settings (docs/offload.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offload {
    /// At all UDP sockets, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp: Option<UdpOffload>,
    /// At virtual ports.
    pub tap: Vec<TapOffload>,
}

/// What is left to the kernel at all UDP sockets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UdpOffload {
    /// `all`, `send`, `receive` or `none`.
    pub level: String,
    /// Destinations whose trains leave one by one, as one was refused in the last two minutes.
    pub refusing: usize,
    /// Bytes in the smallest buffer for what arrives.
    pub receive_buffer: usize,
    /// Bytes in the smallest buffer for what leaves.
    pub send_buffer: usize,
}

/// What a virtual port and its kernel leave to each other: `all`, `tcp`, `checksums` or `none`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TapOffload {
    /// Network ID, 16 hex digits.
    pub network: String,
    /// Name of the device.
    pub device: String,
    /// What the kernel leaves to the node.
    pub from_kernel: String,
    /// What the node leaves to the kernel: the same, or less since the kernel refused.
    pub to_kernel: String,
}

/// An interface on which members find each other without IP (docs/ethernet.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EthernetPort {
    /// Its name.
    pub interface: String,
    /// Its address, while it is in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// The largest datagram in bytes that it takes, while it is in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
    /// Why it is not in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A mapped port (06 §6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortMapping {
    /// `pcp`, `nat-pmp` or `upnp`.
    pub protocol: String,
    /// Address and port of the gateway that lead here, `ip/port`.
    pub external: String,
    /// Address and port that they lead to, `ip/port`.
    pub internal: String,
    /// Peers are told of it. Not told: an address that is not global, or that no root has seen us at.
    pub offered: bool,
}

/// `GET /health` (06 §4.6).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Wall clock, milliseconds since 1970.
    pub clock: i64,
    /// A root answered lately.
    pub online: bool,
    /// Version as text.
    pub version: String,
    /// Build number.
    pub version_build: u16,
    /// Major version.
    pub version_major: u16,
    /// Minor version.
    pub version_minor: u16,
    /// Revision.
    pub version_rev: u16,
}

/// A joined network (06 §4.7).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// Name servers of the network may be used.
    #[serde(rename = "allowDNS")]
    pub allow_dns: bool,
    /// Default routes may be installed.
    pub allow_default: bool,
    /// Global addresses and routes may be installed.
    pub allow_global: bool,
    /// Addresses and routes may be installed at all.
    pub allow_managed: bool,
    /// Our own addition: only those within these prefixes (`ip/bits`). Absent when there is no such list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_managed_list: Vec<String>,
    /// Our own addition: TCP segments are made so small that a frame goes in one datagram. Absent when it is off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clamp_mss: bool,
    /// `ip/bits` as sent by the controller.
    pub assigned_addresses: Vec<String>,
    /// End of the sign-on, milliseconds since 1970; only with sign-on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication_expiry_time: Option<i64>,
    /// Where to sign on; only with sign-on.
    #[serde(rename = "authenticationURL", default, skip_serializing_if = "Option::is_none")]
    pub authentication_url: Option<String>,
    /// This node may bridge.
    pub bridge: bool,
    /// Broadcast is on.
    pub broadcast_enabled: bool,
    /// Always false.
    pub dhcp: bool,
    /// Name servers.
    pub dns: Dns,
    /// Our own addition: why the host's resolver does not use them although it may. Absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_problem: Option<String>,
    /// Our own addition: the resolver of the host that uses them. Absent when none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_resolver: Option<String>,
    /// Network ID, 16 hex digits.
    pub id: String,
    /// Own MAC.
    pub mac: String,
    /// MTU of the port in bytes.
    pub mtu: u32,
    /// Groups subscribed.
    pub multicast_subscriptions: Vec<Group>,
    /// Name given by the controller.
    pub name: String,
    /// Revision of the configuration.
    pub netconf_revision: u64,
    /// Network ID once more.
    pub nwid: String,
    /// Our own addition: the rules accept nothing, so that no frame of this node passes. Absent otherwise.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub passes_nothing: bool,
    /// Host interface.
    pub port_device_name: String,
    /// Our own addition: why it has not the name that `devicemap` asks for. Absent when it has, or none is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_device_problem: Option<String>,
    /// Error of the virtual port, 0 if none.
    pub port_error: i32,
    /// Managed routes.
    pub routes: Vec<Route>,
    /// Our own addition: how often what decided about frames. Absent when nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_counters: Option<RuleCounters>,
    /// The network asks for sign-on; only with sign-on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sso_enabled: Option<bool>,
    /// How it stands.
    pub status: Word<NetworkStatus>,
    /// Whether members need a certificate.
    #[serde(rename = "type")]
    pub kind: Word<NetworkType>,
    /// Our own addition: managed addresses and routes that the host does not get, or that have no effect there. Absent
    /// when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<Withheld>,
}

/// A managed address or route that the host does not get: our own addition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Withheld {
    /// `address` or `route`.
    pub kind: String,
    /// The setting that would let it in, if there is one: `allowManaged`, `allowGlobal` or `allowDefault`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
    /// `ip/bits` of the address, or of the route's target.
    pub target: String,
    /// Gateway of the route, none if on-link.
    pub via: Option<String>,
    /// Why.
    pub why: String,
}

/// Name servers of a network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dns {
    /// Search domain.
    pub domain: String,
    /// At most 4 addresses.
    pub servers: Vec<String>,
}

/// A multicast group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Distinguishes groups on one MAC.
    pub adi: u32,
    /// Group MAC.
    pub mac: String,
}

/// A managed route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Flags.
    pub flags: u16,
    /// Metric.
    pub metric: u16,
    /// Target `ip/bits`.
    pub target: String,
    /// Gateway, none if on-link.
    pub via: Option<String>,
}

/// `GET /trace`, our own addition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Traces {
    /// Number of the newest trace, to ask for what comes after it.
    pub newest: u64,
    /// Traces, oldest first.
    pub traces: Vec<Trace>,
}

/// What a member told (04 §8).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// Event, 4 hex digits.
    pub event: String,
    /// All that was told: numbers as hex digits, bytes of frames and rule logs as hex.
    pub fields: BTreeMap<String, String>,
    /// Who told it.
    pub member: String,
    /// The event in words.
    pub name: String,
    /// The network it is about.
    pub network: Option<String>,
    /// Its place in the order of arrival.
    pub number: u64,
    /// When it arrived, milliseconds since 1970.
    pub time: i64,
}

impl Trace {
    /// A number among the fields; none when it is absent or empty.
    pub fn number(&self, key: &str) -> Option<u64> {
        u64::from_str_radix(self.fields.get(key)?, 16).ok()
    }
}

/// A known peer (06 §4.8).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    /// Node address.
    pub address: String,
    /// Number of the bond's policy; this and what follows of bonds only with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bonding_policy_code: Option<u8>,
    /// Name of the bond's policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bonding_policy_str: Option<String>,
    /// A path that has failed is used for so many milliseconds more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down_delay: Option<u64>,
    /// A path is dead when it was silent for so many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover_interval: Option<u64>,
    /// Several paths are used together.
    pub is_bonded: bool,
    /// Round trip in milliseconds, −1 if unknown.
    pub latency: i32,
    /// Ways to the peer that work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_alive_links: Option<usize>,
    /// Ways to the peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_total_links: Option<usize>,
    /// Packets by one path before the next one's turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets_per_link: Option<u32>,
    /// Direct paths.
    pub paths: Vec<Path>,
    /// What it is to this node.
    pub role: Word<Role>,
    /// This node has a TCP relay.
    pub tunneled: bool,
    /// A path that works again is used after so many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_delay: Option<u64>,
    /// Version as text, `-1.-1.-1` if unknown.
    pub version: String,
    /// Major version, −1 if unknown.
    pub version_major: i32,
    /// Minor version, −1 if unknown.
    pub version_minor: i32,
    /// Revision, −1 if unknown.
    pub version_rev: i32,
}

/// Whether a peer answered: our own addition, `POST /peer/ADDRESS/ping`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pong {
    /// It did; what follows only then.
    pub answered: bool,
    /// Where the answer came from: the peer, or the root that relayed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// A root relayed it.
    #[serde(default)]
    pub relayed: bool,
    /// Milliseconds from the question to the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip: Option<f64>,
}

/// A path to a peer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Path {
    /// Always true.
    pub active: bool,
    /// Remote `ip/port`; of raw Ethernet, our own addition, the MAC address.
    pub address: String,
    /// Flows that it carries; this and what follows of bonds only with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_flow_count: Option<usize>,
    /// 1: it carries traffic of the bond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bonded: Option<u8>,
    /// Our own addition: the largest datagram in bytes, without headers of IP and UDP, that packets to the peer are cut for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datagram_size: Option<u16>,
    /// 1: it may carry traffic of the bond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eligible: Option<u8>,
    /// Always false.
    pub expired: bool,
    /// Configured capacity in Mbit/s, 0 if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_link_speed: Option<u32>,
    /// Our interface; of raw Ethernet without a bond, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ifname: Option<String>,
    /// Milliseconds since a packet came by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_in_age: Option<u64>,
    /// Milliseconds since a packet left by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_out_age: Option<u64>,
    /// Milliseconds since 1970, 0 if never.
    pub last_receive: i64,
    /// Milliseconds since 1970, 0 if never.
    pub last_send: i64,
    /// Mean time one way in milliseconds, 0 if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_mean: Option<f64>,
    /// Its standard deviation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_variance: Option<f64>,
    /// What carries it if that is not UDP, our own addition: `tcp`, `websocket`, `relay` or `ethernet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Local port, 0 if not told.
    pub local_port: u16,
    /// Opaque number of the local socket.
    pub local_socket: u64,
    /// Share of packets damaged; always 0, as no transport tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet_error_ratio: Option<f64>,
    /// Share of probes lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet_loss_ratio: Option<f64>,
    /// Traffic uses this path.
    pub preferred: bool,
    /// Its share in the quality of all paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative_quality: Option<f64>,
    /// Trusted path ID, 0 if none.
    pub trusted_path_id: u64,
}

/// A moon (06 §4.10).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Moon {
    /// World ID, 16 hex digits.
    pub id: String,
    /// Its roots.
    pub roots: Vec<Root>,
    /// Signature, none while waiting.
    pub signature: Option<String>,
    /// Revision, milliseconds since 1970.
    pub timestamp: u64,
    /// Key of the next revision, none while waiting.
    pub updates_must_be_signed_by: Option<String>,
    /// Asked for, not yet received.
    pub waiting: bool,
}

/// A root of a planet or moon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Root {
    /// Public identity.
    pub identity: String,
    /// `ip/port`.
    pub stable_endpoints: Vec<String>,
}

/// A planet in use: our own addition, `GET /planet`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Planet {
    /// World ID, 16 hex digits.
    pub id: String,
    /// Its roots.
    pub roots: Vec<Root>,
    /// Signature.
    pub signature: String,
    /// Where it came from: `file`, `built-in` or `added`.
    pub source: String,
    /// Revision, milliseconds since 1970.
    pub timestamp: u64,
    /// Key of the next revision.
    pub updates_must_be_signed_by: String,
}

/// A reason for dropping packets or frames, with its count: our own addition, `GET /drops`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drops {
    /// Times.
    pub count: u64,
    /// Name of the reason.
    pub reason: String,
}
