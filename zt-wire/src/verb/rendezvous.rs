//! RENDEZVOUS (02 §6.8).

use core::net::{Ipv4Addr, Ipv6Addr};

use crate::{Address, BufferFull, Emit, InetAddress, Parse, ParseError, Reader, Writer};

/// RENDEZVOUS: a root tells where a peer can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rendezvous<'a> {
    /// Flags; send 0, ignore.
    pub flags: u8,
    /// Peer to contact.
    pub peer: Address,
    /// Where; none if the address has a length other than 4 or 16 (to be ignored).
    pub endpoint: InetAddress,
    /// Trailing bytes; with no endpoint everything from the port on.
    pub rest: &'a [u8],
}

impl<'a> Parse<'a> for Rendezvous<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let flags = r.u8("rendezvous flags")?;
        let peer = Address::from_bytes(r.array("rendezvous peer")?);
        let start = r.clone();
        let port = r.u16("rendezvous port")?;
        let endpoint = match r.u8("rendezvous address length")? {
            4 => InetAddress::V4(Ipv4Addr::from(r.array::<4>("rendezvous IPv4 address")?), port),
            16 => InetAddress::V6(Ipv6Addr::from(r.array::<16>("rendezvous IPv6 address")?), port),
            _ => {
                *r = start;
                InetAddress::None
            }
        };
        Ok(Self { flags, peer, endpoint, rest: r.rest() })
    }
}

impl Emit for Rendezvous<'_> {
    fn encoded_len(&self) -> usize {
        let endpoint = match self.endpoint {
            InetAddress::None => 0,
            InetAddress::V4(..) => 7,
            InetAddress::V6(..) => 19,
        };
        6 + endpoint + self.rest.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u8(self.flags)?;
        self.peer.emit(w)?;
        match self.endpoint {
            InetAddress::None => {}
            InetAddress::V4(ip, port) => {
                w.put_u16(port)?;
                w.put_u8(4)?;
                w.put_bytes(&ip.octets())?;
            }
            InetAddress::V6(ip, port) => {
                w.put_u16(port)?;
                w.put_u8(16)?;
                w.put_bytes(&ip.octets())?;
            }
        }
        w.put_bytes(self.rest)
    }
}
