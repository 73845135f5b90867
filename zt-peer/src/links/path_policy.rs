//! Which addresses may become paths (03 §8), and what the operator configured about them (03 §13).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use zt_wire::packet::{DEFAULT_PHYS_MTU, MAX_PACKET_LEN, MAX_PHYS_MTU, MIN_PHYS_MTU};
use zt_wire::prefix::longest_match;
use zt_wire::{Address, IpPrefix, Scope};

use crate::config::{PhysicalPrefix, VirtualPeer};
use crate::link::{Endpoint, Link, LinkKind, Room};

/// Most physical entries (03 §1).
const MAX_PHYSICAL: usize = 32;
/// The longest ECHO whose answer is a packet: it is nine bytes longer (02 §6.11).
const LONGEST_PROBE: u16 = MAX_PACKET_LEN as u16 - 9;

#[derive(Default)]
pub(crate) struct PathPolicy {
    physical: Vec<PhysicalPrefix>,
    peers: BTreeMap<Address, VirtualPeer>,
    own_prefixes: Vec<IpPrefix>,
    routed: Vec<IpPrefix>,
    on_link: Vec<IpPrefix>,
    allow_loopback: bool,
}

impl PathPolicy {
    pub(crate) fn set_allow_loopback(&mut self, allow: bool) {
        self.allow_loopback = allow;
    }

    fn is_path_scope(&self, ip: IpAddr) -> bool {
        match Scope::of(ip) {
            Scope::PseudoPrivate | Scope::Global | Scope::Shared | Scope::Private => true,
            Scope::Loopback => self.allow_loopback,
            _ => false,
        }
    }

    pub(crate) fn set_physical(&mut self, mut prefixes: Vec<PhysicalPrefix>) {
        // Quirk (03 §13): first match in ascending order, not the longest prefix.
        prefixes.sort();
        prefixes.truncate(MAX_PHYSICAL);
        self.physical = prefixes;
    }

    pub(crate) fn set_virtual(&mut self, peers: Vec<VirtualPeer>) {
        self.peers = peers.into_iter().map(|p| (p.address, p)).collect();
    }

    pub(crate) fn set_own_prefixes(&mut self, prefixes: Vec<IpPrefix>) {
        self.own_prefixes = prefixes;
    }

    pub(crate) fn set_routed(&mut self, routed: Vec<IpPrefix>, on_link: Vec<IpPrefix>) {
        self.routed = routed;
        self.on_link = on_link;
    }

    pub(crate) fn attempts(&self, peer: Address) -> &[SocketAddr] {
        self.peers.get(&peer).map_or(&[], |p| &p.attempt)
    }

    /// Whether `remote` may become a path of `peer`. `upstream_ips`: the addresses its world names, if it is a root
    /// with stable endpoints.
    pub(crate) fn usable(&self, peer: Address, remote: &Endpoint, upstream_ips: Option<&[IpAddr]>) -> bool {
        let Endpoint::Ip(addr) = remote else { return !remote.is_group() };
        let ip = addr.ip();
        let scope = self.is_path_scope(ip);
        // Quirk (03 §8): this tunnel broker's prefix is refused by name.
        let broker = matches!(ip, IpAddr::V6(v6) if v6.segments()[..2] == [0x2001, 0x0470]);
        scope
            && !broker
            && addr.port() != 0
            && upstream_ips.is_none_or(|ips| ips.is_empty() || ips.contains(&ip))
            && !self.is_own(ip)
            && !self.is_blacklisted(peer, ip)
    }

    /// Whether an address lies in one of our networks, or is reached through one: what is sent there would travel inside
    /// the tunnel (03 §8 rule 3). Where the peer was `heard`, a route alone does not count: packets come by sockets that are
    /// tied to physical interfaces, so the peer is there as well. (The gateway of a site, in the very prefix that is routed
    /// through it.)
    pub(crate) fn leads_inside(&self, remote: &Endpoint, heard: bool) -> bool {
        remote.ip().is_some_and(|ip| self.is_own(ip) || (!heard && self.is_routed(ip)))
    }

