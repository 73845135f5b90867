//! The sum of the Internet checksum on vector units: each long frame is summed where it is taken apart or joined.
#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "vector units that the compiler cannot see"))]

use zt_wire::ether::sum_words;

/// What is shorter is summed without them.
#[cfg(target_arch = "x86_64")]
const SHORT: usize = 64;

/// The sum of `bytes` as [`sum_words`] has it.
pub fn sum(bytes: &[u8]) -> u16 {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() >= SHORT {
        if avx512::is_there() {
            // SAFETY: this processor has AVX-512 for words and bytes.
            return unsafe { avx512::sum(bytes) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: this processor has AVX2.
            return unsafe { avx2::sum(bytes) };
        }
    }
    sum_words(bytes)
}

/// Adds 64-bit words whole, and their higher halves once more: that says what got lost of the whole.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use core::arch::x86_64::{
        __m256i, _mm256_add_epi64, _mm256_loadu_si256, _mm256_setzero_si256, _mm256_slli_epi64, _mm256_srli_epi64,
        _mm256_storeu_si256, _mm256_sub_epi64,
    };

    use zt_wire::ether::{fold, sum_words};

    #[target_feature(enable = "avx2")]
    pub(super) fn sum(bytes: &[u8]) -> u16 {
        let (blocks, rest) = bytes.as_chunks::<32>();
        let (mut whole, mut high) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        for block in blocks {
            // SAFETY: 32 bytes, of any alignment.
            let words = unsafe { _mm256_loadu_si256(block.as_ptr().cast()) };
            whole = _mm256_add_epi64(whole, words);
            high = _mm256_add_epi64(high, _mm256_srli_epi64::<32>(words));
        }
        let low = _mm256_sub_epi64(whole, _mm256_slli_epi64::<32>(high));
        let total = lanes(_mm256_add_epi64(low, high)).iter().sum();
        fold(u64::from(u16::from_be(fold(total))) + u64::from(sum_words(rest)))
    }

    #[target_feature(enable = "avx2")]
    fn lanes(register: __m256i) -> [u64; 4] {
        let mut lanes = [0; 4];
        // SAFETY: 32 bytes, of any alignment.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), register) };
        lanes
    }
}

/// As [`avx2`], on longer vectors, of which the last may be loaded in part.
#[cfg(target_arch = "x86_64")]
mod avx512 {
    use core::arch::x86_64::{
        _mm512_add_epi64, _mm512_loadu_si512, _mm512_maskz_loadu_epi8, _mm512_reduce_add_epi64, _mm512_slli_epi64,
        _mm512_srli_epi64, _mm512_sub_epi64,
    };

    use zt_wire::ether::fold;

    pub(super) fn is_there() -> bool {
        is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn sum(bytes: &[u8]) -> u16 {
        let (vectors, rest) = bytes.as_chunks::<64>();
        // SAFETY: no more bytes are looked at than the mask names, and it names as many as there are.
        let mut whole = unsafe { _mm512_maskz_loadu_epi8((1 << rest.len()) - 1, rest.as_ptr().cast()) };
        let mut high = _mm512_srli_epi64::<32>(whole);
        for vector in vectors {
            // SAFETY: 64 bytes, of any alignment.
            let words = unsafe { _mm512_loadu_si512(vector.as_ptr().cast()) };
            whole = _mm512_add_epi64(whole, words);
            high = _mm512_add_epi64(high, _mm512_srli_epi64::<32>(words));
        }
        let low = _mm512_sub_epi64(whole, _mm512_slli_epi64::<32>(high));
        let total = _mm512_reduce_add_epi64(_mm512_add_epi64(low, high));
        u16::from_be(fold(total.cast_unsigned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    type Sum = fn(&[u8]) -> u16;

    /// All that this processor can do: which of them is used says [`sum`].
    fn back_ends() -> Vec<Sum> {
        let mut all: Vec<Sum> = vec![sum];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                // SAFETY: this processor has AVX2.
                all.push(|bytes| unsafe { avx2::sum(bytes) });
            }
            if avx512::is_there() {
                // SAFETY: this processor has AVX-512 for words and bytes.
                all.push(|bytes| unsafe { avx512::sum(bytes) });
            }
        }
        all
    }

    #[test]
    fn an_example_of_rfc_1071() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        back_ends().iter().for_each(|sum| assert_eq!(sum(&bytes), 0xddf2));
    }

    #[test]
    fn every_length_and_alignment() {
        let bytes: Vec<u8> = (0..500_u32).map(|n| (n * 167 % 253) as u8 ^ 0xa5).collect();
        for (at, sum) in back_ends().iter().enumerate() {
            for start in 0..66 {
                for end in start..bytes.len() {
                    assert_eq!(sum(&bytes[start..end]), sum_words(&bytes[start..end]), "{at}: {start}..{end}");
                }
            }
            // The most that lanes can come to.
            assert_eq!(sum(&[0xff; 65_535]), sum_words(&[0xff; 65_535]), "{at}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in vec(any::<u8>(), 0..3000)) {
            for sum in back_ends() {
                prop_assert_eq!(sum(&bytes), sum_words(&bytes));
            }
        }
    }
}
