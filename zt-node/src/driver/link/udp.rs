//! UDP sockets: one per local address and port, each a link of the engine.

use super::refusals::{self, Refusals};
use super::unsent::cause;
use super::{LinkIo, Outgoing, Received, SendError};
use crate::driver::sys::{self, MESSAGES, Message};
use crate::status::Unsent;
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll, ready};
use tokio::io::unix::AsyncFd;
use zt_peer::Endpoint;
use zt_tap::LocalAddress;
use zt_wire::time::Mono;

/// Room for each message that is received in one call: enough for a coalesced train.
const ROOM: usize = 65_536;
/// Messages received in one call where each is a long train: what a processor's cache holds well. Where they are single
/// datagrams, as of senders that send no trains, or of many, more of them cost less each.
const TRAINS: usize = 8;
const SINGLES: usize = 32;
/// And where they come one by one: what is laid out for a call is memory that a pause has put out of the caches.
const FEW: usize = 4;
/// More reads than the largest buffer of a socket takes.
const MOST_DISCARDED: usize = 65_536;
/// Bytes of one call from which on its messages count as trains.
const LONG: usize = 128 << 10;
/// Memory that [`LinkIo::poll_receive`] of this link wants.
pub(super) const BUFFER: usize = SINGLES * ROOM;
/// Wanted size of the kernel's socket buffers, and what is told as too little (06 §5.1 asks for 1 MiB).
const SOCKET_BUFFER: usize = 4 << 20;
const SMALL_BUFFER: usize = 1 << 20;
/// Longest train where the kernel does not cut trains: as many datagrams leave in one call.
const UNCUT: usize = MESSAGES;

/// Payload in the least MTU of IPv4; what is smaller is left to IP.
const LEAST_PAYLOAD: u16 = 548;

/// What UDP sockets and the kernel leave to each other, where the kernel can; some drivers do it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpOffloads {
    /// Trains of equal datagrams leave as one, and the kernel or the interface cuts them (UDP_SEGMENT).
    pub send: bool,
    /// Datagrams of one flow arrive as one (UDP_GRO).
    pub receive: bool,
}

impl Default for UdpOffloads {
    fn default() -> Self {
        Self { send: true, receive: true }
    }
}

/// What one read gave.
struct Count {
    messages: usize,
    bytes: usize,
}

impl UdpOffloads {
    /// Nothing, either, both.
    pub const LEVELS: [Self; 4] = [
        Self { send: false, receive: false },
        Self { send: true, receive: false },
        Self { send: false, receive: true },
        Self { send: true, receive: true },
    ];

    /// The word that settings and reports have for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match (self.send, self.receive) {
            (false, false) => "none",
            (true, false) => "send",
            (false, true) => "receive",
            (true, true) => "all",
        }
    }
}

/// One bound UDP socket.
pub(in crate::driver) struct UdpLink {
    pub(in crate::driver) local: SocketAddr,
    /// The interface it is tied to, as it was when it was bound.
    pub(in crate::driver) interface: Option<LocalAddress>,
    refusals: Refusals,
    /// The payload that a path takes: learnt by a train that was refused for it, and not yet told.
    learnt: Option<(Endpoint, u16)>,
    io: AsyncFd<std::net::UdpSocket>,
    state: UdpSocketState,
    /// The most segments that the kernel cuts in one call.
    cuts: usize,
    /// Messages to receive in the next call.
    batch: usize,
    /// The kernel joins what arrives.
    is_joined: bool,
    /// The system call; another one in tests.
    send: fn(BorrowedFd<'_>, &[Message<'_>]) -> io::Result<usize>,
}

