//! Views of Ethernet frames and of what address resolution needs inside them.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{BufferFull, Emit, Mac, Parse, ParseError, Reader, Writer};

/// EtherType of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// EtherType of ARP.
pub const ETHERTYPE_ARP: u16 = 0x0806;
/// EtherType of VLAN tags.
pub const ETHERTYPE_VLAN: u16 = 0x8100;
/// EtherType of IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Length of an Ethernet header.
pub const ETHERNET_HEADER_LEN: usize = 14;

/// An Ethernet frame with a 14-byte header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EthernetRef<'a> {
    /// Destination MAC.
    pub destination: Mac,
    /// Source MAC.
    pub source: Mac,
    /// EtherType.
    pub ethertype: u16,
    /// What follows the header.
    pub payload: &'a [u8],
}

impl<'a> EthernetRef<'a> {
    /// Reads a whole frame.
    pub fn new_checked(frame: &'a [u8]) -> Result<Self, ParseError> {
        Self::parse(&mut Reader::new(frame))
    }
}

impl<'a> Parse<'a> for EthernetRef<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        Ok(Self {
            destination: Mac(r.array("destination MAC")?),
            source: Mac(r.array("source MAC")?),
            ethertype: r.u16("EtherType")?,
            payload: r.rest(),
        })
    }
}

impl Emit for EthernetRef<'_> {
    fn encoded_len(&self) -> usize {
        ETHERNET_HEADER_LEN + self.payload.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_bytes(&self.destination.0)?;
        w.put_bytes(&self.source.0)?;
        w.put_u16(self.ethertype)?;
        w.put_bytes(self.payload)
    }
}

impl fmt::Display for EthernetRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} > {}, ethertype {:04x}, {} bytes",
            self.source,
            self.destination,
            self.ethertype,
            self.payload.len()
        )
    }
}

impl fmt::Debug for EthernetRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// ARP for IPv4 over Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// 1 request, 2 reply.
    pub operation: u16,
    /// Sender MAC.
    pub sender_mac: Mac,
    /// Sender IP.
    pub sender_ip: Ipv4Addr,
    /// Target MAC.
    pub target_mac: Mac,
    /// Target IP.
    pub target_ip: Ipv4Addr,
}

impl Arp {
    /// Operation of a request.
    pub const REQUEST: u16 = 1;
    /// Operation of a reply.
    pub const REPLY: u16 = 2;
    const PREFIX: [u8; 6] = [0, 1, 8, 0, 6, 4];
}

impl<'a> Parse<'a> for Arp {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let kind_error = r.fail("ARP for IPv4 over Ethernet");
        if r.array("ARP")? != Self::PREFIX {
            return Err(kind_error);
        }
        Ok(Self {
            operation: r.u16("ARP operation")?,
            sender_mac: Mac(r.array("ARP sender MAC")?),
            sender_ip: r.array::<4>("ARP sender IP")?.into(),
            target_mac: Mac(r.array("ARP target MAC")?),
            target_ip: r.array::<4>("ARP target IP")?.into(),
        })
    }
}

impl Emit for Arp {
    fn encoded_len(&self) -> usize {
        28
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_bytes(&Self::PREFIX)?;
        w.put_u16(self.operation)?;
        w.put_bytes(&self.sender_mac.0)?;
        w.put_bytes(&self.sender_ip.octets())?;
        w.put_bytes(&self.target_mac.0)?;
        w.put_bytes(&self.target_ip.octets())
    }
}

/// An IPv4 packet; header checksum and lengths inside are not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Ref<'a> {
    /// All bytes; at least 20.
    pub bytes: &'a [u8],
}

impl<'a> Ipv4Ref<'a> {
    /// Checks that there are 20 bytes.
    pub const fn new(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() < 20 { None } else { Some(Self { bytes }) }
    }

    /// Length of the header by its IHL field (0–60); not validated.
    pub const fn header_len(&self) -> usize {
        (self.bytes[0] & 0x0f) as usize * 4
    }

