//! Both ends of an active-backup bond agree on one path (03 §15.8).

use std::time::Duration;

use zt_wire::{Gate, Mono, Pace};

use super::Bond;
use super::config::{BondPolicy, Reselect};
use super::failover::score;
use super::flows::MemberId;

/// The paths that are used most are compared so often.
const EVERY: Duration = Duration::from_secs(15);
/// Requests: one in this time, three at once.
const REQUEST: Duration = Duration::from_secs(20);
const REQUESTS: u32 = 3;
/// A peer that does not follow is followed after this.
const GIVE_IN: Duration = Duration::from_secs(30);
/// What a path that was agreed upon loses, so that nobody asks again at once.
const AGREED: f32 = 5000.0;

/// Where it stands.
#[derive(Debug)]
pub(super) struct Negotiation {
    compared: Gate,
    pace: Pace,
    /// Requests that had no effect, since the first of them.
    asked: Option<(Mono, u32)>,
    /// The path that the peer was followed to.
    agreed: Option<MemberId>,
}

impl Negotiation {
    pub(super) const fn new() -> Self {
        Self { compared: Gate::OPEN, pace: Pace::RESTED, asked: None, agreed: None }
    }
}

impl Bond {
    /// The paths that are used most now: inbound, outbound.
    fn most_used(&self) -> Option<(MemberId, MemberId)> {
        let by = |count: fn(&super::member::Member) -> u32| {
            let used = self.members.entries().filter(|(_, m)| count(m) > 0);
            used.max_by_key(|(_, m)| count(m)).map(|(id, _)| id)
        };
        by(|m| m.meters.came).zip(by(|m| m.meters.left))
    }

    /// How much better our path is than the peer's.
    fn utility(&self, inbound: MemberId, outbound: MemberId) -> i16 {
        let own = |id| score(&self.members, id, &self.template) * 100.0;
        let agreed = if self.negotiation.agreed == Some(outbound) { AGREED } else { 0.0 };
        (own(outbound) - own(inbound) - agreed).clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16
    }

    fn negotiates(&self) -> bool {
        self.template.policy == BondPolicy::ActiveBackup && self.template.reselect == Reselect::Optimize
    }

    /// Whether the peer is to be asked to use our path: by which member, and how much better that is.
    pub(super) fn negotiate(&mut self, now: Mono) -> Option<(MemberId, i16)> {
        if !self.template.negotiates || !self.negotiates() || !self.negotiation.compared.pass(now, EVERY) {
            return None;
        }
        let used = self.most_used();
        for member in self.members.iter_mut() {
            (member.meters.came, member.meters.left) = (0, 0);
        }
        let (inbound, outbound) = used.filter(|(inbound, outbound)| inbound != outbound)?;
        let utility = self.utility(inbound, outbound);
        let (since, times) = self.negotiation.asked.unwrap_or((now, 0));
        if times >= REQUESTS && now.saturating_since(since) >= GIVE_IN && utility <= 0 {
            self.negotiation.asked = None;
            self.agree(inbound);
            return None;
        }
        if utility < 0 || !self.negotiation.pace.pass(now, REQUEST, REQUESTS) {
            return None;
        }
        self.negotiation.asked = Some((since, times + 1));
        Some((outbound, utility))
    }

    /// The peer asks to use the path that its request came by; `greater`: its address is greater than ours.
    pub(super) fn asked(&mut self, member: MemberId, utility: i16, greater: bool) {
        if !self.negotiates() {
            return;
        }
        let own = self.active.member.map_or(0, |active| self.utility(member, active));
        if utility > own || utility == own && greater {
            self.agree(member);
        }
    }

    fn agree(&mut self, member: MemberId) {
        if self.follow(member) {
            self.negotiation.agreed = Some(member);
        }
    }
}
