//! Frames between members: authorisation, MAC rules, bridges, rules.

use zt_netconf::{DropReason, FrameVerdict, NetworkConfig, NetworkStatus, Verdict};
use zt_wire::Lane;
use zt_wire::netconf::Specialist;
use zt_wire::packet::{HEADER_LEN, MAX_PACKET_LEN};
use zt_wire::rules::Forward;
use zt_wire::verb::{ExtFrame, Frame, NetworkCredentials};
use zt_wire::{EthernetRef, Mac, Rule, RuleKind, Verb};

use crate::world::{A, B, CONTROLLER, Delivered, NET, START, World};

fn mac(address: zt_wire::Address) -> Mac {
    Mac::for_member(address, NET)
}

const FOREIGN: Mac = Mac([0x0e, 1, 2, 3, 4, 5]);

/// A world whose configuration names bridges.
fn with_bridges(bridges: &[zt_wire::Address]) -> World {
    let mut world = World::new();
    world.authority.template.specialists =
        bridges.iter().map(|address| Specialist::new(*address, Specialist::ACTIVE_BRIDGE)).collect();
    world.authority.authorised.extend([A, B]);
    world.join(A);
    world.join(B);
    world
}

#[test]
fn the_first_frame_arrives_because_credentials_precede_it() {
    let mut world = World::with_members();
    assert_eq!(world.unicast(A, B, b"hello"), FrameVerdict::Sent(1));
    let expected = Delivered { destination: mac(B), source: mac(A), ethertype: 0x0800, payload: b"hello".to_vec() };
    assert_eq!(world.delivered(B), [expected]);
    let verbs: Vec<_> = world.log.iter().filter(|p| p.from == A && p.to == B).map(|p| p.verb).collect();
    let position = |verb| verbs.iter().position(|v| *v == verb);
    assert!(position(Verb::NETWORK_CREDENTIALS) < position(Verb::FRAME));
    assert_eq!(world.unicast(B, A, b"back"), FrameVerdict::Sent(1));
    assert_eq!(world.delivered(A).len(), 1);
}

#[test]
fn a_frame_that_came_before_the_certificate_is_deferred_and_asked_for_once_a_second() {
    let mut world = World::with_members();
    let now = world.now;
    let node = world.node(B);
    let frame = Frame { network: NET, ethertype: 0x0800, payload: b"hello" };
    for _ in 0..5 {
        assert_eq!(node.receive_body(now, A, &frame), Verdict::Defer);
    }
    let errors = node.take_sent(Verb::ERROR);
    assert_eq!(errors.len(), 1, "the others are held back");
    assert_eq!(node.drops("error held back"), 4);
    let later = now.plus(std::time::Duration::from_secs(1));
    assert_eq!(node.receive_body(later, A, &frame), Verdict::Defer);
    assert_eq!(node.take_sent(Verb::ERROR).len(), 1);
    // The error makes the sender push, and the retry of the deferred frame passes.
    assert_eq!(world.node(A).receive(now, &errors[0]), Verdict::Accepted { trust: false });
    world.exchange();
    assert_eq!(world.node(B).receive_body(later, A, &frame), Verdict::Accepted { trust: true });
    assert_eq!(world.delivered(B).len(), 1);
}

#[test]
fn members_of_another_or_no_network_are_kept_out() {
    let mut world = World::with_members();
    let now = world.now;
    let node = world.node(B);
    let other = Frame { network: zt_wire::NetworkId(1), ethertype: 0x0800, payload: b"x" };
    assert_eq!(node.receive_body(now, A, &other), Verdict::Accepted { trust: false });
    let frame = Frame { network: NET, ethertype: 0x0800, payload: b"x" };
    assert_eq!(node.receive_body(now, CONTROLLER, &frame), Verdict::Defer);
    assert!(world.delivered(B).is_empty());
}