    /// Type of service.
    pub const fn tos(&self) -> u8 {
        self.bytes[1]
    }

    /// Protocol number.
    pub const fn protocol(&self) -> u8 {
        self.bytes[9]
    }

    /// Source address.
    pub const fn source(&self) -> Ipv4Addr {
        let b = self.bytes;
        Ipv4Addr::new(b[12], b[13], b[14], b[15])
    }

    /// Destination address.
    pub const fn destination(&self) -> Ipv4Addr {
        let b = self.bytes;
        Ipv4Addr::new(b[16], b[17], b[18], b[19])
    }

    /// What follows the header; empty if it says to be longer than the packet.
    pub fn payload(&self) -> &'a [u8] {
        self.bytes.get(self.header_len()..).unwrap_or_default()
    }
}

/// An IPv6 packet; lengths inside are not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Ref<'a> {
    /// All bytes; at least 40.
    pub bytes: &'a [u8],
}

impl<'a> Ipv6Ref<'a> {
    /// Checks that there are 40 bytes.
    pub const fn new(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() < 40 { None } else { Some(Self { bytes }) }
    }

    /// Traffic class.
    pub const fn traffic_class(&self) -> u8 {
        self.bytes[0] << 4 | self.bytes[1] >> 4
    }

    /// Next header field of the fixed header.
    pub const fn next_header(&self) -> u8 {
        self.bytes[6]
    }

    /// Source address.
    pub fn source(&self) -> Ipv6Addr {
        self.address(8)
    }

    /// Destination address.
    pub fn destination(&self) -> Ipv6Addr {
        self.address(24)
    }

    fn address(&self, at: usize) -> Ipv6Addr {
        Ipv6Addr::from(*self.bytes[at..].first_chunk::<16>().expect("40 bytes are there"))
    }

    /// What follows the fixed header.
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[40..]
    }

    /// Position and number of the upper protocol (04 §6.6); `None` if an extension header is cut.
    pub fn upper(&self) -> Option<(usize, u8)> {
        let (mut at, mut protocol) = (40, self.next_header());
        while at <= self.bytes.len() {
            // Fragments, ESP and AH end the walk too: what is behind them is not there, or cannot be read.
            if !matches!(protocol, 0 | 43 | 60 | 135) {
                return Some((at, protocol));
            }
            let head = self.bytes.get(at..at + 8)?;
            protocol = head[0];
            at += 8 * usize::from(head[1]) + 8;
        }
        None
    }

    /// The neighbor solicitation or advertisement directly behind the fixed header, if it is one.
    pub fn neighbor(&self) -> Option<Neighbor> {
        let b = self.bytes;
        if self.next_header() != 58 || b.len() < 64 || !matches!(b[40], 0x87 | 0x88) {
            return None;
        }
        Some(Neighbor { advertisement: b[40] == 0x88, target: self.address(48) })
    }
}

/// ICMPv6 neighbor discovery message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbor {
    /// Advertisement (0x88), else solicitation (0x87).
    pub advertisement: bool,
    /// Address asked for or announced.
    pub target: Ipv6Addr,
}

/// Length of the IPv6 packet made by [`neighbor_advertisement`].
pub const NEIGHBOR_ADVERTISEMENT_LEN: usize = 72;

/// An IPv6 packet that answers a neighbor solicitation (01 §1.5): solicited, override, with the target's MAC.
pub fn neighbor_advertisement(target: Ipv6Addr, to: Ipv6Addr, target_mac: Mac) -> [u8; NEIGHBOR_ADVERTISEMENT_LEN] {
    let mut p = [0; NEIGHBOR_ADVERTISEMENT_LEN];
    p[..8].copy_from_slice(&[0x60, 0, 0, 0, 0, 0x20, 0x3a, 0xff]);
    p[8..24].copy_from_slice(&target.octets());
    p[24..40].copy_from_slice(&to.octets());
    p[40] = 0x88;
    p[44] = 0x60;
    p[48..64].copy_from_slice(&target.octets());
    p[64..66].copy_from_slice(&[2, 1]);
    p[66..].copy_from_slice(&target_mac.0);
    let checksum = icmpv6_checksum(target, to, &p[40..]);
    p[42..44].copy_from_slice(&checksum.to_be_bytes());
    p
}

