//! Timers: peers that are due, the queues, the round of keep-alives, and housekeeping (03 §6).

use zt_wire::{Mono, Now};

use super::Vl1;
use crate::directory::whois::Asker;
use crate::event::Vl1Event;
use crate::peer::Care;
use crate::peer_table::PeerId;
use crate::snapshot::PeerRecord;
use crate::transmit::Transmits;
use crate::wire::expect::Purpose;

/// Most peers looked at in one call; the rest follows in the next.
const DUE_PER_CALL: usize = 4096;

impl Vl1 {
    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now, out: &mut Transmits) {
        for _ in 0..DUE_PER_CALL {
            let Some(id) = self.peers.pop_due(now.mono) else { break };
            self.check_peer(now, id, out);
        }
        for (reason, times) in self.waiting.expire(now.mono) {
            self.count(reason, times);
        }
        if self.schedule.takes_queue(now.mono) {
            if self.waiting.waits_for_somebody() {
                self.schedule.something_waits(now.mono);
            }
            self.ask_for_waiting(now, out);
        }
        if self.schedule.takes_watch(now.mono) {
            self.watch_root(now, out);
        }
        if self.links.deadline().is_some_and(|t| now.mono >= t) {
            self.tend_level(now, out);
        }
        if self.schedule.takes_round(now.mono) {
            self.round(now, out);
        }
        if self.schedule.takes_housekeeping(now.mono) {
            self.housekeeping(now);
        }
    }

    /// When [`Vl1::handle_timeout`] is to be called, and why.
    pub fn poll_timeout(&self) -> Option<(Mono, &'static str)> {
        let own = [(self.peers.next_due(), "probe a path"), (self.links.deadline(), "judge the level")];
        let all = own.into_iter().chain(self.waiting.deadlines()).filter_map(|(at, why)| Some((at?, why)));
        all.chain(self.schedule.deadlines()).min_by_key(|(at, _)| *at)
    }

    fn watch_root(&mut self, now: Now, out: &mut Transmits) {
        let t = now.mono;
        let Some(root) = self.best_upstream(t, None) else { return };
        let question = self.peers.get_mut(root).paths_mut().probe_stale(t);
        self.ask_all(now, root, question, out);
    }

    /// Sends what can go now, and asks for everybody else who is waited for: our own questions first.
    pub(super) fn ask_for_waiting(&mut self, now: Now, out: &mut Transmits) {
        for address in self.waiting.destinations() {
            if self.peers.id(address).is_some() {
                self.flush_unsent(now, address, out);
            } else {
                self.whois(now, address, out);
            }
        }
        for ticket in self.waiting.unknown_senders() {
            let asker = Asker::Stranger(self.source_of(ticket.path, ticket.hops));
            self.ask_for(now, ticket.from, asker, out);
        }
    }

    fn round(&mut self, now: Now, out: &mut Transmits) {
        let t = now.mono;
        if self.roots.upstream_identities().any(|i| self.peers.id(i.address).is_none()) {
            self.roots_changed(now, out);
        }
        for id in self.peers.ids() {
            self.expire_paths(now, id, out);
            let peer = self.peers.get(id);
            let address = peer.address();
            if self.roots.is_upstream(address) {
                self.tend_root(now, id, out);
            } else if self.roots.is_contact(address) {
                self.tend_contact(now, id, out);
            } else if peer.activity().is_active(t) {
                let questions = self.peers.get_mut(id).keep_alive(t);
                self.ask_all(now, id, questions, out);
            }
        }
        for address in self.roots.contacts() {
            self.whois(now, address, out);
        }
        self.tend_worse(now, out);
        self.note_root(now);
    }

    fn expire_paths(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        self.drop_paths(now, id, |s| s.is_expired(now.mono), out);
    }

    fn tend_root(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let care = self.peers.get_mut(id).tend_root(now.mono);
        self.take_care(now, id, care, out);
    }

    /// HELLO to a node of the contact list, over a root while there is no path.
    pub(super) fn tend_contact(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let care = self.peers.get_mut(id).tend_contact(now.mono);
        self.take_care(now, id, care, out);
    }

    fn take_care(&mut self, now: Now, id: PeerId, care: Care, out: &mut Transmits) {
        match care {
            Care::Ask(questions) => self.ask_all(now, id, questions, out),
            Care::AskAndLookAround(questions) => {
                self.ask_all(now, id, questions, out);
                self.try_idle_links(now, id, out);
            }
            Care::TryRoot => self.try_root(now, id, out),
            Care::OverRoot => self.greet_over_root(now, id, out),
        }
    }

    /// From each link without a path to a root: HELLO to one of its endpoints, so that a second interface or family
    /// is found.
    fn try_idle_links(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let peer = self.peers.get(id);
        let endpoints = self.roots.upstream(peer.address()).map(|u| u.endpoints.clone()).unwrap_or_default();
        let idle = self
            .links
            .iter()
            .filter(|l| self.links.is_for_contact(l) && peer.paths().iter().all(|s| s.path().link != l.id));
        let idle: Vec<_> = idle.copied().collect();
        for link in idle {
            let fitting: Vec<_> = endpoints.iter().filter(|e| e.same_family(&link.local)).copied().collect();
            let pick = self.wire.random_below(fitting.len());
            if let Some(remote) = fitting.get(pick).copied() {
                self.send_hello(now, id, crate::link::Path { link: link.id, remote }, Purpose::Probe, out);
            }
        }
    }

    fn housekeeping(&mut self, now: Now) {
        let t = now.mono;
        self.surface.expire(t);
        self.held.expire(t);
        if self.links.expire(t) {
            self.refresh_mtus();
        }
        self.directory.expire(t);
        for id in self.peers.ids() {
            let peer = self.peers.get(id);
            let address = peer.address();
            if peer.activity().is_silent(t) && !self.roots.keeps(address) {
                self.persist(id);
                self.forget_peer(id);
            }
        }
    }

    /// Emits what is worth keeping about a peer as soon as there is something: a proved path, and what software it runs.
    pub(super) fn persist_once(&mut self, id: PeerId) {
        if self.peers.get_mut(id).is_newly_known() {
            self.persist(id);
        }
    }

    /// Emits what is worth keeping about a peer (03 §12).
    fn persist(&mut self, id: PeerId) {
        let peer = self.peers.get(id);
        let Some(version) = peer.software().version() else { return };
        let (identity, addresses) = (*peer.identity(), peer.paths().worth_keeping());
        let record = PeerRecord { identity, version, addresses };
        let address = identity.address;
        let record = record.emit_vouched(self.wire.secret());
        self.directory.note_persisted(address);
        self.event(Vl1Event::PersistPeer { address, record });
    }

    /// Emits a [`Vl1Event::PersistPeer`] for every peer: before shutting down.
    pub fn persist_peers(&mut self) {
        for id in self.peers.ids() {
            self.persist(id);
        }
    }
}
