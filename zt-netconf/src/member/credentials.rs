//! Credentials of other members: checked, filed, passed on; and the push of our own (04 §4.4–§4.8, §5).

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use zt_crypto::verify_credential;
use zt_wire::ident::{Address, NetworkId};
use zt_wire::identity::Identity;
use zt_wire::time::Now;
use zt_wire::verb::{CredentialsEnd, NetworkCredentials};
use zt_wire::{Capability, Credential, CredentialKind, Emit, Membership, Ownership, Revocation, Signature, Tag};

use super::carrier::{Carrier, SendOptions, Verdict, Vl2Event};
use super::drop_reason::DropReason;
use super::membership::{Member, OWNERSHIPS, PER_RECORD};
use super::network::Network;
use super::shared::Shared;
use super::vl2::Vl2;

/// Our credentials are pushed again to a peer we send to after this time (04 §4.7).
const PUSH_AGAIN: Duration = Duration::from_millis(500_000);
/// A peer that asks for our credentials gets them at most once in this time.
const PUSH_DEMANDED: Duration = Duration::from_millis(1_000);
/// Bytes of credentials in one packet; the limit of a packet is 10 024.
const PUSH_BYTES: usize = 9_800;

/// Refused credentials of one message after which the rest is not looked at: nobody honest sends forged ones, and each
/// costs the check of a signature.
const REFUSALS: usize = 4;

/// What became of one credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was filed.
    New,
    /// It was held already.
    Redundant,
    /// It was refused.
    Rejected,
    /// The signer's identity is not known yet; it was asked for.
    Deferred,
}

/// Checks a signature; the signer's identity is asked for when it is unknown.
fn check(own: &Identity, c: &mut dyn Carrier, signer: Address, signed: &[u8], signature: &Signature) -> Outcome {
    let identity = if signer == own.address { Some(*own) } else { c.identity(signer) };
    match identity {
        Some(identity) if verify_credential(signed, signature, &identity) => Outcome::New,
        Some(_) => Outcome::Rejected,
        None => {
            c.request_identity(signer);
            Outcome::Deferred
        }
    }
}

/// Checks a credential on its own (04 §4.4, §5.3): the controller of its network signed it, and whoever stands between
/// that and the holder.
pub fn verify(credential: &impl Credential, own: &Identity, c: &mut dyn Carrier) -> Outcome {
    if !(1..=credential.max_chain()).contains(&credential.chain().count()) {
        return Outcome::Rejected;
    }
    let signed = credential.signed_bytes();
    let mut holder = credential.network().controller();
    for link in credential.chain() {
        if link.to.is_nil() || link.from.is_nil() || link.from != holder {
            return Outcome::Rejected;
        }
        match check(own, c, link.from, &signed, &link.signature) {
            Outcome::New => holder = link.to,
            other => return other,
        }
    }
    Outcome::New
}

/// A credential of which the record of a member keeps one for each ID.
pub(crate) trait Filed: Credential + Clone + PartialEq {
    /// Most of them in one record.
    const MOST: usize;

    /// Where a record keeps them.
    fn shelf(record: &Member) -> &BTreeMap<u32, Self>;

    /// The same, to file one.
    fn shelf_mut(record: &mut Member) -> &mut BTreeMap<u32, Self>;
}

impl Filed for Tag {
    const MOST: usize = PER_RECORD;

    fn shelf(record: &Member) -> &BTreeMap<u32, Self> {
        &record.tags
    }

    fn shelf_mut(record: &mut Member) -> &mut BTreeMap<u32, Self> {
        &mut record.tags
    }
}

impl Filed for Capability {
    const MOST: usize = PER_RECORD;

    fn shelf(record: &Member) -> &BTreeMap<u32, Self> {
        &record.capabilities
    }

    fn shelf_mut(record: &mut Member) -> &mut BTreeMap<u32, Self> {
        &mut record.capabilities
    }
}

impl Filed for Ownership {
    const MOST: usize = OWNERSHIPS;

