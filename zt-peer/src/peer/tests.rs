//! What needs more than one part of a peer.

use std::net::SocketAddr;

use zt_crypto::SharedKey;
use zt_wire::SoftwareVersion;

use super::*;
use crate::link::{Endpoint, LinkId, Path, Room};

const V12: PeerVersion = PeerVersion { protocol: 12, software: SoftwareVersion::new(1, 14, 1) };
const V4: PeerVersion = PeerVersion { protocol: 4, software: SoftwareVersion::new(1, 0, 6) };
const HELLO_LEN: usize = 149;

fn peer() -> Peer {
    let identity = Identity { address: Address::new(5), public_key: [0; 64] };
    Peer::new(t(0), identity, Arc::new(PeerKeys::new(SharedKey::from_bytes([1; 48]))))
}

fn t(ms: u64) -> Mono {
    Mono::from_millis(ms)
}

fn at(host: u8) -> Path {
    Path { link: LinkId(1), remote: Endpoint::Ip(SocketAddr::from(([10, 0, 0, host], 9993))) }
}

/// A path that answered after some milliseconds.
fn adopt(peer: &mut Peer, path: Path, now: u64, took: u64) {
    let (asked, sent, probe, heard_first) = (path, t(now - took), true, false);
    _ = peer.adopt(
        t(now),
        &Proof {
            path,
            asked,
            sent,
            probe,
            heard_first,
            rank: 0,
            room: Room::fixed(1432),
            trusted: None,
            lasting: true,
        },
    );
}

/// A packet of keep-alive over a root.
const RELAYED: Heard = Heard {
    path: Path { link: LinkId(1), remote: Endpoint::Mac(zt_wire::Mac([0; 6])) },
    direct: false,
    nontrivial: false,
    hello: false,
    trust: false,
};

fn hears(peer: &mut Peer, now: u64) {
    assert_eq!(peer.heard(t(now), &RELAYED), Whence::Root(false));
}

fn kinds(care: &Care) -> Vec<Probe> {
    match care {
        Care::Ask(questions) | Care::AskAndLookAround(questions) => questions.iter().map(|q| q.kind).collect(),
        _ => panic!("{care:?}"),
    }
}

#[test]
fn a_root_with_a_path_is_greeted_seldom_and_kept_alive_between() {
    let mut root = peer();
    assert_eq!(root.tend_root(t(1_000), &Periods::USUAL, true), Care::TryRoot, "it was never tried");
    root.greetings_mut().tries_root(t(1_000));
    assert_eq!(root.tend_root(t(2_000), &Periods::USUAL, true), Care::Ask(Vec::new()));
    adopt(&mut root, at(1), 2_100, 20);
    let care = root.tend_root(t(5_000), &Periods::USUAL, true);
    assert!(matches!(care, Care::AskAndLookAround(_)), "other links are tried when it is greeted");
    assert_eq!(kinds(&care), [Probe::Hello]);
    assert_eq!(kinds(&root.tend_root(t(10_000), &Periods::USUAL, true)), []);
    let care = root.tend_root(t(25_000), &Periods::USUAL, true);
    assert!(matches!(care, Care::Ask(_)));
    assert_eq!(kinds(&care), [Probe::Echo]);
    assert_eq!(kinds(&root.tend_root(t(125_000), &Periods::USUAL, true)), [Probe::Hello]);
}

#[test]
fn a_contact_without_a_path_is_greeted_over_a_root_now_and_then() {
    let mut p = peer();
    assert_eq!(p.tend_contact(t(1_000), &Periods::USUAL), Care::OverRoot);
    assert_eq!(p.tend_contact(t(28_999), &Periods::USUAL), Care::Ask(Vec::new()));
    assert_eq!(p.tend_contact(t(29_000), &Periods::USUAL), Care::OverRoot);
    adopt(&mut p, at(1), 30_000, 20);
    assert_eq!(kinds(&p.tend_contact(t(88_999), &Periods::USUAL)), [Probe::Echo]);
    assert_eq!(kinds(&p.tend_contact(t(89_000), &Periods::USUAL)), [Probe::Hello]);
}

#[test]
fn an_active_peer_is_greeted_once_a_minute() {
    let mut p = peer();
    adopt(&mut p, at(1), 1_000, 20);
    let asked: Vec<_> =
        (0..24u64).flat_map(|n| p.keep_alive(t(1_000 + 5_000 * n), &Periods::USUAL)).map(|q| q.kind).collect();
    let (hello, echo) = (Probe::Hello, Probe::Echo);
    assert_eq!(asked, [hello, echo, echo, echo, hello, echo, echo, echo]);
}

#[test]
fn traffic_without_a_path_asks_for_an_address_and_none_asks_for_nothing() {
    let mut p = peer();
    assert_eq!(p.check(t(1_000)), Check::default());
    p.sends_traffic(t(1_000));
    assert!(p.check(t(1_001)).pathless);
    adopt(&mut p, at(1), 1_002, 1);
    assert!(!p.check(t(1_003)).pathless);
}

#[test]
fn a_root_is_retried_while_it_has_no_path() {
    let mut root = peer();
    assert_eq!(root.retry_root(t(1_000)), (false, None), "it is no root that was tried");
    let due = root.greet_root(t(1_000));
    root.greetings_mut().tries_root(t(1_000));
    assert_eq!(root.retry_root(t(1_100)), (false, Some(due)));
    assert_eq!(root.retry_root(due), (true, Some(t(1_750))));
    hears(&mut root, 1_300);
    assert_eq!(root.retry_root(t(1_750)), (false, Some(t(3_250))), "it challenged us, and knows that we wait");
    adopt(&mut root, at(1), 1_800, 20);
    assert_eq!(root.retry_root(t(9_000)), (false, None));
}

