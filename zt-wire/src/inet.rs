//! Physical addresses: binary form, text form, scope (01 §10.5, §10.6; 02 §6.3).

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::str::FromStr;

use crate::{BufferFull, Emit, IpPrefix, Parse, ParseError, Reader, TextError, Writer};

/// An IP address with a port, or none. In configurations the port is a prefix length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InetAddress {
    /// No address (also what kinds 1–3 of the wire format read as).
    #[default]
    None,
    /// IPv4 address and port.
    V4(Ipv4Addr, u16),
    /// IPv6 address and port. No scope ID is ever carried.
    V6(Ipv6Addr, u16),
}

impl InetAddress {
    /// Address and port, or `None`.
    pub const fn socket_addr(self) -> Option<SocketAddr> {
        match self {
            Self::None => None,
            Self::V4(ip, port) => Some(SocketAddr::new(IpAddr::V4(ip), port)),
            Self::V6(ip, port) => Some(SocketAddr::new(IpAddr::V6(ip), port)),
        }
    }

    /// Makes one of an IP address and a port or prefix length.
    pub const fn new(ip: IpAddr, port: u16) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::V4(ip, port),
            IpAddr::V6(ip) => Self::V6(ip, port),
        }
    }

    /// The IP address.
    pub const fn ip(self) -> Option<IpAddr> {
        match self {
            Self::None => None,
            Self::V4(ip, _) => Some(IpAddr::V4(ip)),
            Self::V6(ip, _) => Some(IpAddr::V6(ip)),
        }
    }

    /// Port, prefix length or metric; 0 for no address.
    pub const fn port(self) -> u16 {
        match self {
            Self::None => 0,
            Self::V4(_, port) | Self::V6(_, port) => port,
        }
    }

    /// The same address with another port.
    pub const fn with_port(self, port: u16) -> Self {
        match self {
            Self::None => Self::None,
            Self::V4(ip, _) => Self::V4(ip, port),
            Self::V6(ip, _) => Self::V6(ip, port),
        }
    }

    /// True for "no address".
    pub const fn is_none(self) -> bool {
        matches!(self, Self::None)
    }

    /// Scope class of the IP address.
    pub fn scope(self) -> Scope {
        self.ip().map_or(Scope::None, Scope::of)
    }
}

impl From<SocketAddr> for InetAddress {
    fn from(a: SocketAddr) -> Self {
        Self::new(a.ip(), a.port())
    }
}

impl From<Option<SocketAddr>> for InetAddress {
    fn from(a: Option<SocketAddr>) -> Self {
        a.map_or(Self::None, Self::from)
    }
}

impl fmt::Display for InetAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::V4(ip, port) => write!(f, "{ip}/{port}"),
            Self::V6(ip, port) => {
                // The platform form of the reference writes IPv4-compatible addresses dotted.
                let b = ip.octets();
                if b[..12] == [0; 12] && (b[12] != 0 || b[13] != 0) {
                    write!(f, "::{}.{}.{}.{}/{port}", b[12], b[13], b[14], b[15])
                } else {
                    write!(f, "{ip}/{port}")
                }
            }
        }
    }
}

impl FromStr for InetAddress {
    type Err = TextError;

    /// `ip/port` as in 01 §10.5; the empty text is "no address", a missing port is 0.
    /// Deliberate: an address part that is no IP address is refused (the reference yields zero).
    fn from_str(s: &str) -> Result<Self, TextError> {
        let error = TextError { what: "physical address (ip/port)" };
        if s.is_empty() {
            return Ok(Self::None);
        }
        if s.len() > 63 {
            return Err(error);
        }
        let (ip, port) = s.split_once('/').unwrap_or((s, ""));
        let ip: IpAddr = ip.parse().map_err(|_| error)?;
        // Quirk (01 §10.5): read up to the first non-digit, modulo 65536.
        let port = port
            .bytes()
            .take_while(u8::is_ascii_digit)
            .fold(0u16, |v, c| v.wrapping_mul(10).wrapping_add(u16::from(c - b'0')));
        Ok(Self::new(ip, port))
    }
}

