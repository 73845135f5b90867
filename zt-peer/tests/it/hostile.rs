//! Bad input: each gets its named outcome, and nothing is lost (README of the shared folder, points 1 to 8).

use std::cell::RefCell;
use std::net::SocketAddr;

use proptest::prelude::*;
use zt_crypto::{PeerKeys, Suite};
use zt_peer::{PhysicalPrefix, Vl1Event};
use zt_wire::verb::{Echo, ErrorCode, ErrorReply, Frame, Hello, UserMessage, Verb, Whois, WorldVersion};
use zt_wire::{Address, Body, Emit, InetAddress, Packet, PacketId, SoftwareVersion, Writer, write_header};

use crate::contact::trio;
use crate::net::{NETWORK, Net, addr, address, planet, secret};

pub(crate) fn keys(from: usize, to: usize) -> PeerKeys {
    PeerKeys::new(secret(from).agree(secret(to).identity()).expect("agree"))
}

/// A packet as `from` would make it.
pub(crate) fn packet(from: usize, to: usize, id: u64, suite: Suite, body: &dyn Body) -> Vec<u8> {
    let mut bytes = vec![0; 28 + body.encoded_len()];
    let (header, payload) = bytes.split_at_mut(28);
    write_header(header.try_into().unwrap(), address(to), address(from), body.verb());
    body.emit(&mut Writer::new(payload)).unwrap();
    bytes[..8].copy_from_slice(&id.to_be_bytes());
    keys(from, to).seal(&mut bytes, suite);
    bytes
}

pub(crate) fn hello(n: usize, unix_ms: u64, protocol: u8) -> Hello<'static> {
    Hello {
        protocol,
        version: SoftwareVersion::new(1, 14, 1),
        timestamp: unix_ms,
        identity: *secret(n).identity(),
        destination: Some(InetAddress::None),
        planet: Some(WorldVersion { id: 1, timestamp: 1000 }),
        moons: &[],
    }
}

fn elsewhere() -> SocketAddr {
    SocketAddr::from(([66, 66, 66, 66], 666))
}

fn has_path(net: &Net, node: usize, peer: Address, remote: SocketAddr) -> bool {
    let view = net.nodes[node].vl1.peer(net.now, peer).expect("known");
    view.paths.iter().any(|p| p.path.remote.socket_addr() == Some(remote))
}

/// Safer point 1.
#[test]
fn a_replayed_ok_does_not_move_a_path() {
    let mut net = trio(1);
    net.run(500);
    net.keep_log = true;
    net.talk(1, 2, 50, 3_000);
    let to_a: Vec<Vec<u8>> =
        net.log.iter().filter(|(_, from, to, _)| *from == addr(3) && *to == addr(2)).map(|e| e.3.clone()).collect();
    assert!(to_a.len() > 10);
    let before = net.drops(1, "not-expected");
    for bytes in &to_a {
        net.inject(elsewhere(), addr(2), bytes);
    }
    net.run(2_000);
    assert!(!has_path(&net, 1, address(3), elsewhere()));
    assert!(net.drops(1, "not-expected") > before);
    assert!(net.is_direct(1, 2));
}

/// Safer point 1: an answer that is fresh, but comes from elsewhere than asked.
#[test]
fn an_intercepted_ok_from_another_address_does_not_move_a_path() {
    let mut net = trio(2);
    net.run(500);
    net.talk(1, 2, 50, 2_000);
    net.keep_log = true;
    net.cut(addr(3), addr(2));
    // What B answers is lost; the attacker saw it and sends it from its own address.
    net.nodes[2].frames.clear();
    for _ in 0..20 {
        net.log.clear();
        net.stream(1, 2, 50, 100);
        let now: Vec<_> = net.log.iter().filter(|(_, _, to, _)| *to == addr(3)).map(|e| e.3.clone()).collect();
        for bytes in now {
            net.inject(elsewhere(), addr(3), &bytes);
        }
    }
    assert!(!has_path(&net, 1, address(3), elsewhere()));
    assert!(!has_path(&net, 2, address(2), elsewhere()));
}

