//! The link of the relay, with a connection or without.

use super::connection::{self, Connection, Unwritten};
use super::{FALLBACK, Shared};
use crate::driver::link::{LinkIo, Outgoing, Received, SendError};
use crate::engine::COMPATIBLE_VERSION;
use crate::status::Unsent;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use zt_peer::Endpoint;
use zt_peer::tcp_relay::{Fallback, Phase};
use zt_wire::Scope;
use zt_wire::tcp_relay::{MIN_DATAGRAM, write_greeting};
use zt_wire::time::Mono;

type Connecting = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

enum State {
    None,
    Connecting(Connecting, Unwritten),
    Open(Box<Connection>),
}

/// See the module.
pub(super) struct RelayLink {
    shared: Arc<Shared>,
    /// The settings that it was opened with.
    change: u64,
    server: SocketAddr,
    fallback: Fallback,
    rank: i32,
    level: i32,
    state: State,
    /// Something was to be sent since it serves.
    is_wanted: bool,
    /// A connection was lost, or could not be had: with the next one we are somewhere else.
    was_lost: bool,
    moved: bool,
    /// Attempts to connect.
    attempts: usize,
    start: Instant,
    alarm: Pin<Box<Sleep>>,
    armed: Option<Mono>,
}

impl RelayLink {
    pub(super) fn new(shared: Arc<Shared>, rank: i32) -> Self {
        shared.is_open.store(true, Ordering::Relaxed);
        let (change, start) = (shared.changes.load(Ordering::Acquire), Instant::now());
        Self {
            change,
            server: shared.settings().server,
            shared,
            fallback: Fallback::new(rank),
            rank,
            level: 0,
            state: State::None,
            is_wanted: false,
            was_lost: false,
            moved: false,
            attempts: 0,
            start,
            alarm: Box::pin(tokio::time::sleep_until(start)),
            armed: None,
        }
    }

    fn now(&self) -> Mono {
        Mono::ZERO + self.start.elapsed()
    }

    /// Does what is due. An error ends the link.
    fn tend(&mut self, cx: &mut Context<'_>) -> io::Result<Mono> {
        let now = self.now();
        if self.shared.changes.load(Ordering::Acquire) != self.change {
            return Err(io::Error::other("the settings are others"));
        }
        let level = self.shared.level.load(Ordering::Relaxed);
        if level != self.level {
            self.level = level;
            self.fallback.handle_level(now, level);
        }
        match self.fallback.phase(now) {
            Phase::Over => {
                if matches!(self.state, State::Open(_)) {
                    tracing::info!(server = %self.server, "UDP gets through again: the TCP relay is left");
                }
                return Err(io::Error::other("UDP gets through again"));
            }
            Phase::Serving => {}
            Phase::Idle | Phase::Draining => self.is_wanted = false,
        }
        if matches!(self.state, State::Open(_)) && self.fallback.is_silent(now) {
            self.lose(now, &io::Error::new(io::ErrorKind::TimedOut, "nothing comes from it"));
        }
        self.connect(now, cx);
        let is_active = level >= self.rank && matches!(self.state, State::Open(_));
        self.shared.is_active.store(is_active, Ordering::Relaxed);
        self.arm(now, cx);
        Ok(now)
    }

