//! Generators of every value with a layout.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use zt_wire::rules::{Forward, IcmpMatch, IntegerMatch, Ipv4Prefix, Ipv6Prefix, TagMatch, TosMatch};
use zt_wire::*;

pub(crate) fn address() -> impl Strategy<Value = Address> {
    any::<u64>().prop_map(Address::new)
}

pub(crate) fn node() -> impl Strategy<Value = Address> {
    address().prop_filter("reserved", |a| !a.is_reserved())
}

pub(crate) fn network() -> impl Strategy<Value = NetworkId> {
    any::<u64>().prop_map(NetworkId)
}

pub(crate) fn mac() -> impl Strategy<Value = Mac> {
    array::<6>().prop_map(Mac)
}

pub(crate) fn group() -> impl Strategy<Value = MulticastGroup> {
    (mac(), any::<u32>()).prop_map(|(mac, adi)| MulticastGroup { mac, adi })
}

pub(crate) fn packet_id() -> impl Strategy<Value = PacketId> {
    any::<u64>().prop_map(PacketId)
}

pub(crate) fn inet() -> impl Strategy<Value = InetAddress> {
    prop_oneof![
        Just(InetAddress::None),
        (array::<4>(), any::<u16>()).prop_map(|(ip, port)| InetAddress::V4(ip.into(), port)),
        (array::<16>(), any::<u16>()).prop_map(|(ip, port)| InetAddress::V6(ip.into(), port)),
    ]
}

/// Bytes from a seed: one generator per byte would take most of the time of the tests. Shrinks in length.
pub(crate) fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    (0..=max, any::<u64>()).prop_map(|(n, seed)| expand(seed).take(n).collect())
}

/// An endless stream of bytes (splitmix64); a seed of 0 gives zeros, as a simplest case.
pub(crate) fn expand(seed: u64) -> impl Iterator<Item = u8> {
    (1..=u64::MAX).flat_map(move |i| {
        let mut z = seed.wrapping_mul(i.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31).to_be_bytes()
    })
}

fn array<const N: usize>() -> impl Strategy<Value = [u8; N]> {
    any::<u64>().prop_map(|seed| {
        let mut all = expand(seed);
        core::array::from_fn(|_| all.next().expect("endless"))
    })
}

pub(crate) fn key() -> impl Strategy<Value = [u8; 64]> {
    array()
}

pub(crate) fn signature() -> impl Strategy<Value = Signature> {
    array().prop_map(Signature)
}

pub(crate) fn identity() -> impl Strategy<Value = Identity> {
    (address(), key()).prop_map(|(address, public_key)| Identity { address, public_key })
}

pub(crate) fn world() -> impl Strategy<Value = World> {
    let root = (identity(), vec(inet(), 0..4)).prop_map(|(identity, endpoints)| Root { identity, endpoints });
    let kind = prop_oneof![Just(WorldKind::Null), Just(WorldKind::Planet), Just(WorldKind::Moon)];
    (kind, any::<u64>(), any::<u64>(), key(), signature(), vec(root, 0..=4)).prop_map(
        |(kind, id, timestamp, update_key, signature, roots)| World {
            kind,
            id,
            timestamp,
            update_key,
            signature,
            roots,
        },
    )
}

pub(crate) fn membership() -> impl Strategy<Value = Membership> {
    let qualifier = (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(id, value, max_delta)| Qualifier {
        id,
        value,
        max_delta,
    });
    let signer = prop_oneof![Just((Address::NIL, Signature::NONE)), (node(), signature())];
    (vec(qualifier, 0..=8), signer).prop_map(|(mut qualifiers, (signer, signature))| {
        qualifiers.sort_by_key(|q| q.id);
        Membership { qualifiers, signer, signature }
    })
}

pub(crate) fn tag() -> impl Strategy<Value = Tag> {
    (network(), any::<i64>(), any::<u32>(), any::<u32>(), address(), address(), signature()).prop_map(
        |(network, timestamp, id, value, issued_to, signer, signature)| Tag {
            network,
            timestamp,
            id,
            value,
            issued_to,
            signer,
            signature,
        },
    )
}

pub(crate) fn ownership() -> impl Strategy<Value = Ownership> {
    let thing = (any::<u8>(), array::<16>()).prop_map(|(kind, value)| Thing { kind, value });
    (tag(), any::<u64>(), vec(thing, 0..=16)).prop_map(|(t, flags, things)| Ownership {
        network: t.network,
        timestamp: t.timestamp,
        flags,
        id: t.id,
        things,
        issued_to: t.issued_to,
        signer: t.signer,
        signature: t.signature,
    })
}

