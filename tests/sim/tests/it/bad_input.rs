//! Bad input of each kind, sealed with the right keys where that gets it further: every one has its name in the
//! counters and changes nothing (issue 3, Bad input; the table in docs/attacks.md names these tests).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use zt_crypto::{KeyPair, PeerKeys, SecretIdentity, SeededEntropy, Suite, fingerprint, sign_world};
use zt_test_sim::{Lab, NodeId, PORT, Place, START_OF_TIME, Sim, StreamId};
use zt_wire::verb::{ChunkSeal, ConfigChunk, Echo, Frame, Hello, NetworkCredentials, OkBody, OkReply, WorldVersion};
use zt_wire::world::WorldKind;
use zt_wire::{
    Body, Identity, Membership, NetworkId, PacketId, Qualifier, Signature, SoftwareVersion, Verb, Writer, write_header,
};

/// Two public members that ping each other over a direct path.
fn flowing(name: &str, seed: u64) -> (Lab, StreamId) {
    let mut lab = Lab::new(name, seed, &[Place::Public, Place::Public]);
    lab.make_direct();
    let ping = lab.sim.ping(lab.members[0], lab.members[1], lab.network, Duration::from_millis(50), u32::MAX);
    lab.sim.run_for(Duration::from_secs(2));
    (lab, ping)
}

fn unharmed(lab: &mut Lab, ping: StreamId, since: u64) {
    lab.sim.run_for(Duration::from_secs(1));
    let (sent, got) = lab.sim.result(ping).between(since, lab.sim.time() - 1_000_000);
    assert_eq!(got, sent);
}

fn at(sim: &Sim, id: NodeId) -> SocketAddr {
    SocketAddr::new(sim.internet.addresses(sim.node(id).uses[0].iface)[0], PORT)
}

/// Lets a datagram arrive at `to` as if `from` had sent it.
fn inject(sim: &mut Sim, from: NodeId, to: NodeId, bytes: Vec<u8>) {
    let (remote, local, iface) = (at(sim, from), at(sim, to), sim.node(to).uses[0].iface);
    sim.inject(iface, local, remote, bytes);
}

/// How much each counter of a node grew while `what` happened.
fn grown(lab: &mut Lab, id: NodeId, what: impl FnOnce(&mut Lab)) -> BTreeMap<String, u64> {
    let before = lab.sim.node(id).drops();
    what(lab);
    let mut drops = lab.sim.node(id).drops();
    for (name, count) in &mut drops {
        *count -= before.get(name).copied().unwrap_or(0);
    }
    drops.retain(|_, count| *count > 0);
    println!("{drops:?}");
    drops
}

fn named(names: &[(&str, u64)]) -> BTreeMap<String, u64> {
    names.iter().map(|&(name, count)| (name.to_owned(), count)).collect()
}

/// A packet from one identity to another.
fn packet(from: &SecretIdentity, to: &Identity, id: u64, suite: Suite, body: &dyn Body) -> Vec<u8> {
    let mut bytes = unsealed(from, to, id, body);
    keys(from, to).seal(&mut bytes, suite);
    bytes
}

fn unsealed(from: &SecretIdentity, to: &Identity, id: u64, body: &dyn Body) -> Vec<u8> {
    let mut bytes = vec![0; 28 + body.encoded_len()];
    let (header, payload) = bytes.split_at_mut(28);
    write_header(header.try_into().expect("28 bytes"), to.address, from.address(), body.verb());
    body.emit(&mut Writer::new(payload)).expect("room was made");
    bytes[..8].copy_from_slice(&id.to_be_bytes());
    bytes
}

fn keys(from: &SecretIdentity, to: &Identity) -> PeerKeys {
    PeerKeys::new(from.agree(to).expect("keys that agree"))
}

fn between(sim: &Sim, from: NodeId, to: NodeId, id: u64, body: &dyn Body) -> Vec<u8> {
    let (from, to) = (sim.node(from).secret.clone(), *sim.node(to).secret.identity());
    packet(&from, &to, id, Suite::AesGmacSiv, body)
}