impl<'a> Parse<'a> for InetAddress {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let kind_error = r.fail("physical address type");
        match r.u8("physical address")? {
            0 => Ok(Self::None),
            1 | 2 => r.bytes(6, "skipped physical address").map(|_| Self::None),
            3 => {
                let n = r.u16("length of skipped physical address")?;
                r.bytes(usize::from(n), "skipped physical address").map(|_| Self::None)
            }
            4 => Ok(Self::V4(Ipv4Addr::from(r.array::<4>("IPv4 address")?), r.u16("port")?)),
            6 => Ok(Self::V6(Ipv6Addr::from(r.array::<16>("IPv6 address")?), r.u16("port")?)),
            _ => Err(kind_error),
        }
    }
}

impl Emit for InetAddress {
    fn encoded_len(&self) -> usize {
        match self {
            Self::None => 1,
            Self::V4(..) => 7,
            Self::V6(..) => 19,
        }
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        match self {
            Self::None => w.put_u8(0),
            Self::V4(ip, port) => {
                w.put_u8(4)?;
                w.put_bytes(&ip.octets())?;
                w.put_u16(*port)
            }
            Self::V6(ip, port) => {
                w.put_u8(6)?;
                w.put_bytes(&ip.octets())?;
                w.put_u16(*port)
            }
        }
    }
}

/// Scope class of a physical address, with the numbers of 01 §10.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Scope {
    /// Not usable.
    None = 0,
    /// Multicast.
    Multicast = 1,
    /// Loopback.
    Loopback = 2,
    /// Global addresses that some sites use privately.
    PseudoPrivate = 3,
    /// Global.
    Global = 4,
    /// Link-local.
    LinkLocal = 5,
    /// Not used by any address.
    Shared = 6,
    /// Private.
    Private = 7,
}

impl Scope {
    /// Scope class of an IP address.
    pub fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::of_v4(ip),
            IpAddr::V6(ip) => Self::of_v6(ip),
        }
    }

    /// Scope classes of all addresses of a prefix, from its first to its last; a class may be named more than once.
    ///
    /// ```
    /// use zt_wire::inet::Scope;
    /// let half = Scope::in_prefix("128.0.0.0/1".parse().unwrap());
    /// assert!(half.into_iter().any(|scope| scope == Scope::Multicast));
    /// ```
    pub fn in_prefix(prefix: IpPrefix) -> impl Iterator<Item = Self> {
        // The class is constant between two changes, so the first address and the changes inside tell all.
        let (first, last) = (prefix.first(), prefix.last());
        let inside = move |at: &IpAddr| first < *at && *at <= last;
        let v4 = CHANGES_V4.iter().map(|at| IpAddr::V4(Ipv4Addr::from(*at)));
        let v6 = CHANGES_V6.iter().map(|at| IpAddr::V6(Ipv6Addr::from(*at)));
        let changes = v4.filter(move |_| first.is_ipv4()).chain(v6.filter(move |_| first.is_ipv6()));
        core::iter::once(first).chain(changes.filter(inside)).map(Self::of)
    }

    fn of_v4(ip: Ipv4Addr) -> Self {
        match ip.octets() {
            [0 | 255, ..] => Self::None,
            [224..=239, ..] => Self::Multicast,
            [127, ..] => Self::Loopback,
            [6 | 11 | 21 | 22 | 25 | 26 | 28 | 29 | 30 | 51 | 55 | 56 | 240..=254, ..] => Self::PseudoPrivate,
            [169, 254, ..] => Self::LinkLocal,
            [10, ..]
            | [100, 64..=127, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            | [192, 0, 2, _]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _] => Self::Private,
            _ => Self::Global,
        }
    }

    fn of_v6(ip: Ipv6Addr) -> Self {
        let b = ip.octets();
        if b == [0; 16] {
            return Self::None;
        }
        if b[0] == 0xff {
            return Self::Multicast;
        }
        if b[0] == 0xfe && b[1] & 0xc0 == 0x80 {
            // Quirk (01 §10.6): fe80::1, and with it e.g. febf::1, count as loopback.
            let one = b[2..15].iter().all(|v| *v == 0) && b[15] == 1;
            return if one { Self::Loopback } else { Self::LinkLocal };
        }
        // Quirk (01 §10.6): of mapped loopback addresses byte 9 is not looked at.
        let mapped_loopback = b[..9] == [0; 9] && b[10..13] == [0xff, 0xff, 0x7f];
        if ip == Ipv6Addr::LOCALHOST || mapped_loopback {
            return Self::Loopback;
        }
        if b[0] & 0xfe == 0xfc {
            return Self::Private;
        }
        Self::Global
    }
}

