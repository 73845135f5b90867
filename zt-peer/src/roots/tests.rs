//! Safer point 3, and several worlds at once.

use std::net::Ipv4Addr;

use zt_crypto::{KeyPair, SecretIdentity, SeededEntropy, sign_world};
use zt_wire::InetAddress;
use zt_wire::Root;

use super::*;

pub(crate) fn world(
    kind: WorldKind,
    id: u64,
    timestamp: u64,
    roots: &[&Identity],
    next: &KeyPair,
    by: &KeyPair,
) -> World {
    let endpoint = InetAddress::V4(Ipv4Addr::new(10, 0, 0, 1), 9993);
    let roots = roots.iter().map(|i| Root { identity: **i, endpoints: vec![endpoint] }).collect();
    let mut w =
        World { kind, id, timestamp, update_key: *next.public_key(), signature: zt_wire::Signature([0; 96]), roots };
    sign_world(&mut w, by);
    w
}

fn fake(address: u64) -> Identity {
    Identity { address: Address::new(address), public_key: [address as u8; 64] }
}

#[test]
fn first_revisions_are_verified_and_updates_are_signed_by_the_key_before() {
    let mut dice = SeededEntropy::new(1);
    let own = *SecretIdentity::generate(&mut dice).identity();
    let (a, b, other) = (KeyPair::generate(&mut dice), KeyPair::generate(&mut dice), KeyPair::generate(&mut dice));
    let root = fake(0x11);
    let mut roots = Roots::default();
    let none = |_| None;
    let unsigned = world(WorldKind::Planet, 7, 100, &[&root], &a, &other);
    assert_eq!(roots.offer(unsigned.clone(), Source::File, &own, none), Err(WorldRefused::Signature));
    assert_eq!(roots.offer(unsigned, Source::Operator, &own, none), Err(WorldRefused::Signature));
    let first = world(WorldKind::Planet, 7, 100, &[&root], &a, &a);
    assert_eq!(roots.offer(first.clone(), Source::Network, &own, none), Err(WorldRefused::NotWanted));
    assert_eq!(roots.offer(first.clone(), Source::File, &own, none), Ok(Accepted::New));
    assert_eq!(roots.offer(first.clone(), Source::Network, &own, none), Ok(Accepted::Unchanged));
    let older = world(WorldKind::Planet, 7, 99, &[&root], &a, &a);
    assert_eq!(roots.offer(older, Source::Network, &own, none), Err(WorldRefused::Older));
    let stolen = world(WorldKind::Planet, 7, 101, &[&root], &other, &other);
    assert_eq!(roots.offer(stolen, Source::Network, &own, none), Err(WorldRefused::Signature));
    let rotated = world(WorldKind::Planet, 7, 101, &[&root, &fake(0x12)], &b, &a);
    assert_eq!(roots.offer(rotated.clone(), Source::Network, &own, none), Ok(Accepted::Updated));
    assert_eq!(roots.addresses().count(), 2);
    let by_old_key = world(WorldKind::Planet, 7, 102, &[&root], &a, &a);
    assert_eq!(roots.offer(by_old_key, Source::Network, &own, none), Err(WorldRefused::Signature));
    // A rotated revision read back from our own file.
    let mut again = Roots::default();
    assert_eq!(again.offer(rotated, Source::Saved, &own, none), Ok(Accepted::New));
}

