//! Uplinks with a rate and a queue, and flows that fill them.

use std::net::IpAddr;
use std::time::Duration;

use zt_peer::{BondConfig, BondPolicy, BondTemplate};
use zt_test_sim::{
    Demand, FLOW_MESSAGE, FlowNumber, INTERNET, IfaceId, Lab, NatKind, NodeId, PORT, Place, SegmentId, Sim, Uplink, Use,
};

const SECOND: Duration = Duration::from_secs(1);
/// An uplink of 8 Mbit/s with a queue as modems have it.
const WIDE: Uplink = Uplink { rate: 8_000_000, queue: Duration::from_millis(100), latency: Duration::ZERO, loss: 0.0 };
/// The same, ten times slower.
const SLOW: Uplink = Uplink { rate: 800_000, queue: Duration::from_millis(250), ..WIDE };
const NAMES: [&str; 2] = ["eth0.100", "eth0.200"];
const FLOWS: usize = 8;

/// Member A with two uplinks on two VLANs, member B with one that is wide enough.
struct Bonded {
    lab: Lab,
    ifaces: [IfaceId; 2],
    target: IpAddr,
}

/// Where the uplinks of A lead.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outside {
    Internet,
    OneNat,
}

fn bonded(name: &str, template: &BondTemplate, uplinks: [Uplink; 2], outside: Outside) -> Bonded {
    let mut ifaces = Vec::new();
    let mut lab = Lab::with(name, 11, &[Place::Public, Place::Public], |sim| {
        sim.internet.weather.jitter = Duration::ZERO;
        let (a, b) = (NodeId(2), NodeId(3));
        let segment =
            if outside == Outside::OneNat { sim.internet.add_nat(NatKind::HOME, INTERNET).1 } else { INTERNET };
        let first = sim.node(a).uses[0].iface;
        ifaces = vec![first, second(sim, a, segment)];
        if outside == Outside::OneNat {
            let inside = sim.internet.add_iface(sim.node(a).machine, segment, &[IpAddr::from([192, 168, 9, 1])]);
            sim.node_mut(a).uses[0].iface = inside;
            ifaces[0] = inside;
        }
        for (iface, name) in ifaces.iter().zip(NAMES) {
            sim.node_mut(a).interfaces.insert(*iface, name.to_owned());
        }
        for (iface, uplink) in ifaces.iter().zip(uplinks) {
            sim.internet.set_uplink(*iface, Some(uplink));
        }
        for node in [a, b] {
            sim.node_mut(node).bonding = BondConfig::all(BondTemplate { links: Vec::new(), ..template.clone() });
        }
        sim.node_mut(a).bonding = BondConfig::all(template.clone());
    });
    lab.make_direct();
    let target = lab.sim.ip4(lab.members[1], lab.network).expect("a member");
    let (a, b) = (lab.members[0], lab.members[1]);
    let ways =
        |sim: &Sim| sim.paths(a, b).iter().filter_map(|p| p.bonded.as_ref()).filter(|p| p.leads && p.alive).count();
    let pings = lab.sim.ping(a, b, lab.network, SECOND / 5, u32::MAX);
    let two = lab.sim.run_until(60 * SECOND, |sim| ways(sim) == 2);
    // What was lost while the uplinks were found is forgotten.
    lab.sim.run_for(20 * SECOND);
    lab.sim.end(pings);
    assert!(two.is_some() || template.policy == BondPolicy::None, "{:?}", lab.sim.paths(a, b));
    Bonded { lab, ifaces: ifaces.try_into().expect("two"), target }
}

/// One more interface of a node.
fn second(sim: &mut Sim, node: NodeId, segment: SegmentId) -> IfaceId {
    let address = if segment == INTERNET { sim.internet.fresh_public(false) } else { IpAddr::from([192, 168, 9, 2]) };
    let iface = sim.internet.add_iface(sim.node(node).machine, segment, &[address]);
    let how = Use { iface, kind: zt_peer::LinkKind::Udp, rank: 0, port: PORT };
    sim.give_use(node, how);
    iface
}

impl Bonded {
    fn start(&mut self, count: usize, demand: Demand) -> Vec<FlowNumber> {
        let (a, network, target) = (self.lab.members[0], self.lab.network, self.target);
        (0..count).map(|_| self.lab.sim.flow(a, network, target, demand)).collect()
    }

    fn arrived(&self) -> u64 {
        self.lab.sim.flows.iter().map(|flow| flow.arrived).sum()
    }

