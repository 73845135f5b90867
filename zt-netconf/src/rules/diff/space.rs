//! The frames that are tried: one of each sort that rules can tell apart.

use std::net::{IpAddr, Ipv4Addr};

use zt_wire::ether::{Arp, ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use zt_wire::ident::Mac;

use super::constants::Constants;
use crate::rules::words::names::{self, ETHERTYPES, ICMP, ICMP_TYPES, ICMP6, ICMP6_TYPES, PROTOCOLS, TCP, UDP};
use crate::rules::words::{Content, Ends, Frame, Ip, Said, Upper};

/// Most frames of one kind that are tried between two members.
const MAX_POINTS: usize = 4096;

/// Longest payload, bytes.
const MAX_SIZE: u32 = 10_000;

/// One kind of frame, in all the forms that count.
#[derive(Clone, Debug)]
pub(super) struct Space {
    pub(super) kind: Kind,
    /// What varies; the first value of each is the usual one.
    pub(super) dims: Vec<Vec<Trait>>,
}

/// A kind of frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Arp,
    /// Ethertype, and whether it stands for all that are not named.
    Ether(u16, bool),
    /// IPv4 or not; protocol; whether it stands for all that are not named.
    Ip(bool, u8, bool),
}

/// One thing that a frame can be; ranges with their ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trait {
    DestinationPort(u32, u32),
    SourcePort(u32, u32),
    Flags(u16),
    Icmp(Icmp),
    Cast(Cast),
    Source(Place),
    Destination(Place),
    Tos(u8),
    Size(u32, u32),
}

/// A type of ICMP message, as far as rules tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Icmp {
    /// With whatever code.
    Type(u8),
    /// With this code.
    Code(u8, u8),
    /// With another code than those that are named, of which this one is tried.
    OtherCode(u8, u8),
    /// Another type than those that are named, of which this one is tried.
    Other(u8),
}

/// Where a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cast {
    One,
    /// Broadcast, and where that is not told apart any group.
    All,
    Group(Mac),
}

/// An address of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// That of the member.
    Own,
    /// Another in this range, of which this one is tried.
    In(zt_wire::IpPrefix, IpAddr),
    /// One that nobody was given.
    Nobody(IpAddr),
}

/// All kinds that rules with these constants tell apart, and what was left out of them.
pub(super) fn all(constants: &Constants) -> (Vec<Space>, Vec<&'static str>) {
    let mut left_out = Vec::new();
    let mut spaces = vec![Space { kind: Kind::Arp, dims: vec![arp_casts()] }];
    for ipv4 in [true, false] {
        for (protocol, rest) in protocols(constants, ipv4) {
            spaces.push(Space::ip(constants, ipv4, protocol, rest, &mut left_out));
        }
    }
    let known = [ETHERTYPE_IPV4, ETHERTYPE_ARP, ETHERTYPE_IPV6];
    for ethertype in constants.ethertypes.iter().filter(|e| !known.contains(e)) {
        spaces.push(Space { kind: Kind::Ether(*ethertype, false), dims: vec![casts(constants), sizes(constants, 46)] });
    }
    let other = (0x9000..).find(|e| !constants.ethertypes.contains(e) && names::name(ETHERTYPES, *e).is_none());
    let kind = Kind::Ether(other.unwrap_or(0x9000), true);
    spaces.push(Space { kind, dims: vec![casts(constants), sizes(constants, 46)] });
    left_out.sort_unstable();
    left_out.dedup();
    (spaces, left_out)
}

/// Protocols of a family, the last for all that are not named.
fn protocols(constants: &Constants, ipv4: bool) -> Vec<(u8, bool)> {
    let icmp = if ipv4 { ICMP } else { ICMP6 };
    let mut all = vec![(icmp, false), (TCP, false), (UDP, false)];
    let ours = [icmp, TCP, UDP];
    // Behind these numbers no packet has a content in IPv6.
    let walked = |p: &u8| !ipv4 && matches!(p, 0 | 43 | 44 | 60 | 135);
    all.extend(constants.protocols.iter().filter(|p| !ours.contains(p) && !walked(p)).map(|p| (*p, false)));
    let other = (0..=253).rev().find(|p| !constants.protocols.contains(p) && names::name(PROTOCOLS, *p).is_none());
    all.push((other.unwrap_or(253), true));
    all
}

