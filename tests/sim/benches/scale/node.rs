//! What one more member, whom a node knows as a peer and has a path to, costs it and the controller.

use crate::figures::{Figures, Measure, Target, Unit};
use crate::rounds;
use crate::sys;
use crate::town::{NODE, ROOT, Sealed, Town, guest};
use std::time::Duration;
use zt_netconf::controller::{Command, NetworkPatch, Pool, Route};
use zt_node::engine::Input;
use zt_peer::SendOptions;
use zt_test_sim::Dice;
use zt_wire::verb::{MulticastLike, Subscription};
use zt_wire::{Address, FrameBatch, IpPrefix, Mac, MulticastGroup, NetworkId};

/// Frames of one round.
const FRAMES: usize = 1 << 13;
/// Frames that a port gives at once.
const BATCH: usize = 32;
/// Frames to a group in one round: each leaves in many copies.
const GROUP_FRAMES: usize = 1 << 8;
/// Requests to the controller in one round.
const REQUESTS: usize = 1 << 9;
/// What all members listen to.
const GROUP: MulticastGroup = MulticastGroup { mac: Mac([1, 0, 0x5e, 0, 0, 1]), adi: 0 };

/// A node in a network with so many members that it has met all.
struct Crowd {
    town: Town,
    network: NetworkId,
    members: Vec<Address>,
    /// A frame of each to the node.
    frames: Vec<Sealed>,
    /// A request of each to the controller.
    requests: Vec<Sealed>,
    /// Frames of the host: kept, so that its growth does not count as the node's.
    batch: FrameBatch,
}

pub(crate) fn measure(figures: &mut Figures, members: usize) {
    let (empty_node, empty_root) = Crowd::new(0).weigh();
    let mut crowd = Crowd::new(members);
    let line = |what, unit, target| Measure { whose: "a node", of: "members it knows", what, unit, target };
    let grows = |most| Some(Target::Growth(100, most));
    let time = |figures: &mut Figures, what, most, cost: &rounds::Cost| {
        figures.add(line(what, Unit::Nanoseconds, grows(most)), members, cost.time);
    };

    let mut next = 0;
    let out = rounds::time(FRAMES, || crowd.send(&mut next, FRAMES));
    time(figures, "sends a frame, each to another member", 2.0, &out);
    figures.add(line("the same", Unit::Allocations, Some(Target::Most(1, 0.001))), members, (out.allocations, 0.0));
    let into = rounds::time(FRAMES, || crowd.receive(&mut next, FRAMES));
    time(figures, "receives a frame, each of another member", 2.0, &into);
    figures.add(line("the same ", Unit::Allocations, Some(Target::Most(1, 0.001))), members, (into.allocations, 0.0));
    crowd.members.truncate(8);
    crowd.frames.truncate(8);
    let out = rounds::time(FRAMES, || crowd.send(&mut next, FRAMES));
    time(figures, "sends a frame to one of 8 members", 1.1, &out);
    let into = rounds::time(FRAMES, || crowd.receive(&mut next, FRAMES));
    time(figures, "receives a frame of one of 8 members", 1.1, &into);
    let group = rounds::time(GROUP_FRAMES, || crowd.send_to_group(GROUP_FRAMES));
    time(figures, "sends a frame to a group of all", 1.5, &group);
    let polls = rounds::time(1 << 12, || (0..1 << 12).for_each(|_| crowd.town.stations[NODE].poll(crowd.town.now)));
    time(figures, "asks what is due", 1.3, &polls);
    crowd.idle(figures, members);

    let asked = rounds::time(REQUESTS, || crowd.request(&mut next, REQUESTS));
    let control =
        |what, unit, target| Measure { whose: "a controller", of: "members of a network", what, unit, target };
    figures.add(control("answers a request", Unit::Nanoseconds, grows(1.3)), members, asked.time);
    let (node, root) = crowd.weigh();
    let each = |whole: usize, empty: usize| (whole.saturating_sub(empty) as f64 / members as f64, 0.0);
    figures.add(line("memory for each", Unit::Bytes, None), members, each(node, empty_node));
    let what = "memory for each, as a peer and as a member";
    figures.add(control(what, Unit::Bytes, None), members, each(root, empty_root));
}

