//! What concerns thousands is done in parts: no call does more than its share, and nobody is left out.

use std::collections::BTreeMap;
use std::time::Duration;

use zt_wire::Emit;
use zt_wire::ident::{Address, MulticastGroup, NetworkId, PacketId};
use zt_wire::identity::Identity;
use zt_wire::time::Now;
use zt_wire::verb::{Frame, Message, Verb};

use crate::world::{A, CONTROLLER, NET, Node, World};

/// Most messages of one call but those to roots and the controller.
const SHARE: usize = 64;
const MEMBERS: u64 = 1_000;

fn member(number: u64) -> Identity {
    Identity { address: Address::new(0x10_0000_0000 + number), public_key: [3; 64] }
}

fn group(adi: u32) -> MulticastGroup {
    MulticastGroup { adi, ..MulticastGroup::BROADCAST }
}

/// A node in a public network that has heard of so many members.
fn crowd() -> (Node, Now) {
    let mut world = World::new();
    world.authority.template.kind = zt_netconf::NetworkType::Public;
    world.authority.authorised.insert(A);
    world.join(A);
    let now = world.now;
    let mut node = world.nodes.remove(&A).expect("node A");
    let payload = Frame { network: NET, ethertype: 0x0800, payload: b"x" }.to_vec();
    let message = Message::parse(Verb::FRAME, &payload).expect("a frame");
    for identity in (0..MEMBERS).map(member) {
        node.wire.known.insert(identity.address, identity);
        node.vl2.handle_message(now, &identity, PacketId(1), &message, &mut node.wire);
    }
    node.collect();
    node.wire.sent.clear();
    (node, now)
}

/// To whom LIKEs went in the last call, which stays within its share.
fn told(node: &mut Node, times: &mut BTreeMap<Address, Vec<usize>>) {
    let sent = node.take_sent(Verb::MULTICAST_LIKE);
    let (upstream, members): (Vec<_>, Vec<_>) = sent.into_iter().partition(|packet| packet.to == CONTROLLER);
    assert!(upstream.len() <= 1 && members.len() <= SHARE, "{} members at once", members.len());
    for packet in members {
        times.entry(packet.to).or_default().push(packet.payload.len() / 18);
    }
}

/// Calls until nothing is due.
fn calls(node: &mut Node, now: Now, mut each: impl FnMut(&mut Node)) -> usize {
    let mut calls = 0;
    while node.vl2.poll_timeout().is_some_and(|(at, _)| at <= now.mono) {
        node.vl2.handle_timeout(now, &mut node.wire);
        node.collect();
        each(node);
        calls += 1;
    }
    calls
}

#[test]
fn groups_are_announced_to_a_crowd_in_parts_and_to_each_once() {
    let (mut node, now) = crowd();
    let mut times = BTreeMap::new();
    let later = now.plus(Duration::from_secs(70));
    let calls = calls(&mut node, later, |node| told(node, &mut times));
    assert!(calls > MEMBERS as usize / SHARE, "{calls} calls");
    assert_eq!(times.len(), MEMBERS as usize);
    assert!(times.values().all(|all| all.as_slice() == [1]), "broadcast, once");
}

#[test]
fn a_crowd_hears_of_new_groups_in_parts_and_those_that_come_meanwhile_are_not_lost() {
    let (mut node, now) = crowd();
    let mut times = BTreeMap::new();
    node.vl2.set_tap_groups(NET, &[group(7)], &mut node.wire);
    node.collect();
    told(&mut node, &mut times);
    assert_eq!(times.len(), SHARE, "the first ones hear of it at once");
    node.vl2.set_tap_groups(NET, &[group(7), group(8)], &mut node.wire);
    node.vl2.set_tap_groups(NET, &[group(7), group(8), group(9)], &mut node.wire);
    node.collect();
    node.wire.sent.retain(|packet| packet.to != CONTROLLER);
    told(&mut node, &mut times);
    assert_eq!(times.len(), SHARE, "those behind them are first");
    calls(&mut node, now, |node| told(node, &mut times));
    assert_eq!(times.len(), MEMBERS as usize);
    assert!(times.values().all(|all| all.as_slice() == [1, 2]), "one, then two that came meanwhile");
}

#[test]
fn members_who_were_silent_for_long_are_forgotten_in_parts() {
    let (mut node, now) = crowd();
    let mut before = node.network().member_count();
    assert_eq!(before, MEMBERS as usize);
    let calls = calls(&mut node, now.plus(Duration::from_secs(700)), |node| {
        let after = node.network().member_count();
        assert!(before - after <= 256, "{} at once", before - after);
        before = after;
    });
    assert!(before == 0 && calls >= 4);
}

#[test]
fn networks_that_are_due_at_the_same_time_take_turns() {
    let (mut node, now) = (Node::new(A), World::new().now);
    for number in 0..300 {
        node.vl2.join(now, NetworkId(CONTROLLER.as_u64() << 24 | number), None, &mut node.wire);
    }
    node.collect();
    node.wire.sent.clear();
    let mut asked = 0;
    let later = now.plus(Duration::from_secs(6));
    calls(&mut node, later, |node| {
        let sent = node.take_sent(Verb::NETWORK_CONFIG_REQUEST).len();
        assert!(sent <= SHARE, "{sent} at once");
        asked += sent;
    });
    assert_eq!(asked, 300, "each asks again");
}
