//! X25519 and the stretching of its result (01 §2.2).

use subtle::ConstantTimeEq;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::sha::hash512;

/// The raw X25519 result, or `None` if it is all zero: the other's key then is of low order and everyone could
/// compute it (01 §2.2). The secret is clamped on use.
#[must_use]
pub fn x25519(secret: &[u8; 32], public: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
    let secret = StaticSecret::from(*secret);
    let raw = Zeroizing::new(secret.diffie_hellman(&PublicKey::from(*public)).to_bytes());
    if bool::from(raw.ct_eq(&[0; 32])) { None } else { Some(raw) }
}

/// Fills `out` with `SHA-512(raw) ‖ SHA-512(SHA-512(raw)) ‖ …`; between peers 48 bytes are taken.
pub fn stretch(raw: &[u8; 32], out: &mut [u8]) {
    let mut digest = Zeroizing::new(hash512(raw));
    for chunk in out.chunks_mut(64) {
        chunk.copy_from_slice(&digest[..chunk.len()]);
        digest = Zeroizing::new(hash512(&digest[..]));
    }
}
