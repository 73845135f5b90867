//! The key stream of a packet, Salsa20/12, whatever vectors it is made on.

use zeroize::Zeroize;

use super::units::Level;

/// Bytes of key stream that are made at once when a stream starts: four blocks.
pub(super) const HEAD: usize = 256;
/// Bytes of a block.
pub(super) const BLOCK: usize = 64;

/// The key stream of one packet: a block for the one-time key, then those for the body. A value exists only where the
/// processor has the instructions.
pub(in super::super) struct VectorSalsa12 {
    level: Level,
    /// By rows; words 8 and 9, the counter, are zero.
    state: [u32; 16],
    head: [u8; HEAD],
}

impl VectorSalsa12 {
    /// Starts the stream with the best instructions there are, or with AVX2 alone; `None` where the processor lacks them.
    pub(in super::super) fn new(key: &[u8; 32], nonce: &[u8; 8], only_avx2: bool) -> Option<Self> {
        let level = Level::detected(only_avx2)?;
        let mut stream = Self { level, state: initial(key, nonce), head: [0; HEAD] };
        level.xor_head(&stream.state, &mut stream.head);
        Some(stream)
    }

    /// Block 0.
    pub(in super::super) fn first_block(&self) -> &[u8; BLOCK] {
        self.head.first_chunk().expect("the head is longer than a block")
    }

    /// XORs the stream from block 1 on over `data`, always from there.
    pub(in super::super) fn xor(&self, data: &mut [u8]) {
        let (near, far) = data.split_at_mut(data.len().min(HEAD - BLOCK));
        near.iter_mut().zip(&self.head[BLOCK..]).for_each(|(byte, stream)| *byte ^= stream);
        if far.is_empty() {
            return;
        }
        self.level.xor_behind_head(&self.state, far);
    }
}

impl Drop for VectorSalsa12 {
    fn drop(&mut self) {
        self.state.zeroize();
        // The one-time key of the MAC is there.
        self.head[..32].zeroize();
    }
}

fn initial(key: &[u8; 32], nonce: &[u8; 8]) -> [u32; 16] {
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[4 * at..4 * at + 4].try_into().expect("4 bytes"));
    let constant = |at| word(b"expand 32-byte k", at);
    let mut state = [0; 16];
    for (at, place) in [0, 5, 10, 15].into_iter().enumerate() {
        state[place] = constant(at);
    }
    for (at, place) in [1, 2, 3, 4, 11, 12, 13, 14].into_iter().enumerate() {
        state[place] = word(key, at);
    }
    (state[6], state[7]) = (word(nonce, 0), word(nonce, 1));
    state
}
