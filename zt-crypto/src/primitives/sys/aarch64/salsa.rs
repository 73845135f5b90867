//! Salsa20/12 on NEON: four blocks at a time, each register one word of all four.
//!
//! The sixteen words fit into half of the registers, no element moves before the end, and a whole group takes no longer
//! than one block would with a block's words side by side, where each step waits for the one before.

use core::arch::aarch64::{
    uint8x16_t, uint32x4_t, vaddq_u32, vdupq_n_u32, veorq_u8, veorq_u32, vreinterpretq_u8_u64, vreinterpretq_u32_u8,
    vreinterpretq_u64_u32, vshlq_n_u32, vsriq_n_u32, vtrn1q_u32, vtrn1q_u64, vtrn2q_u32, vtrn2q_u64,
};

use super::super::salsa::{BLOCK, HEAD};
use super::vector::{load16, store16};

/// Bytes of a group of blocks.
const GROUP: usize = 4 * BLOCK;
/// The words 0, 1, 2 and 3: what the blocks of a group are numbered by.
const NUMBERS: [u8; 16] = [0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0];

/// The instructions a stream uses: NEON, which is part of the architecture.
#[derive(Clone, Copy)]
pub(in super::super) struct Level(());

impl Level {
    /// Always there, unless only those of another processor are asked for.
    pub(in super::super) fn detected(only_avx2: bool) -> Option<Self> {
        (!only_avx2).then_some(Self(()))
    }

    /// XORs the first blocks of the stream over `head`.
    pub(in super::super) fn xor_head(self, state: &[u32; 16], head: &mut [u8; HEAD]) {
        // SAFETY: this module is built for processors with NEON only.
        unsafe { xor_group(state, 0, head) }
    }

    /// XORs the stream after the head over `data`.
    pub(in super::super) fn xor_behind_head(self, state: &[u32; 16], data: &mut [u8]) {
        // SAFETY: this module is built for processors with NEON only.
        unsafe { xor_behind_head(state, data) }
    }
}

#[target_feature(enable = "neon")]
fn xor_behind_head(state: &[u32; 16], data: &mut [u8]) {
    let mut first = (HEAD / BLOCK) as u32;
    let (whole, rest) = data.as_chunks_mut::<GROUP>();
    for part in whole {
        xor_group(state, first, part);
        first += (GROUP / BLOCK) as u32;
    }
    if !rest.is_empty() {
        let mut last = [0; GROUP];
        last[..rest.len()].copy_from_slice(rest);
        xor_group(state, first, &mut last);
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

/// One step of the four quarter rounds on columns or rows, as the specification writes it:
/// `x[4] ^= (x[0] + x[12]) <<< 7` is `4 ^= 0 + 12` in a step of 7 bits.
///
/// Written out, with each place a constant, so that all words stay in registers.
macro_rules! step {
    ($x:ident, $left:literal: $($to:literal ^= $one:literal + $other:literal),*) => {
        $(
            let sum = vaddq_u32($x[$one], $x[$other]);
            $x[$to] = veorq_u32($x[$to], vsriq_n_u32::<{ 32 - $left }>(vshlq_n_u32::<$left>(sum), sum));
        )*
    };
}

/// XORs four blocks of the stream, from block `first` on, over `data`.
#[target_feature(enable = "neon")]
fn xor_group(state: &[u32; 16], first: u32, data: &mut [u8; GROUP]) {
    let mut start = [vdupq_n_u32(0); 16];
    for (vector, word) in start.iter_mut().zip(state) {
        *vector = vdupq_n_u32(*word);
    }
    start[8] = vaddq_u32(vdupq_n_u32(first), vreinterpretq_u32_u8(load16(&NUMBERS)));
    let mut x = start;
    for _ in 0..6 {
        step!(x, 7: 4 ^= 0 + 12, 9 ^= 5 + 1, 14 ^= 10 + 6, 3 ^= 15 + 11);
        step!(x, 9: 8 ^= 4 + 0, 13 ^= 9 + 5, 2 ^= 14 + 10, 7 ^= 3 + 15);
        step!(x, 13: 12 ^= 8 + 4, 1 ^= 13 + 9, 6 ^= 2 + 14, 11 ^= 7 + 3);
        step!(x, 18: 0 ^= 12 + 8, 5 ^= 1 + 13, 10 ^= 6 + 2, 15 ^= 11 + 7);
        step!(x, 7: 1 ^= 0 + 3, 6 ^= 5 + 4, 11 ^= 10 + 9, 12 ^= 15 + 14);
        step!(x, 9: 2 ^= 1 + 0, 7 ^= 6 + 5, 8 ^= 11 + 10, 13 ^= 12 + 15);
        step!(x, 13: 3 ^= 2 + 1, 4 ^= 7 + 6, 9 ^= 8 + 11, 14 ^= 13 + 12);
        step!(x, 18: 0 ^= 3 + 2, 5 ^= 4 + 7, 10 ^= 9 + 8, 15 ^= 14 + 13);
    }
    for (word, start) in x.iter_mut().zip(start) {
        *word = vaddq_u32(*word, start);
    }
    let (parts, _) = data.as_chunks_mut::<16>();
    for (row, words) in x.as_chunks().0.iter().enumerate() {
        for (block, stream) in turned(*words).into_iter().enumerate() {
            let part = &mut parts[4 * block + row];
            *part = store16(veorq_u8(load16(part), stream));
        }
    }
}

/// Four words of four blocks → for each block, its four words.
#[inline]
#[target_feature(enable = "neon")]
fn turned([a, b, c, d]: [uint32x4_t; 4]) -> [uint8x16_t; 4] {
    let (even, odd) = (vreinterpretq_u64_u32(vtrn1q_u32(a, b)), vreinterpretq_u64_u32(vtrn2q_u32(a, b)));
    let (even2, odd2) = (vreinterpretq_u64_u32(vtrn1q_u32(c, d)), vreinterpretq_u64_u32(vtrn2q_u32(c, d)));
    [
        vreinterpretq_u8_u64(vtrn1q_u64(even, even2)),
        vreinterpretq_u8_u64(vtrn1q_u64(odd, odd2)),
        vreinterpretq_u8_u64(vtrn2q_u64(even, even2)),
        vreinterpretq_u8_u64(vtrn2q_u64(odd, odd2)),
    ]
}
