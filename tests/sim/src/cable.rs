//! Ethernet without IP: a segment in which an IPv4 address of an interface stands for its MAC address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use zt_peer::{Endpoint, LinkKind};
use zt_wire::{Address, Mac, raw_ethernet};

/// What an engine is told of an address of the simulated internet, by a link of this kind.
pub(crate) fn endpoint(kind: LinkKind, at: SocketAddr) -> Endpoint {
    match at.ip() {
        IpAddr::V4(ip) if kind == LinkKind::Ethernet => {
            let [a, b, c, d] = ip.octets();
            Endpoint::Mac(Mac([2, 0, a, b, c, d]))
        }
        _ => Endpoint::Ip(at),
    }
}

/// The inverse; `None` for group addresses, behind which there is more than one.
pub(crate) fn socket_address(at: Endpoint, port: u16) -> Option<SocketAddr> {
    match at {
        Endpoint::Ip(at) => Some(at),
        Endpoint::Mac(mac) if mac.is_multicast() => None,
        Endpoint::Mac(Mac([_, _, a, b, c, d])) => Some(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), port)),
    }
}

/// Whether a node takes a datagram that went to all stations: what the link of the driver decides.
pub(crate) fn is_for(own: Address, datagram: &[u8]) -> bool {
    raw_ethernet::addressee(datagram) == Some(own)
}
