//! The interface under clients that are slow, many, large or without a token.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use zt_cli::client::Client;

use super::Folder;
use super::fake::Fake;

/// Longer than any deadline of the interface; a read that takes this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

fn connect(node: &Fake) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", node.port())).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Sends and reads until the other side ends.
fn exchange(node: &Fake, request: &str) -> String {
    let mut stream = connect(node);
    stream.write_all(request.as_bytes()).expect("sent");
    read_all(&mut stream)
}

fn read_all(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an end");
    String::from_utf8(answer).expect("text")
}

/// Reads one answer and leaves the connection open.
fn read_one(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        answer.push(byte[0]);
    }
    let head = String::from_utf8(answer).expect("text");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut body).expect("a body");
    head
}

/// How often the interface refused for a reason.
fn refused(node: &Fake, reason: &str) -> u64 {
    let metrics = node.client().get("/metrics").body;
    let line = format!("zt_http_refused_total{{reason=\"{reason}\"}} ");
    metrics.lines().find_map(|l| l.strip_prefix(&line)).map_or(0, |count| count.parse().expect("a number"))
}

#[test]
fn metrics_go_by_the_names_that_are_asked_for() {
    let node = Fake::start();
    let page = |path: &str| node.client().get(path);
    assert!(page("/metrics").body.starts_with("zt_num_networks "));
    assert!(page("/metrics?names=original").body.starts_with("zt_num_networks "));
    assert!(page("/metrics?names=prometheus").body.starts_with("zt_networks "));
    let refused = page("/metrics?names=clean");
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("`original`") && refused.body.contains("`prometheus`"), "{}", refused.body);
}

fn get(node: &Fake, more: &str) -> String {
    format!("GET /network HTTP/1.1\r\nX-ZT1-Auth: {}\r\n{more}\r\n", node.token())
}

#[test]
fn a_get_is_answered_whatever_body_it_announces() {
    let node = Fake::start();
    for body in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: 99999999999\r\n"] {
        let answer = exchange(&node, &get(&node, body));
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    // One that comes is read over.
    let answer = exchange(&node, &(get(&node, "Content-Length: 2\r\n") + "{}"));
    assert!(answer.ends_with("\r\n\r\n[]"), "{answer}");
}

#[test]
fn the_token_is_looked_at_before_the_body() {
    let node = Fake::start();
    for path in ["/network/8056c2e21c000001", "/controller/network", "/metrics"] {
        let request = format!("POST {path} HTTP/1.1\r\nX-ZT1-Auth: wrong\r\nContent-Length: 8000000\r\n\r\n{{");
        let mut stream = connect(&node);
        stream.write_all(request.as_bytes()).expect("sent");
        let head = read_one(&mut stream);
        assert!(head.starts_with("HTTP/1.1 401") && head.contains("Connection: close"), "{head}");
    }
    // The answer reaches also a client that goes on to send.
    let answer =
        exchange(&node, &format!("POST /planet HTTP/1.1\r\nContent-Length: 600000\r\n\r\n{}", "x".repeat(600_000)));
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert_eq!(refused(&node, "no access"), 4);
}

#[test]
fn a_head_or_body_that_never_comes_ends_the_connection() {
    let node = Fake::start();
    let mut slow_head = connect(&node);
    slow_head.write_all(b"GET /network HTTP/1.1\r\nX-ZT").expect("sent");
    let mut slow_body = connect(&node);
    let request = format!("POST /planet HTTP/1.1\r\nX-ZT1-Auth: {}\r\nContent-Length: 9\r\n\r\n{{", node.token());
    slow_body.write_all(request.as_bytes()).expect("sent");
    let mut silent = connect(&node);
    // A byte now and then does not prolong a head.
    for _ in 0..8 {
        std::thread::sleep(Duration::from_secs(1));
        if slow_head.write_all(b"-").is_err() {
            break;
        }
    }
    let mut rest = Vec::new();
    let _ = slow_head.read_to_end(&mut rest);
    assert!(rest.is_empty());
    let answer = read_all(&mut slow_body);
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("did not arrive in time"), "{answer}");
    assert_eq!(read_all(&mut silent), "");
    assert_eq!((refused(&node, "slow head"), refused(&node, "slow body")), (1, 1));
}

