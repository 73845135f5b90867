//! A small blocking client of the local HTTP interface (06 §4, 07 §2.2).

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::daemon::home::STOCK_HOME;
use crate::daemon::http::SOCKET_NAME;
use crate::own_end::is_own_end;

/// Largest answer accepted (07 §2.2).
const MAX_ANSWER: usize = 16 << 20;

/// Largest head of an answer.
const MAX_HEAD: usize = 64 << 10;

/// Longest request line or header line sent (07 §2.2).
const MAX_LINE: usize = 1023;

/// Longest silence of the service (07 §2.2).
const IDLE: Duration = Duration::from_secs(60);

/// Where the service of the usual home folder has its socket besides, when a service manager gave it the folder.
const RUNTIME: &str = "/run/zt";

/// Where and with which token to ask.
#[derive(Clone, Debug)]
pub struct Client {
    host: String,
    port: u16,
    token: String,
    strict: bool,
    socket: Option<PathBuf>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status, 0 if there was no answer.
    pub status: u16,
    /// Body; without an answer the reason in the original's words (07 §2.2).
    pub body: String,
}

impl Client {
    /// A client of the service at an IP address.
    pub fn new(host: impl Into<String>, port: u16, token: impl Into<String>) -> Self {
        Self { host: host.into(), port, token: token.into(), strict: false, socket: None }
    }

    /// Asks by a socket in the file system, where the service knows who asks, as long as it can be opened; else by the port.
    #[must_use]
    pub fn by_socket(mut self, path: PathBuf) -> Self {
        self.socket = Some(path);
        self
    }

    /// Asks the controller to refuse fields that it would not take as written. Other services do not know this.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// `GET path`.
    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, None)
    }

    /// `POST path` with a JSON text.
    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.request("POST", path, Some(body))
    }

    /// `DELETE path`.
    pub fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path, None)
    }

    /// One request on a connection of its own.
    pub fn request(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        let failed = |reason: &str| Answer { status: 0, body: reason.to_owned() };
        let line = format!("{method} {path} HTTP/1.1");
        let token = format!("X-ZT1-Auth: {}", self.token);
        if line.len() > MAX_LINE || token.len() > MAX_LINE || path.contains(['\r', '\n', ' ']) {
            return failed("request too large");
        }
        let mut request = format!("{line}\r\n");
        if let Some(body) = body {
            request += &format!("Content-Length: {}\r\nContent-Type: application/json\r\n", body.len());
        }
        if self.strict {
            request += "X-ZT-Strict: 1\r\n";
        }
        request += &format!("{token}\r\n\r\n{}", body.unwrap_or_default());
        let exchanged = match self.socket.as_ref().and_then(|path| UnixStream::connect(path).ok()) {
            Some(mut stream) => {
                let timed = stream.set_read_timeout(Some(IDLE)).and_then(|()| stream.set_write_timeout(Some(IDLE)));
                timed.and_then(|()| exchange(&mut stream, request.as_bytes()))
            }
            None => match self.connect() {
                Ok(mut stream) => exchange(&mut stream, request.as_bytes()),
                Err(reason) => return failed(reason),
            },
        };
        match exchanged {
            Ok(answer) => answer,
            Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => failed("timed out"),
            Err(_) => failed(""),
        }
    }

    fn connect(&self) -> Result<TcpStream, &'static str> {
        let ip = self.host.parse::<IpAddr>().map_err(|_| "connection failed (2)")?;
        let stream =
            TcpStream::connect_timeout(&SocketAddr::new(ip, self.port), IDLE).map_err(|error| match error.kind() {
                ErrorKind::ConnectionRefused => "connection failed",
                ErrorKind::TimedOut => "timed out",
                _ => "connection failed (2)",
            })?;
        if is_own_end(&stream) {
            return Err("connection failed");
        }
        let timed = stream.set_read_timeout(Some(IDLE)).and_then(|()| stream.set_write_timeout(Some(IDLE)));
        timed.map_err(|_| "")?;
        Ok(stream)
    }
}

/// The socket of a node's home, if somebody listens there.
pub fn socket_of(home: &Path) -> Option<PathBuf> {
    let usual = (home == Path::new(STOCK_HOME)).then(|| Path::new(RUNTIME).join(SOCKET_NAME));
    [home.join(SOCKET_NAME)].into_iter().chain(usual).find(|path| UnixStream::connect(path).is_ok())
}

fn exchange(stream: &mut (impl Read + Write), request: &[u8]) -> io::Result<Answer> {
    stream.write_all(request)?;
    let mut received = Vec::new();
    let mut chunk = vec![0; 16 << 10];
    loop {
        let n = stream.read(&mut chunk)?;
        received.extend_from_slice(&chunk[..n]);
        if received.len() > MAX_ANSWER {
            return Err(ErrorKind::InvalidData.into());
        }
        let Some(head) = Head::parse(&received)? else {
            if n == 0 || received.len() > MAX_HEAD {
                return Err(ErrorKind::InvalidData.into());
            }
            continue;
        };
        let body = &received[head.len..];
        match head.body_len {
            Some(len) if body.len() >= len => return Ok(head.answer(&body[..len])),
            None if n == 0 => return Ok(head.answer(body)),
            Some(_) if n == 0 => return Err(ErrorKind::UnexpectedEof.into()),
            _ => {}
        }
    }
}

/// Head of an answer.
struct Head {
    len: usize,
    status: u16,
    body_len: Option<usize>,
}

impl Head {
    fn parse(received: &[u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let bad = |_| io::Error::from(ErrorKind::InvalidData);
        let httparse::Status::Complete(len) = response.parse(received).map_err(bad)? else { return Ok(None) };
        let status = response.code.unwrap_or(0);
        let length = response.headers.iter().find(|h| h.name.eq_ignore_ascii_case("content-length"));
        let body_len = length.and_then(|h| std::str::from_utf8(h.value).ok()?.trim().parse().ok());
        if body_len.is_some_and(|n| n > MAX_ANSWER) {
            return Err(ErrorKind::InvalidData.into());
        }
        Ok(Some(Self { len, status, body_len }))
    }

    fn answer(&self, body: &[u8]) -> Answer {
        Answer { status: self.status, body: String::from_utf8_lossy(body).into_owned() }
    }
}
