//! The link against servers that behave and that do not.

use super::*;
use crate::driver::link::{LinkIo, Outgoing, Received, SendError};
use crate::status::Unsent;
use std::future::{Future, poll_fn};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use zt_wire::time::Mono;

const PEER: &str = "44.1.1.1:9993";
const GREETING: [u8; 9] = [0x17, 3, 3, 0, 4, 1, 14, 0, 1];
/// A datagram from the peer, as a server passes it on.
const PASSED_ON: [u8; 14] = [0x17, 3, 3, 0, 9, 4, 44, 1, 1, 1, 0x27, 9, 8, 8];

/// Runs a test against a server on loopback.
fn with_server<F: Future>(used: RelayUse, test: impl FnOnce(TcpListener, Client) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = listener.local_addr().expect("bound");
        let (mut source, handle) = TcpRelay::new(TcpRelaySettings { server, used });
        let link = poll_fn(|cx| source.poll_link(cx)).await;
        test(listener, Client { source, handle, io: link.io, buffer: vec![0; 65_536] }).await;
    });
}

struct Client {
    source: TcpRelay,
    handle: TcpRelayHandle,
    io: Box<dyn LinkIo>,
    buffer: Vec<u8>,
}

impl Client {
    async fn send(&mut self, to: &str, datagram: &[u8]) -> Result<usize, SendError> {
        let remote = Endpoint::Ip(to.parse().expect("an address"));
        let train = Outgoing { remote, bytes: datagram, segment: datagram.len(), ttl: None, dont_fragment: false };
        poll_fn(|cx| self.io.poll_send(Mono::ZERO, cx, &train)).await
    }

    /// Lets the link work until something came, or until `done`.
    async fn until<T>(&mut self, done: impl Future<Output = T>) -> Result<T, Vec<u8>> {
        let mut done = std::pin::pin!(done);
        poll_fn(|cx| {
            if let Poll::Ready(done) = done.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            let mut came = None;
            let mut each = |received: Received<'_>| {
                assert_eq!(received.remote, Endpoint::Ip(PEER.parse().expect("an address")));
                came = Some(received.bytes.to_vec());
            };
            while let Poll::Ready(result) = self.io.poll_receive(cx, &mut self.buffer, &mut each) {
                result.expect("the link goes on");
            }
            let flushed = self.io.poll_flush(cx);
            assert!(matches!(flushed, Poll::Pending | Poll::Ready(Ok(()))));
            came.map_or(Poll::Pending, |came| Poll::Ready(Err(came)))
        })
        .await
    }

    /// The next connection, and what was to come by it first.
    async fn accepted(&mut self, listener: &TcpListener, first: &[u8]) -> TcpStream {
        let accept = async {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut bytes = vec![0; first.len()];
            stream.read_exact(&mut bytes).await.expect("what was sent");
            assert_eq!(bytes, first);
            stream
        };
        self.until(accept).await.expect("nothing came")
    }
}

/// The record of a datagram to the peer.
fn record(datagram: &[u8]) -> Vec<u8> {
    let mut record = vec![0x17, 3, 3, 0, 7 + datagram.len() as u8, 4, 44, 1, 1, 1, 0x27, 9];
    record.extend_from_slice(datagram);
    record
}

#[test]
fn without_need_there_is_no_connection() {
    with_server(RelayUse::Fallback, async |listener, mut client| {
        let unsent = client.send(PEER, &[7; 40]).await.expect_err("UDP works");
        assert!(matches!(unsent, SendError::Unsent { datagrams: 1, cause: Unsent::NoConnection }));
        assert!(!client.handle.is_active());
        client.source.handle_level(1);
        assert_eq!(client.send(PEER, &[7; 40]).await.expect("UDP does not"), 1);
        let first = [&GREETING[..], &record(&[7; 40])].concat();
        let _stream = client.accepted(&listener, &first).await;
        assert!(client.handle.is_active());
        client.source.handle_level(0);
        assert!(client.until(tokio::time::sleep(Duration::ZERO)).await.is_ok() && !client.handle.is_active());
    });
}

