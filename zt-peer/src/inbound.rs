//! Values that accompany a packet on its way in.

use std::sync::Arc;

use zt_crypto::{ArmorError, PeerKeys, Suite};
use zt_wire::Identity;
use zt_wire::verb::{Message, Verb};
use zt_wire::{Address, Mono, PacketId};

use crate::drop_reason::DropReason;
use crate::link::{LinkId, Path};
use crate::peer_table::PeerId;
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

/// What is known about a packet on its way in: begun when its header is looked at, complete once it is opened.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    /// Index of its sender; looked up again, after some time, by [`PeerTable::still`](crate::peer_table::PeerTable::still).
    pub(crate) id: PeerId,
    pub(crate) from: Address,
    pub(crate) path: Path,
    pub(crate) hops: u8,
    pub(crate) packet_id: PacketId,
    /// Also of a packet that waited: when it came first.
    pub(crate) arrived: Mono,
    pub(crate) trusted: bool,
    /// NOP until it is opened.
    pub(crate) verb: Verb,
    /// An expected OK that came from the very address asked: it may teach the path.
    pub(crate) teaches: Option<Taught>,
}

/// What an answer says about the path by which it came. A packet's ticket is copied with it, so this is short.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taught {
    /// The link that was asked; the address was the very one.
    pub(crate) link: LinkId,
    /// When.
    pub(crate) sent: Mono,
    /// By a HELLO or an ECHO: its answer comes at once.
    pub(crate) probe: bool,
    /// Asked because the peer was heard there first.
    pub(crate) heard_first: bool,
    /// Bytes of the question, if its length was what was asked.
    pub(crate) size: u16,
}

impl From<&Expected> for Taught {
    fn from(e: &Expected) -> Self {
        Self { link: e.path.link, sent: e.sent, probe: e.is_probe(), heard_first: e.heard_first, size: 0 }
    }
}

impl Ticket {
    pub(crate) const fn new(from: Address, path: Path, hops: u8, packet_id: PacketId, arrived: Mono) -> Self {
        let (id, verb) = (PeerId::UNKNOWN, Verb::NOP);
        Self { id, from, path, hops, packet_id, arrived, trusted: false, verb, teaches: None }
    }

    /// Sender.
    pub const fn from(&self) -> Address {
        self.from
    }

    /// By which path it came (a relay's, when [`Ticket::hops`] > 0).
    pub const fn path(&self) -> Path {
        self.path
    }

    /// How often it was relayed.
    pub const fn hops(&self) -> u8 {
        self.hops
    }

    /// ID on the wire: replies name it.
    pub const fn packet_id(&self) -> PacketId {
        self.packet_id
    }

    /// Where a reply goes.
    pub const fn reply_to(&self) -> ReplyTo {
        ReplyTo { address: self.from, path: self.path, relayed: self.hops > 0 }
    }
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
    /// How it came; hand this to [`Vl1::settle`](crate::Vl1::settle).
    pub ticket: Ticket,
    /// Identity of its sender.
    pub identity: Identity,
    /// The content.
    pub message: Message<'p>,
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