#[test]
fn a_public_network_needs_no_certificate() {
    let mut world = World::new();
    world.authority.template.kind = zt_netconf::NetworkType::Public;
    world.authority.authorised.extend([A, B]);
    world.join(B);
    let now = world.now;
    let frame = Frame { network: NET, ethertype: 0x0800, payload: b"x" };
    assert_eq!(world.node(B).receive_body(now, A, &frame), Verdict::Accepted { trust: true });
    assert_eq!(world.delivered(B).len(), 1);
}

#[test]
fn a_foreign_mac_needs_a_bridge_on_the_way_out_and_in() {
    let mut world = World::with_members();
    let now = world.now;
    let verdict = world.node(A).frame(now, FOREIGN, mac(B), 0x0800, b"x");
    assert_eq!(verdict, FrameVerdict::Dropped(DropReason::NotABridge));
    world.unicast(A, B, b"credentials");
    world.delivered(B);
    let frame = EthernetRef { destination: mac(B), source: FOREIGN, ethertype: 0x0800, payload: b"x" };
    let node = world.node(B);
    node.receive_body(now, A, &ExtFrame::new(NET, 0x10, frame));
    assert_eq!(node.drops("bridging not allowed (remote)"), 1);
    assert!(node.take_sent(Verb::OK).is_empty(), "no acknowledgement after a bridging check");
    for source in [Mac::ZERO, mac(B)] {
        node.receive_body(now, A, &ExtFrame::new(NET, 0, EthernetRef { source, ..frame }));
    }
    assert_eq!(node.drops("invalid source mac"), 2);
    let aside = EthernetRef { source: mac(A), destination: FOREIGN, ..frame };
    node.receive_body(now, A, &ExtFrame::new(NET, 0, aside));
    assert_eq!(node.drops("bridging not allowed (local)"), 1);
    assert!(world.delivered(B).is_empty());
    let node = world.node(B);
    let own = EthernetRef { source: mac(A), ..frame };
    node.receive_body(now, A, &ExtFrame::new(NET, 0x10, own));
    assert_eq!(node.take_sent(Verb::OK).len(), 1);
    assert_eq!(world.delivered(B).len(), 1);
}

#[test]
fn bridged_hosts_are_learned_and_found_again() {
    let mut world = with_bridges(&[B]);
    let now = world.now;
    // Unknown MAC: to all bridges.
    assert_eq!(world.node(A).frame(now, mac(A), FOREIGN, 0x0800, b"who"), FrameVerdict::Sent(1));
    world.exchange();
    world.retry();
    world.exchange();
    assert_eq!(world.delivered(B).len(), 1, "B is a bridge and takes frames for hosts behind it");
    // A host behind B answers.
    assert_eq!(world.node(B).frame(now, FOREIGN, mac(A), 0x0800, b"me"), FrameVerdict::Sent(1));
    world.exchange();
    assert_eq!(world.delivered(A)[0].source, FOREIGN);
    assert_eq!(world.node(A).network().bridge_route_count(), 1);
    assert_eq!(world.node(A).frame(now, mac(A), FOREIGN, 0x0800, b"again"), FrameVerdict::Sent(1));
}

