//! Links come and go, and our address changes: roots and active peers hear of it at once.

use std::net::{IpAddr, SocketAddr};

use zt_wire::{Address, IpPrefix, Mono, Now, Scope};

use super::Vl1;
use crate::config::{PhysicalPrefix, VirtualPeer};
use crate::link::{Link, LinkId, Path};
use crate::links::LinkChange;
use crate::peer::Slot;
use crate::peer_table::PeerId;
use crate::transmit::Transmits;

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
            self.seek_by(now, link, out);
        }
    }

    /// Paths by a link have another rank.
    fn rank_changed(&mut self, now: Now, link: Link, out: &mut Transmits) {
        for id in self.peers.ids() {
            let change = self.peers.get_mut(id).paths_mut().set_rank(now.mono, link.id, link.rank);
            self.tell_route(now, id, change, out);
        }
    }

    /// A link is gone: its paths are forgotten, and peers that lost their last one are greeted by other links.
    pub fn remove_link(&mut self, now: Now, id: LinkId, out: &mut Transmits) {
        let Some(level) = self.links.remove(id) else { return };
        self.level_changed(level);
        self.waiting.forget_link(id);
        self.surface.forget_link(id);
        for peer in self.peers.ids() {
            let Some(dropped) = self.peers.get_mut(peer).paths_mut().drop_link(now.mono, id) else { continue };
            self.dropped(now, peer, dropped, out);
            let rest = self.peers.get(peer);
            if rest.paths().is_empty() && self.roots.is_upstream(rest.address()) {
                self.greet_root(now, peer, out);
            }
        }
        self.greet_active(now, None, out);
    }

    /// What carried a path has ended, although its link is there: who had it is reached by others, and greeted if there are
    /// none. The next question to the same address may be carried by something new.
    pub fn path_down(&mut self, now: Now, path: Path, out: &mut Transmits) {
        if !self.paths.contains(&path) {
            return;
        }
        let mut left = self.peers.ids();
        left.retain(|id| self.peers.get(*id).paths().contains(path));
        for id in &left {
            self.drop_paths(now, *id, |slot| slot.path() == path, out);
        }
        left.retain(|id| !self.is_reached(now.mono, *id));
        for id in &left {
            if self.roots.is_upstream(self.peers.get(*id).address()) {
                self.greet_root(now, *id, out);
            }
        }
        left.retain(|id| {
            let peer = self.peers.get(*id);
            peer.activity().is_active(now.mono) && !self.roots.is_upstream(peer.address())
        });
        self.greet_peers(now, left, None, out);
    }

    /// HELLO to active peers: by a new link, or by all links to those without a path.
    fn greet_active(&mut self, now: Now, link: Option<Link>, out: &mut Transmits) {
        let active: Vec<PeerId> = self
            .peers
            .ids()
            .into_iter()
            .filter(|id| {
                let peer = self.peers.get(*id);
                let needs = link.is_some() || peer.paths().is_empty();
                needs && peer.activity().is_active(now.mono) && !self.roots.is_upstream(peer.address())
            })
            .collect();
        self.greet_peers(now, active, link, out);
    }

    /// A root says that our external address of a scope changed (03 §9): every path of that scope is probed at once,
    /// which is what teaches the others where we are.
    pub(super) fn surface_changed(&mut self, now: Now, by: Path, scope: Scope, out: &mut Transmits) {
        for id in self.peers.ids() {
            let peer = self.peers.get_mut(id);
            let relevant = self.roots.is_upstream(peer.address()) || peer.activity().is_active(now.mono);
            if !relevant {
                continue;
            }
            peer.gates_mut().push_again();
            let moved = |p: &Path| *p != by && p.remote.scope() == scope && p.remote.same_family(&by.remote);
            let questions = peer.paths_mut().shake(now.mono, moved);
            self.ask_all(now, id, questions, out);
        }
    }

    /// Takes over the operator's `physical` entries (03 §13): at most 32, in ascending order.
    pub fn set_physical(&mut self, prefixes: Vec<PhysicalPrefix>) {
        self.links.set_physical(prefixes);
        self.drop_unusable();
        for id in self.peers.ids() {
            let links = &self.links;
            self.peers.get_mut(id).paths_mut().set_trusted(|remote| links.trusted_id(remote));
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
            let peer = self.peers.get(id);
            let all = peer.paths().iter().map(Slot::path);
            let address = peer.address();
            let gone: Vec<Path> = all.filter(|p| !self.may_stay_path(address, &p.remote)).collect();
            let dropped = self.peers.get_mut(id).paths_mut().drop_where(Mono::ZERO, |s| gone.contains(&s.path()));
            self.paths.release(&dropped.paths);
            self.note_route(address, dropped.route);
        }
    }

    /// External addresses that a gateway mapped for us (PCP, NAT-PMP, UPnP): told to peers, and a new one with the next
    /// packet.
    pub fn set_mappings(&mut self, mappings: Vec<SocketAddr>) {
        if self.surface.set_mappings(mappings) {
            for id in self.peers.ids() {
                self.peers.get_mut(id).gates_mut().push_again();
            }
        }
    }

    /// Whether roots, or several members, see us at this IP address now: what a gateway says of itself is held against
    /// that. `None`: nobody says anything about addresses of that kind.
    pub fn is_seen_at(&self, now: Now, ip: IpAddr) -> Option<bool> {
        self.surface.is_seen_at(now.mono, ip)
    }

    /// Nodes to stay in contact with besides the roots: anchors and multicast replicators.
    pub fn keep_contact(&mut self, contacts: Vec<Address>) {
        self.roots.set_contacts(contacts);
    }
}
