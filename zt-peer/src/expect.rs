//! What may be answered: expectations of replies, and the IDs of frames that an ERROR may name (safer points 1, 7).

use std::collections::VecDeque;

use zt_wire::verb::Verb;
use zt_wire::{Address, Mono, PacketId};

use crate::fast_map::FastMap;
use crate::link::Path;
use crate::rate::REPLY_TIMEOUT;

/// Most expectations kept; the oldest give way.
const MAX_EXPECTED: usize = 4096;
/// Slots for IDs of sent frames.
const FRAME_SLOTS: usize = 4096;
/// An ERROR to a frame comes within this many seconds.
const FRAME_SECONDS: u32 = 10;
/// The same frame can be named again after this many milliseconds (02 §5: a waiting frame is judged every 500 ms).
const ERROR_AGAIN: u32 = 450;

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

/// A question of ours.
#[derive(Clone, Copy, Debug)]
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
}

/// Questions that may still be answered.
#[derive(Default)]
pub(crate) struct Expectations {
    open: FastMap<u64, Expected>,
    order: VecDeque<(Mono, u64)>,
}

impl Expectations {
    pub(crate) fn add(&mut self, id: PacketId, expected: Expected) {
        while let Some((sent, old)) = self.order.front().copied() {
            let overdue = expected.sent.saturating_since(sent) >= REPLY_TIMEOUT;
            if !overdue && self.order.len() < MAX_EXPECTED {
                break;
            }
            self.order.pop_front();
            if self.open.get(&old).is_some_and(|e| e.sent == sent) {
                self.open.remove(&old);
            }
        }
        self.order.push_back((expected.sent, id.0));
        self.open.insert(id.0, expected);
    }

    /// The question that `from` answers with `in_re` and `id`. Consumed, so that a replay finds nothing; questions
    /// whose answer comes in several packets stay, but can teach a path only once.
    pub(crate) fn take(&mut self, now: Mono, from: Address, in_re: Verb, id: PacketId) -> Option<Expected> {
        let found = *self.open.get(&id.0)?;
        let fits = found.to == from && answers(found.verb, in_re) && now.saturating_since(found.sent) < REPLY_TIMEOUT;
        if !fits {
            return None;
        }
        if has_many_answers(found.verb) {
            if let Some(e) = self.open.get_mut(&id.0) {
                e.direct = false;
            }
        } else {
            self.open.remove(&id.0);
        }
        Some(found)
    }

