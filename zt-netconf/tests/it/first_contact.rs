//! First contact: members that are told apart by what they hold, and packets that show it which were lost or came late.

use std::net::Ipv4Addr;
use std::time::Duration;

use zt_crypto::{Entropy, SeededEntropy};
use zt_netconf::{FrameVerdict, Verdict};
use zt_wire::rules::TagMatch;
use zt_wire::verb::{ExtFrame, Frame, NetworkCredentials};
use zt_wire::{Address, EthernetRef, Mac, MulticastGroup, Rule, RuleKind, Verb};

use crate::world::{A, B, CONTROLLER, Delivered, Grant, NET, Sent, World, identity};

const DEPARTMENT: u32 = 1000;
const IP_A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const IP_B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

fn mac(address: Address) -> Mac {
    Mac::for_member(address, NET)
}

fn tag(value: u32) -> TagMatch {
    TagMatch { id: DEPARTMENT, value }
}

/// `accept MATCH;` and nothing else: whatever is not accepted is dropped, ARP too.
fn accept(kinds: &[RuleKind]) -> Vec<Rule> {
    kinds.iter().cloned().chain([RuleKind::Accept]).map(Rule::from).collect()
}

/// Two members with tags of these values, in a network with these rules; they have not heard of each other.
fn strangers(rules: Vec<Rule>, a: Grant, b: Grant) -> World {
    let mut world = World::new();
    world.authority.template.rules = rules.into();
    world.authority.grants.extend([(A, a), (B, b)]);
    world.authority.authorised.extend([A, B]);
    world.authority.names_members = true;
    world.join(A);
    world.join(B);
    let now = world.now;
    for (address, ip) in [(A, IP_A), (B, IP_B)] {
        let node = world.node(address);
        node.vl2.set_tap_groups(NET, &[MulticastGroup::for_ip(ip.into())], &mut node.wire);
        node.vl2.handle_timeout(now, &mut node.wire);
    }
    world.exchange();
    world
}

fn tagged(value: u32) -> Grant {
    Grant { tags: vec![(DEPARTMENT, value)], ..Grant::default() }
}

fn colleagues(rules: Vec<Rule>) -> World {
    strangers(rules, tagged(1), tagged(1))
}

fn arp(request: bool, from: (Mac, Ipv4Addr), to: (Mac, Ipv4Addr)) -> Vec<u8> {
    let head = [0, 1, 8, 0, 6, 4, 0, if request { 1 } else { 2 }];
    [&head[..], &from.0.0, &from.1.octets(), &to.0.0, &to.1.octets()].concat()
}

/// Whether B answers the ARP request and the echo request of A within six seconds, each asked for once.
fn ping(world: &mut World) -> bool {
    let now = world.now;
    let ask = arp(true, (mac(A), IP_A), (Mac::ZERO, IP_B));
    world.node(A).frame(now, mac(A), Mac::BROADCAST, 0x0806, &ask);
    let answer = arp(false, (mac(B), IP_B), (mac(A), IP_A));
    reaches(world, B, &ask)
        && exchange(world, (B, A), 0x0806, &answer)
        && exchange(world, (A, B), 0x0800, b"echo request")
        && exchange(world, (B, A), 0x0800, b"echo reply")
}

/// Whether one frame arrives.
fn exchange(world: &mut World, (from, to): (Address, Address), ethertype: u16, payload: &[u8]) -> bool {
    let now = world.now;
    let sent = world.node(from).frame(now, mac(from), mac(to), ethertype, payload);
    sent == FrameVerdict::Sent(1) && reaches(world, to, payload)
}

fn reaches(world: &mut World, to: Address, payload: &[u8]) -> bool {
    let mut found = false;
    world.exchange();
    for _ in 0..12 {
        found |= world.delivered(to).iter().any(|frame: &Delivered| frame.payload == payload);
        if found {
            break;
        }
        world.run(500);
    }
    found
}

