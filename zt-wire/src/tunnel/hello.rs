//! The first bytes of a tunnel: what a browser and a web server would say in TLS 1.3, so that what looks at them lets them
//! pass ("pseudo-TLS"). There is no TLS behind it, and no secret.
//!
//! ```text
//! client   ClientHello, its session ID computed from its random number
//! server   ServerHello with that session ID, ChangeCipherSpec, one record of random bytes
//! client   ChangeCipherSpec, one record of random bytes
//! both     records with datagrams
//! ```
//!
//! A server that speaks real TLS as well tells the two apart by the session ID, which a real client draws at random.

use alloc::vec::Vec;
use core::fmt;

/// Bytes of a ClientHello that tell whose it is.
pub const ENOUGH: usize = SESSION + ID;
/// Longest ClientHello of a tunnel that is read.
const LONGEST_HELLO: usize = 2048;
/// Longest record of random bytes that is read.
const LONGEST_NOISE: usize = 4096;

const RECORD: usize = 5;
const HANDSHAKE: u8 = 0x16;
const CHANGE_CIPHER: u8 = 0x14;
const DATA: u8 = 0x17;
/// Bytes of a random number, a session ID and a key.
const ID: usize = 32;
/// Where the random number stands, behind the headers of record and message and a version.
const RANDOM: usize = RECORD + 4 + 2;
/// Where the session ID stands, behind its length.
const SESSION: usize = RANDOM + ID + 1;

/// What a stream begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// More bytes are needed to tell.
    More,
    /// The ClientHello of a tunnel: its record has this many bytes, header and all.
    Tunnel(usize),
    /// The ClientHello of somebody who speaks TLS.
    Tls,
    /// A request of HTTP.
    Http,
    /// Nothing that we know.
    Stranger,
}

/// This is not the other end of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotATunnel;

impl fmt::Display for NotATunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the other end does not speak the tunnel's protocol")
    }
}

impl core::error::Error for NotATunnel {}

/// Tells by its first bytes what a stream is.
#[must_use]
pub fn classify(begin: &[u8]) -> First {
    let differs = |at: usize, byte: u8| begin.get(at).is_some_and(|b| *b != byte);
    match begin.first() {
        None => First::More,
        Some(b'G') => match begin.iter().zip(b"GET ").all(|(a, b)| a == b) {
            true if begin.len() >= 4 => First::Http,
            true => First::More,
            false => First::Stranger,
        },
        Some(&HANDSHAKE) => {
            if differs(1, 3) || differs(RECORD, 1) {
                return First::Stranger;
            }
            if differs(SESSION - 1, ID as u8) {
                return First::Tls;
            }
            let Some(session) = begin.get(SESSION..ENOUGH) else { return First::More };
            let length = RECORD + usize::from(u16::from_be_bytes([begin[3], begin[4]]));
            let is_ours = session == session_id(&begin[RANDOM..RANDOM + ID]);
            match is_ours && (ENOUGH..=LONGEST_HELLO).contains(&length) {
                true => First::Tunnel(length),
                false => First::Tls,
            }
        }
        Some(_) => First::Stranger,
    }
}

/// The session ID that goes with a random number: SplitMix64, four times.
fn session_id(random: &[u8]) -> [u8; ID] {
    let mut id = [0; ID];
    let mut state = 0x7a74_2074_756e_6e65_u64;
    for (out, word) in id.chunks_exact_mut(8).zip(random.chunks_exact(8)) {
        let word = word.iter().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
        state = (state ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        out.copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes());
    }
    id
}

/// The ClientHello of a tunnel. `random` is 64 random bytes, `name` the host that is asked for, if there is one.
#[must_use]
pub fn client_hello(random: &[u8; 64], name: Option<&str>) -> Vec<u8> {
    let (random, key) = random.split_at(ID);
    let mut body = Vec::from([3, 3]);
    body.extend_from_slice(random);
    sized(1, &mut body, |b| b.extend_from_slice(&session_id(random)));
    let suites = [0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8_u16];
    sized(2, &mut body, |b| suites.iter().for_each(|suite| b.extend_from_slice(&suite.to_be_bytes())));
    body.extend_from_slice(&[1, 0]);
    sized(2, &mut body, |b| {
        if let Some(name) = name {
            let name = &name.as_bytes()[..name.len().min(255)];
            extension(0, b, |e| {
                sized(2, e, |list| {
                    list.push(0);
                    sized(2, list, |n| n.extend_from_slice(name));
                });
            });
        }
        extension(0x17, b, |_| {});
        extension(0xff01, b, |e| e.push(0));
        extension(10, b, |e| e.extend_from_slice(&[0, 6, 0, 0x1d, 0, 0x17, 0, 0x18]));
        extension(11, b, |e| e.extend_from_slice(&[1, 0]));
        extension(35, b, |_| {});
        extension(16, b, |e| e.extend_from_slice(b"\x00\x0c\x02h2\x08http/1.1"));
        extension(5, b, |e| e.extend_from_slice(&[1, 0, 0, 0, 0]));
        let signatures = [4, 3, 8, 4, 4, 1, 5, 3, 8, 5, 5, 1, 8, 6, 6, 1];
        extension(13, b, |e| sized(2, e, |list| list.extend_from_slice(&signatures)));
        extension(51, b, |e| sized(2, e, |list| key_share(key, list)));
        extension(45, b, |e| e.extend_from_slice(&[1, 1]));
        extension(43, b, |e| e.extend_from_slice(&[4, 3, 4, 3, 3]));
    });
    message(1, 1, &body)
}

