//! Credentials of other members: filed by holder and ID, voided by revocations (04 §4.8, §5.5, §5.6).

use std::collections::BTreeMap;

use zt_wire::ident::Address;
use zt_wire::time::Now;
use zt_wire::verb::NetworkCredentials;
use zt_wire::{Capability, Credential, CredentialKind, Membership, Ownership, Revocation, Tag};

use super::Network;
use crate::member::carrier::{Carrier, SendOptions, Vl2Event};
use crate::member::credentials::{Outcome, verify};
use crate::member::membership::{Member, OWNERSHIPS, PER_RECORD};
use crate::member::shared::Shared;

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
        let current = self.held.is_current(com.timestamp());
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
                outdated = !self.held.supersedes(com.timestamp(), held.timestamp());
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
        record.credentials_changed();
        Outcome::New
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
            Some(held) if !self.held.supersedes(timestamp, held.timestamp()) => return Outcome::Rejected,
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
            record.credentials_changed();
        }
        // Quirk (04 §5.5): a revoked tag or capability voids the certificate of membership too. Security: but thresholds
        // only rise. The reference takes a lower one as well, and a recorded revocation of a tag lets an expelled
        // member back in.
        record.threshold = record.threshold.max(revocation.threshold);
        Outcome::New
    }

    /// True when a revocation says nothing that is not known: anybody can repeat recorded ones.
    pub(crate) fn is_moot(&self, revocation: &Revocation) -> bool {
        if revocation.target == self.own {
            return revocation.threshold <= self.held.own_threshold;
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
        self.held.own_threshold = revocation.threshold;
        if self.status() != before {
            shared.events.push(Vl2Event::ConfigUpdated { network: self.id });
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
}
