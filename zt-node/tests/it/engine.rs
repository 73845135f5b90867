//! Engines by hand: no socket, no clock, no thread but the one that opens packets.

use crate::rig::{ALICE, BOB, LINK, ROOT, Rig};
use serde_json::json;
use std::net::IpAddr;
use std::time::Duration;
use zt_crypto::ArmorError;
use zt_node::engine::{Input, Persist};
use zt_peer::{Endpoint, Look};
use zt_wire::ether::{Arp, ETHERTYPE_ARP};
use zt_wire::{Emit as _, Mac, MulticastGroup, PacketId};

/// How the first datagram is sealed that frames of this member become: the three bits of the cipher (01 §5.1).
fn cipher_of_frames(rig: &mut Rig, network: zt_wire::NetworkId, from: usize, to: usize) -> u8 {
    let frame = rig.frame(network, from, to, &[7; 1000]);
    rig.hand_in_frames(from, network, std::slice::from_ref(&frame));
    let cipher = rig.wire.front().expect("it left").bytes[18] >> 3 & 7;
    rig.nodes[to].delivered.clear();
    rig.settle();
    assert_eq!(rig.nodes[to].delivered, [frame]);
    cipher
}

#[test]
fn a_node_without_aes_is_answered_without_aes_and_the_others_keep_it() {
    let (mut rig, network) = Rig::with_members();
    assert_eq!(cipher_of_frames(&mut rig, network, ALICE, BOB), 3);
    assert_eq!(cipher_of_frames(&mut rig, network, BOB, ALICE), 3);

    let mut rig = Rig::new();
    rig.nodes[ALICE].engine.leave_out_aes();
    let network = rig.create_network(&json!({"private": false, "enableBroadcast": true}));
    rig.join(ALICE, network);
    rig.join(BOB, network);
    let first = rig.frame(network, BOB, ALICE, b"first");
    rig.send_frames(BOB, network, &[first]);
    rig.pass(Duration::from_secs(1));
    assert_eq!(cipher_of_frames(&mut rig, network, ALICE, BOB), 1);
    assert_eq!(cipher_of_frames(&mut rig, network, BOB, ALICE), 1);
    let (alice, bob) = (rig.address(ALICE), rig.address(BOB));
    assert_eq!(rig.nodes[BOB].engine.vl1().protocol_of(alice), Some(11));
    assert_eq!(rig.nodes[ROOT].engine.vl1().protocol_of(bob), Some(12));
}

#[test]
fn two_members_join_and_a_frame_passes() {
    let (mut rig, network) = Rig::with_members();
    assert_eq!(rig.status(ALICE, network), "OK");
    assert_eq!(rig.status(BOB, network), "OK");
    assert!(matches!(rig.nodes[BOB].port.last(), Some(Some(managed)) if managed.mtu == 2800));
    assert!(rig.nodes[BOB].persisted.iter().any(|p| matches!(p, Persist::NetworkConfig(id, _) if *id == network)));
    for size in [1, 46, 1400, 2800] {
        let there = rig.frame(network, ALICE, BOB, &vec![7; size]);
        let back = rig.frame(network, BOB, ALICE, &vec![8; size]);
        rig.nodes[BOB].delivered.clear();
        rig.nodes[ALICE].delivered.clear();
        rig.send_frames(ALICE, network, std::slice::from_ref(&there));
        rig.send_frames(BOB, network, std::slice::from_ref(&back));
        assert_eq!(rig.nodes[BOB].delivered, [there], "{size} bytes");
        assert_eq!(rig.nodes[ALICE].delivered, [back], "{size} bytes");
    }
}

#[test]
fn a_member_that_is_put_out_is_heard_no_more() {
    let mut rig = Rig::new();
    let network = rig.create_network(&json!({"private": true}));
    rig.join(ALICE, network);
    rig.join(BOB, network);
    rig.pass(Duration::from_millis(500));
    assert_eq!(rig.status(ALICE, network), "ACCESS_DENIED");
    for member in [ALICE, BOB] {
        rig.member(network, member, &json!({"authorized": true}));
    }
    rig.pass(Duration::from_millis(500));
    assert_eq!(rig.status(ALICE, network), "OK");
    let frame = rig.frame(network, ALICE, BOB, b"while a member");
    rig.send_frames(ALICE, network, std::slice::from_ref(&frame));
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.nodes[BOB].delivered, [frame]);

    rig.member(network, ALICE, &json!({"authorized": false}));
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.status(ALICE, network), "ACCESS_DENIED");
    rig.nodes[BOB].delivered.clear();
    let frame = rig.frame(network, ALICE, BOB, b"put out");
    rig.send_frames(ALICE, network, &[frame]);
    rig.pass(Duration::from_secs(1));
    assert!(rig.nodes[BOB].delivered.is_empty());
}

