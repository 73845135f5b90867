//! Randomness of the operating system: keys and packet IDs must not be the host's to get wrong.

use zt_crypto::Entropy;

/// Randomness of the operating system.
pub(crate) struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        getrandom::fill(out).expect("the operating system gives random bytes");
    }
}
