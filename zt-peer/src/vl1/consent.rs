//! What waits for the owner's say about a path, and what follows from it.

use zt_wire::{Address, Now};

use super::Vl1;
use crate::drop_reason::DropReason;
use crate::link::{Endpoint, Path};
use crate::transmit::Transmits;

impl Vl1 {
    /// The answer to a [`Vl1Event::PathQuestion`](crate::Vl1Event::PathQuestion); it holds for a minute, and may be given
    /// unasked. Allowed: what waited for it goes on with a HELLO there. Refused: a path in use is dropped. The endpoints
    /// that worlds name for their roots are not asked about and cannot be refused.
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
    /// [`Vl1Event::AddressWanted`](crate::Vl1Event::AddressWanted), or a hint at any other time.
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
}
