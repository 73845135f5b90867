//! The links of the node, and what is allowed on them: who is greeted by which link, which addresses may be paths, how
//! large a datagram may be, and what the owner says.
//!
//! This machine knows no peers and sends nothing. Where it matters who somebody is, the caller tells; what changed is given
//! back.

pub(crate) mod desperation;
mod path_consent;
pub(crate) mod path_mtu;
mod path_policy;
#[cfg(test)]
mod tests;
mod uplink;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use zt_wire::{Address, IpPrefix, Mono};

use crate::config::{PhysicalPrefix, VirtualPeer};
use crate::link::{Endpoint, Link, LinkId, LinkKind, LinkRole, Path, Room};
use crate::wire::expect::Spread;
use desperation::{Desperation, Outlook};
use path_consent::Consents;
use path_mtu::PathMtus;
use path_policy::PathPolicy;
use uplink::Uplinks;

pub(crate) use path_consent::Verdict;

/// What the owner wants to be asked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asks {
    /// Before an address is tried for a peer.
    pub(crate) paths: bool,
    /// For addresses of peers that are wanted.
    pub(crate) addresses: bool,
}

/// What a link that was added, or is another now, changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkChange {
    /// Only the size of its datagrams: nobody need hear of it.
    Size,
    /// It is new or another.
    Link {
        /// It was there with another rank.
        rank_changed: bool,
        /// The level came down to this.
        level: Option<i32>,
    },
}

/// See the module.
#[derive(Default)]
pub(crate) struct Links {
    table: BTreeMap<LinkId, Link>,
    policy: PathPolicy,
    mtus: PathMtus,
    uplinks: Uplinks,
    desperation: Desperation,
    consents: Consents,
    asks: Asks,
}

/// The links themselves.
impl Links {
    pub(crate) fn new(allow_loopback: bool, asks: Asks) -> Self {
        let mut policy = PathPolicy::default();
        policy.set_allow_loopback(allow_loopback);
        Self { policy, asks, ..Self::default() }
    }

    pub(crate) fn get(&self, id: LinkId) -> Option<&Link> {
        self.table.get(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Link> + '_ {
        self.table.values()
    }

    /// A link is there, or is another.
    pub(crate) fn insert(&mut self, link: Link) -> LinkChange {
        let old = self.table.insert(link.id, link);
        if old.is_some_and(|old| old.mtu != link.mtu && Link { mtu: link.mtu, ..old } == link) {
            // What was learnt by the old size may be wrong now.
            self.mtus.forget_link(link.id);
            return LinkChange::Size;
        }
        let rank_changed = old.is_some_and(|old| old.rank != link.rank);
        LinkChange::Link { rank_changed, level: self.bound_level() }
    }

    /// A link is gone. `None`: it was not there; `Some(Some(level))`: the level came down.
    pub(crate) fn remove(&mut self, id: LinkId) -> Option<Option<i32>> {
        self.table.remove(&id)?;
        self.mtus.forget_link(id);
        self.uplinks.forget_link(id);
        Some(self.bound_level())
    }

    /// Whether a link is used to reach somebody who was not heard by it.
    pub(crate) fn is_for_contact(&self, link: &Link) -> bool {
        link.role != LinkRole::AnswerOnly && link.rank <= self.level()
    }

    /// Every path by which a remote address may be tried: one per link of its family that is for first contact.
    pub(crate) fn paths_to(&self, remote: Endpoint) -> Vec<Path> {
        let fits = |l: &&Link| l.local.same_family(&remote) && self.is_for_contact(l);
        self.iter().filter(fits).map(|l| Path { link: l.id, remote }).collect()
    }

    /// The link of the present level that probes of better ones are handed to; where that level has none of the family,
    /// the next better one.
    pub(crate) fn link_to_look_up(&self, remote: Endpoint) -> Option<LinkId> {
        let fits = |l: &&Link| self.is_for_contact(l) && l.local.same_family(&remote);
        self.iter().filter(fits).max_by_key(|l| (l.rank, Reverse(l.id))).map(|l| l.id)
    }

    /// The links that a rise to the present level brings in.
    pub(crate) fn of_the_level(&self) -> Vec<Link> {
        let level = self.level();
        self.iter().filter(|l| l.rank == level && l.role != LinkRole::AnswerOnly).copied().collect()
    }

    /// Whether a question that is handed to `wildcard` may leave by `link`.
    pub(crate) fn stands_for(&self, wildcard: LinkId, link: LinkId) -> bool {
        self.get(wildcard).zip(self.get(link)).is_some_and(|(w, l)| w.stands_for(l))
    }

    /// How questions spread that are handed to a link.
    pub(crate) fn spread_of(&self, link: LinkId) -> Spread {
        let wildcard = self.get(link).is_some_and(|l| l.role == LinkRole::Wildcard);
        if wildcard { Spread::Sockets } else { Spread::Exact }
    }

    /// Whether what was sent on `asked` may be answered on `by`.
    pub(crate) fn reaches(&self, asked: Path, spread: Spread, by: Path) -> bool {
        let below = |a: LinkId, b: LinkId| self.get(a).zip(self.get(b)).is_some_and(|(a, b)| b.rank <= a.rank);
        asked == by
            || asked.remote == by.remote
                && match spread {
                    Spread::Exact => false,
                    Spread::Sockets => self.stands_for(asked.link, by.link),
                    Spread::Levels => below(asked.link, by.link),
                }
    }

    /// Forgets what is too old. True when sizes of paths did.
    pub(crate) fn expire(&mut self, now: Mono) -> bool {
        self.consents.expire(now);
        self.mtus.expire(now)
    }
}

/// The level of desperation: see [`desperation`].
impl Links {
    pub(crate) const fn level(&self) -> i32 {
        self.desperation.level()
    }

