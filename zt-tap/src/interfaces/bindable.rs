//! Which addresses of the host sockets are bound to: a pure choice over what it lists.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use zt_wire::prefix::longest_match;
use zt_wire::{IpPrefix, Scope};

use super::{AddressState, HostView, Interface, InterfaceAddress, InterfaceFilter, LocalAddress};

/// Most addresses of one interface and family. A peer tries eight of a scope and family (03 §10.2), and hosts with more
/// useful ones on one cable are rare; hosts with hundreds of labels are not.
const PER_INTERFACE: usize = 4;
/// Most addresses of the host; each is bound on every port.
const MOST: usize = 32;

/// Addresses to bind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bindable {
    /// The most useful ones, best first.
    pub addresses: Vec<LocalAddress>,
    /// Number of usable addresses that were left out, by interface.
    pub left_out: BTreeMap<String, usize>,
    /// Prefixes on our own ports and on what rides on them: nothing that lies in there is a physical address.
    pub inside: Vec<IpPrefix>,
    /// Prefixes on the other interfaces that are up.
    pub outside: Vec<IpPrefix>,
}

/// Where an address is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// On no interface (yet), or on the loopback device, to which no socket need be tied.
    Nowhere,
    /// On a port of ours or on something that rides on one: not for sockets.
    Inside,
    /// On this interface.
    Interface(LocalAddress),
}

impl HostView {
    /// Chooses addresses: of interfaces that are up, pass the filter and do not ride on a port of ours. Interfaces with a
    /// way to the internet come first, and every interface gets one of each family before any gets a second; primary
    /// addresses come before secondary ones and before labels without a subnet. Deprecated and temporary addresses are
    /// taken only where there is no better one of their scope.
    #[must_use]
    pub fn bindable(&self, filter: &InterfaceFilter) -> Bindable {
        let riding = self.riding(filter);
        let mut found = Bindable::default();
        let mut groups: BTreeMap<(usize, u32, bool), Vec<&InterfaceAddress>> = BTreeMap::new();
        for address in &self.addresses {
            let Some(link) = self.interface(address.index) else { continue };
            if riding.contains(&link.index) {
                found.inside.push(address.cidr);
                continue;
            }
            if !link.up || !filter.accepts_interface(&link.name) {
                continue;
            }
            found.outside.push(address.cidr);
            if filter.accepts_address(address.cidr.address()) && address.state != AddressState::Tentative {
                let group = (self.rank(link.index), link.index, address.cidr.address().is_ipv6());
                groups.entry(group).or_default().push(address);
            }
        }
        let groups: Vec<_> = groups.into_values().map(|group| self.best_of(group)).collect();
        let rounds = (0..PER_INTERFACE).flat_map(|round| groups.iter().filter_map(move |group| group.get(round)));
        found.addresses = rounds.take(MOST).filter_map(|address| self.local(address)).collect();
        for address in groups.iter().flatten() {
            if let Some(local) = self.local(address).filter(|local| !found.addresses.contains(local)) {
                *found.left_out.entry(local.interface).or_default() += 1;
            }
        }
        found
    }

    /// Where the host has an address that the operator wants bound.
    #[must_use]
    pub fn holder(&self, address: IpAddr, filter: &InterfaceFilter) -> Holder {
        let riding = self.riding(filter);
        let mut found = self.addresses.iter().filter(|found| found.cidr.address() == address).peekable();
        if found.peek().is_none() || address.is_loopback() {
            return Holder::Nowhere;
        }
        let outside = found.find(|found| !riding.contains(&found.index));
        outside.and_then(|found| self.local(found)).map_or(Holder::Inside, Holder::Interface)
    }