/// The server's answer to a ClientHello that [`classify`] knows: `hello` is its record, `random` 64 random bytes, `noise`
/// what looks like the rest of a handshake. `None`: that was no ClientHello of a tunnel.
#[must_use]
pub fn server_flight(hello: &[u8], random: &[u8; 64], noise: &[u8]) -> Option<Vec<u8>> {
    let session = hello.get(SESSION..ENOUGH)?;
    let (random, key) = random.split_at(ID);
    let mut body = Vec::from([3, 3]);
    body.extend_from_slice(random);
    sized(1, &mut body, |b| b.extend_from_slice(session));
    body.extend_from_slice(&[0x13, 1, 0]);
    sized(2, &mut body, |b| {
        extension(43, b, |e| e.extend_from_slice(&[3, 4]));
        extension(51, b, |e| key_share(key, e));
    });
    let mut flight = message(2, 3, &body);
    flight.extend_from_slice(&client_finish(noise));
    Some(flight)
}

/// What the client says when it has heard the server: `noise` are random bytes.
#[must_use]
pub fn client_finish(noise: &[u8]) -> Vec<u8> {
    let noise = &noise[..noise.len().min(LONGEST_NOISE)];
    let mut flight = Vec::from([CHANGE_CIPHER, 3, 3, 0, 1, 1, DATA, 3, 3]);
    sized(2, &mut flight, |b| b.extend_from_slice(noise));
    flight
}

/// Reads the other end's part of the first flights, record by record: a header, then a body of the length it told.
#[derive(Debug)]
pub struct FlightReader {
    /// The session ID that a ServerHello has to repeat, until it did.
    session: Option<[u8; ID]>,
    awaited: u8,
}

impl FlightReader {
    /// For a client that sent this ClientHello.
    ///
    /// # Errors
    /// It is none of [`client_hello`].
    pub fn of_server(hello: &[u8]) -> Result<Self, NotATunnel> {
        let session = hello.get(SESSION..ENOUGH).and_then(|id| id.try_into().ok());
        Ok(Self { session: Some(session.ok_or(NotATunnel)?), awaited: HANDSHAKE })
    }

    /// For a server that has sent its flight.
    #[must_use]
    pub const fn of_client() -> Self {
        Self { session: None, awaited: CHANGE_CIPHER }
    }

    /// Takes the header of a record, and tells how long its body is.
    ///
    /// # Errors
    /// That is not what a tunnel says.
    pub fn header(&self, header: [u8; RECORD]) -> Result<usize, NotATunnel> {
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        let fits = match self.awaited {
            HANDSHAKE => length <= LONGEST_HELLO,
            CHANGE_CIPHER => length == 1,
            _ => length <= LONGEST_NOISE,
        };
        if header[0] != self.awaited || header[1] != 3 || !fits { Err(NotATunnel) } else { Ok(length) }
    }

    /// Takes the body. True when that was all, and datagrams follow.
    ///
    /// # Errors
    /// That is not what a tunnel says.
    pub fn body(&mut self, body: &[u8]) -> Result<bool, NotATunnel> {
        self.awaited = match self.awaited {
            HANDSHAKE => {
                let at = SESSION - RECORD;
                let session = body.get(at..at + ID);
                if body.first() != Some(&2) || session.is_none() || session != self.session.as_ref().map(|s| &s[..]) {
                    return Err(NotATunnel);
                }
                CHANGE_CIPHER
            }
            CHANGE_CIPHER => DATA,
            _ => return Ok(true),
        };
        Ok(false)
    }
}

/// A handshake message in a record of the version 3.`minor`.
fn message(kind: u8, minor: u8, body: &[u8]) -> Vec<u8> {
    let mut record = Vec::from([HANDSHAKE, 3, minor]);
    sized(2, &mut record, |r| {
        r.push(kind);
        sized(3, r, |m| m.extend_from_slice(body));
    });
    record
}

fn extension(number: u16, out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&number.to_be_bytes());
    sized(2, out, content);
}

/// A key of X25519.
fn key_share(key: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&[0, 0x1d]);
    sized(2, out, |k| k.extend_from_slice(key));
}

/// Writes what `content` writes behind its length in `width` bytes.
fn sized(width: usize, out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.resize(start + width, 0);
    content(out);
    let length = (out.len() - start - width) as u64;
    out[start..start + width].copy_from_slice(&length.to_be_bytes()[8 - width..]);
}

#[cfg(test)]
mod tests;
