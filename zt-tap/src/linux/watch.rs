use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use super::netlink::Netlink;
use crate::interfaces::{HostView, Interface, InterfaceAddress, LocalAddress, Uplink, is_physical_scope};

/// Tells when interfaces or addresses of the host change, and which addresses sockets may be
/// bound to (06 §5.1, §5.2). It watches the network namespace of the thread that made it.
#[derive(Debug)]
pub struct InterfaceWatcher {
    events: Socket,
    netlink: Netlink,
    buffer: Vec<u8>,
}

impl InterfaceWatcher {
    /// Subscribes to changes of links, addresses and routing rules. (Programs that manage networks throw away rules that
    /// are not theirs.)
    ///
    /// # Errors
    /// When the kernel refuses netlink sockets.
    pub fn new() -> io::Result<Self> {
        let mut events = Socket::new(NETLINK_ROUTE)?;
        let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
        events.bind(&SocketAddr::new(0, groups as u32 | RULES))?;
        events.set_non_blocking(true)?;
        Ok(Self { events, netlink: Netlink::open()?, buffer: Vec::with_capacity(EVENT_BUFFER) })
    }

    /// Takes all waiting events; true when there was one, and
    /// [`InterfaceWatcher::view`] may have changed. Call it when the descriptor is
    /// readable. Events come in bursts and also for changes that do not matter, so wait a little
    /// and compare.
    ///
    /// # Errors
    /// The socket is broken.
    pub fn take_events(&mut self) -> io::Result<bool> {
        let mut any = false;
        loop {
            self.buffer.clear();
            match self.events.recv(&mut self.buffer, libc::MSG_TRUNC) {
                Ok(_) => any = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(any),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The kernel dropped events, so there were some.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => any = true,
                Err(error) => return Err(error),
            }
        }
    }

    /// What the kernel knows of devices, addresses and ways to the internet: [`HostView::bindable`] chooses from it.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn view(&mut self) -> io::Result<HostView> {
        let (links, addresses) = (self.netlink.links()?, self.netlink.addresses(None)?);
        let uplinks = self.uplinks(&links, &addresses);
        Ok(HostView { interfaces: links, addresses, uplinks })
    }

    /// Asks how packets to the internet would leave: at all, from an address of each interface that has a usable one (which
    /// tells what the host's own routes say where a port of ours has the default route), and by each such interface. (The
    /// tables themselves may have a million routes.)
    fn uplinks(&mut self, links: &[Interface], addresses: &[InterfaceAddress]) -> Vec<Uplink> {
        let carries = |link: &&Interface| {
            link.up && addresses.iter().any(|a| a.index == link.index && is_physical_scope(a.cidr.address()))
        };
        let asked: Vec<u32> = links.iter().filter(carries).map(|link| link.index).take(MOST_ASKED).collect();
        let mut found: Vec<Uplink> = Vec::new();
        for target in INTERNET {
            let route = self.netlink.route_to(target, None).ok().flatten();
            found.extend(route.map(|route| Uplink { index: route.index, source: route.source }));
        }
        for (&index, target) in asked.iter().flat_map(|index| INTERNET.map(|target| (index, target))) {
            let mut own = addresses.iter().filter(|a| a.index == index && !a.is_transient()).map(|a| a.cidr.address());
            let source = own.find(|ip| ip.is_ipv4() == target.is_ipv4() && is_physical_scope(*ip));
            let route = source.and_then(|source| self.netlink.route_from(source, target).ok().flatten());
            found.extend(route.map(|route| Uplink { index: route.index, source: None }));
        }
        for (index, target) in asked.into_iter().flat_map(|index| INTERNET.map(|target| (index, target))) {
            let route = self.netlink.route_to(target, Some(index)).ok().flatten();
            // By a device that has no route there, the kernel takes the whole world for neighbours.
            let route = route.filter(|route| route.gateway.is_some());
            found.extend(route.map(|route| Uplink { index: route.index, source: route.source }));
        }
        found
    }

    /// All addresses of the given interfaces, sorted: what never is a path to a peer when the
    /// interfaces are our own ports.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn addresses_of(&mut self, interfaces: &BTreeSet<String>) -> io::Result<Vec<LocalAddress>> {
        self.addresses(|name, _| interfaces.contains(name))
    }

    fn addresses(&mut self, keep: impl Fn(&str, bool) -> bool) -> io::Result<Vec<LocalAddress>> {
        let links = self.netlink.links()?;
        let mut found = BTreeSet::new();
        for address in self.netlink.addresses(None)? {
            let Some(link) = links.iter().find(|link| link.index == address.index) else {
                continue;
            };
            if keep(&link.name, link.up) && !address.is_transient() {
                found.insert(LocalAddress {
                    interface: link.name.clone(),
                    index: link.index,
                    cidr: address.cidr,
                    mtu: link.mtu,
                });
            }
        }
        Ok(found.into_iter().collect())
    }
}

impl AsFd for InterfaceWatcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

impl AsRawFd for InterfaceWatcher {
    fn as_raw_fd(&self) -> RawFd {
        self.events.as_raw_fd()
    }
}

/// Addresses of the internet, for which routes are asked; nothing is sent there.
const INTERNET: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(1, 0, 0, 1)), IpAddr::V6(Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0, 0, 0, 1))];
/// Most interfaces that are asked for.
const MOST_ASKED: usize = 64;

/// Groups for routing rules, which have numbers but no names for this mask (`RTNLGRP_IPV4_RULE`, `RTNLGRP_IPV6_RULE`).
const RULES: u32 = 1 << (8 - 1) | 1 << (19 - 1);

/// Only the fact of an event counts, so the rest of a longer one may be cut off.
const EVENT_BUFFER: usize = 4096;