#[test]
fn truncated_and_oversized_packets_have_names() {
    let (mut lab, ping) = flowing("truncated", 301);
    let (a, b) = (lab.members[0], lab.members[1]);
    let start = lab.sim.time();
    let whole = between(&lab.sim, b, a, 77, &Echo { data: &[5; 300] });
    let drops = grown(&mut lab, a, |lab| {
        for len in 1..whole.len() {
            inject(&mut lab.sim, b, a, whole[..len].to_vec());
        }
        lab.sim.run_for(Duration::from_millis(100));
    });
    assert_eq!(drops, named(&[("not-a-packet", 27), ("bad-mac", whole.len() as u64 - 28)]));
    // Cut before it was sealed: the body is too short for its verb.
    let drops = grown(&mut lab, a, |lab| {
        let hello = Hello {
            protocol: 13,
            version: SoftwareVersion::new(1, 14, 1),
            timestamp: 1,
            identity: *lab.sim.node(b).secret.identity(),
            destination: None,
            planet: None,
            moons: &[],
        };
        let bodies: [&dyn Body; 2] = [&Frame { network: lab.network, ethertype: 0x800, payload: b"x" }, &hello];
        for body in bodies {
            let bytes = body.to_vec();
            let cut = zt_wire::verb::Unknown { verb: body.verb(), body: &bytes[..5] };
            let suite = if body.verb() == Verb::HELLO { Suite::Poly1305None } else { Suite::AesGmacSiv };
            let from = lab.sim.node(b).secret.clone();
            let to = *lab.sim.node(a).secret.identity();
            inject(&mut lab.sim, b, a, packet(&from, &to, 5, suite, &cut));
        }
        lab.sim.run_for(Duration::from_millis(100));
    });
    assert_eq!(drops, named(&[("malformed", 2)]));
    // In one piece (the largest UDP datagram), and put together from pieces.
    let drops = grown(&mut lab, a, |lab| {
        for len in [10_025, 65_507] {
            let mut grown = whole.clone();
            grown.resize(len, 0);
            inject(&mut lab.sim, b, a, grown);
        }
        let mut head = whole.clone();
        head[18] |= 0x40;
        head.resize(6000, 0);
        inject(&mut lab.sim, b, a, head.clone());
        inject(&mut lab.sim, b, a, piece(&head, 1, 2, &[1; 6000]));
        lab.sim.run_for(Duration::from_millis(100));
    });
    assert_eq!(drops, named(&[("too-long", 3)]));
    unharmed(&mut lab, ping, start);
}

#[test]
fn each_flipped_bit_has_a_name_or_no_effect() {
    let (mut lab, ping) = flowing("bits", 302);
    let (a, b) = (lab.members[0], lab.members[1]);
    let start = lab.sim.time();
    let whole = between(&lab.sim, b, a, 78, &Echo { data: &[5; 40] });
    let bits = whole.len() * 8;
    let drops = grown(&mut lab, a, |lab| {
        for bit in 0..bits {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            inject(&mut lab.sim, b, a, bytes);
            lab.sim.run_for(Duration::from_millis(2));
        }
        // What waits for an identity or for more pieces gives up.
        lab.sim.run_for(Duration::from_secs(30));
    });
    // The hop count is outside the seal (02 §3.1): three bits make no difference. For another destination it is passed on
    // to the root, as fellow members do for each other (03 §4): 40 bits.
    let gated = drops.get("echo-gate").copied().unwrap_or(0);
    assert_eq!(drops.values().sum::<u64>() - gated, bits as u64 - 3 - 40);
    assert!(drops["bad-mac"] > 400);
    assert_eq!(drops["deferred-expired"] + drops["deferred-full"], 40, "bits of the source");
    assert_eq!(drops["reassembly-expired"], 1, "the bit that announces more pieces");
    unharmed(&mut lab, ping, start);
}

/// A piece of a packet; the head is the packet itself, cut.
fn piece(head: &[u8], number: u8, total: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = head[..13].to_vec();
    bytes.extend_from_slice(&[0xff, total << 4 | number, 0]);
    bytes.extend_from_slice(body);
    bytes
}

