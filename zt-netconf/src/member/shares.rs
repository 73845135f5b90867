//! A share of a table: bounded, and fair to those who use it.

use std::collections::{BTreeMap, BTreeSet};

use zt_wire::ident::Address;

/// Whose and what, in 23 bytes: member, network, group. A flood fills this table, so it is kept small.
pub(crate) type Holding = [u8; 23];

/// Whether one more entry fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// There is a free place.
    Free,
    /// When this entry, of whoever has the most, gives way.
    Instead(Holding),
    /// The member has its fill, or nobody has more than it would have.
    None,
}

/// Entries of many members in a bounded number of places.
#[derive(Debug)]
pub(crate) struct Share {
    places: usize,
    each: u32,
    holdings: BTreeSet<Holding>,
    counts: BTreeMap<Address, u32>,
    /// Members by number of entries: the last one gives way.
    weights: BTreeSet<(u32, Address)>,
}

impl Share {
    /// A share of so many places, of which one member gets at most `each`.
    pub(crate) const fn new(places: usize, each: u32) -> Self {
        Self { places, each, holdings: BTreeSet::new(), counts: BTreeMap::new(), weights: BTreeSet::new() }
    }

    /// Whether one more entry of a member fits: somebody with fewer entries displaces one with more, until all have
    /// as many.
    pub(crate) fn room(&self, member: Address) -> Room {
        let count = self.counts.get(&member).copied().unwrap_or(0);
        if count >= self.each {
            return Room::None;
        }
        if self.holdings.len() < self.places {
            return Room::Free;
        }
        match self.weights.last() {
            Some((most, heaviest)) if *most > count + 1 => self.last_of(*heaviest).map_or(Room::None, Room::Instead),
            _ => Room::None,
        }
    }

    fn last_of(&self, member: Address) -> Option<Holding> {
        let (mut first, mut last) = ([0; 23], [0xff; 23]);
        first[..5].copy_from_slice(&member.to_bytes());
        last[..5].copy_from_slice(&member.to_bytes());
        self.holdings.range(first..=last).next_back().copied()
    }

    /// Files an entry. There must be [`room`](Self::room).
    pub(crate) fn insert(&mut self, holding: Holding) {
        if self.holdings.insert(holding) {
            self.weigh(member_of(&holding), 1);
        }
    }

    /// Removes an entry; false when it is not here.
    pub(crate) fn remove(&mut self, holding: &Holding) -> bool {
        let found = self.holdings.remove(holding);
        if found {
            self.weigh(member_of(holding), -1);
        }
        found
    }

    fn weigh(&mut self, member: Address, by: i32) {
        let before = self.counts.get(&member).copied().unwrap_or(0);
        let after = before.saturating_add_signed(by);
        self.weights.remove(&(before, member));
        if after == 0 {
            self.counts.remove(&member);
        } else {
            self.counts.insert(member, after);
            self.weights.insert((after, member));
        }
    }

    pub(crate) fn contains(&self, holding: &Holding) -> bool {
        self.holdings.contains(holding)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.holdings.len()
    }
}

fn member_of(holding: &Holding) -> Address {
    Address::from_bytes(holding[..5].try_into().expect("five bytes"))
}
