//! The combined key pair: X25519 for agreement beside Ed25519 for signatures (01 §2).

use core::fmt;

use ed25519_dalek::SigningKey;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};
use zt_wire::Signature;

use crate::Entropy;
use crate::primitives::agreement::{stretch, x25519};
use crate::primitives::signature;

/// The 48-byte key two peers have in common (01 §2.2). Wiped when dropped; never printed.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SharedKey([u8; 48]);

impl SharedKey {
    /// Takes a key agreed elsewhere.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 48]) -> Self {
        Self(bytes)
    }

    /// The key itself; for derivations only.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 48] {
        &self.0
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey(..)")
    }
}

/// A secret combined key pair, of a node or of a world. Wiped when dropped; never printed.
pub struct KeyPair {
    secret: Zeroizing<[u8; 64]>,
    signing: SigningKey,
    public: [u8; 64],
}

impl KeyPair {
    /// Makes a pair from random bytes.
    #[must_use]
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        let mut secret = Zeroizing::new([0; 64]);
        entropy.fill(&mut secret[..]);
        Self::from_secret(&secret)
    }

    /// Computes the public half of a stored secret: 32 bytes X25519 (unclamped), 32 bytes Ed25519 seed (01 §2.1).
    #[must_use]
    pub fn from_secret(secret: &[u8; 64]) -> Self {
        let signing = SigningKey::from_bytes(half(secret, 1));
        let mut public = [0; 64];
        public[..32].copy_from_slice(&public_agreement_half(half(secret, 0)));
        public[32..].copy_from_slice(signing.verifying_key().as_bytes());
        Self { secret: Zeroizing::new(*secret), signing, public }
    }

    /// The combined public key.
    #[must_use]
    pub fn public_key(&self) -> &[u8; 64] {
        &self.public
    }

    /// The stored form of the secret; keep it out of logs and of files others can read.
    #[must_use]
    pub fn secret_bytes(&self) -> &[u8; 64] {
        &self.secret
    }

    /// Agrees on a key with the owner of a combined public key; `None` if that key is of low order, in which case
    /// anyone could compute the result (01 §2.2).
    #[must_use]
    pub fn agree(&self, public_key: &[u8; 64]) -> Option<SharedKey> {
        let raw = x25519(half(&self.secret, 0), half(public_key, 0))?;
        let mut key = SharedKey([0; 48]);
        stretch(&raw, &mut key.0);
        Some(key)
    }

    /// Signs a message (01 §2.3); the same message gives the same signature.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        signature::sign(&self.signing, message)
    }

    /// Replaces the agreement half by a random one.
    pub(crate) fn renew_agreement_half(&mut self, entropy: &mut dyn Entropy) {
        entropy.fill(&mut self.secret[..32]);
        let public = public_agreement_half(half(&self.secret, 0));
        self.public[..32].copy_from_slice(&public);
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPair(..)")
    }
}

/// The first (0) or second (1) half of a combined key.
fn half(key: &[u8; 64], which: usize) -> &[u8; 32] {
    key[which * 32..which * 32 + 32].try_into().expect("half of 64 bytes")
}

fn public_agreement_half(secret: &[u8; 32]) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(*secret)).to_bytes()
}
