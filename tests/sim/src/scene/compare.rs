//! The engine beside the reference.

use super::{OWN, Scene};
use crate::reference::{self, Decision, Frame, Record, Sent};
use zt_netconf::rules::{self, Explanation, FrameFacts, PeerPolicy, Policy, Verdict};
use zt_wire::rules::{Rule, RuleKind};
use zt_wire::{CredentialKind, InetAddress};

/// Where ours decides otherwise on purpose. Each is looked for in the frame and the tables; without one, both must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Difference {
    /// The walk goes on behind AH; the reference takes it for the protocol.
    Authentication,
    /// The walk goes on behind the fragment header of IPv6.
    FragmentHeader,
    /// A fragment of IPv4 that can hide the header of its packet.
    Fragment,
    /// A tag of VLAN 0, that hosts ignore, in front of a packet.
    PriorityTag,
    /// A neighbour advertisement behind extension headers.
    Advertisement,
    /// A derived address belongs to the member whose address it holds, not to all.
    DerivedAddress,
}

impl Difference {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Authentication,
        Self::FragmentHeader,
        Self::Fragment,
        Self::PriorityTag,
        Self::Advertisement,
        Self::DerivedAddress,
    ];
}

/// Bits of the characteristics that look behind the IP header.
const TCP: u64 = 0x0fff;
const IPAUTH: u64 = 1 << 60;

/// A frame of the reference as the engine sees it.
#[must_use]
pub fn facts<'a>(frame: &Frame<'a>) -> FrameFacts<'a> {
    FrameFacts {
        inbound: frame.inbound,
        source: frame.source,
        destination: frame.destination,
        source_mac: frame.source_mac,
        destination_mac: frame.destination_mac,
        ethertype: frame.ethertype,
        payload: frame.payload,
    }
}

/// The other side, of those credentials in its record that count.
#[must_use]
pub fn peer_policy(policy: &Policy, record: &Record) -> PeerPolicy {
    let counts = |kind: CredentialKind, id: u32, timestamp: i64| {
        let revoked = record.revoked.iter().find(|entry| (entry.0, entry.1) == (kind, id));
        policy.counts(timestamp, revoked.map(|entry| entry.2))
    };
    let Record { tags, capabilities, ownerships, .. } = record;
    PeerPolicy::new(
        policy,
        tags.iter().filter(|tag| counts(CredentialKind::TAG, tag.id, tag.timestamp)),
        capabilities.iter().filter(|c| counts(CredentialKind::CAPABILITY, c.id, c.timestamp)),
        ownerships.iter().filter(|o| counts(CredentialKind::OWNERSHIP, o.id, o.timestamp)),
    )
}

/// A verdict of the engine as the reference would say it.
///
/// # Panics
/// When something is hidden: the reference knows of no such thing.
#[must_use]
pub fn in_words_of_the_reference(verdict: &Verdict, facts: &FrameFacts<'_>) -> Decision {
    let copy = |copy: rules::FrameCopy| {
        let flags = match (copy.watch, facts.inbound) {
            (false, false) => 0x02,
            (true, false) => 0x16,
            (false, true) => 0x08,
            (true, true) => 0x1c,
        };
        Sent { to: copy.to, flags, length: copy.length }
    };
    let mut sent: Vec<_> = verdict.copies.iter().map(copy).collect();
    let decision = match verdict.decision {
        rules::Decision::Accept => 1,
        rules::Decision::SuperAccept => 2,
        rules::Decision::Redirect(to) => {
            let flags = if facts.inbound { 0x0a } else { 0x04 };
            sent.push(Sent { to, flags, length: facts.payload.len() });
            0
        }
        rules::Decision::Drop | rules::Decision::NoMatch => 0,
        rules::Decision::Evasive => panic!("nothing is hidden: {facts:?}"),
    };
    let rules::By { capability, rule, .. } = verdict.by;
    Decision { decision, capability, rule, sent, bucket: verdict.priority }
}

impl Scene {
    /// Compiles our side and the other.
    #[must_use]
    pub fn policies(&self) -> (Policy, Option<PeerPolicy>) {
        let policy = Policy::new(&self.config);
        let peer = self.record.as_ref().map(|record| peer_policy(&policy, record));
        (policy, peer)
    }