impl Space {
    fn ip(c: &Constants, ipv4: bool, protocol: u8, rest: bool, left_out: &mut Vec<&'static str>) -> Self {
        let mut dims = Vec::new();
        let has_ports = !rest && names::name(names::WITH_PORTS, protocol).is_some();
        if has_ports {
            dims.push(ranges(&c.destination_ports, 0xffff).map(|(a, b)| Trait::DestinationPort(a, b)).collect());
        }
        if protocol == if ipv4 { ICMP } else { ICMP6 } && !rest {
            dims.push(icmp(c, ipv4));
        }
        if has_ports && protocol == TCP {
            dims.push(flags(c));
        }
        dims.push(casts(c));
        dims.push(places(c, ipv4, &c.sources, true).into_iter().map(Trait::Source).collect());
        dims.push(places(c, ipv4, &c.destinations, false).into_iter().map(Trait::Destination).collect());
        let certain = dims.len();
        if has_ports {
            dims.push(source_ports(c));
        }
        dims.push(sizes(c, if ipv4 { 60 } else { 80 }));
        let mut tos = vec![0];
        tos.extend(c.tos.iter().filter(|tos| **tos != 0));
        dims.push(tos.into_iter().map(Trait::Tos).collect());
        let mut space = Self { kind: Kind::Ip(ipv4, protocol, rest), dims };
        for at in (0..space.dims.len()).rev() {
            if space.len() <= MAX_POINTS {
                break;
            }
            let values = &mut space.dims[at];
            let keep = if at >= certain { 1 } else { values.len().min(8) };
            if values.len() > keep {
                left_out.push(values[0].what());
                values.truncate(keep);
            }
        }
        space
    }

    /// IPv4 or not, if it is IP at all.
    pub(super) fn family(&self) -> Option<bool> {
        if let Kind::Ip(ipv4, ..) = self.kind { Some(ipv4) } else { None }
    }

    /// Number of forms.
    pub(super) fn len(&self) -> usize {
        self.dims.iter().map(Vec::len).product()
    }

    /// One form: which value of each.
    pub(super) fn point(&self, mut number: usize) -> Vec<u16> {
        let mut point = Vec::with_capacity(self.dims.len());
        for values in &self.dims {
            point.push((number % values.len()) as u16);
            number /= values.len();
        }
        point
    }

    /// The frame of a form.
    pub(super) fn frame(&self, point: &[u16], ends: &Ends) -> Frame {
        let traits = self.dims.iter().zip(point).map(|(values, at)| values[usize::from(*at)]);
        let mut form = Form::new(self.kind, ends);
        for what in traits {
            form.be(what);
        }
        form.frame(self.kind, ends)
    }
}

/// A frame in the making.
struct Form {
    source: IpAddr,
    destination: IpAddr,
    ports: (u16, u16),
    flags: u16,
    icmp: (u8, u8),
    cast: Cast,
    tos: u8,
    size: Option<usize>,
}

impl Form {
    fn new(kind: Kind, ends: &Ends) -> Self {
        let ipv4 = matches!(kind, Kind::Ip(true, ..) | Kind::Arp);
        let own = |ips: &[IpAddr], mac: Mac, last: u8| {
            let given = ips.iter().copied().find(|ip| ip.is_ipv4() == ipv4);
            given.unwrap_or_else(|| match ipv4 {
                true => Ipv4Addr::new(192, 0, 2, last).into(),
                false => mac.link_local().into(),
            })
        };
        Self {
            source: own(&ends.source_ips, ends.source, 1),
            destination: own(&ends.destination_ips, ends.destination, 2),
            ports: (40_000, 1),
            flags: 2,
            icmp: (if ipv4 { 8 } else { 128 }, 0),
            cast: Cast::One,
            tos: 0,
            size: None,
        }
    }

    fn be(&mut self, what: Trait) {
        let place = |place: Place, own: IpAddr| match place {
            Place::Own => own,
            Place::In(_, ip) | Place::Nobody(ip) => ip,
        };
        // Port 0 is no port (04 §6.5).
        let port = |first: u32, last: u32| first.max(1).min(last) as u16;
        match what {
            Trait::DestinationPort(first, last) => self.ports.1 = port(first, last),
            // The usual one, if it is among them.
            Trait::SourcePort(first, last) if (first..=last).contains(&40_000) => {}
            Trait::SourcePort(first, last) => self.ports.0 = port(first, last),
            Trait::Flags(flags) => self.flags = flags,
            Trait::Icmp(Icmp::Type(kind) | Icmp::Other(kind)) => self.icmp = (kind, 0),
            Trait::Icmp(Icmp::Code(kind, code) | Icmp::OtherCode(kind, code)) => self.icmp = (kind, code),
            Trait::Cast(cast) => self.cast = cast,
            Trait::Source(at) => self.source = place(at, self.source),
            Trait::Destination(at) => self.destination = place(at, self.destination),
            Trait::Tos(tos) => self.tos = tos,
            Trait::Size(first, _) => self.size = Some(first as usize),
        }
    }

