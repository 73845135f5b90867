//! Whole vectors from and to bytes.

use core::arch::aarch64::{uint8x16_t, vld1q_u8, vst1q_u8};

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load16(bytes: &[u8; 16]) -> uint8x16_t {
    // SAFETY: the reference is to 16 readable bytes, and this load asks for no alignment.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn store16(vector: uint8x16_t) -> [u8; 16] {
    let mut bytes = [0; 16];
    // SAFETY: the reference is to 16 writable bytes, and this store asks for no alignment.
    unsafe { vst1q_u8(bytes.as_mut_ptr(), vector) };
    bytes
}
