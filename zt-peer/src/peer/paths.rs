//! The direct paths of one peer, and which of them its traffic takes.
//!
//! Nothing is sent here. What is to be asked is returned as [`PathProbe`]s, noted as asked already; that traffic takes another
//! way now as a [`RouteChange`].

mod adopt;
mod choice;
mod keep_alive;
mod liveness;
mod size;
mod suspect;

use std::net::SocketAddr;
use std::time::Duration;

use zt_wire::{Gate, Mono, When};

use crate::bond::Fact;
use crate::link::{Endpoint, LinkId, Path, Room};
use crate::rate::{PATH_EXPIRY, SIBLING_FRESH};
use crate::wire::expect::Spread;

use liveness::Liveness;
use size::Size;

pub(crate) use adopt::{Adopted, Proof};
pub(crate) use liveness::Probe;
pub(crate) use suspect::Task;

/// Most direct paths kept per peer.
const MAX_SLOTS: usize = 16;
/// Most ports of one host that are kept as paths of a peer.
const MAX_SIBLINGS: usize = 4;
/// Most addresses remembered for a peer that lost its paths.
const MAX_REMEMBERED: usize = 8;
/// Most addresses tried that are remembered per peer.
const MAX_TRIED: usize = 16;
/// An address heard from is tried when the present one comes in doubt within this time.
const CANDIDATE: Duration = Duration::from_secs(30);

/// The direct paths of one peer.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    /// Oldest first.
    slots: Vec<Slot>,
    /// Index of the slot that traffic takes; `None` = over a root.
    route: Option<usize>,
    /// Its primary port, as it told: it outlives a restart, others are drawn anew.
    primary_port: Option<u16>,
    /// Addresses it had: tried again when there is no path.
    remembered: Vec<Endpoint>,
    /// What few peers have, and none of those that a root only relays for.
    rare: Option<Box<Rare>>,
}

#[derive(Debug, Default)]
struct Rare {
    /// Where we sent to before we heard anything from there.
    tried: Vec<(Path, Spread)>,
    /// An address it was heard from while another port of the same host was fresh: tried when that one is in doubt.
    candidate: Option<(Path, Mono)>,
    /// The path that traffic takes as long as it can be used, whatever else is better (active-backup, 03 §15.4).
    pinned: Option<Path>,
}

/// One direct path.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    path: Path,
    rank: i32,
    live: Liveness,
    last_sent: Gate,
    heard_first: bool,
    last_probe: When,
    size: Size,
    trusted: Option<u64>,
    lasting: bool,
}

/// Traffic takes another way; `None` = over a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct RouteChange {
    pub(crate) from: Option<Path>,
    pub(crate) to: Option<Path>,
}

/// A probe that is to leave by a path of the peer. It counts as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct PathProbe {
    pub(crate) path: Path,
    pub(crate) kind: Probe,
    /// When the peer is to be looked at, if no answer came.
    pub(crate) overdue: Mono,
}

/// By which path a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) path: Path,
    /// Largest datagram of the path itself.
    pub(crate) mtu: u16,
    /// Largest datagram that a relay at its end hands on.
    pub(crate) relayed_mtu: u16,
    /// Trusted path ID to mark packets with.
    pub(crate) trusted: Option<u64>,
    /// When the peer is to be looked at because of this packet.
    pub(crate) look_at: Option<Mono>,
}

/// Paths that are none any more.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct Dropped {
    pub(crate) paths: Vec<Path>,
    pub(crate) route: Option<RouteChange>,
}

impl Slot {
    pub(crate) const fn path(&self) -> Path {
        self.path
    }

    /// Rank of its link.
    pub(crate) const fn rank(&self) -> i32 {
        self.rank
    }

    /// Last packet of ours by it.
    pub(crate) const fn last_sent(&self) -> Option<Mono> {
        self.last_sent.last()
    }

    /// Last valid packet of the peer by it.
    pub(crate) const fn last_heard(&self) -> Mono {
        self.live.last_heard()
    }

    /// Last HELLO or ECHO of ours there.
    pub(crate) const fn last_probe(&self) -> Option<Mono> {
        self.last_probe.get()
    }

    /// The peer was heard there before we sent anything there.
    pub(crate) const fn heard_first(&self) -> bool {
        self.heard_first
    }

