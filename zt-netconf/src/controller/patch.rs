//! Changes of networks and members: what is `None` stays as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use zt_wire::ident::Address;
use zt_wire::rules::RuleTable;

use super::network::{AssignV6, Dns, NetworkCapability, NetworkTag, Pool, Route};
use super::verbatim::Verbatim;

/// A change of a network; the fields are those of [`Network`](super::Network).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkPatch {
    /// Name for people, up to 127 bytes.
    pub name: Option<String>,
    /// False: every node that asks is authorised.
    pub private: Option<bool>,
    /// Ethernet broadcast is allowed.
    pub broadcast: Option<bool>,
    /// Most receivers of a multicast frame.
    pub multicast_limit: Option<u32>,
    /// Largest frame, 1,280 to 10,000 bytes.
    pub mtu: Option<u16>,
    /// Node that gets traces; `Some(None)` for no one.
    pub trace_target: Option<Option<Address>>,
    /// How much is traced.
    pub trace_level: Option<u64>,
    /// Members get IPv4 addresses from the pools.
    pub assign_v4: Option<bool>,
    /// How members get IPv6 addresses.
    pub assign_v6: Option<AssignV6>,
    /// All managed routes.
    pub routes: Option<Vec<Route>>,
    /// All ranges that addresses are assigned from.
    pub pools: Option<Vec<Pool>>,
    /// All rules.
    pub rules: Option<RuleTable>,
    /// All capabilities.
    pub capabilities: Option<Vec<NetworkCapability>>,
    /// All tags.
    pub tags: Option<Vec<NetworkTag>>,
    /// Text that rules, capabilities and tags are made from. It goes when they change without it.
    pub rules_source: Option<String>,
    /// All tokens with their ends in Unix milliseconds, 0: none.
    pub tokens: Option<BTreeMap<String, u64>>,
    /// Name resolution; `Some(None)` for none.
    pub dns: Option<Option<Dns>>,
    /// For the JSON interface: how a body spelled its fields.
    pub verbatim: Verbatim,
}

/// A change of a member; the fields are those of [`Member`](super::Member).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemberPatch {
    /// Name for people.
    pub name: Option<String>,
    /// It is a member.
    pub authorized: Option<bool>,
    /// It may bridge other Ethernets in.
    pub active_bridge: Option<bool>,
    /// It gets no addresses but those given here.
    pub no_auto_assign: Option<bool>,
    /// All its addresses.
    pub ips: Option<Vec<IpAddr>>,
    /// All its tags: ID and value.
    pub tags: Option<BTreeMap<u32, u32>>,
    /// IDs of all its capabilities.
    pub capabilities: Option<BTreeSet<u64>>,
    /// When its sign-on ends, Unix milliseconds.
    pub authentication_expiry: Option<u64>,
    /// Node that gets its traces; `Some(None)`: that of the network.
    pub trace_target: Option<Option<Address>>,
    /// How much is traced.
    pub trace_level: Option<u64>,
    /// For the JSON interface: how a body spelled its fields.
    pub verbatim: Verbatim,
}
