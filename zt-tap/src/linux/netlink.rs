//! Synchronous requests to the kernel's routing tables.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{
    InfoBridge, InfoData, InfoGeneve, InfoGre, InfoGre6, InfoKind, InfoVeth, InfoVxlan, LinkAttribute, LinkFlags,
    LinkInfo, LinkLayerType, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use zt_wire::Mac;

use crate::host::{Cidr, HostRoute};

/// A route socket of the network namespace in which it was opened; it stays there, whatever
/// namespace its user is in.
#[derive(Debug)]
pub struct Netlink {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

/// One network device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Number of the device in its namespace.
    pub index: u32,
    /// Name of the device.
    pub name: String,
    /// MAC address; `None` for devices without one (or of another length).
    pub mac: Option<Mac>,
    /// Largest packet in bytes, without a link-layer header.
    pub mtu: u32,
    /// Administratively up.
    pub up: bool,
    /// Number of the device below it (of a VLAN, MACVLAN, tunnel), or of the other end of a cable, in this namespace.
    pub lower: Option<u32>,
    /// Number of the bridge, bond or VRF that it is a port of.
    pub master: Option<u32>,
    /// It is one end of a cable (veth).
    pub is_cable: bool,
    /// Outer addresses of a tunnel, both ends, as far as they are fixed.
    pub ends: Vec<IpAddr>,
}

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

