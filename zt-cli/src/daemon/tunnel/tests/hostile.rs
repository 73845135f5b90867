//! Ends that do not keep to the protocol: each has a name, costs little, and stops nobody else.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use zt_node::status::Unsent;
use zt_wire::record;
use zt_wire::tunnel::hello::{FlightReader, client_finish, client_hello};

use super::*;
use crate::daemon::tunnel::accept::read_flight;

/// Little time to say what one is.
fn hurried() -> Doors {
    let mut doors = Doors::default();
    doors.in_time = Duration::from_millis(200);
    doors
}

/// A connection that has gone through the first flights.
async fn greeted(at: SocketAddr) -> Wire {
    let mut wire = raw(at).await;
    greet(&mut wire).await;
    wire
}

async fn greet(wire: &mut Wire) {
    let hello = client_hello(&[1; 64], None);
    wire.write_all(&hello).await.expect("sent");
    read_flight(wire, FlightReader::of_server(&hello).expect("a hello")).await.expect("an answer");
    wire.write_all(&client_finish(&[2; 53])).await.expect("sent");
}

/// A WebSocket, masked by zeroes: masking changes nothing.
async fn websocket(at: SocketAddr) -> Wire {
    let mut wire = raw(at).await;
    let request = crate::daemon::tunnel::upgrade::request("root", "/", [3; 16]);
    wire.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = [0; 100];
    wire.read_exact(&mut answer).await.expect("an answer");
    wire
}

#[test]
fn what_is_no_tunnel_is_named_and_ended() {
    run(async {
        let mut door = Door::open(hurried());
        let mut real_tls = client_hello(&[1; 64], None);
        real_tls[60] ^= 1;
        let mut long_hello = client_hello(&[1; 64], None);
        long_hello[3] = 0xff;
        for (bytes, name) in [
            (&b"SSH-2.0-OpenSSH_9.2\r\n"[..], "tcp-garbage"),
            (b"\x00\x00\x00\x00", "tcp-garbage"),
            (b"\x16\x02\x01garbage instead of TLS", "tcp-garbage"),
            (&real_tls, "tcp-tls-refused"),
            (&long_hello, "tcp-tls-refused"),
            (b"GET / HTTP/1.1\r\nHost: root\r\n\r\n", "tcp-no-websocket"),
            (b"", "tcp-handshake-timeout"),
            (b"\x16\x03\x01", "tcp-handshake-timeout"),
            (b"GET / HTTP/1.1\r\n", "tcp-handshake-timeout"),
        ] {
            let before = door.count(name);
            let mut wire = door.beside(raw(door.at)).await;
            wire.write_all(bytes).await.expect("sent");
            door.until_dropped(name, before + 1).await;
            let mut rest = Vec::new();
            let _ = door.beside(wire.read_to_end(&mut rest)).await;
            assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 426 "), "{bytes:?}: {rest:?}");
        }
        let endless = door.beside(raw(door.at)).await;
        let mut endless = endless;
        let _ = endless.write_all(&[b"GET / HTTP/1.1\r\nX: ", &vec![b'x'; 20_000][..]].concat()).await;
        let before = door.count("tcp-garbage");
        door.until_dropped("tcp-garbage", before.max(4)).await;
        let cut = door.beside(raw(door.at)).await;
        drop(cut);
        door.until_dropped("tcp-handshake-cut", 1).await;
    });
}

#[test]
fn what_is_no_datagram_is_named() {
    run(async {
        let mut door = Door::open(Doors::default());
        let at = door.at;
        // Empty records and one that is too long are passed over.
        let mut wire = door.beside(greeted(at)).await;
        let long = [&record::header(65_535)[..], &vec![0; 65_535]].concat();
        for bytes in [&record::header(0)[..], &record::header(0), &long, &record::header(20), &[5; 20]] {
            door.beside(wire.write_all(bytes)).await.expect("sent");
        }
        assert_eq!(door.listener.until_arrived(1).await[0].1, [5; 20]);
        assert_eq!(door.count("tcp-record-too-long"), 1);
        // It ends inside of one.
        wire.write_all(&record::header(100)).await.expect("sent");
        wire.write_all(&[1; 50]).await.expect("sent");
        drop(wire);
        door.until_dropped("tcp-cut-inside-a-record", 1).await;
        // It becomes something else.
        let mut wire = door.beside(greeted(at)).await;
        wire.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>").await.expect("sent");
        door.until_dropped("tcp-not-a-record", 1).await;
    });
}

#[test]
fn a_websocket_peer_may_send_fragments_and_pings_and_no_text() {
    run(async {
        let mut door = Door::open(Doors::default());
        let at = door.at;
        let mut wire = door.beside(websocket(at)).await;
        let header = record::header(4);
        let mut bytes = vec![0x02, 0x83, 0, 0, 0, 0, header[0], header[1], header[2]];
        bytes.extend_from_slice(&[0x89, 0x82, 0, 0, 0, 0, b'h', b'i']);
        bytes.extend_from_slice(&[0x00, 0x80, 0, 0, 0, 0]);
        bytes.extend_from_slice(&[0x80, 0x86, 0, 0, 0, 0, header[3], header[4], 1, 2, 3, 4]);
        for byte in bytes {
            wire.write_all(&[byte]).await.expect("sent");
        }
        assert_eq!(door.listener.until_arrived(1).await[0].1, [1, 2, 3, 4]);
        wire.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await.expect("sent");
        door.until_dropped("tcp-websocket-text", 1).await;
        // A word before it is closed: the code for data that is not taken (RFC 6455 §7.4.1), behind the answer to the ping.
        let mut rest = Vec::new();
        door.beside(wire.read_to_end(&mut rest)).await.expect("the end");
        assert!(
            rest.ends_with(&[0x88, 2, 0x03, 0xeb]) && rest.windows(4).any(|w| w == [0x8a, 2, b'h', b'i']),
            "{rest:x?}"
        );
        let mut wire = door.beside(websocket(at)).await;
        wire.write_all(&[0x82, 0x02, 1, 2]).await.expect("sent");
        door.until_dropped("tcp-websocket-frame", 1).await;
    });
}