/// Checksum of an ICMPv6 message whose checksum field is zero.
pub fn icmpv6_checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u16 {
    transport_checksum(source.into(), destination.into(), 58, message)
}

/// Checksum of what an IP packet carries, its checksum field zero: TCP, UDP or ICMPv6, with the addresses.
pub fn transport_checksum(source: IpAddr, destination: IpAddr, protocol: u8, message: &[u8]) -> u16 {
    let address = |ip| match ip {
        IpAddr::V4(ip) => words(&ip.octets()),
        IpAddr::V6(ip) => words(&ip.octets()),
    };
    checksum(message, address(source) + address(destination) + message.len() as u64 + u64::from(protocol))
}

/// The Internet's checksum over bytes whose checksum field is zero, and over what `sum` has of before.
pub fn checksum(bytes: &[u8], sum: u64) -> u16 {
    !fold(sum + words(bytes))
}

fn words(bytes: &[u8]) -> u64 {
    u64::from(sum_words(bytes))
}

/// The sum of `bytes` as 16-bit words, folded (RFC 1071); an odd last byte counts as the higher half of a word.
///
/// Words are added in this machine's byte order, which the sum does not mind, and put right at the end: 64-bit words whole
/// and their higher halves once more, so that what got lost of the whole is known. Compilers make vectors of that.
pub fn sum_words(bytes: &[u8]) -> u16 {
    let (words, rest) = bytes.as_chunks::<8>();
    // Neither the sum of the higher halves nor both together overflow in less than 16 GiB.
    let (mut whole, mut high) = (0_u64, 0_u64);
    for word in words {
        let word = u64::from_ne_bytes(*word);
        whole = whole.wrapping_add(word);
        high += word >> 32;
    }
    let low = whole.wrapping_sub(high << 32);
    u16::from_be(fold(low + high + sum_rest(rest)))
}

/// The sum of less than 8 bytes, in this machine's byte order.
fn sum_rest(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let (halves, odd) = rest.as_chunks::<2>();
    let word = words.first().map_or(0, |word| u64::from(u32::from_ne_bytes(*word)));
    let half = halves.first().map_or(0, |half| u64::from(u16::from_ne_bytes(*half)));
    let odd = odd.first().map_or(0, |last| u64::from(u16::from_ne_bytes([*last, 0])));
    word + half + odd
}

/// Adds the carries of a sum of 16-bit words back in until none is left.
pub fn fold(sum: u64) -> u16 {
    // Halves are added both ways round: the lower one carries into the higher.
    let sum = (sum.wrapping_add(sum.rotate_left(32)) >> 32) as u32;
    (sum.wrapping_add(sum.rotate_left(16)) >> 16) as u16
}

/// Source address a frame claims: ARP sender, IPv4 or IPv6 source, or the target of an advertisement.
/// `None` for neighbor solicitations and everything else (04 §6.5, "Authentication").
pub fn claimed_source(ethertype: u16, payload: &[u8]) -> Option<IpAddr> {
    match ethertype {
        ETHERTYPE_IPV4 => Ipv4Ref::new(payload).map(|p| p.source().into()),
        ETHERTYPE_ARP if payload.len() >= 28 => Some(Ipv4Addr::from(*payload[14..].first_chunk::<4>()?).into()),
        ETHERTYPE_IPV6 => {
            let p = Ipv6Ref::new(payload)?;
            match p.neighbor() {
                Some(Neighbor { advertisement: true, target }) => Some(target.into()),
                Some(_) => None,
                None => Some(p.source().into()),
            }
        }
        _ => None,
    }
}
