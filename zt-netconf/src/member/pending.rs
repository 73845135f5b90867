//! What has to be done for members a little later: the further packets of a long push (04 §5.6), and questions for
//! certificates that frames of ours wait for, when nobody answered.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use zt_wire::ident::Address;
use zt_wire::time::Mono;

/// Time between two packets of one push: a receiver takes one a second.
// Free choice (04 §5.6): the reference sends them back to back, and its receivers drop all but the first.
const APART: Duration = Duration::from_millis(1_200);

/// Time between two questions.
const AGAIN: Duration = Duration::from_millis(1_100);
/// A question is repeated for as long as frames wait.
const OPEN: Duration = Duration::from_secs(5);
/// Most open questions.
const QUESTIONS: usize = 1_024;

/// The part of a push that a member gets next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its number; the first one left at once.
    pub(crate) number: usize,
    /// The configuration whose credentials are pushed.
    pub(crate) generation: u64,
}

/// A member that was asked for its certificate.
#[derive(Clone, Copy, Debug)]
struct Question {
    since: Mono,
}

/// Things of members that are due some time, one of each member.
#[derive(Debug)]
struct Timed<T> {
    of: BTreeMap<Address, (Mono, T)>,
    order: BTreeSet<(Mono, Address)>,
}

impl<T> Default for Timed<T> {
    fn default() -> Self {
        Self { of: BTreeMap::new(), order: BTreeSet::new() }
    }
}

impl<T: Copy> Timed<T> {
    fn get(&self, of: Address) -> Option<&T> {
        self.of.get(&of).map(|(_, thing)| thing)
    }

    fn get_mut(&mut self, of: Address) -> Option<&mut T> {
        self.of.get_mut(&of).map(|(_, thing)| thing)
    }

    fn set(&mut self, of: Address, due: Mono, thing: T) {
        self.remove(of);
        self.of.insert(of, (due, thing));
        self.order.insert((due, of));
    }

    fn remove(&mut self, of: Address) {
        if let Some((due, _)) = self.of.remove(&of) {
            self.order.remove(&(due, of));
        }
    }

    fn next(&self) -> Option<Mono> {
        self.order.first().map(|(due, _)| *due)
    }

    /// Takes one that is due.
    fn take_due(&mut self, now: Mono) -> Option<(Address, T)> {
        let (_, of) = self.order.first().copied().filter(|(due, _)| *due <= now)?;
        let thing = *self.get(of)?;
        self.remove(of);
        Some((of, thing))
    }
}

/// At most one part for each record of a member, and a bounded number of questions.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    parts: Timed<Part>,
    questions: Timed<Question>,
}

impl Pending {
    /// Notes the part of a push that comes next; what was owed before is not.
    pub(crate) fn owe(&mut self, now: Mono, to: Address, number: usize, generation: u64) {
        self.parts.set(to, now + APART, Part { number, generation });
    }

    /// True while the rest of a push of this configuration is on its way.
    pub(crate) fn owes(&self, to: Address, generation: u64) -> bool {
        self.parts.get(to).is_some_and(|part| part.generation == generation)
    }

    /// Notes that no part is owed.
    pub(crate) fn clear(&mut self, to: Address) {
        self.parts.remove(to);
    }

    /// Takes one part that is due.
    pub(crate) fn part_due(&mut self, now: Mono) -> Option<(Address, Part)> {
        self.parts.take_due(now)
    }

    /// Notes that a frame waits for the certificate of a member, which was asked for it.
    pub(crate) fn await_certificate(&mut self, now: Mono, of: Address) {
        if let Some(question) = self.questions.get_mut(of) {
            question.since = now;
        } else if self.questions.of.len() < QUESTIONS {
            self.questions.set(of, now + AGAIN, Question { since: now });
        }
    }

    /// Takes one question that is due; it has to be noted again ([`ask_again`](Self::ask_again)) when it is still open.
    pub(crate) fn question_due(&mut self, now: Mono) -> Option<(Address, Mono)> {
        self.questions.take_due(now).map(|(of, question)| (of, question.since))
    }

    /// Notes that a question was repeated; it is forgotten when no frame can wait any longer.
    pub(crate) fn ask_again(&mut self, now: Mono, of: Address, since: Mono) {
        if now.saturating_since(since) + AGAIN < OPEN {
            self.questions.set(of, now + AGAIN, Question { since });
        }
    }

    /// When the next thing is due.
    pub(crate) fn next(&self) -> Option<Mono> {
        [self.parts.next(), self.questions.next()].into_iter().flatten().min()
    }
}
