//! Addresses of devices.

use std::io;
use std::net::IpAddr;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage};

use super::{Netlink, family};
use crate::host::Cidr;

/// One address of a device, as the kernel tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkAddress {
    /// Number of the device.
    pub index: u32,
    /// The address and the length of its prefix.
    pub cidr: Cidr,
    /// Kernel flags (`IFA_F_*`).
    pub flags: u32,
}

impl LinkAddress {
    /// Not for use as a source yet or any more, or made to be forgotten: tentative, deprecated,
    /// failed duplicate detection, or a temporary (privacy) IPv6 address.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.is_unusable() || self.is_deprecated() || self.is_temporary()
    }

    /// Not for use: duplicate detection goes on or failed.
    #[must_use]
    pub fn is_unusable(&self) -> bool {
        self.has(AddressFlags::Tentative | AddressFlags::Dadfailed)
    }

    /// Not for use as a source any more, though still there.
    #[must_use]
    pub fn is_deprecated(&self) -> bool {
        self.has(AddressFlags::Deprecated)
    }

    /// A temporary (privacy) IPv6 address.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        // On IPv6 the flag "secondary" means temporary; on IPv4 it is an ordinary second address.
        self.cidr.address.is_ipv6() && self.has(AddressFlags::Secondary)
    }

    /// A second IPv4 address in the subnet of another.
    #[must_use]
    pub fn is_secondary(&self) -> bool {
        self.cidr.address.is_ipv4() && self.has(AddressFlags::Secondary)
    }

    fn has(&self, flags: AddressFlags) -> bool {
        AddressFlags::from_bits_retain(self.flags).intersects(flags)
    }
}

impl Netlink {
    /// All addresses, or those of one device.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn addresses(&mut self, index: Option<u32>) -> io::Result<Vec<LinkAddress>> {
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
    pub fn add_address(&mut self, index: u32, cidr: Cidr) -> io::Result<()> {
        let mut message = address_message(index, cidr);
        match cidr.address {
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
    pub fn delete_address(&mut self, index: u32, cidr: Cidr) -> io::Result<()> {
        let message = address_message(index, cidr);
        self.request(RouteNetlinkMessage::DelAddress(message), 0)?;
        Ok(())
    }
}

fn parse_address(message: &AddressMessage) -> Option<LinkAddress> {
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
    Some(LinkAddress {
        index: message.header.index,
        cidr: Cidr::new(local.or(address)?, message.header.prefix_len)?,
        flags,
    })
}

fn address_message(index: u32, cidr: Cidr) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(cidr.address);
    message.header.prefix_len = cidr.prefix_len;
    message.header.index = index;
    message.attributes = vec![AddressAttribute::Address(cidr.address)];
    if cidr.address.is_ipv4() {
        message.attributes.push(AddressAttribute::Local(cidr.address));
    }
    message
}
