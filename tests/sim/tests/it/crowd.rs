//! Sixty-four members behind NAT boxes drawn at random (issue 3, Show 4).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use zt_netconf::controller::{Command, NetworkPatch};
use zt_test_sim::{Dice, Lab, NatKind, Place, Traffic};

#[test]
fn sixty_four_members_behind_drawn_nats() {
    const MEMBERS: usize = 64;
    let mut dice = Dice::new(91);
    let places: Vec<Place> = (0..MEMBERS).map(|_| Place::Behind(NatKind::draw(&mut dice))).collect();
    let mut lab = Lab::new("sixty_four_members", 91, &places);
    // 32 receivers of a multicast are the default of a network; here are more.
    let patch = NetworkPatch { multicast_limit: Some(100), ..NetworkPatch::default() };
    lab.sim.command(lab.controller, Command::set_network(lab.network, patch));
    println!("all have addresses at {:.2} s", lab.sim.time() as f64 / 1e6);
    lab.sim.run_for(Duration::from_secs(5));

    let everybody = IpAddr::V4(Ipv4Addr::BROADCAST);
    let broadcast =
        lab.sim.stream(lab.members[0], lab.network, everybody, Traffic::Broadcast, Duration::from_millis(500), 4);
    lab.sim.run_for(Duration::from_secs(4));
    let heard = lab.sim.result(broadcast).hearers().len();
    println!("a broadcast reached {heard} of {} members", MEMBERS - 1);

    let start = lab.sim.time();
    let mut streams = Vec::new();
    for distance in 1..MEMBERS {
        for from in 0..MEMBERS {
            let to = (from + distance) % MEMBERS;
            let (from, to) = (lab.members[from], lab.members[to]);
            streams.push((from, to, lab.sim.ping(from, to, lab.network, Duration::from_millis(500), 6)));
        }
        lab.sim.run_for(Duration::from_millis(150));
    }
    lab.sim.run_for(Duration::from_secs(6));
    let silent: Vec<_> = streams
        .iter()
        .filter(|(.., stream)| lab.sim.result(*stream).heard.is_empty())
        .map(|(from, to, _)| (lab.sim.node(*from).name.clone(), lab.sim.node(*to).name.clone()))
        .collect();
    let direct = streams.iter().filter(|&&(from, to, _)| lab.sim.direct(from, to).is_some()).count();
    println!(
        "{} pairs, {} without any answer, {direct} direct, {:.1} s of virtual time",
        streams.len(),
        silent.len(),
        (lab.sim.time() - start) as f64 / 1e6
    );
    assert!(silent.is_empty(), "{silent:?}");
    assert_eq!(heard, MEMBERS - 1);
}
