//! With whom a peer was brought together lately (03 §10.1).

use zt_wire::{Address, Mono};

use crate::rate::UNITE;

/// Most introductions of one peer that are remembered.
const MAX_UNITED: usize = 256;

/// With whom a peer was brought together lately. Each peer has its own share: who sends to all the world uses up that
/// one, and nobody else's.
#[derive(Debug, Default)]
pub(crate) struct United {
    pairs: Vec<(Address, Mono)>,
    /// It has a new address since then: what was before does not count.
    moved: Mono,
}

impl United {
    /// The peer has a new address: introductions are worth repeating.
    pub(super) fn moved(&mut self, now: Mono) {
        self.pairs.clear();
        self.moved = now;
    }

    /// When it had a new address last.
    pub(crate) const fn moved_at(&self) -> Mono {
        self.moved
    }

    /// Whether they were brought together less than 30 s ago, after the other one moved.
    pub(crate) fn is_fresh(&self, now: Mono, other: Address, moved: Mono) -> bool {
        self.pairs.iter().any(|(a, t)| *a == other && *t > moved && now.saturating_since(*t) < UNITE)
    }

    /// Notes that they are brought together now; false when the share is used up.
    pub(crate) fn note(&mut self, now: Mono, other: Address) -> bool {
        self.pairs.retain(|(a, t)| *a != other && now.saturating_since(*t) < UNITE);
        let room = self.pairs.len() < MAX_UNITED;
        if room {
            self.pairs.push((other, now));
        }
        room
    }
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
        assert!(!united.is_fresh(t + UNITE, other, Mono::ZERO) && united.note(t + UNITE, other));
        assert_eq!(united.pairs.len(), 1);
        united.moved(t + UNITE);
        assert!(!united.is_fresh(t + UNITE, other, Mono::ZERO));
    }
}
