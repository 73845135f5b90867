//! TEE, WATCH and REDIRECT: what leaves for third parties, and what those make of it.

use zt_netconf::{DropReason, FrameVerdict, Verdict};
use zt_wire::netconf::Specialist;
use zt_wire::rules::Forward;
use zt_wire::verb::{ExtFrame, Frame, OkBody, OkReply};
use zt_wire::{Address, EthernetRef, Mac, Message, Rule, RuleKind, Verb};

use crate::world::{A, B, Grant, NET, OBSERVER, Sent, World};

fn mac(address: Address) -> Mac {
    Mac::for_member(address, NET)
}

fn forward(to: Address, length: u16) -> Forward {
    Forward { address: to, flags: 0, length }
}

fn tee(length: u16) -> RuleKind {
    RuleKind::Tee(forward(OBSERVER, length))
}

fn watch(length: u16) -> RuleKind {
    RuleKind::Watch(forward(OBSERVER, length))
}

fn redirect() -> RuleKind {
    RuleKind::Redirect(forward(OBSERVER, 0))
}

/// Members A and B, and an observer, in a network with these rules; all know each other.
fn observed(rules: &[RuleKind]) -> World {
    let mut world = World::with_members();
    world.add_observer();
    let all = [A, B, OBSERVER];
    for from in all {
        for to in all.into_iter().filter(|to| *to != from) {
            world.unicast(from, to, b"hello");
        }
    }
    world.run(2_000);
    world.authority.template.rules = rules.iter().cloned().map(Rule::from).collect::<Vec<_>>().into();
    let now = world.now;
    for address in all {
        let node = world.node(address);
        node.vl2.refresh(now, NET);
        node.vl2.handle_timeout(now, &mut node.wire);
    }
    world.exchange();
    for address in all {
        world.delivered(address);
    }
    world.log.clear();
    world
}

/// EXT_FRAMEs that were sent to the observer: flags, MACs, payload, whether an answer is expected.
fn copies(world: &World, from: Address) -> Vec<(u8, Mac, Mac, Vec<u8>, bool)> {
    let sent = world.log.iter().filter(|p| p.from == from && p.to == OBSERVER && p.verb == Verb::EXT_FRAME);
    let view = |packet: &Sent| {
        let Ok(Message::ExtFrame(ExtFrame { flags, frame: Some(frame), .. })) =
            Message::parse(packet.verb, &packet.payload)
        else {
            panic!("a frame");
        };
        assert!(packet.options.compress);
        (flags, frame.source, frame.destination, frame.payload.to_vec(), packet.options.expect_reply)
    };
    sent.map(view).collect()
}

#[test]
fn a_tee_copies_what_passes_on_both_sides_and_its_observer_takes_all_of_it() {
    let mut world = observed(&[tee(3), RuleKind::Accept]);
    assert_eq!(world.unicast(A, B, b"payload"), FrameVerdict::Sent(1));
    let cut = (mac(A), mac(B), b"pay".to_vec(), false);
    assert_eq!(copies(&world, A), [(0x02, cut.0, cut.1, cut.2.clone(), cut.3)]);
    assert_eq!(copies(&world, B), [(0x08, cut.0, cut.1, cut.2, cut.3)]);
    assert_eq!(world.delivered(B).len(), 1);
    // That of A carries A's own MAC, that of B the MAC of somebody else: both are for this node to watch.
    let seen = world.delivered(OBSERVER);
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|frame| (frame.source, frame.destination) == (mac(A), mac(B))));
    assert_eq!(world.node(OBSERVER).drops("bridging not allowed (remote)"), 0);
}

#[test]
fn a_copy_for_nobody_is_not_sent() {
    let nobody = forward(Address::NIL, 0);
    let mut world =
        observed(&[RuleKind::Tee(nobody), RuleKind::Watch(nobody), RuleKind::Redirect(nobody), RuleKind::Accept]);
    assert_eq!(world.unicast(A, B, b"payload"), FrameVerdict::Sent(1));
    assert!(world.log.iter().all(|packet| [A, B].contains(&packet.to)), "{:?}", world.log);
    assert_eq!(world.delivered(B).len(), 1);
}

