//! Many that come at once: after a power cut, in one LAN, and among forged HELLOs. A root's capacity decides who is let
//! in when, not a rate.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use zt_crypto::{KeyPair, PeerKeys, SeededEntropy, Suite};
use zt_peer::LinkKind;
use zt_test_sim::{
    Dice, INTERNET, Lab, NatKind, NodeId, PORT, Place, SegmentId, Sim, Use, VALIDATION, drawn_identity, identity_with,
};
use zt_wire::verb::{Hello, Verb, WorldVersion};
use zt_wire::world::WorldKind;
use zt_wire::{Address, Emit, InetAddress, NetworkId, SoftwareVersion, Writer, write_header};

/// A root, a controller with a network, and the planet.
struct World {
    sim: Sim,
    root: NodeId,
    controller: NodeId,
    network: NetworkId,
}

impl World {
    fn new(name: &str, seed: u64) -> Self {
        let mut sim = Sim::new(name, seed);
        let root = sim.public_node("root");
        let controller = sim.public_node("controller");
        sim.node_mut(controller).is_controller = true;
        let planet = sim.world(WorldKind::Planet, 1, 0, &[root]);
        for id in [root, controller] {
            sim.give_world(id, &planet);
            sim.start(id);
        }
        sim.run_for(Duration::from_millis(500));
        let network = sim.create_network(controller, false);
        Self { sim, root, controller, network }
    }

    /// A machine that will join the network when it starts, with keys of its own and a given address.
    fn machine(&mut self, number: u64, segment: SegmentId, address: Option<IpAddr>) -> NodeId {
        let secret = drawn_identity(self.sim.seed() ^ (number << 8));
        self.sim.judge_identity(*secret.identity(), true);
        let id = self.sim.add_node_as(&format!("machine {number}"), secret);
        let address = address.unwrap_or_else(|| self.sim.internet.fresh_public(false));
        let iface = self.sim.internet.add_iface(self.sim.node(id).machine, segment, &[address]);
        self.sim.give_use(id, Use { iface, kind: LinkKind::Udp, rank: 0, port: PORT });
        let planet = self.sim.world(WorldKind::Planet, 1, 0, &[self.root]);
        self.sim.give_world(id, &planet);
        self.sim.node_mut(id).store.networks.insert(self.network, None);
        id
    }

    /// Starts all at once; when all were online, and when all had addresses.
    fn start(&mut self, all: &[NodeId], limit: Duration) -> (Duration, Duration) {
        let start = self.sim.time();
        all.iter().for_each(|&id| self.sim.start(id));
        let (mut online, mut step) = (None, Duration::from_millis(50));
        loop {
            self.sim.run_for(step);
            let passed = Duration::from_micros(self.sim.time() - start);
            if online.is_none() && all.iter().all(|&id| self.sim.node(id).online_at.is_some()) {
                online = Some(passed);
            }
            if let Some(online) = online
                && all.iter().all(|&id| self.sim.ip4(id, self.network).is_some())
            {
                return (online, passed);
            }
            let offline = all.iter().filter(|&&id| self.sim.node(id).online_at.is_none()).count();
            let without = all.iter().filter(|&&id| self.sim.ip4(id, self.network).is_none()).count();
            assert!(
                passed < limit,
                "after {passed:?} {offline} of {} are offline, {without} have no address; drops of the root {:?}, of \
                 the controller {:?}",
                all.len(),
                self.sim.node(self.root).drops(),
                self.sim.node(self.controller).drops(),
            );
            step = Duration::from_millis(if passed > Duration::from_secs(10) { 250 } else { 50 });
        }
    }
}

#[test]
fn five_thousand_that_start_together_all_have_addresses() {
    const MACHINES: u64 = 5_000;
    let mut world = World::new("five_thousand", 181);
    let all: Vec<NodeId> = (0..MACHINES).map(|n| world.machine(n, INTERNET, None)).collect();
    let before = world.sim.node(world.root).work;
    let wall = Instant::now();
    let modelled = VALIDATION * MACHINES as u32;
    let (online, addresses) = world.start(&all, modelled * 3);
    let work = world.sim.node(world.root).work;
    println!(
        "{MACHINES} machines: online after {:.1} s, with addresses after {:.1} s; validating them takes {:.1} s; {} \
         validations and {} jobs; {:.0} s of real time",
        online.as_secs_f64(),
        addresses.as_secs_f64(),
        modelled.as_secs_f64(),
        work.validations - before.validations,
        work.total - before.total,
        wall.elapsed().as_secs_f64(),
    );
    assert!(addresses <= modelled.mul_f64(1.3), "{addresses:?}");
    assert!(work.validations - before.validations <= MACHINES + MACHINES / 100, "each is validated once");
}