#[test]
fn a_burst_leaves_and_arrives_as_trains_of_equal_datagrams() {
    let (mut rig, network) = Rig::with_members();
    let frames: Vec<_> = (0..20).map(|n| rig.frame(network, ALICE, BOB, &vec![n; 2800])).collect();
    rig.nodes[BOB].delivered.clear();
    rig.longest_train = 0;
    rig.hand_in_frames(ALICE, network, &frames);
    let train = rig.wire.front().expect("they left");
    assert!(train.bytes.len() > 10 * train.stride, "{} bytes in steps of {}", train.bytes.len(), train.stride);
    assert_eq!(rig.longest_train, 40, "two datagrams for each frame, in one train");
    rig.settle();
    assert_eq!(rig.nodes[BOB].delivered, frames);
}

#[test]
fn a_train_of_any_stride_is_taken() {
    let (mut rig, network) = Rig::with_members();
    rig.hand_in_frames(ALICE, network, &[rig.frame(network, ALICE, BOB, b"whole")]);
    let mut train = rig.wire.pop_front().expect("it left");
    rig.nodes[BOB].delivered.clear();
    let remote = Endpoint::Ip(train.from);
    // Nothing, a stride of nothing and a stride beyond the end.
    let whole = train.bytes.len();
    for (bytes, stride) in [(0, 1200), (3, 0), (whole, usize::MAX)] {
        let bytes = &mut train.bytes[..bytes];
        let node = &mut rig.nodes[BOB];
        node.engine.handle(rig.now, Input::Datagrams { link: LINK, remote, bytes, stride }, &mut node.outbox);
    }
    rig.settle();
    assert_eq!(rig.nodes[BOB].delivered.len(), 1);
}

#[test]
fn packets_that_another_thread_opened_are_taken_in_any_order() {
    let (mut rig, network) = Rig::with_members();
    rig.opened_elsewhere = true;
    let frames: Vec<_> = (0..9).map(|n| rig.frame(network, ALICE, BOB, &vec![n; 100 + 300 * usize::from(n)])).collect();
    rig.nodes[BOB].delivered.clear();
    rig.send_frames(ALICE, network, &frames);
    let mut delivered = std::mem::take(&mut rig.nodes[BOB].delivered);
    delivered.sort();
    let mut frames = frames;
    frames.sort();
    assert_eq!(delivered, frames);
}

#[test]
fn everything_works_with_packets_opened_elsewhere() {
    let mut rig = Rig::new();
    rig.opened_elsewhere = true;
    let network = rig.create_network(&json!({"private": false}));
    rig.join(ALICE, network);
    rig.join(BOB, network);
    rig.pass(Duration::from_secs(1));
    assert_eq!((rig.status(ALICE, network), rig.status(BOB, network)), ("OK", "OK"));
}

#[test]
fn a_packet_that_did_not_open_is_counted_and_gone() {
    let (mut rig, network) = Rig::with_members();
    rig.hand_in_frames(ALICE, network, &[rig.frame(network, ALICE, BOB, b"forged")]);
    let mut train = rig.wire.pop_front().expect("it left");
    *train.bytes.last_mut().expect("not empty") ^= 1;
    let node = &mut rig.nodes[BOB];
    let before: u64 = node.engine.drops().iter().map(|(_, count)| count).sum();
    node.delivered.clear();
    let (remote, mut assembled) = (Endpoint::Ip(train.from), Vec::new());
    let look = node.engine.look(rig.now, LINK, remote, &mut train.bytes, &mut assembled, &mut node.outbox);
    let Look::Open(open) = look else { panic!("keys are known: {look:?}") };
    let opened = open.open(&mut train.bytes);
    assert_eq!(opened, Err(ArmorError::NotAuthentic));
    node.engine.handle(rig.now, Input::Opened { ticket: open.ticket, opened, packet: &train.bytes }, &mut node.outbox);
    rig.settle();
    let node = &rig.nodes[BOB];
    assert!(node.delivered.is_empty());
    assert_eq!(node.engine.drops().iter().map(|(_, count)| count).sum::<u64>(), before + 1);
}

#[test]
fn no_answer_leaves_before_its_commit() {
    let mut rig = Rig::new();
    let network = rig.create_network(&json!({"private": false}));
    rig.nodes[ROOT].commits_fail = true;
    rig.join(ALICE, network);
    rig.pass(Duration::from_secs(3));
    assert!(rig.nodes[ROOT].commits > 1, "the new member has to be kept");
    assert_eq!(rig.status(ALICE, network), "REQUESTING_CONFIGURATION");

    rig.nodes[ROOT].commits_fail = false;
    rig.pass(Duration::from_secs(30));
    assert_eq!(rig.status(ALICE, network), "OK");
}

