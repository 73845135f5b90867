//! UDP sockets: one per local address and port, each a link of the engine.

use super::sys;
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::task::{Context, Poll};
use tokio::io::unix::AsyncFd;
use zt_peer::LinkId;

/// Receive buffers per call, and the size of each: large enough for a coalesced train of datagrams.
const BATCH: usize = 8;
const BUFFER: usize = 65_536;
/// Wanted size of the kernel's socket buffers; half of it is the least that is tried (06 §5.1 asks for 1 MiB).
const SOCKET_BUFFER: usize = 4 << 20;

/// One bound UDP socket.
pub(super) struct UdpLink {
    pub(super) id: LinkId,
    pub(super) local: SocketAddr,
    io: AsyncFd<std::net::UdpSocket>,
    state: UdpSocketState,
}

/// A train of datagrams from one sender; `stride` is the length of all but the last.
pub(super) struct Train<'a> {
    pub(super) link: LinkId,
    pub(super) remote: SocketAddr,
    pub(super) bytes: &'a mut [u8],
    pub(super) stride: usize,
}

/// The receive buffers, shared by all sockets.
pub(super) struct ReceiveBuffers {
    bytes: Box<[u8]>,
}

impl ReceiveBuffers {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; BATCH * BUFFER].into_boxed_slice() }
    }
}

impl UdpLink {
    /// Binds a socket; with an interface name it is tied to that interface, so that managed routes cannot capture it.
    pub(super) fn bind(id: LinkId, local: SocketAddr, interface: Option<&str>) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
        if local.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        if let Some(interface) = interface {
            // Not permitted everywhere; the socket works without, so a refusal is not an error.
            let _ = socket.bind_device(Some(interface.as_bytes()));
        }
        for (set, size) in [(true, SOCKET_BUFFER), (false, SOCKET_BUFFER)] {
            let mut size = size;
            while size >= 65_536 {
                let result = if set { socket.set_recv_buffer_size(size) } else { socket.set_send_buffer_size(size) };
                if result.is_ok() {
                    break;
                }
                size /= 2;
            }
        }
        socket.bind(&local.into())?;
        socket.set_nonblocking(true)?;
        let socket: std::net::UdpSocket = socket.into();
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        sys::allow_fragmentation(socket.as_fd(), local.is_ipv6())?;
        let local = socket.local_addr()?;
        Ok(Self { id, local, io: sys::register(socket)?, state })
    }

    /// Receives what is there, at most one batch; every train goes to `each`.
    pub(super) fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut ReceiveBuffers,
        mut each: impl FnMut(Train<'_>),
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = match self.io.poll_read_ready(cx) {
                Poll::Ready(guard) => guard?,
                Poll::Pending => return Poll::Pending,
            };
            let mut meta = [RecvMeta::default(); BATCH];
            let mut chunks = buffers.bytes.chunks_exact_mut(BUFFER);
            let mut slices: [IoSliceMut<'_>; BATCH] =
                std::array::from_fn(|_| IoSliceMut::new(chunks.next().expect("as many chunks as slices")));
            let result = guard.try_io(|io| self.state.recv(UdpSockRef::from(io.get_ref()), &mut slices, &mut meta));
            match result {
                Ok(Ok(count)) => {
                    for (meta, bytes) in meta.iter().zip(buffers.bytes.chunks_exact_mut(BUFFER)).take(count) {
                        if meta.len > 0 {
                            let stride = meta.stride.max(1);
                            each(Train {
                                link: self.id,
                                remote: unmap(meta.addr),
                                bytes: &mut bytes[..meta.len],
                                stride,
                            });
                        }
                    }
                    return Poll::Ready(Ok(count));
                }
                Ok(Err(error)) if is_transient(&error) => return Poll::Ready(Ok(1)),
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_would_block) => {}
            }
        }
    }

    /// Sends a train. `Pending` means that the socket is full and the task will be woken; errors of a single
    /// destination (no route, refused) are not errors of the socket and count as sent.
    pub(super) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        destination: SocketAddr,
        contents: &[u8],
        segment_size: Option<usize>,
        ttl: Option<u8>,
    ) -> Poll<io::Result<()>> {
        let transmit = quinn_udp::Transmit { destination, ecn: None, contents, segment_size, src_ip: None };
        loop {
            let mut guard = match self.io.poll_write_ready(cx) {
                Poll::Ready(guard) => guard?,
                Poll::Pending => return Poll::Pending,
            };
            let result = guard.try_io(|io| self.send_with_ttl(io.get_ref(), &transmit, ttl));
            match result {
                Ok(Ok(())) => return Poll::Ready(Ok(())),
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_would_block) => {}
            }
        }
    }

    fn send_with_ttl(
        &self,
        socket: &std::net::UdpSocket,
        transmit: &quinn_udp::Transmit<'_>,
        ttl: Option<u8>,
    ) -> io::Result<()> {
        let Some(ttl) = ttl.filter(|_| self.local.is_ipv4()) else {
            return self.state.try_send(UdpSockRef::from(socket), transmit);
        };
        let usual = socket.ttl()?;
        socket.set_ttl(ttl.into())?;
        let result = self.state.try_send(UdpSockRef::from(socket), transmit);
        socket.set_ttl(usual)?;
        result
    }

    /// The most segments the kernel takes in one call.
    pub(super) fn max_segments(&self) -> usize {
        self.state.max_gso_segments()
    }
}

/// Conditions which say something about one earlier datagram, not about the socket.
fn is_transient(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

fn unmap(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => SocketAddr::new(ip.into(), address.port()),
            None => SocketAddr::new(ip.into(), address.port()),
        },
        IpAddr::V4(_) => address,
    }
}
