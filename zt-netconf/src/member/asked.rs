//! Whom we asked for the members of a group: who was not asked, or not about this group, teaches nothing (04 §7.5).

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use zt_wire::ident::{Address, MulticastGroup, NetworkId};
use zt_wire::time::Mono;

/// How long an answer is waited for.
const OPEN: Duration = Duration::from_secs(30);
/// Most open questions; the answers to further ones are not believed.
const QUESTIONS: usize = 8_192;

#[derive(Clone, Copy, Debug)]
struct Question {
    at: Mono,
    /// How many more members may be named.
    left: u32,
}

type Key = (NetworkId, MulticastGroup, Address);

/// Open questions, bounded.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    open: BTreeMap<Key, Question>,
    /// Each once, in the order in which they were asked or were looked at last: every copy of a frame to a group asks, so that
    /// nobody looks through all of them.
    order: VecDeque<(Mono, Key)>,
}

impl Asked {
    /// Notes that `whom` was asked for at most `limit` members of a group.
    pub(crate) fn note(&mut self, now: Mono, network: NetworkId, group: MulticastGroup, whom: Address, limit: u32) {
        let question = Question { at: now, left: limit };
        let key = (network, group, whom);
        if let Some(open) = self.open.get_mut(&key) {
            *open = question;
            return;
        }
        if self.open.len() >= QUESTIONS {
            self.expire(now);
        }
        if self.open.len() < QUESTIONS {
            self.open.insert(key, question);
            self.order.push_back((now, key));
        }
    }

    /// Forgets what was asked long ago. What was asked again since takes its place at the end.
    fn expire(&mut self, now: Mono) {
        while let Some((_, key)) = self.order.pop_front_if(|(at, _)| now.saturating_since(*at) >= OPEN) {
            match self.open.get(&key).map(|question| question.at) {
                Some(at) if now.saturating_since(at) < OPEN => self.order.push_back((at, key)),
                _ => _ = self.open.remove(&key),
            }
        }
    }

    /// How many of the `named` members in an answer of `from` are believed.
    pub(crate) fn answered(
        &mut self,
        now: Mono,
        network: NetworkId,
        group: MulticastGroup,
        from: Address,
        named: usize,
    ) -> usize {
        let Some(question) = self.open.get_mut(&(network, group, from)) else { return 0 };
        if now.saturating_since(question.at) >= OPEN {
            return 0;
        }
        let believed = question.left.min(u32::try_from(named).unwrap_or(u32::MAX));
        question.left -= believed;
        believed as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_is_believed_and_not_for_ever() {
        let (a, b) = (Address::new(5), Address::new(6));
        let (net, other) = (NetworkId(0x6250_c6cc_f300_0001), NetworkId(0x6250_c6cc_f300_0002));
        let group = MulticastGroup::BROADCAST;
        let mut asked = Asked::default();
        let at = Mono::from_millis;
        asked.note(at(0), net, group, a, 3);
        assert_eq!(asked.answered(at(1), net, group, b, 1), 0, "not asked");
        assert_eq!(asked.answered(at(1), other, group, a, 1), 0, "another network");
        assert_eq!(asked.answered(at(1), net, MulticastGroup { adi: 1, ..group }, a, 1), 0, "another group");
        assert_eq!(asked.answered(at(1), net, group, a, 2), 2);
        assert_eq!(asked.answered(at(1), net, group, a, 200), 1, "no more than asked for");
        assert_eq!(asked.answered(at(1), net, group, a, 200), 0);
        asked.note(at(2), net, group, a, 3);
        assert_eq!(asked.answered(at(30_002), net, group, a, 1), 0, "too late");
        for n in 0..2 * QUESTIONS as u64 {
            asked.note(at(40_000), net, group, Address::new(n), 1);
        }
        assert_eq!((asked.open.len(), asked.order.len()), (QUESTIONS, QUESTIONS));
        // Half of them are asked again; the places of the others are free when their time is over.
        for n in 0..QUESTIONS as u64 / 2 {
            asked.note(at(60_000), net, group, Address::new(n), 1);
        }
        for n in 0..QUESTIONS as u64 {
            asked.note(at(75_000), other, group, Address::new(n), 1);
        }
        assert_eq!((asked.open.len(), asked.order.len()), (QUESTIONS, QUESTIONS));
        assert_eq!(asked.answered(at(75_001), net, group, Address::new(7), 1), 1, "asked again");
        assert_eq!(asked.answered(at(75_001), other, group, Address::new(7), 1), 1, "in the place of another");
    }
}
