//! Questions to peers, and what becomes of their paths: what [`Peer`](crate::peer::Peer) decides is done here.

use std::time::Duration;

use zt_wire::packet::HEADER_LEN;
use zt_wire::verb::Echo;
use zt_wire::{Address, Mono, Now};

use super::Vl1;
use crate::event::Vl1Event;
use crate::inbound::Ticket;
use crate::link::{Endpoint, Path};
use crate::path_proof::Payer;
use crate::peer::{Adopted, Check, Dropped, PathProbe, Probe, Proof, RouteChange, Slot, Task};
use crate::peer_table::PeerId;
use crate::transmit::Transmits;
use crate::wire::Outgoing;
use crate::wire::expect::{Expected, Purpose, Question};

/// Bytes of a HELLO to an IPv6 address, and of each moon in it.
const HELLO_LEN: usize = 149;
const MOON_LEN: usize = 17;

impl Vl1 {
    /// Probes an address for a peer (03 §6.1).
    pub(super) fn probe(&mut self, now: Now, id: PeerId, path: Path, kind: Probe, out: &mut Transmits) {
        if self.peers.get(id).understood(kind) == Probe::Hello {
            return self.send_hello(now, id, path, Purpose::Probe, out);
        }
        if !self.consents(now.mono, id, path, false) {
            return;
        }
        let spread = self.links.spread_of(path.link);
        self.peers.get_mut(id).paths_mut().note_tried(path, spread);
        self.echo(now, id, path, false, Payer::Nobody, out);
    }

    /// Bytes of a probe to an address that the peer named.
    pub(super) fn probe_len(&self, id: PeerId) -> usize {
        if self.peers.get(id).understood(Probe::Echo) == Probe::Echo { HEADER_LEN } else { self.hello_len() }
    }

    fn hello_len(&self) -> usize {
        HELLO_LEN + MOON_LEN * self.roots.moon_tuples().len()
    }

    /// The peer was heard at an address that is no path of it: asks whether it is there, for no more bytes than came
    /// from there.
    pub(super) fn confirm(&mut self, now: Now, id: PeerId, path: Path, out: &mut Transmits) {
        let payer = self.payer(now.mono, id, path, false);
        let credit = (payer != Payer::Nobody).then(|| self.credit(id, path));
        match self.peers.get(id).confirmation(self.hello_len(), credit) {
            Some(Probe::Hello) => self.greet(now, id, path, true, out),
            Some(Probe::Echo) if self.consents(now.mono, id, path, true) => {
                let heard_first = !self.has_tried(id, path);
                self.echo(now, id, path, heard_first, payer, out);
            }
            _ => {}
        }
    }

    fn echo(&mut self, now: Now, id: PeerId, path: Path, heard_first: bool, payer: Payer, out: &mut Transmits) {
        self.note_asked(now.mono, id);
        let spread = self.links.spread_of(path.link);
        let peer = self.peers.get_mut(id);
        _ = peer.paths_mut().note_probe(now.mono, path);
        let question = Question { sent: now.mono, purpose: Purpose::Probe, direct: true, spread, heard_first };
        let outgoing = Outgoing { asks: Some(question), ..self.outgoing(now.mono, id, path) };
        let sent = self.make(outgoing, payer, &Echo { data: &[] }, out);
        debug_assert!(sent.is_ok(), "short enough");
    }

    /// Sends a probe by a path of the peer.
    pub(super) fn ask(&mut self, now: Now, id: PeerId, probe: PathProbe, out: &mut Transmits) {
        self.probe(now, id, probe.path, probe.kind, out);
        self.peers.arm(id, probe.overdue);
    }

    pub(super) fn ask_all(
        &mut self,
        now: Now,
        id: PeerId,
        probes: impl IntoIterator<Item = PathProbe>,
        out: &mut Transmits,
    ) {
        for probe in probes {
            self.ask(now, id, probe, out);
        }
    }

