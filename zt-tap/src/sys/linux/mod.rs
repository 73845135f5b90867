//! System calls of Linux.
#![expect(unsafe_code, reason = "system calls without a safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

use crate::offload::Offloads;

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

/// Tells the kernel what of its work on the frames of a TAP device it may leave to us.
pub(crate) fn set_tap_offloads(device: BorrowedFd<'_>, offloads: Offloads) -> io::Result<()> {
    let tcp = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;
    let flags = match offloads {
        Offloads::None => 0,
        Offloads::Checksums => libc::TUN_F_CSUM,
        Offloads::Tcp => tcp,
        Offloads::All => tcp | libc::TUN_F_USO4 | libc::TUN_F_USO6,
    };
    // SAFETY: the request takes a number, no pointer, and the descriptor is open for the call.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETOFFLOAD as _, libc::c_ulong::from(flags)) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Registers a TAP device with the tokio reactor.
#[cfg(feature = "tokio")]
pub(crate) fn register(tap: crate::LinuxTap) -> io::Result<tokio::io::unix::AsyncFd<crate::LinuxTap>> {
    // SAFETY: a `LinuxTap` owns its descriptor, which is open until the value is dropped and is the
    // only one it ever returns; the caller, `AsyncTap`, never replaces the value inside.
    let registered = unsafe { tokio::io::unix::AsyncFd::register(tap) };
    Ok(registered?)
}

/// Registers the descriptor of an interface watcher with the tokio reactor.
#[cfg(feature = "tokio")]
pub(crate) fn register_watcher(
    watcher: crate::InterfaceWatcher,
) -> io::Result<tokio::io::unix::AsyncFd<crate::InterfaceWatcher>> {
    // SAFETY: the watcher owns its event socket, which is open until the value is dropped and is the only descriptor it
    // returns; the caller, `LinuxInterfaces`, never replaces the value inside.
    let registered = unsafe { tokio::io::unix::AsyncFd::register(watcher) };
    Ok(registered?)
}
