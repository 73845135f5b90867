//! From bytes to words.

use core::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};

use zt_wire::Parse as _;
use zt_wire::ether::{Arp, ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN, Ipv4Ref, Ipv6Ref};
use zt_wire::ident::Mac;

use super::build::{DHCP_COOKIE, DHCP_HEAD, FRAGMENT};
use super::names::{self, DHCP, ETHERTYPES, EXTENSIONS, FLAGS, ICMP, ICMP6, NEIGHBOR, PROTOCOLS, TCP, UDP, WITH_PORTS};
use super::read::{group, icmp_of};
use super::{Content, Ends, Frame, Ip, Said, Upper};

/// Tags in front of a content that are taken apart.
const MAX_TAGS: usize = 4;

/// Extension headers that are taken apart.
const MAX_BEHIND: usize = 200;

impl Said {
    /// What words would say of a frame.
    pub(super) fn of(frame: &Frame) -> Self {
        let (mut vlans, mut ethertype, mut payload) = (Vec::new(), frame.ethertype, frame.payload.as_slice());
        while let (ETHERTYPE_VLAN, [a, b, c, d, rest @ ..]) = (ethertype, payload)
            && vlans.len() < MAX_TAGS
        {
            vlans.push(u16::from_be_bytes([*a, *b]));
            (ethertype, payload) = (u16::from_be_bytes([*c, *d]), rest);
        }
        let known = match ethertype {
            ETHERTYPE_IPV4 => ipv4(payload).map(Content::Ip),
            ETHERTYPE_IPV6 => ipv6(payload).map(Content::Ip),
            ETHERTYPE_ARP => Arp::parse(&mut zt_wire::Reader::new(payload)).ok().map(Content::Arp),
            _ => None,
        };
        let content = known.unwrap_or_else(|| Content::Other { ethertype, payload: payload.to_vec() });
        let plain = Self { source: frame.source, destination: frame.destination, vlans, content, size: None };
        let len = frame.payload.len();
        if plain.build().payload.len() == len { plain } else { Self { size: Some(len), ..plain } }
    }

    /// The words; what `ends` says is left out.
    pub(super) fn words(&self, ends: &Ends) -> String {
        let mut out = String::new();
        if self.source != ends.source {
            _ = write!(out, "from {} ", self.source);
        }
        for tag in &self.vlans {
            _ = write!(out, "vlan {} ", tag & 0xfff);
            if tag >> 13 != 0 {
                _ = write!(out, "pcp {} ", tag >> 13);
            }
            out += if tag & 0x1000 != 0 { "dei " } else { "" };
        }
        match self.destination {
            mac if mac == self.usual(ends) => {}
            Mac::BROADCAST => out += "broadcast ",
            mac if mac.is_multicast() => _ = write!(out, "multicast {mac} "),
            mac => _ = write!(out, "to {mac} "),
        }
        match &self.content {
            Content::Ip(ip) => ip.words(&mut out),
            Content::Arp(arp) if arp.operation == Arp::REPLY => {
                _ = write!(out, "arp reply {} is-at {}", arp.sender_ip, arp.sender_mac);
            }
            Content::Arp(arp) => _ = write!(out, "arp who-has {} tell {}", arp.target_ip, arp.sender_ip),
            Content::Other { ethertype, payload } => {
                match names::name(ETHERTYPES, *ethertype) {
                    Some(name) => _ = write!(out, "ethertype {name}"),
                    None => _ = write!(out, "ethertype 0x{ethertype:04x}"),
                }
                if self.size.is_none() {
                    _ = write!(out, " {} bytes", payload.len() + 4 * self.vlans.len());
                }
            }
        }
        if let Some(size) = self.size {
            _ = write!(out, " {size} bytes");
        }
        out
    }

    /// Where the content goes unless it is said.
    fn usual(&self, ends: &Ends) -> Mac {
        match &self.content {
            Content::Ip(ip) => group(ip.destination).unwrap_or(ends.destination),
            Content::Arp(arp) if arp.operation != Arp::REPLY => Mac::BROADCAST,
            Content::Arp(_) | Content::Other { .. } => ends.destination,
        }
    }
}

impl Ip {
    fn words(&self, out: &mut String) {
        let (from, to) = (self.source, self.destination);
        match self.upper {
            Upper::Ports { protocol, source, destination, flags } => {
                let name = names::name(WITH_PORTS, protocol).unwrap_or("ip");
                let end = |ip: IpAddr, port: u16| std::net::SocketAddr::new(ip, port);
                _ = write!(out, "{name} {} > {}", end(from, source), end(to, destination));
                if protocol == TCP {
                    out.push_str(if flags == 0 { " no-flags" } else { "" });
                    for (name, _) in FLAGS.iter().filter(|(_, flag)| flags & flag != 0) {
                        _ = write!(out, " {name}");
                    }
                }
            }
            Upper::Icmp { kind, code } => {
                let (protocol, types) = icmp_of(to);
                let kind = names::name(types, kind).map_or_else(|| kind.to_string(), str::to_owned);
                _ = write!(out, "{} {kind}", if protocol == ICMP { "icmp" } else { "icmp6" });
                if code != 0 {
                    _ = write!(out, "/{code}");
                }
                _ = write!(out, " {from} > {to}");
            }
            Upper::Neighbor { kind, target, .. } => {
                _ = write!(out, "ndp {}", names::name(NEIGHBOR, kind).unwrap_or("solicit"));
                if kind >= 135 {
                    _ = write!(out, " {target}");
                }
                _ = write!(out, " {from} > {to}");
            }
            Upper::Dhcp(kind) => {
                _ = write!(out, "dhcp {} {from} > {to}", names::name(DHCP, kind).unwrap_or("discover"));
            }
            Upper::Other(protocol) => {
                let name = names::name(PROTOCOLS, protocol).map_or_else(|| protocol.to_string(), str::to_owned);
                _ = write!(out, "{} proto {name} {from} > {to}", if to.is_ipv4() { "ipv4" } else { "ipv6" });
            }
        }
        if self.tos != 0 {
            _ = write!(out, " tos {}", self.tos);
        }
        if self.options != 0 {
            _ = write!(out, " options {}", self.options);
        }
        if !self.behind.is_empty() {
            let names: Vec<&str> = self.behind.iter().filter_map(|number| names::name(EXTENSIONS, *number)).collect();
            _ = write!(out, " behind {}", names.join(","));
        }
        if let Some((offset, more)) = self.fragment {
            _ = write!(out, " fragment {offset}{}", if more { " more" } else { "" });
        }
    }
}

