//! The link of a listener: all connections that were opened to one address of ours.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use zt_node::driver::{LinkIo, Outgoing, Received, SendError};
use zt_node::status::Unsent;
use zt_peer::Endpoint;
use zt_wire::IpPrefix;
use zt_wire::time::Mono;

use super::accept::{Accepted, IN_TIME, accept};
use super::admission::{Admission, Full, Place};
use super::counts::{Counts, Dropped};
use super::streams::{Established, Streams};
use super::tls::Shown;
use super::wire::tune;

/// Connections that wait to be taken in.
const MOST_WAITING: usize = 64;
/// When the host has no descriptor left, or the like.
const REST: Duration = Duration::from_millis(100);

/// What all listeners share.
pub(super) struct Doors {
    /// For a connection to say what it is.
    pub(super) in_time: Duration,
    pub(super) admission: Admission,
    pub(super) counts: Counts,
    open_at: Mutex<Vec<SocketAddr>>,
    /// Of `open_at`.
    version: AtomicU64,
    tls: Mutex<Option<Shown>>,
    /// Reverse proxies whose word about their clients counts.
    proxies: Mutex<Vec<IpPrefix>>,
    said_nameless: AtomicBool,
}

impl Default for Doors {
    fn default() -> Self {
        let (admission, counts, open_at, version, tls, proxies, said_nameless) = Default::default();
        Self { in_time: IN_TIME, admission, counts, open_at, version, tls, proxies, said_nameless }
    }
}

impl Doors {
    pub(super) fn set_open_at(&self, addresses: Vec<SocketAddr>) {
        *lock(&self.open_at) = addresses;
        self.version.fetch_add(1, Ordering::Release);
    }

    pub(super) fn open_at(&self) -> Vec<SocketAddr> {
        lock(&self.open_at).clone()
    }

    /// Returns the key that was shown before.
    pub(super) fn set_tls(&self, shown: Option<Shown>) -> Option<[u8; 32]> {
        std::mem::replace(&mut *lock(&self.tls), shown).map(|before| before.pin)
    }

    pub(super) fn set_proxies(&self, proxies: Vec<IpPrefix>) {
        *lock(&self.proxies) = proxies;
    }

    fn is_proxy(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        lock(&self.proxies).iter().any(|range| range.contains(ip))
    }

    /// Who is at the other end, as far as we believe it.
    fn client_of(&self, from: SocketAddr, forwarded_for: Option<IpAddr>) -> SocketAddr {
        match forwarded_for.filter(|_| self.is_proxy(from.ip())) {
            // The port of the proxy's connection tells its clients apart.
            Some(client) => SocketAddr::new(client.to_canonical(), from.port()),
            None => {
                if from.ip().is_loopback() && !self.said_nameless.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "a reverse proxy on this host does not say for whom it connects: have it set X-Forwarded-For"
                    );
                }
                from
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// See the module.
pub(super) struct ListenLink {
    address: SocketAddr,
    doors: Arc<Doors>,
    version: u64,
    streams: Streams,
    accepted: mpsc::Receiver<Established>,
    task: AbortHandle,
}

impl ListenLink {
    /// Serves a listener; must run inside a runtime. `address`: as it is named in the settings.
    pub(super) fn new(address: SocketAddr, listener: TcpListener, doors: Arc<Doors>) -> Self {
        let (sender, accepted) = mpsc::channel(MOST_WAITING);
        let task = tokio::spawn(serve(listener, Arc::clone(&doors), sender)).abort_handle();
        Self { address, version: 0, streams: Streams::new(doors.counts.clone()), doors, accepted, task }
    }
}

impl Drop for ListenLink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Accepts, and lets each connection say what it is.
async fn serve(listener: TcpListener, doors: Arc<Doors>, sender: mpsc::Sender<Established>) {
    let mut greeted = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => match doors.admission.enter(from.ip(), doors.is_proxy(from.ip())) {
                    Ok(place) => drop(greeted.spawn(greet(stream, from, place, Arc::clone(&doors), sender.clone()))),
                    Err(full) => doors.counts.add(full.into()),
                },
                Err(_) => tokio::time::sleep(REST).await,
            },
            Some(_) = greeted.join_next(), if !greeted.is_empty() => {}
        }
    }
}

async fn greet(
    stream: TcpStream,
    from: SocketAddr,
    mut place: Place,
    doors: Arc<Doors>,
    sender: mpsc::Sender<Established>,
) {
    tune(&stream);
    let tls = lock(&doors.tls).clone();
    let accepted = tokio::select! {
        accepted = accept(Box::new(stream), tls.as_ref(), doors.in_time) => accepted,
        () = place.gives_way() => Err(Full::HalfOpen.into()),
    };
    let settled = match accepted {
        Err(drop) => Err(drop),
        Ok(Accepted { wire, stream, forwarded_for }) => {
            let remote = doors.client_of(from, forwarded_for);
            let settled = place.settle(remote.ip()).map_err(Dropped::from);
            settled.map(|()| Established { wire, stream, remote, place: Some(place) })
        }
    };
    match settled {
        // A listener that is closed takes none.
        Ok(established) => _ = sender.send(established).await,
        Err(drop) => doors.counts.add(drop),
    }
}

impl LinkIo for ListenLink {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        each: &mut dyn FnMut(Received<'_>),
    ) -> Poll<io::Result<()>> {
        while let Poll::Ready(Some(established)) = self.accepted.poll_recv(cx) {
            self.streams.insert(established);
        }
        let version = self.doors.version.load(Ordering::Acquire);
        if version != self.version {
            self.version = version;
            if !lock(&self.doors.open_at).contains(&self.address) {
                return Poll::Ready(Err(io::Error::other("it is not wanted any more")));
            }
        }
        self.streams.poll_receive(cx, buffer, each).map(Ok)
    }

    fn poll_send(&mut self, _now: Mono, _cx: &mut Context<'_>, train: &Outgoing<'_>) -> Poll<Result<usize, SendError>> {
        Poll::Ready(match train.remote {
            Endpoint::Ip(remote) => self.streams.send(remote, train),
            Endpoint::Mac(_) => Err(SendError::Unsent { datagrams: train.count(), cause: Unsent::NoConnection }),
        })
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.streams.flush();
        Poll::Ready(Ok(()))
    }

    fn take_path_down(&mut self) -> Option<Endpoint> {
        self.streams.take_down().map(|down| Endpoint::Ip(down.remote))
    }
}
