//! Who is a member: what is known of the other nodes of a network (04 §4.5, §4.6).

use core::time::Duration;
use std::collections::BTreeMap;

use zt_crypto::fingerprint;
use zt_wire::gate::Gate;
use zt_wire::ident::Address;
use zt_wire::identity::Identity;
use zt_wire::time::Mono;
use zt_wire::{Capability, Credential, CredentialKind, Membership, Ownership, Tag};

use super::contact::Contact;
use super::sweep::{Look, Sweep};
use crate::config::NetworkConfig;
use crate::rules::{PeerPolicy, Policy};

/// Most records of one network.
pub(crate) const RECORDS: usize = 16_384;
/// Most tags, capabilities and revocation thresholds of one record, each.
pub(crate) const PER_RECORD: usize = 128;
/// Most certificates of ownership of one record.
pub(crate) const OWNERSHIPS: usize = 4;
/// A record without certificate is forgotten when nothing happened with the peer for this long.
const STRANGER_LIFETIME: Duration = Duration::from_secs(600);
/// A record with certificate is forgotten after this long; the peer pushes it again when asked.
const MEMBER_LIFETIME: Duration = Duration::from_secs(3 * 3600);

/// "Mine agrees with theirs", theirs having been issued to `peer` (04 §4.5).
pub fn agrees(mine: &Membership, theirs: &Membership, peer: &Identity) -> bool {
    let (mine, theirs) = (&mine.qualifiers, &theirs.qualifiers);
    if mine.is_empty() || theirs.is_empty() {
        return false;
    }
    // If an id occurs twice, the last one counts.
    let value = |id: u64| theirs.iter().rev().find(|tuple| tuple.id == id).map(|tuple| tuple.value);
    let close =
        mine.iter().all(|tuple| value(tuple.id).is_some_and(|other| tuple.value.abs_diff(other) <= tuple.max_delta));
    if !close {
        return false;
    }
    if !mine.iter().any(|tuple| (3..=6).contains(&tuple.id)) {
        return true;
    }
    let hash = fingerprint(peer);
    (0..4).all(|word| {
        let bytes: [u8; 8] = hash[word * 8..word * 8 + 8].try_into().expect("eight bytes");
        value(3 + word as u64) == Some(u64::from_be_bytes(bytes))
    })
}

/// What is known of one other node in one network.
#[derive(Debug, Default)]
pub struct Member {
    pub(crate) membership: Option<Membership>,
    /// Certificates of membership up to this time are void.
    pub(crate) threshold: i64,
    /// Thresholds by (credential type, ID).
    pub(crate) revocations: BTreeMap<(u8, u32), i64>,
    pub(crate) tags: BTreeMap<u32, Tag>,
    pub(crate) capabilities: BTreeMap<u32, Capability>,
    pub(crate) ownerships: BTreeMap<u32, Ownership>,
    /// Time of a certificate of this member that was refused because it agrees with nothing: seen once is enough.
    pub(crate) disputed: Option<i64>,
    pub(crate) last_push: Gate,
    /// That push is to be repeated once.
    pub(crate) push_twice: bool,
    /// The last push that it asked for.
    pub(crate) last_demand: Gate,
    /// Whether it has shown what it holds.
    pub(crate) contact: Contact,
    pub(crate) last_announce: Gate,
    pub(crate) last_active: Mono,
    /// Result of [`agrees`] for a generation of our configuration.
    agreement: Option<(u64, bool)>,
    /// Its credentials compiled for a generation of our configuration.
    policy: Option<(u64, Box<PeerPolicy>)>,
}

impl Member {
    /// The certificate of membership held.
    pub fn membership(&self) -> Option<&Membership> {
        self.membership.as_ref()
    }

    /// Certificates of membership issued up to this time (controller's clock) are void; 0 when none was revoked.
    pub fn threshold(&self) -> i64 {
        self.threshold
    }

