//! Levels (08 §B.5): worse ranks of links when nothing else works, and back.

use std::net::SocketAddr;

use zt_crypto::{Entropy, SeededEntropy};
use zt_peer::{LinkId, PathView, Source, Vl1Event};
use zt_wire::Mono;

use crate::contact::trio;
use crate::net::{Net, addr, address, planet};

/// Number of a node's UDP link, and of its tunnel.
const UDP: u32 = 1;
const TUNNEL: u32 = 9;

/// Address of the tunnel of node `n`.
fn tunnel(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 7, n, 1], 443))
}

/// Nothing passes by UDP to or from node `n` of a [`trio`].
fn cut_udp(net: &mut Net, n: u8) {
    for other in [addr(1), addr(2), addr(3)] {
        for far in [other, tunnel(2), tunnel(3)] {
            net.cut_both(addr(n), far);
        }
    }
}

/// Changes of level: milliseconds since `since`, new level.
fn changes(net: &Net, node: usize, since: Mono) -> Vec<(u64, i32)> {
    let events = net.nodes[node].events.iter().filter(|(at, _)| *at >= since);
    let level = |(at, event): &(Mono, Vl1Event)| match event {
        Vl1Event::LevelChanged(level) => Some((at.millis_since(since), *level)),
        _ => None,
    };
    events.filter_map(level).collect()
}

/// The path that `node`'s traffic to `to` takes.
fn route(net: &Net, node: usize, to: usize) -> Option<PathView> {
    let to = net.nodes[to].vl1.address();
    let view = net.nodes[node].vl1.peer(net.now, to)?;
    view.paths.into_iter().find(|p| p.preferred)
}

fn link_of(net: &Net, node: usize, to: usize) -> Option<u32> {
    route(net, node, to).map(|p| p.path.link.0)
}

#[test]
fn a_cut_raises_the_level_and_an_answer_brings_it_back() {
    let mut net = trio(200);
    net.link_ranked(1, TUNNEL, tunnel(2), tunnel(2), 1);
    net.run(500);
    net.talk(1, 2, 50, 10_000);
    assert_eq!(net.nodes[1].handed.get(&LinkId(TUNNEL)), None, "a worse rank is not used without need");
    assert_eq!((link_of(&net, 1, 2), net.nodes[1].vl1.level()), (Some(UDP), 0));
    let lost = net.now.mono;
    cut_udp(&mut net, 2);
    net.talk(1, 2, 50, 10_000);
    let seen = changes(&net, 1, lost);
    println!("cut: {seen:?}");
    assert!(matches!(seen.as_slice(), [(4_900..=6_000, 1)]), "{seen:?}");
    let path = route(&net, 1, 2).expect("a way");
    assert_eq!((path.path.link.0, path.rank, path.heard_first, path.is_active), (TUNNEL, 1, false, true));
    assert_eq!(link_of(&net, 1, 0), Some(TUNNEL));
    assert!(path.last_probe.is_some_and(|t| t.as_millis() <= 1_500), "{:?}", path.last_probe);
    // The other side sees nothing but another address of ours, first heard there.
    let back = route(&net, 2, 1).expect("a way");
    assert_eq!((back.path.remote.socket_addr(), back.rank, back.heard_first), (Some(tunnel(2)), 0, true));
    let before = net.nodes[2].frames.len();
    net.talk(1, 2, 50, 2_000);
    assert_eq!(net.nodes[2].frames.len() - before, 40, "traffic goes on");

    // Meanwhile better levels are probed, once per address, on the link of this level.
    let spam: Vec<_> = net.nodes[1].spam.iter().map(|(at, p)| (at.millis_since(lost), p.link.0, p.remote)).collect();
    println!("probes: {spam:?}");
    assert!(spam.iter().all(|(_, link, _)| *link == TUNNEL));
    let of_root: Vec<u64> =
        spam.iter().filter(|(.., r)| r.socket_addr() == Some(addr(1))).map(|(at, ..)| *at).collect();
    assert!(of_root.len() >= 2 && of_root.windows(2).all(|w| w[1] - w[0] <= 2_500), "{of_root:?}");

    let healed = net.now.mono;
    net.cuts.clear();
    net.talk(1, 2, 50, 5_000);
    let seen = changes(&net, 1, healed);
    println!("healed: {seen:?}");
    assert!(matches!(seen.as_slice(), [(0..=5_000, 0)]), "{seen:?}");
    assert_eq!((link_of(&net, 1, 2), link_of(&net, 1, 0)), (Some(UDP), Some(UDP)));
    let probes = net.nodes[1].spam.len();
    net.talk(1, 2, 50, 10_000);
    assert_eq!((net.nodes[1].spam.len(), net.nodes[1].vl1.level()), (probes, 0));
}