    /// Whether `from` was asked this, for an ERROR, which ends every question.
    pub(crate) fn end(&mut self, now: Mono, from: Address, in_re: Verb, id: PacketId) -> bool {
        let asked = self.take(now, from, in_re, id).is_some();
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

/// IDs of frames sent lately: a table of fixed size, the newest wins.
#[derive(Default)]
pub(crate) struct SentFrames(Vec<SentFrame>);

#[derive(Clone, Copy)]
struct SentFrame {
    id: u64,
    to: Address,
    sent_seconds: u32,
    /// Millisecond of the last ERROR that named it; as long ago as can be when there was none.
    named: u32,
}

impl SentFrames {
    pub(crate) fn note(&mut self, now: Mono, to: Address, id: PacketId) {
        if self.0.is_empty() {
            self.0.resize(FRAME_SLOTS, SentFrame { id: 0, to: Address::NIL, sent_seconds: 0, named: 0 });
        }
        let never = millis(now).wrapping_sub(u32::MAX / 2);
        self.0[slot(id)] = SentFrame { id: id.0, to, sent_seconds: millis(now) / 1000, named: never };
    }

    /// Whether `from` was sent this frame. A refused frame waits at the peer and is judged again, each time with an
    /// ERROR (02 §5): what it asks for may have been held back at the first one, or lost. So it counts again, but as
    /// seldom as honest peers repeat it; a replay gains nothing by that.
    pub(crate) fn take(&mut self, now: Mono, from: Address, id: PacketId) -> bool {
        let Some(entry) = self.0.get_mut(slot(id)) else { return false };
        let fits = entry.id == id.0
            && entry.to == from
            && (millis(now) / 1000).wrapping_sub(entry.sent_seconds) <= FRAME_SECONDS
            && millis(now).wrapping_sub(entry.named) >= ERROR_AGAIN;
        if fits {
            entry.named = millis(now);
        }
        fits
    }
}

/// Milliseconds that wrap around after 49 days: only differences of seconds are looked at.
fn millis(now: Mono) -> u32 {
    now.as_millis() as u32
}

fn slot(id: PacketId) -> usize {
    usize::try_from(id.0 >> 32).unwrap_or(0) % FRAME_SLOTS
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::link::{Endpoint, LinkId};

    const T: Mono = Mono(60_000_000);

    fn asked(to: u64, verb: Verb) -> Expected {
        let remote = Endpoint::Ip(SocketAddr::from(([10, 0, 0, 1], 9993)));
        let path = Path { link: LinkId(1), remote };
        Expected { to: Address::new(to), path, direct: true, verb, sent: T, purpose: Purpose::Content }
    }

    #[test]
    fn a_reply_is_consumed_once_expires_and_is_bound_to_the_peer_and_the_verb() {
        let mut e = Expectations::default();
        e.add(PacketId(1), asked(5, Verb::ECHO));
        assert!(e.take(T, Address::new(6), Verb::ECHO, PacketId(1)).is_none());
        assert!(e.take(T, Address::new(5), Verb::HELLO, PacketId(1)).is_none());
        assert!(e.take(T, Address::new(5), Verb::ECHO, PacketId(0)).is_none());
        assert!(e.take(T + REPLY_TIMEOUT, Address::new(5), Verb::ECHO, PacketId(1)).is_none());
        assert!(e.take(T, Address::new(5), Verb::ECHO, PacketId(1)).is_some());
        assert!(e.take(T, Address::new(5), Verb::ECHO, PacketId(1)).is_none());
    }

    #[test]
    fn several_answers_teach_one_path() {
        let mut e = Expectations::default();
        e.add(PacketId(1), asked(5, Verb::NETWORK_CONFIG_REQUEST));
        let v = Verb::NETWORK_CONFIG_REQUEST;
        assert!(e.take(T, Address::new(5), v, PacketId(1)).is_some_and(|e| e.direct));
        assert!(e.take(T, Address::new(5), v, PacketId(1)).is_some_and(|e| !e.direct));
    }

    #[test]
    fn an_error_ends_a_question() {
        let mut e = Expectations::default();
        let v = Verb::NETWORK_CONFIG_REQUEST;
        e.add(PacketId(1), asked(5, v));
        assert!(!e.end(T, Address::new(6), v, PacketId(1)));
        assert!(e.end(T, Address::new(5), v, PacketId(1)));
        assert!(!e.end(T, Address::new(5), v, PacketId(1)));
        assert!(e.take(T, Address::new(5), v, PacketId(1)).is_none());
    }

    #[test]
    fn memory_is_bounded() {
        let mut e = Expectations::default();
        for i in 0..20_000 {
            e.add(PacketId(i), asked(5, Verb::ECHO));
        }
        assert!(e.open.len() <= MAX_EXPECTED && e.order.len() <= MAX_EXPECTED);
        assert!(e.take(T, Address::new(5), Verb::ECHO, PacketId(19_999)).is_some());
    }

    #[test]
    fn an_error_names_a_frame_sent_to_that_peer_lately_and_seldom() {
        let later = |ms| T + std::time::Duration::from_millis(ms);
        let mut s = SentFrames::default();
        assert!(!s.take(T, Address::NIL, PacketId(0)));
        s.note(T, Address::new(5), PacketId(77));
        assert!(!s.take(T, Address::new(6), PacketId(77)));
        assert!(s.take(T, Address::new(5), PacketId(77)));
        assert!(!s.take(later(100), Address::new(5), PacketId(77)));
        assert!(s.take(later(500), Address::new(5), PacketId(77)));
        assert!(!s.take(later(600), Address::new(5), PacketId(77)));
        assert!(!s.take(later(11_000), Address::new(5), PacketId(77)));
    }
}
