//! The sum of the Internet checksum on vector units: each long frame is summed where it is taken apart or joined.

use zt_wire::ether::sum_words;

/// The sum of `bytes` as [`sum_words`] has it.
pub(crate) fn sum(bytes: &[u8]) -> u16 {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() >= avx2::BLOCK && is_x86_feature_detected!("avx2") {
        // SAFETY: this processor has AVX2.
        return unsafe { avx2::sum(bytes) };
    }
    sum_words(bytes)
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use core::arch::x86_64::{
        __m256i, _mm256_add_epi64, _mm256_and_si256, _mm256_loadu_si256, _mm256_set1_epi64x, _mm256_setzero_si256,
        _mm256_srli_epi64, _mm256_storeu_si256,
    };

    use zt_wire::ether::{fold, sum_words};

    /// Bytes that are added at once.
    pub(super) const BLOCK: usize = 64;

    /// Adds 32-bit words into 64-bit lanes, which do not overflow in less than 16 GiB; a lane is the sum of its 16-bit words
    /// as soon as it is folded.
    #[target_feature(enable = "avx2")]
    pub(super) fn sum(bytes: &[u8]) -> u16 {
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        let low = _mm256_set1_epi64x(0xffff_ffff);
        let mut lanes = [_mm256_setzero_si256(); 4];
        for block in blocks {
            let (halves, _) = block.as_chunks::<32>();
            for (half, lanes) in halves.iter().zip(lanes.as_chunks_mut::<2>().0) {
                // SAFETY: 32 bytes, of any alignment.
                let words = unsafe { _mm256_loadu_si256(half.as_ptr().cast()) };
                lanes[0] = _mm256_add_epi64(lanes[0], _mm256_and_si256(words, low));
                lanes[1] = _mm256_add_epi64(lanes[1], _mm256_srli_epi64::<32>(words));
            }
        }
        let [a, b, c, d] = lanes;
        let all = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
        // In this machine's order, as the lanes are: the order of bytes does not matter to the sum, and is put right at the end.
        let whole = u16::from_be(fold(lanes_of(all).iter().map(|lane| u64::from(fold(*lane))).sum()));
        fold(u64::from(whole) + u64::from(sum_words(rest)))
    }

    #[target_feature(enable = "avx2")]
    fn lanes_of(register: __m256i) -> [u64; 4] {
        let mut lanes = [0; 4];
        // SAFETY: 32 bytes, of any alignment.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), register) };
        lanes
    }
}
