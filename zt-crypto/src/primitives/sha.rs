//! SHA-512, SHA-384 and HMAC-SHA-384 (01 §0).

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha384, Sha512};

/// SHA-512 of `data`, 64 bytes.
#[must_use]
pub fn hash512(data: &[u8]) -> [u8; 64] {
    Sha512::digest(data).into()
}

/// SHA-384 of `data`, 48 bytes.
#[must_use]
pub fn hash384(data: &[u8]) -> [u8; 48] {
    Sha384::digest(data).into()
}

/// HMAC-SHA-384 of `data` under `key` of any length, 48 bytes.
#[must_use]
pub fn hmac384(key: &[u8], data: &[u8]) -> [u8; 48] {
    let mut mac = Hmac::<Sha384>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(data);
    mac.finalize().into_bytes().into()
}
