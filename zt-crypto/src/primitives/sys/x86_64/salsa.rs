//! Salsa20/12 on vectors: AVX2 with two blocks to a register, AVX-512 with four, four registers of each row at a time.
//!
//! A register holds one diagonal of the 4 × 4 state of several blocks, so that the quarters of a round are one
//! operation, and between column and row rounds elements only turn within their block (Bernstein, "Salsa20
//! specification", with the diagonal form that all vector versions use).

use std::arch::is_x86_feature_detected;

use super::super::salsa::{BLOCK, HEAD};

/// Which instructions a stream uses. A value exists only where the processor has them.
#[derive(Clone, Copy)]
pub(in super::super) struct Level(Width);

#[derive(Clone, Copy)]
enum Width {
    Avx2,
    Avx512,
}

impl Level {
    /// The best that there is, or AVX2 alone; `None` on other processors.
    pub(in super::super) fn detected(only_avx2: bool) -> Option<Self> {
        if !is_x86_feature_detected!("avx2") {
            return None;
        }
        let wide = is_x86_feature_detected!("avx512f") && !only_avx2;
        Some(Self(if wide { Width::Avx512 } else { Width::Avx2 }))
    }

    /// XORs the first blocks of the stream over `head`.
    pub(in super::super) fn xor_head(self, state: &[u32; 16], head: &mut [u8; HEAD]) {
        match self.0 {
            // SAFETY: `detected` found the features.
            Width::Avx2 => unsafe { avx2::xor_groups::<2>(state, 0, head) },
            // SAFETY: as above.
            Width::Avx512 => unsafe { avx512::xor_groups::<1>(state, 0, head) },
        }
    }

    /// XORs the stream after the head over `data`.
    pub(in super::super) fn xor_behind_head(self, state: &[u32; 16], data: &mut [u8]) {
        match self.0 {
            // SAFETY: `detected` found the features.
            Width::Avx2 => unsafe { avx2::xor_from_block_4(state, data) },
            // SAFETY: as above.
            Width::Avx512 => unsafe { avx512::xor_from_block_4(state, data) },
        }
    }
}

/// The rounds and the walk over data, which are the same for both widths. The module gives the vector type and the
/// operations on it.
macro_rules! salsa {
    ($features:literal) => {
        /// One quarter of a round on each of the four columns or rows.
        #[inline]
        #[target_feature(enable = $features)]
        fn half_round<const G: usize>(groups: &mut [[Vector; 4]; G]) {
            // Step by step over all groups: they do not depend on each other, and fill the time each step takes.
            groups.iter_mut().for_each(|x| x[1] = xor(x[1], rotate::<7, 25>(add(x[0], x[3]))));
            groups.iter_mut().for_each(|x| x[2] = xor(x[2], rotate::<9, 23>(add(x[1], x[0]))));
            groups.iter_mut().for_each(|x| x[3] = xor(x[3], rotate::<13, 19>(add(x[2], x[1]))));
            groups.iter_mut().for_each(|x| x[0] = xor(x[0], rotate::<18, 14>(add(x[3], x[2]))));
        }

        /// Turns columns into rows, and back.
        #[inline]
        #[target_feature(enable = $features)]
        fn turn<const G: usize>(groups: &mut [[Vector; 4]; G]) {
            for x in groups {
                *x = [x[0], shuffle::<0x39>(x[3]), shuffle::<0x4e>(x[2]), shuffle::<0x93>(x[1])];
            }
        }

        /// XORs `G` groups of blocks, from block `first` on, over `data`, which is at most as long.
        #[target_feature(enable = $features)]
        pub(super) fn xor_groups<const G: usize>(state: &[u32; 16], first: u32, data: &mut [u8]) {
            let diagonal = |a: usize, b: usize, c: usize, d: usize| spread([state[a], state[b], state[c], state[d]]);
            let fixed = [diagonal(0, 5, 10, 15), diagonal(4, 9, 14, 3), diagonal(8, 13, 2, 7), diagonal(12, 1, 6, 11)];
            let mut start = [fixed; G];
            for (at, x) in start.iter_mut().enumerate() {
                x[2] = add(x[2], counters(first + (at * GROUP / BLOCK) as u32));
            }
            let mut groups = start;
            for _ in 0..6 {
                half_round(&mut groups);
                turn(&mut groups);
                half_round(&mut groups);
                turn(&mut groups);
            }
            let (whole, rest) = data.as_chunks_mut::<GROUP>();
            let mut whole = whole.iter_mut();
            for (x, start) in groups.iter().zip(&start) {
                let [a, b, c, d] = [0, 1, 2, 3].map(|at| add(x[at], start[at]));
                let rows = [row(a, d, c, b), row(b, a, d, c), row(c, b, a, d), row(d, c, b, a)];
                let Some(part) = whole.next() else {
                    let mut last = [0; GROUP];
                    last[..rest.len()].copy_from_slice(rest);
                    xor_rows(rows, &mut last);
                    rest.copy_from_slice(&last[..rest.len()]);
                    return;
                };
                xor_rows(rows, part);
            }
        }

        /// XORs the stream from block 4 on over `data`.
        #[target_feature(enable = $features)]
        pub(super) fn xor_from_block_4(state: &[u32; 16], data: &mut [u8]) {
            let mut first = 4;
            for part in data.chunks_mut(4 * GROUP) {
                match part.len().div_ceil(GROUP) {
                    1 => xor_groups::<1>(state, first, part),
                    2 => xor_groups::<2>(state, first, part),
                    _ => xor_groups::<4>(state, first, part),
                }
                first += (4 * GROUP / BLOCK) as u32;
            }
        }
    };
}