    fn shelf(record: &Member) -> &BTreeMap<u32, Self> {
        &record.ownerships
    }

    fn shelf_mut(record: &mut Member) -> &mut BTreeMap<u32, Self> {
        &mut record.ownerships
    }
}

/// Why credentials are pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Push {
    /// A frame is about to leave.
    BeforeFrame,
    /// The peer said that it needs them.
    Demanded,
}

impl Network {
    /// Takes a certificate of membership (04 §4.8). Filed under its holder, whoever delivered it.
    pub(crate) fn take_membership(
        &mut self,
        shared: &Shared,
        now: Now,
        com: &Membership,
        c: &mut dyn Carrier,
    ) -> Outcome {
        let holder = com.issued_to();
        if com.network() != self.id || holder.is_reserved() || holder == self.own {
            return Outcome::Rejected;
        }
        let current = self.is_current(com.timestamp());
        let mut outdated = false;
        if let Some(record) = self.members.get(holder) {
            let seen = !current && record.disputed == Some(com.timestamp());
            if seen || com.timestamp() <= record.threshold {
                return Outcome::Rejected;
            }
            if let Some(held) = &record.membership {
                if held == com {
                    return Outcome::Redundant;
                }
                outdated = !self.supersedes(com.timestamp(), held.timestamp());
                if outdated && current {
                    return Outcome::Rejected;
                }
            }
        }
        match verify(com, &shared.own, c) {
            Outcome::New => {}
            other => return other,
        }
        if !current {
            // The controller's clock is not what it was when one of the two certificates was made.
            self.doubt(now);
        }
        if outdated {
            if let Some(record) = self.members.get_mut(holder) {
                record.disputed = Some(com.timestamp());
            }
            return Outcome::Rejected;
        }
        match self.members.record(now.mono, holder) {
            Some(record) => {
                record.set_membership(com.clone());
                Outcome::New
            }
            None => Outcome::Rejected,
        }
    }

    /// Takes a tag, a capability or a certificate of ownership (04 §5.6). Filed under its holder, whoever delivered it.
    pub(crate) fn take<C: Filed>(&mut self, shared: &Shared, now: Now, credential: &C, c: &mut dyn Carrier) -> Outcome {
        match self.screen(credential) {
            Outcome::New => {}
            other => return other,
        }
        match verify(credential, &shared.own, c) {
            Outcome::New => {}
            other => return other,
        }
        let Some(record) = self.members.record(now.mono, credential.issued_to()) else { return Outcome::Rejected };
        let shelf = C::shelf_mut(record);
        if shelf.len() >= C::MOST && !shelf.contains_key(&credential.id()) {
            return Outcome::Rejected;
        }
        shelf.insert(credential.id(), credential.clone());
        Outcome::New
    }

    /// True when a credential of this time was issued close enough to our configuration to count (04 §4.5, §5.7).
    fn is_current(&self, timestamp: i64) -> bool {
        let Some(config) = &self.config else { return false };
        // Old controllers tell the window in the certificate alone.
        let com =
            config.membership.as_ref().and_then(|com| com.qualifiers.iter().find(|q| q.id == Membership::TIMESTAMP));
        let window = com.map_or(0, |q| q.max_delta).max(config.credential_window.unsigned_abs());
        config.timestamp.abs_diff(timestamp) <= window
    }

    /// Whether a credential may take the place of one that is held.
    // Deliberate (04 §4.8): the reference takes newer ones only. When its controller's clock was ahead and is set
    // right, members refuse each other's new certificates until they restart.
    fn supersedes(&self, timestamp: i64, held: i64) -> bool {
        timestamp >= held || (self.is_current(timestamp) && !self.is_current(held))
    }

