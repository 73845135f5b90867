//! Every dress, against ourselves and against other implementations.

use std::net::TcpListener;

use tokio::io::AsyncWriteExt as _;
use tungstenite::Message;
use zt_wire::record;

use super::*;
use crate::daemon::home::Home;
use crate::daemon::tunnel::{tls, upgrade, wire};

/// A listener with a certificate of its own; the pin of its key.
fn with_tls(name: &str) -> (Door, String) {
    let folder = std::env::temp_dir().join(format!("zt-tunnel-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let shown = tls::of_home(&Home::at(&folder)).expect("a key");
    let again = tls::of_home(&Home::at(&folder)).expect("the same key");
    assert_eq!(shown.pin, again.pin, "it is made once");
    std::fs::remove_dir_all(&folder).expect("ours");
    let pin = shown.pin.iter().map(|byte| format!("{byte:02x}")).collect();
    let doors = Doors::default();
    doors.set_tls(Some(shown));
    (Door::open(doors), pin)
}

/// Datagrams pass in both directions.
async fn talk(door: &mut Door, client: &mut Client) {
    for length in [28, 1432, 10_324] {
        let (there, back) = (vec![7; length], vec![9; length]);
        client.0.send(root(), &there).expect("room");
        let arrived = tokio::select! {
            arrived = door.listener.until_arrived(1) => arrived,
            () = client.0.until(|_| None::<()>) => unreachable!("nothing is waited for"),
        };
        assert_eq!(arrived[0].1, there);
        door.listener.send(arrived[0].0, &back).expect("room");
        let arrived = tokio::select! {
            arrived = client.0.until_arrived(1) => arrived,
            () = door.listener.until(|_| None::<()>) => unreachable!("nothing is waited for"),
        };
        assert_eq!(arrived, [(root(), back)]);
    }
}

/// A proxy that is spoken to inside of TLS, and what it connects to as well.
#[test]
fn a_proxy_may_be_inside_of_tls() {
    run(async {
        let (mut door, pin) = with_tls("behind-tls-proxy");
        let folder = std::env::temp_dir().join(format!("zt-tunnel-tls-proxy-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let shown = tls::of_home(&Home::at(&folder)).expect("a key");
        std::fs::remove_dir_all(&folder).expect("ours");
        let own: String = shown.pin.iter().map(|byte| format!("{byte:02x}")).collect();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (proxy, root) = (listener.local_addr().expect("bound"), door.at);
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("us");
            let mut inside = tls::accept(Box::new(stream), &shown).await.expect("TLS");
            let read = wire::read_until(&mut inside, 8192, upgrade::head_len).await.expect("a request");
            let (head, _) = read.expect("a head");
            assert!(head.starts_with(format!("CONNECT {root} HTTP/1.1").as_bytes()));
            inside.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.expect("sent");
            let mut outside = TcpStream::connect(root).await.expect("the root listens");
            let _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
        });
        let attempt = Attempt {
            target: format!("wss://{root}/#sha256={pin}").parse().expect("a target"),
            proxy: Some(format!("https://{proxy}#sha256={own}").parse().expect("a proxy")),
            from: None,
        };
        let connected = door.beside(connect(vec![attempt])).await;
        let (wire, stream, _) = connected.map_err(|(_, error)| error).expect("connected");
        let mut client = Client::of(wire, stream);
        talk(&mut door, &mut client).await;
    });
}

#[test]
fn one_port_takes_every_dress() {
    run(async {
        let (mut door, pin) = with_tls("dresses");
        let at = door.at;
        for target in [
            format!("tcp://{at}"),
            format!("ws://{at}/any/path"),
            format!("tls://{at}#sha256={pin}"),
            format!("wss://{at}/#sha256={pin}"),
        ] {
            let mut client = door.beside(reach(&target)).await.unwrap_or_else(|error| panic!("{target}: {error}"));
            talk(&mut door, &mut client).await;
        }
    });
}

#[test]
fn another_key_than_the_pinned_one_is_refused_and_so_is_one_that_nobody_vouches_for() {
    run(async {
        let (mut door, pin) = with_tls("pins");
        let at = door.at;
        let other = format!("{:02x}{}", u8::from_str_radix(&pin[..2], 16).expect("hex") ^ 1, &pin[2..]);
        for target in
            [format!("tls://{at}#sha256={other}"), format!("wss://{at}/#sha256={other}"), format!("tls://{at}")]
        {
            assert!(door.beside(reach(&target)).await.is_err(), "{target}");
        }
    });
}

#[test]
fn the_first_flight_is_tls_to_others() {
    let hello = zt_wire::tunnel::hello::client_hello(&[5; 64], Some("root.example"));
    let mut acceptor = rustls::server::Acceptor::default();
    acceptor.read_tls(&mut &hello[..]).expect("bytes");
    let accepted = acceptor.accept().map_err(|(error, _)| error).expect("a ClientHello").expect("a whole one");
    let hello = accepted.client_hello();
    assert_eq!(hello.server_name(), Some("root.example"));
    assert_eq!(hello.alpn().map(|list| list.count()), Some(2));
}

#[test]
fn another_implementation_of_websockets_reaches_our_listener() {
    run(async {
        let mut door = Door::open(Doors::default());
        let at = door.at;
        let theirs = std::thread::spawn(move || {
            let stream = std::net::TcpStream::connect(at).expect("a listener");
            let (mut socket, _) = tungstenite::client(format!("ws://{at}/zt"), stream).expect("a WebSocket");
            let record = [&record::header(20)[..], &[6; 20]].concat();
            socket.send(Message::Ping(b"there?".as_slice().into())).expect("sent");
            // A datagram in two messages, and two in one.
            socket.send(Message::Binary(record[..9].to_vec().into())).expect("sent");
            socket.send(Message::Binary([&record[9..], &record[..]].concat().into())).expect("sent");
            let mut seen = Vec::new();
            while seen.len() < 2 {
                match socket.read().expect("a message") {
                    Message::Pong(body) => seen.push(body.to_vec()),
                    Message::Binary(body) => seen.push(body.to_vec()),
                    other => panic!("{other:?}"),
                }
            }
            socket.close(None).expect("closed");
            while socket.read().is_ok() {}
            seen
        });
        let arrived = door.listener.until_arrived(2).await;
        assert!(arrived.iter().all(|(_, datagram)| *datagram == [6; 20]));
        door.listener.send(arrived[0].0, &[3; 30]).expect("room");
        let down = door.listener.until(|door| door.down.pop()).await;
        assert_eq!(down, Endpoint::Ip(arrived[0].0));
        let seen = theirs.join().expect("no panic");
        assert_eq!(seen, [b"there?".to_vec(), [&record::header(30)[..], &[3; 30]].concat()]);
        assert_eq!(door.doors.counts.iter().count(), 0, "nothing was amiss");
    });
}

#[test]
fn we_reach_another_implementation_of_websockets() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("bound");
        let theirs = std::thread::spawn(move || {
            let mut socket = tungstenite::accept(listener.accept().expect("us").0).expect("a WebSocket");
            let message = socket.read().expect("a message");
            // Back, in two messages with a ping between them.
            let bytes = message.into_data();
            socket.send(Message::Binary(bytes[..3].to_vec().into())).expect("sent");
            socket.send(Message::Ping(b"?".as_slice().into())).expect("sent");
            socket.send(Message::Binary(bytes[3..].to_vec().into())).expect("sent");
            socket.read().expect("an answer")
        });
        let (mut member, _) = dialer(&format!("ws://{at}/"));
        member.send(root(), &[8; 100]).expect("it waits for the connection");
        assert_eq!(member.until_arrived(1).await, [(root(), vec![8; 100])]);
        member.until(|driven| (!driven.down.is_empty()).then_some(())).await;
        assert_eq!(theirs.join().expect("no panic"), Message::Pong(b"?".as_slice().into()));
    });
}