#[test]
fn moons_come_only_when_wanted_from_a_root_that_is_the_seed() {
    let mut dice = SeededEntropy::new(2);
    let own = *SecretIdentity::generate(&mut dice).identity();
    let k = KeyPair::generate(&mut dice);
    let other = KeyPair::generate(&mut dice);
    let mut roots = Roots::default();
    let none = |_| None;
    let moon = world(WorldKind::Moon, 0x11, 5, &[&fake(0x11)], &k, &k);
    assert_eq!(roots.offer(moon.clone(), Source::Network, &own, none), Err(WorldRefused::NotWanted));
    roots.want(0x11, Some(Address::new(0x22)));
    assert_eq!(roots.offer(moon.clone(), Source::Network, &own, none), Err(WorldRefused::NotWanted));
    roots.want(0x11, Some(Address::new(0x11)));
    let bad = world(WorldKind::Moon, 0x11, 5, &[&fake(0x11)], &k, &other);
    assert_eq!(roots.offer(bad, Source::Network, &own, none), Err(WorldRefused::Signature));
    let clone = |a: Address| (a == Address::new(0x11)).then_some(Identity { address: a, public_key: [9; 64] });
    assert_eq!(roots.offer(moon.clone(), Source::Network, &own, clone), Err(WorldRefused::Identity));
    assert_eq!(roots.moon_tuples(), vec![(0x11, 0)]);
    assert_eq!(roots.offer(moon, Source::Network, &own, none), Ok(Accepted::New));
    assert_eq!(roots.moon_tuples(), vec![(0x11, 5)]);
    assert!(roots.is_upstream(Address::new(0x11)) && !roots.is_seed(Address::new(0x11)));
    assert!(roots.remove(WorldKind::Moon, 0x11, &own));
    assert!(!roots.is_upstream(Address::new(0x11)));
}

#[test]
fn planets_are_held_together_and_a_hello_names_the_root_s_own() {
    let mut dice = SeededEntropy::new(3);
    let own = *SecretIdentity::generate(&mut dice).identity();
    let k = KeyPair::generate(&mut dice);
    let mut roots = Roots::default();
    for (id, root) in [(7, 0x11), (9, 0x22)] {
        let w = world(WorldKind::Planet, id, 100 + id, &[&fake(root), &fake(0x33)], &k, &k);
        roots.offer(w, Source::File, &own, |_| None).unwrap();
    }
    assert_eq!(roots.addresses().count(), 3);
    assert_eq!(roots.planet_for(Address::new(0x11), 0), (7, 107));
    assert_eq!(roots.planet_for(Address::new(0x22), 5), (9, 109));
    assert_eq!(roots.planet_for(Address::new(0x33), 0), (7, 107));
    assert_eq!(roots.planet_for(Address::new(0x33), 1), (9, 109));
    assert_eq!(roots.planet_for(Address::new(0x99), 1), (7, 107));
    assert_eq!(roots.updates_for(Some((7, 107)), &[], 5000).len(), 0);
    assert!(!roots.updates_for(Some((9, 1)), &[], 5000).is_empty());
    assert!(!roots.am_root());
    let w = world(WorldKind::Planet, 11, 1, &[&own], &k, &k);
    roots.offer(w, Source::File, &own, |_| None).unwrap();
    assert!(roots.am_root());
}

#[test]
fn being_online_is_told_once_and_a_root_is_so_by_itself() {
    let mut dice = SeededEntropy::new(4);
    let own = *SecretIdentity::generate(&mut dice).identity();
    let key = KeyPair::generate(&mut dice);
    let mut roots = Roots::default();
    assert_eq!(roots.note_answers(false), None, "nobody is online at first");
    assert_eq!((roots.note_answers(true), roots.note_answers(true)), (Some(true), None));
    assert_eq!((roots.note_answers(false), roots.is_online()), (Some(false), false));
    let planet = world(WorldKind::Planet, 1, 5, &[&own], &key, &key);
    assert_eq!(roots.offer(planet, Source::File, &own, |_| None), Ok(Accepted::New));
    assert_eq!(roots.note_answers(false), Some(true));
}

#[test]
fn roots_seeds_and_contacts_are_kept() {
    let mut roots = Roots::default();
    let [seed, contact, other] = [5, 6, 7].map(Address::new);
    roots.want(9, Some(seed));
    roots.set_contacts(vec![contact]);
    assert!(roots.keeps(seed) && roots.keeps(contact) && !roots.keeps(other));
    assert_eq!(roots.contacts(), [contact, seed]);
}
