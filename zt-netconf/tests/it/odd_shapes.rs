//! Rule tables and frames of every odd shape: each has an outcome by name.

use zt_netconf::config::{ConfigError, MAX_RULES};
use zt_netconf::{DropReason, FrameVerdict, NetworkConfig, Verdict};
use zt_wire::dictionary::{Dictionary, DictionaryWriter};
use zt_wire::rules::{Forward, IcmpMatch, IntegerMatch, Ipv4Prefix, Ipv6Prefix, TagMatch, TosMatch};
use zt_wire::verb::{ExtFrame, Frame, OkBody, OkReply};
use zt_wire::{Address, Emit, EthernetRef, Mac, Message, PacketId, Rule, RuleKind, Verb};

use crate::world::{A, B, CONTROLLER, NET, START, Sent, World};

fn with_rules(rules: Vec<Rule>) -> World {
    let mut world = World::new();
    world.authority.template.rules = rules.into();
    world.authority.authorised.extend([A, B]);
    world.join(A);
    world.join(B);
    // Certificates are shown; whatever passes is of no interest yet.
    world.unicast(A, B, &[0]);
    world.unicast(B, A, &[0]);
    world.delivered(A);
    world.delivered(B);
    world
}

/// The text of a configuration with another rule table.
fn with_blob(config: &NetworkConfig, blob: &[u8]) -> Vec<u8> {
    let text = config.to_text();
    let mut out = DictionaryWriter::new();
    for (key, value) in Dictionary::new(&text).entries() {
        let key = std::str::from_utf8(key).expect("keys are letters");
        out.put(key, if key == "R" { blob } else { &value[..] }).expect("there is room");
    }
    out.into_bytes()
}

fn mixed() -> Vec<Rule> {
    vec![
        RuleKind::EtherType(0x0800).into(),
        RuleKind::Ipv6Source(Ipv6Prefix { ip: 1.into(), bits: 128 }).into(),
        RuleKind::Tee(Forward { address: CONTROLLER, flags: 0, length: 0 }).into(),
        RuleKind::IntegerRange(IntegerMatch { first: 1, last: 2, index: 3, format: 4 }).into(),
        RuleKind::Drop.into(),
        RuleKind::Accept.into(),
    ]
}

#[test]
fn a_rule_table_cut_short_is_no_configuration() {
    let mut config = NetworkConfig::new(NET, A, START);
    config.rules = mixed().into();
    let blob = config.rules.to_vec();
    let mut ends = vec![0];
    for rule in config.rules.iter() {
        ends.push(ends[ends.len() - 1] + rule.to_vec().len());
    }
    for cut in 0..=blob.len() {
        match NetworkConfig::from_text(&with_blob(&config, &blob[..cut])) {
            Ok(read) => assert_eq!(ends.iter().position(|end| *end == cut), Some(read.rules.len()), "{cut} bytes"),
            Err(ConfigError::Blob { key, .. }) => assert!(key == "R" && !ends.contains(&cut), "{key}: {cut} bytes"),
            Err(other) => panic!("{cut} bytes: {other}"),
        }
    }
}

#[test]
fn the_configuration_held_stays_when_a_newer_ones_rules_are_cut_short() {
    let mut world = with_rules(vec![RuleKind::Accept.into()]);
    let now = world.now;
    let config = world.authority.config(A, START + 1000);
    let text = with_blob(&config, &[1, 0, 37, 2, 8]);
    let mut packets = Vec::new();
    world.authority.chunks(&text, 600, 0, |chunk| {
        packets.push(OkReply { in_re_packet: PacketId(1), body: OkBody::NetworkConfig(chunk) }.to_vec());
    });
    // Pushed by the controller, as an update.
    for payload in packets {
        let payload = payload[9..].to_vec();
        let options = zt_netconf::SendOptions::default();
        let packet = Sent { from: CONTROLLER, to: A, id: PacketId(2), verb: Verb::NETWORK_CONFIG, payload, options };
        assert!(Message::parse(packet.verb, &packet.payload).is_ok());
        world.node(A).receive(now, &packet);
    }
    assert_eq!(world.node(A).drops("configuration malformed"), 1);
    assert_eq!(world.unicast(A, B, b"x"), FrameVerdict::Sent(1));
}

#[test]
fn unknown_numbers_are_passed_over_or_closed_as_the_configuration_says() {
    let unknown = |number, length| Rule::from(RuleKind::Unknown { number, value: vec![7; length].into() });
    for number in (7..24).chain(52..64) {
        for length in [0, 1, 255] {
            for flags in [0, NetworkConfig::UNKNOWN_RULES_MATCH] {
                let mut config = NetworkConfig::new(NET, A, START);
                config.flags = flags;
                config.rules = vec![unknown(number, length), RuleKind::Drop.into(), RuleKind::Accept.into()].into();
                // They survive the way to a member.
                let read = NetworkConfig::from_text(&config.to_text()).expect("well-formed");
                assert_eq!(read.rules, config.rules);
                let policy = zt_netconf::rules::Policy::new(&read);
                let facts = zt_netconf::rules::FrameFacts {
                    inbound: false,
                    source: A,
                    destination: B,
                    source_mac: Mac([2; 6]),
                    destination_mac: Mac([4; 6]),
                    ethertype: 0x0800,
                    payload: b"x",
                };
                let passes = policy.judge(&facts, None, &mut || 0).decision.accepts();
                // An action does nothing; a match is true or false, and here a true one drops.
                assert_eq!(passes, number >= 16 && flags == 0, "number {number}, {length} bytes, flags {flags}");
            }
        }
    }
}

