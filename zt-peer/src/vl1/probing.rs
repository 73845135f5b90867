//! Probes, suspicion, and the paths a peer has: what [`crate::peer::liveness`] decides is done here.

use std::time::Duration;

use zt_wire::packet::HEADER_LEN;
use zt_wire::verb::{Echo, Verb};
use zt_wire::{Address, Gate, Mono, Now};

use super::Vl1;
use crate::event::Vl1Event;
use crate::link::{Endpoint, Path};
use crate::path_proof::Payer;
use crate::peer::liveness::{Due, Liveness, Probe};
use crate::peer::path_choice;
use crate::peer::{MAX_SLOTS, Slot};
use crate::peer_table::PeerId;
use crate::rate::{MEMORISED, ROOT_RETRY_FIRST, ROOT_RETRY_QUEUED, ROUND, SIBLING_FRESH, root_retry};
use crate::transmit::Transmits;
use crate::wire::Outgoing;
use crate::wire::expect::{Expected, Purpose, Question};

/// Bytes of a HELLO to an IPv6 address, and of each moon in it.
const HELLO_LEN: usize = 149;
const MOON_LEN: usize = 17;
/// Most ports of one host that are kept as paths of a peer.
const MAX_SIBLINGS: usize = 4;
/// An address heard from is tried when the present one comes in doubt within this time.
const CANDIDATE: Duration = Duration::from_secs(30);

impl Vl1 {
    /// Probes an address for a peer (03 §6.1).
    pub(super) fn probe(&mut self, now: Now, id: PeerId, path: Path, kind: Probe, out: &mut Transmits) {
        let peer = self.peers.get(id);
        if kind == Probe::Hello || !peer.understands_echo() {
            return self.send_hello(now, id, path, Purpose::Probe, out);
        }
        if !self.consents(now.mono, id, path, false) {
            return;
        }
        let spread = self.links.spread_of(path.link);
        let peer = self.peers.get_mut(id);
        peer.note_tried(path, spread);
        self.echo(now, id, path, false, Payer::Nobody, out);
    }

    /// Bytes of a probe to an address that the peer named.
    pub(super) fn probe_len(&self, id: PeerId) -> usize {
        if self.peers.get(id).understands_echo() { HEADER_LEN } else { self.hello_len() }
    }

    fn hello_len(&self) -> usize {
        HELLO_LEN + MOON_LEN * self.roots.moon_tuples().len()
    }

    /// The peer was heard at an address that is no path of it: asks whether it is there, for no more bytes than came
    /// from there. HELLO also tells its version, ECHO is as short as any packet.
    pub(super) fn confirm(&mut self, now: Now, id: PeerId, path: Path, out: &mut Transmits) {
        let payer = self.payer(now.mono, id, path, false);
        let peer = self.peers.get(id);
        let pays = |len| payer == Payer::Nobody || self.credit(id, path) >= len;
        let old = peer.version.is_some() && !peer.understands_echo();
        if peer.version.is_none() && pays(self.hello_len()) || old {
            if pays(self.hello_len()) {
                self.greet(now, id, path, true, out);
            }
            return;
        }
        if pays(HEADER_LEN) && self.consents(now.mono, id, path, true) {
            let heard_first = !self.has_tried(id, path);
            self.echo(now, id, path, heard_first, payer, out);
        }
    }

    fn echo(&mut self, now: Now, id: PeerId, path: Path, heard_first: bool, payer: Payer, out: &mut Transmits) {
        self.note_asked(now.mono, id);
        let spread = self.links.spread_of(path.link);
        let peer = self.peers.get_mut(id);
        if let Some(slot) = peer.slot(path) {
            peer.slots[slot].last_probe = Some(now.mono);
        }
        let question = Question { sent: now.mono, purpose: Purpose::Probe, direct: true, spread, heard_first };
        let outgoing = Outgoing { asks: Some(question), ..self.outgoing(now.mono, id, path) };
        let sent = self.make(outgoing, payer, &Echo { data: &[] }, out);
        debug_assert!(sent.is_ok(), "short enough");
    }

