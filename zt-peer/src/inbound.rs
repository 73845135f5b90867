//! Values that accompany a packet on its way in.

use std::sync::Arc;

use zt_crypto::{ArmorError, PeerKeys, Suite};
use zt_wire::Identity;
use zt_wire::verb::{Message, Verb};
use zt_wire::{Address, Mono, PacketId};

use crate::drop_reason::DropReason;
use crate::link::Path;
use crate::wire::expect::Expected;

/// What [`Vl1::look`](crate::Vl1::look) made of a datagram.
#[derive(Debug)]
pub enum Look {
    /// Handled: forwarded, kept for later, or waiting for more pieces.
    Done,
    /// Refused.
    Dropped(DropReason),
    /// Open it with [`Open::open`], then give it to [`Vl1::handle_opened`](crate::Vl1::handle_opened).
    Open(Open),
}

/// Where the packet to open lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the datagram that was looked at.
    Datagram,
    /// In the `assembled` buffer.
    Assembled,
}

/// A packet that can be opened by any thread.
pub struct Open {
    /// Keys of the sender; `None` = came by a trusted path, there is nothing to open.
    pub keys: Option<Arc<PeerKeys>>,
    /// Hand this to [`Vl1::handle_opened`](crate::Vl1::handle_opened).
    pub ticket: Ticket,
    /// Where the packet is.
    pub place: Place,
}

impl Open {
    /// Decrypts in place.
    pub fn open(&self, packet: &mut [u8]) -> Result<Suite, ArmorError> {
        self.keys.as_ref().map_or(Ok(Suite::Poly1305None), |keys| keys.open(packet))
    }
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("ticket", &self.ticket).field("place", &self.place).finish_non_exhaustive()
    }
}

/// What is known about a packet before it is opened.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    pub(crate) source: Address,
    pub(crate) path: Path,
    pub(crate) hops: u8,
    pub(crate) packet_id: PacketId,
    pub(crate) arrived: Mono,
    pub(crate) trusted: bool,
}

/// What became of an opened packet.
#[expect(clippy::large_enum_variant, reason = "one per packet, on the stack; a box would cost an allocation")]
#[derive(Debug)]
pub enum Inbound<'p> {
    /// Handled inside.
    Consumed,
    /// Refused.
    Dropped(DropReason),
    /// For the layer above: handle it, then call [`Vl1::settle`](crate::Vl1::settle).
    Message(Received<'p>),
}

/// A message for the layer above. It borrows from the packet, never from the machine.
#[derive(Debug)]
pub struct Received<'p> {
    /// Sender.
    pub from: Address,
    /// Its identity.
    pub identity: Identity,
    /// By which path it came (a relay's, when `hops` > 0).
    pub path: Path,
    /// How often it was relayed.
    pub hops: u8,
    /// ID on the wire: replies name it.
    pub packet_id: PacketId,
    /// Hand this to [`Vl1::settle`](crate::Vl1::settle).
    pub receipt: Receipt,
    /// The content.
    pub message: Message<'p>,
}

/// Proof of a delivered message, to be settled.
#[derive(Clone, Copy, Debug)]
pub struct Receipt {
    pub(crate) from: Address,
    pub(crate) path: Path,
    pub(crate) hops: u8,
    pub(crate) verb: Verb,
    pub(crate) packet_id: PacketId,
    pub(crate) trusted: bool,
    /// An expected OK that came from the very address asked: it may teach the path.
    pub(crate) teaches: Option<Expected>,
    /// Set for a packet that waited already.
    pub(crate) first_arrival: Mono,
}

impl Receipt {
    /// Where a reply goes.
    pub const fn reply_to(&self) -> ReplyTo {
        ReplyTo { address: self.from, path: self.path, relayed: self.hops > 0 }
    }
}

/// What the layer above made of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Handled; counts as received. `trust`: it proved a relation (03 §1 "Trust").
    Accepted {
        /// The packet proved membership of something.
        trust: bool,
    },
    /// Handled, but does not count as received (02 names these cases).
    NotCounted,
    /// Cannot be judged yet: keep it and try again (02 §5).
    Defer,
    /// Refused.
    Dropped,
}

/// Address and path of arrival of a packet to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyTo {
    /// Peer.
    pub address: Address,
    /// Path.
    pub path: Path,
    /// It is a relay's path, not the peer's own.
    pub relayed: bool,
}

/// Buffers for [`Vl1::poll_ready`](crate::Vl1::poll_ready).
#[derive(Debug, Default)]
pub struct Scratch {
    /// The packet that waited: hand it to [`Vl1::settle`](crate::Vl1::settle) when it must wait again.
    pub packet: Vec<u8>,
    pub(crate) inflated: Vec<u8>,
}