/// Safer point 2.
#[test]
fn an_old_hello_does_not_take_a_peer_back_and_a_true_downgrade_heals() {
    let mut net = trio(3);
    net.run(500);
    net.talk(1, 2, 50, 1_000);
    let version = |net: &Net| net.nodes[1].vl1.protocol_of(address(3));
    assert_eq!(version(&net), Some(12));
    let now_ms = u64::try_from(net.now.unix_ms).unwrap();
    // Recorded before B's upgrade, or long ago.
    for (time, protocol) in [(now_ms, 9), (now_ms - 3_600_000, 12), (0, 9)] {
        let bytes = packet(3, 2, 1000 + time, Suite::Poly1305None, &hello(3, time, protocol));
        let before = net.drops(1, "stale-hello");
        net.inject(addr(3), addr(2), &bytes);
        assert_eq!(net.drops(1, "stale-hello"), before + 1);
        assert_eq!(version(&net), Some(12));
        net.run(1_500);
    }
    // B restarts with its clock in 1970: its HELLOs are stale, but it answers the challenge.
    net.nodes[2] = {
        let mut other = Net::new(4);
        other.now = net.now;
        let world = planet(&[(1, addr(1))]);
        let index = other.add(3, Some(&world));
        other.nodes.swap_remove(index)
    };
    let real = net.now.unix_ms;
    net.now.unix_ms = 5_000_000;
    net.with(2, |vl1, now, out| {
        let again = *vl1.links().next().expect("one");
        vl1.add_link(now, again, out);
    });
    net.now.unix_ms = real;
    net.run(2_000);
    assert_eq!(version(&net), Some(12));
    net.talk(1, 2, 50, 2_000);
    assert!(net.is_direct(1, 2));
}

/// Safer point 4. Gate G1 (02 §6.2) let in one of a /24 in two seconds; now capacity decides, within bounded queues.
#[test]
fn a_flood_of_forged_hellos_is_bounded() {
    let mut net = trio(5);
    net.run(500);
    net.talk(1, 2, 50, 1_000);
    let before = net.nodes[1].jobs;
    net.set_worker_busy(1, true);
    let mut forged = hello(4, 1_700_000_000_000, 12);
    for n in 0..2_000u32 {
        forged.identity.public_key[7] = (n >> 8) as u8;
        forged.identity.public_key[8] = n as u8;
        forged.identity.address = Address::new(0x10_0000_0000 + u64::from(n));
        let mut bytes = packet(4, 2, u64::from(n), Suite::Poly1305None, &forged);
        bytes[13..18].copy_from_slice(&forged.identity.address.to_bytes());
        let from = SocketAddr::from(([50, (n % 3) as u8, 1, (n % 250) as u8], 9993));
        net.inject(from, addr(2), &bytes);
    }
    // Two are judged, and each of three /24 prefixes has its share of places to wait.
    assert_eq!(net.nodes[1].jobs - before, 2);
    assert_eq!(net.drops(1, "hello-gate"), 2_000 - 2 - 3 * 256);
    // All without validation, as the MAC is wrong.
    net.set_worker_busy(1, false);
    assert_eq!(net.nodes[1].jobs - before, 2 + 3 * 256);
    assert_eq!(net.drops(1, "bad-mac"), 2 + 3 * 256);
    // A good MAC, but an identity that does not fit its address.
    let mut invalid = hello(4, 1_700_000_000_000, 12);
    invalid.identity.address = Address::new(0x12_3456_789a);
    let mut bytes = packet(4, 2, 7, Suite::Poly1305None, &invalid);
    bytes[13..18].copy_from_slice(&invalid.identity.address.to_bytes());
    keys(4, 2).seal(&mut bytes, Suite::Poly1305None);
    net.inject(SocketAddr::from(([51, 1, 1, 1], 9993)), addr(2), &bytes);
    assert_eq!(net.drops(1, "invalid-identity"), 1);
    let peers = net.nodes[1].vl1.peer_count();
    assert_eq!(peers, 2);
    net.talk(1, 2, 50, 1_000);
    assert!(net.is_direct(1, 2));
}