#[test]
fn roots_stand_by_route_then_rank_then_latency_and_silence() {
    let root = |path: Option<(u64, i32)>, heard: Option<u64>| {
        let mut p = peer();
        if let Some((took, rank)) = path {
            let (path, sent) = (at(1), t(100_000 - took));
            let (asked, probe, heard_first, room, trusted) = (path, true, false, Room::fixed(1432), None);
            _ = p.adopt(
                t(100_000),
                &Proof { path, asked, sent, probe, heard_first, rank, room, trusted, lasting: true },
            );
        }
        heard.into_iter().for_each(|at| hears(&mut p, at));
        p.standing(t(130_000))
    };
    let best = root(Some((20, 0)), Some(120_000));
    assert!(best < root(Some((30, 0)), Some(120_000)), "nearer");
    assert!(best < root(Some((20, 0)), Some(60_000)), "heard lately");
    assert!(best < root(Some((1, 1)), Some(120_000)), "a better rank");
    assert!(root(Some((900, 3)), None) < root(None, Some(120_000)), "some path or none");
}

#[test]
fn who_is_heard_elsewhere_is_asked_for_no_more_than_it_sent() {
    let mut p = peer();
    let confirm = |p: &Peer, credit| p.confirmation(HELLO_LEN, credit);
    assert_eq!(confirm(&p, None), Some(Probe::Hello), "which tells its version as well");
    assert_eq!(confirm(&p, Some(HELLO_LEN)), Some(Probe::Hello));
    assert_eq!(confirm(&p, Some(HELLO_LEN - 1)), Some(Probe::Echo));
    assert_eq!(confirm(&p, Some(HEADER_LEN - 1)), None);
    p.software_mut().recall(V12);
    assert_eq!((confirm(&p, None), p.understood(Probe::Echo)), (Some(Probe::Echo), Probe::Echo));
    p.software_mut().recall(V4);
    assert_eq!((confirm(&p, None), p.understood(Probe::Echo)), (Some(Probe::Hello), Probe::Hello));
    assert_eq!(confirm(&p, Some(HELLO_LEN - 1)), None, "it does not understand ECHO");
}

#[test]
fn a_record_is_worth_keeping_once_path_and_version_are_known() {
    let mut p = peer();
    adopt(&mut p, at(1), 1_000, 20);
    assert!(!p.is_newly_known());
    p.software_mut().recall(V12);
    assert!(p.is_newly_known() && !p.is_newly_known());
    assert_eq!(p.paths().worth_keeping(), ["10.0.0.1:9993".parse().unwrap()]);
}

#[test]
fn a_new_address_makes_introductions_worth_repeating() {
    let mut p = peer();
    let other = Address::new(7);
    assert!(p.united_mut().note(t(1_000), other));
    assert!(p.united().is_fresh(t(1_001), other, t(0)));
    adopt(&mut p, at(1), 2_000, 20);
    assert!(!p.united().is_fresh(t(2_000), other, t(0)));
    assert_eq!(p.united().moved_at(), t(2_000));
}

#[test]
fn what_is_heard_ends_the_search_for_another_root() {
    let mut p = peer();
    p.detour_mut().sends(t(1_000));
    assert_eq!(p.detour().turn(t(5_000)), 2);
    hears(&mut p, 5_000);
    assert_eq!(p.detour().turn(t(9_000)), 0);
}

#[test]
fn a_packet_says_by_which_path_the_peer_is_heard_and_whether_it_left_one() {
    let mut p = peer();
    let direct = Heard { path: at(1), direct: true, nontrivial: true, ..RELAYED };
    assert_eq!(p.heard(t(1_000), &direct), Whence::Elsewhere);
    assert!(p.activity().is_active(t(1_000)) && !p.activity().is_trusted(t(1_000)));
    adopt(&mut p, at(1), 1_000, 20);
    assert!(matches!(p.heard(t(1_500), &direct), Whence::Path(Some(_))), "traffic is watched");
    assert_eq!(p.heard(t(1_500), &Heard { nontrivial: false, ..direct }), Whence::Path(None));
    assert_eq!(p.heard(t(9_000), &RELAYED), Whence::Root(false), "keep-alive goes over roots as well");
    let said = Heard { hello: true, trust: true, ..RELAYED };
    assert_eq!(p.heard(t(9_000), &said), Whence::Root(true), "who greets over a root may have lost its path");
    assert!(p.activity().is_trusted(t(9_000)));
    assert_eq!(p.heard(t(9_001), &said), Whence::Root(false), "it is looked at already");
}

#[test]
fn who_is_heard_elsewhere_is_asked_unless_a_port_beside_it_is_fresh() {
    let mut p = peer();
    let beside = Path { remote: Endpoint::Ip(SocketAddr::from(([10, 0, 0, 1], 40_000))), ..at(1) };
    assert!(!p.asks_elsewhere(t(1_000), beside, true), "an ERROR is not worth a question");
    assert!(p.asks_elsewhere(t(1_000), beside, false) && !p.asks_elsewhere(t(1_001), beside, false));
    adopt(&mut p, at(1), 3_000, 20);
    assert!(!p.asks_elsewhere(t(3_100), beside, false));
    assert!(p.asks_elsewhere(t(3_400), beside, false));
}
