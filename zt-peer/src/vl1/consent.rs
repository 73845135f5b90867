//! What waits for the owner's say about a path, and what follows from it.

use zt_wire::{Address, Mono, Now};

use super::Vl1;
use crate::drop_reason::DropReason;
use crate::event::Vl1Event;
use crate::link::{Endpoint, Path};
use crate::links::Verdict;
use crate::peer_table::PeerId;
use crate::transmit::Transmits;

impl Vl1 {
    /// The answer to a [`Vl1Event::PathQuestion`]; it holds for a minute, and may be given unasked. Allowed: what
    /// waited for it goes on with a HELLO there. Refused: a path in use is dropped. The endpoints that worlds name for
    /// their roots are not asked about and cannot be refused.
    pub fn answer_path(&mut self, now: Now, peer: Address, path: Path, allowed: bool, out: &mut Transmits) {
        let waited = self.links.answer(now.mono, peer, path, allowed);
        let Some(id) = self.peers.id(peer) else { return };
        let known = self.peers.get(id).paths().contains(path);
        if allowed {
            if let Some(heard) = waited
                && !known
                && self.may_be_path(peer, &path.remote)
            {
                if heard {
                    self.confirm(now, id, path, out);
                } else {
                    self.greet(now, id, path, false, out);
                }
            }
        } else if known && !self.is_named(peer, &path.remote) {
            self.drop_paths(now, id, |s| s.path() == path, out);
            self.note_root(now);
        }
    }

    /// Tries an address for a known peer by a HELLO, as far as the path policy lets it: the answer to a
    /// [`Vl1Event::AddressWanted`], or a hint at any other time.
    pub fn try_address(&mut self, now: Now, peer: Address, remote: Endpoint, out: &mut Transmits) {
        let Some(id) = self.peers.id(peer) else { return };
        if !self.may_be_path(peer, &remote) {
            self.drops.add(DropReason::UnusablePath);
            return;
        }
        for path in self.links.paths_to(remote) {
            if !self.works(id, path) {
                self.greet(now, id, path, false, out);
            }
        }
    }

    /// A world names this endpoint for the peer.
    pub(super) fn is_named(&self, peer: Address, remote: &Endpoint) -> bool {
        self.roots.upstream(peer).is_some_and(|u| u.endpoints.contains(remote))
    }

    /// Whether a peer may be asked on a path that is none of its yet: not on one that would lead through our own networks,
    /// wherever it was learnt, and as the owner says. `heard`: the peer was heard there.
    pub(super) fn consents(&mut self, now: Mono, id: PeerId, path: Path, heard: bool) -> bool {
        let peer = self.peers.get(id);
        let known = peer.paths().contains(path) || self.is_named(peer.address(), &path.remote);
        if !known && self.links.leads_inside(&path.remote, heard) {
            self.drops.add(DropReason::UnusablePath);
            return false;
        }
        self.owner_consents(now, id, path, heard)
    }

    /// Whether the owner lets a path be one of the peer's; asks when that is not known. `heard`: the peer was heard
    /// there.
    pub(super) fn owner_consents(&mut self, now: Mono, id: PeerId, path: Path, heard: bool) -> bool {
        let peer = self.peers.get(id);
        let address = peer.address();
        if peer.paths().contains(path) || self.is_named(address, &path.remote) {
            return true;
        }
        match self.links.consent(now, address, path, heard) {
            Verdict::Allowed => return true,
            Verdict::Ask => self.event(Vl1Event::PathQuestion { peer: address, path }),
            Verdict::Refused => self.drops.add(DropReason::UnusablePath),
            Verdict::Asked => {}
        }
        false
    }

    /// Whether [`Vl1::want_address`] would ask.
    pub(super) fn may_want_address(&self, now: Mono, id: PeerId) -> bool {
        self.links.asks_for_addresses() && self.peers.get(id).detour().may_want_address(now)
    }

    /// There is no direct path to a peer that is wanted: the owner may know an address.
    pub(super) fn want_address(&mut self, now: Mono, id: PeerId) {
        if self.may_want_address(now, id) {
            let peer = self.peers.get_mut(id);
            peer.detour_mut().wants_address(now);
            let peer = peer.address();
            self.event(Vl1Event::AddressWanted { peer });
        }
    }
}
