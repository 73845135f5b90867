//! What the C interface adds to the engine: `cargo bench -p zt-capi`.
//!
//! The same frame goes into an engine by itself, into a node behind `ZT1_Node_runAt` and into one behind the ZT
//! interface, in turns, and one packet comes out of each; then the packet goes into the other end. Then the memory of a
//! node without peers.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

#[path = "../../../tests/it/rig.rs"]
#[expect(dead_code, reason = "a module of a test, of which a benchmark needs a part")]
mod rig;
mod sys;

use rig::{ALICE, BOB, LINK, Rig};
use std::hint::black_box;
use std::time::{Duration, Instant};
use sys::{CNode, Packet, Store, ZtNode};
use zt_crypto::SecretIdentity;
use zt_node::engine::{Input, Outbox, Output};
use zt_peer::Endpoint;
use zt_wire::ether::EthernetRef;
use zt_wire::{Emit as _, Mac, NetworkId};
use ztcore::sys::zt1::abi::ZT1_VirtualLanFrame;

const SIZES: [usize; 3] = [64, 1300, 2800];
const SPAN: Duration = Duration::from_millis(800);
/// Turns between two looks at the clock.
const TURNS: u32 = 64;
/// What may be added, nanoseconds.
const ALLOWED: f64 = 3_000.0;

fn main() {
    let (mut rig, network) = Rig::with_members();
    for node in &mut rig.nodes {
        node.outbox = Outbox::listing();
    }
    let (mut pair, zt) = (Pair::new(), ZtPair::new());
    println!(
        "ns of a frame in and its packets out, and of the packets in and the frame out; + what the interface adds"
    );
    println!("{:>7} {:>9} {:>16} {:>16} {:>12} {:>16} {:>16}", "bytes", "engine", "run", "zt", "engine", "run", "zt");
    for size in SIZES {
        let payload = vec![0x5a; size];
        let mut best = [f64::MAX; 6];
        let start = Instant::now();
        while start.elapsed() < SPAN {
            let engine = engine_round(&mut rig, network, &payload);
            let (run, zt) = (pair.round(&payload), zt.round(&payload));
            for (best, now) in best.iter_mut().zip([engine.0, run.0, zt.0, engine.1, run.1, zt.1]) {
                *best = best.min(now);
            }
        }
        let [a, b, c, d, e, f] = best;
        let added = |with: f64, without: f64| format!("{with:.0} {:+.0}", with - without);
        let mark = if b - a > ALLOWED || e - d > ALLOWED { "  ABOVE 3 µs" } else { "" };
        println!(
            "{size:>7} {a:>9.0} {:>16} {:>16} {d:>12.0} {:>16} {:>16}{mark}",
            added(b, a),
            added(c, a),
            added(e, d),
            added(f, d)
        );
    }
    println!("\nmemory of a node without peers: {} kB", memory() / 1000);
}

/// Nanoseconds of one frame in, and of the packets of it in at the other end.
fn engine_round(rig: &mut Rig, network: NetworkId, payload: &[u8]) -> (f64, f64) {
    let now = rig.now;
    let mac = |number: usize| Mac::for_member(rig.address(number), network);
    let (source, destination) = (mac(ALICE), mac(BOB));
    let (front, back) = rig.nodes.split_at_mut(BOB);
    let (alice, bob) = (&mut front[ALICE], &mut back[0]);
    let (mut send, mut receive) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..TURNS {
        let begin = Instant::now();
        let frame = EthernetRef { destination, source, ethertype: 0x0800, payload };
        alice.engine.handle(now, Input::Frame(network, frame), &mut alice.outbox);
        while !matches!(alice.engine.poll(now, &mut alice.outbox), Output::Wait(_)) {}
        alice.engine.seal(now, &mut alice.outbox);
        send += begin.elapsed();
        let mut packets: Vec<Vec<u8>> = Vec::new();
        for transmit in alice.outbox.transmits.iter() {
            packets.extend(transmit.datagrams().map(<[u8]>::to_vec));
        }
        alice.outbox.transmits.clear();
        let begin = Instant::now();
        for packet in &mut packets {
            let stride = packet.len();
            let remote = Endpoint::Ip(alice.at);
            let input = Input::Datagrams { link: LINK, remote, bytes: packet, stride };
            bob.engine.handle(now, input, &mut bob.outbox);
        }
        while !matches!(bob.engine.poll(now, &mut bob.outbox), Output::Wait(_)) {}
        receive += begin.elapsed();
        let list = bob.outbox.list.as_mut().expect("listing");
        assert_eq!(black_box(list.frames().len()), 1, "the frame arrives");
        list.clear();
        bob.outbox.transmits.clear();
    }
    (per_turn(send), per_turn(receive))
}

fn per_turn(time: Duration) -> f64 {
    time.as_nanos() as f64 / f64::from(TURNS)
}

/// Two nodes of the C interface: the first is root and controller.
struct Pair {
    nodes: [CNode; 2],
    at: [std::net::SocketAddr; 2],
    macs: [u64; 2],
    network: u64,
    now: u64,
}

fn identity(line: usize) -> SecretIdentity {
    let text = include_str!("../../../tests/it/identities.txt").lines().nth(line).expect("enough identities");
    SecretIdentity::from_text(text).expect("a committed identity")
}

fn store(identity: &SecretIdentity, planet: &[u8]) -> Store {
    let text = identity.to_text();
    Store::from([("identity.secret".to_owned(), text.as_bytes().to_vec()), ("planet".to_owned(), planet.to_vec())])
}

