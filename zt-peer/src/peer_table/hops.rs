//! The hops of all peers to which something was handed on, by address: a hash says in which line of the cache each lies.
//!
//! With very many peers a packet waits for one line of memory then, not for a place in an index and after that for what
//! it leads to. Peers to which nothing was handed on have none: a node that is no root needs nothing here.

use zt_wire::Address;

use super::PeerId;
use super::hop::Hop;
use crate::address_index::{AddressIndex, home, mix};
use crate::sys::prefetch;

/// Where the hop of a peer lies, until another one is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HopId(u32);

/// Pairs that were asked for last: two kilobytes that the first cache keeps.
const LATELY: usize = 256;
/// When a sender's was needed, it is asked for with so many packets: those of the next read or two of a socket.
const SENDERS: u32 = 64;

/// A hop lies in its home, or in the first line behind that was free: so no line from its home to there is free.
pub(super) struct Hops {
    /// A power of two of them, at least half of them free.
    lines: Vec<Hop>,
    taken: usize,
    /// By id of the peer: where its hop is, if it has one.
    of: Vec<Option<HopId>>,
    lately: [u64; LATELY],
    /// For how many packets more the sender's is asked for, too.
    senders: u32,
}

impl Default for Hops {
    fn default() -> Self {
        Self { lines: Vec::new(), taken: 0, of: Vec::new(), lately: [0; LATELY], senders: 0 }
    }
}

impl Hops {
    pub(super) fn get(&self, at: HopId) -> &Hop {
        &self.lines[at.0 as usize]
    }

    pub(super) fn get_mut(&mut self, at: HopId) -> &mut Hop {
        &mut self.lines[at.0 as usize]
    }

    /// Of a peer.
    pub(super) fn of(&self, id: PeerId) -> Option<HopId> {
        *self.of.get(id.0 as usize)?
    }

    /// Of the peer with this address.
    pub(super) fn find(&self, address: Address) -> Option<HopId> {
        let mask = self.lines.len().checked_sub(1)?;
        let mut at = home(address) & mask;
        loop {
            let line = &self.lines[at];
            if line.is_free() {
                return None;
            }
            if line.is_of(address) {
                return Some(place(at));
            }
            at = (at + 1) & mask;
        }
    }

    /// A void one for a peer that has none.
    pub(super) fn add(&mut self, id: PeerId, address: Address) -> HopId {
        debug_assert!(self.of(id).is_none() && self.find(address).is_none());
        if (self.taken + 1) * 2 > self.lines.len() {
            self.grow();
        }
        self.taken += 1;
        let at = self.put(Hop::void(address));
        if self.of.len() <= id.0 as usize {
            self.of.resize(id.0 as usize + 1, None);
        }
        self.of[id.0 as usize] = Some(at);
        at
    }

    /// The peer is gone. `index` has the ids of the others.
    pub(super) fn remove(&mut self, id: PeerId, index: &AddressIndex) {
        let Some(HopId(hole)) = self.of.get_mut(id.0 as usize).and_then(Option::take) else { return };
        let mask = self.lines.len() - 1;
        let (mut hole, mut at) = (hole as usize, hole as usize);
        self.taken -= 1;
        loop {
            at = (at + 1) & mask;
            let hop = self.lines[at];
            if hop.is_free() {
                break;
            }
            // It went by the hole on its way from its home, and comes back to it, so that no search ends too early.
            let way = at.wrapping_sub(hole) & mask;
            if at.wrapping_sub(home(hop.address())) & mask >= way {
                let owner = index.get(hop.address()).expect("a peer that is gone has no hop");
                self.lines[hole] = hop;
                self.of[owner as usize] = Some(place(hole));
                hole = at;
            }
        }
        self.lines[hole] = Hop::FREE;
    }