    /// Whether an address of ours may be told to peers (03 §8 rule 1 and 3).
    pub(crate) fn tellable(&self, ip: IpAddr) -> bool {
        self.is_path_scope(ip) && !self.is_own(ip)
    }

    fn is_own(&self, ip: IpAddr) -> bool {
        self.own_prefixes.iter().any(|own| own.contains(ip))
    }

    /// Routed through one of our networks, and not nearer by a cable of our own.
    fn is_routed(&self, ip: IpAddr) -> bool {
        let longest = |ranges: &[IpPrefix]| longest_match(ranges.iter().copied(), ip);
        let routed = longest(&self.routed);
        routed.is_some() && routed > longest(&self.on_link)
    }

    fn is_blacklisted(&self, peer: Address, ip: IpAddr) -> bool {
        let global = self.physical.iter().any(|p| p.blacklist && p.prefix.contains(ip));
        let mine = self.peers.get(&peer);
        global || mine.is_some_and(|p| p.blacklist.iter().any(|range| range.contains(ip)))
    }

    fn physical(&self, remote: &Endpoint) -> Option<&PhysicalPrefix> {
        let ip = remote.ip()?;
        self.physical.iter().find(|p| p.prefix.contains(ip))
    }

    /// How large datagrams to `remote` over `link` may be. What the operator says is not doubted.
    pub(crate) fn room(&self, link: Option<&Link>, remote: &Endpoint) -> Room {
        if let Some(p) = self.physical(remote).filter(|p| p.mtu != 0) {
            return Room::fixed(p.mtu.clamp(MIN_PHYS_MTU, MAX_PHYS_MTU));
        }
        let most = link.map(|l| l.mtu).filter(|mtu| *mtu != 0).unwrap_or(DEFAULT_PHYS_MTU).clamp(64, LONGEST_PROBE);
        let headers = match (link.map(|l| l.kind), remote) {
            (Some(LinkKind::Udp), Endpoint::Ip(SocketAddr::V4(_))) => 28,
            (Some(LinkKind::Udp), Endpoint::Ip(SocketAddr::V6(_))) => 48,
            (Some(LinkKind::Ethernet), _) => 0,
            // A stream cuts as it likes.
            _ => return Room::fixed(most),
        };
        Room { base: most.min(DEFAULT_PHYS_MTU), most, headers, probed: true }
    }

    /// Trusted path ID to mark packets to `remote` with.
    pub(crate) fn trusted_id(&self, remote: &Endpoint) -> Option<u64> {
        self.physical(remote).map(|p| p.trusted_path_id).filter(|id| *id != 0)
    }