    /// The frame as the engine sees it.
    #[must_use]
    pub fn facts(&self) -> FrameFacts<'_> {
        facts(&self.frame())
    }

    /// Judges the scene by both, which must agree unless there is a reason, and gives the reasons.
    ///
    /// # Panics
    /// When they do not.
    pub fn compare(&self) -> Vec<Difference> {
        let (policy, peer) = self.policies();
        let verdict = policy.judge(&self.facts(), peer.as_ref(), &mut || self.random);
        self.check_origin(&verdict);
        let explanation = policy.explain(&self.facts(), peer.as_ref(), &mut || self.random);
        assert_eq!(explanation.verdict, verdict, "judged and explained: {self:?}");
        let reasons = self.differences();
        if reasons.is_empty() {
            self.compare_tables(&explanation);
            let theirs = reference::filter(self.decider(), &self.frame(), false, &mut || self.random);
            assert_eq!(
                in_words_of_the_reference(&verdict, &self.facts()),
                theirs,
                "engine, reference: {verdict:?} {self:?}"
            );
        }
        reasons
    }

    /// Each table that the explanation tells of, with its log.
    fn compare_tables(&self, explanation: &Explanation) {
        for table in &explanation.tables {
            let rules = match table.capability {
                None => &self.config.rules,
                Some(id) => &self.capability_list().iter().find(|c| c.id == id).expect("one that is held").rules,
            };
            let mut log = Vec::new();
            let theirs = reference::evaluate(self.decider(), rules, &self.frame(), &mut || self.random, Some(&mut log));
            log.resize(2 * rules::RULE_LOG_LEN, 0);
            let log: Vec<u8> = log.chunks(2).map(|pair| pair[0] | pair[1] << 4).collect();
            assert_eq!(table.rule_log()[..], log, "rule logs of engine, reference: {table:?} {self:?}");
            let decision = match theirs.result {
                reference::Result::NoMatch => rules::Decision::NoMatch,
                reference::Result::Drop => rules::Decision::Drop,
                // To nobody: the frame goes on.
                reference::Result::Redirect if theirs.destination.is_nil() => rules::Decision::Accept,
                reference::Result::Redirect => rules::Decision::Redirect(theirs.destination),
                reference::Result::Accept => rules::Decision::Accept,
                reference::Result::SuperAccept => rules::Decision::SuperAccept,
            };
            let copy = theirs.copy.map(|copy| rules::FrameCopy { to: copy.to, length: copy.length, watch: copy.watch });
            assert_eq!(
                (table.decision, table.rule, table.copy, table.priority),
                (decision, theirs.rule, copy, theirs.bucket),
                "table of engine, reference: {table:?} {self:?}"
            );
        }
    }

    /// What is said about who decided is true of the tables.
    fn check_origin(&self, verdict: &Verdict) {
        let rules = match verdict.by.capability {
            None => &self.config.rules,
            Some(id) => &self.capability_list().iter().find(|c| c.id == id).expect("one that is held").rules,
        };
        if let Some(tag) = verdict.by.tag {
            let rule = verdict.by.rule.expect("a rule with a tag");
            let set = rules[..rule].iter().rev().take_while(|rule| !rule.kind.is_action());
            assert_eq!(set.filter_map(|rule| tag_of(&rule.kind)).next(), Some(tag), "{self:?}");
        }
        if let Some(missing) = verdict.missing_tag {
            let asked = |rules: &[Rule]| rules.iter().any(|rule| tag_of(&rule.kind) == Some(missing));
            assert!(
                asked(&self.config.rules) || self.capability_list().iter().any(|capability| asked(&capability.rules)),
                "nobody asked for {missing}: {self:?}"
            );
        }
    }

    fn capability_list(&self) -> &[zt_wire::Capability] {
        match (self.inbound, &self.record) {
            (false, _) => &self.config.capabilities,
            (true, Some(record)) => &record.capabilities,
            (true, None) => &[],
        }
    }

    /// Every reason that this frame and these tables give to differ.
    #[must_use]
    pub fn differences(&self) -> Vec<Difference> {
        let mut all = Vec::new();
        let deep = self.any_rule(|kind| match kind {
            RuleKind::IpProtocol(_) | RuleKind::Icmp(_) | RuleKind::SourcePort(_) | RuleKind::DestinationPort(_) => {
                true
            }
            RuleKind::Characteristics(mask) => mask & (TCP | IPAUTH) != 0,
            _ => false,
        });
        let ipauth = self.any_rule(|kind| matches!(kind, RuleKind::Characteristics(mask) if mask & IPAUTH != 0));
        let data = &self.payload[..];
        match self.ethertype {
            0x0800 if data.len() >= 20 => {
                let (fragment, protocol) = (u16::from_be_bytes([data[6], data[7]]), data[9]);
                let first = fragment & 0x3fff == 0x2000;
                let tiny = first || (fragment & 0x1fff != 0 && matches!(protocol, 6 | 51));
                all.extend((deep && protocol == 51).then_some(Difference::Authentication));
                all.extend((deep && tiny).then_some(Difference::Fragment));
            }
            0x86dd if data.len() >= 40 => {
                let (headers, last) = chain(data);
                all.extend((deep && headers.contains(&51)).then_some(Difference::Authentication));
                all.extend((deep && headers.contains(&44)).then_some(Difference::FragmentHeader));
                let behind = headers.len() > 1 && last.first() == Some(&0x88);
                all.extend((ipauth && behind).then_some(Difference::Advertisement));
                all.extend((ipauth && self.inbound && self.is_derived()).then_some(Difference::DerivedAddress));
            }
            0x8100 | 0x88a8 if data.len() >= 2 && data[0] & 0x0f == 0 && data[1] == 0 => {
                let ip = self.any_rule(|kind| {
                    use RuleKind::{IpTos, Ipv4Destination, Ipv4Source, Ipv6Destination, Ipv6Source};
                    matches!(kind, IpTos(_) | Ipv4Source(_) | Ipv4Destination(_) | Ipv6Source(_) | Ipv6Destination(_))
                });
                all.extend((deep || ip).then_some(Difference::PriorityTag));
            }
            _ => {}
        }
        all
    }

    fn any_rule(&self, is: impl Fn(&RuleKind) -> bool) -> bool {
        let capabilities = self.capability_list().iter().flat_map(|capability| capability.rules.iter());
        self.config.rules.iter().chain(capabilities).any(|rule| is(&rule.kind))
    }

    /// The source, or the target of an advertisement, lies in a prefix in which our own address is.
    fn is_derived(&self) -> bool {
        let data = &self.payload[..];
        let mut claimed = vec![&data[8..24]];
        claimed.extend(data.get(48..64));
        let ours = self.config.addresses.iter().filter_map(|address| match address {
            InetAddress::V6(ip, _) => Some(ip.octets()),
            _ => None,
        });
        let own = [self.config.network.sixplane(OWN).octets(), self.config.network.rfc4193(OWN).octets()];
        ours.filter(|ip| own.contains(ip)).any(|ip| claimed.iter().any(|claimed| claimed[..5] == ip[..5]))
    }
}

/// The tag that a match asks about.
fn tag_of(kind: &RuleKind) -> Option<u32> {
    match kind {
        RuleKind::TagsDifference(tag)
        | RuleKind::TagsBitwiseAnd(tag)
        | RuleKind::TagsBitwiseOr(tag)
        | RuleKind::TagsBitwiseXor(tag)
        | RuleKind::TagsEqual(tag)
        | RuleKind::TagSender(tag)
        | RuleKind::TagReceiver(tag) => Some(tag.id),
        _ => None,
    }
}

/// Protocols of all headers of an IPv6 packet, through AH and fragment headers, and what follows the last.
fn chain(data: &[u8]) -> (Vec<u8>, &[u8]) {
    let (mut headers, mut at) = (vec![data[6]], &data[40..]);
    while let Some(protocol) = headers.last().copied().filter(|protocol| [0, 43, 44, 51, 60, 135].contains(protocol)) {
        let [next, words, ..] = *at else { break };
        let length = match protocol {
            44 => 8,
            51 => 4 * usize::from(words) + 8,
            _ => 8 * usize::from(words) + 8,
        };
        headers.push(next);
        at = at.get(length..).unwrap_or_default();
    }
    (headers, at)
}