/// Loses the first packets with credentials that this node sends.
fn lose_pushes(world: &mut World, from: Address, mut count: usize) {
    world.loss = Box::new(move |packet: &Sent| {
        let lost = count > 0 && packet.from == from && packet.verb == Verb::NETWORK_CREDENTIALS;
        count -= usize::from(lost);
        lost
    });
}

/// Rules under which two members of one department may talk, and nobody else.
fn rule_sets() -> Vec<Vec<Rule>> {
    let not = |kind: RuleKind| Rule { not: true, ..Rule::from(kind) };
    let drop_unless = |kind: RuleKind| vec![not(kind), RuleKind::Drop.into(), RuleKind::Accept.into()];
    let break_unless = |kind: RuleKind| vec![not(kind), RuleKind::Break.into(), RuleKind::Accept.into()];
    vec![
        accept(&[RuleKind::TagsEqual(tag(1))]),
        accept(&[RuleKind::TagsDifference(tag(0))]),
        accept(&[RuleKind::TagsBitwiseAnd(tag(1))]),
        accept(&[RuleKind::TagsBitwiseXor(tag(0))]),
        accept(&[RuleKind::TagSender(tag(1))]),
        accept(&[RuleKind::TagSender(tag(1)), RuleKind::TagReceiver(tag(1))]),
        drop_unless(RuleKind::TagsEqual(tag(1))),
        // As many networks have it: ZeroTierOne#2338.
        vec![not(RuleKind::TagsEqual(tag(1))), RuleKind::Break.into(), RuleKind::Accept.into()],
        drop_unless(RuleKind::TagSender(tag(1))),
        break_unless(RuleKind::TagsBitwiseOr(tag(1))),
        break_unless(RuleKind::TagReceiver(tag(1))),
    ]
}

#[test]
fn members_told_apart_by_tags_alone_answer_the_first_ping() {
    for rules in rule_sets() {
        assert!(ping(&mut colleagues(rules.clone())), "{rules:?}");
        let mut others = strangers(rules.clone(), tagged(1), tagged(2));
        assert!(!ping(&mut others), "{rules:?}");
    }
}

#[test]
fn the_first_ping_is_answered_when_the_first_pushes_are_lost() {
    for rules in rule_sets() {
        for (from, count) in [(A, 1), (B, 1), (A, 2), (B, 2)] {
            let mut world = colleagues(rules.clone());
            lose_pushes(&mut world, from, count);
            assert!(ping(&mut world), "{count} of {from} lost: {rules:?}");
        }
    }
}

#[test]
fn a_network_of_capabilities_alone_answers_the_first_ping() {
    let grant = |id| Grant { capabilities: vec![(id, vec![RuleKind::Accept.into()])], ..Grant::default() };
    for lost in 0..3 {
        let mut world = strangers(vec![], grant(7), grant(9));
        lose_pushes(&mut world, A, lost);
        assert!(ping(&mut world), "{lost} pushes lost");
        let counted: Vec<_> = world.node(B).network().rule_counters().capabilities().collect();
        assert_eq!(counted.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [7, 9]);
        assert!(counted.iter().all(|(_, d)| d.inbound + d.outbound > 0));
    }
}

#[test]
fn pings_are_answered_over_a_line_that_loses_five_of_a_hundred_packets() {
    for seed in 0..60 {
        let mut world = colleagues(accept(&[RuleKind::TagsEqual(tag(1))]));
        let mut dice = SeededEntropy::new(seed);
        // The frames themselves are nobody's promise.
        let frame =
            |verb| [Verb::FRAME, Verb::EXT_FRAME, Verb::MULTICAST_FRAME, Verb::MULTICAST_GATHER].contains(&verb);
        world.loss = Box::new(move |packet| !frame(packet.verb) && dice.below(100) < 5);
        assert!(ping(&mut world), "seed {seed}");
    }
}

/// A and B know each other; then both get tags, and the rules begin to ask for them.
fn acquainted() -> World {
    let mut world = strangers(accept(&[]), Grant::default(), Grant::default());
    assert!(ping(&mut world));
    world.run(1_000);
    world.authority.template.rules = accept(&[RuleKind::TagsEqual(tag(1))]).into();
    world.authority.grants.extend([(A, tagged(1)), (B, tagged(1))]);
    let now = world.now;
    for address in [A, B] {
        let node = world.node(address);
        node.vl2.refresh(now, NET);
        node.vl2.handle_timeout(now, &mut node.wire);
    }
    world.exchange();
    world
}

