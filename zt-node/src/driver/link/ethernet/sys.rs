//! Packet sockets of Linux: one EtherType of one interface, several frames in one call.
#![expect(unsafe_code, reason = "addresses of packet sockets and calls for several frames have no safe wrapper")]

use crate::driver::link::Outgoing;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::os::fd::AsRawFd as _;
use tokio::io::unix::AsyncFd;
use zt_wire::Mac;
use zt_wire::raw_ethernet::{ETHERTYPE, HEADER_LEN, header};

/// Frames of one call.
pub(super) const BATCH: usize = 64;
/// Wanted size of the kernel's socket buffers.
const SOCKET_BUFFER: usize = 4 << 20;
const ADDRESS_LEN: libc::socklen_t = size_of::<libc::sockaddr_ll>() as libc::socklen_t;

/// What is known of a frame that arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Arrived {
    /// Who sent it.
    pub(super) source: Mac,
    /// Bytes of its payload.
    pub(super) len: usize,
    /// It is longer than that.
    pub(super) cut: bool,
    /// It went to all stations, or to a group of them.
    pub(super) to_all: bool,
    /// It went to another station.
    pub(super) other_station: bool,
}

/// Opens the interface with this number for our frames.
pub(super) fn open(index: u32) -> io::Result<Socket> {
    // With protocol 0 nothing arrives before it is bound: no frames of other interfaces.
    let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(0)))?;
    socket.set_nonblocking(true)?;
    // As much as the host allows.
    let _ = (socket.set_recv_buffer_size(SOCKET_BUFFER), socket.set_send_buffer_size(SOCKET_BUFFER));
    let address = address(index, Mac::ZERO);
    // SAFETY: the descriptor is open, and the pointer and length describe `address`.
    let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), ADDRESS_LEN) };
    if result == 0 { Ok(socket) } else { Err(io::Error::last_os_error()) }
}

/// Registers such a socket with the reactor.
pub(super) fn register(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: a `Socket` owns its descriptor, which is open until the value is dropped and is the only one it returns;
    // `EthernetLink` never replaces the value inside.
    let registered = unsafe { AsyncFd::register(socket) };
    Ok(registered?)
}

/// Receives frames into `buffer`, each into `room` bytes of it, and returns how many.
pub(super) fn receive(
    socket: &Socket,
    buffer: &mut [u8],
    room: usize,
    arrived: &mut [Arrived; BATCH],
) -> io::Result<usize> {
    let mut addresses = [address(0, Mac::ZERO); BATCH];
    let mut parts = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BATCH];
    let mut messages = [EMPTY; BATCH];
    let mut rooms = 0;
    for (at, chunk) in buffer.chunks_exact_mut(room).take(BATCH).enumerate() {
        parts[at] = libc::iovec { iov_base: chunk.as_mut_ptr().cast(), iov_len: chunk.len() };
        let message = &mut messages[at].msg_hdr;
        message.msg_name = (&raw mut addresses[at]).cast();
        message.msg_namelen = ADDRESS_LEN;
        message.msg_iov = &raw mut parts[at];
        message.msg_iovlen = 1;
        rooms += 1;
    }
    // SAFETY: the descriptor is open. The first `rooms` messages point to one address and one part each, which live until the
    // return; each part is a piece of `buffer` of its own, borrowed for the call.
    let count = unsafe {
        let all = messages.as_mut_ptr();
        libc::recvmmsg(socket.as_raw_fd(), all, rooms, libc::MSG_DONTWAIT as _, std::ptr::null_mut())
    };
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    for ((message, from), arrived) in messages.iter().zip(&addresses).zip(arrived.iter_mut()).take(count) {
        let [a, b, c, d, e, f, ..] = from.sll_addr;
        *arrived = Arrived {
            source: Mac([a, b, c, d, e, f]),
            len: (message.msg_len as usize).min(room),
            cut: message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            to_all: matches!(from.sll_pkttype, libc::PACKET_BROADCAST | libc::PACKET_MULTICAST),
            other_station: !matches!(
                from.sll_pkttype,
                libc::PACKET_HOST | libc::PACKET_BROADCAST | libc::PACKET_MULTICAST
            ),
        };
    }
    Ok(count)
}

/// Sends datagrams of a train, from the first on, and returns how many: at least one.
pub(super) fn send(socket: &Socket, index: u32, to: Mac, train: &Outgoing<'_>) -> io::Result<usize> {
    let mut destination = address(index, to);
    let mut headers = [[0u8; HEADER_LEN]; BATCH];
    let mut parts = [[libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; 2]; BATCH];
    let mut messages = [EMPTY; BATCH];
    let mut count = 0;
    for (at, datagram) in train.datagrams().take(BATCH).enumerate() {
        let len = u16::try_from(datagram.len()).map_err(|_| io::Error::from_raw_os_error(libc::EMSGSIZE))?;
        headers[at] = header(len);
        parts[at] = [
            libc::iovec { iov_base: headers[at].as_mut_ptr().cast(), iov_len: HEADER_LEN },
            libc::iovec { iov_base: datagram.as_ptr().cast_mut().cast(), iov_len: datagram.len() },
        ];
        let message = &mut messages[at].msg_hdr;
        message.msg_name = (&raw mut destination).cast();
        message.msg_namelen = ADDRESS_LEN;
        message.msg_iov = parts[at].as_mut_ptr();
        message.msg_iovlen = 2;
        count += 1;
    }
    // SAFETY: the descriptor is open. The first `count` messages point to the address, and to two parts each, which live until
    // the return; the kernel only reads them and what they point to.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), count, libc::MSG_DONTWAIT as _) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// A message without parts.
const EMPTY: libc::mmsghdr = libc::mmsghdr {
    // SAFETY: all-zero bytes are a valid `msghdr`: null pointers with length zero.
    msg_hdr: unsafe { std::mem::zeroed() },
    msg_len: 0,
};

fn address(index: u32, mac: Mac) -> libc::sockaddr_ll {
    let [a, b, c, d, e, f] = mac.0;
    libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as libc::c_ushort,
        sll_protocol: ETHERTYPE.to_be(),
        // The kernel's numbers of interfaces are positive.
        sll_ifindex: i32::try_from(index).unwrap_or(0),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [a, b, c, d, e, f, 0, 0],
    }
}
