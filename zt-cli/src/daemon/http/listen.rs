//! The listeners of the interface: loopback only, until `allowManagementFrom` lets others in.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;

use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::connection::serve;
use super::local::LocalSocket;
use super::request::Way;
use super::seat::Seats;
use super::stream::Wire;
use super::{Access, Backend, Caller, Shared};

/// Connections that may wait in the kernel: a program that asks for hundreds of members at once opens as many.
const BACKLOG: i32 = 1024;

/// No listener could be made.
#[derive(Debug, Error)]
#[error("cannot bind to local control interface port {port}")]
pub struct ListenError {
    /// Port asked for, 0 for any.
    pub port: u16,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// The server.
#[derive(Debug)]
pub struct Server<B> {
    shared: Arc<Shared<B>>,
    port: u16,
    open: bool,
    v4: Option<TcpListener>,
    v6: Option<TcpListener>,
    local: Vec<LocalSocket>,
}

impl<B: Backend> Server<B> {
    /// Listens on a port, on loopback or, if others may ask, everywhere. Must run inside a tokio runtime.
    pub fn bind(shared: Arc<Shared<B>>, port: u16) -> Result<Self, ListenError> {
        let open = shared.access.borrow().is_open();
        let (v4, v6) = listeners(port, open).map_err(|source| ListenError { port, source })?;
        let port = [&v4, &v6].into_iter().flatten().find_map(|l| l.local_addr().ok()).map_or(port, |a| a.port());
        Ok(Self { shared, port, open, v4, v6, local: Vec::new() })
    }

    /// Serves by sockets in the file system, too.
    #[must_use]
    pub fn with_local(mut self, sockets: Vec<LocalSocket>) -> Self {
        self.local = sockets;
        self
    }

    /// Port in use.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Serves until dropped. Follows changes of the access rules without a restart.
    pub async fn run(mut self) {
        let seats = Arc::new(Seats::default());
        let mut changes: watch::Receiver<Access> = self.shared.access.clone();
        loop {
            tokio::select! {
                accepted = accept(self.v4.as_ref(), false) => self.start(accepted, &seats).await,
                accepted = accept(self.v6.as_ref(), true) => self.start(accepted, &seats).await,
                accepted = accept_local(&self.local) => self.start(accepted, &seats).await,
                changed = changes.changed() => match changed {
                    Ok(()) => self.reopen(),
                    // Nobody is left to change the rules; go on with those in force.
                    Err(_) => changes = never(),
                },
            }
        }
    }

    /// Gives a connection its place, by where it comes from, and a task.
    async fn start(&self, accepted: io::Result<(Wire, Caller)>, seats: &Arc<Seats>) {
        let Ok((stream, caller)) = accepted else { return };
        let origin = self.shared.origin(&caller);
        let Some(seat) = seats.take(origin, caller.address, &self.shared.refused).await else { return };
        tokio::spawn(serve(Arc::clone(&self.shared), stream, caller, seat));
        // A request that is there already is read before the next connection may want this place.
        tokio::task::yield_now().await;
    }

    fn reopen(&mut self) {
        let open = self.shared.access.borrow().is_open();
        if open == self.open {
            return;
        }
        // The old listeners go first: an address and the wildcard do not share a port.
        (self.v4, self.v6) = (None, None);
        let again = listeners(self.port, open).or_else(|error| {
            tracing::error!(port = self.port, %error, "cannot change where the http interface listens");
            listeners(self.port, self.open).inspect(|_| tracing::warn!("it stays as it was"))
        });
        if let Ok((v4, v6)) = again {
            (self.v4, self.v6, self.open) = (v4, v6, open);
        }
    }
}

/// A channel that never changes.
fn never() -> watch::Receiver<Access> {
    let (sender, receiver) = watch::channel(Access::default());
    std::mem::forget(sender);
    receiver
}

async fn accept(listener: Option<&TcpListener>, by_ipv6: bool) -> io::Result<(Wire, Caller)> {
    let Some(listener) = listener else { return std::future::pending().await };
    match listener.accept().await {
        Ok((stream, from)) => {
            let at = stream.local_addr().ok().map(|at| at.ip());
            let way = if by_ipv6 { Way::Ip6 } else { Way::Ip4 };
            Ok((Wire::Tcp(stream), Caller { address: from.ip(), at, way }))
        }
        Err(error) => Err(paused(error).await),
    }
}

/// The next connection by any of the sockets in the file system.
async fn accept_local(sockets: &[LocalSocket]) -> io::Result<(Wire, Caller)> {
    let accepted = std::future::poll_fn(|cx| {
        let ready = sockets.iter().find_map(|socket| match socket.poll_accept(cx) {
            Poll::Ready(accepted) => Some(accepted),
            Poll::Pending => None,
        });
        ready.map_or(Poll::Pending, Poll::Ready)
    });
    match accepted.await {
        Ok((stream, trusted)) => Ok((Wire::Unix(stream), Caller::unix(trusted))),
        Err(error) => Err(paused(error).await),
    }
}

/// Out of file descriptors or the like: do not spin.
async fn paused(error: io::Error) -> io::Error {
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    error
}

/// Both listeners; one is enough.
fn listeners(port: u16, open: bool) -> io::Result<(Option<TcpListener>, Option<TcpListener>)> {
    let (ip4, ip6) = match open {
        true => (Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED),
        false => (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST),
    };
    let v4 = listener(SocketAddr::new(IpAddr::V4(ip4), port));
    let port = v4.as_ref().ok().and_then(|l| l.local_addr().ok()).map_or(port, |a| a.port());
    let v6 = listener(SocketAddr::new(IpAddr::V6(ip6), port));
    match (v4, v6) {
        (Err(error), Err(_)) => Err(error),
        // In use on IPv4 is in use, whatever IPv6 says.
        (Err(error), Ok(_)) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        (v4, v6) => Ok((v4.ok(), v6.ok())),
    }
}

fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
