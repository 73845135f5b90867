//! First contact: has a member shown what it holds, and is it worth asking it (04 §4.6, §4.7)?
//!
//! The rules ask for tags, capabilities and certificates of ownership of the other side, which shows them before its first
//! frame. When that packet was lost, or came late, or is of a time before ours, the reference drops frames until the next
//! push, minutes later. Here the other side is asked, and the frame waits for the answer.

use core::time::Duration;

use zt_wire::time::Mono;

/// How long a frame can wait for credentials, as long as deferred packets are kept.
const WAIT: Duration = Duration::from_secs(5);
/// A member that showed all it has is not asked again before this time passed; twice as long after each question that
/// brought nothing new.
const AGAIN: Duration = Duration::from_secs(10);
/// The longest of these times.
const SELDOM: Duration = Duration::from_secs(320);

/// What is known of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It has shown nothing yet.
    Unseen,
    /// It was asked, first at this time.
    Asked(Mono),
    /// It showed all it has at this time, or had its time to do so.
    Seen(Mono),
}

/// Whether a member has shown what it holds. Costs the same however many frames it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contact {
    state: State,
    again: Duration,
}

impl Default for Contact {
    fn default() -> Self {
        Self { state: State::Unseen, again: AGAIN }
    }
}

impl Contact {
    /// The rules refuse a frame because they do not know something of this member: true when it is to be asked, and the
    /// frame is to wait. `outdated`: they knew it once.
    pub(crate) fn is_worth_asking(&mut self, now: Mono, outdated: bool) -> bool {
        match self.state {
            State::Unseen => self.state = State::Asked(now),
            State::Asked(since) if now.saturating_since(since) < WAIT => {}
            // No answer: it has nothing, or cannot say so.
            State::Asked(_) => self.state = State::Seen(now),
            State::Seen(at) => {
                let again = if outdated { AGAIN } else { self.again };
                if now.saturating_since(at) >= again {
                    self.again = (again * 2).min(SELDOM);
                    self.state = State::Asked(now);
                }
            }
        }
        matches!(self.state, State::Asked(_))
    }

    /// It showed its credentials. `all`: they fitted one packet.
    pub(crate) fn showed(&mut self, now: Mono, all: bool) {
        if all {
            self.state = State::Seen(now);
        }
    }

    /// Something of it was new: it is worth asking again.
    pub(crate) const fn learned(&mut self) {
        self.again = AGAIN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Mono {
        Mono::from_millis(seconds * 1000)
    }

    #[test]
    fn frames_wait_until_it_showed_what_it_has_or_five_seconds() {
        let mut contact = Contact::default();
        assert!(contact.is_worth_asking(at(1), false));
        assert!(contact.is_worth_asking(at(5), false));
        contact.showed(at(5), false);
        assert!(contact.is_worth_asking(at(5), false), "there is more to come");
        assert!(!contact.is_worth_asking(at(6), false), "it had its time");
        let mut contact = Contact::default();
        assert!(contact.is_worth_asking(at(1), false));
        contact.showed(at(1), true);
        assert!(!contact.is_worth_asking(at(1), false), "that is all it has");
    }

    #[test]
    fn who_has_nothing_is_asked_ever_more_seldom() {
        let mut contact = Contact::default();
        let mut asked = Vec::new();
        for second in 0..1_000 {
            if contact.is_worth_asking(at(second), false) {
                asked.push(second);
                contact.showed(at(second), true);
            }
        }
        assert_eq!(asked, [0, 10, 30, 70, 150, 310, 630, 950]);
        contact.learned();
        contact.showed(at(1_000), true);
        assert!(!contact.is_worth_asking(at(1_009), false) && contact.is_worth_asking(at(1_010), false));
    }

    #[test]
    fn what_is_outdated_is_asked_for_soon() {
        let mut contact = Contact { state: State::Seen(at(0)), again: SELDOM };
        assert!(!contact.is_worth_asking(at(10), false));
        assert!(contact.is_worth_asking(at(10), true));
    }
}
