//! Addresses and the small number that each stands for, eight bytes each.
//!
//! A packet's sender is looked up among as many as there are peers, so that caches miss:
//! here one line of the cache answers, and all of them are few: a megabyte for 100,000 peers. What was noted lately is found
//! without that line. Strangers cannot choose where an address lies (each costs a memory-hard hash).

use zt_wire::Address;

/// Bits of a number.
const NUMBER_BITS: u32 = 24;
/// Largest number.
pub(crate) const MAX_NUMBER: u32 = (1 << NUMBER_BITS) - 2;
/// Places of a line.
const WIDTH: usize = 8;
/// Places that are kept at hand, of the addresses that were noted last.
const LATELY: usize = 256;

/// A place holds the address above, the number plus one below; 0 is free. Free ones are the last ones of a line.
///
/// An address lies in its home, or in the first line behind that has room: so all lines from its home to there are full.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Line([u64; WIDTH]);

impl Line {
    /// The place of an address; 0: it is not here. All are compared, whichever it is: that is faster than to guess.
    fn find(&self, address: Address) -> u64 {
        let if_it_is = |place: &u64| if *place >> NUMBER_BITS == address.as_u64() { *place } else { 0 };
        self.0.iter().map(if_it_is).fold(0, |found, place| found | place)
    }

    const fn is_full(&self) -> bool {
        self.0[WIDTH - 1] != 0
    }

    /// Takes something out that is here; the last one comes in its stead.
    fn take(&mut self, place: u64) {
        let at = self.0.iter().position(|other| *other == place).expect("it is here");
        let last = self.0.iter().rposition(|other| *other != 0).expect("at least that one");
        self.0[at] = self.0[last];
        self.0[last] = 0;
    }

    /// Puts something where there is room.
    fn put(&mut self, place: u64) {
        let free = self.0.iter().position(|place| *place == 0);
        self.0[free.expect("it is not full")] = place;
    }
}

/// A power of two of lines, of which no more than seven in eight places are taken.
pub(crate) struct AddressIndex {
    lines: Vec<Line>,
    len: usize,
    /// Places that were noted lately: two kilobytes that the first cache keeps. Each is as it is in its line, or 0.
    lately: [u64; LATELY],
}

impl Default for AddressIndex {
    fn default() -> Self {
        Self { lines: Vec::new(), len: 0, lately: [0; LATELY] }
    }
}

impl AddressIndex {
    pub(crate) fn get(&self, address: Address) -> Option<u32> {
        self.lately(address).or_else(|| self.find(address).map(|(_, place)| number(place)))
    }

    /// The number of an address that was noted lately.
    pub(crate) fn lately(&self, address: Address) -> Option<u32> {
        let place = self.lately[home(address) % LATELY];
        (place >> NUMBER_BITS == address.as_u64() && place != 0).then(|| number(place))
    }

    /// Looks an address up, and notes that it was asked for.
    pub(crate) fn note(&mut self, address: Address) -> Option<u32> {
        let (_, place) = self.find(address)?;
        self.lately[home(address) % LATELY] = place;
        Some(number(place))
    }

    /// The line of an address, and its place.
    fn find(&self, address: Address) -> Option<(usize, u64)> {
        let mask = self.lines.len().checked_sub(1)?;
        let mut at = home(address) & mask;
        loop {
            let line = &self.lines[at];
            match line.find(address) {
                0 if line.is_full() => at = (at + 1) & mask,
                0 => return None,
                place => return Some((at, place)),
            }
        }
    }

