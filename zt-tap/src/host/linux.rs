use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use zt_wire::IpPrefix;

use super::memory::difference;
use super::policy::{MAIN, OF_PORTS, Policy};
use super::{Applied, Change, HostConfig, HostError, HostRoute, HostState};
use crate::interfaces::Interface;
use crate::linux::netlink::{LinkChange, Netlink};

/// Configures devices of Linux by netlink (06 §7.2, §7.3), in the network namespace of the thread
/// that made it.
#[derive(Debug)]
pub struct LinuxHost {
    netlink: Netlink,
    /// What this value put on each device: only that is ever removed.
    ours: BTreeMap<String, Ours>,
    policy: Policy,
}

#[derive(Debug, Default)]
struct Ours {
    addresses: Vec<IpPrefix>,
    routes: Vec<Placed>,
}

/// A route and the table it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Placed {
    table: u32,
    route: HostRoute,
}

impl LinuxHost {
    /// Opens a netlink socket.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn new() -> io::Result<Self> {
        Ok(Self { netlink: Netlink::open()?, ours: BTreeMap::new(), policy: Policy::default() })
    }
}

impl HostConfig for LinuxHost {
    fn apply(&mut self, tap: &str, desired: &HostState) -> Result<Applied, HostError> {
        let link =
            self.netlink.link(tap).map_err(|error| HostError::from_io(&error))?.ok_or(HostError::NoSuchDevice)?;
        let ours = self.ours.entry(tap.to_owned()).or_default();
        let mut session = Session { netlink: &mut self.netlink, index: link.index, applied: Applied::default() };
        session.link(&link, desired);
        let up = desired.up.unwrap_or(link.up);
        let routes = session.place(&self.policy, desired.installed_routes(), up);
        let concerned =
            FAMILIES.map(|ipv6| ours.routes.iter().chain(&routes).any(|placed| is_default(&placed.route, ipv6)));
        // Routes need their addresses, so they go first and come last.
        session.remove_routes(ours, &routes)?;
        session.addresses(ours, &desired.distinct_addresses())?;
        session.add_routes(ours, &routes, up)?;
        for (ipv6, concerned) in FAMILIES.into_iter().zip(concerned) {
            if concerned && !ours.routes.iter().any(|placed| is_default(&placed.route, ipv6)) {
                // What is left of the rules does nothing without a route.
                let _ = self.policy.settle(session.netlink, ipv6, false);
            }
        }
        session.finish()
    }

    fn remove(&mut self, tap: &str) -> Result<Applied, HostError> {
        if !self.ours.contains_key(tap) {
            return Ok(Applied::default());
        }
        let applied = match self.apply(tap, &HostState::gone()) {
            Err(HostError::NoSuchDevice) => {
                self.settle()?;
                Applied::default()
            }
            applied => applied?,
        };
        self.ours.remove(tap);
        Ok(applied)
    }

    fn set_underlay(&mut self, addresses: &[IpAddr]) -> Result<(), HostError> {
        self.policy.underlay = addresses.to_vec();
        self.settle()
    }
}

impl LinuxHost {
    fn settle(&mut self) -> Result<(), HostError> {
        for ipv6 in FAMILIES {
            let settled = self.policy.settle(&mut self.netlink, ipv6, false);
            settled.map_err(|error| HostError::from_io(&error))?;
        }
        Ok(())
    }
}

/// IPv4 and IPv6.
const FAMILIES: [bool; 2] = [false, true];

fn is_default(route: &HostRoute, ipv6: bool) -> bool {
    route.is_default() && route.target.is_ipv4() != ipv6
}

/// One call of `apply` on one device.
struct Session<'a> {
    netlink: &'a mut Netlink,
    index: u32,
    applied: Applied,
}