    /// Begins to connect if there is reason to, and goes on.
    fn connect(&mut self, now: Mono, cx: &mut Context<'_>) {
        if matches!(self.state, State::None) && self.is_wanted && self.fallback.may_connect(now) {
            let mut locals = self.shared.locals(self.server);
            let first = self.attempts % locals.len().max(1);
            locals.rotate_left(first);
            self.attempts += 1;
            let mut greeting = Vec::new();
            write_greeting(COMPATIBLE_VERSION, &mut greeting);
            let connecting = Box::pin(connection::connect(self.server, locals));
            self.state = State::Connecting(connecting, Unwritten::beginning_with(greeting));
        }
        let State::Connecting(connecting, unwritten) = &mut self.state else { return };
        match connecting.as_mut().poll(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(stream)) => {
                let connection = Connection::new(stream, std::mem::take(unwritten));
                self.state = State::Open(Box::new(connection));
                self.moved = std::mem::take(&mut self.was_lost);
                if self.rank == FALLBACK {
                    tracing::info!(server = %self.server, "UDP does not get through: traffic takes the TCP relay");
                } else {
                    tracing::info!(server = %self.server, "connected to the TCP relay");
                }
            }
            Poll::Ready(Err(error)) => self.lose(now, &error),
        }
    }

    /// There is no connection any more.
    fn lose(&mut self, now: Mono, error: &io::Error) {
        if self.was_lost {
            tracing::debug!(server = %self.server, %error, "the TCP relay cannot be reached");
        } else {
            tracing::warn!(server = %self.server, %error, "the TCP relay is lost; it is tried again");
        }
        self.state = State::None;
        self.was_lost = true;
        self.fallback.handle_lost(now);
    }

    fn arm(&mut self, now: Mono, cx: &mut Context<'_>) {
        let retry = (self.is_wanted && matches!(self.state, State::None)).then(|| self.fallback.not_before());
        let due = self.fallback.deadline(now).into_iter().chain(retry).min();
        if let Some(due) = due
            && self.armed != Some(due)
        {
            self.alarm.as_mut().reset(self.start + due.saturating_since(Mono::ZERO));
        }
        self.armed = due;
        if due.is_some() && self.alarm.as_mut().poll(cx).is_ready() {
            // It became due meanwhile: another turn.
            self.armed = None;
            cx.waker().wake_by_ref();
        }
    }

    /// Takes datagrams as far as there is room, and returns how many.
    fn take(&mut self, to: SocketAddrV4, train: &Outgoing<'_>) -> usize {
        let room = |datagram: &&[u8]| match &mut self.state {
            State::Open(connection) => connection.push(to, datagram),
            State::Connecting(_, unwritten) => unwritten.push(to, datagram),
            State::None => false,
        };
        train.datagrams().take_while(room).count()
    }

    fn flush(&mut self, now: Mono, cx: &mut Context<'_>) {
        if let State::Open(connection) = &mut self.state
            && let Poll::Ready(Err(error)) = connection.poll_write(cx)
        {
            self.lose(now, &error);
        }
    }
}

/// Where the relay can send to (03 §16.2).
fn reachable(remote: Endpoint) -> Option<SocketAddrV4> {
    match remote.socket_addr()? {
        SocketAddr::V4(to) if Scope::of((*to.ip()).into()) == Scope::Global => Some(to),
        _ => None,
    }
}

impl LinkIo for RelayLink {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        each: &mut dyn FnMut(Received<'_>),
    ) -> Poll<io::Result<()>> {
        let now = match self.tend(cx) {
            Ok(now) => now,
            Err(error) => return Poll::Ready(Err(error)),
        };
        let State::Open(connection) = &mut self.state else { return Poll::Pending };
        let read = connection.poll_read(cx, buffer, &mut |from, bytes| {
            let stride = bytes.len();
            each(Received { remote: Endpoint::Ip(from.into()), bytes, stride });
        });
        match read {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => {
                self.fallback.handle_heard();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => {
                self.lose(now, &error);
                self.arm(now, cx);
                Poll::Ready(Ok(()))
            }
        }
    }

    fn poll_send(&mut self, _now: Mono, cx: &mut Context<'_>, train: &Outgoing<'_>) -> Poll<Result<usize, SendError>> {
        let unsent = |datagrams, cause| Poll::Ready(Err(SendError::Unsent { datagrams, cause }));
        let now = match self.tend(cx) {
            Ok(now) => now,
            Err(error) => return Poll::Ready(Err(SendError::Ended(error))),
        };
        let Some(to) = reachable(train.remote) else { return unsent(train.count(), Unsent::NoRoute) };
        if train.segment < MIN_DATAGRAM || train.bytes.len() < MIN_DATAGRAM {
            // What opens NATs opens none here.
            return unsent(train.count(), Unsent::NoRoute);
        }
        if self.fallback.phase(now) != Phase::Serving {
            return unsent(train.count(), Unsent::NoConnection);
        }
        self.is_wanted = true;
        self.connect(now, cx);
        if matches!(self.state, State::None) {
            self.arm(now, cx);
            return unsent(train.count(), Unsent::NoConnection);
        }
        let taken = self.take(to, train);
        if matches!(self.state, State::Open(_)) {
            self.fallback.handle_sent(now);
        }
        self.flush(now, cx);
        self.arm(now, cx);
        if taken == 0 { Poll::Pending } else { Poll::Ready(Ok(taken)) }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.tend(cx) {
            Ok(now) => {
                self.flush(now, cx);
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn handle_resume(&mut self) {
        if !matches!(self.state, State::None) {
            tracing::debug!(server = %self.server, "connects to the TCP relay anew");
            (self.state, self.was_lost) = (State::None, true);
        }
        self.fallback.handle_resume();
    }

    fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }
}

impl Drop for RelayLink {
    fn drop(&mut self) {
        self.shared.is_open.store(false, Ordering::Relaxed);
        self.shared.is_active.store(false, Ordering::Relaxed);
    }
}
