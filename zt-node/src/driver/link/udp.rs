//! UDP sockets: one per local address and port, each a link of the engine.

use super::refusals::{self, Refusals, Unsent};
use crate::driver::{sys, trace};
use crate::status::Traffic;
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::task::{Context, Poll};
use tokio::io::unix::AsyncFd;
use zt_peer::{Endpoint, Link, LinkId, LinkKind, LinkRole};
use zt_tap::LocalAddress;
use zt_wire::time::Mono;

/// Receive buffers per call, and the size of each: large enough for a coalesced train of datagrams.
const BATCH: usize = 8;
const BUFFER: usize = 65_536;
/// Wanted size of the kernel's socket buffers; half of it is the least that is tried (06 §5.1 asks for 1 MiB).
const SOCKET_BUFFER: usize = 4 << 20;

/// Payload of a datagram where nothing else is known (02 §1).
const USUAL_PAYLOAD: u16 = 1432;
/// Payload in the least MTU of IPv4; what is smaller is left to IP.
const LEAST_PAYLOAD: u16 = 548;

/// One bound UDP socket.
pub(in crate::driver) struct UdpLink {
    pub(in crate::driver) id: LinkId,
    pub(in crate::driver) local: SocketAddr,
    /// The interface it is tied to, as it was when it was bound.
    pub(in crate::driver) interface: Option<LocalAddress>,
    refusals: Refusals,
    io: AsyncFd<std::net::UdpSocket>,
    state: UdpSocketState,
}

/// A train of datagrams to one destination.
pub(in crate::driver) struct Outgoing<'a> {
    pub(in crate::driver) remote: SocketAddr,
    pub(in crate::driver) bytes: &'a [u8],
    /// Length of all datagrams but the last, which may be shorter.
    pub(in crate::driver) segment: usize,
    pub(in crate::driver) ttl: Option<u8>,
}

/// What sending counts and learns.
pub(in crate::driver) struct Tally<'a> {
    pub(in crate::driver) traffic: &'a mut Traffic,
    pub(in crate::driver) unsent: &'a mut Unsent,
    /// The payload that the path takes, when a train was refused for it.
    pub(in crate::driver) narrow: &'a mut Option<u16>,
}

/// A train of datagrams from one sender; `stride` is the length of all but the last.
pub(in crate::driver) struct Train<'a> {
    pub(in crate::driver) link: LinkId,
    pub(in crate::driver) remote: SocketAddr,
    pub(in crate::driver) bytes: &'a mut [u8],
    pub(in crate::driver) stride: usize,
}

/// The receive buffers, shared by all sockets.
pub(in crate::driver) struct ReceiveBuffers {
    bytes: Box<[u8]>,
}

impl ReceiveBuffers {
    pub(in crate::driver) fn new() -> Self {
        Self { bytes: vec![0; BATCH * BUFFER].into_boxed_slice() }
    }
}

