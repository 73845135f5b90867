//! The socket options which the safe libraries do not offer.
#![expect(unsafe_code, reason = "system calls without a safe wrapper")]

use socket2::SockAddr;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd, BorrowedFd, FromRawFd as _, OwnedFd};
use std::ptr;
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// Lets the kernel fragment datagrams above the path MTU (06 §5.1): some replies of stock peers and ours leave as one
/// datagram, and a path MTU below 1432 must not lose packets.
pub(super) fn allow_fragmentation(socket: BorrowedFd<'_>, ipv6: bool) -> io::Result<()> {
    if ipv6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT)?;
        // quinn-udp forbids it by this as well; a single datagram above the path MTU would be refused then.
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, 0)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)
    }
}

/// Forbids everybody to fragment datagrams, for one that finds out what a path carries. The kernel refuses only what its
/// interface does not take.
pub(super) fn forbid_fragmentation(socket: BorrowedFd<'_>, ipv6: bool) -> io::Result<()> {
    if ipv6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE)?;
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, 1)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)
    }
}

/// Lets packets leave by the interface with this number, whatever is routed.
pub(super) fn leave_by(socket: BorrowedFd<'_>, ipv6: bool, interface: u32) -> io::Result<()> {
    // Quirk of the kernel: in network byte order for both families.
    let value = libc::c_int::from_ne_bytes(interface.to_be_bytes());
    if ipv6 {
        set_option(socket, libc::IPPROTO_IPV6, IPV6_UNICAST_IF, value)
    } else {
        set_option(socket, libc::IPPROTO_IP, IP_UNICAST_IF, value)
    }
}

/// From `linux/in.h` and `linux/in6.h`.
const IP_UNICAST_IF: libc::c_int = 50;
const IPV6_UNICAST_IF: libc::c_int = 76;

fn set_option(socket: BorrowedFd<'_>, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open for the duration of the borrow, and the pointer and length describe `value`.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), INT) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

const INT: libc::socklen_t = size_of::<libc::c_int>() as libc::socklen_t;

/// MTU of the path to which a socket is connected, in bytes of IP packets, as the kernel knows it.
pub(super) fn path_mtu(socket: BorrowedFd<'_>, ipv6: bool) -> io::Result<u32> {
    let (level, option) = if ipv6 { (libc::IPPROTO_IPV6, libc::IPV6_MTU) } else { (libc::IPPROTO_IP, libc::IP_MTU) };
    let (mut value, mut length): (libc::c_int, _) = (0, INT);
    // SAFETY: the descriptor is open for the duration of the borrow, and the pointers describe `value` and its length.
    let result =
        unsafe { libc::getsockopt(socket.as_raw_fd(), level, option, (&raw mut value).cast(), &raw mut length) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    u32::try_from(value).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Has the kernel join datagrams of one flow before they are received, or not.
pub(super) fn set_coalescing(socket: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, libc::UDP_GRO, on.into())
}

/// Stops the kernel from telling more of each datagram than its sender and how it was joined: quinn-udp has it tell when and
/// where each came, and how it was marked, which takes longer than the datagram's copy. A kernel, or what imitates one, that
/// does not know an option tells nothing by it.
pub(super) fn ask_for_bytes_only(socket: BorrowedFd<'_>, ipv6: bool) {
    let of_family = if ipv6 {
        [(libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO), (libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS)]
    } else {
        [(libc::IPPROTO_IP, libc::IP_PKTINFO), (libc::IPPROTO_IP, libc::IP_RECVTOS)]
    };
    for (level, option) in [(libc::SOL_SOCKET, libc::SO_TIMESTAMPNS)].into_iter().chain(of_family) {
        let _ = set_option(socket, level, option, 0);
    }
}

/// Gives a socket receive and send buffers of a size even above the host's limit: whoever runs the network may.
pub(super) fn force_buffers(socket: BorrowedFd<'_>, bytes: libc::c_int) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes)?;
    set_option(socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, bytes)
}

/// Time since the host was started, with the time in which it slept.
pub(super) fn since_boot() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a `timespec` that lives until the call returns.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    debug_assert_eq!(result, 0, "every Linux since 2.6.39 has this clock");
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A descriptor that becomes readable when the wall clock is set, and when the host wakes up.
pub(super) fn watch_clock() -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the call takes no pointers.
    let made = unsafe { libc::timerfd_create(libc::CLOCK_REALTIME, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) };
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave it, and nobody else has it.
    let watch = unsafe { OwnedFd::from_raw_fd(made) };
    rearm(watch.as_fd())?;
    // SAFETY: an `OwnedFd` owns its descriptor, which is open until the value is dropped and is the only one it returns; nobody
    // replaces the value inside.
    let registered = unsafe { AsyncFd::register(watch) };
    Ok(registered?)
}

/// Takes the news of such a descriptor and waits for the next.
pub(super) fn rearm(watch: BorrowedFd<'_>) -> io::Result<()> {
    #[cfg_attr(
        target_env = "musl",
        expect(deprecated, reason = "its width is to grow, and the greatest value stays that")
    )]
    let never = libc::timespec { tv_sec: libc::time_t::MAX, tv_nsec: 0 };
    let none = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let timer = libc::itimerspec { it_interval: none, it_value: never };
    let flags = libc::TFD_TIMER_ABSTIME | libc::TFD_TIMER_CANCEL_ON_SET;
    let mut count = [0_u8; 8];
    // SAFETY: the descriptor is open for the duration of the borrow, and the pointers are to values that live as long. The
    // read is for its effect: it fails with ECANCELED when the clock was set.
    let result = unsafe {
        let _ = libc::read(watch.as_raw_fd(), count.as_mut_ptr().cast(), count.len());
        libc::timerfd_settime(watch.as_raw_fd(), flags, &raw const timer, ptr::null_mut())
    };
    // It was set again meanwhile: the descriptor is readable, and the timer stands.
    if result == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::ECANCELED) {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

/// What leaves for one destination: a datagram, or with `segment` a train which the kernel cuts into datagrams of so many
/// bytes.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) destination: &'a SockAddr,
    pub(super) bytes: &'a [u8],
    pub(super) segment: Option<u16>,
}

