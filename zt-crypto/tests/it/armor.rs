//! Sealing and opening.

use proptest::prelude::*;
use zt_crypto::{ArmorError, PeerKeys, SharedKey, Suite, trusted_path, trusted_path_id_matches};
use zt_wire::PacketId;

use crate::support::{BODY, FLAGS, keys, plain_packet, suite};

fn fixed_keys() -> PeerKeys {
    PeerKeys::new(SharedKey::from_bytes([42; 48]))
}

proptest! {
    #[test]
    fn opening_gives_what_was_sealed(keys in keys(), plain in plain_packet(), suite in suite()) {
        let mut packet = plain.clone();
        let id = keys.seal(&mut packet, suite);
        prop_assert_eq!(id, PacketId(u64::from_be_bytes(packet[..8].try_into().unwrap())));
        prop_assert_eq!(&packet[8..FLAGS], &plain[8..FLAGS]);
        prop_assert_eq!(packet[FLAGS] & 0x47, plain[FLAGS]);
        prop_assert_eq!(packet[FLAGS] & 0x80 != 0, suite == Suite::Salsa2012Poly1305);
        if suite != Suite::AesGmacSiv {
            prop_assert_eq!(&packet[..8], &plain[..8]);
        }
        let sealed = packet.clone();
        prop_assert_eq!(keys.open(&mut packet), Ok(suite));
        prop_assert_eq!(&packet[..BODY], &sealed[..BODY]);
        prop_assert_eq!(&packet[BODY..], &plain[BODY..]);
    }

    #[test]
    fn relays_may_change_the_hops(keys in keys(), plain in plain_packet(), suite in suite(), hops in 0u8..8) {
        let mut packet = plain.clone();
        keys.seal(&mut packet, suite);
        packet[FLAGS] |= hops;
        prop_assert_eq!(keys.open(&mut packet), Ok(suite));
        prop_assert_eq!(&packet[BODY..], &plain[BODY..]);
    }

    #[test]
    fn any_other_change_is_noticed(
        keys in keys(), plain in plain_packet(), suite in suite(),
        at in any::<prop::sample::Index>(), in_header in any::<bool>(), change in 1u8..,
    ) {
        let mut packet = plain;
        keys.seal(&mut packet, suite);
        let at = at.index(if in_header { BODY } else { packet.len() });
        let change = if at == FLAGS { (change & 0xf8).max(8) } else { change };
        packet[at] ^= change;
        let changed = packet.clone();
        prop_assert!(keys.open(&mut packet).is_err());
        nothing_leaks(&changed, &packet)?;
    }

    #[test]
    fn a_change_of_length_is_noticed(
        keys in keys(), plain in plain_packet(), suite in suite(), cut in any::<prop::sample::Index>(), extra in any::<u8>(),
    ) {
        let mut sealed = plain;
        keys.seal(&mut sealed, suite);
        let mut shorter = sealed[..cut.index(sealed.len())].to_vec();
        prop_assert!(keys.open(&mut shorter).is_err());
        let mut longer = sealed;
        longer.push(extra);
        prop_assert!(keys.open(&mut longer).is_err());
    }

    #[test]
    fn other_keys_do_not_open(a in keys(), b in any::<[u8; 16]>(), plain in plain_packet(), suite in suite()) {
        let mut other = [0x55; 48];
        other[..16].copy_from_slice(&b);
        let mut packet = plain;
        a.seal(&mut packet, suite);
        let sealed = packet.clone();
        prop_assert_eq!(PeerKeys::new(SharedKey::from_bytes(other)).open(&mut packet), Err(ArmorError::NotAuthentic));
        nothing_leaks(&sealed, &packet)?;
    }

    #[test]
    fn junk_does_not_open_nor_panic(keys in keys(), mut junk in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(keys.open(&mut junk).is_err());
    }

    #[test]
    fn masking_twice_is_nothing_and_ignores_the_low_bits_of_the_id(
        keys in keys(), id in any::<u64>(), low in 0u64..8, tail in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut masked = tail.clone();
        keys.mask_hello_tail(PacketId(id), &mut masked);
        prop_assert!(tail.len() < 8 || masked != tail);
        keys.mask_hello_tail(PacketId(id ^ low), &mut masked);
        prop_assert_eq!(masked, tail);
    }

    #[test]
    fn trusted_path_marks_and_matches(plain in plain_packet(), id in any::<u64>(), other in any::<u64>()) {
        let mut packet = plain.clone();
        trusted_path(&mut packet, id);
        prop_assert_eq!(packet[FLAGS], plain[FLAGS] | 0x10);
        prop_assert_eq!(&packet[BODY..], &plain[BODY..]);
        prop_assert_eq!(trusted_path_id_matches(&packet, id), id != 0);
        prop_assert_eq!(trusted_path_id_matches(&packet, other), id != 0 && id == other);
        prop_assert_eq!(fixed_keys().open(&mut packet), Err(ArmorError::NoSuchCipher));
    }
}

