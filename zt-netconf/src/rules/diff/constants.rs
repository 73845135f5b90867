//! What rules tell apart: the constants in them, which everything between behaves alike to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use zt_wire::IpPrefix;
use zt_wire::ident::{Address, Mac};
use zt_wire::rules::RuleKind;

use crate::rules::trial::RuleSet;

/// Bits of MATCH_CHARACTERISTICS (04 §6.5).
const MULTICAST: u64 = 1 << 62;
const BROADCAST: u64 = 1 << 61;
const IPAUTH: u64 = 1 << 60;

/// Constants of both sets of rules.
#[derive(Clone, Debug, Default)]
pub(super) struct Constants {
    pub(super) ethertypes: BTreeSet<u16>,
    pub(super) protocols: BTreeSet<u8>,
    /// Where a range begins, or has ended.
    pub(super) source_ports: BTreeSet<u32>,
    pub(super) destination_ports: BTreeSet<u32>,
    pub(super) sizes: BTreeSet<u32>,
    /// Types, each with the codes that are named.
    pub(super) icmp: BTreeMap<u8, BTreeSet<u8>>,
    pub(super) tos: BTreeSet<u8>,
    pub(super) characteristics: u64,
    pub(super) sources: BTreeSet<IpPrefix>,
    pub(super) destinations: BTreeSet<IpPrefix>,
    pub(super) macs: BTreeSet<Mac>,
    pub(super) nodes: BTreeSet<Address>,
    /// Tags, each with the values that are named; `None`: it is compared otherwise than for being equal.
    pub(super) tags: BTreeMap<u32, Option<BTreeSet<u32>>>,
    /// Chance has a say.
    pub(super) random: bool,
}

impl Constants {
    pub(super) fn of(sets: [&RuleSet; 2]) -> Self {
        let mut all = Self::default();
        for rule in sets.into_iter().flat_map(RuleSet::tables).flat_map(|table| table.iter()) {
            all.take(&rule.kind);
        }
        for (id, value) in sets.into_iter().flat_map(|set| &set.tag_defaults) {
            if all.tags.contains_key(id) {
                all.name(*id, *value);
            }
        }
        all
    }

    fn name(&mut self, tag: u32, value: u32) {
        if let Some(named) = self.tags.entry(tag).or_insert_with(|| Some(BTreeSet::new())) {
            named.insert(value);
        }
    }

    /// No rule can tell this value of a tag from others that are not named, but by being equal.
    pub(super) fn is_any(&self, tag: u32, value: u32) -> bool {
        matches!(self.tags.get(&tag), Some(Some(named)) if !named.contains(&value))
    }

    fn take(&mut self, kind: &RuleKind) {
        let cut = |set: &mut BTreeSet<u32>, range: &std::ops::RangeInclusive<u16>| {
            set.extend([u32::from(*range.start()), u32::from(*range.end()) + 1]);
        };
        match kind {
            RuleKind::EtherType(ethertype) => _ = self.ethertypes.insert(*ethertype),
            RuleKind::IpProtocol(protocol) => _ = self.protocols.insert(*protocol),
            RuleKind::SourcePort(range) => cut(&mut self.source_ports, range),
            RuleKind::DestinationPort(range) => cut(&mut self.destination_ports, range),
            RuleKind::FrameSize(range) => cut(&mut self.sizes, range),
            RuleKind::Icmp(icmp) => {
                let codes = self.icmp.entry(icmp.kind).or_default();
                codes.extend((icmp.flags & 1 != 0).then_some(icmp.code));
            }
            RuleKind::IpTos(tos) => self.tos.extend([tos.first, tos.last, tos.last.wrapping_add(1)]),
            RuleKind::Characteristics(mask) => self.characteristics |= mask,
            RuleKind::Ipv4Source(prefix) => self.sources.extend(IpPrefix::new(prefix.ip.into(), prefix.bits.min(32))),
            RuleKind::Ipv6Source(prefix) => self.sources.extend(IpPrefix::new(prefix.ip.into(), prefix.bits.min(128))),
            RuleKind::Ipv4Destination(prefix) => {
                self.destinations.extend(IpPrefix::new(prefix.ip.into(), prefix.bits.min(32)));
            }
            RuleKind::Ipv6Destination(prefix) => {
                self.destinations.extend(IpPrefix::new(prefix.ip.into(), prefix.bits.min(128)));
            }
            RuleKind::MacSource(mac) | RuleKind::MacDestination(mac) => _ = self.macs.insert(*mac),
            RuleKind::SourceAddress(node) | RuleKind::DestinationAddress(node) => _ = self.nodes.insert(*node),
            RuleKind::Tee(to) | RuleKind::Watch(to) | RuleKind::Redirect(to) => _ = self.nodes.insert(to.address),
            // Both are the same value, whatever it is.
            RuleKind::TagsDifference(tag) | RuleKind::TagsBitwiseXor(tag) if tag.value == 0 => {
                self.tags.entry(tag.id).or_insert_with(|| Some(BTreeSet::new()));
            }
            RuleKind::TagsDifference(tag)
            | RuleKind::TagsBitwiseAnd(tag)
            | RuleKind::TagsBitwiseOr(tag)
            | RuleKind::TagsBitwiseXor(tag) => _ = self.tags.insert(tag.id, None),
            RuleKind::TagsEqual(tag) | RuleKind::TagSender(tag) | RuleKind::TagReceiver(tag) => {
                self.name(tag.id, tag.value);
            }
            RuleKind::Random(_) => self.random = true,
            _ => {}
        }
    }

