//! Raw Ethernet: members on one switch find each other, leave it when it fails, and come back.

use std::time::Duration;

use zt_test_sim::{Captured, IfaceId, Lab, NatKind, NodeId, Place, StreamId};

const EVERY: Duration = Duration::from_millis(20);

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Members behind a NAT box each, the first two of them on one switch, with pings between those.
struct Office {
    lab: Lab,
    a: NodeId,
    b: NodeId,
    cables: [IfaceId; 2],
    ping: StreamId,
}

impl Office {
    fn new(name: &str, seed: u64, members: usize, payload: u16) -> Self {
        let mut lab = Lab::new(name, seed, &vec![Place::Behind(NatKind::HOME); members]);
        lab.make_direct();
        let (a, b) = (lab.members[0], lab.members[1]);
        let switch = lab.sim.internet.add_switch();
        let cables = [a, b].map(|member| lab.sim.give_cable(member, switch, payload));
        let ping = lab.sim.ping(a, b, lab.network, EVERY, u32::MAX);
        Self { lab, a, b, cables, ping }
    }

    /// Whether both send to each other by the cable.
    fn on_cable(lab: &Lab, [a, b]: [NodeId; 2]) -> bool {
        let by = |from, to| lab.sim.direct(from, to).is_some_and(|path| path.path.remote.ip().is_none());
        by(a, b) && by(b, a)
    }

    fn wait_for_cable(&mut self, limit: Duration) -> Option<Duration> {
        let pair = [self.a, self.b];
        let start = self.lab.sim.time();
        while !Self::on_cable(&self.lab, pair) {
            let passed = Duration::from_micros(self.lab.sim.time() - start);
            if passed > limit {
                return None;
            }
            self.lab.sim.run_for(Duration::from_millis(10));
        }
        Some(Duration::from_micros(self.lab.sim.time() - start))
    }

    /// Pulls or plugs both cables at the switch, and tells nobody.
    fn plug(&mut self, plugged: bool) {
        for cable in self.cables {
            self.lab.sim.internet.plug(cable, plugged);
        }
    }

    /// Tells both members of changes of their interfaces.
    fn rebind(&mut self) {
        for member in [self.a, self.b] {
            self.lab.sim.rebind(member);
        }
    }

    fn outage_after(&self, time: u64) -> Duration {
        self.lab.sim.result(self.ping).outage_after(time).expect("it heals")
    }
}

#[test]
fn members_find_each_other_on_a_switch_at_once() {
    let mut office = Office::new("a switch", 71, 2, 1496);
    let found = office.wait_for_cable(seconds(2)).expect("found");
    assert!(found < seconds(1), "{found:?}");
}

#[test]
fn traffic_leaves_a_dead_switch_within_three_seconds_and_returns() {
    for seed in 0..6 {
        let mut office = Office::new("a dead switch", 80 + seed, 2, 1496);
        office.wait_for_cable(seconds(2)).expect("found");
        office.lab.sim.run_for(seconds(3 + seed));
        let cut = office.lab.sim.time();
        office.plug(false);
        office.lab.sim.run_for(seconds(20));
        assert!(!Office::on_cable(&office.lab, [office.a, office.b]));
        let outage = office.outage_after(cut);
        assert!(outage < seconds(3), "seed {seed}: {outage:?}");
        let healed = office.lab.sim.time();
        office.plug(true);
        office.wait_for_cable(seconds(7)).expect("it is back");
        office.lab.sim.run_for(seconds(5));
        let outage = office.outage_after(healed);
        assert!(outage < Duration::from_millis(500), "seed {seed}: on the way back {outage:?}");
    }
}

#[test]
fn a_pulled_cable_costs_no_more_than_what_was_under_way() {
    let mut office = Office::new("a pulled cable", 91, 2, 1496);
    office.wait_for_cable(seconds(2)).expect("found");
    office.lab.sim.run_for(seconds(3));
    let pulled = office.lab.sim.time();
    // The kernel tells both: their links end.
    let addresses = office.cables.map(|cable| {
        let had = office.lab.sim.internet.addresses(cable).to_vec();
        office.lab.sim.internet.set_addresses(cable, &[]);
        had
    });
    office.rebind();
    office.lab.sim.run_for(seconds(5));
    let outage = office.outage_after(pulled);
    assert!(outage < Duration::from_millis(500), "{outage:?}");
    for (cable, had) in office.cables.into_iter().zip(&addresses) {
        office.lab.sim.internet.set_addresses(cable, had);
    }
    office.rebind();
    let back = office.wait_for_cable(seconds(2)).expect("found again");
    assert!(back < seconds(1), "{back:?}");
}

#[test]
fn who_is_not_told_of_a_pulled_cable_follows_within_a_second() {
    for seed in 0..6 {
        let mut office = Office::new("a cable pulled at one end", 110 + seed, 2, 1496);
        office.wait_for_cable(seconds(2)).expect("found");
        office.lab.sim.run_for(seconds(3));
        let pulled = office.lab.sim.time();
        office.lab.sim.internet.set_addresses(office.cables[0], &[]);
        office.lab.sim.rebind(office.a);
        office.lab.sim.run_for(seconds(5));
        let outage = office.outage_after(pulled);
        assert!(outage < seconds(1), "seed {seed}: {outage:?}");
    }
}

#[test]
fn what_the_cable_takes_is_used() {
    let mut office = Office::new("jumbo frames", 95, 2, 8996);
    office.wait_for_cable(seconds(2)).expect("found");
    office.lab.sim.set_size(office.ping, 2700);
    office.lab.sim.run_for(seconds(5));
    let mtu = |from, to| office.lab.sim.direct(from, to).map(|path| path.mtu);
    assert_eq!([mtu(office.a, office.b), mtu(office.b, office.a)], [Some(8996); 2]);
}

#[test]
fn who_is_not_on_the_switch_is_asked_for_ever_more_seldom() {
    let mut office = Office::new("a lonely cable", 97, 3, 1496);
    let far = office.lab.members[2];
    let network = office.lab.network;
    office.lab.sim.ping(office.a, far, network, seconds(1), u32::MAX);
    office.lab.sim.run_for(seconds(60));
    office.lab.sim.captured = Some(Vec::new());
    office.lab.sim.capture_sent = true;
    office.lab.sim.run_for(seconds(3600));
    let captured = office.lab.sim.captured.take().unwrap_or_default();
    let from = office.lab.sim.internet.addresses(office.cables[0])[0];
    let named = office.lab.sim.node(far).address().to_bytes();
    let asks = |c: &&Captured| !c.arrived && c.remote.ip() == from && c.bytes.get(8..13) == Some(&named[..]);
    let asked = captured.iter().filter(asks).count();
    assert!((4..=12).contains(&asked), "{asked} times in an hour");
    let sought = office.lab.sim.direct(office.a, far).map(|path| path.path.remote.ip().is_some());
    assert_eq!(sought, Some(true), "reached by UDP all the time");
}