pub(crate) fn revocation() -> impl Strategy<Value = Revocation> {
    (tag(), any::<u64>(), any::<u8>()).prop_map(|(t, flags, kind)| Revocation {
        id: t.value,
        network: t.network,
        credential_id: t.id,
        threshold: t.timestamp,
        flags,
        target: t.issued_to,
        signer: t.signer,
        credential_kind: CredentialKind(kind),
        signature: t.signature,
    })
}

pub(crate) fn capability() -> impl Strategy<Value = Capability> {
    let custody = (node(), address(), signature()).prop_map(|(to, from, signature)| Custody { to, from, signature });
    (network(), any::<i64>(), any::<u32>(), vec(rule(), 0..6), 1..=7u8, vec(custody, 0..=7)).prop_map(
        |(network, timestamp, id, rules, max_custody, mut custody)| {
            custody.truncate(usize::from(max_custody));
            Capability { network, timestamp, id, rules: RuleTable::from(rules), max_custody, custody }
        },
    )
}

pub(crate) fn rule() -> impl Strategy<Value = Rule> {
    (rule_kind(), any::<bool>(), any::<bool>()).prop_map(|(kind, not, or)| Rule { kind, not, or })
}

fn rule_kind() -> impl Strategy<Value = RuleKind> {
    prop_oneof![action(), frame_match(), tag_match(), unknown_rule()]
}

fn action() -> impl Strategy<Value = RuleKind> {
    let forward = || {
        (address(), any::<u32>(), any::<u16>()).prop_map(|(address, flags, length)| Forward { address, flags, length })
    };
    prop_oneof![
        Just(RuleKind::Drop),
        Just(RuleKind::Accept),
        Just(RuleKind::Break),
        Just(RuleKind::Priority),
        forward().prop_map(RuleKind::Tee),
        forward().prop_map(RuleKind::Watch),
        forward().prop_map(RuleKind::Redirect),
    ]
}

fn frame_match() -> impl Strategy<Value = RuleKind> {
    let v4 = || (array::<4>(), any::<u8>()).prop_map(|(ip, bits)| Ipv4Prefix { ip: ip.into(), bits });
    let v6 = || (array::<16>(), any::<u8>()).prop_map(|(ip, bits)| Ipv6Prefix { ip: ip.into(), bits });
    let range = || (any::<u16>(), any::<u16>()).prop_map(|(first, last)| first..=last);
    let three = || (any::<u8>(), any::<u8>(), any::<u8>());
    prop_oneof![
        address().prop_map(RuleKind::SourceAddress),
        address().prop_map(RuleKind::DestinationAddress),
        any::<u16>().prop_map(RuleKind::VlanId),
        any::<u8>().prop_map(RuleKind::VlanPcp),
        any::<u8>().prop_map(RuleKind::VlanDei),
        mac().prop_map(RuleKind::MacSource),
        mac().prop_map(RuleKind::MacDestination),
        v4().prop_map(RuleKind::Ipv4Source),
        v4().prop_map(RuleKind::Ipv4Destination),
        v6().prop_map(RuleKind::Ipv6Source),
        v6().prop_map(RuleKind::Ipv6Destination),
        three().prop_map(|(mask, first, last)| RuleKind::IpTos(TosMatch { mask, first, last })),
        any::<u8>().prop_map(RuleKind::IpProtocol),
        any::<u16>().prop_map(RuleKind::EtherType),
        three().prop_map(|(kind, code, flags)| RuleKind::Icmp(IcmpMatch { kind, code, flags })),
        range().prop_map(RuleKind::SourcePort),
        range().prop_map(RuleKind::DestinationPort),
        any::<u64>().prop_map(RuleKind::Characteristics),
        range().prop_map(RuleKind::FrameSize),
        any::<u32>().prop_map(RuleKind::Random),
        (any::<u64>(), any::<u64>(), any::<u16>(), any::<u8>()).prop_map(|(first, last, index, format)| {
            RuleKind::IntegerRange(IntegerMatch { first, last, index, format })
        }),
    ]
}

fn tag_match() -> impl Strategy<Value = RuleKind> {
    let make = [
        RuleKind::TagsDifference,
        RuleKind::TagsBitwiseAnd,
        RuleKind::TagsBitwiseOr,
        RuleKind::TagsBitwiseXor,
        RuleKind::TagsEqual,
        RuleKind::TagSender,
        RuleKind::TagReceiver,
    ];
    (0..make.len(), any::<u32>(), any::<u32>()).prop_map(move |(i, id, value)| make[i](TagMatch { id, value }))
}

fn unknown_rule() -> impl Strategy<Value = RuleKind> {
    let number = prop_oneof![7..24u8, 52..64u8];
    (number, bytes(255)).prop_map(|(number, value)| RuleKind::Unknown { number, value: value.into() })
}

pub(crate) fn some<S: Strategy>(inner: S) -> impl Strategy<Value = Option<S::Value>>
where
    S::Value: Clone,
{
    option::of(inner)
}
