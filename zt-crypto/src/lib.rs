#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

mod armor;
mod entropy;
mod identity;
mod key_pair;
pub mod primitives;
mod signed;
mod trusted_path;
mod vouch;

pub use armor::{ArmorError, PeerKeys, Suite};
pub use entropy::{Entropy, SeededEntropy};
pub use identity::{SecretIdentity, SecretIdentityError, derive_address, fingerprint, validate};
pub use key_pair::{KeyPair, SharedKey};
pub use primitives::sha::{hash384, hash512, hmac384};
pub use primitives::signature::verify;
pub use signed::{sign_world, verify_credential, verify_world};
pub use trusted_path::{trusted_path, trusted_path_id_matches};
