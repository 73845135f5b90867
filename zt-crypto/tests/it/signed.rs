//! Signatures on messages, worlds and credentials.

use proptest::prelude::*;
use zt_crypto::{KeyPair, SecretIdentity, SeededEntropy, sign_world, verify, verify_credential, verify_world};
use zt_wire::{Signature, World, WorldKind};

proptest! {
    // Curve operations are slow: fewer cases do.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.min(512)))]

    #[test]
    fn a_signature_verifies_for_its_message_and_key_only(
        seed in any::<u64>(), message in proptest::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(), change in 1u8..,
    ) {
        let key = KeyPair::generate(&mut SeededEntropy::new(seed));
        let signature = key.sign(&message);
        prop_assert!(verify(key.public_key(), &message, &signature));
        prop_assert_eq!(signature, key.sign(&message));

        let mut other = message.clone();
        other.push(0);
        prop_assert!(!verify(key.public_key(), &other, &signature));

        let mut changed = signature;
        changed.0[at.index(96)] ^= change;
        prop_assert!(!verify(key.public_key(), &message, &changed));

        let stranger = KeyPair::generate(&mut SeededEntropy::new(seed ^ 1));
        prop_assert!(!verify(stranger.public_key(), &message, &signature));
    }

    #[test]
    fn any_bytes_as_key_and_signature_are_a_plain_no(key in any::<[u8; 32]>(), signature in proptest::collection::vec(any::<u8>(), 96)) {
        let mut public = [0; 64];
        public[32..].copy_from_slice(&key);
        prop_assert!(!verify(&public, b"message", &Signature(signature.try_into().unwrap())));
    }
}

#[test]
fn a_world_verifies_under_the_key_that_signed_it() {
    let mut entropy = SeededEntropy::new(3);
    let (old, new) = (KeyPair::generate(&mut entropy), KeyPair::generate(&mut entropy));
    let mut world = World {
        kind: WorldKind::Moon,
        id: 0x1122,
        timestamp: 7,
        update_key: *new.public_key(),
        signature: Signature([0; 96]),
        roots: Vec::new(),
    };
    sign_world(&mut world, &old);
    assert!(verify_world(&world, old.public_key()));
    assert!(!verify_world(&world, new.public_key()), "the key it names signs the next revision");
    world.timestamp += 1;
    assert!(!verify_world(&world, old.public_key()));
}

#[test]
fn a_credential_verifies_with_its_issuer() {
    let controller = SecretIdentity::generate(&mut SeededEntropy::new(4));
    let mut other = *controller.identity();
    other.public_key = *KeyPair::generate(&mut SeededEntropy::new(5)).public_key();
    let signature = controller.sign(b"signed form");
    assert!(verify_credential(b"signed form", &signature, controller.identity()));
    assert!(!verify_credential(b"signed form", &signature, &other));
    assert!(!verify_credential(b"another form", &signature, controller.identity()));
    assert!(!verify_credential(b"signed form", &Signature([0; 96]), controller.identity()));
}