    /// True when a certificate was revoked and no newer one is held.
    pub fn is_revoked(&self) -> bool {
        // A threshold alone, without a certificate, says as much.
        self.threshold > 0 && self.membership.as_ref().is_none_or(|com| com.timestamp() <= self.threshold)
    }

    /// Tags held, ascending by ID; revoked and outdated ones included.
    pub fn tags(&self) -> impl Iterator<Item = &Tag> {
        self.tags.values()
    }

    /// Capabilities held, ascending by ID; revoked and outdated ones included.
    pub fn capabilities(&self) -> impl Iterator<Item = &Capability> {
        self.capabilities.values()
    }

    /// Certificates of ownership held, ascending by ID; revoked and outdated ones included.
    pub fn ownerships(&self) -> impl Iterator<Item = &Ownership> {
        self.ownerships.values()
    }

    /// Credentials of this kind and ID issued up to this time are void; `None` when none was revoked.
    pub fn revoked_until(&self, kind: CredentialKind, id: u32) -> Option<i64> {
        self.revocations.get(&(kind.0, id)).copied()
    }

    /// Time of the last push of our credentials.
    pub fn last_push(&self) -> Option<Mono> {
        self.last_push.last()
    }

    /// Whether frames may be exchanged with this node, whose identity is `peer` (04 §4.6).
    pub(crate) fn is_allowed(&mut self, config: &NetworkConfig, generation: u64, peer: &Identity) -> bool {
        self.is_allowed_as(config, generation, || Some(*peer))
    }

    /// The same when the identity is yet to be looked up, which most questions do not need.
    pub(crate) fn is_allowed_as(
        &mut self,
        config: &NetworkConfig,
        generation: u64,
        peer: impl FnOnce() -> Option<Identity>,
    ) -> bool {
        if config.is_public() {
            return true;
        }
        let (Some(mine), Some(theirs)) = (&config.membership, &self.membership) else { return false };
        if theirs.timestamp() <= self.threshold {
            return false;
        }
        match self.agreement {
            Some((known, result)) if known == generation => result,
            _ => {
                let Some(peer) = peer() else { return false };
                let result = agrees(mine, theirs, &peer);
                self.agreement = Some((generation, result));
                result
            }
        }
    }

    /// This member as the rules see it: its credentials that count now (04 §5.7). Kept until the record or our
    /// configuration changes.
    pub(crate) fn policy(&mut self, ours: &Policy, generation: u64) -> &PeerPolicy {
        if self.policy.as_ref().is_none_or(|(known, _)| *known != generation) {
            self.policy = Some((generation, Box::new(self.compile(ours))));
        }
        &self.policy.as_ref().expect("just made").1
    }

    /// The same, made anew.
    pub(crate) fn compile(&self, ours: &Policy) -> PeerPolicy {
        let tags = self.tags.values().filter(|tag| self.counts(*tag, ours));
        let capabilities = self.capabilities.values().filter(|capability| self.counts(*capability, ours));
        let ownerships = self.ownerships.values().filter(|ownership| self.counts(*ownership, ours));
        PeerPolicy::new(ours, tags, capabilities, ownerships)
    }

    fn counts(&self, credential: &impl Credential, ours: &Policy) -> bool {
        ours.counts(credential.timestamp(), self.revoked_until(credential.kind(), credential.id()))
    }

    /// True when a tag with this ID is held that was not revoked.
    pub(crate) fn has_outdated_tag(&self, id: u32) -> bool {
        let until = self.revoked_until(CredentialKind::TAG, id);
        self.tags.get(&id).is_some_and(|tag| until.is_none_or(|until| tag.timestamp > until))
    }

    /// Notes that a credential came or was revoked: the rules have to look again.
    pub(crate) fn credentials_changed(&mut self) {
        self.policy = None;
        self.contact.learned();
    }

    /// Replaces the certificate.
    pub(crate) fn set_membership(&mut self, membership: Membership) {
        self.membership = Some(membership);
        self.disputed = None;
        self.agreement = None;
    }

