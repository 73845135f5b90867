//! What may be answered: expectations of replies, and the IDs of frames that an ERROR may name (safer points 1, 7).

use std::collections::VecDeque;

use zt_wire::verb::Verb;
use zt_wire::{Address, Mono, PacketId};

use crate::fast_map::FastMap;
use crate::link::{LinkId, Path};
use crate::rate::REPLY_TIMEOUT;

/// Most expectations kept of each kind, of probes and of what was asked for its content; the oldest give way. Strangers can
/// make us probe, but not ask.
const MAX_EXPECTED: usize = 4096;
/// Most links that bring the answer to one question.
const MAX_BROUGHT: usize = 64;
/// Milliseconds of one span of sent frames.
const FRAME_SPAN: u64 = 2_500;
/// Spans kept: an ERROR to a frame comes within ten seconds.
const FRAME_SPANS: u64 = 5;
/// Words of the filter of one span: 65,536 bits.
const SPAN_WORDS: usize = 1024;

/// Why a question was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// For its content.
    Content,
    /// ECHO or HELLO on a path in use or to be learned.
    Probe,
    /// HELLO that a peer must answer to prove that it truly went back (safer point 2).
    Challenge,
}

/// By which links, besides the one it was handed to, a question leaves and its answers come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Spread {
    /// By none.
    #[default]
    Exact,
    /// By all that a wildcard stands for.
    Sockets,
    /// By all of its rank and below (08 §B.5, the spam flag).
    Levels,
}

/// What makes a packet a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) sent: Mono,
    pub(crate) purpose: Purpose,
    /// The path is the peer's own, not a relay's.
    pub(crate) direct: bool,
    /// Anything but exact: each link may bring the answer once.
    pub(crate) spread: Spread,
    /// Asked because the peer was heard there first.
    pub(crate) heard_first: bool,
}

/// A question of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Who was asked.
    pub(crate) to: Address,
    /// By which path the question left.
    pub(crate) path: Path,
    /// The path is the peer's own, not a relay's.
    pub(crate) direct: bool,
    pub(crate) verb: Verb,
    pub(crate) sent: Mono,
    pub(crate) purpose: Purpose,
    /// Anything but exact: each link may bring the answer once.
    pub(crate) spread: Spread,
    /// Asked because the peer was heard there first.
    pub(crate) heard_first: bool,
}

impl Expected {
    pub(crate) const fn new(to: Address, path: Path, verb: Verb, question: Question) -> Self {
        let Question { sent, purpose, direct, spread, heard_first } = question;
        Self { to, path, direct, verb, sent, purpose, spread, heard_first }
    }

    /// Whether it was a HELLO or an ECHO: its answer comes at once.
    pub(crate) const fn is_probe(&self) -> bool {
        matches!(self.verb, Verb::HELLO | Verb::ECHO)
    }
}

/// A question that may still be answered.
struct Open {
    expected: Expected,
    /// Links that brought an answer already, of a question that is spread.
    brought: Vec<LinkId>,
}

/// Questions that may still be answered.
#[derive(Default)]
pub(crate) struct Expectations {
    open: FastMap<u64, Open>,
    probes: VecDeque<(Mono, u64)>,
    questions: VecDeque<(Mono, u64)>,
}

impl Expectations {
    pub(crate) fn add(&mut self, id: PacketId, expected: Expected) {
        let order = if expected.purpose == Purpose::Content { &mut self.questions } else { &mut self.probes };
        while let Some((sent, old)) = order.front().copied() {
            let overdue = expected.sent.saturating_since(sent) >= REPLY_TIMEOUT;
            if !overdue && order.len() < MAX_EXPECTED {
                break;
            }
            order.pop_front();
            if self.open.get(&old).is_some_and(|o| o.expected.sent == sent) {
                self.open.remove(&old);
            }
        }
        order.push_back((expected.sent, id.0));
        self.open.insert(id.0, Open { expected, brought: Vec::new() });
    }

    /// The question that `from` answers with `in_re` and `id`, by a link. Consumed, so that a replay finds nothing;
    /// questions whose answer comes in several packets stay, but can teach a path only once, and those that left by
    /// several links can teach one on each.
    pub(crate) fn take(&mut self, now: Mono, from: Address, in_re: Verb, id: PacketId, by: LinkId) -> Option<Expected> {
        let open = self.open.get_mut(&id.0)?;
        let found = open.expected;
        let fits = found.to == from && answers(found.verb, in_re) && now.saturating_since(found.sent) < REPLY_TIMEOUT;
        if !fits {
            return None;
        }
        if has_many_answers(found.verb) {
            open.expected.direct = false;
        } else if found.spread != Spread::Exact {
            if open.brought.contains(&by) || open.brought.len() >= MAX_BROUGHT {
                return None;
            }
            open.brought.push(by);
        } else {
            self.open.remove(&id.0);
        }
        Some(found)
    }

