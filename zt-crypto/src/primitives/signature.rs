//! The 96-byte signature: Ed25519 over a digest, with the digest behind it (01 §2.3).

use ed25519_dalek::{Signer, SigningKey, Verifier, VerifyingKey};
use subtle::ConstantTimeEq;
use zt_wire::Signature;

use super::sha::hash512;

/// Signs the first half of the SHA-512 of `message`.
#[must_use]
pub fn sign(key: &SigningKey, message: &[u8]) -> Signature {
    let digest = digest(message);
    let mut out = [0u8; 96];
    out[..64].copy_from_slice(&key.sign(&digest).to_bytes());
    out[64..].copy_from_slice(&digest);
    Signature(out)
}

/// Whether `signature` is one over `message` by the owner of the combined public key.
///
/// Stricter than the reference for `S ≥ L` only, which no honest signer makes (01 §2.3).
#[must_use]
pub fn verify(public_key: &[u8; 64], message: &[u8], signature: &Signature) -> bool {
    let digest = digest(message);
    let (rs, signed) = signature.0.split_at(64);
    if !bool::from(signed.ct_eq(&digest)) {
        return false;
    }
    let half: &[u8; 32] = public_key[32..].try_into().expect("half of 64 bytes");
    let Ok(key) = VerifyingKey::from_bytes(half) else { return false };
    let Ok(rs) = ed25519_dalek::Signature::from_slice(rs) else { return false };
    key.verify(&digest, &rs).is_ok()
}

fn digest(message: &[u8]) -> [u8; 32] {
    hash512(message)[..32].try_into().expect("half of 64 bytes")
}
