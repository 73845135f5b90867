//! Two thousand members without UDP at one root: all are served, and what each costs the root. A test program of its own,
//! because it counts what is allocated. `growth` counts what peers and packets cost.

#![expect(clippy::print_stdout, reason = "figures are wanted when the test is watched")]

mod growth;
mod sys;
#[path = "../../benches/scale/town.rs"]
#[expect(dead_code, reason = "a module of a benchmark, of which a test needs a part")]
mod town;

use std::time::Duration;
use zt_peer::LinkKind;
use zt_test_sim::{INTERNET, NodeId, PORT, Sim, StreamId, Use, drawn_identity};
use zt_wire::NetworkId;
use zt_wire::world::WorldKind;

const MEMBERS: u64 = 2_000;
/// Bytes that a member may cost the root, beside those of its connection.
const MOST: usize = 30_000;

/// A member whose UDP leads nowhere and whose TCP leads to the root.
fn member(sim: &mut Sim, number: u64, root: NodeId, network: NetworkId) -> NodeId {
    let secret = drawn_identity(sim.seed() ^ (number << 8));
    sim.judge_identity(*secret.identity(), true);
    let id = sim.add_node_as(&format!("member {number}"), secret);
    let machine = sim.node(id).machine;
    for (kind, rank, is_plugged) in [(LinkKind::Udp, 0, false), (LinkKind::TcpOut, 1, true)] {
        let address = sim.internet.fresh_public(false);
        let iface = sim.internet.add_iface(machine, INTERNET, &[address]);
        sim.internet.plug(iface, is_plugged);
        sim.give_use(id, Use { iface, kind, rank, port: PORT });
    }
    let planet = sim.world(WorldKind::Planet, 1, 0, &[root]);
    sim.give_world(id, &planet);
    sim.node_mut(id).store.networks.insert(network, None);
    id
}

/// Bytes that a node holds: those that are given back when it ends. It is gone afterwards.
fn weight(sim: &mut Sim, id: NodeId) -> usize {
    let before = sys::held();
    sim.stop(id);
    before - sys::held()
}

#[test]
fn two_thousand_members_by_tcp_are_served_by_one_root() {
    let mut sim = Sim::new("tcp_members", 191);
    let root = sim.add_node("root");
    let iface = {
        let (machine, address) = (sim.node(root).machine, sim.internet.fresh_public(false));
        sim.internet.add_iface(machine, INTERNET, &[address])
    };
    sim.give_use(root, Use { iface, kind: LinkKind::TcpIn, rank: 1, port: PORT });
    let controller = sim.public_node("controller");
    sim.node_mut(controller).is_controller = true;
    let iface = sim.node(controller).uses[0].iface;
    // The controller has no UDP either.
    sim.node_mut(controller).uses[0] = Use { iface, kind: LinkKind::TcpOut, rank: 1, port: PORT };
    let planet = sim.world(WorldKind::Planet, 1, 0, &[root]);
    for id in [root, controller] {
        sim.give_world(id, &planet);
        sim.start(id);
    }
    sim.run_for(Duration::from_secs(8));
    let empty = weight(&mut sim, root);
    sim.start(root);
    let network = sim.create_network(controller, false);
    let all: Vec<NodeId> = (0..MEMBERS).map(|number| member(&mut sim, number, root, network)).collect();
    all.iter().for_each(|&id| sim.start(id));
    let start = sim.time();
    let is_there = |sim: &Sim| all.iter().all(|&id| sim.ip4(id, network).is_some());
    while !is_there(&sim) {
        sim.run_for(Duration::from_millis(500));
        let without = all.iter().filter(|&&id| sim.ip4(id, network).is_none()).count();
        let passed = Duration::from_micros(sim.time() - start);
        assert!(
            passed < Duration::from_secs(90),
            "{without} have no address; drops of the root {:?}, of the controller {:?}",
            sim.node(root).drops(),
            sim.node(controller).drops()
        );
    }
    println!("{MEMBERS} members have addresses after {:.1} s", (sim.time() - start) as f64 / 1e6);

    // Each pings another over the root.
    let pings: Vec<StreamId> = (0..all.len())
        .map(|number| {
            let other = all[(number + 1) % all.len()];
            let stream = sim.ping(all[number], other, network, Duration::from_millis(500), 6);
            sim.run_for(Duration::from_millis(2));
            stream
        })
        .collect();
    sim.run_for(Duration::from_secs(8));
    let silent = pings.iter().filter(|&&ping| sim.result(ping).heard.is_empty()).count();
    let by_tcp = all.iter().filter(|&&id| sim.node(id).engine.as_ref().is_some_and(|e| e.vl1().level() == 1)).count();
    println!("{silent} without an answer, {by_tcp} at level 1; drops of the root {:?}", sim.node(root).drops());
    assert_eq!((silent, by_tcp), (0, all.len()));
    let each = (weight(&mut sim, root) - empty) / all.len();
    println!("the root held {empty} bytes without members, and {each} for each of them");
    assert!(each <= MOST, "{each} bytes each");
}