    /// Probes a slot and lets its liveness know.
    pub(super) fn probe_slot(&mut self, now: Now, id: PeerId, slot: usize, kind: Probe, out: &mut Transmits) {
        let Some(path) = self.peers.get(id).slots.get(slot).map(|s| s.path) else { return };
        self.probe(now, id, path, kind, out);
        let s = &mut self.peers.get_mut(id).slots[slot];
        s.live.sent_probe(now.mono);
        let overdue = now.mono + s.live.rtt.timeout();
        self.peers.arm(id, overdue);
    }

    /// The peer is due: looks at each of its paths.
    pub(super) fn check_peer(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let t = now.mono;
        let mut next = Mono::FAR;
        let wanted = self.peers.get(id).is_wanted(t);
        let mut slot = 0;
        while slot < self.peers.get(id).slots.len() {
            let live = &mut self.peers.get_mut(id).slots[slot].live;
            let slot_wanted = wanted || live.is_wanted(t);
            match live.due(t, slot_wanted) {
                Due::Wait(at) => {
                    next = next.min(at);
                    slot += 1;
                }
                Due::Send(kind) => {
                    if kind == Probe::Hello {
                        self.try_candidate(now, id, out);
                    }
                    self.probe_slot(now, id, slot, kind, out);
                    self.probe_others(now, id, slot, out);
                }
                Due::Suspected => self.suspected(now, id, slot, out),
            }
        }
        if self.roots.is_upstream(self.peers.get(id).identity.address)
            && let Some(at) = self.retry_root(now, id, out)
        {
            next = next.min(at);
        }
        self.refresh_route(now, id, out);
        if wanted {
            self.try_memorised(now, id, out);
            if self.peers.get(id).route.is_none() {
                self.want_address(now.mono, id);
            }
        }
        if next != Mono::FAR {
            // Never the same instant again: a driver with a coarse clock must not spin.
            self.peers.arm(id, next.max(t + Duration::from_micros(100)));
        }
    }

    /// A root without a path gets a HELLO again and again, soon at first.
    fn retry_root(&mut self, now: Now, id: PeerId, out: &mut Transmits) -> Option<Mono> {
        let peer = self.peers.get(id);
        if !peer.slots.is_empty() {
            return None;
        }
        let last = peer.last_root_try?;
        // It challenged us, and will answer when it is our turn: repeating is for lost answers only.
        let queued = peer.heard_within(now.mono, ROUND);
        let wait = |tries| root_retry(tries).map(|d| if queued { d.max(ROOT_RETRY_QUEUED) } else { d });
        let at = last + wait(peer.root_tries)?;
        if now.mono < at {
            return Some(at);
        }
        self.try_root(now, id, out);
        let peer = self.peers.get_mut(id);
        peer.root_tries += 1;
        wait(peer.root_tries).map(|d| now.mono + d)
    }

    /// HELLO to all endpoints of a root, from every link, except where a path works.
    pub(super) fn try_root(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let peer = self.peers.get_mut(id);
        peer.last_root_try = Some(now.mono);
        let address = peer.identity.address;
        let remembered = peer.remembered.clone();
        let Some(upstream) = self.roots.upstream(address) else { return };
        let mut remotes = upstream.endpoints.clone();
        // Even if no link is there to ask by: that is as good as no answer.
        self.note_asked(now.mono, id);
        if remotes.is_empty() {
            remotes.extend(remembered);
            self.want_address(now.mono, id);
        }
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
        let peer = self.peers.get_mut(id);
        peer.root_tries = 0;
        peer.last_full_hello.note(now.mono);
        self.try_root(now, id, out);
        self.peers.arm(id, now.mono + ROOT_RETRY_FIRST);
    }