#[test]
fn a_strangers_honest_hello_makes_a_peer() {
    let mut net = trio(6);
    net.run(500);
    let bytes = packet(4, 2, 99, Suite::Poly1305None, &hello(4, 1_700_000_000_000, 12));
    net.keep_log = true;
    net.inject(elsewhere(), addr(2), &bytes);
    assert!(net.nodes[1].vl1.identity_of(address(4)).is_some());
    net.run(20);
    let answered = net.log.iter().any(|(_, from, to, _)| *from == addr(2) && *to == elsewhere());
    assert!(answered);
    // A clone of its address is told so, in a way it can read; the first one stays.
    let known = *net.nodes[1].vl1.identity_of(address(4)).unwrap();
    let mut clone = hello(5, 1_700_000_000_000, 12);
    clone.identity.address = address(4);
    let mut bytes = packet(5, 2, 100, Suite::Poly1305None, &clone);
    bytes[13..18].copy_from_slice(&address(4).to_bytes());
    keys(5, 2).seal(&mut bytes, Suite::Poly1305None);
    net.log.clear();
    let from = SocketAddr::from(([67, 1, 1, 1], 1));
    net.inject(from, addr(2), &bytes);
    net.run(20);
    let (_, _, _, mut answer) = net.log.iter().find(|(_, _, to, _)| *to == from).expect("an ERROR").clone();
    assert_eq!(keys(5, 2).open(&mut answer), Ok(Suite::Salsa2012Poly1305));
    assert_eq!(answer[27], Verb::ERROR.0);
    assert_eq!(answer[37], ErrorCode::IDENTITY_COLLISION.0);
    assert_eq!(net.nodes[1].vl1.identity_of(address(4)), Some(&known));
    assert_eq!(net.drops(1, "identity-collision"), 1);
}

/// Packets of a thousand unknown senders a second, each from elsewhere: what we ask for ourselves, and what a root relays,
/// is asked first.
#[test]
fn unknown_senders_do_not_delay_a_first_contact() {
    for (from, to) in [(1, 2), (2, 1)] {
        let mut net = trio(15);
        net.run(500);
        let flood = |net: &mut Net, n: u32| {
            let mut junk = vec![n as u8; 60];
            junk[..4].copy_from_slice(&n.to_be_bytes());
            junk[8..13].copy_from_slice(&address(2).to_bytes());
            junk[13..18].copy_from_slice(&Address::new(0x11_0000_0000 + u64::from(n)).to_bytes());
            junk[18] = 0x08;
            net.inject(SocketAddr::from(([70, (n >> 8) as u8, n as u8, 1], 9993)), addr(2), &junk);
            net.run(1);
        };
        (0..3_000).for_each(|n| flood(&mut net, n));
        let start = net.now.mono;
        net.frame(from, to, b"the first");
        for n in 3_000..6_000 {
            flood(&mut net, n);
            if !net.nodes[to].frames.is_empty() {
                break;
            }
        }
        let took = net.nodes[to].frames.first().map(|f| f.0.saturating_since(start));
        assert!(took.is_some_and(|t| t.as_millis() <= 100), "{took:?}");
    }
}

/// Two strangers tell forty addresses of ours: none is told on.
#[test]
fn strangers_put_no_address_into_what_we_tell_others() {
    let mut net = trio(16);
    net.run(500);
    let before = net.nodes[1].vl1.surface_addresses(net.now);
    for n in 0..40u8 {
        for stranger in [4, 5] {
            let mut said = hello(stranger, 1_700_000_000_000, 12);
            said.destination = Some(InetAddress::from(SocketAddr::from(([66, 7, n, 7], 9993))));
            let id = 1_000 + u64::from(n) * 10 + stranger as u64;
            let bytes = packet(stranger, 2, id, Suite::Poly1305None, &said);
            net.inject(SocketAddr::from(([66, 66, stranger as u8, n], 9993)), addr(2), &bytes);
        }
    }
    assert!(net.nodes[1].vl1.identity_of(address(4)).is_some() && net.nodes[1].vl1.identity_of(address(5)).is_some());
    assert_eq!(net.nodes[1].vl1.surface_addresses(net.now), before);
}

