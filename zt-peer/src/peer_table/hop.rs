//! What a root needs of a peer for a packet that it hands on: one line of the cache, which the address leads to at once.
//!
//! A copy. Whoever may change the peer voids it ([`PeerTable::get_mut`](super::PeerTable::get_mut)), and the next
//! packet makes it anew.

use zt_wire::{Address, Mono, When};

use crate::link::Path;
use crate::peer::Peer;
use crate::rate::UNITE;

/// No peer has this address.
const UNKNOWN: [u8; 5] = [0xff; 5];

/// See the module.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Hop {
    /// Of the peer; [`Address::NIL`]: of nobody.
    address: [u8; 5],
    /// With whom it was brought together last; [`UNKNOWN`]: this is void.
    met: [u8; 5],
    /// The only path of the peer, in use; `None`: it has none or several, of which the peer itself decides.
    path: Option<Path>,
    met_at: When,
    /// When a packet was handed on to it last, as far as the peer does not know that yet.
    sent: When,
}

impl Hop {
    pub(crate) const FREE: Self = Self::void(Address::NIL);

    /// Nothing is known of the peer yet.
    pub(crate) const fn void(address: Address) -> Self {
        Self { address: address.to_bytes(), met: UNKNOWN, path: None, met_at: When::NEVER, sent: When::NEVER }
    }

    pub(crate) fn new(peer: &Peer) -> Self {
        let last = peer.united().last();
        let (met, met_at) = last.map_or((Address::NIL, When::NEVER), |(met, at)| (met, When::at(at)));
        let address = peer.address().to_bytes();
        Self { address, met: met.to_bytes(), path: peer.paths().only(), met_at, sent: When::NEVER }
    }

    pub(crate) fn is_free(&self) -> bool {
        self.is_of(Address::NIL)
    }

    pub(crate) fn is_of(&self, address: Address) -> bool {
        self.address == address.to_bytes()
    }

    pub(crate) const fn address(&self) -> Address {
        Address::from_bytes(self.address)
    }

    pub(crate) fn is_void(&self) -> bool {
        self.met == UNKNOWN
    }

    pub(crate) const fn path(&self) -> Option<Path> {
        self.path
    }

    /// Whether the peer was brought together with another last.
    pub(crate) fn has_met(&self, other: Address) -> bool {
        self.met == other.to_bytes()
    }

    /// A packet is handed on.
    pub(crate) const fn sends(&mut self, now: Mono) {
        self.sent = When::at(now);
    }

    /// When one was handed on last, and by which path.
    pub(crate) fn sent(&self) -> Option<(Path, Mono)> {
        self.path.zip(self.sent.get())
    }

    /// When the peer was brought together with another, if it was the last one, and lately.
    pub(crate) fn met_lately(&self, now: Mono, other: Address) -> Option<Mono> {
        self.met_at.get().filter(|at| self.has_met(other) && now.saturating_since(*at) < UNITE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_met_lately_is_known_until_time_is_over() {
        let (t, one, other) = (Mono(60_000_000), Address::new(1), Address::new(2));
        let mut hop = Hop { met: other.to_bytes(), met_at: When::at(t), ..Hop::FREE };
        assert_eq!((hop.met_lately(t, other), hop.met_lately(t, one)), (Some(t), None));
        assert_eq!(hop.met_lately(t + UNITE, other), None);
        hop.sends(t);
        assert_eq!(hop.sent(), None, "by no path");
    }

    #[test]
    fn it_fills_one_line_of_the_cache() {
        assert_eq!((size_of::<Hop>(), align_of::<Hop>()), (64, 64));
    }
}
