//! First contact, relaying, introduction, caches, idle traffic.

use std::time::Duration;

use zt_peer::{Outcome, Path, PhysicalPrefix, Vl1Event};
use zt_wire::verb::{UserMessage, Verb, Whois};
use zt_wire::{Cipher, Packet};
use zt_wire::{IpPrefix, Mono};

use crate::net::{Net, addr, address, planet, sealed_verb};

const ROOT: usize = 1;
const A: usize = 2;
const B: usize = 3;

/// A root and two members (indexes 0, 1, 2 in the net).
pub(crate) fn trio(seed: u64) -> Net {
    let mut net = Net::new(seed);
    let world = planet(&[(ROOT, addr(1))]);
    net.add(ROOT, Some(&world));
    net.add(A, Some(&world));
    net.add(B, Some(&world));
    net
}

fn online_at(net: &Net, node: usize) -> Option<Mono> {
    net.nodes[node].events.iter().find(|(_, e)| *e == Vl1Event::Online(true)).map(|(t, _)| *t)
}

#[test]
fn online_comes_with_the_roots_answer() {
    let mut net = trio(1);
    let start = net.now.mono;
    net.run(100);
    for node in 0..3 {
        let at = online_at(&net, node).expect("online");
        assert!(at.saturating_since(start) <= Duration::from_millis(12), "node {node} after {at}");
    }
}

#[test]
fn a_lost_first_hello_costs_little() {
    let mut net = trio(2);
    net.cut_both(addr(2), addr(1));
    net.run(600);
    net.cuts.clear();
    net.run(400);
    assert!(online_at(&net, 1).is_some(), "online within a second although the first HELLOs were lost");
}

#[test]
fn strangers_meet_over_the_root_and_go_direct() {
    let mut net = trio(3);
    net.run(1_000);
    let start = net.now.mono;
    net.frame(1, 2, b"12345678 first");
    net.run(1_000);
    let (at, from, bytes) = net.nodes[2].frames.first().expect("the first frame is not lost").clone();
    assert_eq!((from, bytes.as_slice()), (address(A), &b"12345678 first"[..]));
    assert!(at.saturating_since(start) < Duration::from_millis(60), "{:?}", at.saturating_since(start));
    net.frame(2, 1, b"12345678 back");
    net.run(500);
    assert!(net.is_direct(1, 2) && net.is_direct(2, 1));
    assert!(net.drops(0, "malformed") + net.drops(1, "bad-mac") + net.drops(2, "bad-mac") == 0);
}

/// What is routed through our own networks is not tried, whoever tells it; a peer that is heard there is there.
#[test]
fn an_address_behind_our_own_route_is_not_tried_but_may_be_heard() {
    for both in [true, false] {
        let mut net = trio(30);
        net.run(500);
        let routed = |n: u8| vec![IpPrefix::host(addr(n).ip())];
        net.with(1, |vl1, _, _| vl1.set_routed(routed(3), Vec::new()));
        if both {
            net.with(2, |vl1, _, _| vl1.set_routed(routed(2), Vec::new()));
        }
        net.keep_log = true;
        net.talk(1, 2, 100, 3_000);
        assert!(net.drops(1, "unusable-path") > 0);
        assert_eq!(net.is_direct(1, 2), !both, "the other side may know a way");
        let tried = net.log.iter().any(|(_, from, to, _)| *from == addr(2) && *to == addr(3));
        assert_eq!(tried, !both);
        assert_eq!(net.nodes[2].frames.len(), net.nodes[1].frames.len(), "relayed or not, nothing is lost");
    }
}

/// Another host behind another NAT may have our private address and port.
#[test]
fn our_own_address_is_nobody_elses_path() {
    let mut net = trio(31);
    net.run(500);
    net.talk(1, 2, 100, 500);
    let before = net.drops(1, "unusable-path");
    net.with(1, |vl1, now, out| vl1.try_address(now, address(B), addr(2).into(), out));
    assert_eq!(net.drops(1, "unusable-path"), before + 1);
}

