//! What a network tells the target of its traces (04 §8).

use zt_wire::ether::EthernetRef;
use zt_wire::ident::{Address, PacketId};
use zt_wire::verb::Verb;
use zt_wire::{Capability, Credential, CredentialKind, Membership, Ownership, Revocation, Tag};

use super::Network;
use super::filing::Filed;
use crate::member::credentials::Outcome;
use crate::member::drop_reason::DropReason;
use crate::member::shared::Shared;
use crate::member::trace::{Trace, Traces};
use crate::trace::{TraceEvent, key};

impl Network {
    /// Makes a trace when the target wants events of this kind.
    fn trace(&mut self, shared: &mut Shared, event: TraceEvent, fill: impl FnOnce(&Self, &mut Trace)) {
        if let Some(mut trace) = self.begin_trace(shared, event) {
            fill(self, &mut trace);
            shared.traces.end(trace);
        }
    }

    pub(super) fn begin_trace(&mut self, shared: &mut Shared, event: TraceEvent) -> Option<Trace> {
        let config = self.held.config.as_ref().filter(|config| Traces::wanted(config, event))?;
        let trace = shared.traces.begin(config, &mut self.held.pace, event);
        if trace.is_none() {
            shared.drops.count(DropReason::TraceRate);
        }
        trace
    }

    /// A frame of our host did not leave: not at all (`NIL`), or not to one of several bridges.
    pub(crate) fn trace_unsent(
        &mut self,
        shared: &mut Shared,
        frame: &EthernetRef<'_>,
        bridge: Address,
        reason: DropReason,
    ) {
        if reason == DropReason::Redirected {
            return;
        }
        self.trace(shared, TraceEvent::OUTGOING_DROPPED, |this, trace| {
            let to = if bridge.is_nil() { frame.destination.member(this.id).unwrap_or(Address::NIL) } else { bridge };
            trace.address(key::SOURCE, this.own);
            trace.address(key::DESTINATION, if frame.destination.is_multicast() { bridge } else { to });
            trace.frame(frame);
            trace.put(key::REASON, unsent(reason, !bridge.is_nil()));
        });
    }

    /// A frame of another node was refused after the rules let it pass, or before they were asked.
    pub(crate) fn trace_undelivered(
        &mut self,
        shared: &mut Shared,
        from: Address,
        packet: (Verb, PacketId),
        frame: &EthernetRef<'_>,
        reason: DropReason,
    ) {
        self.trace(shared, TraceEvent::INCOMING_DROPPED, |this, trace| {
            trace.packet(from, packet);
            trace.address(key::SOURCE, from);
            trace.address(key::DESTINATION, this.own);
            trace.frame(frame);
            trace.put(key::REASON, reason.name());
        });
    }

    /// Somebody who is no member here sent a frame.
    pub(crate) fn trace_denied(&mut self, shared: &mut Shared, from: Address, packet: (Verb, PacketId)) {
        self.trace(shared, TraceEvent::ACCESS_DENIED, |_, trace| trace.packet(from, packet));
    }

    /// Something about the way to a member.
    pub(crate) fn trace_path(
        &mut self,
        shared: &mut Shared,
        event: TraceEvent,
        peer: Address,
        fields: &[(&'static str, String)],
    ) {
        if event != TraceEvent::RESETTING_PATHS && self.members.get(peer).is_none() {
            return;
        }
        self.trace(shared, event, |_, trace| {
            trace.address(key::REMOTE, peer);
            for (key, value) in fields {
                trace.put(key, value);
            }
        });
    }

    /// Tells of a credential that was refused; gives the outcome back.
    pub(crate) fn traced<C: Traced>(&mut self, shared: &mut Shared, credential: &C, outcome: Outcome) -> Outcome {
        if outcome == Outcome::Rejected {
            self.trace(shared, TraceEvent::CREDENTIAL_REJECTED, |this, trace| {
                trace.number(key::CREDENTIAL, C::KIND.0.into());
                credential.tell(trace);
                trace.put(key::REASON, credential.reason(this));
            });
        }
        outcome
    }
}

/// The words of the reference where it has some (04 §8), ours else.
fn unsent(reason: DropReason, bridges: bool) -> &'static str {
    match reason {
        DropReason::RuleDrop | DropReason::RuleNoMatch | DropReason::RuleEvaded if bridges => {
            "filter blocked (bridge replication)"
        }
        DropReason::RuleDrop | DropReason::RuleNoMatch | DropReason::RuleEvaded => "filter blocked",
        reason => reason.name(),
    }
}

const REVOKED: &str = "revoked";
const OLD: &str = "old";
const INVALID: &str = "invalid";

/// A credential that can be told about.
pub(crate) trait Traced: Credential {
    const KIND: CredentialKind;

    /// What it is.
    fn tell(&self, trace: &mut Trace);

    /// Why it was refused, as far as what is held tells.
    fn reason(&self, network: &Network) -> &'static str;
}

impl Traced for Membership {
    const KIND: CredentialKind = CredentialKind::MEMBERSHIP;

    fn tell(&self, trace: &mut Trace) {
        trace.number(key::CREDENTIAL_ID, 0);
        trace.number(key::CREDENTIAL_TIME, self.timestamp().unsigned_abs());
        trace.address(key::CREDENTIAL_HOLDER, self.issued_to());
    }

    fn reason(&self, network: &Network) -> &'static str {
        match network.members.get(self.issued_to()) {
            Some(record) if self.timestamp() <= record.threshold => REVOKED,
            Some(record) if record.membership().is_some_and(|held| held.timestamp() > self.timestamp()) => OLD,
            _ => INVALID,
        }
    }
}

fn tell_filed<C: Filed>(credential: &C, trace: &mut Trace) {
    trace.number(key::CREDENTIAL_ID, credential.id().into());
    trace.number(key::CREDENTIAL_TIME, credential.timestamp().unsigned_abs());
    trace.address(key::CREDENTIAL_HOLDER, credential.issued_to());
}

fn filed_reason<C: Filed>(credential: &C, network: &Network) -> &'static str {
    let Some(record) = network.members.get(credential.issued_to()) else { return INVALID };
    let revoked = record.revoked_until(credential.kind(), credential.id());
    let held = C::shelf(record).get(&credential.id());
    match () {
        () if revoked.is_some_and(|until| until >= credential.timestamp()) => REVOKED,
        () if held.is_some_and(|held| held.timestamp() > credential.timestamp()) => OLD,
        () => INVALID,
    }
}

macro_rules! filed {
    ($($name:ident: $kind:ident),*) => {$(
        impl Traced for $name {
            const KIND: CredentialKind = CredentialKind::$kind;

            fn tell(&self, trace: &mut Trace) {
                tell_filed(self, trace);
            }

            fn reason(&self, network: &Network) -> &'static str {
                filed_reason(self, network)
            }
        }
    )*};
}

filed!(Capability: CAPABILITY, Tag: TAG, Ownership: OWNERSHIP);

impl Traced for Revocation {
    const KIND: CredentialKind = CredentialKind::REVOCATION;

    fn tell(&self, trace: &mut Trace) {
        trace.number(key::CREDENTIAL_ID, self.id.into());
        trace.number(key::CREDENTIAL_TIME, self.threshold.unsigned_abs());
        trace.address(key::CREDENTIAL_TARGET, self.target);
    }

    fn reason(&self, _network: &Network) -> &'static str {
        INVALID
    }
}
