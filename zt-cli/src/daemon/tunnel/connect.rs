//! What a member says until datagrams flow, and how it finds the way that works: several ways are tried, each a moment after
//! the one before, and the first that answers as a root's listener does is taken.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use thiserror::Error;
use tokio::io::AsyncWriteExt as _;
use tokio::net::lookup_host;
use tokio::task::JoinSet;
use zt_crypto::Entropy as _;
use zt_node::OsEntropy;
use zt_wire::tunnel::Stream;
use zt_wire::tunnel::hello::{FlightReader, client_finish, client_hello};
use zt_wire::tunnel::websocket::Side;

use super::accept::read_flight;
use super::proxy::Proxy;
use super::target::{Scheme, Target};
use super::tls;
use super::upgrade::{AnswerError, LONGEST_HEAD, head_len, read_answer, read_connected, request};
use super::wire::{self, Wire, read_until, replayed};

/// Between the begins of two attempts, unless the first fails before.
const APART: Duration = Duration::from_millis(250);
/// Time for one attempt.
const IN_TIME: Duration = Duration::from_secs(5);
/// Addresses of a name that are tried.
const MOST_ADDRESSES: usize = 4;
/// What ends a client's flight in TLS 1.3 with SHA-256.
const FINISH: usize = 53;

/// One way to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) target: Target,
    pub(super) proxy: Option<Proxy>,
    /// Address of ours to connect from.
    pub(super) from: Option<IpAddr>,
}

/// Why a way does not lead there.
#[derive(Debug, Error)]
pub(super) enum ConnectError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Answer(#[from] AnswerError),
    #[error("the other end does not speak the tunnel's protocol")]
    NotATunnel,
    #[error("the name has no address")]
    NoAddress,
    #[error("no answer in time")]
    Slow,
}

/// Tries the ways in turn, until one works. The error is that of the first: what was configured comes first.
pub(super) async fn connect(attempts: Vec<Attempt>) -> Result<(Wire, Stream, Target), (Target, ConnectError)> {
    let mut running = JoinSet::new();
    let mut waiting = attempts.into_iter().enumerate();
    let mut first_failure: Option<(usize, Target, ConnectError)> = None;
    let mut start = |running: &mut JoinSet<_>| {
        let next = waiting.next();
        next.map(|(number, attempt)| {
            running.spawn(async move {
                let tried = tokio::time::timeout(IN_TIME, try_one(&attempt)).await;
                (number, attempt.target, tried.unwrap_or(Err(ConnectError::Slow)))
            });
        })
    };
    let mut more = start(&mut running).is_some();
    loop {
        let done = match more {
            true => tokio::time::timeout(APART, running.join_next()).await,
            false => Ok(running.join_next().await),
        };
        match done {
            Ok(Some(Ok((_, target, Ok((wire, stream)))))) => return Ok((wire, stream, target)),
            Ok(Some(Ok((number, target, Err(error))))) => {
                if first_failure.as_ref().is_none_or(|(before, ..)| number < *before) {
                    first_failure = Some((number, target, error));
                }
            }
            // A task that was ended from outside says nothing.
            Ok(Some(Err(_))) | Err(_) => {}
            Ok(None) if !more => {
                let (_, target, error) = first_failure.unwrap_or_else(|| {
                    let nowhere = Target::at(Scheme::Tcp, IpAddr::from([0, 0, 0, 0]), 0);
                    (0, nowhere, ConnectError::NoAddress)
                });
                return Err((target, error));
            }
            Ok(None) => {}
        }
        more = more && start(&mut running).is_some();
    }
}

async fn try_one(attempt: &Attempt) -> Result<(Wire, Stream), ConnectError> {
    let Attempt { target, proxy, from } = attempt;
    let mut wire = match proxy {
        None => reach(&target.host, target.port, *from).await?,
        Some(proxy) => through(proxy, &target.authority(), *from).await?,
    };
    if target.scheme.is_tls() {
        wire = tls::connect(wire, &target.host, target.trust).await?;
    }
    match target.scheme {
        Scheme::Tls => Ok((wire, Stream::plain())),
        Scheme::Tcp => pseudo_tls(wire, &target.host).await,
        Scheme::Ws | Scheme::Wss => websocket(wire, target).await,
    }
}

/// Connects to a host.
async fn reach(host: &str, port: u16, from: Option<IpAddr>) -> Result<Wire, ConnectError> {
    let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => lookup_host((host, port)).await?.take(MOST_ADDRESSES).collect(),
    };
    let mut failure = ConnectError::NoAddress;
    for address in addresses {
        match wire::connect(address, from).await {
            Ok(stream) => return Ok(Box::new(stream)),
            Err(error) => failure = error.into(),
        }
    }
    Err(failure)
}

/// Lets a proxy connect.
async fn through(proxy: &Proxy, authority: &str, from: Option<IpAddr>) -> Result<Wire, ConnectError> {
    let mut wire = reach(&proxy.host, proxy.port, from).await?;
    if let Some(trust) = proxy.tls {
        wire = tls::connect(wire, &proxy.host, trust).await?;
    }
    wire.write_all(proxy.request(authority).as_bytes()).await?;
    wire.flush().await?;
    let (head, rest) = head_of(&mut wire).await?;
    read_connected(&head)?;
    Ok(replayed(rest, wire))
}

async fn head_of(wire: &mut Wire) -> Result<(Vec<u8>, Vec<u8>), ConnectError> {
    Ok(read_until(wire, LONGEST_HEAD, head_len).await?.ok_or(AnswerError::NotHttp)?)
}

async fn pseudo_tls(mut wire: Wire, host: &str) -> Result<(Wire, Stream), ConnectError> {
    let mut random = [0; 64];
    OsEntropy.fill(&mut random);
    // As browsers do, a name is told and an address is not.
    let hello = client_hello(&random, Some(host).filter(|host| host.parse::<IpAddr>().is_err()));
    wire.write_all(&hello).await?;
    let flight = FlightReader::of_server(&hello).map_err(|_| ConnectError::NotATunnel)?;
    read_flight(&mut wire, flight).await.map_err(|_| ConnectError::NotATunnel)?;
    let mut noise = [0; FINISH];
    OsEntropy.fill(&mut noise);
    wire.write_all(&client_finish(&noise)).await?;
    Ok((wire, Stream::plain()))
}

async fn websocket(mut wire: Wire, target: &Target) -> Result<(Wire, Stream), ConnectError> {
    let mut key = [0; 16];
    OsEntropy.fill(&mut key);
    wire.write_all(request(&target.host_field(), &target.path, key).as_bytes()).await?;
    wire.flush().await?;
    let (head, rest) = head_of(&mut wire).await?;
    read_answer(&head, key)?;
    Ok((replayed(rest, wire), Stream::websocket(Side::Client)))
}
