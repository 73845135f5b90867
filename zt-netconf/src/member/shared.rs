//! What all networks of one node share.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use zt_crypto::Entropy;
use zt_wire::gate::Gates;
use zt_wire::ident::{Address, NetworkId};
use zt_wire::identity::Identity;
use zt_wire::time::{Mono, Now};

use super::asked::Asked;
use super::carrier::{Verdict, Vl2Event};
use super::drop_reason::{DropReason, Drops};
use super::request::Version;
use super::subscriptions::Subscriptions;

/// How long a controller's answer opens our subscription service to a member (04 §7.4).
pub(super) const AUTHORISED: Duration = Duration::from_millis(180_000);
/// Most members remembered as authorised by the own controller.
pub(super) const AUTHORISED_LIMIT: usize = 65_536;
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
    pub(crate) version: Version,
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
    pub(super) authorised: BTreeMap<(NetworkId, Address), Mono>,
    pub(super) events: VecDeque<Vl2Event>,
}

impl Shared {
    pub(crate) fn new(own: Identity, version: Version, entropy: Box<dyn Entropy + Send>) -> Self {
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
            authorised: BTreeMap::new(),
            events: VecDeque::new(),
        }
    }

    /// Queues an event; one that only repeats what still waits is left out.
    pub(crate) fn event(&mut self, event: Vl2Event) {
        match &event {
            Vl2Event::Persist { network, .. } => {
                let same = |e: &Vl2Event| matches!(e, Vl2Event::Persist { network: n, .. } if n == network);
                self.events.retain(|waiting| !same(waiting));
            }
            Vl2Event::ConfigUpdated { .. } | Vl2Event::RequestOwnController { .. } if self.events.contains(&event) => {
                return;
            }
            _ => {}
        }
        self.events.push_back(event);
    }

    /// Counts a refusal and makes it a verdict.
    pub(crate) fn drop(&mut self, reason: DropReason) -> Verdict {
        self.drops.count(reason);
        Verdict::Dropped(reason)
    }

    /// True when our controller answered this member recently.
    pub(crate) fn is_authorised(&self, now: Now, network: NetworkId, member: Address) -> bool {
        let at = self.authorised.get(&(network, member));
        at.is_some_and(|at| now.mono.saturating_since(*at) < AUTHORISED)
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
