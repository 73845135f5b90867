//! Devices: list, change, make, delete.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoBridge, InfoData, InfoGeneve, InfoGre, InfoGre6, InfoKind, InfoPortKind, InfoVeth, InfoVxlan, LinkAttribute,
    LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
};
use zt_wire::Mac;

use super::Netlink;
use crate::interfaces::Interface;

/// What to change on a device; `None` leaves a value as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkChange {
    /// Up or down.
    pub up: Option<bool>,
    /// MAC address.
    pub mac: Option<Mac>,
    /// MTU in bytes.
    pub mtu: Option<u32>,
    /// Number of the bridge to join; 0 leaves the bridge.
    pub bridge: Option<u32>,
}

impl Netlink {
    /// All devices, by number.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn links(&mut self) -> io::Result<Vec<Interface>> {
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let mut links: Vec<Interface> = self
            .dump(request)?
            .into_iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewLink(link) => Some(parse_link(&link)),
                _ => None,
            })
            .collect();
        links.sort_by_key(|link| link.index);
        Ok(links)
    }

    /// The device called `name`.
    ///
    /// # Errors
    /// Of the kernel. A missing device is `Ok(None)`.
    pub fn link(&mut self, name: &str) -> io::Result<Option<Interface>> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.into()));
        self.one_link(message)
    }

    /// The device with this number, whatever its name is by now.
    ///
    /// # Errors
    /// `ENODEV` when it is gone; else of the kernel.
    pub fn link_at(&mut self, index: u32) -> io::Result<Interface> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        self.one_link(message)?.ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))
    }

    fn one_link(&mut self, message: LinkMessage) -> io::Result<Option<Interface>> {
        match self.request(RouteNetlinkMessage::GetLink(message), 0) {
            Ok(answers) => Ok(answers.into_iter().find_map(|answer| match answer {
                RouteNetlinkMessage::NewLink(link) => Some(parse_link(&link)),
                _ => None,
            })),
            Err(error) if is_no_device(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The device called `name`, which must be there.
    ///
    /// # Errors
    /// `ENODEV` when it is not; else of the kernel.
    pub fn require_link(&mut self, name: &str) -> io::Result<Interface> {
        self.link(name)?.ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))
    }

    /// Changes a device.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn change_link(&mut self, index: u32, change: &LinkChange) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        if let Some(up) = change.up {
            message.header.change_mask = LinkFlags::Up;
            if up {
                message.header.flags = LinkFlags::Up;
            }
        }
        let attributes = &mut message.attributes;
        if let Some(mac) = change.mac {
            attributes.push(LinkAttribute::Address(mac.0.to_vec()));
        }
        if let Some(mtu) = change.mtu {
            attributes.push(LinkAttribute::Mtu(mtu));
        }
        if let Some(bridge) = change.bridge {
            attributes.push(LinkAttribute::Controller(bridge));
        }
        // NEWLINK, for SETLINK ignores the bridge on old kernels.
        self.request(RouteNetlinkMessage::NewLink(message), 0)?;
        Ok(())
    }

    /// Makes a bridge without spanning tree and without multicast snooping.
    ///
    /// # Errors
    /// `EEXIST` when the name is taken; else of the kernel.
    pub fn add_bridge(&mut self, name: &str) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName(name.into()),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Bridge),
                LinkInfo::Data(InfoData::Bridge(vec![InfoBridge::MulticastSnooping(false)])),
            ]),
        ];
        self.create(RouteNetlinkMessage::NewLink(message))
    }

    /// Makes a pair of connected Ethernet devices: `name` here and `peer` in the network namespace
    /// that `peer_namespace` refers to.
    ///
    /// # Errors
    /// `EEXIST` when a name is taken; else of the kernel.
    pub fn add_veth(&mut self, name: &str, peer: &str, peer_namespace: BorrowedFd<'_>) -> io::Result<()> {
        let mut other = LinkMessage::default();
        other.attributes = vec![LinkAttribute::IfName(peer.into()), LinkAttribute::NetNsFd(peer_namespace.as_raw_fd())];
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName(name.into()),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(other))),
            ]),
        ];
        self.create(RouteNetlinkMessage::NewLink(message))
    }

    /// Makes a VXLAN with one other end, on top of the device with the number `lower`.
    ///
    /// # Errors
    /// `EEXIST` when the name is taken; else of the kernel.
    pub fn add_vxlan(&mut self, name: &str, lower: u32, [local, remote]: [Ipv4Addr; 2]) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName(name.into()),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Vxlan),
                LinkInfo::Data(InfoData::Vxlan(vec![
                    InfoVxlan::Id(1),
                    InfoVxlan::Link(lower),
                    InfoVxlan::Local(local),
                    InfoVxlan::Group(remote),
                    InfoVxlan::Port(8472),
                ])),
            ]),
        ];
        self.create(RouteNetlinkMessage::NewLink(message))
    }

    /// Deletes a device.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn delete_link(&mut self, index: u32) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        self.request(RouteNetlinkMessage::DelLink(message), 0)?;
        Ok(())
    }
}

