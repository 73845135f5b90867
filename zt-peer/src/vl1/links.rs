//! Links come and go, and our address changes: roots and active peers hear of it at once.

use std::net::SocketAddr;

use zt_wire::{Address, IpPrefix, Mono, Now, Scope};

use super::Vl1;
use crate::config::{PhysicalPrefix, VirtualPeer};
use crate::link::{Endpoint, Link, LinkId, Path};
use crate::links::LinkChange;
use crate::peer::liveness::Probe;
use crate::peer_table::PeerId;
use crate::transmit::Transmits;
use crate::wire::expect::Purpose;

/// Addresses of an active peer that get a HELLO from a new link.
const REMOTES_PER_PEER: usize = 3;
/// Active peers greeted at once from a new link.
const PEERS_AT_ONCE: usize = 64;

impl Vl1 {
    /// A link is there (or has another local address, rank or MTU): HELLO to all roots and active peers by it, at once, unless only its
    /// MTU is another.
    pub fn add_link(&mut self, now: Now, link: Link, out: &mut Transmits) {
        if self.links.get(link.id).is_some_and(|old| old.local != link.local) {
            self.remove_link(now, link.id, out);
        }
        let LinkChange::Link { rank_changed, level } = self.links.insert(link) else {
            self.refresh_mtus();
            return;
        };
        self.level_changed(level);
        if rank_changed {
            self.rank_changed(now, link, out);
        }
        if self.links.is_for_contact(&link) {
            self.greet_roots_by(now, link, out);
            self.greet_active(now, Some(link), out);
        }
    }

    /// HELLO to all roots by a link.
    pub(super) fn greet_roots_by(&mut self, now: Now, link: Link, out: &mut Transmits) {
        for id in self.upstream_ids() {
            let address = self.peers.get(id).identity.address;
            let endpoints = self.roots.upstream(address).map(|u| u.endpoints.clone()).unwrap_or_default();
            for remote in endpoints.into_iter().filter(|e| e.same_family(&link.local)) {
                self.send_hello(now, id, Path { link: link.id, remote }, Purpose::Probe, out);
            }
            let peer = self.peers.get_mut(id);
            peer.last_root_try = Some(now.mono);
            if peer.slots.is_empty() {
                peer.root_tries = 0;
                self.peers.arm(id, now.mono + crate::rate::ROOT_RETRY_FIRST);
            }
        }
    }

    /// Paths by a link have another rank.
    fn rank_changed(&mut self, now: Now, link: Link, out: &mut Transmits) {
        for id in self.peers.ids() {
            let mut changed = false;
            for slot in self.peers.get_mut(id).slots.iter_mut().filter(|s| s.path.link == link.id) {
                slot.rank = link.rank;
                changed = true;
            }
            if changed {
                self.refresh_route(now, id, out);
            }
        }
    }

    /// A link is gone: its paths are forgotten, and peers that lost their last one are greeted by other links.
    pub fn remove_link(&mut self, now: Now, id: LinkId, out: &mut Transmits) {
        let Some(level) = self.links.remove(id) else { return };
        self.level_changed(level);
        self.reassembly.forget(|p| p.link == id);
        self.surface.forget_link(id);
        for peer in self.peers.ids() {
            let before = self.peers.get(peer).route_slot().map(|s| s.path);
            let remotes: Vec<Endpoint> =
                self.peers.get(peer).slots.iter().filter(|s| s.path.link == id).map(|s| s.path.remote).collect();
            if remotes.is_empty() {
                continue;
            }
            for remote in remotes {
                self.peers.get_mut(peer).remember(remote);
            }
            self.drop_slots(peer, |s| s.path.link == id);
            self.choose_after_loss(now, peer, before, out);
            let address = self.peers.get(peer).identity.address;
            if self.peers.get(peer).slots.is_empty() && self.roots.is_upstream(address) {
                self.greet_root(now, peer, out);
            }
        }
        self.greet_active(now, None, out);
    }

    /// After slots were dropped: choose again, with what was used before.
    pub(super) fn choose_after_loss(&mut self, now: Now, id: PeerId, before: Option<Path>, out: &mut Transmits) {
        let peer = self.peers.get_mut(id);
        let route = crate::peer::path_choice::choose(peer, now.mono);
        peer.route = route;
        let after = peer.route_slot().map(|s| s.path);
        self.tell_route(now, id, before, after, out);
    }

    /// HELLO to active peers: by a new link, or by all links to those without a path.
    fn greet_active(&mut self, now: Now, link: Option<Link>, out: &mut Transmits) {
        let active: Vec<PeerId> = self
            .peers
            .ids()
            .into_iter()
            .filter(|id| {
                let peer = self.peers.get(*id);
                let needs = link.is_some() || peer.slots.is_empty();
                needs && peer.is_active(now.mono) && !self.roots.is_upstream(peer.identity.address)
            })
            .collect();
        self.greet_peers(now, active, link, out);
    }

