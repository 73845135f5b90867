//! What one more peer costs a root.

use crate::figures::{Figures, Measure, Target, Unit};
use crate::rounds;
use crate::sys;
use crate::town::{LINK, ROOT, Town, guest, home};
use std::hint::black_box;
use std::time::Duration;
use zt_node::engine::Input;
use zt_peer::Endpoint;
use zt_test_sim::Dice;
use zt_wire::packet::HEADER_LEN;
use zt_wire::{Address, Packet, Verb, write_header};

/// Trains that the driver hands in before it sends.
const BATCH: usize = 32;
/// Datagrams of one read of a socket while they come singly, and trains.
const READ: (usize, usize) = (32, 8);
/// Talks that are read before they are needed.
const AHEAD: usize = 3 * READ.0;
/// Datagrams of one round.
const DATAGRAMS: usize = 1 << 16;
/// Conversations that keep the caches warm.
const FEW: usize = 64;
/// Time that passes while peers are looked after and nobody speaks.
const CARE: Duration = Duration::from_secs(20);
/// Length of a datagram.
const LEN: usize = 128;

/// One who sends to another, over the root: no more than half a line of the cache, so that the benchmark itself waits for no
/// memory. What follows in the datagram is the same for all, and lies where the kernel would just have put it.
struct Talk {
    from: u32,
    head: [u8; HEADER_LEN],
}

/// A root that knows so many peers, and what they cost it.
pub(crate) fn measure(figures: &mut Figures, peers: usize) {
    let mut town = Town::new();
    let before = sys::held();
    (0..peers).for_each(|number| town.visit(number, |_, _| {}));
    let each = || ((sys::held() - before) as f64 / peers as f64, 0.0);
    let bytes = each();
    let known = town.stations[ROOT].engine.vl1().peers(town.now).len();
    assert_eq!(known, peers, "all guests are known");
    let line = |what, unit, target| Measure { whose: "root", of: "peers", what, unit, target };
    let most = Some(Target::Most(100, 2000.0));
    figures.add(line("memory for each, just heard", Unit::Bytes, None), peers, bytes);
    let begin = sys::spent();
    town.pass(CARE);
    let care = (sys::spent() - begin).as_nanos() as f64 / CARE.as_secs_f64() / peers as f64;
    figures.add(line("looks after each, for a second", Unit::Nanoseconds, None), peers, (care, 0.0));
    figures.add(line("memory for each, silent for 20 s", Unit::Bytes, most), peers, each());

    let mut talks = talks(peers);
    // Introductions are made once in 30 s for a pair: they are not counted here.
    relay(&mut town, &talks, &mut 0, peers, 1);
    figures.add(line("the same, each sends to another over it", Unit::Bytes, None), peers, each());
    let growth = |most| Some(Target::Growth(100, most));
    let mut next = 0;
    let cold = rounds::time(DATAGRAMS, || relay(&mut town, &talks, &mut next, DATAGRAMS, 1));
    figures.add(line("relays a packet, each of another peer", Unit::Nanoseconds, growth(1.3)), peers, cold.time);
    figures.add(line("the same", Unit::Allocations, Some(Target::Most(1, 0.001))), peers, (cold.allocations, 0.0));
    let trains = rounds::time(DATAGRAMS, || relay(&mut town, &talks, &mut next, DATAGRAMS, 16));
    figures.add(line("relays trains of 16, each of another peer", Unit::Nanoseconds, growth(1.3)), peers, trains.time);
    talks.truncate(FEW);
    next = 0;
    let warm = rounds::time(DATAGRAMS, || relay(&mut town, &talks, &mut next, DATAGRAMS, 1));
    figures.add(line("relays a packet, of 64 conversations", Unit::Nanoseconds, growth(1.1)), peers, warm.time);
}

/// Each guest sends to another, in an order that nothing can guess. They lie in that order.
fn talks(peers: usize) -> Vec<Talk> {
    let mut dice = Dice::new(9);
    let address: Vec<Address> = (0..peers).map(|number| guest(number).address()).collect();
    let mut order: Vec<usize> = (0..peers).collect();
    for at in (1..peers).rev() {
        order.swap(at, dice.below(at as u64 + 1) as usize);
    }
    let turn = peers / 2;
    let talk = |at: usize| {
        let (from, to) = (order[at], order[(at + turn) % peers]);
        let mut head = [0; HEADER_LEN];
        write_header(&mut head, address[to], address[from], Verb::FRAME);
        let mut packet = Packet::new_checked(&mut head[..]).expect("has a header");
        packet.set_id(zt_wire::PacketId(dice_id(from)));
        Talk { from: from as u32, head }
    };
    (0..peers).map(talk).collect()
}

fn dice_id(number: usize) -> u64 {
    Dice::new(number as u64).roll()
}

/// Relays datagrams in trains of so many, from the talks in turn: as many at a time as one read of a socket gives.
fn relay(town: &mut Town, talks: &[Talk], next: &mut usize, datagrams: usize, train: usize) {
    let most = if train == 1 { READ.0 } else { READ.1 };
    let mut room = vec![0x5a; LEN * train * most];
    let trains = datagrams / train;
    for begin in (0..trains).step_by(most) {
        let read = most.min(trains - begin);
        let room = &mut room[..LEN * train * read];
        look_ahead(talks, *next);
        let mut from = [Endpoint::Ip(home(0)); READ.0];
        for (from, bytes) in from.iter_mut().zip(room.chunks_mut(LEN * train)) {
            let talk = &talks[*next];
            *next = if *next + 1 == talks.len() { 0 } else { *next + 1 };
            *from = Endpoint::Ip(home(talk.from as usize));
            bytes.chunks_mut(LEN).for_each(|datagram| datagram[..HEADER_LEN].copy_from_slice(&talk.head));
        }
        let station = &mut town.stations[ROOT];
        station.engine.foresee(room.chunks(LEN));
        for (remote, bytes) in from.into_iter().zip(room.chunks_mut(LEN * train)) {
            let input = Input::Datagrams { link: LINK, remote, bytes, stride: LEN };
            station.engine.handle(town.now, input, &mut station.outbox);
        }
        let done = begin + read;
        if done.is_multiple_of(BATCH) || done == trains {
            // Time stands still: what peers cost by themselves has a line of its own.
            send(town);
        }
    }
}

/// Reads talks that come after some: a kernel that copies datagrams does not wait for this list, and it is no part of what a root does.
/// Every second one: two share a line of the cache.
fn look_ahead(talks: &[Talk], next: usize) {
    let end = talks.len().min(next + AHEAD);
    let begin = end.min(next + AHEAD - READ.0);
    black_box(talks[begin..end].iter().step_by(2).map(|talk| talk.from).fold(0, u32::wrapping_add));
}

/// What follows on a batch: timers that are due, and everything leaves.
fn send(town: &mut Town) {
    let station = &mut town.stations[ROOT];
    if station.due().is_some_and(|due| due <= town.now.mono) {
        station.engine.handle(town.now, Input::Timeout, &mut station.outbox);
    }
    station.poll(town.now);
    station.leave();
}
