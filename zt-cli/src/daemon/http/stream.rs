//! The socket of a connection, with the deadlines of what it waits for.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::ReadBufCursor;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, Sleep, sleep};

use super::refused::{Refusal, Refused};
use super::seat::{Phase, Seat};

/// Silence between requests, and while an answer leaves, after which a connection is closed (06 §4.1).
const IDLE: Duration = Duration::from_secs(5);

/// Time for the whole head of a request, from its first byte.
const HEAD: Duration = Duration::from_secs(5);

/// What is read of a body nobody wants, and for how long, so that the answer before it is not lost with it.
const LINGER: (usize, Duration) = (1 << 20, Duration::from_secs(1));

/// What a connection came by.
pub(super) enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Wire {
    fn poll_read(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, out),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, out),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, data),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, data),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// A socket which fails when what it waits for takes too long, or when its place is wanted while it waits.
pub(super) struct Stream<'a> {
    stream: Wire,
    timer: Pin<Box<Sleep>>,
    seat: Arc<Seat>,
    /// Phase for which the timer runs.
    timed: Phase,
    /// Bytes that may still be read for nothing, once the last answer has left.
    lingering: Option<usize>,
    refused: &'a Refused,
}

impl<'a> Stream<'a> {
    pub(super) fn new(stream: Wire, seat: Arc<Seat>, refused: &'a Refused) -> Self {
        Self { stream, timer: Box::pin(sleep(IDLE)), seat, timed: Phase::Waiting, lingering: None, refused }
    }

    fn allow(&mut self, time: Duration) {
        self.timer.as_mut().reset(Instant::now() + time);
    }

    /// Nothing came: is that allowed any longer?
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.seat.should_go(cx) {
            return Poll::Ready(io::ErrorKind::ConnectionAborted.into());
        }
        let phase = self.seat.phase();
        if phase != self.timed {
            self.timed = phase;
            self.allow(if phase == Phase::Head { HEAD } else { IDLE });
        }
        if phase == Phase::Answering || self.timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        match phase {
            Phase::Head => self.refused.count(Refusal::SlowHead),
            Phase::Sending | Phase::Flushing => self.refused.count(Refusal::SlowReader),
            Phase::Waiting | Phase::Answering => {}
        }
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }
}

impl hyper::rt::Read for Stream<'_> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut out: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [0; 4096];
        let room = out.remaining().min(scratch.len());
        let mut read = ReadBuf::new(&mut scratch[..room]);
        match self.stream.poll_read(cx, &mut read) {
            Poll::Ready(result) => {
                if self.seat.phase() == Phase::Waiting {
                    self.seat.enter(Phase::Head);
                }
                out.put_slice(read.filled());
                Poll::Ready(result)
            }
            Poll::Pending => self.poll_silence(cx).map(Err),
        }
    }
}

impl hyper::rt::Write for Stream<'_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self.stream.poll_write(cx, data) {
            Poll::Ready(result) => {
                self.allow(IDLE);
                Poll::Ready(result)
            }
            Poll::Pending => self.poll_silence(cx).map(Err),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.stream.poll_flush(cx);
        if flushed.is_ready() && self.seat.phase() == Phase::Flushing {
            self.seat.enter(Phase::Waiting);
            self.allow(IDLE);
        }
        flushed
    }

    /// Ends the own side; then, if a body was left unread, reads some of it: a socket closed over unread bytes takes the
    /// answer back that its client has not read yet.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(self.stream.poll_shutdown(cx))?;
            if !self.seat.left_a_body() {
                return Poll::Ready(Ok(()));
            }
            self.lingering = Some(LINGER.0);
            self.allow(LINGER.1);
        }
        let mut scratch = [0; 4096];
        while let Some(left) = self.lingering.filter(|left| *left > 0) {
            let mut read = ReadBuf::new(&mut scratch);
            match self.stream.poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                    self.lingering = Some(left.saturating_sub(read.filled().len()));
                }
                Poll::Ready(_) => break,
                Poll::Pending if self.seat.should_go(cx) => break,
                Poll::Pending => {
                    ready!(self.timer.as_mut().poll(cx));
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
