//! A connection of a stack as a stream.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use smoltcp::socket::tcp::{RecvError, State};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream as HostStream;

use super::Port;
use crate::userspace::Connection;

/// A connection through a network. Dropped, it is closed when what was written has left.
#[derive(Debug)]
pub struct TcpStream {
    port: Port,
    connection: Connection,
    is_reset: bool,
}

impl TcpStream {
    pub(super) fn new(port: Port, connection: Connection) -> Self {
        Self { port, connection, is_reset: false }
    }

    /// Who is at the other end.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.connection.remote()
    }

    /// This end.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.connection.local()
    }

    pub(super) async fn connected(&self) -> io::Result<()> {
        poll_fn(|cx| {
            let mut inner = self.port.lock();
            let socket = inner.stack.tcp(self.connection);
            match socket.state() {
                State::SynSent | State::SynReceived => {
                    socket.register_send_waker(cx.waker());
                    socket.register_recv_waker(cx.waker());
                    Poll::Pending
                }
                State::Closed => Poll::Ready(Err(self.refused(&inner))),
                _ => {
                    inner.stack.keep_open(self.connection);
                    Poll::Ready(Ok(()))
                }
            }
        })
        .await
    }

    /// A handshake that ended: told by an answer, or by none.
    fn refused(&self, inner: &super::Inner) -> io::Error {
        if inner.is_closed {
            return io::Error::new(io::ErrorKind::NetworkDown, "the network was left");
        }
        let kind = match inner.stack.was_answered(self.connection) {
            true => io::ErrorKind::ConnectionRefused,
            false => io::ErrorKind::TimedOut,
        };
        kind.into()
    }

    /// Resets the connection when it is dropped: the other side learns that not all came.
    pub fn reset(&mut self) {
        self.is_reset = true;
    }

    /// Carries bytes both ways until both sides have ended, from buffer to buffer. Gives back how many went each way: to
    /// the network, and from it.
    ///
    /// # Errors
    /// One side was reset; so is the other then.
    pub async fn join(mut self, host: HostStream) -> io::Result<(u64, u64)> {
        let mut joined = Joined::default();
        let result = poll_fn(|cx| joined.poll(cx, &self, &host)).await;
        if result.is_err() {
            self.reset();
            let _ = socket2::SockRef::from(&host).set_linger(Some(std::time::Duration::ZERO));
        }
        result.map(|()| (joined.out, joined.back))
    }
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        let (connection, is_reset) = (self.connection, self.is_reset);
        self.port.with(|stack, _| match is_reset {
            true => stack.abort(connection),
            false => stack.release(connection),
        });
    }
}

/// Where a joined pair of connections is.
#[derive(Default)]
struct Joined {
    out: u64,
    back: u64,
    /// The host has ended, and the network was told.
    out_ended: bool,
    back_ended: bool,
}

impl Joined {
    fn poll(&mut self, cx: &mut Context<'_>, net: &TcpStream, host: &HostStream) -> Poll<io::Result<()>> {
        let mut inner = net.port.lock();
        let socket = inner.stack.tcp(net.connection);
        let mut moved = false;
        let out = self.poll_out(cx, socket, host, &mut moved);
        let back = self.poll_back(cx, socket, host, &mut moved);
        if moved {
            inner.wake_node();
        }
        match (out, back) {
            (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    }

    fn poll_out(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
        host: &HostStream,
        moved: &mut bool,
    ) -> Poll<io::Result<()>> {
        while !self.out_ended {
            if !socket.may_send() {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            if !socket.can_send() {
                socket.register_send_waker(cx.waker());
                return Poll::Pending;
            }
            ready!(host.poll_read_ready(cx))?;
            let read = socket.send(|space| match host.try_read(space) {
                Ok(count) => (count, Ok(count)),
                Err(error) => (0, Err(error)),
            });
            match read.map_err(|_| io::Error::from(io::ErrorKind::ConnectionReset))? {
                Ok(0) => {
                    socket.close();
                    self.out_ended = true;
                    *moved = true;
                }
                Ok(count) => {
                    self.out += count as u64;
                    *moved = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_back(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket,
        host: &HostStream,
        moved: &mut bool,
    ) -> Poll<io::Result<()>> {
        while !self.back_ended {
            if !socket.can_recv() {
                if socket.may_recv() {
                    socket.register_recv_waker(cx.waker());
                    return Poll::Pending;
                }
                match socket.recv(|_| (0, ())) {
                    Err(RecvError::Finished) => {
                        socket2::SockRef::from(host).shutdown(std::net::Shutdown::Write)?;
                        self.back_ended = true;
                        continue;
                    }
                    _ => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                }
            }
            ready!(host.poll_write_ready(cx))?;
            let written = socket.recv(|data| match host.try_write(data) {
                Ok(count) => (count, Ok(count)),
                Err(error) => (0, Err(error)),
            });
            match written.map_err(|_| io::Error::from(io::ErrorKind::ConnectionReset))? {
                Ok(count) => {
                    self.back += count as u64;
                    *moved = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

type Socket = smoltcp::socket::tcp::Socket<'static>;

impl AsyncRead for TcpStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.port.lock();
        let socket = inner.stack.tcp(self.connection);
        if !socket.can_recv() && socket.may_recv() {
            socket.register_recv_waker(cx.waker());
            return Poll::Pending;
        }
        let read = socket.recv(|data| {
            let count = data.len().min(buf.remaining());
            buf.put_slice(&data[..count]);
            (count, ())
        });
        // The window may be wider now.
        inner.wake_node();
        Poll::Ready(match read {
            Ok(()) | Err(RecvError::Finished) => Ok(()),
            Err(RecvError::InvalidState) => Err(io::ErrorKind::ConnectionReset.into()),
        })
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut inner = self.port.lock();
        let socket = inner.stack.tcp(self.connection);
        if !socket.may_send() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if !socket.can_send() {
            socket.register_send_waker(cx.waker());
            return Poll::Pending;
        }
        let count = socket.send_slice(data).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        inner.wake_node();
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = self.connection;
        self.port.with(|stack, _| stack.tcp(connection).close());
        Poll::Ready(Ok(()))
    }
}
