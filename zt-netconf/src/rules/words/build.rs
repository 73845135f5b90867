//! From what words say to bytes, with lengths and checksums as a host would write them.

use std::net::IpAddr;

use zt_wire::Emit as _;
use zt_wire::ether::{ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN, transport_checksum};

use super::names::{ICMP, ICMP6, TCP, UDP};
use super::{Content, Frame, Ip, Said, Upper};

/// Longest payload that words make.
pub(super) const MAX_SIZE: usize = 10_000;

/// IPv6 extension header of fragments.
pub(super) const FRAGMENT: u8 = 44;

/// Bytes of a DHCP message up to its options, and the option that tells its type.
pub(super) const DHCP_HEAD: usize = 236;
pub(super) const DHCP_COOKIE: [u8; 6] = [0x63, 0x82, 0x53, 0x63, 53, 1];

impl Said {
    /// The frame.
    pub(in crate::rules) fn build(&self) -> Frame {
        let tags = 4 * self.vlans.len();
        let room = self.size.map(|size| size.min(MAX_SIZE).saturating_sub(tags));
        let (ethertype, mut content) = match &self.content {
            Content::Ip(ip) => ip.build(room),
            Content::Arp(arp) => (ETHERTYPE_ARP, arp.to_vec()),
            Content::Other { ethertype, payload } => (*ethertype, payload.clone()),
        };
        if let Some(room) = room {
            content.resize(room, 0);
        }
        let Self { source, destination, .. } = *self;
        let (ethertype, payload) = self.vlans.iter().rev().fold((ethertype, content), |(inner, payload), tag| {
            let head = tag.to_be_bytes().into_iter().chain(inner.to_be_bytes());
            (ETHERTYPE_VLAN, head.chain(payload).collect())
        });
        Frame { source, destination, ethertype, payload }
    }
}

impl Ip {
    /// Ethertype and packet; a packet of which more is asked for than its headers is filled up.
    fn build(&self, room: Option<usize>) -> (u16, Vec<u8>) {
        let mut upper = self.upper.build(self.destination.is_ipv6());
        let head = self.head_len();
        let len = room.map_or(head + upper.len(), |room| room.max(head + upper.len()));
        upper.resize(len - head, 0);
        self.fill_lengths(&mut upper);
        let (ethertype, mut packet) = match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                (ETHERTYPE_IPV4, self.ipv4_head(len, source.octets(), destination.octets()))
            }
            (source, destination) => (ETHERTYPE_IPV6, self.ipv6_head(len, six(source), six(destination))),
        };
        packet.extend_from_slice(&upper);
        (ethertype, packet)
    }

    /// Length of all headers in front of the upper protocol.
    fn head_len(&self) -> usize {
        match self.destination {
            IpAddr::V4(_) => 20 + 4 * usize::from(self.options),
            IpAddr::V6(_) => 40 + 8 * (self.behind.len() + usize::from(self.fragment.is_some())),
        }
    }

    fn protocol(&self) -> u8 {
        match self.upper {
            Upper::Ports { protocol, .. } | Upper::Other(protocol) => protocol,
            Upper::Icmp { .. } if self.destination.is_ipv4() => ICMP,
            Upper::Icmp { .. } | Upper::Neighbor { .. } => ICMP6,
            Upper::Dhcp(_) => UDP,
        }
    }

    fn ipv4_head(&self, len: usize, source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
        let mut p = vec![0x45 + self.options, self.tos];
        p.extend_from_slice(&(len as u16).to_be_bytes());
        let (offset, more) = self.fragment.unwrap_or_default();
        p.extend_from_slice(&[0, 0]);
        p.extend_from_slice(&(offset & 0x1fff | u16::from(more) << 13).to_be_bytes());
        p.extend_from_slice(&[64, self.protocol(), 0, 0]);
        p.extend_from_slice(&source);
        p.extend_from_slice(&destination);
        // Option 1: nothing.
        p.resize(20 + 4 * usize::from(self.options), 1);
        let sum = zt_wire::ether::checksum(&p, 0);
        p[10..12].copy_from_slice(&sum.to_be_bytes());
        p
    }

    fn ipv6_head(&self, len: usize, source: [u8; 16], destination: [u8; 16]) -> Vec<u8> {
        let fragment = self.fragment.map(|_| FRAGMENT);
        let mut chain: Vec<u8> = self.behind.iter().copied().chain(fragment).collect();
        chain.push(self.protocol());
        let mut p = vec![0x60 | self.tos >> 4, self.tos << 4, 0, 0];
        p.extend_from_slice(&((len - 40) as u16).to_be_bytes());
        p.extend_from_slice(&[chain[0], 64]);
        p.extend_from_slice(&source);
        p.extend_from_slice(&destination);
        for pair in chain.windows(2) {
            let (offset, more) = self.fragment.filter(|_| pair[0] == FRAGMENT).unwrap_or_default();
            let place = (offset << 3 | u16::from(more)).to_be_bytes();
            p.extend_from_slice(&[pair[1], 0, place[0], place[1], 0, 0, 0, 0]);
        }
        p
    }

    /// Lengths and checksums inside the upper protocol.
    fn fill_lengths(&self, upper: &mut [u8]) {
        let protocol = self.protocol();
        let len = (upper.len() as u16).to_be_bytes();
        let place = match protocol {
            TCP if upper.len() >= 20 => 16,
            UDP if upper.len() >= 8 => {
                upper[4..6].copy_from_slice(&len);
                6
            }
            ICMP | ICMP6 if upper.len() >= 4 => 2,
            _ => return,
        };
        let sum = match protocol {
            ICMP => zt_wire::ether::checksum(upper, 0),
            _ => transport_checksum(self.source, self.destination, protocol, upper),
        };
        upper[place..place + 2].copy_from_slice(&sum.to_be_bytes());
    }
}