fn is_no_device(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO | libc::ENOENT))
}

fn parse_link(message: &LinkMessage) -> Interface {
    let mut link = Interface {
        index: message.header.index,
        up: message.header.flags.contains(LinkFlags::Up),
        unplugged: !message.header.flags.contains(LinkFlags::LowerUp),
        ..Interface::default()
    };
    let mut elsewhere = false;
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Link(lower) => link.lower = link.lower.or(Some(*lower).filter(|lower| *lower != 0)),
            LinkAttribute::LinkNetNsId(_) => elsewhere = true,
            LinkAttribute::Controller(master) => link.master = Some(*master).filter(|master| *master != 0),
            LinkAttribute::Broadcast(bytes) if is_ip_tunnel(message) => link.ends.extend(address_in(bytes)),
            LinkAttribute::LinkInfo(infos) => parse_link_info(infos, &mut link),
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Address(bytes) => {
                link.mac = bytes.as_slice().try_into().ok().map(Mac);
                if is_ip_tunnel(message) {
                    link.ends.extend(address_in(bytes));
                }
            }
            _ => {}
        }
    }
    if elsewhere {
        link.lower = None;
    }
    link
}

/// Devices whose link-layer addresses are the ends of the tunnel.
fn is_ip_tunnel(message: &LinkMessage) -> bool {
    use LinkLayerType::{Ip6gre, Ipgre, Sit, Tunnel, Tunnel6};
    matches!(message.header.link_layer_type, Tunnel | Tunnel6 | Sit | Ipgre | Ip6gre)
}

fn address_in(bytes: &[u8]) -> Option<IpAddr> {
    let address: IpAddr = match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok()?.into(),
        16 => <[u8; 16]>::try_from(bytes).ok()?.into(),
        _ => return None,
    };
    Some(address).filter(|address| !address.is_unspecified())
}

fn parse_link_info(infos: &[LinkInfo], link: &mut Interface) {
    let ends = &mut link.ends;
    for info in infos {
        match info {
            LinkInfo::Kind(InfoKind::Veth) => link.is_cable = true,
            LinkInfo::PortKind(InfoPortKind::Vrf) => link.in_vrf = true,
            LinkInfo::Data(InfoData::Vxlan(values)) => {
                for value in values {
                    match value {
                        InfoVxlan::Group(a) | InfoVxlan::Local(a) => ends.push((*a).into()),
                        InfoVxlan::Group6(a) | InfoVxlan::Local6(a) => ends.push((*a).into()),
                        InfoVxlan::Link(lower) => link.lower = Some(*lower),
                        _ => {}
                    }
                }
            }
            LinkInfo::Data(InfoData::Geneve(values)) => {
                for value in values {
                    match value {
                        InfoGeneve::Remote(a) | InfoGeneve::Local(a) => ends.push((*a).into()),
                        InfoGeneve::Remote6(a) | InfoGeneve::Local6(a) => ends.push((*a).into()),
                        _ => {}
                    }
                }
            }
            LinkInfo::Data(InfoData::GreTap(values) | InfoData::ErSpan(values)) => {
                for value in values {
                    match value {
                        InfoGre::Local(a) | InfoGre::Remote(a) => ends.push((*a).into()),
                        _ => {}
                    }
                }
            }
            LinkInfo::Data(InfoData::GreTap6(values) | InfoData::Ip6ErSpan(values)) => {
                for value in values {
                    match value {
                        InfoGre6::Local(a) | InfoGre6::Remote(a) => ends.push((*a).into()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    ends.retain(|end| !end.is_unspecified());
}
