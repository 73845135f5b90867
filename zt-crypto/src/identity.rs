//! Identities with their secret, and what makes an identity valid (01 §3).

use core::fmt;

use thiserror::Error;
use zeroize::Zeroizing;
use zt_wire::{Address, Identity, Signature};

use crate::primitives::memory_hard::memory_hard_digest;
use crate::primitives::sha::hash384;
use crate::{Entropy, KeyPair, SharedKey};

/// First digest bytes below this are acceptable: about one key in fifteen (01 §3.2).
const HASHCASH_LIMIT: u8 = 17;

/// The address that belongs to a combined public key, or `None` if the key is not acceptable as an identity
/// (01 §3.2). Costs one memory-hard hash.
#[must_use]
pub fn derive_address(public_key: &[u8; 64]) -> Option<Address> {
    let digest = memory_hard_digest(public_key);
    let address = Address::from_bytes(digest[59..].try_into().expect("the last 5 of 64 bytes"));
    (digest[0] < HASHCASH_LIMIT && !address.is_reserved()).then_some(address)
}

/// Whether the address belongs to the public key (01 §3.4). Costs one memory-hard hash, some ten milliseconds:
/// call it behind a rate gate, and not on the thread that moves packets.
#[must_use]
pub fn validate(identity: &Identity) -> bool {
    !identity.address.is_reserved() && derive_address(&identity.public_key) == Some(identity.address)
}

/// SHA-384 of address and public key (01 §11); its first 32 bytes go into certificates of membership.
#[must_use]
pub fn fingerprint(identity: &Identity) -> [u8; 48] {
    let mut bytes = [0u8; 69];
    bytes[..5].copy_from_slice(&identity.address.to_bytes());
    bytes[5..].copy_from_slice(&identity.public_key);
    hash384(&bytes)
}

/// Why the text of a secret identity was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SecretIdentityError {
    /// Not of the form address, type, public key, secret key.
    #[error("not the text form of an identity with its secret")]
    Malformed,
    /// A public identity.
    #[error("the secret key is missing")]
    NoSecret,
    /// The public key does not follow from the secret key.
    #[error("the secret key does not belong to the public key")]
    Mismatch,
}

/// An identity with its secret key. Wiped when dropped; printed without the secret.
///
/// ```
/// use zt_crypto::{SecretIdentity, SeededEntropy, validate, verify};
///
/// let node = SecretIdentity::generate(&mut SeededEntropy::new(1));
/// assert!(validate(node.identity()));
/// let signature = node.sign(b"message");
/// assert!(verify(&node.identity().public_key, b"message", &signature));
/// ```
pub struct SecretIdentity {
    identity: Identity,
    keys: KeyPair,
}

impl SecretIdentity {
    /// Searches for an acceptable key pair: on average fifteen memory-hard hashes, some tenths of a second.
    ///
    /// `entropy` must be a cryptographic generator, except in tests (01 §3.3).
    #[must_use]
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        let mut keys = KeyPair::generate(entropy);
        loop {
            if let Some(address) = derive_address(keys.public_key()) {
                let identity = Identity { address, public_key: *keys.public_key() };
                return Self { identity, keys };
            }
            keys.renew_agreement_half(entropy);
        }
    }

    /// Reads the text form of 01 §3.6, strictly but for white space around it, as `identity.secret` holds it.
    ///
    /// It is not validated here (that takes time, see [`validate`]), but the public key must follow from the secret
    /// key.
    ///
    /// # Errors
    /// The text is of another form, has no secret, or one of another identity.
    pub fn from_text(text: &str) -> Result<Self, SecretIdentityError> {
        let text = text.trim();
        let public_len = 10 + 3 + 128;
        let public = text.get(..public_len).ok_or(SecretIdentityError::Malformed)?;
        let identity: Identity = public.parse().map_err(|_| SecretIdentityError::Malformed)?;
        match text[public_len..].strip_prefix(':') {
            Some(digits) => Self::from_parts(identity, &*secret_digits(digits)?),
            None if text.len() == public_len => Err(SecretIdentityError::NoSecret),
            None => Err(SecretIdentityError::Malformed),
        }
    }

    /// Joins an identity with its 64-byte secret key.
    ///
    /// # Errors
    /// The public key does not follow from the secret key.
    pub fn from_parts(identity: Identity, secret: &[u8; 64]) -> Result<Self, SecretIdentityError> {
        let keys = KeyPair::from_secret(secret);
        if *keys.public_key() == identity.public_key {
            Ok(Self { identity, keys })
        } else {
            Err(SecretIdentityError::Mismatch)
        }
    }

    /// The text form with the secret, 270 characters, as it is kept in `identity.secret`.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let public = self.identity.to_string();
        let mut text = Zeroizing::new(String::with_capacity(public.len() + 129));
        text.push_str(&public);
        text.push(':');
        for byte in self.keys.secret_bytes() {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        text
    }

    /// The public part.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The address of the node.
    #[must_use]
    pub fn address(&self) -> Address {
        self.identity.address
    }

    /// The key pair alone.
    #[must_use]
    pub fn key_pair(&self) -> &KeyPair {
        &self.keys
    }

    /// The key in common with another node; `None` if its public key is of low order (01 §2.2).
    #[must_use]
    pub fn agree(&self, other: &Identity) -> Option<SharedKey> {
        self.keys.agree(&other.public_key)
    }

    /// Signs a message (01 §2.3).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        self.keys.sign(message)
    }
}

impl fmt::Debug for SecretIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretIdentity({})", self.identity.address)
    }
}

/// Exactly 128 hex digits.
fn secret_digits(text: &str) -> Result<Zeroizing<[u8; 64]>, SecretIdentityError> {
    let digits = text.as_bytes();
    if digits.len() != 128 {
        return Err(SecretIdentityError::Malformed);
    }
    let mut secret = Zeroizing::new([0u8; 64]);
    for (byte, pair) in secret.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |c: u8| char::from(c).to_digit(16).ok_or(SecretIdentityError::Malformed);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Ok(secret)
}
