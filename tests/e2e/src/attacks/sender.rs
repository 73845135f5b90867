//! Sends packets fast, in any name.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quinn_udp::{Transmit, UdpSockRef, UdpSocketState};

use super::scene::{FORGED, FORGED_BLOCK, OWN};

/// Most packets of one segmented send.
const TRAIN: usize = 32;
const TRAIN_BYTES: usize = 60_000;

/// Whose addresses are on the envelopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sources {
    /// The attacker's own.
    Own,
    /// One of somebody else.
    Forged,
    /// A whole block, another one each time.
    Block,
}

/// Packets in trains of equal length.
#[derive(Debug)]
pub(crate) struct Load {
    trains: Vec<(Vec<u8>, usize)>,
    sources: Sources,
}

/// What left.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

impl Load {
    pub(crate) fn new(packets: Vec<Vec<u8>>, sources: Sources) -> Self {
        let mut trains: Vec<(Vec<u8>, usize)> = Vec::new();
        for packet in packets {
            match trains.last_mut() {
                Some((bytes, len))
                    if *len == packet.len() && bytes.len() < TRAIN * *len && bytes.len() + *len <= TRAIN_BYTES =>
                {
                    bytes.extend_from_slice(&packet);
                }
                _ => trains.push((packet.clone(), packet.len())),
            }
        }
        Self { trains, sources }
    }

    /// Sends it again and again at this rate until told to stop. Slow loads leave one by one.
    pub(crate) fn fire(&self, socket: &UdpSocket, to: SocketAddr, rate: u32, stop: &AtomicBool) -> io::Result<Sent> {
        socket.set_nonblocking(true)?;
        let state = UdpSocketState::new(UdpSockRef::from(socket))?;
        let start = Instant::now();
        let mut sent = Sent::default();
        let mut turn = 0_u32;
        let pieces: Vec<(&[u8], usize)> = if rate < 20_000 {
            self.trains.iter().flat_map(|(bytes, len)| bytes.chunks(*len).map(|one| (one, *len))).collect()
        } else {
            self.trains.iter().map(|(bytes, len)| (bytes.as_slice(), *len)).collect()
        };
        for (bytes, len) in pieces.iter().cycle() {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            while sent.packets as f64 > start.elapsed().as_secs_f64() * f64::from(rate) {
                std::thread::sleep(Duration::from_micros(200));
            }
            turn = turn.wrapping_add(1);
            let several = bytes.len() > *len;
            let transmit = Transmit {
                destination: to,
                ecn: None,
                contents: bytes,
                segment_size: several.then_some(*len),
                src_ip: Some(IpAddr::V4(self.source(turn))),
            };
            match state.try_send(UdpSockRef::from(socket), &transmit) {
                Ok(()) => {
                    sent.packets += (bytes.len() / len) as u64;
                    sent.bytes += bytes.len() as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_micros(100));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// Sends its first packet once, from a /24 of this number.
    pub(crate) fn fire_once(&self, socket: &UdpSocket, to: SocketAddr, number: usize) -> io::Result<()> {
        let Some((bytes, _)) = self.trains.first() else { return Ok(()) };
        let state = UdpSocketState::new(UdpSockRef::from(socket))?;
        let [a, b, ..] = FORGED_BLOCK;
        let src_ip = Some(Ipv4Addr::new(a, b, number as u8, 1).into());
        let transmit = Transmit { destination: to, ecn: None, contents: bytes, segment_size: None, src_ip };
        state.try_send(UdpSockRef::from(socket), &transmit)
    }

    fn source(&self, turn: u32) -> Ipv4Addr {
        match self.sources {
            Sources::Own => OWN,
            Sources::Forged => FORGED,
            Sources::Block => {
                let [a, b, ..] = FORGED_BLOCK;
                let mixed = turn.wrapping_mul(0x9e37_79b9);
                Ipv4Addr::new(a, b, (mixed >> 24) as u8, (mixed >> 16) as u8 | 1)
            }
        }
    }
}
