//! What carries the bytes of a stream: a socket, TLS, and what of it was read ahead.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};

/// What the kernel holds of a stream that has not left yet: more is only delay.
const UNSENT: u32 = 128 << 10;
/// Connections that may wait in the kernel.
const BACKLOG: i32 = 1024;
/// A peer that confirms nothing for so long is gone.
const UNCONFIRMED: Duration = Duration::from_secs(4);

/// A stream of bytes.
pub(super) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// Any of them.
pub(super) type Wire = Box<dyn Bytes>;

/// A stream of which something was read already.
pub(super) struct Replayed<S> {
    ahead: Vec<u8>,
    inner: S,
}

/// Puts back what was read from a stream.
pub(super) fn replayed(ahead: Vec<u8>, inner: Wire) -> Wire {
    if ahead.is_empty() { inner } else { Box::new(Replayed { ahead, inner }) }
}

impl<S: AsyncRead + Unpin> AsyncRead for Replayed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, into);
        }
        let count = self.ahead.len().min(into.remaining());
        into.put_slice(&self.ahead[..count]);
        self.ahead.drain(..count);
        if self.ahead.is_empty() {
            self.ahead = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Replayed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Reads until `whole` says where what was waited for ends, or `most` bytes are there. What follows it is in the second
/// part. `None`: too long, or the stream ended before.
pub(super) async fn read_until(
    wire: &mut Wire,
    most: usize,
    whole: impl Fn(&[u8]) -> Option<usize>,
) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = whole(&bytes) {
            let rest = bytes.split_off(end);
            return Ok(Some((bytes, rest)));
        }
        if bytes.len() >= most || wire.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

/// Sets what all our streams have.
pub(super) fn tune(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    // Each of these only makes things faster: an old kernel without one of them serves.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_notsent_lowat(UNSENT);
    let _ = socket.set_tcp_user_timeout(Some(UNCONFIRMED));
}

/// Listens at an address.
pub(super) fn listen(address: SocketAddr) -> io::Result<tokio::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into()).map_err(|error| explained(error, address))?;
    socket.listen(BACKLOG)?;
    tokio::net::TcpListener::from_std(socket.into())
}

/// With the right that is missing.
fn explained(error: io::Error, address: SocketAddr) -> io::Error {
    if error.kind() != io::ErrorKind::PermissionDenied || address.port() >= 1024 {
        return error;
    }
    let text = format!(
        "{error}; a port below 1024 takes the capability NET_BIND_SERVICE: say `systemctl edit zt`, write [Service], \
         AmbientCapabilities=CAP_NET_BIND_SERVICE and CapabilityBoundingSet=CAP_NET_BIND_SERVICE there, and restart zt; or \
         choose another port"
    );
    io::Error::new(error.kind(), text)
}

/// Connects, from one of our own addresses if one is given.
pub(super) async fn connect(to: SocketAddr, from: Option<std::net::IpAddr>) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(ip) = from.filter(|ip| ip.is_ipv4() == to.is_ipv4() && !to.ip().is_loopback()) {
        socket.bind(SocketAddr::new(ip, 0))?;
    }
    let stream = socket.connect(to).await?;
    tune(&stream);
    Ok(stream)
}

/// Writes all, as far as the stream takes it now. Ready when nothing is left.
pub(super) fn poll_write_out(
    wire: &mut Wire,
    cx: &mut Context<'_>,
    bytes: &[u8],
    sent: &mut usize,
) -> Poll<io::Result<()>> {
    while *sent < bytes.len() {
        match ready!(Pin::new(&mut *wire).poll_write(cx, &bytes[*sent..]))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            count => *sent += count,
        }
    }
    Pin::new(wire).poll_flush(cx)
}