/// The addresses at which the scope class of IPv4 differs from that of the address before.
const CHANGES_V4: [u32; 37] = {
    const fn v4(a: u32, b: u32, c: u32) -> u32 {
        a << 24 | b << 16 | c << 8
    }
    [
        v4(1, 0, 0),
        v4(6, 0, 0),
        v4(7, 0, 0),
        v4(10, 0, 0),
        v4(11, 0, 0),
        v4(12, 0, 0),
        v4(21, 0, 0),
        v4(23, 0, 0),
        v4(25, 0, 0),
        v4(27, 0, 0),
        v4(28, 0, 0),
        v4(31, 0, 0),
        v4(51, 0, 0),
        v4(52, 0, 0),
        v4(55, 0, 0),
        v4(57, 0, 0),
        v4(100, 64, 0),
        v4(100, 128, 0),
        v4(127, 0, 0),
        v4(128, 0, 0),
        v4(169, 254, 0),
        v4(169, 255, 0),
        v4(172, 16, 0),
        v4(172, 32, 0),
        v4(192, 0, 2),
        v4(192, 0, 3),
        v4(192, 168, 0),
        v4(192, 169, 0),
        v4(198, 18, 0),
        v4(198, 20, 0),
        v4(198, 51, 100),
        v4(198, 51, 101),
        v4(203, 0, 113),
        v4(203, 0, 114),
        v4(224, 0, 0),
        v4(240, 0, 0),
        v4(255, 0, 0),
    ]
};

/// The same for IPv6. The 255 odd forms of mapped loopback (the quirk of `of_v6`) are not named: nothing is there.
const CHANGES_V6: [u128; 11] = [
    1,
    2,
    0xffff_7f00_0000,
    0xffff_8000_0000,
    0xfc00 << 112,
    0xfe00 << 112,
    0xfe80 << 112,
    0xfe80 << 112 | 1,
    0xfe80 << 112 | 2,
    0xfec0 << 112,
    0xff00 << 112,
];

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn every_change_of_scope_is_listed() {
        // No class is finer than /24.
        let mut before = Scope::of_v4(Ipv4Addr::UNSPECIFIED);
        let mut changes = Vec::new();
        for block in 1..1_u32 << 24 {
            let scope = Scope::of_v4(Ipv4Addr::from(block << 8));
            if scope != before {
                changes.push(block << 8);
            }
            before = scope;
        }
        assert_eq!(changes, CHANGES_V4);
        for at in CHANGES_V6 {
            assert_ne!(Scope::of_v6(Ipv6Addr::from(at)), Scope::of_v6(Ipv6Addr::from(at - 1)), "{at:x}");
        }
    }

    #[test]
    fn a_prefix_has_the_scopes_of_all_its_addresses() {
        let scopes = |text: &str| {
            let mut all: Vec<_> = Scope::in_prefix(text.parse().expect("a range")).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        assert_eq!(scopes("10.1.2.3/32"), [Scope::Private]);
        assert_eq!(scopes("10.1.2.3/8"), [Scope::Private]);
        assert_eq!(scopes("10.1.2.3/7"), [Scope::PseudoPrivate, Scope::Private]);
        assert_eq!(scopes("8.0.0.0/5"), [Scope::PseudoPrivate, Scope::Global, Scope::Private]);
        assert_eq!(scopes("10.0.0.0/0").len(), 7);
        assert_eq!(scopes("fd00::/0").len(), 6);
        assert_eq!(scopes("2000::/3"), [Scope::Global]);
        assert_eq!(scopes("fc00::/7"), [Scope::Private]);
    }
}
