//! Turns, bounds and proofs.

use std::net::SocketAddr;

use zt_crypto::{SharedKey, Suite};
use zt_wire::verb::{Echo, OkEcho};
use zt_wire::{Body, Writer, write_header};

use super::*;
use crate::link::{Endpoint, LinkId};

const T: Mono = Mono(100_000_000);
const US: Address = Address::new(9);

fn nobody(_: &Identity) -> bool {
    false
}

fn keys(n: u64) -> Arc<PeerKeys> {
    Arc::new(PeerKeys::new(SharedKey::from_bytes([n as u8; 48])))
}

fn identity(n: u64) -> Identity {
    Identity { address: Address::new(0x10_0000_0000 + n), public_key: [n as u8; 64] }
}

fn path(n: u64) -> Path {
    Path { link: LinkId(1), remote: Endpoint::Ip(SocketAddr::from(([10, (n >> 8) as u8, n as u8, 1], 9993))) }
}

fn ticket(n: u64, from: u64, at: Mono) -> Ticket {
    Ticket::new(identity(n).address, path(from), 0, PacketId(n), at)
}

/// A sealed packet of stranger `n`; any body will do.
fn packet(n: u64, id: u64, body: &dyn Body) -> Vec<u8> {
    let mut bytes = vec![0; 28 + body.encoded_len()];
    let (header, payload) = bytes.split_at_mut(28);
    write_header(header.try_into().unwrap(), US, identity(n).address, body.verb());
    body.emit(&mut Writer::new(payload)).unwrap();
    bytes[..8].copy_from_slice(&id.to_be_bytes());
    keys(n).seal(&mut bytes, Suite::Salsa2012Poly1305);
    bytes
}

fn hello(a: &mut Strangers, n: u64, from: u64, at: Mono) -> Result<Option<u64>, DropReason> {
    let bytes = packet(n, 1_000 + n, &Echo { data: b"stands for a HELLO" });
    a.hello(at, arrival(n, from, at, &bytes))
}

fn arrival(n: u64, from: u64, at: Mono, packet: &[u8]) -> Arrival<'_> {
    let (source, ticket, identity) = (Source::Prefix(from), ticket(n, from, at), identity(n));
    Arrival { source, ticket, identity, packet, case: Case::Stranger, known: false }
}

fn next(a: &mut Strangers) -> Option<(u64, Identity, bool)> {
    a.next(|_| true, nobody).map(|task| match task {
        Task::Judge { number, identity, validate, .. } => (number, identity, validate),
        Task::Admit(address) => panic!("nobody named {address}"),
    })
}

/// Lets the checks of all who wait pass, and challenges them; who is validated meanwhile turns out to be invalid.
fn check_all(a: &mut Strangers, at: Mono) {
    while !a.unchecked.is_empty() {
        let (number, identity, validate) = next(a).unwrap();
        let n = identity.address.as_u64() - 0x10_0000_0000;
        if validate {
            a.judged(number, Some(keys(n)), false);
        } else {
            assert!(matches!(a.judged(number, Some(keys(n)), true), Judgement::Authentic(_)));
            assert!(a.to_challenge(number).is_some());
            a.challenged(at, number, PacketId(n << 32));
        }
    }
}

fn answer(a: &mut Strangers, n: u64, from: u64, id: PacketId) -> bool {
    let ok = OkReply { in_re_packet: id, body: OkBody::Echo(OkEcho { data: &[] }) };
    a.answers(&ticket(n, from, T), &packet(n, 77, &ok))
}

#[test]
fn while_nobody_waits_both_steps_are_one() {
    let mut a = Strangers::default();
    assert_eq!(hello(&mut a, 1, 1, T), Ok(None));
    let (number, who, validate) = next(&mut a).unwrap();
    assert!(who == identity(1) && validate);
    assert!(next(&mut a).is_none());
    let Judgement::Valid(all) = a.judged(number, Some(keys(1)), true) else { panic!("valid") };
    assert_eq!(all.len(), 1);
    assert!(a.waiting.is_empty() && a.by_address.is_empty());
    assert!(matches!(a.judged(number, Some(keys(1)), true), Judgement::Nothing));
}

#[test]
fn who_answers_the_challenge_goes_before_all_who_do_not() {
    let mut a = Strangers::default();
    for n in 0..200 {
        hello(&mut a, n, n, T).unwrap();
    }
    check_all(&mut a, T);
    assert!(!answer(&mut a, 150, 151, PacketId(150 << 32)), "from elsewhere");
    assert!(!answer(&mut a, 150, 150, PacketId(149 << 32)), "to another question");
    assert!(!a.answers(&ticket(150, 150, T), &packet(151, 77, &Echo { data: b"" })), "sealed by somebody else");
    assert!(answer(&mut a, 150, 150, PacketId(150 << 32)));
    assert!(!answer(&mut a, 150, 150, PacketId(150 << 32)), "once");
    assert_eq!(next(&mut a).map(|t| (t.1, t.2)), Some((identity(150), true)));
}

#[test]
fn a_flood_from_one_prefix_takes_one_turn_in_two() {
    let mut a = Strangers::default();
    for n in 0..5_000 {
        let _ = hello(&mut a, n, 1, T);
    }
    assert!(a.waiting.len() <= UNCHECKED_ROOM / SHARE);
    hello(&mut a, 6_000, 2, T).unwrap();
    let second = (0..2).filter_map(|_| next(&mut a)).any(|t| t.1 == identity(6_000));
    assert!(second);
    assert_eq!(hello(&mut a, 6_001, 1, T), Ok(None), "one place is free again");
    assert_eq!(hello(&mut a, 6_002, 1, T), Err(DropReason::HelloGate));
}

