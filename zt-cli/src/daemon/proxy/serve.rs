//! The clients of the proxies: from the first byte to the connection that is carried.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::associate::associate;
use super::http_proxy::{self, BadHead};
use super::names::look_up;
use super::refused::{Refusal, Refused};
use super::socks5::{self, Answer, Read, Verb};
use super::target::Target;
use crate::userspace::{self, Ports};

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest request of SOCKS5: an offer of 255 methods, or user and password of 255 bytes.
const MAX_SOCKS: usize = 1024;

/// What all clients share.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) ports: Ports,
    pub(super) refused: Refused,
    /// User and password, where they are asked for.
    pub(super) access: Option<Arc<(String, String)>>,
}

/// Why a client was not served; it was told what its protocol has for that.
type Served = Result<(), Refusal>;

impl Service {
    /// Serves a client of the SOCKS5 proxy.
    pub(super) async fn socks5(self, client: TcpStream) {
        self.tell(self.serve_socks5(client).await);
    }

    /// Serves a client of the HTTP proxy.
    pub(super) async fn http(self, client: TcpStream) {
        self.tell(self.serve_http(client).await);
    }

    fn tell(&self, served: Served) {
        if let Err(refusal) = served {
            self.refused.count(refusal);
        }
    }

    /// Connects to where a client wants to go.
    pub(super) async fn connect(&self, target: &Target) -> Result<userspace::TcpStream, Refusal> {
        let ip = look_up(&self.ports, &target.host).await.ok_or(Refusal::NoName)?;
        let port = self.ports.to(ip).ok_or(Refusal::NoNetwork)?;
        let remote = SocketAddr::new(ip, target.port);
        port.connect(remote).await.map_err(|error| match error.kind() {
            io::ErrorKind::ResourceBusy => Refusal::NoPlace,
            io::ErrorKind::AddrNotAvailable => Refusal::NoNetwork,
            _ => Refusal::NoAnswer,
        })
    }

    async fn serve_socks5(&self, mut client: TcpStream) -> Served {
        let mut buffer = Vec::new();
        let asked = tokio::time::timeout(PATIENCE, self.ask_socks5(&mut client, &mut buffer)).await;
        let (verb, target) = asked.map_err(|_| Refusal::SlowRequest)??;
        let nowhere = SocketAddr::new(IpAddr::from([0, 0, 0, 0]), 0);
        let (answer, refusal) = match (verb, target) {
            (Verb::Connect, Some(target)) if target.port != 0 => match self.connect(&target).await {
                Ok(net) => {
                    let granted = socks5::answer(Answer::Granted, net.local());
                    client.write_all(&granted).await.map_err(|_| Refusal::BadRequest)?;
                    return carry(net, client, &buffer).await;
                }
                Err(refusal) => (answer_for(refusal), refusal),
            },
            (Verb::Associate, _) => return associate(self, client).await,
            (Verb::Connect, _) => (Answer::UnknownAddress, Refusal::BadRequest),
            (Verb::Other, _) => (Answer::UnknownCommand, Refusal::BadCommand),
        };
        let _ = client.write_all(&socks5::answer(answer, nowhere)).await;
        Err(refusal)
    }

    /// Methods, user and password, and the request; what came behind stays in `buffer`.
    async fn ask_socks5(
        &self,
        client: &mut TcpStream,
        buffer: &mut Vec<u8>,
    ) -> Result<(Verb, Option<Target>), Refusal> {
        let wants_password = self.access.is_some();
        let method = read(client, buffer, |bytes| socks5::greeting(bytes, wants_password)).await?;
        let gone = |_| Refusal::BadRequest;
        client.write_all(&[5, method.unwrap_or(0xff)]).await.map_err(gone)?;
        if method.is_none() {
            return Err(Refusal::NoAccess);
        }
        if wants_password {
            let (user, password) = read(client, buffer, socks5::credentials).await?;
            let good = self.lets_in(&user, &password);
            client.write_all(&[1, u8::from(!good)]).await.map_err(gone)?;
            if !good {
                return Err(Refusal::NoAccess);
            }
        }
        read(client, buffer, socks5::request).await
    }