    /// True when the record may be forgotten.
    pub(crate) fn is_stale(&self, now: Mono, config: Option<&NetworkConfig>) -> bool {
        // A revocation is never repeated: it must be kept while a certificate it voids could still agree with ours.
        let newest = self.revocations.values().copied().fold(self.threshold, i64::max);
        if newest > 0 {
            let Some(config) = config else { return false };
            if newest >= config.timestamp.saturating_sub(config.credential_window) {
                return false;
            }
        }
        // Nor is it forgotten before the widest window is over, whatever the controller's clock did meanwhile.
        let lifetime = if self.membership.is_some() || newest > 0 { MEMBER_LIFETIME } else { STRANGER_LIFETIME };
        now.saturating_since(self.last_active) >= lifetime
    }
}

/// The records of one network, bounded.
#[derive(Debug, Default)]
pub(crate) struct Members {
    table: BTreeMap<Address, Member>,
}

impl Members {
    pub(crate) fn get(&self, address: Address) -> Option<&Member> {
        self.table.get(&address)
    }

    pub(crate) fn get_mut(&mut self, address: Address) -> Option<&mut Member> {
        self.table.get_mut(&address)
    }

    /// The record of an address, made when missing; the least recently active ones without certificate make room.
    pub(crate) fn record(&mut self, now: Mono, address: Address) -> Option<&mut Member> {
        if self.table.len() >= RECORDS && !self.table.contains_key(&address) {
            self.make_room();
            if self.table.len() >= RECORDS {
                return None;
            }
        }
        let record = self.table.entry(address).or_default();
        record.last_active = now;
        Some(record)
    }

    /// Removes many at once: a crowd must not cost a walk through the table for each of its members. Those without a
    /// certificate go first; then the members that were silent longest, who are asked for theirs again when they come. A
    /// revocation is kept.
    fn make_room(&mut self) {
        let disposable = self.table.iter().filter(|(_, member)| member.threshold == 0 && member.revocations.is_empty());
        let rank = |member: &Member| (member.membership.is_some(), member.last_active);
        let mut oldest: Vec<_> = disposable.map(|(address, member)| (rank(member), *address)).collect();
        oldest.sort_unstable();
        for (_, address) in oldest.iter().take(RECORDS / 16) {
            self.table.remove(address);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Address, &Member)> {
        self.table.iter().map(|(address, member)| (*address, member))
    }

    /// Looks at the next records of a sweep over all of them.
    pub(crate) fn part(&mut self, sweep: &mut Sweep<Address>, mut look: impl FnMut(Address, &mut Member) -> Look) {
        sweep.part(&mut self.table, |address, member| look(*address, member));
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zt_wire::Signature;

    #[test]
    fn newcomers_have_records_however_many_there_were_before() {
        let com = Membership { qualifiers: Vec::new(), signer: Address::new(1), signature: Signature([0; 96]) };
        let (mut members, t) = (Members::default(), |n: usize| Mono(n as u64));
        for n in 0..RECORDS {
            let record = members.record(t(n), Address::new(n as u64)).expect("there is room");
            match n {
                0 => record.threshold = 5,
                // Strangers are the newest, and go first all the same.
                n if n < RECORDS - 10 => record.set_membership(com.clone()),
                _ => {}
            }
        }
        let newcomer = |n: usize| Address::new(1_000_000 + n as u64);
        for n in 0..2 * RECORDS {
            let record = members.record(t(RECORDS + n), newcomer(n)).expect("somebody gives way");
            record.set_membership(com.clone());
        }
        assert!(members.len() <= RECORDS);
        assert!(members.get(Address::new(0)).is_some_and(Member::is_revoked), "a revocation is kept");
        assert!(members.get(newcomer(2 * RECORDS - 1)).is_some() && members.get(newcomer(0)).is_none());
        assert!(members.get(Address::new(RECORDS as u64 - 1)).is_none());
    }
}
