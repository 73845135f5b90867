//! Strangers and bad packets while traffic flows (issue 3, Bad input).

use std::net::SocketAddr;
use std::time::Duration;
use zt_crypto::{KeyPair, SecretIdentity, SeededEntropy};
use zt_peer::Vl1Event;
use zt_test_sim::{Captured, Dice, Lab, NatKind, NodeId, PORT, Place, Sim, StreamId, identity_with};
use zt_wire::Address;

fn flowing(name: &str, seed: u64) -> (Lab, StreamId) {
    let mut lab = Lab::new(name, seed, &[Place::Public, Place::Behind(NatKind::HOME)]);
    lab.make_direct();
    let ping = lab.sim.ping(lab.members[0], lab.members[1], lab.network, Duration::from_millis(20), u32::MAX);
    lab.sim.run_for(Duration::from_secs(2));
    (lab, ping)
}

fn unharmed(lab: &Lab, ping: StreamId, since: u64) {
    let (sent, got) = lab.sim.result(ping).between(since, lab.sim.time() - 1_000_000);
    println!("{got} of {sent} pings meanwhile; drops of member 0: {:?}", lab.sim.node(lab.members[0]).drops());
    assert_eq!(got, sent);
}

fn local(sim: &Sim, id: NodeId) -> (zt_test_sim::IfaceId, SocketAddr) {
    let iface = sim.node(id).uses[0].iface;
    (iface, SocketAddr::new(sim.internet.addresses(iface)[0], PORT))
}

/// The HELLO of a stranger to a node, taken from the wire of a world of its own: an honest one, sealed.
fn hello_of(stranger: &std::sync::Arc<SecretIdentity>, sim: &Sim, to: NodeId) -> Vec<u8> {
    let mut other = Sim::new("hello source", 7);
    let sender = other.add_node_as("stranger", std::sync::Arc::clone(stranger));
    other.plug_in(sender, zt_test_sim::INTERNET, false);
    let sink = other.add_node_as("sink", std::sync::Arc::clone(&sim.node(to).secret));
    other.plug_in(sink, zt_test_sim::INTERNET, false);
    let planet = other.world(zt_wire::world::WorldKind::Planet, 9, 0, &[sink]);
    other.give_world(sender, &planet);
    other.captured = Some(Vec::new());
    other.start(sink);
    other.start(sender);
    other.run_for(Duration::from_secs(1));
    let captured = other.captured.take().expect("captured above");
    let hello = captured.into_iter().find(|c| c.bytes.get(27).is_some_and(|verb| verb & 0x1f == 1));
    hello.expect("a node says HELLO to its root").bytes
}

#[test]
fn a_flood_of_forged_hellos_delays_nobody() {
    let (mut lab, ping) = flowing("forged_hellos", 131);
    let a = lab.members[0];
    let (iface, to) = local(&lab.sim, a);
    let key = KeyPair::generate(&mut SeededEntropy::new(5));
    // Sealed with the right keys, but the address was never earned: each costs a memory-hard hash to find out.
    let stranger = identity_with(Address::new(0x12_3456_789a), &key);
    lab.sim.judge_identity(*stranger.identity(), false);
    let hello = hello_of(&stranger, &lab.sim, a);
    let before = lab.sim.node(a).work;
    let start = lab.sim.time();
    let mut dice = Dice::new(6);
    for round in 0..2000u64 {
        let remote = SocketAddr::from(([90, (round >> 8) as u8, round as u8, 1], 9993));
        let mut bytes = hello.clone();
        // Half of them with another identity in it, so that the seal is wrong too.
        if dice.chance(0.5) {
            for at in (8..13).chain(13..18).chain(27 + 14..27 + 60) {
                if at >= 13 && at < bytes.len() {
                    bytes[at] = dice.roll() as u8;
                }
            }
        }
        lab.sim.inject(iface, to, remote, bytes);
        lab.sim.run_for(Duration::from_millis(2));
    }
    let after = lab.sim.node(a).work;
    println!(
        "2,000 forged HELLOs in 4 s: {} jobs for strangers, at most {} jobs at a time",
        after.strangers - before.strangers,
        after.most
    );
    assert!(after.most <= 64, "{after:?}");
    lab.sim.run_for(Duration::from_secs(2));
    unharmed(&lab, ping, start);
    // Nobody became a peer by it.
    let known = lab.sim.node(a).engine().vl1().identity_of(stranger.address());
    assert!(known.is_none());
    // And a new root or member is not kept waiting: somebody honest gets through at once.
    let start = lab.sim.time();
    let honest = lab.sim.public_node("honest");
    let planet = lab.sim.world(zt_wire::world::WorldKind::Planet, 1, 0, &[lab.root]);
    lab.sim.give_world(honest, &planet);
    lab.sim.start(honest);
    let online = lab.sim.run_until(Duration::from_secs(3), |sim| sim.node(honest).online_at.is_some());
    println!("an honest node is online after {online:?} ({start})");
    assert!(online.is_some_and(|online| online <= Duration::from_secs(1)));
}

