//! Where the headers of a frame are.

use zt_wire::ether::{ETHERNET_HEADER_LEN, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN};

/// EtherTypes of inner and outer VLAN tags.
const VLAN: [u16; 2] = [ETHERTYPE_VLAN, 0x88a8];
/// Bytes of an IPv4 header without options.
pub(super) const IPV4_LEN: usize = 20;
/// Bytes of an IPv6 header.
pub(super) const IPV6_LEN: usize = 40;
/// Bytes of a UDP header.
pub(super) const UDP_LEN: usize = 8;
/// Bytes of a TCP header without options.
pub(super) const TCP_LEN: usize = 20;
/// Protocol number of TCP.
pub(super) const TCP: u8 = 6;
/// Protocol number of UDP.
pub(super) const UDP: u8 = 17;

/// The versions of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V4,
    V6,
}

/// Where the IP header begins, behind at most two VLAN tags, and which version it says it is; `None` for what is no IP.
pub(super) fn network(frame: &[u8]) -> Option<(usize, Version)> {
    let mut at = ETHERNET_HEADER_LEN;
    for _ in 0..3 {
        let kind = u16::from_be_bytes(frame.get(at - 2..at)?.try_into().ok()?);
        let version = match kind {
            ETHERTYPE_IPV4 => Version::V4,
            ETHERTYPE_IPV6 => Version::V6,
            tag if VLAN.contains(&tag) => {
                at += 4;
                continue;
            }
            _ => return None,
        };
        let number = if version == Version::V4 { 4 } else { 6 };
        return (frame.get(at)? >> 4 == number).then_some((at, version));
    }
    None
}

/// Two bytes of a frame as a number.
pub(super) fn number(frame: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([frame[at], frame[at + 1]])
}

/// Writes a number.
pub(super) fn put(frame: &mut [u8], at: usize, number: u16) {
    frame[at..at + 2].copy_from_slice(&number.to_be_bytes());
}
