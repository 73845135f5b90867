//! What the operator says about bonds (03 §15.9).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use zt_wire::Address;

/// How several paths to one peer are used together (03 §15.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BondPolicy {
    /// There is no bond: one path is used, chosen as always (03 §7.2).
    #[default]
    None,
    /// All traffic by one path, another at once when that fails.
    ActiveBackup,
    /// Each frame by every path; the receiver takes the first copy.
    Broadcast,
    /// Some packets by one path, then some by the next. Flows are reordered.
    BalanceRr,
    /// Flows are spread over the paths by their number.
    BalanceXor,
    /// Flows are spread at random, by the capacity of links, and leave paths that are bad.
    BalanceAware,
    /// Ours: a flow begins where it gets most of what the path was seen to carry, or is configured to, and leaves a full path
    /// for one where it gets clearly more.
    Adaptive,
}

impl BondPolicy {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::ActiveBackup,
        Self::Broadcast,
        Self::BalanceRr,
        Self::BalanceXor,
        Self::BalanceAware,
        Self::Adaptive,
    ];

    /// Name in `local.conf` and in the HTTP API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ActiveBackup => "active-backup",
            Self::Broadcast => "broadcast",
            Self::BalanceRr => "balance-rr",
            Self::BalanceXor => "balance-xor",
            Self::BalanceAware => "balance-aware",
            Self::Adaptive => "adaptive",
        }
    }

    /// Number in the HTTP API (06 §3.4); ours comes behind those of the reference.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The policy of a name; `none` is none that can be asked for.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().skip(1).find(|policy| policy.name() == name)
    }

    /// Whether flows are spread over several paths.
    pub const fn balances(self) -> bool {
        matches!(self, Self::BalanceRr | Self::BalanceXor | Self::BalanceAware | Self::Adaptive)
    }
}

/// When active-backup leaves a path that works for another (`activeReselect`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reselect {
    /// Back to a primary link at once.
    #[default]
    Always,
    /// Only to one of a higher score.
    Better,
    /// Never: only when the active one fails.
    Failure,
    /// To one that is clearly better by what is measured, every 15 s at most.
    Optimize,
}

impl Reselect {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Always, Self::Better, Self::Failure, Self::Optimize];

    /// Name in `local.conf`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Better => "better",
            Self::Failure => "failure",
            Self::Optimize => "optimize",
        }
    }

    /// The method of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

/// Which addresses of peers a link is used for (`ipvPref`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpPreference {
    /// All alike.
    #[default]
    Any,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
    /// IPv4 rather than IPv6.
    V4First,
    /// IPv6 rather than IPv4.
    V6First,
}

impl IpPreference {
    /// The preference of a number in `local.conf`: 0, 4, 6, 46, 64.
    pub const fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            0 => Self::Any,
            4 => Self::V4,
            6 => Self::V6,
            46 => Self::V4First,
            64 => Self::V6First,
            _ => return None,
        })
    }

    /// Whether a family is used at all.
    pub(super) const fn allows(self, v4: bool) -> bool {
        match self {
            Self::V4 => v4,
            Self::V6 => !v4,
            Self::Any | Self::V4First | Self::V6First => true,
        }
    }

    /// Whether a family is the preferred one.
    pub(super) const fn prefers(self, v4: bool) -> bool {
        match self {
            Self::V4 | Self::V4First => v4,
            Self::V6 | Self::V6First => !v4,
            Self::Any => false,
        }
    }
}

/// What a policy says about one interface of this host (03 §15.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BondLink {
    /// Name of the interface.
    pub interface: String,
    /// It is used while it works; else only when no primary one does.
    pub primary: bool,
    /// Which addresses of peers it is used for.
    pub ip: IpPreference,
    /// Largest datagram by it in bytes; 0 = as without a bond.
    pub mtu: u16,
    /// What it can carry in Mbit/s, against the others; 0 = not said.
    pub capacity: u32,
    /// The interface that takes over when this one fails.
    pub failover_to: Option<String>,
    /// It is used at all.
    pub enabled: bool,
}

impl BondLink {
    /// A link of which only the name is known.
    pub fn new(interface: impl Into<String>) -> Self {
        let interface = interface.into();
        Self { interface, primary: true, ip: IpPreference::Any, mtu: 0, capacity: 0, failover_to: None, enabled: true }
    }
}

/// Up to where a path is good, and what counts how much (`linkQuality`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QualityLimits {
    /// Mean time one way, in milliseconds.
    pub latency: f32,
    /// Its standard deviation, in milliseconds.
    pub jitter: f32,
    /// Share of packets lost.
    pub loss: f32,
    /// Share of packets damaged. No transport of ours shows such packets: it counts as if there were none.
    pub error: f32,
    /// How much each of these counts; together 1.
    pub weights: [f32; 4],
}

