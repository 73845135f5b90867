//! The building blocks give what other implementations give: crates, published answers, or (where a test says so) a
//! few lines of Python with big integers.

use aes::Aes256;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit, KeyIvInit, StreamCipher};
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use proptest::prelude::*;
use zt_crypto::hash512;
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
    fn salsa_goes_on_where_it_stopped(key in key(), nonce in any::<[u8; 8]>(), data in data(), cut in 0usize..600) {
        let mut whole = data.clone();
        Salsa12::new(&key, &nonce).apply(&mut whole);
        let (mut pieces, cut) = (data.clone(), cut.min(data.len()));
        let mut stream = Salsa12::new(&key, &nonce);
        stream.apply(&mut pieces[..cut]);
        stream.apply(&mut pieces[cut..]);
        prop_assert_eq!(&whole, &pieces);

        let mut keys = vec![0xaa; data.len()];
        Salsa12::new(&key, &nonce).write(&mut keys);
        keys.iter_mut().zip(&data).for_each(|(key, byte)| *key ^= byte);
        prop_assert_eq!(whole, keys);
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

/// Key 80 00…, nonce 0, the first vector of the eSTREAM set for 256-bit keys; then block 7, from Python.
#[test]
fn salsa_known_answers() {
    let mut key = [0; 32];
    key[0] = 0x80;
    let (mut twelve, mut twenty) = (Salsa12::new(&key, &[0; 8]), Salsa20::new(&key, &[0; 8]));
    assert_eq!(
        twelve.next_block()[..32],
        *b"\xaf\xe4\x11\xed\x1c\x4e\x07\xe4\xd0\xcd\xe3\xb3\x3e\x31\xec\x19\
           \x0f\xa4\xcc\x79\x6a\x58\xba\xfb\x84\x8e\xad\x8d\x07\xd0\x2c\xd2"
    );
    assert_eq!(
        twenty.next_block()[..32],
        *b"\xe3\xbe\x8f\xdd\x8b\xec\xa2\xe3\xea\x8e\xf9\x47\x5b\x29\xa6\xe7\
           \x00\x39\x51\xe1\x09\x7a\x5c\x38\xd2\x3b\x7a\x5f\xad\x9f\x68\x44"
    );
    twelve.write(&mut [0; 6 * 64]);
    twenty.write(&mut [0; 6 * 64]);
    assert_eq!(twelve.next_block()[..8], *b"\x87\xa5\x19\x1e\xc2\xe3\xc9\x04");
    assert_eq!(twenty.next_block()[..8], *b"\x69\x6a\xfc\xfd\x0c\xdd\xcc\x83");
}

#[test]
fn poly1305_rfc_8439_section_2_5_2() {
    let key = *b"\x85\xd6\xbe\x78\x57\x55\x6d\x33\x7f\x44\x52\xfe\x42\xd5\x06\xa8\
                 \x01\x03\x80\x8a\xfb\x0d\xb2\xfd\x4a\xbf\xf6\xaf\x41\x49\xf5\x1b";
    let tag = *b"\xa8\x06\x1d\xc1\x30\x51\x36\xc6\xc2\x2b\x8b\xaf\x0c\x01\x27\xa9";
    assert_eq!(poly1305(&key, b"Cryptographic Forum Research Group"), tag);
}

/// Sums right at and above 2¹²⁸ and 2¹³⁰ - 5: RFC 8439, A.3, vectors 7 to 11.
#[test]
fn poly1305_around_the_modulus() {
    let key = |r: u8, s: u8| {
        std::array::from_fn(|i| {
            if i == 0 {
                r
            } else if i < 16 {
                0
            } else {
                s
            }
        })
    };
    let block = |first: u8, fill: u8| -> [u8; 16] { std::array::from_fn(|i| if i == 0 { first } else { fill }) };
    for (key, message, tag) in [
        (key(2, 0), vec![block(0xff, 0xff)], block(3, 0)),
        (key(2, 0xff), vec![block(2, 0)], block(3, 0)),
        (key(1, 0), vec![block(0xff, 0xff), block(0xf0, 0xff), block(0x11, 0)], block(5, 0)),
        (key(1, 0), vec![block(0xff, 0xff), block(0xfb, 0xfe), block(1, 1)], block(0, 0)),
        (key(2, 0), vec![block(0xfd, 0xff)], block(0xfa, 0xff)),
    ] {
        assert_eq!(poly1305(&key, message.as_flattened()), tag, "{message:02x?}");
    }
}

/// Every length around the blocks of any vector code; the expected digests of all tags come from Python.
#[test]
fn poly1305_at_every_length() {
    let digest = |key: &[u8; 32], data: &[u8]| {
        let tags: Vec<_> = (0..600).map(|length| poly1305(key, &data[..length])).collect();
        hash512(tags.as_flattened())[..8].to_vec()
    };
    assert_eq!(digest(&[0xff; 32], &[0xff; 600]), b"\x4f\xb2\x1b\x74\xce\xf0\x3b\x3b");
    let key = std::array::from_fn(|i| i as u8 + 1);
    let data: [u8; 600] = std::array::from_fn(|i| (i * 7) as u8);
    assert_eq!(digest(&key, &data), b"\x0b\x3b\xe3\xe4\xab\x59\xbe\x83");
}