    /// Largest datagram that packets are cut for.
    pub(crate) const fn mtu(&self) -> u16 {
        self.size.used()
    }

    /// Trusted path ID to mark packets with.
    pub(crate) const fn trusted(&self) -> Option<u64> {
        self.trusted
    }

    /// Measured round trip.
    pub(crate) const fn latency(&self) -> Option<Duration> {
        self.live.latency()
    }

    /// What a bond wants to know of it.
    fn fact(&self, now: Mono) -> Fact {
        Fact {
            path: self.path,
            rank: self.rank,
            heard: self.live.last_heard(),
            usable: self.is_usable(now),
            unanswered: self.live.unanswered(now),
            round_trip: self.live.round_trip(),
            loss: self.live.lost_lately(),
        }
    }

    pub(crate) const fn is_suspected(&self) -> bool {
        self.live.is_suspected()
    }

    pub(crate) fn is_expired(&self, now: Mono) -> bool {
        now.saturating_since(self.live.last_heard()) >= PATH_EXPIRY
    }

    /// Neither expired nor suspected.
    pub(crate) fn is_usable(&self, now: Mono) -> bool {
        !self.is_expired(now) && !self.is_suspected()
    }

    /// Another port of the same host, by the same link.
    fn is_sibling_of(&self, path: Path) -> bool {
        self.path.link == path.link && self.path.remote.same_host(&path.remote)
    }

    /// Notes a probe, of which the answer is waited for.
    fn ask(&mut self, now: Mono, kind: Probe) -> PathProbe {
        self.live.sent_probe(now);
        self.note_probe(now, kind);
        PathProbe { path: self.path, kind, overdue: now + self.live.timeout() }
    }

    /// Notes a HELLO or ECHO of ours there.
    fn note_probe(&mut self, now: Mono, kind: Probe) {
        self.last_sent.note(now);
        self.last_probe = When::at(now);
        if kind == Probe::Echo {
            self.size.echoed(now);
        }
    }

    /// The way of a packet of `len` bytes, which is noted.
    fn way(&mut self, now: Mono, traffic: bool, len: usize) -> Way {
        let (proof, size) = (self.sent(now, traffic), self.size.sent(now, len));
        let look_at = proof.into_iter().chain(size).min();
        let (mtu, relayed_mtu) = (self.size.used(), self.size.relayed());
        Way { path: self.path, mtu, relayed_mtu, trusted: self.trusted, look_at }
    }

    /// Notes a packet of ours; for traffic, returns when the path is to be looked at.
    fn sent(&mut self, now: Mono, traffic: bool) -> Option<Mono> {
        self.last_sent.note(now);
        traffic.then(|| self.live.traffic_out(now))
    }
}

