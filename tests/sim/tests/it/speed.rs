//! How fast things begin and end (issue 3, Show 5).

use std::time::Duration;
use zt_test_sim::{Lab, NatKind, NodeId, Place, Sim, Traffic, drawn_identity};
use zt_wire::world::WorldKind;
use zt_wire::{Emit, Mac};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A peer record as 03 §12 has it, with one address where nobody answers.
fn record(identity: &zt_wire::Identity, number: u8) -> Vec<u8> {
    let mut record = vec![2];
    record.extend(identity.to_vec());
    record.extend([0, 12, 0, 1, 0, 14, 0, 1, 0, 1]);
    record.extend([4, 77, 7, 7, number, 0x27, 0x09]);
    record
}

#[test]
fn online_within_a_second_with_200_cached_peers() {
    let mut lab = Lab::new("online_within_a_second", 11, &[Place::Behind(NatKind::HOME), Place::Public]);
    let member = lab.members[0];
    let peers: Vec<_> = (0..200).map(drawn_identity).collect();
    for (number, secret) in peers.iter().enumerate() {
        lab.sim.judge_identity(*secret.identity(), true);
        let record = record(secret.identity(), number as u8);
        lab.sim.node_mut(member).store.peers.insert(secret.address(), record);
    }
    lab.sim.run_for(Duration::from_secs(5));
    lab.sim.stop(member);
    lab.sim.run_for(Duration::from_secs(5));

    let start = lab.sim.time();
    lab.sim.start(member);
    // The host has talked to all of them before and goes on as soon as its port is there.
    let network = lab.network;
    if let Some(host) = lab.sim.node_mut(member).hosts.get_mut(&network) {
        for (number, secret) in peers.iter().enumerate() {
            let ip = std::net::IpAddr::from([10, 147, 250, number as u8]);
            host.learn(ip, Mac::for_member(secret.address(), network));
        }
    }
    for number in 0..200u8 {
        lab.sim.stream(member, network, [10, 147, 250, number].into(), Traffic::Ping, MS(1000), 1);
    }
    let online = lab.sim.run_until(Duration::from_secs(5), |sim| sim.node(member).online_at.is_some());
    println!("start to online with 200 cached peers: {online:?}");
    assert!(online.is_some_and(|online| online <= MS(1000)));
    let ip = lab.sim.ip4(lab.members[1], network).expect("it is up");
    let ping = lab.sim.stream(member, network, ip, Traffic::Ping, MS(50), 40);
    lab.sim.run_for(Duration::from_secs(3));
    let first = lab.sim.result(ping).first_arrival().map(|at| Duration::from_micros(at - start));
    println!("start to first answer over the old network: {first:?}");
    // Each of the 200 is validated before use (12 ms of the worker): the one that is there comes after them.
    assert!(first.is_some_and(|first| first <= MS(3000)));
}

#[test]
fn first_ping_of_a_public_network() {
    let mut worst = Duration::ZERO;
    for (seed, place) in
        [(21, Place::Public), (22, Place::Behind(NatKind::HOME)), (23, Place::Behind(NatKind::SYMMETRIC))]
    {
        let mut lab = Lab::with("first_ping_of_a_public_network", seed, &[place], |sim| {
            sim.public_node("newcomer");
        });
        let newcomer = NodeId(lab.sim.nodes.len() - 1);
        lab.sim.run_for(Duration::from_secs(20));
        let target = lab.sim.ip4(lab.members[0], lab.network).expect("it has joined");
        let start = lab.sim.time();
        lab.sim.join(newcomer, lab.network);
        let network = lab.network;
        let up = lab.sim.run_until(Duration::from_secs(5), |sim| sim.ip4(newcomer, network).is_some());
        let ping = lab.sim.stream(newcomer, network, target, Traffic::Ping, MS(20), 400);
        lab.sim.run_until(Duration::from_secs(5), |sim| !sim.result(ping).heard.is_empty());
        let result = lab.sim.result(ping);
        let first = result.first_arrival().map(|at| Duration::from_micros(at - start));
        println!("{place:?}: join to address {up:?}, to first ping answer {first:?}");
        worst = worst.max(first.expect("an answer"));
    }
    assert!(worst <= MS(1500), "{worst:?}");
}

