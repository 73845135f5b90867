//! NETWORK_CREDENTIALS: what a peer shows of its own and others' credentials (04 §5.6).

use std::collections::BTreeSet;

use zt_wire::Emit;
use zt_wire::ident::{Address, NetworkId};
use zt_wire::identity::Identity;
use zt_wire::time::Now;
use zt_wire::verb::{CredentialsEnd, NetworkCredentials};

use super::Vl2;
use crate::member::carrier::{Carrier, Verdict};
use crate::member::credentials::Outcome;
use crate::member::drop_reason::DropReason;
use crate::member::network::push::Push;

/// Refused credentials of one message after which the rest is not looked at: nobody honest sends forged ones, and each
/// costs the check of a signature.
const REFUSALS: usize = 4;

/// A message as long as this may be the first of several (04 §5.6): there was no room for one more capability.
const CUT: usize = 7_000;

impl Vl2 {
    /// NETWORK_CREDENTIALS (04 §5.6).
    pub(crate) fn handle_credentials(
        &mut self,
        now: Now,
        from: &Identity,
        message: &NetworkCredentials<'_>,
        c: &mut dyn Carrier,
    ) -> Verdict {
        let (shared, _) = self.parts();
        if !shared.credentials_gate.pass(now.mono, from.address) {
            return shared.drop(DropReason::CredentialRate);
        }
        let mut tally = Tally::default();
        self.take_all(now, from.address, message, &mut tally, c);
        let (shared, networks) = self.parts();
        let all = message.encoded_len() < CUT;
        for id in &tally.presented {
            let Some(network) = networks.get_mut(id) else { continue };
            if let Some(record) = network.members.get_mut(from.address).filter(|_| !tally.deferred) {
                record.contact.showed(now.mono, all);
            }
            // Whoever shows its certificate is about to talk to us: it hears our groups, and our certificate when
            // it cannot have the latest one, before the first frame needs them.
            if network.gate(now, from, c).is_ok() {
                network.push_credentials(now, from.address, Push::BeforeFrame, c);
                network.member_proved(shared, now, from.address, c);
            }
        }
        if tally.accepted > 0 {
            // Frames that came before their credentials follow now.
            c.hurry(from.address);
        }
        if tally.deferred {
            // Deliberate: the retry of a deferred message must not meet the gate (a quirk of the reference).
            shared.credentials_gate.reopen(from.address);
            shared.drops.count(DropReason::SignerUnknown);
            return Verdict::Defer;
        }
        for _ in 0..tally.rejected {
            shared.drops.count(DropReason::CredentialRefused);
        }
        for _ in 0..tally.foreign {
            shared.drops.count(DropReason::NotJoined);
        }
        if message.is_broken() {
            // What stands before the malformed part was taken; the message does not count.
            return shared.drop(DropReason::CredentialMalformed);
        }
        if matches!(message.end, CredentialsEnd::Capabilities | CredentialsEnd::Tags | CredentialsEnd::Revocations) {
            // Quirk (02 §6.13): old senders' messages are processed without counting.
            return Verdict::NotCounted;
        }
        Verdict::Accepted { trust: tally.accepted > 0 }
    }

    /// Takes the credentials in order, until one has to wait for an identity or too many were refused.
    fn take_all(
        &mut self,
        now: Now,
        sender: Address,
        message: &NetworkCredentials<'_>,
        tally: &mut Tally,
        c: &mut dyn Carrier,
    ) {
        let (shared, networks) = self.parts();
        for com in &message.memberships {
            let Some(network) = networks.get_mut(&com.network()) else {
                tally.foreign += 1;
                continue;
            };
            let outcome = network.take_membership(shared, now, com, c);
            if matches!(outcome, Outcome::New | Outcome::Redundant) && com.issued_to() == sender {
                tally.presented.insert(com.network());
            }
            if tally.add(network.traced(shared, com, outcome)) {
                return;
            }
        }
        for capability in &message.capabilities {
            let Some(network) = networks.get_mut(&capability.network) else {
                tally.foreign += 1;
                continue;
            };
            let outcome = network.take(shared, now, capability, c);
            if tally.add(network.traced(shared, capability, outcome)) {
                return;
            }
        }
        for tag in &message.tags {
            let Some(network) = networks.get_mut(&tag.network) else {
                tally.foreign += 1;
                continue;
            };
            let outcome = network.take(shared, now, tag, c);
            if tally.add(network.traced(shared, tag, outcome)) {
                return;
            }
        }
        let mut known = false;
        for revocation in &message.revocations {
            let Some(network) = networks.get_mut(&revocation.network) else {
                tally.foreign += 1;
                continue;
            };
            // Anybody can repeat recorded ones: one that says nothing new is looked at, the others are passed over.
            if known && network.is_moot(revocation) {
                continue;
            }
            let outcome = network.revoke(shared, now, sender, revocation, c);
            known |= outcome == Outcome::Redundant;
            if tally.add(network.traced(shared, revocation, outcome)) {
                return;
            }
        }
        for ownership in &message.ownerships {
            let Some(network) = networks.get_mut(&ownership.network) else {
                tally.foreign += 1;
                continue;
            };
            let outcome = network.take(shared, now, ownership, c);
            if tally.add(network.traced(shared, ownership, outcome)) {
                return;
            }
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    accepted: usize,
    rejected: usize,
    /// Of networks that are not joined.
    foreign: usize,
    /// One has to wait for an identity.
    deferred: bool,
    /// Networks for which the sender showed its own certificate.
    presented: BTreeSet<NetworkId>,
}

impl Tally {
    /// Notes an outcome; true when the rest of the message is not looked at.
    fn add(&mut self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::New | Outcome::Redundant => self.accepted += 1,
            Outcome::Rejected => self.rejected += 1,
            Outcome::Deferred => self.deferred = true,
        }
        self.deferred || self.rejected >= REFUSALS
    }
}