/// A size that the sockets of the owner found out is kept to for some minutes.
#[test]
fn packets_are_cut_for_the_path() {
    let mut net = trio(32);
    net.run(500);
    net.talk(1, 2, 100, 1_000);
    assert!(net.is_direct(1, 2));
    net.keep_log = true;
    let longest = |net: &mut Net, len: usize| {
        net.log.clear();
        net.nodes[2].frames.clear();
        net.frame(1, 2, &vec![0; len]);
        net.run(200);
        assert_eq!(net.nodes[2].frames.first().map(|(_, _, b)| b.len()), Some(len));
        net.log.iter().filter(|(_, from, to, _)| *from == addr(2) && *to == addr(3)).map(|l| l.3.len()).max()
    };
    let link = *net.nodes[1].ports.keys().next().expect("a link");
    let path = Path { link, remote: addr(3).into() };
    net.with(1, |vl1, now, _| vl1.learn_path_mtu(now, path, 1252));
    assert!(longest(&mut net, 2_800).expect("datagrams") <= 1252);
    // Seven pieces are the most that can be received (02 §3.3): then larger ones, which IP cuts.
    assert!(longest(&mut net, 9_800).expect("datagrams") > 1252);
    net.run(330_000);
    assert!(longest(&mut net, 2_800).expect("datagrams") > 1400);
}

#[test]
fn long_messages_are_cut_and_joined() {
    let mut net = trio(4);
    net.run(500);
    for len in [1_300, 1_500, 2_800, 9_000, 9_800] {
        let mut payload = vec![7u8; len];
        payload[..8].copy_from_slice(&[0; 8]);
        net.nodes[2].frames.clear();
        net.frame(1, 2, &payload);
        net.run(200);
        assert_eq!(net.nodes[2].frames.first().map(|(_, _, b)| b.len()), Some(len));
    }
}

#[test]
fn peers_that_know_each_other_use_aes() {
    let mut net = trio(5);
    net.keep_log = true;
    net.run(500);
    net.talk(1, 2, 100, 1_000);
    net.log.clear();
    net.frame(1, 2, b"12345678");
    net.run(50);
    let head = net.log.iter().map(|(_, _, _, b)| b).find(|b| b.len() > 28).expect("a packet");
    assert_eq!(Packet::new_checked(head.as_slice()).expect("a packet").cipher(), Some(Cipher::AesGmacSiv));
}

#[test]
fn deferred_frames_are_seen_again_until_they_are_given_up() {
    let mut net = trio(6);
    net.run(500);
    net.nodes[2].outcome = Outcome::Defer;
    net.frame(1, 2, b"12345678");
    net.run(1_200);
    assert!(net.nodes[2].frames.is_empty());
    net.nodes[2].outcome = Outcome::Accepted { trust: true };
    net.run(600);
    assert_eq!(net.nodes[2].frames.len(), 1);
    net.nodes[2].outcome = Outcome::Defer;
    net.frame(1, 2, b"12345678");
    net.run(6_000);
    assert_eq!(net.drops(2, "deferred-expired"), 1);
}

#[test]
fn user_messages_are_events() {
    let mut net = trio(7);
    net.run(500);
    net.send(1, address(B), &UserMessage { type_id: 70_000, data: b"hi" });
    net.run(100);
    let told = |e: &Vl1Event| matches!(e, Vl1Event::UserMessage { type_id: 70_000, data, .. } if data == b"hi");
    assert!(net.nodes[2].events.iter().any(|(_, e)| told(e)));
}

#[test]
fn nothing_is_asked_of_or_sent_to_impossible_addresses() {
    let mut net = trio(8);
    net.run(500);
    let before = net.nodes[1].sent;
    net.with(1, |vl1, now, out| {
        let own = vl1.address();
        let whois = Whois::one(own);
        let options = zt_peer::SendOptions::default();
        for to in [own, zt_wire::Address::NIL, zt_wire::Address::new(0xff_0000_0000)] {
            assert!(vl1.send(now, to, &whois, options, out).is_err());
            vl1.whois(now, to, out);
        }
    });
    net.run(1_000);
    assert_eq!(net.nodes[1].sent, before);
}