impl Paths {
    /// All of them, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot> + Clone + '_ {
        self.slots.iter()
    }

    /// All of them, the one in use first, then the better ones.
    pub(crate) fn best_first(&self, now: Mono) -> Vec<(&Slot, bool)> {
        let mut all: Vec<(&Slot, bool)> =
            self.slots.iter().enumerate().map(|(i, s)| (s, Some(i) == self.route)).collect();
        all.sort_by_key(|(s, used)| (!used, s.rank, choice::quality(s, now)));
        all
    }

    /// The only path there is, if it is in use.
    pub(crate) fn only(&self) -> Option<Path> {
        if self.slots.len() == 1 { self.route_path() } else { None }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn contains(&self, path: Path) -> bool {
        self.index(path).is_some()
    }

    /// The path that traffic takes.
    pub(crate) fn route(&self) -> Option<&Slot> {
        self.slots.get(self.route?)
    }

    /// Whether one is in use, or has not expired.
    pub(crate) fn are_reachable(&self, now: Mono) -> bool {
        self.route.is_some() || self.slots.iter().any(|s| !s.is_expired(now))
    }

    /// Whether there is nothing to choose and nothing to drop: no path, or a single one that works and is in use.
    pub(crate) fn are_settled(&self, now: Mono) -> bool {
        match self.slots.as_slice() {
            [] => true,
            [only] => self.route.is_some() && only.is_usable(now),
            _ => false,
        }
    }

    /// Whether one by a link of such a rank is neither expired nor suspected.
    pub(crate) fn reach(&self, now: Mono, rank: impl Fn(i32) -> bool) -> bool {
        self.slots.iter().any(|s| s.is_usable(now) && rank(s.rank))
    }

    /// Whether some path leads to this host, by whatever port.
    pub(crate) fn lead_to(&self, remote: &Endpoint) -> bool {
        self.slots.iter().any(|s| s.path.remote.same_host(remote))
    }

    /// The best path among some, suspected and expired ones too.
    pub(crate) fn best_among(&self, now: Mono, fits: impl Fn(&Path) -> bool) -> Option<Path> {
        let fitting = self.slots.iter().filter(|s| fits(&s.path));
        fitting.min_by_key(|s| (s.is_suspected(), choice::quality(s, now))).map(|s| s.path)
    }

    /// Addresses where the peer is or was, the present ones first.
    pub(crate) fn known_remotes(&self, most: usize) -> Vec<Endpoint> {
        let present = self.slots.iter().filter(|s| s.lasting).map(|s| s.path.remote);
        let mut seen: Vec<Endpoint> = Vec::new();
        for remote in present.chain(self.remembered.iter().rev().copied()) {
            if !seen.contains(&remote) && seen.len() < most {
                seen.push(remote);
            }
        }
        seen
    }

    /// Addresses it had.
    pub(crate) fn remembered(&self) -> &[Endpoint] {
        &self.remembered
    }

    /// Whether a port of the same host was heard just now, which makes a new one uninteresting (03 §7.1 step 3b).
    pub(crate) fn has_fresh_sibling(&self, now: Mono, path: Path) -> bool {
        let fresh = |s: &Slot| now.saturating_since(s.live.last_heard()) < SIBLING_FRESH;
        self.slots.iter().any(|s| s.is_sibling_of(path) && !s.is_suspected() && fresh(s))
    }

    /// Whether we sent to some address before anything was heard from there; `reaches`: it may be answered from there.
    pub(crate) fn has_tried(&self, reaches: impl Fn(Path, Spread) -> bool) -> bool {
        self.rare.iter().flat_map(|rare| &rare.tried).any(|(asked, spread)| reaches(*asked, *spread))
    }

    /// Keeps an address for later.
    pub(crate) fn remember(&mut self, remote: Endpoint) {
        if !self.remembered.contains(&remote) {
            if self.remembered.len() == MAX_REMEMBERED {
                self.remembered.remove(0);
            }
            // Most peers have one address.
            self.remembered.reserve_exact(1);
            self.remembered.push(remote);
        }
    }

    /// Notes that we send to an address where the peer was not heard.
    pub(crate) fn note_tried(&mut self, path: Path, spread: Spread) {
        if self.contains(path) {
            return;
        }
        let tried = &mut self.rare.get_or_insert_default().tried;
        if !tried.contains(&(path, spread)) {
            if tried.len() == MAX_TRIED {
                tried.remove(0);
            }
            tried.push((path, spread));
        }
    }

    /// Notes that the peer was heard at an address that is not worth a question yet.
    pub(crate) fn note_candidate(&mut self, now: Mono, path: Path) {
        self.rare.get_or_insert_default().candidate = Some((path, now));
    }

    pub(crate) const fn set_primary_port(&mut self, port: u16) {
        self.primary_port = Some(port);
    }

    /// Notes a packet of ours to an address, if that is a path. False: it is none.
    pub(crate) fn note_sent(&mut self, now: Mono, path: Path) -> bool {
        let slot = self.slot_mut(path);
        let known = slot.is_some();
        if let Some(slot) = slot {
            slot.last_sent.note(now);
        }
        known
    }

    /// The same for a HELLO or ECHO.
    pub(crate) fn note_probe(&mut self, now: Mono, path: Path, kind: Probe) -> bool {
        let slot = self.slot_mut(path);
        let known = slot.is_some();
        if let Some(slot) = slot {
            slot.note_probe(now, kind);
        }
        known
    }

    /// The path for a packet: the one in use, else the best of all, suspected and expired ones too. `traffic`: the path
    /// must then prove itself alive. `len`: of the packet.
    pub(crate) fn use_any(&mut self, now: Mono, traffic: bool, len: usize) -> Option<Way> {
        let slot = self.any(now)?;
        Some(self.slots.get_mut(slot)?.way(now, traffic, len))
    }

    /// That path, for a packet, if it is one.
    pub(crate) fn use_path(&mut self, now: Mono, path: Path, traffic: bool, len: usize) -> Option<Way> {
        Some(self.slot_mut(path)?.way(now, traffic, len))
    }

    /// The same for a packet that we forward: with a choice of paths we notice when one dies; without one there is
    /// nothing to decide. Besides: when the peer is to be looked at because of it.
    pub(crate) fn forward_by_any(&mut self, now: Mono) -> Option<(Path, Option<Mono>)> {
        let way = self.use_any(now, self.slots.len() > 1, 0)?;
        Some((way.path, way.look_at))
    }

    /// The path that [`Paths::use_any`] would take.
    pub(crate) fn any_path(&self, now: Mono) -> Option<Path> {
        self.slots.get(self.any(now)?).map(|s| s.path)
    }

    /// A probe of the path that [`Paths::use_any`] would take.
    pub(crate) fn probe_any(&mut self, now: Mono, kind: Probe) -> Option<PathProbe> {
        let slot = self.any(now)?;
        Some(self.slots.get_mut(slot)?.ask(now, kind))
    }

    /// A probe of that path for a bond, if it is one: one that the peer answers, which lets an ECHO pass in this time, and that
    /// takes the place of no probe of its size.
    pub(crate) fn heartbeat(&mut self, now: Mono, path: Path, echo_gate: Duration) -> Option<PathProbe> {
        let slot = self.slot_mut(path)?;
        let is_free = !slot.size.is_sought(now) && slot.size.gate_closed(now, echo_gate).is_none();
        Some(slot.ask(now, if is_free { Probe::Echo } else { Probe::Hello }))
    }

    /// Until when the peer, which lets an ECHO pass in this time, would not answer one by the path in use.
    pub(crate) fn gate_closed(&self, now: Mono, echo_gate: Duration) -> Option<Mono> {
        self.slots.get(self.route?)?.size.gate_closed(now, echo_gate)
    }

    /// An ECHO that is no probe leaves by the path in use: those that are come later.
    pub(crate) fn echoes(&mut self, now: Mono) {
        if let Some(slot) = self.route.and_then(|route| self.slots.get_mut(route)) {
            slot.size.echoed(now);
        }
    }

    /// What a bond wants to know of each path.
    pub(crate) fn facts(&self, now: Mono) -> Vec<Fact> {
        self.slots.iter().map(|s| s.fact(now)).collect()
    }

    /// Traffic takes this path from now on, as long as it can be used; `None`: the best one.
    pub(crate) fn pin(&mut self, now: Mono, path: Option<Path>) -> Option<RouteChange> {
        let changed = self.pinned() != path;
        if changed {
            self.rare.get_or_insert_default().pinned = path;
        }
        if changed { self.choose_route(now) } else { None }
    }

    /// Something valid came by a path of the peer; `None`: it is none. Inside: when to look at it.
    pub(crate) fn heard(&mut self, now: Mono, path: Path, traffic: bool) -> Option<Option<Mono>> {
        let slot = self.slot_mut(path)?;
        let (rank, look_at) = (slot.rank, slot.live.heard(now, traffic));
        // Rank decides first at both ends: whose traffic comes by a worse link may have lost the better one.
        let better = self.route.and_then(|i| self.slots.get_mut(i)).filter(|used| traffic && used.rank < rank);
        let left = better.is_some_and(|used| used.live.peer_left(now, false));
        Some(if left { Some(now) } else { look_at })
    }

    /// The answer to a probe sent at `sent` came by the path that was probed.
    pub(crate) fn answered(&mut self, now: Mono, path: Path, sent: Mono) -> Option<RouteChange> {
        if self.slot_mut(path)?.live.answered(sent, now) { self.choose_route(now) } else { None }
    }

    /// Chooses again which path traffic takes.
    pub(crate) fn choose_route(&mut self, now: Mono) -> Option<RouteChange> {
        let before = self.route_path();
        self.change_route(now, before)
    }

    /// Drops the paths that are `gone`, and chooses again.
    pub(crate) fn drop_where(&mut self, now: Mono, gone: impl Fn(&Slot) -> bool) -> Dropped {
        let before = self.route_path();
        let paths = self.remove(gone);
        Dropped { paths, route: self.change_route(now, before) }
    }

    /// A link is gone, and its paths with it; their addresses are remembered. `None`: there was none by it.
    pub(crate) fn drop_link(&mut self, now: Mono, link: LinkId) -> Option<Dropped> {
        let of_it = |s: &Slot| s.path.link == link;
        if !self.slots.iter().any(of_it) {
            return None;
        }
        let remotes: Vec<Endpoint> =
            self.slots.iter().filter(|s| of_it(s) && s.lasting).map(|s| s.path.remote).collect();
        for remote in remotes {
            self.remember(remote);
        }
        Some(self.drop_where(now, of_it))
    }

    /// A link has another rank: if there is a path by it, chooses again.
    pub(crate) fn set_rank(&mut self, now: Mono, link: LinkId, rank: i32) -> Option<RouteChange> {
        let mut changed = false;
        for slot in self.slots.iter_mut().filter(|s| s.path.link == link) {
            slot.rank = rank;
            changed = true;
        }
        if changed { self.choose_route(now) } else { None }
    }

    /// Takes over how large datagrams may be, by path.
    pub(crate) fn set_rooms(&mut self, room: impl Fn(Path) -> Room) {
        for slot in &mut self.slots {
            slot.size.set_room(room(slot.path));
        }
    }

    /// Largest datagram on a path of the peer, for packets that go to the peer or, `relayed`, beyond it.
    pub(crate) fn mtu(&self, path: Path, relayed: bool) -> Option<u16> {
        let slot = self.slots.iter().find(|s| s.path == path)?;
        Some(if relayed { slot.size.relayed() } else { slot.size.used() })
    }

    /// A probe of so many bytes, sent at `sent`, was answered on the path that it went by. When the peer is to be looked at.
    pub(crate) fn carried(&mut self, now: Mono, path: Path, size: u16, sent: Mono) -> Option<Mono> {
        let slot = self.slot_mut(path)?;
        slot.size.answered(now, size, sent).then_some(now)
    }

    pub(crate) fn set_trusted(&mut self, id: impl Fn(&Endpoint) -> Option<u64>) {
        for slot in &mut self.slots {
            slot.trusted = id(&slot.path.remote);
        }
    }

    /// Addresses to keep for the time after a restart: the present ones first.
    pub(crate) fn worth_keeping(&self) -> Vec<SocketAddr> {
        let lasting = self.slots.iter().filter(|s| s.lasting);
        let mut addresses: Vec<_> = lasting.filter_map(|s| s.path.remote.socket_addr()).collect();
        for remembered in self.remembered.iter().rev().filter_map(Endpoint::socket_addr) {
            if !addresses.contains(&remembered) {
                addresses.push(remembered);
            }
        }
        addresses.dedup();
        addresses.truncate(MAX_REMEMBERED);
        addresses
    }

    fn pinned(&self) -> Option<Path> {
        self.rare.as_ref()?.pinned
    }

    fn index(&self, path: Path) -> Option<usize> {
        self.slots.iter().position(|s| s.path == path)
    }

    fn slot_mut(&mut self, path: Path) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|s| s.path == path)
    }

    fn route_path(&self) -> Option<Path> {
        self.route().map(|s| s.path)
    }

    fn any(&self, now: Mono) -> Option<usize> {
        self.route.or_else(|| choice::last_resort(&self.slots, now))
    }

    fn change_route(&mut self, now: Mono, before: Option<Path>) -> Option<RouteChange> {
        let pinned = self.pinned().and_then(|p| self.slots.iter().position(|s| s.path == p && s.is_usable(now)));
        self.route = pinned.or_else(|| choice::choose(&self.slots, self.route, self.primary_port, now));
        let after = self.route_path();
        (before != after).then_some(RouteChange { from: before, to: after })
    }

    /// Removes slots; the one in use stays so, if it is there still.
    fn remove(&mut self, gone: impl Fn(&Slot) -> bool) -> Vec<Path> {
        let present = self.route_path();
        let mut paths = Vec::new();
        self.slots.retain(|s| {
            let drop = gone(s);
            if drop {
                paths.push(s.path);
            }
            !drop
        });
        self.route = present.and_then(|p| self.index(p));
        paths
    }
}
