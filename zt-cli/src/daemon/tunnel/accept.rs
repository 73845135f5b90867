//! What a listener says to a connection until datagrams flow: it finds out what the other end speaks.

use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use zt_crypto::Entropy as _;
use zt_node::OsEntropy;
use zt_wire::tunnel::Stream;
use zt_wire::tunnel::hello::{ENOUGH, First, FlightReader, classify, server_flight};
use zt_wire::tunnel::websocket::Side;

use super::counts::Dropped;
use super::tls::{self, Shown};
use super::upgrade::{LONGEST_HEAD, Request, head_len, read_request};
use super::wire::{Wire, read_until, replayed};

/// Time for all of it.
pub(super) const IN_TIME: Duration = Duration::from_secs(5);
/// What looks like the rest of a server's flight: a short chain of certificates.
const LEAST_NOISE: usize = 900;
const MORE_NOISE: u64 = 600;

/// A connection of which is known what it is.
pub(super) struct Accepted {
    pub(super) wire: Wire,
    pub(super) stream: Stream,
    /// Whom a proxy in front names as the client.
    pub(super) forwarded_for: Option<IpAddr>,
}

/// Finds out what a connection speaks, and answers it.
pub(super) async fn accept(wire: Wire, tls: Option<&Shown>, in_time: Duration) -> Result<Accepted, Dropped> {
    match tokio::time::timeout(in_time, greet(wire, tls)).await {
        Ok(greeted) => greeted,
        Err(_) => Err(Dropped::Slow),
    }
}

async fn greet(mut wire: Wire, tls: Option<&Shown>) -> Result<Accepted, Dropped> {
    let (begin, first) = first_of(&mut wire).await?;
    match first {
        First::Tunnel(length) => tunnel(wire, begin, length).await,
        First::Http => websocket(replayed(begin, wire)).await,
        First::Tls => {
            let shown = tls.ok_or(Dropped::Tls)?;
            let mut wire = tls::accept(replayed(begin, wire), shown).await.map_err(|_| Dropped::Tls)?;
            let mut begin = [0];
            wire.read_exact(&mut begin).await.map_err(|_| Dropped::Cut)?;
            let wire = replayed(begin.to_vec(), wire);
            match begin {
                [b'G'] => websocket(wire).await,
                // Anything else that is no record ends the stream by its name.
                _ => Ok(Accepted { wire, stream: Stream::plain(), forwarded_for: None }),
            }
        }
        First::Stranger | First::More => Err(Dropped::Garbage),
    }
}

/// Reads until it is clear what this is.
async fn first_of(wire: &mut Wire) -> Result<(Vec<u8>, First), Dropped> {
    let mut begin = Vec::with_capacity(ENOUGH);
    loop {
        let mut limited = (&mut *wire).take((ENOUGH - begin.len()) as u64);
        if limited.read_buf(&mut begin).await.map_err(|_| Dropped::Cut)? == 0 {
            return Err(Dropped::Cut);
        }
        match classify(&begin) {
            First::More if begin.len() < ENOUGH => {}
            first => return Ok((begin, first)),
        }
    }
}

async fn tunnel(mut wire: Wire, mut hello: Vec<u8>, length: usize) -> Result<Accepted, Dropped> {
    let begun = hello.len();
    hello.resize(length.max(begun), 0);
    wire.read_exact(&mut hello[begun..]).await.map_err(|_| Dropped::Cut)?;
    let mut random = [0; 64];
    OsEntropy.fill(&mut random);
    let mut noise = vec![0; LEAST_NOISE + usize::try_from(OsEntropy.below(MORE_NOISE)).unwrap_or(0)];
    OsEntropy.fill(&mut noise);
    let flight = server_flight(&hello, &random, &noise).ok_or(Dropped::Garbage)?;
    wire.write_all(&flight).await.map_err(|_| Dropped::Cut)?;
    read_flight(&mut wire, FlightReader::of_client())
        .await
        .map_err(|is_cut| if is_cut { Dropped::Cut } else { Dropped::Garbage })?;
    Ok(Accepted { wire, stream: Stream::plain(), forwarded_for: None })
}

/// Reads the records of a first flight. The error says whether the stream ended.
pub(super) async fn read_flight(wire: &mut Wire, mut flight: FlightReader) -> Result<(), bool> {
    loop {
        let mut header = [0; 5];
        wire.read_exact(&mut header).await.map_err(|_| true)?;
        let mut body = vec![0; flight.header(header).map_err(|_| false)?];
        wire.read_exact(&mut body).await.map_err(|_| true)?;
        if flight.body(&body).map_err(|_| false)? {
            return Ok(());
        }
    }
}

async fn websocket(mut wire: Wire) -> Result<Accepted, Dropped> {
    let read = read_until(&mut wire, LONGEST_HEAD, head_len).await.map_err(|_| Dropped::Cut)?;
    let Some((head, rest)) = read else { return Err(Dropped::Garbage) };
    match read_request(&head) {
        Request::Upgrade { answer, forwarded_for } => {
            wire.write_all(answer.as_bytes()).await.map_err(|_| Dropped::Cut)?;
            wire.flush().await.map_err(|_| Dropped::Cut)?;
            Ok(Accepted { wire: replayed(rest, wire), stream: Stream::websocket(Side::Server), forwarded_for })
        }
        Request::Other(answer) => {
            // Who asks in vain may as well have gone.
            let _ = wire.write_all(answer.as_bytes()).await;
            let _ = wire.shutdown().await;
            Err(Dropped::NoWebSocket)
        }
    }
}
