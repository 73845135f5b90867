//! Whom to name, and whom to send to: members of a group in the order of their standing (04 §7.5).

use zt_wire::ident::{Address, MulticastGroup, NetworkId, PacketId};
use zt_wire::verb::{GatherResults, OkBody, OkReply};

use super::carrier::{Carrier, SendOptions};
use super::shared::Shared;

/// Most addresses in one answer.
// Free choice (02 §6.15): far below the packet limit, so that an answer is no means to amplify.
const GATHER_ANSWER: usize = 512;

/// Who listens to a group, as far as known, for `asker` (02 §6.15); `own`: this node does. `None` when there is nobody to
/// name.
pub(super) fn gather(
    shared: &mut Shared,
    own: bool,
    (network, group): (NetworkId, MulticastGroup),
    asker: Address,
    limit: usize,
) -> Option<GatherResults> {
    let mut members: Vec<_> = shared.subscriptions.members(network, group).collect();
    let total = members.len() + usize::from(own);
    members.retain(|member| *member != asker);
    shuffle(shared, &mut members);
    // Those who proved to belong there before those who only say so.
    first(&mut members, |member| shared.subscriptions.is_known(network, group, member));
    if own {
        members.insert(0, shared.own.address);
    }
    members.truncate(limit.min(GATHER_ANSWER));
    if members.is_empty() {
        return None;
    }
    Some(GatherResults { total: total as u32, members })
}

/// Puts those who fulfil a condition before the others; how many they are.
pub(super) fn first(list: &mut [Address], mut condition: impl FnMut(Address) -> bool) -> usize {
    let mut count = 0;
    for index in 0..list.len() {
        if condition(list[index]) {
            list.swap(count, index);
            count += 1;
        }
    }
    count
}

/// Shuffles uniformly.
pub(super) fn shuffle(shared: &mut Shared, list: &mut [Address]) {
    for last in (1..list.len()).rev() {
        let other = shared.below(last + 1);
        list.swap(last, other);
    }
}

pub(super) fn reply(in_re_packet: PacketId, body: OkBody<'_>, c: &mut dyn Carrier) {
    c.reply(&OkReply { in_re_packet, body }, SendOptions::default());
}
