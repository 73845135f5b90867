//! Signatures on worlds and credentials (01 §9, §10.1; 04 §4.4, §5.1).

use zt_wire::{Identity, Signature, World};

use crate::KeyPair;
use crate::primitives::signature::verify;

/// Signs a revision of a world with the key that the revision before it names.
pub fn sign_world(world: &mut World, key: &KeyPair) {
    world.signature = key.sign(&world.signed_bytes());
}

/// Whether a world is signed by the owner of `update_key`: the key named in the revision we hold, or, for a first
/// revision, in the world itself (01 §10.2).
#[must_use]
pub fn verify_world(world: &World, update_key: &[u8; 64]) -> bool {
    verify(update_key, &world.signed_bytes(), &world.signature)
}

/// Whether `issuer` signed the credential whose signed form is given. That the issuer is the controller of the
/// network is for the caller to see.
#[must_use]
pub fn verify_credential(signed_bytes: &[u8], signature: &Signature, issuer: &Identity) -> bool {
    verify(&issuer.public_key, signed_bytes, signature)
}
