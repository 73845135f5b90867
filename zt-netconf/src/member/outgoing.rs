//! Multicast frames on their way out, and those that wait for members of their group (04 §7.5).

use core::time::Duration;

use zt_wire::ident::{Address, Mac, MulticastGroup};
use zt_wire::time::Mono;

/// How long a frame waits for members to become known.
const QUEUE_LIFETIME: Duration = Duration::from_millis(5_000);

/// A multicast frame on its way out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    /// Whom we replicate for, or `NIL`.
    pub(crate) origin: Address,
    pub(crate) group: MulticastGroup,
    /// Source MAC, when it is not our own.
    pub(crate) source: Option<Mac>,
    pub(crate) ethertype: u16,
    pub(crate) payload: &'a [u8],
}

/// A frame that waits for members of its group.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) at: Mono,
    pub(crate) group: MulticastGroup,
    pub(crate) source: Option<Mac>,
    pub(crate) ethertype: u16,
    pub(crate) payload: Box<[u8]>,
    pub(crate) gather: u32,
    pub(crate) limit: usize,
    pub(crate) copies: usize,
    /// Who has had it.
    pub(crate) had: Vec<Address>,
}

impl Queued {
    /// False when the frame waited too long or went out often enough.
    pub(crate) fn is_alive(&self, now: Mono) -> bool {
        now.saturating_since(self.at) < QUEUE_LIFETIME && self.copies < self.limit
    }

    /// The frame, to be sent.
    pub(crate) fn outgoing(&self) -> Outgoing<'_> {
        Outgoing {
            origin: Address::NIL,
            group: self.group,
            source: self.source,
            ethertype: self.ethertype,
            payload: &self.payload,
        }
    }
}