impl Crowd {
    fn new(members: usize) -> Self {
        let mut town = Town::with_node();
        let network = town.command(Command::create_network(private())).into_network().expect("made").id;
        let node = town.address(NODE);
        town.command(Command::authorize(network, node, true));
        town.join(NODE, network);
        let batch = FrameBatch::new(BATCH, 2048);
        let mut crowd = Self { town, network, members: Vec::new(), frames: Vec::new(), requests: Vec::new(), batch };
        (0..members).for_each(|number| crowd.meet(number, node));
        crowd.shuffle();
        crowd
    }

    /// A member comes, is met by the node, and leaves a frame and a request behind.
    fn meet(&mut self, number: usize, node: Address) {
        let (network, address) = (self.network, guest(number).address());
        self.town.command(Command::authorize(network, address, true));
        let (frames, requests) = (&mut self.frames, &mut self.requests);
        self.town.visit(number, |town, at| {
            let root = town.stations[ROOT].at;
            requests.extend(town.sealed(at, root, |engine, now, outbox| {
                engine.join(now, network, None, zt_netconf::Settings::default(), outbox);
            }));
            town.say(NODE, network, address, b"is there anybody");
            town.say(at, network, node, b"there is");
            let likes = MulticastLike { subscriptions: vec![Subscription { network, group: GROUP }], rest: &[] };
            let station = &mut town.stations[at];
            let (vl1, out) = (station.engine.vl1_mut(), &mut station.outbox.transmits);
            vl1.send(town.now, node, &likes, SendOptions::default(), out).expect("a known peer");
            town.settle();
            let there = town.stations[NODE].at;
            let frame = town.frame(at, network, node, &[0x5a; 64]);
            let before = frames.len();
            frames.extend(town.sealed(at, there, |engine, now, outbox| {
                engine.handle(now, Input::Frames(network, &frame), outbox);
            }));
            assert_eq!(frames.len(), before + 1, "the frame leaves by a direct path");
        });
        let peer = self.town.stations[NODE].engine.vl1().peer(self.town.now, address);
        assert!(peer.is_some_and(|peer| !peer.paths.is_empty()), "the node has a path to the member");
        self.members.push(address);
    }

    /// So that their order says nothing of where they lie.
    fn shuffle(&mut self) {
        let mut dice = Dice::new(11);
        for at in (1..self.members.len()).rev() {
            let other = dice.below(at as u64 + 1) as usize;
            self.members.swap(at, other);
            self.frames.swap(at, other);
        }
    }

    /// The host sends a frame to each member in turn.
    fn send(&mut self, next: &mut usize, frames: usize) {
        for _ in 0..frames / BATCH {
            self.batch.clear();
            for _ in 0..BATCH {
                let to = self.members[*next % self.members.len()];
                *next += 1;
                let frame = self.bytes(Mac::for_member(to, self.network));
                self.batch.push(&frame).expect("room for them");
            }
            self.town.hand_in(NODE, self.network, &self.batch);
        }
    }

    /// A frame of each member in turn comes in.
    fn receive(&mut self, next: &mut usize, frames: usize) {
        for number in 0..frames {
            if number % BATCH == 0 {
                // As many come with one read of a socket.
                let read = (*next..).take(BATCH).map(|at| self.frames[at % self.frames.len()].bytes());
                self.town.stations[NODE].engine.foresee(read);
            }
            let sealed = &self.frames[*next % self.frames.len()];
            *next += 1;
            self.town.arrive(NODE, sealed);
            if (number + 1) % BATCH == 0 {
                let now = self.town.now;
                let station = &mut self.town.stations[NODE];
                station.poll(now);
                station.leave();
            }
        }
    }