/// A stranger sends in the name of others to everybody: pairs whose packets we relay are brought together all the same.
#[test]
fn strangers_do_not_use_up_introductions() {
    let mut net = trio(17);
    net.run(500);
    for n in 0..10_000u32 {
        let mut junk = vec![0; 60];
        junk[..4].copy_from_slice(&n.to_be_bytes());
        let (from, to) = if n % 2 == 0 { (2, 3) } else { (3, 2) };
        junk[8..13].copy_from_slice(&address(to).to_bytes());
        junk[13..18].copy_from_slice(&address(from).to_bytes());
        net.inject(SocketAddr::from(([71, (n >> 8) as u8, n as u8, 1], 9993)), addr(1), &junk);
    }
    net.talk(1, 2, 50, 2_000);
    assert!(net.is_direct(1, 2));
}

/// Safer point 5.
#[test]
fn trusted_packets_need_a_configured_id_and_never_zero() {
    let mut net = trio(7);
    net.run(500);
    net.talk(1, 2, 50, 1_000);
    let frame = Frame { network: NETWORK, ethertype: 0x0800, payload: b"12345678" };
    let trusted = |id: u64| {
        let mut bytes = packet(3, 2, 5, Suite::Salsa2012Poly1305, &frame);
        keys(3, 2).open(&mut bytes).unwrap();
        zt_crypto::trusted_path(&mut bytes, id);
        bytes
    };
    let prefix = |id: u64, mtu: u16| PhysicalPrefix {
        prefix: "10.0.0.0/8".parse().unwrap(),
        trusted_path_id: id,
        mtu,
        blacklist: false,
    };
    let frames = |net: &Net| net.nodes[1].frames.len();
    let before = frames(&net);
    net.inject(addr(3), addr(2), &trusted(0));
    net.with(1, |vl1, _, _| vl1.set_physical(vec![prefix(0, 1500)]));
    net.inject(addr(3), addr(2), &trusted(0));
    assert_eq!((frames(&net), net.drops(1, "untrusted-path")), (before, 2));
    net.with(1, |vl1, _, _| vl1.set_physical(vec![prefix(77, 0)]));
    net.inject(addr(3), addr(2), &trusted(0));
    net.inject(addr(3), addr(2), &trusted(78));
    let mut relayed = trusted(77);
    relayed[18] += 1;
    net.inject(addr(3), addr(2), &relayed);
    net.inject(elsewhere(), addr(2), &trusted(77));
    assert_eq!((frames(&net), net.drops(1, "untrusted-path")), (before, 6));
    net.inject(addr(3), addr(2), &trusted(77));
    assert_eq!(frames(&net), before + 1);
    // Sent so on the direct path, in clear; armoured when relayed.
    net.keep_log = true;
    net.frame(1, 2, b"12345678 in clear");
    net.run(20);
    let seen = |net: &Net, to: SocketAddr| {
        net.log.iter().any(|(_, _, t, b)| *t == to && b.windows(8).any(|w| w == b"in clear"))
    };
    assert!(seen(&net, addr(3)));
    net.cut_both(addr(2), addr(3));
    net.talk(1, 2, 50, 3_000);
    net.log.clear();
    net.frame(1, 2, b"12345678 in clear");
    net.run(20);
    assert!(!seen(&net, addr(1)) && !net.log.is_empty());
}

/// Safer point 6.
#[test]
fn readable_packets_only_of_verbs_that_are_sent_so() {
    let mut net = trio(8);
    net.run(500);
    net.talk(1, 2, 50, 1_000);
    let frames = net.nodes[1].frames.len();
    let frame = Frame { network: NETWORK, ethertype: 0x0800, payload: b"12345678" };
    let bodies: [&dyn Body; 4] =
        [&frame, &UserMessage { type_id: 70_000, data: b"x" }, &Echo { data: b"" }, &Whois::one(address(1))];
    for (n, body) in bodies.into_iter().enumerate() {
        let bytes = packet(3, 2, n as u64, Suite::Poly1305None, body);
        net.inject(addr(3), addr(2), &bytes);
        assert_eq!(net.drops(1, "plain-verb"), n as u64 + 1);
    }
    assert_eq!(net.nodes[1].frames.len(), frames);
    let told = net.nodes[1].events.iter().any(|(_, e)| matches!(e, Vl1Event::UserMessage { .. }));
    assert!(!told);
}

