//! Ranks of links, trusted paths, IPv6.

use std::net::IpAddr;
use std::time::Duration;
use zt_peer::PhysicalPrefix;
use zt_test_sim::{INTERNET, Lab, NatKind, NodeId, Place, Sim};
use zt_wire::IpPrefix;

#[test]
fn a_worse_rank_carries_while_the_better_is_dead() {
    let mut relay_iface = None;
    let mut lab = Lab::with("ranks", 111, &[Place::Public, Place::Public], |sim: &mut Sim| {
        let a = NodeId(2);
        sim.node_mut(a).uses[0].rank = -1;
        sim.give_relay(a, 0);
        relay_iface = sim.node(a).uses.last().map(|how| how.iface);
    });
    lab.make_direct();
    let (a, b) = (lab.members[0], lab.members[1]);
    let udp = lab.sim.node(a).uses[0].iface;
    let relay = relay_iface.expect("given above");
    let link_of =
        |sim: &Sim, iface| sim.node(a).bound.iter().find(|bound| bound.iface == iface).map(|bound| bound.link);
    let used = |sim: &Sim| sim.direct(a, b).map(|path| path.path.link);
    let ping = lab.sim.ping(a, b, lab.network, Duration::from_millis(20), u32::MAX);
    lab.sim.run_for(Duration::from_secs(20));
    assert_eq!(used(&lab.sim), link_of(&lab.sim, udp), "the better rank is used");

    let cut = lab.sim.time();
    lab.sim.internet.plug(udp, false);
    lab.sim.run_for(Duration::from_secs(30));
    let outage = lab.sim.result(ping).outage_after(cut);
    println!("better rank dead: pings lost for {outage:?}");
    assert!(outage.is_some_and(|outage| outage <= Duration::from_secs(3)));
    assert_eq!(used(&lab.sim), link_of(&lab.sim, relay), "the worse rank carries");

    let back = lab.sim.time();
    lab.sim.internet.plug(udp, true);
    let again = lab.sim.run_until(Duration::from_secs(30), |sim| used(sim) == link_of(sim, udp));
    println!("better rank used again after {again:?}");
    assert!(again.is_some_and(|again| again <= Duration::from_secs(20)));
    lab.sim.run_for(Duration::from_secs(2));
    assert_eq!(lab.sim.result(ping).outage_after(back), Some(Duration::ZERO));
}

#[test]
fn a_trusted_path_carries_plain_packets_between_the_two_only() {
    let mut lab = Lab::new("trusted_path", 112, &[Place::Public, Place::Public, Place::Public]);
    let [a, b, c] = lab.members[..] else { panic!("three members") };
    lab.make_direct();
    let address = |sim: &Sim, id: NodeId| -> IpAddr { sim.internet.addresses(sim.node(id).uses[0].iface)[0] };
    for (node, other) in [(a, b), (b, a)] {
        let prefix = IpPrefix::host(address(&lab.sim, other));
        let prefix = PhysicalPrefix { prefix, trusted_path_id: 4711, mtu: 0, blacklist: false };
        lab.sim.node_mut(node).engine_mut().vl1_mut().set_physical(vec![prefix]);
    }
    lab.sim.captured = Some(Vec::new());
    let ab = lab.sim.ping(a, b, lab.network, Duration::from_millis(50), 40);
    let cb = lab.sim.ping(c, b, lab.network, Duration::from_millis(50), 40);
    lab.sim.run_for(Duration::from_secs(4));
    assert_eq!(lab.sim.result(ab).arrived().len(), 40);
    assert_eq!(lab.sim.result(cb).arrived().len(), 40);
    let (from_a, to_b) = (address(&lab.sim, a), address(&lab.sim, b));
    let captured = lab.sim.captured.take().expect("captured above");
    let cipher = |bytes: &[u8]| bytes.get(18).map_or(0, |flags| (flags >> 3) & 7);
    let trusted = captured.iter().filter(|c| cipher(&c.bytes) == 2);
    let (good, bad): (Vec<_>, Vec<_>) = trusted.partition(|c| {
        (c.remote.ip() == from_a && c.local.ip() == to_b) || (c.remote.ip() == to_b && c.local.ip() == from_a)
    });
    println!("{} packets in clear on the trusted path, {} elsewhere", good.len(), bad.len());
    assert!(good.len() >= 40 && bad.is_empty());

    // A stranger who knows the ID but not the place is not believed.
    let mut forged = good[0].clone();
    forged.remote = "44.0.0.99:9993".parse().expect("address");
    let before = lab.sim.node(b).drops();
    lab.sim.inject(forged.iface, forged.local, forged.remote, forged.bytes);
    lab.sim.run_for(Duration::from_secs(1));
    println!("dropped: {:?}", lab.sim.node(b).drops());
    assert_ne!(lab.sim.node(b).drops(), before);
}

#[test]
fn ipv6_alone_is_enough() {
    let mut sim = Sim::new("ipv6_alone", 113);
    let nodes = ["root", "controller", "a", "b"].map(|name| {
        let id = sim.add_node(name);
        sim.plug_in(id, INTERNET, true);
        id
    });
    let [root, controller, a, b] = nodes;
    sim.node_mut(controller).is_controller = true;
    let planet = sim.world(zt_wire::world::WorldKind::Planet, 1, 0, &[root]);
    for id in nodes {
        sim.give_world(id, &planet);
        sim.start(id);
    }
    sim.run_for(Duration::from_millis(500));
    let network = sim.create_network(controller, false);
    sim.join(a, network);
    sim.join(b, network);
    sim.wait_for_addresses(&[a, b], network);
    let ip = sim.ip6(b, network).expect("it has one");
    let ping = sim.stream(a, network, ip, zt_test_sim::Traffic::Ping, Duration::from_millis(100), 20);
    sim.run_for(Duration::from_secs(4));
    println!("{} of 20 pings of {ip}", sim.result(ping).arrived().len());
    assert_eq!(sim.result(ping).arrived().len(), 20);
    assert!(sim.both_direct(a, b));
}

#[test]
fn a_host_with_two_interfaces_goes_on_when_one_dies() {
    let mut lab = Lab::with("two_interfaces", 114, &[Place::Public, Place::Behind(NatKind::HOME)], |sim| {
        sim.plug_in(NodeId(2), INTERNET, false);
    });
    lab.make_direct();
    let (a, b) = (lab.members[0], lab.members[1]);
    let ping = lab.sim.ping(a, b, lab.network, Duration::from_millis(20), u32::MAX);
    lab.sim.run_for(Duration::from_secs(20));
    for iface in [0, 1].map(|n| lab.sim.node(a).uses[n].iface) {
        let cut = lab.sim.time();
        lab.sim.internet.plug(iface, false);
        lab.sim.run_for(Duration::from_secs(20));
        let outage = lab.sim.result(ping).outage_after(cut);
        println!("interface dead: pings lost for {outage:?}");
        assert!(outage.is_some_and(|outage| outage <= Duration::from_secs(3)));
        lab.sim.internet.plug(iface, true);
        lab.sim.run_for(Duration::from_secs(30));
    }
}
