//! A kind of link of this test's own: datagrams in a stream over a Unix socket, each after its length in two bytes. What an
//! embedder would write for a transport that the driver does not know.

use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::time::Sleep;
use zt_node::driver::{LinkIo, LinkSource, NewLink, Outgoing, Received, SendError};
use zt_node::status::Unsent;
use zt_peer::{Endpoint, LinkKind, LinkRole};
use zt_wire::time::Mono;

/// What may wait in the stream itself before it counts as full.
const MOST_UNWRITTEN: usize = 16 << 10;
/// Longest datagram; a longer one is no frame of ours.
const LONGEST: usize = 10_324;
/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(20);

/// One connection.
struct Stream {
    stream: UnixStream,
    remote: Endpoint,
    /// Read, and not yet a whole frame.
    partial: Vec<u8>,
    /// Taken, and not yet written.
    unwritten: Vec<u8>,
    is_deaf: Arc<AtomicBool>,
    /// Dropped with the connection, which is how its source hears of the end.
    _alive: Option<oneshot::Sender<()>>,
}

/// What the test does to a connection from outside.
#[derive(Clone, Default)]
pub(crate) struct Hands {
    /// It reads nothing.
    pub(crate) is_deaf: Arc<AtomicBool>,
    /// It does not connect.
    pub(crate) is_barred: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<StdStream>>>,
}

impl Hands {
    /// Breaks all connections.
    pub(crate) fn cut(&self) {
        for stream in self.streams.lock().expect("no panic inside").drain(..) {
            // One that is closed already needs no cut.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    fn open(&self, stream: StdStream, remote: Endpoint, alive: Option<oneshot::Sender<()>>) -> io::Result<Box<Stream>> {
        self.streams.lock().expect("no panic inside").push(stream.try_clone()?);
        stream.set_nonblocking(true)?;
        Ok(Box::new(Stream {
            stream: UnixStream::from_std(stream)?,
            remote,
            partial: Vec::new(),
            unwritten: Vec::new(),
            is_deaf: Arc::clone(&self.is_deaf),
            _alive: alive,
        }))
    }
}

impl LinkIo for Stream {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        each: &mut dyn FnMut(Received<'_>),
    ) -> Poll<io::Result<()>> {
        if self.is_deaf.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        loop {
            match self.stream.poll_read_ready(cx) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => return Poll::Pending,
            }
            match self.stream.try_read(buffer) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => {
                    self.partial.extend_from_slice(&buffer[..count]);
                    return Poll::Ready(self.take_frames(each));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_send(&mut self, _now: Mono, cx: &mut Context<'_>, train: &Outgoing<'_>) -> Poll<Result<usize, SendError>> {
        if train.remote != self.remote {
            // A connection leads to one place.
            return Poll::Ready(Err(SendError::Unsent { datagrams: train.count(), cause: Unsent::NoRoute }));
        }
        if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
            return Poll::Ready(Err(SendError::Ended(error)));
        }
        let mut taken = 0;
        for datagram in train.datagrams() {
            if self.unwritten.len() >= MOST_UNWRITTEN {
                break;
            }
            let length = u16::try_from(datagram.len()).expect("a datagram");
            self.unwritten.extend_from_slice(&length.to_be_bytes());
            self.unwritten.extend_from_slice(datagram);
            taken += 1;
        }
        match self.poll_flush(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(SendError::Ended(error))),
            _ if taken == 0 => Poll::Pending,
            _ => Poll::Ready(Ok(taken)),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unwritten.is_empty() {
            match self.stream.poll_write_ready(cx) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => return Poll::Pending,
            }
            match self.stream.try_write(&self.unwritten) {
                Ok(count) => drop(self.unwritten.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Stream {
    fn take_frames(&mut self, each: &mut dyn FnMut(Received<'_>)) -> io::Result<()> {
        let mut start = 0;
        while let Some(header) = self.partial.get(start..start + 2) {
            let length = usize::from(u16::from_be_bytes([header[0], header[1]]));
            if length == 0 || length > LONGEST {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let Some(bytes) = self.partial.get_mut(start + 2..start + 2 + length) else { break };
            each(Received { remote: self.remote, bytes, stride: length });
            start += 2 + length;
        }
        self.partial.drain(..start);
        Ok(())
    }
}

/// Connects, and connects again.
pub(crate) struct Dialer {
    pub(crate) path: PathBuf,
    pub(crate) local: Endpoint,
    pub(crate) remote: Endpoint,
    pub(crate) hands: Hands,
    /// Of the links: 0 as UDP, above it for what is used only while nothing better works.
    pub(crate) rank: i32,
    open: Option<oneshot::Receiver<()>>,
    retry: Pin<Box<Sleep>>,
}

impl Dialer {
    pub(crate) fn new(path: PathBuf, local: Endpoint, remote: Endpoint, hands: Hands) -> Self {
        Self { path, local, remote, hands, rank: 0, open: None, retry: Box::pin(tokio::time::sleep(Duration::ZERO)) }
    }

    fn connect(&mut self) -> io::Result<Box<Stream>> {
        if self.hands.is_barred.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (alive, end) = oneshot::channel();
        let stream = self.hands.open(StdStream::connect(&self.path)?, self.remote, Some(alive))?;
        self.open = Some(end);
        Ok(stream)
    }
}

impl LinkSource for Dialer {
    fn poll_link(&mut self, cx: &mut Context<'_>) -> Poll<NewLink> {
        if let Some(open) = &mut self.open {
            if Pin::new(open).poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.open = None;
        }
        while self.retry.as_mut().poll(cx).is_ready() {
            self.retry.as_mut().reset(tokio::time::Instant::now() + RETRY);
            if let Ok(io) = self.connect() {
                let (kind, role) = (LinkKind::TcpOut, LinkRole::Full);
                return Poll::Ready(NewLink { kind, rank: self.rank, role, local: self.local, mtu: 0, io });
            }
        }
        Poll::Pending
    }
}

/// Waits for connections of one other node.
pub(crate) struct Listener {
    pub(crate) listener: UnixListener,
    pub(crate) local: Endpoint,
    pub(crate) remote: Endpoint,
    pub(crate) hands: Hands,
}

impl LinkSource for Listener {
    fn poll_link(&mut self, cx: &mut Context<'_>) -> Poll<NewLink> {
        while let Poll::Ready(Ok((stream, _))) = self.listener.poll_accept(cx) {
            if let Ok(io) = stream.into_std().and_then(|stream| self.hands.open(stream, self.remote, None)) {
                let (kind, role) = (LinkKind::TcpIn, LinkRole::AnswerOnly);
                return Poll::Ready(NewLink { kind, rank: 0, role, local: self.local, mtu: 0, io });
            }
        }
        Poll::Pending
    }
}
