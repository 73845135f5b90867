//! Prints every ZeroTier datagram of a capture, and opens those whose secrets are given.
//!
//! ```text
//! cargo run -p zt-crypto --example dissect -- capture.pcap [secrets.json] [port]
//! ```
//!
//! The capture is a classic pcap file of link type Ethernet, raw IP, Linux cooked (1 or 2), null or loopback; one
//! UDP payload is one datagram, port 9993 unless another is named. From the secrets file every text that is an identity with its
//! secret is taken, wherever it stands; public identities are learnt from it and from the packets as well.
//! The exit status is 1 if a packet stayed closed although secrets were given.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "an example that reads a file and prints")]

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use serde_json::Value;
use zt_crypto::{PeerKeys, SecretIdentity};
use zt_wire::packet::FRAGMENT_HEADER_LEN;
use zt_wire::verb::{Hello, OkBody, OkWhois, parse_moons};
use zt_wire::{
    Address, Cipher, Datagram, Fragment, Identity, Message, Packet, PacketId, Parse, Reader, Verb, classify, lz4,
};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<ExitCode, Failure> {
    let mut arguments = std::env::args().skip(1);
    let capture = arguments.next().ok_or("usage: dissect CAPTURE [SECRETS] [PORT]")?;
    let secrets = arguments.next();
    let port = arguments.next().map_or(Ok(9993), |port| port.parse())?;
    let dissector = dissect(&capture, secrets.as_deref(), port)?;
    let Dissector { secrets, opened, closed, .. } = &dissector;
    println!("{opened} packets opened, {closed} not, {} secrets", secrets.len());
    Ok(if *closed > 0 && !secrets.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Prints all datagrams of a file from or to a port.
fn dissect(capture: &str, secrets: Option<&str>, port: u16) -> Result<Dissector, Failure> {
    let mut dissector = Dissector::default();
    if let Some(secrets) = secrets {
        dissector.learn(&serde_json::from_slice(&std::fs::read(secrets)?)?);
    }
    for (number, frame) in Capture::read(&std::fs::read(capture)?)?.frames.iter().enumerate() {
        let Some(udp) = frame.udp() else { continue };
        if udp.source.port() != port && udp.destination.port() != port {
            continue;
        }
        let time = frame.microseconds as f64 / 1e6;
        println!("{:>4} {time:>11.6} {} > {}", number + 1, udp.source, udp.destination);
        dissector.datagram(udp.payload);
    }
    Ok(dissector)
}

#[test]
fn every_packet_of_the_recorded_session_opens() {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/data/session-1");
    let dissector = dissect(&format!("{data}.pcap"), Some(&format!("{data}.json")), 9993).unwrap();
    assert_eq!((dissector.opened, dissector.closed), (231, 0));
    assert!(dissector.pieces.is_empty());
}

/// What is known, and what is still in pieces.
#[derive(Default)]
struct Dissector {
    secrets: BTreeMap<Address, SecretIdentity>,
    identities: BTreeMap<Address, Identity>,
    keys: BTreeMap<[Address; 2], PeerKeys>,
    pieces: BTreeMap<PacketId, BTreeMap<u8, Vec<u8>>>,
    opened: usize,
    closed: usize,
}

impl Dissector {
    /// Takes every identity in the texts of a JSON value.
    fn learn(&mut self, value: &Value) {
        match value {
            Value::String(text) => {
                if let Ok(secret) = SecretIdentity::from_text(text) {
                    self.identities.insert(secret.address(), *secret.identity());
                    self.secrets.insert(secret.address(), secret);
                } else if let Ok(identity) = text.parse::<Identity>() {
                    self.identities.insert(identity.address, identity);
                }
            }
            Value::Array(list) => list.iter().for_each(|v| self.learn(v)),
            Value::Object(map) => map.values().for_each(|v| self.learn(v)),
            _ => {}
        }
    }

    fn datagram(&mut self, bytes: &[u8]) {
        match classify(bytes) {
            Datagram::Head => self.head(bytes),
            Datagram::Fragment => self.fragment(bytes),
            Datagram::LanBeacon => println!("     LAN beacon {bytes:02x?}"),
            Datagram::Ignored => println!("     {} bytes that nobody reads: {bytes:02x?}", bytes.len()),
        }
    }

    fn head(&mut self, bytes: &[u8]) {
        let packet = Packet::new_checked(bytes).expect("classified as a head");
        println!("     {packet}");
        if packet.is_fragmented() {
            self.pieces.entry(packet.id()).or_default().insert(0, bytes.to_vec());
            self.assemble(packet.id());
        } else {
            self.packet(bytes.to_vec());
        }
    }

    fn fragment(&mut self, bytes: &[u8]) {
        let fragment = Fragment::new_checked(bytes).expect("classified as a fragment");
        println!("     {fragment}");
        if fragment.is_sane() {
            let mut piece = vec![fragment.total()];
            piece.extend_from_slice(&bytes[FRAGMENT_HEADER_LEN..]);
            self.pieces.entry(fragment.id()).or_default().insert(fragment.number(), piece);
            self.assemble(fragment.id());
        }
    }

    /// Opens a packet of which the last piece has come. A piece but the head carries the total in front.
    fn assemble(&mut self, id: PacketId) {
        let pieces = &self.pieces[&id];
        let total = pieces.iter().find(|(number, _)| **number > 0).map_or(u8::MAX, |(_, piece)| piece[0]);
        if !(0..total).all(|number| pieces.contains_key(&number)) {
            return;
        }
        let pieces = self.pieces.remove(&id).expect("looked at above");
        let packet = pieces.iter().flat_map(|(number, piece)| &piece[usize::from(*number > 0)..]).copied().collect();
        println!("     assembled from {total} pieces");
        self.packet(packet);
    }

    /// Opens and prints a whole packet.
    fn packet(&mut self, mut bytes: Vec<u8>) {
        self.learn_from_hello(&bytes);
        let header = Packet::new_checked(&bytes[..]).expect("a head has a whole header");
        let (source, destination, id) = (header.source(), header.destination(), header.id());
        let trusted = header.cipher() == Some(Cipher::Trusted);
        if !trusted {
            let Some(keys) = self.keys(source, destination) else {
                self.closed += 1;
                println!("     no key for {source} and {destination}");
                return;
            };
            if let Err(error) = keys.open(&mut bytes) {
                self.closed += 1;
                println!("     {error}");
                return;
            }
        }
        self.opened += 1;
        self.print(id, source, destination, &mut bytes);
    }

    fn print(&mut self, id: PacketId, source: Address, destination: Address, bytes: &mut [u8]) {
        let mut packet = Packet::new_checked(bytes).expect("it was opened").opened();
        let mut inflated = Vec::new();
        if packet.is_compressed() {
            match lz4::decompress_payload(packet.payload(), &mut inflated) {
                Ok(()) => println!("     {} bytes decompressed to {}", packet.payload().len(), inflated.len()),
                Err(error) => return println!("     {error}"),
            }
        }
        let verb = packet.verb();
        let payload = if packet.is_compressed() { &mut inflated[..] } else { packet.payload_mut() };
        match Message::parse(verb, payload) {
            Ok(message) => {
                println!("     {message}");
                self.learn_from(&message);
                if let Message::Hello(hello) = message {
                    self.moons(id, source, destination, hello.moons);
                }
            }
            Err(error) => println!("     {verb}: {error}"),
        }
    }

    /// Prints the masked end of a HELLO.
    fn moons(&mut self, id: PacketId, source: Address, destination: Address, masked: &[u8]) {
        let mut section = masked.to_vec();
        if let Some(keys) = self.keys(source, destination) {
            keys.mask_hello_tail(id, &mut section);
        }
        match parse_moons(&section) {
            Ok(moons) => moons.iter().for_each(|m| println!("     moon {:016x} of {}", m.id, m.timestamp)),
            Err(error) => println!("     moons: {error}"),
        }
    }

    /// The identity in a HELLO is readable before anything is opened.
    fn learn_from_hello(&mut self, bytes: &[u8]) {
        let header = Packet::new_checked(bytes).expect("a head has a whole header");
        if let Some(clear) = header.clear().filter(|clear| clear.verb() == Verb::HELLO)
            && let Ok(hello) = Hello::parse(&mut Reader::new(clear.payload()))
        {
            self.identities.entry(hello.identity.address).or_insert(hello.identity);
        }
    }

    fn learn_from(&mut self, message: &Message<'_>) {
        if let Message::Ok(ok) = message
            && let OkBody::Whois(OkWhois { identities, .. }) = &ok.body
        {
            for identity in identities {
                self.identities.entry(identity.address).or_insert(*identity);
            }
        }
    }

    /// The keys of two nodes, if the secret of one and the identity of the other are known.
    fn keys(&mut self, a: Address, b: Address) -> Option<&PeerKeys> {
        let pair = [a.min(b), a.max(b)];
        if !self.keys.contains_key(&pair) {
            let agree = |own, other| self.secrets.get(&own)?.agree(self.identities.get(&other)?);
            let shared = agree(a, b).or_else(|| agree(b, a))?;
            self.keys.insert(pair, PeerKeys::new(shared));
        }
        self.keys.get(&pair)
    }
}

/// A classic pcap file.
struct Capture {
    frames: Vec<CapturedFrame>,
}

struct CapturedFrame {
    link_type: u32,
    /// Since the first frame.
    microseconds: u64,
    bytes: Vec<u8>,
}

struct Udp<'f> {
    source: SocketAddr,
    destination: SocketAddr,
    payload: &'f [u8],
}

impl Capture {
    fn read(file: &[u8]) -> Result<Self, Failure> {
        let magic = file.first_chunk::<4>().ok_or("not a pcap file: too short")?;
        let (little, per_microsecond) = match magic {
            [0xd4, 0xc3, 0xb2, 0xa1] => (true, 1),
            [0xa1, 0xb2, 0xc3, 0xd4] => (false, 1),
            [0x4d, 0x3c, 0xb2, 0xa1] => (true, 1000),
            [0xa1, 0xb2, 0x3c, 0x4d] => (false, 1000),
            _ => return Err("not a classic pcap file (pcapng can be converted with editcap -F pcap)".into()),
        };
        let number = |at: usize| -> Option<u32> {
            let bytes = *file.get(at..)?.first_chunk()?;
            Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
        };
        let link_type = number(20).ok_or("the pcap header is cut")? & 0xffff;
        let (mut frames, mut at, mut start) = (Vec::new(), 24, None);
        while let (Some(seconds), Some(fraction), Some(length)) = (number(at), number(at + 4), number(at + 8)) {
            let Some(bytes) = file.get(at + 16..).and_then(|rest| rest.get(..length as usize)) else { break };
            let time = u64::from(seconds) * 1_000_000 + u64::from(fraction / per_microsecond);
            let start = *start.get_or_insert(time);
            frames.push(CapturedFrame { link_type, microseconds: time.saturating_sub(start), bytes: bytes.to_vec() });
            at += 16 + length as usize;
        }
        Ok(Self { frames })
    }
}

impl CapturedFrame {
    fn udp(&self) -> Option<Udp<'_>> {
        let ip = match self.link_type {
            0 | 108 => self.bytes.get(4..)?,
            1 => after_ethertype(&self.bytes, 12)?,
            12 | 101 | 228 | 229 => &self.bytes,
            113 => after_ethertype(&self.bytes, 14)?,
            276 => self.bytes.get(20..)?,
            _ => return None,
        };
        let (source, destination, udp): (IpAddr, IpAddr, _) = match ip.first()? >> 4 {
            4 if ip.get(9) == Some(&17) && u16_at(ip, 6)? & 0x3fff == 0 => {
                let udp = ip.get(usize::from(ip[0] & 15) * 4..)?;
                (ip_at::<4>(ip, 12)?.into(), ip_at::<4>(ip, 16)?.into(), udp)
            }
            6 if ip.get(6) == Some(&17) => (ip_at::<16>(ip, 8)?.into(), ip_at::<16>(ip, 24)?.into(), ip.get(40..)?),
            _ => return None,
        };
        let length = usize::from(u16_at(udp, 4)?);
        Some(Udp {
            source: SocketAddr::new(source, u16_at(udp, 0)?),
            destination: SocketAddr::new(destination, u16_at(udp, 2)?),
            payload: udp.get(8..length)?,
        })
    }
}

/// What follows an ethertype field, VLAN tags skipped.
fn after_ethertype(frame: &[u8], at: usize) -> Option<&[u8]> {
    match u16_at(frame, at)? {
        0x8100 | 0x88a8 => after_ethertype(frame, at + 4),
        _ => frame.get(at + 2..),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn ip_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
