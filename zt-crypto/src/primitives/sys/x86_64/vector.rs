//! Whole vectors from and to bytes.

use core::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_loadu_si128, _mm_storeu_si128, _mm256_loadu_si256, _mm256_storeu_si256,
    _mm512_loadu_si512, _mm512_storeu_si512,
};

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load16(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: the reference is to 16 readable bytes, and this load asks for no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load32(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: the reference is to 32 readable bytes, and this load asks for no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store16(vector: __m128i) -> [u8; 16] {
    let mut bytes = [0; 16];
    // SAFETY: the reference is to 16 writable bytes, and this store asks for no alignment.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), vector) };
    bytes
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store32(vector: __m256i) -> [u8; 32] {
    let mut bytes = [0; 32];
    // SAFETY: the reference is to 32 writable bytes, and this store asks for no alignment.
    unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), vector) };
    bytes
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load64(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: the reference is to 64 readable bytes, and this load asks for no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store64(vector: __m512i) -> [u8; 64] {
    let mut bytes = [0; 64];
    // SAFETY: the reference is to 64 writable bytes, and this store asks for no alignment.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), vector) };
    bytes
}
