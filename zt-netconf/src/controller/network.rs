//! A network as the controller keeps it (05 §2).

use std::collections::BTreeMap;
use std::net::IpAddr;

use zt_wire::IpPrefix;
use zt_wire::ident::{Address, NetworkId};
use zt_wire::packet::{DEFAULT_VIRTUAL_MTU, MAX_VIRTUAL_MTU, MIN_VIRTUAL_MTU};
use zt_wire::rules::{RuleKind, RuleTable};

use super::patch::NetworkPatch;
use super::record::Version;
use super::verbatim::Verbatim;
use crate::rules::trial::RuleSet;

/// Sizes that the MTU of a network may have, bytes.
pub(super) const MTU: std::ops::RangeInclusive<u16> = MIN_VIRTUAL_MTU..=MAX_VIRTUAL_MTU;

/// Longest source text of rules, bytes.
pub const MAX_RULES_SOURCE: usize = 256 << 10;

/// Longest DNS domain that fits its 128-byte field with the closing zero.
pub(super) const MAX_DOMAIN: usize = 127;

/// One network.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Its ID; the top 40 bits are the controller's address if it is to be served.
    pub id: NetworkId,
    /// Name for people; members get the first 127 bytes.
    pub name: String,
    /// False: every node that asks is authorised.
    pub private: bool,
    /// When it was made, Unix milliseconds.
    pub creation_time: i64,
    /// Number of the last stored change; the first is 1.
    pub revision: u64,
    /// Ethernet broadcast is allowed.
    pub broadcast: bool,
    /// Most receivers of a multicast frame.
    pub multicast_limit: u32,
    /// Largest frame of the virtual Ethernet, 1,280 to 10,000 bytes.
    pub mtu: u16,
    /// Node that gets traces of every member which has no target of its own.
    pub trace_target: Option<Address>,
    /// How much is traced.
    pub trace_level: u64,
    /// Members get IPv4 addresses from the pools.
    pub assign_v4: bool,
    /// How members get IPv6 addresses.
    pub assign_v6: AssignV6,
    /// Managed routes, in the order in which members get them.
    pub routes: Vec<Route>,
    /// Ranges that addresses are assigned from.
    pub pools: Vec<Pool>,
    /// Rules for all members; the first 1,024 are sent.
    pub rules: RuleTable,
    /// Capabilities that members can have.
    pub capabilities: Vec<NetworkCapability>,
    /// Tags that members can have.
    pub tags: Vec<NetworkTag>,
    /// Tokens that authorise whoever shows them, with the end of each in Unix milliseconds, 0: none.
    pub tokens: BTreeMap<String, u64>,
    /// Name resolution.
    pub dns: Option<Dns>,
    /// Text that rules, capabilities and tags were made from, for people and tools; empty where nobody gave one, or where
    /// they were changed otherwise since. Never sent to members.
    pub rules_source: String,
    /// Members have to sign on at a third party (05 §10).
    pub sign_on: bool,
    /// Client ID at the third party.
    pub client_id: String,
    /// Where members sign on.
    pub authorization_endpoint: String,
    /// Credential window, milliseconds; `None`: the usual one.
    pub window_ms: Option<u64>,
    /// What a stored JSON object said beside all this.
    pub verbatim: Verbatim,
}

/// How members get IPv6 addresses; several ways may be on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AssignV6 {
    /// From the pools.
    pub zt: bool,
    /// A /128 of the network's RFC 4193 prefix.
    pub rfc4193: bool,
    /// A /80 of their own.
    pub sixplane: bool,
}

/// A managed route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The target; host bits are kept as given.
    pub target: IpPrefix,
    /// The gateway, of the same family; `None`: the target is on the virtual Ethernet itself.
    pub via: Option<IpAddr>,
}

/// A range that addresses are assigned from; both ends are of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The first address.
    pub start: IpAddr,
    /// The last one.
    pub end: IpAddr,
}

/// A capability of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkCapability {
    /// Its ID.
    pub id: u32,
    /// Members that join by themselves get it.
    pub default: bool,
    /// What it allows; the first 64 rules are sent.
    pub rules: RuleTable,
}

/// A tag of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkTag {
    /// Its ID.
    pub id: u32,
    /// Value for members that have none.
    pub default: Option<u32>,
}

/// Name resolution in a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dns {
    /// Domain, up to 127 bytes.
    pub domain: String,
    /// Servers; the first four are sent.
    pub servers: Vec<IpAddr>,
}

impl Network {
    /// A new network with every default: private, IPv4 and IPv6 without addresses, everything allowed.
    #[must_use]
    pub fn new(id: NetworkId, now_ms: i64) -> Self {
        Self {
            id,
            name: String::new(),
            private: true,
            creation_time: now_ms,
            revision: 0,
            broadcast: true,
            multicast_limit: 32,
            mtu: DEFAULT_VIRTUAL_MTU,
            trace_target: None,
            trace_level: 0,
            assign_v4: false,
            assign_v6: AssignV6::default(),
            routes: Vec::new(),
            pools: Vec::new(),
            rules: vec![RuleKind::Accept.into()].into(),
            capabilities: Vec::new(),
            tags: Vec::new(),
            tokens: BTreeMap::new(),
            dns: None,
            rules_source: String::new(),
            sign_on: false,
            client_id: String::new(),
            authorization_endpoint: String::new(),
            window_ms: None,
            verbatim: Verbatim::default(),
        }
    }

