//! The arithmetic of address ranges, held against counting bits one by one.

use std::net::IpAddr;

use proptest::prelude::*;
use zt_wire::prefix::common_bits;
use zt_wire::{InetAddress, IpPrefix};

fn ip() -> impl Strategy<Value = IpAddr> {
    let near = prop_oneof![any::<u128>(), Just(0), Just(u128::MAX)];
    (near, any::<bool>()).prop_map(|(bits, v4)| {
        if v4 { IpAddr::from((bits as u32).to_be_bytes()) } else { IpAddr::from(bits.to_be_bytes()) }
    })
}

fn prefix() -> impl Strategy<Value = IpPrefix> {
    (ip(), any::<u8>()).prop_map(|(ip, bits)| IpPrefix::clamped(ip, if ip.is_ipv4() { bits % 33 } else { bits % 129 }))
}

fn bits(ip: IpAddr) -> Vec<bool> {
    let bytes = match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    bytes.iter().flat_map(|byte| (0..8).map(move |at| byte >> (7 - at) & 1 == 1)).collect()
}

/// `ip` with the bits from `bit` on taken from `tail`: an address that is near the range as often as not.
fn spliced(ip: IpAddr, bit: u8, tail: u128) -> IpAddr {
    let number = |width: u32, ip: u128| {
        let low = u128::MAX.checked_shr(128 - width + u32::from(bit)).unwrap_or(0);
        ip & !low | tail & low
    };
    match ip {
        IpAddr::V4(ip) => IpAddr::from((number(32, ip.to_bits().into()) as u32).to_be_bytes()),
        IpAddr::V6(ip) => IpAddr::from(number(128, ip.to_bits()).to_be_bytes()),
    }
}

proptest! {
    #[test]
    fn an_address_is_inside_when_the_leading_bits_are_the_same(range in prefix(), bit in 0_u8..=128, tail in any::<u128>()) {
        let address = spliced(range.address(), bit, tail);
        let (ours, its) = (bits(range.address()), bits(address));
        let same = ours.iter().zip(&its).take_while(|(a, b)| a == b).count();
        prop_assert_eq!(common_bits(range.address(), address).map(usize::from), Some(same));
        prop_assert_eq!(range.contains(address), same >= usize::from(range.bits()));
        prop_assert_eq!(range.contains(address), range.first() <= address && address <= range.last());
    }

    #[test]
    fn the_ends_differ_from_the_address_behind_the_prefix_only(range in prefix()) {
        for (end, host_bit) in [(range.first(), false), (range.last(), true)] {
            let (given, found) = (bits(range.address()), bits(end));
            for at in 0..given.len() {
                let counts = at < usize::from(range.bits());
                prop_assert_eq!(found[at], if counts { given[at] } else { host_bit });
            }
        }
        prop_assert_eq!(range.network().address(), range.first());
        prop_assert_eq!(range.network().network(), range.network());
    }

    #[test]
    fn a_range_covers_what_has_both_its_ends_inside(a in prefix(), bit in 0_u8..=128, tail in any::<u128>(), n in any::<u8>()) {
        let b = IpPrefix::clamped(spliced(a.address(), bit, tail), n % 129);
        prop_assert_eq!(a.covers(b), a.contains(b.first()) && a.contains(b.last()));
        prop_assert!(a.covers(a) && a.network().covers(a));
    }

    #[test]
    fn halves_share_a_range_without_a_gap(range in prefix()) {
        match range.halves() {
            Some([lower, upper]) => {
                prop_assert_eq!((lower.first(), upper.last()), (range.first(), range.last()));
                prop_assert!(range.covers(lower) && range.covers(upper));
                prop_assert!(!lower.contains(upper.first()) && !upper.contains(lower.last()));
                prop_assert_eq!((lower.network(), upper.network()), (lower, upper));
            }
            None => prop_assert!(range.is_host()),
        }
    }

    #[test]
    fn text_and_wire_form_come_back(range in prefix()) {
        prop_assert_eq!(range.to_string().parse(), Ok(range));
        prop_assert_eq!(IpPrefix::try_from(InetAddress::from(range)), Ok(range));
    }

    #[test]
    fn no_text_is_too_strange(text in "[0-9a-f:./ +]{0,24}") {
        if let Ok(range) = text.parse::<IpPrefix>() {
            prop_assert!(IpPrefix::new(range.address(), range.bits()).is_some());
        }
    }
}