/// How a packet would leave the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteTo {
    /// Number of the device.
    pub index: u32,
    /// The next hop, when the target is not on the link.
    pub gateway: Option<IpAddr>,
    /// Source address that the kernel takes.
    pub source: Option<IpAddr>,
}

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
    /// Opens a socket in the network namespace of the calling thread.
    ///
    /// # Errors
    /// When the kernel refuses netlink sockets.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Lets the kernel filter dumps; old kernels send all, and the answers are filtered here too.
        let _ = socket.set_netlink_get_strict_chk(true);
        Ok(Self { socket, sequence: 0, buffer: Vec::with_capacity(RECEIVE_BUFFER) })
    }

    /// All devices, by number.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn links(&mut self) -> io::Result<Vec<Link>> {
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let mut links: Vec<Link> = self
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
    pub fn link(&mut self, name: &str) -> io::Result<Option<Link>> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.into()));
        self.one_link(message)
    }

    /// The device with this number, whatever its name is by now.
    ///
    /// # Errors
    /// `ENODEV` when it is gone; else of the kernel.
    pub fn link_at(&mut self, index: u32) -> io::Result<Link> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        self.one_link(message)?.ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))
    }

    fn one_link(&mut self, message: LinkMessage) -> io::Result<Option<Link>> {
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
    pub fn require_link(&mut self, name: &str) -> io::Result<Link> {
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

    /// Routes of the main table with protocol *static* through one device.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn static_routes(&mut self, index: u32) -> io::Result<Vec<HostRoute>> {
        let mut routes = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut message = RouteMessage::default();
            message.header.address_family = family;
            message.header.table = RouteHeader::RT_TABLE_MAIN;
            message.header.protocol = RouteProtocol::Static;
            message.attributes.push(RouteAttribute::Oif(index));
            let answers = match self.dump(RouteNetlinkMessage::GetRoute(message)) {
                // A host without IPv6.
                Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => continue,
                // No route yet in a table that does not exist yet.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => continue,
                answers => answers?,
            };
            for answer in answers {
                if let RouteNetlinkMessage::NewRoute(route) = answer
                    && let Some((of, route)) = parse_static_route(&route)
                    && of == index
                {
                    routes.push(route);
                }
            }
        }
        Ok(routes)
    }

    /// How a packet to `target` would leave (by the given device, if one is given): the device, the gateway, the source
    /// address.
    ///
    /// # Errors
    /// Of the kernel. No route is `Ok(None)`.
    pub fn route_to(&mut self, target: IpAddr, by: Option<u32>) -> io::Result<Option<RouteTo>> {
        let mut message = RouteMessage::default();
        message.header.address_family = family(target);
        message.header.destination_prefix_length = if target.is_ipv4() { 32 } else { 128 };
        message.attributes.push(RouteAttribute::Destination(target.into()));
        message.attributes.extend(by.map(RouteAttribute::Oif));
        let answers = match self.request(RouteNetlinkMessage::GetRoute(message), 0) {
            Err(error) if is_no_route(&error) => return Ok(None),
            answers => answers?,
        };
        Ok(answers.into_iter().find_map(|answer| match answer {
            RouteNetlinkMessage::NewRoute(route) => parse_route_to(&route),
            _ => None,
        }))
    }

    /// Adds a route through a device: table main, protocol static, unicast (06 §7.3).
    ///
    /// # Errors
    /// `EEXIST` when the same target (and metric) is routed already; `ENETUNREACH` or
    /// `EHOSTUNREACH` when the gateway is not on the link; else of the kernel.
    pub fn add_route(&mut self, index: u32, route: &HostRoute) -> io::Result<()> {
        self.create(RouteNetlinkMessage::NewRoute(route_message(index, route)))
    }

    /// Removes a route.
    ///
    /// # Errors
    /// `ESRCH` when it is not there; else of the kernel.
    pub fn delete_route(&mut self, index: u32, route: &HostRoute) -> io::Result<()> {
        self.request(RouteNetlinkMessage::DelRoute(route_message(index, route)), 0)?;
        Ok(())
    }

    fn create(&mut self, message: RouteNetlinkMessage) -> io::Result<()> {
        self.request(message, NLM_F_CREATE | NLM_F_EXCL)?;
        Ok(())
    }

    fn dump(&mut self, message: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        let mut answers = Vec::new();
        for _ in 0..DUMP_ATTEMPTS {
            let interrupted;
            self.send(message.clone(), NLM_F_DUMP)?;
            (answers, interrupted) = self.receive()?;
            if !interrupted {
                break;
            }
        }
        Ok(answers)
    }

    fn request(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.send(message, flags | NLM_F_ACK)?;
        Ok(self.receive()?.0)
    }

    fn send(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        Ok(())
    }

    /// Answers to the last request, and whether the table changed while it was dumped.
    fn receive(&mut self) -> io::Result<(Vec<RouteNetlinkMessage>, bool)> {
        let mut answers = Vec::new();
        let mut interrupted = false;
        loop {
            self.buffer.clear();
            let len = match self.socket.recv(&mut self.buffer, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                len => len?,
            };
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            for bytes in messages(&self.buffer) {
                let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes) else {
                    // A kind of device or route that the decoder does not know.
                    continue;
                };
                if message.header.sequence_number != self.sequence {
                    continue;
                }
                interrupted |= message.header.flags & NLM_F_DUMP_INTR != 0;
                match message.payload {
                    NetlinkPayload::Done(done) if done.code < 0 => {
                        return Err(io::Error::from_raw_os_error(-done.code));
                    }
                    NetlinkPayload::Done(_) => return Ok((answers, interrupted)),
                    NetlinkPayload::Error(error) => match error.code {
                        None => return Ok((answers, interrupted)),
                        Some(code) => {
                            return Err(io::Error::from_raw_os_error(code.get().saturating_neg()));
                        }
                    },
                    NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                    _ => {}
                }
            }
        }
    }
}

/// The messages in one received datagram.
fn messages(mut buffer: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let len = u32::from_ne_bytes(buffer.get(..4)?.try_into().ok()?) as usize;
        if len < 16 || len > buffer.len() {
            return None;
        }
        let (message, _) = buffer.split_at(len);
        buffer = buffer.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// Dumps come in pieces of at most this many bytes.
const RECEIVE_BUFFER: usize = 32 * 1024;
/// How often a dump is asked for again when the table changes meanwhile.
const DUMP_ATTEMPTS: usize = 4;

pub(super) fn is_no_device(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO | libc::ENOENT))
}

