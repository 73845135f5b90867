//! The memory-hard hash from which an address follows (01 §3.1).

use super::salsa::{BLOCK, Salsa20};
use super::sha::hash512;

/// Work memory: 2 MiB.
const MEMORY: usize = 2 * 1024 * 1024;
/// The work memory as eight-byte cells.
const CELLS: usize = MEMORY / 8;

/// The 64-byte digest of a combined public key; takes some ten milliseconds and 2 MiB of heap.
#[must_use]
pub fn memory_hard_digest(public_key: &[u8; 64]) -> [u8; 64] {
    let mut digest = hash512(public_key);
    let key: [u8; 32] = digest[..32].try_into().expect("32 of 64 bytes");
    let nonce: [u8; 8] = digest[32..40].try_into().expect("8 of 64 bytes");
    let mut stream = Salsa20::new(&key, &nonce);
    let mut memory = filled_memory(&mut stream);
    // Key stream made some blocks ahead: several at once are faster than one by one.
    let mut keys = [0; 16 * BLOCK];
    let mut used = keys.len();
    let mut cell = 0;
    while cell < CELLS {
        let a = (read_cell(&memory, cell) % 8) as usize * 8;
        let b = (read_cell(&memory, cell + 1) % CELLS as u64) as usize * 8;
        cell += 2;
        digest[a..a + 8].swap_with_slice(&mut memory[b..b + 8]);
        if keys.len() == used {
            keys.fill(0);
            stream.apply(&mut keys);
            used = 0;
        }
        for (byte, key) in digest.iter_mut().zip(&keys[used..]) {
            *byte ^= key;
        }
        used += BLOCK;
    }
    digest
}

/// Every block is the one before it, encrypted; the first is the plain key stream.
fn filled_memory(stream: &mut Salsa20) -> Vec<u8> {
    let mut memory = vec![0u8; MEMORY];
    stream.apply(&mut memory);
    for start in (BLOCK..MEMORY).step_by(BLOCK) {
        let (before, block) = memory.split_at_mut(start);
        for (byte, previous) in block[..BLOCK].iter_mut().zip(&before[start - BLOCK..]) {
            *byte ^= previous;
        }
    }
    memory
}

fn read_cell(memory: &[u8], cell: usize) -> u64 {
    let bytes = &memory[cell * 8..cell * 8 + 8];
    u64::from_be_bytes(bytes.try_into().expect("a cell has 8 bytes"))
}
