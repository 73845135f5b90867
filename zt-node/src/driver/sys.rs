//! The socket options which the safe libraries do not offer.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use tokio::io::unix::AsyncFd;
use zt_tap::InterfaceWatcher;

/// Lets the kernel fragment datagrams above the path MTU (06 §5.1): some replies of stock peers and ours leave as one
/// datagram, and a path MTU below 1432 must not lose packets.
pub(super) fn allow_fragmentation(socket: BorrowedFd<'_>, ipv6: bool) -> io::Result<()> {
    let (level, option, value) = if ipv6 {
        (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT)
    } else {
        (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)
    };
    let value: libc::c_int = value;
    let length = libc::socklen_t::try_from(size_of::<libc::c_int>()).expect("four bytes fit");
    // SAFETY: the descriptor is open for the duration of the borrow, and the pointer and length describe `value`.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Registers a UDP socket with the reactor.
pub(super) fn register(socket: std::net::UdpSocket) -> io::Result<AsyncFd<std::net::UdpSocket>> {
    // SAFETY: a `UdpSocket` owns its descriptor, which is open until the value is dropped and is the only one it returns;
    // `UdpLink` never replaces the value inside.
    let registered = unsafe { AsyncFd::register(socket) };
    Ok(registered?)
}

/// Registers the descriptor of an interface watcher with the reactor.
pub(super) fn register_watcher(watcher: InterfaceWatcher) -> io::Result<AsyncFd<InterfaceWatcher>> {
    // SAFETY: the watcher owns its event socket, which is open until the value is dropped and is the only descriptor it
    // returns; `Interfaces` never replaces the value inside.
    let registered = unsafe { AsyncFd::register(watcher) };
    Ok(registered?)
}
