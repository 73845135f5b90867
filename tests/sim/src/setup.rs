//! Building worlds: machines, root sets, networks, members.

use crate::internet::{INTERNET, IfaceId, NatId, SegmentId};
use crate::nat::NatKind;
use crate::node::{Node, NodeId, START_OF_TIME, Use};
use crate::sim::Sim;
use crate::stream::{StreamId, Traffic};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use zt_crypto::{KeyPair, SeededEntropy, sign_world};
use zt_netconf::Settings;
use zt_peer::{LinkKind, PathView, Source};
use zt_wire::time::Now;
use zt_wire::world::{Root, World, WorldKind};
use zt_wire::{Emit, InetAddress, NetworkId, Parse, Reader, Signature};

/// The usual port.
pub const PORT: u16 = 9993;

/// Hands what survived the last run to a new engine.
pub(crate) fn load_store(node: &mut Node, now: Now) {
    let Node { engine: Some(engine), outbox, store, is_controller, .. } = node else { return };
    engine.vl1_mut().note_cached(store.peers.keys().copied());
    for bytes in store.worlds.values() {
        let world = World::parse(&mut Reader::new(bytes)).expect("the store holds what was written");
        let loaded = match world.kind {
            WorldKind::Moon => engine.vl1_mut().load_world(now, world, Source::Saved, &mut outbox.transmits),
            _ => engine.vl1_mut().load_world(now, world, Source::Saved, &mut outbox.transmits),
        };
        loaded.expect("the store holds what was accepted");
    }
    if *is_controller {
        for record in store.controller.values() {
            engine.feed_controller(record.clone());
        }
        engine.start_controller();
    }
    for (&network, saved) in &store.networks {
        engine.join(now, network, saved.as_deref(), Settings::default(), outbox);
    }
}

impl Sim {
    /// A node with a public IPv4 address.
    pub fn public_node(&mut self, name: &str) -> NodeId {
        let id = self.add_node(name);
        self.plug_in(id, INTERNET, false);
        id
    }

    /// A node behind a NAT box of its own.
    pub fn node_behind(&mut self, name: &str, kind: NatKind) -> (NodeId, NatId) {
        let (nat, segment) = self.internet.add_nat(kind, INTERNET);
        let id = self.add_node(name);
        self.plug_in(id, segment, false);
        (id, nat)
    }

    /// Gives a node one more UDP interface, in a segment.
    pub fn plug_in(&mut self, id: NodeId, segment: SegmentId, v6: bool) {
        let address = if segment == INTERNET {
            self.internet.fresh_public(v6)
        } else {
            // Two of three homes have the same prefix, as in life.
            let home = if self.dice.below(3) == 0 { 2 + (segment.0 % 250) as u8 } else { 1 };
            IpAddr::from([192, 168, home, 10 + id.0 as u8 % 200])
        };
        let iface = self.internet.add_iface(self.nodes[id.0].machine, segment, &[address]);
        self.give_use(id, Use { iface, kind: LinkKind::Udp, rank: 0, port: PORT });
    }

    /// Gives a node a cable without IP, in a segment made by [`Internet::add_switch`](crate::Internet::add_switch). The
    /// interface that is unplugged there is the one that is returned.
    pub fn give_cable(&mut self, id: NodeId, switch: SegmentId, payload: u16) -> IfaceId {
        let address = IpAddr::from([10, 99, (id.0 >> 8) as u8, id.0 as u8]);
        let iface = self.internet.add_iface(self.nodes[id.0].machine, switch, &[address]);
        self.internet.set_payload(iface, payload);
        self.give_use(id, Use { iface, kind: LinkKind::Ethernet, rank: -1, port: PORT });
        iface
    }