#[test]
fn tags_that_were_given_later_are_asked_for_when_their_push_was_lost() {
    for lost in 0..3 {
        let mut world = acquainted();
        world.run(10_000);
        lose_pushes(&mut world, A, lost);
        let errors = world.log.iter().filter(|packet| packet.verb == Verb::ERROR).count();
        assert!(exchange(&mut world, (A, B), 0x0800, b"with a tag"), "{lost} pushes lost");
        let asked = world.log.iter().filter(|packet| packet.verb == Verb::ERROR).count() - errors;
        assert!((lost..=lost + 1).contains(&asked), "{asked} questions for {lost} losses");
    }
}

#[test]
fn an_outdated_tag_of_the_receiver_is_asked_for_although_it_keeps_the_frame_here() {
    let mut world = strangers(accept(&[RuleKind::TagsEqual(tag(1))]), tagged(1), tagged(2));
    let now = world.now;
    let credentials = |world: &World| NetworkCredentials {
        memberships: vec![world.authority.membership(B, now.unix_ms)],
        tags: vec![world.authority.tag(B, DEPARTMENT, 2, now.unix_ms)],
        ..NetworkCredentials::default()
    };
    let shown = credentials(&world);
    world.node(A).receive_body(now, B, &shown);
    world.exchange();
    assert!(!exchange(&mut world, (A, B), 0x0800, b"another department"));
    // B moves to the department of A, and has no reason to tell it.
    world.authority.grants.insert(B, tagged(1));
    let now = world.now;
    let node = world.node(B);
    node.vl2.refresh(now, NET);
    node.vl2.handle_timeout(now, &mut node.wire);
    world.exchange();
    world.run(10_000);
    let mut tries = 0;
    while !exchange(&mut world, (A, B), 0x0800, b"colleague") {
        tries += 1;
        assert!(tries < 3, "it is asked, and the next frame passes");
        world.run(10_000);
    }
}

#[test]
fn whoever_holds_nothing_is_not_waited_for_again_and_again() {
    let mut world = strangers(accept(&[RuleKind::TagsEqual(tag(1))]), Grant::default(), tagged(1));
    let now = world.now;
    let shown = NetworkCredentials {
        memberships: vec![world.authority.membership(A, now.unix_ms)],
        ..NetworkCredentials::default()
    };
    world.node(B).receive_body(now, A, &shown);
    let frame = Frame { network: NET, ethertype: 0x0800, payload: b"no tag" };
    let (mut asked, mut waited) = (0, 0);
    for second in 0..300 {
        let later = now.plus(Duration::from_secs(second));
        for _ in 0..100 {
            waited += u64::from(world.node(B).receive_body(later, A, &frame) == Verdict::Defer);
        }
        let node = world.node(B);
        for error in node.take_sent(Verb::ERROR) {
            asked += 1;
            assert_eq!(error.to, A);
            // It has nothing but its certificate.
            node.receive_body(later, A, &shown);
        }
    }
    assert_eq!(asked, 4, "after 10, 30, 70 and 150 seconds");
    assert!(waited <= 400, "{waited} frames of 30 000");
    assert!(world.node(B).drops("no rule accepts") > 29_000);
    assert!(world.delivered(B).is_empty());
}

#[test]
fn a_sender_that_never_answers_is_waited_for_once() {
    let mut world = strangers(accept(&[RuleKind::TagsEqual(tag(1))]), Grant::default(), tagged(1));
    let now = world.now;
    let shown = NetworkCredentials {
        memberships: vec![world.authority.membership(A, now.unix_ms)],
        ..NetworkCredentials::default()
    };
    world.node(B).receive_body(now, A, &shown);
    let frame = Frame { network: NET, ethertype: 0x0800, payload: b"no tag" };
    let mut waits = Vec::new();
    for second in 0..30 {
        let later = now.plus(Duration::from_secs(second));
        waits.push(world.node(B).receive_body(later, A, &frame) == Verdict::Defer);
    }
    let expected: Vec<_> = (0..30).map(|second| (10..15).contains(&second)).collect();
    assert_eq!(waits, expected);
}