impl Session<'_> {
    fn link(&mut self, link: &Interface, desired: &HostState) {
        if let Some(mac) = desired.mac.filter(|mac| link.mac != Some(*mac)) {
            let change = LinkChange { mac: Some(mac), ..LinkChange::default() };
            self.note(Change::Mac(mac), |n, i| n.change_link(i, &change));
        }
        if let Some(mtu) = desired.mtu.filter(|mtu| link.mtu != u32::from(*mtu)) {
            let change = LinkChange { mtu: Some(mtu.into()), ..LinkChange::default() };
            self.note(Change::Mtu(mtu), |n, i| n.change_link(i, &change));
        }
        if let Some(up) = desired.up.filter(|up| link.up != *up) {
            let change = LinkChange { up: Some(up), ..LinkChange::default() };
            let which = if up { Change::Up } else { Change::Down };
            self.note(which, |n, i| n.change_link(i, &change));
        }
    }

    fn addresses(&mut self, ours: &mut Ours, desired: &[IpPrefix]) -> Result<(), HostError> {
        let index = self.index;
        let present: Vec<IpPrefix> =
            self.ask(|netlink| netlink.addresses(Some(index)))?.into_iter().map(|address| address.cidr).collect();
        ours.addresses.retain(|cidr| present.contains(cidr));
        let (gone, _) = difference(&ours.addresses, desired);
        // An address that is wanted with another prefix is replaced, whoever put it there.
        let replaced = present
            .iter()
            .copied()
            .filter(|old| desired.iter().any(|new| new.address() == old.address() && new != old));
        let mut remove: Vec<IpPrefix> = replaced.collect();
        remove.extend(gone.iter().filter(|cidr| !remove.contains(cidr)).collect::<Vec<_>>());
        for cidr in remove {
            if self.note(Change::AddressRemoved(cidr), |n, i| n.delete_address(i, cidr)) {
                ours.addresses.retain(|other| *other != cidr);
            }
        }
        for cidr in desired {
            if present.contains(cidr) {
                continue;
            }
            if self.note(Change::AddressAdded(*cidr), |n, i| n.add_address(i, *cidr)) {
                ours.addresses.push(*cidr);
            }
        }
        Ok(())
    }

    /// Finds each route its table: the main one, or that of ports for default routes, with the rules that lead there.
    fn place(&mut self, policy: &Policy, routes: Vec<HostRoute>, up: bool) -> Vec<Placed> {
        let tables = FAMILIES.map(|ipv6| {
            if !up || !routes.iter().any(|route| is_default(route, ipv6)) {
                return OF_PORTS;
            }
            let mut table = OF_PORTS;
            if let Err(error) = policy.settle(self.netlink, ipv6, true) {
                self.applied.failed.push((Change::DefaultsApart, HostError::from_io(&error)));
                table = MAIN;
            }
            table
        });
        let table = |route: &HostRoute| match route.is_default() {
            true => tables[usize::from(!route.target.is_ipv4())],
            false => MAIN,
        };
        routes.into_iter().map(|route| Placed { table: table(&route), route }).collect()
    }

    fn remove_routes(&mut self, ours: &mut Ours, desired: &[Placed]) -> Result<(), HostError> {
        let present = self.routes()?;
        ours.routes.retain(|placed| present.contains(placed));
        for placed in difference(&ours.routes, desired).0 {
            let Placed { table, route } = placed;
            if self.note(Change::RouteRemoved(route), |n, i| n.delete_route_from(table, i, &route)) {
                ours.routes.retain(|other| *other != placed);
            }
        }
        Ok(())
    }

    fn add_routes(&mut self, ours: &mut Ours, desired: &[Placed], up: bool) -> Result<(), HostError> {
        if !up {
            return Ok(());
        }
        // Asked again: removing an address takes routes with it.
        let present = self.routes()?;
        for placed in desired.iter().filter(|placed| !present.contains(placed)) {
            let Placed { table, route } = placed;
            if self.note(Change::RouteAdded(*route), |n, i| n.add_route_to(*table, i, route))
                && !ours.routes.contains(placed)
            {
                ours.routes.push(*placed);
            }
        }
        Ok(())
    }

    fn routes(&mut self) -> Result<Vec<Placed>, HostError> {
        let index = self.index;
        let mut routes = Vec::new();
        for (table, ipv6) in [MAIN, OF_PORTS].into_iter().flat_map(|table| FAMILIES.map(|ipv6| (table, ipv6))) {
            let found = self.ask(|netlink| netlink.static_routes_in(table, ipv6, Some(index)))?;
            routes.extend(found.into_iter().map(|route| Placed { table, route }));
        }
        Ok(routes)
    }

    fn ask<T>(&mut self, question: impl FnOnce(&mut Netlink) -> io::Result<T>) -> Result<T, HostError> {
        question(self.netlink).map_err(|error| HostError::from_io(&error))
    }

    /// Does one change and writes down how it went; true when it is done.
    fn note(&mut self, change: Change, act: impl FnOnce(&mut Netlink, u32) -> io::Result<()>) -> bool {
        match act(self.netlink, self.index) {
            Ok(()) => {
                self.applied.changes.push(change);
                true
            }
            Err(error) => {
                let error = match error.raw_os_error() {
                    // Not a right is missing, which would be EPERM: IPv6 is switched off.
                    Some(libc::EACCES) => HostError::Unsupported,
                    _ => HostError::from_io(&error),
                };
                self.applied.failed.push((change, error));
                false
            }
        }
    }

    /// Without permission, or without the device, nothing works: that is one error, not many.
    fn finish(self) -> Result<Applied, HostError> {
        let fatal = [HostError::NoPermission, HostError::NoSuchDevice];
        for (_, error) in &self.applied.failed {
            if fatal.contains(error) && self.applied.changes.is_empty() {
                return Err(*error);
            }
        }
        Ok(self.applied)
    }
}

impl HostError {
    /// The number of the system error that it stands for.
    #[must_use]
    pub fn code(self) -> Option<i32> {
        match self {
            Self::NoSuchDevice => Some(libc::ENODEV),
            Self::NoPermission => Some(libc::EPERM),
            Self::Exists => Some(libc::EEXIST),
            Self::Unreachable => Some(libc::ENETUNREACH),
            Self::Busy => Some(libc::EBUSY),
            Self::Invalid => Some(libc::EINVAL),
            Self::Unsupported => Some(libc::EOPNOTSUPP),
            Self::System(0) => None,
            Self::System(code) => Some(code),
        }
    }

    /// The name of a system error.
    #[must_use]
    pub fn from_io(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ENODEV | libc::ENXIO) => Self::NoSuchDevice,
            Some(libc::EPERM | libc::EACCES) => Self::NoPermission,
            Some(libc::EEXIST) => Self::Exists,
            Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => Self::Unreachable,
            Some(libc::EBUSY) => Self::Busy,
            Some(libc::EINVAL | libc::ERANGE | libc::EADDRNOTAVAIL) => Self::Invalid,
            Some(libc::EOPNOTSUPP | libc::EAFNOSUPPORT) => Self::Unsupported,
            Some(code) => Self::System(code),
            None => Self::System(0),
        }
    }
}
