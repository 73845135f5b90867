//! Addresses and the small number that each stands for, eight bytes each.
//!
//! A root looks up two addresses for every packet that it hands on, among as many as there are peers, so that caches miss:
//! here one line of the cache answers. Strangers cannot choose where an address lies (each costs a memory-hard hash).

use zt_wire::Address;

/// Bits of a number.
const NUMBER_BITS: u32 = 24;
/// Largest number.
pub(crate) const MAX_NUMBER: u32 = (1 << NUMBER_BITS) - 2;
/// Places at first.
const LEAST: usize = 8;

/// Open addressing with linear probing. A place holds the address above, the number plus one below; 0 is free.
#[derive(Default)]
pub(crate) struct AddressIndex {
    places: Vec<u64>,
    len: usize,
}

impl AddressIndex {
    pub(crate) fn get(&self, address: Address) -> Option<u32> {
        let mask = self.places.len().checked_sub(1)?;
        let mut at = home(address) & mask;
        loop {
            let place = self.places[at];
            if place >> NUMBER_BITS == address.as_u64() && place != 0 {
                return Some(number(place));
            }
            if place == 0 {
                return None;
            }
            at = (at + 1) & mask;
        }
    }

    /// What lies where the search for an address begins: what is read ahead.
    pub(crate) fn begin(&self, address: Address) -> u64 {
        let mask = self.places.len().wrapping_sub(1);
        self.places.get(home(address) & mask).copied().unwrap_or(0)
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Adds an address that is not there yet.
    pub(crate) fn insert(&mut self, address: Address, number: u32) {
        debug_assert!(self.get(address).is_none() && number <= MAX_NUMBER);
        if (self.len + 1) * 8 > self.places.len() * 5 {
            self.grow();
        }
        self.len += 1;
        self.put(address.as_u64() << NUMBER_BITS | u64::from(number + 1));
    }

    pub(crate) fn remove(&mut self, address: Address) {
        let Some(mask) = self.places.len().checked_sub(1) else { return };
        let mut at = home(address) & mask;
        while self.places[at] >> NUMBER_BITS != address.as_u64() || self.places[at] == 0 {
            if self.places[at] == 0 {
                return;
            }
            at = (at + 1) & mask;
        }
        self.len -= 1;
        // Those behind move up, so that no search ends too early.
        let mut free = at;
        loop {
            at = (at + 1) & mask;
            let place = self.places[at];
            if place == 0 {
                break;
            }
            let way = at.wrapping_sub(home(owner(place))) & mask;
            if way >= at.wrapping_sub(free) & mask {
                self.places[free] = place;
                free = at;
            }
        }
        self.places[free] = 0;
    }

    fn grow(&mut self) {
        let room = (self.places.len() * 2).max(LEAST);
        let before = std::mem::replace(&mut self.places, vec![0; room]);
        before.into_iter().filter(|place| *place != 0).for_each(|place| self.put(place));
    }

    fn put(&mut self, place: u64) {
        let mask = self.places.len() - 1;
        let mut at = home(owner(place)) & mask;
        while self.places[at] != 0 {
            at = (at + 1) & mask;
        }
        self.places[at] = place;
    }
}

fn owner(place: u64) -> Address {
    Address::new(place >> NUMBER_BITS)
}

const fn number(place: u64) -> u32 {
    (place & ((1 << NUMBER_BITS) - 1)) as u32 - 1
}

/// Where an address lies if the place is free.
fn home(address: Address) -> usize {
    let mixed = address.as_u64().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 32) as usize
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