/// The most messages that leave in one call.
pub(super) const MESSAGES: usize = 32;

/// Sends messages, at most [`MESSAGES`], in one call and returns how many left, from the first on: at least one, or the
/// error is that of the first. quinn-udp's own call is not used: one refusal by one path makes it give up trains on the
/// socket for good.
pub(super) fn send(socket: BorrowedFd<'_>, messages: &[Message<'_>]) -> io::Result<usize> {
    match messages {
        [_] => send_all::<1>(socket, messages),
        _ => send_all::<MESSAGES>(socket, messages),
    }
}

/// Room for one control message with a `u16`, aligned as its header.
#[repr(C)]
#[derive(Clone, Copy)]
union Control {
    _header: libc::cmsghdr,
    bytes: [u8; 32],
}

fn send_all<const N: usize>(socket: BorrowedFd<'_>, messages: &[Message<'_>]) -> io::Result<usize> {
    let mut controls = [Control { bytes: [0; 32] }; N];
    let mut parts = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; N];
    // SAFETY: all-zero bytes are a valid `mmsghdr`: null pointers with length zero.
    let mut headers: [libc::mmsghdr; N] = unsafe { std::mem::zeroed() };
    let mut count = 0;
    for (((message, header), part), control) in messages.iter().zip(&mut headers).zip(&mut parts).zip(&mut controls) {
        *part = libc::iovec { iov_base: message.bytes.as_ptr().cast_mut().cast(), iov_len: message.bytes.len() };
        let header = &mut header.msg_hdr;
        header.msg_name = message.destination.as_ptr().cast_mut().cast();
        header.msg_namelen = message.destination.len();
        header.msg_iov = part;
        header.msg_iovlen = 1;
        if let Some(segment) = message.segment {
            header.msg_control = ptr::from_mut(control).cast();
            // SAFETY: `msg_control` points to 32 aligned bytes, which CMSG_SPACE(2) does not exceed on any Linux; so the
            // first header and its data lie inside.
            unsafe {
                header.msg_controllen = libc::CMSG_SPACE(2) as _;
                let first = libc::CMSG_FIRSTHDR(header);
                (*first).cmsg_level = libc::SOL_UDP;
                (*first).cmsg_type = libc::UDP_SEGMENT;
                (*first).cmsg_len = libc::CMSG_LEN(2) as _;
                libc::CMSG_DATA(first).cast::<u16>().write_unaligned(segment);
            }
        }
        count += 1;
    }
    loop {
        // SAFETY: the descriptor is open for the duration of the borrow; `count` headers were filled above, and their names,
        // parts and controls live until the return. The kernel writes to the lengths in the headers alone.
        let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count, 0) };
        if let Ok(sent) = usize::try_from(sent) {
            return Ok(sent);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Registers a UDP socket with the reactor.
pub(super) fn register(socket: std::net::UdpSocket) -> io::Result<AsyncFd<std::net::UdpSocket>> {
    // SAFETY: a `UdpSocket` owns its descriptor, which is open until the value is dropped and is the only one it returns;
    // `UdpLink` never replaces the value inside.
    let registered = unsafe { AsyncFd::register(socket) };
    Ok(registered?)
}
