use alloc::string::ToString;

use super::*;

#[test]
fn text_forms() {
    assert_eq!("8056c2e21c".parse::<Address>().map(Address::as_u64), Ok(0x80_56c2_e21c));
    for bad in ["", "8056c2e21", "8056c2e21c0", "+056c2e21c", "8056c2e21g", "0x56c2e21c"] {
        assert!(bad.parse::<Address>().is_err(), "{bad}");
    }
    let n: NetworkId = "8056C2E21c000001".parse().unwrap();
    assert_eq!(n.to_string(), "8056c2e21c000001");
    assert_eq!((n.controller().to_string(), n.number()), ("8056c2e21c".to_string(), 1));
    assert_eq!("02:8e:4d:ee:69:b0".parse::<Mac>(), "028e4dee69b0".parse());
    for bad in ["02:8e:4d:ee:69", "02:8e:4d:ee:69:b", "02.8e:4d:ee:69:b0", "02:8e:4d:ee:69:bg"] {
        assert!(bad.parse::<Mac>().is_err(), "{bad}");
    }
}

#[test]
fn reserved_addresses() {
    for (v, expected) in [(0, true), (1, false), (0xff_0000_0000, true), (0xfe_ffff_ffff, false)] {
        assert_eq!(Address::new(v).is_reserved(), expected, "{v:x}");
    }
    assert_eq!(Address::new(u64::MAX).as_u64(), 0xff_ffff_ffff);
}

#[test]
fn mac_of_member_and_back() {
    let network = NetworkId(0x8056_c2e2_1c00_0001);
    let node = Address::new(0x8e_4df2_8b72);
    let mac = Mac::for_member(node, network);
    assert_eq!(mac.to_string(), "02:8e:4d:ee:69:b0");
    assert_eq!(mac.member(network), Some(node));
    assert_eq!(Mac([0x32, 1, 2, 3, 4, 5]).member(network), None);
    assert_eq!(Mac::first_octet(NetworkId(0x50)), 0x32, "52 is avoided");
    let nobody = Mac::for_member(Address::NIL, network);
    assert_eq!(nobody.member(network), None, "reserved address");
}