#[test]
fn overlapping_and_conflicting_fragments_have_names() {
    let (mut lab, ping) = flowing("fragments", 303);
    let (a, b) = (lab.members[0], lab.members[1]);
    let start = lab.sim.time();
    let large = |lab: &Lab, id: u64| {
        let (from, to) = (lab.sim.node(b).secret.clone(), *lab.sim.node(a).secret.identity());
        let mut bytes = unsealed(&from, &to, id, &Echo { data: &[5; 3000] });
        // That there are more pieces is part of what is sealed.
        bytes[18] |= 0x40;
        keys(&from, &to).seal(&mut bytes, Suite::AesGmacSiv);
        bytes
    };
    let answered = |lab: &mut Lab, pieces: &[Vec<u8>]| {
        let sent = lab.sim.node(a).sent;
        for bytes in pieces {
            inject(&mut lab.sim, b, a, bytes.clone());
        }
        lab.sim.run_for(Duration::from_millis(1));
        lab.sim.node(a).sent - sent
    };
    let one = large(&lab, 100);
    let good = [one[..1400].to_vec(), piece(&one, 1, 3, &one[1400..2500]), piece(&one, 2, 3, &one[2500..])];

    // Pieces that cannot be: a total of 0 or 1, a number that is not below the total, too many.
    let drops = grown(&mut lab, a, |lab| {
        for (number, total) in [(0, 0), (1, 0), (1, 1), (3, 3), (15, 15), (2, 8), (0, 3)] {
            inject(&mut lab.sim, b, a, piece(&one, number, total, b"junk"));
        }
        lab.sim.run_for(Duration::from_millis(1));
    });
    assert_eq!(drops.get("bad-fragment"), Some(&7), "{drops:?}");

    // Conflicting totals: the first one counts, and the packet still arrives.
    let two = large(&lab, 101);
    let drops = grown(&mut lab, a, |lab| {
        let [head, middle, last] = [&two[..1400], &two[1400..2500], &two[2500..]];
        let mixed = [
            piece(&two, 1, 3, middle),
            piece(&two, 2, 4, b"another total"),
            head.to_vec(),
            head.to_vec(),
            piece(&two, 1, 3, b"another body"),
            piece(&two, 3, 5, b"another total"),
            piece(&two, 2, 3, last),
        ];
        assert!(answered(lab, &mixed) >= 3, "an ECHO of 3,000 bytes is answered in three pieces");
    });
    assert_eq!(drops, named(&[("bad-fragment", 2), ("duplicate-fragment", 2)]));

    // Overlapping: a piece that holds bytes of the next one too. Put together it is another packet, and has no valid seal.
    let three = large(&lab, 102);
    let drops = grown(&mut lab, a, |lab| {
        let overlap =
            [three[..1400].to_vec(), piece(&three, 1, 3, &three[1400..2600]), piece(&three, 2, 3, &three[2500..])];
        for bytes in overlap {
            inject(&mut lab.sim, b, a, bytes);
        }
        lab.sim.run_for(Duration::from_millis(1));
    });
    assert_eq!(drops, named(&[("bad-mac", 1)]));

    // A forged piece first: that packet is lost, with a name, and the next one is not.
    let four = large(&lab, 103);
    let drops = grown(&mut lab, a, |lab| {
        let poisoned = [
            piece(&four, 2, 3, &[0; 528]),
            four[..1400].to_vec(),
            piece(&four, 2, 3, &four[2500..]),
            piece(&four, 1, 3, &four[1400..2500]),
        ];
        for bytes in poisoned {
            inject(&mut lab.sim, b, a, bytes);
        }
        lab.sim.run_for(Duration::from_millis(1));
    });
    assert_eq!(drops, named(&[("bad-mac", 1), ("duplicate-fragment", 1)]));
    // Past the gate for ECHOs.
    lab.sim.run_for(Duration::from_secs(2));
    assert!(answered(&mut lab, &good) >= 3);

    // A flood of first pieces by that very path: bounded, named, and over in seconds.
    let drops = grown(&mut lab, a, |lab| {
        for number in 0..1000_u64 {
            let mut head = large(lab, 1000).clone();
            head[..8].copy_from_slice(&(5000 + number).to_be_bytes());
            head.truncate(1400);
            inject(&mut lab.sim, b, a, head);
        }
        lab.sim.run_for(Duration::from_secs(10));
    });
    assert_eq!(drops["reassembly-full"] + drops["reassembly-expired"], 1000, "{drops:?}");
    unharmed(&mut lab, ping, start);
}

