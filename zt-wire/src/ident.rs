//! Names of things: node addresses, network IDs, MACs, multicast groups, packet IDs (01 §1).

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};
use core::str::FromStr;

use crate::{BufferFull, Emit, Parse, ParseError, Reader, TextError, Writer};

/// 40-bit address of a node (01 §1.1).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(u64);

impl Address {
    /// The zero address: "nobody".
    pub const NIL: Self = Self(0);
    /// Length in bytes.
    pub const LEN: usize = 5;

    /// Makes an address from the low 40 bits.
    pub const fn new(value: u64) -> Self {
        Self(value & 0xff_ffff_ffff)
    }

    /// Makes an address from its big-endian bytes.
    pub const fn from_bytes(b: [u8; 5]) -> Self {
        Self(u64::from_be_bytes([0, 0, 0, b[0], b[1], b[2], b[3], b[4]]))
    }

    /// Big-endian bytes.
    pub const fn to_bytes(self) -> [u8; 5] {
        let b = self.0.to_be_bytes();
        [b[3], b[4], b[5], b[6], b[7]]
    }

    /// The number; at most 40 bits.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// True for addresses no node can have: zero and `ff……`.
    pub const fn is_reserved(self) -> bool {
        self.0 == 0 || self.0 >> 32 == 0xff
    }

    /// True for the zero address.
    pub const fn is_nil(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010x}", self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Address {
    type Err = TextError;
    /// Exactly ten hex digits.
    fn from_str(s: &str) -> Result<Self, TextError> {
        strict_hex(s, 10).map(Self).ok_or(TextError { what: "address (10 hex digits)" })
    }
}

impl<'a> Parse<'a> for Address {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        r.array("address").map(Self::from_bytes)
    }
}

impl Emit for Address {
    fn encoded_len(&self) -> usize {
        Self::LEN
    }
    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_bytes(&self.to_bytes())
    }
}

/// 64-bit ID of a virtual network (01 §1.2).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkId(pub u64);

impl NetworkId {
    /// Address of the controller: the upper 40 bits.
    pub const fn controller(self) -> Address {
        Address(self.0 >> 24)
    }

    /// Number the controller chose: the lower 24 bits.
    pub const fn number(self) -> u32 {
        (self.0 & 0xff_ffff) as u32
    }

    /// True for networks without controller (top byte `ff`).
    pub const fn is_ad_hoc(self) -> bool {
        self.0 >> 56 == 0xff
    }

    /// Prefix length of the RFC 4193 address of a member (01 §1.4).
    pub const RFC4193_BITS: u8 = 88;
    /// Prefix length of the 6PLANE address of a member (01 §1.4).
    pub const SIXPLANE_BITS: u8 = 40;

    /// RFC 4193 address of a member; its prefix length is [`NetworkId::RFC4193_BITS`] (01 §1.4).
    pub fn rfc4193(self, member: Address) -> Ipv6Addr {
        let mut b = [0; 16];
        b[0] = 0xfd;
        b[1..9].copy_from_slice(&self.0.to_be_bytes());
        b[9] = 0x99;
        b[10] = 0x93;
        b[11..].copy_from_slice(&member.to_bytes());
        Ipv6Addr::from(b)
    }

    /// 6PLANE address of a member; its prefix length is [`NetworkId::SIXPLANE_BITS`], and the member owns the
    /// /80 (01 §1.4).
    pub fn sixplane(self, member: Address) -> Ipv6Addr {
        let mut b = [0; 16];
        b[0] = 0xfc;
        b[1..5].copy_from_slice(&self.folded().to_be_bytes());
        b[5..10].copy_from_slice(&member.to_bytes());
        b[15] = 1;
        Ipv6Addr::from(b)
    }

    /// Upper half XOR lower half, bytes 1–4 of a 6PLANE address.
    pub const fn folded(self) -> u32 {
        (self.0 >> 32) as u32 ^ self.0 as u32
    }
}

impl fmt::Display for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for NetworkId {
    type Err = TextError;
    /// Exactly sixteen hex digits.
    fn from_str(s: &str) -> Result<Self, TextError> {
        strict_hex(s, 16).map(Self).ok_or(TextError { what: "network ID (16 hex digits)" })
    }
}

impl<'a> Parse<'a> for NetworkId {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        r.u64("network ID").map(Self)
    }
}

impl Emit for NetworkId {
    fn encoded_len(&self) -> usize {
        8
    }
    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u64(self.0)
    }
}

