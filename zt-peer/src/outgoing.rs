//! Values that accompany a packet on its way out.

use thiserror::Error;
use zt_wire::verb::Verb;

use crate::link::Path;

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