#[test]
fn a_long_cut_ends_as_soon_as_a_short_one() {
    let mut net = trio(210);
    net.link_ranked(1, TUNNEL, tunnel(2), tunnel(2), 1);
    net.run(500);
    net.talk(1, 2, 50, 5_000);
    cut_udp(&mut net, 2);
    net.talk(1, 2, 50, 250_000);
    assert_eq!((link_of(&net, 1, 2), link_of(&net, 1, 0)), (Some(TUNNEL), Some(TUNNEL)));
    let paths = |net: &Net| net.nodes[1].vl1.peer(net.now, address(3)).map(|p| p.paths.len());
    assert_eq!(paths(&net), Some(1), "nothing is left of the other path");
    let healed = net.now.mono;
    net.cuts.clear();
    net.talk(1, 2, 50, 5_000);
    assert!(matches!(changes(&net, 1, healed).as_slice(), [(0..=5_000, 0)]));
    assert_eq!((link_of(&net, 1, 2), link_of(&net, 1, 0)), (Some(UDP), Some(UDP)));
}

#[test]
fn roots_decide_though_peers_answer() {
    let mut net = trio(211);
    net.link_ranked(1, TUNNEL, tunnel(2), tunnel(2), 1);
    net.run(500);
    net.talk(1, 2, 50, 5_000);
    net.cut_both(addr(2), addr(1));
    let lost = net.now.mono;
    net.talk(1, 2, 50, 15_000);
    let seen = changes(&net, 1, lost);
    println!("{seen:?}");
    assert!(matches!(seen.as_slice(), [(5_000..=12_000, 1)]), "{seen:?}");
    assert_eq!((link_of(&net, 1, 2), link_of(&net, 1, 0)), (Some(UDP), Some(TUNNEL)));
    assert!(
        net.nodes[1].spam.iter().all(|(_, p)| p.remote.socket_addr() == Some(addr(1))),
        "the peer has a better path"
    );
}

#[test]
fn a_link_may_change_its_rank() {
    let mut net = trio(212);
    net.run(500);
    net.talk(1, 2, 50, 2_000);
    net.link_ranked(1, UDP, addr(2), addr(2), 1);
    assert_eq!(route(&net, 1, 2).map(|p| p.rank), Some(1));
    net.talk(1, 2, 50, 3_000);
    assert_eq!(net.drops(1, "unknown-link"), 0);
    assert!(net.is_direct(1, 2), "paths that are there go on");
}

#[test]
fn an_idle_node_raises_the_level_once_it_has_asked_in_vain() {
    let mut net = trio(201);
    net.link_ranked(1, TUNNEL, tunnel(2), tunnel(2), 1);
    net.run(60_000);
    assert_eq!(changes(&net, 1, Mono::ZERO), []);
    cut_udp(&mut net, 2);
    let lost = net.now.mono;
    net.run(40_000);
    let seen = changes(&net, 1, lost);
    println!("{seen:?}");
    assert!(matches!(seen.as_slice(), [(5_000..=26_000, 1)]), "{seen:?}");
    let healed = net.now.mono;
    net.cuts.clear();
    net.run(5_000);
    assert!(matches!(changes(&net, 1, healed).as_slice(), [(0..=5_000, 0)]));
}

#[test]
fn several_roots_are_not_waited_for_one_after_the_other() {
    let mut net = Net::new(202);
    let world = planet(&[(1, addr(1)), (4, addr(4)), (5, addr(5))]);
    for n in [1, 2, 3, 4, 5] {
        net.add(n, Some(&world));
    }
    net.link_ranked(1, TUNNEL, tunnel(2), tunnel(2), 1);
    net.run(500);
    net.talk(1, 2, 50, 10_000);
    for other in [1, 3, 4, 5] {
        net.cut_both(addr(2), addr(other));
    }
    let lost = net.now.mono;
    net.talk(1, 2, 50, 8_000);
    let seen = changes(&net, 1, lost);
    println!("{seen:?}");
    assert!(matches!(seen.as_slice(), [(4_900..=6_000, 1)]), "{seen:?}");
    println!("{:?}", changes(&net, 1, lost));
    // With one root of three there is nothing to despair of.
    net.cuts.clear();
    net.talk(1, 2, 50, 30_000);
    assert_eq!(net.nodes[1].vl1.level(), 0);
    net.cut_both(addr(2), addr(1));
    net.cut_both(addr(2), addr(4));
    net.talk(1, 2, 50, 30_000);
    assert_eq!(net.nodes[1].vl1.level(), 0);
}

