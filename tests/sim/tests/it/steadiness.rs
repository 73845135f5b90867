//! Bad weather is no reason to move (issue 3, Show 5).

use std::time::Duration;
use zt_peer::Vl1Event;
use zt_test_sim::{Lab, NatKind, NodeId, Place, Sim, Traffic, Weather};

/// Path moves of two nodes regarding each other after a time.
fn moves(sim: &Sim, a: NodeId, b: NodeId, after: u64) -> Vec<(u64, NodeId, Vl1Event)> {
    let mut moves = Vec::new();
    for (node, other) in [(a, b), (b, a)] {
        let other = sim.node(other).address();
        let events = sim.node(node).events.iter().filter(|&&(at, _)| at >= after);
        moves.extend(events.filter_map(|(at, event)| match event {
            Vl1Event::PathChanged { peer, .. } if *peer == other => Some((*at, node, event.clone())),
            _ => None,
        }));
    }
    moves
}

fn ten_minutes(name: &str, seed: u64, weather: Weather) {
    let mut lab = Lab::new(name, seed, &[Place::Public, Place::Behind(NatKind::HOME)]);
    lab.make_direct();
    lab.sim.internet.weather = weather;
    let (a, b, network) = (lab.members[0], lab.members[1], lab.network);
    lab.sim.run_for(Duration::from_secs(30));
    let start = lab.sim.time();
    let every = Duration::from_millis(200);
    let (ip_a, ip_b) = (lab.sim.ip4(a, network).expect("up"), lab.sim.ip4(b, network).expect("up"));
    let ping = lab.sim.stream(a, network, ip_b, Traffic::Ping, every, 3000);
    lab.sim.stream(b, network, ip_a, Traffic::OneWay, every, 3000);
    lab.sim.run_for(Duration::from_secs(600));
    let moves = moves(&lab.sim, a, b, start);
    let arrived = lab.sim.result(ping).arrived().len();
    println!("{name}: {} path moves in 10 minutes, {arrived} of 3000 pings answered", moves.len());
    for (at, node, event) in &moves {
        println!("  {:.1} s {} {event:?}", (at - start) as f64 / 1e6, lab.sim.node(*node).name);
    }
    let expected = (1.0 - weather.loss).powi(2) * 3000.0;
    assert!(arrived as f64 > expected * 0.9, "{arrived} of {expected}");
    // A false move is away from the path that works; the move back belongs to it.
    let away = moves.iter().filter(|(.., event)| matches!(event, Vl1Event::PathChanged { to: None, .. }));
    let away = away.count().max(moves.len().div_ceil(2));
    assert!(away <= 1, "{away} false moves");
}

#[test]
fn twenty_percent_loss() {
    ten_minutes("twenty_percent_loss", 81, Weather::FAIR.lossy(0.2));
}

#[test]
fn slow_and_uneven() {
    // 600 ± 200 ms round trip.
    let weather = Weather { latency: Duration::from_millis(200), jitter: Duration::from_millis(200), ..Weather::FAIR };
    ten_minutes("slow_and_uneven", 82, weather);
}

#[test]
fn slower_and_uneven_one_way() {
    // 600 ± 200 ms in each direction.
    let weather = Weather { latency: Duration::from_millis(400), jitter: Duration::from_millis(400), ..Weather::FAIR };
    ten_minutes("slower_and_uneven_one_way", 83, weather);
}

#[test]
fn duplicated_and_reordered_packets_do_no_harm() {
    let mut lab = Lab::new("duplicated_and_reordered", 84, &[Place::Public, Place::Behind(NatKind::HOME)]);
    lab.make_direct();
    lab.sim.internet.weather = Weather { duplicate: 0.3, reorder: 0.3, ..Weather::FAIR };
    let (a, b) = (lab.members[0], lab.members[1]);
    let ping = lab.sim.ping(a, b, lab.network, Duration::from_millis(50), 400);
    lab.sim.set_size(ping, 2700);
    let start = lab.sim.time();
    lab.sim.run_for(Duration::from_secs(25));
    let arrived = lab.sim.result(ping).arrived().len();
    println!("{arrived} of 400 pings of 2,700 bytes answered, {} moves", moves(&lab.sim, a, b, start).len());
    assert_eq!(arrived, 400);
}