#[test]
fn a_host_behind_a_bridge_with_a_mac_like_a_members_is_found() {
    let mut world = with_bridges(&[B]);
    let now = world.now;
    let nobody = zt_wire::Address::new(0x42_ac11_0002);
    let docker = mac(nobody);
    assert_eq!(docker.0[0], mac(A).0[0], "one of the MACs that look like members'");
    // A and B know each other; the host behind B speaks first, as in answering an ARP request.
    world.unicast(A, B, b"credentials");
    world.unicast(B, A, b"credentials");
    world.delivered(A);
    world.delivered(B);
    assert_eq!(world.node(B).frame(now, docker, mac(A), 0x0806, b"here"), FrameVerdict::Sent(1));
    world.exchange();
    assert_eq!(world.delivered(A)[0].source, docker);
    assert_eq!(world.node(A).frame(now, mac(A), docker, 0x0800, b"found"), FrameVerdict::Sent(1));
    world.exchange();
    let delivered = world.delivered(B);
    assert_eq!((delivered[0].destination, &delivered[0].payload[..]), (docker, &b"found"[..]));
    // The MAC of a member that showed itself is that member's, whatever a bridge says.
    assert_eq!(world.node(B).frame(now, mac(CONTROLLER), mac(A), 0x0806, b"me too"), FrameVerdict::Sent(1));
    world.exchange();
    world.delivered(A);
    let memberships = vec![world.authority.membership(CONTROLLER, START)];
    let shown = NetworkCredentials { memberships, ..NetworkCredentials::default() };
    world.node(A).receive_body(now, CONTROLLER, &shown);
    assert!(world.node(A).network().members().any(|(address, _)| address == CONTROLLER));
    world.node(A).frame(now, mac(A), mac(CONTROLLER), 0x0800, b"to the member");
    world.exchange();
    assert!(world.delivered(B).iter().all(|frame| &frame.payload[..] != b"to the member"));
}

#[test]
fn a_frame_for_nobody_is_dropped() {
    let mut world = World::with_members();
    let now = world.now;
    let verdict = world.node(A).frame(now, mac(A), FOREIGN, 0x0800, b"x");
    assert_eq!(verdict, FrameVerdict::Dropped(DropReason::NoBridge));
    let nil = Mac::for_member(zt_wire::Address::NIL, NET);
    let verdict = world.node(A).frame(now, mac(A), nil, 0x0800, b"x");
    assert_eq!(verdict, FrameVerdict::Dropped(DropReason::ReservedDestination));
    let verdict = world.node(A).frame(now, mac(A), mac(A), 0x0800, b"me");
    assert_eq!(verdict, FrameVerdict::Answered);
    assert_eq!(world.delivered(A).len(), 1);
    let long = vec![0; 10_001];
    let verdict = world.node(A).frame(now, mac(A), mac(B), 0x0800, &long);
    assert_eq!(verdict, FrameVerdict::Dropped(DropReason::TooLong));
}

#[test]
fn the_longest_frame_of_a_port_fits_a_packet_and_longer_ones_are_named() {
    let mut world = with_bridges(&[B]);
    let now = world.now;
    let most = zt_netconf::MAX_PORT_MTU as usize;
    for (to, more) in [(mac(B), 21), (FOREIGN, 8), (Mac::BROADCAST, 0)] {
        let long = vec![0xa5; most + more];
        let verdict = world.node(A).frame(now, mac(A), to, 0x0800, &long);
        assert!(matches!(verdict, FrameVerdict::Sent(_)), "{to}: {verdict:?}");
        let verdict = world.node(A).frame(now, mac(A), to, 0x0800, &[&long[..], b"x"].concat());
        assert_eq!(verdict, FrameVerdict::Dropped(DropReason::TooLong), "{to}");
    }
    let longest = world.node(A).wire.sent.iter().map(|sent| HEADER_LEN + sent.payload.len()).max();
    assert_eq!(longest, Some(MAX_PACKET_LEN));
}

fn rules(world: &mut World, rules: Vec<Rule>) {
    world.authority.template.rules = rules.into();
    world.authority.authorised.extend([A, B]);
    world.join(A);
    world.join(B);
}

#[test]
fn the_customary_rules_pass_ip_and_nothing_else() {
    let mut world = World::new();
    let not = |kind| Rule { not: true, ..Rule::from(kind) };
    rules(
        &mut world,
        vec![
            not(RuleKind::EtherType(0x0800)),
            not(RuleKind::EtherType(0x0806)),
            not(RuleKind::EtherType(0x86dd)),
            RuleKind::Drop.into(),
            RuleKind::Accept.into(),
        ],
    );
    let now = world.now;
    assert_eq!(world.unicast(A, B, b"x"), FrameVerdict::Sent(1));
    let verdict = world.node(A).frame(now, mac(A), mac(B), 0x8137, b"x");
    assert_eq!(verdict, FrameVerdict::Dropped(DropReason::RuleDrop));
    // Rules are applied on both sides.
    world.delivered(B);
    let node = world.node(B);
    let frame = Frame { network: NET, ethertype: 0x8137, payload: b"x" };
    assert_eq!(node.receive_body(now, A, &frame), Verdict::Accepted { trust: true });
    assert_eq!(node.drops("dropped by rule"), 1);
    assert!(world.delivered(B).is_empty());
}

