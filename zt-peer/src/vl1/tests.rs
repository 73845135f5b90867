//! What the owner must learn is kept for it, however long it does not ask.

use std::collections::BTreeSet;

use zt_crypto::{KeyPair, PeerKeys, SeededEntropy, SharedKey, sign_world};
use zt_wire::{Mono, Root, Signature, SoftwareVersion, World, WorldKind};

use super::*;
use crate::directory::job::{Job, JobDone};
use crate::peer::PeerVersion;
use crate::roots::Source;
use crate::schedule::PART;
use crate::snapshot::PeerRecord;
use crate::transmit::Transmits;

const NOW: Now = Now { mono: Mono(60_000_000), unix_ms: 1_700_000_000_000 };

fn machine() -> Vl1 {
    let secret = Arc::new(SecretIdentity::generate(&mut SeededEntropy::new(1)));
    let config = Vl1Config { has_peer_cache: true, ..Vl1Config::new(secret, Box::new(SeededEntropy::new(2))) };
    Vl1::new(NOW, config)
}

/// A peer that the cache has a record of, and whose identity was found good.
fn learn(vl1: &mut Vl1, address: Address, out: &mut Transmits) {
    vl1.whois(NOW, address, out);
    while let Some(job) = vl1.poll_job() {
        let done = match job {
            Job::LoadPeer { address } => {
                let identity = Identity { address, public_key: [7; 64] };
                let version = PeerVersion { protocol: 12, software: SoftwareVersion::new(1, 14, 0) };
                let record = PeerRecord { identity, version, addresses: Vec::new() };
                JobDone::Loaded { address, record: Some(record.emit_vouched(vl1.secret())) }
            }
            Job::Admit { identity, .. } => {
                let keys = Arc::new(PeerKeys::new(SharedKey::from_bytes([1; 48])));
                JobDone::Admitted { identity, keys: Some(keys) }
            }
            Job::Introduce { .. } => panic!("nobody introduces itself"),
        };
        vl1.handle_job(NOW, done, out);
    }
}

/// A planet with ourselves as its root.
fn own_planet(vl1: &Vl1) -> World {
    let key = KeyPair::generate(&mut SeededEntropy::new(3));
    let roots = vec![Root { identity: *vl1.identity(), endpoints: Vec::new() }];
    let (kind, update_key, signature) = (WorldKind::Planet, *key.public_key(), Signature([0; 96]));
    let mut planet = World { kind, id: 7, timestamp: 1, update_key, signature, roots };
    sign_world(&mut planet, &key);
    planet
}

#[test]
fn a_flood_that_nobody_polls_loses_no_state() {
    const PEERS: u64 = 5_000;
    let (mut vl1, mut out) = (machine(), Transmits::new());
    let planet = own_planet(&vl1);
    vl1.load_world(NOW, planet, Source::File, &mut out).unwrap();
    let addresses: BTreeSet<Address> = (0..PEERS).map(|n| Address::new(0x20_0000_0000 + n)).collect();
    for address in &addresses {
        learn(&mut vl1, *address, &mut out);
    }
    for n in 0..100_000 {
        let from = Address::new(0x30_0000_0000 + n);
        vl1.event(Vl1Event::UserMessage { from, type_id: 70_000, data: vec![0; 100] });
        vl1.event(Vl1Event::AddressWanted { peer: from });
    }
    vl1.persist_peers();
    vl1.remove_planet(NOW, 7, &mut out);
    vl1.persist_peers();
    let told: Vec<Vl1Event> = std::iter::from_fn(|| vl1.poll_event()).collect();
    let records: Vec<Address> = told
        .iter()
        .filter_map(|e| match e {
            Vl1Event::PersistPeer { address, .. } => Some(*address),
            _ => None,
        })
        .collect();
    assert_eq!(records.len(), addresses.len(), "each record once, the latest");
    assert_eq!(records.into_iter().collect::<BTreeSet<_>>(), addresses);
    let learned = told.iter().filter(|e| matches!(e, Vl1Event::IdentityLearned(_))).count();
    assert_eq!(learned as u64, PEERS);
    let online: Vec<_> = told.iter().filter(|e| matches!(e, Vl1Event::Online(_))).collect();
    assert_eq!(online, [&Vl1Event::Online(false)], "where it ended");
    let worlds: Vec<_> =
        told.iter().filter(|e| matches!(e, Vl1Event::WorldUpdated { .. } | Vl1Event::WorldRemoved { .. })).collect();
    assert_eq!(worlds, [&Vl1Event::WorldRemoved { kind: WorldKind::Planet, id: 7 }]);
    let lost = |reason| vl1.drops().find(|(r, _)| *r == reason).map_or(0, |(_, n)| n);
    assert!(lost(DropReason::MessagesFull) > 90_000 && lost(DropReason::QuestionsFull) > 90_000);
    assert_eq!(
        told.len() as u64 + lost(DropReason::MessagesFull) + lost(DropReason::QuestionsFull),
        2 * PEERS + 200_002
    );
}

