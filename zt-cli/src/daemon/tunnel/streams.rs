//! Many connections as one link: a datagram goes to the connection that its remote address names.
//!
//! Each connection has a bounded buffer of its own, so one that is slow loses its own datagrams and no others.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use zt_crypto::Entropy as _;
use zt_node::OsEntropy;
use zt_node::driver::{Knock, Outgoing, ReadySet, Received, SendError};
use zt_node::status::Unsent;
use zt_peer::Endpoint;
use zt_wire::record::HEADER_LEN;
use zt_wire::tunnel::websocket::{FrameError, MAX_HEADER, Opcode};
use zt_wire::tunnel::{Arrived, Stream, StreamError};

use super::admission::Place;
use super::counts::{Counts, Dropped};
use super::wire::{Wire, poll_write_out};

/// What may wait in a connection before it counts as full.
const MOST_UNWRITTEN: usize = 24 << 10;
/// Beyond that, for what is short: what keeps paths alive is, and is not to be lost with the traffic.
const RESERVE: usize = 4 << 10;
/// A datagram of this length may take from the reserve.
const SHORT: usize = 300;
/// What is gathered before it is written without waiting for the end of the turn.
const GATHERED: usize = 16 << 10;
/// Room that an idle connection keeps.
const KEPT: usize = 2 << 10;
/// Read from one connection in a turn.
const READ_AT_ONCE: usize = 64 << 10;
/// Connections that are served in one turn.
const SERVED_AT_ONCE: usize = 64;
/// How often all of them are looked at.
const TICK: Duration = Duration::from_secs(1);
/// After so long without a byte of ours an empty record is sent: before proxies and NATs forget the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// After so long without a byte of the other end it is gone.
const SILENT: Duration = Duration::from_secs(50);
/// A stranger whose packets had no answer in this time is none of ours.
const UNANSWERED: Duration = Duration::from_secs(15);

/// A connection whose handshake is done.
pub(super) struct Established {
    pub(super) wire: Wire,
    pub(super) stream: Stream,
    /// The address that names it.
    pub(super) remote: SocketAddr,
    /// Of a connection that was accepted.
    pub(super) place: Option<Place>,
}

struct Connection {
    wire: Wire,
    stream: Stream,
    remote: SocketAddr,
    out: Vec<u8>,
    sent: usize,
    knock: Arc<Knock>,
    waker: Waker,
    heard: Instant,
    wrote: Instant,
    opened: Instant,
    /// The node sent something to it.
    is_answered: bool,
    /// It brought a datagram.
    has_served: bool,
    place: Option<Place>,
}

/// A connection that has ended.
pub(super) struct Down {
    pub(super) remote: SocketAddr,
    /// It brought a datagram: what is at the other end is one of ours.
    pub(super) has_served: bool,
}

/// Why a connection ended.
enum End {
    /// It was closed, or broke.
    Closed,
    Useless(Dropped),
}

/// The connections of a link.
pub(super) struct Streams {
    open: Vec<Option<Connection>>,
    free: Vec<usize>,
    by_remote: HashMap<SocketAddr, usize>,
    ready: Arc<ReadySet>,
    turn: VecDeque<usize>,
    /// Something waits to be written at the end of the turn.
    unwritten: Vec<usize>,
    down: VecDeque<Down>,
    counts: Counts,
    tick: Interval,
}

impl Streams {
    pub(super) fn new(counts: Counts) -> Self {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            open: Vec::new(),
            free: Vec::new(),
            by_remote: HashMap::new(),
            ready: Arc::default(),
            turn: VecDeque::new(),
            unwritten: Vec::new(),
            down: VecDeque::new(),
            counts,
            tick,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_remote.is_empty()
    }

    pub(super) fn contains(&self, remote: SocketAddr) -> bool {
        self.by_remote.contains_key(&remote)
    }

    /// A connection that has ended, once.
    pub(super) fn take_down(&mut self) -> Option<Down> {
        self.down.pop_front()
    }

    /// Takes a connection in, in place of an older one of the same name.
    pub(super) fn insert(&mut self, established: Established) {
        let Established { wire, stream, remote, place } = established;
        if let Some(&old) = self.by_remote.get(&remote) {
            self.end(old, End::Closed);
        }
        let key = self.free.pop().unwrap_or_else(|| {
            self.open.push(None);
            self.open.len() - 1
        });
        let knock = Knock::new(key, &self.ready);
        let waker = Waker::from(Arc::clone(&knock));
        let now = Instant::now();
        // Its first turn: what it brings is waited for from then on.
        waker.wake_by_ref();
        self.open[key] = Some(Connection {
            wire,
            stream,
            remote,
            out: Vec::new(),
            sent: 0,
            knock,
            waker,
            heard: now,
            wrote: now,
            opened: now,
            is_answered: false,
            has_served: false,
            place,
        });
        self.by_remote.insert(remote, key);
    }