#[test]
fn half_open_connections_of_one_source_leave_room_for_others() {
    run(async {
        let mut door = Door::open(Doors::default());
        let at = door.at;
        let mut silent = Vec::new();
        for _ in 0..200 {
            silent.push(door.beside(raw(at)).await);
        }
        door.until_dropped("tcp-half-open", 168).await;
        assert_eq!(door.count("tcp-half-open"), 168, "32 of one source may be half open");
        // A member elsewhere gets in at once.
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.2:0".parse().expect("an address")).expect("loopback");
        let mut wire: Wire = Box::new(door.beside(socket.connect(at)).await.expect("a listener"));
        door.beside(greet(&mut wire)).await;
        wire.write_all(&[&record::header(20)[..], &[5; 20]].concat()).await.expect("sent");
        let arrived = door.listener.until_arrived(1).await;
        assert_eq!(arrived[0].0.ip().to_string(), "127.0.0.2");
        drop(silent);
    });
}

#[test]
fn a_slow_reader_loses_its_own_datagrams_and_no_others() {
    run(async {
        let mut door = Door::open(Doors::default());
        let at = door.at;
        let mut remotes = Vec::new();
        let mut wires = Vec::new();
        for name in [1_u8, 2] {
            let mut wire = door.beside(greeted(at)).await;
            wire.write_all(&[&record::header(20)[..], &[name; 20]].concat()).await.expect("sent");
            remotes.push(door.listener.until_arrived(1).await[0].0);
            wires.push(wire);
        }
        // The first reads nothing.
        let mut lost = 0;
        for _ in 0..10_000 {
            match door.listener.send(remotes[0], &[0; 1400]) {
                Ok(_) => {}
                Err(SendError::Unsent { datagrams: 1, cause: Unsent::QueueFull }) => lost += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(lost > 1000, "{lost}");
        door.listener.send(remotes[0], &[0; 100]).expect("what keeps paths alive finds room");
        // The second gets everything.
        for round in 0..100_u8 {
            door.listener.send(remotes[1], &[round; 1400]).expect("room");
            let mut arrived = vec![0; 1405];
            door.beside(wires[1].read_exact(&mut arrived)).await.expect("a datagram");
            assert_eq!(arrived[5..], [round; 1400]);
        }
    });
}

/// What a proxy says, and how that is called.
#[test]
fn proxies_that_do_not_connect_are_named() {
    run(async {
        for (answer, said) in [
            (
                &b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n"[..],
                "refuses user and password",
            ),
            (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\nsorry", "the answer is 502"),
            (b"<html><body>Please log in</body></html>", "the answer is not HTTP"),
            (b"", "the answer is not HTTP"),
            (b"HTTP/1.1 200 OK\r\n\r\n<html>a page instead of a root</html>", "the answer is not HTTP"),
        ] {
            let proxy = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let at = proxy.local_addr().expect("bound");
            let serve = async {
                let (mut stream, _) = proxy.accept().await.expect("us");
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                stream.write_all(answer).await.expect("sent");
                let _ = stream.shutdown().await;
                let _ = stream.read(&mut request).await;
            };
            let target: Target = "ws://192.0.2.1:443/".parse().expect("a target");
            let attempt = Attempt { target, proxy: Some(format!("http://{at}").parse().expect("a proxy")), from: None };
            let (connected, ()) = tokio::join!(connect(vec![attempt]), serve);
            let Err((_, error)) = connected else { panic!("{said}") };
            assert!(error.to_string().contains(said), "{error}");
        }
        // A head without an end.
        let proxy = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = proxy.local_addr().expect("bound");
        let serve = async {
            let (mut stream, _) = proxy.accept().await.expect("us");
            let _ = stream.write_all(&vec![b'x'; 100_000]).await;
        };
        let attempt = Attempt {
            target: "wss://192.0.2.1:443/".parse().expect("a target"),
            proxy: Some(format!("http://{at}").parse().expect("a proxy")),
            from: None,
        };
        let (connected, ()) = tokio::join!(connect(vec![attempt]), serve);
        assert!(connected.is_err());
    });
}

#[test]
fn roots_that_are_none_are_named() {
    run(async {
        for answer in
            [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"\x15\x03\x03\x00\x02\x02\x28", b"\x16\x03\x03\xff\xff", b""]
        {
            let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let at = server.local_addr().expect("bound");
            let serve = async {
                let (mut stream, _) = server.accept().await.expect("us");
                stream.write_all(answer).await.expect("sent");
                let _ = stream.shutdown().await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
            };
            let target = format!("tcp://{at}");
            let (reached, ()) = tokio::join!(reach(&target), serve);
            assert!(matches!(reached, Err(ConnectError::NotATunnel)), "{answer:?}");
        }
    });
}