#[test]
fn a_repeated_hello_keeps_its_place_and_the_newest_is_answered() {
    let mut a = Strangers::default();
    for n in 0..3 {
        hello(&mut a, n, n, T).unwrap();
    }
    let before = a.waiting.len();
    hello(&mut a, 1, 1, T).unwrap();
    assert_eq!(a.waiting.len(), before);
    check_all(&mut a, T);
    let later = T + Duration::from_secs(2);
    let number = *a.numbers(identity(1).address).first().unwrap();
    assert_eq!(hello(&mut a, 1, 1, later), Ok(Some(number)), "challenged again");
    assert_eq!(a.waiting[&number].ticket.arrived, later);
    // Forged in its name: changes nothing.
    let forged = packet(2, 5, &Echo { data: b"x" });
    let even_later = later + Duration::from_secs(2);
    let seen = a.hello(even_later, arrival(1, 1, even_later, &forged));
    assert_eq!(seen, Ok(None));
    assert_eq!(a.waiting[&number].ticket.arrived, later);
}

#[test]
fn one_identity_by_two_ways_is_validated_once_and_both_are_answered() {
    let mut a = Strangers::default();
    hello(&mut a, 1, 1, T).unwrap();
    let (first, _, validate) = next(&mut a).unwrap();
    assert!(validate);
    hello(&mut a, 1, 2, T).unwrap();
    assert!(next(&mut a).is_none());
    let Judgement::Valid(all) = a.judged(first, Some(keys(1)), true) else { panic!("valid") };
    assert_eq!(all.len(), 2);
    // When the first was forged, the second is judged by itself.
    hello(&mut a, 3, 1, T).unwrap();
    let (first, ..) = next(&mut a).unwrap();
    hello(&mut a, 3, 2, T).unwrap();
    assert!(next(&mut a).is_none());
    assert!(matches!(a.judged(first, None, false), Judgement::Refused(DropReason::BadMac)));
    assert!(next(&mut a).is_some());
}

#[test]
fn names_that_the_cache_vouches_for_are_let_in_by_the_check() {
    let mut a = Strangers::default();
    for n in 0..100 {
        hello(&mut a, n, n, T).unwrap();
    }
    let bytes = packet(200, 1, &Echo { data: b"x" });
    a.hello(T, Arrival { case: Case::Cached, ..arrival(200, 200, T, &bytes) }).unwrap();
    assert!(a.is_loading(identity(200).address));
    a.loaded(identity(200).address, Some(&identity(200)));
    let (number, who, validate) = next(&mut a).unwrap();
    assert!(who == identity(200) && !validate, "before all others");
    assert!(matches!(a.judged(number, Some(keys(200)), true), Judgement::Valid(_)));
    // Another identity under a known name is a stranger, as is one whose record never comes.
    let mut other = identity(201);
    other.public_key = [0xee; 64];
    a.hello(T, Arrival { case: Case::Cached, identity: other, ..arrival(201, 201, T, &bytes) }).unwrap();
    a.loaded(other.address, Some(&identity(201)));
    a.hello(T, Arrival { case: Case::Cached, ..arrival(202, 202, T, &bytes) }).unwrap();
    a.expire(T + LOADING);
    assert!(a.known.is_empty() && a.loading == 0);
}

#[test]
fn names_that_the_layer_above_knows_are_validated_first() {
    let mut a = Strangers::default();
    for n in 0..20 {
        hello(&mut a, n, n, T).unwrap();
    }
    check_all(&mut a, T);
    assert!((0..19).all(|n| answer(&mut a, n, n, PacketId(n << 32))));
    let bytes = packet(50, 1, &Echo { data: b"x" });
    a.hello(T, Arrival { known: true, ..arrival(50, 50, T, &bytes) }).unwrap();
    let (number, who, validate) = next(&mut a).unwrap();
    assert!(who == identity(50) && !validate);
    assert!(matches!(a.judged(number, Some(keys(50)), true), Judgement::Nothing));
    assert_eq!(next(&mut a), Some((number, identity(50), true)));
}

#[test]
fn validations_and_checks_take_turns() {
    let mut a = Strangers::default();
    for n in 0..20 {
        hello(&mut a, n, n, T).unwrap();
    }
    check_all(&mut a, T);
    for n in 0..18 {
        answer(&mut a, n, n, PacketId(n << 32));
    }
    let mut validated = 0;
    // More and more forged ones: their checks do not starve those who proved themselves.
    for n in 100..100 + 10 * CHECKS as u64 {
        hello(&mut a, n, n, T).unwrap();
        let (number, _, validate) = next(&mut a).unwrap();
        if validate {
            validated += 1;
        } else {
            a.judged(number, None, false);
        }
    }
    assert!((8..=12).contains(&validated), "{validated}");
}

#[test]
fn memory_is_bounded_and_old_ones_are_forgotten() {
    let mut a = Strangers::default();
    for n in 0..20_000 {
        let _ = hello(&mut a, n, n, T);
        if n % 500 == 499 {
            check_all(&mut a, T);
        }
    }
    assert!(a.waiting.len() <= UNPROVED_ROOM, "{}", a.waiting.len());
    assert_eq!(a.by_address.len(), a.waiting.len());
    for n in 0..10_000 {
        a.named(Source::Prefix(n), Address::new(0x70_0000_0000 + n));
    }
    assert!(a.unproved.len() <= UNPROVED_ROOM && a.lost_names.len() <= 10_000);
    a.expire(T + LOST);
    assert!(a.waiting.is_empty() && a.by_address.is_empty() && a.loading == 0);
}
