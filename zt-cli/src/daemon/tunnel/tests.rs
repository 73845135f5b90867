//! Both ends over real sockets, and ends that do not keep to the protocol.

mod dressed;
mod hostile;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpStream;
use zt_node::driver::{LinkIo, Outgoing, SendError};
use zt_peer::Endpoint;
use zt_wire::time::Mono;
use zt_wire::tunnel::Stream;

use super::connect::{Attempt, ConnectError, connect};
use super::dial::{DialLink, Told};
use super::listen::{Doors, ListenLink};
use super::plan::{Plan, Rank, Root};
use super::proxy::Proxies;
use super::streams::{Established, Streams};
use super::target::Target;
use super::wire::{Wire, listen};

/// Longer than anything here takes; what waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A link under test, with what it brought.
struct Driven<L> {
    link: L,
    buffer: Vec<u8>,
    arrived: Vec<(SocketAddr, Vec<u8>)>,
    down: Vec<Endpoint>,
}

impl<L: LinkIo> Driven<L> {
    fn new(link: L) -> Self {
        Self { link, buffer: vec![0; 64 << 10], arrived: Vec::new(), down: Vec::new() }
    }

    /// Turns, until something is there.
    async fn until<T>(&mut self, mut there: impl FnMut(&mut Self) -> Option<T>) -> T {
        let turning = poll_fn(|cx| {
            loop {
                let Self { link, buffer, arrived, down } = self;
                let polled = link.poll_receive(cx, buffer, &mut |received| {
                    let remote = received.remote.socket_addr().expect("an address");
                    arrived.extend(received.bytes.chunks(received.stride).map(|d| (remote, d.to_vec())));
                });
                assert!(!matches!(polled, Poll::Ready(Err(_))), "the link has ended");
                let _ = link.poll_flush(cx);
                down.extend(std::iter::from_fn(|| link.take_path_down()));
                if let Some(found) = there(self) {
                    return Poll::Ready(found);
                }
                if polled.is_pending() {
                    return Poll::Pending;
                }
            }
        });
        tokio::time::timeout(PATIENCE, turning).await.expect("in time")
    }

    async fn until_arrived(&mut self, count: usize) -> Vec<(SocketAddr, Vec<u8>)> {
        self.until(|driven| (driven.arrived.len() >= count).then(|| std::mem::take(&mut driven.arrived))).await
    }

    /// Hands one datagram to the link.
    fn send(&mut self, to: SocketAddr, datagram: &[u8]) -> Result<usize, SendError> {
        let (remote, segment) = (Endpoint::Ip(to), datagram.len());
        let train = Outgoing { remote, bytes: datagram, segment, ttl: None, dont_fragment: false };
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        match self.link.poll_send(Mono::ZERO, &mut cx, &train) {
            Poll::Ready(sent) => sent,
            Poll::Pending => panic!("it takes or loses what it is given"),
        }
    }
}

/// A listener on loopback.
struct Door {
    listener: Driven<ListenLink>,
    doors: Arc<Doors>,
    at: SocketAddr,
}

impl Door {
    fn open(doors: Doors) -> Self {
        Self::open_at(SocketAddr::from(([127, 0, 0, 1], 0)), doors)
    }

    /// At an address of its own.
    fn open_at(at: SocketAddr, doors: Doors) -> Self {
        let listener = listen(at).expect("a port");
        let at = listener.local_addr().expect("bound");
        doors.set_open_at(vec![at]);
        let doors = Arc::new(doors);
        Self { listener: Driven::new(ListenLink::new(at, listener, Arc::clone(&doors))), doors, at }
    }

    fn count(&self, name: &str) -> u64 {
        self.doors.counts.iter().find(|(counted, _)| *counted == name).map_or(0, |(_, count)| count)
    }

    /// Turns until something was dropped so often by this name.
    async fn until_dropped(&mut self, name: &str, times: u64) {
        let doors = Arc::clone(&self.doors);
        let counted = || doors.counts.iter().any(|(counted, count)| counted == name && count >= times);
        // The counter wakes nobody: look every now and then.
        tokio::time::timeout(PATIENCE, async {
            while !counted() {
                let _ = tokio::time::timeout(Duration::from_millis(5), self.listener.until(|_| None::<()>)).await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{name}: {:?}", doors.counts.iter().collect::<Vec<_>>()));
    }

    /// Turns while something else is done.
    async fn beside<T>(&mut self, other: impl Future<Output = T>) -> T {
        tokio::select! {
            done = other => done,
            () = self.listener.until(|_| None::<()>) => unreachable!("nothing is waited for"),
        }
    }
}

/// A client's end.
struct Client(Driven<Alone>);

/// One connection as a link.
struct Alone(Streams);

impl LinkIo for Alone {
    fn poll_receive(
        &mut self,
        cx: &mut std::task::Context<'_>,
        buffer: &mut [u8],
        each: &mut dyn FnMut(zt_node::driver::Received<'_>),
    ) -> Poll<std::io::Result<()>> {
        self.0.poll_receive(cx, buffer, each).map(Ok)
    }

    fn poll_send(
        &mut self,
        _now: Mono,
        _cx: &mut std::task::Context<'_>,
        train: &Outgoing<'_>,
    ) -> Poll<Result<usize, SendError>> {
        Poll::Ready(self.0.send(train.remote.socket_addr().expect("an address"), train))
    }

    fn poll_flush(&mut self, _cx: &mut std::task::Context<'_>) -> Poll<std::io::Result<()>> {
        self.0.flush();
        Poll::Ready(Ok(()))
    }

    fn take_path_down(&mut self) -> Option<Endpoint> {
        self.0.take_down().map(|down| Endpoint::Ip(down.remote))
    }
}

/// Connects as a member does.
async fn reach(target: &str) -> Result<Client, ConnectError> {
    let target: Target = target.parse().expect("a target");
    let attempt = Attempt { target, proxy: None, from: None };
    let (wire, stream, _) = connect(vec![attempt]).await.map_err(|(_, error)| error)?;
    Ok(Client::of(wire, stream))
}

impl Client {
    fn of(wire: Wire, stream: Stream) -> Self {
        let mut streams = Streams::new(super::Counts::default());
        streams.insert(Established { wire, stream, remote: root(), place: None });
        Self(Driven::new(Alone(streams)))
    }
}

/// The name of a connection at the client's end.
fn root() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 9993))
}

/// A socket to a listener.
async fn raw(at: SocketAddr) -> Wire {
    Box::new(TcpStream::connect(at).await.expect("a listener"))
}

/// Runs a test in a runtime as the daemon has it.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(test);
}

/// The link of a member whose root is reached by this target.
fn dialer(target: &str) -> (Driven<DialLink>, Arc<Told>) {
    let told: Arc<Told> = Arc::default();
    let target: Target = target.parse().expect("a target");
    let rank = if target.scheme.is_websocket() { Rank::WebSocket } else { Rank::Tcp };
    told.set_plan(Plan {
        roots: vec![Root { endpoints: vec![root()], targets: vec![target] }],
        proxies: Proxies::default(),
    });
    told.set_level(rank as i32);
    (Driven::new(DialLink::new(rank, true, Arc::clone(&told), super::Counts::default())), told)
}
