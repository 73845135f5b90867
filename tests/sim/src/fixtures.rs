//! Identities that were made before, because making one takes some tenths of a second.

use std::sync::Arc;
use zt_crypto::{Entropy, KeyPair, SecretIdentity, SeededEntropy};
use zt_wire::{Address, Identity};

const TEXT: &str = include_str!("../fixtures/identities.txt");

/// One of the committed identities.
///
/// # Panics
/// When there are not that many.
#[must_use]
pub fn identity(number: usize) -> Arc<SecretIdentity> {
    let line = TEXT.lines().nth(number).expect("not that many identities in fixtures/identities.txt");
    Arc::new(SecretIdentity::from_text(line).expect("written by examples/make_identities.rs"))
}

/// How many there are.
#[must_use]
pub fn count() -> usize {
    TEXT.lines().count()
}

/// Keys with an address that was drawn, not derived: cheap to make, valid only where the simulator says so.
#[must_use]
pub fn drawn_identity(seed: u64) -> Arc<SecretIdentity> {
    let mut entropy = SeededEntropy::new(seed ^ 0x1de);
    let keys = KeyPair::generate(&mut entropy);
    let address = Address::new(0x01_0000_0000 + entropy.below(0xf0_0000_0000));
    identity_with(address, &keys)
}

/// An identity that claims an address with the given keys.
///
/// # Panics
/// Never: public and secret key belong together.
#[must_use]
pub fn identity_with(address: Address, keys: &KeyPair) -> Arc<SecretIdentity> {
    let identity = Identity { address, public_key: *keys.public_key() };
    Arc::new(SecretIdentity::from_parts(identity, keys.secret_bytes()).expect("of one key pair"))
}