    /// Whether `from` was asked this, for an ERROR, which ends every question.
    pub(crate) fn end(&mut self, now: Mono, from: Address, in_re: Verb, id: PacketId, by: LinkId) -> bool {
        let asked = self.take(now, from, in_re, id, by).is_some();
        if asked {
            self.open.remove(&id.0);
        }
        asked
    }
}

/// Quirk (02 §6.13): NETWORK_CONFIG is acknowledged as if it had been ECHO.
fn answers(asked: Verb, in_re: Verb) -> bool {
    asked == in_re || (asked == Verb::NETWORK_CONFIG && in_re == Verb::ECHO)
}

fn has_many_answers(verb: Verb) -> bool {
    verb == Verb::NETWORK_CONFIG_REQUEST || verb == Verb::MULTICAST_GATHER || verb == Verb::MULTICAST_FRAME
}

/// Frames sent lately: a filter over their IDs, in spans of time, of fixed size. Under a flood it says yes too often,
/// never no for a frame that was sent: a member that waits for our certificate must be heard at any rate of frames.
#[derive(Default)]
pub(crate) struct SentFrames {
    bits: Vec<u64>,
    newest: u64,
}

impl SentFrames {
    pub(crate) fn note(&mut self, now: Mono, to: Address, id: PacketId) {
        self.advance(now);
        let span = (self.newest % FRAME_SPANS) as usize * SPAN_WORDS;
        for place in places(to, id) {
            self.bits[span + place / 64] |= 1 << (place % 64);
        }
    }

    /// Whether `peer` was sent this frame in the last ten seconds or so.
    pub(crate) fn contains(&mut self, now: Mono, peer: Address, id: PacketId) -> bool {
        self.advance(now);
        let set = |span: &[u64], place: usize| span[place / 64] >> (place % 64) & 1 == 1;
        self.bits.chunks(SPAN_WORDS).any(|span| places(peer, id).into_iter().all(|place| set(span, place)))
    }

    /// Forgets the spans that are too old.
    fn advance(&mut self, now: Mono) {
        let current = now.as_millis() / FRAME_SPAN;
        if self.bits.is_empty() || current.saturating_sub(self.newest) >= FRAME_SPANS {
            self.bits.clear();
            self.bits.resize(FRAME_SPANS as usize * SPAN_WORDS, 0);
            self.newest = current;
        }
        while self.newest < current {
            self.newest += 1;
            let span = (self.newest % FRAME_SPANS) as usize * SPAN_WORDS;
            self.bits[span..span + SPAN_WORDS].fill(0);
        }
    }
}

