//! The loop around a stack: what a node opens in place of a device, and what connections are used by.

mod dns;
mod stream;

use std::collections::BTreeMap;
use std::future::{Future as _, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr};
use tokio::sync::Notify;
use zt_crypto::Entropy as _;
use zt_node::OsEntropy;
use zt_tap::{
    Applied, Change, HostConfig, HostError, HostState, LinkDns, Tap, TapCounts, TapFactory, TapInfo, TapSpec,
};
use zt_wire::FrameBatch;

use super::stack::{Stack, StackCounts, StackError};

pub use dns::PortDns;
pub use stream::TcpStream;

/// What ports are called: they are no devices, and tell it.
const NAME: &str = "userspace";

/// A stack that a node and connections share.
#[derive(Clone, Debug)]
pub struct Port {
    name: String,
    inner: Arc<Mutex<Inner>>,
    /// Connections came.
    came: Arc<Notify>,
}

#[derive(Debug)]
struct Inner {
    stack: Stack,
    start: Instant,
    /// The node's task, while it waits for frames.
    node: Option<Waker>,
    /// The node has let go of the port.
    is_closed: bool,
}

impl Inner {
    fn now(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_micros()).unwrap_or(i64::MAX)
    }

    /// Lets the node fetch what the stack has to send by now.
    fn wake_node(&mut self) {
        if let Some(node) = self.node.take() {
            node.wake();
        }
    }
}

impl Port {
    fn new(name: String, spec: &TapSpec) -> Self {
        let stack = Stack::new(spec.mac, spec.mtu, OsEntropy.next_u64());
        let inner = Inner { stack, start: Instant::now(), node: None, is_closed: false };
        Self { name, inner: Arc::new(Mutex::new(inner)), came: Arc::new(Notify::new()) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses the stack, and lets the node fetch what came of it.
    fn with<T>(&self, work: impl FnOnce(&mut Stack, i64) -> T) -> T {
        let mut inner = self.lock();
        let now = inner.now();
        let result = work(&mut inner.stack, now);
        inner.wake_node();
        result
    }

    /// Name of the port, as `zt networks` shows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Addresses of this node in the network.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.lock().stack.addresses().to_vec()
    }

    /// What was refused or lost.
    #[must_use]
    pub fn counts(&self) -> StackCounts {
        self.lock().stack.counts()
    }

    /// Connects to a member, or to what the network routes.
    ///
    /// # Errors
    /// There is no address or place; nobody answers, or the other side refuses.
    pub async fn connect(&self, remote: SocketAddr) -> io::Result<TcpStream> {
        let connection = self.with(|stack, now| stack.connect(now, remote)).map_err(stack_error)?;
        let stream = TcpStream::new(self.clone(), connection);
        stream.connected().await?;
        Ok(stream)
    }

    /// Takes connections to a TCP port of this node, until the listener is dropped.
    ///
    /// # Errors
    /// The port has somebody already.
    pub fn listen(&self, port: u16) -> io::Result<TcpListener> {
        self.with(|stack, _| stack.listen(port)).map_err(stack_error)?;
        Ok(TcpListener { port: self.clone(), number: port })
    }

    /// Opens a place for datagrams: at a port, or at any.
    ///
    /// # Errors
    /// The port is in use, or all places are.
    pub fn bind_udp(&self, number: Option<u16>) -> io::Result<UdpSocket> {
        let handle = self.with(|stack, _| stack.bind_datagrams(number)).map_err(stack_error)?;
        Ok(UdpSocket { port: self.clone(), handle })
    }

    /// Until the network is left.
    pub async fn closed(&self) {
        loop {
            let came = self.came.notified();
            if self.lock().is_closed {
                return;
            }
            came.await;
        }
    }

    /// Asks for an echo every 200 ms until one comes back: how long that one took.
    ///
    /// # Errors
    /// The address is not IPv4, or none came back in time.
    pub async fn ping(&self, target: IpAddr, patience: Duration) -> io::Result<Duration> {
        let IpAddr::V4(_) = target else { return Err(io::ErrorKind::Unsupported.into()) };
        let ident = OsEntropy.next_u64() as u16;
        let handle = self.with(|stack, _| stack.open_echo(ident));
        let result = tokio::time::timeout(patience, self.ping_until_answered(handle, ident, target)).await;
        self.with(|stack, _| stack.close_echo(handle));
        result.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn ping_until_answered(
        &self,
        handle: smoltcp::iface::SocketHandle,
        ident: u16,
        target: IpAddr,
    ) -> io::Result<Duration> {
        let mut sent = Vec::new();
        loop {
            let seq_no = u16::try_from(sent.len()).unwrap_or(u16::MAX);
            let request = Icmpv4Repr::EchoRequest { ident, seq_no, data: b"ping over a virtual LAN" };
            self.with(|stack, _| {
                if let Ok(space) = stack.echo(handle).send(request.buffer_len(), target.into()) {
                    request.emit(&mut Icmpv4Packet::new_unchecked(space), &ChecksumCapabilities::default());
                }
            });
            sent.push(Instant::now());
            let answer = poll_fn(|cx| {
                let mut inner = self.lock();
                let socket = inner.stack.echo(handle);
                while let Ok((payload, _)) = socket.recv() {
                    let reply = Icmpv4Packet::new_checked(payload)
                        .and_then(|packet| Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default()));
                    if let Ok(Icmpv4Repr::EchoReply { seq_no, .. }) = reply
                        && let Some(at) = sent.get(usize::from(seq_no))
                    {
                        return Poll::Ready(at.elapsed());
                    }
                }
                socket.register_recv_waker(cx.waker());
                Poll::Pending
            });
            if let Ok(trip) = tokio::time::timeout(Duration::from_millis(200), answer).await {
                return Ok(trip);
            }
        }
    }
}

fn stack_error(error: StackError) -> io::Error {
    let kind = match error {
        StackError::NoAddress => io::ErrorKind::AddrNotAvailable,
        StackError::Full => io::ErrorKind::ResourceBusy,
        StackError::InUse => io::ErrorKind::AddrInUse,
        StackError::Invalid => io::ErrorKind::InvalidInput,
    };
    io::Error::new(kind, error)
}

/// Takes connections to a port of this node in a network.
#[derive(Debug)]
pub struct TcpListener {
    port: Port,
    number: u16,
}

impl TcpListener {
    /// The next connection, and who made it.
    ///
    /// # Errors
    /// The network was left.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            let came = self.port.came.notified();
            {
                let mut inner = self.port.lock();
                if inner.is_closed {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                if let Some(connection) = inner.stack.accept(self.number) {
                    let from = connection.remote();
                    drop(inner);
                    return Ok((TcpStream::new(self.port.clone(), connection), from));
                }
            }
            came.await;
        }
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        self.port.with(|stack, _| stack.stop_listening(self.number));
    }
}

