//! Levels of desperation as links of the engine: a link for each level and family of addresses (08 §B.5).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use zt_peer::{Endpoint, Link, LinkId, LinkKind, LinkRole};

/// Levels that exist before anything was heard: UDP, TCP tunnel, HTTP relay.
const AT_START: std::ops::RangeInclusive<i32> = 0..=2;
/// Bounds of levels; a host has no more transports than that.
const LOWEST: i32 = -16;
const HIGHEST: i32 = 15;
/// Families of addresses of one level.
const FAMILIES: u32 = 4;

fn family(endpoint: &Endpoint) -> u32 {
    match endpoint {
        Endpoint::Ip(SocketAddr::V4(_)) => 0,
        Endpoint::Ip(SocketAddr::V6(_)) => 1,
        Endpoint::Mac(_) => 2,
    }
}

fn level_index(level: i32) -> u32 {
    (level.clamp(LOWEST, HIGHEST) - LOWEST).unsigned_abs()
}

/// The link by which packets of a level reach an address.
pub(super) fn link_of(level: i32, remote: &Endpoint) -> LinkId {
    LinkId(level_index(level) * FAMILIES + family(remote))
}

/// The level of a link.
pub(crate) fn level_of(link: LinkId) -> i32 {
    i32::try_from(link.0 / FAMILIES).unwrap_or(0) + LOWEST
}

/// What the engine has to know of such a link.
pub(super) fn link(level: i32, remote: &Endpoint) -> Link {
    let kind = match (level, remote) {
        (_, Endpoint::Mac(_)) | (i32::MIN..0, _) => LinkKind::Ethernet,
        (0, _) => LinkKind::Udp,
        (1, _) => LinkKind::TcpOut,
        (2.., _) => LinkKind::Relay,
    };
    let local = match remote {
        Endpoint::Ip(SocketAddr::V4(_)) => Endpoint::Ip((Ipv4Addr::UNSPECIFIED, 0).into()),
        Endpoint::Ip(SocketAddr::V6(_)) => Endpoint::Ip((Ipv6Addr::UNSPECIFIED, 0).into()),
        Endpoint::Mac(_) => Endpoint::Mac(zt_wire::Mac::default()),
    };
    Link { id: link_of(level, remote), kind, rank: level.clamp(LOWEST, HIGHEST), local, mtu: 0, role: LinkRole::Full }
}

/// The links of a new node.
pub(super) fn links_at_start() -> impl Iterator<Item = Link> {
    let families = [Endpoint::Ip((Ipv4Addr::UNSPECIFIED, 0).into()), Endpoint::Ip((Ipv6Addr::UNSPECIFIED, 0).into())];
    AT_START.flat_map(move |level| families.map(|family| link(level, &family)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_and_family_has_its_link() {
        let addresses = ["10.0.0.1:9993", "[fd00::1]:9993"].map(|text| Endpoint::Ip(text.parse().expect("an address")));
        let mac = Endpoint::Mac(zt_wire::Mac([2, 0, 0, 0, 0, 1]));
        let mut seen = std::collections::BTreeSet::new();
        for level in LOWEST..=HIGHEST {
            for remote in addresses.iter().chain([&mac]) {
                let link = link(level, remote);
                assert_eq!(level_of(link.id), level);
                assert_eq!(link.rank, level);
                assert!(link.local.same_family(remote));
                assert!(seen.insert(link.id), "{level} {remote}");
            }
        }
        assert_eq!(level_of(link_of(i32::MAX, &mac)), HIGHEST);
        assert_eq!(level_of(link_of(i32::MIN, &mac)), LOWEST);
    }
}