fn ipv4(payload: &[u8]) -> Option<Ip> {
    let packet =
        Ipv4Ref::new(payload).filter(|p| p.bytes[0] >> 4 == 4 && (20..=p.bytes.len()).contains(&p.header_len()))?;
    let place = u16::from_be_bytes([payload[6], payload[7]]);
    let fragment = (place & 0x3fff != 0).then_some((place & 0x1fff, place & 0x2000 != 0));
    let upper = upper(packet.protocol(), packet.payload(), false, fragment);
    let mut ip = Ip::new(packet.source().into(), packet.destination().into(), upper);
    ip.tos = packet.tos();
    ip.options = (packet.header_len() / 4 - 5) as u8;
    ip.fragment = fragment;
    Some(ip)
}

fn ipv6(payload: &[u8]) -> Option<Ip> {
    let packet = Ipv6Ref::new(payload).filter(|p| p.bytes[0] >> 4 == 6)?;
    let (mut at, mut protocol, mut behind) = (40, packet.next_header(), Vec::new());
    let mut fragment = None;
    while let Some([next, len, high, low, ..]) = payload.get(at..at + 8) {
        match protocol {
            FRAGMENT if fragment.is_none() => {
                let place = u16::from_be_bytes([*high, *low]);
                fragment = Some((place >> 3, place & 1 != 0));
                at += 8;
            }
            known if fragment.is_none() && names::name(EXTENSIONS, known).is_some() && behind.len() < MAX_BEHIND => {
                behind.push(known);
                at += 8 * usize::from(*len) + 8;
            }
            _ => break,
        }
        protocol = *next;
    }
    let upper = upper(protocol, payload.get(at..).unwrap_or_default(), true, fragment);
    let mut ip = Ip::new(packet.source().into(), packet.destination().into(), upper);
    (ip.tos, ip.behind, ip.fragment) = (packet.traffic_class(), behind, fragment);
    Some(ip)
}

fn upper(protocol: u8, bytes: &[u8], ipv6: bool, fragment: Option<(u16, bool)>) -> Upper {
    let at = |place: usize| bytes.get(place).copied().unwrap_or(0);
    let word = |place: usize| u16::from_be_bytes([at(place), at(place + 1)]);
    let icmp = if ipv6 { ICMP6 } else { ICMP };
    match protocol {
        // What follows the first piece has no header.
        _ if fragment.is_some_and(|(offset, _)| offset != 0) => Upper::Other(protocol),
        UDP if [word(0), word(2)].iter().all(|port| matches!(port, 67 | 68))
            && bytes.get(8 + DHCP_HEAD..8 + DHCP_HEAD + 6) == Some(&DHCP_COOKIE)
            && names::name(DHCP, at(8 + DHCP_HEAD + 6)).is_some() =>
        {
            Upper::Dhcp(at(8 + DHCP_HEAD + 6))
        }
        TCP if bytes.len() >= 14 => {
            let flags = u16::from(at(12) & 0x0f) << 8 | u16::from(at(13));
            Upper::Ports { protocol, source: word(0), destination: word(2), flags }
        }
        _ if protocol != TCP && names::name(WITH_PORTS, protocol).is_some() && bytes.len() >= 4 => {
            Upper::Ports { protocol, source: word(0), destination: word(2), flags: 0 }
        }
        ICMP6 if ipv6 && (at(0) == 133 || at(0) == 134 || matches!(at(0), 135 | 136) && bytes.len() >= 24) => {
            let target = bytes.get(8..24).and_then(|target| <[u8; 16]>::try_from(target).ok());
            let target = target.filter(|_| at(0) >= 135).map_or(Ipv6Addr::UNSPECIFIED, Ipv6Addr::from);
            let option = bytes.get(
                match at(0) {
                    133 => 8,
                    134 => 16,
                    _ => 24,
                }..,
            );
            let mac = option.and_then(|option| match option {
                [1 | 2, 1, a, b, c, d, e, f, ..] => Some(Mac([*a, *b, *c, *d, *e, *f])),
                _ => None,
            });
            Upper::Neighbor { kind: at(0), target, mac }
        }
        _ if protocol == icmp && bytes.len() >= 2 => Upper::Icmp { kind: at(0), code: at(1) },
        _ => Upper::Other(protocol),
    }
}
