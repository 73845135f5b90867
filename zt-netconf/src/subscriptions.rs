//! Who listens to which multicast group: the answers to LIKE and GATHER, and where our own frames go (04 §7.4).

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use zt_wire::ident::{Address, MulticastGroup, NetworkId};
use zt_wire::time::Mono;

use crate::multicast::Queued;

/// How long a subscription lasts after the last LIKE or gather result that named it.
const LIFETIME: Duration = Duration::from_secs(600);
/// Most subscriptions of one node, over all networks and groups.
const PER_MEMBER: u32 = 4096;
/// Most subscriptions in all (a busy root's table).
const TOTAL: usize = 262_144;
/// Most groups without a subscriber (asked for, or with queued frames).
const GROUPS: usize = 65_536;

/// What is known of one group of one network.
#[derive(Debug, Default)]
pub(crate) struct Group {
    members: BTreeMap<Address, Mono>,
    /// Frames waiting for members to become known.
    pub(crate) queue: VecDeque<Queued>,
    /// When members were last asked for.
    pub(crate) last_gather: Option<Mono>,
}

impl Group {
    /// Subscribers in order of address.
    pub(crate) fn members(&self) -> impl Iterator<Item = Address> + '_ {
        self.members.keys().copied()
    }
}

/// What became of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    New,
    Known,
    Full,
}

/// All subscriptions this node knows, also of networks it is not a member of (roots and controllers serve those).
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    groups: BTreeMap<(NetworkId, MulticastGroup), Group>,
    per_member: BTreeMap<Address, u32>,
    total: usize,
}

impl Subscriptions {
    /// Adds or refreshes a subscription.
    pub(crate) fn add(&mut self, now: Mono, network: NetworkId, group: MulticastGroup, member: Address) -> Added {
        if let Some(seen) = self.groups.get_mut(&(network, group)).and_then(|g| g.members.get_mut(&member)) {
            *seen = now;
            return Added::Known;
        }
        let count = self.per_member.get(&member).copied().unwrap_or(0);
        if self.total >= TOTAL || count >= PER_MEMBER {
            return Added::Full;
        }
        self.groups.entry((network, group)).or_default().members.insert(member, now);
        self.per_member.insert(member, count + 1);
        self.total += 1;
        Added::New
    }

    /// Removes one subscription.
    pub(crate) fn remove(&mut self, network: NetworkId, group: MulticastGroup, member: Address) {
        let Some(known) = self.groups.get_mut(&(network, group)) else { return };
        if known.members.remove(&member).is_some() {
            self.total -= 1;
            release(&mut self.per_member, member);
        }
    }

    /// What is known of a group.
    pub(crate) fn group(&self, network: NetworkId, group: MulticastGroup) -> Option<&Group> {
        self.groups.get(&(network, group))
    }

    /// The group, made when it is not known; `None` when the table is full.
    pub(crate) fn group_mut(&mut self, network: NetworkId, group: MulticastGroup) -> Option<&mut Group> {
        if self.groups.len() >= GROUPS + TOTAL && !self.groups.contains_key(&(network, group)) {
            return None;
        }
        Some(self.groups.entry((network, group)).or_default())
    }

    /// The group if it is known.
    pub(crate) fn known_mut(&mut self, network: NetworkId, group: MulticastGroup) -> Option<&mut Group> {
        self.groups.get_mut(&(network, group))
    }

    /// Forgets what was not refreshed, and empty groups.
    pub(crate) fn expire(&mut self, now: Mono) {
        let (per_member, total) = (&mut self.per_member, &mut self.total);
        self.groups.retain(|_, group| {
            group.members.retain(|member, seen| {
                let keep = now.saturating_since(*seen) < LIFETIME;
                if !keep {
                    *total -= 1;
                    release(per_member, *member);
                }
                keep
            });
            group.queue.retain(|frame| frame.is_alive(now));
            let asked = group.last_gather.is_some_and(|at| now.saturating_since(at) < LIFETIME);
            asked || !group.members.is_empty() || !group.queue.is_empty()
        });
    }

    /// Forgets a network that was left (its own queued frames with it).
    pub(crate) fn forget(&mut self, network: NetworkId) {
        let (per_member, total) = (&mut self.per_member, &mut self.total);
        self.groups.retain(|(id, _), group| {
            if *id != network {
                return true;
            }
            for member in group.members.keys() {
                *total -= 1;
                release(per_member, *member);
            }
            false
        });
    }

    /// Number of subscriptions.
    pub(crate) fn len(&self) -> usize {
        self.total
    }
}

fn release(per_member: &mut BTreeMap<Address, u32>, member: Address) {
    if let Some(count) = per_member.get_mut(&member) {
        *count -= 1;
        if *count == 0 {
            per_member.remove(&member);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NET: NetworkId = NetworkId(0x6250_c6cc_f300_0001);

    #[test]
    fn subscriptions_last_600_seconds() {
        let mut table = Subscriptions::default();
        let member = Address::new(5);
        assert_eq!(table.add(Mono(0), NET, MulticastGroup::BROADCAST, member), Added::New);
        assert_eq!(table.add(Mono(1_000_000), NET, MulticastGroup::BROADCAST, member), Added::Known);
        table.expire(Mono(600_500_000));
        assert_eq!(table.len(), 1);
        table.expire(Mono(601_000_000));
        assert_eq!(table.len(), 0);
        assert!(table.groups.is_empty() && table.per_member.is_empty());
    }

    #[test]
    fn one_member_has_a_limit() {
        let mut table = Subscriptions::default();
        let mut group = MulticastGroup::BROADCAST;
        for adi in 0..PER_MEMBER {
            group.adi = adi;
            assert_eq!(table.add(Mono(0), NET, group, Address::new(5)), Added::New);
        }
        group.adi = PER_MEMBER;
        assert_eq!(table.add(Mono(0), NET, group, Address::new(5)), Added::Full);
        assert_eq!(table.add(Mono(0), NET, group, Address::new(6)), Added::New);
        table.remove(NET, group, Address::new(6));
        table.forget(NET);
        assert_eq!(table.len(), 0);
        assert!(table.per_member.is_empty());
    }
}