#[test]
fn a_network_that_is_left_closes_its_port() {
    let (mut rig, network) = Rig::with_members();
    assert!(rig.nodes[ALICE].engine.leave(network));
    rig.settle();
    assert!(matches!(rig.nodes[ALICE].port.last(), Some(None)));
    assert!(!rig.nodes[ALICE].engine.leave(network));
    // Frames of the host that come late go nowhere.
    rig.nodes[BOB].delivered.clear();
    let frame = rig.frame(network, ALICE, BOB, b"late");
    rig.send_frames(ALICE, network, &[frame]);
    assert!(rig.nodes[BOB].delivered.is_empty());
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let run = || {
        let (mut rig, network) = Rig::with_members();
        rig.hand_in_frames(ALICE, network, &[rig.frame(network, ALICE, BOB, b"again")]);
        let train = rig.wire.pop_front().expect("it left");
        (train.bytes, rig.now)
    };
    assert_eq!(run(), run());
}

/// A restart makes roots and controller forget who listens for which address; the controller still knows who has it.
#[test]
fn the_holder_of_an_address_is_asked_also_when_its_announcement_is_forgotten() {
    let mut rig = Rig::new();
    let pool = json!([{"ipRangeStart": "10.7.0.1", "ipRangeEnd": "10.7.0.9"}]);
    let network = rig.create_network(&json!({
        "private": false, "enableBroadcast": true, "v4AssignMode": {"zt": true}, "ipAssignmentPools": pool,
        "routes": [{"target": "10.7.0.0/24"}],
    }));
    for number in [ROOT, ALICE, BOB] {
        rig.join(number, network);
    }
    rig.pass(Duration::from_secs(1));
    let ip = |rig: &Rig, number: usize| {
        let config = rig.nodes[number].engine.vl2().network(network).and_then(|joined| joined.config());
        let Some(IpAddr::V4(ip)) = config.expect("configured").addresses[0].ip() else { panic!("IPv4") };
        ip
    };
    let bob = ip(&rig, BOB);
    // Bob listens, and what he says of it is lost.
    let node = &mut rig.nodes[BOB];
    node.engine.handle(rig.now, Input::Groups(network, &[MulticastGroup::for_ip(bob.into())]), &mut node.outbox);
    node.outbox.transmits.clear();
    for asker in [ROOT, ALICE] {
        let question = Arp {
            operation: Arp::REQUEST,
            sender_mac: Mac::for_member(rig.address(asker), network),
            sender_ip: ip(&rig, asker),
            target_mac: Mac::ZERO,
            target_ip: bob,
        };
        let header = [&Mac::BROADCAST.0[..], &question.sender_mac.0, &ETHERTYPE_ARP.to_be_bytes()].concat();
        rig.send_frames(asker, network, &[[header, question.to_vec()].concat()]);
        rig.pass(Duration::from_millis(500));
        let heard = |frame: &Vec<u8>| frame.ends_with(&question.to_vec());
        assert!(rig.nodes[BOB].delivered.iter().any(heard), "asked by {asker}");
    }
}

#[test]
fn junk_is_counted() {
    let (mut rig, _) = Rig::with_members();
    let before = rig.nodes[BOB].engine.drops();
    let id = PacketId(0x0102_0304_0506_0708).0.to_be_bytes();
    let node = &mut rig.nodes[BOB];
    let remote = Endpoint::Ip(([44, 0, 0, 99], 9993).into());
    for length in 0..200 {
        let mut junk: Vec<u8> = id.iter().copied().cycle().take(length).collect();
        let input = Input::Datagrams { link: LINK, remote, bytes: &mut junk, stride: length };
        node.engine.handle(rig.now, input, &mut node.outbox);
    }
    rig.settle();
    assert_ne!(rig.nodes[BOB].engine.drops(), before);
}

#[test]
fn no_bytes_from_the_network_or_the_host_do_harm() {
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;
    let (rig, network) = Rig::with_members();
    let rig = std::cell::RefCell::new(rig);
    let input = (prop::collection::vec(any::<u8>(), 0..300), 0_usize..400, any::<bool>());
    let mut runner = TestRunner::default();
    let result = runner.run(&input, |(mut bytes, stride, from_host)| {
        let mut rig = rig.borrow_mut();
        if from_host {
            rig.hand_in_frames(ALICE, network, &[bytes]);
        } else {
            let (now, remote) = (rig.now, Endpoint::Ip(rig.nodes[ALICE].at));
            // Half of them look like packets for this node.
            if bytes.len() > 13 && stride % 2 == 0 {
                bytes[8..13].copy_from_slice(&rig.address(BOB).to_bytes());
            }
            let node = &mut rig.nodes[BOB];
            let input = Input::Datagrams { link: LINK, remote, bytes: &mut bytes, stride };
            node.engine.handle(now, input, &mut node.outbox);
        }
        rig.settle();
        Ok(())
    });
    result.expect("no panic");
    // And the two still understand each other.
    let mut rig = rig.into_inner();
    rig.pass(Duration::from_secs(1));
    let frame = rig.frame(network, ALICE, BOB, b"after all that");
    rig.send_frames(ALICE, network, std::slice::from_ref(&frame));
    assert_eq!(rig.nodes[BOB].delivered.last(), Some(&frame));
}