#[test]
fn a_frame_waits_for_the_identity_of_the_controller_too() {
    let mut world = colleagues(accept(&[RuleKind::TagsEqual(tag(1))]));
    world.node(B).wire.known.remove(&CONTROLLER);
    let now = world.now;
    assert_eq!(world.node(A).frame(now, mac(A), mac(B), 0x0800, b"early"), FrameVerdict::Sent(1));
    world.exchange();
    assert!(world.delivered(B).is_empty());
    assert!(world.node(B).wire.asked.contains(&CONTROLLER));
    world.run(1_000);
    world.node(B).wire.known.insert(CONTROLLER, identity(CONTROLLER));
    world.run(1_000);
    assert_eq!(world.delivered(B).len(), 1);
}

#[test]
fn more_credentials_than_a_packet_holds_leave_one_packet_a_second_and_all_arrive() {
    let filler = || accept(&[RuleKind::EtherType(0x1234), RuleKind::FrameSize(0..=1)]);
    let mut capabilities: Vec<_> = (0..100).map(|id| (id, filler())).collect();
    // The one that counts comes last.
    capabilities.push((1_000, accept(&[RuleKind::EtherType(0x0800)])));
    let grant = Grant { capabilities, ..Grant::default() };
    let mut world = strangers(vec![], grant, Grant::default());
    let now = world.now;
    assert_eq!(world.node(A).frame(now, mac(A), mac(B), 0x0800, b"patience"), FrameVerdict::Sent(1));
    assert!(reaches(&mut world, B, b"patience"));
    let pushes = world.log.iter().filter(|p| p.from == A && p.verb == Verb::NETWORK_CREDENTIALS).count();
    assert!((2..=4).contains(&pushes), "{pushes}");
    assert_eq!(world.node(B).drops("credentials too often"), 0);
}

#[test]
fn an_address_that_must_be_owned_is_asked_for() {
    const IPAUTH: u64 = 1 << 60;
    let rules = || accept(&[RuleKind::Characteristics(IPAUTH)]);
    let mut packet = [0; 20];
    packet[0] = 0x45;
    packet[12..16].copy_from_slice(&IP_A.octets());
    for lost in 0..3 {
        let owner = Grant { things: vec![zt_wire::Thing::from(std::net::IpAddr::from(IP_A))], ..Grant::default() };
        let mut world = strangers(rules(), owner, Grant::default());
        lose_pushes(&mut world, A, lost);
        assert!(exchange(&mut world, (A, B), 0x0800, &packet), "{lost} pushes lost");
        let mut spoofed = packet;
        spoofed[15] = 9;
        let now = world.now;
        let verdict = world.node(A).frame(now, mac(A), mac(B), 0x0800, &spoofed);
        assert!(matches!(verdict, FrameVerdict::Dropped(_)));
        let frame = EthernetRef { destination: mac(B), source: mac(A), ethertype: 0x0800, payload: &spoofed };
        world.node(B).receive_body(now, A, &ExtFrame::new(NET, 0, frame));
        assert!(world.delivered(B).is_empty());
    }
}

#[test]
fn a_push_that_tags_depend_on_is_repeated_once_for_those_who_do_not_ask() {
    let pushes = |world: &mut World| {
        world.log.clear();
        for _ in 0..40 {
            world.unicast(A, B, b"payload");
            world.run(500);
        }
        world.log.iter().filter(|packet| packet.from == A && packet.verb == Verb::NETWORK_CREDENTIALS).count()
    };
    assert_eq!(pushes(&mut colleagues(accept(&[RuleKind::TagsEqual(tag(1))]))), 2);
    assert_eq!(pushes(&mut colleagues(accept(&[]))), 1, "nothing depends on it");
}
