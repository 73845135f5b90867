use std::io;
use std::process::Command;

use rustix::mount::MountPropagationFlags;
use rustix::thread::UnshareFlags;

use crate::sys;

/// Root for those who are not: in a user namespace a process may make network namespaces and TAP
/// devices of its own (where the system lets it).
#[derive(Debug, Clone, Copy)]
pub struct UserNamespace;

impl UserNamespace {
    /// Whether one is needed to make network namespaces.
    #[must_use]
    pub fn is_needed() -> bool {
        !rustix::process::geteuid().is_root()
    }

    /// Moves this process into a new user namespace as its root, with namespaces for network and
    /// mounts of its own. Must be called while the process has one thread only.
    ///
    /// # Errors
    /// `EINVAL` with several threads, `EPERM` or `ENOSPC` where user namespaces are switched off.
    pub fn enter() -> io::Result<()> {
        let (uid_map, gid_map) = maps();
        sys::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNET | UnshareFlags::NEWNS)?;
        std::fs::write("/proc/self/setgroups", "deny")?;
        std::fs::write("/proc/self/uid_map", uid_map)?;
        std::fs::write("/proc/self/gid_map", gid_map)?;
        rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        Ok(())
    }

    /// Makes the child of `command` start as root of a new user namespace, with namespaces for
    /// network and mounts of its own; for programs with threads, which start themselves again.
    pub fn wrap(command: &mut Command) {
        let (uid_map, gid_map) = maps();
        sys::wrap_in_user_namespace(command, uid_map, gid_map);
    }
}

/// Root inside is the present user outside.
fn maps() -> (String, String) {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    (format!("0 {uid} 1\n"), format!("0 {gid} 1\n"))
}