#[test]
fn replayed_packets_change_nothing() {
    let mut lab = Lab::new("replayed_packets", 132, &[Place::Public, Place::Public]);
    lab.sim.captured = Some(Vec::new());
    lab.make_direct();
    let (a, b) = (lab.members[0], lab.members[1]);
    let ping = lab.sim.ping(a, b, lab.network, Duration::from_millis(20), u32::MAX);
    lab.sim.run_for(Duration::from_secs(5));
    let captured: Vec<Captured> = lab.sim.captured.take().expect("captured above");
    let start = lab.sim.time();
    let paths = |sim: &Sim| (sim.direct(a, b).map(|p| p.path), sim.direct(b, a).map(|p| p.path));
    let before = paths(&lab.sim);
    println!("{} captured packets are replayed from their own and from other addresses", captured.len());
    for (number, packet) in captured.iter().enumerate() {
        let elsewhere = SocketAddr::from(([91, 1, (number >> 8) as u8, number as u8], 4000));
        for remote in [packet.remote, elsewhere] {
            lab.sim.inject(packet.iface, packet.local, remote, packet.bytes.clone());
        }
        if number % 4 == 0 {
            lab.sim.run_for(Duration::from_millis(3));
        }
    }
    lab.sim.run_for(Duration::from_secs(5));
    assert_eq!(paths(&lab.sim), before, "no path moved");
    let strange = |sim: &Sim, x, y| {
        sim.paths(x, y)
            .iter()
            .any(|p| p.path.remote.ip().is_some_and(|ip| matches!(ip, std::net::IpAddr::V4(v) if v.octets()[0] == 91)))
    };
    assert!(!strange(&lab.sim, a, b) && !strange(&lab.sim, b, a), "no path was taught");
    unharmed(&lab, ping, start);
}

#[test]
fn flipped_cut_and_grown_packets_are_dropped() {
    let (mut lab, ping) = flowing("flipped_packets", 133);
    lab.sim.captured = Some(Vec::new());
    lab.sim.run_for(Duration::from_secs(2));
    let captured: Vec<Captured> = lab.sim.captured.take().expect("captured above");
    let start = lab.sim.time();
    let mut dice = Dice::new(8);
    for packet in captured.iter().cycle().take(4000) {
        let mut bytes = packet.bytes.clone();
        match dice.below(4) {
            0 => bytes.truncate(dice.below(bytes.len() as u64 + 1) as usize),
            1 => bytes.extend((0..dice.below(2000)).map(|n| n as u8)),
            2 => {
                let bit = dice.below(bytes.len() as u64 * 8);
                bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
            }
            _ => {
                // Fragments of anything: conflicting totals, numbers, bodies.
                bytes.truncate(16 + dice.below(200) as usize);
                if bytes.len() >= 16 {
                    bytes[13] = 0xff;
                    bytes[14] = dice.roll() as u8;
                    bytes[15] = dice.below(8) as u8;
                }
            }
        }
        lab.sim.inject(packet.iface, packet.local, packet.remote, bytes);
        lab.sim.run_for(Duration::from_millis(1));
    }
    lab.sim.run_for(Duration::from_secs(2));
    unharmed(&lab, ping, start);
    assert!(!lab.sim.node(lab.members[0]).drops().is_empty());
}

