//! When a peer was heard, when it was sent to, and since when it is trusted (03 §1).

use std::time::Duration;

use zt_wire::{Mono, When};

use crate::rate::{PEER_ACTIVITY, TRUST};

/// Traffic that is not older is traffic of now.
const NOWADAYS: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(crate) struct Activity {
    created: Mono,
    received: When,
    nontrivial: When,
    traffic_out: When,
    trusted: When,
}

impl Activity {
    pub(super) const fn new(now: Mono) -> Self {
        let never = When::NEVER;
        Self { created: now, received: never, nontrivial: never, traffic_out: never, trusted: never }
    }

    /// Something valid came from it, over others or not; `nontrivial`: more than keep-alive.
    pub(super) const fn heard(&mut self, now: Mono, nontrivial: bool) {
        self.received = When::at(now);
        if nontrivial {
            self.nontrivial = When::at(now);
        }
    }

    /// Traffic goes to it.
    pub(super) const fn sends(&mut self, now: Mono) {
        self.traffic_out = When::at(now);
    }

    /// It proved a relation to us.
    pub(super) const fn trust(&mut self, now: Mono) {
        self.trusted = When::at(now);
    }

    /// Nobody listened for `time`: it does not count.
    pub(super) fn resume(&mut self, time: Duration) {
        self.created = self.created + time;
        for at in [&mut self.received, &mut self.nontrivial, &mut self.traffic_out, &mut self.trusted] {
            *at = at.get().map(|at| at + time).into();
        }
    }

    pub(crate) const fn last_heard(&self) -> Option<Mono> {
        self.received.get()
    }

    pub(crate) fn heard_within(&self, now: Mono, time: Duration) -> bool {
        is_within(now, self.received, time)
    }

    pub(crate) fn is_trusted(&self, now: Mono) -> bool {
        is_within(now, self.trusted, TRUST)
    }

    /// Whether it ever was trusted.
    pub(crate) const fn was_trusted(&self) -> bool {
        self.trusted.has_come()
    }

    pub(crate) fn is_active(&self, now: Mono) -> bool {
        is_within(now, self.nontrivial, PEER_ACTIVITY)
    }

    /// Whether there is traffic with this peer right now.
    pub(crate) fn is_wanted(&self, now: Mono) -> bool {
        is_within(now, self.traffic_out, NOWADAYS) || is_within(now, self.nontrivial, NOWADAYS)
    }

    /// Whether it may be forgotten (03 §6.4).
    pub(crate) fn is_silent(&self, now: Mono) -> bool {
        !self.heard_within(now, PEER_ACTIVITY) && now.saturating_since(self.created) >= PEER_ACTIVITY
    }
}

fn is_within(now: Mono, at: When, time: Duration) -> bool {
    at.since(now).is_some_and(|passed| passed < time)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Mono = Mono(60_000_000);

    #[test]
    fn keep_alive_keeps_a_peer_in_memory_and_does_not_make_it_active() {
        let mut a = Activity::new(T);
        assert!(!a.is_silent(T) && a.is_silent(T + PEER_ACTIVITY));
        a.heard(T + NOWADAYS, false);
        assert!(!a.is_silent(T + PEER_ACTIVITY) && !a.is_active(T + NOWADAYS) && !a.is_wanted(T + NOWADAYS));
        a.heard(T + NOWADAYS, true);
        assert!(a.is_active(T + NOWADAYS) && a.is_wanted(T + NOWADAYS));
        assert!(a.is_active(T + NOWADAYS * 2) && !a.is_wanted(T + NOWADAYS * 2));
        assert!(!a.is_active(T + NOWADAYS + PEER_ACTIVITY) && a.is_silent(T + NOWADAYS + PEER_ACTIVITY));
    }

    #[test]
    fn who_is_sent_to_is_wanted_whether_it_answers_or_not() {
        let mut a = Activity::new(T);
        a.sends(T);
        assert!(a.is_wanted(T) && !a.is_active(T) && !a.is_wanted(T + NOWADAYS));
    }

    #[test]
    fn time_in_which_nobody_listened_does_not_count() {
        let (mut a, hour) = (Activity::new(T), PEER_ACTIVITY * 8);
        a.heard(T, true);
        a.resume(hour);
        assert!(a.is_wanted(T + hour) && a.is_active(T + hour) && !a.is_silent(T + hour));
        assert!(!a.is_trusted(T + hour), "what never came does not come by that");
        assert!(a.is_silent(T + hour + PEER_ACTIVITY));
    }

    #[test]
    fn trust_ends() {
        let mut a = Activity::new(T);
        assert!(!a.is_trusted(T));
        a.trust(T);
        assert!(a.is_trusted(T + TRUST / 2) && !a.is_trusted(T + TRUST) && a.was_trusted());
    }
}