/// Safer point 7.
#[test]
fn errors_answer_what_was_sent_to_that_peer() {
    let mut net = trio(9);
    net.run(500);
    net.talk(1, 2, 50, 1_000);
    let code = ErrorCode::NEED_MEMBERSHIP_CERTIFICATE;
    let error = |id: u64| ErrorReply::network_error(Verb::FRAME, PacketId(id), code, NETWORK);
    let before = net.drops(1, "not-expected");
    net.inject(addr(3), addr(2), &packet(3, 2, 1, Suite::AesGmacSiv, &error(12345)));
    assert_eq!(net.drops(1, "not-expected"), before + 1);
    net.keep_log = true;
    net.frame(1, 2, b"12345678");
    net.run(20);
    let sent = net.log.iter().find(|(_, f, t, _)| *f == addr(2) && *t == addr(3)).expect("the frame").3.clone();
    let id = u64::from_be_bytes(sent[..8].try_into().unwrap());
    net.inject(addr(3), addr(2), &packet(3, 2, 2, Suite::AesGmacSiv, &error(id)));
    assert_eq!(net.drops(1, "not-expected"), before + 1, "passes once");
    net.inject(addr(3), addr(2), &packet(3, 2, 3, Suite::AesGmacSiv, &error(id)));
    assert_eq!(net.drops(1, "not-expected"), before + 2);
    // A question on the peer's own account names packet 0, and counts once a second.
    for (number, refused) in [(4, 2), (5, 3)] {
        net.inject(addr(3), addr(2), &packet(3, 2, number, Suite::AesGmacSiv, &error(0)));
        assert_eq!(net.drops(1, "not-expected"), before + refused);
    }
    let denied = ErrorReply::network_error(Verb::FRAME, PacketId(0), ErrorCode::NETWORK_ACCESS_DENIED, NETWORK);
    net.inject(addr(3), addr(2), &packet(3, 2, 6, Suite::AesGmacSiv, &denied));
    assert_eq!(net.drops(1, "not-expected"), before + 4, "nothing else does");
    let collision = ErrorReply::plain(Verb::HELLO, PacketId(id), ErrorCode::IDENTITY_COLLISION);
    net.inject(addr(3), addr(2), &packet(3, 2, 7, Suite::AesGmacSiv, &collision));
    assert!(!net.nodes[1].events.iter().any(|(_, e)| *e == Vl1Event::IdentityCollision));
}

/// Safer point 7, our side.
#[test]
fn refused_frames_cost_one_error_a_second_to_a_peer() {
    let mut net = trio(10);
    net.run(500);
    net.talk(1, 2, 50, 1_000);
    let before = net.nodes[1].sent;
    let error = ErrorReply::network_error(Verb::FRAME, PacketId(1), ErrorCode::NEED_MEMBERSHIP_CERTIFICATE, NETWORK);
    let path = zt_peer::Path { link: zt_peer::LinkId(1), remote: addr(3).into() };
    for _ in 0..100 {
        let to = zt_peer::ReplyTo { address: address(3), path, relayed: false };
        net.with(1, |vl1, now, out| vl1.reply(now, &to, &error, zt_peer::SendOptions::default(), out));
    }
    assert_eq!(net.nodes[1].sent - before, 1);
    assert_eq!(net.drops(1, "error-gate"), 99);
}

