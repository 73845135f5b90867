//! The client and the server against each other's bad days.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use super::Folder;
use super::fake::Fake;
use zt_cli::client::Client;

/// A server that sends fixed bytes to one caller.
fn says(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a caller");
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(answer);
    });
    port
}

#[test]
fn strange_answers_are_no_answers() {
    for (answer, status, body) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"[..], 200, "{}"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, "until the end"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}", 0, ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n{}", 0, ""),
        (b"SSH-2.0-nonsense\r\n", 0, ""),
        (b"", 0, ""),
    ] {
        let answer = Client::new("127.0.0.1", says(answer), "token").get("/status");
        assert_eq!((answer.status, answer.body.as_str()), (status, body));
    }
    let client = |host: &str| Client::new(host, 1, "token").get("/status").body;
    assert_eq!(client("127.0.0.1"), "connection failed");
    assert_eq!(client("localhost"), "connection failed (2)");
    assert_eq!(Client::new("127.0.0.1", 1, "t".repeat(1024)).get("/").body, "request too large");
}

fn raw(node: &Fake, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", node.port())).expect("a connection");
    // The last bytes and the end of them come as one, as they may on any machine that has more to do.
    socket2::SockRef::from(&stream).set_tcp_cork(true).expect("corked");
    let _ = stream.write_all(request);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn strange_requests_are_refused_and_the_next_one_is_answered() {
    let node = Fake::start();
    let long_body = format!(
        "POST /network/8056c2e21c000001 HTTP/1.1\r\nX-ZT1-Auth: {}\r\nContent-Length: 99999999\r\n\r\n{}",
        node.token(),
        "x".repeat(100)
    );
    let form = format!(
        "POST /network/8056c2e21c000001 HTTP/1.1\r\nX-ZT1-Auth: {}\r\n\
        Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 8193\r\n\r\n{}",
        node.token(),
        "x".repeat(8193)
    );
    for (request, status) in [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), "HTTP/1.1 400 "),
        (b"GET /status HTTP/9.9\r\n\r\n".to_vec(), "HTTP/1.1 "),
        (b"BREW /status HTTP/1.1\r\n\r\n".to_vec(), "HTTP/1.1 400 "),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(9000)).into_bytes(), "HTTP/1.1 414 "),
        (format!("GET /status HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(9000)).into_bytes(), "HTTP/1.1 400 "),
        (form.into_bytes(), "HTTP/1.1 413 "),
        (b"GET /../status HTTP/1.1\r\n\r\n".to_vec(), "HTTP/1.1 401 "),
        (b"GET /status?auth= HTTP/1.1\r\n\r\n".to_vec(), "HTTP/1.1 401 "),
        (long_body.into_bytes(), "HTTP/1.1 413 "),
        (vec![b'A'; 200_000], "HTTP/1.1 4"),
    ] {
        let answer = raw(&node, &request);
        let shown = String::from_utf8_lossy(&request[..request.len().min(60)]).into_owned();
        assert!(answer.starts_with(status), "{shown}: {answer}");
    }
    assert_eq!(node.client().get("/status").status, 200);
}

#[test]
fn a_client_that_sends_nothing_more_gets_its_answer() {
    let node = Fake::start();
    // It depends on when the server looks: of so many, a few are lost if it takes the end of a request for that of a client.
    for _ in 0..1000 {
        let answer = raw(&node, b"GET /status HTTP/1.1\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer:?}");
    }
}

#[test]
fn a_connection_carries_five_requests() {
    let node = Fake::start();
    let one = format!("GET /peer HTTP/1.1\r\nX-ZT1-Auth: {}\r\n\r\n", node.token());
    let answer = raw(&node, one.repeat(9).as_bytes());
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 5);
    assert_eq!(answer.matches("Keep-Alive: timeout=5, max=5").count(), 4);
    assert_eq!(answer.matches("Connection: close").count(), 1);
}

#[test]
fn many_connections_at_once_are_served() {
    let node = Fake::start();
    let idle: Vec<TcpStream> =
        (0..20).map(|_| TcpStream::connect(("127.0.0.1", node.port())).expect("a connection")).collect();
    let clients: Vec<_> = (0..30)
        .map(|_| {
            let client = node.client();
            thread::spawn(move || client.get("/network").status)
        })
        .collect();
    assert!(clients.into_iter().all(|c| c.join().expect("no panic") == 200));
    drop(idle);
}

#[test]
fn help_shows_examples_everywhere() {
    let folder = Folder::new();
    for command in [
        "",
        "service ",
        "info ",
        "networks ",
        "join ",
        "leave ",
        "network ",
        "member ",
        "planet ",
        "moon ",
        "identity ",
    ] {
        let text = folder.ok(&format!("zt {command}--help"));
        assert!(text.contains("Example"), "{command}: {text}");
    }
    folder.fails("zt join a/b", "16 hexadecimal digits");
    folder.fails("zt", "Usage");
}