    /// The checks that need no signature (04 §5.6).
    fn screen<C: Filed>(&self, credential: &C) -> Outcome {
        let holder = credential.issued_to();
        if holder.is_reserved() || holder == self.own {
            return Outcome::Rejected;
        }
        let Some(record) = self.members.get(holder) else { return Outcome::New };
        let timestamp = credential.timestamp();
        match C::shelf(record).get(&credential.id()) {
            Some(held) if !self.supersedes(timestamp, held.timestamp()) => return Outcome::Rejected,
            // Quirk (04 §5.6): this comes before the revocation test; a revoked one is invalid all the same.
            Some(held) if held == credential => return Outcome::Redundant,
            _ => {}
        }
        let threshold = record.revoked_until(credential.kind(), credential.id());
        if threshold.is_some_and(|threshold| threshold >= timestamp) { Outcome::Rejected } else { Outcome::New }
    }

    /// Takes a revocation (04 §5.5).
    pub(crate) fn take_revocation(
        &mut self,
        shared: &mut Shared,
        now: Now,
        revocation: &Revocation,
        c: &mut dyn Carrier,
    ) -> Outcome {
        let kind = revocation.credential_kind;
        let known =
            [CredentialKind::MEMBERSHIP, CredentialKind::CAPABILITY, CredentialKind::TAG, CredentialKind::OWNERSHIP];
        if !known.contains(&kind) || revocation.target.is_reserved() {
            return Outcome::Rejected;
        }
        match verify(revocation, &shared.own, c) {
            Outcome::New => {}
            other => return other,
        }
        if self.is_moot(revocation) {
            return Outcome::Redundant;
        }
        if revocation.target == self.own {
            return self.revoke_self(shared, now, revocation);
        }
        let Some(record) = self.members.record(now.mono, revocation.target) else { return Outcome::Rejected };
        if kind != CredentialKind::MEMBERSHIP {
            let key = (kind.0, revocation.credential_id);
            if record.revocations.len() >= 3 * PER_RECORD && !record.revocations.contains_key(&key) {
                return Outcome::Rejected;
            }
            record.revocations.insert(key, revocation.threshold);
        }
        // Quirk (04 §5.5): a revoked tag or capability voids the certificate of membership too. Security: but thresholds
        // only rise. The reference takes a lower one as well, and a recorded revocation of a tag lets an expelled
        // member back in.
        record.threshold = record.threshold.max(revocation.threshold);
        Outcome::New
    }

    /// True when a revocation says nothing that is not known: anybody can repeat recorded ones.
    fn is_moot(&self, revocation: &Revocation) -> bool {
        if revocation.target == self.own {
            return revocation.threshold <= self.own_threshold;
        }
        let Some(record) = self.members.get(revocation.target) else { return revocation.threshold <= 0 };
        let held = match revocation.credential_kind {
            CredentialKind::MEMBERSHIP => record.threshold,
            kind => record.revocations.get(&(kind.0, revocation.credential_id)).copied().unwrap_or(0),
        };
        revocation.threshold <= held
    }

    /// Takes a revocation and passes it on when it is news and asks for it.
    pub(crate) fn revoke(
        &mut self,
        shared: &mut Shared,
        now: Now,
        sender: Address,
        revocation: &Revocation,
        c: &mut dyn Carrier,
    ) -> Outcome {
        let outcome = self.take_revocation(shared, now, revocation, c);
        if outcome == Outcome::New && revocation.flags & 1 != 0 {
            self.propagate(revocation, sender, c);
        }
        outcome
    }

    /// Our own certificate was revoked: nothing passes until a newer one comes.
    fn revoke_self(&mut self, shared: &mut Shared, now: Now, revocation: &Revocation) -> Outcome {
        let before = self.status();
        self.own_threshold = revocation.threshold;
        if self.status() != before {
            shared.event(Vl2Event::ConfigUpdated { network: self.id });
        }
        self.hurry(now);
        Outcome::New
    }

    /// Passes a revocation on to every member known, except who sent it and who signed it (04 §5.6).
    fn propagate(&self, revocation: &Revocation, sender: Address, c: &mut dyn Carrier) {
        let body = NetworkCredentials { revocations: vec![revocation.clone()], ..NetworkCredentials::default() };
        for (member, _) in self.members.iter() {
            if member != sender && member != revocation.signer && member != self.own {
                c.send(member, &body, SendOptions { compress: true, expect_reply: false });
            }
        }
    }