    fn lets_in(&self, user: &[u8], password: &[u8]) -> bool {
        self.access.as_ref().is_none_or(|access| {
            let same = user.ct_eq(access.0.as_bytes()) & password.ct_eq(access.1.as_bytes());
            bool::from(same)
        })
    }

    async fn serve_http(&self, mut client: TcpStream) -> Served {
        let mut buffer = Vec::new();
        let head = tokio::time::timeout(PATIENCE, read_head(&mut client, &mut buffer)).await;
        let (refusal, status, reason) = match head.unwrap_or(Err(Refusal::SlowRequest)) {
            Ok(head) if !self.lets_in_http(head.authorization.as_deref()) => {
                (Refusal::NoAccess, 407, "Proxy Authentication Required")
            }
            Ok(head) => match self.connect(&head.target).await {
                Ok(mut net) => {
                    let rest = buffer.split_off(head.len);
                    match &head.forwarded {
                        None => client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await,
                        Some(forwarded) => net.write_all(forwarded).await,
                    }
                    .map_err(|_| Refusal::NoAnswer)?;
                    return carry(net, client, &rest).await;
                }
                Err(refusal @ (Refusal::NoName | Refusal::NoNetwork)) => (refusal, 502, "Bad Gateway"),
                Err(refusal) => (refusal, 504, "Gateway Timeout"),
            },
            Err(refusal @ Refusal::SlowRequest) => (refusal, 408, "Request Timeout"),
            Err(refusal @ Refusal::LargeHead) => (refusal, 431, "Request Header Fields Too Large"),
            Err(refusal) => (refusal, 400, "Bad Request"),
        };
        let _ = client.write_all(http_proxy::answer(status, reason, refusal.name()).as_bytes()).await;
        Err(refusal)
    }

    fn lets_in_http(&self, authorization: Option<&str>) -> bool {
        if self.access.is_none() {
            return true;
        }
        let encoded = authorization.and_then(|text| text.trim().strip_prefix("Basic "));
        let pair = encoded.and_then(|text| STANDARD.decode(text.trim()).ok()).unwrap_or_default();
        let at = pair.iter().position(|byte| *byte == b':').unwrap_or(pair.len());
        self.lets_in(&pair[..at], pair.get(at + 1..).unwrap_or_default())
    }
}

/// Carries a connection; what the client sent with its request goes first.
async fn carry(mut net: userspace::TcpStream, client: TcpStream, first: &[u8]) -> Served {
    let _ = client.set_nodelay(true);
    if !first.is_empty() {
        net.write_all(first).await.map_err(|_| Refusal::NoAnswer)?;
    }
    // How it ended is the business of both ends.
    let _ = net.join(client).await;
    Ok(())
}

fn answer_for(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::NoName => Answer::HostUnreachable,
        Refusal::NoNetwork => Answer::NetworkUnreachable,
        Refusal::NoAnswer => Answer::Refused,
        _ => Answer::Failed,
    }
}

/// Reads until `parse` has what it looks for, and takes that from the buffer.
async fn read<T>(client: &mut TcpStream, buffer: &mut Vec<u8>, parse: impl Fn(&[u8]) -> Read<T>) -> Result<T, Refusal> {
    loop {
        match parse(buffer) {
            Read::Done(value, len) => {
                buffer.drain(..len);
                return Ok(value);
            }
            Read::Bad => return Err(Refusal::BadRequest),
            Read::More if buffer.len() >= MAX_SOCKS => return Err(Refusal::LargeHead),
            Read::More => fill(client, buffer).await?,
        }
    }
}

async fn read_head(client: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<http_proxy::Head, Refusal> {
    loop {
        match http_proxy::head(buffer) {
            Ok(Some(head)) => return Ok(head),
            Ok(None) => fill(client, buffer).await?,
            Err(BadHead::Large) => return Err(Refusal::LargeHead),
            Err(BadHead::Bad) => return Err(Refusal::BadRequest),
        }
    }
}

async fn fill(client: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut chunk = [0; 1024];
    match client.read(&mut chunk).await {
        Ok(count) if count > 0 => {
            buffer.extend_from_slice(&chunk[..count]);
            Ok(())
        }
        _ => Err(Refusal::BadRequest),
    }
}
