//! Frames of every shape: whole and cut, with options, extension headers and fragments, and none of these.

use super::{Bytes, NETWORK, OTHER, OWN, THIRD};
use zt_wire::InetAddress;

const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const SERVICE_VLAN: u16 = 0x88a8;

/// Types of ICMP in either family.
pub(super) const ICMP_TYPES: [u8; 6] = [0, 8, 128, 129, 0x87, 0x88];
/// Most extension headers of one packet.
const EXTENSIONS: usize = 64;

pub(super) fn ethertype(bytes: &mut Bytes<'_>) -> u16 {
    bytes.pick(&[IPV4, IPV4, ARP, IPV6, IPV6, VLAN, SERVICE_VLAN, 0x88cc])
}

/// Protocols with a meaning to rules, extension headers among them, and any other.
pub(super) fn protocol(bytes: &mut Bytes<'_>) -> u8 {
    match bytes.below(16) {
        15 => bytes.u8(),
        n => [1, 6, 6, 6, 17, 17, 58, 58, 132, 136, 44, 50, 51, 0, 60][n],
    }
}

pub(super) fn port(bytes: &mut Bytes<'_>) -> u16 {
    match bytes.below(8) {
        7 => bytes.u16(),
        n => [0, 22, 22, 53, 80, 1024, 0xffff][n],
    }
}

pub(super) fn ipv4(bytes: &mut Bytes<'_>) -> [u8; 4] {
    match bytes.below(4) {
        3 => bytes.u32().to_be_bytes(),
        n => [10, 0, 0, n as u8],
    }
}

pub(super) fn ipv6(bytes: &mut Bytes<'_>) -> [u8; 16] {
    let derived = |address| [NETWORK.sixplane(address).octets(), NETWORK.rfc4193(address).octets()];
    let (own, other, third) = (derived(OWN), derived(OTHER), derived(THIRD));
    let mut ip = bytes.pick(&[own[0], own[1], other[0], other[1], third[0], third[1], plain(1), plain(2), [0; 16]]);
    if bytes.once_in(4) {
        ip[bytes.below(16)] = bytes.u8();
    }
    ip
}

fn plain(last: u8) -> [u8; 16] {
    let mut ip = [0; 16];
    (ip[0], ip[15]) = (0xfd, last);
    ip
}

/// Our addresses: of either scheme, and some other.
pub(super) fn assigned(bytes: &mut Bytes<'_>) -> Vec<InetAddress> {
    let bits = bytes.u8();
    let all = [
        InetAddress::V6(NETWORK.sixplane(OWN), 40),
        InetAddress::V6(NETWORK.rfc4193(OWN), 88),
        InetAddress::V6(NETWORK.sixplane(OTHER), 40),
        InetAddress::V4([10, 0, 0, 1].into(), 24),
    ];
    all.into_iter().enumerate().filter(|(n, _)| bits & 1 << n != 0).map(|(_, address)| address).collect()
}

/// Ethertype and payload.
pub(super) fn frame(bytes: &mut Bytes<'_>) -> (u16, Vec<u8>) {
    let (ethertype, mut payload) = shape(bytes);
    if bytes.once_in(4) {
        // Every length from 0.
        payload.truncate(usize::from(bytes.u16()) % (payload.len() + 1));
    }
    if bytes.once_in(8) && !payload.is_empty() {
        let at = usize::from(bytes.u16()) % payload.len();
        payload[at] = bytes.u8();
    }
    // Now and then it is not what its ethertype says.
    let ethertype = if bytes.once_in(16) { self::ethertype(bytes) } else { ethertype };
    (ethertype, payload)
}

fn shape(bytes: &mut Bytes<'_>) -> (u16, Vec<u8>) {
    match bytes.below(16) {
        0 => {
            let n = usize::from(bytes.u8());
            (ethertype(bytes), (0..n).map(|_| bytes.u8()).collect())
        }
        1 => (ARP, arp(bytes)),
        2..8 => (IPV4, ipv4_packet(bytes)),
        8 => (IPV6, neighbour(bytes)),
        9 | 10 => {
            // A tag: priority, VLAN, and what is inside.
            let tag = bytes.pick(&[0u16, 0, 0x2000, 0x1000, 1, 0x0fff]);
            let outer = bytes.pick(&[VLAN, SERVICE_VLAN]);
            let (inner, payload) =
                if bytes.once_in(2) { (IPV4, ipv4_packet(bytes)) } else { (IPV6, ipv6_packet(bytes)) };
            (outer, [&tag.to_be_bytes()[..], &inner.to_be_bytes(), &payload].concat())
        }
        _ => (IPV6, ipv6_packet(bytes)),
    }
}

