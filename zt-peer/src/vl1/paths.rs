//! Questions to peers, and what becomes of their paths: what [`Peer`](crate::peer::Peer) decides is done here.

use std::time::Duration;

use zt_wire::{Mono, Now};

use super::Vl1;
use crate::inbound::{Taught, Ticket};
use crate::link::Path;
use crate::peer::{Adopted, Check, Probe, Proof, Task};
use crate::peer_table::PeerId;
use crate::transmit::Transmits;
use crate::wire::expect::Purpose;

impl Vl1 {
    /// The peer is due.
    pub(super) fn check_peer(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let t = now.mono;
        let Check { tasks, next, pathless } = self.peers.get_mut(id).check(t);
        for task in tasks {
            match task {
                Task::Probe(probe) => self.ask(now, id, probe, out),
                Task::TryCandidate(path) => self.confirm(now, id, path, out),
                Task::Size(path, size) => self.ask_size(now, id, path, size, out),
                Task::Route(change) => self.tell_route(now, id, Some(change), out),
                Task::Suspected { since } => self.suspected(now, id, since, out),
                Task::Bond(task) => self.do_bond_task(now, id, task, out),
            }
        }
        let retry = self.retry_root(now, id, out);
        if pathless {
            self.try_memorised(now, id, out);
            self.want_address(t, id);
        }
        if let Some(at) = next.into_iter().chain(retry).min() {
            // Never the same instant again: a driver with a coarse clock must not spin.
            self.peers.arm(id, at.max(t + Duration::from_micros(100)));
        }
    }

    /// A root without a path gets a HELLO again and again, soon at first.
    fn retry_root(&mut self, now: Now, id: PeerId, out: &mut Transmits) -> Option<Mono> {
        let peer = self.peers.get_mut(id);
        if !self.roots.is_upstream(peer.address()) {
            return None;
        }
        let (now_due, next) = peer.retry_root(now.mono);
        if now_due {
            self.try_root(now, id, out);
        }
        next
    }

    /// A path has become suspect; traffic took another way already. The probes that were lost began at `since`.
    fn suspected(&mut self, now: Now, id: PeerId, since: Mono, out: &mut Transmits) {
        let peer = self.peers.get_mut(id);
        if self.roots.is_upstream(peer.address()) {
            // Its other endpoints at once.
            self.try_root(now, id, out);
            self.ask_other_roots(now, id, since, out);
            return;
        }
        if peer.paths().route().is_some() {
            return;
        }
        // Over a root: the peer learns of it, and the root, which may know us by another port by now, introduces us.
        peer.gates_mut().push_again();
        let Some(root) = self.relay_for(now.mono, id) else { return };
        if let Some(question) = self.peers.get_mut(root).paths_mut().probe_any(now.mono, Probe::Echo) {
            self.ask(now, root, question, out);
            self.send_hello_relayed(now, id, question.path, Purpose::Content, out);
        }
    }

    /// An answer arrived on the very path that was asked.
    pub(super) fn answered(&mut self, now: Now, c: &Ticket, taught: Taught, out: &mut Transmits) {
        if taught.probe {
            self.peers.get_mut(c.id).took(now.mono.saturating_since(taught.sent));
            let change = self.peers.get_mut(c.id).paths_mut().answered(now.mono, c.path, taught.sent);
            self.tell_route(now, c.id, change, out);
            if let Some(at) = self.peers.get_mut(c.id).paths_mut().carried(now.mono, c.path, taught.size, taught.sent) {
                self.peers.arm(c.id, at);
            }
        }
        self.note_root(now);
        self.note_answer(now, c, out);
    }

    /// An OK proved an address: it becomes a path (03 §7.1 step 3c).
    pub(super) fn adopt(&mut self, now: Now, id: PeerId, path: Path, taught: Taught, out: &mut Transmits) {
        let Some((rank, kind)) = self.links.get(path.link).map(|l| (l.rank, l.kind)) else { return };
        let proof = Proof {
            path,
            asked: Path { link: taught.link, ..path },
            sent: taught.sent,
            probe: taught.probe,
            heard_first: taught.heard_first,
            rank,
            room: self.links.room(path),
            trusted: self.links.trusted_id(&path.remote),
            lasting: kind.has_lasting_addresses(),
        };
        if taught.probe {
            self.peers.get_mut(id).took(now.mono.saturating_since(taught.sent));
        }
        let Adopted { gone, doubted, route } = self.peers.adopt(now.mono, id, &proof);
        let peer = self.peers.get(id);
        let (address, nameless) = (peer.address(), peer.software().version().is_none());
        self.paths.claim(path);
        self.paths.release(&gone);
        self.persist_once(id);
        self.proved(now.mono, id, path, out);
        if nameless {
            self.send_hello(now, id, path, Purpose::Probe, out);
        }
        self.ask_all(now, id, doubted, out);
        self.tell_route(now, id, route, out);
        if self.bonding.in_use {
            self.tend_bond(now, id, out);
        }
        self.note_root(now);
        self.flush_unsent(now, address, out);
        if self.roots.is_upstream(address) {
            self.root_is_up(now, out);
        }
    }
}