mod avx2 {
    use core::arch::x86_64::{
        __m256i as Vector, _mm256_add_epi32 as add, _mm256_blend_epi32, _mm256_or_si256, _mm256_permute2x128_si256,
        _mm256_set_epi32, _mm256_shuffle_epi32 as shuffle, _mm256_slli_epi32, _mm256_srli_epi32,
        _mm256_xor_si256 as xor,
    };

    use super::super::vector::{load32, store32};
    use super::BLOCK;

    const GROUP: usize = 2 * BLOCK;

    #[inline]
    #[target_feature(enable = "avx2")]
    fn rotate<const LEFT: i32, const RIGHT: i32>(x: Vector) -> Vector {
        _mm256_or_si256(_mm256_slli_epi32::<LEFT>(x), _mm256_srli_epi32::<RIGHT>(x))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn spread([a, b, c, d]: [u32; 4]) -> Vector {
        let [a, b, c, d] = [a as i32, b as i32, c as i32, d as i32];
        _mm256_set_epi32(d, c, b, a, d, c, b, a)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn counters(first: u32) -> Vector {
        _mm256_set_epi32(0, 0, 0, first as i32 + 1, 0, 0, 0, first as i32)
    }

    /// Element 0 of `a`, 1 of `b`, 2 of `c`, 3 of `d`, of each block.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn row(a: Vector, b: Vector, c: Vector, d: Vector) -> Vector {
        let (low, high) = (_mm256_blend_epi32::<0x22>(a, b), _mm256_blend_epi32::<0x88>(c, d));
        _mm256_blend_epi32::<0xcc>(low, high)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn xor_rows([a, b, c, d]: [Vector; 4], data: &mut [u8; GROUP]) {
        let blocks = [
            _mm256_permute2x128_si256::<0x20>(a, b),
            _mm256_permute2x128_si256::<0x20>(c, d),
            _mm256_permute2x128_si256::<0x31>(a, b),
            _mm256_permute2x128_si256::<0x31>(c, d),
        ];
        for (part, stream) in data.as_chunks_mut::<32>().0.iter_mut().zip(blocks) {
            *part = store32(xor(load32(part), stream));
        }
    }

    salsa!("avx2");
}

mod avx512 {
    use core::arch::x86_64::{
        __m512i as Vector, _mm512_add_epi32 as add, _mm512_mask_blend_epi32, _mm512_rol_epi32, _mm512_set_epi32,
        _mm512_set4_epi32, _mm512_shuffle_epi32, _mm512_shuffle_i32x4, _mm512_xor_si512 as xor,
    };

    use super::super::vector::{load64, store64};
    use super::BLOCK;

    const GROUP: usize = 4 * BLOCK;

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn rotate<const LEFT: i32, const RIGHT: i32>(x: Vector) -> Vector {
        _mm512_rol_epi32::<LEFT>(x)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn shuffle<const ORDER: i32>(x: Vector) -> Vector {
        _mm512_shuffle_epi32::<ORDER>(x)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn spread([a, b, c, d]: [u32; 4]) -> Vector {
        _mm512_set4_epi32(d as i32, c as i32, b as i32, a as i32)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn counters(first: u32) -> Vector {
        let first = first as i32;
        _mm512_set_epi32(0, 0, 0, first + 3, 0, 0, 0, first + 2, 0, 0, 0, first + 1, 0, 0, 0, first)
    }

    /// Element 0 of `a`, 1 of `b`, 2 of `c`, 3 of `d`, of each block.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn row(a: Vector, b: Vector, c: Vector, d: Vector) -> Vector {
        let low = _mm512_mask_blend_epi32(0x2222, a, b);
        let high = _mm512_mask_blend_epi32(0x8888, c, d);
        _mm512_mask_blend_epi32(0xcccc, low, high)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn xor_rows([a, b, c, d]: [Vector; 4], data: &mut [u8; GROUP]) {
        // Quarters of the registers: 0 and 1, then 2 and 3, of two rows each; then all rows of one quarter.
        let (ab, ab_high) = (_mm512_shuffle_i32x4::<0x44>(a, b), _mm512_shuffle_i32x4::<0xee>(a, b));
        let (cd, cd_high) = (_mm512_shuffle_i32x4::<0x44>(c, d), _mm512_shuffle_i32x4::<0xee>(c, d));
        let blocks = [
            _mm512_shuffle_i32x4::<0x88>(ab, cd),
            _mm512_shuffle_i32x4::<0xdd>(ab, cd),
            _mm512_shuffle_i32x4::<0x88>(ab_high, cd_high),
            _mm512_shuffle_i32x4::<0xdd>(ab_high, cd_high),
        ];
        for (part, stream) in data.as_chunks_mut::<BLOCK>().0.iter_mut().zip(blocks) {
            *part = store64(xor(load64(part), stream));
        }
    }

    salsa!("avx512f,avx2");
}
