//! What a port looks like on its host: addresses, routes, MTU, MAC, up or down.
//!
//! Frames and host configuration are two traits on purpose: a userspace stack implements
//! [`Tap`](crate::Tap) and takes [`MemoryHost`] here.

#[cfg(target_os = "linux")]
mod linux;
mod memory;
#[cfg(target_os = "linux")]
mod policy;

use std::collections::BTreeMap;
use std::net::IpAddr;

use zt_wire::{IpPrefix, Mac};

#[cfg(target_os = "linux")]
pub use linux::LinuxHost;
pub use memory::MemoryHost;
#[cfg(target_os = "linux")]
pub(crate) use policy::{MAIN, OF_PORTS};

/// Metric of routes with a gateway (06 §7.3).
pub const GATEWAY_METRIC: u32 = 5000;

/// Makes the host's view of a port equal to a wanted state.
pub trait HostConfig: Send {
    /// Changes what differs on the device `tap`, and nothing else: a second call with the same
    /// state changes nothing. Addresses and routes that somebody else put on the device stay, and so
    /// do MAC, MTU and up or down when the state does not name them. Routes wait while the device is
    /// down.
    ///
    /// One address or route that the host refuses does not keep the others from being set; it is
    /// listed in [`Applied::failed`] and tried again by the next call.
    ///
    /// # Errors
    /// Nothing can be done at all: the device is missing, or there is no permission.
    fn apply(&mut self, tap: &str, desired: &HostState) -> Result<Applied, HostError>;

    /// Takes everything off the device that [`HostConfig::apply`] put there and forgets it. A
    /// device that is gone is no error.
    ///
    /// # Errors
    /// As [`HostConfig::apply`].
    fn remove(&mut self, tap: &str) -> Result<Applied, HostError>;

    /// Tells which addresses of the host are not on ports: packets from them never follow the default routes of ports,
    /// and answers to who came to them leave where the host's own routes say. Takes away what a process that was killed
    /// left of such arrangements, and puts back what others took away.
    ///
    /// # Errors
    /// The host refuses. (Nothing but this is lost then.)
    fn set_underlay(&mut self, addresses: &[IpAddr]) -> Result<(), HostError> {
        let _ = addresses;
        Ok(())
    }
}

/// The wanted state of a port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostState {
    /// MAC address; `None` leaves the one that is there.
    pub mac: Option<Mac>,
    /// Longest payload of a frame in bytes; `None` leaves the one that is there.
    pub mtu: Option<u16>,
    /// Up (true) or down; `None` leaves it as it is. Routes and, for IPv6, addresses exist only while
    /// the device is up.
    pub up: Option<bool>,
    /// Addresses with the length of their prefix. Of two entries with the same address the first
    /// counts.
    pub addresses: Vec<IpPrefix>,
    /// Routes through the port, in any order. Of two entries with the same target the first
    /// counts.
    pub routes: Vec<HostRoute>,
}

/// A route through a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostRoute {
    /// Where to. A default route (`0.0.0.0/0`, `::/0`) is installed as its two halves, so that the
    /// physical default route stays (06 §7.3).
    ///
    /// Deliberate: they, and whatever else is that wide, stand in a table of their own (see `policy.rs`), where
    /// the reference puts them into the main one.
    pub target: IpPrefix,
    /// Gateway; `None` for targets that are on the link.
    pub via: Option<IpAddr>,
    /// Preferred source address, which must be on the port; `None`: the host chooses.
    pub source: Option<IpAddr>,
    /// Metric; `None` for the host's default. [`HostRoute::new`] sets it as 06 §7.3 says.
    pub metric: Option<u32>,
}

/// What [`HostConfig::apply`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// What was changed, in order.
    pub changes: Vec<Change>,
    /// What was refused, and why.
    pub failed: Vec<(Change, HostError)>,
}

impl Applied {
    /// Whether the host was in the wanted state already.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.changes.is_empty() && self.failed.is_empty()
    }
}