#[test]
fn connections_without_a_token_do_not_take_the_interface_away() {
    let node = Fake::start();
    let idle: Vec<TcpStream> = (0..40).map(|_| connect(&node)).collect();
    assert_eq!(node.client().get("/network").status, 200);
    assert_eq!(refused(&node, "gave way"), 0, "the idle ones are still there");
    // Each kind of them, and more than there are places.
    let more: Vec<TcpStream> = (0..400)
        .map(|number| {
            let mut stream = connect(&node);
            let start = [
                "",
                "GET /stat",
                "POST /planet HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
                "GET /network HTTP/1.1\r\n\r\n",
            ];
            let _ = stream.write_all(start[number % 4].as_bytes());
            stream
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(node.client().get("/network").status, 200);
    }
    assert!(refused(&node, "gave way") > 100);
    drop((idle, more));
}

#[test]
fn hundreds_of_kept_connections_are_all_answered() {
    let node = Fake::start();
    let mut streams: Vec<TcpStream> = (0..300)
        .map(|_| {
            let mut stream = connect(&node);
            stream.write_all(get(&node, "").as_bytes()).expect("sent");
            stream
        })
        .collect();
    for stream in &mut streams {
        assert!(read_one(stream).contains("Keep-Alive: timeout=5, max=5"));
    }
    // All were kept open: those answered first gave way to the last.
    assert!(refused(&node, "gave way") >= 44);
}

#[test]
fn large_bodies_take_turns() {
    let node = Fake::start();
    let body = vec![b' '; 8 << 20];
    let head = format!(
        "POST /controller/network HTTP/1.1\r\nX-ZT1-Auth: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        node.token(),
        body.len()
    );
    std::thread::scope(|scope| {
        for _ in 0..31 {
            scope.spawn(|| {
                let mut stream = connect(&node);
                stream.write_all(head.as_bytes()).expect("sent");
                stream.write_all(&body).expect("sent");
                assert!(read_all(&mut stream).starts_with("HTTP/1.1 200"));
            });
        }
    });
    assert_eq!(node.held(), body.len(), "one at a time");
    let longer = head.replace(&body.len().to_string(), &(body.len() + 1).to_string());
    assert!(exchange(&node, &longer).starts_with("HTTP/1.1 413"));
}

#[test]
fn old_clients_are_told_one_thing_about_the_connection() {
    let node = Fake::start();
    let of = |answer: &str| -> Vec<String> {
        answer.lines().filter(|line| line.starts_with("Connection")).map(str::to_owned).collect()
    };
    for more in ["", "Connection: keep-alive\r\n", "Connection: close\r\n"] {
        let answer = exchange(&node, &get(&node, more).replace("HTTP/1.1", "HTTP/1.0"));
        assert!(answer.contains(" 200 OK\r\n"), "{answer}");
        assert_eq!(of(&answer), ["Connection: close"], "{answer}");
    }
}

#[test]
fn many_header_lines_are_taken_and_too_many_are_told() {
    let node = Fake::start();
    let lines =
        |count: usize| (0..count).map(|n| format!("X-{n}: v\r\n")).collect::<String>() + "Connection: close\r\n";
    for count in [100, 151, 1900] {
        let answer = exchange(&node, &get(&node, &lines(count)));
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{count}: {answer}");
    }
    for count in [2100, 7000] {
        let mut stream = connect(&node);
        stream.write_all(get(&node, &lines(count)).as_bytes()).expect("sent");
        assert!(read_one(&mut stream).starts_with("HTTP/1.1 431"), "{count}");
    }
    assert_eq!(refused(&node, "large head"), 2);
}

#[test]
fn answers_become_script_only_where_the_operator_allows_it() {
    let node = Fake::start();
    let asked = |jsonp: bool| {
        node.access.send_modify(|access| access.jsonp = jsonp);
        node.client().get("/network?jsonp=cb").body
    };
    assert_eq!(asked(false), "[]");
    assert_eq!(asked(true), "cb([]);");
    let odd = node.client().get("/network?jsonp=alert(1)//").body;
    assert_eq!(odd, "[]", "no name of a function");
}

#[test]
fn web_apps_are_files_of_a_folder_while_they_are_switched_on() {
    let (node, folder) = (Fake::start(), Folder::new());
    assert_eq!(node.client().get("/app/page").status, 404);
    std::fs::create_dir_all(folder.path().join("app/site")).expect("a folder");
    folder.write("app/page.html", "<p>page</p>");
    // More than is in memory at a time.
    let large: Vec<u8> = (0..300_000_u32).map(|n| b'a' + (n % 26) as u8).collect();
    folder.write("app/large.bin", &large);
    node.access.send_modify(|access| access.apps = Some(folder.path().join("app")));
    // No token is needed.
    let get = |more: &str| exchange(&node, &format!("{more}Connection: close\r\n\r\n"));
    let page = get("GET /app/page HTTP/1.1\r\n");
    assert!(page.contains("Content-Type: text/html") && page.ends_with("\r\n\r\n<p>page</p>"), "{page}");
    let whole = get("GET /app/large.bin HTTP/1.1\r\n");
    assert!(whole.as_bytes().ends_with(&large), "{} bytes", whole.len());
    let part = get("GET /app/large.bin HTTP/1.1\r\nRange: bytes=70000-200000\r\n");
    assert!(part.starts_with("HTTP/1.1 206") && part.contains("Content-Range: bytes 70000-200000/300000"), "{part}");
    assert!(part.as_bytes().ends_with(&large[70_000..=200_000]));
    let outside = get("GET /app/page HTTP/1.1\r\nRange: bytes=11-\r\n");
    assert!(outside.starts_with("HTTP/1.1 416") && outside.contains("Content-Length: 0"), "{outside}");
    let head = get("HEAD /app/page HTTP/1.1\r\nRange: bytes=2-5\r\n");
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("Content-Length: 11"), "{head}");
    let post = get("POST /app/page HTTP/1.1\r\n");
    assert!(post.starts_with("HTTP/1.1 404"), "{post}");
    let escaped = get("GET /app/%2e%2e/home HTTP/1.1\r\n");
    assert!(escaped.starts_with("HTTP/1.1 404"), "{escaped}");
}

