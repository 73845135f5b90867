//! Members of one switch find each other: a HELLO to the broadcast address of a cable, for one peer each.
//!
//! It proves nothing and makes no path: who is asked answers from its own address, and both are then asked there as
//! anybody who is heard at a new address (03 §7.1). Who is not asked must not hand it on; that is seen to by the link, which
//! knows what was sent to all.

use zt_wire::{Mac, Now};

use super::Vl1;
use crate::link::{Endpoint, Link, LinkId, LinkKind, LinkRole, Path};
use crate::peer::Slot;
use crate::peer_table::PeerId;
use crate::transmit::Transmits;
use crate::wire::expect::Purpose;

/// Peers looked for at once; the others are when it is their turn.
const PEERS_AT_ONCE: usize = 64;

impl Vl1 {
    /// A cable is there: roots and active peers are looked for.
    pub(super) fn seek_by(&mut self, now: Now, link: Link, out: &mut Transmits) {
        if !is_cable(&link) {
            return;
        }
        for id in self.worth_seeking(now) {
            self.peers.get_mut(id).sought_mut().begin();
        }
        self.seek(now, out);
    }

    /// In every round: roots and active peers that are not reached by each cable are looked for there, when it is time.
    pub(super) fn seek(&mut self, now: Now, out: &mut Transmits) {
        let cables: Vec<LinkId> = self.links.iter().filter(|link| is_cable(link)).map(|link| link.id).collect();
        if cables.is_empty() {
            return;
        }
        let mut left = PEERS_AT_ONCE;
        for id in self.worth_seeking(now) {
            let peer = self.peers.get_mut(id);
            let works = |link: LinkId, slot: &Slot| slot.path().link == link && !slot.is_suspected();
            let missing: Vec<LinkId> =
                cables.iter().copied().filter(|link| !peer.paths().iter().any(|slot| works(*link, slot))).collect();
            if missing.is_empty() {
                peer.sought_mut().begin();
                continue;
            }
            let lost = peer.paths().route().is_none();
            if left == 0 || !peer.sought_mut().is_due(now.mono, lost) {
                continue;
            }
            left -= 1;
            peer.sought_mut().seeks(now.mono);
            for link in missing {
                let everybody = Path { link, remote: Endpoint::Mac(Mac::BROADCAST) };
                self.send_hello_relayed(now, id, everybody, Purpose::Content, out);
            }
        }
    }

    fn worth_seeking(&self, now: Now) -> Vec<PeerId> {
        let worth = |id: &PeerId| {
            let peer = self.peers.get(*id);
            peer.is_missed(now.mono) || self.roots.is_upstream(peer.address())
        };
        self.peers.ids().into_iter().filter(worth).collect()
    }
}

/// A link on which everybody can be asked. A wildcard stands for whatever the host has, and the host knows best.
fn is_cable(link: &Link) -> bool {
    link.kind == LinkKind::Ethernet && link.role == LinkRole::Full
}