/// One change on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// The MAC address was set.
    Mac(Mac),
    /// The MTU was set, in bytes.
    Mtu(u16),
    /// The device was set up.
    Up,
    /// The device was set down.
    Down,
    /// An address was added.
    AddressAdded(IpPrefix),
    /// An address was removed.
    AddressRemoved(IpPrefix),
    /// A route was added.
    RouteAdded(HostRoute),
    /// A route was removed.
    RouteRemoved(HostRoute),
    /// Default routes were given a table of their own. Where that is refused they stand in the main table.
    DefaultsApart,
}

/// Why the host refused a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// There is no device of that name (any more).
    #[error("no such device")]
    NoSuchDevice,
    /// The right to configure the network is missing.
    #[error("no permission to configure the network")]
    NoPermission,
    /// The address or route is there already and belongs to somebody else.
    #[error("address or route exists already")]
    Exists,
    /// The gateway of a route is not on the link.
    #[error("gateway is unreachable")]
    Unreachable,
    /// The device is busy, as when its MAC address cannot be changed while it is up.
    #[error("device is busy")]
    Busy,
    /// The host does not accept the value (an MTU out of range, a multicast address).
    #[error("value is not acceptable to the host")]
    Invalid,
    /// The host lacks the feature, for instance IPv6 is switched off.
    #[error("not supported by the host")]
    Unsupported,
    /// Anything else, with the error number of the system (0 when there is none).
    #[error("system error {0}")]
    System(i32),
}

impl HostRoute {
    /// A route with the metric that 06 §7.3 gives it: 5000 through a gateway, else the default.
    #[must_use]
    pub fn new(target: IpPrefix, via: Option<IpAddr>) -> Self {
        Self { target, via, source: None, metric: via.map(|_| GATEWAY_METRIC) }
    }
}

impl HostState {
    /// What is left when a port goes: nothing, and the device down.
    fn gone() -> Self {
        Self { up: Some(false), ..Self::default() }
    }

    /// Addresses without repeats; a later entry with the same address is left out.
    #[must_use]
    pub fn distinct_addresses(&self) -> Vec<IpPrefix> {
        let mut seen = BTreeMap::new();
        for cidr in &self.addresses {
            seen.entry(cidr.address()).or_insert(*cidr);
        }
        seen.into_values().collect()
    }

    /// Routes as they are installed: targets without host bits and without repeats, default routes
    /// in halves, those on the link before those through a gateway.
    #[must_use]
    pub fn installed_routes(&self) -> Vec<HostRoute> {
        let mut seen = BTreeMap::new();
        for route in &self.routes {
            for target in halves_of_default(route.target.network()) {
                seen.entry(target).or_insert(HostRoute { target, ..*route });
            }
        }
        let mut routes: Vec<_> = seen.into_values().collect();
        routes.sort_by_key(|route| (route.via.is_some(), *route));
        routes
    }
}

/// A default route in two halves; any other target as it is.
fn halves_of_default(target: IpPrefix) -> Vec<IpPrefix> {
    match target.halves() {
        Some(halves) if target.bits() == 0 => halves.to_vec(),
        _ => vec![target],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> IpPrefix {
        text.parse().expect("cidr")
    }

    #[test]
    fn routes_are_halved_sorted_and_distinct() {
        let gateway = IpAddr::from([10, 0, 0, 1]);
        let state = HostState {
            routes: vec![
                HostRoute::new(cidr("0.0.0.0/0"), Some(gateway)),
                HostRoute::new(cidr("10.9.3.3/16"), None),
                HostRoute::new(cidr("10.9.0.0/16"), Some(gateway)),
                HostRoute::new(cidr("::/0"), None),
            ],
            ..HostState::default()
        };
        let targets: Vec<_> = state.installed_routes().iter().map(|r| (r.target.to_string(), r.metric)).collect();
        let expected = [
            ("10.9.0.0/16", None),
            ("::/1", None),
            ("8000::/1", None),
            ("0.0.0.0/1", Some(5000)),
            ("128.0.0.0/1", Some(5000)),
        ];
        let expected = expected.map(|(target, metric)| (target.to_owned(), metric));
        assert_eq!(targets, expected);
    }
}
