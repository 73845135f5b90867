//! A connection to a server of the relay: records on a stream.

use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::ops::ControlFlow;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use zt_tap::LocalAddress;
use zt_wire::record::{Record, RecordReader};
use zt_wire::tcp_relay::{FromServer, MAX_BODY, Unusable, write_datagram};

/// Bytes that may wait to be written; more wait in the queue of the link, by lanes.
const MOST_UNWRITTEN: usize = 64 << 10;
/// The server has to be connected within this time.
const CONNECT: Duration = Duration::from_secs(4);

/// What is to be written, or will be once there is a connection.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    bytes: Vec<u8>,
    /// So many of them are written.
    done: usize,
}

impl Unwritten {
    /// Begins with what is sent first.
    pub(super) fn beginning_with(bytes: Vec<u8>) -> Self {
        Self { bytes, done: 0 }
    }

    /// Appends a datagram; false when there is no room now.
    pub(super) fn push(&mut self, to: SocketAddrV4, datagram: &[u8]) -> bool {
        if self.bytes.len() - self.done >= MOST_UNWRITTEN {
            return false;
        }
        if self.done > MOST_UNWRITTEN {
            self.bytes.drain(..self.done);
            self.done = 0;
        }
        // No datagram of a link is too long for a record.
        write_datagram(to, datagram, &mut self.bytes).is_ok()
    }
}

/// See the module.
pub(super) struct Connection {
    stream: TcpStream,
    reader: RecordReader,
    unwritten: Unwritten,
}

/// Connects from the first of some addresses from which that is possible; without one, from whatever the system takes.
pub(super) async fn connect(server: SocketAddr, locals: Vec<LocalAddress>) -> io::Result<TcpStream> {
    let mut failure = None;
    for local in locals {
        match timeout(CONNECT, connect_from(server, Some(&local))).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = Some(error),
            Err(_) => failure = Some(io::ErrorKind::TimedOut.into()),
        }
    }
    match failure {
        Some(error) => Err(error),
        None => timeout(CONNECT, connect_from(server, None)).await.unwrap_or(Err(io::ErrorKind::TimedOut.into())),
    }
}

async fn connect_from(server: SocketAddr, local: Option<&LocalAddress>) -> io::Result<TcpStream> {
    let socket = if server.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(local) = local {
        // So that no route can lead it into a port of ours. Not permitted everywhere; the address alone does the same as
        // long as nobody routes around it.
        let _ = socket.bind_device(Some(local.interface.as_bytes()));
        socket.bind((local.cidr.address(), 0).into())?;
    }
    let stream = socket.connect(server).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Connection {
    pub(super) const fn new(stream: TcpStream, unwritten: Unwritten) -> Self {
        Self { stream, reader: RecordReader::new(MAX_BODY), unwritten }
    }

    pub(super) fn push(&mut self, to: SocketAddrV4, datagram: &[u8]) -> bool {
        self.unwritten.push(to, datagram)
    }

    /// Writes what waits, as far as it goes; ready when nothing does.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Unwritten { bytes, done } = &mut self.unwritten;
        while *done < bytes.len() {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_write(&bytes[*done..]) {
                Ok(count) => *done += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        bytes.clear();
        *done = 0;
        Poll::Ready(Ok(()))
    }

    /// Reads once and hands each datagram to `each`.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        each: &mut dyn FnMut(SocketAddrV4, &mut [u8]),
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match self.stream.try_read(buffer) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => return Poll::Ready(self.take(&mut buffer[..count], each)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn take(&mut self, bytes: &mut [u8], each: &mut dyn FnMut(SocketAddrV4, &mut [u8])) -> io::Result<()> {
        let mut unusable: Option<Unusable> = None;
        let taken = self.reader.take(bytes, &mut |record| {
            // No datagram of the protocol is too long.
            let Record::Body(body) = record else { return ControlFlow::Continue(()) };
            match FromServer::parse(body) {
                Ok(FromServer::Datagram { from: SocketAddr::V4(from), datagram }) => each(from, datagram),
                // The link carries IPv4 alone.
                Ok(FromServer::Datagram { .. } | FromServer::Nothing) => {}
                Err(error) => {
                    unusable = Some(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        });
        taken.map_err(invalid)?;
        unusable.map_or(Ok(()), |error| Err(invalid(error)))
    }
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