    /// Sets what the patch sets.
    pub fn apply(&mut self, patch: NetworkPatch) {
        // Named one by one, so that the compiler asks for a new one.
        let NetworkPatch {
            name,
            private,
            broadcast,
            multicast_limit,
            mtu,
            trace_target,
            trace_level,
            assign_v4,
            assign_v6,
            routes,
            pools,
            rules,
            capabilities,
            tags,
            rules_source,
            tokens,
            dns,
            verbatim: spelled,
        } = patch;
        let stale = differs(rules.as_ref(), &self.rules)
            || differs(capabilities.as_ref(), &self.capabilities)
            || differs(tags.as_ref(), &self.tags);
        let verbatim = &mut self.verbatim;
        set(&mut self.name, name, verbatim, "name");
        set(&mut self.private, private, verbatim, "private");
        set(&mut self.broadcast, broadcast, verbatim, "enableBroadcast");
        set(&mut self.multicast_limit, multicast_limit, verbatim, "multicastLimit");
        set(&mut self.mtu, mtu, verbatim, "mtu");
        set(&mut self.trace_target, trace_target, verbatim, "remoteTraceTarget");
        set(&mut self.trace_level, trace_level, verbatim, "remoteTraceLevel");
        set(&mut self.assign_v4, assign_v4, verbatim, "v4AssignMode");
        set(&mut self.assign_v6, assign_v6, verbatim, "v6AssignMode");
        set(&mut self.routes, routes, verbatim, "routes");
        set(&mut self.pools, pools, verbatim, "ipAssignmentPools");
        set(&mut self.rules, rules, verbatim, "rules");
        set(&mut self.capabilities, capabilities, verbatim, "capabilities");
        set(&mut self.tags, tags, verbatim, "tags");
        // A text never says what is not so; that of before comes along where a whole object is changed and sent back.
        let rules_source = rules_source.filter(|text| !stale || *text != self.rules_source);
        let rules_source = rules_source.or_else(|| stale.then(String::new));
        set(&mut self.rules_source, rules_source, verbatim, "rulesSource");
        set(&mut self.tokens, tokens, verbatim, "authTokens");
        set(&mut self.dns, dns, verbatim, "dns");
        self.verbatim.merge(spelled);
    }

    /// Which state of the record this is.
    #[must_use]
    pub fn record_version(&self) -> Version {
        Version { revision: self.revision, made: self.creation_time }
    }

    /// What members are told of its rules.
    #[must_use]
    pub fn rule_set(&self) -> RuleSet {
        let capabilities = self.capabilities.iter().map(|c| (c.id, c.rules.clone())).collect();
        RuleSet { rules: self.rules.clone(), capabilities, tag_defaults: self.tag_defaults() }
    }

    /// Equal in everything but the revision (05 §4).
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        let plain = |network: &Self| {
            let mut network = network.clone();
            network.set_revision(0);
            network
        };
        plain(self) == plain(other)
    }

    pub(super) fn set_revision(&mut self, revision: u64) {
        set(&mut self.revision, Some(revision), &mut self.verbatim, "revision");
    }

    /// How long a certificate agrees with others, in milliseconds (05 §7).
    #[must_use]
    pub fn credential_window_ms(&self) -> u64 {
        self.window_ms.unwrap_or(1_800_000).clamp(300_000, 7_200_000)
    }

    /// Tag IDs with the value of members that have none.
    pub(super) fn tag_defaults(&self) -> BTreeMap<u32, u32> {
        self.tags.iter().filter_map(|tag| Some((tag.id, tag.default?))).collect()
    }
}

/// The patch makes another value of it.
fn differs<T: PartialEq>(new: Option<&T>, held: &T) -> bool {
    new.is_some_and(|new| new != held)
}

/// Sets a field, which then is no longer spelled as it was.
pub(super) fn set<T>(field: &mut T, value: Option<T>, verbatim: &mut Verbatim, key: &str) {
    if let Some(value) = value {
        *field = value;
        verbatim.forget(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_change_is_no_difference() {
        let mut a = Network::new(NetworkId(1), 5);
        let mut b = a.clone();
        b.revision = 7;
        assert!(a.same_as(&b));
        a.name = "x".to_owned();
        assert!(!a.same_as(&b));
    }

    #[test]
    fn the_text_of_the_rules_goes_when_they_change_without_it() {
        let rules = |kind: RuleKind| Some(RuleTable::from(vec![kind.into()]));
        let written = || {
            let mut network = Network::new(NetworkId(1), 5);
            let rules_source = Some("drop;".to_owned());
            network.apply(NetworkPatch { rules: rules(RuleKind::Drop), rules_source, ..NetworkPatch::default() });
            assert_eq!(network.rules_source, "drop;");
            network
        };
        let after = |patch: NetworkPatch| {
            let mut network = written();
            network.apply(patch);
            network.rules_source
        };
        let none = NetworkPatch::default;
        assert_eq!(after(NetworkPatch { name: Some("x".to_owned()), ..none() }), "drop;");
        assert_eq!(after(NetworkPatch { rules: rules(RuleKind::Drop), ..none() }), "drop;");
        assert_eq!(after(NetworkPatch { rules: rules(RuleKind::Accept), ..none() }), "");
        let same = Some("drop;".to_owned());
        assert_eq!(after(NetworkPatch { rules: rules(RuleKind::Accept), rules_source: same, ..none() }), "");
        assert_eq!(after(NetworkPatch { tags: Some(vec![NetworkTag { id: 1, default: None }]), ..none() }), "");
        let capability = NetworkCapability { id: 1, default: false, rules: RuleTable::default() };
        assert_eq!(after(NetworkPatch { capabilities: Some(vec![capability]), ..none() }), "");
    }
}