#[test]
fn what_cannot_be_sent_is_given_up_and_bounded() {
    let mut net = trio(9);
    net.run(500);
    let nobody = zt_wire::Address::new(0x12_3456_789a);
    for _ in 0..100 {
        net.send(1, nobody, &UserMessage { type_id: 70_000, data: b"hi" });
    }
    assert_eq!(net.drops(1, "send-queue-full"), 68);
    net.run(6_000);
    assert_eq!(net.drops(1, "send-expired"), 32);
}

#[test]
fn a_peer_from_the_cache_is_used_without_asking_and_with_aes() {
    let mut net = trio(10);
    net.run(500);
    net.talk(1, 2, 100, 1_000);
    let record = net.nodes[1].records.get(&address(B)).expect("persisted with its first path").clone();
    let world = planet(&[(ROOT, addr(1))]);
    let mut again = Net::new(11);
    again.keep_log = true;
    again.add(ROOT, Some(&world));
    let a = again.add_bare(A);
    again.nodes[a].records.insert(address(B), record);
    // 199 more that nobody asks for: they cost nothing.
    for n in 0..199u64 {
        again.nodes[a].records.insert(zt_wire::Address::new(0x99_0000_0000 + n), vec![2; 90]);
    }
    again.with(a, |vl1, now, out| {
        vl1.load_world(now, world.clone(), zt_peer::Source::File, out).expect("good");
    });
    again.link(a, 1, addr(2), addr(2));
    let b = again.add(B, Some(&world));
    again.run(200);
    assert!(online_at(&again, a).is_some());
    assert!(again.nodes[a].jobs <= 2, "{} jobs", again.nodes[a].jobs);
    again.frame(a, b, b"12345678");
    again.run(200);
    assert_eq!(again.nodes[b].frames.len(), 1);
    assert!(again.is_direct(a, b));
    let verbs: Vec<_> = again.log.iter().filter_map(|(_, _, _, bytes)| sealed_verb(bytes)).collect();
    assert!(verbs.contains(&Verb::FRAME) || verbs.contains(&Verb::ECHO) || verbs.contains(&Verb::HELLO), "{verbs:?}");
    assert!(!verbs.contains(&Verb::WHOIS), "{verbs:?}");
}

/// Issue "Shows" 8: an idle node with two active peers and a root sends no more than a stock one, which sends each
/// minute 12 WHOIS, an ECHO per path each 14 s and a HELLO per path and minute.
#[test]
fn idle_nodes_send_little() {
    let mut net = trio(12);
    net.run(500);
    net.talk(1, 2, 20, 10_000);
    net.run(60_000);
    let before: Vec<usize> = net.nodes.iter().map(|n| n.sent).collect();
    net.run(240_000);
    let per_minute = |i: usize| (net.nodes[i].sent - before[i]) / 4;
    assert!(per_minute(1) <= 18, "{} packets a minute", per_minute(1));
    assert!(per_minute(2) <= 18, "{} packets a minute", per_minute(2));
    assert!(net.is_direct(1, 2), "and the path stays");
}

/// What the operator forbids is left at once, and the owner hears of it.
#[test]
fn a_path_that_becomes_forbidden_is_left_and_told() {
    let mut net = trio(21);
    net.run(500);
    net.talk(1, 2, 50, 3_000);
    assert!(net.is_direct(1, 2));
    let (b, before) = (net.nodes[2].vl1.address(), net.nodes[1].events.len());
    let prefix = format!("{}/32", addr(3).ip()).parse().unwrap();
    let forbidden = PhysicalPrefix { prefix, trusted_path_id: 0, mtu: 0, blacklist: true };
    net.with(1, |vl1, _, _| vl1.set_physical(vec![forbidden]));
    assert!(!net.is_direct(1, 2));
    let told: Vec<_> = net.nodes[1].events[before..].iter().map(|(_, e)| e.clone()).collect();
    assert!(told.contains(&Vl1Event::PeerDown(b)), "{told:?}");
    let left = |e: &Vl1Event| matches!(e, Vl1Event::PathChanged { peer, from: Some(_), to: None } if *peer == b);
    assert!(told.iter().any(left), "{told:?}");
}

