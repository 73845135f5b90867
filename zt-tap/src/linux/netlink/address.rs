//! Addresses of devices.

use std::io;
use std::net::IpAddr;
use zt_wire::IpPrefix;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage};

use super::{Netlink, family};
use crate::interfaces::{AddressState, InterfaceAddress};

impl Netlink {
    /// All addresses, or those of one device.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn addresses(&mut self, index: Option<u32>) -> io::Result<Vec<InterfaceAddress>> {
        let mut message = AddressMessage::default();
        message.header.index = index.unwrap_or(0);
        Ok(self
            .dump(RouteNetlinkMessage::GetAddress(message))?
            .into_iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewAddress(address) => parse_address(&address),
                _ => None,
            })
            .filter(|address| index.is_none_or(|index| address.index == index))
            .collect())
    }

    /// Adds an address: IPv4 with its broadcast address, IPv6 without duplicate detection.
    ///
    /// # Errors
    /// `EEXIST` when it is there; else of the kernel.
    pub fn add_address(&mut self, index: u32, cidr: IpPrefix) -> io::Result<()> {
        let mut message = address_message(index, cidr);
        match cidr.address() {
            IpAddr::V4(_) => {
                if let IpAddr::V4(last) = cidr.last() {
                    message.attributes.push(AddressAttribute::Broadcast(last));
                }
                message.header.flags = AddressHeaderFlags::Permanent;
            }
            IpAddr::V6(_) => {
                // Managed addresses are unique by their making; waiting for detection would only
                // delay the first packet.
                let flags = AddressFlags::Permanent | AddressFlags::Nodad;
                message.attributes.push(AddressAttribute::Flags(flags));
                message.header.flags = AddressHeaderFlags::Permanent | AddressHeaderFlags::Nodad;
            }
        }
        self.create(RouteNetlinkMessage::NewAddress(message))
    }

    /// Removes an address.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL` when it is not there; else of the kernel.
    pub fn delete_address(&mut self, index: u32, cidr: IpPrefix) -> io::Result<()> {
        let message = address_message(index, cidr);
        self.request(RouteNetlinkMessage::DelAddress(message), 0)?;
        Ok(())
    }
}

fn parse_address(message: &AddressMessage) -> Option<InterfaceAddress> {
    let mut address = None;
    let mut local = None;
    let mut flags = u32::from(message.header.flags.bits());
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Address(ip) => address = Some(*ip),
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Flags(all) => flags = all.bits(),
            _ => {}
        }
    }
    let cidr = IpPrefix::new(local.or(address)?, message.header.prefix_len)?;
    Some(with_flags(message.header.index, cidr, AddressFlags::from_bits_retain(flags)))
}

/// What the kernel's flags (`IFA_F_*`) say of an address.
fn with_flags(index: u32, cidr: IpPrefix, flags: AddressFlags) -> InterfaceAddress {
    let state = if flags.intersects(AddressFlags::Tentative | AddressFlags::Dadfailed) {
        AddressState::Tentative
    } else if flags.intersects(AddressFlags::Deprecated) {
        AddressState::Deprecated
    } else {
        AddressState::Preferred
    };
    // On IPv6 the flag "secondary" means temporary; on IPv4 it is an ordinary second address.
    let (secondary, ipv6) = (flags.intersects(AddressFlags::Secondary), cidr.address().is_ipv6());
    InterfaceAddress { index, cidr, state, is_temporary: secondary && ipv6, is_secondary: secondary && !ipv6 }
}

fn address_message(index: u32, cidr: IpPrefix) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(cidr.address());
    message.header.prefix_len = cidr.bits();
    message.header.index = index;
    message.attributes = vec![AddressAttribute::Address(cidr.address())];
    if cidr.is_ipv4() {
        message.attributes.push(AddressAttribute::Local(cidr.address()));
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_addresses() {
        let of = |text: &str, flags| with_flags(2, text.parse().expect("address"), flags);
        let v6 = |flags| of("2001:db8::1/64", flags);
        assert_eq!(v6(AddressFlags::Permanent), InterfaceAddress::new(2, "2001:db8::1/64".parse().expect("address")));
        assert!(v6(AddressFlags::Secondary).is_temporary && !v6(AddressFlags::Secondary).is_secondary);
        assert_eq!(v6(AddressFlags::Tentative | AddressFlags::Deprecated).state, AddressState::Tentative);
        assert_eq!(v6(AddressFlags::Dadfailed).state, AddressState::Tentative);
        assert_eq!(v6(AddressFlags::Deprecated).state, AddressState::Deprecated);
        let second = of("10.0.0.2/24", AddressFlags::Secondary);
        assert!(second.is_secondary && !second.is_temporary && !second.is_transient());
    }
}
