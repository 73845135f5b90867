//! A frame on trial: what a network with given rules does with a frame from one member to another, judged by both ends
//! as they would (04 §6.7, §6.8), without a network.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use zt_wire::ident::{Address, Mac, NetworkId};
use zt_wire::inet::InetAddress;
use zt_wire::rules::RuleTable;
use zt_wire::{Capability, Custody, Ownership, Signature, Tag, Thing};

use super::script::Script;
use super::words::{Ends, Frame};
use super::{Decision, FrameFacts, PeerPolicy, Policy, Verdict};
use crate::config::NetworkConfig;

/// The rules of a network, as its controller has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleSet {
    /// Rules for all members.
    pub rules: RuleTable,
    /// What capabilities allow, by their ID.
    pub capabilities: BTreeMap<u32, RuleTable>,
    /// Values of tags for members that were given none, by the tag's ID.
    pub tag_defaults: BTreeMap<u32, u32>,
}

impl RuleSet {
    /// What a text says.
    #[must_use]
    pub fn of(script: &Script) -> Self {
        let capabilities = script.capabilities.iter().map(|c| (c.id, c.base().into()));
        Self {
            rules: script.base().into(),
            capabilities: capabilities.collect(),
            // Of several tags with one ID a controller keeps the last.
            tag_defaults: script.tags.iter().filter_map(|tag| Some((tag.id, tag.default?))).collect(),
        }
    }

    /// All tables: that of the network first, then those of capabilities by ascending ID.
    pub fn tables(&self) -> impl Iterator<Item = &RuleTable> {
        std::iter::once(&self.rules).chain(self.capabilities.values())
    }
}

/// A member of a network: what its controller gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// Name for people.
    pub name: String,
    /// Its node.
    pub address: Address,
    /// Addresses that it was assigned, which it can prove to own.
    pub ips: Vec<IpAddr>,
    /// Tags that it was given: ID and value.
    pub tags: BTreeMap<u32, u32>,
    /// Capabilities that it was given.
    pub capabilities: BTreeSet<u32>,
    /// It may bridge other Ethernets in.
    pub active_bridge: bool,
}

impl Party {
    /// Its MAC.
    #[must_use]
    pub fn mac(&self, network: NetworkId) -> Mac {
        Mac::for_member(self.address, network)
    }

    /// Its tags, with the values that the network has for those that it was not given.
    #[must_use]
    pub fn tags_in(&self, set: &RuleSet) -> BTreeMap<u32, u32> {
        let mut tags = set.tag_defaults.clone();
        tags.extend(&self.tags);
        tags
    }

    /// Those of its capabilities that the network has.
    #[must_use]
    pub fn capabilities_in(&self, set: &RuleSet) -> BTreeSet<u32> {
        self.capabilities.iter().copied().filter(|id| set.capabilities.contains_key(id)).collect()
    }
}

/// The ends that words about a frame between two members leave out.
#[must_use]
pub fn ends(network: NetworkId, from: &Party, to: &Party) -> Ends {
    Ends {
        source: from.mac(network),
        destination: to.mac(network),
        source_ips: from.ips.clone(),
        destination_ips: to.ips.clone(),
    }
}

/// A member with its credentials, as the rules know it.
#[derive(Debug)]
pub struct Seat {
    config: NetworkConfig,
    policy: Policy,
    mac: Mac,
    active_bridge: bool,
}

impl Seat {
    /// What a member has in a network with these rules.
    #[must_use]
    pub fn new(network: NetworkId, set: &RuleSet, party: &Party) -> Self {
        let (issued_to, signature) = (party.address, Signature::NONE);
        let signer = network.controller();
        let mut config = NetworkConfig::new(network, issued_to, 1);
        config.rules = set.rules.clone();
        let tag = |(id, value)| Tag { network, timestamp: 1, id, value, issued_to, signer, signature };
        config.tags = party.tags_in(set).into_iter().map(tag).collect();
        let held = party.capabilities_in(set);
        config.capabilities = held
            .into_iter()
            .filter_map(|id| {
                let custody = vec![Custody { to: issued_to, from: signer, signature }];
                let rules = set.capabilities.get(&id)?.clone();
                Some(Capability { network, timestamp: 1, id, rules, max_custody: 1, custody })
            })
            .collect();
        if !party.ips.is_empty() {
            let things: Vec<Thing> = party.ips.iter().copied().map(Thing::from).collect();
            config.ownerships =
                vec![Ownership { network, timestamp: 1, flags: 0, id: 1, things, issued_to, signer, signature }];
        }
        config.addresses =
            party.ips.iter().map(|ip| InetAddress::new(*ip, if ip.is_ipv4() { 24 } else { 64 })).collect();
        let derived = [network.sixplane(issued_to), network.rfc4193(issued_to)];
        if derived.into_iter().any(|ip| party.ips.contains(&ip.into())) {
            config.flags |= NetworkConfig::NDP_EMULATION;
        }
        let policy = Policy::new(&config);
        Self { config, policy, mac: party.mac(network), active_bridge: party.active_bridge }
    }

