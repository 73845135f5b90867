//! What an engine costs for each frame, without sockets: `cargo bench -p zt-node`.
//!
//! Two engines back to back. The first table is the whole way on one core: a batch of frames of one host is decided on,
//! sealed, copied once as a kernel would, looked at, opened, decided on and laid out for the other host. The second
//! table is the same in its steps; sealing and opening are those that other cores could do.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

#[path = "../tests/it/rig.rs"]
#[expect(dead_code, reason = "a module of a test, of which a benchmark needs a part")]
mod rig;

use rig::{ALICE, BOB, LINK, Node, Rig};
use std::hint::black_box;
use std::time::{Duration, Instant};
use zt_node::engine::{Input, Output};
use zt_peer::{Endpoint, Look, Open, Place};
use zt_wire::time::Now;
use zt_wire::{FrameBatch, NetworkId};

/// Payload of a frame: the least, a small packet, what fits into one datagram, the usual MTU.
const SIZES: [usize; 4] = [1, 64, 1300, 2800];
/// Frames in a batch, as a busy port gives them.
const BATCH: usize = 32;
/// Measured for each size.
const SPAN: Duration = Duration::from_millis(600);

fn main() {
    let (mut rig, network) = Rig::with_members();
    println!("{:>7} {:>10} {:>12} {:>10}", "bytes", "ns/frame", "frames/s", "Mbit/s");
    for size in SIZES {
        let batch = batch(&rig, network, size);
        let each = best(|| cross(&mut rig, network, &batch));
        let rate = 1e9 / each;
        println!("{size:>7} {each:>10.0} {rate:>12.0} {:>10.0}", rate * size as f64 * 8.0 / 1e6);
    }
    println!("\nns per frame in each step");
    print!("{:>7}", "bytes");
    STEPS.iter().for_each(|step| print!(" {step:>9}"));
    println!();
    for size in SIZES {
        let batch = batch(&rig, network, size);
        let mut steps = Steps::default();
        let start = Instant::now();
        while start.elapsed() < SPAN {
            steps.round(&mut rig, network, &batch);
        }
        print!("{size:>7}");
        steps.best.iter().for_each(|best| print!(" {:>9.0}", best / BATCH as f64));
        println!();
    }
}

fn batch(rig: &Rig, network: NetworkId, size: usize) -> FrameBatch {
    let mut batch = FrameBatch::new(BATCH, 2814);
    let frame = rig.frame(network, ALICE, BOB, &vec![0x5a; size]);
    while batch.push(&frame).is_ok() {}
    batch
}

/// Nanoseconds per frame in the best of many rounds: others use this machine as well.
fn best(mut round: impl FnMut() -> usize) -> f64 {
    let (start, mut best) = (Instant::now(), f64::MAX);
    while start.elapsed() < SPAN {
        let begin = Instant::now();
        let frames: usize = (0..8).map(|_| round()).sum();
        best = best.min(begin.elapsed().as_nanos() as f64 / frames as f64);
    }
    best
}

/// Outputs until the engine waits. Time stands still, so there is nothing to do.
fn poll(node: &mut Node, now: Now) {
    while !matches!(node.engine.poll(now, &mut node.outbox), Output::Wait(_)) {}
}

fn two(rig: &mut Rig) -> (&mut Node, &mut Node) {
    let (front, back) = rig.nodes.split_at_mut(BOB);
    (&mut front[ALICE], &mut back[0])
}

/// One batch on its whole way; the frames that arrived.
fn cross(rig: &mut Rig, network: NetworkId, batch: &FrameBatch) -> usize {
    let now = rig.now;
    let (alice, bob) = two(rig);
    alice.engine.handle(now, Input::Frames(network, batch), &mut alice.outbox);
    poll(alice, now);
    alice.engine.seal(now, &mut alice.outbox);
    let (mut packet, mut bytes) = (0, Vec::with_capacity(65_536));
    while let Some(train) = alice.outbox.transmits.train(packet, 64) {
        packet += train.packets;
        bytes.clear();
        bytes.extend_from_slice(train.bytes);
        let (remote, stride) = (Endpoint::Ip(alice.at), train.segment_size);
        bob.engine.handle(now, Input::Datagrams { link: LINK, remote, bytes: &mut bytes, stride }, &mut bob.outbox);
    }
    alice.outbox.transmits.clear();
    poll(bob, now);
    take(bob, network)
}