impl Upper {
    fn build(&self, ipv6: bool) -> Vec<u8> {
        match *self {
            Self::Ports { protocol, source, destination, flags } => {
                let mut p = ports(source, destination);
                match protocol {
                    TCP => {
                        p.extend_from_slice(&[0; 8]);
                        p.extend_from_slice(&[0x50 | (flags >> 8) as u8, flags as u8, 0x20, 0, 0, 0, 0, 0]);
                    }
                    132 => p.resize(12, 0),
                    _ => p.resize(8, 0),
                }
                p
            }
            Self::Icmp { kind, code } => vec![kind, code, 0, 0, 0, 0, 0, 0],
            Self::Neighbor { kind, target, mac } => {
                let mut p = vec![kind, 0, 0, 0, if kind == 136 { 0x60 } else { 0 }, 0, 0, 0];
                match kind {
                    133 => {}
                    134 => p.resize(16, 0),
                    _ => p.extend_from_slice(&target.octets()),
                }
                if let Some(mac) = mac {
                    p.extend_from_slice(&[if kind == 136 { 2 } else { 1 }, 1]);
                    p.extend_from_slice(&mac.0);
                }
                p
            }
            Self::Dhcp(kind) => {
                // Even messages are those of a server.
                let from_server = matches!(kind, 2 | 5 | 6);
                let mut p = if from_server { ports(67, 68) } else { ports(68, 67) };
                p.extend_from_slice(&[0; 4]);
                p.extend_from_slice(&[1 + u8::from(from_server), 1, 6, 0]);
                p.resize(8 + DHCP_HEAD, 0);
                p.extend_from_slice(&DHCP_COOKIE);
                p.extend_from_slice(&[kind, 255]);
                p
            }
            Self::Other(ICMP) if !ipv6 => vec![0; 8],
            Self::Other(_) => vec![0; 4],
        }
    }
}

fn ports(source: u16, destination: u16) -> Vec<u8> {
    [source.to_be_bytes(), destination.to_be_bytes()].concat()
}

fn six(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}
