//! All peers: found by address, kept in a fixed order, and due at some time.

mod hop;
mod hops;
mod moves;

use std::collections::BTreeSet;
use std::hint::black_box;
use std::ops::Range;

use zt_wire::verb::{ErrorCode, Verb};
use zt_wire::{Address, Mono};

use crate::address_index::AddressIndex;
use crate::link::Path;
use crate::peer::{Adopted, Peer, Proof};
use crate::traffic::{PacketCounts, PeerCounts};

use hop::Hop;
use hops::Hops;
use moves::Moves;

pub(crate) use hops::HopId;

/// Most peers in memory.
pub(crate) const MAX_PEERS: usize = 1 << 17;

/// Index of a peer in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PeerId(u32);

impl PeerId {
    /// Of somebody who was not looked up.
    pub(crate) const UNKNOWN: Self = Self(u32::MAX);
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
    hops: Hops,
    /// Packets of each: counted without touching the peer.
    counts: Vec<PeerCounts>,
    /// Packets of all, those that are gone too.
    received: PacketCounts,
    moves: Moves,
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
        if let Some(at) = self.hops.of(id) {
            let hop = self.hops.get_mut(at);
            *hop = Hop::void(hop.address());
        }
        self.slab[id.0 as usize].as_mut().expect(REMOVED)
    }

    /// The round comes to a peer: [`Peer::rest`]. What its hop says is as true as before; made anew for all of very many peers
    /// every five seconds, it would cost each packet some.
    pub(crate) fn rest(&mut self, id: PeerId, now: Mono) {
        self.note_handed_on(id);
        self.slab[id.0 as usize].as_mut().expect(REMOVED).rest(now);
    }

    /// Whether what is needed of it is at hand.
    #[cfg(test)]
    pub(crate) fn has_hop(&self, id: PeerId) -> bool {
        self.hops.of(id).is_some_and(|at| !self.hops.get(at).is_void())
    }

    /// What is needed of a peer for a packet that is handed on.
    pub(crate) fn hop(&mut self, id: PeerId) -> HopId {
        let at = self.hops.of(id).unwrap_or_else(|| self.hops.add(id, self.get(id).address()));
        if self.hops.get(at).is_void() {
            *self.hops.get_mut(at) = Hop::new(self.get(id));
        }
        at
    }

    /// As [`PeerTable::hop`], if there is a peer with this address.
    pub(crate) fn hop_to(&mut self, address: Address) -> Option<HopId> {
        match self.hops.find(address) {
            Some(at) if !self.hops.get(at).is_void() => Some(at),
            _ => self.id(address).map(|id| self.hop(id)),
        }
    }

    pub(crate) fn hop_at(&mut self, at: HopId) -> &mut Hop {
        self.hops.get_mut(at)
    }

    /// Whose it is.
    pub(crate) fn owner(&self, at: HopId) -> PeerId {
        self.id(self.hops.get(at).address()).expect("a peer that is gone has no hop")
    }

    /// Asks for what is needed for packets that are handed on, from the second of two to the first; false: it was asked for lately.
    pub(crate) fn prefetch(&mut self, ends: [Address; 2]) -> bool {
        self.hops.prefetch(ends)
    }

    /// What is needed of the sender of a packet that is handed on; see [`Hops::needs_sender`].
    pub(crate) fn hop_from(&mut self, sender: Address) -> Option<HopId> {
        self.hops.needs_sender();
        self.hop_to(sender)
    }

    /// Whether what is needed of a sender is in the processor's caches still, because it was needed lately.
    pub(crate) fn was_touched(&self, sender: Address) -> bool {
        self.by_address.lately(sender).is_some()
    }

    /// Reads what is needed of senders of packets of ours, for all of them at once.
    pub(crate) fn touch_senders(&mut self, senders: &[Address]) {
        black_box(senders.iter().map(|a| self.by_address.begin(*a)).fold(0, u64::wrapping_add));
        // What is noted is found at once by all that follows, and by whoever opens the packets.
        senders.iter().for_each(|a| _ = self.by_address.note(*a));
        let places = || senders.iter().filter_map(|a| self.id(*a)).map(|id| id.0 as usize);
        let count = |at: usize| self.counts.get(at).map_or(0, |counts| counts.received);
        black_box(places().map(count).fold(0, u64::wrapping_add));
        // Each step reads where the next one has to look, for all of them.
        let peers = || places().filter_map(|at| self.slab.get(at)?.as_deref());
        peers().for_each(Peer::touch);
        peers().for_each(Peer::touch_keys);
    }

    /// Whether a peer was brought together with another lately, who has not moved since, as far as is known at once: nothing
    /// of the other one is needed.
    pub(crate) fn has_met(&self, now: Mono, hop: HopId, other: Address) -> bool {
        self.hops.get(hop).met_lately(now, other).is_some_and(|at| self.moves.stayed_since(other, at))
    }

    /// An answer proved an address of a peer that is none of its paths yet.
    pub(crate) fn adopt(&mut self, now: Mono, id: PeerId, proof: &Proof) -> Adopted {
        let adopted = self.get_mut(id).adopt(now, proof);
        self.moves.note(self.get(id).address(), now, self.len());
        adopted
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
        self.hops.get(self.hops.of(id)?).sent()
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
            self.counts.push(PeerCounts::default());
            PeerId(u32::try_from(self.slab.len() - 1).expect("fewer peers than addresses"))
        });
        self.slab[id.0 as usize] = Some(Box::new(peer));
        self.looks[id.0 as usize] = Mono::FAR;
        self.counts[id.0 as usize] = PeerCounts::default();
        self.by_address.insert(address, id.0);
        id
    }

    pub(crate) fn remove(&mut self, id: PeerId) -> Option<Box<Peer>> {
        let peer = self.slab.get_mut(id.0 as usize)?.take()?;
        self.by_address.remove(peer.address());
        self.hops.remove(id, &self.by_address);
        self.due.remove(&(self.looks[id.0 as usize], id));
        self.free.push(id);
        Some(peer)
    }

    /// Packets of a peer.
    pub(crate) fn counts(&self, id: PeerId) -> PeerCounts {
        self.counts[id.0 as usize]
    }

    /// A packet went to a peer.
    pub(crate) fn count_sent(&mut self, id: PeerId) {
        self.counts[id.0 as usize].sent += 1;
    }

    /// A packet of a peer was opened.
    pub(crate) fn count_received(&mut self, id: PeerId, verb: Verb) {
        self.counts[id.0 as usize].received += 1;
        self.received.count(verb);
    }

    /// It was an ERROR.
    pub(crate) fn count_received_error(&mut self, code: ErrorCode) {
        self.received.count_error(code);
    }

    /// Packets of all peers since the start.
    pub(crate) const fn received(&self) -> &PacketCounts {
        &self.received
    }

    /// A packet in a peer's name could not be opened or read.
    pub(crate) fn count_error(&mut self, id: PeerId) {
        self.counts[id.0 as usize].errors += 1;
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