fn is_no_route(error: &io::Error) -> bool {
    let codes = [libc::ENETUNREACH, libc::EHOSTUNREACH, libc::ESRCH, libc::EINVAL, libc::EACCES];
    let codes = codes.into_iter().chain([libc::EAFNOSUPPORT, libc::EOPNOTSUPP, libc::ENETDOWN, libc::ENODEV]);
    error.raw_os_error().is_some_and(|code| codes.into_iter().any(|known| known == code))
}

fn parse_route_to(message: &RouteMessage) -> Option<RouteTo> {
    let (mut index, mut gateway, mut source) = (None, None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(oif) => index = Some(*oif),
            RouteAttribute::Gateway(address) => gateway = ip(address),
            RouteAttribute::Via(_) => gateway = gateway.or(Some(IpAddr::from([0; 16]))),
            RouteAttribute::PrefSource(address) => source = ip(address),
            _ => {}
        }
    }
    (message.header.kind == RouteType::Unicast).then_some(RouteTo { index: index?, gateway, source })
}

fn parse_link(message: &LinkMessage) -> Link {
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        mac: None,
        mtu: 0,
        up: message.header.flags.contains(LinkFlags::Up),
        lower: None,
        master: None,
        is_cable: false,
        ends: Vec::new(),
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

fn parse_link_info(infos: &[LinkInfo], link: &mut Link) {
    let ends = &mut link.ends;
    for info in infos {
        match info {
            LinkInfo::Kind(InfoKind::Veth) => link.is_cable = true,
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

fn route_message(index: u32, route: &HostRoute) -> RouteMessage {
    let target = route.target.network();
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: family(target.address),
        destination_prefix_length: target.prefix_len,
        table: RouteHeader::RT_TABLE_MAIN,
        protocol: RouteProtocol::Static,
        // On-link IPv4 routes have scope link: the kernel refuses a gateway that is reached
        // through a route of scope universe.
        scope: match (route.via, target.address) {
            (None, IpAddr::V4(_)) => RouteScope::Link,
            _ => RouteScope::Universe,
        },
        kind: RouteType::Unicast,
        ..RouteHeader::default()
    };
    let attributes = &mut message.attributes;
    if target.prefix_len > 0 {
        attributes.push(RouteAttribute::Destination(target.address.into()));
    }
    attributes.push(RouteAttribute::Oif(index));
    if let Some(via) = route.via {
        attributes.push(RouteAttribute::Gateway(via.into()));
    }
    if let Some(source) = route.source {
        attributes.push(RouteAttribute::PrefSource(source.into()));
    }
    if let Some(metric) = route.metric {
        attributes.push(RouteAttribute::Priority(metric));
    }
    message
}

/// Device number and route, when it is one of those [`Netlink::static_routes`] lists.
fn parse_static_route(message: &RouteMessage) -> Option<(u32, HostRoute)> {
    let header = &message.header;
    if header.protocol != RouteProtocol::Static
        || header.table != RouteHeader::RT_TABLE_MAIN
        || header.kind != RouteType::Unicast
    {
        return None;
    }
    let mut target = match header.address_family {
        AddressFamily::Inet => IpAddr::from([0; 4]),
        AddressFamily::Inet6 => IpAddr::from([0; 16]),
        _ => return None,
    };
    let (mut oif, mut via, mut source, mut metric) = (None, None, None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => target = ip(address)?,
            RouteAttribute::Oif(index) => oif = Some(*index),
            RouteAttribute::Gateway(address) => via = ip(address),
            RouteAttribute::PrefSource(address) => source = ip(address),
            RouteAttribute::Priority(value) => metric = Some(*value),
            _ => {}
        }
    }
    // What the kernel sets where no metric was asked for.
    if target.is_ipv6() && metric == Some(IPV6_DEFAULT_METRIC) {
        metric = None;
    }
    let target = Cidr::new(target, header.destination_prefix_length)?;
    let route = HostRoute { target, via, source, metric };
    Some((oif?, route))
}

const IPV6_DEFAULT_METRIC: u32 = 1024;

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}