/// Safer point 8 (more beside the reassembly itself).
#[test]
fn a_fragment_flood_does_not_flush_a_peers_packet() {
    let mut net = trio(11);
    net.run(500);
    net.talk(1, 2, 50, 1_000);
    net.keep_log = true;
    net.cut_both(addr(2), addr(3));
    let frame = Frame { network: NETWORK, ethertype: 0x0800, payload: &[9; 2_000] };
    let whole = {
        let mut bytes = vec![0; 28 + frame.encoded_len()];
        let (header, payload) = bytes.split_at_mut(28);
        write_header(header.try_into().unwrap(), address(2), address(3), Verb::FRAME);
        frame.emit(&mut Writer::new(payload)).unwrap();
        Packet::new_checked(bytes.as_mut_slice()).unwrap().set_fragmented(true);
        keys(3, 2).seal(&mut bytes, Suite::AesGmacSiv);
        bytes
    };
    let mut second = whole[..8].to_vec();
    second.extend_from_slice(&address(2).to_bytes());
    second.extend_from_slice(&[0xff, 0x21, 0]);
    second.extend_from_slice(&whole[1_432..]);
    net.inject(addr(3), addr(2), &whole[..1_432]);
    for n in 0..5_000u32 {
        let mut junk = n.to_be_bytes().to_vec();
        junk.extend_from_slice(&[1, 2, 3, 4]);
        junk.extend_from_slice(&address(2).to_bytes());
        junk.extend_from_slice(&[0xff, 0x21, 0, 1, 2, 3]);
        let from = SocketAddr::from(([90, (n >> 8) as u8, n as u8, 1], 9993));
        net.inject(from, addr(2), &junk);
    }
    let frames = net.nodes[1].frames.len();
    net.inject(addr(3), addr(2), &second);
    assert_eq!(net.nodes[1].frames.len(), frames + 1);
}

#[test]
fn looping_self_addressed_and_foreign_packets_are_named() {
    let mut net = trio(12);
    net.run(500);
    let echo = Echo { data: b"" };
    net.inject(addr(3), addr(2), &packet(2, 2, 1, Suite::Salsa2012Poly1305, &echo));
    assert_eq!(net.drops(1, "from-ourself"), 1);
    net.inject(addr(3), addr(2), &packet(3, 4, 1, Suite::Salsa2012Poly1305, &echo));
    assert_eq!(net.drops(1, "not-our-relay"), 1);
    let mut looping = packet(3, 2, 1, Suite::Salsa2012Poly1305, &echo);
    looping[18] |= 3;
    net.inject(addr(3), addr(1), &looping);
    assert_eq!(net.drops(0, "hop-limit"), 1);
    let mut flipped = packet(1, 2, 1, Suite::AesGmacSiv, &echo);
    flipped[27] ^= 1;
    net.inject(addr(1), addr(2), &flipped);
    assert_eq!(net.drops(1, "bad-mac"), 1);
    net.inject(addr(1), addr(2), &[0; 12]);
    net.inject(addr(1), addr(2), &[0; 13]);
    assert_eq!(net.drops(1, "not-a-packet"), 2);
    let mut odd = packet(1, 2, 1, Suite::AesGmacSiv, &echo);
    odd[18] = 0x28;
    net.inject(addr(1), addr(2), &odd);
    assert_eq!(net.drops(1, "unknown-cipher"), 1);
}

#[test]
fn echoes_are_answered_six_times_a_second_per_path() {
    let mut net = trio(13);
    net.run(500);
    net.talk(1, 2, 50, 1_000);
    net.run(1_000);
    let before = net.drops(1, "echo-gate");
    for n in 0..10 {
        let bytes = packet(3, 2, 500 + n, Suite::AesGmacSiv, &Echo { data: b"" });
        net.inject(addr(3), addr(2), &bytes);
    }
    assert_eq!(net.drops(1, "echo-gate") - before, 9);
}

thread_local! {
    /// A net that many cases share, for making one costs more than a case; renewed now and then.
    static SHARED: RefCell<(u32, Option<Net>)> = const { RefCell::new((0, None)) };
}

/// Cases for which a net is used.
const SHARED_CASES: u32 = 128;

fn with_shared(f: impl FnOnce(&mut Net)) {
    SHARED.with_borrow_mut(|(used, net)| {
        let mut taken = net.take().filter(|_| *used % SHARED_CASES != 0).unwrap_or_else(|| {
            let mut net = trio(14);
            net.run(300);
            net
        });
        f(&mut taken);
        *used += 1;
        if *used % SHARED_CASES == 0 {
            taken.run(7_000);
            assert!(taken.nodes[1].vl1.is_online());
            taken.talk(1, 2, 50, 1_000);
            assert!(!taken.nodes[2].frames.is_empty());
        }
        *net = Some(taken);
    });
}

