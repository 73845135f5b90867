//! The simplest worlds, and that a run follows from its seed.

use std::time::Duration;
use zt_test_sim::{Lab, NatKind, Place};

#[test]
fn two_members_ping() {
    let mut lab = Lab::new("two_members_ping", 1, &[Place::Public, Place::Public]);
    let (a, b) = (lab.members[0], lab.members[1]);
    let ping = lab.sim.ping(a, b, lab.network, Duration::from_millis(100), 20);
    lab.sim.run_for(Duration::from_secs(5));
    let result = lab.sim.result(ping);
    println!("first answer after {:?}, {} of 20", result.first_trip(), result.arrived().len());
    assert_eq!(result.arrived().len(), 20, "{:?} {:?}", lab.sim.node(a).drops(), lab.sim.node(b).drops());
    assert!(lab.sim.both_direct(a, b));
}

#[test]
fn equal_seeds_give_equal_runs() {
    let run = |seed| {
        let places = [Place::Public, Place::Behind(NatKind::HOME), Place::Behind(NatKind::SYMMETRIC)];
        let mut lab = Lab::new("equal_seeds_give_equal_runs", seed, &places);
        lab.sim.internet.weather = lab.sim.internet.weather.lossy(0.05);
        let (a, b) = (lab.members[1], lab.members[2]);
        lab.sim.ping(a, b, lab.network, Duration::from_millis(100), 100);
        lab.sim.run_for(Duration::from_secs(20));
        lab.sim.trace()
    };
    let first = run(5);
    assert_eq!(first, run(5));
    if std::env::var_os("ZT_SIM_SEED").is_none() {
        assert_ne!(first, run(6));
    }
}
