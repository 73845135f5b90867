//! What follows from the level of desperation: who is asked, and by which links (08 §B.5).

use zt_wire::{Mono, Now};

use super::Vl1;
use crate::event::Vl1Event;
use crate::inbound::Ticket;
use crate::link::{Endpoint, Path};
use crate::links::desperation::Outlook;
use crate::peer::Peer;
use crate::peer_table::PeerId;
use crate::transmit::Transmits;

/// Roots asked by one probe of better levels: the best, and another one each time.
const ROOTS_PER_LOOK: usize = 2;
/// Other peers asked by one such probe; the rest follows in the next.
const PEERS_PER_LOOK: usize = 16;
/// Addresses of such a peer that are asked.
const REMOTES_PER_PEER: usize = 3;

impl Vl1 {
    /// The worst rank of links that first contact uses: 0, or above while nothing better works (08 §B.5). Links of a
    /// worse rank serve only the paths heard by them. Changes are told by
    /// [`Vl1Event::LevelChanged`](crate::Vl1Event::LevelChanged).
    pub const fn level(&self) -> i32 {
        self.links.level()
    }

    /// Tells that the level is another.
    pub(super) fn level_changed(&mut self, level: Option<i32>) {
        if let Some(level) = level {
            self.event(Vl1Event::LevelChanged(level));
        }
    }

    /// An answer proved the path by which it came.
    pub(super) fn note_answer(&mut self, now: Now, c: &Ticket, out: &mut Transmits) {
        let peer = self.peers.get(c.id);
        let counts = self.speaks_for_the_level(peer) && (self.roots.is_upstream(c.from) || peer.is_missed(now.mono));
        if counts && let Some(level) = self.links.answered(c.path.link) {
            self.event(Vl1Event::LevelChanged(level));
            self.come_back(now, out);
        }
    }

    /// What is due about the level.
    pub(super) fn tend_level(&mut self, now: Now, out: &mut Transmits) {
        if self.links.is_judged(now.mono) {
            let outlook = self.outlook(now.mono);
            if let Some(level) = self.links.judge(now.mono, outlook) {
                self.event(Vl1Event::LevelChanged(level));
                self.greet_by_level(now, out);
            }
        }
        if let Some(turn) = self.links.looks_up(now.mono) {
            self.look_up(now, turn, out);
        }
    }

    fn outlook(&self, now: Mono) -> Outlook {
        let level = self.level();
        let works = |p: &Peer| p.paths().reach(now, |rank| rank <= level);
        let mut roots = self.roots.addresses().peekable();
        if roots.peek().is_some() {
            let mut known = roots.filter_map(|a| self.peers.find(a));
            return if known.any(works) { Outlook::Works } else { Outlook::Silent };
        }
        let wanted = || self.peers.iter().filter(|p| p.activity().is_wanted(now));
        match wanted().next() {
            None => Outlook::Nobody,
            Some(_) if wanted().any(works) => Outlook::Works,
            Some(_) => Outlook::Silent,
        }
    }

    /// Nobody answered by better means: HELLO to all roots and active peers by the links of the new level.
    fn greet_by_level(&mut self, now: Now, out: &mut Transmits) {
        for link in self.links.of_the_level() {
            self.greet_roots_by(now, link, out);
            let missed = self.missed_peers(now.mono);
            self.greet_peers(now, missed, Some(link), out);
        }
    }

    /// A better level answers: whoever is reached only by worse ones hears of it.
    fn come_back(&mut self, now: Now, out: &mut Transmits) {
        for id in self.upstream_ids() {
            if !self.is_reached(now.mono, id) {
                self.try_root(now, id, out);
            }
        }
        let mut left = self.missed_peers(now.mono);
        left.retain(|id| !self.is_reached(now.mono, *id));
        self.greet_peers(now, left, None, out);
    }

    /// In every round: those that are reached only by a link worse than the level are tried by the better ones.
    pub(super) fn tend_worse(&mut self, now: Now, out: &mut Transmits) {
        if !self.links.may_rise() {
            return;
        }
        let mut left = self.missed_peers(now.mono);
        left.retain(|id| self.peers.get(*id).paths().route().is_some() && !self.is_reached(now.mono, *id));
        self.greet_peers(now, left, None, out);
    }

    /// Whether a path of the present level or a better one works.
    pub(super) fn is_reached(&self, now: Mono, id: PeerId) -> bool {
        self.peers.get(id).paths().reach(now, |rank| rank <= self.level())
    }

    /// Peers with traffic, lately or now, that are no roots.
    fn missed_peers(&self, now: Mono) -> Vec<PeerId> {
        let missed = |id: &PeerId| {
            let peer = self.peers.get(*id);
            peer.is_missed(now) && !self.roots.is_upstream(peer.address())
        };
        self.peers.ids().into_iter().filter(missed).collect()
    }

    /// Probes better levels: one HELLO per address, which the owner sends by every link up to the present level.
    fn look_up(&mut self, now: Now, turn: usize, out: &mut Transmits) {
        let mut roots = self.upstream_ids();
        roots.sort_by_key(|id| self.peers.get(*id).standing(now.mono));
        if let Some(others) = roots.get_mut(1..) {
            others.rotate_left(turn % others.len().max(1));
        }
        for id in roots.into_iter().take(ROOTS_PER_LOOK) {
            for remote in self.root_remotes(id, turn) {
                self.probe_up(now, id, remote, out);
            }
        }
        let level = self.level();
        let mut peers = self.missed_peers(now.mono);
        peers.retain(|id| !self.peers.get(*id).paths().reach(now.mono, |rank| rank < level));
        let start = turn.wrapping_mul(PEERS_PER_LOOK) % peers.len().max(1);
        peers.rotate_left(start);
        for id in peers.into_iter().take(PEERS_PER_LOOK) {
            for remote in self.peers.get(id).paths().known_remotes(REMOTES_PER_PEER) {
                if self.may_be_path(self.peers.get(id).address(), &remote) {
                    self.probe_up(now, id, remote, out);
                }
            }
        }
    }

    /// Of each family one address of a root, another one each time.
    fn root_remotes(&self, id: PeerId, turn: usize) -> Vec<Endpoint> {
        let peer = self.peers.get(id);
        let named = self.roots.upstream(peer.address()).map(|u| u.endpoints.as_slice()).unwrap_or_default();
        let all = if named.is_empty() { peer.paths().remembered() } else { named };
        let mut picked: Vec<Endpoint> = Vec::new();
        for family in all {
            if picked.iter().any(|p| p.same_family(family)) {
                continue;
            }
            let mut relatives = all.iter().filter(|e| e.same_family(family)).cycle();
            let count = all.iter().filter(|e| e.same_family(family)).count();
            picked.extend(relatives.nth(turn % count).copied());
        }
        picked
    }

    fn probe_up(&mut self, now: Now, id: PeerId, remote: Endpoint, out: &mut Transmits) {
        if let Some(link) = self.links.link_to_look_up(remote) {
            self.send_hello_spread(now, id, Path { link, remote }, out);
        }
    }

    /// A root fell silent: whether all have, is to be known before long.
    pub(super) fn ask_other_roots(&mut self, now: Now, silent: PeerId, since: Mono, out: &mut Transmits) {
        if !self.links.may_rise() {
            return;
        }
        for id in self.upstream_ids().into_iter().filter(|id| *id != silent) {
            let question = self.peers.get_mut(id).paths_mut().probe_route_since(now.mono, since);
            self.ask_all(now, id, question, out);
        }
    }
}