fn arp(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 2, 2, 2, 2, 2];
    packet.extend(ipv4(bytes));
    packet.extend([0; 6]);
    packet.extend(ipv4(bytes));
    packet
}

fn ipv4_packet(bytes: &mut Bytes<'_>) -> Vec<u8> {
    // Header words: the usual five, options, and what no host takes.
    let words = bytes.pick(&[5u8, 5, 5, 5, 5, 6, 15, 4, 0]);
    let mut packet = vec![0; 20.max(usize::from(words) * 4)];
    packet[0] = 0x40 | words;
    packet[1] = bytes.pick(&[0, 0, 4, 0xb8]);
    let fragment = bytes.pick(&[0u16, 0, 0, 0, 0x4000, 0x2000, 1, 2, 0x2001, 0x20ff, 100]);
    packet[6..8].copy_from_slice(&fragment.to_be_bytes());
    packet[9] = protocol(bytes);
    packet[12..16].copy_from_slice(&ipv4(bytes));
    packet[16..20].copy_from_slice(&ipv4(bytes));
    let mut protocol = packet[9];
    if protocol == 51 && bytes.once_in(2) {
        protocol = self::protocol(bytes);
        packet.extend(authentication(bytes, protocol));
    }
    packet.extend(transport(bytes, protocol));
    packet
}

fn ipv6_header(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let mut packet = vec![0x60, bytes.pick(&[0, 0x40, 0xf0]), 0, 0, 0, 0, 0, 64];
    packet[0] |= bytes.pick(&[0, 0, 0x0b]);
    packet.extend(ipv6(bytes));
    packet.extend(ipv6(bytes));
    packet
}

fn ipv6_packet(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let mut packet = ipv6_header(bytes);
    let last = protocol(bytes);
    let count = match bytes.below(8) {
        0..4 => 0,
        4..7 => 1 + bytes.below(3),
        _ => bytes.below(EXTENSIONS + 1),
    };
    let chain: Vec<u8> = (0..count).map(|_| bytes.pick(&[0, 43, 60, 135, 60, 0, 44, 51])).collect();
    packet[6] = chain.first().copied().unwrap_or(last);
    for (n, header) in chain.iter().enumerate() {
        let next = chain.get(n + 1).copied().unwrap_or(last);
        packet.extend(match header {
            44 => {
                let place = bytes.pick(&[0u16, 0, 1, 8, 9, 0x0100, 0x0101]).to_be_bytes();
                vec![next, 0, place[0], place[1], 0, 0, 0, 1]
            }
            51 => authentication(bytes, next),
            _ => {
                let words = bytes.pick(&[0u8, 0, 0, 1, 2]);
                let mut header = vec![0; 8 + 8 * usize::from(words)];
                (header[0], header[1]) = (next, words);
                // Some say that they are longer than they are.
                if bytes.once_in(16) {
                    header[1] = bytes.u8();
                }
                header
            }
        });
    }
    packet.extend(transport(bytes, last));
    packet
}

fn authentication(bytes: &mut Bytes<'_>, next: u8) -> Vec<u8> {
    let words = bytes.pick(&[1u8, 2, 4, 0]);
    let mut header = vec![0; 8 + 4 * usize::from(words)];
    (header[0], header[1]) = (next, words);
    header
}

/// A solicitation or an advertisement, directly behind the header.
fn neighbour(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let mut packet = ipv6_header(bytes);
    packet[6] = 58;
    packet.extend([bytes.pick(&[0x87, 0x88]), 0, 0, 0, 0, 0, 0, 0]);
    packet.extend(ipv6(bytes));
    packet.extend([2, 1, 2, 2, 2, 2, 2, 2]);
    packet
}

/// What its protocol says, as long as it may be.
fn transport(bytes: &mut Bytes<'_>, protocol: u8) -> Vec<u8> {
    let mut data = match protocol {
        1 | 58 => vec![bytes.pick(&ICMP_TYPES), bytes.below(2) as u8, 0, 0, 0, 0, 0, 0],
        _ => {
            let (source, destination) = (port(bytes).to_be_bytes(), port(bytes).to_be_bytes());
            let mut data = [source, destination].concat();
            data.extend([0; 16]);
            (data[12], data[13]) = (0x50 | bytes.below(16) as u8, bytes.u8());
            data
        }
    };
    if protocol == 58 {
        data.extend(ipv6(bytes));
    }
    data.extend(vec![0; bytes.below(40)]);
    data
}