    /// What greedy flows come to in kbit/s, when policies have seen the links for a while.
    fn rate(&mut self) -> u64 {
        self.start(FLOWS, Demand::GREEDY);
        self.lab.sim.run_for(20 * SECOND);
        let before = self.arrived();
        self.lab.sim.run_for(15 * SECOND);
        (self.arrived() - before) * FLOW_MESSAGE as u64 * 8 / 15_000
    }
}

fn template(policy: BondPolicy) -> BondTemplate {
    BondTemplate::new(policy)
}

/// What one uplink carries without a bond; the other one is dead.
fn alone() -> u64 {
    let mut bonded = bonded("alone", &template(BondPolicy::ActiveBackup), [WIDE; 2], Outside::Internet);
    bonded.lab.sim.internet.plug(bonded.ifaces[1], false);
    bonded.rate()
}

const POLICIES: [BondPolicy; 6] = [
    BondPolicy::ActiveBackup,
    BondPolicy::Broadcast,
    BondPolicy::BalanceRr,
    BondPolicy::BalanceXor,
    BondPolicy::BalanceAware,
    BondPolicy::Adaptive,
];

/// What greedy flows come to with one bad uplink, against the good one alone.
fn with_bad_links(cases: &[(&str, Uplink)], policies: &[BondPolicy]) {
    let best = alone();
    for policy in policies {
        for (what, other) in cases {
            for bad in [0, 1] {
                let mut bonded = bonded(what, &template(*policy), [WIDE; 2], Outside::Internet);
                bonded.lab.sim.internet.set_uplink(bonded.ifaces[bad], Some(*other));
                let share = bonded.rate() as f64 / best as f64;
                println!("{:14} {what:6} {share:.2}", policy.name());
                assert!(share >= 0.95, "{} with a {what} uplink: {share:.2} of the good one alone", policy.name());
            }
        }
    }
}

#[test]
fn a_ten_times_slower_link_never_lowers_the_sum_below_the_best_one() {
    with_bad_links(&[("slow", SLOW)], &POLICIES);
}

#[test]
fn a_far_or_a_lossy_or_a_dead_link_never_lowers_the_sum_below_the_best_one() {
    let far = Uplink { latency: Duration::from_millis(200), ..WIDE };
    let cases = [("far", far), ("lossy", Uplink { loss: 0.1, ..WIDE }), ("dead", Uplink { loss: 1.0, ..WIDE })];
    with_bad_links(&cases, &[BondPolicy::ActiveBackup, BondPolicy::BalanceAware]);
}

#[test]
fn two_uplinks_carry_nearly_twice_what_one_does() {
    let best = alone();
    for outside in [Outside::Internet, Outside::OneNat] {
        for policy in POLICIES.into_iter().filter(|policy| policy.balances()) {
            let mut bonded = bonded("both", &template(policy), [WIDE; 2], outside);
            let share = bonded.rate() as f64 / best as f64;
            println!("{:14} {share:.2}", policy.name());
            assert!(share >= 1.8, "{}: {share:.2}", policy.name());
        }
    }
}

/// Downloads that begin one after the other, over a wide link and one ten times slower: how long each takes, in seconds, in
/// the mean and at most.
fn downloads(policy: BondPolicy) -> (f64, f64) {
    let mut bonded = bonded("downloads", &template(policy), [WIDE, SLOW], Outside::Internet);
    let mut times = Vec::new();
    let mut began = Vec::new();
    for _ in 0..24 {
        began.push(bonded.lab.sim.time());
        bonded.start(1, Demand { messages: 400, rate: None });
        bonded.lab.sim.run_for(SECOND);
    }
    let all = bonded.lab.sim.run_until(300 * SECOND, |sim| sim.flows.iter().all(|flow| flow.done.is_some()));
    assert!(all.is_some(), "a download stands still");
    times.extend(
        began.iter().zip(&bonded.lab.sim.flows).map(|(at, flow)| flow.done.map_or(0, |done| done - at) as f64 / 1e6),
    );
    (times.iter().sum::<f64>() / times.len() as f64, times.iter().copied().fold(0.0, f64::max))
}

#[test]
fn downloads_over_unequal_links_take_less_time_with_adaptive() {
    let [aware, adaptive] = [BondPolicy::BalanceAware, BondPolicy::Adaptive].map(downloads);
    println!("balance-aware {aware:.1?} s, adaptive {adaptive:.1?} s, mean and longest");
    assert!(adaptive.0 < aware.0, "balance-aware {aware:.1?} s, adaptive {adaptive:.1?} s");
}