#[test]
fn datagrams_go_and_come_where_they_may() {
    with_server(RelayUse::Always, async |listener, mut client| {
        for (to, datagram) in [("10.0.0.1:9993", &[7; 40][..]), ("[2001:db8::1]:9993", &[7; 40]), (PEER, &[7; 15])] {
            let unsent = client.send(to, datagram).await.expect_err("not by the relay");
            assert!(matches!(unsent, SendError::Unsent { datagrams: 1, cause: Unsent::NoRoute }), "{to}");
        }
        assert_eq!(client.send(PEER, &[7; 16]).await.expect("sent"), 1);
        let first = [&GREETING[..], &record(&[7; 16])].concat();
        let mut stream = client.accepted(&listener, &first).await;
        // A greeting, nothing, one without an address, and one of IPv6: the stream goes on.
        let mut all = [&GREETING[..], &[0x17, 3, 3, 0, 0, 0x17, 3, 3, 0, 1, 0, 0x17, 3, 3, 0, 20, 6]].concat();
        all.extend_from_slice(&[1; 19]);
        all.extend_from_slice(&PASSED_ON);
        // Cut inside of a record, too.
        let (begin, end) = all.split_at(all.len() - 5);
        stream.write_all(begin).await.expect("written");
        assert!(client.until(tokio::time::sleep(Duration::from_millis(20))).await.is_ok());
        stream.write_all(end).await.expect("written");
        assert_eq!(client.until(std::future::pending::<()>()).await, Err(vec![8, 8]));
        assert!(!client.io.take_moved(), "nobody knew us elsewhere");
    });
}

#[test]
fn a_server_that_sends_what_cannot_be_read_is_connected_again() {
    let nonsense: [&[u8]; 4] =
        [&[0x17, 3, 3, 0, 7, 5, 0, 0, 0, 0, 0, 0], &[0x17, 3, 3, 0, 6, 4, 1, 2, 3, 4, 5], b"HTTP/1.1 400", &[]];
    for nonsense in nonsense {
        with_server(RelayUse::Always, async |listener, mut client| {
            assert_eq!(client.send(PEER, &[7; 16]).await.expect("sent"), 1);
            let mut stream = client.accepted(&listener, &GREETING).await;
            stream.write_all(nonsense).await.expect("written");
            stream.shutdown().await.expect("shut");
            let mut stream = client.accepted(&listener, &GREETING).await;
            assert!(client.io.take_moved(), "others see another address");
            stream.write_all(&PASSED_ON).await.expect("written");
            assert_eq!(client.until(std::future::pending::<()>()).await, Err(vec![8, 8]));
        });
    }
}

#[test]
fn a_server_that_reads_nothing_takes_no_more_memory_than_it_may() {
    with_server(RelayUse::Always, async |listener, mut client| {
        assert_eq!(client.send(PEER, &[7; 16]).await.expect("sent"), 1);
        let _stream = client.accepted(&listener, &GREETING).await;
        let datagram = [7; 1400];
        let train = datagram.repeat(40);
        let remote = Endpoint::Ip(PEER.parse().expect("an address"));
        let train = Outgoing { remote, bytes: &train, segment: 1400, ttl: None, dont_fragment: false };
        let mut sent = 0;
        let full = poll_fn(|cx| {
            while let Poll::Ready(count) = client.io.poll_send(Mono::ZERO, cx, &train) {
                sent += count.expect("no error");
                assert!(sent < 100_000, "it takes everything");
            }
            Poll::Ready(())
        });
        full.await;
        assert!(sent > 10);
    });
}

#[test]
fn other_settings_end_the_link_and_open_another() {
    with_server(RelayUse::Fallback, async |listener, mut client| {
        let settings = TcpRelaySettings { server: listener.local_addr().expect("bound"), used: RelayUse::Never };
        client.handle.set(settings);
        let ended = poll_fn(|cx| client.io.poll_flush(cx)).await;
        assert_eq!(ended.expect_err("it has ended").to_string(), "the settings are others");
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(client.source.poll_link(&mut cx).is_pending());
        client.io = Box::new(Nothing);
        assert!(client.source.poll_link(&mut cx).is_pending(), "not wanted");
        client.handle.set(TcpRelaySettings { used: RelayUse::Always, ..settings });
        let Poll::Ready(link) = client.source.poll_link(&mut cx) else { panic!("a link is wanted") };
        assert_eq!((link.rank, link.kind), (0, LinkKind::Relay));
        assert!(client.source.poll_link(&mut cx).is_pending(), "one at a time");
    });
}

/// A link that does nothing.
struct Nothing;

impl LinkIo for Nothing {
    fn poll_receive(
        &mut self,
        _: &mut Context<'_>,
        _: &mut [u8],
        _: &mut dyn FnMut(Received<'_>),
    ) -> Poll<std::io::Result<()>> {
        Poll::Pending
    }

    fn poll_send(&mut self, _: Mono, _: &mut Context<'_>, _: &Outgoing<'_>) -> Poll<Result<usize, SendError>> {
        Poll::Pending
    }
}