#[test]
fn a_redirection_to_nobody_lets_the_frame_go_on() {
    let mut world = World::new();
    rules(&mut world, vec![RuleKind::Redirect(Forward::default()).into()]);
    assert_eq!(world.unicast(A, B, b"x"), FrameVerdict::Sent(1));
    assert_eq!(world.delivered(B).len(), 1);
}

#[test]
fn what_a_rule_prefers_leaves_in_a_lane_of_its_flow_and_the_rest_as_usual() {
    let mut world = World::new();
    rules(&mut world, vec![RuleKind::IpProtocol(17).into(), RuleKind::Priority.into(), RuleKind::Accept.into()]);
    let packet = |protocol, port: u8| {
        let mut packet = [0; 40];
        (packet[0], packet[9], packet[21]) = (0x45, protocol, port);
        packet
    };
    let mut lane = |packet: &[u8]| {
        assert_eq!(world.unicast(A, B, packet), FrameVerdict::Sent(1));
        world.node(A).wire.lane
    };
    let voice = lane(&packet(17, 1));
    assert_eq!(voice.bucket, 0);
    assert_eq!(lane(&packet(6, 1)), Lane::USUAL);
    assert_eq!(lane(&packet(17, 1)), voice);
    assert_ne!(lane(&packet(17, 2)), voice);
}

#[test]
fn no_rules_pass_nothing() {
    let mut world = World::new();
    rules(&mut world, vec![]);
    assert_eq!(world.unicast(A, B, b"x"), FrameVerdict::Dropped(DropReason::RuleNoMatch));
}

#[test]
fn every_rule_is_understood() {
    let mut world = World::new();
    rules(&mut world, vec![RuleKind::IpProtocol(6).into(), RuleKind::Drop.into(), RuleKind::Accept.into()]);
    assert_eq!(world.node(A).network().status(), NetworkStatus::Ok);
    let packet = |protocol| {
        let mut packet = [0; 40];
        (packet[0], packet[9]) = (0x45, protocol);
        packet
    };
    assert_eq!(world.unicast(A, B, &packet(6)), FrameVerdict::Dropped(DropReason::RuleDrop));
    assert_eq!(world.unicast(A, B, &packet(17)), FrameVerdict::Sent(1));
    assert_eq!(world.delivered(B).len(), 1);
}

#[test]
fn members_that_lost_their_controller_keep_talking_within_the_window() {
    let mut world = World::with_members();
    world.unicast(A, B, b"1");
    world.unicast(B, A, b"2");
    world.authority.authorised.remove(&B);
    // A refreshes for 29 minutes, B does not.
    world.run(29 * 60_000);
    world.delivered(A);
    world.unicast(B, A, b"3");
    assert_eq!(world.delivered(A).len(), 1);
    world.run(3 * 60_000);
    world.unicast(B, A, b"4");
    assert!(world.delivered(A).is_empty(), "the certificates are more than 30 minutes apart");
}

#[test]
fn messages_of_a_network_without_configuration_wait() {
    let mut world = World::new();
    world.join(A);
    let now = world.now;
    let frame = Frame { network: NET, ethertype: 0x0800, payload: b"x" };
    assert_eq!(world.node(A).receive_body(now, B, &frame), Verdict::Defer);
    let verdict = world.node(A).frame(now, mac(A), mac(B), 0x0800, b"x");
    assert_eq!(verdict, FrameVerdict::Dropped(DropReason::NotConfigured));
    assert_eq!(NetworkConfig::DEFAULT_MTU, 2800);
}
