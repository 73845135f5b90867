//! Several root sets at once (issue 3, Show 6).

use std::time::Duration;
use zt_peer::Source;
use zt_test_sim::{NodeId, Sim, StreamId};
use zt_wire::World;
use zt_wire::world::WorldKind;

fn accept(sim: &mut Sim, id: NodeId, world: &World) {
    let time = sim.time();
    let node = sim.node_mut(id);
    let now = node.now(time);
    let mut outbox = zt_node::Outbox::new();
    let result = node.engine_mut().vl1_mut().load_planet(now, world.clone(), Source::Operator, &mut outbox.transmits);
    assert!(result.is_ok(), "{result:?}");
    // What the engine wants to send goes out by its timers; losing it here is harsher than life.
    sim.touch(id);
}

#[test]
fn two_planets_and_a_moon_lose_any_one() {
    for (seed, victim) in [(101, Some(0)), (102, Some(1)), (103, Some(2)), (102, None)] {
        let mut sim = Sim::new("two_planets_and_a_moon", seed);
        let roots = [sim.public_node("first"), sim.public_node("second"), sim.public_node("moon")];
        let controller = sim.public_node("controller");
        sim.node_mut(controller).is_controller = true;
        let (a, _) = sim.node_behind("a", zt_test_sim::NatKind::SYMMETRIC);
        let (b, _) = sim.node_behind("b", zt_test_sim::NatKind::SYMMETRIC);
        let first = sim.world(WorldKind::Planet, 1, 0, &roots[..1]);
        let second = sim.world(WorldKind::Planet, 2, 0, &roots[1..2]);
        let moon_id = sim.node(roots[2]).address().as_u64();
        let moon = sim.world(WorldKind::Moon, moon_id, 0, &roots[2..]);
        for id in (0..sim.nodes.len()).map(NodeId) {
            sim.give_world(id, &first);
            sim.give_world(id, &moon);
            sim.start(id);
        }
        sim.run_for(Duration::from_secs(1));
        let network = sim.create_network(controller, false);
        let members = [a, b];
        members.iter().for_each(|&member| sim.join(member, network));
        sim.wait_for_addresses(&members, network);
        let pings: Vec<StreamId> = [(a, b), (b, a)]
            .map(|(from, to)| sim.ping(from, to, network, Duration::from_millis(50), u32::MAX))
            .to_vec();
        sim.run_for(Duration::from_secs(5));

        // The second planet comes by a file while everything runs.
        for id in (0..sim.nodes.len()).map(NodeId) {
            accept(&mut sim, id, &second);
        }
        sim.run_for(Duration::from_secs(40));
        let reached = members.iter().all(|&m| roots.iter().all(|&root| sim.direct(m, root).is_some()));
        assert!(reached, "both members reach all three roots");
        let kept = sim.node(a).store.worlds.len();
        assert_eq!(kept, 3, "all worlds are kept on disk");

        let relay = |sim: &Sim, from: NodeId, to: NodeId| {
            let view = sim.node(from).engine().vl1().peer(sim.node(from).now(sim.time()), sim.node(to).address());
            view.and_then(|view| view.relay)
                .and_then(|relay| roots.iter().position(|&r| sim.node(r).address() == relay))
        };
        println!("a sends over root {:?}, b over {:?}", relay(&sim, a, b), relay(&sim, b, a));
        let victim = victim.or_else(|| relay(&sim, a, b)).expect("they are relayed");
        let died = sim.time();
        sim.stop(roots[victim]);
        sim.run_for(Duration::from_secs(60));
        for &ping in &pings {
            let outage = sim.result(ping).outage_after(died);
            println!("root set {victim} dies: pings lost for {outage:?}");
            assert!(outage.is_some_and(|outage| outage <= Duration::from_secs(3)), "{outage:?}");
        }
        assert!(members.iter().all(|&m| sim.node(m).engine().is_online()));
        // A newcomer still finds everything.
        let path = format!("/controller/network/{network}");
        sim.api(controller, "GET", &path, &serde_json::Value::Null);
    }
}

#[test]
fn a_root_that_comes_back_is_used_again() {
    let mut lab = zt_test_sim::Lab::new("a_root_that_comes_back", 104, &[zt_test_sim::Place::Public]);
    let member = lab.members[0];
    lab.sim.stop(lab.root);
    lab.sim.run_for(Duration::from_secs(120));
    let offline = !lab.sim.node(member).engine().is_online();
    println!("offline two minutes after the only root died: {offline}");
    lab.sim.start(lab.root);
    let root = lab.root;
    let back = lab.sim.run_until(Duration::from_secs(60), |sim| sim.direct(member, root).is_some_and(|p| !p.suspected));
    println!("root used again after {back:?}");
    assert!(back.is_some_and(|back| back <= Duration::from_secs(20)));
}
