//! What the owner is asked: may this be a path, where is that peer (08 §A.4).

use zt_wire::Mono;

use super::Vl1;
use crate::drop_reason::DropReason;
use crate::event::Vl1Event;
use crate::link::Path;
use crate::links::Verdict;
use crate::peer_table::PeerId;

impl Vl1 {
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