    /// Numbers of our own ports and of everything whose packets leave by one: devices on top of it (VLAN, MACVLAN), tunnels
    /// with an end in its prefixes, bridges that have no other way out. A bridge that has a cable too is none: the one-NIC
    /// bridge is the host's way to the internet.
    pub(super) fn riding(&self, filter: &InterfaceFilter) -> BTreeSet<u32> {
        let own = self.interfaces.iter().filter(|link| filter.own_taps.contains(&link.name));
        let mut riding: BTreeSet<u32> = own.map(|link| link.index).collect();
        // Each round adds what rides on the last one; a chain is no longer than there are devices.
        for _ in 0..self.interfaces.len() {
            let more: Vec<u32> = self
                .interfaces
                .iter()
                .filter(|link| !riding.contains(&link.index) && self.rides(link, &riding, filter))
                .map(|link| link.index)
                .collect();
            if more.is_empty() {
                break;
            }
            riding.extend(more);
        }
        riding
    }

    fn rides(&self, link: &Interface, riding: &BTreeSet<u32>, filter: &InterfaceFilter) -> bool {
        let lower = link.lower.filter(|lower| *lower != link.index);
        let below = match lower.and_then(|lower| self.interface(lower)) {
            // The other end of a cable within the host leads where that end is plugged in.
            Some(other) if link.is_cable => other.master.is_some_and(|master| riding.contains(&master)),
            Some(other) => riding.contains(&other.index),
            None => false,
        };
        below || link.ends.iter().any(|end| self.is_inside(*end, riding, filter)) || self.is_bridge_inside(link, riding)
    }

    fn is_bridge_inside(&self, link: &Interface, riding: &BTreeSet<u32>) -> bool {
        let mut ports = self.interfaces.iter().filter(|port| port.master == Some(link.index)).peekable();
        ports.peek().is_some() && ports.all(|port| riding.contains(&port.index))
    }

    /// The end of a tunnel lies on, or is routed through, a port of ours or what rides on one, and on no other interface.
    fn is_inside(&self, end: IpAddr, riding: &BTreeSet<u32>, filter: &InterfaceFilter) -> bool {
        let on = |inside: bool| {
            let found = self.addresses.iter().filter(|a| riding.contains(&a.index) == inside);
            longest_match(found.map(|a| a.cidr), end)
        };
        on(true).max(longest_match(filter.own_routes.iter().copied(), end)) > on(false)
    }

    /// The best addresses of one interface and family, best first.
    fn best_of<'a>(&self, group: Vec<&'a InterfaceAddress>) -> Vec<&'a InterfaceAddress> {
        let source_of =
            |a: &InterfaceAddress| self.uplinks.iter().any(|uplink| uplink.source == Some(a.cidr.address()));
        let worth = |a: &InterfaceAddress| {
            let alone = a.cidr.is_host();
            (a.state, a.is_temporary, !source_of(a), a.is_secondary, alone)
        };
        let mut best: Vec<&InterfaceAddress> = Vec::new();
        for address in &group {
            let scope = Scope::of(address.cidr.address());
            let class = |a: &InterfaceAddress| (a.state, a.is_temporary);
            let alike = group.iter().filter(|other| Scope::of(other.cidr.address()) == scope);
            if alike.map(|other| class(other)).min() == Some(class(address)) {
                best.push(address);
            }
        }
        best.sort_by_key(|address| worth(address));
        // One of each scope before a second of any: hundreds of private labels do not hide the public address.
        let mut seen: BTreeMap<Scope, usize> = BTreeMap::new();
        best.sort_by_cached_key(|address| {
            let count = seen.entry(Scope::of(address.cidr.address())).or_default();
            *count += 1;
            *count
        });
        best
    }

    /// The place of an interface: ways to the internet in their order, then the others.
    fn rank(&self, index: u32) -> usize {
        self.uplinks.iter().position(|uplink| uplink.index == index).unwrap_or(self.uplinks.len())
    }

    pub(super) fn interface(&self, index: u32) -> Option<&Interface> {
        self.interfaces.iter().find(|link| link.index == index)
    }

    fn local(&self, address: &InterfaceAddress) -> Option<LocalAddress> {
        let Interface { name, index, mtu, .. } = self.interface(address.index)?;
        Some(LocalAddress { interface: name.clone(), index: *index, cidr: address.cidr, mtu: *mtu })
    }
}

#[cfg(test)]
mod tests;