    /// Another member, as this one knows it when it has all its credentials.
    fn sees(&self, other: &Self) -> PeerPolicy {
        let other = &other.config;
        PeerPolicy::new(&self.policy, &other.tags, &other.capabilities, &other.ownerships)
    }
}

/// Two members, who know each other's credentials.
#[derive(Debug)]
pub struct Link<'s> {
    from: &'s Seat,
    to: &'s Seat,
    receiver: PeerPolicy,
    sender: PeerPolicy,
}

/// What stops a frame before any rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Barrier {
    /// It comes from a MAC that is not the sender's, who is no active bridge (04 §7.2).
    SenderIsNoBridge,
    /// It goes to a MAC that is not the receiver's, who is no active bridge (04 §7.3).
    ReceiverIsNoBridge,
}

/// What became of a frame in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// It arrived.
    Accepted,
    /// It did not.
    Dropped,
    /// It went to this node instead.
    Redirected(Address),
    /// It arrives or not, by chance (MATCH_RANDOM).
    ByChance,
}

/// The way of one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passage {
    /// What stopped it before any rule.
    pub barrier: Option<Barrier>,
    /// What the sender's rules said before it looked for receivers: of broadcast, multicast, and MACs behind a bridge.
    pub first: Option<Verdict>,
    /// What the sender's rules said about this receiver.
    pub sent: Option<Verdict>,
    /// What the receiver's rules said.
    pub received: Option<Verdict>,
}

impl Passage {
    /// The verdict that decided, and whether it was the receiver's.
    #[must_use]
    pub fn decisive(&self) -> Option<(Verdict, bool)> {
        let received = self.received.map(|verdict| (verdict, true));
        received.or_else(|| self.sent.or(self.first).map(|verdict| (verdict, false)))
    }

    /// How it ended.
    #[must_use]
    pub fn fate(&self) -> Fate {
        match self.decisive().map(|(verdict, at_receiver)| (verdict.decision, at_receiver)) {
            _ if self.barrier.is_some() => Fate::Dropped,
            Some((Decision::Redirect(to), _)) => Fate::Redirected(to),
            Some((decision, true)) if decision.accepts() => Fate::Accepted,
            _ => Fate::Dropped,
        }
    }

    /// Nodes that get copies.
    #[must_use]
    pub fn copied_to(&self) -> BTreeSet<Address> {
        // Copies of the second pass are not sent (04 §7.2).
        let sent = self.first.or(self.sent);
        let verdicts = [sent, self.received].into_iter().flatten();
        verdicts.flat_map(|verdict| verdict.copies.iter().map(|copy| copy.to).collect::<Vec<_>>()).collect()
    }
}

impl<'s> Link<'s> {
    /// Frames go `from` one `to` the other.
    #[must_use]
    pub fn new(from: &'s Seat, to: &'s Seat) -> Self {
        Self { from, to, receiver: from.sees(to), sender: to.sees(from) }
    }

    /// The way of a frame; `random` is what MATCH_RANDOM gets.
    #[must_use]
    pub fn pass(&self, frame: &Frame, random: u32) -> Passage {
        let (from, to) = (self.from, self.to);
        let mut passage = Passage::default();
        if frame.source != from.mac && !from.active_bridge {
            return Passage { barrier: Some(Barrier::SenderIsNoBridge), ..passage };
        }
        let direct = frame.destination == to.mac;
        if !direct && !frame.destination.is_multicast() && !to.active_bridge {
            return Passage { barrier: Some(Barrier::ReceiverIsNoBridge), ..passage };
        }
        let random = &mut || random;
        let facts = |inbound: bool, destination: Address| {
            FrameFacts::new(inbound, from.config.issued_to, destination, &frame.ethernet())
        };
        // A REDIRECT ends the way as a DROP does.
        let goes_on =
            |verdict: Verdict| verdict.decision.accepts() && !matches!(verdict.decision, Decision::Redirect(_));
        if !direct {
            let verdict = from.policy.judge(&facts(false, Address::NIL), None, random);
            passage.first = Some(verdict);
            if !goes_on(verdict) {
                return passage;
            }
        }
        let verdict = from.policy.judge(&facts(false, to.config.issued_to), Some(&self.receiver), random);
        passage.sent = Some(verdict);
        if goes_on(verdict) {
            passage.received = Some(to.policy.judge(&facts(true, to.config.issued_to), Some(&self.sender), random));
        }
        passage
    }

    /// How a frame ends, and who may get copies; `chance`: there are rules that it has a say in.
    #[must_use]
    pub fn fate(&self, frame: &Frame, chance: bool) -> (Fate, BTreeSet<Address>) {
        let least = self.pass(frame, 0);
        let (mut fate, mut copies) = (least.fate(), least.copied_to());
        if chance {
            let most = self.pass(frame, u32::MAX);
            if most.fate() != fate {
                fate = Fate::ByChance;
            }
            copies.extend(most.copied_to());
        }
        (fate, copies)
    }
}
