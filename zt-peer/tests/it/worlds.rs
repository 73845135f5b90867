//! Several root sets together, updates in band, and what is refused.

use zt_peer::{Accepted, Source, Vl1Event, WorldRefused};
use zt_wire::{Emit as _, Parse as _, Reader, World, WorldKind};

use crate::net::{Net, addr, address, key_pair, planet, world};

#[test]
fn two_planets_together_and_either_may_die() {
    let mut net = Net::new(1);
    let (key_x, key_y) = (key_pair(1), key_pair(2));
    let x = world(WorldKind::Planet, 10, 1, &[(0, addr(0))], &key_x);
    let y = world(WorldKind::Planet, 20, 1, &[(1, addr(1))], &key_y);
    net.add(0, Some(&x));
    net.add(1, Some(&y));
    for n in [2usize, 3] {
        let node = net.add(n, Some(&x));
        net.with(node, |vl1, now, out| {
            assert_eq!(vl1.load_world(now, y.clone(), Source::Operator, out), Ok(Accepted::New));
            assert_eq!(vl1.worlds().count(), 2);
        });
    }
    net.cut_both(addr(2), addr(3));
    net.run(500);
    net.talk(2, 3, 50, 2_000);
    assert!(!net.nodes[3].frames.is_empty());
    for dead in [0u8, 1] {
        net.cuts.truncate(2);
        for n in [2u8, 3] {
            net.cut_both(addr(dead), addr(n));
        }
        let at = net.now.mono;
        net.talk(2, 3, 50, 6_000);
        let ms = net.first_after(3, at).expect("goes on") - at.as_millis();
        println!("root set {dead} dead: traffic again after {ms} ms");
        assert!(ms <= 3_000, "{ms}");
    }
}

#[test]
fn a_peer_known_to_one_root_set_only_is_found() {
    let mut net = Net::new(2);
    let x = world(WorldKind::Planet, 10, 1, &[(0, addr(0))], &key_pair(1));
    let y = world(WorldKind::Planet, 20, 1, &[(1, addr(1))], &key_pair(2));
    net.add(0, Some(&x));
    net.add(1, Some(&y));
    let a = net.add(2, Some(&x));
    net.with(a, |vl1, now, out| vl1.load_world(now, y.clone(), Source::File, out).map(|_| ())).expect("good");
    let b = net.add(3, Some(&y));
    net.cut_both(addr(2), addr(3));
    net.run(500);
    let at = net.now.mono;
    net.talk(a, b, 50, 3_000);
    assert!(net.first_after(b, at).is_some(), "over the right root");
    assert!(net.first_after(a, at).is_some());
}

#[test]
fn a_later_revision_arrives_in_band_and_others_do_not() {
    let mut net = Net::new(3);
    let key = key_pair(77);
    let old = planet(&[(1, addr(1))]);
    let new = world(WorldKind::Planet, 1, 2_000, &[(1, addr(1)), (0, addr(0))], &key);
    net.add(1, Some(&new));
    net.add(2, Some(&old));
    net.run(500);
    assert_eq!(net.nodes[1].vl1.worlds().next(), Some(&new));
    assert!(net.nodes[1].vl1.is_upstream(address(0)));
    let told = |e: &Vl1Event| matches!(e, Vl1Event::WorldUpdated { id: 1, .. });
    assert!(net.nodes[1].events.iter().any(|(_, e)| told(e)));
    // A root that holds a forged or another planet cannot give it.
    let mut forged = world(WorldKind::Planet, 1, 3_000, &[(0, addr(0))], &key_pair(5));
    net.with(0, |vl1, now, out| {
        assert_eq!(vl1.load_world(now, forged.clone(), Source::File, out), Err(WorldRefused::Signature));
        forged.id = 9;
        assert_eq!(vl1.load_world(now, forged.clone(), Source::File, out), Err(WorldRefused::Signature));
        assert_eq!(vl1.load_world(now, old.clone(), Source::File, out), Err(WorldRefused::Older));
    });
}

