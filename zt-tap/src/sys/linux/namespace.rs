use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::fs::{Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

/// Puts the calling thread into new namespaces.
pub(crate) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    assert!(!flags.contains(UnshareFlags::FILES), "descriptor tables stay shared");
    // SAFETY: only the flag FILES has a condition, and it is not set.
    unsafe { rustix::thread::unshare_unsafe(flags) }?;
    Ok(())
}

/// Makes the child of `command` start in a network namespace.
pub(crate) fn enter_on_spawn(command: &mut Command, namespace: OwnedFd) {
    // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(())
        });
    }
}

/// Makes the child of `command` start as root of a new user namespace with namespaces for network
/// and mounts of its own. The maps are the contents of `uid_map` and `gid_map`.
pub(crate) fn wrap_in_user_namespace(command: &mut Command, uid_map: String, gid_map: String) {
    // SAFETY: between fork and exec the closure only makes system calls (the child has one thread,
    // as a new user namespace demands) and allocates nothing: paths are C strings, the texts exist.
    unsafe {
        command.pre_exec(move || {
            unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNET | UnshareFlags::NEWNS)?;
            write(c"/proc/self/setgroups", b"deny")?;
            write(c"/proc/self/uid_map", uid_map.as_bytes())?;
            write(c"/proc/self/gid_map", gid_map.as_bytes())
        });
    }
}

fn write(path: &std::ffi::CStr, text: &[u8]) -> io::Result<()> {
    let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    // These files take their text in one piece or not at all.
    rustix::io::write(file, text)?;
    Ok(())
}
