//! Who hears of the groups we listen to (04 §7.4).

use core::time::Duration;
use std::collections::BTreeSet;

use zt_wire::ident::{Address, MulticastGroup, NetworkId};
use zt_wire::identity::Identity;
use zt_wire::time::Now;
use zt_wire::verb::{MulticastLike, Subscription};

use super::Network;
use crate::member::carrier::{Carrier, SendOptions};
use crate::member::membership::Member;

/// How often each receiver hears of our groups.
pub(crate) const ANNOUNCE: Duration = Duration::from_millis(60_000);
/// The same in low-bandwidth mode, for those who keep what they hear for ten minutes; other members hear of it when they send something.
const ANNOUNCE_LOW: Duration = Duration::from_millis(240_000);
/// Entries of one LIKE message: 18 bytes each, one packet without the need for large ones (02 §6.12).
const LIKES_PER_MESSAGE: usize = 500;

impl Network {
    /// Tells everybody who should know of new groups at once (04 §7.4).
    pub(super) fn announce_new(&mut self, groups: &[MulticastGroup], c: &mut dyn Carrier) {
        if groups.is_empty() || self.held.config.is_none() {
            return;
        }
        for upstream in self.announce_targets(c) {
            announce_to(self.id, groups, upstream, c);
        }
        for member in self.allowed_members(c, |_| true) {
            announce_to(self.id, groups, member, c);
        }
        // Deliberate (04 §7.4): upstreams hear of it again with the next tick. Nobody confirms a LIKE, and for a minute
        // after a lost one nobody could find who has an address.
        self.upstream_announced.reopen();
    }

    /// How often each receiver hears of our groups.
    pub(super) const fn announces_every(&self) -> Duration {
        if self.is_low_bandwidth() { ANNOUNCE_LOW } else { ANNOUNCE }
    }

    /// The periodic announcement (04 §7.4): each receiver once in 60 s; in low-bandwidth mode (03 §14) only those who answer
    /// for others.
    pub(crate) fn announce(&mut self, now: Now, c: &mut dyn Carrier) {
        if self.held.config.is_none() {
            return;
        }
        let groups: Vec<_> = self.groups().collect();
        if self.upstream_announced.pass(now.mono, self.announces_every()) {
            for upstream in self.announce_targets(c) {
                announce_to(self.id, &groups, upstream, c);
            }
        }
        if self.is_low_bandwidth() {
            return;
        }
        for member in self.allowed_members(c, |member| member.last_announce.is_open(now.mono, ANNOUNCE)) {
            announce_to(self.id, &groups, member, c);
            if let Some(record) = self.members.get_mut(member) {
                record.last_announce.note(now.mono);
            }
        }
    }

    /// Announces our groups to a member that just proved itself, when due.
    pub(crate) fn announce_to_member(&self, member: Address, c: &mut dyn Carrier) {
        let groups: Vec<_> = self.groups().collect();
        announce_to(self.id, &groups, member, c);
    }

    /// Anchors, replicators, controller and roots.
    fn announce_targets(&self, c: &dyn Carrier) -> BTreeSet<Address> {
        let mut targets: BTreeSet<_> = c.roots().into_iter().collect();
        if !self.id.is_ad_hoc() {
            targets.insert(self.id.controller());
        }
        if let Some(config) = &self.held.config {
            targets.extend(config.always_contact());
        }
        targets.remove(&self.own);
        targets
    }

    fn allowed_members(&mut self, c: &dyn Carrier, which: impl Fn(&Member) -> bool) -> Vec<Address> {
        let (Some(config), generation) = (&self.held.config, self.held.generation) else { return Vec::new() };
        let mut allowed = Vec::new();
        for (address, member) in self.members.iter_mut() {
            let known = which(member).then(|| c.identity(address)).flatten();
            if known.is_some_and(|identity: Identity| member.is_allowed(config, generation, &identity)) {
                allowed.push(address);
            }
        }
        allowed
    }
}

/// Sends LIKEs, as many messages as needed.
fn announce_to(network: NetworkId, groups: &[MulticastGroup], to: Address, c: &mut dyn Carrier) {
    for part in groups.chunks(LIKES_PER_MESSAGE) {
        let subscriptions = part.iter().map(|group| Subscription { network, group: *group }).collect();
        let body = MulticastLike { subscriptions, rest: &[] };
        c.send(to, &body, SendOptions { compress: true, expect_reply: false });
    }
}