#[test]
fn an_office_of_two_hundred_behind_one_address_is_back_after_a_power_cut() {
    let mut world = World::new("office", 182);
    let (_, segment) = world.sim.internet.add_nat(NatKind::HOME, INTERNET);
    let address = |n: u64| Some(IpAddr::from([10, 9, 0, 10 + n as u8]));
    let all: Vec<NodeId> = (0..200).map(|n| world.machine(n, segment, address(n))).collect();
    let (online, addresses) = world.start(&all, Duration::from_secs(20));
    println!("200 behind one address: online after {online:?}, with addresses after {addresses:?}");
    assert!(online <= Duration::from_secs(5) && addresses <= Duration::from_secs(5), "{online:?} {addresses:?}");
}

#[test]
fn strangers_of_one_prefix_do_not_wait_for_each_other() {
    let mut world = World::new("one_prefix", 183);
    let address = |n: u64| Some(IpAddr::from([99, 1, 2, 10 + n as u8]));
    let all: Vec<NodeId> = (0..4).map(|n| world.machine(n, INTERNET, address(n))).collect();
    let (online, addresses) = world.start(&all, Duration::from_secs(20));
    println!("four of one /24: online after {online:?}, with addresses after {addresses:?}");
    assert!(online <= Duration::from_secs(1) && addresses <= Duration::from_secs(1), "{online:?} {addresses:?}");
}

/// A HELLO with a right seal under an address that was never earned: only the memory-hard hash tells.
fn forged(key: &KeyPair, to: &zt_wire::Identity, number: u64) -> (zt_wire::Identity, Vec<u8>) {
    let secret = identity_with(Address::new(0x20_0000_0000 + number), key);
    let body = Hello {
        protocol: 12,
        version: SoftwareVersion::new(1, 14, 1),
        timestamp: 1,
        identity: *secret.identity(),
        destination: Some(InetAddress::None),
        planet: Some(WorldVersion { id: 1, timestamp: 1 }),
        moons: &[],
    };
    let mut bytes = vec![0; 28 + body.encoded_len()];
    let (header, payload) = bytes.split_at_mut(28);
    write_header(header.try_into().expect("28 bytes"), to.address, secret.address(), Verb::HELLO);
    body.emit(&mut Writer::new(payload)).expect("sized for it");
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    let keys = PeerKeys::new(key.agree(&to.public_key).expect("good keys"));
    keys.seal(&mut bytes, Suite::Poly1305None);
    (*secret.identity(), bytes)
}

/// Forged HELLOs from addresses all over the world.
struct Flood {
    key: KeyPair,
    dice: Dice,
    sent: u64,
    every: Duration,
    /// The seal is right.
    authentic: bool,
}

impl Flood {
    fn new(per_second: f64, authentic: bool) -> Self {
        let key = KeyPair::generate(&mut SeededEntropy::new(55));
        Self { key, dice: Dice::new(7), sent: 0, every: Duration::from_secs_f64(1.0 / per_second), authentic }
    }

    fn one(&mut self, sim: &mut Sim, to: NodeId) {
        let identity = *sim.node(to).secret.identity();
        let (stranger, mut bytes) = forged(&self.key, &identity, self.sent);
        sim.judge_identity(stranger, false);
        if !self.authentic {
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
        }
        self.sent += 1;
        let prefix = self.dice.roll();
        let remote = SocketAddr::from(([90, (prefix >> 8) as u8, prefix as u8, 1], 9993));
        let iface = sim.node(to).uses[0].iface;
        let local = SocketAddr::new(sim.internet.addresses(iface)[0], PORT);
        sim.inject(iface, local, remote, bytes);
    }

    fn run(&mut self, sim: &mut Sim, to: NodeId, time: Duration) {
        let end = sim.time() + time.as_micros() as u64;
        while sim.time() < end {
            self.one(sim, to);
            sim.run_for(self.every);
        }
    }

    /// Until a node is online.
    fn until_online(&mut self, sim: &mut Sim, to: NodeId, node: NodeId) -> Duration {
        let start = sim.time();
        while sim.node(node).online_at.is_none() && sim.time() - start < 30_000_000 {
            self.one(sim, to);
            sim.run_for(self.every);
        }
        Duration::from_micros(sim.time() - start)
    }
}