    /// A value of a tag that is not named.
    pub(super) fn unnamed(&self, tag: u32) -> u32 {
        let named = self.tags.get(&tag).and_then(Option::as_ref);
        (0..=u32::MAX).rev().find(|value| named.is_none_or(|named| !named.contains(value))).unwrap_or(0)
    }

    /// Broadcast is told apart from other multicast.
    pub(super) fn parts_broadcast(&self) -> bool {
        self.characteristics & (BROADCAST | MULTICAST) != 0
    }

    /// Whether an address is its sender's own counts.
    pub(super) fn asks_for_owner(&self) -> bool {
        self.characteristics & IPAUTH != 0
    }

    /// Flags of TCP that count.
    pub(super) fn flags(&self) -> u16 {
        (self.characteristics & 0xfff) as u16
    }

    /// Parts that the prefixes of a family cut its addresses in: the innermost prefix and an address that lies in no narrower one.
    pub(super) fn regions(prefixes: &BTreeSet<IpPrefix>, ipv4: bool) -> Vec<(IpPrefix, IpAddr)> {
        let all: Vec<IpPrefix> = prefixes.iter().filter(|p| p.is_ipv4() == ipv4).map(|p| p.network()).collect();
        let unspecified = if ipv4 { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
        let whole = IpPrefix::clamped(unspecified, 0);
        let inner = |range: IpPrefix| all.iter().copied().filter(move |p| *p != range && range.covers(*p));
        let mut regions: Vec<IpPrefix> = all.clone();
        regions.push(whole);
        regions.sort();
        regions.dedup();
        let outside = |range: IpPrefix| {
            let free = |ip: IpAddr| !inner(range).any(|p| p.contains(ip));
            // Ends and beginnings of what lies inside are where room begins.
            let beside = inner(range).filter_map(|p| after(p.last()));
            let candidates = [after(range.first()).filter(|_| range.bits() < if ipv4 { 31 } else { 127 })];
            let candidates = candidates.into_iter().flatten().chain([range.first(), range.last()]).chain(beside);
            candidates.into_iter().find(|ip| range.contains(*ip) && free(*ip))
        };
        regions.iter().filter_map(|range| Some((*range, outside(*range)?))).collect()
    }

    /// The innermost region of an address.
    pub(super) fn region(prefixes: &BTreeSet<IpPrefix>, ip: IpAddr) -> Option<IpPrefix> {
        let holding = prefixes.iter().map(|p| p.network()).filter(|p| p.contains(ip));
        holding.max_by_key(|p| p.bits())
    }
}

fn after(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().checked_add(1).map(|bits| std::net::Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(ip) => ip.to_bits().checked_add(1).map(|bits| std::net::Ipv6Addr::from_bits(bits).into()),
    }
}