#[test]
fn replayed_messages_have_names() {
    let mut lab = Lab::new("replayed", 304, &[Place::Public, Place::Public]);
    lab.sim.captured = Some(Vec::new());
    lab.make_direct();
    let (a, b) = (lab.members[0], lab.members[1]);
    let ping = lab.sim.ping(a, b, lab.network, Duration::from_millis(50), u32::MAX);
    lab.sim.run_for(Duration::from_secs(3));
    let captured = lab.sim.captured.take().expect("captured above");
    let start = lab.sim.time();
    // Meanwhile there is a newer HELLO.
    lab.sim.run_for(Duration::from_secs(200));
    let path = lab.sim.direct(a, b).map(|view| view.path);
    let elsewhere = SocketAddr::from(([91, 1, 1, 1], 4000));
    // One of the two says HELLO, the other one answers and asks by ECHO.
    let (mut unexpected, mut stale) = (0, 0);
    for node in [a, b] {
        let mine = at(&lab.sim, node);
        let drops = grown(&mut lab, node, |lab| {
            for packet in captured.iter().filter(|packet| packet.local == mine) {
                for remote in [packet.remote, elsewhere] {
                    lab.sim.inject(packet.iface, packet.local, remote, packet.bytes.clone());
                    lab.sim.run_for(Duration::from_millis(5));
                }
            }
        });
        unexpected += drops.get("not-expected").copied().unwrap_or(0);
        stale += drops.get("stale-hello").copied().unwrap_or(0);
    }
    // Answers to what was asked long ago, and HELLOs of the past.
    assert!(unexpected > 0 && stale > 0, "{unexpected} {stale}");
    assert_eq!(lab.sim.direct(a, b).map(|view| view.path), path);
    unharmed(&mut lab, ping, start);
}

#[test]
fn looping_and_self_addressed_packets_have_names() {
    let (mut lab, ping) = flowing("looping", 305);
    let (a, b, root) = (lab.members[0], lab.members[1], lab.root);
    let start = lab.sim.time();
    let mut passing = between(&lab.sim, b, a, 9, &Echo { data: b"" });
    // A root relays, but not in circles.
    let drops = grown(&mut lab, root, |lab| {
        for hops in 0..8_u8 {
            passing[18] = passing[18] & !7 | hops;
            inject(&mut lab.sim, b, root, passing.clone());
        }
        lab.sim.run_for(Duration::from_millis(200));
    });
    assert_eq!(drops, named(&[("hop-limit", 5)]));
    // A member relays for members only, and what claims to be its own or nobody's goes nowhere.
    let drops = grown(&mut lab, a, |lab| {
        let for_root = between(&lab.sim, b, lab.root, 10, &Echo { data: b"" });
        let (iface, local) = (lab.sim.node(a).uses[0].iface, at(&lab.sim, a));
        lab.sim.inject(iface, local, SocketAddr::from(([94, 0, 0, 1], 9993)), for_root);
        let mut mine = between(&lab.sim, a, a, 11, &Echo { data: b"" });
        inject(&mut lab.sim, b, a, mine.clone());
        mine[18] |= 0x40;
        inject(&mut lab.sim, a, a, mine);
        let mut nobody = passing.clone();
        nobody[13..18].fill(0);
        inject(&mut lab.sim, b, a, nobody);
        lab.sim.run_for(Duration::from_millis(200));
    });
    assert_eq!(drops.get("not-our-relay"), Some(&1), "{drops:?}");
    assert_eq!(drops.get("from-ourself"), Some(&2), "{drops:?}");
    assert_eq!(drops.get("reserved-address"), Some(&1), "{drops:?}");
    unharmed(&mut lab, ping, start);
}

#[test]
fn unsigned_forged_foreign_and_older_worlds_of_a_root_are_refused() {
    for kind in ["unsigned", "forged", "foreign", "older"] {
        let mut lab = Lab::new(&format!("world_{kind}"), 306, &[Place::Public, Place::Public]);
        let (root, a) = (lab.root, lab.members[0]);
        let held: Vec<_> = lab.sim.node(a).engine().vl1().worlds().cloned().collect();
        // A newer revision, which the root tells everybody whose HELLO names an older one.
        let mut world = lab.sim.world(WorldKind::Planet, 1, 5000, &[root, a]);
        match kind {
            "unsigned" => world.signature = Signature([0; 96]),
            "forged" => sign_world(&mut world, &KeyPair::generate(&mut SeededEntropy::new(66))),
            "foreign" => world = lab.sim.world(WorldKind::Planet, 2, 5000, &[root, a]),
            _ => {
                world.timestamp -= 10_000;
                sign_world(&mut world, &KeyPair::generate(&mut SeededEntropy::new(1 ^ 0xbe7)));
            }
        }
        lab.sim.stop(root);
        // Saved, so taken as verified: the root is the liar.
        lab.sim.node_mut(root).store.worlds.clear();
        lab.sim.give_world(root, &world);
        let drops = grown(&mut lab, a, |lab| {
            lab.sim.start(root);
            // Until its next round of HELLOs.
            lab.sim.run_for(Duration::from_secs(200));
        });
        // Of another planet or an older revision nothing is told to who does not ask for it.
        let told = matches!(kind, "unsigned" | "forged");
        assert_eq!(drops.contains_key("world-refused"), told, "{kind}: {drops:?}");
        let now: Vec<_> = lab.sim.node(a).engine().vl1().worlds().cloned().collect();
        assert_eq!(now, held, "{kind}");
        assert!(lab.sim.node(a).engine().vl1().is_online(), "{kind}: the identity of the root is still right");
    }
}

