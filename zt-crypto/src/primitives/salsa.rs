//! Salsa20 with 12 or 20 rounds (01 §0): streams of any length from the `salsa20` crate, those of packets on vectors.

use salsa20::cipher::consts::{U8, U32};
use salsa20::cipher::{KeyIvInit, StreamCipher};
use zeroize::Zeroize;

use super::sys::VectorSalsa12;

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

/// The key stream of one packet (01 §5.2): block 0 holds the one-time key of the MAC, the body begins at block 1.
///
/// On vectors where the processor has them, else from the `salsa20` crate.
pub struct PacketStream(StreamBackEnd);

enum StreamBackEnd {
    Vector(VectorSalsa12),
    Library { first: [u8; BLOCK], rest: Salsa12 },
}

/// What a stream may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instructions {
    /// The best there are.
    Best,
    /// None but AVX2, of all that this project has code for.
    Avx2,
    /// The library alone.
    Library,
}

impl PacketStream {
    /// Starts the stream.
    #[must_use]
    pub fn new(key: &[u8; 32], nonce: &[u8; 8]) -> Self {
        Self::with(Instructions::Best, key, nonce)
    }

    /// Starts the stream on some of the processor's instructions, for those who compare them.
    #[must_use]
    pub fn with(instructions: Instructions, key: &[u8; 32], nonce: &[u8; 8]) -> Self {
        if instructions != Instructions::Library
            && let Some(stream) = VectorSalsa12::new(key, nonce, instructions == Instructions::Avx2)
        {
            return Self(StreamBackEnd::Vector(stream));
        }
        let mut rest = Salsa12::new(key, nonce);
        Self(StreamBackEnd::Library { first: rest.next_block(), rest })
    }

    /// The one-time key `r ‖ s` of the MAC.
    #[must_use]
    pub fn one_time_key(&self) -> &[u8; 32] {
        let block = match &self.0 {
            StreamBackEnd::Vector(stream) => stream.first_block(),
            StreamBackEnd::Library { first, .. } => first,
        };
        block.first_chunk().expect("a block has 64 bytes")
    }

    /// XORs the stream over the body.
    pub fn apply(mut self, body: &mut [u8]) {
        match &mut self.0 {
            StreamBackEnd::Vector(stream) => stream.xor(body),
            StreamBackEnd::Library { rest, .. } => rest.apply(body),
        }
    }
}

impl Drop for PacketStream {
    fn drop(&mut self) {
        // The others wipe themselves.
        if let StreamBackEnd::Library { first, .. } = &mut self.0 {
            first.zeroize();
        }
    }
}