#[test]
fn all_rules_that_a_table_can_have_are_walked_and_those_beyond_are_cut() {
    let set = |port: u16| [Rule::from(RuleKind::DestinationPort(port..=port)), RuleKind::Drop.into()];
    let mut rules: Vec<Rule> = (0..511).flat_map(set).collect();
    rules.extend([RuleKind::FrameSize(0..=9000).into(), RuleKind::Accept.into()]);
    assert_eq!(rules.len(), MAX_RULES);
    let mut world = with_rules(rules.clone());
    assert_eq!(world.node(A).network().config().expect("configured").rules.len(), MAX_RULES);
    assert_eq!(world.unicast(A, B, &tcp(600)), FrameVerdict::Sent(1));
    assert_eq!(world.unicast(A, B, &tcp(510)), FrameVerdict::Dropped(DropReason::RuleDrop));
    // One more in front pushes the last behind the end: nothing accepts, and the network closes.
    rules.insert(0, RuleKind::Break.into());
    rules.insert(0, RuleKind::EtherType(0x8137).into());
    let mut world = with_rules(rules);
    assert_eq!(world.node(A).network().config().expect("configured").rules.len(), MAX_RULES);
    assert_eq!(world.unicast(A, B, &tcp(600)), FrameVerdict::Dropped(DropReason::RuleNoMatch));
}

/// An IPv4 packet to a TCP port.
fn tcp(port: u16) -> Vec<u8> {
    let mut packet = vec![0; 40];
    (packet[0], packet[9], packet[32]) = (0x45, 6, 0x50);
    packet[22..24].copy_from_slice(&port.to_be_bytes());
    packet
}

/// Each type of match once, none of which drops what it does not know.
fn everything() -> Vec<Rule> {
    let v4 = Ipv4Prefix { ip: [10, 9, 8, 7].into(), bits: 31 };
    let v6 = Ipv6Prefix { ip: 7.into(), bits: 127 };
    let tag = TagMatch { id: 1, value: 1 };
    let matches = [
        RuleKind::SourceAddress(Address::new(1)),
        RuleKind::VlanId(7),
        RuleKind::VlanPcp(7),
        RuleKind::VlanDei(1),
        RuleKind::MacSource(Mac([2; 6])),
        RuleKind::MacDestination(Mac([4; 6])),
        RuleKind::Ipv4Source(v4),
        RuleKind::Ipv4Destination(v4),
        RuleKind::Ipv6Source(v6),
        RuleKind::Ipv6Destination(v6),
        RuleKind::IpTos(TosMatch { mask: 0xff, first: 0xfe, last: 0xff }),
        RuleKind::IpProtocol(253),
        RuleKind::EtherType(0x1234),
        RuleKind::Icmp(IcmpMatch { kind: 200, code: 1, flags: 1 }),
        RuleKind::SourcePort(7..=7),
        RuleKind::DestinationPort(7..=7),
        RuleKind::Characteristics(1 << 9),
        RuleKind::Characteristics(1 << 60),
        RuleKind::FrameSize(9000..=9999),
        RuleKind::TagsEqual(tag),
        RuleKind::IntegerRange(IntegerMatch { first: 0xee, last: 0xee, index: 60, format: 0x87 }),
    ];
    let set = |kind| [Rule::from(kind), RuleKind::Drop.into()];
    matches.into_iter().flat_map(set).chain([RuleKind::Accept.into()]).collect()
}

/// Payloads that begin like something and end anywhere.
fn shapes() -> Vec<(u16, Vec<u8>)> {
    let mut options = tcp(80);
    options.splice(20..20, [1; 40]);
    options[0] = 0x4f;
    let bad_header_lengths = [0x40, 0x44, 0x4f, 0x6f].map(|first| {
        let mut packet = tcp(80);
        packet[0] = first;
        packet
    });
    let tagged = |id: u16, inner: u16, payload: &[u8]| [&id.to_be_bytes()[..], &inner.to_be_bytes(), payload].concat();
    let mut all = vec![
        (0x0800, tcp(80)),
        (0x0800, options),
        (0x0806, [&[0, 1, 8, 0, 6, 4, 0, 1][..], &[0; 20]].concat()),
        (0x86dd, chained(0, 6)),
        (0x86dd, chained(64, 6)),
        (0x86dd, chained(3, 58)),
        (0x8100, tagged(5, 0x0800, &tcp(80))),
        (0x8100, tagged(0xe000, 0x86dd, &chained(1, 17))),
        (0x88a8, tagged(0, 0x8100, &tagged(0, 0x0800, &tcp(80)))),
        (0x88cc, vec![0xff; 90]),
        (0, vec![0; 90]),
    ];
    all.extend(bad_header_lengths.map(|packet| (0x0800, packet)));
    all
}

