//! Who asked when: the rate gate of requests, and the members that pushes can reach (05 §5, §5.1).

use std::collections::BTreeMap;
use std::time::Duration;

use zt_wire::gate::Gates;
use zt_wire::ident::{Address, NetworkId};
use zt_wire::identity::Identity;
use zt_wire::time::Mono;

/// Requests of the same node for the same network must be further apart than 1,000 ms (05 §5): as much is not enough.
const MIN_INTERVAL: Duration = Duration::from_micros(1_000_001);
/// A node counts as online this long after a request.
const ONLINE: Duration = Duration::from_millis(120_000);
/// Most requests of different nodes and networks in that time.
const MAX_GATES: usize = 16_384;
/// Nodes whose last request is remembered, of all networks together; half of the places are for members only.
const MAX_ASKERS: usize = 65_536;
/// Longest metadata dictionary that is read (04 §2.4).
pub(super) const MAX_METADATA: usize = 1023;

/// The last request of a node for a network.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) at: Mono,
    pub(super) identity: Identity,
    pub(super) metadata: Vec<u8>,
}

/// The table of requests.
#[derive(Debug)]
pub(super) struct Presence {
    gates: Gates<(NetworkId, Address)>,
    askers: BTreeMap<(NetworkId, Address), Asker>,
}

/// Why a request does not pass the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    TooFast,
    TooMany,
}

impl Default for Presence {
    fn default() -> Self {
        Self { gates: Gates::new(MIN_INTERVAL, MAX_GATES), askers: BTreeMap::new() }
    }
}

impl Presence {
    /// The rate gate: notes the time when it passes.
    pub(super) fn pass(&mut self, now: Mono, network: NetworkId, node: Address) -> Result<(), Refused> {
        if !self.gates.is_open(now, (network, node)) {
            return Err(Refused::TooFast);
        }
        if self.gates.pass(now, (network, node)) { Ok(()) } else { Err(Refused::TooMany) }
    }

    /// Remembers a request, so that a change can be pushed to its sender. `member`: it is authorised.
    pub(super) fn note(&mut self, network: NetworkId, node: Address, asker: Asker, member: bool) {
        let now = asker.at;
        let room = if member { MAX_ASKERS } else { MAX_ASKERS / 2 };
        if self.askers.len() >= room && !self.askers.contains_key(&(network, node)) {
            self.askers.retain(|_, a| now.saturating_since(a.at) <= ONLINE);
            if self.askers.len() >= room {
                return;
            }
        }
        self.askers.insert((network, node), asker);
    }

    /// The last request of a node, when it is recent enough for the node to be online.
    pub(super) fn online(&self, now: Mono, network: NetworkId, node: Address) -> Option<&Asker> {
        self.askers.get(&(network, node)).filter(|a| now.saturating_since(a.at) <= ONLINE)
    }

    /// All nodes that asked for a network lately, ascending.
    pub(super) fn online_in(&self, now: Mono, network: NetworkId) -> impl Iterator<Item = Address> {
        self.askers
            .range((network, Address::new(0))..=(network, Address::new(u64::MAX)))
            .filter(move |(_, a)| now.saturating_since(a.at) <= ONLINE)
            .map(|((_, node), _)| *node)
    }

    /// True when nobody asked lately.
    pub(super) fn is_empty(&self) -> bool {
        self.askers.is_empty()
    }

    /// Forgets who is no longer online.
    pub(super) fn sweep(&mut self, now: Mono) {
        self.askers.retain(|_, a| now.saturating_since(a.at) <= ONLINE);
        self.gates.expire(now);
    }
}