impl Default for QualityLimits {
    fn default() -> Self {
        Self { latency: 500.0, jitter: 100.0, loss: 0.001, error: 0.0001, weights: [0.25; 4] }
    }
}

/// A policy with its parameters: one of `settings.policies`, or a standard one.
#[derive(Clone, Debug, PartialEq)]
pub struct BondTemplate {
    /// What is done.
    pub policy: BondPolicy,
    /// A path is dead when nothing came by it for this long, whatever its probes say; at least 500 ms.
    pub failover_interval: Duration,
    /// A path that works again is used after this.
    pub up_delay: Duration,
    /// A path that has failed is used for this much longer.
    pub down_delay: Duration,
    /// Packets by one path before the next one's turn (balance-rr).
    pub packets_per_link: u32,
    /// When active-backup leaves a path that works.
    pub reselect: Reselect,
    /// What makes a path good.
    pub quality: QualityLimits,
    /// The interfaces that are used; empty: all.
    pub links: Vec<BondLink>,
    /// With `optimize`: the peer is asked to use the path that we use (03 §15.8).
    pub negotiates: bool,
}

impl BondTemplate {
    /// Shortest `failover_interval`.
    pub const MIN_FAILOVER: Duration = Duration::from_millis(500);

    /// A standard policy.
    pub const fn new(policy: BondPolicy) -> Self {
        Self {
            policy,
            failover_interval: Duration::from_millis(5000),
            up_delay: Duration::ZERO,
            down_delay: Duration::ZERO,
            packets_per_link: 64,
            reselect: Reselect::Always,
            quality: QualityLimits { latency: 500.0, jitter: 100.0, loss: 0.001, error: 0.0001, weights: [0.25; 4] },
            links: Vec::new(),
            negotiates: false,
        }
    }

    /// What it says about an interface; `None`: it lists others, or that one is not enabled.
    pub(super) fn link(&self, interface: &str) -> Option<BondLink> {
        if self.links.is_empty() {
            return Some(BondLink::new(interface));
        }
        self.links.iter().find(|link| link.interface == interface && link.enabled).cloned()
    }
}

/// Everything that is configured about bonds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BondConfig {
    /// Some policy is configured, be it for nobody: "in use" of 03 §15.1.
    pub in_use: bool,
    /// For peers that are not named.
    pub default: Option<Arc<BondTemplate>>,
    /// For single peers.
    pub peers: BTreeMap<Address, Arc<BondTemplate>>,
}

impl BondConfig {
    /// One policy for all peers.
    pub fn all(template: BondTemplate) -> Self {
        Self { in_use: true, default: Some(Arc::new(template)), peers: BTreeMap::new() }
    }

    /// What holds for a peer.
    pub(crate) fn template(&self, peer: Address) -> Option<&Arc<BondTemplate>> {
        let template = self.peers.get(&peer).or(self.default.as_ref())?;
        (template.policy != BondPolicy::None).then_some(template)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_are_those_of_the_documents() {
        let codes: Vec<(&str, u8)> = BondPolicy::ALL.iter().map(|p| (p.name(), p.code())).collect();
        let documented = ["none", "active-backup", "broadcast", "balance-rr", "balance-xor", "balance-aware"];
        assert!(documented.iter().zip(0..).all(|(name, code)| codes[usize::from(code)] == (*name, code)));
        assert_eq!(BondPolicy::from_name("none"), None, "counts as unknown (06 §3.3)");
        assert!(BondPolicy::ALL[1..].iter().all(|p| BondPolicy::from_name(p.name()) == Some(*p)));
        assert!(Reselect::ALL.iter().all(|m| Reselect::from_name(m.name()) == Some(*m)));
    }

    #[test]
    fn a_named_peer_has_its_own_template_and_the_others_the_default() {
        let mut config = BondConfig::all(BondTemplate::new(BondPolicy::BalanceXor));
        config.peers.insert(Address::new(5), Arc::new(BondTemplate::new(BondPolicy::Broadcast)));
        assert_eq!(config.template(Address::new(5)).map(|t| t.policy), Some(BondPolicy::Broadcast));
        assert_eq!(config.template(Address::new(6)).map(|t| t.policy), Some(BondPolicy::BalanceXor));
        assert_eq!(BondConfig::default().template(Address::new(5)), None);
    }

    #[test]
    fn a_policy_that_lists_links_uses_no_others() {
        let mut template = BondTemplate::new(BondPolicy::BalanceXor);
        assert!(template.link("eth0").is_some_and(|link| link.primary));
        template.links = vec![BondLink::new("eth0"), BondLink { enabled: false, ..BondLink::new("eth1") }];
        assert!(template.link("eth0").is_some() && template.link("eth1").is_none() && template.link("eth2").is_none());
    }
}
