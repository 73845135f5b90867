//! Codes by which a node recognises what it has found out itself.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;
use zt_wire::{Emit, Identity};

use crate::{SecretIdentity, hmac384};

/// What the key is derived for.
const LABEL: &[u8] = b"zt: validated identity";

impl SecretIdentity {
    /// A code for an identity that was validated. Only this node can make it: HMAC-SHA-384 under a key derived from its
    /// own secret one.
    #[must_use]
    pub fn vouch(&self, identity: &Identity) -> [u8; 48] {
        let key = Zeroizing::new(hmac384(self.key_pair().secret_bytes(), LABEL));
        hmac384(&*key, &identity.to_vec())
    }

    /// Whether a code is ours of this identity, compared in constant time.
    #[must_use]
    pub fn vouches_for(&self, identity: &Identity, code: &[u8]) -> bool {
        bool::from(self.vouch(identity).as_slice().ct_eq(code))
    }
}
