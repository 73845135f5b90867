//! What lies between this node and the internet, by the addresses under which others see it.

use std::net::IpAddr;

use zt_wire::InetAddress;
use zt_wire::Scope;

use super::{Finding, Running};

/// What a NAT does to ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nat {
    /// Nobody has told an address.
    Unknown,
    /// There is none.
    None,
    /// A port of ours is seen as one port by all.
    Steady,
    /// Each destination sees another port.
    Symmetric,
}

fn kind(own: &[(IpAddr, u16)], seen: &[(IpAddr, u16)]) -> Nat {
    let v4 = |list: &[(IpAddr, u16)]| list.iter().filter(|(ip, _)| ip.is_ipv4()).copied().collect::<Vec<_>>();
    let (own, seen) = (v4(own), v4(seen));
    let Some((first, _)) = seen.first() else { return Nat::Unknown };
    if seen.iter().all(|address| own.contains(address)) {
        return Nat::None;
    }
    let mut outside: Vec<u16> = seen.iter().filter(|(ip, _)| ip == first).map(|(_, port)| *port).collect();
    outside.sort_unstable();
    outside.dedup();
    // Each socket may be seen as a port of its own; more than that come of one socket seen differently.
    if outside.len() > own.len().max(1) { Nat::Symmetric } else { Nat::Steady }
}

/// Judges NAT and IPv6 by what the node has learnt.
pub(super) fn look(running: &Running) -> Vec<Finding> {
    let (own, seen) = (running.addresses("listeningOn"), running.addresses("surfaceAddresses"));
    let mapped = running
        .status
        .zt_port_mapping
        .as_ref()
        .map(|mapping| format!("; the gateway hands {} on by {}", mapping.external, mapping.protocol));
    let mapped = mapped.unwrap_or_default();
    let nat = match kind(&own, &seen) {
        Nat::Unknown => Finding::skipped("NAT", "no root has told yet under which IPv4 address it sees this node"),
        Nat::None => Finding::fine("NAT", "none: roots see this node under its own address"),
        Nat::Steady => {
            Finding::fine("NAT", format!("ports stay the same for all destinations, so direct paths work{mapped}"))
        }
        Nat::Symmetric if !mapped.is_empty() => {
            Finding::fine("NAT", format!("every destination sees another port{mapped}, by which direct paths work"))
        }
        Nat::Symmetric => Finding::warning(
            "NAT",
            "every destination sees another port (a symmetric NAT): direct paths to others behind such a NAT will not work",
            "turn on UPnP or NAT-PMP at the router, forward a UDP port to this host, or use IPv6",
        ),
    };
    let global = |list: &[(IpAddr, u16)]| {
        list.iter().any(|(ip, port)| ip.is_ipv6() && InetAddress::new(*ip, *port).scope() == Scope::Global)
    };
    let ipv6 = match (global(&own), global(&seen)) {
        (true, true) => Finding::fine("IPv6", "this node is reached by it"),
        (true, false) => Finding::warning(
            "IPv6",
            "this host has a global address, but no root has seen this node there",
            "let UDP out and in over IPv6 at the firewall and the router; roots without IPv6 see nobody there",
        ),
        (false, _) => Finding::skipped("IPv6", "this host has no global address; IPv4 alone is used"),
    };
    vec![nat, ipv6]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nat_is_known_by_the_ports_that_others_see() {
        let list = |items: &[(&str, u16)]| -> Vec<(IpAddr, u16)> {
            items.iter().map(|(ip, port)| (ip.parse().expect("an address"), *port)).collect()
        };
        let own = list(&[("192.168.1.5", 9993), ("192.168.1.5", 40_000), ("fe80::1", 9993)]);
        let seen = |ports: &[u16]| list(&ports.iter().map(|port| ("198.51.100.7", *port)).collect::<Vec<_>>());
        assert_eq!(kind(&own, &[]), Nat::Unknown);
        assert_eq!(kind(&own, &list(&[("192.168.1.5", 9993)])), Nat::None);
        assert_eq!(kind(&own, &seen(&[9993])), Nat::Steady);
        assert_eq!(kind(&own, &seen(&[1024, 1025])), Nat::Steady);
        assert_eq!(kind(&own, &seen(&[1024, 1025, 1026])), Nat::Symmetric);
    }
}
