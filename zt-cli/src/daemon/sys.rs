//! Tuning of the C library's allocator, for which there is no safe wrapper.
#![cfg_attr(target_env = "gnu", expect(unsafe_code, reason = "system calls without a safe wrapper"))]

/// Keeps an idle daemon small. Without this the library raises its thresholds after the first large buffer is freed (the
/// 2 MiB of the memory-hard hash), and from then on keeps such buffers, once per thread.
pub(super) fn return_freed_memory() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: `mallopt` takes two plain numbers and may be called at any time; here it is called before the first
        // thread is started.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, 256 * 1024);
            libc::mallopt(libc::M_TRIM_THRESHOLD, 128 * 1024);
            libc::mallopt(libc::M_ARENA_MAX, 1);
        }
    }
}
