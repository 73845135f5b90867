//! What the records of the TCP relay hold (03 §16): a greeting, and datagrams with an address.

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};

use crate::packet::MAX_PHYS_MTU;
use crate::record;
use crate::{BufferFull, SoftwareVersion};

/// Length of the body of a greeting.
pub const GREETING_LEN: usize = 4;
/// Bytes before a datagram with an IPv4 address: type, address, port.
pub const PREFIX_LEN: usize = 7;
/// Shortest datagram that is carried.
pub const MIN_DATAGRAM: usize = 16;
/// Longest body that holds a datagram of the protocol: no path takes larger ones.
pub const MAX_BODY: u16 = PREFIX_LEN_6 as u16 + MAX_PHYS_MTU;

/// The same before a datagram with an IPv6 address.
const PREFIX_LEN_6: usize = 19;
const TYPE_NONE: u8 = 0;
const TYPE_IPV4: u8 = 4;
const TYPE_IPV6: u8 = 6;

/// A body that says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Of a length that nothing has.
    Length,
    /// Another type of address.
    AddressType(u8),
    /// Too short for its address.
    Address,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => f.write_str("a body of this length says nothing"),
            Self::AddressType(number) => write!(f, "address type {number} is not known here"),
            Self::Address => f.write_str("the body is too short for its address"),
        }
    }
}

impl core::error::Error for Unusable {}

/// What a client says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromClient<'a> {
    /// Its first record: who it is.
    Greeting(SoftwareVersion),
    /// To be sent as UDP.
    Datagram {
        /// Where to.
        to: SocketAddrV4,
        /// What.
        datagram: &'a [u8],
    },
}

impl<'a> FromClient<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// The record is ignored; the stream goes on.
    pub fn parse(body: &'a [u8]) -> Result<Self, Unusable> {
        match *body {
            [major, minor, high, low] => {
                Ok(Self::Greeting(SoftwareVersion::new(major, minor, u16::from_be_bytes([high, low]))))
            }
            [TYPE_IPV4, a, b, c, d, high, low, ref datagram @ ..] => {
                let to = SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low]));
                Ok(Self::Datagram { to, datagram })
            }
            [other, _, _, _, _, _, _, ..] => Err(Unusable::AddressType(other)),
            _ => Err(Unusable::Length),
        }
    }
}

/// What a server says.
#[derive(Debug, PartialEq, Eq)]
pub enum FromServer<'a> {
    /// Came as UDP.
    Datagram {
        /// From where.
        from: SocketAddr,
        /// What. It may be opened in place.
        datagram: &'a mut [u8],
    },
    /// Nothing that is of use: empty, a greeting, or a datagram without an address.
    Nothing,
}

impl<'a> FromServer<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// The connection is to be closed.
    pub fn parse(body: &'a mut [u8]) -> Result<Self, Unusable> {
        let address_len = match *body {
            [] | [_, _, _, _] | [TYPE_NONE, ..] => return Ok(Self::Nothing),
            [TYPE_IPV4, ..] => PREFIX_LEN,
            [TYPE_IPV6, ..] => PREFIX_LEN_6,
            [other, ..] => return Err(Unusable::AddressType(other)),
        };
        let (prefix, datagram) = body.split_at_mut_checked(address_len).ok_or(Unusable::Address)?;
        let (address, port) = prefix[1..].split_at(address_len - 3);
        let ip = match *address {
            [a, b, c, d] => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            _ => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(address).map_err(|_| Unusable::Address)?)),
        };
        let from = SocketAddr::new(ip, u16::from_be_bytes([port[0], port[1]]));
        Ok(Self::Datagram { from, datagram })
    }
}

/// Appends the greeting of a client.
pub fn write_greeting(version: SoftwareVersion, out: &mut Vec<u8>) {
    out.extend_from_slice(&record::header(GREETING_LEN as u16));
    out.extend_from_slice(&[version.major, version.minor]);
    out.extend_from_slice(&version.revision.to_be_bytes());
}

/// Appends a datagram and its address: where to if it is sent by a client, where from if by a server.
///
/// # Errors
/// It is too long for a record; nothing is appended.
pub fn write_datagram(address: SocketAddrV4, datagram: &[u8], out: &mut Vec<u8>) -> Result<(), BufferFull> {
    let length = u16::try_from(PREFIX_LEN + datagram.len()).map_err(|_| BufferFull)?;
    out.extend_from_slice(&record::header(length));
    out.push(TYPE_IPV4);
    out.extend_from_slice(&address.ip().octets());
    out.extend_from_slice(&address.port().to_be_bytes());
    out.extend_from_slice(datagram);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOMEWHERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(44, 1, 1, 1), 9993);

    #[test]
    fn what_is_written_is_read() {
        let mut stream = Vec::new();
        write_greeting(SoftwareVersion::new(1, 14, 1), &mut stream);
        assert_eq!(stream, [0x17, 3, 3, 0, 4, 1, 14, 0, 1]);
        assert_eq!(FromClient::parse(&stream[5..]), Ok(FromClient::Greeting(SoftwareVersion::new(1, 14, 1))));
        stream.clear();
        write_datagram(SOMEWHERE, &[9; 40], &mut stream).unwrap();
        assert_eq!(stream[..12], [0x17, 3, 3, 0, 47, 4, 44, 1, 1, 1, 0x27, 9]);
        let datagram = FromClient::Datagram { to: SOMEWHERE, datagram: &[9; 40] };
        assert_eq!(FromClient::parse(&stream[5..]), Ok(datagram));
        let datagram = FromServer::Datagram { from: SOMEWHERE.into(), datagram: &mut [9; 40] };
        assert_eq!(FromServer::parse(&mut stream[5..]), Ok(datagram));
        assert_eq!(write_datagram(SOMEWHERE, &[0; 65_529], &mut stream), Err(BufferFull));
    }

    #[test]
    fn a_server_ignores_what_says_nothing() {
        for length in [0, 1, 2, 3, 5, 6] {
            assert_eq!(FromClient::parse(&[4; 8][..length]), Err(Unusable::Length), "{length}");
        }
        assert_eq!(FromClient::parse(&[6; 23]), Err(Unusable::AddressType(6)));
        assert_eq!(FromClient::parse(&[0; 7]), Err(Unusable::AddressType(0)));
    }

    #[test]
    fn a_client_closes_over_what_it_cannot_read() {
        let nothing: [&[u8]; 4] = [&[], &[1, 14, 0, 1], &[0], &[0; 30]];
        for body in nothing {
            assert_eq!(FromServer::parse(&mut body.to_vec()), Ok(FromServer::Nothing), "{body:?}");
        }
        assert_eq!(FromServer::parse(&mut [4; 6]), Err(Unusable::Address));
        assert_eq!(FromServer::parse(&mut [6; 18]), Err(Unusable::Address));
        assert_eq!(FromServer::parse(&mut [5; 7]), Err(Unusable::AddressType(5)));
        let mut body = [6; 20];
        body[1..17].copy_from_slice(&Ipv6Addr::LOCALHOST.octets());
        body[17..19].copy_from_slice(&[0x27, 9]);
        let from = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 9993);
        assert_eq!(FromServer::parse(&mut body), Ok(FromServer::Datagram { from, datagram: &mut [6] }));
    }
}
