//! How far down the ranks of links we are willing to go (08 §B.5, the seed's *desperation*).
//!
//! The level is the worst rank of links that first contact uses. It starts at 0. While questions asked at the present
//! level stay without an answer it rises, by one every five seconds, up to the highest rank among our links. Above 0,
//! better levels are probed all the time, and the first answer by one of them makes it the level. A node whose links
//! all have rank 0 or better has nowhere to go and pays nothing for this.

use std::time::Duration;

use zt_wire::{Mono, Now};

use crate::event::Vl1Event;
use crate::link::{Endpoint, Link, LinkId, LinkRole, Path};
use crate::liveness::Probe;
use crate::peer::{Peer, Slot};
use crate::peer_table::PeerId;
use crate::receive::Context;
use crate::transmit::Transmits;
use crate::vl1::Vl1;

/// The level rises when there was no answer for this long.
const PATIENCE: Duration = Duration::from_secs(5);
/// Above level 0, better levels are probed so often.
const LOOK_UP: Duration = Duration::from_millis(2500);
/// Peers that are heard while no root answers hold it up, but no longer than this.
const PATIENCE_AT_MOST: Duration = Duration::from_secs(8);
/// A path still counts as working although nothing was answered lately: looked at again after this.
const AGAIN: Duration = Duration::from_millis(250);
/// Roots asked by one probe of better levels: the best, and another one each time.
const ROOTS_PER_LOOK: usize = 2;
/// Other peers asked by one such probe; the rest follows in the next.
const PEERS_PER_LOOK: usize = 16;
/// Addresses of such a peer that are asked.
const REMOTES_PER_PEER: usize = 3;

/// What the present level gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// There is nobody to reach.
    Nobody,
    /// Somebody is reached.
    Works,
    /// Nobody is.
    Silent,
}

/// The level and what decides it.
#[derive(Debug, Default)]
pub(crate) struct Desperation {
    level: i32,
    /// Highest rank among our links.
    ceiling: i32,
    /// First question since the last answer.
    asked: Option<Mono>,
    /// Last packet by a link of this level or better.
    heard: Mono,
    /// Not judged before this.
    not_before: Mono,
    /// When better levels are probed next; only above level 0.
    look_up: Option<Mono>,
    /// Counts probes of better levels.
    turn: usize,
}

impl Desperation {
    /// The links are others. True when the level had to come down.
    pub(crate) fn set_ceiling(&mut self, ceiling: Option<i32>) -> bool {
        self.ceiling = ceiling.unwrap_or(0).max(0);
        self.lower_to(self.ceiling)
    }

    pub(crate) const fn may_rise(&self) -> bool {
        self.level < self.ceiling
    }

    /// Something was asked.
    pub(crate) fn asked(&mut self, now: Mono) {
        if self.ceiling > 0 {
            self.asked.get_or_insert(now);
        }
    }

    /// Something valid came by a link of this rank.
    pub(crate) fn heard(&mut self, now: Mono, rank: i32) {
        if rank <= self.level {
            self.heard = now;
        }
    }

    /// An answer came by a link of this rank. True when the level came down.
    pub(crate) fn answered(&mut self, rank: i32) -> bool {
        if rank > self.level {
            return false;
        }
        self.asked = None;
        self.lower_to(rank.max(0))
    }

    fn lower_to(&mut self, level: i32) -> bool {
        let lower = level < self.level;
        if lower {
            self.level = level;
        }
        if self.level == 0 {
            self.look_up = None;
        }
        lower
    }

    fn judge_at(&self) -> Option<Mono> {
        let asked = self.asked.filter(|_| self.may_rise())?;
        let heard = (self.heard + PATIENCE).min(asked + PATIENCE_AT_MOST);
        Some((asked + PATIENCE).max(heard).max(self.not_before))
    }

    /// Whether [`Desperation::judge`] wants to know how things are.
    pub(crate) fn is_judged(&self, now: Mono) -> bool {
        self.judge_at().is_some_and(|t| now >= t)
    }

