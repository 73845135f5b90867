//! Rules of every type.

use super::packets;
use super::{Bytes, NETWORK, OTHER, OWN, THIRD};
use core::ops::RangeInclusive;
use zt_wire::rules::{
    Forward, IcmpMatch, IntegerMatch, Ipv4Prefix, Ipv6Prefix, Rule, RuleKind, RuleTable, TagMatch, TosMatch,
};
use zt_wire::{Address, Mac};

/// IDs of tags are below this.
pub(super) const TAGS: u32 = 4;

/// At most `n` rules.
pub(super) fn table(bytes: &mut Bytes<'_>, n: usize) -> RuleTable {
    let n = bytes.below(n + 1);
    (0..n).map(|_| rule(bytes)).collect::<Vec<_>>().into()
}

pub(super) fn tag_value(bytes: &mut Bytes<'_>) -> u32 {
    match bytes.below(8) {
        7 => bytes.u32(),
        n => n as u32 % 4,
    }
}

fn rule(bytes: &mut Bytes<'_>) -> Rule {
    let head = bytes.u8();
    Rule { kind: kind(bytes), not: head & 3 == 3, or: head & 0x1c == 0x1c }
}

fn kind(bytes: &mut Bytes<'_>) -> RuleKind {
    let which = bytes.below(64);
    match which {
        0..3 => RuleKind::Drop,
        3..7 => RuleKind::Accept,
        7 | 8 => RuleKind::Tee(forward(bytes)),
        9 => RuleKind::Watch(forward(bytes)),
        10 => RuleKind::Redirect(forward(bytes)),
        11 => RuleKind::Break,
        12 => RuleKind::Priority,
        13 => RuleKind::Unknown { number: 7 + bytes.below(9) as u8, value: Box::default() },
        14 => RuleKind::Unknown { number: bytes.pick(&[16, 23, 52, 63]), value: vec![1; bytes.below(4)].into() },
        15 => RuleKind::SourceAddress(address(bytes)),
        16 => RuleKind::DestinationAddress(address(bytes)),
        17 => RuleKind::VlanId(u16::from(bytes.once_in(2))),
        18 => RuleKind::VlanPcp(u8::from(bytes.once_in(2))),
        19 => RuleKind::VlanDei(u8::from(bytes.once_in(2))),
        20 => RuleKind::MacSource(mac(bytes)),
        21 => RuleKind::MacDestination(mac(bytes)),
        22 | 23 => RuleKind::Ipv4Source(ipv4(bytes)),
        24 | 25 => RuleKind::Ipv4Destination(ipv4(bytes)),
        26 | 27 => RuleKind::Ipv6Source(ipv6(bytes)),
        28 | 29 => RuleKind::Ipv6Destination(ipv6(bytes)),
        30 => RuleKind::IpTos(TosMatch { mask: bytes.pick(&[0xff, 0xfc, 0x03]), first: bytes.u8(), last: bytes.u8() }),
        31..34 => RuleKind::IpProtocol(packets::protocol(bytes)),
        34..37 => RuleKind::EtherType(packets::ethertype(bytes)),
        37 | 38 => RuleKind::Icmp(IcmpMatch {
            kind: bytes.pick(&packets::ICMP_TYPES),
            code: bytes.below(2) as u8,
            flags: bytes.below(4) as u8,
        }),
        39..41 => RuleKind::SourcePort(ports(bytes)),
        41..44 => RuleKind::DestinationPort(ports(bytes)),
        44..48 => RuleKind::Characteristics(characteristics(bytes)),
        48 => RuleKind::FrameSize(u16::from(bytes.u8())..=u16::from(bytes.u8())),
        49 => RuleKind::Random(bytes.u32()),
        50 => RuleKind::TagsDifference(tag(bytes)),
        51 => RuleKind::TagsBitwiseAnd(tag(bytes)),
        52 => RuleKind::TagsBitwiseOr(tag(bytes)),
        53 => RuleKind::TagsBitwiseXor(tag(bytes)),
        54..56 => RuleKind::TagsEqual(tag(bytes)),
        56 | 57 => RuleKind::TagSender(tag(bytes)),
        58 | 59 => RuleKind::TagReceiver(tag(bytes)),
        60 | 61 => RuleKind::IntegerRange(integer(bytes)),
        62 => RuleKind::EtherType(bytes.u16()),
        _ => RuleKind::Accept,
    }
}

fn address(bytes: &mut Bytes<'_>) -> Address {
    bytes.pick(&[OWN, OTHER, THIRD, NETWORK.controller(), Address::NIL])
}

fn mac(bytes: &mut Bytes<'_>) -> Mac {
    bytes.pick(&[Mac::for_member(OWN, NETWORK), Mac::for_member(OTHER, NETWORK), Mac([2; 6]), Mac::BROADCAST])
}

fn forward(bytes: &mut Bytes<'_>) -> Forward {
    Forward { address: address(bytes), flags: 0, length: bytes.pick(&[0, 0, 1, 20, 60, 0xffff]) }
}

fn ipv4(bytes: &mut Bytes<'_>) -> Ipv4Prefix {
    Ipv4Prefix { ip: packets::ipv4(bytes).into(), bits: bytes.pick(&[0, 8, 24, 31, 32, 33, 255]) }
}

/// Half of them without bits behind the prefix: the others match nothing.
fn ipv6(bytes: &mut Bytes<'_>) -> Ipv6Prefix {
    let (ip, bits) = (packets::ipv6(bytes), bytes.pick(&[0, 1, 40, 64, 127, 128, 129, 255]));
    let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
    let kept = if bytes.once_in(2) { mask } else { u128::MAX };
    Ipv6Prefix { ip: (u128::from_be_bytes(ip) & kept).into(), bits }
}

fn ports(bytes: &mut Bytes<'_>) -> RangeInclusive<u16> {
    let (first, last) = (packets::port(bytes), packets::port(bytes));
    if bytes.once_in(8) { first..=last } else { first.min(last)..=first.max(last) }
}

fn characteristics(bytes: &mut Bytes<'_>) -> u64 {
    let bit = bytes.pick(&[63, 62, 61, 60, 60, 60, 59, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1, 0, 12, 58]);
    let more = if bytes.once_in(4) { bytes.u64() } else { 0 };
    1 << bit | more
}

fn tag(bytes: &mut Bytes<'_>) -> TagMatch {
    TagMatch { id: bytes.below(TAGS as usize) as u32, value: tag_value(bytes) }
}

/// Ranges around the small numbers that headers are made of; some wide ones.
fn integer(bytes: &mut Bytes<'_>) -> IntegerMatch {
    let first = if bytes.once_in(4) { bytes.u64() } else { u64::from(bytes.u8()) };
    let last = match bytes.below(4) {
        0 => first,
        1 => bytes.u64(),
        _ => first.saturating_add(u64::from(bytes.u16())),
    };
    IntegerMatch { first, last, index: bytes.pick(&[0, 2, 9, 20, 40, 63, 0xffff]), format: bytes.u8() }
}