    fn grow(&mut self) {
        let room = (self.lines.len() * 2).max(2);
        let before = std::mem::replace(&mut self.lines, vec![Hop::FREE; room]);
        for id in 0..self.of.len() {
            if let Some(HopId(at)) = self.of[id] {
                self.of[id] = Some(self.put(before[at as usize]));
            }
        }
    }

    fn put(&mut self, hop: Hop) -> HopId {
        let mask = self.lines.len() - 1;
        let mut at = home(hop.address()) & mask;
        while !self.lines[at].is_free() {
            at = (at + 1) & mask;
        }
        self.lines[at] = hop;
        place(at)
    }

    /// A packet's sender is not the one whom the receiver met last, so that the sender's is needed as well. It may be so for
    /// the next ones: what they need is asked for before anything is known of either.
    pub(super) const fn needs_sender(&mut self) {
        self.senders = SENDERS;
    }

    /// Asks for what is needed for packets that are handed on from one to another, and waits for nothing. False: it was asked for
    /// lately.
    pub(super) fn prefetch(&mut self, [to, from]: [Address; 2]) -> bool {
        let pair = pair([to, from]);
        let Some(mask) = self.lines.len().checked_sub(1) else { return true };
        let lately = &mut self.lately[pair as usize % LATELY];
        if *lately == pair {
            return false;
        }
        *lately = pair;
        // One in three lies in the line behind its home.
        let at = home(to) & mask;
        [at, (at + 1) & mask].into_iter().for_each(|at| prefetch(&self.lines[at]));
        if self.senders > 0 {
            self.senders -= 1;
            prefetch(&self.lines[home(from) & mask]);
        }
        true
    }
}

/// Stands for two addresses, nearly always for no others.
const fn pair([to, from]: [Address; 2]) -> u64 {
    mix(to.as_u64() << 24 ^ from.as_u64())
}

fn place(at: usize) -> HopId {
    HopId(u32::try_from(at).expect("no more than twice as many as there are peers, rounded up"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A thousand peers that come and go, to some of whom something is handed on.
    #[test]
    fn it_says_what_a_map_says_whoever_comes_and_goes() {
        let (mut hops, mut index, mut with) = (Hops::default(), AddressIndex::default(), BTreeMap::new());
        let (mut random, address) = (1_u64, |id: u32| Address::new(0x10_0000_0000 + u64::from(id) * 7));
        for step in 0..40_000_u32 {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            let (number, grows) = ((random >> 40) as u32 % 1_000, step / 10_000 % 2 == 0);
            let (id, owner) = (PeerId(number), address(number));
            if index.get(owner).is_none() {
                index.insert(owner, number);
            } else if !with.contains_key(&number) && (grows || random & 3 == 0) {
                let at = hops.add(id, owner);
                assert!(hops.get(at).is_void() && hops.get(at).is_of(owner));
                with.insert(number, step);
            } else if !grows || random & 3 == 0 {
                index.remove(owner);
                hops.remove(id, &index);
                with.remove(&number);
            }
            let other = (random >> 20) as u32 % 1_000;
            assert_eq!(hops.find(address(other)).is_some(), with.contains_key(&other));
            assert_eq!(hops.find(address(other)), hops.of(PeerId(other)), "one hop, found by either");
            assert_eq!(hops.taken, with.len());
        }
        assert!(with.len() > 100 && hops.lines.iter().filter(|hop| !hop.is_free()).count() == with.len());
    }

    #[test]
    fn what_was_asked_for_lately_is_not_asked_for_again() {
        let (mut hops, [a, b, c]) = (Hops::default(), [1, 2, 3].map(Address::new));
        assert!(hops.prefetch([a, b]) && hops.prefetch([a, b]), "there is nothing yet");
        hops.add(PeerId(0), a);
        assert!(hops.prefetch([a, b]) && hops.prefetch([b, a]));
        assert!(!hops.prefetch([a, b]) && !hops.prefetch([b, a]) && hops.prefetch([a, c]));
    }
}