fn take(bob: &mut Node, network: NetworkId) -> usize {
    bob.outbox.transmits.clear();
    let delivered = bob.outbox.frames.get_mut(&network).expect("the network has a queue");
    assert_eq!(black_box(delivered.len()), BATCH, "every frame arrives");
    delivered.clear();
    BATCH
}

const STEPS: [&str; 6] = ["send", "seal", "copy", "look", "open", "deliver"];

/// Best time of each step for a batch, and buffers.
struct Steps {
    best: [f64; STEPS.len()],
    datagrams: Vec<Vec<u8>>,
    opens: Vec<(Open, Vec<u8>)>,
    spare: Vec<Vec<u8>>,
}

impl Default for Steps {
    fn default() -> Self {
        Self { best: [f64::MAX; STEPS.len()], datagrams: Vec::new(), opens: Vec::new(), spare: Vec::new() }
    }
}

impl Steps {
    fn timed<R>(&mut self, step: usize, work: impl FnOnce(&mut Self) -> R) -> R {
        let start = Instant::now();
        let result = work(self);
        self.best[step] = self.best[step].min(start.elapsed().as_nanos() as f64);
        result
    }

    fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_else(|| Vec::with_capacity(4096))
    }

    fn round(&mut self, rig: &mut Rig, network: NetworkId, batch: &FrameBatch) {
        let now = rig.now;
        let (alice, bob) = two(rig);
        self.timed(0, |_| {
            alice.engine.handle(now, Input::Frames(network, batch), &mut alice.outbox);
            poll(alice, now);
        });
        self.timed(1, |_| alice.engine.seal(now, &mut alice.outbox));
        self.timed(2, |own| own.copy(alice));
        self.timed(3, |own| own.look(now, Endpoint::Ip(alice.at), bob));
        let opened =
            self.timed(4, |own| own.opens.iter_mut().map(|(open, packet)| open.open(packet)).collect::<Vec<_>>());
        self.timed(5, |own| {
            for ((open, packet), opened) in own.opens.iter().zip(opened) {
                let input = Input::Opened { ticket: open.ticket, opened, packet };
                bob.engine.handle(now, input, &mut bob.outbox);
            }
            poll(bob, now);
        });
        take(bob, network);
        self.spare.extend(self.opens.drain(..).map(|(_, buffer)| buffer));
        self.spare.append(&mut self.datagrams);
    }

    fn copy(&mut self, alice: &mut Node) {
        let mut packet = 0;
        while let Some(train) = alice.outbox.transmits.train(packet, 64) {
            packet += train.packets;
            for datagram in train.bytes.chunks(train.segment_size) {
                let mut buffer = self.buffer();
                buffer.clear();
                buffer.extend_from_slice(datagram);
                self.datagrams.push(buffer);
            }
        }
        alice.outbox.transmits.clear();
    }

    fn look(&mut self, now: Now, remote: Endpoint, bob: &mut Node) {
        let mut assembled = self.buffer();
        for mut datagram in std::mem::take(&mut self.datagrams) {
            let look = bob.engine.look(now, LINK, remote, &mut datagram, &mut assembled, &mut bob.outbox);
            match look {
                Look::Open(open) if open.place == Place::Datagram => self.opens.push((open, datagram)),
                Look::Open(open) => {
                    self.spare.push(datagram);
                    let next = self.buffer();
                    self.opens.push((open, std::mem::replace(&mut assembled, next)));
                }
                Look::Done | Look::Dropped(_) => self.spare.push(datagram),
            }
        }
        self.spare.push(assembled);
    }
}
