//! What one more network, group of its own and rule costs a node.

use crate::figures::{Figures, Measure, Target, Unit};
use crate::rounds;
use crate::sys;
use crate::town::{NODE, Sealed, Town, guest, home};
use zt_netconf::controller::{Command, NetworkPatch};
use zt_node::engine::Input;
use zt_wire::rules::{Rule, RuleKind};
use zt_wire::{Address, FrameBatch, Mac, MulticastGroup, NetworkId};

/// Frames of one round.
const FRAMES: usize = 1 << 13;

/// A node and another member in some networks, with a path between them.
struct Pair {
    town: Town,
    other: usize,
    address: Address,
    networks: Vec<NetworkId>,
}

/// A node that has joined so many networks.
pub(crate) fn networks(figures: &mut Figures, number: usize) {
    let mut pair = Pair::new();
    let before = sys::held();
    (0..number).for_each(|_| _ = pair.join(NetworkPatch::default()));
    let each = (sys::held() - before) as f64 / number as f64;
    let line = |what, unit, target| Measure { whose: "a node", of: "networks it has joined", what, unit, target };
    let what = "memory for each, at a node, another and the controller";
    figures.add(line(what, Unit::Bytes, None), number, (each, 0.0));
    let grows = Some(Target::Growth(100, 2.0));
    let (out, into) = pair.time();
    figures.add(line("sends a frame, each in another network", Unit::Nanoseconds, grows), number, out.time);
    figures.add(line("receives a frame, each in another network", Unit::Nanoseconds, grows), number, into.time);
    let polls = rounds::time(1 << 12, || (0..1 << 12).for_each(|_| pair.town.stations[NODE].poll(pair.town.now)));
    let grows = Some(Target::Growth(100, 1.3));
    figures.add(line("asks what is due", Unit::Nanoseconds, grows), number, polls.time);
}

/// A node that listens to so many groups of a network.
pub(crate) fn groups(figures: &mut Figures, number: usize) {
    let mut pair = Pair::new();
    let network = pair.join(NetworkPatch::default());
    let group = |n: usize| {
        let [a, b, c, d] = u32::try_from(n).expect("few").to_be_bytes();
        MulticastGroup { mac: Mac([0x33, 0x33, a, b, c, d]), adi: 0 }
    };
    let groups: Vec<_> = (0..number).map(group).collect();
    let before = sys::held();
    let now = pair.town.now;
    let station = &mut pair.town.stations[NODE];
    station.engine.handle(now, Input::Groups(network, &groups), &mut station.outbox);
    station.poll(now);
    station.leave();
    let each = (sys::held() - before) as f64 / number as f64;
    let line = |what, unit, target| Measure { whose: "a node", of: "groups that it listens to", what, unit, target };
    figures.add(line("memory for each", Unit::Bytes, None), number, (each, 0.0));
    let grows = Some(Target::Growth(100, 1.1));
    let (out, into) = pair.time();
    figures.add(line("sends a frame", Unit::Nanoseconds, grows), number, out.time);
    figures.add(line("receives a frame", Unit::Nanoseconds, grows), number, into.time);
}

/// A network with so many rules, of which the last accepts.
pub(crate) fn rules(figures: &mut Figures, number: usize) {
    let mut pair = Pair::new();
    let set = |n: u16| [Rule::from(RuleKind::DestinationPort(n..=n)), RuleKind::Drop.into()];
    let sets = (1..=(number as u16 - 1) / 2).flat_map(set);
    let table: Vec<Rule> = sets.chain([RuleKind::Accept.into()]).collect();
    pair.join(NetworkPatch { rules: Some(table.into()), ..NetworkPatch::default() });
    let line = |what, unit, target| Measure { whose: "a node", of: "rules, all walked", what, unit, target };
    let (out, into) = pair.time();
    figures.add(line("sends a frame", Unit::Nanoseconds, None), number, out.time);
    figures.add(line("receives a frame", Unit::Nanoseconds, None), number, into.time);
}

impl Pair {
    fn new() -> Self {
        let mut town = Town::with_node();
        let other = town.open(guest(0), home(0), false);
        Self { town, other, address: guest(0).address(), networks: Vec::new() }
    }

    /// Both join a new public network, and meet in the first one.
    fn join(&mut self, patch: NetworkPatch) -> NetworkId {
        let patch = NetworkPatch { private: Some(false), ..patch };
        let network = self.town.command(Command::create_network(patch)).into_network().expect("made").id;
        [NODE, self.other].into_iter().for_each(|number| self.town.join(number, network));
        if self.networks.is_empty() {
            let node = self.town.address(NODE);
            self.town.say(NODE, network, self.address, &udp());
            self.town.say(self.other, network, node, &udp());
        }
        self.networks.push(network);
        network
    }

    /// Frames in one network after the other, in both directions.
    fn time(&mut self) -> (rounds::Cost, rounds::Cost) {
        let Self { town, other, address, networks } = self;
        let (node, there) = (town.address(NODE), town.stations[NODE].at);
        // In an order that says nothing of where they lie.
        let step = |at: &mut usize| {
            *at = (*at + 7_919) % networks.len();
            *at
        };
        let frames: Vec<FrameBatch> = networks.iter().map(|id| town.frame(NODE, *id, *address, &udp())).collect();
        let mut at = 0;
        let out = rounds::time(FRAMES, || {
            (0..FRAMES).for_each(|_| {
                let at = step(&mut at);
                town.hand_in(NODE, networks[at], &frames[at]);
            });
        });
        let mut sealed: Vec<Sealed> = Vec::new();
        for network in networks.iter() {
            let frame = town.frame(*other, *network, node, &udp());
            sealed.extend(town.sealed(*other, there, |engine, now, outbox| {
                engine.handle(now, Input::Frames(*network, &frame), outbox);
            }));
        }
        assert_eq!(sealed.len(), networks.len(), "they leave by a direct path");
        let into = rounds::time(FRAMES, || {
            for number in 0..FRAMES {
                town.arrive(NODE, &sealed[step(&mut at)]);
                if number % 32 == 31 {
                    let now = town.now;
                    town.stations[NODE].poll(now);
                    town.stations[NODE].leave();
                }
            }
        });
        (out, into)
    }
}

/// A small datagram of UDP in IPv4.
fn udp() -> [u8; 64] {
    let mut packet = [0; 64];
    packet[..28].copy_from_slice(&[
        0x45, 0, 0, 64, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0xc3, 0x50, 0xea, 0x60, 0, 44, 0, 0,
    ]);
    packet
}
