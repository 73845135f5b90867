//! `http-api.json`: requests to the local HTTP interface, sent over a socket to the daemon's server, with a stand-in for
//! the node behind it. Status line, headers and body are compared byte by byte.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use zt_cli::daemon::http::{Access, Caller, ControllerReply, Shared, Way, serve_connection};

use crate::service::{Service, mtu_error, read};
use crate::{Case, Suite, same, text};

/// The suite.
pub(crate) const SUITE: Suite = Suite { file: "http-api.json", expected: 150, cases, alter };

fn cases(file: &Value) -> Vec<Case> {
    let all = file["cases"].as_array().expect("a list of cases");
    let mut cases = Vec::new();
    for (number, case) in all.iter().enumerate() {
        let (state, description) = (text(case, "state"), text(case, "description"));
        let tokens = tokens(all, state);
        let case = case.clone();
        cases.push(Case::new(format!("{number} {description}"), move || run(&case, &tokens)));
    }
    cases
}

fn alter(file: &mut Value) {
    file["cases"][60]["response"]["body"] = Value::from("[ ]");
}

/// Control and metrics token of the node in a state, as its accepted requests show.
fn tokens(cases: &[Value], state: &str) -> (String, String) {
    let accepted = |metrics: bool| {
        let found = cases.iter().filter(|case| text(case, "state") == state && case["response"]["status"] != 401);
        let found = found.filter(move |case| (case["request"]["path"] == "/metrics") == metrics);
        found.filter_map(|case| case["request"]["headers"]["X-ZT1-Auth"].as_str())
    };
    let control = accepted(false).next().unwrap_or("none").to_owned();
    let metrics = accepted(true).find(|token| *token != control).unwrap_or("none").to_owned();
    (control, metrics)
}

/// Who asked, where that matters.
fn caller(description: &str) -> Caller {
    let other = IpAddr::V4(Ipv4Addr::new(88, 7, 7, 4));
    let (address, way) = match description {
        "IPv6 loopback" | "Quirk: DELETE /moon on the IPv6 listener is an unknown path" => {
            (IpAddr::V6(Ipv6Addr::LOCALHOST), Way::Ip6)
        }
        "NEGATIVE: own non-loopback address is not a management source"
        | "metrics: no source address check"
        | "NEGATIVE: health from a non-loopback source" => (other, Way::Ip4),
        _ if description.contains("non-loopback") => (other, Way::Ip4),
        _ => (IpAddr::V4(Ipv4Addr::LOCALHOST), Way::Ip4),
    };
    Caller { address, at: None, way }
}

/// A node which holds what the recorded answer shows.
fn service(case: &Value) -> Result<Service, String> {
    let (request, response) = (&case["request"], &case["response"]);
    let path = text(request, "path").split('?').next().unwrap_or_default().replace("%73", "s");
    let body = text(response, "body");
    // A wrapped answer holds the same object.
    let plain = body.strip_prefix("cb(").and_then(|b| b.strip_suffix(");")).unwrap_or(body);
    let json: Value = serde_json::from_str(plain).unwrap_or_default();
    let mut service = Service { config: json.clone(), metrics: body.to_owned(), ..Service::default() };
    let listed = |value: &Value| -> Vec<Value> {
        let items = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        items.into_iter().filter(|item| item.as_object().is_some_and(|o| !o.is_empty())).collect()
    };
    match path.split('/').nth(1).unwrap_or_default() {
        "status" | "STATUS" if json.is_object() => service.status = Some(json),
        "status" => service.status = Some(example_status()),
        "health" => {
            let mut status = example_status();
            for (key, value) in json.as_object().into_iter().flatten() {
                status[key] = value.clone();
            }
            service.status = Some(status);
        }
        "network" => {
            for item in listed(&json).iter().filter(|item| item.get("id").is_some()) {
                service.networks.push(read(item)?);
            }
            service.joined = service.networks.first().cloned();
            service.left = json.get("result") == Some(&Value::Bool(true));
        }
        "peer" => {
            for item in listed(&json) {
                service.peers.push(read(&item)?);
            }
        }
        "bond" => {
            for item in listed(&json) {
                service.peers.push(read(&item)?);
            }
            service.rotates = response["status"] == 200;
            service.bond_mtu = mtu_error(body);
        }
        "moon" => {
            for item in listed(&json).iter().filter(|item| item.get("id").is_some()) {
                service.moons.push(read(item)?);
            }
        }
        "controller" | "unstable" => {
            let status = response["status"].as_u64().and_then(|s| u16::try_from(s).ok()).unwrap_or(0);
            service.controller = Some(ControllerReply { status, body: plain.to_owned() });
        }
        _ => {}
    }
    Ok(service)
}