/// However many peers are due at once, packets come in between.
#[test]
fn thousands_that_are_due_at_once_are_looked_at_in_parts() {
    const PEERS: u64 = 1_000;
    let (mut vl1, mut out) = (machine(), Transmits::new());
    for address in (0..PEERS).map(|n| Address::new(0x20_0000_0000 + n)) {
        learn(&mut vl1, address, &mut out);
    }
    let ids = vl1.peers.ids();
    ids.iter().for_each(|id| vl1.peers.arm(*id, NOW.mono));
    let waiting = |vl1: &Vl1| ids.iter().filter(|id| vl1.peers.is_armed(**id)).count();
    let (mut before, mut calls) = (waiting(&vl1), 0);
    assert_eq!(before as u64, PEERS);
    while vl1.peers.next_due().is_some_and(|at| at <= NOW.mono) {
        vl1.handle_timeout(NOW, &mut out);
        let after = waiting(&vl1);
        assert!(before.saturating_sub(after) <= PART);
        (before, calls) = (after, calls + 1);
    }
    assert_eq!(calls, (PEERS as usize).div_ceil(PART));
}

/// Whatever comes, looking ahead at it does no harm, with few peers and with many.
#[test]
fn looking_ahead_takes_any_bytes() {
    let (mut vl1, mut out) = (machine(), Transmits::new());
    let junk: Vec<Vec<u8>> = (0..300_usize).map(|n| (0..n % 70).map(|at| (n * 31 + at * 7) as u8).collect()).collect();
    let look = |vl1: &mut Vl1| vl1.foresee(junk.iter().map(Vec::as_slice));
    look(&mut vl1);
    for n in 0..foresight::MANY as u64 {
        learn(&mut vl1, Address::new(0x20_0000_0000 + n), &mut out);
    }
    let packet = |n: u64| {
        let mut head = [0; zt_wire::packet::HEADER_LEN];
        let (to, from) = (Address::new(0x20_0000_0000 + n), Address::new(0x20_0000_0000 + 2 * n));
        zt_wire::write_header(&mut head, to, from, zt_wire::Verb::FRAME);
        head
    };
    let packets: Vec<_> = (0..foresight::MANY as u64).map(packet).collect();
    let ahead = |vl1: &mut Vl1, numbers: &[usize]| vl1.foresee(numbers.iter().map(|n| packets[*n].as_slice()));
    let was_asked_for = |vl1: &mut Vl1, n: usize| {
        let ends = zt_wire::Packet::new_checked(packets[n].as_slice()).map(|p| [p.destination(), p.source()]);
        !vl1.peers.prefetch(ends.expect("has a header"))
    };
    ahead(&mut vl1, &[1]);
    assert!(!was_asked_for(&mut vl1, 1), "nothing is needed of anybody yet");
    _ = vl1.peers.hop(vl1.peers.ids()[0]);
    ahead(&mut vl1, &[1, 2, 3, 4, 40]);
    assert!([1, 2, 3, 4, 40].into_iter().all(|n| was_asked_for(&mut vl1, n)));
    ahead(&mut vl1, &[1, 2, 3, 4, 41]);
    assert!(!was_asked_for(&mut vl1, 41), "the first ones are at hand, so nobody looks further");
    ahead(&mut vl1, &[42, 1, 2, 3, 4]);
    assert!(was_asked_for(&mut vl1, 42));
    ahead(&mut vl1, &(0..packets.len()).collect::<Vec<_>>());
    look(&mut vl1);
    vl1.foresee([]);
    let drops: u64 = vl1.drops().map(|(_, n)| n).sum();
    assert_eq!((drops, vl1.peers.len()), (0, foresight::MANY), "nothing was done");
}

#[test]
fn a_round_leaves_at_hand_what_packets_need_that_are_handed_on() {
    let (mut vl1, mut out) = (machine(), Transmits::new());
    learn(&mut vl1, Address::new(0x20_0000_0000), &mut out);
    let id = vl1.peers.ids()[0];
    _ = vl1.peers.hop(id);
    vl1.schedule.hurry_round(NOW.mono);
    vl1.handle_timeout(NOW, &mut out);
    assert!(vl1.peers.has_hop(id));
    _ = vl1.peers.get_mut(id);
    assert!(!vl1.peers.has_hop(id), "whoever may change the peer voids it");
}
