//! Strangers whose identity was judged become peers, and what waited for them goes on.

use std::sync::Arc;

use zt_crypto::{PeerKeys, Suite};
use zt_wire::verb::{ErrorCode, ErrorReply, Verb};
use zt_wire::{Identity, Mono, Now};

use super::Vl1;
use crate::directory::Admitted;
use crate::directory::strangers::{Judgement, Waiting};
use crate::drop_reason::DropReason;
use crate::event::Vl1Event;
use crate::inbound::Taught;
use crate::link::Path;
use crate::peer::Peer;
use crate::peer_table::{MAX_PEERS, PeerId};
use crate::transmit::Transmits;
use crate::wire::Outgoing;
use crate::wire::expect::Purpose;

/// Most addresses of a cached peer that get a HELLO.
const MAX_CACHED_ADDRESSES: usize = 4;

impl Vl1 {
    /// The judgement about a stranger's HELLO came back.
    pub(super) fn introduced(&mut self, now: Now, identity: &Identity, judgement: Judgement, out: &mut Transmits) {
        match judgement {
            Judgement::Nothing => {}
            Judgement::Refused(reason) => self.drops.add(reason),
            Judgement::Collision(waiting) => self.answer_collision(&waiting, out),
            Judgement::Authentic(number) => self.challenge_stranger(now, number, out),
            Judgement::Valid(waiting) => {
                let other = self.peers.find(identity.address).is_some_and(|p| p.identity() != identity);
                let Some(first) = waiting.first() else { return };
                if other {
                    return self.answer_collision(first, out);
                }
                let Some(keys) = first.keys.clone() else { return };
                self.admit_peer(now, *identity, keys, out);
                self.heard_waiting(now, waiting, out);
            }
        }
        self.count_lost_hellos();
    }

    /// Handles the HELLOs of somebody who is a peer now.
    fn heard_waiting(&mut self, now: Now, waiting: Vec<Waiting>, out: &mut Transmits) {
        for Waiting { ticket, mut packet, proved, .. } in waiting {
            let Some(id) = self.peers.id(ticket.from) else { continue };
            let keys = Arc::clone(self.peers.get(id).keys());
            if let Some((path, sent)) = proved {
                self.answered_challenge(now, id, path, sent, out);
            }
            let opened = keys.open(&mut packet);
            self.handle_opened(now, ticket, opened, &packet, &mut Vec::new(), out);
        }
    }

    /// Who answered the challenge has proved its address: there is nothing more to ask.
    fn answered_challenge(&mut self, now: Now, id: PeerId, path: Path, sent: Mono, out: &mut Transmits) {
        let to = self.peers.get(id).address();
        let known = self.peers.get(id).paths().contains(path);
        if !known && self.may_stay_path(to, &path.remote) && self.owner_consents(now.mono, id, path, true) {
            let taught = Taught { link: path.link, sent, probe: true, heard_first: true, size: 0 };
            self.adopt(now, id, path, taught, out);
        }
    }

    /// Creates a peer whose identity and keys are good, and continues what waited for it.
    pub(super) fn admit_peer(
        &mut self,
        now: Now,
        identity: Identity,
        keys: Arc<PeerKeys>,
        out: &mut Transmits,
    ) -> PeerId {
        if self.peers.len() >= MAX_PEERS {
            self.make_room_for_peers();
        }
        let id = self.peers.insert(Peer::new(now.mono, identity, keys));
        self.waiting.hurry();
        self.flush_unsent(now, identity.address, out);
        let waiting = self.directory.arrived(&identity);
        self.heard_waiting(now, waiting, out);
        id
    }

    /// The peers that were silent longest give way: a part of them at once, for looking at all of them costs time.
    fn make_room_for_peers(&mut self) {
        let mut silent: Vec<(Option<Mono>, PeerId)> = Vec::new();
        for id in self.peers.ids() {
            let peer = self.peers.get(id);
            if !peer.activity().was_trusted() && !self.roots.keeps(peer.address()) {
                silent.push((peer.activity().last_heard(), id));
            }
        }
        silent.sort_unstable();
        for (_, id) in silent.into_iter().take(MAX_PEERS / 64) {
            self.forget_peer(id);
        }
    }

    /// Deliberate: for the claimed identity, so that it can read it (02 §6.2 step 4, Quirk).
    fn answer_collision(&mut self, waiting: &Waiting, out: &mut Transmits) {
        self.drops.add(DropReason::IdentityCollision);
        let Some(keys) = waiting.keys.clone() else { return };
        let (ticket, identity) = (waiting.ticket, waiting.identity);
        let error = ErrorReply::plain(Verb::HELLO, ticket.packet_id, ErrorCode::IDENTITY_COLLISION);
        let (to, suite) = (identity.address, Suite::Salsa2012Poly1305);
        let outgoing = Outgoing::new(to, keys, suite, ticket.path, self.links.mtu(ticket.path));
        // Nobody pays: shorter than any HELLO, once for each that was judged.
        let made = self.wire.write(outgoing, &error, out);
        debug_assert!(made.is_ok(), "short enough");
    }

    /// Validation and key agreement came back.
    pub(super) fn admitted(
        &mut self,
        now: Now,
        identity: Identity,
        admitted: Admitted,
        keys: Option<Arc<PeerKeys>>,
        out: &mut Transmits,
    ) {
        let admission = match admitted {
            Admitted::Nothing => return,
            Admitted::Invalid => return self.drops.add(DropReason::InvalidIdentity),
            Admitted::Valid(admission) => *admission,
        };
        let Some(keys) = keys else { return };
        let known = self.peers.id(identity.address).is_some();
        let id = self.admit_peer(now, identity, keys, out);
        if known {
            return;
        }
        let peer = self.peers.get_mut(id);
        if let Some(root) = admission.via {
            peer.detour_mut().came_via(root);
        }
        if let Some(record) = &admission.record {
            // The version is remembered so that AES can be used at once (03 §12).
            peer.software_mut().recall(record.version);
        }
        self.event(Vl1Event::IdentityLearned(identity.address));
        if self.roots.is_upstream(identity.address) {
            self.greet_root(now, id, out);
        } else if self.roots.is_seed(identity.address) {
            self.tend_contact(now, id, out);
        }
        if let Some(record) = admission.record {
            for remote in record.endpoints().into_iter().take(MAX_CACHED_ADDRESSES) {
                self.peers.get_mut(id).paths_mut().remember(remote);
                for path in self.links.paths_to(remote) {
                    self.send_hello(now, id, path, Purpose::Probe, out);
                }
            }
        }
        self.flush_unsent(now, identity.address, out);
    }
}
