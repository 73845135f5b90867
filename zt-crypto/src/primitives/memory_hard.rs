//! The memory-hard hash from which an address follows (01 §3.1).

use super::salsa::{BLOCK, Salsa20};
use super::sha::hash512;

/// The work memory, 2 MiB, as eight-byte cells. Cells hold their bytes in little-endian order.
const CELLS: usize = 2 * 1024 * 1024 / 8;
/// Cells in a key stream block, and in the digest.
const WIDTH: usize = BLOCK / 8;
/// Key stream blocks made ahead: several in one call take two thirds of the time of one by one.
const AHEAD: usize = 16;

/// The 64-byte digest of a combined public key; takes some ten milliseconds and 2 MiB of heap.
#[must_use]
pub fn memory_hard_digest(public_key: &[u8; 64]) -> [u8; 64] {
    let start = hash512(public_key);
    let key: [u8; 32] = start[..32].try_into().expect("32 of 64 bytes");
    let nonce: [u8; 8] = start[32..40].try_into().expect("8 of 64 bytes");
    let mut stream = Blocks::new(Salsa20::new(&key, &nonce));
    let mut digest = cells(&start);
    let mut memory = filled_memory(&mut stream);
    for cell in (0..CELLS).step_by(2) {
        // The spec reads both as big-endian numbers, so the low bits are in the last byte.
        let a = (memory[cell].swap_bytes() % WIDTH as u64) as usize;
        let b = (memory[cell + 1].swap_bytes() % CELLS as u64) as usize;
        std::mem::swap(&mut digest[a], &mut memory[b]);
        let keys = stream.next();
        for (value, key) in digest.iter_mut().zip(keys) {
            *value ^= key;
        }
    }
    let mut out = [0; 64];
    for (bytes, value) in out.chunks_exact_mut(8).zip(digest) {
        bytes.copy_from_slice(&value.to_le_bytes());
    }
    out
}

/// Every block is the one before it, encrypted; the first is the plain key stream.
fn filled_memory(stream: &mut Blocks) -> Vec<u64> {
    let mut memory = Vec::with_capacity(CELLS);
    let mut block = [0; WIDTH];
    for _ in 0..CELLS / WIDTH {
        let keys = stream.next();
        block.iter_mut().zip(keys).for_each(|(value, key)| *value ^= key);
        memory.extend_from_slice(&block);
    }
    memory
}

/// The key stream, block by block.
struct Blocks {
    stream: Salsa20,
    ahead: [u8; AHEAD * BLOCK],
    used: usize,
}

impl Blocks {
    fn new(stream: Salsa20) -> Self {
        Self { stream, ahead: [0; AHEAD * BLOCK], used: AHEAD }
    }

    #[inline(always)]
    fn next(&mut self) -> [u64; WIDTH] {
        if self.used == AHEAD {
            self.stream.write(&mut self.ahead);
            self.used = 0;
        }
        let (blocks, _) = self.ahead.as_chunks::<BLOCK>();
        let block = &blocks[self.used];
        self.used += 1;
        cells(block)
    }
}

#[inline(always)]
fn cells(block: &[u8; BLOCK]) -> [u64; WIDTH] {
    let (cells, _) = block.as_chunks::<8>();
    std::array::from_fn(|i| u64::from_le_bytes(cells[i]))
}
