//! Routes through devices, and how packets would leave.

use std::io;
use std::net::IpAddr;
use zt_wire::IpPrefix;

use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{Netlink, family};
use crate::host::{HostRoute, MAIN, OF_PORTS};

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

impl Netlink {
    /// Routes with protocol *static* through one device: those of the main table, and the default routes of ports, which
    /// have a table of their own.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn static_routes(&mut self, index: u32) -> io::Result<Vec<HostRoute>> {
        let mut routes = Vec::new();
        for table in [MAIN, OF_PORTS] {
            for ipv6 in [false, true] {
                routes.extend(self.static_routes_in(table, ipv6, Some(index))?);
            }
        }
        Ok(routes)
    }

    /// Routes with protocol *static* in one table and of one family, through one device or all.
    pub(crate) fn static_routes_in(
        &mut self,
        table: u32,
        ipv6: bool,
        index: Option<u32>,
    ) -> io::Result<Vec<HostRoute>> {
        let mut message = RouteMessage::default();
        message.header.address_family = if ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
        set_table(&mut message, table);
        message.header.protocol = RouteProtocol::Static;
        message.attributes.extend(index.map(RouteAttribute::Oif));
        let answers = match self.dump(RouteNetlinkMessage::GetRoute(message)) {
            // A host without IPv6.
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => return Ok(Vec::new()),
            // No route yet in a table that does not exist yet.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(Vec::new()),
            answers => answers?,
        };
        let routes = answers.into_iter().filter_map(|answer| match answer {
            RouteNetlinkMessage::NewRoute(route) => parse_static_route(&route),
            _ => None,
        });
        let wanted =
            |(of, device, _): &(u32, u32, HostRoute)| *of == table && index.is_none_or(|index| *device == index);
        Ok(routes.filter(wanted).map(|(_, _, route)| route).collect())
    }

    /// How a packet to `target` would leave (by the given device, if one is given): the device, the gateway, the source
    /// address.
    ///
    /// # Errors
    /// Of the kernel. No route is `Ok(None)`.
    pub fn route_to(&mut self, target: IpAddr, by: Option<u32>) -> io::Result<Option<RouteTo>> {
        self.ask_route(target, by.map(RouteAttribute::Oif))
    }

    /// How a packet to `target` would leave that is sent from an address of this host.
    ///
    /// # Errors
    /// As [`Netlink::route_to`].
    pub fn route_from(&mut self, source: IpAddr, target: IpAddr) -> io::Result<Option<RouteTo>> {
        self.ask_route(target, Some(RouteAttribute::Source(source.into())))
    }

    fn ask_route(&mut self, target: IpAddr, condition: Option<RouteAttribute>) -> io::Result<Option<RouteTo>> {
        let mut message = RouteMessage::default();
        message.header.address_family = family(target);
        message.header.destination_prefix_length = IpPrefix::host(target).bits();
        message.attributes.push(RouteAttribute::Destination(target.into()));
        if let Some(RouteAttribute::Source(_)) = condition {
            message.header.source_prefix_length = IpPrefix::host(target).bits();
        }
        message.attributes.extend(condition);
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
        self.add_route_to(MAIN, index, route)
    }

    /// As [`Netlink::add_route`], in another table.
    pub(crate) fn add_route_to(&mut self, table: u32, index: u32, route: &HostRoute) -> io::Result<()> {
        self.create(RouteNetlinkMessage::NewRoute(route_message(table, index, route)))
    }

    /// Removes a route.
    ///
    /// # Errors
    /// `ESRCH` when it is not there; else of the kernel.
    pub fn delete_route(&mut self, index: u32, route: &HostRoute) -> io::Result<()> {
        self.delete_route_from(MAIN, index, route)
    }

    /// As [`Netlink::delete_route`], in another table.
    pub(crate) fn delete_route_from(&mut self, table: u32, index: u32, route: &HostRoute) -> io::Result<()> {
        self.request(RouteNetlinkMessage::DelRoute(route_message(table, index, route)), 0)?;
        Ok(())
    }
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

fn route_message(table: u32, index: u32, route: &HostRoute) -> RouteMessage {
    let target = route.target.network();
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: family(target.address()),
        destination_prefix_length: target.bits(),
        protocol: RouteProtocol::Static,
        // On-link IPv4 routes have scope link: the kernel refuses a gateway that is reached
        // through a route of scope universe.
        scope: match (route.via, target.address()) {
            (None, IpAddr::V4(_)) => RouteScope::Link,
            _ => RouteScope::Universe,
        },
        kind: RouteType::Unicast,
        ..RouteHeader::default()
    };
    set_table(&mut message, table);
    let attributes = &mut message.attributes;
    if target.bits() > 0 {
        attributes.push(RouteAttribute::Destination(target.address().into()));
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

/// A longer number than eight bits stands in an attribute only.
fn set_table(message: &mut RouteMessage, table: u32) {
    match u8::try_from(table) {
        Ok(short) => message.header.table = short,
        Err(_) => message.attributes.push(RouteAttribute::Table(table)),
    }
}

/// Table, device number and route, when it is one of those [`Netlink::static_routes`] lists.
fn parse_static_route(message: &RouteMessage) -> Option<(u32, u32, HostRoute)> {
    let header = &message.header;
    if header.protocol != RouteProtocol::Static || header.kind != RouteType::Unicast {
        return None;
    }
    let mut table = u32::from(header.table);
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
            RouteAttribute::Table(value) => table = *value,
            _ => {}
        }
    }
    // What the kernel sets where no metric was asked for.
    if target.is_ipv6() && metric == Some(IPV6_DEFAULT_METRIC) {
        metric = None;
    }
    let target = IpPrefix::new(target, header.destination_prefix_length)?;
    let route = HostRoute { target, via, source, metric };
    Some((table, oif?, route))
}

const IPV6_DEFAULT_METRIC: u32 = 1024;

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}
