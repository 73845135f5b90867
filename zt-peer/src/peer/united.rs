//! With whom a peer was brought together lately (03 §10.1).

use zt_wire::{Address, Mono, When};

use crate::rate::UNITE;

/// Most introductions of one peer that are remembered.
const MAX_UNITED: usize = 256;

/// With whom a peer was brought together lately. Each peer has its own share: who sends to all the world uses up that
/// one, and nobody else's.
#[derive(Debug, Default)]
pub(crate) struct United {
    /// It has a new address since then: what was before does not count.
    moved: Mono,
    /// The last pair that it is one of, in whose share that may be: found at once, for there is one question for each packet
    /// that is handed on.
    last: (Address, When),
    /// Its share is used up until then.
    used_up: When,
    /// Its share.
    pairs: Vec<(Address, Mono)>,
}

impl United {
    /// The peer has a new address: introductions are worth repeating.
    pub(super) fn moved(&mut self, now: Mono) {
        self.pairs.clear();
        (self.last.1, self.used_up) = (When::NEVER, When::NEVER);
        self.moved = now;
    }

    /// When it had a new address last.
    pub(crate) const fn moved_at(&self) -> Mono {
        self.moved
    }

    /// The last pair that it is one of, and when that was.
    pub(crate) fn last(&self) -> Option<(Address, Mono)> {
        let (other, at) = self.last;
        Some((other, at.get()?))
    }

    /// Whether they were brought together less than 30 s ago, after the other one moved, as far as is known at once.
    pub(crate) fn was_last(&self, now: Mono, other: Address, moved: Mono) -> bool {
        let (last, at) = self.last;
        last == other && at.get().is_some_and(|at| is_fresh(now, at, moved))
    }

    /// The same, looked for in its share.
    pub(crate) fn is_fresh(&self, now: Mono, other: Address, moved: Mono) -> bool {
        self.pairs.iter().any(|(a, t)| *a == other && is_fresh(now, *t, moved))
    }

    /// Whether its share is used up: it is brought together with nobody.
    pub(crate) fn is_used_up(&self, now: Mono) -> bool {
        self.used_up.get().is_some_and(|until| now < until)
    }

    /// Notes that they are brought together now; false when the share is used up.
    pub(crate) fn note(&mut self, now: Mono, other: Address) -> bool {
        self.pairs.retain(|(a, t)| *a != other && now.saturating_since(*t) < UNITE);
        let room = self.pairs.len() < MAX_UNITED;
        if room {
            if self.pairs.is_empty() {
                self.pairs.reserve_exact(1);
            }
            self.pairs.push((other, now));
            self.is_last(now, other);
        } else {
            let first = self.pairs.iter().map(|(_, at)| *at).min();
            self.used_up = first.map(|at| at + UNITE).into();
        }
        room
    }

    /// They are brought together now, at the cost of the other's share.
    pub(crate) const fn is_last(&mut self, now: Mono, other: Address) {
        self.last = (other, When::at(now));
    }
}

fn is_fresh(now: Mono, at: Mono, moved: Mono) -> bool {
    at > moved && now.saturating_since(at) < UNITE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_brought_together_once_in_thirty_seconds_and_a_peer_has_a_share() {
        let (t, mut united, other) = (Mono(60_000_000), United::default(), Address::new(1));
        assert!(!united.is_fresh(t, other, Mono::ZERO) && united.note(t, other));
        assert!(united.is_fresh(t, other, Mono::ZERO));
        assert!(!united.is_fresh(t, other, t), "the other one has moved");
        let noted = (2..10_000).filter(|n| united.note(t, Address::new(*n))).count();
        assert_eq!(noted, MAX_UNITED - 1);
        assert!(united.is_used_up(t) && !united.is_used_up(t + UNITE));
        assert!(!united.is_fresh(t + UNITE, other, Mono::ZERO) && united.note(t + UNITE, other));
        assert_eq!(united.pairs.len(), 1);
        assert!(united.was_last(t + UNITE, other, Mono::ZERO) && !united.was_last(t + UNITE, other, t + UNITE));
        united.moved(t + UNITE);
        assert!(!united.was_last(t + UNITE, other, Mono::ZERO));
        assert!(!united.is_fresh(t + UNITE, other, Mono::ZERO));
    }
}
