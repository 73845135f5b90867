//! The building blocks give what other implementations give.

use aes::Aes256;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit, KeyIvInit, StreamCipher};
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use proptest::prelude::*;
use zt_crypto::primitives::aes::{Aes, Gmac};
use zt_crypto::primitives::poly::poly1305;
use zt_crypto::primitives::salsa::{Salsa12, Salsa20};

/// Random bytes, and runs of equal ones, which put carries where random bytes never do.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let runs = (any::<u8>(), 0usize..600).prop_map(|(byte, length)| vec![byte; length]);
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..600), runs]
}

fn key() -> impl Strategy<Value = [u8; 32]> {
    prop_oneof![any::<[u8; 32]>(), any::<u8>().prop_map(|byte| [byte; 32])]
}

proptest! {
    #[test]
    fn poly1305_equals_the_crate(key in key(), data in data()) {
        let theirs: [u8; 16] = poly1305::Poly1305::new(&key.into()).compute_unpadded(&data).into();
        prop_assert_eq!(poly1305(&key, &data), theirs);
    }

    #[test]
    fn salsa_equals_the_crate(key in key(), nonce in any::<[u8; 8]>(), data in data()) {
        let (mut ours, mut theirs) = (data.clone(), data.clone());
        Salsa12::new(&key, &nonce).apply(&mut ours);
        salsa20::Salsa12::new(&key.into(), &nonce.into()).apply_keystream(&mut theirs);
        prop_assert_eq!(ours, theirs);
        let (mut ours, mut theirs) = (data.clone(), data);
        Salsa20::new(&key, &nonce).apply(&mut ours);
        salsa20::Salsa20::new(&key.into(), &nonce.into()).apply_keystream(&mut theirs);
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn aes_equals_the_crates(key in key(), block in any::<[u8; 16]>(), data in data()) {
        let (ours, theirs) = (Aes::new(&key), Aes256::new(&key.into()));
        let mut encrypted = block.into();
        theirs.encrypt_block(&mut encrypted);
        prop_assert_eq!(ours.encrypt_block(block), <[u8; 16]>::from(encrypted));
        let mut decrypted = block.into();
        theirs.decrypt_block(&mut decrypted);
        prop_assert_eq!(ours.decrypt_block(block), <[u8; 16]>::from(decrypted));

        let (mut a, mut b) = (data.clone(), data);
        ours.apply_counter(block, &mut a);
        ctr::Ctr128BE::<Aes256>::new(&key.into(), &block.into()).apply_keystream(&mut b);
        prop_assert_eq!(a, b);
    }

    #[test]
    fn gmac_equals_ghash_and_a_block(key in key(), nonce in any::<[u8; 12]>(), data in data()) {
        let cipher = Aes256::new(&key.into());
        let mut hash_key = [0; 16].into();
        cipher.encrypt_block(&mut hash_key);
        let mut hash = GHash::new(&hash_key);
        hash.update_padded(&data);
        let mut lengths = [0; 16];
        lengths[..8].copy_from_slice(&(data.len() as u64 * 8).to_be_bytes());
        hash.update(&[lengths.into()]);
        let mut counter = [0; 16];
        counter[..12].copy_from_slice(&nonce);
        counter[15] = 1;
        let mut mask = counter.into();
        cipher.encrypt_block(&mut mask);
        let sum = hash.finalize();
        let expected: [u8; 16] = std::array::from_fn(|i| sum[i] ^ mask[i]);
        prop_assert_eq!(Gmac::new(&key).tag(nonce, &data), expected);
    }
}