    /// A path in use is in doubt: the address that the peer was heard from besides may be where it is.
    fn try_candidate(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let peer = self.peers.get_mut(id);
        let Some((path, at)) = peer.candidate.take() else { return };
        if now.mono.saturating_since(at) < CANDIDATE && peer.slot(path).is_none() {
            self.confirm(now, id, path, out);
        }
    }

    /// The path in use is in doubt: the peer's other paths are probed beside it, so that it is known which of them work
    /// when it becomes suspect. Each goes on by itself once it was probed.
    fn probe_others(&mut self, now: Now, id: PeerId, slot: usize, out: &mut Transmits) {
        let peer = self.peers.get(id);
        let Some(since) = peer.slots.get(slot).filter(|_| peer.route == Some(slot)).and_then(|s| s.live.deep_doubt())
        else {
            return;
        };
        self.probe_unproved(now, id, slot, since, out);
    }

    fn probe_unproved(&mut self, now: Now, id: PeerId, except: usize, since: Mono, out: &mut Transmits) {
        for other in (0..self.peers.get(id).slots.len()).filter(|i| *i != except) {
            let live = &self.peers.get(id).slots[other].live;
            if !live.is_proved_since(since) && !live.is_probed_since(since) {
                self.probe_slot(now, id, other, Probe::Hello, out);
            }
        }
    }

    /// The path in use is dead. Paths of one peer tend to die together (ports of the same host, one cable): those that
    /// have not proved themselves since the doubt began are not trusted either. They are probed in parallel, and the
    /// first that answers takes the traffic.
    fn distrust_others(&mut self, now: Now, id: PeerId, slot: usize, out: &mut Transmits) {
        let peer = self.peers.get_mut(id);
        let Some(began) = peer.slots.get(slot).map(|s| s.live.doubt_began()) else { return };
        for (other, s) in peer.slots.iter_mut().enumerate() {
            if other != slot && !s.live.is_suspected() && !s.live.is_proved_since(began) {
                s.live.suspect(now.mono);
            }
        }
        self.probe_unproved(now, id, slot, began, out);
    }

    /// A packet of the peer came over a root although there is a direct path in use: it may have left that, or have
    /// started anew and not know it. `said`: it was a HELLO.
    pub(super) fn came_over_root(&mut self, now: Mono, id: PeerId, said: bool) {
        let peer = self.peers.get_mut(id);
        let Some(slot) = peer.route.and_then(|i| peer.slots.get_mut(i)) else { return };
        if slot.live.peer_left(now, said) {
            self.peers.arm(id, now);
        }
    }

    /// The peer has shown that some of its addresses may be no longer: others are preferred until they answer, and they
    /// are probed at once.
    pub(super) fn doubt_slots(&mut self, now: Now, id: PeerId, gone: impl Fn(&Slot) -> bool, out: &mut Transmits) {
        for slot in 0..self.peers.get(id).slots.len() {
            let s = &mut self.peers.get_mut(id).slots[slot];
            let quiet = now.mono.saturating_since(s.live.heard) >= SIBLING_FRESH;
            if quiet && !s.live.is_suspected() && !s.live.is_doubted() && gone(s) {
                s.live.doubt();
                self.probe_slot(now, id, slot, Probe::Hello, out);
            }
        }
    }

    /// A path has become suspect: traffic moves at once.
    fn suspected(&mut self, now: Now, id: PeerId, slot: usize, out: &mut Transmits) {
        if self.peers.get(id).route == Some(slot) {
            self.distrust_others(now, id, slot, out);
        }
        self.refresh_route(now, id, out);
        let peer = self.peers.get_mut(id);
        if slot >= peer.slots.len() {
            return;
        }
        let address = peer.identity.address;
        let since = peer.slots[slot].live.doubt_began();
        if self.roots.is_upstream(address) {
            // Its other endpoints at once.
            self.try_root(now, id, out);
            self.ask_other_roots(now, id, since, out);
            return;
        }
        if peer.route.is_some() {
            return;
        }
        // Over a root: the peer learns of it, and the root, which may know us by another port by now, introduces us.
        peer.last_push.reopen();
        if let Some((root, root_slot)) = self.relay_for(now.mono, id) {
            let path = self.peers.get(root).slots[root_slot].path;
            self.probe_slot(now, root, root_slot, Probe::Echo, out);
            self.send_hello_relayed(now, id, path, Purpose::Content, out);
        }
    }

