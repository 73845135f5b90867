//! A forged source address gets no more bytes than were sent in its name (one valid identity writes any address on the
//! envelope), and who truly is there notices nothing of that.

use std::net::SocketAddr;

use proptest::prelude::*;
use zt_crypto::Suite;
use zt_wire::verb::{Echo, Frame, Hello, PathRecord, PushDirectPaths, Unknown, Verb, Whois};
use zt_wire::{Body, InetAddress, Packet, write_header};

use crate::contact::trio;
use crate::hostile::{hello, keys, packet};
use crate::net::{NETWORK, Net, addr, address};

/// Who attacks: nobody's friend, but with an identity that is valid.
const MALLORY: usize = 4;
/// Indexes in the net.
const ROOT: usize = 0;
const MEMBER: usize = 1;

/// Addresses of somebody who has nothing to do with all this.
fn victim(port: u16) -> SocketAddr {
    SocketAddr::from(([66, 66, 66, 66], port))
}

fn is_victim(a: SocketAddr) -> bool {
    matches!(a, SocketAddr::V4(a) if a.ip().octets()[0] == 66)
}

/// Bytes in the name of the victim, and bytes that it got.
fn balance(net: &Net) -> (usize, usize) {
    let sum = |f: &dyn Fn(&SocketAddr, &SocketAddr) -> bool| {
        net.log.iter().filter(|(_, from, to, _)| f(from, to)).map(|(.., b)| b.len()).sum()
    };
    (sum(&|from, _| is_victim(*from)), sum(&|_, to| is_victim(*to)))
}

fn compressed(to: usize, id: u64, body: &dyn Body) -> Vec<u8> {
    let mut squeezed = Vec::new();
    let payload = body.to_vec();
    let block = zt_wire::lz4::compress(&payload, &mut squeezed).expect("smaller so").to_vec();
    let mut bytes = vec![0; 28];
    write_header((&mut bytes[..28]).try_into().unwrap(), address(to), address(MALLORY), body.verb());
    bytes.extend_from_slice(&block);
    bytes[..8].copy_from_slice(&id.to_be_bytes());
    Packet::new_checked(bytes.as_mut_slice()).unwrap().set_compressed(true);
    keys(MALLORY, to).seal(&mut bytes, Suite::Salsa2012Poly1305);
    bytes
}

fn push(addresses: impl IntoIterator<Item = SocketAddr>) -> PushDirectPaths<'static> {
    let records = addresses.into_iter().map(|a| PathRecord::from(InetAddress::from(a))).collect();
    PushDirectPaths { records, missing: 0, rest: &[] }
}

/// What Mallory sends to the node of secret `to`.
fn make(kind: u8, to: usize, id: u64) -> Vec<u8> {
    let plain = |body: &dyn Body| packet(MALLORY, to, id, Suite::Salsa2012Poly1305, body);
    let stamp = 1_700_000_000_000 + id;
    match kind {
        0 => packet(MALLORY, to, id, Suite::Poly1305None, &hello(MALLORY, stamp, 12)),
        // Without worlds: is told all that there are.
        1 => {
            let bare: Hello<'_> = Hello { planet: None, ..hello(MALLORY, stamp, 9) };
            packet(MALLORY, to, id, Suite::Poly1305None, &bare)
        }
        2 => plain(&Whois { addresses: vec![address(1), address(2), address(3)], rest: &[] }),
        3 => compressed(to, id, &Whois { addresses: vec![address(1); 1_900], rest: &[] }),
        4 => plain(&Echo { data: b"" }),
        5 => compressed(to, id, &Echo { data: &[0; 9_000] }),
        6 => plain(&push((0..8).map(|n| victim(1_000 + n)))),
        7 => compressed(to, id, &push(vec![victim(7); 300])),
        8 => plain(&push((0..40).map(|n| SocketAddr::from(([66, 1, (id % 250) as u8, n], 9993))))),
        9 => plain(&Frame { network: NETWORK, ethertype: 0x0800, payload: b"12345678" }),
        // A HELLO of long ago: is challenged.
        10 => packet(MALLORY, to, id, Suite::Poly1305None, &hello(MALLORY, 5 + id, 12)),
        _ => plain(&Unknown { verb: Verb(kind), body: &[] }),
    }
}

const KINDS: u8 = 11;

#[test]
fn no_verb_is_amplified_towards_an_address_that_was_not_proved() {
    println!("{:>5} {:>7} {:>9} {:>9} {:>6}", "kind", "node", "bytes in", "bytes out", "ratio");
    for kind in 0..KINDS {
        for (index, to) in [(ROOT, 1), (MEMBER, 2)] {
            let mut net = trio(200);
            net.run(500);
            // Mallory is known, by an honest HELLO from its own address.
            net.inject(addr(4), addr(to), &make(0, usize::from(to), 1));
            net.run(2_000);
            net.keep_log = true;
            for n in 0..120 {
                let from = victim(if n % 4 == 0 { 1_000 + n as u16 } else { 9993 });
                net.inject(from, addr(to), &make(kind, usize::from(to), 100 + n));
                net.run(20);
            }
            net.run(3_000);
            let (came, went) = balance(&net);
            let ratio = went as f64 / came as f64;
            println!("{kind:>5} {index:>7} {came:>9} {went:>9} {ratio:>6.2}");
            assert!(went <= came, "kind {kind}: {went} bytes for {came}");
        }
    }
}