/// A place for datagrams in a network.
#[derive(Debug)]
pub struct UdpSocket {
    port: Port,
    handle: smoltcp::iface::SocketHandle,
}

impl UdpSocket {
    /// Whether the network was left: nothing comes or goes any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.port.lock().is_closed
    }

    /// Sends a datagram. What is longer than the network takes, or finds the queue full, is lost, as on any network.
    pub fn send_to(&self, data: &[u8], to: SocketAddr) {
        self.port.with(|stack, _| {
            if data.len() <= stack.longest_datagram(to.ip()) {
                let to = smoltcp::wire::IpEndpoint::new(to.ip().into(), to.port());
                let _ = stack.udp(self.handle).send_slice(data, to);
            }
        });
    }

    /// The next datagram, and who sent it.
    pub async fn recv_from(&self, data: &mut [u8]) -> (usize, SocketAddr) {
        poll_fn(|cx| {
            let mut inner = self.port.lock();
            let socket = inner.stack.udp(self.handle);
            match socket.recv() {
                Ok((payload, from)) => {
                    let count = payload.len().min(data.len());
                    data[..count].copy_from_slice(&payload[..count]);
                    Poll::Ready((count, SocketAddr::new(from.endpoint.addr.into(), from.endpoint.port)))
                }
                Err(_) => {
                    socket.register_recv_waker(cx.waker());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        self.port.with(|stack, _| stack.close_datagrams(self.handle));
    }
}

/// The node's side of a stack.
struct NodeEnd {
    info: TapInfo,
    port: Port,
    /// When the stack has something to do by itself.
    timer: Pin<Box<tokio::time::Sleep>>,
}

impl Tap for NodeEnd {
    fn info(&self) -> &TapInfo {
        &self.info
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut FrameBatch) -> Poll<io::Result<usize>> {
        let room = batch.room();
        if room == 0 {
            return Poll::Ready(Ok(0));
        }
        self.fetch(cx, room, &mut |frame| {
            // Frames of the stack are no longer than those of the network.
            let _ = batch.push(frame);
        })
    }

    fn poll_frames(
        &mut self,
        cx: &mut Context<'_>,
        _room: &mut FrameBatch,
        most: usize,
        each: &mut dyn FnMut(&[u8]),
    ) -> Poll<io::Result<usize>> {
        self.fetch(cx, most, each)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &FrameBatch) -> Poll<io::Result<usize>> {
        let mut inner = self.port.lock();
        let now = inner.now();
        let taken = batch.iter().take_while(|frame| inner.stack.handle_frame(now, frame.bytes)).count();
        // Answers and acknowledgements are fetched in the next round.
        inner.wake_node();
        if taken == 0 && !batch.is_empty() {
            inner.node = Some(cx.waker().clone());
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(taken))
    }

    fn set_mtu(&mut self, mtu: u16) -> io::Result<()> {
        self.info.mtu = mtu;
        self.port.with(|stack, _| stack.set_mtu(mtu));
        Ok(())
    }

    fn counts(&self) -> TapCounts {
        let counts = self.port.counts();
        TapCounts { too_long: counts.too_long, refused: counts.bad_checksum + counts.no_place, full: 0 }
    }
}

impl NodeEnd {
    fn fetch(&mut self, cx: &mut Context<'_>, most: usize, each: &mut dyn FnMut(&[u8])) -> Poll<io::Result<usize>> {
        let mut inner = self.port.lock();
        loop {
            let now = inner.now();
            let count = inner.stack.poll_frames(now, most, each);
            if inner.stack.has_any_waiting() {
                self.port.came.notify_waiters();
            }
            if count > 0 {
                return Poll::Ready(Ok(count));
            }
            if !inner.node.as_ref().is_some_and(|node| node.will_wake(cx.waker())) {
                inner.node = Some(cx.waker().clone());
            }
            let Some(at) = inner.stack.poll_at(now) else { return Poll::Pending };
            let at = inner.start + Duration::from_micros(u64::try_from(at.max(now + 1)).unwrap_or(0));
            let at = tokio::time::Instant::from_std(at);
            if self.timer.deadline() != at {
                self.timer.as_mut().reset(at);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for NodeEnd {
    fn drop(&mut self) {
        let mut inner = self.port.lock();
        inner.is_closed = true;
        inner.stack.close();
        drop(inner);
        self.port.came.notify_waiters();
    }
}

/// All networks of a node. One clone opens ports, one gives them addresses, one stays with who connects through them.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    shared: Arc<Mutex<Shared>>,
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Shared {
    /// By the name that was asked for, which names the network, and by the name that it has.
    ports: BTreeMap<String, (String, Port)>,
    dns: BTreeMap<String, LinkDns>,
}

impl Ports {
    /// Without ports.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The port by which an address is reached: that with the longest prefix.
    #[must_use]
    pub fn to(&self, address: IpAddr) -> Option<Port> {
        let shared = self.lock();
        let reached = shared.ports.values().filter_map(|(_, port)| Some((port.lock().stack.reach(address)?, port)));
        reached.max_by_key(|(bits, _)| *bits).map(|(_, port)| port.clone())
    }

    /// The port of a name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Port> {
        self.lock().ports.get(name).map(|(_, port)| port.clone())
    }

    /// The port that was opened for the device of this name.
    #[must_use]
    pub fn opened_as(&self, device: &str) -> Option<Port> {
        self.lock().ports.values().find(|(asked, _)| asked == device).map(|(_, port)| port.clone())
    }

    /// All ports.
    #[must_use]
    pub fn all(&self) -> Vec<Port> {
        self.lock().ports.values().map(|(_, port)| port.clone()).collect()
    }

    /// Ready when ports or their addresses changed.
    pub fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }
}

impl TapFactory for Ports {
    fn open(&self, spec: &TapSpec) -> io::Result<Box<dyn Tap>> {
        let mut shared = self.lock();
        let names = std::iter::once(NAME.to_owned()).chain((2..).map(|number: u32| format!("{NAME}{number}")));
        let name = names.into_iter().find(|name| !shared.ports.contains_key(name)).expect("numbers do not end");
        let port = Port::new(name.clone(), spec);
        shared.ports.insert(name.clone(), (spec.name.clone(), port.clone()));
        drop(shared);
        self.changed.notify_waiters();
        let info = TapInfo { name, mac: spec.mac, mtu: spec.mtu };
        Ok(Box::new(NodeEnd { info, port, timer: Box::pin(tokio::time::sleep(Duration::ZERO)) }))
    }
}

/// What the controller gives goes to the stack, as it would to a kernel.
impl HostConfig for Ports {
    fn apply(&mut self, tap: &str, desired: &HostState) -> Result<Applied, HostError> {
        let Some(port) = self.named(tap) else { return Err(HostError::NoSuchDevice) };
        let (addresses, routes) = port.with(|stack, _| stack.set_host(desired));
        self.changed.notify_waiters();
        let addresses = addresses.into_iter().map(|address| (Change::AddressAdded(address), HostError::Unsupported));
        let routes = routes.into_iter().map(|route| (Change::RouteAdded(route), HostError::Unsupported));
        Ok(Applied { changes: Vec::new(), failed: addresses.chain(routes).collect() })
    }

    fn remove(&mut self, tap: &str) -> Result<Applied, HostError> {
        let mut shared = self.lock();
        shared.ports.remove(tap);
        shared.dns.remove(tap);
        drop(shared);
        self.changed.notify_waiters();
        Ok(Applied::default())
    }
}
