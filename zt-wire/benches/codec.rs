//! Nanoseconds per operation of the codec: `cargo bench -p zt-wire`, or with words to select lines: `… -- FRAME`.
//!
//! The payloads are those of a recorded session, one of each kind, decrypted and decompressed (`packets.txt`: name, verb,
//! payload). Parsing makes a [`Message`] of a payload; emitting writes it into a buffer that is there already.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark prints, and reads the clock")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use zt_wire::fragment::pieces;
use zt_wire::{Address, Emit as _, Message, Packet, Verb, Writer, classify, lz4, write_header};

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let wants = |name: &str| wanted.iter().all(|word| name.contains(word.as_str()));
    println!("{:<34} {:>7} {:>9} {:>9}", "ns per message", "bytes", "parse", "emit");
    for line in include_str!("packets.txt").lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(name), Some(verb)) = (fields.next(), fields.next()) else { panic!("a name and a verb in each line") };
        let payload = fields.next().unwrap_or_default();
        if wants(name) {
            message(name, Verb(u8::from_str_radix(verb, 16).expect("a verb")), &unhex(payload));
        }
    }
    println!();
    for (name, bytes, nanoseconds) in [headers(), fragments(), compress(), decompress()] {
        if wants(name) {
            println!("{name:<34} {bytes:>7} {nanoseconds:>9.1}");
        }
    }
}

fn message(name: &str, verb: Verb, payload: &[u8]) {
    let parsed = Message::parse(verb, payload).expect("recorded from a node");
    let parse = best(|| {
        black_box(Message::parse(verb, black_box(payload))).expect("as before");
    });
    let mut room = vec![0; parsed.encoded_len()];
    let emit = best(|| {
        black_box(&parsed).emit(&mut Writer::new(black_box(&mut room))).expect("there is room");
    });
    assert_eq!(room, payload, "{name}");
    println!("{name:<34} {:>7} {parse:>9.1} {emit:>9.1}", payload.len());
}

/// A datagram is told apart, and all fields of its header are read.
fn headers() -> (&'static str, usize, f64) {
    let mut datagram = [7; 1432];
    write_header(datagram.first_chunk_mut().expect("long enough"), Address::new(1), Address::new(2), Verb::FRAME);
    let time = best(|| {
        let datagram = black_box(&datagram[..]);
        black_box(classify(datagram));
        let packet = Packet::new_checked(datagram).expect("a whole header");
        black_box((
            packet.id(),
            packet.destination(),
            packet.source(),
            packet.cipher(),
            packet.hops(),
            packet.opened().verb(),
        ));
    });
    ("classify, read a header", datagram.len(), time)
}

/// A packet is cut into the ranges of its pieces.
fn fragments() -> (&'static str, usize, f64) {
    let time = best(|| {
        for piece in pieces(black_box(9000), 1432).expect("not too many") {
            black_box(piece);
        }
    });
    ("cut into pieces", 9000, time)
}

/// Text of a configuration, as long as a usual one.
fn configuration() -> Vec<u8> {
    (0..60).flat_map(|n| format!("key{n}={:016x}\n", n * 7919).into_bytes()).collect()
}

fn compress() -> (&'static str, usize, f64) {
    let (text, mut scratch) = (configuration(), Vec::new());
    let time = best(|| {
        black_box(lz4::compress(black_box(&text), &mut scratch));
    });
    ("lz4, compress a configuration", text.len(), time)
}

fn decompress() -> (&'static str, usize, f64) {
    let (text, mut scratch, mut out) = (configuration(), Vec::new(), Vec::new());
    let block = lz4::compress(&text, &mut scratch).expect("it gets shorter").to_vec();
    let time = best(|| lz4::decompress_payload(black_box(&block), &mut out).expect("compressed above"));
    ("lz4, decompress a configuration", text.len(), time)
}

/// Nanoseconds of the best of some runs of a few milliseconds: others use this machine as well.
fn best(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    work();
    let rounds = (Duration::from_millis(2).as_nanos() / start.elapsed().as_nanos().max(1)).clamp(1, 100_000) as u32;
    (0..15)
        .map(|_| {
            let start = Instant::now();
            (0..rounds).for_each(|_| work());
            start.elapsed().as_nanos() as f64 / f64::from(rounds)
        })
        .fold(f64::MAX, f64::min)
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hexadecimal digits")).collect()
}