impl UdpLink {
    /// Binds a socket; with an interface name it is tied to that interface, so that managed routes cannot capture it.
    pub(in crate::driver) fn bind(id: LinkId, local: SocketAddr, interface: Option<LocalAddress>) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
        if local.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        tie(&socket, interface.as_ref());
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
        Ok(Self { id, local, interface, refusals: Refusals::default(), io: sys::register(socket)?, state })
    }

    /// What VL1 knows of it: datagrams are cut for the MTU of the interface where that is below the default.
    pub(in crate::driver) fn link(&self) -> Link {
        let fits = self.interface.as_ref().map(|interface| refusals::payload(interface.mtu, self.local.is_ipv6()));
        let mtu = fits.filter(|&fits| fits < USUAL_PAYLOAD).map_or(0, |fits| fits.max(LEAST_PAYLOAD));
        Link { id: self.id, kind: LinkKind::Udp, rank: 0, local: Endpoint::Ip(self.local), mtu, role: LinkRole::Full }
    }

    /// Whether it is tied to this very interface: one that was made anew has another number.
    pub(in crate::driver) fn is_tied_like(&self, interface: Option<&LocalAddress>) -> bool {
        self.interface.as_ref().map(|own| own.index) == interface.map(|other| other.index)
    }

    /// The interface is the same, but its MTU is another.
    pub(in crate::driver) fn set_interface(&mut self, interface: LocalAddress) {
        self.interface = Some(interface);
        self.refusals.clear();
    }

    /// Receives what is there, at most one batch; every train goes to `each`.
    pub(in crate::driver) fn poll_receive(
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

    /// Sends a train; `Pending` means that the socket is full and the task will be woken. `sent` counts the datagrams that
    /// have left when that happens, and is 0 afterwards.
    ///
    /// A train which the kernel refuses as such leaves as single datagrams at once, fragmented by IP if need be. When the
    /// path MTU is the cause, `narrow` gets the size that the path takes. Errors of a single destination (no route,
    /// forbidden) are not errors of the socket: they are counted in `unsent`, and the datagrams are lost.
    pub(in crate::driver) fn poll_train(
        &mut self,
        cx: &mut Context<'_>,
        now: Mono,
        train: &Outgoing<'_>,
        sent: &mut usize,
        tally: Tally<'_>,
    ) -> Poll<()> {
        let Tally { traffic, unsent, narrow } = tally;
        let local = self.local;
        let count = |traffic: &mut Traffic, bytes: &[u8]| {
            traffic.datagrams_out += bytes.len().div_ceil(train.segment) as u64;
            traffic.bytes_out += bytes.len() as u64;
            trace::datagrams("out", local, train.remote, bytes, train.segment);
        };
        let segments = train.bytes.len().div_ceil(train.segment);
        if *sent == 0 && segments > 1 && self.takes_trains(now, train, segments) {
            match self.poll_send(cx, train, train.bytes, u16::try_from(train.segment).ok()) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {
                    count(traffic, train.bytes);
                    return Poll::Ready(());
                }
                Poll::Ready(Err(error)) if refusals::concerns_trains(&error) => {
                    let path = self.path_payload(train.remote);
                    *narrow = self.refusals.note(now, train.remote, train.segment, path);
                    tracing::debug!(local = %self.local, %error, narrow = ?*narrow, "a train is refused");
                }
                Poll::Ready(Err(error)) => {
                    (0..segments).for_each(|_| unsent.add(&error));
                    return Poll::Ready(());
                }
            }
        }
        for datagram in train.bytes.chunks(train.segment).skip(*sent) {
            match self.poll_send(cx, train, datagram, None) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => count(traffic, datagram),
                Poll::Ready(Err(error)) => unsent.add(&error),
            }
            *sent += 1;
        }
        *sent = 0;
        Poll::Ready(())
    }

    fn takes_trains(&self, now: Mono, train: &Outgoing<'_>, segments: usize) -> bool {
        segments <= self.max_segments() && !self.refusals.refuses(now, train.remote, train.segment)
    }

    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        train: &Outgoing<'_>,
        bytes: &[u8],
        segment: Option<u16>,
    ) -> Poll<io::Result<()>> {
        let destination = SockAddr::from(train.remote);
        loop {
            let mut guard = match self.io.poll_write_ready(cx) {
                Poll::Ready(guard) => guard?,
                Poll::Pending => return Poll::Pending,
            };
            let result = guard.try_io(|io| self.send_with_ttl(io.get_ref(), &destination, bytes, segment, train.ttl));
            match result {
                Ok(result) => return Poll::Ready(result),
                Err(_would_block) => {}
            }
        }
    }

    fn send_with_ttl(
        &self,
        socket: &std::net::UdpSocket,
        destination: &SockAddr,
        bytes: &[u8],
        segment: Option<u16>,
        ttl: Option<u8>,
    ) -> io::Result<()> {
        let send = || sys::send(socket.as_fd(), destination, bytes, segment);
        let Some(ttl) = ttl.filter(|_| self.local.is_ipv4()) else { return send() };
        let usual = socket.ttl()?;
        socket.set_ttl(ttl.into())?;
        let result = send();
        socket.set_ttl(usual)?;
        result
    }

    /// Payload that the path to `remote` takes in one IP packet, as the kernel knows it.
    fn path_payload(&self, remote: SocketAddr) -> Option<u16> {
        let connect = || -> io::Result<u32> {
            let socket = Socket::new(Domain::for_address(remote), Type::DGRAM, Some(Protocol::UDP))?;
            tie(&socket, self.interface.as_ref());
            socket.bind(&SocketAddr::new(self.local.ip(), 0).into())?;
            socket.connect(&remote.into())?;
            sys::path_mtu(socket.as_fd(), remote.is_ipv6())
        };
        Some(refusals::payload(connect().ok()?, remote.is_ipv6()))
    }

    /// The most segments the kernel takes in one call.
    pub(in crate::driver) fn max_segments(&self) -> usize {
        self.state.max_gso_segments()
    }
}