/// An IPv6 packet with destination options, each of eight bytes, in front of a transport header to port 22.
fn chained(headers: usize, last: u8) -> Vec<u8> {
    let mut packet = vec![0; 40];
    (packet[0], packet[6]) = (0x60, if headers > 0 { 60 } else { last });
    for n in 0..headers {
        packet.extend([if n + 1 < headers { 60 } else { last }, 0, 1, 4, 0, 0, 0, 0]);
    }
    packet.extend([0x9c, 0x40, 0, 22, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0]);
    packet
}

/// How often anything was dropped by a node.
fn all_drops(world: &mut World, node: Address) -> u64 {
    world.node(node).vl2.drops().map(|(_, count)| count).sum()
}

#[test]
fn frames_of_every_length_pass_or_are_dropped_by_a_name() {
    let mut world = with_rules(everything());
    let now = world.now;
    let (mut passed, mut dropped) = (0, 0);
    for (ethertype, whole) in shapes() {
        for length in 0..=whole.len() {
            let payload = &whole[..length];
            // Out: said to whoever handed it in.
            let before = all_drops(&mut world, A);
            let verdict =
                world.node(A).frame(now, Mac::for_member(A, NET), Mac::for_member(B, NET), ethertype, payload);
            let counted = all_drops(&mut world, A) - before;
            assert_eq!(counted, u64::from(matches!(verdict, FrameVerdict::Dropped(_))), "{ethertype:x} {payload:x?}");
            // In: delivered, or counted.
            let frame = Frame { network: NET, ethertype, payload };
            let ethernet = EthernetRef {
                destination: Mac::for_member(B, NET),
                source: Mac::for_member(A, NET),
                ethertype,
                payload,
            };
            for message in [frame.to_vec(), ExtFrame::new(NET, 0, ethernet).to_vec()]
                .into_iter()
                .zip([Verb::FRAME, Verb::EXT_FRAME])
            {
                let (before, (payload, verb)) = (all_drops(&mut world, B), message);
                let options = zt_netconf::SendOptions::default();
                let packet = Sent { from: A, to: B, id: PacketId(3), verb, payload, options };
                assert_eq!(world.node(B).receive(now, &packet), Verdict::Accepted { trust: true });
                let delivered = world.delivered(B).len() as u64;
                let counted = all_drops(&mut world, B) - before;
                assert_eq!(delivered + counted, 1, "{verb:?} {ethertype:x} {length} bytes of {whole:x?}");
                passed += delivered;
                dropped += counted;
            }
        }
    }
    assert!(passed > 500 && dropped > 100, "{passed} passed, {dropped} dropped");
}

#[test]
fn what_hides_a_header_from_rules_is_dropped_by_a_name() {
    let mut world =
        with_rules(vec![RuleKind::DestinationPort(22..=22).into(), RuleKind::Drop.into(), RuleKind::Accept.into()]);
    let now = world.now;
    let mut out = |ethertype, payload: &[u8]| {
        world.node(A).frame(now, Mac::for_member(A, NET), Mac::for_member(B, NET), ethertype, payload)
    };
    let (passes, by_rule) = (FrameVerdict::Sent(1), FrameVerdict::Dropped(DropReason::RuleDrop));
    let evaded = FrameVerdict::Dropped(DropReason::RuleEvaded);
    // Options and extension headers, up to 64 of them, hide nothing.
    for headers in 0..=64 {
        assert_eq!(out(0x86dd, &chained(headers, 6)), by_rule, "{headers} headers");
    }
    let mut options = tcp(22);
    options.splice(20..20, [1; 40]);
    options[0] = 0x4f;
    assert_eq!(out(0x0800, &options), by_rule);
    // A first fragment without the whole header, and a second one that lies over it.
    let fragment = |field: u16, data: &[u8]| {
        let mut packet = tcp(80)[..20].to_vec();
        packet[6..8].copy_from_slice(&field.to_be_bytes());
        [&packet[..], data].concat()
    };
    let segment = &tcp(80)[20..];
    assert_eq!(out(0x0800, &fragment(0x2000, &segment[..8])), evaded);
    assert_eq!(out(0x0800, &fragment(0x0001, &[0; 16])), evaded);
    // Ordinary fragments: the first says the port, later ones lie behind it.
    let long = [segment, &[0; 108]].concat();
    assert_eq!(out(0x0800, &fragment(0x2000, &long)), passes);
    assert_eq!(out(0x0800, &fragment(0x0010, &[0; 64])), passes);
    let first_to_ssh = [&tcp(22)[20..], &[0; 108]].concat();
    assert_eq!(out(0x0800, &fragment(0x2000, &first_to_ssh)), by_rule);
    // A tag of no VLAN, which hosts ignore, in front of the packet.
    let tagged = |id: u16| [&id.to_be_bytes()[..], &[8, 0], &tcp(22)].concat();
    assert_eq!(out(0x8100, &tagged(0)), evaded);
    // A VLAN is another network: its packets are nothing to these rules (04 §7.8).
    assert_eq!(out(0x8100, &tagged(7)), passes);
}