    /// True when the level rose.
    pub(crate) fn judge(&mut self, now: Mono, outlook: Outlook) -> bool {
        match outlook {
            Outlook::Nobody => {
                self.asked = None;
                false
            }
            Outlook::Works => {
                self.not_before = now + AGAIN;
                false
            }
            Outlook::Silent => {
                self.level += 1;
                self.asked = Some(now);
                self.look_up = Some(now + LOOK_UP);
                true
            }
        }
    }

    /// Whether better levels are to be probed now; if so, the number of this probe.
    pub(crate) fn looks_up(&mut self, now: Mono) -> Option<usize> {
        self.look_up.filter(|t| now >= *t)?;
        self.look_up = Some(now + LOOK_UP);
        self.turn = self.turn.wrapping_add(1);
        Some(self.turn)
    }

    /// When to look again.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        [self.judge_at(), self.look_up].into_iter().flatten().min()
    }
}

impl Vl1 {
    /// The worst rank of links that first contact uses: 0, or above while nothing better works (08 §B.5). Links of a
    /// worse rank serve only the paths heard by them. Changes are told by
    /// [`Vl1Event::LevelChanged`](crate::Vl1Event::LevelChanged).
    pub const fn level(&self) -> i32 {
        self.desperation.level
    }

    /// Whether a link is used to reach somebody who was not heard by it.
    pub(crate) fn is_for_contact(&self, link: &Link) -> bool {
        link.role != LinkRole::AnswerOnly && link.rank <= self.level()
    }

    /// The links are others.
    pub(crate) fn links_changed(&mut self) {
        if self.desperation.set_ceiling(self.links.values().map(|l| l.rank).max()) {
            self.event(Vl1Event::LevelChanged(self.level()));
        }
    }

    /// Whether an answer of this peer says how we are connected: a root's, and that of anybody when there is no root.
    fn speaks_for_the_level(&self, peer: &Peer) -> bool {
        self.roots.is_upstream(peer.identity.address) || self.roots.addresses().next().is_none()
    }

    /// A question to a peer leaves.
    pub(crate) fn note_asked(&mut self, now: Mono, id: PeerId) {
        if self.desperation.may_rise() && self.speaks_for_the_level(self.peers.get(id)) {
            self.desperation.asked(now);
        }
    }

    /// Somebody was heard directly.
    pub(crate) fn note_heard(&mut self, now: Mono, path: Path) {
        if self.desperation.may_rise()
            && let Some(link) = self.links.get(&path.link)
        {
            self.desperation.heard(now, link.rank);
        }
    }

    /// An answer proved the path by which it came.
    pub(crate) fn note_answer(&mut self, now: Now, c: &Context, out: &mut Transmits) {
        let Some(rank) = self.links.get(&c.path.link).map(|l| l.rank) else { return };
        let peer = self.peers.get(c.id);
        let counts = self.speaks_for_the_level(peer) && (self.roots.is_upstream(c.from) || is_missed(peer, now.mono));
        if counts && self.desperation.answered(rank) {
            self.event(Vl1Event::LevelChanged(self.level()));
            self.come_back(now, out);
        }
    }

    /// What is due about the level.
    pub(crate) fn tend_level(&mut self, now: Now, out: &mut Transmits) {
        if self.desperation.is_judged(now.mono) {
            let outlook = self.outlook(now.mono);
            if self.desperation.judge(now.mono, outlook) {
                self.event(Vl1Event::LevelChanged(self.level()));
                self.greet_by_level(now, out);
            }
        }
        if let Some(turn) = self.desperation.looks_up(now.mono) {
            self.look_up(now, turn, out);
        }
    }

    fn outlook(&self, now: Mono) -> Outlook {
        let level = self.level();
        let works = |p: &Peer| p.slots.iter().any(|s| is_usable(s, now) && s.rank <= level);
        let mut roots = self.roots.addresses().peekable();
        if roots.peek().is_some() {
            let mut known = roots.filter_map(|a| self.peers.find(a));
            return if known.any(works) { Outlook::Works } else { Outlook::Silent };
        }
        let wanted = || self.peers.iter().filter(|p| p.is_wanted(now));
        match wanted().next() {
            None => Outlook::Nobody,
            Some(_) if wanted().any(works) => Outlook::Works,
            Some(_) => Outlook::Silent,
        }
    }

