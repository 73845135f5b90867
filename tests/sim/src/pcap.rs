//! The last datagrams of a run as a pcap file, written when a test fails and `ZT_SIM_PCAP` names a folder.

use std::collections::VecDeque;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// Datagrams kept.
const KEPT: usize = 200_000;
/// Link type "raw IP".
const RAW: u32 = 101;

/// A ring of the last datagrams, as they arrived.
#[derive(Default)]
pub(crate) struct Recorder {
    ring: VecDeque<(u64, SocketAddr, SocketAddr, Vec<u8>)>,
    wanted: bool,
}

impl Recorder {
    /// Keeps nothing unless `ZT_SIM_PCAP` is set.
    #[must_use]
    pub(crate) fn from_env() -> Self {
        Self { ring: VecDeque::new(), wanted: std::env::var_os("ZT_SIM_PCAP").is_some() }
    }

    /// Notes a datagram that arrives at a time in Unix microseconds.
    pub(crate) fn note(&mut self, at: u64, source: SocketAddr, destination: SocketAddr, bytes: &[u8]) {
        if !self.wanted {
            return;
        }
        if self.ring.len() == KEPT {
            self.ring.pop_front();
        }
        self.ring.push_back((at, source, destination, bytes.to_vec()));
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
        file.write_all(&0xa1b2_c3d4u32.to_le_bytes())?;
        file.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0])?;
        file.write_all(&RAW.to_le_bytes())?;
        for (at, source, destination, bytes) in &self.ring {
            let packet = packet(*source, *destination, bytes);
            for word in [(at / 1_000_000) as u32, (at % 1_000_000) as u32, packet.len() as u32, packet.len() as u32] {
                file.write_all(&word.to_le_bytes())?;
            }
            file.write_all(&packet)?;
        }
        file.flush()
    }
}

/// IP and UDP headers (without checksums, which readers accept) before a datagram.
fn packet(source: SocketAddr, destination: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let udp_len = (8 + bytes.len()) as u16;
    let mut packet = match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0];
            header[2..4].copy_from_slice(&(udp_len + 20).to_be_bytes());
            header.extend(from.octets());
            header.extend(to.octets());
            header
        }
        (from, to) => {
            let v6 = |ip| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            let mut header = vec![0x60, 0, 0, 0, 0, 0, 17, 64];
            header[4..6].copy_from_slice(&udp_len.to_be_bytes());
            header.extend(v6(from));
            header.extend(v6(to));
            header
        }
    };
    packet.extend(source.port().to_be_bytes());
    packet.extend(destination.port().to_be_bytes());
    packet.extend(udp_len.to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(bytes);
    packet
}