/// What a pair of nodes begins with.
struct Setup {
    at: [std::net::SocketAddr; 2],
    stores: [Store; 2],
    macs: [u64; 2],
    network: u64,
}

impl Setup {
    fn new() -> Self {
        let at = [([44, 1, 0, 1], 9993).into(), ([44, 2, 0, 1], 9993).into()];
        let identities = [identity(0), identity(1)];
        let planet = rig::planet(&identities[0], at[0]).to_vec();
        let network = identities[0].identity().address.as_u64() << 24 | 1;
        let mac = |number: usize| Mac::for_member(identities[number].identity().address, NetworkId(network)).as_u64();
        let macs = [mac(0), mac(1)];
        let stores = [0, 1].map(|number: usize| store(&identities[number], &planet));
        Self { at, stores, macs, network }
    }
}

impl Pair {
    fn new() -> Self {
        let Setup { at, stores, macs, network } = Setup::new();
        let now = 1_760_000_000_000;
        let nodes = stores.map(|store| CNode::new(now, store));
        let mut pair = Self { nodes, at, macs, network, now };
        pair.nodes[0].serve(network);
        pair.nodes.iter().for_each(|node| node.join(network));
        pair.settle();
        pair
    }

    /// Carries packets until the members know each other and nothing is due.
    fn settle(&mut self) {
        let mut waiting: [Vec<Packet>; 2] = [Vec::new(), Vec::new()];
        for _ in 0..100 {
            for number in 0..2 {
                let packets = std::mem::take(&mut waiting[number]);
                let from = self.at[1 - number];
                let wires: Vec<_> = packets.iter().map(|packet| sys::wire(from, &packet.bytes)).collect();
                let frame = self.frame(number, b"hello");
                let given = self.nodes[number].run(self.now, &wires, &[frame]);
                waiting[1 - number].extend(given.copy().into_iter().filter(|packet| packet.to == self.at[1 - number]));
            }
            self.now += 20;
        }
        for node in &self.nodes {
            node.run(self.now, &[], &[]);
        }
    }

    fn frame(&self, from: usize, payload: &[u8]) -> ZT1_VirtualLanFrame {
        ZT1_VirtualLanFrame {
            networkId: self.network,
            sourceMac: self.macs[from],
            destMac: self.macs[1 - from],
            etherType: 0x0800,
            vlanId: 0,
            frameData: payload.as_ptr().cast(),
            frameLength: payload.len() as u32,
        }
    }

    fn round(&mut self, payload: &[u8]) -> (f64, f64) {
        let frame = self.frame(0, payload);
        let (mut send, mut receive) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..TURNS {
            let begin = Instant::now();
            let given = self.nodes[0].run(self.now, &[], &[frame]);
            send += begin.elapsed();
            assert!(black_box(given.packets()) > 0, "the frame leaves");
            let packets = given.copy();
            let wires: Vec<_> = packets.iter().map(|packet| sys::wire(self.at[0], &packet.bytes)).collect();
            let begin = Instant::now();
            let given = self.nodes[1].run(self.now, &wires, &[]);
            receive += begin.elapsed();
            assert_eq!(black_box(given.frames), 1, "the frame arrives");
        }
        (per_turn(send), per_turn(receive))
    }
}

/// Two nodes of the ZT interface: the first is root and controller.
struct ZtPair {
    nodes: [ZtNode; 2],
    at: [std::net::SocketAddr; 2],
    macs: [u64; 2],
    network: u64,
    now: i64,
}

impl ZtPair {
    fn new() -> Self {
        let Setup { at, stores, macs, network } = Setup::new();
        let mut now = 1_760_000_000_000;
        let nodes = stores.map(|store| ZtNode::new(now, store));
        nodes[0].serve(network);
        nodes.iter().for_each(|node| node.join(network));
        for _ in 0..100 {
            for number in 0..2 {
                for packet in nodes[1 - number].packets() {
                    if packet.to == at[number] {
                        nodes[number].packet(now, at[1 - number], &packet.bytes);
                    }
                }
                nodes[number].frame(now, network, (macs[number], macs[1 - number]), b"hello");
                nodes[number].background(now);
            }
            now += 20;
        }
        for node in &nodes {
            node.background(now);
            node.packets();
            node.frames();
        }
        Self { nodes, at, macs, network, now }
    }

    fn round(&self, payload: &[u8]) -> (f64, f64) {
        let (mut send, mut receive) = (Duration::ZERO, Duration::ZERO);
        let [first, second] = &self.nodes;
        for _ in 0..TURNS {
            let begin = Instant::now();
            first.frame(self.now, self.network, (self.macs[0], self.macs[1]), payload);
            send += begin.elapsed();
            let packets = first.packets();
            assert!(!black_box(&packets).is_empty(), "the frame leaves");
            let begin = Instant::now();
            for packet in &packets {
                second.packet(self.now, self.at[0], &packet.bytes);
            }
            receive += begin.elapsed();
            assert_eq!(black_box(second.frames()), 1, "the frame arrives");
        }
        (per_turn(send), per_turn(receive))
    }
}

/// Bytes that one more node takes which knows nobody but its root.
fn memory() -> usize {
    let identity = identity(2);
    let planet = rig::planet(&identity, ([44, 3, 0, 1], 9993).into()).to_vec();
    let store = store(&identity, &planet);
    let before = sys::heap();
    let node = CNode::new(1, store);
    node.run(1, &[], &[]);
    node.run(5_000, &[], &[]);
    let after = sys::heap();
    drop(node);
    after - before
}
