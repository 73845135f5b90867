//! Packets are written, and what they ask is remembered.

use std::net::SocketAddr;
use std::sync::OnceLock;

use zt_crypto::{SeededEntropy, SharedKey};
use zt_wire::SoftwareVersion;
use zt_wire::packet::MAX_PACKET_LEN;
use zt_wire::verb::{Echo, Message, Unknown};

use super::expect::{Purpose, Spread};
use super::*;
use crate::link::Endpoint;

const T: Mono = Mono(60_000_000);
const NOW: Now = Now { mono: T, unix_ms: 1_700_000_000_000 };
const PEER: Address = Address::new(5);
const L: LinkId = LinkId(1);

fn wire() -> Wire {
    static SECRET: OnceLock<Arc<SecretIdentity>> = OnceLock::new();
    let secret = SECRET.get_or_init(|| Arc::new(SecretIdentity::generate(&mut SeededEntropy::new(7))));
    let version = SoftwareVersion::new(0, 1, 2);
    Wire::new(Arc::clone(secret), version, Box::new(SeededEntropy::new(8)))
}

fn keys() -> Arc<PeerKeys> {
    Arc::new(PeerKeys::new(SharedKey::from_bytes([1; 48])))
}

fn path() -> Path {
    Path { link: L, remote: Endpoint::Ip(SocketAddr::from(([10, 0, 0, 1], 9993))) }
}

fn outgoing() -> Outgoing {
    Outgoing::new(PEER, keys(), Suite::Salsa2012Poly1305, path(), 1432)
}

const fn question() -> Question {
    Question { sent: T, purpose: Purpose::Probe, direct: true, spread: Spread::Exact, heard_first: true }
}

fn datagrams(out: &Transmits) -> Vec<Vec<u8>> {
    out.iter().flat_map(|t| t.datagrams().map(<[u8]>::to_vec).collect::<Vec<_>>()).collect()
}

#[test]
fn a_question_is_expected_to_be_answered_once_by_whom_was_asked() {
    let (mut w, mut out) = (wire(), Transmits::new());
    let asked = Outgoing { at_once: false, asks: Some(question()), ..outgoing() };
    let id = w.write(asked, &Echo { data: b"?" }, &mut out).unwrap().expect("a question is sealed at once");
    assert_eq!(w.answered(T, Address::new(6), Verb::ECHO, id, L), None);
    let expected = w.answered(T, PEER, Verb::ECHO, id, L).unwrap();
    assert_eq!(expected, Expected::new(PEER, path(), Verb::ECHO, question()));
    assert_eq!(w.answered(T, PEER, Verb::ECHO, id, L), None);
}

#[test]
fn what_asks_nothing_is_not_expected_to_be_answered() {
    let (mut w, mut out) = (wire(), Transmits::new());
    let id = w.write(outgoing(), &Echo { data: b"." }, &mut out).unwrap().unwrap();
    assert_eq!(w.answered(T, PEER, Verb::ECHO, id, L), None);
    assert!(!w.refused(T, PEER, Verb::ECHO, id, L));
    let later = Outgoing { at_once: false, ..outgoing() };
    assert_eq!(w.write(later, &Echo { data: b"." }, &mut out), Ok(None), "its ID is not final yet");
}

#[test]
fn an_error_ends_a_question() {
    let (mut w, mut out) = (wire(), Transmits::new());
    let asked = Outgoing { asks: Some(question()), ..outgoing() };
    let id = w.write(asked, &Echo { data: &[] }, &mut out).unwrap().unwrap();
    assert!(w.refused(T, PEER, Verb::ECHO, id, L) && !w.refused(T, PEER, Verb::ECHO, id, L));
}

#[test]
fn frames_are_remembered_once_they_are_sealed() {
    let (mut w, mut out) = (wire(), Transmits::new());
    let frame = Unknown { verb: Verb::FRAME, body: &[0; 60] };
    w.write(Outgoing { at_once: false, ..outgoing() }, &frame, &mut out).unwrap();
    w.write(outgoing(), &Echo { data: &[] }, &mut out).unwrap();
    out.seal();
    w.note_sealed(T, &out);
    let id = |n: usize| PacketId(u64::from_be_bytes(*datagrams(&out)[n].first_chunk().unwrap()));
    assert!(w.has_sent_frame(T, PEER, id(0)));
    assert!(!w.has_sent_frame(T, PEER, id(1)) && !w.has_sent_frame(T, Address::new(6), id(0)));
}