#[test]
fn a_part_of_any_answer_can_be_asked_for() {
    let node = Fake::start();
    let answer = exchange(&node, &get(&node, "Range: bytes=1-\r\nConnection: close\r\n"));
    assert!(answer.starts_with("HTTP/1.1 206") && answer.ends_with("\r\n\r\n]"), "{answer}");
}

#[test]
fn names_that_are_not_this_hosts_and_pages_of_other_sites_are_refused_by_name() {
    let node = Fake::start();
    let ask = |head: &str| exchange(&node, &get(&node, &format!("{head}Connection: close\r\n")));
    for good in ["", "Host: localhost:9993\r\n", "Host: 127.0.0.1\r\n", "Host: [::1]:9993\r\n"] {
        assert!(ask(good).starts_with("HTTP/1.1 200"), "{good}");
    }
    let rebound = ask("Host: rebound.attacker.example:9993\r\n");
    assert!(rebound.starts_with("HTTP/1.1 403") && rebound.contains("settings.allowHosts"), "{rebound}");
    let page = ask("Host: localhost:9993\r\nOrigin: https://attacker.example\r\n");
    assert!(page.starts_with("HTTP/1.1 403"), "{page}");
    assert!(ask("Host: localhost:9993\r\nOrigin: http://localhost:9993\r\n").starts_with("HTTP/1.1 200"));
    assert!(ask("Host: localhost\r\nHost: attacker.example\r\n").starts_with("HTTP/1.1 400"), "which of the two?");
    // What needs no token is protected, too.
    let health = exchange(&node, "GET /health HTTP/1.1\r\nHost: attacker.example\r\nConnection: close\r\n\r\n");
    assert!(health.starts_with("HTTP/1.1 403"), "{health}");
    let absolute = exchange(&node, "GET http://attacker.example/health HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!(absolute.starts_with("HTTP/1.1 403"), "{absolute}");
    let absolute =
        get(&node, "Host: localhost\r\nConnection: close\r\n").replace("GET /", "GET http://localhost:9993/");
    assert!(exchange(&node, &absolute).starts_with("HTTP/1.1 200"), "an absolute target that names this host");
    let old = exchange(&node, &get(&node, "").replace("HTTP/1.1", "HTTP/1.0"));
    assert!(old.contains(" 200 OK"), "no Host at all: {old}");
    let counts = ["foreign host", "foreign origin", "malformed"].map(|reason| refused(&node, reason));
    assert_eq!(counts, [3, 1, 1]);
    node.access.send_modify(|access| access.allow_hosts.push("rebound.attacker.example".to_owned()));
    assert!(ask("Host: rebound.attacker.example:9993\r\n").starts_with("HTTP/1.1 200"), "the operator says so");
}

#[test]
fn the_read_only_token_shows_and_changes_nothing() {
    let node = Fake::start();
    let client = Client::new("127.0.0.1", node.port(), "readtoken");
    for path in ["/status", "/network", "/peer", "/moon", "/planet", "/drops", "/metrics", "/controller/network"] {
        assert_eq!(client.get(path).status, 200, "{path}");
    }
    for path in ["/config", "/trace"] {
        assert_eq!(client.get(path).status, 403, "{path}");
    }
    let refusal = client.post("/network/8056c2e21c000001", "{}");
    assert!(refusal.status == 403 && refusal.body.contains("read-only token"), "{}", refusal.body);
    assert_eq!(client.delete("/network/8056c2e21c000001").status, 403);
    assert!(node.calls().iter().all(|call| call.starts_with("GET ")));
    assert_eq!(refused(&node, "read only"), 4);
    // Nothing that lets somebody in, or that an operator wrote for himself.
    let status = client.get("/status").body;
    assert!(!status.contains("vaultToken") && status.contains("homeDir"), "{status}");
    assert!(node.client().get("/status").body.contains("vaultToken"));
    node.told.lock().expect("no panic").hosted = serde_json::json!({"id": "x", "authTokens": {"letmein": 0}});
    let shown = client.get("/controller/network/8056c2e21c000001").body;
    assert!(!shown.contains("letmein"), "{shown}");
    assert!(node.client().get("/controller/network/8056c2e21c000001").body.contains("letmein"));
}

#[test]
fn requests_that_come_together_are_answered_in_turn_and_what_is_none_ends_the_connection() {
    let node = Fake::start();
    let three = get(&node, "").repeat(2) + &get(&node, "Connection: close\r\n");
    assert_eq!(exchange(&node, &three).matches("HTTP/1.1 200 OK").count(), 3);
    // The fifth is the last, however many come.
    assert_eq!(exchange(&node, &get(&node, "").repeat(9)).matches("HTTP/1.1 200 OK").count(), 5);
    let chunked = format!(
        "POST /network/8056c2e21c000001 HTTP/1.1\r\nX-ZT1-Auth: {}\r\nTransfer-Encoding: chunked\r\n\
         Connection: close\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n",
        node.token()
    );
    assert!(exchange(&node, &chunked).starts_with("HTTP/1.1 200 OK"));
    let before = refused(&node, "malformed");
    for none in ["\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n"] {
        let mut stream = connect(&node);
        stream.write_all(none.as_bytes()).expect("sent");
        let answer = read_all(&mut stream);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    assert_eq!(refused(&node, "malformed"), before + 3);
    let bad_chunk = chunked.replace("2\r\n{}", "zz\r\n{}");
    assert!(!exchange(&node, &bad_chunk).contains(" 200 OK"));
    assert_eq!(node.client().get("/network").status, 200);
}

#[test]
fn ten_thousand_connections_leave_the_interface_to_who_has_a_token() {
    let node = Fake::start();
    // As many at a time as this process may have, of which each is two here.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(4096);
    let together = usize::try_from(limit.saturating_sub(300) / 2).unwrap_or(usize::MAX).clamp(64, 10_000);
    let mut open = std::collections::VecDeque::new();
    for number in 0..10_000 {
        if open.len() >= together {
            open.pop_front();
        }
        let mut stream = connect(&node);
        let begun = ["", "GET /stat", "GET /network HTTP/1.1\r\n\r\n", "\r\n"];
        let _ = stream.write_all(begun[number % 4].as_bytes());
        open.push_back(stream);
        if number % 500 == 499 {
            assert_eq!(node.client().get("/network").status, 200, "after {number}");
        }
    }
    assert!(refused(&node, "gave way") > 5_000);
}