    /// The peer is due.
    pub(super) fn check_peer(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let t = now.mono;
        let Check { tasks, next, pathless } = self.peers.get_mut(id).check(t);
        for task in tasks {
            match task {
                Task::Probe(probe) => self.ask(now, id, probe, out),
                Task::TryCandidate(path) => self.confirm(now, id, path, out),
                Task::Route(change) => self.tell_route(now, id, Some(change), out),
                Task::Suspected { since } => self.suspected(now, id, since, out),
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

    /// HELLO to all endpoints of a root, from every link, except where a path works.
    pub(super) fn try_root(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let peer = self.peers.get_mut(id);
        peer.greetings_mut().tries_root(now.mono);
        let Some(upstream) = self.roots.upstream(peer.address()) else { return };
        let mut remotes = upstream.endpoints.clone();
        if remotes.is_empty() {
            remotes.extend_from_slice(peer.paths().remembered());
            self.want_address(now.mono, id);
        }
        // Even if no link is there to ask by: that is as good as no answer.
        self.note_asked(now.mono, id);
        for remote in remotes {
            for path in self.links.paths_to(remote) {
                if !self.works(id, path) {
                    self.send_hello(now, id, path, Purpose::Probe, out);
                }
            }
        }
    }

    /// First contact with a root.
    pub(super) fn greet_root(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let look_at = self.peers.get_mut(id).greet_root(now.mono);
        self.try_root(now, id, out);
        self.peers.arm(id, look_at);
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
    pub(super) fn answered(&mut self, now: Now, c: &Ticket, expected: &Expected, out: &mut Transmits) {
        if expected.is_probe() {
            let change = self.peers.get_mut(c.id).paths_mut().answered(now.mono, c.path, expected.sent);
            self.tell_route(now, c.id, change, out);
        }
        self.note_root(now);
        self.note_answer(now, c, out);
    }

    /// An OK proved an address: it becomes a path (03 §7.1 step 3c).
    pub(super) fn adopt(&mut self, now: Now, id: PeerId, path: Path, expected: &Expected, out: &mut Transmits) {
        let Some(rank) = self.links.get(path.link).map(|l| l.rank) else { return };
        let proof = Proof {
            path,
            asked: expected.path,
            sent: expected.sent,
            probe: expected.is_probe(),
            heard_first: expected.heard_first,
            rank,
            mtu: self.links.mtu(path),
            trusted: self.links.trusted_id(&path.remote),
        };
        let peer = self.peers.get_mut(id);
        let Adopted { gone, doubted, route } = peer.adopt(now.mono, &proof);
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
        self.note_root(now);
        self.flush_unsent(now, address, out);
        if self.roots.is_upstream(address) {
            self.root_is_up(now, out);
        }
    }

    /// Drops paths of a peer: its traffic may take another way.
    pub(super) fn drop_paths(&mut self, now: Now, id: PeerId, gone: impl Fn(&Slot) -> bool, out: &mut Transmits) {
        let dropped = self.peers.get_mut(id).paths_mut().drop_where(now.mono, gone);
        self.dropped(now, id, dropped, out);
    }

    /// Paths of a peer were dropped.
    pub(super) fn dropped(&mut self, now: Now, id: PeerId, dropped: Dropped, out: &mut Transmits) {
        self.paths.release(&dropped.paths);
        self.tell_route(now, id, dropped.route, out);
    }

    /// Drops a peer.
    pub(super) fn forget_peer(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.remove(id) {
            let paths: Vec<Path> = peer.paths().iter().map(Slot::path).collect();
            self.paths.release(&paths);
        }
    }

    /// Tells when the peer's traffic takes another way.
    pub(super) fn tell_route(&mut self, now: Now, id: PeerId, change: Option<RouteChange>, out: &mut Transmits) {
        let Some(RouteChange { from, to }) = change else { return };
        let peer = self.peers.get(id).address();
        match (from, to) {
            (None, Some(_)) => self.event(Vl1Event::PeerUp(peer)),
            (Some(_), None) => self.event(Vl1Event::PeerDown(peer)),
            _ => {}
        }
        self.event(Vl1Event::PathChanged { peer, from, to });
        if to.is_some() {
            self.flush_unsent(now, peer, out);
        }
    }

    /// Traffic for a peer without a working direct path: probes behind, and the operator's hints (03 §3 step 2c).
    pub(super) fn no_direct_path(&mut self, now: Mono, id: PeerId) {
        let peer = self.peers.get_mut(id);
        peer.detour_mut().sends(now);
        if self.peers.is_armed(id) {
            return;
        }
        let peer = self.peers.get(id);
        let memorised = || !self.links.attempts(peer.address()).is_empty() && peer.detour().may_try_memorised(now);
        if !peer.paths().is_empty() || memorised() || self.may_want_address(now, id) {
            self.peers.arm(id, now);
        }
    }

    /// Once in 30 s one configured address of a peer without a direct path gets a HELLO.
    fn try_memorised(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let peer = self.peers.get_mut(id);
        let attempts = self.links.attempts(peer.address());
        if attempts.is_empty() || !peer.detour().may_try_memorised(now.mono) {
            return;
        }
        let Some(remote) = attempts.get(self.wire.random_below(attempts.len())).copied() else { return };
        peer.detour_mut().tries_memorised(now.mono);
        for path in self.links.paths_to(Endpoint::Ip(remote)) {
            self.send_hello(now, id, path, Purpose::Probe, out);
        }
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

    /// Whether an address may become a path of a peer (03 §8) because somebody told it.
    pub(super) fn may_be_path(&self, peer: Address, remote: &Endpoint) -> bool {
        self.links.may_be_path(peer, remote, self.roots.ips(peer))
    }

    /// Whether an address may be a path of a peer that was heard there.
    pub(super) fn may_stay_path(&self, peer: Address, remote: &Endpoint) -> bool {
        self.links.may_stay_path(peer, remote, self.roots.ips(peer))
    }
}
