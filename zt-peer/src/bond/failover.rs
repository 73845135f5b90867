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
                Reselect::Better => ranked(&best) > ranked(&present) + CLEARLY,
                Reselect::Failure => false,
                Reselect::Optimize => {
                    let (new, old) = (ranked(&best), ranked(&present));
                    new > old + CLEARLY * member(present).quality() && self.active.optimized.pass(now, OPTIMIZE)
                }
            };
        if leaves {
            self.active.member = Some(best);
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
