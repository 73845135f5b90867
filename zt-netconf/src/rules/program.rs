//! A rule table, compiled for one direction of one member (04 §6.4).

use core::ops::RangeInclusive;

use zt_wire::ident::{Address, Mac};
use zt_wire::rules::{IcmpMatch, IntegerMatch, Ipv4Prefix, Ipv6Prefix, Rule, RuleKind, TagMatch};

use super::classes::{Class, Sets};
use super::fields::{Field, Range, group, mac as number};
use super::policy::value_of;
use super::transport::is_passed;

/// Bits of MATCH_CHARACTERISTICS (04 §6.5).
pub(super) mod characteristic {
    pub(in crate::rules) const INBOUND: u64 = 1 << 63;
    pub(in crate::rules) const MULTICAST: u64 = 1 << 62;
    pub(in crate::rules) const BROADCAST: u64 = 1 << 61;
    pub(in crate::rules) const IPAUTH: u64 = 1 << 60;
    pub(in crate::rules) const MACAUTH: u64 = 1 << 59;
    /// Reserved bits and flags of TCP.
    pub(in crate::rules) const TCP: u64 = 0x0fff;
}

/// What is fixed while a program is used.
pub(super) struct Side<'a> {
    pub(super) inbound: bool,
    pub(super) own: Address,
    /// Own tags, ascending by ID.
    pub(super) tags: &'a [(u32, u32)],
    /// The tags that have a place ([`TagKey`]), ascending.
    pub(super) places: &'a [u32],
    pub(super) unknown_matches: bool,
}

/// A tag that a match asks for, and its place among those that the configuration asks for: of the other side they are
/// looked up once, not for each frame. One that only a presented capability asks for has none.
#[derive(Clone, Copy, Debug)]
pub(super) struct TagKey {
    pub(super) id: u32,
    pub(super) place: usize,
}

/// A table with one entry for each rule, at the same index.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) entries: Box<[Entry]>,
    /// The groups of fields that matches ask for.
    pub(super) groups: u8,
    /// What is left of it for each class of frames.
    sets: [Sets; Class::ALL.len()],
}

/// One rule.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) op: Op,
    pub(super) not: bool,
    pub(super) or: bool,
    /// True when the entry at `link` begins a set.
    pub(super) fresh: bool,
    /// For a match: where to go on when the set is false after it. For an action: the last tag match of its set, or
    /// itself when there is none.
    pub(super) link: u32,
}

/// How the tags of both sides are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Difference,
    And,
    Or,
    Xor,
    Equal,
}

impl Comparison {
    pub(super) const fn holds(self, own: u32, other: u32, value: u32) -> bool {
        match self {
            Self::Difference => own.abs_diff(other) <= value,
            Self::And => own & other == value,
            Self::Or => own | other == value,
            Self::Xor => own ^ other == value,
            Self::Equal => own == value && other == value,
        }
    }
}

/// What an entry is.
#[derive(Debug)]
pub(super) enum Op {
    /// Most matches.
    Compare(Range),
    Action(Action),
    /// The others.
    Match(Match),
}

/// What ends a set.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Drop,
    Accept,
    Break,
    Priority,
    /// A copy of the frame.
    Copy {
        to: Address,
        limit: u16,
        watch: bool,
    },
    Redirect {
        to: Address,
    },
    /// A copy or redirection of frames from others to this node.
    Observed,
    /// Without effect.
    Nothing,
}

/// A match that is more than the comparison of a field.
#[derive(Debug)]
pub(super) enum Match {
    Ipv6 {
        source: bool,
        prefix: Box<Ipv6Mask>,
    },
    IpProtocol(u8),
    Icmp {
        kind: u8,
        code: u8,
    },
    Characteristics(u64),
    Random(u32),
    /// A tag of ours and one of the other side.
    Tags {
        tag: TagKey,
        own: u32,
        value: u32,
        how: Comparison,
    },
    /// A tag of the other side alone.
    OtherTag {
        tag: TagKey,
        value: u32,
        receiver: bool,
    },
    /// A tag of ours alone; `None` when we do not have it.
    OwnTag {
        id: u32,
        matches: Option<bool>,
    },
    /// Both sides' tags, of which we do not have ours.
    LackedTag {
        id: u32,
    },
    Integer(Box<Integer>),
}

/// Bits of an IPv6 address to compare, and what they must be.
#[derive(Debug)]
pub(super) struct Ipv6Mask {
    mask: u128,
    network: u128,
}