    /// Gives a node a second way of a worse rank: a relay far away that speaks for it with an address of its own.
    pub fn give_relay(&mut self, id: NodeId, rank: i32) -> NatId {
        let kind = NatKind { mapping: crate::Depends::Endpoint, filtering: crate::Depends::Endpoint, ..NatKind::HOME };
        let (nat, segment) = self.internet.add_nat(NatKind { expiry: Duration::from_secs(3600), ..kind }, INTERNET);
        let address = IpAddr::from([0, 0, 0, 1 + id.0 as u8]);
        let iface = self.internet.add_iface(self.nodes[id.0].machine, segment, &[address]);
        self.give_use(id, Use { iface, kind: LinkKind::Relay, rank, port: PORT });
        nat
    }

    /// Replaces the addresses of a node's first interface by a new public one: another uplink, another DHCP lease.
    pub fn change_address(&mut self, id: NodeId) {
        let address = self.internet.fresh_public(false);
        let iface = self.nodes[id.0].uses[0].iface;
        self.internet.set_addresses(iface, &[address]);
        self.rebind(id);
    }

    /// A signed world with these roots at their public addresses. The same `id` has the same update key.
    pub fn world(&mut self, kind: WorldKind, id: u64, timestamp: u64, roots: &[NodeId]) -> World {
        let key = KeyPair::generate(&mut SeededEntropy::new(id ^ 0xbe7));
        let roots = roots.iter().map(|&root| {
            let node = self.node(root);
            let addresses = node.uses.iter().flat_map(|how| self.internet.addresses(how.iface));
            let endpoints = addresses.map(|&ip| InetAddress::from(SocketAddr::new(ip, PORT))).collect();
            Root { identity: *node.secret.identity(), endpoints }
        });
        let mut world = World {
            kind,
            id,
            timestamp: START_OF_TIME as u64 - 1_000_000 + timestamp,
            update_key: *key.public_key(),
            signature: Signature([0; 96]),
            roots: roots.collect(),
        };
        sign_world(&mut world, &key);
        world
    }

    /// Puts a world into a node's home before it starts.
    pub fn give_world(&mut self, id: NodeId, world: &World) {
        self.nodes[id.0].store.worlds.insert((world.kind, world.id), world.to_vec());
    }

    /// Lets a running node join a network.
    pub fn join(&mut self, id: NodeId, network: NetworkId) {
        let time = self.time();
        let node = self.node_mut(id);
        node.store.networks.entry(network).or_default();
        let now = node.now(time);
        let engine = node.engine.as_mut().expect("the node does not run");
        engine.join(now, network, None, Settings::default(), &mut node.outbox);
        self.touch(id);
    }

    /// The managed IPv4 address of a member, once it has one.
    #[must_use]
    pub fn ip4(&self, id: NodeId, network: NetworkId) -> Option<IpAddr> {
        self.address_of(id, network, true)
    }

    /// The managed IPv6 address of a member, once it has one.
    #[must_use]
    pub fn ip6(&self, id: NodeId, network: NetworkId) -> Option<IpAddr> {
        self.address_of(id, network, false)
    }

    fn address_of(&self, id: NodeId, network: NetworkId, v4: bool) -> Option<IpAddr> {
        let prefixes = self.node(id).hosts.get(&network)?.addresses();
        prefixes.iter().map(|prefix| prefix.address()).find(|ip| ip.is_ipv4() == v4)
    }

    /// Waits until all members have an address; how long it took.
    ///
    /// # Panics
    /// After 30 s.
    pub fn wait_for_addresses(&mut self, members: &[NodeId], network: NetworkId) -> Duration {
        let took = self
            .run_until(Duration::from_secs(30), |sim| members.iter().all(|&member| sim.ip4(member, network).is_some()));
        took.unwrap_or_else(|| {
            let left = members.iter().filter(|&&member| self.ip4(member, network).is_none());
            let left: Vec<_> = left.map(|&id| (&self.node(id).name, self.node(id).drops())).collect();
            panic!("no address after 30 s: {left:?}")
        })
    }