#[test]
fn a_watch_asks_for_an_acknowledgement_and_gets_one() {
    let mut world = observed(&[watch(0), RuleKind::Accept]);
    world.unicast(A, B, b"payload");
    assert_eq!(copies(&world, A), [(0x16, mac(A), mac(B), b"payload".to_vec(), true)]);
    assert_eq!(copies(&world, B), [(0x1c, mac(A), mac(B), b"payload".to_vec(), true)]);
    let answered: Vec<_> = world
        .log
        .iter()
        .filter(|packet| packet.from == OBSERVER && packet.verb == Verb::OK)
        .map(|packet| match Message::parse(packet.verb, &packet.payload) {
            Ok(Message::Ok(OkReply { body: OkBody::ExtFrame(ok), .. })) => (packet.to, ok.network),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(answered, [(A, Some(NET)), (B, Some(NET))]);
}

#[test]
fn what_is_dropped_in_the_end_is_not_copied() {
    let mut world = observed(&[tee(0), RuleKind::EtherType(0x0800), RuleKind::Drop, RuleKind::Accept]);
    assert_eq!(world.unicast(A, B, b"payload"), FrameVerdict::Dropped(DropReason::RuleDrop));
    let now = world.now;
    let frame = Frame { network: NET, ethertype: 0x0800, payload: b"payload" };
    world.node(B).receive_body(now, A, &frame);
    world.exchange();
    assert!(copies(&world, A).is_empty() && copies(&world, B).is_empty());
    assert!(world.delivered(OBSERVER).is_empty());
}

#[test]
fn a_redirected_frame_goes_to_its_new_receiver_and_nowhere_else() {
    let mut world = observed(&[redirect(), RuleKind::Accept]);
    assert_eq!(world.unicast(A, B, b"payload"), FrameVerdict::Dropped(DropReason::Redirected));
    assert_eq!(copies(&world, A), [(0x04, mac(A), mac(B), b"payload".to_vec(), false)]);
    assert_eq!(world.delivered(OBSERVER).len(), 1);
    assert!(world.delivered(B).is_empty());
    // A sender that does not obey: the receiver does.
    let now = world.now;
    let frame = Frame { network: NET, ethertype: 0x0800, payload: b"payload" };
    assert_eq!(world.node(B).receive_body(now, A, &frame), Verdict::Accepted { trust: true });
    world.exchange();
    assert_eq!(copies(&world, B), [(0x0a, mac(A), mac(B), b"payload".to_vec(), false)]);
    assert!(world.delivered(B).is_empty());
    assert_eq!(world.node(B).drops("redirected by rule"), 1);
    assert_eq!(world.delivered(OBSERVER).len(), 1);
}

#[test]
fn frames_to_groups_and_bridges_are_copied_once() {
    let mut world = observed(&[tee(0), RuleKind::Accept]);
    world.authority.template.specialists =
        [A, B].iter().map(|address| Specialist::new(*address, Specialist::ACTIVE_BRIDGE)).collect();
    let now = world.now;
    for address in [A, B, OBSERVER] {
        let node = world.node(address);
        node.vl2.refresh(now, NET);
        node.vl2.handle_timeout(now, &mut node.wire);
    }
    world.exchange();
    world.log.clear();
    let behind = Mac([0x0e, 1, 2, 3, 4, 5]);
    assert_eq!(world.node(A).frame(now, mac(A), behind, 0x0800, b"behind"), FrameVerdict::Sent(1));
    world.exchange();
    let flags = |world: &World, from| copies(world, from).iter().map(|copy| copy.0).collect::<Vec<_>>();
    assert_eq!((flags(&world, A), flags(&world, B)), (vec![0x02], vec![0x08]));
    world.log.clear();
    world.node(A).frame(now, mac(A), Mac::BROADCAST, 0x0800, b"everybody");
    world.exchange();
    assert_eq!((flags(&world, A), flags(&world, B)), (vec![0x02], vec![0x08]));
}

#[test]
fn a_capability_of_the_sender_copies_on_both_sides() {
    let mut world = observed(&[tee(1)]);
    let rules: Vec<Rule> = [tee(2), RuleKind::Accept].into_iter().map(Rule::from).collect();
    world.authority.grants.insert(A, Grant { capabilities: vec![(7, rules)], ..Grant::default() });
    world.run(2_000);
    let now = world.now;
    let node = world.node(A);
    node.vl2.refresh(now, NET);
    node.vl2.handle_timeout(now, &mut node.wire);
    world.exchange();
    world.log.clear();
    assert_eq!(world.unicast(A, B, b"payload"), FrameVerdict::Sent(1));
    assert_eq!(world.delivered(B).len(), 1);
    let cut: Vec<_> = copies(&world, A).into_iter().map(|copy| (copy.0, copy.3)).collect();
    assert_eq!(cut, [(0x02, b"pa".to_vec()), (0x02, b"p".to_vec())], "the capability's first");
    let cut: Vec<_> = copies(&world, B).into_iter().map(|copy| (copy.0, copy.3)).collect();
    assert_eq!(cut, [(0x08, b"pa".to_vec()), (0x08, b"p".to_vec())]);
}

#[test]
fn a_copy_for_a_node_that_is_to_watch_nothing_is_a_frame_like_any_other() {
    let mut world = observed(&[RuleKind::Accept]);
    let now = world.now;
    let frame = EthernetRef { destination: mac(B), source: mac(A), ethertype: 0x0800, payload: b"x" };
    let node = world.node(OBSERVER);
    node.receive_body(now, B, &ExtFrame::new(NET, 0x1c, frame));
    assert_eq!(node.drops("bridging not allowed (remote)"), 1);
    assert!(node.take_sent(Verb::OK).is_empty());
    assert!(world.delivered(OBSERVER).is_empty());
}