    /// An answer to a probe or question on a slot arrived on that very path.
    pub(super) fn answered(&mut self, now: Now, id: PeerId, slot: usize, expected: Expected, out: &mut Transmits) {
        let s = &mut self.peers.get_mut(id).slots[slot];
        let was_suspected = if matches!(expected.verb, Verb::HELLO | Verb::ECHO) {
            s.live.answered(expected.sent, now.mono)
        } else {
            false
        };
        self.note_root(now);
        if was_suspected {
            self.refresh_route(now, id, out);
        }
    }

    /// An OK proved an address: it becomes a path (03 §7.1 step 3c).
    pub(super) fn adopt(&mut self, now: Now, id: PeerId, path: Path, expected: Expected, out: &mut Transmits) {
        let Some(link) = self.links.get(path.link).copied() else { return };
        let mut live = Liveness::new(now.mono);
        if matches!(expected.verb, Verb::HELLO | Verb::ECHO) {
            live.rtt.sample(now.mono.saturating_since(expected.sent));
        }
        let trusted = self.links.trusted_id(&path.remote);
        let slot = Slot {
            path,
            rank: link.rank,
            live,
            last_sent: Gate::passed(expected.sent),
            heard_first: expected.heard_first,
            last_probe: Some(expected.sent).filter(|_| matches!(expected.verb, Verb::HELLO | Verb::ECHO)),
            mtu: self.links.mtu(path),
            trusted,
        };
        let before = self.peers.get(id).route_slot().map(|s| s.path);
        let sibling = |s: &Slot| s.path.link == path.link && s.path.remote.same_host(&path.remote);
        self.drop_slots(id, |s| sibling(s) && s.live.is_suspected());
        let siblings = self.peers.get(id).slots.iter().filter(|s| sibling(s));
        if siblings.clone().count() >= MAX_SIBLINGS {
            let oldest = siblings.map(|s| (s.live.heard, s.path)).min();
            self.drop_slots(id, |s| Some((s.live.heard, s.path)) == oldest);
        }
        if self.peers.get(id).slots.len() >= MAX_SLOTS {
            let oldest = self.peers.get(id).slots.iter().map(|s| (s.live.heard, s.path)).min();
            self.drop_slots(id, |s| Some((s.live.heard, s.path)) == oldest);
        }
        let peer = self.peers.get_mut(id);
        peer.slots.push(slot);
        peer.remember(path.remote);
        let address = peer.identity.address;
        self.paths.entry(path).or_default().users += 1;
        // Introductions of this peer are worth repeating: its address is another.
        peer.united.moved(now.mono);
        self.persist_once(id);
        self.proved(now.mono, id, path, out);
        if self.peers.get(id).version.is_none() {
            self.send_hello(now, id, path, Purpose::Probe, out);
        }
        self.doubt_silent(now, id, &expected, link.rank, out);
        self.choose_after_loss(now, id, before, out);
        self.note_root(now);
        self.flush_unsent(now, address, out);
        if self.roots.is_upstream(address) {
            self.root_is_up(now, out);
        }
    }

    /// The peer answers at a new address. If nothing was heard on the present path since we asked there, it may have
    /// moved: the new path is preferred until the old one answers.
    fn doubt_silent(&mut self, now: Now, id: PeerId, expected: &Expected, rank: i32, out: &mut Transmits) {
        let peer = self.peers.get_mut(id);
        let Some(present) = peer.route else { return };
        let Some(old) = peer.slots.get_mut(present) else { return };
        if old.path == expected.path || old.rank < rank || old.live.heard >= expected.sent {
            return;
        }
        old.live.doubt();
        self.probe_slot(now, id, present, Probe::Echo, out);
    }

