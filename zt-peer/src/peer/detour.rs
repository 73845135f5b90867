//! A peer without a direct path: over which root it is heard, and what is tried meanwhile.

use std::time::Duration;

use zt_wire::{Address, Gate, Mono, When};

use crate::rate::MEMORISED;

/// Traffic over a root that nothing comes back for: the peer is asked over every root after this, and so often.
const RELAY_QUESTION: Duration = Duration::from_millis(1000);
/// Traffic over a root that nothing comes back for takes another root after this.
const RELAY_PATIENCE: Duration = Duration::from_millis(2000);
/// Addresses of a peer are asked for so often.
const ADDRESS_AGAIN: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Detour {
    /// Root through which its packets came last when they did not come directly.
    via: Option<Address>,
    /// First traffic sent over a root since anything was heard.
    unheard: When,
    asked_over_roots: Gate,
    tried_memorised: Gate,
    /// When the owner was asked for an address.
    wanted_address: Gate,
}

impl Detour {
    /// Of a peer that was always reached directly.
    pub(super) const NONE: Self = Self {
        via: None,
        unheard: When::NEVER,
        asked_over_roots: Gate::OPEN,
        tried_memorised: Gate::OPEN,
        wanted_address: Gate::OPEN,
    };

    /// The root through which its packets came last.
    pub(crate) const fn via(&self) -> Option<Address> {
        self.via
    }

    /// A packet of the peer came through this root, or the root named it.
    pub(crate) const fn came_via(&mut self, root: Address) {
        self.via = Some(root);
    }

    /// Traffic leaves for the peer without a direct path.
    pub(crate) fn sends(&mut self, now: Mono) {
        self.unheard.get_or_set(now);
    }

    /// Something came from the peer.
    pub(super) const fn heard(&mut self) {
        self.unheard = When::NEVER;
    }

    /// How often another root was to be taken, because nothing comes back: the peer may be connected to another one.
    pub(crate) fn turn(&self, now: Mono) -> usize {
        let waited = self.unheard.since(now).unwrap_or(Duration::ZERO);
        usize::try_from(waited.as_millis() / RELAY_PATIENCE.as_millis()).unwrap_or(usize::MAX)
    }

    /// Whether the peer is to be asked over each root now, because nothing comes back.
    pub(crate) fn asks_over_roots(&mut self, now: Mono) -> bool {
        let in_vain = self.unheard.since(now).is_some_and(|waited| waited >= RELAY_QUESTION);
        in_vain && self.asked_over_roots.pass(now, RELAY_QUESTION)
    }

    /// Whether a configured address may be tried (03 §3 step 2c).
    pub(crate) fn may_try_memorised(&self, now: Mono) -> bool {
        self.tried_memorised.is_open(now, MEMORISED)
    }

    pub(crate) const fn tries_memorised(&mut self, now: Mono) {
        self.tried_memorised.note(now);
    }

    /// Whether the owner may be asked for an address.
    pub(crate) fn may_want_address(&self, now: Mono) -> bool {
        self.wanted_address.is_open(now, ADDRESS_AGAIN)
    }

    pub(crate) const fn wants_address(&mut self, now: Mono) {
        self.wanted_address.note(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(ms: u64) -> Mono {
        Mono::from_millis(ms)
    }

    #[test]
    fn while_nothing_comes_back_the_roots_take_turns_and_carry_questions() {
        let mut d = Detour::default();
        assert!(d.turn(t(5_000)) == 0 && !d.asks_over_roots(t(5_000)), "nothing was sent");
        d.sends(t(5_000));
        d.sends(t(6_000));
        assert!(!d.asks_over_roots(t(5_999)) && d.asks_over_roots(t(6_000)));
        assert!(!d.asks_over_roots(t(6_999)) && d.asks_over_roots(t(7_000)));
        assert_eq!([6_999, 7_000, 8_999, 9_000].map(|ms| d.turn(t(ms))), [0, 1, 1, 2]);
        d.heard();
        assert!(d.turn(t(9_000)) == 0 && !d.asks_over_roots(t(9_000)));
    }

    #[test]
    fn hints_are_followed_now_and_then() {
        let mut d = Detour::default();
        assert!(d.may_try_memorised(t(1)) && d.may_want_address(t(1)));
        d.tries_memorised(t(1));
        d.wants_address(t(1));
        assert!(!d.may_try_memorised(t(2)) && !d.may_want_address(t(2)));
        assert!(d.may_want_address(t(10_001)) && !d.may_try_memorised(t(30_000)) && d.may_try_memorised(t(30_001)));
    }
}