    /// Pushes our credentials to a member when it is time to (04 §4.7).
    pub(crate) fn push_credentials(&mut self, now: Now, to: Address, push: Push, c: &mut dyn Carrier) {
        let Some(config) = &self.config else { return };
        let Some(membership) = &config.membership else { return };
        let Some(record) = self.members.record(now.mono, to) else { return };
        let wait = match push {
            Push::BeforeFrame => PUSH_AGAIN,
            Push::Demanded => PUSH_DEMANDED,
        };
        let due = match (record.last_push.last(), self.last_update) {
            (Some(pushed), Some(updated)) if pushed < updated => true,
            // Longer ago than that, not as long.
            _ => record.last_push.since(now.mono).is_none_or(|passed| passed > wait),
        };
        if !due {
            return;
        }
        record.last_push.note(now.mono);
        let own = (&config.capabilities, &config.tags, &config.ownerships);
        for body in batches(membership, own.0, own.1, own.2) {
            c.send(to, &body, SendOptions { compress: true, expect_reply: false });
        }
    }
}

/// Splits our credentials over packets; one is enough for all but extreme networks.
fn batches(
    membership: &Membership,
    capabilities: &[Capability],
    tags: &[Tag],
    ownerships: &[Ownership],
) -> Vec<NetworkCredentials<'static>> {
    let mut done = Vec::new();
    let mut body = NetworkCredentials { memberships: vec![membership.clone()], ..NetworkCredentials::default() };
    let mut flush = |body: &mut NetworkCredentials<'static>, next: usize| {
        if body.encoded_len() + next > PUSH_BYTES {
            done.push(core::mem::take(body));
        }
    };
    for tag in tags {
        flush(&mut body, tag.encoded_len());
        body.tags.push(tag.clone());
    }
    for ownership in ownerships {
        flush(&mut body, ownership.encoded_len());
        body.ownerships.push(ownership.clone());
    }
    for capability in capabilities {
        flush(&mut body, capability.encoded_len());
        body.capabilities.push(capability.clone());
    }
    done.push(body);
    done
}

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
        for id in &tally.presented {
            let Some(network) = networks.get_mut(id) else { continue };
            // Whoever shows its certificate is about to talk to us: it hears our groups, and our certificate when
            // it cannot have the latest one, before the first frame needs them.
            if network.gate(now, from, c).is_ok() {
                network.push_credentials(now, from.address, Push::BeforeFrame, c);
                network.member_proved(shared, now, from.address, c);
            }
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
            let Some(network) = networks.get_mut(&com.network()) else { continue };
            let outcome = network.take_membership(shared, now, com, c);
            if matches!(outcome, Outcome::New | Outcome::Redundant) && com.issued_to() == sender {
                tally.presented.insert(com.network());
            }
            if tally.add(outcome) {
                return;
            }
        }
        for capability in &message.capabilities {
            let Some(network) = networks.get_mut(&capability.network) else { continue };
            if tally.add(network.take(shared, now, capability, c)) {
                return;
            }
        }
        for tag in &message.tags {
            let Some(network) = networks.get_mut(&tag.network) else { continue };
            if tally.add(network.take(shared, now, tag, c)) {
                return;
            }
        }
        let mut known = false;
        for revocation in &message.revocations {
            let Some(network) = networks.get_mut(&revocation.network) else { continue };
            // Anybody can repeat recorded ones: one that says nothing new is looked at, the others are passed over.
            if known && network.is_moot(revocation) {
                continue;
            }
            let outcome = network.revoke(shared, now, sender, revocation, c);
            known |= outcome == Outcome::Redundant;
            if tally.add(outcome) {
                return;
            }
        }
        for ownership in &message.ownerships {
            let Some(network) = networks.get_mut(&ownership.network) else { continue };
            if tally.add(network.take(shared, now, ownership, c)) {
                return;
            }
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    accepted: usize,
    rejected: usize,
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