proptest! {
    /// Whatever is inside authentic packets, and whatever a datagram is: no panic, and the node goes on.
    #[test]
    fn junk_is_an_outcome(
        packets in prop::collection::vec((0u8..32, prop::collection::vec(any::<u8>(), 0..120), 0u8..8), 0..4),
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..4),
    ) {
        with_shared(|net| {
            for (n, (verb, body, hops)) in packets.iter().enumerate() {
                let unknown = zt_wire::verb::Unknown { verb: Verb(*verb), body };
                let from = if n % 2 == 0 { 1 } else { 3 };
                let mut bytes = packet(from, 2, n as u64, Suite::AesGmacSiv, &unknown);
                bytes[18] |= hops;
                net.inject(addr(from as u8), addr(2), &bytes);
            }
            for mut d in datagrams {
                if d.len() > 18 && d[0] & 1 == 0 {
                    d[8..13].copy_from_slice(&address(2).to_bytes());
                }
                net.inject(addr(1), addr(2), &d);
                net.inject(addr(3), addr(1), &d);
            }
            net.run(20);
        });
    }
}

/// One packet with thousands of dictionaries is one event, and no number of messages displaces what the owner must know.
#[test]
fn a_flood_of_messages_costs_one_event_each_and_hides_no_state() {
    let mut net = trio(15);
    net.run(500);
    net.talk(1, 2, 50, 500);
    let many: Vec<u8> = [b'x', 0].repeat(4_990);
    let trace = zt_wire::verb::RemoteTrace { body: &many };
    let traces =
        |net: &Net| net.nodes[1].events.iter().filter(|(_, e)| matches!(e, Vl1Event::RemoteTrace { .. })).count();
    net.inject(addr(3), addr(2), &packet(3, 2, 1, Suite::AesGmacSiv, &trace));
    assert_eq!(traces(&net), 1);
    // An owner that does not take events for a while, under a flood, while the root goes and comes back.
    let (now, path) = (net.now, zt_peer::LinkId(1));
    let message = UserMessage { type_id: 70_000, data: b"hi" };
    let mut out = zt_peer::Transmits::new();
    let (mut assembled, mut inflated) = (Vec::new(), Vec::new());
    for n in 0..20_000u64 {
        let mut bytes = packet(3, 2, n, Suite::Salsa2012Poly1305, if n % 2 == 0 { &message } else { &trace });
        let vl1 = &mut net.nodes[1].vl1;
        if let zt_peer::Look::Open(open) = vl1.look(now, path, addr(3).into(), &mut bytes, &mut assembled, &mut out) {
            let opened = open.open(&mut bytes);
            vl1.handle_opened(now, open.ticket, opened, &bytes, &mut inflated, &mut out);
        }
        if n == 10_000 {
            vl1.remove_link(now, path, &mut out);
            net.link(1, 1, addr(2), addr(2));
            net.run(50);
        }
    }
    net.run(500);
    let online: Vec<bool> = net.nodes[1]
        .events
        .iter()
        .filter_map(|(_, e)| match e {
            Vl1Event::Online(online) => Some(*online),
            _ => None,
        })
        .collect();
    assert_eq!(online.last(), Some(&net.nodes[1].vl1.is_online()));
    assert!(net.nodes[1].vl1.is_online());
    assert!(net.drops(1, "messages-full") > 5_000);
}

#[test]
fn without_a_listener_messages_are_no_events_at_all() {
    let mut net = Net::new(16);
    let node = net.add_configured(2, |config| config.hear_messages = false);
    net.link(node, 1, addr(2), addr(2));
    net.inject(addr(3), addr(2), &packet(3, 2, 1, Suite::Poly1305None, &hello(3, 1_700_000_000_000, 12)));
    let many: Vec<u8> = [b'x', 0].repeat(4_990);
    net.inject(
        addr(3),
        addr(2),
        &packet(3, 2, 2, Suite::Salsa2012Poly1305, &zt_wire::verb::RemoteTrace { body: &many }),
    );
    let message = UserMessage { type_id: 70_000, data: b"hi" };
    net.inject(addr(3), addr(2), &packet(3, 2, 3, Suite::Salsa2012Poly1305, &message));
    let heard = |e: &Vl1Event| matches!(e, Vl1Event::RemoteTrace { .. } | Vl1Event::UserMessage { .. });
    assert!(!net.nodes[node].events.iter().any(|(_, e)| heard(e)));
}
