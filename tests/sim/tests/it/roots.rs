//! Several root sets at once (issue 3, Show 6).

use std::time::Duration;
use zt_netconf::controller::Command;
use zt_peer::Source;
use zt_test_sim::{NodeId, Sim, StreamId};
use zt_wire::World;
use zt_wire::world::WorldKind;

fn accept(sim: &mut Sim, id: NodeId, world: &World) {
    let time = sim.time();
    let node = sim.node_mut(id);
    let now = node.now(time);
    let mut outbox = zt_node::Outbox::new();
    let result = node.engine_mut().vl1_mut().load_world(now, world.clone(), Source::Operator, &mut outbox.transmits);
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
        sim.command(controller, Command::GetNetwork(network));
    }
}

#[test]
fn a_root_that_comes_back_is_used_again() {
    // After 243 s the path itself is forgotten (03 §6.4).
    for away in [120, 600] {
        let mut lab = zt_test_sim::Lab::new("a_root_that_comes_back", 104, &[zt_test_sim::Place::Public]);
        let member = lab.members[0];
        lab.sim.stop(lab.root);
        lab.sim.run_for(Duration::from_secs(away));
        let offline = !lab.sim.node(member).engine().is_online();
        println!("offline {away} s after the only root died: {offline}");
        lab.sim.start(lab.root);
        let root = lab.root;
        let back =
            lab.sim.run_until(Duration::from_secs(60), |sim| sim.direct(member, root).is_some_and(|p| !p.suspected));
        println!("root used again after {back:?}");
        assert!(back.is_some_and(|back| back <= Duration::from_secs(20)));
    }
}

#[test]
fn a_planet_gains_a_root_and_everybody_learns_it_in_band() {
    let mut sim = Sim::new("a_planet_gains_a_root", 105);
    let roots = [sim.public_node("old root"), sim.public_node("new root")];
    let members = [sim.public_node("a"), sim.node_behind("b", zt_test_sim::NatKind::HOME).0];
    let before = sim.world(WorldKind::Planet, 1, 0, &roots[..1]);
    let after = sim.world(WorldKind::Planet, 1, 5000, &roots);
    for id in (0..sim.nodes.len()).map(NodeId) {
        sim.give_world(id, if id == roots[1] { &after } else { &before });
        sim.start(id);
    }
    sim.run_for(Duration::from_secs(10));
    // Only the old root gets the file; an older and a wrongly signed one are refused.
    accept(&mut sim, roots[0], &after);
    let mut forged = sim.world(WorldKind::Planet, 1, 9000, &roots[1..]);
    forged.timestamp += 1;
    for (world, reason) in [(before.clone(), "older"), (forged, "signature")] {
        let time = sim.time();
        let node = sim.node_mut(members[0]);
        let now = node.now(time);
        let mut outbox = zt_node::Outbox::new();
        let vl1 = node.engine_mut().vl1_mut();
        let held = vl1.worlds().next().cloned();
        let result = vl1.load_world(now, world.clone(), Source::Operator, &mut outbox.transmits);
        assert!(result.is_err() || held == Some(world), "{reason}: {result:?}");
    }
    let start = sim.time();
    let learned = sim.run_until(Duration::from_secs(600), |sim| {
        members.iter().all(|&m| sim.node(m).engine().vl1().worlds().any(|world| *world == after))
    });
    println!("the new planet is everywhere after {learned:?}");
    assert!(learned.is_some());
    let reached =
        sim.run_until(Duration::from_secs(30), |sim| members.iter().all(|&m| sim.direct(m, roots[1]).is_some()));
    println!("the new root is reached {reached:?} later");
    assert!(reached.is_some(), "{start}");
    assert!(members.iter().all(|&m| sim.node(m).store.worlds.len() == 1));
}

#[test]
fn one_node_is_root_controller_and_member() {
    let mut sim = Sim::new("all_in_one", 106);
    let (all, other) = (sim.public_node("all"), sim.node_behind("other", zt_test_sim::NatKind::HOME).0);
    sim.node_mut(all).is_controller = true;
    let planet = sim.world(WorldKind::Planet, 1, 0, &[all]);
    for id in [all, other] {
        sim.give_world(id, &planet);
        sim.start(id);
    }
    sim.run_for(Duration::from_millis(500));
    let network = sim.create_network(all, true);
    for id in [all, other] {
        sim.join(id, network);
        sim.authorize(all, network, id, true);
    }
    let took = sim.wait_for_addresses(&[all, other], network);
    let pings = [(all, other), (other, all)].map(|(a, b)| sim.ping(a, b, network, Duration::from_millis(100), 20));
    sim.run_for(Duration::from_secs(4));
    println!("root, controller and member in one: addresses after {took:?}");
    for ping in pings {
        assert_eq!(sim.result(ping).arrived().len(), 20);
    }
    // All of them restart at once.
    sim.stop(all);
    sim.stop(other);
    sim.run_for(Duration::from_secs(1));
    let start = sim.time();
    sim.start(all);
    sim.start(other);
    sim.wait_for_addresses(&[all, other], network);
    let ping = sim.ping(other, all, network, Duration::from_millis(50), 40);
    sim.run_for(Duration::from_secs(4));
    let first = sim.result(ping).first_arrival().map(|at| Duration::from_micros(at - start));
    println!("both restarted: first answer after {first:?}");
    assert!(first.is_some_and(|first| first <= Duration::from_millis(1500)));
}
