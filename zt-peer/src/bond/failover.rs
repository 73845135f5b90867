//! Active-backup: which path is the active one (03 §15.5).

use std::time::Duration;

use zt_wire::{Gate, Mono};

use super::config::{BondTemplate, Reselect};
use super::flows::MemberId;
use super::member::Member;
use super::{Bond, Members};

/// `optimize` looks so often.
const OPTIMIZE: Duration = Duration::from_secs(15);
/// By how much better it must be, as a share of the active one's quality.
const CLEARLY: f32 = 0.1;
const PRIMARY: f32 = 1000.0;
const PREFERRED: f32 = 500.0;

/// A path of the same standing must carry so many times what the active one does, when that one is full, …
const WIDER: f32 = 1.25;
/// … and not less than this share of it when that one is much worse otherwise.
const AS_WIDE: f32 = 0.8;

/// The active path, and when a better one was looked for.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) member: Option<MemberId>,
    optimized: Gate,
}

impl Active {
    pub(super) const fn new() -> Self {
        Self { member: None, optimized: Gate::OPEN }
    }
}

/// How much a member is wanted as the active one.
pub(super) fn score(members: &Members, id: MemberId, template: &BondTemplate) -> f32 {
    let Some(member) = members.get(id) else { return f32::MIN };
    let preferred = is_preferred(members, member);
    if template.links.iter().all(|link| link.failover_to.is_none()) {
        let primary = member.link.primary && template.reselect != Reselect::Optimize;
        let place = if primary {
            PRIMARY
        } else if preferred {
            PREFERRED
        } else {
            0.0
        };
        return member.quality() + place;
    }
    let own = f32::from(u8::from(member.link.primary)) * PRIMARY + f32::from(u8::from(preferred)) * PREFERRED;
    // What takes over for another link inherits a little less than that one has.
    let heir = |link: &super::config::BondLink| link.failover_to.as_deref() == Some(&member.link.interface);
    let inherited = template.links.iter().filter(|link| heir(link)).map(|link| {
        let theirs = f32::from(u8::from(link.primary)) * PRIMARY + PREFERRED;
        theirs - 10.0 - if preferred { 0.0 } else { 1.0 }
    });
    inherited.fold(own, f32::max)
}

/// The only path of its link, or of the family that the link prefers.
fn is_preferred(members: &Members, member: &Member) -> bool {
    let alike = members.iter().filter(|m| m.leads && m.link.interface == member.link.interface).count();
    alike <= 1 || member.link.ip.prefers(member.is_ipv4())
}

impl Bond {
    /// Chooses the active path.
    pub(super) fn choose_active(&mut self, now: Mono) {
        let ranked = |id: &MemberId| score(&self.members, *id, &self.template);
        let rank = self.members.iter().filter(|m| m.leads && m.eligible).map(|m| m.rank).min();
        let fits = |m: &Member| m.leads && m.eligible && Some(m.rank) == rank;
        let candidates = || self.members.entries().filter(|(_, m)| fits(m)).map(|(id, _)| id);
        // The first of those that are alike.
        let best = candidates().reduce(|a, b| if ranked(&b) > ranked(&a) { b } else { a });
        let present = self.active.member.filter(|id| self.members.get(*id).is_some_and(fits));
        let Some((best, present)) = best.zip(present) else {
            self.active.member = best.or(self.active.member.filter(|id| self.members.get(*id).is_some()));
            return;
        };
        let member = |id: MemberId| self.members.get(id).expect("it is a candidate");
        let leaves = best != present
            && match self.template.reselect {
                Reselect::Always => member(best).link.primary && !member(present).link.primary,
                // What was left because it is worse is not gone back to for a while.
                Reselect::Better => ranked(&best) > ranked(&present) + CLEARLY && !member(best).is_avoided(),
                Reselect::Failure => false,
                Reselect::Optimize => {
                    let (new, old) = (ranked(&best), ranked(&present));
                    let clearly = new > old + CLEARLY * member(present).quality();
                    clearly && !member(best).is_avoided() && self.active.optimized.pass(now, OPTIMIZE)
                }
            };
        if leaves {
            self.active.member = Some(best);
        }
    }

    /// Once a second: the active path is left for one of the same standing that is better off: it costs much less, or the
    /// active one is full and the other carries more. What nobody has seen yet is tried, once in some minutes.
    ///
    /// Deliberate: the reference stays on a path that is ten times slower than another as long as it works.
    pub(super) fn reconsider(&mut self, now: Mono) {
        let present = self.active.member.and_then(|id| Some((id, self.members.get(id)?)));
        let Some((id, present)) = present.filter(|_| self.template.reselect != Reselect::Failure) else { return };
        let throughput = &present.meters.throughput;
        let full = throughput.is_full();
        // What leaves in one second, while others of our packets are lost, says less than what is known of the path.
        let known = throughput.carries(now).filter(|_| full).unwrap_or_default();
        let rate = throughput.rate().max(known);
        let alike = |m: &Member| {
            m.leads && m.alive && m.eligible && m.rank == present.rank && m.link.primary == present.link.primary
        };
        let gain = |m: &Member| {
            let cheaper = present.is_much_dearer_than(m);
            let needed = if cheaper { AS_WIDE } else { WIDER };
            let carries = m.meters.throughput.carries(now);
            (cheaper || full && !m.is_much_dearer_than(present)).then_some(())?;
            carries.is_none_or(|carries| carries > needed * rate).then(|| carries.unwrap_or(f32::MAX))
        };
        let others = self.members.entries().filter(|(other, m)| *other != id && alike(m));
        let better = others.filter_map(|(other, m)| Some((other, gain(m)?, m.cost())));
        // What is known to carry most, or was not tried; of those the one that costs least.
        let better = better.max_by(|a, b| a.1.total_cmp(&b.1).then(b.2.total_cmp(&a.2))).map(|(other, ..)| other);
        for (other, member) in self.members.0.iter_mut().enumerate().filter_map(|(n, m)| Some((n, m.as_deref_mut()?))) {
            let left = better.is_some() && other == usize::from(id);
            member.judge(now, left, !left);
        }
        if better.is_some() {
            self.active.member = better;
        }
    }

    /// The operator wants the next path of the queue. False: there is no other.
    pub(crate) fn rotate(&mut self) -> bool {
        let fits = |m: &Member| m.leads && m.eligible;
        let present = self.active.member;
        let mut queue: Vec<MemberId> =
            self.members.entries().filter(|(id, m)| fits(m) && Some(*id) != present).map(|(id, _)| id).collect();
        // The next one after the present, so that each has its turn.
        queue.sort_by_key(|id| (present.is_some_and(|p| *id < p), *id));
        let next = queue.first().copied().filter(|_| present.is_some());
        self.active.member = next.or(present);
        next.is_some()
    }

    /// Follows the peer to a path, if that may be used.
    pub(super) fn follow(&mut self, id: MemberId) -> bool {
        let fits = self.members.get(id).is_some_and(|m| m.leads && m.eligible) && self.active.member != Some(id);
        if fits {
            self.active.member = Some(id);
        }
        fits
    }
}
