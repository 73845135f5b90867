//! Single facts about verbs that vectors and properties do not show.

use zt_wire::verb::*;
use zt_wire::*;

#[test]
fn an_error_names_field_and_offset() {
    let mut hello = vec![12, 1, 14, 0, 1];
    hello.extend([0; 8]);
    hello.extend(Identity { address: Address::new(1), public_key: [0; 64] }.to_vec());
    let check = |tail: &[u8], what, at| {
        let bytes = [&hello[..], tail].concat();
        assert_eq!(Message::parse(Verb::HELLO, &bytes).expect_err("malformed"), ParseError { what, at });
    };
    check(&[5], "physical address type", 84);
    check(&[4, 1, 2], "IPv4 address", 85);
    check(&[4, 1, 2, 3, 4, 5], "port", 89);
    assert_eq!(ParseError { what: "port", at: 89 }.to_string(), "bad port at offset 89");
}

#[test]
fn the_acknowledgement_of_a_configuration_is_an_ok_to_echo() {
    let ack = ConfigAck { in_re_packet: PacketId(7), network: NetworkId(8), update_id: 9 };
    let bytes = ack.to_vec();
    assert_eq!((ack.verb(), bytes[0]), (Verb::OK, 0x08));
    let Ok(Message::Ok(ok)) = Message::parse(ack.verb(), &bytes) else { panic!("not an OK") };
    assert_eq!(ConfigAck::from_ok(&ok), Some(ack));
}

#[test]
fn unknown_verbs_and_short_user_messages_are_values() {
    for verb in [Verb(0x0f), Verb(0x11), Verb(0x17), Verb(0x1f), Verb::USER_MESSAGE] {
        let unknown = Unknown { verb, body: b"abc" };
        assert_eq!(Message::parse(verb, b"abc"), Ok(Message::Unknown(unknown)));
    }
    assert_eq!(Message::parse(Verb(0x1f), b"abc").expect("unknown").to_string(), "verb 0x1f +3 bytes");
}

#[test]
fn a_moon_section_may_have_junk_behind_but_not_be_cut() {
    let mut section = emit_moons(&[WorldVersion { id: 1, timestamp: 2 }]);
    assert!(parse_moons(&section[..section.len() - 1]).is_err());
    section.extend([1, 2, 3]);
    assert_eq!(parse_moons(&section).map(|m| m.len()), Ok(1));
    assert_eq!(parse_moons(&[0]).map(|m| m.len()), Ok(0));
    // Tuples of other world types are skipped.
    section[2] = 1;
    assert_eq!(parse_moons(&section), Ok(vec![]));
}

#[test]
fn a_path_with_an_odd_length_is_read_all_the_same() {
    let bytes = [0, 1, 0, 0, 0, 4, 8, 192, 0, 2, 1, 0x27, 0x09, 0xaa, 0xbb];
    let Ok(Message::PushDirectPaths(push)) = Message::parse(Verb::PUSH_DIRECT_PATHS, &bytes) else { panic!("refused") };
    assert_eq!(push.records[0].inet().to_string(), "192.0.2.1/9993");
    assert_eq!((push.missing, push.rest), (0, &[][..]));
    assert_eq!(push.to_vec(), bytes);
}

#[test]
fn an_authentication_error_may_have_an_unreadable_dictionary() {
    let error = ErrorReply::authentication_required(PacketId(1), NetworkId(2), Some(b"aV=1"));
    let mut bytes = error.to_vec();
    bytes.pop();
    let Ok(Message::Error(read)) = Message::parse(Verb::ERROR, &bytes) else { panic!("refused") };
    assert!(read.is_unreadable());
    assert_eq!(read.network(), Some(NetworkId(2)));
    assert_eq!(read.to_vec(), bytes);
}

#[test]
fn traces_are_terminated_dictionaries() {
    let of = |body| RemoteTrace { body }.dictionaries().map(|d| d.as_bytes().to_vec()).collect::<Vec<_>>();
    assert_eq!(of(b"a=1\0\0b=2\0c=3"), [b"a=1", b"b=2"]);
    assert!(of(b"a=1").is_empty() && of(b"").is_empty() && of(b"\0").is_empty());
}

#[test]
fn messages_print_on_one_line() {
    let checks: [(Message<'_>, &str); 4] = [
        (Whois::one(Address::new(0x80_56c2_e21c)).into(), "WHOIS 8056c2e21c"),
        (
            ErrorReply::network_error(Verb::FRAME, PacketId(1), ErrorCode::NEED_MEMBERSHIP_CERTIFICATE, NetworkId(2))
                .into(),
            "ERROR NEED_MEMBERSHIP_CERTIFICATE to FRAME 0000000000000001 network 0000000000000002",
        ),
        (
            PushDirectPaths { records: vec![InetAddress::None.into()], ..Default::default() }.into(),
            "PUSH_DIRECT_PATHS ",
        ),
        (
            MulticastFrame { group: MulticastGroup::BROADCAST, payload: b"x", ..Default::default() }.into(),
            "MULTICAST_FRAME 0000000000000000 flags 00 > ff:ff:ff:ff:ff:ff/00000000, ethertype 0000, 1 bytes",
        ),
    ];
    for (message, expected) in checks {
        assert_eq!(message.to_string(), expected);
    }
}

#[test]
fn neighbor_advertisements_have_a_right_checksum() {
    let (target, to) = ("fd00::1".parse().expect("IPv6"), "fd00::2".parse().expect("IPv6"));
    let packet = ether::neighbor_advertisement(target, to, Mac([2, 0, 0, 0, 0, 1]));
    // With the checksum in place the sum over everything is zero.
    assert_eq!(ether::icmpv6_checksum(target, to, &packet[40..]), 0);
    let view = ether::Ipv6Ref::new(&packet).expect("long enough");
    assert_eq!(view.neighbor(), Some(ether::Neighbor { advertisement: true, target }));
    assert_eq!(ether::claimed_source(ether::ETHERTYPE_IPV6, &packet), Some(target.into()));
    assert_eq!(view.upper(), Some((40, 58)));
}

#[test]
fn arp_is_read_back() {
    let arp = ether::Arp {
        operation: ether::Arp::REQUEST,
        sender_mac: Mac([2, 0, 0, 0, 0, 1]),
        sender_ip: [10, 0, 0, 1].into(),
        target_mac: Mac::ZERO,
        target_ip: [10, 0, 0, 2].into(),
    };
    let bytes = arp.to_vec();
    assert_eq!(ether::Arp::parse(&mut Reader::new(&bytes)), Ok(arp));
    assert_eq!(ether::claimed_source(ether::ETHERTYPE_ARP, &bytes), Some([10, 0, 0, 1].into()));
}

#[test]
fn a_rule_with_a_longer_value_keeps_its_bytes() {
    // ETHERTYPE with four stated bytes instead of two, then ACCEPT.
    let bytes = [37, 4, 0x08, 0x00, 0xaa, 0xbb, 1, 0];
    let table = RuleTable::parse_blob(&bytes).expect("reads");
    assert_eq!(table.as_slice(), [RuleKind::EtherType(0x0800).into(), RuleKind::Accept.into()]);
    assert_eq!(table.to_vec(), bytes);
}
