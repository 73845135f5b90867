//! Our subscription service: to those who announce groups and ask for members, and what we learn from those we asked
//! (04 §7.4, §7.5).

use zt_wire::ident::{Address, MulticastGroup, NetworkId, PacketId};
use zt_wire::identity::Identity;
use zt_wire::time::Now;
use zt_wire::verb::{GatherResults, MulticastGather, MulticastLike, OkBody, OkMulticastGather, Subscription};

use super::Vl2;
use crate::member::carrier::{Carrier, Verdict};
use crate::member::drop_reason::DropReason;
use crate::member::gather::{gather, reply};
use crate::member::subscriptions::{Added, Standing};

impl Vl2 {
    /// As what a peer may use our subscription service for a network (04 §7.4); each network on its own.
    fn serves(&mut self, now: Now, network: NetworkId, from: &Identity, c: &mut dyn Carrier) -> Option<Standing> {
        let (shared, networks) = self.parts();
        let member = networks.get_mut(&network).is_some_and(|network| network.gate(now, from, c).is_ok());
        if member || shared.authorised.has(now.mono, network, from.address) {
            return Some(Standing::Known);
        }
        c.is_root().then_some(Standing::Stranger)
    }

    /// MULTICAST_LIKE (04 §7.4).
    pub(crate) fn handle_like(
        &mut self,
        now: Now,
        from: &Identity,
        message: &MulticastLike<'_>,
        c: &mut dyn Carrier,
    ) -> Verdict {
        let mut verdict: Option<(NetworkId, Option<Standing>)> = None;
        let mut trust = false;
        for Subscription { network, group } in message.subscriptions.iter().copied() {
            let served = match verdict {
                Some((known, served)) if known == network => served,
                _ => self.serves(now, network, from, c),
            };
            verdict = Some((network, served));
            let Some(standing) = served else {
                self.parts().0.drops.count(DropReason::NotAuthorised);
                continue;
            };
            trust = true;
            self.subscribe(now, network, group, (from.address, standing), c);
        }
        if !message.rest.is_empty() {
            // The last tuple is cut: the message does not count.
            return Verdict::NotCounted;
        }
        // A root that serves a stranger has no reason to trust it.
        let (_, networks) = self.parts();
        let member = message.subscriptions.iter().any(|s| networks.contains_key(&s.network));
        Verdict::Accepted { trust: trust && member }
    }

    /// Files a subscription; a new member of a group of ours gets what waits for it.
    fn subscribe(
        &mut self,
        now: Now,
        network: NetworkId,
        group: MulticastGroup,
        (member, standing): (Address, Standing),
        c: &mut dyn Carrier,
    ) {
        let (shared, networks) = self.parts();
        if member == shared.own.address || member.is_reserved() {
            return;
        }
        match shared.subscriptions.add(now.mono, network, group, member, standing) {
            Added::New => {}
            Added::Known => return,
            Added::Full => return shared.drops.count(DropReason::TableFull),
        }
        if let Some(network) = networks.get_mut(&network) {
            network.member_learned(shared, now, group, member, c);
        }
    }

    /// MULTICAST_GATHER (04 §7.5).
    pub(crate) fn handle_gather(
        &mut self,
        now: Now,
        from: &Identity,
        packet_id: PacketId,
        message: &MulticastGather<'_>,
        c: &mut dyn Carrier,
    ) -> Verdict {
        let (shared, networks) = self.parts();
        if let (Some(com), Some(network)) = (&message.membership, networks.get_mut(&message.network)) {
            // Whatever comes of it, the gate decides; a question is not kept for a signer's identity.
            let _ = network.take_inline(shared, now, from.address, Some(com), c);
        }
        if message.limit == 0 || self.serves(now, message.network, from, c).is_none() {
            self.parts().0.drops.count(DropReason::NotAuthorised);
            return Verdict::Accepted { trust: false };
        }
        let (shared, networks) = self.parts();
        let network = networks.get(&message.network);
        let limit = message.limit as usize;
        let own = network.is_some_and(|network| network.is_subscribed(message.group));
        let Some(results) = gather(shared, own, (message.network, message.group), from.address, limit) else {
            return Verdict::Accepted { trust: network.is_some() };
        };
        let body = OkMulticastGather { network: message.network, group: message.group, results, rest: &[] };
        reply(packet_id, OkBody::MulticastGather(body), c);
        Verdict::Accepted { trust: network.is_some() }
    }

    /// Members named in an OK (the reply gate was passed): only by whom we asked, about a group we asked for, and no
    /// more than we asked for.
    pub(crate) fn take_gathered(
        &mut self,
        now: Now,
        from: Address,
        (network, group): (NetworkId, MulticastGroup),
        result: &GatherResults,
        c: &mut dyn Carrier,
    ) -> Verdict {
        let (shared, networks) = self.parts();
        if !networks.contains_key(&network) {
            return shared.drop(DropReason::NotJoined);
        }
        let believed = shared.asked.answered(now.mono, network, group, from, result.members.len());
        if believed == 0 && !result.members.is_empty() {
            return shared.drop(DropReason::NotAsked);
        }
        for member in result.members.iter().take(believed) {
            let (_, networks) = self.parts();
            // Hearsay: in a private network it has to prove itself before it is more than a stranger.
            let proved = networks.get_mut(&network).is_some_and(|network| network.may_receive(*member, c));
            let standing = if proved { Standing::Known } else { Standing::Stranger };
            self.subscribe(now, network, group, (*member, standing), c);
        }
        Verdict::Accepted { trust: false }
    }
}