#[test]
fn what_a_peer_names_from_its_own_address_costs_it_what_it_causes() {
    for kind in [6, 7, 8] {
        let mut net = trio(201);
        net.run(500);
        net.keep_log = true;
        net.inject(addr(4), addr(2), &make(0, 2, 1));
        for n in 0..100 {
            net.inject(addr(4), addr(2), &make(kind, 2, 100 + n));
            net.run(50);
        }
        let sent: usize = net.log.iter().filter(|(_, from, ..)| *from == addr(4)).map(|(.., b)| b.len()).sum();
        let (_, went) = balance(&net);
        assert!(went <= sent, "kind {kind}: {went} bytes for {sent}");
    }
}

#[test]
fn an_honest_newcomer_is_answered_at_once_and_what_it_asks_early_is_answered_when_it_is_proved() {
    let mut net = trio(202);
    net.run(500);
    net.keep_log = true;
    // The whole conversation of a node that starts: a HELLO, and a WHOIS before it can have been proved.
    net.inject(addr(9), addr(1), &make(0, 1, 1));
    net.inject(addr(9), addr(1), &make(2, 1, 2));
    net.run(10);
    let mut verbs = Vec::new();
    let mut echo = None;
    for (_, from, to, mut bytes) in net.log.clone() {
        if from == addr(1) && to == addr(9) {
            keys(MALLORY, 1).open(&mut bytes).expect("ours");
            verbs.push((bytes[27] & 0x1f, bytes.get(28).copied()));
            if bytes[27] & 0x1f == Verb::ECHO.0 {
                echo = Some(u64::from_be_bytes(bytes[..8].try_into().unwrap()));
            }
        }
    }
    assert_eq!(verbs[0], (Verb::OK.0, Some(Verb::HELLO.0)));
    assert_eq!(verbs[1], (Verb::ECHO.0, None));
    assert_eq!(verbs.len(), 2, "the answer to WHOIS waits");
    let ok = zt_wire::verb::OkReply {
        in_re_packet: zt_wire::PacketId(echo.expect("a question")),
        body: zt_wire::verb::OkBody::Echo(zt_wire::verb::OkEcho { data: b"" }),
    };
    net.log.clear();
    net.inject(addr(9), addr(1), &packet(MALLORY, 1, 3, Suite::Salsa2012Poly1305, &ok));
    net.run(10);
    let answers: Vec<usize> = net.log.iter().filter(|(_, _, to, _)| *to == addr(9)).map(|(.., b)| b.len()).collect();
    assert!(answers.iter().any(|len| *len > 28 + 3 * 71), "three identities: {answers:?}");
}

#[test]
fn duplicates_in_one_whois_count_once() {
    let mut net = trio(203);
    net.run(500);
    net.inject(addr(2), addr(1), &packet(2, 1, 5, Suite::AesGmacSiv, &Echo { data: b"" }));
    net.run(500);
    net.keep_log = true;
    let whois = Whois { addresses: vec![address(3); 500], rest: &[] };
    net.inject(addr(2), addr(1), &packet(2, 1, 6, Suite::AesGmacSiv, &whois));
    net.run(20);
    let longest = net.log.iter().filter(|(_, from, to, _)| (*from, *to) == (addr(1), addr(2))).map(|(.., b)| b.len());
    assert_eq!(longest.max(), Some(28 + 9 + 71));
}

#[test]
fn many_ports_of_one_peer_do_not_keep_others_from_being_answered() {
    let mut net = trio(204);
    net.run(500);
    net.talk(1, 2, 50, 1_000);
    net.inject(addr(4), addr(2), &make(0, 2, 1));
    for n in 0..5_000u16 {
        net.inject(victim(1_000 + n), addr(2), &make(4, 2, 100 + u64::from(n)));
    }
    net.keep_log = true;
    net.inject(addr(3), addr(2), &packet(3, 2, 7, Suite::AesGmacSiv, &Echo { data: b"" }));
    net.run(10);
    assert!(net.log.iter().any(|(_, from, to, b)| (*from, *to) == (addr(2), addr(3)) && b.len() == 28 + 9));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 4))]
    /// Whatever one identity sends in the names of others, in whatever order and at whatever pace. (The frame of kind 9
    /// makes it a member, whose allowance must not be spent there.)
    #[test]
    fn the_balance_never_tips(
        steps in prop::collection::vec((0..KINDS, 0u16..6, 0u64..400), 1..60), root in any::<bool>(), known in any::<bool>(),
    ) {
        let (index, to) = if root { (ROOT, 1u8) } else { (MEMBER, 2u8) };
        let mut net = trio(205);
        net.run(300);
        if known {
            net.inject(addr(4), addr(to), &make(0, usize::from(to), 1));
            net.run(100);
        }
        net.keep_log = true;
        for (n, (kind, port, pause)) in steps.into_iter().enumerate() {
            net.inject(victim(9_000 + port), addr(to), &make(kind, usize::from(to), 100 + n as u64));
            net.run(pause);
            let (came, went) = balance(&net);
            prop_assert!(went <= came, "node {index}: {went} bytes for {came}");
        }
        net.run(2_500);
        let (came, went) = balance(&net);
        prop_assert!(went <= came, "node {index}: {went} bytes for {came}");
    }
}
