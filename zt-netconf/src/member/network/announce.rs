//! Who hears of the groups we listen to (04 §7.4).

use core::time::Duration;
use std::collections::BTreeSet;

use zt_wire::gate::Gate;
use zt_wire::ident::{Address, MulticastGroup, NetworkId};
use zt_wire::time::{Mono, Now};
use zt_wire::verb::{MulticastLike, Subscription};

use super::Network;
use crate::config::NetworkConfig;
use crate::member::carrier::{Carrier, SendOptions};
use crate::member::membership::Member;
use crate::member::sweep::{Effort, Look, Sweep};

/// How often each receiver hears of our groups.
pub(crate) const ANNOUNCE: Duration = Duration::from_millis(60_000);
/// The same in low-bandwidth mode, for those who keep what they hear for ten minutes; other members hear of it when they send something.
const ANNOUNCE_LOW: Duration = Duration::from_millis(240_000);
/// Entries of one LIKE message: 18 bytes each, one packet without the need for large ones (02 §6.12).
const LIKES_PER_MESSAGE: usize = 500;
/// Entries of a message of usual length.
const USUAL: usize = 64;

/// When who hears of our groups.
#[derive(Debug)]
pub(super) struct Announcing {
    pub(super) next_tick: Mono,
    /// The look at all members that began with the tick.
    round: Sweep<Address>,
    news: News,
    pub(super) upstream: Gate,
}

impl Announcing {
    pub(super) fn new(first: Mono) -> Self {
        Self { next_tick: first, round: Sweep::default(), news: News::default(), upstream: Gate::OPEN }
    }

    /// Since when the next part is due.
    pub(super) fn due(&self) -> Option<Mono> {
        self.round.due().into_iter().chain(self.news.due()).min()
    }
}

/// New groups, of which all members hear at once and alone, in parts.
#[derive(Debug, Default)]
struct News {
    sweep: Sweep<Address>,
    /// What this sweep tells.
    groups: Vec<MulticastGroup>,
    /// What the next one will.
    next: BTreeSet<MulticastGroup>,
}

impl News {
    /// Since when the next part is due.
    fn due(&self) -> Option<Mono> {
        self.sweep.due().or((!self.next.is_empty()).then_some(Mono::ZERO))
    }
}

impl Network {
    /// Tells everybody who should know of new groups at once (04 §7.4).
    pub(super) fn announce_new(&mut self, groups: &[MulticastGroup], c: &mut dyn Carrier) {
        if groups.is_empty() || self.held.config.is_none() {
            return;
        }
        let likes = likes(self.id, groups);
        for upstream in self.announce_targets(c) {
            tell(&likes, upstream, c);
        }
        let is_telling = self.announcing.news.due().is_some();
        self.announcing.news.next.extend(groups);
        if !is_telling {
            self.tell_news(&mut Effort::of_a_call(), c);
        }
        // Deliberate (04 §7.4): upstreams hear of it again with the next tick. Nobody confirms a LIKE, and for a minute
        // after a lost one nobody could find who has an address.
        self.announcing.upstream.reopen();
    }

    /// Tells the next members of new groups.
    pub(super) fn tell_news(&mut self, effort: &mut Effort, c: &mut dyn Carrier) {
        if self.announcing.news.sweep.due().is_none() {
            let next = core::mem::take(&mut self.announcing.news.next);
            if next.is_empty() {
                return;
            }
            self.announcing.news.groups = next.into_iter().filter(|group| self.is_subscribed(*group)).collect();
            self.announcing.news.sweep.begin(Mono::ZERO);
        }
        let Some(config) = &self.held.config else { return self.announcing.news = News::default() };
        let (likes, generation) = (likes(self.id, &self.announcing.news.groups), self.held.generation);
        self.members.part(&mut self.announcing.news.sweep, |address, member| {
            if effort.is_spent() {
                return Look::Later;
            }
            if is_allowed(config, generation, address, member, c) {
                effort.spend(tell(&likes, address, c));
            }
            Look::Stays
        });
    }

    /// How often each receiver hears of our groups.
    pub(super) const fn announces_every(&self) -> Duration {
        if self.is_low_bandwidth() { ANNOUNCE_LOW } else { ANNOUNCE }
    }

    /// The periodic announcement (04 §7.4): each receiver once in 60 s; in low-bandwidth mode (03 §14) only those who answer
    /// for others. To members in parts: [`Network::tend_members`].
    pub(crate) fn announce(&mut self, now: Now, effort: &mut Effort, c: &mut dyn Carrier) {
        self.announcing.round.begin(now.mono);
        if self.held.config.is_some() && self.announcing.upstream.pass(now.mono, self.announces_every()) {
            let likes = likes(self.id, &self.groups().collect::<Vec<_>>());
            for upstream in self.announce_targets(c) {
                effort.spend(tell(&likes, upstream, c));
            }
        }
        self.tend_members(now, effort, c);
    }

    /// Looks after the next members: those who are stale are forgotten, those for whom it is time hear of our groups.
    pub(super) fn tend_members(&mut self, now: Now, effort: &mut Effort, c: &mut dyn Carrier) {
        if self.announcing.round.due().is_none() || effort.is_spent() {
            return;
        }
        let config = self.held.config.as_ref();
        let hearing = config.filter(|_| !self.is_low_bandwidth());
        let likes = hearing.map_or_else(Vec::new, |_| likes(self.id, &self.groups().collect::<Vec<_>>()));
        let generation = self.held.generation;
        self.members.part(&mut self.announcing.round, |address, member| {
            if effort.is_spent() {
                return Look::Later;
            }
            if member.is_stale(now.mono, config) {
                return Look::Goes;
            }
            if let Some(config) = hearing
                && member.last_announce.is_open(now.mono, ANNOUNCE)
                && is_allowed(config, generation, address, member, c)
            {
                effort.spend(tell(&likes, address, c));
                member.last_announce.note(now.mono);
            }
            Look::Stays
        });
    }

    /// Announces our groups to a member that just proved itself, when due.
    pub(crate) fn announce_to_member(&self, member: Address, c: &mut dyn Carrier) {
        tell(&likes(self.id, &self.groups().collect::<Vec<_>>()), member, c);
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
}

/// Whether a member is known and may hear of our groups.
fn is_allowed(
    config: &NetworkConfig,
    generation: u64,
    address: Address,
    member: &mut Member,
    c: &mut dyn Carrier,
) -> bool {
    c.identity(address).is_some_and(|identity| member.is_allowed(config, generation, &identity))
}

/// LIKEs of groups, as many messages as needed.
fn likes(network: NetworkId, groups: &[MulticastGroup]) -> Vec<MulticastLike<'static>> {
    let like = |part: &[MulticastGroup]| {
        let subscriptions = part.iter().map(|group| Subscription { network, group: *group }).collect();
        MulticastLike { subscriptions, rest: &[] }
    };
    groups.chunks(LIKES_PER_MESSAGE).map(like).collect()
}

/// Sends LIKEs; how much that was, in messages of usual length.
fn tell(likes: &[MulticastLike<'_>], to: Address, c: &mut dyn Carrier) -> usize {
    for like in likes {
        c.send(to, like, SendOptions { compress: true, expect_reply: false });
    }
    likes.iter().map(|like| 1 + like.subscriptions.len() / USUAL).sum()
}