    /// Nobody answered by better means: HELLO to all roots and active peers by the links of the new level.
    fn greet_by_level(&mut self, now: Now, out: &mut Transmits) {
        let level = self.level();
        let fresh: Vec<Link> =
            self.links.values().filter(|l| l.rank == level && l.role != LinkRole::AnswerOnly).copied().collect();
        for link in fresh {
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
    pub(crate) fn tend_worse(&mut self, now: Now, out: &mut Transmits) {
        if !self.desperation.may_rise() {
            return;
        }
        let mut left = self.missed_peers(now.mono);
        left.retain(|id| self.peers.get(*id).route.is_some() && !self.is_reached(now.mono, *id));
        self.greet_peers(now, left, None, out);
    }

    /// Whether a path of the present level or a better one works.
    fn is_reached(&self, now: Mono, id: PeerId) -> bool {
        self.peers.get(id).slots.iter().any(|s| is_usable(s, now) && s.rank <= self.level())
    }

    /// Peers with traffic, lately or now, that are no roots.
    fn missed_peers(&self, now: Mono) -> Vec<PeerId> {
        let missed = |id: &PeerId| {
            let peer = self.peers.get(*id);
            is_missed(peer, now) && !self.roots.is_upstream(peer.identity.address)
        };
        self.peers.ids().into_iter().filter(missed).collect()
    }

    /// Probes better levels: one HELLO per address, which the owner sends by every link up to the present level.
    fn look_up(&mut self, now: Now, turn: usize, out: &mut Transmits) {
        let mut roots = self.upstream_ids();
        roots.sort_by_key(|id| self.upstream_rank(now.mono, *id));
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
        peers.retain(|id| !self.peers.get(*id).slots.iter().any(|s| is_usable(s, now.mono) && s.rank < level));
        let start = turn.wrapping_mul(PEERS_PER_LOOK) % peers.len().max(1);
        peers.rotate_left(start);
        for id in peers.into_iter().take(PEERS_PER_LOOK) {
            for remote in self.known_remotes(id, REMOTES_PER_PEER) {
                if self.may_be_path(self.peers.get(id).identity.address, &remote) {
                    self.probe_up(now, id, remote, out);
                }
            }
        }
    }

    /// Of each family one address of a root, another one each time.
    fn root_remotes(&self, id: PeerId, turn: usize) -> Vec<Endpoint> {
        let peer = self.peers.get(id);
        let named = self.roots.upstream(peer.identity.address).map(|u| u.endpoints.as_slice()).unwrap_or_default();
        let all = if named.is_empty() { peer.remembered.as_slice() } else { named };
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

    /// The link of the present level that probes of better ones are handed to; where that level has none of the
    /// family, the next better one.
    fn link_to_look_up(&self, remote: Endpoint) -> Option<LinkId> {
        let fits = |l: &&Link| self.is_for_contact(l) && l.local.same_family(&remote);
        self.links.values().filter(fits).max_by_key(|l| (l.rank, std::cmp::Reverse(l.id))).map(|l| l.id)
    }

    fn probe_up(&mut self, now: Now, id: PeerId, remote: Endpoint, out: &mut Transmits) {
        if let Some(link) = self.link_to_look_up(remote) {
            self.send_hello_spread(now, id, Path { link, remote }, out);
        }
    }

    /// A root fell silent: whether all have, is to be known before long.
    pub(crate) fn ask_other_roots(&mut self, now: Now, silent: PeerId, since: Mono, out: &mut Transmits) {
        if !self.desperation.may_rise() {
            return;
        }
        for id in self.upstream_ids().into_iter().filter(|id| *id != silent) {
            let peer = self.peers.get(id);
            let unproved = |s: &Slot| !s.live.is_proved_since(since) && !s.live.is_probed_since(since);
            if let Some(slot) = peer.route.filter(|r| peer.slots.get(*r).is_some_and(unproved)) {
                self.probe_slot(now, id, slot, Probe::Hello, out);
            }
        }
    }
}

fn is_usable(slot: &Slot, now: Mono) -> bool {
    !slot.is_expired(now) && !slot.live.is_suspected()
}

fn is_missed(peer: &Peer, now: Mono) -> bool {
    peer.is_active(now) || peer.is_wanted(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(ms: u64) -> Mono {
        Mono::from_millis(ms)
    }

    fn node(ceiling: i32) -> Desperation {
        let mut d = Desperation::default();
        assert!(!d.set_ceiling(Some(ceiling)));
        d
    }

    #[test]
    fn with_links_of_rank_0_and_better_nothing_ever_happens() {
        for ceiling in [Some(0), Some(-3), None] {
            let mut d = Desperation::default();
            d.set_ceiling(ceiling);
            d.asked(t(0));
            assert_eq!((d.deadline(), d.is_judged(t(100_000)), d.looks_up(t(100_000))), (None, false, None));
        }
    }

    #[test]
    fn it_rises_by_one_every_five_seconds_up_to_the_ceiling() {
        let mut d = node(2);
        assert_eq!(d.deadline(), None, "nothing was asked");
        d.asked(t(1_000));
        d.asked(t(3_000));
        assert_eq!(d.deadline(), Some(t(6_000)));
        assert!(!d.is_judged(t(5_999)) && d.is_judged(t(6_000)));
        assert!(d.judge(t(6_000), Outlook::Silent));
        assert_eq!((d.level, d.deadline()), (1, Some(t(8_500))));
        assert!(d.looks_up(t(8_500)).is_some() && d.looks_up(t(8_501)).is_none());
        assert_eq!(d.deadline(), Some(t(11_000)));
        assert!(d.is_judged(t(11_000)) && d.judge(t(11_000), Outlook::Silent));
        assert_eq!(d.level, 2);
        assert!(!d.is_judged(t(99_000)), "that is the ceiling");
        assert!(d.deadline().is_some(), "better levels are probed");
    }

    #[test]
    fn an_answer_ends_the_wait_and_one_by_a_better_rank_lowers_the_level() {
        let mut d = node(2);
        d.asked(t(0));
        assert!(!d.answered(0));
        assert_eq!(d.deadline(), None);
        d.asked(t(1_000));
        assert!(!d.answered(1), "came by a link that we did not ask by");
        assert!(d.judge(t(6_000), Outlook::Silent) && d.judge(t(11_000), Outlook::Silent));
        assert!(!d.answered(2) && d.level == 2);
        assert!(d.answered(1) && d.level == 1 && d.look_up.is_some());
        assert!(d.answered(-1) && d.level == 0, "the floor");
        assert_eq!(d.deadline(), None);
    }

    #[test]
    fn it_waits_for_what_is_heard_though_not_for_ever() {
        let mut d = node(1);
        d.asked(t(1_000));
        d.heard(t(2_500), 0);
        d.heard(t(9_000), 1);
        assert_eq!(d.deadline(), Some(t(7_500)));
        d.heard(t(7_000), 0);
        assert_eq!(d.deadline(), Some(t(9_000)));
    }

    #[test]
    fn it_does_not_rise_while_a_path_works_or_nobody_is_wanted() {
        let mut d = node(1);
        d.asked(t(0));
        assert!(!d.judge(t(5_000), Outlook::Works));
        assert_eq!(d.deadline(), Some(t(5_250)));
        assert!(!d.judge(t(5_250), Outlook::Nobody));
        assert_eq!((d.level, d.deadline()), (0, None));
    }

    #[test]
    fn it_comes_down_when_the_last_link_of_its_rank_goes() {
        let mut d = node(1);
        d.asked(t(0));
        assert!(d.judge(t(5_000), Outlook::Silent));
        assert!(d.set_ceiling(Some(0)) && d.level == 0);
        assert_eq!(d.deadline(), None);
    }
}
