//! What runs on the vector units of this processor computes what the libraries compute, for every length.

#[cfg(target_arch = "aarch64")]
use std::arch::is_aarch64_feature_detected;

use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit;
use proptest::prelude::*;
use zt_crypto::primitives::aes::{Aes, Gmac};
use zt_crypto::primitives::poly::poly1305;
use zt_crypto::primitives::salsa::{Instructions, PacketStream};

/// The longest packet there is, and a little more.
const LONGEST: usize = 10_240;

/// Bytes that repeat only after the longest packet.
fn noise(length: usize) -> Vec<u8> {
    (0..length)
        .scan(0x9e37_79b9_7f4a_7c15_u64, |state, _| {
            *state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            Some((*state >> 56) as u8)
        })
        .collect()
}

fn key() -> [u8; 32] {
    core::array::from_fn(|at| (at * 7 + 1) as u8)
}

#[test]
fn the_units_that_this_processor_has_are_used() {
    #[cfg(target_arch = "x86_64")]
    let found =
        is_x86_feature_detected!("vaes") && is_x86_feature_detected!("vpclmulqdq") && is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    let found = is_aarch64_feature_detected!("aes") && is_aarch64_feature_detected!("pmull");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let found = false;
    assert_eq!(Gmac::new(&key()).back_end() != "aws-lc", found);
    assert_eq!(Aes::new(&key()).back_end() != "aws-lc", found);
    assert_eq!([Gmac::by_library(&key()).back_end(), Aes::by_library(&key()).back_end()], ["aws-lc"; 2]);
}

#[test]
fn gmac_is_that_of_the_library_for_every_length() {
    let (fast, library) = (Gmac::new(&key()), Gmac::by_library(&key()));
    let message = noise(LONGEST);
    for length in 0..=LONGEST {
        assert_eq!(fast.tag([9; 12], &message[..length]), library.tag([9; 12], &message[..length]), "{length} bytes");
    }
}

#[test]
fn counter_mode_is_that_of_the_library_for_every_length() {
    let (fast, library) = (Aes::new(&key()), Aes::by_library(&key()));
    let plain = noise(LONGEST);
    let start = *b"twelve bytes\x7f\xff\xf0\x01";
    for length in 0..=LONGEST {
        let (mut one, mut other) = (plain[..length].to_vec(), plain[..length].to_vec());
        fast.apply_counter(start, &mut one);
        library.apply_counter(start, &mut other);
        assert!(one == other, "{length} bytes");
    }
}

#[test]
fn packet_streams_are_those_of_the_library_for_every_length() {
    let plain = noise(LONGEST);
    let nonce = *b"a nonce!";
    for length in 0..=LONGEST {
        let [one, two, other] = [Instructions::Best, Instructions::Avx2, Instructions::Library].map(|instructions| {
            let stream = PacketStream::with(instructions, &key(), &nonce);
            let mut data = plain[..length].to_vec();
            let one_time = *stream.one_time_key();
            stream.apply(&mut data);
            (one_time, data)
        });
        assert!(one == other && two == other, "{length} bytes");
    }
}

fn by_crate(key: &[u8; 32], data: &[u8]) -> [u8; 16] {
    Poly1305::new(key.into()).compute_unpadded(data).into()
}

#[test]
fn poly1305_is_that_of_the_library_for_every_length() {
    let message = noise(LONGEST);
    for length in 0..=LONGEST {
        assert_eq!(poly1305(&key(), &message[..length]), by_crate(&key(), &message[..length]), "{length} bytes");
    }
}

#[test]
fn poly1305_carries_at_its_edges() {
    // Sums next to the modulus, and keys of which the clamp leaves everything.
    for byte in [0x00, 0x01, 0xfb, 0xfc, 0xfe, 0xff] {
        for length in [15, 16, 17, 32, 48, 63, 64, 65, 80, 128, 255, 256] {
            for key in [
                [0xff; 32],
                core::array::from_fn(|at| u8::from(at == 0)),
                core::array::from_fn(|at| (at < 16) as u8 * 2),
            ] {
                let message = vec![byte; length];
                assert_eq!(poly1305(&key, &message), by_crate(&key, &message), "{length} bytes of {byte:#x}");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_key_and_message(key: [u8; 32], block: [u8; 16], nonce: [u8; 8], message in proptest::collection::vec(any::<u8>(), 0..700)) {
        let (fast, library) = (Aes::new(&key), Aes::by_library(&key));
        prop_assert_eq!(fast.encrypt_block(block), library.encrypt_block(block));
        prop_assert_eq!(fast.decrypt_block(block), library.decrypt_block(block));
        prop_assert_eq!(fast.decrypt_block(fast.encrypt_block(block)), block);
        let nonce12: [u8; 12] = core::array::from_fn(|at| block[at]);
        prop_assert_eq!(Gmac::new(&key).tag(nonce12, &message), Gmac::by_library(&key).tag(nonce12, &message));
        prop_assert_eq!(poly1305(&key, &message), by_crate(&key, &message));
        let stream = PacketStream::new(&key, &nonce);
        let library = PacketStream::with(Instructions::Library, &key, &nonce);
        prop_assert_eq!(stream.one_time_key(), library.one_time_key());
        let (mut one, mut other) = (message.clone(), message);
        stream.apply(&mut one);
        library.apply(&mut other);
        prop_assert_eq!(one, other);
    }
}