    /// Non-zero IDs that packets from `remote` may carry (02 §5 step 2: any configured network that contains it).
    pub(crate) fn trusted_ids(&self, remote: &Endpoint) -> impl Iterator<Item = u64> + '_ {
        let ip = remote.ip();
        self.physical
            .iter()
            .filter(move |p| ip.is_some_and(|ip| p.prefix.contains(ip)))
            .map(|p| p.trusted_path_id)
            .filter(|id| *id != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{LinkId, LinkRole};

    fn entry(prefix: &str, id: u64, mtu: u16, blacklist: bool) -> PhysicalPrefix {
        PhysicalPrefix { prefix: prefix.parse().unwrap(), trusted_path_id: id, mtu, blacklist }
    }

    fn at(text: &str) -> Endpoint {
        Endpoint::Ip(text.parse().unwrap())
    }

    /// Safer point 5.
    #[test]
    fn an_mtu_or_blacklist_entry_never_makes_a_prefix_trusted() {
        let mut p = PathPolicy::default();
        p.set_physical(vec![entry("10.1.0.0/16", 0, 1500, false), entry("10.2.0.0/16", 77, 0, false)]);
        assert_eq!(p.trusted_id(&at("10.1.0.1:9993")), None);
        assert_eq!(p.trusted_ids(&at("10.1.0.1:9993")).count(), 0);
        assert_eq!(p.trusted_id(&at("10.2.0.1:9993")), Some(77));
        assert_eq!(p.trusted_id(&at("10.3.0.1:9993")), None);
        assert_eq!(p.room(None, &at("10.1.0.1:9993")), Room::fixed(1500));
        assert_eq!(p.room(None, &at("10.2.0.1:9993")), Room::fixed(DEFAULT_PHYS_MTU));
    }

    #[test]
    fn what_a_link_takes_is_tried_above_the_default_and_used_below() {
        let link =
            |kind, mtu| Link { id: LinkId(1), kind, rank: 0, role: LinkRole::Full, local: at("10.9.0.1:9993"), mtu };
        let mut p = PathPolicy::default();
        p.set_physical(vec![entry("10.1.0.0/16", 0, 1500, false)]);
        let room = |kind, mtu, to| p.room(Some(&link(kind, mtu)), &at(to));
        let udp = |mtu| room(LinkKind::Udp, mtu, "10.2.0.1:9993");
        assert_eq!(udp(8972), Room { base: 1432, most: 8972, headers: 28, probed: true });
        assert_eq!(udp(1252), Room { base: 1252, most: 1252, headers: 28, probed: true });
        assert_eq!(udp(0).most, 1432);
        assert_eq!(udp(u16::MAX).most, LONGEST_PROBE);
        assert_eq!(room(LinkKind::Udp, 8972, "[fd00::1]:9993").headers, 48);
        assert_eq!(room(LinkKind::Udp, 8972, "10.1.0.1:9993"), Room::fixed(1500), "the operator's say");
        assert_eq!(room(LinkKind::TcpOut, 8000, "10.2.0.1:443"), Room::fixed(8000));
    }

    #[test]
    fn paths_are_checked() {
        let mut p = PathPolicy::default();
        let peer = Address::new(5);
        p.set_own_prefixes(vec!["10.147.17.0/24".parse().unwrap()]);
        p.set_physical(vec![entry("10.66.0.0/16", 0, 0, true)]);
        let virt = VirtualPeer { address: peer, attempt: vec![], blacklist: vec!["10.67.0.0/16".parse().unwrap()] };
        p.set_virtual(vec![virt]);
        let ok = |a: &str| p.usable(peer, &at(a), None);
        assert!(ok("10.0.0.1:9993") && ok("1.2.3.4:1") && ok("11.0.0.1:5") && ok("[fd00::1]:9993"));
        for bad in ["127.0.0.1:9", "0.1.2.3:9", "224.0.0.1:9", "169.254.1.1:9", "10.147.17.5:9", "10.66.1.1:9"] {
            assert!(!ok(bad), "{bad}");
        }
        assert!(!ok("10.67.0.1:9") && p.usable(Address::new(6), &at("10.67.0.1:9"), None));
        assert!(!ok("[2001:470:1::1]:9993") && !ok("10.0.0.1:0"));
        let ips = ["10.0.0.1".parse().unwrap()];
        assert!(p.usable(peer, &at("10.0.0.1:1"), Some(&ips)));
        assert!(!p.usable(peer, &at("10.0.0.2:1"), Some(&ips)));
        assert!(p.usable(peer, &at("10.0.0.2:1"), Some(&[])));
    }

    #[test]
    fn what_is_routed_through_us_is_no_path_unless_it_is_nearer() {
        let mut p = PathPolicy::default();
        p.set_own_prefixes(vec!["10.147.17.0/24".parse().unwrap()]);
        let route = |text: &str| text.parse().unwrap();
        p.set_routed(vec![route("192.168.20.0/24"), route("10.8.0.0/16")], vec![route("10.8.1.0/24")]);
        let inside = |a: &str| p.leads_inside(&at(a), false);
        assert!(inside("192.168.20.1:9993") && inside("10.8.2.1:9993") && inside("10.147.17.5:9993"));
        assert!(!inside("192.168.21.1:9993") && !inside("10.8.1.7:9993"), "on a cable of ours");
        assert!(p.tellable("192.168.20.1".parse().unwrap()), "a third node may reach what we route");
        let heard = |a: &str| p.leads_inside(&at(a), true);
        assert!(!heard("192.168.20.1:9993") && heard("10.147.17.5:9993"));
    }
}
