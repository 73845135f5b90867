//! The rules engine a second time, straight from 04 §6: to compare ours with.
//!
//! Nothing is compiled, cached or shared with the engine: typed rules are walked in the order of the document, in its words. It
//! reproduces the quirks; where the engine differs on purpose, the tests say so by name.

mod matches;
mod table;

use zt_netconf::NetworkConfig;
use zt_wire::{Address, Capability, CredentialKind, Mac, Ownership, Tag};

pub use table::{Base, Copy, Result, RuleLog, State, evaluate};

/// The frame, as 04 §6.3 lists it; the VLAN ID is 0.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Direction.
    pub inbound: bool,
    /// ZT source.
    pub source: Address,
    /// ZT destination; `NIL` in the first pass of multicast and bridged frames.
    pub destination: Address,
    /// Source MAC.
    pub source_mac: Mac,
    /// Destination MAC.
    pub destination_mac: Mac,
    /// Ethertype.
    pub ethertype: u16,
    /// Payload.
    pub payload: &'a [u8],
}

/// The membership record of the other side.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Tags held.
    pub tags: Vec<Tag>,
    /// Capabilities presented, ascending by ID.
    pub capabilities: Vec<Capability>,
    /// Certificates of ownership held.
    pub ownerships: Vec<Ownership>,
    /// Type, ID and threshold of each revocation.
    pub revoked: Vec<(CredentialKind, u32, i64)>,
}

impl Record {
    /// 04 §5.7: issued close to our configuration, and after any revocation.
    fn is_valid(&self, config: &NetworkConfig, kind: CredentialKind, id: u32, timestamp: i64) -> bool {
        let apart = (i128::from(timestamp) - i128::from(config.timestamp)).unsigned_abs();
        let revoked = self.revoked.iter().any(|entry| (entry.0, entry.1) == (kind, id) && timestamp <= entry.2);
        apart <= u128::from(config.credential_window.unsigned_abs()) && !revoked
    }
}

/// Who decides, and what it knows.
#[derive(Clone, Copy, Debug)]
pub struct Decider<'a> {
    /// This node.
    pub own: Address,
    /// Its configuration.
    pub config: &'a NetworkConfig,
    /// The record of the other side, if there is one.
    pub record: Option<&'a Record>,
}

/// A copy or a redirected frame, as an EXT_FRAME would carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Receiver.
    pub to: Address,
    /// Flags byte of the EXT_FRAME.
    pub flags: u8,
    /// How many bytes of the payload.
    pub length: usize,
}

/// The decision of the whole filter (04 §6.7, §6.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// 0: dropped; 1: accepted; 2 (inbound only): super-accepted.
    pub decision: u8,
    /// The capability that accepted it.
    pub capability: Option<u32>,
    /// Index of the action that decided, in its rules or in those of the network.
    pub rule: Option<usize>,
    /// What is sent besides, in this order.
    pub sent: Vec<Sent>,
    /// QoS bucket.
    pub bucket: Option<u8>,
}

/// 04 §6.7 for an outbound frame, 04 §6.8 for an inbound one. `random` gives uniform 32-bit numbers.
pub fn filter(decider: Decider<'_>, frame: &Frame<'_>, no_tee: bool, random: &mut dyn FnMut() -> u32) -> Decision {
    let mut out = Decision::default();
    let base = evaluate(decider, &decider.config.rules, frame, random, None);
    (out.rule, out.bucket) = (base.rule, base.bucket);
    let mut result = base.result;
    let mut destination = base.destination;
    if result == Result::NoMatch {
        for capability in capabilities(decider, frame.inbound) {
            let own = evaluate(decider, &capability.rules, frame, random, None);
            if matches!(own.result, Result::NoMatch | Result::Drop) {
                continue;
            }
            if let Some(copy) = own.copy.filter(|_| !no_tee) {
                out.sent.push(sent(copy, frame));
            }
            out.capability = Some(capability.id);
            (out.rule, out.bucket) = (own.rule, own.bucket);
            result = own.result;
            destination = own.destination;
            break;
        }
    }
    if matches!(result, Result::NoMatch | Result::Drop) {
        return Decision { rule: base.rule, ..Decision::default() };
    }
    if let Some(copy) = base.copy.filter(|_| !no_tee) {
        out.sent.push(sent(copy, frame));
    }
    if destination != frame.destination && !destination.is_nil() {
        let flags = if frame.inbound { 0x0a } else { 0x04 };
        out.sent.push(Sent { to: destination, flags, length: frame.payload.len() });
        return out;
    }
    out.decision = if frame.inbound && result == Result::SuperAccept { 2 } else { 1 };
    out
}

/// Capabilities of the sender: our own on the way out, its valid ones on the way in.
fn capabilities(decider: Decider<'_>, inbound: bool) -> impl Iterator<Item = &Capability> {
    let own = (!inbound).then_some(&decider.config.capabilities);
    let presented = decider.record.filter(|_| inbound).into_iter().flat_map(move |record| {
        let valid = |c: &&Capability| record.is_valid(decider.config, CredentialKind::CAPABILITY, c.id, c.timestamp);
        record.capabilities.iter().filter(valid)
    });
    own.into_iter().flatten().chain(presented)
}

/// The table of copies in 04 §6.7.
fn sent(copy: Copy, frame: &Frame<'_>) -> Sent {
    let flags = match (copy.watch, frame.inbound) {
        (false, false) => 0x02,
        (true, false) => 0x16,
        (false, true) => 0x08,
        (true, true) => 0x1c,
    };
    Sent { to: copy.to, flags, length: copy.length }
}