    /// Removes slots and forgets their paths when nobody else has them.
    pub(super) fn drop_slots(&mut self, id: PeerId, gone: impl Fn(&Slot) -> bool) -> usize {
        let peer = self.peers.get_mut(id);
        let present = peer.route_slot().map(|s| s.path);
        let mut paths = Vec::new();
        peer.slots.retain(|s| {
            let drop = gone(s);
            if drop {
                paths.push(s.path);
            }
            !drop
        });
        peer.route = present.and_then(|p| peer.slot(p));
        for path in &paths {
            let unused = self.paths.get_mut(path).is_some_and(|u| {
                u.users = u.users.saturating_sub(1);
                u.users == 0
            });
            if unused {
                self.paths.remove(path);
            }
        }
        paths.len()
    }

    /// Chooses again which path the peer's traffic takes, and tells when it changed.
    pub(super) fn refresh_route(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let peer = self.peers.get_mut(id);
        let before = peer.route_slot().map(|s| s.path);
        let route = path_choice::choose(peer, now.mono);
        peer.route = route;
        let after = peer.route_slot().map(|s| s.path);
        self.tell_route(now, id, before, after, out);
    }

    pub(super) fn tell_route(
        &mut self,
        now: Now,
        id: PeerId,
        before: Option<Path>,
        after: Option<Path>,
        out: &mut Transmits,
    ) {
        if before == after {
            return;
        }
        let peer = self.peers.get(id).identity.address;
        match (before, after) {
            (None, Some(_)) => self.event(Vl1Event::PeerUp(peer)),
            (Some(_), None) => self.event(Vl1Event::PeerDown(peer)),
            _ => {}
        }
        self.event(Vl1Event::PathChanged { peer, from: before, to: after });
        if after.is_some() {
            self.flush_unsent(now, peer, out);
        }
    }

    /// Traffic for a peer without a working direct path: probes behind, and the operator's hints (03 §3 step 2c).
    pub(super) fn no_direct_path(&mut self, now: Mono, id: PeerId) {
        let peer = self.peers.get_mut(id);
        peer.unheard_relayed.get_or_insert(now);
        let hints =
            !self.links.attempts(peer.identity.address).is_empty() && peer.last_memorised.is_open(now, MEMORISED);
        let due = peer.due;
        let hints = hints || !peer.slots.is_empty() || self.may_want_address(now, id);
        if due == Mono::FAR && hints {
            self.peers.arm(id, now);
        }
    }

    /// Once in 30 s one configured address of a peer without a direct path gets a HELLO.
    pub(super) fn try_memorised(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let peer = self.peers.get(id);
        let address = peer.identity.address;
        let attempts = self.links.attempts(address);
        if peer.route.is_some() || attempts.is_empty() || !peer.last_memorised.is_open(now.mono, MEMORISED) {
            return;
        }
        let pick = self.wire.random_below(attempts.len());
        let Some(remote) = self.links.attempts(address).get(pick).copied() else { return };
        self.peers.get_mut(id).last_memorised.note(now.mono);
        for path in self.links.paths_to(Endpoint::Ip(remote)) {
            self.send_hello(now, id, path, Purpose::Probe, out);
        }
    }

    /// Whether a path works to which `path` would lead: that very one or, for a wildcard, one by any link it stands for.
    pub(super) fn works(&self, id: PeerId, path: Path) -> bool {
        let mut slots = self.peers.get(id).slots.iter().filter(|s| !s.live.is_suspected());
        slots.any(|s| s.path == path || s.path.remote == path.remote && self.links.stands_for(path.link, s.path.link))
    }

    /// Whether we sent to where a path leads before anything was heard from there.
    pub(super) fn has_tried(&self, id: PeerId, path: Path) -> bool {
        self.peers.get(id).tried.iter().any(|(asked, spread)| self.links.reaches(*asked, *spread, path))
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
