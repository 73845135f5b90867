//! PUSH_DIRECT_PATHS (02 §6.17).

use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use crate::cursor::len_all;
use crate::{BufferFull, Emit, InetAddress, Parse, ParseError, Reader, Writer};

/// PUSH_DIRECT_PATHS: where the sender may be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushDirectPaths<'a> {
    /// Records.
    pub records: Vec<PathRecord<'a>>,
    /// How many records were announced but could not be read: act on the others, then reject. 0 to send.
    pub missing: u16,
    /// Trailing bytes; with missing records they start with the malformed one.
    pub rest: &'a [u8],
}

/// One address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathRecord<'a> {
    /// Flags, see the constants.
    pub flags: u8,
    /// Extension data, ignored.
    pub extension: &'a [u8],
    /// The address.
    pub address: PathAddress<'a>,
}

impl PathRecord<'_> {
    /// Flag: forget this path. Not implemented anywhere, the record is skipped.
    pub const FORGET: u8 = 0x01;
    /// Flag: cluster redirect.
    pub const REDIRECT: u8 = 0x02;

    /// The address to try; none for kinds to be skipped.
    pub const fn inet(&self) -> InetAddress {
        match self.address {
            PathAddress::Inet(a) | PathAddress::Odd { address: a, .. } => a,
            PathAddress::Other { .. } => InetAddress::None,
        }
    }
}

impl From<InetAddress> for PathRecord<'_> {
    fn from(a: InetAddress) -> Self {
        Self { flags: 0, extension: &[], address: PathAddress::Inet(a) }
    }
}

/// Address of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathAddress<'a> {
    /// IPv4 or IPv6 with the proper length. "No address" is sent as type 0, length 0.
    Inet(InetAddress),
    /// Type 4 or 6 with another length. Quirk (02 §6.17): the address is read all the same, and the position
    /// advances by the stated length.
    Odd {
        /// What was read.
        address: InetAddress,
        /// As many bytes as the length states.
        data: &'a [u8],
    },
    /// Another type, to be skipped.
    Other {
        /// Type byte.
        kind: u8,
        /// Value.
        data: &'a [u8],
    },
}

impl PathAddress<'_> {
    const fn kind(&self) -> u8 {
        match self {
            Self::Inet(a) | Self::Odd { address: a, .. } => match a {
                InetAddress::None => 0,
                InetAddress::V4(..) => 4,
                InetAddress::V6(..) => 6,
            },
            Self::Other { kind, .. } => *kind,
        }
    }

    const fn value_len(&self) -> usize {
        match self {
            Self::Inet(InetAddress::None) => 0,
            Self::Inet(InetAddress::V4(..)) => 6,
            Self::Inet(InetAddress::V6(..)) => 18,
            Self::Odd { data, .. } | Self::Other { data, .. } => data.len(),
        }
    }
}

fn v4(r: &mut Reader<'_>) -> Result<InetAddress, ParseError> {
    Ok(InetAddress::V4(Ipv4Addr::from(r.array::<4>("path IPv4 address")?), r.u16("path port")?))
}

fn v6(r: &mut Reader<'_>) -> Result<InetAddress, ParseError> {
    Ok(InetAddress::V6(Ipv6Addr::from(r.array::<16>("path IPv6 address")?), r.u16("path port")?))
}

impl<'a> Parse<'a> for PathRecord<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let flags = r.u8("path flags")?;
        let n = r.u16("length of path extension")?;
        let extension = r.bytes(usize::from(n), "path extension")?;
        let kind = r.u8("path address type")?;
        let n = usize::from(r.u8("path address length")?);
        let mut ahead = r.clone();
        let address = match (kind, n) {
            (4, 6) => PathAddress::Inet(v4(r)?),
            (6, 18) => PathAddress::Inet(v6(r)?),
            (0, 0) => PathAddress::Inet(InetAddress::None),
            (4, _) => PathAddress::Odd { address: v4(&mut ahead)?, data: r.bytes(n, "path address")? },
            (6, _) => PathAddress::Odd { address: v6(&mut ahead)?, data: r.bytes(n, "path address")? },
            _ => PathAddress::Other { kind, data: r.bytes(n, "path address")? },
        };
        Ok(Self { flags, extension, address })
    }
}

impl Emit for PathRecord<'_> {
    fn encoded_len(&self) -> usize {
        5 + self.extension.len() + self.address.value_len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u8(self.flags)?;
        w.put_u16(u16::try_from(self.extension.len()).map_err(|_| BufferFull)?)?;
        w.put_bytes(self.extension)?;
        w.put_u8(self.address.kind())?;
        w.put_u8(u8::try_from(self.address.value_len()).map_err(|_| BufferFull)?)?;
        match self.address {
            PathAddress::Inet(InetAddress::None) => Ok(()),
            PathAddress::Inet(InetAddress::V4(ip, port)) => {
                w.put_bytes(&ip.octets())?;
                w.put_u16(port)
            }
            PathAddress::Inet(InetAddress::V6(ip, port)) => {
                w.put_bytes(&ip.octets())?;
                w.put_u16(port)
            }
            PathAddress::Odd { data, .. } | PathAddress::Other { data, .. } => w.put_bytes(data),
        }
    }
}

impl<'a> Parse<'a> for PushDirectPaths<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let mut push = Self { missing: r.u16("number of paths")?, ..Self::default() };
        while push.missing > 0 {
            let mut ahead = r.clone();
            let Ok(record) = PathRecord::parse(&mut ahead) else { break };
            push.records.push(record);
            push.missing -= 1;
            *r = ahead;
        }
        push.rest = r.rest();
        Ok(push)
    }
}

impl Emit for PushDirectPaths<'_> {
    fn encoded_len(&self) -> usize {
        2 + len_all(&self.records) + self.rest.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        let n = u16::try_from(self.records.len()).map_err(|_| BufferFull)?;
        w.put_u16(n.saturating_add(self.missing))?;
        self.records.iter().try_for_each(|record| record.emit(w))?;
        w.put_bytes(self.rest)
    }
}
