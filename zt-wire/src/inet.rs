//! Physical addresses: binary form, text form, scope (01 §10.5, §10.6; 02 §6.3).

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::str::FromStr;

use crate::{BufferFull, Emit, Parse, ParseError, Reader, TextError, Writer};

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
