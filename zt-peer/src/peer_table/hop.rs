//! What a root needs of a peer for a packet that it hands on: one line of the cache, and those of all peers lie together.
//!
//! A copy. Whoever may change the peer voids it ([`PeerTable::get_mut`](super::PeerTable::get_mut)), and the next
//! packet makes it anew.

use zt_wire::{Mono, When};

use super::PeerId;
use crate::link::Path;
use crate::peer::Peer;
use crate::rate::UNITE;

/// See the module.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Hop {
    /// The only path of the peer, in use; `None`: it has none or several, of which the peer itself decides.
    path: Option<Path>,
    /// With whom it was brought together last; [`PeerId::UNKNOWN`]: this is void.
    met: PeerId,
    met_at: When,
    /// When it had a new address last.
    moved: Mono,
    /// When a packet was handed on to it last, as far as the peer does not know that yet.
    sent: When,
}

impl Hop {
    pub(crate) const VOID: Self =
        Self { path: None, met: PeerId::UNKNOWN, met_at: When::NEVER, moved: Mono::ZERO, sent: When::NEVER };

    /// Of a peer that met another last.
    pub(crate) fn new(peer: &Peer, met: Option<PeerId>) -> Self {
        let met = met.unwrap_or(PeerId::NOBODY);
        let united = peer.united();
        let met_at = united.last().map(|(_, at)| at).into();
        Self { path: peer.paths().only(), met, met_at, moved: united.moved_at(), sent: When::NEVER }
    }

    pub(crate) fn is_void(&self) -> bool {
        self.met == PeerId::UNKNOWN
    }

    pub(crate) const fn path(&self) -> Option<Path> {
        self.path
    }

    /// A part of it, so that its line of the cache is there: for [`PeerTable::touch`](super::PeerTable::touch).
    pub(crate) const fn begin(&self) -> u64 {
        self.met.0 as u64
    }

    /// A packet is handed on.
    pub(crate) const fn sends(&mut self, now: Mono) {
        self.sent = When::at(now);
    }

    /// When one was handed on last, and by which path.
    pub(crate) fn sent(&self) -> Option<(Path, Mono)> {
        self.path.zip(self.sent.get())
    }

    /// Whether the peer was brought together with another lately, and neither has moved since.
    pub(crate) fn has_met(&self, now: Mono, other: PeerId, other_moved: &Self) -> bool {
        let lately = |at: Mono| at > other_moved.moved && now.saturating_since(at) < UNITE;
        self.met == other && self.met_at.get().is_some_and(lately)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_met_lately_is_known_until_one_moves_or_time_is_over() {
        let (t, one, other) = (Mono(60_000_000), PeerId::NOBODY, PeerId::UNKNOWN);
        let at = Hop { met: other, met_at: When::at(t), ..Hop::VOID };
        let still = Hop { met: one, ..Hop::VOID };
        assert!(at.has_met(t, other, &still) && !at.has_met(t, one, &still));
        assert!(!at.has_met(t, other, &Hop { moved: t, ..still }), "the other one has moved");
        assert!(!at.has_met(t + UNITE, other, &still));
        let mut at = at;
        at.sends(t);
        assert_eq!(at.sent(), None, "by no path");
    }

    #[test]
    fn it_fills_one_line_of_the_cache() {
        assert_eq!((size_of::<Hop>(), align_of::<Hop>()), (64, 64));
    }
}
