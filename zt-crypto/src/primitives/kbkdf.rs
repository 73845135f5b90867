//! Derivation of the AES keys from an agreed key (01 §4).

use zeroize::Zeroizing;

use super::sha::hmac384;

/// One HMAC-SHA-384 over the 13-byte KBKDF block of 01 §4; the whole 48-byte output.
///
/// On the wire only labels `b'0'` and `b'1'` with context and iteration 0 occur; their first 32 bytes are AES keys.
#[must_use]
pub fn kbkdf(key: &[u8; 48], label: u8, context: u8, iteration: u32) -> Zeroizing<[u8; 48]> {
    let mut block = [0, 0, 0, 0, b'Z', b'T', label, 0, context, 0, 0, 0x01, 0x80];
    block[..4].copy_from_slice(&iteration.to_be_bytes());
    Zeroizing::new(hmac384(key, &block))
}
