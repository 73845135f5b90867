//! The unsafe calls of this crate, and nothing else.
#![expect(unsafe_code, reason = "system calls without a safe wrapper")]

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

#[cfg(feature = "netns")]
mod namespace;
#[cfg(feature = "netns")]
mod packet;

#[cfg(feature = "netns")]
pub(crate) use namespace::{enter_on_spawn, unshare, wrap_in_user_namespace};
#[cfg(feature = "netns")]
pub(crate) use packet::{ignore_outgoing, packet_address};

/// The descriptor of a TAP device, without the device around it.
pub(crate) fn owned_fd(device: tun::Device) -> OwnedFd {
    // SAFETY: `into_raw_fd` gives up the descriptor, which is open and has no other owner.
    unsafe { OwnedFd::from_raw_fd(device.into_raw_fd()) }
}

/// Registers a TAP device with the tokio reactor.
#[cfg(feature = "tokio")]
pub(crate) fn register(tap: crate::LinuxTap) -> std::io::Result<tokio::io::unix::AsyncFd<crate::LinuxTap>> {
    // SAFETY: a `LinuxTap` owns its descriptor, which is open until the value is dropped and is the
    // only one it ever returns; the caller, `AsyncTap`, never replaces the value inside.
    let registered = unsafe { tokio::io::unix::AsyncFd::register(tap) };
    Ok(registered?)
}

/// Registers the descriptor of an interface watcher with the tokio reactor.
#[cfg(feature = "tokio")]
pub(crate) fn register_watcher(
    watcher: crate::InterfaceWatcher,
) -> std::io::Result<tokio::io::unix::AsyncFd<crate::InterfaceWatcher>> {
    // SAFETY: the watcher owns its event socket, which is open until the value is dropped and is the only descriptor it
    // returns; the caller, `LinuxInterfaces`, never replaces the value inside.
    let registered = unsafe { tokio::io::unix::AsyncFd::register(watcher) };
    Ok(registered?)
}
