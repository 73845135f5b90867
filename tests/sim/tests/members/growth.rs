//! What one more peer costs, counted: memory for each at a root, and none for a packet.

use crate::sys;
use crate::town::{LINK, NODE, ROOT, Town, guest, home};
use std::time::Duration;
use zt_netconf::controller::{Command, NetworkPatch};
use zt_node::engine::Input;
use zt_peer::Endpoint;
use zt_wire::packet::HEADER_LEN;
use zt_wire::{PacketId, Verb, write_header};

/// Bytes that a root may hold for each peer that it knows.
const MOST: usize = 2_000;

#[test]
fn a_root_holds_at_most_two_kilobytes_for_each_peer_that_it_knows() {
    let mut town = Town::new();
    // Tables have their least size with the first ones.
    (0..50).for_each(|number| town.visit(number, |_, _| {}));
    town.pass(Duration::from_secs(20));
    let before = sys::held();
    (50..350).for_each(|number| town.visit(number, |_, _| {}));
    let just_heard = (sys::held() - before) / 300;
    town.pass(Duration::from_secs(20));
    let silent = (sys::held() - before) / 300;
    assert_eq!(town.stations[ROOT].engine.vl1().peers(town.now).len(), 350);
    assert!(silent <= MOST && silent <= just_heard, "{silent} bytes for each, {just_heard} when they were just heard");
}

#[test]
fn a_root_asks_for_no_memory_for_a_packet_that_it_hands_on() {
    let mut town = Town::new();
    (0..20).for_each(|number| town.visit(number, |_, _| {}));
    let guests: Vec<_> = (0..20).map(|number| guest(number).address()).collect();
    let relay = |town: &mut Town, rounds: usize| {
        for turn in 0..rounds * 20 {
            let (from, to) = (turn % 20, (turn + 7) % 20);
            let mut datagram = [0x5a; 200];
            let header = (&mut datagram[..HEADER_LEN]).try_into().expect("as long");
            write_header(header, guests[to], guests[from], Verb::FRAME);
            let mut packet = zt_wire::Packet::new_checked(&mut datagram[..]).expect("has a header");
            packet.set_id(PacketId((turn as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            let station = &mut town.stations[ROOT];
            let remote = Endpoint::Ip(home(from));
            let input = Input::Datagrams { link: LINK, remote, bytes: &mut datagram, stride: 200 };
            station.engine.handle(town.now, input, &mut station.outbox);
            station.poll(town.now);
            assert!(station.leave() >= 1, "it is handed on");
        }
    };
    // Who sends to whom is told to both once.
    relay(&mut town, 2);
    let before = sys::asked();
    relay(&mut town, 50);
    assert_eq!(sys::asked() - before, 0, "for a thousand packets");
}

#[test]
fn a_node_asks_for_no_memory_for_a_frame_that_it_sends_or_receives() {
    let mut town = Town::with_node();
    let private = NetworkPatch { private: Some(true), ..NetworkPatch::default() };
    let network = town.command(Command::create_network(private)).into_network().expect("made").id;
    let (node, member) = (town.address(NODE), guest(0).address());
    for address in [node, member] {
        town.command(Command::authorize(network, address, true));
    }
    town.join(NODE, network);
    let mut caught = None;
    town.visit(0, |town, at| {
        town.join(at, network);
        town.say(NODE, network, member, b"is there anybody");
        town.say(at, network, node, b"there is");
        let (there, frame) = (town.stations[NODE].at, town.frame(at, network, node, &[0x5a; 1200]));
        caught = town.sealed(at, there, |engine, now, outbox| {
            engine.handle(now, Input::Frames(network, &frame), outbox);
        });
    });
    let caught = caught.expect("a frame by a direct path");
    let frame = town.frame(NODE, network, member, &[0x5a; 1200]);
    let cross = |town: &mut Town| {
        town.hand_in(NODE, network, &frame);
        town.arrive(NODE, &caught);
        let now = town.now;
        town.stations[NODE].poll(now);
    };
    (0..10).for_each(|_| cross(&mut town));
    let before = sys::asked();
    (0..500).for_each(|_| cross(&mut town));
    assert_eq!(sys::asked() - before, 0, "for a thousand frames");
}