    /// What lies where the search for an address begins: what is read ahead.
    pub(crate) fn begin(&self, address: Address) -> u64 {
        let mask = self.lines.len().wrapping_sub(1);
        self.lines.get(home(address) & mask).map_or(0, |line| line.0[0])
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Adds an address that is not there yet.
    pub(crate) fn insert(&mut self, address: Address, number: u32) {
        debug_assert!(self.get(address).is_none() && number <= MAX_NUMBER);
        if (self.len + 1) * 8 > self.lines.len() * WIDTH * 7 {
            self.grow();
        }
        self.len += 1;
        self.put(address.as_u64() << NUMBER_BITS | u64::from(number + 1));
    }

    pub(crate) fn remove(&mut self, address: Address) {
        let Some((at, place)) = self.find(address) else { return };
        self.len -= 1;
        self.lately[home(address) % LATELY] = 0;
        let was_full = self.lines[at].is_full();
        self.lines[at].take(place);
        if was_full {
            self.move_up(at);
        }
    }

    /// A line that was full has room: one that had to go farther comes back, so that no search ends too early. It ends, as every
    /// search does: not all lines are full.
    fn move_up(&mut self, mut room: usize) {
        let mask = self.lines.len() - 1;
        let mut at = room;
        loop {
            at = (at + 1) & mask;
            let line = self.lines[at];
            // It went by the room on its way from its home.
            let way = at.wrapping_sub(room) & mask;
            let went_by = |place: &&u64| **place != 0 && at.wrapping_sub(home(owner(**place))) & mask >= way;
            if let Some(place) = line.0.iter().find(went_by) {
                self.lines[at].take(*place);
                self.lines[room].put(*place);
                room = at;
            }
            if !line.is_full() {
                return;
            }
        }
    }

    fn grow(&mut self) {
        let room = (self.lines.len() * 2).max(1);
        let before = std::mem::replace(&mut self.lines, vec![Line::default(); room]);
        before.iter().flat_map(|line| line.0).filter(|place| *place != 0).for_each(|place| self.put(place));
    }

    fn put(&mut self, place: u64) {
        let mask = self.lines.len() - 1;
        let mut at = home(owner(place)) & mask;
        while self.lines[at].is_full() {
            at = (at + 1) & mask;
        }
        self.lines[at].put(place);
    }
}

fn owner(place: u64) -> Address {
    Address::new(place >> NUMBER_BITS)
}

const fn number(place: u64) -> u32 {
    (place & ((1 << NUMBER_BITS) - 1)) as u32 - 1
}

/// Where an address lies if there is room.
pub(crate) const fn home(address: Address) -> usize {
    mix(address.as_u64()) as usize
}

/// Spreads values over all low bits.
pub(crate) const fn mix(value: u64) -> u64 {
    let mixed = value.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_says_what_a_map_says_whatever_comes_and_goes() {
        let (mut index, mut map) = (AddressIndex::default(), BTreeMap::new());
        assert_eq!(index.get(Address::new(5)), None);
        index.remove(Address::new(5));
        let mut random = 1u64;
        for step in 0..200_000u32 {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            // Few addresses, so that they meet; and a time of growth, one of decline.
            let address = Address::new((random >> 40) % 3_000 + 1);
            let grows = step / 20_000 % 2 == 0;
            let known = map.contains_key(&address);
            if !known && (grows || random & 3 == 0) {
                index.insert(address, step % MAX_NUMBER);
                map.insert(address, step % MAX_NUMBER);
            } else if known && (!grows || random & 3 == 0) {
                index.remove(address);
                map.remove(&address);
            }
            let other = Address::new(random % 3_000 + 1);
            let (noted, once) = (Address::new(random >> 20 & 0xfff), Address::new(random >> 33 & 0xfff));
            assert_eq!(index.note(noted), map.get(&noted).copied());
            // What is kept at hand goes with what it is a copy of.
            assert!(index.lately(once).is_none_or(|number| map.get(&once) == Some(&number)));
            assert_eq!((index.get(address), index.get(other)), (map.get(&address).copied(), map.get(&other).copied()));
            assert_eq!(index.len(), map.len());
        }
        let all: Vec<_> = (1..=3_000).map(Address::new).map(|a| (index.get(a), map.get(&a).copied())).collect();
        assert!(all.iter().all(|(one, other)| one == other));
    }

    #[test]
    fn the_largest_address_and_number_fit() {
        let mut index = AddressIndex::default();
        let last = Address::new((1 << 40) - 1);
        index.insert(last, MAX_NUMBER);
        index.insert(Address::new(0), 0);
        assert_eq!((index.get(last), index.get(Address::new(0))), (Some(MAX_NUMBER), Some(0)));
    }
}