    fn frame(self, kind: Kind, ends: &Ends) -> Frame {
        let four = |ip: IpAddr| if let IpAddr::V4(ip) = ip { ip } else { Ipv4Addr::UNSPECIFIED };
        let content = match kind {
            Kind::Arp => Content::Arp(Arp {
                operation: if self.cast == Cast::One { Arp::REPLY } else { Arp::REQUEST },
                sender_mac: ends.source,
                sender_ip: four(self.source),
                target_mac: if self.cast == Cast::One { ends.destination } else { Mac::default() },
                target_ip: four(self.destination),
            }),
            Kind::Ether(ethertype, _) => Content::Other { ethertype, payload: vec![0; 46] },
            Kind::Ip(ipv4, protocol, rest) => {
                let upper = match protocol {
                    _ if rest => Upper::Other(protocol),
                    ICMP if ipv4 => Upper::Icmp { kind: self.icmp.0, code: self.icmp.1 },
                    ICMP6 if !ipv4 => match (self.icmp.0, self.source, self.destination) {
                        (kind @ 135, _, IpAddr::V6(target)) | (kind @ 136, IpAddr::V6(target), _) => {
                            Upper::Neighbor { kind, target, mac: Some(ends.source) }
                        }
                        (kind, ..) => Upper::Icmp { kind, code: self.icmp.1 },
                    },
                    _ if names::name(names::WITH_PORTS, protocol).is_some() => {
                        let flags = if protocol == TCP { self.flags } else { 0 };
                        Upper::Ports { protocol, source: self.ports.0, destination: self.ports.1, flags }
                    }
                    _ => Upper::Other(protocol),
                };
                let mut ip = Ip::new(self.source, self.destination, upper);
                ip.tos = self.tos;
                Content::Ip(ip)
            }
        };
        let destination = match self.cast {
            Cast::One => ends.destination,
            Cast::All => Mac::BROADCAST,
            Cast::Group(mac) => mac,
        };
        Said { source: ends.source, destination, vlans: Vec::new(), content, size: self.size }.build()
    }
}

/// The parts that boundaries cut a range of numbers from 0 in.
fn ranges(bounds: &std::collections::BTreeSet<u32>, last: u32) -> impl Iterator<Item = (u32, u32)> {
    let mut starts: Vec<u32> = bounds.iter().copied().filter(|b| *b > 0 && *b <= last).collect();
    starts.insert(0, 0);
    let ends: Vec<u32> = starts.iter().skip(1).map(|b| b - 1).chain([last]).collect();
    starts.into_iter().zip(ends)
}

/// The usual one first.
fn source_ports(c: &Constants) -> Vec<Trait> {
    let mut all: Vec<(u32, u32)> = ranges(&c.source_ports, 0xffff).collect();
    all.sort_by_key(|(first, last)| !(*first..=*last).contains(&40_000));
    all.into_iter().map(|(first, last)| Trait::SourcePort(first, last)).collect()
}

fn sizes(c: &Constants, usual: u32) -> Vec<Trait> {
    // Whatever is shorter than its headers is another thing.
    let long = ranges(&c.sizes, MAX_SIZE).filter(|(_, last)| *last >= usual).map(|(a, b)| (a.max(usual), b));
    long.map(|(first, last)| Trait::Size(first, last)).collect()
}

fn flags(c: &Constants) -> Vec<Trait> {
    let told = c.flags();
    if told == 0 {
        return vec![Trait::Flags(0x02)];
    }
    let mut all = vec![0x02, 0x12, 0x10, 0x11, 0x04];
    all.extend((0..12).map(|bit| 1 << bit).filter(|bit| told & bit & !0x17 != 0).map(|bit| 0x10 | bit));
    all.into_iter().map(Trait::Flags).collect()
}