    fn bound_level(&mut self) -> Option<i32> {
        let worst = self.iter().map(|l| l.rank).max();
        self.desperation.set_ceiling(worst).then(|| self.level())
    }

    pub(crate) const fn may_rise(&self) -> bool {
        self.desperation.may_rise()
    }

    /// Something was asked that tells how we are connected.
    pub(crate) fn asked(&mut self, now: Mono) {
        self.desperation.asked(now);
    }

    /// Nobody listened for a while: that there was no answer says nothing.
    pub(crate) const fn forget_asked(&mut self) {
        self.desperation.forget_asked();
    }

    /// Something valid came by a path.
    pub(crate) fn heard(&mut self, now: Mono, path: Path) {
        if self.may_rise()
            && let Some(rank) = self.get(path.link).map(|l| l.rank)
        {
            self.desperation.heard(now, rank);
        }
    }

    /// An answer came by a link that tells how we are connected. `Some(level)`: it came down.
    pub(crate) fn answered(&mut self, link: LinkId) -> Option<i32> {
        let rank = self.get(link)?.rank;
        self.desperation.answered(rank).then(|| self.level())
    }

    /// Whether [`Links::judge`] wants to know how things are.
    pub(crate) fn is_judged(&self, now: Mono) -> bool {
        self.desperation.is_judged(now)
    }

    /// Takes how things are. `Some(level)`: it rose.
    pub(crate) fn judge(&mut self, now: Mono, outlook: Outlook) -> Option<i32> {
        self.desperation.judge(now, outlook).then(|| self.level())
    }

    /// Whether better levels are to be probed now; if so, the number of this probe.
    pub(crate) fn looks_up(&mut self, now: Mono) -> Option<usize> {
        self.desperation.looks_up(now)
    }

    /// When the level is to be looked at again.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.desperation.deadline()
    }
}

/// Addresses: what may be a path (03 §8), and what the operator configured about it (03 §13).
impl Links {
    pub(crate) fn set_physical(&mut self, prefixes: Vec<PhysicalPrefix>) {
        self.policy.set_physical(prefixes);
    }

    pub(crate) fn set_virtual(&mut self, peers: Vec<VirtualPeer>) {
        self.policy.set_virtual(peers);
    }

    pub(crate) fn set_own_prefixes(&mut self, prefixes: Vec<IpPrefix>) {
        self.policy.set_own_prefixes(prefixes);
    }

    pub(crate) fn set_routed(&mut self, routed: Vec<IpPrefix>, on_link: Vec<IpPrefix>) {
        self.policy.set_routed(routed, on_link);
    }

    /// Addresses that the operator configured for a peer.
    pub(crate) fn attempts(&self, peer: Address) -> &[SocketAddr] {
        self.policy.attempts(peer)
    }

