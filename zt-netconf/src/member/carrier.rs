//! The seam to the layer below: what VL2 asks of it, and what it says about messages and frames.

use core::time::Duration;

use zt_wire::Lane;
use zt_wire::ether::EthernetRef;
use zt_wire::ident::{Address, NetworkId, PacketId};
use zt_wire::identity::Identity;
use zt_wire::verb::Body;

use super::drop_reason::DropReason;

/// How a message is to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// Compress the payload when that makes it shorter.
    pub compress: bool,
    /// Remember the packet ID: an OK to it is expected (several OKs may come, 02 §6.14, §6.15).
    pub expect_reply: bool,
}

/// What VL2 needs from the layer that carries it. The engine implements it over VL1; tests mock it.
///
/// All calls are commands or questions about state that is at hand; none waits.
pub trait Carrier {
    /// The identity of a node, when it is known.
    fn identity(&self, address: Address) -> Option<Identity>;
    /// Asks for an unknown identity (WHOIS); called again and again, so it must be limited in rate.
    fn request_identity(&mut self, address: Address);
    /// The roots other than this node, best first.
    fn roots(&self) -> Vec<Address>;
    /// True when this node is a root.
    fn is_root(&self) -> bool;
    /// Latency of the direct path to a node; `None` without one.
    fn direct_latency(&self, address: Address) -> Option<Duration>;
    /// Sends a message; the packet ID is known only when it was sealed at once.
    fn send(&mut self, to: Address, body: &dyn Body, options: SendOptions) -> Option<PacketId>;
    /// Answers the packet in hand, on its path of arrival.
    fn reply(&mut self, body: &dyn Body, options: SendOptions);
    /// Hands packets of this node that were deferred ([`Verdict::Defer`]) in again soon: what they waited for may be here.
    /// Without it they are handed in when their time comes.
    fn hurry(&mut self, _from: Address) {}
    /// What is sent from now on, during this call, is of this lane: where it waits when there is a queue on the way out.
    fn lane(&mut self, _lane: Lane) {}
    /// Gives a frame to the local port of a network.
    fn deliver(&mut self, network: NetworkId, frame: EthernetRef<'_>);
}

/// What VL2 made of a message: the layer below accounts for it (02 §5) and keeps deferred packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The message was processed and counts as received.
    Accepted {
        /// The sender proved to belong to a network of ours ("trust established", document 03).
        trust: bool,
    },
    /// The message was understood and does not count as received.
    NotCounted,
    /// The sender is not authorised yet, or a signer's identity is missing: keep the packet and hand it in again
    /// (every 500 ms and when an identity arrives, for up to 5 s).
    Defer,
    /// The message was refused.
    Dropped(DropReason),
}

/// What became of a frame from the local port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameVerdict {
    /// Sent to this many nodes (a multicast may also have been queued until members are known).
    Sent(usize),
    /// Answered here, or handed straight back to the port.
    Answered,
    /// Not sent.
    Dropped(DropReason),
}

/// Something the owner of a [`Vl2`](crate::Vl2) has to act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vl2Event {
    /// A network was joined: make its virtual port.
    Up {
        /// The network.
        network: NetworkId,
    },
    /// Configuration or status of a network changed: bring port, addresses and routes up to date.
    ConfigUpdated {
        /// The network.
        network: NetworkId,
    },
    /// A network was left: remove its port and its files.
    Down {
        /// The network.
        network: NetworkId,
    },
    /// Keep this text as `networks.d/<network>.conf` (04 §2.8).
    Persist {
        /// The network.
        network: NetworkId,
        /// Dictionary text, or a single line feed when no configuration is known.
        text: Vec<u8>,
    },
    /// The controller of this network is this node: ask it in process and answer by
    /// [`handle_local_config`](crate::Vl2::handle_local_config).
    RequestOwnController {
        /// The network.
        network: NetworkId,
        /// Metadata dictionary of the request (04 §2.4).
        metadata: Vec<u8>,
    },
    /// A trace of our own whose target is this node (04 §8).
    Traced {
        /// Dictionary text.
        text: Vec<u8>,
    },
}