    /// Pings one member from another, `count` times.
    ///
    /// # Panics
    /// When the target has no address yet.
    pub fn ping(&mut self, from: NodeId, to: NodeId, network: NetworkId, every: Duration, count: u32) -> StreamId {
        let ip = self.ip4(to, network).expect("the target has an address");
        self.stream(from, network, ip, Traffic::Ping, every, count)
    }

    /// Direct paths of one node to another, as it sees them.
    #[must_use]
    pub fn paths(&self, from: NodeId, to: NodeId) -> Vec<PathView> {
        let node = self.node(from);
        let address = self.node(to).address();
        let peer = node.engine.as_ref().and_then(|engine| engine.vl1().peer(node.now(self.time()), address));
        peer.map(|peer| peer.paths).unwrap_or_default()
    }

    /// The path that traffic takes, when it is direct.
    #[must_use]
    pub fn direct(&self, from: NodeId, to: NodeId) -> Option<PathView> {
        self.paths(from, to).into_iter().find(|path| path.preferred)
    }

    /// True when both send directly to each other.
    #[must_use]
    pub fn both_direct(&self, a: NodeId, b: NodeId) -> bool {
        self.direct(a, b).is_some() && self.direct(b, a).is_some()
    }
}

/// The usual world: one root, one controller, members in public networks.
pub struct Lab {
    /// The world.
    pub sim: Sim,
    /// The root.
    pub root: NodeId,
    /// The controller.
    pub controller: NodeId,
    /// Members, in the order of their places.
    pub members: Vec<NodeId>,
    /// NAT box of each member that has one.
    pub nats: Vec<Option<NatId>>,
    /// The network that all members joined.
    pub network: NetworkId,
}

/// Where a member is.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// With a public address.
    Public,
    /// Behind a NAT box of its own.
    Behind(NatKind),
}

impl Lab {
    /// Starts root, controller and members, creates a public network and waits until all have addresses.
    #[must_use]
    pub fn new(name: &str, seed: u64, places: &[Place]) -> Self {
        Self::with(name, seed, places, |_| {})
    }

    /// The same, with changes made before anything starts.
    ///
    /// # Panics
    /// When the members do not come up within 30 s.
    #[must_use]
    pub fn with(name: &str, seed: u64, places: &[Place], prepare: impl FnOnce(&mut Sim)) -> Self {
        let mut sim = Sim::new(name, seed);
        let root = sim.public_node("root");
        let controller = sim.public_node("controller");
        sim.node_mut(controller).is_controller = true;
        let mut members = Vec::new();
        let mut nats = Vec::new();
        for (number, place) in places.iter().enumerate() {
            let name = format!("member {number}");
            let (member, nat) = match place {
                Place::Public => (sim.public_node(&name), None),
                Place::Behind(kind) => {
                    let (member, nat) = sim.node_behind(&name, *kind);
                    (member, Some(nat))
                }
            };
            members.push(member);
            nats.push(nat);
        }
        prepare(&mut sim);
        let planet = sim.world(WorldKind::Planet, 1, 0, &[root]);
        for id in (0..sim.nodes.len()).map(NodeId) {
            sim.give_world(id, &planet);
            sim.start(id);
        }
        sim.run_for(Duration::from_millis(500));
        let network = sim.create_network(controller, false);
        for &member in &members {
            sim.join(member, network);
        }
        sim.wait_for_addresses(&members, network);
        Self { sim, root, controller, members, nats, network }
    }

    /// Lets the first two members ping each other until both send directly.
    ///
    /// # Panics
    /// When they do not within 10 s.
    pub fn make_direct(&mut self) {
        let (a, b) = (self.members[0], self.members[1]);
        let there = self.sim.ping(a, b, self.network, Duration::from_millis(100), u32::MAX);
        let direct = self.sim.run_until(Duration::from_secs(10), |sim| sim.both_direct(a, b));
        self.sim.end(there);
        assert!(direct.is_some(), "not direct: {:?} {:?}", self.sim.paths(a, b), self.sim.paths(b, a));
    }
}
