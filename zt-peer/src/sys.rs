//! Asking the processor for memory that is going to be read.

#![expect(unsafe_code, reason = "the instruction for it has no safe wrapper")]

/// Asks for the line of the cache that something begins in, and waits for nothing. It changes nothing that can be seen; where there
/// is no word for it, it does nothing at all.
pub(crate) fn prefetch<T>(of: &T) {
    let place: *const T = of;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a reference points to memory that may be read, and every processor of this kind has the instruction.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(place.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above; it writes neither memory, registers nor flags.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{place}]", place = in(reg) place, options(nostack, readonly, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _nothing = place;
}
