//! The direct paths of one peer.

pub(crate) mod choice;
pub(crate) mod liveness;

use zt_wire::{Gate, Mono};

use crate::link::Path;
use crate::rate::PATH_EXPIRY;

use liveness::Liveness;

/// Most direct paths kept per peer.
pub(crate) const MAX_SLOTS: usize = 16;

/// A direct path of a peer.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) path: Path,
    pub(crate) rank: i32,
    pub(crate) live: Liveness,
    pub(crate) last_sent: Gate,
    /// The peer was heard there before we sent anything there.
    pub(crate) heard_first: bool,
    /// Last HELLO or ECHO of ours there.
    pub(crate) last_probe: Option<Mono>,
    /// Largest datagram.
    pub(crate) mtu: u16,
    /// Trusted path ID to mark packets with.
    pub(crate) trusted: Option<u64>,
}

impl Slot {
    pub(crate) fn is_expired(&self, now: Mono) -> bool {
        now.saturating_since(self.live.heard) >= PATH_EXPIRY
    }
}