    /// Whether an address may become a path of a peer because somebody told it. `root_ips`: where worlds say the peer is.
    pub(crate) fn may_be_path(&self, peer: Address, remote: &Endpoint, root_ips: Option<&[IpAddr]>) -> bool {
        // An endpoint that a world names is where its root is, whatever else is routed there.
        let named = || root_ips.zip(remote.ip()).is_some_and(|(ips, ip)| ips.contains(&ip));
        self.may_stay_path(peer, remote, root_ips) && (!self.leads_inside(remote, false) || named())
    }

    /// Whether an address may be a path of a peer that was heard there.
    pub(crate) fn may_stay_path(&self, peer: Address, remote: &Endpoint, root_ips: Option<&[IpAddr]>) -> bool {
        // Somebody else may have our private address, behind another NAT; what we send there comes to ourselves.
        let is_ours = self.iter().any(|link| link.local == *remote);
        !is_ours && self.policy.usable(peer, remote, root_ips)
    }

    /// Whether what is sent to an address would travel inside one of our own networks.
    pub(crate) fn leads_inside(&self, remote: &Endpoint, heard: bool) -> bool {
        self.policy.leads_inside(remote, heard)
    }

    /// Our own addresses that may be told to peers.
    pub(crate) fn told(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        let shown = |l: &&Link| l.kind == LinkKind::Udp && l.rank <= self.level();
        let bound = self.iter().filter(shown).filter_map(|l| l.local.socket_addr());
        bound.filter(|a| self.policy.tellable(a.ip()) && a.port() != 0)
    }

    /// Trusted path ID to mark packets to `remote` with.
    pub(crate) fn trusted_id(&self, remote: &Endpoint) -> Option<u64> {
        self.policy.trusted_id(remote)
    }

    /// Trusted path IDs that packets from `remote` may carry.
    pub(crate) fn trusted_ids(&self, remote: &Endpoint) -> impl Iterator<Item = u64> + '_ {
        self.policy.trusted_ids(remote)
    }

    /// How large the datagrams of a path may be.
    pub(crate) fn room(&self, path: Path) -> Room {
        let local = self.get(path.link).and_then(|link| link.local.ip());
        let configured = self.uplinks.mtu(path, local).map(Room::fixed);
        let room = configured.unwrap_or_else(|| self.policy.room(self.get(path.link), &path.remote));
        let limit = |size| self.mtus.limit(&path, size);
        Room { base: limit(room.base), most: limit(room.most), ..room }
    }

    /// Largest datagram to where no path is known to lead.
    pub(crate) fn mtu(&self, path: Path) -> u16 {
        self.room(path).base
    }

    /// The interface that a link is on.
    pub(crate) fn interface(&self, link: LinkId) -> Option<&str> {
        self.uplinks.interface(link)
    }

    pub(crate) fn set_interface(&mut self, link: LinkId, name: &str) {
        self.uplinks.set_interface(link, name);
    }

    /// Another size for paths by an interface from or to an address.
    pub(crate) fn set_uplink_mtu(&mut self, interface: &str, ip: IpAddr, mtu: u16) {
        self.uplinks.set_mtu(interface, ip, mtu);
    }

    /// A path takes no datagrams above this size.
    pub(crate) fn learn_mtu(&mut self, now: Mono, path: Path, size: u16) {
        self.mtus.learn(now, path, size);
    }
}

/// The owner's say: see [`path_consent`].
impl Links {
    /// How the owner stands to a path of a peer that is none yet. `heard`: the peer was heard there.
    pub(crate) fn consent(&mut self, now: Mono, peer: Address, path: Path, heard: bool) -> Verdict {
        if !self.asks.paths {
            return Verdict::Allowed;
        }
        self.consents.judge(now, (peer, path), heard)
    }

    /// Takes the owner's answer. If a question waited for it: whether the peer had been heard there.
    pub(crate) fn answer(&mut self, now: Mono, peer: Address, path: Path, allowed: bool) -> Option<bool> {
        self.consents.answer(now, (peer, path), allowed)
    }

    /// Whether the owner wants to be asked for addresses of peers.
    pub(crate) const fn asks_for_addresses(&self) -> bool {
        self.asks.addresses
    }
}
