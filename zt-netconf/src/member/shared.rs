//! What all networks of one node share.

use core::time::Duration;

use zt_crypto::Entropy;
use zt_wire::SoftwareVersion;
use zt_wire::gate::Gates;
use zt_wire::ident::{Address, NetworkId};
use zt_wire::identity::Identity;

use super::asked::Asked;
use super::authorised::Authorised;
use super::carrier::Verdict;
use super::drop_reason::{DropReason, Drops};
use super::events::Events;
use super::subscriptions::Subscriptions;
use super::trace::Traces;

/// At most one NETWORK_CREDENTIALS per peer in this time (04 §5.6).
const CREDENTIALS: Duration = Duration::from_millis(1_000);
/// At most one NEED_MEMBERSHIP_CERTIFICATE per peer and network in this time.
// Deliberate (04 §4.6): the reference repeats the error for every retry of every packet.
const ERRORS: Duration = Duration::from_millis(1_000);
/// Peers watched by a rate gate.
const GATE_LIMIT: usize = 8_192;

/// What all networks of one node share.
pub(crate) struct Shared {
    pub(crate) own: Identity,
    pub(crate) version: SoftwareVersion,
    pub(crate) entropy: Box<dyn Entropy + Send>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) asked: Asked,
    pub(crate) drops: Drops,
    pub(crate) credentials_gate: Gates<Address>,
    /// The same for certificates inside other messages, which old peers send.
    pub(crate) inline_gate: Gates<Address>,
    /// Who sent a forged chunk: no other one of this peer is looked at for that long.
    pub(crate) chunk_gate: Gates<Address>,
    pub(crate) error_gate: Gates<(NetworkId, Address)>,
    /// The same for asking on our own account: an ERROR that answers nothing must not be sent instead of one that does.
    pub(crate) ask_gate: Gates<(NetworkId, Address)>,
    /// Scratch for lists of recipients: kept so that frames do not allocate.
    pub(crate) recipients: Vec<Address>,
    /// Whom the own controller answered.
    pub(super) authorised: Authorised,
    /// What the owner has to act on.
    pub(super) events: Events,
    /// What others asked to be told.
    pub(crate) traces: Traces,
}

impl Shared {
    pub(crate) fn new(own: Identity, version: SoftwareVersion, entropy: Box<dyn Entropy + Send>) -> Self {
        Self {
            own,
            version,
            entropy,
            subscriptions: Subscriptions::default(),
            asked: Asked::default(),
            drops: Drops::new(),
            credentials_gate: Gates::new(CREDENTIALS, GATE_LIMIT),
            inline_gate: Gates::new(CREDENTIALS, GATE_LIMIT),
            chunk_gate: Gates::new(CREDENTIALS, GATE_LIMIT),
            error_gate: Gates::new(ERRORS, GATE_LIMIT),
            ask_gate: Gates::new(ERRORS, GATE_LIMIT),
            recipients: Vec::new(),
            authorised: Authorised::default(),
            events: Events::default(),
            traces: Traces::default(),
        }
    }

    /// Counts a refusal and makes it a verdict.
    pub(crate) fn drop(&mut self, reason: DropReason) -> Verdict {
        self.drops.count(reason);
        Verdict::Dropped(reason)
    }

    /// A uniform number below `n` (0 for 0).
    pub(crate) fn below(&mut self, n: usize) -> usize {
        if n < 2 { 0 } else { self.entropy.below(n as u64) as usize }
    }
}

impl core::fmt::Debug for Shared {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Shared").field("own", &self.own.address).finish_non_exhaustive()
    }
}