    /// Receives from those that have something; ready when there was anything to do.
    pub(super) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        each: &mut dyn FnMut(Received<'_>),
    ) -> Poll<()> {
        if !self.is_empty() && self.tick.poll_tick(cx).is_ready() {
            self.look_at_all();
            // The next tick is to wake this task as well.
            let _ = self.tick.poll_tick(cx);
        }
        self.ready.take(cx.waker(), |key| self.turn.push_back(key));
        let mut progress = false;
        for _ in 0..SERVED_AT_ONCE {
            let Some(key) = self.turn.pop_front() else { break };
            progress = true;
            self.serve(key, buffer, each);
        }
        if !self.turn.is_empty() {
            cx.waker().wake_by_ref();
        }
        if progress { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Reads from one connection, and writes what waits in it.
    fn serve(&mut self, key: usize, buffer: &mut [u8], each: &mut dyn FnMut(Received<'_>)) {
        let Some(connection) = self.open.get_mut(key).and_then(Option::as_mut) else { return };
        connection.knock.look();
        let ended = connection.receive(buffer, &self.counts, each).or_else(|| connection.write_out());
        if let Some(end) = ended {
            self.end(key, end);
        }
    }

    /// Takes the datagrams of a train, or says why not: those that it has no room for are lost.
    pub(super) fn send(&mut self, remote: SocketAddr, train: &Outgoing<'_>) -> Result<usize, SendError> {
        let unsent = |cause| SendError::Unsent { datagrams: train.count(), cause };
        let key = *self.by_remote.get(&remote).ok_or_else(|| unsent(Unsent::NoConnection))?;
        let Some(connection) = self.open[key].as_mut() else { return Err(unsent(Unsent::NoConnection)) };
        connection.is_answered = true;
        let mut room = connection.room(train.segment);
        let fit = |datagram: &&[u8]| {
            let fits = room >= datagram.len();
            room = room.saturating_sub(datagram.len());
            fits
        };
        connection.make_room(train);
        let before = connection.out.len();
        let mut taken = 0;
        connection.stream.put(
            train.datagrams().take_while(fit).inspect(|_| taken += 1),
            key_of_mask,
            &mut connection.out,
        );
        if taken == 0 {
            connection.out.truncate(before);
            return Err(unsent(Unsent::QueueFull));
        }
        if before == 0 {
            self.unwritten.push(key);
        }
        if connection.out.len() - connection.sent >= GATHERED
            && let Some(end) = connection.write_out()
        {
            self.end(key, end);
        }
        Ok(taken)
    }

    /// Writes what was gathered in this turn.
    pub(super) fn flush(&mut self) {
        while let Some(key) = self.unwritten.pop() {
            let ended = self.open[key].as_mut().and_then(Connection::write_out);
            if let Some(end) = ended {
                self.end(key, end);
            }
        }
    }

    /// Ends all connections.
    pub(super) fn clear(&mut self) {
        for key in 0..self.open.len() {
            self.end(key, End::Closed);
        }
    }

    /// Keeps the quiet ones alive, and ends those that are no use.
    fn look_at_all(&mut self) {
        let now = Instant::now();
        for key in 0..self.open.len() {
            let Some(connection) = self.open[key].as_mut() else { continue };
            let age = |since: Instant| now.saturating_duration_since(since);
            let is_strange = connection.place.is_some() && !connection.is_answered;
            let ended = if age(connection.heard) >= SILENT {
                Some(End::Useless(Dropped::Silent))
            } else if is_strange && age(connection.opened) >= UNANSWERED {
                Some(End::Useless(Dropped::Unanswered))
            } else if age(connection.wrote) >= KEEP_ALIVE && connection.out.is_empty() {
                connection.stream.put_alive(key_of_mask, &mut connection.out);
                connection.write_out()
            } else {
                None
            };
            if let Some(end) = ended {
                self.end(key, end);
            }
        }
    }

    fn end(&mut self, key: usize, end: End) {
        let Some(mut connection) = self.open[key].take() else { return };
        let why = match end {
            End::Closed if connection.stream.buffered() > 0 => Some(Dropped::CutInside),
            End::Closed => None,
            End::Useless(drop) => Some(drop),
        };
        if let Some(drop) = why {
            self.counts.add(drop);
        }
        let (remote, place) = (connection.remote, connection.place.take());
        tracing::debug!(
            why = why.map_or("closed", Dropped::name),
            accepted = place.is_some(),
            "a connection has ended"
        );
        self.by_remote.remove(&remote);
        self.down.push_back(Down { remote, has_served: connection.has_served });
        self.free.push(key);
    }
}

impl Connection {
    /// Bytes that it takes of datagrams of this length.
    const fn room(&self, length: usize) -> usize {
        let most = if length <= SHORT { MOST_UNWRITTEN + RESERVE } else { MOST_UNWRITTEN };
        most.saturating_sub(self.out.len() - self.sent)
    }

    /// Room in the buffer for what will be taken of a train: never much more than may wait.
    fn make_room(&mut self, train: &Outgoing<'_>) {
        let needed = train.bytes.len().min(self.room(train.segment)) + train.count() * HEADER_LEN + MAX_HEADER;
        if self.out.capacity() - self.out.len() >= needed {
            return;
        }
        self.out.drain(..self.sent);
        self.sent = 0;
        let doubled = (self.out.capacity() * 2).min(MOST_UNWRITTEN + RESERVE);
        self.out.reserve_exact(needed.max(doubled.saturating_sub(self.out.len())));
    }

    fn receive(&mut self, buffer: &mut [u8], counts: &Counts, each: &mut dyn FnMut(Received<'_>)) -> Option<End> {
        let most = buffer.len().min(READ_AT_ONCE);
        let mut into = ReadBuf::new(&mut buffer[..most]);
        let mut cx = Context::from_waker(&self.waker);
        match Pin::new(&mut self.wire).poll_read(&mut cx, &mut into) {
            Poll::Pending => return None,
            Poll::Ready(Err(_)) => return Some(End::Closed),
            Poll::Ready(Ok(())) => {}
        }
        if into.filled().is_empty() {
            return Some(End::Closed);
        }
        self.heard = Instant::now();
        // There may be more, after the others had their turn.
        self.waker.wake_by_ref();
        let remote = Endpoint::Ip(self.remote);
        let (stream, has_served) = (&mut self.stream, &mut self.has_served);
        let (mut pong, mut closes) = (None, false);
        let taken = stream.take(into.filled_mut(), &mut |arrived| {
            match arrived {
                Arrived::Datagram(bytes) => {
                    let stride = bytes.len();
                    *has_served = true;
                    each(Received { remote, bytes, stride });
                }
                Arrived::Alive => {}
                Arrived::TooLong(_) => counts.add(Dropped::LongRecord),
                // The last of several is enough (RFC 6455 §5.5.3).
                Arrived::Ping(body) => pong = Some(body.to_vec()),
                Arrived::Close => closes = true,
            }
            if closes { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if let Some(body) = pong.filter(|_| self.room(0) > 0) {
            self.stream.put_control(Opcode::Pong, &body, key_of_mask, &mut self.out);
        }
        match taken {
            Ok(()) if !closes => None,
            Ok(()) => {
                self.say_goodbye(1000);
                Some(End::Closed)
            }
            Err(error) => {
                let code = if let StreamError::Frame(error) = error {
                    error.close_code()
                } else {
                    FrameError::Text.close_code()
                };
                self.say_goodbye(code);
                Some(End::Useless(error.into()))
            }
        }
    }

    /// A WebSocket is closed with a word, if that can leave at once.
    fn say_goodbye(&mut self, code: u16) {
        self.stream.put_control(Opcode::Close, &code.to_be_bytes(), key_of_mask, &mut self.out);
        let _ = self.write_out();
    }

    /// Writes what waits, as far as the stream takes it.
    fn write_out(&mut self) -> Option<End> {
        if self.out.is_empty() {
            return None;
        }
        let before = self.sent;
        let mut cx = Context::from_waker(&self.waker);
        let written = poll_write_out(&mut self.wire, &mut cx, &self.out, &mut self.sent);
        if self.sent > before {
            self.wrote = Instant::now();
        }
        match written {
            Poll::Ready(Ok(())) => {
                self.out.clear();
                self.out.shrink_to(KEPT);
                self.sent = 0;
                None
            }
            Poll::Ready(Err(_)) => Some(End::Closed),
            Poll::Pending => {
                if self.sent >= GATHERED {
                    self.out.drain(..self.sent);
                    self.sent = 0;
                }
                None
            }
        }
    }
}

/// Four random bytes (RFC 6455 §5.3).
pub(super) fn key_of_mask() -> [u8; 4] {
    let mut key = [0; 4];
    OsEntropy.fill(&mut key);
    key
}