/// Ties a socket to an interface, so that no route can lead its packets into a port of ours.
fn tie(socket: &Socket, interface: Option<&LocalAddress>) {
    if let Some(interface) = interface {
        // Not permitted everywhere; the weaker option is, on any kernel, and only chooses where packets leave. The socket
        // works without both, so a refusal is not an error.
        let tied = socket.bind_device(Some(interface.interface.as_bytes()));
        if tied.is_err()
            && let Err(error) = sys::leave_by(socket.as_fd(), interface.cidr.address().is_ipv6(), interface.index)
        {
            tracing::debug!(interface = interface.interface, %error, "the socket is not tied to its interface");
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;
    use zt_tap::netns::Namespace;

    /// Sends a train and gives what was learnt; every datagram of it has arrived then, in order.
    async fn send(
        link: &mut UdpLink,
        receiver: &std::net::UdpSocket,
        segment: usize,
        unsent: &mut Unsent,
    ) -> Option<u16> {
        let bytes: Vec<u8> = (0..segment * 3 + 100).map(|at| (at / 7 % 251) as u8).collect();
        let remote = receiver.local_addr().expect("bound");
        let train = Outgoing { remote, bytes: &bytes, segment, ttl: None };
        let (mut traffic, mut narrow, mut sent) = (Traffic::default(), None, 0);
        poll_fn(|cx| {
            let tally = Tally { traffic: &mut traffic, unsent, narrow: &mut narrow };
            link.poll_train(cx, Mono::ZERO, &train, &mut sent, tally)
        })
        .await;
        assert_eq!((traffic.datagrams_out, traffic.bytes_out, sent), (4, bytes.len() as u64, 0));
        let mut buffer = [0; 2000];
        for datagram in bytes.chunks(segment) {
            let length = receiver.recv(&mut buffer).expect("a datagram");
            assert_eq!(&buffer[..length], datagram);
        }
        narrow
    }

    #[test]
    fn a_refused_train_leaves_as_single_datagrams() {
        // Without the right to make namespaces there is nothing to show.
        let Ok(namespace) = Namespace::new() else { return };
        namespace.set_mtu("lo", 1280).expect("the loopback device is there");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let work = async {
            for local in ["127.0.0.1:0", "[::1]:0"] {
                let local: SocketAddr = local.parse().expect("an address");
                let receiver = std::net::UdpSocket::bind(local).expect("a socket");
                receiver.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
                let mut link = UdpLink::bind(LinkId(1), local, None).expect("a socket");
                let mut unsent = Unsent::default();
                let fits = refusals::payload(1280, local.is_ipv6());
                assert_eq!(send(&mut link, &receiver, 1400, &mut unsent).await, Some(fits), "learnt");
                assert_eq!(send(&mut link, &receiver, 1400, &mut unsent).await, None, "known");
                assert_eq!(send(&mut link, &receiver, fits.into(), &mut unsent).await, None, "together again");
                assert_eq!(unsent.iter().count(), 0);
            }
        };
        namespace.run(|| runtime.block_on(work)).expect("entered");
    }

    #[test]
    fn what_cannot_be_sent_is_counted() {
        let Ok(namespace) = Namespace::new() else { return };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let work = async {
            let local = "127.0.0.1:0".parse().expect("an address");
            let mut link = UdpLink::bind(LinkId(1), local, None).expect("a socket");
            let remote = "192.0.2.1:9993".parse().expect("an address");
            let train = Outgoing { remote, bytes: &[7; 20], segment: 10, ttl: None };
            let (mut traffic, mut unsent, mut narrow, mut sent) = (Traffic::default(), Unsent::default(), None, 0);
            poll_fn(|cx| {
                let tally = Tally { traffic: &mut traffic, unsent: &mut unsent, narrow: &mut narrow };
                link.poll_train(cx, Mono::ZERO, &train, &mut sent, tally)
            })
            .await;
            let counted: Vec<_> = unsent.iter().collect();
            assert_eq!((traffic.datagrams_out, counted), (0, vec![(crate::status::DropReason::SendNoRoute, 2)]));
        };
        namespace.run(|| runtime.block_on(work)).expect("entered");
    }
}
