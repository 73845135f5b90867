//! Whose address is it: what the `ipauth` and `macauth` characteristics rest on (04 §5.4, §6.5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zt_wire::Ownership;
use zt_wire::ident::{Address, Mac, NetworkId};

use crate::config::NetworkConfig;

/// What certificates of ownership cover.
#[derive(Debug, Default)]
pub(super) struct Things {
    v4: Vec<Ipv4Addr>,
    v6: Vec<Ipv6Addr>,
    macs: Vec<Mac>,
}

impl Things {
    pub(super) fn new<'a>(ownerships: impl IntoIterator<Item = &'a Ownership>) -> Self {
        let mut all = Self::default();
        for thing in ownerships.into_iter().flat_map(|ownership| &ownership.things) {
            match (thing.ip(), thing.mac()) {
                (Some(IpAddr::V4(ip)), _) => all.v4.push(ip),
                (Some(IpAddr::V6(ip)), _) => all.v6.push(ip),
                (None, Some(mac)) => all.macs.push(mac),
                (None, None) => {}
            }
        }
        all
    }

    pub(super) fn owns_ip(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(ip) => self.v4.contains(&ip),
            IpAddr::V6(ip) => self.v6.contains(&ip),
        }
    }

    pub(super) fn owns_mac(&self, mac: Mac) -> bool {
        self.macs.contains(&mac)
    }
}

/// Which IPv6 addresses belong to a member because they hold its address: those of the networks with NDP emulation
/// (04 §1.3, §6.5).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Derived {
    network: NetworkId,
    sixplane: bool,
    rfc4193: bool,
}

impl Derived {
    /// Schemes of which our own address is assigned to us, while NDP emulation is on.
    pub(super) fn new(config: &NetworkConfig) -> Self {
        if !config.ndp_emulation() {
            return Self::default();
        }
        let (network, own) = (config.network, config.issued_to);
        let assigned = |ip: Ipv6Addr| config.addresses.iter().any(|address| address.ip() == Some(IpAddr::V6(ip)));
        Self { network, sixplane: assigned(network.sixplane(own)), rfc4193: assigned(network.rfc4193(own)) }
    }

    /// True when the address is one of the sender's.
    // Deliberate (04 §6.5): the reference takes every address under the prefix of the network from any member.
    pub(super) fn owns(&self, sender: Address, ip: Ipv6Addr) -> bool {
        let same = |of_sender: Ipv6Addr, n: usize| ip.octets()[..n] == of_sender.octets()[..n];
        (self.sixplane && same(self.network.sixplane(sender), 10))
            || (self.rfc4193 && same(self.network.rfc4193(sender), 16))
    }
}