#[test]
fn a_hello_of_another_planet_is_answered_and_teaches_nothing() {
    let (mut lab, ping) = flowing("wrong_planet", 307);
    let start = lab.sim.time();
    let (a, root) = (lab.members[0], lab.root);
    let stranger = zt_test_sim::identity(30);
    let held = |lab: &Lab, id| lab.sim.node(id).engine().vl1().worlds().cloned().collect::<Vec<_>>();
    let before = [held(&lab, a), held(&lab, root)];
    let remote = SocketAddr::from(([93, 0, 0, 1], 9993));
    let mut number = 1000;
    for to in [a, root] {
        for planet in [Some((1, u64::MAX)), Some((2, 5)), Some((0, 0)), Some((u64::MAX, 0)), None] {
            let planet = planet.map(|(id, timestamp)| WorldVersion { id, timestamp });
            number += 1;
            let hello = Hello {
                protocol: 13,
                version: SoftwareVersion::new(1, 14, 1),
                timestamp: START_OF_TIME as u64 + lab.sim.time() / 1000 + number,
                identity: *stranger.identity(),
                destination: None,
                planet,
                moons: &[],
            };
            let bytes = packet(&stranger, lab.sim.node(to).secret.identity(), number, Suite::Poly1305None, &hello);
            let (iface, local) = (lab.sim.node(to).uses[0].iface, at(&lab.sim, to));
            lab.sim.inject(iface, local, remote, bytes);
            lab.sim.run_for(Duration::from_secs(2));
        }
        let known = lab.sim.node(to).engine().vl1().identity_of(stranger.address());
        assert_eq!(known, Some(stranger.identity()), "an honest stranger is greeted whatever its planet");
        assert!(!lab.sim.node(to).engine().vl1().is_upstream(stranger.address()));
    }
    assert_eq!([held(&lab, a), held(&lab, root)], before);
    unharmed(&mut lab, ping, start);
}

#[test]
fn a_configuration_not_signed_by_its_controller_has_a_name() {
    let (mut lab, ping) = flowing("rogue_controller", 308);
    let (a, b) = (lab.members[0], lab.members[1]);
    let start = lab.sim.time();
    let revision = |lab: &Lab| lab.sim.node(a).engine().networks()[0].revision;
    let (before, address) = (revision(&lab), lab.sim.ip4(a, lab.network));
    let text = format!("nwid={}\nts=7fffffffffff\nid={}\nr=ff\n", lab.network, lab.sim.node(a).address());
    let signed_by = |lab: &Lab, signer: NodeId, update_id: u64| {
        let seal =
            ChunkSeal { flags: 0, update_id, total: text.len() as u32, index: 0, signature_type: 1, signature: &[] };
        let chunk = ConfigChunk { network: lab.network, data: text.as_bytes(), seal: Some(seal), rest: &[] };
        lab.sim.node(signer).secret.sign(&chunk.signed_bytes().expect("a sealed chunk"))
    };
    let drops = grown(&mut lab, a, |lab| {
        for (number, signer) in [(1, b), (2, lab.root)] {
            let signature = signed_by(lab, signer, number);
            let seal = ChunkSeal {
                flags: 0,
                update_id: number,
                total: text.len() as u32,
                index: 0,
                signature_type: 1,
                signature: &signature.0,
            };
            let chunk = ConfigChunk { network: lab.network, data: text.as_bytes(), seal: Some(seal), rest: &[] };
            // Pushed by a member, by the controller's own root, and as an answer to a request nobody made.
            let bytes = between(&lab.sim, b, a, 200 + number, &chunk);
            inject(&mut lab.sim, b, a, bytes);
            let answer = OkReply { in_re_packet: PacketId(4711), body: OkBody::NetworkConfig(chunk) };
            let bytes = between(&lab.sim, b, a, 300 + number, &answer);
            inject(&mut lab.sim, b, a, bytes);
        }
        let legacy = ConfigChunk { network: lab.network, data: text.as_bytes(), seal: None, rest: &[] };
        let bytes = between(&lab.sim, b, a, 400, &legacy);
        inject(&mut lab.sim, b, a, bytes);
        lab.sim.run_for(Duration::from_millis(100));
    });
    let expected = [
        ("configuration not signed by controller", 2),
        ("unsigned configuration not from controller", 1),
        ("not-expected", 2),
    ];
    assert_eq!(drops, named(&expected));
    assert_eq!((revision(&lab), lab.sim.ip4(a, lab.network)), (before, address));
    unharmed(&mut lab, ping, start);
}

