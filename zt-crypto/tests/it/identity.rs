//! Generating, reading, validating.

use std::sync::OnceLock;

use proptest::prelude::*;
use zt_crypto::{Entropy, KeyPair, SecretIdentity, SecretIdentityError, SeededEntropy, fingerprint, hash384, validate};
use zt_wire::{Address, Identity};

/// One of two identities made once: making them is slow by design.
fn node(which: usize) -> &'static SecretIdentity {
    static NODES: OnceLock<[SecretIdentity; 2]> = OnceLock::new();
    &NODES.get_or_init(|| [1, 2].map(|seed| SecretIdentity::generate(&mut SeededEntropy::new(seed))))[which]
}

#[test]
fn a_generated_identity_is_valid_and_reads_back() {
    let made = node(0);
    assert!(validate(made.identity()));
    let text = made.to_text();
    assert_eq!(text.len(), 270);
    let read = SecretIdentity::from_text(&text).unwrap();
    assert_eq!(read.identity(), made.identity());
    assert_eq!(read.to_text(), text);
    assert_eq!(SecretIdentity::from_text(&format!("{}\r\n", *text)).unwrap().address(), made.address());
    assert_eq!(format!("{made:?}"), format!("SecretIdentity({})", made.address()));
}

#[test]
fn the_same_seed_makes_the_same_identity() {
    let again = SecretIdentity::generate(&mut SeededEntropy::new(1));
    assert_eq!(again.identity(), node(0).identity());
    assert_ne!(again.identity(), node(1).identity());
}

#[test]
fn another_address_or_key_is_not_valid() {
    let good = *node(0).identity();
    let other_address = Identity { address: Address::new(good.address.as_u64() ^ 1), ..good };
    assert!(!validate(&other_address));
    let mut other_key = good;
    other_key.public_key[40] ^= 1;
    assert!(!validate(&other_key));
    assert!(!validate(&Identity { address: Address::NIL, ..good }));
    assert!(!validate(&Identity { address: Address::new(0xff_0000_0001), ..good }));
}

#[test]
fn texts_of_another_form_are_refused() {
    let good = node(0).to_text();
    let refused = |text: &str| SecretIdentity::from_text(text).unwrap_err();
    assert_eq!(refused(""), SecretIdentityError::Malformed);
    assert_eq!(refused(&good[..100]), SecretIdentityError::Malformed);
    assert_eq!(refused(&good[..141]), SecretIdentityError::NoSecret);
    assert_eq!(refused(&good[..142]), SecretIdentityError::Malformed);
    assert_eq!(refused(&good[..269]), SecretIdentityError::Malformed);
    assert_eq!(refused(&format!("{}0", *good)), SecretIdentityError::Malformed);
    assert_eq!(refused(&format!("{}x", &good[..269])), SecretIdentityError::Malformed);
    assert_eq!(refused(&good.replacen(":0:", ":1:", 1)), SecretIdentityError::Malformed);
    assert_eq!(refused(&"é".repeat(135)), SecretIdentityError::Malformed);
}

#[test]
fn a_secret_of_another_identity_is_refused() {
    let (a, b) = (node(0).to_text(), node(1).to_text());
    let mixed = format!("{}{}", &a[..142], &b[142..]);
    assert_eq!(SecretIdentity::from_text(&mixed).unwrap_err(), SecretIdentityError::Mismatch);
}

#[test]
fn both_sides_agree_on_the_same_key() {
    let (a, b) = (node(0), node(1));
    let (ab, ba) = (a.agree(b.identity()).unwrap(), b.agree(a.identity()).unwrap());
    assert_eq!(ab.as_bytes(), ba.as_bytes());
}

#[test]
fn a_public_key_of_low_order_gives_no_key() {
    let a = node(0);
    let mut weak = *node(1).identity();
    for first in [0, 1] {
        weak.public_key[..32].fill(0);
        weak.public_key[0] = first;
        assert!(a.agree(&weak).is_none());
    }
}

#[test]
fn the_fingerprint_covers_address_and_key() {
    let identity = *node(1).identity();
    let mut bytes = identity.address.to_bytes().to_vec();
    bytes.extend(identity.public_key);
    assert_eq!(fingerprint(&identity), hash384(&bytes));
}

proptest! {
    #[test]
    fn reading_never_panics(text in "\\PC{0,300}") {
        let _ = SecretIdentity::from_text(&text);
    }

    #[test]
    fn seeded_bytes_do_not_depend_on_how_they_are_drawn(seed in any::<u64>(), cuts in proptest::collection::vec(0usize..90, 1..8)) {
        let total = cuts.iter().sum::<usize>();
        let mut whole = vec![0; total];
        SeededEntropy::new(seed).fill(&mut whole);
        let mut pieces = SeededEntropy::new(seed);
        let mut drawn = Vec::new();
        for cut in cuts {
            let mut piece = vec![0; cut];
            pieces.fill(&mut piece);
            drawn.extend(piece);
        }
        prop_assert_eq!(whole, drawn);
    }

    #[test]
    fn below_stays_below(seed in any::<u64>(), n in prop_oneof![1u64..100, any::<u64>()]) {
        let number = SeededEntropy::new(seed).below(n);
        prop_assert!(n == 0 && number == 0 || number < n);
    }
}

proptest! {
    // Curve operations are slow: fewer cases do.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.min(512)))]
    #[test]
    fn agreement_is_symmetric_for_any_secrets(a in any::<[u8; 32]>(), b in any::<[u8; 32]>()) {
        let pair = |half: [u8; 32]| {
            let mut secret = [7; 64];
            secret[..32].copy_from_slice(&half);
            KeyPair::from_secret(&secret)
        };
        let (a, b) = (pair(a), pair(b));
        let (ab, ba) = (a.agree(b.public_key()).unwrap(), b.agree(a.public_key()).unwrap());
        prop_assert_eq!(ab.as_bytes(), ba.as_bytes());
    }
}

#[test]
fn below_takes_every_value() {
    let mut entropy = SeededEntropy::new(1);
    let mut seen = [0; 7];
    for _ in 0..7000 {
        seen[entropy.below(7) as usize] += 1;
    }
    assert!(seen.iter().all(|count| (800..1200).contains(count)), "{seen:?}");
    assert_eq!(entropy.below(0), 0);
    assert_eq!(entropy.below(1), 0);
}
