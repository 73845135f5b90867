//! What is known about an opened packet while it is handled.

use zt_wire::verb::Verb;
use zt_wire::{Address, Mono, PacketId};

use crate::drop_reason::DropReason;
use crate::inbound::ReplyTo;
use crate::link::Path;
use crate::peer_table::PeerId;
use crate::wire::expect::Expected;

/// What has been established about an opened packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    pub(crate) id: PeerId,
    pub(crate) from: Address,
    pub(crate) path: Path,
    pub(crate) hops: u8,
    pub(crate) packet_id: PacketId,
    pub(crate) verb: Verb,
    /// An expected OK from the very address that was asked.
    pub(crate) teaches: Option<Expected>,
    pub(crate) trusted: bool,
    pub(crate) arrived: Mono,
}

impl Context {
    /// Where an answer goes.
    pub(crate) const fn reply_to(&self) -> ReplyTo {
        ReplyTo { address: self.from, path: self.path, relayed: self.hops > 0 }
    }
}

/// What a handler inside VL1 made of a message.
pub(crate) enum Handled {
    /// Counts as received.
    Counted,
    /// Does not count.
    NotCounted,
    /// Refused.
    Refused(DropReason),
    /// For the layer above.
    Above,
}