impl UdpLink {
    /// Binds a socket; with an interface name it is tied to that interface, so that managed routes cannot capture it.
    pub(super) fn bind(local: SocketAddr, interface: Option<LocalAddress>, offloads: UdpOffloads) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
        if local.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        tie(&socket, interface.as_ref());
        enlarge_buffers(&socket);
        socket.bind(&local.into())?;
        socket.set_nonblocking(true)?;
        let socket: std::net::UdpSocket = socket.into();
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        sys::ask_for_bytes_only(socket.as_fd(), local.is_ipv6());
        if !offloads.receive {
            // A kernel that does not know the option does not join either.
            let _ = sys::set_coalescing(socket.as_fd(), false);
        }
        let cuts = if offloads.send { state.max_gso_segments() } else { 1 };
        let is_joined = offloads.receive && state.gro_segments() > 1;
        sys::allow_fragmentation(socket.as_fd(), local.is_ipv6())?;
        let local = socket.local_addr()?;
        let (refusals, io) = (Refusals::default(), sys::register(socket)?);
        Ok(Self {
            local,
            interface,
            refusals,
            learnt: None,
            io,
            state,
            cuts,
            is_joined,
            batch: TRAINS,
            send: sys::send,
        })
    }

    /// What the socket and the kernel leave to each other.
    pub(super) fn offloads(&self) -> UdpOffloads {
        UdpOffloads { send: self.cuts > 1, receive: self.is_joined }
    }

    /// Destinations that trains leave to one by one, all or the longer ones.
    pub(super) fn refusing(&self, now: Mono) -> usize {
        self.refusals.count(now)
    }

    /// Bytes that wait for the node, and for the network, before datagrams are lost.
    pub(super) fn buffers(&self) -> Option<[usize; 2]> {
        let socket = SockRef::from(self.io.get_ref());
        // The kernel doubles what it is asked for, for its own part, and says so.
        Some([socket.recv_buffer_size().ok()? / 2, socket.send_buffer_size().ok()? / 2])
    }

    /// The same; `None` when that is as much as it should be.
    pub(super) fn small_buffers(&self) -> Option<[usize; 2]> {
        self.buffers().filter(|sizes| sizes.iter().any(|size| *size < SMALL_BUFFER))
    }

    /// Largest payload as a [`Link`](zt_peer::Link) has it: that of the interface, if it is known.
    pub(super) fn mtu(&self) -> u16 {
        let fits = self.interface.as_ref().map(|interface| refusals::payload(interface.mtu, self.local.is_ipv6()));
        fits.map_or(0, |fits| fits.max(LEAST_PAYLOAD))
    }

    /// Whether it is tied to this very interface: one that was made anew has another number.
    pub(in crate::driver) fn is_tied_like(&self, interface: Option<&LocalAddress>) -> bool {
        self.interface.as_ref().map(|own| own.index) == interface.map(|other| other.index)
    }

    /// The interface is the same, but its MTU is another.
    pub(super) fn set_interface(&mut self, interface: LocalAddress) {
        self.interface = Some(interface);
        self.refusals.clear();
    }

    /// Messages came in one call: how many the next one asks for.
    fn note_batch(&mut self, count: usize, bytes: usize) {
        if bytes >= LONG {
            self.batch = TRAINS;
        } else if count == self.batch {
            self.batch = SINGLES;
        } else if count <= FEW / 2 {
            self.batch = FEW;
        }
    }

    /// As [`LinkIo::poll_receive`], but what one read gave is handed on at a time.
    pub(super) fn poll_receive_together(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        all: &mut dyn FnMut(&mut [Received<'_>]),
    ) -> Poll<io::Result<()>> {
        loop {
            let ready = match self.batch {
                ..=FEW => self.poll_receive_most::<FEW>(cx, buffer, all),
                _ => self.poll_receive_most::<SINGLES>(cx, buffer, all),
            };
            match ready!(ready) {
                Ok(Some(count)) => {
                    self.note_batch(count.messages, count.bytes);
                    return Poll::Ready(Ok(()));
                }
                Ok(None) => {}
                Err(error) if is_transient(&error) => return Poll::Ready(Ok(())),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// One read of at most `MOST` messages; `None` when there was nothing in spite of what the task was told.
    fn poll_receive_most<const MOST: usize>(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        all: &mut dyn FnMut(&mut [Received<'_>]),
    ) -> Poll<io::Result<Option<Count>>> {
        let mut guard = ready!(self.io.poll_read_ready(cx))?;
        let mut metas = [RecvMeta::default(); MOST];
        let asked = self.batch.min(MOST).min(buffer.len() / ROOM);
        let mut chunks = buffer.chunks_exact_mut(ROOM);
        let mut slices: [IoSliceMut<'_>; MOST] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let (slices, meta) = (&mut slices[..asked], &mut metas[..asked]);
        let Ok(result) = guard.try_io(|io| self.state.recv(UdpSockRef::from(io.get_ref()), slices, meta)) else {
            return Poll::Ready(Ok(None));
        };
        let count = result?;
        if count < asked && cfg!(target_os = "linux") {
            // There was no more (recvmmsg): the next call need not find that out by one more read.
            guard.clear_ready();
        }
        let bytes = meta[..count].iter().map(|meta| meta.len).sum();
        let mut chunks = buffer.chunks_exact_mut(ROOM);
        let mut received = metas.map(|RecvMeta { addr, len, stride, .. }| {
            let bytes = chunks.next().unwrap_or_default();
            Received { remote: Endpoint::Ip(unmap(addr)), bytes: &mut bytes[..len], stride }
        });
        all(&mut received[..count]);
        Poll::Ready(Ok(Some(Count { messages: count, bytes })))
    }

    /// Throws away what has arrived and was not received; how many reads that took.
    pub(super) fn discard(&mut self, buffer: &mut [u8]) -> usize {
        // What comes meanwhile is of now.
        (0..MOST_DISCARDED).take_while(|_| self.io.get_ref().recv(buffer).is_ok()).count()
    }

    fn takes_trains(&self, now: Mono, remote: SocketAddr, segment: usize, segments: usize) -> bool {
        segments <= self.cuts && !self.refusals.refuses(now, remote, segment)
    }

    /// One system call; how many of the messages left, of those of `train`.
    fn poll_call(
        &self,
        cx: &mut Context<'_>,
        train: &Outgoing<'_>,
        messages: &[Message<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = match self.io.poll_write_ready(cx) {
                Poll::Ready(guard) => guard?,
                Poll::Pending => return Poll::Pending,
            };
            let result =
                guard.try_io(|io| self.send_as(io.get_ref(), train, || (self.send)(io.get_ref().as_fd(), messages)));
            match result {
                Ok(result) => return Poll::Ready(result),
                Err(_would_block) => {}
            }
        }
    }

    /// Sends the first datagrams of a train, each by itself; how many left.
    fn poll_singles(
        &self,
        cx: &mut Context<'_>,
        destination: &SockAddr,
        train: &Outgoing<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut datagrams = train.datagrams();
        let mut message = || Message { destination, bytes: datagrams.next().unwrap_or_default(), segment: None };
        match train.count() {
            1 => self.poll_call(cx, train, &[message()]),
            count => {
                self.poll_call(cx, train, &std::array::from_fn::<_, MESSAGES, _>(|_| message())[..count.min(MESSAGES)])
            }
        }
    }

    /// Sends the first of some trains in one call; how many left. None is lost by it: what has not left, for whatever
    /// cause, is for [`LinkIo::poll_send`], which hears the cause.
    pub(super) fn send_together(&self, now: Mono, cx: &mut Context<'_>, trains: &[Outgoing<'_>]) -> usize {
        let mut destinations = [const { None }; MESSAGES];
        for (train, destination) in trains.iter().zip(&mut destinations) {
            let Endpoint::Ip(remote) = train.remote else { break };
            let segments = train.count();
            let is_plain = train.ttl.is_none() && !train.dont_fragment;
            if !is_plain || segments > 1 && !self.takes_trains(now, remote, train.segment, segments) {
                break;
            }
            *destination = Some(SockAddr::from(remote));
        }
        let [Some(destination), Some(_), ..] = &destinations else { return 0 };
        let mut messages = [Message { destination, bytes: &[], segment: None }; MESSAGES];
        let mut count = 0;
        for ((train, destination), message) in trains.iter().zip(destinations.iter().flatten()).zip(&mut messages) {
            let segment = u16::try_from(train.segment).ok().filter(|_| train.count() > 1);
            *message = Message { destination, bytes: train.bytes, segment };
            count += 1;
        }
        match self.poll_call(cx, &trains[0], &messages[..count]) {
            Poll::Ready(Ok(sent)) => sent,
            _ => 0,
        }
    }

    /// Sends with the options of the socket that the train asks for.
    fn send_as(
        &self,
        socket: &std::net::UdpSocket,
        train: &Outgoing<'_>,
        send: impl Fn() -> io::Result<usize>,
    ) -> io::Result<usize> {
        if train.dont_fragment {
            sys::forbid_fragmentation(socket.as_fd(), self.local.is_ipv6())?;
            let result = send();
            sys::allow_fragmentation(socket.as_fd(), self.local.is_ipv6())?;
            return result;
        }
        let Some(ttl) = train.ttl.filter(|_| self.local.is_ipv4()) else { return send() };
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

    /// The most datagrams of a train that leave in one call, cut by the kernel or not.
    pub(super) fn max_segments(&self) -> usize {
        if self.cuts > 1 { self.cuts } else { UNCUT }
    }
}

impl LinkIo for UdpLink {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        each: &mut dyn FnMut(Received<'_>),
    ) -> Poll<io::Result<()>> {
        self.poll_receive_together(cx, buffer, &mut |all| {
            for Received { remote, bytes, stride } in all {
                each(Received { remote: *remote, bytes, stride: *stride });
            }
        })
    }

    /// A train which the kernel refuses as such leaves as single datagrams at once, fragmented by IP if need be. When the
    /// path MTU is the cause, it is learnt. Errors of a single destination (no route, forbidden) are not errors of the
    /// socket.
    fn poll_send(&mut self, now: Mono, cx: &mut Context<'_>, train: &Outgoing<'_>) -> Poll<Result<usize, SendError>> {
        let segments = train.count();
        let unsent = |datagrams, cause| Poll::Ready(Err(SendError::Unsent { datagrams, cause }));
        let Endpoint::Ip(remote) = train.remote else { return unsent(segments, Unsent::NoRoute) };
        let destination = &SockAddr::from(remote);
        if segments > 1 && self.takes_trains(now, remote, train.segment, segments) {
            let segment = u16::try_from(train.segment).ok();
            match self.poll_call(cx, train, &[Message { destination, bytes: train.bytes, segment }]) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(_)) => return Poll::Ready(Ok(segments)),
                Poll::Ready(Err(error)) if refusals::concerns_trains(&error) => {
                    let path = self.path_payload(remote);
                    let narrow = self.refusals.note(now, remote, train.segment, path);
                    self.learnt = narrow.map(|size| (train.remote, size));
                    tracing::debug!(local = %self.local, %error, ?narrow, "a train is refused");
                }
                Poll::Ready(Err(error)) => return unsent(segments, cause(&error)),
            }
        }
        let mut sent = 0;
        while sent < segments {
            match self.poll_singles(cx, destination, &train.after(sent)) {
                Poll::Ready(Ok(count)) => sent += count.max(1),
                // What does not leave now is for the next call.
                _ if sent > 0 => return Poll::Ready(Ok(sent)),
                Poll::Pending => return Poll::Pending,
                // The interface does not take it: for a probe of what is taken, that is an answer as good as none.
                Poll::Ready(Err(error)) if train.dont_fragment && cause(&error) == Unsent::TooLong => sent += 1,
                Poll::Ready(Err(error)) => return unsent(1, cause(&error)),
            }
        }
        Poll::Ready(Ok(segments))
    }

    fn take_path_mtu(&mut self) -> Option<(Endpoint, u16)> {
        self.learnt.take()
    }
}

/// Buffers that take what comes while this task does something else: of the wanted size where that is permitted, else as
/// large as the host allows everybody.
fn enlarge_buffers(socket: &Socket) {
    if sys::force_buffers(socket.as_fd(), SOCKET_BUFFER as i32).is_err() {
        // The kernel takes the nearest that it allows; what came of it is told by `small_buffers`.
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
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

/// Conditions which say something about one earlier datagram or the moment, not about the socket. With any other the
/// socket is done for, as one that the host's operator destroyed, and is bound anew.
fn is_transient(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNREFUSED
                | libc::ECONNRESET
                | libc::EINTR
                | libc::EHOSTUNREACH
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::ENETDOWN
                | libc::EMSGSIZE
                | libc::EPROTO
                | libc::ENOMEM
                | libc::ENOBUFS
        )
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
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::time::Duration;
    use zt_tap::netns::Namespace;

    /// Sends a train of two datagrams and a shorter one to itself on loopback; what was learnt.
    async fn send(link: &mut UdpLink, receiver: &std::net::UdpSocket, segment: usize) -> Option<u16> {
        let bytes: Vec<u8> = (0..=255).cycle().take(3 * segment + 10).collect();
        let remote = Endpoint::Ip(receiver.local_addr().expect("bound"));
        let train = Outgoing { remote, bytes: &bytes, segment, ttl: None, dont_fragment: false };
        let sent = poll_fn(|cx| link.poll_send(Mono::ZERO, cx, &train)).await;
        assert_eq!(sent.expect("loopback takes it"), 4);
        let mut buffer = [0; 2000];
        for datagram in train.datagrams() {
            let length = receiver.recv(&mut buffer).expect("a datagram");
            assert_eq!(&buffer[..length], datagram);
        }
        link.take_path_mtu().map(|(learnt_of, size)| {
            assert_eq!(learnt_of, remote);
            size
        })
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
                let mut link = UdpLink::bind(local, None, UdpOffloads::default()).expect("a socket");
                let fits = refusals::payload(1280, local.is_ipv6());
                assert_eq!(send(&mut link, &receiver, 1400).await, Some(fits), "learnt");
                assert_eq!(send(&mut link, &receiver, 1400).await, None, "known");
                assert_eq!(send(&mut link, &receiver, fits.into()).await, None, "together again");
            }
        };
        namespace.run(|| runtime.block_on(work)).expect("entered");
    }

    thread_local! {
        /// How many trains the kernel of a test was asked to cut.
        static ASKED: Cell<usize> = const { Cell::new(0) };
    }

    fn refuse(socket: BorrowedFd<'_>, messages: &[Message<'_>], errno: i32) -> io::Result<usize> {
        if messages.iter().all(|message| message.segment.is_none()) {
            return sys::send(socket, messages);
        }
        ASKED.set(ASKED.get() + 1);
        Err(io::Error::from_raw_os_error(errno))
    }

    fn on_loopback(work: impl AsyncFnOnce(SocketAddr, std::net::UdpSocket)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let local: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let receiver = std::net::UdpSocket::bind(local).expect("a socket");
        receiver.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        runtime.block_on(work(local, receiver));
    }

    #[test]
    fn a_kernel_that_refuses_trains_at_once_or_later_loses_none() {
        type Refuser = fn(BorrowedFd<'_>, &[Message<'_>]) -> io::Result<usize>;
        let refusers: [Refuser; 3] = [
            |socket, messages| refuse(socket, messages, libc::EIO),
            |socket, messages| refuse(socket, messages, libc::EINVAL),
            |socket, messages| refuse(socket, messages, libc::EOPNOTSUPP),
        ];
        on_loopback(async |local, receiver| {
            for (refuser, trains_before) in refusers.into_iter().zip([0, 1, 5]) {
                let mut link = UdpLink::bind(local, None, UdpOffloads::default()).expect("a socket");
                for _ in 0..trains_before {
                    send(&mut link, &receiver, 1400).await;
                }
                link.send = refuser;
                ASKED.set(0);
                for _ in 0..3 {
                    // Each datagram arrives, in order.
                    assert_eq!(send(&mut link, &receiver, 1400).await, None, "the path is not narrow");
                }
                assert_eq!(ASKED.get(), 1, "asked once, and not again while that is remembered");
                assert_eq!((link.refusing(Mono::ZERO), link.offloads().send), (1, true));
            }
        });
    }

    #[test]
    fn trains_that_differ_leave_in_one_call_as_far_as_the_kernel_takes_them() {
        thread_local! {
            static CALLS: Cell<usize> = const { Cell::new(0) };
        }
        on_loopback(async |local, receiver| {
            let other = std::net::UdpSocket::bind(local).expect("a socket");
            other.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
            let to = |socket: &std::net::UdpSocket| Endpoint::Ip(socket.local_addr().expect("bound"));
            let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
            let train = |remote, length: usize, segment| {
                let bytes = &bytes[..length];
                Outgoing { remote, bytes, segment, ttl: None, dont_fragment: false }
            };
            let nowhere = Endpoint::Ip("255.255.255.255:9".parse().expect("an address"));
            let [a, b] = [to(&receiver), to(&other)];
            let trains = [
                train(a, 3000, 1400),
                train(b, 60, 60),
                train(a, 1000, 500),
                Outgoing { ttl: Some(3), ..train(a, 10, 10) },
                train(b, 20, 20),
                train(nowhere, 30, 30),
                train(b, 40, 40),
            ];
            let mut link = UdpLink::bind(local, None, UdpOffloads::default()).expect("a socket");
            link.send = |socket, messages| {
                CALLS.set(CALLS.get() + 1);
                sys::send(socket, messages)
            };
            // A new socket is not known to be writable before it was waited for.
            poll_fn(|cx| link.io.poll_write_ready(cx).map_ok(|mut guard| guard.retain_ready())).await.expect("open");
            let mut sent_together = Vec::new();
            let mut rest = &trains[..];
            while let [first, others @ ..] = rest {
                let sent = poll_fn(|cx| Poll::Ready(link.send_together(Mono::ZERO, cx, rest))).await;
                sent_together.push(sent);
                rest = if sent == 0 { others } else { &rest[sent..] };
                if sent == 0 {
                    let single = poll_fn(|cx| link.poll_send(Mono::ZERO, cx, first)).await;
                    assert_eq!(single.is_err(), first.remote == nowhere, "broadcasts are not permitted");
                }
            }
            if link.cuts > 1 {
                // What has a time to live of its own leaves alone, and what the kernel refuses is asked for alone.
                assert_eq!(sent_together, [3, 0, 1, 0, 0]);
                assert_eq!(CALLS.get(), 1 + 1 + 1 + 2 + 1);
            }
            let mut buffer = [0; 2000];
            for (socket, remote) in [(&receiver, a), (&other, b)] {
                for datagram in trains.iter().filter(|train| train.remote == remote).flat_map(Outgoing::datagrams) {
                    let length = socket.recv(&mut buffer).expect("a datagram");
                    assert_eq!(&buffer[..length], datagram);
                }
            }
        });
    }

    #[test]
    fn what_leaves_of_several_datagrams_is_not_sent_again() {
        on_loopback(async |local, receiver| {
            let mut link = UdpLink::bind(local, None, UdpOffloads { send: false, receive: false }).expect("a socket");
            link.send = |socket, messages| sys::send(socket, &messages[..messages.len().min(2)]);
            send(&mut link, &receiver, 1400).await;
        });
    }

    #[test]
    fn without_offload_no_train_is_cut_and_none_is_joined() {
        on_loopback(async |local, receiver| {
            let mut link = UdpLink::bind(local, None, UdpOffloads { send: false, receive: true }).expect("a socket");
            link.send = |socket, messages| refuse(socket, messages, libc::EIO);
            ASKED.set(0);
            assert_eq!(send(&mut link, &receiver, 1400).await, None);
            assert_eq!(ASKED.get(), 0);

            let bytes = [7; 5000];
            let mut buffer = vec![0; BUFFER];
            for (receive, arrived) in [(true, vec![5000]), (false, vec![1400, 1400, 1400, 800])] {
                let mut sender = UdpLink::bind(local, None, UdpOffloads::default()).expect("a socket");
                if sender.cuts == 1 {
                    continue;
                }
                let mut link = UdpLink::bind(local, None, UdpOffloads { send: true, receive }).expect("a socket");
                let remote = Endpoint::Ip(link.local);
                let train = Outgoing { remote, bytes: &bytes, segment: 1400, ttl: None, dont_fragment: false };
                assert_eq!(poll_fn(|cx| sender.poll_send(Mono::ZERO, cx, &train)).await.expect("sent"), 4);
                let mut lengths = Vec::new();
                while lengths.iter().sum::<usize>() < bytes.len() {
                    let mut each = |received: Received<'_>| lengths.push(received.bytes.len());
                    poll_fn(|cx| link.poll_receive(cx, &mut buffer, &mut each)).await.expect("received");
                }
                assert_eq!(lengths, arrived);
            }
        });
    }

    #[test]
    fn one_read_asks_for_as_many_as_lately_came() {
        on_loopback(async |local, sender| {
            let mut link = UdpLink::bind(local, None, UdpOffloads::default()).expect("a socket");
            for (count, bytes, asks) in
                [(1, 100, FEW), (FEW, 400, SINGLES), (9, 900, SINGLES), (2, LONG, TRAINS), (2, 200, FEW)]
            {
                link.note_batch(count, bytes);
                assert_eq!(link.batch, asks, "{count} of {bytes}");
            }
            // Fewer than come, whatever is asked for: all come, in order.
            let mut buffer = vec![0; BUFFER];
            let wanted: Vec<u8> = (0..=80).collect();
            for number in &wanted {
                sender.send_to(&[*number; 9], link.local).expect("sent");
            }
            let mut came = Vec::new();
            while came.len() < wanted.len() {
                let mut each = |received: Received<'_>| came.extend(received.bytes.chunks(9).map(|bytes| bytes[0]));
                poll_fn(|cx| link.poll_receive(cx, &mut buffer, &mut each)).await.expect("received");
            }
            assert_eq!(came, wanted);
        });
    }

    #[test]
    fn what_is_in_effect_is_what_was_asked_for() {
        on_loopback(async |local, _| {
            for asked in UdpOffloads::LEVELS {
                let link = UdpLink::bind(local, None, asked).expect("a socket");
                // Linux 5.0 has both.
                assert_eq!((link.offloads(), link.refusing(Mono::ZERO)), (asked, 0));
            }
        });
    }

    #[test]
    fn buffers_are_as_large_as_is_permitted() {
        on_loopback(async |local, receiver| {
            let link = UdpLink::bind(local, None, UdpOffloads::default()).expect("a socket");
            if sys::force_buffers(receiver.as_fd(), SOCKET_BUFFER as i32).is_ok() {
                assert_eq!(link.small_buffers(), None);
            }
            SockRef::from(link.io.get_ref()).set_recv_buffer_size(65_536).expect("a smaller one is always permitted");
            assert_eq!(link.small_buffers().map(|[receive, _]| receive), Some(65_536));
        });
    }

    #[test]
    fn what_cannot_be_sent_has_a_cause() {
        let Ok(namespace) = Namespace::new() else { return };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let work = async {
            let mut link = UdpLink::bind("127.0.0.1:0".parse().expect("an address"), None, UdpOffloads::default())
                .expect("a socket");
            let remote = Endpoint::Ip("192.0.2.1:9993".parse().expect("an address"));
            let train = Outgoing { remote, bytes: &[7; 20], segment: 10, ttl: None, dont_fragment: false };
            let sent = poll_fn(|cx| link.poll_send(Mono::ZERO, cx, &train)).await;
            let unsent = SendError::Unsent { datagrams: 2, cause: Unsent::NoRoute };
            assert_eq!(sent.expect_err("no route").to_string(), unsent.to_string());
        };
        namespace.run(|| runtime.block_on(work)).expect("entered");
    }
}
