//! Poly1305 with a one-time key (01 §0), from the `poly1305` crate.

use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit;

/// The 16-byte tag of `data` under the one-time key `r ‖ s`.
#[must_use]
pub fn poly1305(key: &[u8; 32], data: &[u8]) -> [u8; 16] {
    Poly1305::new(key.into()).compute_unpadded(data).into()
}