    /// A small frame of the host.
    fn bytes(&self, to: Mac) -> [u8; 78] {
        let mut frame = [0x5a; 78];
        frame[..6].copy_from_slice(&to.0);
        frame[6..12].copy_from_slice(&Mac::for_member(self.town.address(NODE), self.network).0);
        frame[12..14].copy_from_slice(&0x0800_u16.to_be_bytes());
        frame
    }

    fn send_to_group(&mut self, frames: usize) {
        let mut batch = FrameBatch::new(1, 2048);
        batch.push(&self.bytes(GROUP.mac)).expect("room for it");
        for _ in 0..frames {
            self.town.hand_in(NODE, self.network, &batch);
        }
    }

    /// A member in turn asks the controller for its configuration, none more often than it may.
    fn request(&mut self, next: &mut usize, requests: usize) {
        let apart = Duration::from_millis(1500) / u32::try_from(self.requests.len()).expect("few");
        for _ in 0..requests {
            let sealed = &self.requests[*next % self.requests.len()];
            *next += 1;
            self.town.now = self.town.now.plus(apart);
            self.town.arrive(ROOT, sealed);
            let now = self.town.now;
            let station = &mut self.town.stations[ROOT];
            station.poll(now);
            assert!(station.leave() > 0, "it is answered");
        }
    }

    /// A minute in which nothing is said but what keeps the node in touch.
    fn idle(&mut self, figures: &mut Figures, members: usize) {
        let line = |what, unit, target| Measure { whose: "a node", of: "members it knows", what, unit, target };
        let (begin, mut turns, mut datagrams) = (sys::spent(), Vec::new(), 0);
        let end = self.town.now.plus(Duration::from_secs(60));
        while let Some(due) = self.town.stations[NODE].due().filter(|due| *due <= end.mono) {
            let now = &mut self.town.now;
            *now = now.plus(due.saturating_since(now.mono).max(Duration::from_micros(1)));
            let now = *now;
            let call = sys::spent();
            let station = &mut self.town.stations[NODE];
            station.engine.handle(now, Input::Timeout, &mut station.outbox);
            station.poll(now);
            turns.push((sys::spent() - call).as_nanos() as f64);
            datagrams += station.leave();
        }
        let whole = (sys::spent() - begin).as_nanos() as f64;
        let second = whole / 60.0;
        figures.add(line("a second in which it idles, whole", Unit::Nanoseconds, None), members, (second, 0.0));
        let each = whole / datagrams.max(1) as f64;
        figures.add(line("the same, for each datagram that it sends", Unit::Nanoseconds, None), members, (each, 0.0));
        turns.sort_by(f64::total_cmp);
        // The machine itself stops for milliseconds now and then, which is not in the power of any turn.
        let (most, longest) = (turns[turns.len() * 995 / 1000], turns[turns.len() - 1]);
        let target = Some(Target::Most(1, 1_000_000.0));
        let what = "a turn in which packets wait: 995 of 1,000 take no longer";
        figures.add(line(what, Unit::Nanoseconds, target), members, (most, 0.0));
        figures.add(line("the longest of them", Unit::Nanoseconds, None), members, (longest, 0.0));
    }

    /// Bytes that the node and the root hold.
    fn weigh(mut self) -> (usize, usize) {
        let before = sys::held();
        self.town.stations.truncate(NODE);
        let node = before - sys::held();
        let before = sys::held();
        self.town.stations.truncate(ROOT);
        (node, before - sys::held())
    }
}

/// A private network with room for all.
fn private() -> NetworkPatch {
    NetworkPatch {
        private: Some(true),
        assign_v4: Some(true),
        routes: Some(vec![Route { target: IpPrefix::clamped([10, 0, 0, 0].into(), 8), via: None }]),
        pools: Some(vec![Pool { start: [10, 0, 0, 1].into(), end: [10, 255, 255, 254].into() }]),
        ..NetworkPatch::default()
    }
}
