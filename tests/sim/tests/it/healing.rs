//! Paths that die, and how soon traffic goes on (issue 3, Shows 4 and 5).

use std::time::Duration;
use zt_test_sim::{Lab, MachineId, NatKind, Place, StreamId, Traffic};

const LIMIT: Duration = Duration::from_secs(3);

/// Streams in all directions and of both kinds: pings, and datagrams one way only.
fn streams(lab: &mut Lab) -> Vec<(&'static str, StreamId)> {
    let (a, b, network) = (lab.members[0], lab.members[1], lab.network);
    let every = Duration::from_millis(20);
    let (ip_a, ip_b) = (lab.sim.ip4(a, network).expect("up"), lab.sim.ip4(b, network).expect("up"));
    vec![
        ("ping a b", lab.sim.stream(a, network, ip_b, Traffic::Ping, every, u32::MAX)),
        ("ping b a", lab.sim.stream(b, network, ip_a, Traffic::Ping, every, u32::MAX)),
    ]
}

fn worst(lab: &Lab, streams: &[(&'static str, StreamId)], what: &str, cut: u64) -> Duration {
    let mut worst = Duration::ZERO;
    for &(name, stream) in streams {
        let outage = lab.sim.result(stream).outage_after(cut);
        println!("{what}: {name} lost for {outage:?}");
        worst = worst.max(outage.unwrap_or(Duration::MAX));
    }
    worst
}

fn machines(lab: &Lab) -> (MachineId, MachineId) {
    (lab.sim.node(lab.members[0]).machine, lab.sim.node(lab.members[1]).machine)
}

#[test]
fn a_cut_path_gives_way_to_the_root_and_comes_back() {
    for (seed, places) in [(41, [Place::Public; 2]), (42, [Place::Behind(NatKind::HOME); 2])] {
        let mut lab = Lab::new("a_cut_path", seed, &places);
        lab.make_direct();
        let streams = streams(&mut lab);
        lab.sim.run_for(Duration::from_secs(5));
        let (a, b) = machines(&lab);
        let cut = lab.sim.time();
        lab.sim.internet.cut(a, b, true);
        lab.sim.internet.cut(b, a, true);
        lab.sim.run_for(Duration::from_secs(60));
        let outage = worst(&lab, &streams, "cut both ways", cut);
        assert!(outage <= LIMIT, "{outage:?}");
        let healed = lab.sim.time();
        lab.sim.internet.cut(a, b, false);
        lab.sim.internet.cut(b, a, false);
        let (a, b) = (lab.members[0], lab.members[1]);
        let direct = lab.sim.run_until(Duration::from_secs(120), |sim| sim.both_direct(a, b));
        println!("direct again after {direct:?}");
        assert!(direct.is_some());
        assert_eq!(worst(&lab, &streams, "healed", healed), Duration::ZERO);
    }
}

#[test]
fn a_path_cut_in_one_direction_gives_way() {
    for (seed, forward) in [(43, true), (44, false)] {
        let mut lab = Lab::new("a_path_cut_in_one_direction", seed, &[Place::Public, Place::Behind(NatKind::HOME)]);
        lab.make_direct();
        let streams = streams(&mut lab);
        lab.sim.run_for(Duration::from_secs(5));
        let (a, b) = machines(&lab);
        let cut = lab.sim.time();
        if forward {
            lab.sim.internet.cut(a, b, true);
        } else {
            lab.sim.internet.cut(b, a, true);
        }
        lab.sim.run_for(Duration::from_secs(40));
        let outage = worst(&lab, &streams, if forward { "cut a to b" } else { "cut b to a" }, cut);
        assert!(outage <= LIMIT, "{outage:?}");
    }
}

#[test]
fn one_way_streams_notice_a_dead_path() {
    for (seed, reverse_too) in [(45, true), (46, false)] {
        let mut lab = Lab::new("one_way_streams", seed, &[Place::Public, Place::Public]);
        lab.make_direct();
        let (a, b, network) = (lab.members[0], lab.members[1], lab.network);
        let ip = lab.sim.ip4(b, network).expect("up");
        let one_way = lab.sim.stream(a, network, ip, Traffic::OneWay, Duration::from_millis(20), u32::MAX);
        lab.sim.run_for(Duration::from_secs(30));
        let (ma, mb) = machines(&lab);
        let cut = lab.sim.time();
        lab.sim.internet.cut(ma, mb, true);
        lab.sim.internet.cut(mb, ma, reverse_too);
        lab.sim.run_for(Duration::from_secs(30));
        let outage = worst(&lab, &[("datagrams a b", one_way)], "one-way stream", cut);
        assert!(outage <= LIMIT, "{outage:?}");
        assert_eq!(
            lab.sim.result(one_way).outage_after(cut - 20_000_000).map(|o| o <= LIMIT + Duration::from_secs(20)),
            Some(true)
        );
    }
}

#[test]
fn an_address_change_of_either_side_heals() {
    for (seed, side, place) in [
        (51, 0, Place::Public),
        (52, 1, Place::Public),
        (53, 0, Place::Behind(NatKind::HOME)),
        (54, 1, Place::Behind(NatKind::HOME)),
    ] {
        // The side that changes is public, the other as said.
        let mut places = [place; 2];
        places[side] = Place::Public;
        let mut lab = Lab::new("an_address_change", seed, &places);
        lab.make_direct();
        let streams = streams(&mut lab);
        lab.sim.run_for(Duration::from_secs(5));
        let changed = lab.sim.time();
        lab.sim.change_address(lab.members[side]);
        lab.sim.run_for(Duration::from_secs(30));
        let outage = worst(&lab, &streams, "address change", changed);
        assert!(outage <= LIMIT, "{outage:?}");
        assert!(lab.sim.both_direct(lab.members[0], lab.members[1]), "direct again");
    }
}

#[test]
fn a_nat_rebinding_that_the_host_cannot_see_heals() {
    for (seed, other) in [(61, Place::Public), (62, Place::Behind(NatKind::HOME))] {
        let mut lab = Lab::new("a_nat_rebinding", seed, &[Place::Behind(NatKind::HOME), other]);
        lab.make_direct();
        let streams = streams(&mut lab);
        lab.sim.run_for(Duration::from_secs(5));
        let rebound = lab.sim.time();
        lab.sim.internet.nat(lab.nats[0].expect("behind a NAT")).rebind();
        lab.sim.run_for(Duration::from_secs(60));
        let outage = worst(&lab, &streams, &format!("rebinding, other side {other:?}"), rebound);
        assert!(outage <= LIMIT, "{outage:?}");
        let (a, b) = (lab.members[0], lab.members[1]);
        println!("direct again: {}", lab.sim.both_direct(a, b));
    }
}

#[test]
fn a_rebinding_of_a_relayed_member_heals() {
    let places = [Place::Behind(NatKind::SYMMETRIC), Place::Behind(NatKind::SYMMETRIC)];
    let mut lab = Lab::new("a_rebinding_of_a_relayed_member", 63, &places);
    let streams = streams(&mut lab);
    lab.sim.run_for(Duration::from_secs(20));
    assert!(!lab.sim.both_direct(lab.members[0], lab.members[1]));
    let rebound = lab.sim.time();
    lab.sim.internet.nat(lab.nats[0].expect("behind a NAT")).rebind();
    lab.sim.run_for(Duration::from_secs(30));
    let outage = worst(&lab, &streams, "rebinding, relayed", rebound);
    assert!(outage <= LIMIT, "{outage:?}");
}

#[test]
fn an_idle_path_survives_nat_expiry() {
    let mut lab = Lab::new("an_idle_path", 71, &[Place::Behind(NatKind::HOME), Place::Behind(NatKind::HOME)]);
    lab.make_direct();
    let before = lab.sim.node(lab.members[0]).sent;
    lab.sim.run_for(Duration::from_secs(240));
    let spent = lab.sim.node(lab.members[0]).sent - before;
    println!("idle with root, controller and one peer: {:.1} datagrams a minute", spent as f64 / 4.0);
    let (a, b) = (lab.members[0], lab.members[1]);
    let ping = lab.sim.ping(a, b, lab.network, Duration::from_millis(20), 50);
    let start = lab.sim.time();
    lab.sim.run_for(Duration::from_secs(5));
    let outage = lab.sim.result(ping).outage_after(start);
    println!("after four idle minutes: {outage:?}, first answer {:?}", lab.sim.result(ping).first_trip());
    assert_eq!(outage, Some(Duration::ZERO));
}
