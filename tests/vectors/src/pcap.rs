//! Classic pcap files of the recorded sessions: UDP over IPv4 in Ethernet or Linux cooked frames.

use std::net::{Ipv4Addr, SocketAddrV4};

/// One recorded datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    /// Sender.
    pub(crate) from: SocketAddrV4,
    /// Receiver.
    pub(crate) to: SocketAddrV4,
    /// IPv4 time to live.
    pub(crate) ttl: u8,
    /// UDP payload.
    pub(crate) bytes: Vec<u8>,
}

/// Reads a pcap file from `tests/vectors/data`; one element per frame of the file.
///
/// # Panics
/// When the file is missing or holds anything but UDP over IPv4.
pub(crate) fn read(file: &str) -> Vec<Datagram> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(file);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()));
    parse(&bytes).unwrap_or_else(|| panic!("{} is not a capture of UDP over IPv4", path.display()))
}

fn parse(file: &[u8]) -> Option<Vec<Datagram>> {
    let little = match file.first_chunk()? {
        [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1] => true,
        [0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d] => false,
        _ => return None,
    };
    let number = |at: usize| -> Option<usize> {
        let bytes = *file.get(at..)?.first_chunk()?;
        usize::try_from(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }).ok()
    };
    let link_header = match number(20)? & 0xffff {
        1 => 14,
        276 => 20,
        _ => return None,
    };
    let (mut all, mut at) = (Vec::new(), 24);
    while at < file.len() {
        let length = number(at + 8)?;
        all.push(datagram(file.get(at + 16..at + 16 + length)?.get(link_header..)?)?);
        at += 16 + length;
    }
    Some(all)
}

fn datagram(ip: &[u8]) -> Option<Datagram> {
    let udp = ip.get(usize::from(ip.first()? & 15) * 4..)?;
    if ip[0] >> 4 != 4 || *ip.get(9)? != 17 {
        return None;
    }
    let u16_at = |at: usize| Some(u16::from_be_bytes(*udp.get(at..)?.first_chunk()?));
    let ip_at = |at: usize| Some(Ipv4Addr::from(*ip.get(at..)?.first_chunk::<4>()?));
    Some(Datagram {
        from: SocketAddrV4::new(ip_at(12)?, u16_at(0)?),
        to: SocketAddrV4::new(ip_at(16)?, u16_at(2)?),
        ttl: ip[8],
        bytes: udp.get(8..usize::from(u16_at(4)?))?.to_vec(),
    })
}
