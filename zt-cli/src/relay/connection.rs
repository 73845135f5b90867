//! One connection: records in, datagrams out, and back.

use std::future::{Future as _, poll_fn};
use std::io;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::oneshot;
use zt_peer::tcp_relay::{Cause, ClientId, Verdict};
use zt_wire::record::{HEADER_LEN, RecordReader};
use zt_wire::tcp_relay::{MAX_BODY, PREFIX_LEN, write_datagram};

use super::{Relay, Shared};

/// Reads of one kind before others get their turn.
const READS: usize = 16;
/// Room that is kept for what waits next.
const KEPT: usize = 4096;

struct Connection {
    id: ClientId,
    stream: TcpStream,
    /// Bound with the first datagram that is sent.
    udp: Option<UdpSocket>,
    reader: RecordReader,
    /// What waits for the client; so many bytes of it are written.
    waiting: Vec<u8>,
    written: usize,
}

/// Serves a connection until it ends, or is ended.
pub(super) async fn serve(stream: TcpStream, id: ClientId, relay: Shared, mut end: oneshot::Receiver<()>) {
    // What is small leaves at once; without that it is slower, but works.
    let _ = stream.set_nodelay(true);
    let reader = RecordReader::new(MAX_BODY);
    let mut connection = Connection { id, stream, udp: None, reader, waiting: Vec::new(), written: 0 };
    poll_fn(|cx| {
        if Pin::new(&mut end).poll(cx).is_ready() {
            return Poll::Ready(());
        }
        connection.turn(cx, &mut relay.borrow_mut())
    })
    .await;
    let mut relay = relay.borrow_mut();
    relay.server.handle_closed(id);
    relay.ends.remove(&id);
}

impl Connection {
    /// Does what can be done; ready when the connection is over.
    fn turn(&mut self, cx: &mut Context<'_>, relay: &mut Relay) -> Poll<()> {
        let mut over = false;
        let mut read = || match self.poll_read(cx, relay) {
            Poll::Ready(flow) => {
                over = flow.is_break();
                !over
            }
            Poll::Pending => false,
        };
        let reads_on = (0..READS).all(|_| read());
        if over {
            return Poll::Ready(());
        }
        let receives_on = (0..READS).all(|_| self.poll_receive(cx, relay).is_ready());
        if let Poll::Ready(Err(_)) = self.poll_write(cx, relay) {
            return Poll::Ready(());
        }
        if reads_on || receives_on {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Takes what the client sent.
    fn poll_read(&mut self, cx: &mut Context<'_>, relay: &mut Relay) -> Poll<ControlFlow<()>> {
        loop {
            match self.stream.poll_read_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(ControlFlow::Break(())),
                Poll::Pending => return Poll::Pending,
            }
            match self.stream.try_read(&mut relay.buffer) {
                Ok(0) => return Poll::Ready(ControlFlow::Break(())),
                Ok(count) => return Poll::Ready(self.take(relay, count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Poll::Ready(ControlFlow::Break(())),
            }
        }
    }

    fn take(&mut self, relay: &mut Relay, count: usize) -> ControlFlow<()> {
        let now = relay.now();
        let Relay { server, buffer, sockets, .. } = relay;
        let Self { id, udp, reader, .. } = self;
        let mut flow = ControlFlow::Continue(());
        let taken = reader.take(&mut buffer[..count], &mut |record| {
            flow = match server.handle_record(now, *id, record) {
                Verdict::Done => ControlFlow::Continue(()),
                Verdict::Close(_) => ControlFlow::Break(()),
                Verdict::Send(to, datagram) => {
                    if udp.is_none() {
                        *udp = sockets.open().ok();
                    }
                    match udp {
                        None => {
                            server.handle_failure(Cause::NoSocket);
                            ControlFlow::Break(())
                        }
                        Some(udp) => {
                            // By the system itself: tokio would first wait to hear that a new socket can send.
                            if SockRef::from(&*udp).send_to(datagram, &to.into()).is_err() {
                                server.handle_failure(Cause::NotSent);
                            }
                            ControlFlow::Continue(())
                        }
                    }
                }
            };
            flow
        });
        if taken.is_err() {
            server.handle_garbage();
            return ControlFlow::Break(());
        }
        server.handle_inside(now, *id, reader.is_inside());
        flow
    }

    /// Takes a datagram that came for the client.
    fn poll_receive(&mut self, cx: &mut Context<'_>, relay: &mut Relay) -> Poll<()> {
        let Some(udp) = &self.udp else { return Poll::Pending };
        loop {
            match udp.poll_recv_ready(cx) {
                Poll::Ready(Ok(())) => {}
                // What an earlier datagram met is told once, and says nothing about the socket.
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
            let now = relay.now();
            let Relay { server, buffer, .. } = relay;
            match udp.try_recv_from(buffer) {
                Ok((length, from)) => {
                    let datagram = &buffer[..length];
                    let waits = HEADER_LEN + PREFIX_LEN + length;
                    if let std::net::SocketAddr::V4(sender) = from
                        && server.handle_datagram(now, self.id, from, datagram, waits)
                        && write_datagram(sender, datagram, &mut self.waiting).is_err()
                    {
                        server.handle_written(now, self.id, waits);
                    }
                    return Poll::Ready(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// Writes what waits for the client.
    fn poll_write(&mut self, cx: &mut Context<'_>, relay: &mut Relay) -> Poll<io::Result<()>> {
        while self.written < self.waiting.len() {
            match self.stream.poll_write_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    // What is written is not kept longer than it has to be.
                    if self.written > self.waiting.len() / 2 {
                        self.waiting.drain(..self.written);
                        self.written = 0;
                    }
                    return Poll::Pending;
                }
            }
            match self.stream.try_write(&self.waiting[self.written..]) {
                Ok(count) => {
                    self.written += count;
                    let now = relay.now();
                    relay.server.handle_written(now, self.id, count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.waiting.clear();
        self.waiting.shrink_to(KEPT);
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}
