//! Randomness of the operating system: keys and packet IDs must not be a host's to get wrong.

use zt_crypto::Entropy;

/// Randomness of the operating system. For everything that is not a test (01 §11).
///
/// # Panics
/// When the system has no random bytes to give: nothing that this program does would be safe then.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        getrandom::fill(out).expect("the operating system gives random bytes");
    }
}