/// Any status, where a case does not record its own.
fn example_status() -> Value {
    crate::load("http-api.json")["cases"][0]["response"]["json"].clone()
}

fn run(case: &Value, tokens: &(String, String)) -> Result<(), String> {
    // Deliberate: answers are script where the operator says so only (06 §4.3).
    let access =
        Access { control_token: tokens.0.clone(), metrics_token: tokens.1.clone(), jsonp: true, ..Access::default() };
    let is_head = case["request"]["method"] == "HEAD";
    let request = request(&case["request"]);
    let (received, service) = ask(service(case)?, access, caller(text(case, "description")), &request, is_head)?;
    compare(&case["response"], &received, is_head)?;
    controller_saw(case, &service)
}

/// Head and body of the answer to a request that comes over a socket, and the node behind it afterwards.
pub(crate) fn ask(
    service: Service,
    access: Access,
    caller: Caller,
    request: &str,
    is_head: bool,
) -> Result<((String, String), Service), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (_sender, receiver) = watch::channel(access);
    let shared = Shared::new(service, receiver);
    let received = runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let server = async {
            let (stream, _) = listener.accept().await.expect("a connection");
            serve_connection(shared.clone(), stream, caller).await;
        };
        let client = async {
            let mut stream = TcpStream::connect(address).await.expect("a connection");
            stream.write_all(request.as_bytes()).await.expect("room for a request");
            read_answer(&mut stream, is_head).await
        };
        tokio::join!(server, client).1
    })?;
    let shared = Arc::try_unwrap(shared).map_err(|_| "the connection is not over".to_owned())?;
    Ok((received, shared.backend))
}

fn request(request: &Value) -> String {
    let mut out = format!("{} {} HTTP/1.1\r\n", text(request, "method"), text(request, "path"));
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        out += &format!("{name}: {}\r\n", value.as_str().unwrap_or_default());
    }
    let body = request["body"].as_str();
    if let Some(body) = body {
        out += &format!("Content-Length: {}\r\n", body.len());
    }
    out + "\r\n" + body.unwrap_or_default()
}

/// Head and body of an answer.
async fn read_answer(stream: &mut TcpStream, is_head: bool) -> Result<(String, String), String> {
    let mut received = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&received).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse::<usize>().ok());
            if is_head || length.is_some_and(|n| body.len() >= n) {
                return Ok((head.to_owned(), body.to_owned()));
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(n) if n > 0 => received.extend_from_slice(&chunk[..n]),
            _ => return Err(format!("the answer ends early: {text:?}")),
        }
    }
}

fn compare(recorded: &Value, (head, body): &(String, String), is_head: bool) -> Result<(), String> {
    let mut lines = head.split("\r\n").map(str::to_owned);
    same("status line", &lines.next().unwrap_or_default(), &text(recorded, "status_line").to_owned())?;
    let wanted = text(recorded, "body");
    // The text behind the position is the parser's own.
    let error = wanted.find("column 2: ").map(|at| at + "column 2: ".len());
    match error {
        Some(end) => same("body", &body.get(..end), &wanted.get(..end))?,
        None => same("body", &body.as_str(), &wanted)?,
    }
    let mut headers: Vec<String> = lines.collect();
    let list = recorded["headers"].as_array().cloned().unwrap_or_default();
    let mut wanted_headers: Vec<String> = list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if recorded["body_has_placeholder"] == true || error.is_some() || is_head {
        // The length is that of another body; ours is checked by having read it.
        let blank = |line: &mut String| {
            if line.starts_with("Content-Length: ") {
                line.truncate("Content-Length: ".len());
            }
        };
        headers.iter_mut().for_each(blank);
        wanted_headers.iter_mut().for_each(blank);
    }
    same("headers", &headers, &wanted_headers)
}

/// A request for the controller must reach it as it was sent.
fn controller_saw(case: &Value, service: &Service) -> Result<(), String> {
    let request = &case["request"];
    let path = text(request, "path");
    if !path.starts_with("/controller") && !path.starts_with("/unstable") {
        return Ok(());
    }
    let wanted = format!("{} {path} {}", text(request, "method"), request["body"].as_str().unwrap_or_default());
    let calls = service.calls.lock().expect("no test panics while it holds this").clone();
    same("what the controller saw", &calls, &vec![wanted])
}