fn newcomers_and_members_in(name: &str, seed: u64, mut flood: Flood) {
    let mut lab = Lab::new(name, seed, &[Place::Public, Place::Behind(NatKind::HOME)]);
    lab.make_direct();
    let (a, b) = (lab.members[0], lab.members[1]);
    // Over the root too: a third one's first contact is relayed.
    let ping = lab.sim.ping(a, b, lab.network, Duration::from_millis(20), u32::MAX);
    lab.sim.run_for(Duration::from_secs(1));
    let start = lab.sim.time();
    flood.run(&mut lab.sim, lab.root, Duration::from_secs(3));
    let planet = lab.sim.world(WorldKind::Planet, 1, 0, &[lab.root]);
    let mut waits = Vec::new();
    for n in 0..8u64 {
        let newcomer = lab.sim.public_node(&format!("newcomer {n}"));
        lab.sim.give_world(newcomer, &planet);
        lab.sim.start(newcomer);
        waits.push(flood.until_online(&mut lab.sim, lab.root, newcomer));
        flood.run(&mut lab.sim, lab.root, Duration::from_millis(700));
    }
    // A member that starts anew is known.
    lab.sim.stop(b);
    flood.run(&mut lab.sim, lab.root, Duration::from_millis(100));
    lab.sim.start(b);
    let back = flood.until_online(&mut lab.sim, lab.root, b);
    let (sent, got) = lab.sim.result(ping).between(start, lab.sim.time() - 2_000_000);
    let lost = sent - got;
    println!("{} forged HELLOs; newcomers were online after {waits:?}, a member after {back:?}", flood.sent);
    println!("{lost} of {sent} pings lost; drops of the root: {:?}", lab.sim.node(lab.root).drops());
    assert!(waits.iter().all(|w| *w <= Duration::from_secs(3)), "{waits:?}");
    assert!(back <= Duration::from_millis(500), "{back:?}");
    assert_eq!(lost, 0);
}

#[test]
fn ten_times_a_roots_capacity_of_forged_identities_delays_no_member_and_hardly_a_newcomer() {
    let capacity = 1.0 / VALIDATION.as_secs_f64();
    newcomers_and_members_in("forged_identities", 184, Flood::new(10.0 * capacity, true));
}

#[test]
fn two_thousand_forged_seals_a_second_delay_no_member_and_hardly_a_newcomer() {
    newcomers_and_members_in("forged_seals", 185, Flood::new(2_000.0, false));
}

#[test]
fn who_was_validated_once_is_not_validated_again_after_a_restart() {
    let mut world = World::new("validated_once", 186);
    let all: Vec<NodeId> = (0..50).map(|n| world.machine(n, INTERNET, None)).collect();
    world.start(&all, Duration::from_secs(20));
    world.sim.run_for(Duration::from_secs(5));
    let root = world.root;
    for &id in all.iter().chain([&root]) {
        world.sim.stop(id);
    }
    let before = world.sim.node(root).work.validations;
    world.sim.start(root);
    let (online, _) = world.start(&all, Duration::from_secs(20));
    let again = world.sim.node(root).work.validations - before;
    println!("50 machines of before: online after {online:?}, {again} validations by the root");
    // The controller may be asked for by members before it comes by itself.
    assert!(again <= 1, "{again}");
    assert!(online <= Duration::from_millis(600), "{online:?}");
    // Records that somebody else wrote are validated as ever.
    let mut stock = world.sim.node(root).store.peers.clone();
    stock.values_mut().for_each(|record| record.truncate(record.len() - 60));
    world.sim.stop(root);
    all.iter().for_each(|&id| world.sim.stop(id));
    world.sim.node_mut(root).store.peers = stock;
    let before = world.sim.node(root).work.validations;
    world.sim.start(root);
    world.start(&all, Duration::from_secs(20));
    assert!(world.sim.node(root).work.validations - before >= 50);
}

#[test]
fn a_machine_of_two_families_is_validated_once() {
    let mut world = World::new("two_families", 187);
    let secret = Arc::clone(&world.sim.node(world.root).secret);
    let v6 = world.sim.internet.fresh_public(true);
    let iface = world.sim.internet.add_iface(world.sim.node(world.root).machine, INTERNET, &[v6]);
    world.sim.give_use(world.root, Use { iface, kind: LinkKind::Udp, rank: 0, port: PORT });
    assert_eq!(world.sim.node(world.root).address(), secret.address());
    let mut all = Vec::new();
    for n in 0..10 {
        let id = world.machine(n, INTERNET, None);
        let v6 = world.sim.internet.fresh_public(true);
        let iface = world.sim.internet.add_iface(world.sim.node(id).machine, INTERNET, &[v6]);
        world.sim.give_use(id, Use { iface, kind: LinkKind::Udp, rank: 0, port: PORT });
        all.push(id);
    }
    let before = world.sim.node(world.root).work.validations;
    world.start(&all, Duration::from_secs(20));
    world.sim.run_for(Duration::from_secs(2));
    assert_eq!(world.sim.node(world.root).work.validations - before, 10);
}
