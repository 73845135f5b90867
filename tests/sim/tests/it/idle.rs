//! Idle nodes, as usual and in low-bandwidth mode (03 §14).

use std::time::Duration;

use zt_test_sim::{Idle, NodeId};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn an_idle_node_in_low_bandwidth_mode_sends_a_third_at_most() {
    for peers in [1, 10, 100] {
        let time = if peers > 10 { HOUR / 3 } else { HOUR * 2 };
        let [usual, low] = [false, true].map(|low| Idle::new(31, peers, low).listen(time));
        println!("{peers} peers, {time:?}: {usual:?}, in low-bandwidth mode {low:?}");
        assert!(low.packets * 3 <= usual.packets && low.bytes * 3 <= usual.bytes, "{peers} peers");
    }
}

/// Time until a ping is answered.
fn reached(idle: &mut Idle, from: NodeId, to: NodeId) -> Duration {
    let ping = idle.lab.sim.ping(from, to, idle.lab.network, Duration::from_millis(20), 200);
    let answered = idle.lab.sim.run_until(Duration::from_secs(4), |sim| !sim.result(ping).arrived().is_empty());
    answered.expect("an answer within 4 s")
}

#[test]
fn after_hours_in_low_bandwidth_mode_a_node_is_online_and_reached_as_soon_as_ever() {
    let mut idle = Idle::new(32, 2, true);
    let (member, peers) = (idle.member, idle.lab.members[1..].to_vec());
    for _ in 0..5 {
        for _ in 0..60 {
            idle.lab.sim.run_for(Duration::from_secs(60));
            assert!(idle.lab.sim.node(member).engine().is_online());
        }
    }
    let (to, from) = (reached(&mut idle, peers[0], member), reached(&mut idle, member, peers[1]));
    println!("after five hours: reached in {to:?}, reaches in {from:?}");
    assert!(to < Duration::from_millis(1000) && from < Duration::from_millis(1000), "{to:?} {from:?}");
    idle.lab.sim.run_for(Duration::from_secs(10));
    assert!(idle.lab.sim.both_direct(peers[0], member), "and directly");
    assert!(idle.lab.sim.both_direct(member, peers[1]));
}

#[test]
fn traffic_is_cared_for_in_low_bandwidth_mode_as_always() {
    let mut idle = Idle::new(33, 1, true);
    let (member, peer) = (idle.member, idle.lab.members[1]);
    // With pauses that are longer than any heartbeat.
    let ping = idle.lab.sim.ping(member, peer, idle.lab.network, Duration::from_secs(100), 30);
    idle.lab.sim.run_for(Duration::from_secs(3100));
    assert_eq!(idle.lab.sim.result(ping).arrived().len(), 30);
}