#[test]
fn a_moon_is_found_by_its_seed_without_a_planet() {
    let mut net = Net::new(4);
    let planet = planet(&[(1, addr(1))]);
    let moon = world(WorldKind::Moon, 0xabc, 5, &[(4, addr(4))], &key_pair(9));
    net.add(1, Some(&planet));
    let seed = net.add(4, Some(&planet));
    net.with(seed, |vl1, now, out| vl1.load_world(now, moon.clone(), Source::File, out).map(|_| ())).expect("good");
    let a = net.add(2, Some(&planet));
    net.run(500);
    net.with(a, |vl1, now, out| vl1.orbit(now, 0xabc, Some(address(4)), out));
    net.run(1_000);
    assert!(net.nodes[a].vl1.is_upstream(address(4)), "within a second");
    net.with(a, |vl1, now, out| assert!(vl1.deorbit(now, 0xabc, out)));
    assert!(!net.nodes[a].vl1.is_upstream(address(4)));
}

#[test]
fn a_peer_that_lost_the_usual_root_is_reached_over_another() {
    let mut net = Net::new(5);
    let x = world(WorldKind::Planet, 10, 1, &[(0, addr(0)), (1, addr(1))], &key_pair(1));
    for n in [0usize, 1, 2, 3] {
        net.add(n, Some(&x));
    }
    net.cut_both(addr(2), addr(3));
    // The roots do not help each other out.
    net.cut_both(addr(0), addr(1));
    net.run(500);
    net.talk(2, 3, 50, 2_000);
    for root in [0u8, 1] {
        net.cuts.truncate(4);
        net.cut_both(addr(3), addr(root));
        let at = net.now.mono;
        // One way only: nothing tells the sender but silence.
        net.stream(2, 3, 20, 6_000);
        let ms = net.first_after(3, at).expect("arrives again") - at.as_millis();
        println!("root {root} lost to the receiver: traffic again after {ms} ms");
        assert!(ms <= 3_000, "{ms}");
        net.cuts.truncate(4);
        net.talk(2, 3, 50, 12_000);
    }
}

/// The signature of a revision that changes the key is of the old key: once it is stored, only our word proves it.
#[test]
fn a_revision_with_another_key_outlives_a_restart_and_nobody_can_forge_it() {
    let mut net = Net::new(4);
    let (old_key, new_key) = (key_pair(1), key_pair(2));
    let first = world(WorldKind::Planet, 10, 1, &[(0, addr(0))], &old_key);
    let mut rotated = world(WorldKind::Planet, 10, 2, &[(0, addr(0))], &new_key);
    zt_crypto::sign_world(&mut rotated, &old_key);
    let node = net.add(1, Some(&first));
    net.with(node, |vl1, now, out| {
        assert_eq!(vl1.load_world(now, rotated.clone(), Source::Operator, out), Ok(Accepted::Updated));
    });
    net.run(10);
    let stored = net.nodes[node].events.iter().rev().find_map(|(_, event)| match event {
        Vl1Event::WorldUpdated { bytes, .. } => Some(bytes.clone()),
        _ => None,
    });
    let stored = stored.expect("told");
    assert_eq!(World::parse(&mut Reader::new(&stored)).as_ref(), Ok(&rotated), "others read it as it is");
    net.with(node, |vl1, _, _| {
        assert_eq!(vl1.source_of_stored(&stored), Source::Saved);
        for at in [0, 9, 100, stored.len() - 1, stored.len() - 100] {
            let mut damaged = stored.clone();
            damaged[at] ^= 1;
            assert_eq!(vl1.source_of_stored(&damaged), Source::File, "byte {at}");
        }
        assert_eq!(vl1.source_of_stored(&rotated.to_vec()), Source::File);
        assert_eq!(vl1.source_of_stored(&[]), Source::File);
    });
    let other = net.add(2, None);
    net.with(other, |vl1, now, out| {
        assert_eq!(vl1.source_of_stored(&stored), Source::File, "another node's word is not ours");
        let refused = vl1.load_world(now, rotated.clone(), Source::File, out);
        assert_eq!(refused, Err(WorldRefused::Signature));
        assert_eq!(vl1.load_world(now, rotated.clone(), Source::Saved, out), Ok(Accepted::New));
    });
}