#[test]
fn packets_from_and_to_oneself_end() {
    let (mut lab, ping) = flowing("self_addressed", 134);
    let start = lab.sim.time();
    let ids = [lab.root, lab.members[0]];
    for id in ids {
        let own = lab.sim.node(id).address().to_bytes();
        let other = lab.sim.node(lab.members[1]).address().to_bytes();
        let (iface, to) = local(&lab.sim, id);
        let sent = lab.sim.node(id).sent;
        for (number, (destination, source)) in
            [(own, own), (other, own), (own, other), ([0; 5], own), ([0xff; 5], other)].into_iter().enumerate()
        {
            for hops in 0..8u8 {
                let mut bytes = vec![number as u8; 64];
                bytes[8..13].copy_from_slice(&destination);
                bytes[13..18].copy_from_slice(&source);
                bytes[18] = 0x08 | hops;
                // Also from its own address: a loop.
                for remote in [to, SocketAddr::from(([92, 0, 0, 1], 9993))] {
                    lab.sim.inject(iface, to, remote, bytes.clone());
                }
            }
        }
        lab.sim.run_for(Duration::from_millis(200));
        let spent = lab.sim.node(id).sent - sent;
        println!("{}: 80 self-addressed packets cost {spent} datagrams", lab.sim.node(id).name);
        assert!(spent < 120, "{spent}");
    }
    lab.sim.run_for(Duration::from_secs(3));
    unharmed(&lab, ping, start);
}

#[test]
fn who_takes_an_address_that_is_taken_is_told() {
    let (mut lab, ping) = flowing("identity_collision", 135);
    let victim = lab.members[0];
    let key = KeyPair::generate(&mut SeededEntropy::new(99));
    let thief = lab.sim.add_node_as("thief", identity_with(lab.sim.node(victim).address(), &key));
    lab.sim.plug_in(thief, zt_test_sim::INTERNET, false);
    let planet = lab.sim.world(zt_wire::world::WorldKind::Planet, 1, 0, &[lab.root]);
    lab.sim.give_world(thief, &planet);
    let start = lab.sim.time();
    lab.sim.start(thief);
    let told = lab.sim.run_until(Duration::from_secs(10), |sim| {
        sim.node(thief).events.iter().any(|(_, event)| *event == Vl1Event::IdentityCollision)
    });
    println!("the second owner of an address is told after {told:?}");
    assert!(told.is_some());
    assert!(!lab.sim.node(victim).events.iter().any(|(_, event)| *event == Vl1Event::IdentityCollision));
    lab.sim.run_for(Duration::from_secs(30));
    unharmed(&lab, ping, start);
}

#[test]
fn a_full_disk_denies_but_loses_nothing() {
    let mut lab = Lab::new("a_full_disk", 136, &[Place::Public]);
    lab.sim.node_mut(lab.controller).store.full = true;
    let newcomer = lab.sim.public_node("newcomer");
    let planet = lab.sim.world(zt_wire::world::WorldKind::Planet, 1, 0, &[lab.root]);
    lab.sim.give_world(newcomer, &planet);
    lab.sim.start(newcomer);
    lab.sim.run_for(Duration::from_secs(1));
    lab.sim.join(newcomer, lab.network);
    lab.sim.run_for(Duration::from_secs(20));
    assert_eq!(lab.sim.ip4(newcomer, lab.network), None, "nothing is promised that was not kept");
    lab.sim.node_mut(lab.controller).store.full = false;
    let (network, start) = (lab.network, lab.sim.time());
    lab.sim.run_until(Duration::from_secs(90), |sim| sim.ip4(newcomer, network).is_some());
    println!("space again to address: {:?}", Duration::from_micros(lab.sim.time() - start));
    assert!(lab.sim.ip4(newcomer, network).is_some());
}