    /// Addresses where a peer is or was, the present ones first.
    pub(super) fn known_remotes(&self, id: PeerId, most: usize) -> Vec<Endpoint> {
        let peer = self.peers.get(id);
        let present = peer.slots.iter().map(|s| s.path.remote);
        let mut seen: Vec<Endpoint> = Vec::new();
        for remote in present.chain(peer.remembered.iter().rev().copied()) {
            if !seen.contains(&remote) && seen.len() < most {
                seen.push(remote);
            }
        }
        seen
    }

    /// HELLO to these peers where they are or were: by a link, or by all for first contact.
    pub(super) fn greet_peers(&mut self, now: Now, peers: Vec<PeerId>, link: Option<Link>, out: &mut Transmits) {
        for id in peers.into_iter().take(PEERS_AT_ONCE) {
            for remote in self.known_remotes(id, REMOTES_PER_PEER) {
                let paths = match link {
                    Some(l) if l.local.same_family(&remote) => vec![Path { link: l.id, remote }],
                    Some(_) => Vec::new(),
                    None => self.links.paths_to(remote),
                };
                for path in paths {
                    self.send_hello(now, id, path, Purpose::Probe, out);
                }
            }
            // The other side may be behind a NAT that lets our new address in only after it was told.
            self.peers.get_mut(id).last_push.reopen();
            if self.peers.get(id).slots.is_empty()
                && let Some((root, slot)) = self.relay_for(now.mono, id)
            {
                let path = self.peers.get(root).slots[slot].path;
                self.send_hello_relayed(now, id, path, Purpose::Content, out);
            }
        }
    }

    /// A root says that our external address of a scope changed (03 §9): every path of that scope is probed at once,
    /// which is what teaches the others where we are.
    pub(super) fn surface_changed(&mut self, now: Now, by: Path, scope: Scope, out: &mut Transmits) {
        for id in self.peers.ids() {
            let peer = self.peers.get(id);
            let relevant = self.roots.is_upstream(peer.identity.address) || peer.is_active(now.mono);
            if !relevant {
                continue;
            }
            let slots: Vec<usize> = (0..peer.slots.len())
                .filter(|i| {
                    let path = peer.slots[*i].path;
                    path != by && path.remote.scope() == scope && path.remote.same_family(&by.remote)
                })
                .collect();
            self.peers.get_mut(id).last_push.reopen();
            for slot in slots {
                self.peers.get_mut(id).slots[slot].live.shaken(now.mono);
                self.probe_slot(now, id, slot, Probe::Hello, out);
            }
        }
    }

    pub(super) fn upstream_ids(&self) -> Vec<PeerId> {
        self.roots.addresses().filter_map(|a| self.peers.id(a)).collect()
    }

    /// Takes over the operator's `physical` entries (03 §13): at most 32, in ascending order.
    pub fn set_physical(&mut self, prefixes: Vec<PhysicalPrefix>) {
        self.links.set_physical(prefixes);
        self.drop_unusable();
        for id in self.peers.ids() {
            let links = &self.links;
            for slot in &mut self.peers.get_mut(id).slots {
                slot.trusted = links.trusted_id(&slot.path.remote);
            }
        }
        self.refresh_mtus();
    }

    /// Takes over the operator's `virtual` entries: addresses to try, and not to use, per peer.
    pub fn set_virtual(&mut self, peers: Vec<VirtualPeer>) {
        self.links.set_virtual(peers);
    }

    /// Prefixes on our own virtual interfaces: never paths.
    pub fn set_own_prefixes(&mut self, prefixes: Vec<IpPrefix>) {
        self.links.set_own_prefixes(prefixes);
        self.drop_unusable();
    }

    /// Prefixes that are `routed` through our own virtual interfaces: never tried either, except what is nearer by a prefix
    /// of a physical interface (`on_link`), and peers that are heard there.
    pub fn set_routed(&mut self, routed: Vec<IpPrefix>, on_link: Vec<IpPrefix>) {
        self.links.set_routed(routed, on_link);
    }

    /// Drops paths that may be none any more.
    fn drop_unusable(&mut self) {
        for id in self.peers.ids() {
            let address = self.peers.get(id).identity.address;
            let gone: Vec<Path> = self.peers.get(id).slots.iter().map(|s| s.path).collect();
            let gone: Vec<Path> = gone.into_iter().filter(|p| !self.may_stay_path(address, &p.remote)).collect();
            self.drop_slots(id, |s| gone.contains(&s.path));
            self.peers.get_mut(id).route = crate::peer::path_choice::choose(self.peers.get(id), Mono::ZERO);
        }
    }

    /// External addresses that a gateway mapped for us (UPnP, NAT-PMP): told to peers.
    pub fn set_mappings(&mut self, mappings: Vec<SocketAddr>) {
        self.surface.set_mappings(mappings);
    }

    /// Nodes to stay in contact with besides the roots: anchors and multicast replicators.
    pub fn keep_contact(&mut self, contacts: Vec<Address>) {
        self.roots.set_contacts(contacts);
    }
}