#[test]
fn a_ping_is_answered_with_its_token_by_the_way_that_traffic_takes() {
    let mut net = trio(31);
    net.run(1_000);
    let pongs = |net: &Net| -> Vec<(u64, Path, bool, Duration)> {
        let events = net.nodes[1].events.iter();
        let pongs = events.filter_map(|(_, event)| match event {
            Vl1Event::Pong { peer, token, path, relayed, round_trip } if *peer == address(B) => {
                Some((*token, *path, *relayed, *round_trip))
            }
            _ => None,
        });
        pongs.collect()
    };
    // Nobody has spoken to it yet: it is looked for, and the first answer comes over the root.
    net.with(1, |vl1, now, out| vl1.ping(now, address(B), 7, out)).expect("an address");
    net.run(500);
    net.talk(1, 2, 50, 3_000);
    assert!(net.is_direct(1, 2));
    net.with(1, |vl1, now, out| vl1.ping(now, address(B), 8, out)).expect("an address");
    net.run(500);
    let told = pongs(&net);
    let [(7, _, true, first), (8, direct, false, second)] = told[..] else { panic!("{told:?}") };
    assert_eq!(direct.remote.inet(), addr(B as u8).into());
    assert!(second < first && second > Duration::ZERO, "{first:?} {second:?}");
    // A peer lets one ECHO pass in a while, and each is told how long that is.
    net.with(1, |vl1, now, out| vl1.ping(now, address(B), 10, out)).expect("an address");
    let wait = net.with(1, |vl1, now, _| vl1.ping_wait(now.mono, address(B)));
    assert!(Duration::ZERO < wait && wait < Duration::from_millis(300), "{wait:?}");
    net.run(500);
    assert_eq!(pongs(&net).len(), 3);
    // Without an answer nothing is told, and none is made up by whoever was not asked.
    net.cut_both(addr(A as u8), addr(B as u8));
    net.cut_both(addr(A as u8), addr(ROOT as u8));
    net.with(1, |vl1, now, out| vl1.ping(now, address(B), 9, out)).expect("an address");
    net.run(2_000);
    assert_eq!(pongs(&net).len(), 3);
    assert!(net.with(1, |vl1, now, out| vl1.ping(now, address(A), 9, out)).is_err(), "our own address");
}

#[test]
fn a_ping_right_after_the_first_contact_is_answered() {
    // Whatever our own probes do at that moment: they are ECHOs as well.
    for delay in 0..20 {
        let mut net = trio(600 + delay);
        net.run(1_000);
        let answered = |net: &Net, token| {
            let told = |event: &Vl1Event| matches!(event, Vl1Event::Pong { token: of, .. } if *of == token);
            net.nodes[1].events.iter().any(|(_, event)| told(event))
        };
        net.with(1, |vl1, now, out| vl1.ping(now, address(B), 1, out)).expect("an address");
        while !answered(&net, 1) {
            net.run(1);
        }
        while !net.is_direct(1, 2) {
            net.run(1);
        }
        net.run(delay);
        let mut waits = 0;
        loop {
            let wait = net.with(1, |vl1, now, _| vl1.ping_wait(now.mono, address(B)));
            if wait.is_zero() {
                break;
            }
            net.run(u64::try_from(wait.as_millis()).expect("short") + 1);
            waits += 1;
            assert!(waits < 4, "something closes the gate again and again");
        }
        net.with(1, |vl1, now, out| vl1.ping(now, address(B), 2, out)).expect("an address");
        net.run(500);
        assert!(answered(&net, 2), "{delay} ms after there was a path");
    }
}

#[test]
fn the_clocks_of_peers_are_known_once_they_have_said_hello() {
    let mut net = trio(32);
    net.run(1_000);
    net.talk(1, 2, 50, 3_000);
    let behind = net.with(1, |vl1, now, _| vl1.clock_behind(now)).expect("the other has said HELLO");
    assert!(behind.abs() < 1_000, "{behind}");
    // Ours alone is put back.
    let behind = net.with(1, |vl1, now, _| vl1.clock_behind(zt_wire::Now { unix_ms: now.unix_ms - 90_000, ..now }));
    assert!(behind.is_some_and(|behind| (89_000..91_000).contains(&behind)), "{behind:?}");
}