impl Ipv6Mask {
    /// Quirk (04 §6.5): the address counts as given. With bits behind the prefix it matches nothing.
    fn new(prefix: &Ipv6Prefix) -> Self {
        let bits = u32::from(prefix.bits.min(128));
        Self { mask: !u128::MAX.checked_shr(bits).unwrap_or(0), network: prefix.ip.to_bits() }
    }

    pub(super) const fn contains(&self, ip: u128) -> bool {
        ip & self.mask == self.network
    }
}

/// An integer inside the frame (04 §6.5).
#[derive(Debug)]
pub(super) struct Integer {
    /// The bytes that count, big-endian or little-endian.
    at: usize,
    bytes: usize,
    /// What has to be in the frame.
    end: usize,
    bits: u32,
    little: bool,
    first: u64,
    last: u64,
}

impl Integer {
    fn new(rule: &IntegerMatch) -> Self {
        let bits = u32::from(rule.format & 63) + 1;
        let bytes = bits.div_ceil(8) as usize;
        let index = usize::from(rule.index);
        let little = rule.format & 0x80 != 0;
        // Quirk (04 §6.5): the big-endian form uses the end of a window of eight bytes.
        let at = if little { index } else { index + 8 - bytes };
        // Quirk (04 §6.2): the width is cut to 32 bits.
        let width = rule.last.wrapping_sub(rule.first) as u32;
        let last = rule.first.wrapping_add(u64::from(width));
        Self { at, bytes, end: at + bytes, bits, little, first: rule.first, last }
    }

    /// Bytes that are not all there count as 0.
    pub(super) fn matches(&self, payload: &[u8]) -> bool {
        let value = payload.get(self.at..self.end).map_or(0, |found| {
            let mut register = [0; 8];
            if self.little {
                // Quirk (04 §6.5): shifted in from the top, so that of an odd size the highest bits count.
                register[8 - self.bytes..].copy_from_slice(found);
                u64::from_le_bytes(register) >> (64 - self.bits)
            } else {
                register[8 - self.bytes..].copy_from_slice(found);
                u64::from_be_bytes(register) & (u64::MAX >> (64 - self.bits))
            }
        });
        self.first <= value && value <= self.last
    }
}

impl Program {
    pub(super) fn new(rules: &[Rule], side: &Side<'_>) -> Self {
        let mut entries: Vec<_> = rules
            .iter()
            .map(|rule| Entry { op: side.op(&rule.kind, rule.not), not: rule.not, or: rule.or, fresh: false, link: 0 })
            .collect();
        // Backwards, so that where to go on is known.
        let mut next = (entries.len(), true);
        for at in (0..entries.len()).rev() {
            let entry = &mut entries[at];
            (entry.link, entry.fresh) = (next.0 as u32, next.1);
            if matches!(entry.op, Op::Action(_)) {
                // The action that ends a false set is passed by, unless that has an effect.
                next = if matches!(entry.op, Op::Action(Action::Observed)) { (at, false) } else { (at + 1, true) };
            } else if entry.or {
                next = (at, false);
            }
        }
        let mut tag = None;
        for (at, entry) in entries.iter_mut().enumerate() {
            if entry.op.tag().is_some() {
                tag = Some(at);
            }
            if matches!(entry.op, Op::Action(_)) {
                entry.link = tag.take().unwrap_or(at) as u32;
            }
        }
        let groups = entries.iter().fold(0, |groups, entry| groups | entry.op.groups());
        let sets = Class::ALL.map(|class| Sets::new(&entries, class, side.inbound));
        Self { entries: entries.into(), groups, sets }
    }

    /// What is left for a class of frames.
    pub(super) const fn sets(&self, class: Class) -> &Sets {
        &self.sets[class as usize]
    }

    /// ID of the last tag that the set of an action looks at.
    pub(super) fn tag_of(&self, action: usize) -> Option<u32> {
        self.entries[self.entries[action].link as usize].op.tag()
    }
}

impl Op {
    /// The groups of fields that are asked for.
    pub(super) fn groups(&self) -> u8 {
        let deep = characteristic::TCP | characteristic::IPAUTH;
        match self {
            Self::Compare(range) => range.field.group(),
            Self::Match(Match::IpProtocol(_) | Match::Icmp { .. }) => group::TRANSPORT,
            Self::Match(Match::Characteristics(mask)) if mask & deep != 0 => group::TRANSPORT,
            _ => 0,
        }
    }