/// A certificate as the controller of a network would give it.
fn certificate(network: NetworkId, holder: &Identity, signer: &SecretIdentity, unix_ms: u64) -> Membership {
    let hash = fingerprint(holder);
    let far = u64::MAX;
    let mut qualifiers = vec![
        Qualifier { id: 0, value: unix_ms, max_delta: 1_800_000 },
        Qualifier { id: 1, value: network.0, max_delta: 0 },
        Qualifier { id: 2, value: holder.address.as_u64(), max_delta: far },
    ];
    qualifiers.extend((0..4_usize).map(|n| Qualifier {
        id: 3 + n as u64,
        value: u64::from_be_bytes(hash[n * 8..n * 8 + 8].try_into().expect("eight bytes")),
        max_delta: far,
    }));
    let mut com = Membership { qualifiers, signer: signer.address(), ..Membership::default() };
    com.signature = signer.sign(&com.signed_bytes());
    com
}

#[test]
fn a_certificate_of_another_network_or_signer_opens_nothing() {
    let (mut lab, ping) = flowing("foreign_com", 309);
    let (a, b, controller) = (lab.members[0], lab.members[1], lab.controller);
    let private = lab.sim.create_network(controller, true);
    lab.sim.authorize(controller, private, a, true);
    lab.sim.join(a, private);
    lab.sim.wait_for_addresses(&[a], private);
    let start = lab.sim.time();
    let unix_ms = START_OF_TIME as u64 + lab.sim.time() / 1000;
    let holder = *lab.sim.node(b).secret.identity();
    let [own, boss] = [b, controller].map(|id| lab.sim.node(id).secret.clone());
    let other_holder = certificate(private, lab.sim.node(lab.root).secret.identity(), &own, unix_ms);
    let mut altered = certificate(private, &holder, &boss, unix_ms);
    altered.qualifiers[0].value += 1;
    let cases: [(&str, Membership, bool); 4] = [
        // Signed by the right controller, for a network that both are in, and one that nobody is in.
        ("another network", certificate(lab.network, &holder, &boss, unix_ms), false),
        ("its own signer", certificate(private, &holder, &own, unix_ms), true),
        ("another holder and signer", other_holder, true),
        ("altered", altered, true),
    ];
    let reached = lab.sim.node(a).hosts.get(&private).map(|host| host.frames);
    for (number, (what, com, refused)) in cases.into_iter().enumerate() {
        let drops = grown(&mut lab, a, |lab| {
            let number = number as u64;
            let shown = NetworkCredentials { memberships: vec![com], ..NetworkCredentials::default() };
            let bytes = between(&lab.sim, b, a, 500 + number, &shown);
            inject(&mut lab.sim, b, a, bytes);
            let frame = Frame { network: private, ethertype: 0x0800, payload: &[0x45; 40] };
            let bytes = between(&lab.sim, b, a, 600 + number, &frame);
            inject(&mut lab.sim, b, a, bytes);
            lab.sim.run_for(Duration::from_secs(10));
        });
        println!("{what}");
        assert_eq!(drops.get("credential refused").copied().unwrap_or(0), u64::from(refused), "{what}: {drops:?}");
        assert_eq!(drops.get("deferred-expired"), Some(&1), "{what}: the frame waits for a certificate in vain");
    }
    assert_eq!(lab.sim.node(a).hosts.get(&private).map(|host| host.frames), reached, "a frame came through");
    // The real one does open the door.
    lab.sim.authorize(controller, private, b, true);
    lab.sim.join(b, private);
    lab.sim.wait_for_addresses(&[a, b], private);
    let inside = lab.sim.ping(b, a, private, Duration::from_millis(100), 10);
    lab.sim.run_for(Duration::from_secs(3));
    assert!(!lab.sim.result(inside).arrived().is_empty());
    unharmed(&mut lab, ping, start);
}
