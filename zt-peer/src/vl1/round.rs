//! Timers: peers that are due, the queues, the round of keep-alives, and housekeeping (03 §6).

use std::ops::Range;

use zt_wire::{Mono, Now};

use super::Vl1;
use crate::peer_table::PeerId;
use crate::schedule::PART;
use crate::transmit::Transmits;

impl Vl1 {
    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now, out: &mut Transmits) {
        for _ in 0..PART {
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
        if self.schedule.takes_round(now.mono)
            && self.roots.upstream_identities().any(|i| self.peers.id(i.address).is_none())
        {
            self.roots_changed(now, out);
        }
        if let Some((places, is_last)) = self.schedule.round_part(self.peers.places()) {
            self.round(now, places, out);
            if is_last {
                self.end_round(now, out);
            }
        }
        if self.schedule.takes_housekeeping(now.mono) {
            self.housekeeping(now);
        }
        if let Some(places) = self.schedule.keeping_part(self.peers.places()) {
            self.forget_silent(now, places);
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

    /// The round over the peers at some places.
    fn round(&mut self, now: Now, places: Range<usize>, out: &mut Transmits) {
        let t = now.mono;
        let best = self.best_upstream(t, None);
        for id in self.peers.ids_within(places) {
            self.peers.rest(id, t);
            self.expire_paths(now, id, out);
            if self.bonding.in_use {
                self.tend_bond(now, id, out);
            }
            let peer = self.peers.get(id);
            let address = peer.address();
            if self.roots.is_upstream(address) {
                self.tend_root(now, id, best == Some(id), out);
            } else if self.roots.is_contact(address) {
                self.tend_contact(now, id, out);
            } else if peer.activity().is_active(t) {
                let questions = self.peers.get_mut(id).keep_alive(t, self.schedule.periods());
                self.ask_all(now, id, questions, out);
            }
        }
    }

    fn end_round(&mut self, now: Now, out: &mut Transmits) {
        for address in self.roots.contacts() {
            self.whois(now, address, out);
        }
        self.tend_worse(now, out);
        self.seek(now, out);
        self.note_root(now);
    }

    fn expire_paths(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        if self.peers.get(id).paths().are_settled(now.mono) {
            return;
        }
        self.drop_paths(now, id, |s| s.is_expired(now.mono), out);
    }

    fn housekeeping(&mut self, now: Now) {
        let t = now.mono;
        self.surface.expire(t);
        self.held.expire(t);
        if self.links.expire(t) {
            self.refresh_mtus();
        }
        self.directory.expire(t);
    }

    fn forget_silent(&mut self, now: Now, places: Range<usize>) {
        let t = now.mono;
        for id in self.peers.ids_within(places) {
            let peer = self.peers.get(id);
            let address = peer.address();
            if peer.activity().is_silent(t) && !self.roots.keeps(address) {
                self.persist(id);
                self.forget_peer(id);
            }
        }
    }
}
