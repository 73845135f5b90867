//! AES-256 as the armor of cipher 3 needs it: GMAC, counter mode and single blocks (01 §5.3).
//!
//! All calls go to aws-lc, the fastest back end measured (see the README of this crate).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;

/// Why no call below can fail: lengths and modes are fixed by the types.
const FITS: &str = "AES-256 with a 32-byte key and whole blocks";

/// GMAC under one key: AES-GCM with nothing but additional data.
pub struct Gmac(LessSafeKey);

impl Gmac {
    /// Expands the key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect(FITS)))
    }

    /// The 16-byte tag of `message` under a 12-byte nonce.
    #[must_use]
    pub fn tag(&self, nonce: [u8; 12], message: &[u8]) -> [u8; 16] {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(message), &mut []).expect(FITS);
        tag.as_ref().try_into().expect("a GCM tag has 16 bytes")
    }
}

/// AES-256 in counter mode and block by block, under one key.
pub struct Aes {
    counter: EncryptingKey,
    inverse: DecryptingKey,
}

impl Aes {
    /// Expands the key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let unbound = || UnboundCipherKey::new(&AES_256, key).expect(FITS);
        Self {
            counter: EncryptingKey::ctr(unbound()).expect(FITS),
            inverse: DecryptingKey::ecb(unbound()).expect(FITS),
        }
    }

    /// Encrypts one block.
    #[must_use]
    pub fn encrypt_block(&self, block: [u8; 16]) -> [u8; 16] {
        // The first key stream block of counter mode is the encrypted counter: this spares a third key schedule.
        let mut out = [0; 16];
        self.apply_counter(block, &mut out);
        out
    }

    /// Decrypts one block.
    #[must_use]
    pub fn decrypt_block(&self, mut block: [u8; 16]) -> [u8; 16] {
        self.inverse.decrypt(&mut block, DecryptionContext::None).expect(FITS);
        block
    }

    /// XORs the key stream that starts at counter block `start` (counted as one big-endian number) over `data`.
    pub fn apply_counter(&self, start: [u8; 16], data: &mut [u8]) {
        let context = EncryptionContext::Iv128(FixedLength::from(start));
        self.counter.less_safe_encrypt(data, context).expect(FITS);
    }
}