/// After a failed opening the body is either untouched or zero, never decrypted.
fn nothing_leaks(before: &[u8], after: &[u8]) -> Result<(), TestCaseError> {
    prop_assert_eq!(&before[..BODY], &after[..BODY]);
    prop_assert!(before[BODY..] == after[BODY..] || after[BODY..].iter().all(|b| *b == 0));
    Ok(())
}

#[test]
fn a_trusted_path_of_id_zero_never_matches() {
    let mut packet = [1; 40];
    trusted_path(&mut packet, 0);
    assert!(!trusted_path_id_matches(&packet, 0));
}

#[test]
fn a_packet_of_another_cipher_matches_no_trusted_path() {
    let mut packet = [7; 40];
    packet[FLAGS] = 0x18;
    assert!(!trusted_path_id_matches(&packet, 0x0707_0707_0707_0707));
    packet[FLAGS] = 0x12;
    assert!(trusted_path_id_matches(&packet, 0x0707_0707_0707_0707));
    assert!(!trusted_path_id_matches(&packet[..27], 0x0707_0707_0707_0707));
}

#[test]
fn too_short_and_unknown_ciphers_have_their_own_errors() {
    let keys = fixed_keys();
    assert_eq!(keys.open(&mut [0; 27]), Err(ArmorError::TooShort));
    assert_eq!(keys.open(&mut []), Err(ArmorError::TooShort));
    for cipher in [2, 4, 5, 6, 7] {
        let mut packet = [0; 60];
        packet[FLAGS] = cipher << 3;
        assert_eq!(keys.open(&mut packet), Err(ArmorError::NoSuchCipher));
    }
}

#[test]
fn a_failed_opening_of_cipher_3_destroys_the_body() {
    let keys = fixed_keys();
    let mut packet = [9; 100];
    packet[FLAGS] = 0;
    keys.seal(&mut packet, Suite::AesGmacSiv);
    packet[8] ^= 1;
    assert_eq!(keys.open(&mut packet), Err(ArmorError::NotAuthentic));
    assert!(packet[BODY..].iter().all(|b| *b == 0));
}

#[test]
fn keys_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<PeerKeys>();
}

#[test]
fn nothing_secret_is_printed() {
    let key = SharedKey::from_bytes([0xab; 48]);
    assert_eq!(format!("{key:?}"), "SharedKey(..)");
    assert_eq!(format!("{:?}", PeerKeys::new(key)), "PeerKeys(..)");
}

#[test]
fn keys_that_rested_open_and_seal_as_before() {
    let plain = *b"8 randomDSTadSRCad\0\0\0\0\0\0\0\0\0\x06some payload";
    let mut keys = PeerKeys::new(SharedKey::from_bytes([7; 48]));
    assert!(keys.is_at_rest(), "nothing needed the schedules yet");
    for suite in [Suite::Poly1305None, Suite::Salsa2012Poly1305, Suite::AesGmacSiv] {
        let mut packet = plain;
        keys.seal(&mut packet, suite);
        assert_eq!(keys.is_at_rest(), suite != Suite::AesGmacSiv);
        keys.rest();
        assert!(keys.is_at_rest());
        let mut again = plain;
        keys.seal(&mut again, suite);
        assert_eq!((again, keys.open(&mut packet)), (packet_of(&plain, suite), Ok(suite)));
    }
}

/// Sealed by keys that never rested.
fn packet_of(plain: &[u8; 40], suite: Suite) -> [u8; 40] {
    let mut packet = *plain;
    PeerKeys::new(SharedKey::from_bytes([7; 48])).seal(&mut packet, suite);
    packet
}
