//! Several ports on both hosts: paths that live and die together.

use std::net::SocketAddr;
use std::time::Duration;

use zt_peer::Vl1Event;

use crate::contact::trio;
use crate::net::{Line, Net, addr, planet};

/// Second port of a node's host.
fn second(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, n, 1], 20_000 + u16::from(n)))
}

/// Two members with two ports each and four paths between them, traffic under way.
fn connected(seed: u64) -> Net {
    let mut net = trio(seed);
    for node in [1u8, 2] {
        net.link(usize::from(node), 2, second(node + 1), second(node + 1));
    }
    net.run(500);
    net.talk(1, 2, 50, 5_000);
    for (node, other) in [(1, 2), (2, 1)] {
        assert_eq!(remotes(&net, node, other).len(), 4, "all pairs of ports are paths");
    }
    net
}

fn remotes(net: &Net, node: usize, other: usize) -> Vec<SocketAddr> {
    let to = net.nodes[other].vl1.address();
    let view = net.nodes[node].vl1.peer(net.now, to).expect("known");
    view.paths.iter().filter_map(|p| p.path.remote.socket_addr()).collect()
}

fn route(net: &Net, node: usize, other: usize) -> Option<SocketAddr> {
    let to = net.nodes[other].vl1.address();
    let view = net.nodes[node].vl1.peer(net.now, to).expect("known");
    view.paths.iter().find(|p| p.preferred).and_then(|p| p.path.remote.socket_addr())
}

#[test]
fn a_cut_between_hosts_with_four_paths_moves_traffic_within_two_seconds_and_back() {
    for (seed, gap) in [(101, 20), (102, 50), (103, 100), (104, 500)] {
        let mut net = connected(seed);
        net.run(777 * seed % 1_000);
        net.cut_under_traffic(gap, 2_000);
        assert_eq!((route(&net, 1, 2), route(&net, 2, 1)), (None, None), "over the root");
        net.cuts.clear();
        net.talk(1, 2, gap, 8_000);
        assert!(net.is_direct(1, 2) && net.is_direct(2, 1), "back to direct");
    }
}

#[test]
fn requests_that_one_side_begins_find_the_root_within_two_seconds() {
    for (seed, both) in [(105, true), (106, false), (107, true), (108, false)] {
        let mut net = connected(seed);
        net.run(331 * seed % 1_000);
        net.cut(addr(3), addr(2));
        if both {
            net.cut(addr(2), addr(3));
        }
        let cut = net.now.mono;
        let mut answered = None;
        for _ in 0..200 {
            // As ping: node 2 sends only what answers node 1.
            net.frame(1, 2, &net.now.mono.as_millis().to_be_bytes());
            let asked = net.nodes[2].frames.len();
            net.run(50);
            if net.nodes[2].frames.len() > asked {
                net.frame(2, 1, &net.now.mono.as_millis().to_be_bytes());
            }
            if net.first_after(1, cut).is_some() {
                answered = Some(net.now.mono.millis_since(cut));
                break;
            }
        }
        let ms = answered.expect("answered");
        println!("both ways {both}: answered after {ms} ms");
        assert!(ms <= 2_000, "both ways {both}: after {ms} ms");
    }
}

#[test]
fn one_dead_port_of_several_does_not_take_traffic_to_the_root() {
    let mut net = connected(110);
    let used = route(&net, 1, 2).expect("direct");
    let (before, at) = (net.moves(1), net.now.mono);
    let id = if used == addr(3) { 1 } else { 2 };
    net.nodes[2].ports.get_mut(&zt_peer::LinkId(id)).unwrap().external = SocketAddr::from(([10, 0, 99, 99], 1));
    net.talk(1, 2, 50, 4_000);
    let moves = net.nodes[1].events.iter().filter_map(|(_, e)| match e {
        Vl1Event::PathChanged { to, .. } => Some(*to),
        _ => None,
    });
    assert!(moves.skip(before).all(|to| to.is_some()), "the other port was proved meanwhile");
    assert!(net.outage(2, at) <= 2_000);
}

