//! One match (04 §6.5), and the walk through the headers of IPv6 (04 §6.6).

use super::{Decider, Frame, State};
use core::ops::RangeInclusive;
use zt_netconf::NetworkConfig;
use zt_wire::rules::{IcmpMatch, IntegerMatch, Rule, RuleKind, TagMatch};
use zt_wire::{CredentialKind, InetAddress, Ownership, Tag};

const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;

/// What a match says.
enum Match {
    /// m: NOT inverts it.
    Plain(bool),
    /// "Hard": whatever NOT says.
    Hard(bool),
}
use Match::{Hard, Plain};

/// x of 04 §6.4.
pub(super) fn result(
    decider: Decider<'_>,
    rule: &Rule,
    frame: &Frame<'_>,
    random: &mut dyn FnMut() -> u32,
    state: &mut State,
) -> bool {
    match one(decider, &rule.kind, frame, random, state) {
        Plain(m) => m != rule.not,
        Hard(x) => x,
    }
}

fn one(
    decider: Decider<'_>,
    kind: &RuleKind,
    frame: &Frame<'_>,
    random: &mut dyn FnMut() -> u32,
    state: &mut State,
) -> Match {
    let data = frame.payload;
    match kind {
        RuleKind::SourceAddress(address) => Plain(frame.source == *address),
        RuleKind::DestinationAddress(address) => Plain(frame.destination == *address),
        RuleKind::VlanId(id) => Plain(*id == 0),
        RuleKind::VlanPcp(value) | RuleKind::VlanDei(value) => Plain(*value == 0),
        RuleKind::MacSource(mac) => Plain(frame.source_mac == *mac),
        RuleKind::MacDestination(mac) => Plain(frame.destination_mac == *mac),
        RuleKind::Ipv4Source(prefix) => ipv4(frame, prefix.ip.octets(), prefix.bits, 12),
        RuleKind::Ipv4Destination(prefix) => ipv4(frame, prefix.ip.octets(), prefix.bits, 16),
        RuleKind::Ipv6Source(prefix) => ipv6(frame, prefix.ip.octets(), prefix.bits, 8),
        RuleKind::Ipv6Destination(prefix) => ipv6(frame, prefix.ip.octets(), prefix.bits, 24),
        RuleKind::IpTos(tos) => {
            let byte = if is_ipv4(frame) {
                data[1]
            } else if is_ipv6(frame) {
                (data[0] & 0x0f) << 4 | data[1] >> 4
            } else {
                return Hard(false);
            };
            let masked = byte & tos.mask;
            Plain(tos.first <= masked && masked <= tos.last)
        }
        RuleKind::IpProtocol(protocol) => {
            if is_ipv4(frame) {
                return Plain(data[9] == *protocol);
            }
            match walk(frame) {
                Some((_, last)) => Plain(last == *protocol),
                None => Hard(false),
            }
        }
        RuleKind::EtherType(ethertype) => Plain(frame.ethertype == *ethertype),
        RuleKind::Icmp(icmp) => self::icmp(frame, icmp),
        RuleKind::SourcePort(range) => port(frame, range, 0),
        RuleKind::DestinationPort(range) => port(frame, range, 2),
        RuleKind::Characteristics(mask) => Plain(characteristics(decider, frame) & mask != 0),
        RuleKind::FrameSize(range) => {
            Plain(usize::from(*range.start()) <= data.len() && data.len() <= usize::from(*range.end()))
        }
        RuleKind::Random(probability) => Plain(random() <= *probability),
        RuleKind::TagsDifference(tag) => both(decider, frame, state, tag, |l, r| l.abs_diff(r) <= tag.value),
        RuleKind::TagsBitwiseAnd(tag) => both(decider, frame, state, tag, |l, r| l & r == tag.value),
        RuleKind::TagsBitwiseOr(tag) => both(decider, frame, state, tag, |l, r| l | r == tag.value),
        RuleKind::TagsBitwiseXor(tag) => both(decider, frame, state, tag, |l, r| l ^ r == tag.value),
        RuleKind::TagsEqual(tag) => both(decider, frame, state, tag, |l, r| l == tag.value && r == tag.value),
        RuleKind::TagSender(tag) => sender_or_receiver(decider, frame, state, tag, true),
        RuleKind::TagReceiver(tag) => sender_or_receiver(decider, frame, state, tag, false),
        RuleKind::IntegerRange(integer) => integer_range(data, integer),
        // Unknown matches; actions do not come here.
        _ => Plain(decider.config.flags & 0x08 != 0),
    }
}

fn is_ipv4(frame: &Frame<'_>) -> bool {
    frame.ethertype == IPV4 && frame.payload.len() >= 20
}

