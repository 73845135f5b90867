//! Frames made by hand: what a host would send, what it would not, and what can be told apart by who hears it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zt_wire::Mac;

/// An Ethernet frame with a place for a mark, which tells one sending of it from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Who it says it is from.
    pub from: Mac,
    /// Whom it is for.
    pub to: Mac,
    /// Ethertype.
    pub ethertype: u16,
    /// What precedes the mark: headers, whose lengths reckon with the mark.
    pub head: Vec<u8>,
    /// Zeros behind the mark, outside of what the headers reckon with.
    pub padding: usize,
}

/// What makes one sending of a frame unlike any other.
pub type Mark = [u8; MARK];

/// Length of a mark.
pub const MARK: usize = 16;

/// Ethertypes.
pub const IPV4: u16 = 0x0800;
/// Address resolution.
pub const ARP: u16 = 0x0806;
/// Wake on LAN.
pub const WOL: u16 = 0x0842;
/// IPv6.
pub const IPV6: u16 = 0x86dd;
/// An IEEE number for local experiments: the control frames, which every table lets pass.
pub const CONTROL: u16 = 0x88b5;

/// TCP flags.
pub const SYN: u8 = 0x02;
/// A segment that acknowledges.
pub const ACK: u8 = 0x10;
/// A segment that resets.
pub const RST: u8 = 0x04;

impl Frame {
    /// The frame with this mark: destination, source, ethertype, payload.
    #[must_use]
    pub fn bytes(&self, mark: &Mark) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(14 + self.head.len() + MARK + self.padding);
        bytes.extend(self.to.0);
        bytes.extend(self.from.0);
        bytes.extend(self.ethertype.to_be_bytes());
        bytes.extend(&self.head);
        bytes.extend(mark);
        bytes.resize(bytes.len() + self.padding, 0);
        bytes
    }

    /// The same from another MAC.
    #[must_use]
    pub fn spoofed(mut self, from: Mac) -> Self {
        self.from = from;
        self
    }

    /// The same for another MAC.
    #[must_use]
    pub fn to(mut self, to: Mac) -> Self {
        self.to = to;
        self
    }

    /// The same with zeros behind.
    #[must_use]
    pub fn padded(mut self, padding: usize) -> Self {
        self.padding = padding;
        self
    }
}

/// An IP packet around `body`, with its ethertype.
#[must_use]
pub fn ip(from: IpAddr, to: IpAddr, protocol: u8, body: &[u8]) -> (u16, Vec<u8>) {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => (IPV4, ipv4(from, to, protocol, 0, body)),
        (IpAddr::V6(from), IpAddr::V6(to)) => (IPV6, ipv6(from, to, protocol, body)),
        _ => panic!("{from} and {to} are of one family"),
    }
}

/// An IPv4 packet; `fragment` is the field of flags and offset.
#[must_use]
pub fn ipv4(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, fragment: u16, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + body.len() + MARK).expect("a short packet");
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0x7a, 0x74]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    let sum = !ones_sum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(body);
    packet
}

/// An IPv6 packet; extension headers are part of `body`.
#[must_use]
pub fn ipv6(from: Ipv6Addr, to: Ipv6Addr, next: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + MARK).expect("a short packet");
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([next, 64]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(body);
    packet
}

/// A UDP header; without checksum.
#[must_use]
pub fn udp(source: u16, destination: u16) -> Vec<u8> {
    let length = u16::try_from(8 + MARK).expect("short");
    [source, destination, length, 0].iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A TCP header; with a checksum that no stack takes, so that nobody answers.
#[must_use]
pub fn tcp(source: u16, destination: u16, flags: u8) -> Vec<u8> {
    let mut header: Vec<u8> = [source, destination].iter().flat_map(|word| word.to_be_bytes()).collect();
    header.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0x40, 0, 0xde, 0xad, 0, 0]);
    header
}

/// An ICMP or `ICMPv6` header of 8 bytes; with a checksum that no stack takes.
#[must_use]
pub fn icmp(kind: u8, code: u8) -> Vec<u8> {
    vec![kind, code, 0xde, 0xad, 0, 1, 0, 1]
}

/// An ARP packet: who asks (or tells), by MAC and address, and whom it is about.
#[must_use]
pub fn arp(operation: u8, sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, operation];
    for (mac, address) in [sender, target] {
        packet.extend(mac.0);
        packet.extend(address.octets());
    }
    packet
}

/// Ones' complement sum of 16-bit words.
fn ones_sum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).expect("folded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_reckon_with_the_mark() {
        let [one, two] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
        let (ethertype, head) = ip(one.into(), two.into(), 17, &udp(1, 2));
        let (from, to) = (Mac([2; 6]), Mac([4; 6]));
        let frame = Frame { from, to, ethertype, head, padding: 3 };
        let bytes = frame.bytes(&[7; MARK]);
        assert_eq!(bytes.len(), 14 + 20 + 8 + MARK + 3);
        assert_eq!(bytes[16..18], [0, 44]);
        assert_eq!(bytes[38..40], [0, 24]);
        assert_eq!(ones_sum(&bytes[14..34]), 0xffff);
        let v6 = ipv6(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST, 6, &tcp(1, 2, SYN));
        assert_eq!(v6[4..7], [0, 36, 6]);
    }
}