#[test]
fn a_deauthorised_member_is_silent_within_a_second() {
    let mut sim = Sim::new("a_deauthorised_member_is_silent", 31);
    let root = sim.public_node("root");
    let controller = sim.public_node("controller");
    sim.node_mut(controller).is_controller = true;
    let members = [sim.public_node("a"), sim.public_node("b"), sim.public_node("c")];
    let planet = sim.world(WorldKind::Planet, 1, 0, &[root]);
    for id in (0..sim.nodes.len()).map(NodeId) {
        sim.give_world(id, &planet);
        sim.start(id);
    }
    sim.run_for(MS(500));
    let network = sim.create_network(controller, true);
    for member in members {
        sim.join(member, network);
    }
    sim.run_for(Duration::from_secs(8));
    assert!(members.iter().all(|&member| sim.ip4(member, network).is_none()), "nobody is authorised yet");
    let start = sim.time();
    for member in members {
        sim.authorize(controller, network, member, true);
    }
    sim.wait_for_addresses(&members, network);
    println!("authorised to address: {:?}", Duration::from_micros(sim.time() - start));
    let [a, b, c] = members;
    let (ab, ba) = (sim.ping(a, b, network, MS(20), u32::MAX), sim.ping(b, a, network, MS(20), u32::MAX));
    let cb = sim.ping(c, b, network, MS(20), u32::MAX);
    sim.run_for(Duration::from_secs(10));
    let cut = sim.time();
    assert_eq!(sim.result(ab).outage_after(cut - 2_000_000), Some(Duration::ZERO));
    assert_eq!(sim.result(ba).outage_after(cut - 2_000_000), Some(Duration::ZERO));

    sim.authorize(controller, network, a, false);
    sim.run_for(Duration::from_secs(20));
    let last = |stream| sim.result(stream).heard.iter().map(|&(.., at)| at).max().unwrap_or(0);
    let silent = Duration::from_micros(last(ab).max(last(ba)).saturating_sub(cut));
    println!("deauthorised to silence: {silent:?}");
    assert!(silent <= MS(1000));
    assert_eq!(sim.result(cb).outage_after(cut), Some(Duration::ZERO), "the others go on");
    assert!(!sim.record(controller, network, a).authorized);
}

#[test]
fn a_member_authorised_again_is_heard_at_once() {
    for (seed, pause) in [(32, 0), (33, 3), (34, 75)] {
        let mut lab = Lab::new("authorised_again", seed, &[Place::Public, Place::Behind(NatKind::HOME), Place::Public]);
        lab.make_private();
        let [a, b, c] = lab.members[..] else { panic!("three members") };
        for member in [a, b, c] {
            lab.sim.authorize(lab.controller, lab.network, member, true);
        }
        lab.sim.run_for(MS(2000));
        for (from, to) in [(a, b), (b, c), (c, a)] {
            lab.sim.ping(from, to, lab.network, MS(100), 50);
        }
        lab.sim.run_for(Duration::from_secs(10));
        // With a second one at the same time, so that neither holds a valid certificate of the other.
        for yes in [false, true] {
            lab.sim.authorize(lab.controller, lab.network, a, yes);
            lab.sim.authorize(lab.controller, lab.network, c, yes);
            lab.sim.run_for(Duration::from_secs(3));
        }
        for member in [a, b, c] {
            let network = lab.network;
            if let Some(host) = lab.sim.node_mut(member).hosts.get_mut(&network) {
                host.forget_neighbours();
            }
        }
        lab.sim.run_for(Duration::from_secs(pause));
        let network = lab.network;
        lab.sim
            .run_until(Duration::from_secs(70), |sim| sim.ip4(a, network).is_some() && sim.ip4(c, network).is_some());
        let again = lab.sim.time();
        let streams = [(a, b), (b, a), (c, a), (a, c)].map(|(x, y)| lab.sim.ping(x, y, network, MS(100), 100));
        lab.sim.run_for(Duration::from_secs(12));
        for stream in streams {
            let outage = lab.sim.result(stream).outage_after(again);
            println!("authorised again, {pause} s later: pings lost for {outage:?}");
            assert!(
                outage.is_some_and(|outage| outage <= MS(1500)),
                "{:?} {:?}",
                lab.sim.node(a).drops(),
                lab.sim.node(b).drops()
            );
        }
    }
}