#[test]
fn the_level_ends_at_the_worst_link_and_goes_no_further_than_needed() {
    let relay = SocketAddr::from(([10, 8, 2, 1], 80));
    let start = |seed| {
        let mut net = trio(seed);
        net.link_ranked(1, TUNNEL, tunnel(2), tunnel(2), 1);
        net.link_ranked(1, 10, relay, relay, 2);
        net.run(1_000);
        cut_udp(&mut net, 2);
        let lost = net.now.mono;
        (net, lost)
    };
    // Nothing works.
    let (mut net, lost) = start(203);
    for near in [tunnel(2), relay] {
        net.cut_both(near, addr(1));
        net.cut_both(near, addr(3));
    }
    net.run(80_000);
    let seen = changes(&net, 1, lost);
    println!("{seen:?}");
    let [(one, 1), (two, 2)] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!(two - one, 5_000);
    // Level 1 comes back, then level 0.
    net.cuts.retain(|(a, b)| ![*a, *b].contains(&tunnel(2)) || [*a, *b].contains(&addr(2)));
    net.run(5_000);
    assert_eq!((net.nodes[1].vl1.level(), link_of(&net, 1, 0)), (1, Some(TUNNEL)));
    // The relay works all the same: not used, as level 1 does.
    net.cuts.retain(|(a, b)| ![*a, *b].contains(&relay));
    net.run(20_000);
    assert_eq!((net.nodes[1].vl1.level(), link_of(&net, 1, 0)), (1, Some(TUNNEL)));
    // The tunnel dies too.
    net.cut_both(tunnel(2), addr(1));
    net.run(40_000);
    assert_eq!((net.nodes[1].vl1.level(), link_of(&net, 1, 0)), (2, Some(10)));
    net.cuts.clear();
    net.run(5_000);
    assert_eq!((net.nodes[1].vl1.level(), link_of(&net, 1, 0)), (0, Some(UDP)));
    // A level without a link is none.
    let (mut net, lost) = start(204);
    net.unlink(1, 10);
    net.run(60_000);
    assert_eq!(changes(&net, 1, lost).len(), 1);
    net.unlink(1, TUNNEL);
    assert_eq!(net.nodes[1].vl1.level(), 0);
}

#[test]
fn a_host_with_nothing_but_a_tunnel_gets_there() {
    let mut net = Net::new(205);
    let world = planet(&[(1, addr(1))]);
    net.add(1, Some(&world));
    let node = net.add_bare(2);
    net.with(node, |vl1, now, out| {
        vl1.load_world(now, world.clone(), Source::File, out).expect("good");
    });
    net.link_ranked(node, TUNNEL, tunnel(2), tunnel(2), 1);
    net.run(4_900);
    assert!(!net.nodes[node].vl1.is_online());
    net.run(600);
    assert!(net.nodes[node].vl1.is_online());
}

#[test]
fn nobody_to_ask_is_no_reason_to_despair() {
    let mut net = Net::new(206);
    let node = net.add(2, None);
    net.link_ranked(node, TUNNEL, tunnel(2), tunnel(2), 1);
    net.run(60_000);
    assert_eq!(changes(&net, node, Mono::ZERO), []);
    assert_eq!(net.nodes[node].sent, 0);
}

#[test]
fn without_roots_the_peers_with_traffic_decide() {
    let mut net = trio(207);
    for node in [1u8, 2] {
        net.link_ranked(usize::from(node), TUNNEL, tunnel(node + 1), tunnel(node + 1), 1);
    }
    net.tunnel((tunnel(2), addr(2)), (tunnel(3), addr(3)));
    net.run(500);
    net.talk(1, 2, 50, 2_000);
    for node in [1, 2] {
        net.with(node, |vl1, now, out| assert!(vl1.remove_planet(now, 1, out)));
    }
    net.talk(1, 2, 50, 2_000);
    cut_udp(&mut net, 2);
    let lost = net.now.mono;
    net.talk(1, 2, 50, 10_000);
    for node in [1, 2] {
        let seen = changes(&net, node, lost);
        assert!(matches!(seen.as_slice(), [(4_900..=6_000, 1)]), "{seen:?}");
    }
    assert_eq!((link_of(&net, 1, 2), link_of(&net, 2, 1)), (Some(TUNNEL), Some(TUNNEL)));
    let healed = net.now.mono;
    net.cuts.clear();
    net.talk(1, 2, 50, 5_000);
    assert!(matches!(changes(&net, 1, healed).as_slice(), [(0..=5_000, 0)]));
    assert_eq!((link_of(&net, 1, 2), link_of(&net, 2, 1)), (Some(UDP), Some(UDP)));
    // Once there is no traffic there is nobody to miss.
    net.run(20_000);
    cut_udp(&mut net, 2);
    let quiet = net.now.mono;
    net.run(120_000);
    assert_eq!(changes(&net, 1, quiet), []);
}