fn icmp(c: &Constants, ipv4: bool) -> Vec<Trait> {
    let usual: &[u8] = if ipv4 { &[8] } else { &[128, 135, 136] };
    // Numbers that are a message in the other family only are not worth a word.
    let exists = |kind: &u8| if ipv4 { *kind <= 43 } else { matches!(kind, 1..=4 | 100..) };
    let named = c.icmp.keys().copied().filter(|kind| !usual.contains(kind) && exists(kind));
    let kinds: Vec<u8> = usual.iter().copied().chain(named).collect();
    let mut all = Vec::new();
    for kind in &kinds {
        match c.icmp.get(kind).filter(|codes| !codes.is_empty()) {
            None => all.push(Icmp::Type(*kind)),
            Some(codes) => {
                let other = (0..=255).rev().find(|code| !codes.contains(code)).unwrap_or(255);
                all.extend(codes.iter().map(|code| Icmp::Code(*kind, *code)));
                all.push(Icmp::OtherCode(*kind, other));
            }
        }
    }
    if !c.icmp.is_empty() {
        all.extend((0..=255).rev().find(|kind| !c.icmp.contains_key(kind)).map(Icmp::Other));
    }
    all.into_iter().map(Trait::Icmp).collect()
}

fn casts(c: &Constants) -> Vec<Trait> {
    let mut all = vec![Cast::One, Cast::All];
    if c.parts_broadcast() {
        all.push(Cast::Group(Mac([0x33, 0x33, 0, 0, 0, 1])));
    }
    all.extend(c.macs.iter().filter(|mac| mac.is_multicast() && !mac.is_broadcast()).map(|mac| Cast::Group(*mac)));
    all.into_iter().map(Trait::Cast).collect()
}

/// A question goes to all, its answer to one.
fn arp_casts() -> Vec<Trait> {
    [Cast::All, Cast::One].map(Trait::Cast).to_vec()
}

fn places(
    c: &Constants,
    ipv4: bool,
    prefixes: &std::collections::BTreeSet<zt_wire::IpPrefix>,
    source: bool,
) -> Vec<Place> {
    let mut all = vec![Place::Own];
    if prefixes.iter().any(|p| p.is_ipv4() == ipv4) {
        all.extend(Constants::regions(prefixes, ipv4).into_iter().map(|(range, ip)| Place::In(range, ip)));
    }
    if source && c.asks_for_owner() {
        let nobody = if ipv4 { "198.51.100.1" } else { "2001:db8::bad" };
        all.extend(nobody.parse().map(Place::Nobody));
    }
    all
}

impl Trait {
    /// What it is a value of, for people.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::DestinationPort(..) => "destination ports",
            Self::SourcePort(..) => "source ports",
            Self::Flags(_) => "TCP flags",
            Self::Icmp(..) => "ICMP types",
            Self::Cast(_) => "groups",
            Self::Source(_) => "source addresses",
            Self::Destination(_) => "destination addresses",
            Self::Tos(_) => "types of service",
            Self::Size(..) => "sizes",
        }
    }
}

impl Kind {
    /// Its name without the family, and the family.
    pub(super) fn name(self) -> (String, Option<bool>) {
        match self {
            Self::Arp => ("arp".to_owned(), None),
            Self::Ether(_, true) => ("other ethertypes".to_owned(), None),
            Self::Ether(ethertype, false) => {
                let name = names::name(ETHERTYPES, ethertype).map(str::to_owned);
                (name.unwrap_or_else(|| format!("ethertype 0x{ethertype:04x}")), None)
            }
            Self::Ip(ipv4, _, true) => ("other protocols".to_owned(), Some(ipv4)),
            Self::Ip(ipv4, ICMP, _) if ipv4 => ("icmp".to_owned(), Some(ipv4)),
            Self::Ip(false, ICMP6, _) => ("icmp".to_owned(), Some(false)),
            Self::Ip(ipv4, protocol, false) => {
                let name = names::name(PROTOCOLS, protocol).map(str::to_owned);
                (name.unwrap_or_else(|| format!("protocol {protocol}")), Some(ipv4))
            }
        }
    }
}

/// The name of an ICMP type.
pub(super) fn icmp_name(kind: u8, ipv4: bool) -> String {
    let known = match (ipv4, kind) {
        (false, 135) => Some("neighbour solicitation"),
        (false, 136) => Some("neighbour advertisement"),
        (true, _) => names::name(ICMP_TYPES, kind),
        (false, _) => names::name(ICMP6_TYPES, kind),
    };
    known.map_or_else(|| format!("type {kind}"), str::to_owned)
}
