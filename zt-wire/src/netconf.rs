//! Binary values inside configuration dictionaries (04 §3.2).

use alloc::string::String;
use core::fmt;

use crate::{Address, BufferFull, Emit, InetAddress, Parse, ParseError, Reader, Writer};

/// A managed route, element of `RT`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    /// Destination; the port is the prefix length.
    pub target: InetAddress,
    /// Gateway; none means on-link.
    pub via: InetAddress,
    /// Flags, 0 in practice.
    pub flags: u16,
    /// Metric, 0 in practice.
    pub metric: u16,
}

impl<'a> Parse<'a> for Route {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        Ok(Self {
            target: InetAddress::parse(r)?,
            via: InetAddress::parse(r)?,
            flags: r.u16("route flags")?,
            metric: r.u16("route metric")?,
        })
    }
}

impl Emit for Route {
    fn encoded_len(&self) -> usize {
        self.target.encoded_len() + self.via.encoded_len() + 4
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        self.target.emit(w)?;
        self.via.emit(w)?;
        w.put_u16(self.flags)?;
        w.put_u16(self.metric)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.via {
            InetAddress::None => write!(f, "{} on-link", self.target),
            via => write!(f, "{} via {via}", self.target),
        }
    }
}

/// Resolver settings, the value of `DNS`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dns {
    /// Search domain, at most 127 bytes; empty if none.
    pub domain: String,
    /// Servers; unused places are none.
    pub servers: [InetAddress; 4],
}

impl Dns {
    const DOMAIN_LEN: usize = 128;
}

impl<'a> Parse<'a> for Dns {
    /// The domain ends at its first NUL or before byte 127; broken UTF-8 is replaced.
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let field: [u8; Self::DOMAIN_LEN] = r.array("DNS domain")?;
        let domain = field[..127].split(|c| *c == 0).next().unwrap_or_default();
        let domain = String::from_utf8_lossy(domain).into_owned();
        let mut servers = [InetAddress::None; 4];
        for server in &mut servers {
            *server = InetAddress::parse(r)?;
        }
        Ok(Self { domain, servers })
    }
}

impl Emit for Dns {
    fn encoded_len(&self) -> usize {
        Self::DOMAIN_LEN + crate::cursor::len_all(&self.servers)
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        let mut field = [0; Self::DOMAIN_LEN];
        let n = self.domain.len().min(127);
        field[..n].copy_from_slice(&self.domain.as_bytes()[..n]);
        w.put_bytes(&field)?;
        self.servers.iter().try_for_each(|s| s.emit(w))
    }
}

/// A member with a role, element of `S`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Specialist(pub u64);

impl Specialist {
    /// Preferred relay of 1.1.x, ignored by later ones.
    pub const PREFERRED_RELAY: u64 = 0x0000_0100_0000_0000;
    /// May bridge.
    pub const ACTIVE_BRIDGE: u64 = 0x0000_0200_0000_0000;
    /// Kept in contact with, and told multicast groups.
    pub const ANCHOR: u64 = 0x0000_0400_0000_0000;
    /// Replicates multicast frames; also kept in contact with.
    pub const MULTICAST_REPLICATOR: u64 = 0x0000_0800_0000_0000;

    /// A member with role bits.
    pub const fn new(address: Address, roles: u64) -> Self {
        Self(address.as_u64() | roles & !0xff_ffff_ffff)
    }

    /// The member.
    pub const fn address(self) -> Address {
        Address::new(self.0)
    }

    /// Role bits.
    pub const fn roles(self) -> u64 {
        self.0 & !0xff_ffff_ffff
    }

    /// True if any of the given role bits is set.
    pub const fn is(self, role: u64) -> bool {
        self.0 & role & !0xff_ffff_ffff != 0
    }
}

impl<'a> Parse<'a> for Specialist {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        r.u64("specialist").map(Self)
    }
}

impl Emit for Specialist {
    fn encoded_len(&self) -> usize {
        8
    }
    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u64(self.0)
    }
}
