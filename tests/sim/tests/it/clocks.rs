//! Clocks that jump.

use std::time::Duration;
use zt_test_sim::{Lab, NatKind, Place, Traffic};

const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;

#[test]
fn a_clock_that_jumps_a_day_stops_nothing() {
    for (seed, jump) in [(121, DAY), (122, -DAY)] {
        let mut lab = Lab::new("a_clock_that_jumps", seed, &[Place::Public, Place::Behind(NatKind::HOME)]);
        lab.make_direct();
        let (a, b, network) = (lab.members[0], lab.members[1], lab.network);
        let streams = [
            lab.sim.ping(a, b, network, Duration::from_millis(50), u32::MAX),
            lab.sim.ping(b, a, network, Duration::from_millis(50), u32::MAX),
        ];
        lab.sim.run_for(Duration::from_secs(5));
        for id in [a, lab.root, lab.controller] {
            let at = lab.sim.time();
            lab.sim.jump_clock(id, jump);
            lab.sim.run_for(Duration::from_secs(150));
            for &stream in &streams {
                let outage = lab.sim.result(stream).outage_after(at);
                println!("{} jumps by {jump} ms: pings lost for {outage:?}", lab.sim.node(id).name);
                assert!(outage.is_some_and(|outage| outage <= Duration::from_secs(3)), "{outage:?}");
            }
            assert!(lab.sim.node(id).engine().is_online());
            lab.sim.jump_clock(id, -jump);
            lab.sim.run_for(Duration::from_secs(30));
        }
        let (sent, got) = lab.sim.result(streams[0]).between(0, lab.sim.time() - 1_000_000);
        println!("{got} of {sent} pings over all jumps");
        assert!(got * 100 >= sent * 98);
    }
}

/// A wrong time zone, the end of summer time on a badly made host, the first answer of a time server: a certificate network goes on,
/// whoever's clock jumps, and when it jumps back.
#[test]
fn a_clock_that_jumps_an_hour_costs_less_than_a_second() {
    for (number, jump) in [HOUR, -HOUR].into_iter().enumerate() {
        let places = [Place::Public, Place::Behind(NatKind::HOME)];
        let mut lab = Lab::with("a_clock_that_jumps_an_hour", 126 + number as u64, &places, |_| {});
        lab.make_private();
        for member in lab.members.clone() {
            lab.sim.authorize(lab.controller, lab.network, member, true);
        }
        lab.sim.run_for(Duration::from_secs(2));
        lab.make_direct();
        let (a, b, network) = (lab.members[0], lab.members[1], lab.network);
        let streams = [
            lab.sim.ping(a, b, network, Duration::from_millis(20), u32::MAX),
            lab.sim.ping(b, a, network, Duration::from_millis(20), u32::MAX),
        ];
        lab.sim.run_for(Duration::from_secs(5));
        for id in [a, b, lab.root, lab.controller] {
            for by in [jump, -jump] {
                let at = lab.sim.time();
                lab.sim.jump_clock(id, by);
                lab.sim.run_for(Duration::from_secs(75));
                for &stream in &streams {
                    let outage = lab.sim.result(stream).outage_after(at);
                    let (sent, got) = lab.sim.result(stream).between(at, lab.sim.time() - 1_000_000);
                    println!("{} jumps by {by} ms: lost for {outage:?}, {got} of {sent}", lab.sim.node(id).name);
                    assert!(outage.is_some_and(|outage| outage <= Duration::from_secs(1)), "{outage:?}");
                    assert!(
                        sent - got <= 50,
                        "{got} of {sent} in the time after: no more than a second of them may be lost"
                    );
                }
            }
        }
    }
}

#[test]
fn a_node_that_restarts_with_an_old_clock_is_accepted() {
    let mut lab = Lab::new("an_old_clock", 123, &[Place::Public, Place::Public]);
    lab.make_direct();
    let (a, b, network) = (lab.members[0], lab.members[1], lab.network);
    lab.sim.run_for(Duration::from_secs(10));
    lab.sim.stop(a);
    lab.sim.run_for(Duration::from_secs(5));
    // A board without a battery boots in 1970.
    lab.sim.jump_clock(a, -zt_test_sim::START_OF_TIME);
    let start = lab.sim.time();
    lab.sim.start(a);
    let online = lab.sim.run_until(Duration::from_secs(20), |sim| sim.node(a).online_at.is_some());
    println!("in 1970: online after {online:?}");
    assert!(online.is_some_and(|online| online <= Duration::from_secs(5)));
    // Its certificate is from the future; once the clock is set, everything works.
    lab.sim.run_for(Duration::from_secs(5));
    lab.sim.jump_clock(a, zt_test_sim::START_OF_TIME);
    let set = lab.sim.time();
    lab.sim.run_until(Duration::from_secs(90), |sim| sim.ip4(a, network).is_some());
    let ip = lab.sim.ip4(b, network).expect("it has one");
    let ping = lab.sim.stream(a, network, ip, Traffic::Ping, Duration::from_millis(100), 900);
    lab.sim.run_for(Duration::from_secs(95));
    let first = lab.sim.result(ping).first_arrival().map(|at| Duration::from_micros(at - set));
    println!("clock set to first answer: {first:?}, since start {:?}", Duration::from_micros(lab.sim.time() - start));
    assert!(first.is_some());
}
