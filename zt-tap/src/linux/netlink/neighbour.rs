//! Who is behind an address on a device: what the kernel found by ARP and by NDP.

use std::io;
use std::net::IpAddr;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage};
use zt_wire::Mac;

use super::{Netlink, family};

impl Netlink {
    /// The MAC address that the kernel knows of a neighbour on a device; `None` while nobody has answered.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn neighbour(&mut self, index: u32, ip: IpAddr) -> io::Result<Option<Mac>> {
        let mut message = NeighbourMessage::default();
        message.header.family = family(ip);
        Ok(self.dump(RouteNetlinkMessage::GetNeighbour(message))?.into_iter().find_map(|message| match message {
            RouteNetlinkMessage::NewNeighbour(found) if found.header.ifindex == index => mac_of(&found, ip),
            _ => None,
        }))
    }
}

/// What an entry says of an address, if it is about that.
fn mac_of(entry: &NeighbourMessage, ip: IpAddr) -> Option<Mac> {
    let is_it = entry.attributes.iter().any(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(found)) => IpAddr::V4(*found) == ip,
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(found)) => IpAddr::V6(*found) == ip,
        _ => false,
    });
    let octets: [u8; 6] = entry.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(octets) => octets.as_slice().try_into().ok(),
        _ => None,
    })?;
    Some(Mac(octets)).filter(|mac| is_it && *mac != Mac::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_tells_the_mac_of_its_own_address_once_somebody_answered() {
        let ip: IpAddr = "fd00::7".parse().expect("an address");
        let mut entry = NeighbourMessage::default();
        let IpAddr::V6(inner) = ip else { unreachable!("written as IPv6") };
        entry.attributes.push(NeighbourAttribute::Destination(NeighbourAddress::Inet6(inner)));
        assert_eq!(mac_of(&entry, ip), None, "nobody has answered");
        entry.attributes.push(NeighbourAttribute::LinkLayerAddress(vec![2, 0, 0, 0, 0, 9]));
        assert_eq!(mac_of(&entry, ip), Some(Mac::from_u64(0x0200_0000_0009)));
        assert_eq!(mac_of(&entry, "10.0.0.7".parse().expect("an address")), None);
    }
}