#[test]
fn a_peer_that_moved_to_a_worse_level_is_answered_there() {
    let mut net = trio(208);
    for node in [1u8, 2] {
        net.link_ranked(usize::from(node), TUNNEL, tunnel(node + 1), tunnel(node + 1), 1);
    }
    net.tunnel((tunnel(2), addr(2)), (tunnel(3), addr(3)));
    net.run(500);
    net.talk(1, 2, 50, 3_000);
    cut_udp(&mut net, 3);
    let lost = net.now.mono;
    net.talk(1, 2, 50, 10_000);
    assert_eq!(changes(&net, 1, lost), [], "its own UDP works");
    assert!(matches!(changes(&net, 2, lost).as_slice(), [(4_900..=6_000, 1)]));
    let (ours, theirs) = (route(&net, 1, 2).expect("a way"), route(&net, 2, 1).expect("a way"));
    assert_eq!((ours.path.link.0, ours.rank, ours.heard_first), (TUNNEL, 1, true));
    assert_eq!((theirs.path.link.0, theirs.rank, theirs.heard_first), (TUNNEL, 1, false));
    let before = (net.nodes[1].frames.len(), net.nodes[2].frames.len());
    net.talk(1, 2, 50, 2_000);
    let after = (net.nodes[1].frames.len(), net.nodes[2].frames.len());
    assert_eq!((after.0 - before.0, after.1 - before.1), (40, 40));
    net.cuts.clear();
    net.talk(1, 2, 50, 10_000);
    assert_eq!((link_of(&net, 1, 2), link_of(&net, 2, 1)), (Some(UDP), Some(UDP)));
}

#[test]
fn a_node_without_worse_ranks_has_no_level_to_think_of() {
    let mut net = trio(209);
    net.link_ranked(1, 5, SocketAddr::from(([10, 5, 2, 1], 1)), SocketAddr::from(([10, 5, 2, 1], 1)), -1);
    let mut reasons = std::collections::BTreeSet::new();
    let mut run = |net: &mut Net, ms: u64| {
        for _ in 0..ms / 20 {
            net.talk(1, 2, 20, 20);
            reasons.extend(net.nodes[1].vl1.poll_timeout().map(|(_, why)| why));
        }
    };
    run(&mut net, 5_000);
    cut_udp(&mut net, 2);
    net.cut_both(SocketAddr::from(([10, 5, 2, 1], 1)), addr(1));
    net.cut_both(SocketAddr::from(([10, 5, 2, 1], 1)), addr(3));
    run(&mut net, 30_000);
    assert!(!reasons.contains("judge the level"), "{reasons:?}");
    assert_eq!((changes(&net, 1, Mono::ZERO), net.nodes[1].spam.len()), (Vec::new(), 0));
    assert_eq!(net.nodes[1].vl1.peer(net.now, address(3)).map(|p| p.paths.iter().any(|p| p.preferred)), Some(false));
}

/// Links of all ranks and roles come and go, and what they reach changes all the time.
#[test]
fn any_coming_and_going_of_links_keeps_the_level_within_bounds() {
    let mut total = 0;
    for seed in 0..8 {
        let mut net = trio(220 + seed);
        let mut dice = SeededEntropy::new(seed);
        for _ in 0..150 {
            let (id, n) = (u32::try_from(dice.below(6)).unwrap() + 2, u8::try_from(dice.below(3)).unwrap());
            let node = usize::from(n);
            let at = SocketAddr::from(([10, 20 + n, u8::try_from(id).unwrap(), 1], 443));
            match dice.below(12) {
                0..=3 => net.link_ranked(node, id, at, at, i32::try_from(dice.below(5)).unwrap() - 1),
                4 => net.unlink(node, id),
                5 => net.wildcard(node, 50, &[(51, at)]),
                6..=8 => net.cut_both(addr(n + 1), addr(1)),
                9 => net.cuts.clear(),
                _ => net.cut_both(at, addr(1)),
            }
            net.talk(1, 2, 100, 100 * (1 + dice.below(60)));
            for node in &net.nodes {
                let ceiling = node.vl1.links().map(|l| l.rank).max().unwrap_or(0).max(0);
                assert!((0..=ceiling).contains(&node.vl1.level()), "{} of {ceiling}", node.vl1.level());
            }
        }
        net.cuts.clear();
        for node in 0..3u8 {
            net.link_ranked(usize::from(node), UDP, addr(node + 1), addr(node + 1), 0);
        }
        net.talk(1, 2, 100, 20_000);
        assert!(net.is_direct(1, 2) && net.is_direct(2, 1));
        assert!(net.nodes.iter().all(|n| n.vl1.level() == 0));
        total += (0..3).map(|node| changes(&net, node, Mono::ZERO).len()).sum::<usize>();
    }
    println!("{total} changes");
    assert!(total > 40);
}
