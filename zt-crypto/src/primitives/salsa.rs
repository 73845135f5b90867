//! Salsa20 with 12 or 20 rounds (01 §0), from the `salsa20` crate.

use salsa20::cipher::consts::{U8, U32};
use salsa20::cipher::{KeyIvInit, StreamCipher};

/// Length of one key stream block.
pub const BLOCK: usize = 64;

/// A Salsa20 key stream: 32-byte key, 8-byte nonce, 64-bit block counter from 0. Wiped when dropped.
pub struct Salsa<C>(C);

/// The stream of the packet armor (01 §5.2, §6).
pub type Salsa12 = Salsa<salsa20::Salsa12>;
/// The stream of the memory-hard hash (01 §3.1).
pub type Salsa20 = Salsa<salsa20::Salsa20>;

impl<C: KeyIvInit<KeySize = U32, IvSize = U8> + StreamCipher> Salsa<C> {
    /// Starts the key stream at block 0.
    #[must_use]
    pub fn new(key: &[u8; 32], nonce: &[u8; 8]) -> Self {
        Self(C::new(key.into(), nonce.into()))
    }

    /// Returns the next 64 bytes of the stream.
    pub fn next_block(&mut self) -> [u8; BLOCK] {
        let mut out = [0; BLOCK];
        self.write(&mut out);
        out
    }

    /// Writes the next bytes of the stream itself over `out`.
    pub fn write(&mut self, out: &mut [u8]) {
        self.0.write_keystream(out);
    }

    /// XORs the next bytes of the stream over `data`.
    pub fn apply(&mut self, data: &mut [u8]) {
        self.0.apply_keystream(data);
    }
}
