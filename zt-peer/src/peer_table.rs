//! All peers: found by address, kept in a fixed order, and due at some time.

mod hop;

use std::collections::BTreeSet;
use std::hint::black_box;
use std::ops::Range;

use zt_wire::{Address, Mono};

use crate::address_index::AddressIndex;
use crate::link::Path;
use crate::peer::Peer;

use hop::Hop;

/// Most peers in memory.
pub(crate) const MAX_PEERS: usize = 1 << 17;

/// Index of a peer in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PeerId(u32);

impl PeerId {
    /// Of somebody who was not looked up.
    pub(crate) const UNKNOWN: Self = Self(u32::MAX);
    /// Of nobody.
    pub(crate) const NOBODY: Self = Self(u32::MAX - 1);
}

const REMOVED: &str = "a peer is removed by its table only, with its id";

/// See the module.
#[derive(Default)]
pub(crate) struct PeerTable {
    by_address: AddressIndex,
    /// By id, and apart from what is needed seldom: eight bytes for each, which caches hold of many.
    slab: Vec<Option<Box<Peer>>>,
    /// When each is to be looked at; [`Mono::FAR`] = never. `due` has the same.
    looks: Vec<Mono>,
    hops: Vec<Hop>,
    free: Vec<PeerId>,
    due: BTreeSet<(Mono, PeerId)>,
}

impl PeerTable {
    pub(crate) fn id(&self, address: Address) -> Option<PeerId> {
        self.by_address.get(address).map(PeerId)
    }

    /// As [`PeerTable::id`], from what it was some time ago.
    pub(crate) fn still(&self, id: PeerId, address: Address) -> Option<PeerId> {
        let peer = self.slab.get(id.0 as usize).and_then(Option::as_ref);
        if peer.is_some_and(|p| p.address() == address) { Some(id) } else { self.id(address) }
    }

    pub(crate) fn get(&self, id: PeerId) -> &Peer {
        self.slab[id.0 as usize].as_ref().expect(REMOVED)
    }

    /// To change it.
    pub(crate) fn get_mut(&mut self, id: PeerId) -> &mut Peer {
        self.note_handed_on(id);
        self.hops[id.0 as usize] = Hop::VOID;
        self.slab[id.0 as usize].as_mut().expect(REMOVED)
    }

    /// What is needed of it for a packet that is handed on.
    pub(crate) fn hop(&mut self, id: PeerId) -> &mut Hop {
        let at = id.0 as usize;
        if self.hops[at].is_void() {
            let peer = self.get(id);
            let met = peer.united().last().and_then(|(other, _)| self.id(other));
            self.hops[at] = Hop::new(peer, met);
        }
        &mut self.hops[at]
    }

    /// Reads what is needed of peers for packets that are handed on, and does nothing with it but that the processor's caches
    /// have it then. No read but that of the hop waits for another, so that the processor does them side by side: first
    /// all places of the index, then all hops.
    pub(crate) fn touch(&self, addresses: &[Address]) {
        let places = addresses.iter().map(|a| self.by_address.begin(*a)).fold(0, u64::wrapping_add);
        black_box(places);
        let begin = |id: PeerId| self.hops.get(id.0 as usize).map(Hop::begin);
        let hops = addresses.iter().filter_map(|a| self.id(*a).and_then(begin)).fold(0, u64::wrapping_add);
        black_box(hops);
    }

    /// Whether two were brought together lately, as far as is known at once.
    pub(crate) fn have_met(&mut self, now: Mono, one: PeerId, other: PeerId) -> bool {
        let (a, b) = (*self.hop(one), *self.hop(other));
        a.has_met(now, other, &b) || b.has_met(now, one, &a)
    }

    /// A peer learns that packets were handed on to it.
    fn note_handed_on(&mut self, id: PeerId) {
        if let Some((path, sent)) = self.handed_on(id)
            && let Some(peer) = self.slab[id.0 as usize].as_mut()
        {
            peer.paths_mut().note_sent(sent, path);
        }
    }

    /// When a packet was handed on to a peer last, and by which path, if the peer does not know that yet.
    pub(crate) fn handed_on(&self, id: PeerId) -> Option<(Path, Mono)> {
        self.hops[id.0 as usize].sent()
    }

    pub(crate) fn find(&self, address: Address) -> Option<&Peer> {
        self.id(address).map(|id| self.get(id))
    }

    pub(crate) fn len(&self) -> usize {
        self.by_address.len()
    }

    pub(crate) fn insert(&mut self, peer: Peer) -> PeerId {
        let address = peer.address();
        if let Some(id) = self.id(address) {
            return id;
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.slab.push(None);
            self.looks.push(Mono::FAR);
            self.hops.push(Hop::VOID);
            PeerId(u32::try_from(self.slab.len() - 1).expect("fewer peers than addresses"))
        });
        self.slab[id.0 as usize] = Some(Box::new(peer));
        self.looks[id.0 as usize] = Mono::FAR;
        self.by_address.insert(address, id.0);
        id
    }

    pub(crate) fn remove(&mut self, id: PeerId) -> Option<Box<Peer>> {
        let peer = self.slab.get_mut(id.0 as usize)?.take()?;
        self.hops[id.0 as usize] = Hop::VOID;
        self.by_address.remove(peer.address());
        self.due.remove(&(self.looks[id.0 as usize], id));
        self.free.push(id);
        Some(peer)
    }

    /// All ids, always in the same order.
    pub(crate) fn ids(&self) -> Vec<PeerId> {
        self.ids_within(0..self.places())
    }

    /// Those at some of the places.
    pub(crate) fn ids_within(&self, places: Range<usize>) -> Vec<PeerId> {
        let index = |i: usize| PeerId(u32::try_from(i).expect("bounded by insert"));
        let taken = |i: &usize| self.slab.get(*i).is_some_and(Option::is_some);
        places.filter(taken).map(index).collect()
    }

    /// Places of peers, free ones too.
    pub(crate) const fn places(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Peer> + '_ {
        self.slab.iter().flatten().map(|peer| &**peer)
    }

    /// Looks at a peer at `at` or earlier.
    pub(crate) fn arm(&mut self, id: PeerId, at: Mono) {
        let look = &mut self.looks[id.0 as usize];
        if at < *look {
            let before = std::mem::replace(look, at);
            self.due.remove(&(before, id));
            self.due.insert((at, id));
        }
    }

    /// Whether a peer is to be looked at some time.
    pub(crate) fn is_armed(&self, id: PeerId) -> bool {
        self.looks[id.0 as usize] != Mono::FAR
    }

    /// Takes the next peer that is due.
    pub(crate) fn pop_due(&mut self, now: Mono) -> Option<PeerId> {
        let (at, id) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.due.remove(&(at, id));
        self.looks[id.0 as usize] = Mono::FAR;
        Some(id)
    }

    pub(crate) fn next_due(&self) -> Option<Mono> {
        self.due.first().map(|(at, _)| *at)
    }
}