#[test]
fn a_node_without_aes_tells_an_older_protocol_and_seals_with_salsa() {
    let (mut w, mut out) = (wire(), Transmits::new());
    w.leave_out_aes();
    let version = WorldVersion { id: 7, timestamp: 1 };
    let hello = Outgoing { suite: Suite::Poly1305None, ..outgoing() };
    w.write_hello(NOW, hello, path().remote.inet(), version, &[], &mut out).unwrap();
    let mut packet = datagrams(&out).remove(0);
    assert_eq!(keys().open(&mut packet), Ok(Suite::Poly1305None));
    let view = Packet::new_checked(packet.as_slice()).unwrap();
    let opened = view.opened();
    let Ok(Message::Hello(hello)) = Message::parse(Verb::HELLO, opened.payload()) else { panic!("a HELLO") };
    assert_eq!((hello.protocol, w.answer_to_hello(0, path().remote.inet(), &[]).protocol), (11, 11));

    let (mut out, to_a_peer_of_today) = (Transmits::new(), Outgoing { suite: Suite::AesGmacSiv, ..outgoing() });
    w.write(to_a_peer_of_today, &Echo { data: b"." }, &mut out).unwrap();
    assert_eq!(keys().open(&mut datagrams(&out)[0]), Ok(Suite::Salsa2012Poly1305));
}

#[test]
fn a_hello_says_who_we_are_and_which_worlds_we_have() {
    let (mut w, mut out) = (wire(), Transmits::new());
    let (planet, moon) = (WorldVersion { id: 7, timestamp: 1 }, WorldVersion { id: 9, timestamp: 2 });
    let asked = Outgoing { suite: Suite::Poly1305None, asks: Some(question()), ..outgoing() };
    let to = path().remote.inet();
    let id = w.write_hello(NOW, asked, to, planet, &[moon], &mut out).unwrap().unwrap();
    assert!(w.answered(T, PEER, Verb::HELLO, id, L).is_some());
    let mut packet = datagrams(&out).remove(0);
    assert_eq!(keys().open(&mut packet), Ok(Suite::Poly1305None));
    let view = Packet::new_checked(packet.as_slice()).unwrap();
    assert_eq!((view.source(), view.destination(), view.id()), (w.address(), PEER, id));
    let opened = view.opened();
    let Ok(Message::Hello(hello)) = Message::parse(Verb::HELLO, opened.payload()) else { panic!("a HELLO") };
    assert_eq!((hello.identity, hello.destination, hello.planet), (*w.own(), Some(to), Some(planet)));
    assert_eq!((hello.version, hello.timestamp), (SoftwareVersion::new(0, 1, 2), 1_700_000_000_000));
    let mut moons = hello.moons.to_vec();
    keys().mask_hello_tail(id, &mut moons);
    assert_eq!(zt_wire::verb::parse_moons(&moons).unwrap(), [moon]);
}

#[test]
fn what_is_too_long_for_a_receiver_leaves_nothing_behind() {
    let (mut w, mut out) = (wire(), Transmits::new());
    let long = vec![0; MAX_PACKET_LEN];
    let refused = w.write(Outgoing { asks: Some(question()), ..outgoing() }, &Echo { data: &long }, &mut out);
    assert_eq!((refused, out.is_empty()), (Err(SendError::TooLong), true));
}

#[test]
fn what_compresses_is_shorter_and_what_is_long_is_cut() {
    let (mut w, mut out) = (wire(), Transmits::new());
    let zeros = vec![0; 4000];
    w.write(Outgoing { compress: true, ..outgoing() }, &Echo { data: &zeros }, &mut out).unwrap();
    assert!(datagrams(&out).len() == 1 && out.last_len() < 200);
    out.clear();
    w.write(outgoing(), &Echo { data: &zeros }, &mut out).unwrap();
    assert_eq!(datagrams(&out).len(), 3);
    assert!(datagrams(&out).iter().all(|d| d.len() <= 1432));
}
