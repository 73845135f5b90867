//! Who connects, and who is closed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio::time::MissedTickBehavior;
use zt_peer::tcp_relay::{Limits, Server};

use super::{BUFFER, Relay, Shared, Sockets, connection, report};
use crate::cmd::Report;
use crate::daemon::sandbox::{self, Needs, Sandbox};
use crate::daemon::signals::StopSignals;
use crate::descriptors;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;
/// After a failure to accept.
const PAUSE: Duration = Duration::from_millis(100);
/// How often it is looked for who is to be closed.
const LOOK: Duration = Duration::from_millis(500);

/// How a server runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// Address of its UDP sockets.
    pub address: Ipv4Addr,
    /// Ports of its UDP sockets; `None` = those the system gives.
    pub ports: Option<RangeInclusive<u16>>,
    /// Bounds.
    pub limits: Limits,
    /// Whether it gives up what it does not need.
    pub sandbox: Sandbox,
    /// How often it reports.
    pub every: Option<Duration>,
}

/// A connection has a TCP and a UDP socket.
const OF_EACH: u64 = 2;
/// Descriptors of this process besides.
const OWN: u64 = 64;

/// Runs a server until a signal asks it to stop; `tell` gets the reports. Must be called while the process has one thread.
///
/// # Errors
/// An address to listen on cannot be had.
pub fn serve(mut options: Options, tell: &mut dyn FnMut(&Report)) -> io::Result<Report> {
    let wanted = options.limits.clients;
    options.limits.clients = descriptors::most_connections(wanted, OF_EACH, OWN).max(1);
    if options.limits.clients < wanted {
        tracing::warn!(
            wanted,
            possible = options.limits.clients,
            "the limit of open files is too low for so many connections; raise it with `ulimit -n` or LimitNOFILE"
        );
    }
    // The right to listen at a low port is not needed any more once it listens.
    let listeners: Vec<Socket> = options.listen.iter().map(|address| listen(*address)).collect::<Result<_, _>>()?;
    let low_port = options.ports.as_ref().is_some_and(|ports| *ports.start() < 1024);
    let entered = sandbox::enter(options.sandbox, &Needs { low_port, ..Needs::default() });
    tracing::info!(
        user = entered.user,
        capabilities = ?entered.capabilities,
        files = ?entered.files,
        system_calls = ?entered.system_calls,
        "rights of the relay"
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    LocalSet::new().block_on(&runtime, run(options, listeners, tell))
}

async fn run(options: Options, listeners: Vec<Socket>, tell: &mut dyn FnMut(&Report)) -> io::Result<Report> {
    let mut signals = StopSignals::new()?;
    let listeners: Vec<TcpListener> =
        listeners.into_iter().map(|socket| TcpListener::from_std(socket.into())).collect::<Result<_, _>>()?;
    let next = options.ports.as_ref().map_or(0, |ports| *ports.start());
    let relay: Shared = Rc::new(RefCell::new(Relay {
        server: Server::new(options.limits),
        start: Instant::now(),
        buffer: vec![0; BUFFER].into_boxed_slice(),
        ends: BTreeMap::new(),
        sockets: Sockets { address: options.address, ports: options.ports, next },
    }));
    for listener in listeners {
        tracing::info!(address = %listener.local_addr()?, "the relay listens");
        tokio::task::spawn_local(accept(listener, Rc::clone(&relay)));
    }
    let mut look = tokio::time::interval(LOOK);
    let mut told = tokio::time::interval(options.every.unwrap_or(Duration::MAX / 4));
    told.set_missed_tick_behavior(MissedTickBehavior::Delay);
    told.reset();
    loop {
        tokio::select! {
            signal = signals.wait() => {
                tracing::info!(signal, "stopping");
                return Ok(report(&relay.borrow().server));
            }
            _ = look.tick() => close_overdue(&mut relay.borrow_mut()),
            _ = told.tick() => {
                let report = report(&relay.borrow().server);
                tell(&report);
            }
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<Socket> {
    let bound = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    };
    bound().map_err(|error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

async fn accept(listener: TcpListener, relay: Shared) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => admit(stream, from, &relay),
            Err(error) => {
                // The other side may be gone; or descriptors are used up, and then a pause helps.
                tracing::debug!(%error, "a connection is not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn admit(stream: TcpStream, from: SocketAddr, shared: &Shared) {
    let mut relay = shared.borrow_mut();
    let now = relay.now();
    let admitted = match relay.server.handle_connection(now, from.ip().to_canonical()) {
        Ok(admitted) => admitted,
        Err(cause) => {
            tracing::trace!(%cause, "a connection is refused");
            return;
        }
    };
    if let Some(end) = admitted.instead_of.and_then(|other| relay.ends.remove(&other)) {
        let _ = end.send(());
    }
    let (end, ended) = oneshot::channel();
    relay.ends.insert(admitted.id, end);
    drop(relay);
    tokio::task::spawn_local(connection::serve(stream, admitted.id, Rc::clone(shared), ended));
}

fn close_overdue(relay: &mut Relay) {
    let now = relay.now();
    while let Some((id, cause)) = relay.server.poll_close(now) {
        tracing::trace!(%cause, "a connection is closed");
        if let Some(end) = relay.ends.remove(&id) {
            // Its task may have ended meanwhile.
            let _ = end.send(());
        }
    }
}