fn is_ipv6(frame: &Frame<'_>) -> bool {
    frame.ethertype == IPV6 && frame.payload.len() >= 40
}

/// Where the IPv4 header ends; it is not validated.
fn ihl(frame: &Frame<'_>) -> usize {
    usize::from(frame.payload[0] & 0x0f) * 4
}

fn ipv4(frame: &Frame<'_>, rule: [u8; 4], bits: u8, at: usize) -> Match {
    if !is_ipv4(frame) {
        return Hard(false);
    }
    let word = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().expect("four bytes"));
    let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
    Plain(word(&frame.payload[at..at + 4]) & mask == word(&rule) & mask)
}

/// The address in the packet is masked, that of the rule is not.
fn ipv6(frame: &Frame<'_>, rule: [u8; 16], bits: u8, at: usize) -> Match {
    if !is_ipv6(frame) {
        return Hard(false);
    }
    let word = |bytes: &[u8]| u128::from_be_bytes(bytes.try_into().expect("sixteen bytes"));
    let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
    Plain(word(&frame.payload[at..at + 16]) & mask == word(&rule))
}

/// Position and protocol of what follows the extension headers (04 §6.6).
fn walk(frame: &Frame<'_>) -> Option<(usize, u8)> {
    let data = frame.payload;
    if !is_ipv6(frame) {
        return None;
    }
    let (mut pos, mut proto) = (40, data[6]);
    while pos <= data.len() {
        match proto {
            0 | 43 | 60 | 135 => {
                if pos + 8 > data.len() {
                    return None;
                }
                proto = data[pos];
                pos += 8 * usize::from(data[pos + 1]) + 8;
            }
            _ => return Some((pos, proto)),
        }
    }
    None
}

fn icmp(frame: &Frame<'_>, rule: &IcmpMatch) -> Match {
    let data = frame.payload;
    let pos = if is_ipv4(frame) {
        if data[9] != 1 {
            return Hard(false);
        }
        ihl(frame)
    } else {
        match walk(frame) {
            Some((pos, 58)) => pos,
            _ => return Hard(false),
        }
    };
    if data.len() < pos + 2 || data[pos] != rule.kind {
        return Hard(false);
    }
    if rule.flags & 1 != 0 { Plain(data[pos + 1] == rule.code) } else { Hard(true) }
}

fn port(frame: &Frame<'_>, range: &RangeInclusive<u16>, offset: usize) -> Match {
    let data = frame.payload;
    let (pos, proto) = if is_ipv4(frame) {
        (ihl(frame), data[9])
    } else {
        match walk(frame) {
            Some(found) => found,
            None => return Hard(false),
        }
    };
    if !matches!(proto, 6 | 17 | 132 | 136) || data.len() <= pos + 4 {
        return Plain(false);
    }
    let p = u16::from_be_bytes([data[pos + offset], data[pos + offset + 1]]);
    if p == 0 && !is_ipv4(frame) {
        return Plain(false);
    }
    Plain(*range.start() <= p && p <= *range.end())
}

/// The bits of the table in 04 §6.5.
fn characteristics(decider: Decider<'_>, frame: &Frame<'_>) -> u64 {
    let mut bits = 0;
    if frame.inbound {
        bits |= 1 << 63;
    }
    if frame.destination_mac.0[0] & 1 != 0 {
        bits |= 1 << 62;
    }
    if frame.destination_mac.0 == [0xff; 6] {
        bits |= 1 << 61;
    }
    let (ip, mac) = authenticated(decider, frame);
    if ip {
        bits |= 1 << 60;
    }
    if mac {
        bits |= 1 << 59;
    }
    bits | tcp(frame)
}

fn tcp(frame: &Frame<'_>) -> u64 {
    let data = frame.payload;
    let at = if is_ipv4(frame) && data[9] == 6 {
        ihl(frame)
    } else {
        match walk(frame) {
            Some((pos, 6)) if data.len() > pos + 14 => pos,
            _ => return 0,
        }
    };
    let byte = |n: usize| u64::from(data.get(at + n).copied().unwrap_or(0));
    let mut bits = byte(13);
    for (mask, bit) in [(0x08, 11), (0x04, 10), (0x02, 9), (0x01, 8)] {
        if byte(12) & mask != 0 {
            bits |= 1 << bit;
        }
    }
    bits
}

