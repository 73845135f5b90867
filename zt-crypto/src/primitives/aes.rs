//! AES-256 as the armor of cipher 3 needs it: GMAC, counter mode and single blocks (01 §5.3).
//!
//! On processors with VAES and VPCLMULQDQ, or with the cryptographic extension of ARMv8, our own code does the work, on
//! all others aws-lc, the fastest library measured (see the README of this crate).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;

use super::sys::{VectorCounter, VectorGmac};

/// Why no call below can fail: lengths and modes are fixed by the types.
const FITS: &str = "AES-256 with a 32-byte key and whole blocks";

const LIBRARY: &str = "aws-lc";

/// GMAC under one key: AES-GCM with nothing but additional data.
pub struct Gmac(GmacBackEnd);

#[cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    expect(clippy::large_enum_variant, reason = "the usual one lies together: a packet waits for memory once less")
)]
enum GmacBackEnd {
    Vector(VectorGmac),
    Library(Box<LessSafeKey>),
}

impl Gmac {
    /// Expands the key for the fastest code that this processor can run.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        if let Some(gmac) = VectorGmac::new(key) {
            return Self(GmacBackEnd::Vector(gmac));
        }
        Self::by_library(key)
    }

    /// Expands the key for aws-lc, which runs everywhere.
    #[must_use]
    pub fn by_library(key: &[u8; 32]) -> Self {
        Self(GmacBackEnd::Library(Box::new(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect(FITS)))))
    }

    /// Reads the expanded key into the processor's caches.
    pub fn touch(&self) {
        if let GmacBackEnd::Vector(gmac) = &self.0 {
            gmac.touch();
        }
    }

    /// What does the work, for people.
    #[must_use]
    pub fn back_end(&self) -> &'static str {
        match &self.0 {
            GmacBackEnd::Vector(_) => VectorGmac::NAME,
            GmacBackEnd::Library(_) => LIBRARY,
        }
    }

    /// The 16-byte tag of `message` under a 12-byte nonce.
    #[must_use]
    pub fn tag(&self, nonce: [u8; 12], message: &[u8]) -> [u8; 16] {
        match &self.0 {
            GmacBackEnd::Vector(gmac) => gmac.tag(nonce, message),
            GmacBackEnd::Library(key) => {
                let nonce = Nonce::assume_unique_for_key(nonce);
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(message), &mut []).expect(FITS);
                tag.as_ref().try_into().expect("a GCM tag has 16 bytes")
            }
        }
    }
}

/// AES-256 in counter mode and block by block, under one key.
pub struct Aes(AesBackEnd);

#[cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    expect(clippy::large_enum_variant, reason = "the usual one lies together: a packet waits for memory once less")
)]
enum AesBackEnd {
    Vector(VectorCounter),
    Library(Box<LibraryKeys>),
}

struct LibraryKeys {
    counter: EncryptingKey,
    inverse: DecryptingKey,
}

impl Aes {
    /// Expands the key for the fastest code that this processor can run.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        if let Some(aes) = VectorCounter::new(key) {
            return Self(AesBackEnd::Vector(aes));
        }
        Self::by_library(key)
    }

    /// Expands the key for aws-lc, which runs everywhere.
    #[must_use]
    pub fn by_library(key: &[u8; 32]) -> Self {
        let unbound = || UnboundCipherKey::new(&AES_256, key).expect(FITS);
        Self(AesBackEnd::Library(Box::new(LibraryKeys {
            counter: EncryptingKey::ctr(unbound()).expect(FITS),
            inverse: DecryptingKey::ecb(unbound()).expect(FITS),
        })))
    }

    /// As [`Gmac::touch`].
    pub fn touch(&self) {
        if let AesBackEnd::Vector(aes) = &self.0 {
            aes.touch();
        }
    }

    /// What does the work, for people.
    #[must_use]
    pub fn back_end(&self) -> &'static str {
        match &self.0 {
            AesBackEnd::Vector(_) => VectorCounter::NAME,
            AesBackEnd::Library(_) => LIBRARY,
        }
    }

    /// Encrypts one block.
    #[must_use]
    pub fn encrypt_block(&self, block: [u8; 16]) -> [u8; 16] {
        match &self.0 {
            AesBackEnd::Vector(aes) => aes.encrypt_block(block),
            AesBackEnd::Library(_) => {
                // The first key stream block of counter mode is the encrypted counter: this spares a third key schedule.
                let mut out = [0; 16];
                self.apply_counter(block, &mut out);
                out
            }
        }
    }

    /// Decrypts one block.
    #[must_use]
    pub fn decrypt_block(&self, mut block: [u8; 16]) -> [u8; 16] {
        match &self.0 {
            AesBackEnd::Vector(aes) => aes.decrypt_block(block),
            AesBackEnd::Library(keys) => {
                keys.inverse.decrypt(&mut block, DecryptionContext::None).expect(FITS);
                block
            }
        }
    }

    /// XORs the key stream that starts at counter block `start` over `data`.
    ///
    /// The last four bytes of `start`, big-endian, count up. They must not overflow: the armor clears their top bit.
    pub fn apply_counter(&self, start: [u8; 16], data: &mut [u8]) {
        match &self.0 {
            AesBackEnd::Vector(aes) => aes.apply(start, data),
            AesBackEnd::Library(keys) => {
                let context = EncryptionContext::Iv128(FixedLength::from(start));
                keys.counter.less_safe_encrypt(data, context).expect(FITS);
            }
        }
    }
}