    /// ID of the tag that is looked at.
    pub(super) const fn tag(&self) -> Option<u32> {
        match self {
            Self::Match(
                Match::Tags { tag: TagKey { id, .. }, .. }
                | Match::OtherTag { tag: TagKey { id, .. }, .. }
                | Match::OwnTag { id, .. }
                | Match::LackedTag { id },
            ) => Some(*id),
            _ => None,
        }
    }
}

impl Side<'_> {
    fn op(&self, kind: &RuleKind, not: bool) -> Op {
        match self.action(kind) {
            Some(action) => Op::Action(action),
            None => self.question(kind, not),
        }
    }

    fn action(&self, kind: &RuleKind) -> Option<Action> {
        Some(match kind {
            RuleKind::Drop => Action::Drop,
            RuleKind::Accept => Action::Accept,
            RuleKind::Break => Action::Break,
            RuleKind::Priority => Action::Priority,
            RuleKind::Tee(target) | RuleKind::Watch(target) | RuleKind::Redirect(target)
                if target.address == self.own =>
            {
                if self.inbound {
                    Action::Observed
                } else {
                    Action::Nothing
                }
            }
            RuleKind::Tee(target) => Action::Copy { to: target.address, limit: target.length, watch: false },
            RuleKind::Watch(target) => Action::Copy { to: target.address, limit: target.length, watch: true },
            RuleKind::Redirect(target) => Action::Redirect { to: target.address },
            other if other.is_action() => Action::Nothing,
            _ => return None,
        })
    }

    /// A match; `not` counts unless the result is a hard one (04 §6.4).
    fn question(&self, kind: &RuleKind, not: bool) -> Op {
        let range = match kind {
            RuleKind::SourceAddress(address) => Range::equal(Field::Source, address.as_u64()),
            RuleKind::DestinationAddress(address) => Range::equal(Field::Destination, address.as_u64()),
            // Quirk (04 §6.3, §6.5): VLAN tags are not looked into.
            RuleKind::VlanId(id) => Range::always(*id == 0),
            RuleKind::VlanPcp(value) | RuleKind::VlanDei(value) => Range::always(*value == 0),
            RuleKind::MacSource(mac) => Range::equal(Field::MacSource, number(*mac)),
            RuleKind::MacDestination(mac) => Range::equal(Field::MacDestination, number(*mac)),
            RuleKind::Ipv4Source(prefix) => ipv4(Field::Ipv4Source, prefix),
            RuleKind::Ipv4Destination(prefix) => ipv4(Field::Ipv4Destination, prefix),
            RuleKind::Ipv6Source(prefix) => match ipv6(Field::Ipv6Source, prefix) {
                Some(range) => range,
                None => return Op::Match(Match::Ipv6 { source: true, prefix: Box::new(Ipv6Mask::new(prefix)) }),
            },
            RuleKind::Ipv6Destination(prefix) => match ipv6(Field::Ipv6Destination, prefix) {
                Some(range) => range,
                None => return Op::Match(Match::Ipv6 { source: false, prefix: Box::new(Ipv6Mask::new(prefix)) }),
            },
            RuleKind::IpTos(tos) => Range::masked(Field::Tos, tos.mask.into(), tos.first.into(), tos.last.into()),
            RuleKind::IpProtocol(protocol) if is_passed(*protocol) => return Op::Match(Match::IpProtocol(*protocol)),
            RuleKind::IpProtocol(protocol) => Range::equal(Field::Protocol, (*protocol).into()),
            RuleKind::EtherType(ethertype) => Range::equal(Field::EtherType, (*ethertype).into()),
            RuleKind::Icmp(IcmpMatch { kind, code, flags }) if flags & 1 != 0 => {
                return Op::Match(Match::Icmp { kind: *kind, code: *code });
            }
            RuleKind::Icmp(IcmpMatch { kind, .. }) => {
                // Quirk (04 §6.5): without a code to compare, NOT inverts nothing.
                let kind = u64::from(*kind) << 8;
                return Op::Compare(Range::masked(Field::Icmp, 0xff00, kind, kind));
            }
            RuleKind::SourcePort(ports) => within(Field::SourcePort, ports),
            RuleKind::DestinationPort(ports) => within(Field::DestinationPort, ports),
            RuleKind::Characteristics(mask) => match self.characteristics(*mask) {
                Some(range) => range,
                None => return Op::Match(Match::Characteristics(*mask)),
            },
            RuleKind::FrameSize(sizes) => within(Field::Size, sizes),
            RuleKind::Random(probability) => return Op::Match(Match::Random(*probability)),
            RuleKind::TagsDifference(tag) => return self.tags(tag, Comparison::Difference),
            RuleKind::TagsBitwiseAnd(tag) => return self.tags(tag, Comparison::And),
            RuleKind::TagsBitwiseOr(tag) => return self.tags(tag, Comparison::Or),
            RuleKind::TagsBitwiseXor(tag) => return self.tags(tag, Comparison::Xor),
            RuleKind::TagsEqual(tag) => return self.tags(tag, Comparison::Equal),
            RuleKind::TagSender(tag) => return self.tag(tag, false),
            RuleKind::TagReceiver(tag) => return self.tag(tag, true),
            RuleKind::IntegerRange(rule) => return Op::Match(Match::Integer(Box::new(Integer::new(rule)))),
            // Actions are taken care of.
            RuleKind::Drop
            | RuleKind::Accept
            | RuleKind::Tee(_)
            | RuleKind::Watch(_)
            | RuleKind::Redirect(_)
            | RuleKind::Break
            | RuleKind::Priority
            | RuleKind::Unknown { .. } => Range::always(self.unknown_matches),
        };
        Op::Compare(range.inverted(not))
    }

    /// Characteristics of one field alone.
    fn characteristics(&self, mask: u64) -> Option<Range> {
        use characteristic::{BROADCAST, INBOUND, IPAUTH, MACAUTH, MULTICAST, TCP};
        if self.inbound && mask & INBOUND != 0 {
            return Some(Range::always(true));
        }
        let tcp = mask & TCP;
        match mask & (MULTICAST | BROADCAST | IPAUTH | MACAUTH) {
            0 if tcp == 0 => Some(Range::always(false)),
            0 => Some(Range::any(Field::TcpBits, tcp)),
            _ if tcp != 0 => None,
            BROADCAST => Some(Range::equal(Field::MacDestination, number(Mac::BROADCAST))),
            // Broadcast is multicast, too.
            MULTICAST => Some(Range::any(Field::MacDestination, GROUP)),
            both if both == MULTICAST | BROADCAST => Some(Range::any(Field::MacDestination, GROUP)),
            _ => None,
        }
    }

    fn tags(&self, tag: &TagMatch, how: Comparison) -> Op {
        Op::Match(match value_of(self.tags, tag.id) {
            Some(own) => Match::Tags { tag: self.key(tag.id), own, value: tag.value, how },
            None => Match::LackedTag { id: tag.id },
        })
    }

    fn tag(&self, tag: &TagMatch, receiver: bool) -> Op {
        if receiver == self.inbound {
            let matches = value_of(self.tags, tag.id).map(|own| own == tag.value);
            return Op::Match(Match::OwnTag { id: tag.id, matches });
        }
        Op::Match(Match::OtherTag { tag: self.key(tag.id), value: tag.value, receiver })
    }

    fn key(&self, id: u32) -> TagKey {
        TagKey { id, place: self.places.binary_search(&id).unwrap_or(usize::MAX) }
    }
}

/// The bit of a destination MAC that says: to a group.
const GROUP: u64 = 1 << 40;

fn within(field: Field, range: &RangeInclusive<u16>) -> Range {
    Range::masked(field, u64::MAX, (*range.start()).into(), (*range.end()).into())
}

fn ipv4(field: Field, prefix: &Ipv4Prefix) -> Range {
    let bits = u32::from(prefix.bits.min(32));
    let mask = u64::from(!u32::MAX.checked_shr(bits).unwrap_or(0));
    let network = u64::from(prefix.ip.to_bits()) & mask;
    Range::masked(field, mask, network, network)
}

/// A prefix of which the upper half of an address tells enough.
fn ipv6(field: Field, prefix: &Ipv6Prefix) -> Option<Range> {
    if prefix.bits > 64 {
        return None;
    }
    let Ipv6Mask { mask, network } = Ipv6Mask::new(prefix);
    if network & !mask != 0 {
        return Some(Range::never(field));
    }
    let network = (network >> 64) as u64;
    Some(Range::masked(field, (mask >> 64) as u64, network, network))
}