#[test]
fn a_cut_connection_is_made_again_with_the_next_datagram() {
    run(async {
        let mut door = Door::open(Doors::default());
        let (mut member, told) = dialer(&format!("tcp://{}", door.at));
        for round in 0..3_u8 {
            member.send(root(), &[round; 40]).expect("room");
            let arrived = tokio::select! {
                arrived = door.listener.until_arrived(1) => arrived,
                () = member.until(|_| None::<()>) => unreachable!("nothing is waited for"),
            };
            assert_eq!(arrived[0].1, [round; 40], "what waited for the connection came over it");
            // The listener ends all that it has: a root that starts again, or a cable.
            let at = door.at;
            drop(door);
            let down = member.until(|driven| driven.down.pop()).await;
            assert_eq!(down, Endpoint::Ip(root()));
            assert!(matches!(member.send(root(), &[round; 40]), Ok(1)), "it waits");
            door = Door::open_at(at, Doors::default());
            let arrived = tokio::select! {
                arrived = door.listener.until_arrived(1) => arrived,
                () = member.until(|_| None::<()>) => unreachable!("nothing is waited for"),
            };
            assert_eq!(arrived[0].1, [round; 40]);
        }
        told.set_plan(Plan::default());
        let ended = poll_fn(|cx| member.link.poll_receive(cx, &mut [0; 64], &mut |_| {})).await;
        assert!(ended.is_err(), "a link that leads nowhere is no link");
    });
}

/// A root that starts again a moment after a member came is as good as before, and nobody has to ask for it.
#[test]
fn a_young_connection_that_served_is_made_again_by_itself() {
    run(async {
        let mut door = Door::open(Doors::default());
        let (mut member, _told) = dialer(&format!("tcp://{}", door.at));
        for _ in 0..3 {
            member.send(root(), &[1; 40]).expect("room");
            let from = tokio::select! {
                arrived = door.listener.until_arrived(1) => arrived[0].0,
                () = member.until(|_| None::<()>) => unreachable!("nothing is waited for"),
            };
            door.listener.send(from, &[2; 40]).expect("room");
            door.beside(member.until_arrived(1)).await;
            let at = door.at;
            drop(door);
            member.until(|driven| driven.down.pop()).await;
            door = Door::open_at(at, Doors::default());
            door.beside(member.until(|driven| driven.link.take_moved().then_some(()))).await;
        }
    });
}

#[test]
fn nobody_but_roots_is_bothered() {
    run(async {
        let (mut member, _) = dialer("tcp://127.0.0.1:1");
        let stranger = SocketAddr::from(([192, 0, 2, 77], 9993));
        assert!(matches!(member.send(stranger, &[0; 40]), Err(SendError::Unsent { datagrams: 1, .. })));
        for _ in 0..32 {
            member.send(root(), &[0; 40]).expect("so many wait");
        }
        assert!(member.send(root(), &[0; 40]).is_err(), "and no more");
    });
}
