//! What is known across peers: who is a root, what may be a path, what is proved. Nothing changes here.

use zt_wire::packet::HEADER_LEN;
use zt_wire::{Address, Mono};

use super::Vl1;
use crate::directory::strangers::Source;
use crate::link::{Endpoint, Path};
use crate::path_proof::Payer;
use crate::peer::{Peer, Probe, Slot};
use crate::peer_table::PeerId;
use crate::rate::hello_bucket;
use crate::relay_choice;

/// Bytes of a HELLO to an IPv6 address, and of each moon in it.
const HELLO_LEN: usize = 149;
const MOON_LEN: usize = 17;

impl Vl1 {
    pub(super) fn upstream_ids(&self) -> Vec<PeerId> {
        self.roots.addresses().filter_map(|a| self.peers.id(a)).collect()
    }

    pub(super) fn upstreams_but(&self, except: Option<Address>) -> impl Iterator<Item = (PeerId, &Peer)> + '_ {
        let others = self.roots.addresses().filter(move |a| Some(*a) != except);
        others.filter_map(|a| self.peers.id(a)).map(|id| (id, self.peers.get(id)))
    }

    /// The best root (03 §11.4).
    pub(super) fn best_upstream(&self, now: Mono, except: Option<Address>) -> Option<PeerId> {
        relay_choice::best(now, self.upstreams_but(except))
    }

    /// The root over which a peer without a direct path is reached.
    pub(super) fn relay_for(&self, now: Mono, id: PeerId) -> Option<PeerId> {
        let peer = self.peers.get(id);
        let usual = peer.detour().via().filter(|a| self.roots.is_upstream(*a)).and_then(|a| self.peers.id(a));
        let usual = usual.filter(|root| *root != id).map(|root| (root, self.peers.get(root)));
        relay_choice::choose(now, peer, usual, self.upstreams_but(Some(peer.address())))
    }

    /// A world names this endpoint for the peer.
    pub(super) fn is_named(&self, peer: Address, remote: &Endpoint) -> bool {
        self.roots.upstream(peer).is_some_and(|u| u.endpoints.contains(remote))
    }

    /// Whether an address may become a path of a peer (03 §8) because somebody told it.
    pub(super) fn may_be_path(&self, peer: Address, remote: &Endpoint) -> bool {
        self.links.may_be_path(peer, remote, self.roots.ips(peer))
    }

    /// Whether an address may be a path of a peer that was heard there.
    pub(super) fn may_stay_path(&self, peer: Address, remote: &Endpoint) -> bool {
        self.links.may_stay_path(peer, remote, self.roots.ips(peer))
    }

    /// Whether a path works to which `path` would lead: that very one or, for a wildcard, one by any link it stands for.
    pub(super) fn works(&self, id: PeerId, path: Path) -> bool {
        let mut working = self.peers.get(id).paths().iter().filter(|s| !s.is_suspected()).map(Slot::path);
        working.any(|p| p == path || p.remote == path.remote && self.links.stands_for(path.link, p.link))
    }

    /// Whether we sent to where a path leads before anything was heard from there.
    pub(super) fn has_tried(&self, id: PeerId, path: Path) -> bool {
        self.peers.get(id).paths().has_tried(|asked, spread| self.links.reaches(asked, spread, path))
    }

    /// Whether a peer has proved that it is where `path` leads: a path of it goes to that host, by whatever port, or a
    /// world in use names the address for it, so that a root which asks whether we are there is answered before it has
    /// answered us. `relayed`: the packet in hand came over others, whose own path it is.
    pub(super) fn is_proved(&self, id: PeerId, path: Path, relayed: bool) -> bool {
        if self.is_named(self.peers.get(id).address(), &path.remote) {
            return true;
        }
        let leads_there = |id: PeerId| self.peers.get(id).paths().lead_to(&path.remote);
        leads_there(id) || relayed && self.roots.addresses().filter_map(|a| self.peers.id(a)).any(leads_there)
    }

    /// Who pays for an answer to a packet of the peer that came by `path`.
    pub(super) fn payer(&self, now: Mono, id: PeerId, path: Path, relayed: bool) -> Payer {
        if self.is_proved(id, path, relayed) { Payer::Nobody } else { Payer::Path(now) }
    }

    /// Bytes that may be sent to an unproved address of a peer.
    pub(super) fn credit(&self, id: PeerId, path: Path) -> usize {
        self.peers.get(id).ledger().credit(path)
    }

    /// Whether an answer to an unproved address of the peer waits.
    pub(super) fn holds(&self, id: PeerId, path: Path) -> bool {
        self.held.holds(self.peers.get(id).address(), path)
    }

    /// Bytes of a probe to an address that the peer named.
    pub(super) fn probe_len(&self, id: PeerId) -> usize {
        if self.peers.get(id).understood(Probe::Echo) == Probe::Echo { HEADER_LEN } else { self.hello_len() }
    }

    pub(super) fn hello_len(&self) -> usize {
        HELLO_LEN + MOON_LEN * self.roots.moon_tuples().len()
    }

    /// The address in whose turn a packet is judged.
    pub(super) fn source_of(&self, path: Path, hops: u8) -> Source {
        let of_root = |a| self.peers.find(a).is_some_and(|root| root.paths().contains(path));
        let relayed = hops > 0 && self.roots.addresses().any(of_root);
        if relayed { Source::Relay(path) } else { Source::Prefix(hello_bucket(&path.remote)) }
    }

    /// Whether an answer of this peer says how we are connected: a root's, and that of anybody when there is no root.
    pub(super) fn speaks_for_the_level(&self, peer: &Peer) -> bool {
        self.roots.is_upstream(peer.address()) || self.roots.addresses().next().is_none()
    }
}