/// Two bits of a span, from an ID that is random already.
fn places(peer: Address, id: PacketId) -> [usize; 2] {
    let mixed = (id.0 ^ peer.as_u64()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [(mixed >> 48) as usize % (SPAN_WORDS * 64), (mixed >> 24) as usize % (SPAN_WORDS * 64)]
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::link::{Endpoint, LinkId};

    const L: LinkId = LinkId(1);
    const T: Mono = Mono(60_000_000);

    fn asked(to: u64, verb: Verb) -> Expected {
        let remote = Endpoint::Ip(SocketAddr::from(([10, 0, 0, 1], 9993)));
        let path = Path { link: LinkId(1), remote };
        Expected {
            to: Address::new(to),
            path,
            direct: true,
            verb,
            sent: T,
            purpose: Purpose::Content,
            spread: Spread::Exact,
            heard_first: false,
        }
    }

    #[test]
    fn a_reply_is_consumed_once_expires_and_is_bound_to_the_peer_and_the_verb() {
        let mut e = Expectations::default();
        e.add(PacketId(1), asked(5, Verb::ECHO));
        assert!(e.take(T, Address::new(6), Verb::ECHO, PacketId(1), L).is_none());
        assert!(e.take(T, Address::new(5), Verb::HELLO, PacketId(1), L).is_none());
        assert!(e.take(T, Address::new(5), Verb::ECHO, PacketId(0), L).is_none());
        assert!(e.take(T + REPLY_TIMEOUT, Address::new(5), Verb::ECHO, PacketId(1), L).is_none());
        assert!(e.take(T, Address::new(5), Verb::ECHO, PacketId(1), L).is_some());
        assert!(e.take(T, Address::new(5), Verb::ECHO, PacketId(1), L).is_none());
    }

    #[test]
    fn several_answers_teach_one_path() {
        let mut e = Expectations::default();
        e.add(PacketId(1), asked(5, Verb::NETWORK_CONFIG_REQUEST));
        let v = Verb::NETWORK_CONFIG_REQUEST;
        assert!(e.take(T, Address::new(5), v, PacketId(1), L).is_some_and(|e| e.direct));
        assert!(e.take(T, Address::new(5), v, PacketId(1), L).is_some_and(|e| !e.direct));
    }

    #[test]
    fn a_question_that_left_by_several_links_is_answered_once_by_each() {
        let mut e = Expectations::default();
        e.add(PacketId(1), Expected { spread: Spread::Sockets, ..asked(5, Verb::HELLO) });
        let mut take = |at, link| e.take(at, Address::new(5), Verb::HELLO, PacketId(1), LinkId(link)).is_some();
        assert!(take(T, 1) && take(T, 2) && !take(T, 1) && !take(T, 2));
        assert!((3..200).filter(|link| take(T, *link)).count() < MAX_BROUGHT);
        let mut e = Expectations::default();
        e.add(PacketId(1), Expected { spread: Spread::Levels, ..asked(5, Verb::HELLO) });
        assert!(e.take(T + REPLY_TIMEOUT, Address::new(5), Verb::HELLO, PacketId(1), L).is_none());
        assert!(e.end(T, Address::new(5), Verb::HELLO, PacketId(1), L));
        assert!(e.take(T, Address::new(5), Verb::HELLO, PacketId(1), LinkId(2)).is_none());
    }

    #[test]
    fn an_error_ends_a_question() {
        let mut e = Expectations::default();
        let v = Verb::NETWORK_CONFIG_REQUEST;
        e.add(PacketId(1), asked(5, v));
        assert!(!e.end(T, Address::new(6), v, PacketId(1), L));
        assert!(e.end(T, Address::new(5), v, PacketId(1), L));
        assert!(!e.end(T, Address::new(5), v, PacketId(1), L));
        assert!(e.take(T, Address::new(5), v, PacketId(1), L).is_none());
    }

    #[test]
    fn memory_is_bounded_and_probes_displace_no_question() {
        let mut e = Expectations::default();
        e.add(PacketId(u64::MAX), asked(5, Verb::NETWORK_CONFIG_REQUEST));
        for i in 0..20_000 {
            e.add(PacketId(i), Expected { purpose: Purpose::Probe, ..asked(5, Verb::ECHO) });
        }
        assert!(e.open.len() <= MAX_EXPECTED + 1 && e.probes.len() <= MAX_EXPECTED);
        assert!(e.take(T, Address::new(5), Verb::ECHO, PacketId(19_999), L).is_some());
        assert!(e.take(T, Address::new(5), Verb::NETWORK_CONFIG_REQUEST, PacketId(u64::MAX), L).is_some());
        for i in 0..20_000 {
            e.add(PacketId(i), asked(5, Verb::ECHO));
        }
        assert!(e.questions.len() <= MAX_EXPECTED);
    }

    #[test]
    fn an_error_names_a_frame_sent_to_that_peer_lately() {
        let later = |ms| T + std::time::Duration::from_millis(ms);
        let mut s = SentFrames::default();
        assert!(!s.contains(T, Address::NIL, PacketId(0)));
        s.note(T, Address::new(5), PacketId(77));
        assert!(!s.contains(T, Address::new(6), PacketId(77)));
        assert!(!s.contains(T, Address::new(5), PacketId(78)));
        assert!(s.contains(later(9_000), Address::new(5), PacketId(77)));
        assert!(!s.contains(later(13_000), Address::new(5), PacketId(77)));
        s.note(later(13_000), Address::new(5), PacketId(79));
        assert!(!s.contains(later(1_000_000), Address::new(5), PacketId(79)));
    }

    #[test]
    fn no_sent_frame_is_forgotten_under_a_flood() {
        let mut s = SentFrames::default();
        s.note(T, Address::new(5), PacketId(u64::MAX));
        for i in 0..100_000u64 {
            s.note(T, Address::new(6), PacketId(i.wrapping_mul(0xd134_2543_de82_ef95)));
        }
        assert!(s.contains(T, Address::new(5), PacketId(u64::MAX)));
        assert_eq!(s.bits.len(), FRAME_SPANS as usize * SPAN_WORDS);
    }
}