/// 48-bit Ethernet address in transmission order.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// All ones.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// All zeros.
    pub const ZERO: Self = Self([0; 6]);

    /// From the low 48 bits of a number, as C interfaces write it (08 §A.4).
    pub const fn from_u64(number: u64) -> Self {
        let [_, _, a, b, c, d, e, f] = number.to_be_bytes();
        Self([a, b, c, d, e, f])
    }

    /// As the low 48 bits of a number.
    pub const fn as_u64(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// MAC of a member on a network (01 §1.3).
    pub const fn for_member(member: Address, network: NetworkId) -> Self {
        let (a, n) = (member.to_bytes(), network.0.to_be_bytes());
        Self([Self::first_octet(network), a[0] ^ n[6], a[1] ^ n[5], a[2] ^ n[4], a[3] ^ n[3], a[4] ^ n[2]])
    }

    /// First octet of the MACs of all direct members of a network (01 §1.3).
    pub const fn first_octet(network: NetworkId) -> u8 {
        let m = (network.0 as u8 & 0xfe) | 0x02;
        // Hypervisors give their guests MACs that begin with 52.
        if m == 0x52 { 0x32 } else { m }
    }

    /// The inverse of [`Mac::for_member`] without a look at the first octet or at reserved addresses.
    pub const fn embedded_address(self, network: NetworkId) -> Address {
        let (m, n) = (self.0, network.0.to_be_bytes());
        Address::from_bytes([m[1] ^ n[6], m[2] ^ n[5], m[3] ^ n[4], m[4] ^ n[3], m[5] ^ n[2]])
    }

    /// The member that owns this MAC; `None` for bridged devices (other first octet) and reserved addresses.
    pub const fn member(self, network: NetworkId) -> Option<Address> {
        let a = self.embedded_address(network);
        if self.0[0] != Self::first_octet(network) || a.is_reserved() { None } else { Some(a) }
    }

    /// True for group addresses, broadcast included.
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// True for all ones.
    pub const fn is_broadcast(self) -> bool {
        matches!(self.0, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
    }

    /// True for all zeros.
    pub const fn is_zero(self) -> bool {
        matches!(self.0, [0, 0, 0, 0, 0, 0])
    }

    /// Link-local IPv6 address, /64. Quirk (01 §1.4): the universal/local bit is cleared, not flipped.
    pub fn link_local(self) -> Ipv6Addr {
        let m = self.0;
        Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] & 0xfd, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Mac {
    type Err = TextError;
    /// Six groups of two hex digits with `:` or `-` between them, or twelve digits.
    fn from_str(s: &str) -> Result<Self, TextError> {
        let error = TextError { what: "MAC address" };
        let bytes = s.as_bytes();
        let stride = match bytes.len() {
            17 => 3,
            12 => 2,
            _ => return Err(error),
        };
        let mut mac = [0; 6];
        for (i, octet) in mac.iter_mut().enumerate() {
            let group = &bytes[i * stride..];
            let (Some(hi), Some(lo)) = (hex_digit(group[0]), hex_digit(group[1])) else {
                return Err(error);
            };
            if stride == 3 && i < 5 && !matches!(group[2], b':' | b'-') {
                return Err(error);
            }
            *octet = hi << 4 | lo;
        }
        Ok(Self(mac))
    }
}

impl<'a> Parse<'a> for Mac {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        r.array("MAC").map(Self)
    }
}

impl Emit for Mac {
    fn encoded_len(&self) -> usize {
        6
    }
    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_bytes(&self.0)
    }
}

/// A multicast group: MAC and 32 bits of additional distinguishing information.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MulticastGroup {
    /// Group MAC.
    pub mac: Mac,
    /// Additional distinguishing information: the IPv4 address for ARP, else 0.
    pub adi: u32,
}

impl MulticastGroup {
    /// Broadcast with ADI 0.
    pub const BROADCAST: Self = Self { mac: Mac::BROADCAST, adi: 0 };

    /// A group with ADI 0.
    pub const fn new(mac: Mac) -> Self {
        Self { mac, adi: 0 }
    }

    /// Group in which the owner of an IP address listens for address resolution (01 §1.6).
    pub const fn for_ip(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self { mac: Mac::BROADCAST, adi: u32::from_be_bytes(ip.octets()) },
            IpAddr::V6(ip) => {
                let b = ip.octets();
                Self { mac: Mac([0x33, 0x33, 0xff, b[13], b[14], b[15]]), adi: 0 }
            }
        }
    }
}

impl fmt::Display for MulticastGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:08x}", self.mac, self.adi)
    }
}

impl fmt::Debug for MulticastGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'a> Parse<'a> for MulticastGroup {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        Ok(Self { mac: Mac(r.array("group MAC")?), adi: r.u32("group ADI")? })
    }
}

impl Emit for MulticastGroup {
    fn encoded_len(&self) -> usize {
        10
    }
    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_bytes(&self.mac.0)?;
        w.put_u32(self.adi)
    }
}

/// 64-bit ID of a packet as it is on the wire (02 §3.1).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(pub u64);

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'a> Parse<'a> for PacketId {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        r.u64("packet ID").map(Self)
    }
}

impl Emit for PacketId {
    fn encoded_len(&self) -> usize {
        8
    }
    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u64(self.0)
    }
}

/// Value of one hex digit of either case.
pub(crate) const fn hex_digit(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        b'A'..=b'F' => Some(c - b'A' + 10),
        _ => None,
    }
}

/// Exactly `digits` (at most 16) hex digits of either case.
fn strict_hex(s: &str, digits: usize) -> Option<u64> {
    if s.len() != digits {
        return None;
    }
    s.bytes().try_fold(0u64, |v, c| Some(v << 4 | u64::from(hex_digit(c)?)))
}

#[cfg(test)]
mod tests;
