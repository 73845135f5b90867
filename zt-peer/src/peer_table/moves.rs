//! When peers had a new address last, in a few kilobytes for all of them: caches hold it, which they do not of the peers.

use zt_wire::{Address, Mono};

use crate::address_index::home;

/// Peers that share a place, about.
const SHARE: usize = 32;

/// Of those that share a place it knows the latest move. So it never says that a peer stayed where it was when it did not.
pub(crate) struct Moves {
    /// As many as a power of two.
    latest: Vec<Mono>,
}

impl Default for Moves {
    fn default() -> Self {
        Self { latest: vec![Mono::ZERO] }
    }
}

impl Moves {
    /// A peer, of so many, has a new address.
    pub(crate) fn note(&mut self, address: Address, at: Mono, peers: usize) {
        if peers > self.latest.len() * SHARE {
            // Whose move it was is not known any more.
            let last = self.latest.iter().copied().max().unwrap_or(Mono::ZERO);
            self.latest = vec![last; self.latest.len() * 2];
        }
        let place = self.place(address);
        self.latest[place] = self.latest[place].max(at);
    }

    /// True: the peer has not moved since, whatever others did. False: perhaps it has.
    pub(crate) fn stayed_since(&self, address: Address, since: Mono) -> bool {
        since > self.latest[self.place(address)]
    }

    fn place(&self, address: Address) -> usize {
        home(address) & (self.latest.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_move_is_never_missed_and_most_that_stayed_are_known_to() {
        let (mut moves, mut map) = (Moves::default(), BTreeMap::new());
        assert!(moves.stayed_since(Address::new(1), Mono(1)) && !moves.stayed_since(Address::new(1), Mono::ZERO));
        let mut random = 1_u64;
        for step in 1..=20_000_u64 {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            let address = Address::new(random >> 52);
            moves.note(address, Mono(step), (step as usize).min(4_096));
            map.insert(address, Mono(step));
        }
        for (address, at) in &map {
            assert!(!moves.stayed_since(*address, *at), "it moved then");
        }
        assert!(map.keys().all(|address| moves.stayed_since(*address, Mono(20_001))));
        assert_eq!(moves.latest.len(), 4_096 / SHARE);
        moves.note(Address::new(1), Mono(30_000), 4_096);
        let stayed = map.keys().filter(|address| moves.stayed_since(**address, Mono(25_000))).count();
        assert!(stayed > map.len() - 2 * SHARE, "{stayed} of {}", map.len());
    }
}
