//! Values that accompany a packet on its way out.

use std::sync::Arc;

use thiserror::Error;
use zt_crypto::{PeerKeys, Suite};
use zt_wire::verb::Verb;
use zt_wire::{Address, Body, PacketId};

use crate::link::Path;
use crate::path_proof::Payer;

/// Why a packet was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
#[non_exhaustive]
pub enum SendError {
    /// To ourselves, or to an address nobody can have.
    #[error("no such destination")]
    Destination,
    /// Too long for any receiver.
    #[error("message too long")]
    TooLong,
}

/// Where a packet goes next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NextHop {
    pub(crate) path: Path,
    pub(crate) mtu: u16,
    pub(crate) trusted: Option<u64>,
    /// The path is the destination's own.
    pub(crate) direct: bool,
}

/// One packet to be made.
pub(crate) struct Outgoing<'a> {
    pub(crate) to: Address,
    pub(crate) keys: Arc<PeerKeys>,
    pub(crate) suite: Suite,
    pub(crate) path: Path,
    pub(crate) mtu: u16,
    pub(crate) trusted: Option<u64>,
    pub(crate) body: &'a dyn Body,
    pub(crate) compress: bool,
    pub(crate) at_once: bool,
    pub(crate) note: bool,
    /// Packet ID, when it had to be known beforehand.
    pub(crate) packet_id: Option<PacketId>,
    /// Who answers for its bytes.
    pub(crate) payer: Payer,
}

/// Verbs whose flow a path must prove itself for. Credentials are among them because frames may wait for them.
pub(crate) const fn carries_traffic(verb: Verb) -> bool {
    matches!(
        verb,
        Verb::FRAME
            | Verb::EXT_FRAME
            | Verb::MULTICAST_FRAME
            | Verb::NETWORK_CONFIG_REQUEST
            | Verb::NETWORK_CONFIG
            | Verb::NETWORK_CREDENTIALS
            | Verb::USER_MESSAGE
    )
}

/// Verbs that an ERROR from a member may answer without having been registered one by one.
pub(crate) const fn is_frame(verb: Verb) -> bool {
    matches!(verb, Verb::FRAME | Verb::EXT_FRAME | Verb::MULTICAST_FRAME)
}
