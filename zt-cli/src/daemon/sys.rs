//! Tuning of the C library's allocator, and the groups of who opened a connection: there is no safe wrapper for them.
#![expect(unsafe_code, reason = "system calls without a safe wrapper")]

use std::io;
use std::os::fd::{AsFd, AsRawFd as _};

/// Most groups of a process that are asked for: as many as Linux gives one.
const MAX_GROUPS: usize = 65_536;

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

/// Groups besides the first one of the process that opened a connection by a socket in the file system, as they were then.
pub(super) fn groups_of(stream: &impl AsFd) -> io::Result<Vec<u32>> {
    let fd = stream.as_fd().as_raw_fd();
    let mut groups: Vec<libc::gid_t> = vec![0; 64];
    loop {
        let room = groups.len() * size_of::<libc::gid_t>();
        let mut length = libc::socklen_t::try_from(room).unwrap_or(libc::socklen_t::MAX);
        // SAFETY: `groups` has `length` bytes, of which the kernel fills as many as it says in `length`; the descriptor is
        // borrowed, so it is open.
        let done = unsafe {
            libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERGROUPS, groups.as_mut_ptr().cast(), &raw mut length)
        };
        let count = length as usize / size_of::<libc::gid_t>();
        if done == 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        // It says how much room there should have been.
        if error.raw_os_error() != Some(libc::ERANGE) || count <= groups.len() || count > MAX_GROUPS {
            return Err(error);
        }
        groups.resize(count, 0);
    }
}