fn false_moves(seed: u64, line: Line) -> usize {
    let mut net = connected(seed);
    net.line = line;
    let before = [net.nodes[1].events.len(), net.nodes[2].events.len()];
    net.talk(1, 2, 200, 600_000);
    let of = |node: usize, skip: usize| {
        let to_root = |e: &Vl1Event| matches!(e, Vl1Event::PathChanged { to: None, .. });
        net.nodes[node].events.iter().skip(skip).filter(|(_, e)| to_root(e)).count()
    };
    of(1, before[0]).max(of(2, before[1]))
}

#[test]
fn four_paths_do_not_make_false_moves() {
    for seed in [120, 121] {
        let lossy = false_moves(seed, Line { latency_ms: 10, jitter_ms: 2, loss_percent: 20 });
        let late = false_moves(seed, Line { latency_ms: 600, jitter_ms: 200, loss_percent: 0 });
        println!("four paths: {lossy} false moves at 20 % loss, {late} at 600 ± 200 ms");
        assert!(lossy <= 1 && late <= 1, "{lossy} {late}");
    }
}

#[test]
fn traffic_stays_on_the_primary_port() {
    for seed in 130..134 {
        let mut net = connected(seed);
        net.line = Line { latency_ms: 2, jitter_ms: 2, loss_percent: 0 };
        net.talk(1, 2, 50, 20_000);
        assert_eq!((route(&net, 1, 2), route(&net, 2, 1)), (Some(addr(3)), Some(addr(2))));
    }
}

#[test]
fn a_restart_with_another_secondary_port_is_noticed_at_once() {
    let mut net = connected(140);
    net.run(2_000);
    // The program ends and starts again: what it knew is gone, its primary port is the same, its second one is not.
    let world = planet(&[(1, addr(1))]);
    net.restart(2, 3, &world);
    let fresh = SocketAddr::from(([10, 0, 3, 1], 33_333));
    net.link(2, 2, fresh, fresh);
    let at = net.now.mono;
    net.talk(1, 2, 50, 4_000);
    for node in [1, 2] {
        let ms = net.outage(node, at);
        println!("restart: node {node} hears again after {ms} ms");
        assert!(ms <= 1_000, "node {node} after {ms} ms");
    }
    let known = remotes(&net, 1, 2);
    let to = net.nodes[2].vl1.address();
    let view = net.nodes[1].vl1.peer(net.now, to).expect("known");
    let dead_in_use =
        view.paths.iter().any(|p| p.path.remote.socket_addr() == Some(second(3)) && p.preferred && !p.suspected);
    assert!(!dead_in_use, "{known:?}");
    assert_eq!(route(&net, 1, 2), Some(addr(3)));
}

#[test]
fn machines_of_one_lan_that_start_together_all_get_in() {
    let mut net = Net::new(150);
    let world = planet(&[(1, addr(1))]);
    net.add(1, Some(&world));
    for n in [0u8, 2, 3, 4, 5] {
        let index = net.add_bare(usize::from(n));
        net.with(index, |vl1, now, out| {
            vl1.load_world(now, world.clone(), zt_peer::Source::File, out).expect("a good planet");
        });
        let local = SocketAddr::from(([10, 0, 50, 10 + n], 9993));
        net.link(index, 1, local, local);
    }
    let start = net.now.mono;
    net.run(20_000);
    for node in 1..net.nodes.len() {
        let online = net.nodes[node].events.iter().find(|(_, e)| *e == Vl1Event::Online(true));
        let after = online.expect("online within 20 s").0.saturating_since(start);
        println!("node {node} online after {after:?}");
        assert!(after <= Duration::from_secs(14), "node {node} after {after:?}");
    }
}

#[test]
fn a_root_that_does_not_answer_is_tried_soon_and_then_now_and_then() {
    let mut net = Net::new(160);
    net.keep_log = true;
    let world = planet(&[(1, addr(1))]);
    net.add(2, Some(&world));
    let start = net.now.mono;
    net.run(60_000);
    let times: Vec<u64> = net.log.iter().map(|(at, ..)| at.millis_since(start)).collect();
    let gaps: Vec<u64> = times.windows(2).map(|w| w[1] - w[0]).filter(|gap| *gap > 0).collect();
    println!("{gaps:?}");
    assert_eq!(gaps[..2], [250, 500]);
    assert!(gaps[2..20].iter().all(|gap| *gap == 1_000), "{gaps:?}");
    assert!(gaps[22..].iter().all(|gap| (4_500..=5_500).contains(gap)), "{gaps:?}");
}