/// ipauth and macauth.
fn authenticated(decider: Decider<'_>, frame: &Frame<'_>) -> (bool, bool) {
    let (config, data) = (decider.config, frame.payload);
    let owned = |kind: u8, value: &[u8]| match frame.inbound {
        true => decider.record.is_some_and(|record| {
            let valid = |c: &&Ownership| record.is_valid(config, CredentialKind::OWNERSHIP, c.id, c.timestamp);
            record.ownerships.iter().filter(valid).any(|certificate| owns(certificate, kind, value))
        }),
        false => config.ownerships.iter().any(|certificate| owns(certificate, kind, value)),
    };
    let mac = owned(1, &frame.source_mac.0);
    let ip = if is_ipv4(frame) {
        owned(2, &data[12..16])
    } else if frame.ethertype == ARP && data.len() >= 28 {
        owned(2, &data[14..18])
    } else if is_ipv6(frame) {
        let neighbour = data[6] == 58 && data.len() >= 64;
        if neighbour && data[40] == 0x87 {
            true
        } else {
            let source = if neighbour && data[40] == 0x88 { &data[48..64] } else { &data[8..24] };
            owned(3, source) || frame.inbound && is_derived(decider, source)
        }
    } else {
        false
    };
    (ip, mac)
}

fn owns(certificate: &Ownership, kind: u8, value: &[u8]) -> bool {
    certificate.things.iter().any(|thing| thing.kind == kind && &thing.value[..value.len()] == value)
}

/// Under the network's 6PLANE or RFC4193 prefix, where our own address of that scheme is assigned and NDP is emulated.
fn is_derived(decider: Decider<'_>, source: &[u8]) -> bool {
    let (config, network) = (decider.config, decider.config.network);
    if config.flags & 0x04 == 0 {
        return false;
    }
    config.addresses.iter().any(|assigned| {
        let InetAddress::V6(ip, _) = assigned else { return false };
        *ip == network.sixplane(decider.own) && source[..5] == ip.octets()[..5]
            || *ip == network.rfc4193(decider.own) && source[..11] == ip.octets()[..11]
    })
}

/// Our tag, used without a check of its time.
fn own_tag(config: &NetworkConfig, id: u32) -> Option<u32> {
    config.tags.binary_search_by_key(&id, |tag| tag.id).ok().map(|at| config.tags[at].value)
}

/// The other side's tag, if it is valid.
fn other_tag(decider: Decider<'_>, id: u32) -> Option<u32> {
    let record = decider.record?;
    let valid = |tag: &&Tag| tag.id == id && record.is_valid(decider.config, CredentialKind::TAG, id, tag.timestamp);
    record.tags.iter().find(valid).map(|tag| tag.value)
}

fn both(
    decider: Decider<'_>,
    frame: &Frame<'_>,
    state: &mut State,
    tag: &TagMatch,
    compare: impl Fn(u32, u32) -> bool,
) -> Match {
    let Some(l) = own_tag(decider.config, tag.id) else { return Hard(false) };
    match other_tag(decider, tag.id) {
        Some(r) => Plain(compare(l, r)),
        None if frame.inbound && !state.super_ => Hard(false),
        None => {
            state.skip_drop = true;
            Hard(true)
        }
    }
}

fn sender_or_receiver(
    decider: Decider<'_>,
    frame: &Frame<'_>,
    state: &mut State,
    tag: &TagMatch,
    sender: bool,
) -> Match {
    if state.super_ {
        state.skip_drop = true;
        return Hard(true);
    }
    if sender == frame.inbound {
        match other_tag(decider, tag.id) {
            Some(r) => Plain(r == tag.value),
            None if sender => Hard(false),
            None => {
                state.skip_drop = true;
                Hard(true)
            }
        }
    } else {
        match own_tag(decider.config, tag.id) {
            Some(l) => Plain(l == tag.value),
            None => Hard(false),
        }
    }
}

fn integer_range(data: &[u8], rule: &IntegerMatch) -> Match {
    let bits = u32::from(rule.format & 63) + 1;
    let bytes = bits.div_ceil(8) as usize;
    let index = usize::from(rule.index);
    let value = if rule.format & 0x80 != 0 {
        data.get(index..index + bytes).map_or(0, |bytes| {
            let register = bytes.iter().fold(0u64, |register, byte| register >> 8 | u64::from(*byte) << 56);
            register >> (64 - bits)
        })
    } else {
        data.get(index + 8 - bytes..index + 8).map_or(0, |bytes| {
            let register = bytes.iter().fold(0u64, |register, byte| register << 8 | u64::from(*byte));
            register & (u64::MAX >> (64 - bits))
        })
    };
    let width = rule.last.wrapping_sub(rule.first) as u32;
    Plain(rule.first <= value && u128::from(value) <= u128::from(rule.first) + u128::from(width))
}
