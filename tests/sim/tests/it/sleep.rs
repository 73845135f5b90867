//! Hosts that sleep and daemons that are stopped: traffic goes on within a second of their going on.

use std::time::Duration;
use zt_test_sim::{Lab, NatKind, NodeId, Place, StreamId};

/// Longest time without traffic after going on.
const LIMIT: Duration = Duration::from_secs(1);

/// For less than a NAT remembers, for more, for more than a path lasts, and than a peer is remembered.
const NAPS: [u64; 4] = [6, 40, 300, 610];

const PLACES: [[Place; 2]; 4] = [
    [Place::Public, Place::Public],
    [Place::Public, Place::Behind(NatKind::HOME)],
    [Place::Behind(NatKind::HOME), Place::Public],
    [Place::Behind(NatKind::HOME), Place::Behind(NatKind::HOME)],
];

fn streams(lab: &mut Lab) -> [StreamId; 2] {
    let (a, b, network) = (lab.members[0], lab.members[1], lab.network);
    let every = Duration::from_millis(50);
    [lab.sim.ping(a, b, network, every, u32::MAX), lab.sim.ping(b, a, network, every, u32::MAX)]
}

/// Lets nodes sleep for so many seconds, with traffic and without, and asserts that it goes on in both directions.
fn nap(lab: &mut Lab, sleepers: &[NodeId], seconds: u64, talking: bool, what: &str) {
    let before = talking.then(|| streams(lab));
    lab.sim.run_for(Duration::from_secs(3));
    for &id in sleepers {
        lab.sim.put_to_sleep(id);
    }
    lab.sim.run_for(Duration::from_secs(seconds));
    let woken = lab.sim.time();
    for &id in sleepers {
        lab.sim.wake(id);
    }
    let streams = before.unwrap_or_else(|| streams(lab));
    lab.sim.run_for(Duration::from_secs(5));
    for stream in streams {
        let outage = lab.sim.result(stream).outage_after(woken);
        println!("{what}, {seconds} s, talking: {talking}: lost for {outage:?}");
        assert!(outage.is_some_and(|outage| outage <= LIMIT), "{what}, {seconds} s, talking: {talking}: {outage:?}");
        lab.sim.end(stream);
    }
}

#[test]
fn traffic_goes_on_at_once_after_a_member_slept() {
    for (number, places) in PLACES.into_iter().enumerate() {
        for (turn, seconds) in NAPS.into_iter().enumerate() {
            let mut lab = Lab::new("a_member_slept", 2000 + 10 * number as u64 + turn as u64, &places);
            lab.make_direct();
            let silent = seconds == 40 || seconds == 610;
            for talking in [true, false].into_iter().filter(|talking| *talking || silent) {
                let sleeper = lab.members[1];
                nap(&mut lab, &[sleeper], seconds, talking, &format!("{places:?}"));
            }
        }
    }
}

#[test]
fn traffic_goes_on_at_once_after_all_slept() {
    for (turn, seconds) in NAPS.into_iter().enumerate() {
        let mut lab = Lab::new("all_slept", 2100 + turn as u64, &PLACES[3]);
        lab.make_direct();
        let all = [lab.root, lab.controller, lab.members[0], lab.members[1]];
        nap(&mut lab, &all, seconds, true, "all");
        let (root, controller) = (lab.root, lab.controller);
        nap(&mut lab, &[root], seconds, false, "the root");
        nap(&mut lab, &[controller], seconds, false, "the controller");
    }
}

/// A network whose certificates are good for little longer than a minute.
#[test]
fn a_sleep_longer_than_certificates_last_cuts_nobody_off() {
    for (turn, seconds) in NAPS.into_iter().enumerate() {
        let mut lab = Lab::new("certificates", 2200 + turn as u64, &PLACES[1]);
        lab.make_private();
        for member in lab.members.clone() {
            lab.sim.authorize(lab.controller, lab.network, member, true);
        }
        lab.sim.run_for(Duration::from_secs(3));
        lab.make_direct();
        for sleeper in lab.members.clone() {
            nap(&mut lab, &[sleeper], seconds, true, "private");
        }
    }
}

/// What was known of the other is of another time.
#[test]
fn who_changed_its_address_while_the_other_slept_is_found_at_once() {
    for (turn, seconds) in NAPS.into_iter().enumerate() {
        let mut lab = Lab::new("moved_meanwhile", 2300 + turn as u64, &PLACES[0]);
        lab.make_direct();
        let (a, b) = (lab.members[0], lab.members[1]);
        let streams = streams(&mut lab);
        lab.sim.put_to_sleep(b);
        lab.sim.run_for(Duration::from_secs(seconds / 2));
        lab.sim.change_address(a);
        lab.sim.run_for(Duration::from_secs(seconds / 2));
        let woken = lab.sim.time();
        lab.sim.wake(b);
        lab.sim.run_for(Duration::from_secs(5));
        for stream in streams {
            let outage = lab.sim.result(stream).outage_after(woken);
            println!("moved meanwhile, {seconds} s: lost for {outage:?}");
            assert!(outage.is_some_and(|outage| outage <= LIMIT), "{seconds} s: {outage:?}");
        }
    }
}

/// The host wakes where it was not when it fell asleep, and has its addresses a while later.
#[test]
fn a_host_that_wakes_elsewhere_goes_on_when_it_has_an_address() {
    for (turn, seconds) in NAPS.into_iter().enumerate() {
        let mut lab = Lab::new("elsewhere", 2400 + turn as u64, &PLACES[0]);
        lab.make_direct();
        let b = lab.members[1];
        let streams = streams(&mut lab);
        lab.sim.put_to_sleep(b);
        let iface = lab.sim.node(b).uses[0].iface;
        lab.sim.run_for(Duration::from_secs(seconds));
        lab.sim.internet.set_addresses(iface, &[]);
        lab.sim.wake(b);
        lab.sim.rebind(b);
        lab.sim.run_for(Duration::from_secs(7));
        let there = lab.sim.time();
        lab.sim.change_address(b);
        lab.sim.run_for(Duration::from_secs(5));
        for stream in streams {
            let outage = lab.sim.result(stream).outage_after(there);
            println!("elsewhere, {seconds} s: lost for {outage:?}");
            assert!(outage.is_some_and(|outage| outage <= LIMIT), "{seconds} s: {outage:?}");
        }
    }
}
