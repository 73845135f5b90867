//! Safer point 8: incomplete packets expire, and no stranger flushes another's.

use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::link::{Endpoint, LinkId};

fn path(n: u16) -> Path {
    Path { link: LinkId(1), remote: Endpoint::Ip(SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 9993))) }
}

fn piece(p: u16, known: bool, id: u64, number: u8, total: u8, bytes: &[u8]) -> Piece<'_> {
    Piece { path: path(p), known, id: PacketId(id), number, total, bytes }
}

const T: Mono = Mono(1_000_000);

#[test]
fn pieces_in_any_order_make_the_packet_once() {
    for order in [[0u8, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]] {
        let mut r = Reassembly::default();
        let mut out = Vec::new();
        let bodies: [&[u8]; 3] = [b"head", b"one", b"two"];
        for (i, n) in order.iter().enumerate() {
            let total = if *n == 0 { 0 } else { 3 };
            let p = piece(1, true, 7, *n, total, bodies[usize::from(*n)]);
            let step = r.take(T, p, &mut out);
            assert_eq!(step, if i == 2 { Step::Complete } else { Step::Incomplete });
            if i < 2 {
                assert_eq!(r.take(T, p, &mut out), Step::Dropped(DropReason::DuplicateFragment));
            }
        }
        assert_eq!(out, b"headonetwo");
        assert!(r.entries.is_empty());
    }
}

#[test]
fn impossible_and_conflicting_numbers_are_refused() {
    let mut r = Reassembly::default();
    let mut out = Vec::new();
    for (n, t) in [(1, 1), (1, 8), (7, 7), (3, 3), (5, 3), (1, 15)] {
        let p = piece(1, true, 7, n, t, b"x");
        assert_eq!(r.take(T, p, &mut out), Step::Dropped(DropReason::BadFragment), "{n} of {t}");
    }
    r.take(T, piece(1, true, 7, 1, 3, b"x"), &mut out);
    assert_eq!(r.take(T, piece(1, true, 7, 2, 4, b"y"), &mut out), Step::Dropped(DropReason::BadFragment));
    r.take(T, piece(1, true, 7, 0, 0, b"h"), &mut out);
    assert_eq!(r.take(T, piece(1, true, 7, 2, 3, b"y"), &mut out), Step::Complete);
    assert_eq!(out, b"hxy");
}

#[test]
fn incomplete_packets_expire() {
    let mut r = Reassembly::default();
    let mut out = Vec::new();
    r.take(T, piece(1, true, 7, 0, 0, b"head"), &mut out);
    assert_eq!(r.deadline(), Some(T + REASSEMBLY_TIMEOUT));
    assert_eq!(r.expire(T + Duration::from_millis(4999)), r.deadline());
    assert_eq!(r.expire(T + Duration::from_millis(5000)), None);
    assert_eq!(r.expired, 1);
    assert_eq!(r.take(T, piece(1, true, 7, 1, 2, b"x"), &mut out), Step::Incomplete);
}

#[test]
fn a_flood_of_strangers_flushes_neither_peers_nor_other_sources_beyond_their_room() {
    let mut r = Reassembly::default();
    let mut out = Vec::new();
    r.take(T, piece(1, true, 7, 0, 0, b"head"), &mut out);
    r.take(T, piece(2, false, 8, 0, 0, b"head"), &mut out);
    for i in 0..10_000u64 {
        r.take(T, piece(3, false, 1000 + i, 1, 2, b"junk"), &mut out);
    }
    assert!(r.entries.len() <= KNOWN_ROOM + STRANGER_ROOM);
    assert_eq!(r.take(T, piece(2, false, 8, 1, 2, b"!"), &mut out), Step::Complete);
    for i in 0..10_000u64 {
        r.take(T, piece(10 + (i % 500) as u16, false, 90_000 + i, 1, 2, b"junk"), &mut out);
    }
    assert!(r.entries.len() <= KNOWN_ROOM + STRANGER_ROOM);
    assert_eq!(r.take(T, piece(1, true, 7, 1, 2, b"!"), &mut out), Step::Complete);
    assert_eq!(out, b"head!");
}

#[test]
fn a_known_peer_flooding_fragments_takes_only_its_own_places() {
    let mut r = Reassembly::default();
    let mut out = Vec::new();
    r.take(T, piece(1, true, 7, 0, 0, b"head"), &mut out);
    for p in 2..6 {
        for i in 0..200u64 {
            r.take(T, piece(p, true, 1000 + i, 1, 2, b"junk"), &mut out);
        }
    }
    assert_eq!(r.take(T, piece(1, true, 7, 1, 2, b"!"), &mut out), Step::Complete);
}

proptest! {
    /// Against a model: whatever order, duplication and interleaving, a packet comes out exactly when all its
    /// pieces arrived, and is what was cut.
    #[test]
    fn interleaved_packets_come_out_whole(
        sizes in prop::collection::vec(2u8..=7, 1..6),
        picks in prop::collection::vec((0usize..6, 0u8..7), 0..120),
    ) {
        let mut r = Reassembly::default();
        let mut out = Vec::new();
        let mut seen = vec![0u8; sizes.len()];
        for (packet, number) in picks {
            let packet = packet % sizes.len();
            let total = sizes[packet];
            let number = number % total;
            let body = [packet as u8, number, 0xaa];
            let step = r.take(T, piece(1, true, packet as u64, number, if number == 0 { 0 } else { total }, &body), &mut out);
            if seen[packet] & (1 << number) != 0 {
                prop_assert_eq!(step, Step::Dropped(DropReason::DuplicateFragment));
                continue;
            }
            seen[packet] |= 1 << number;
            if seen[packet].count_ones() == u32::from(total) {
                prop_assert_eq!(step, Step::Complete);
                let expected: Vec<u8> = (0..total).flat_map(|n| [packet as u8, n, 0xaa]).collect();
                prop_assert_eq!(&out, &expected);
                seen[packet] = 0;
            } else {
                prop_assert_eq!(step, Step::Incomplete);
            }
        }
    }
}
