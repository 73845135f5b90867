//! Routes through devices, and how packets would leave.

use std::io;
use std::net::IpAddr;
use zt_wire::IpPrefix;

use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{Netlink, family};
use crate::host::HostRoute;

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
        message.header.destination_prefix_length = IpPrefix::host(target).bits();
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

fn route_message(index: u32, route: &HostRoute) -> RouteMessage {
    let target = route.target.network();
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: family(target.address()),
        destination_prefix_length: target.bits(),
        table: RouteHeader::RT_TABLE_MAIN,
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
    let target = IpPrefix::new(target, header.destination_prefix_length)?;
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
