//! What has to be done for members a little later: the further packets of a long push (04 §5.6), and questions for
//! certificates that frames of ours wait for, when nobody answered.

use core::time::Duration;
use std::collections::BTreeMap;

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
    due: Mono,
}

/// A member that was asked for its certificate.
#[derive(Clone, Copy, Debug)]
struct Question {
    since: Mono,
    due: Mono,
}

/// At most one part for each record of a member, and a bounded number of questions.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    parts: BTreeMap<Address, Part>,
    questions: BTreeMap<Address, Question>,
}

impl Pending {
    /// Notes the part of a push that comes next; what was owed before is not.
    pub(crate) fn owe(&mut self, now: Mono, to: Address, number: usize, generation: u64) {
        self.parts.insert(to, Part { number, generation, due: now + APART });
    }

    /// True while the rest of a push of this configuration is on its way.
    pub(crate) fn owes(&self, to: Address, generation: u64) -> bool {
        self.parts.get(&to).is_some_and(|part| part.generation == generation)
    }

    /// Notes that no part is owed.
    pub(crate) fn clear(&mut self, to: Address) {
        self.parts.remove(&to);
    }

    /// Takes one part that is due.
    pub(crate) fn part_due(&mut self, now: Mono) -> Option<(Address, Part)> {
        let (to, part) = self.parts.iter().find(|(_, part)| part.due <= now)?;
        let due = (*to, *part);
        self.parts.remove(&due.0);
        Some(due)
    }

    /// Notes that a frame waits for the certificate of a member, which was asked for it.
    pub(crate) fn await_certificate(&mut self, now: Mono, of: Address) {
        if self.questions.len() < QUESTIONS || self.questions.contains_key(&of) {
            let question = self.questions.entry(of).or_insert(Question { since: now, due: now + AGAIN });
            question.since = now;
        }
    }

    /// Takes one question that is due; it has to be noted again ([`ask_again`](Self::ask_again)) when it is still open.
    pub(crate) fn question_due(&mut self, now: Mono) -> Option<(Address, Mono)> {
        let (of, question) = self.questions.iter().find(|(_, question)| question.due <= now)?;
        let due = (*of, question.since);
        self.questions.remove(&due.0);
        Some(due)
    }

    /// Notes that a question was repeated; it is forgotten when no frame can wait any longer.
    pub(crate) fn ask_again(&mut self, now: Mono, of: Address, since: Mono) {
        if now.saturating_since(since) + AGAIN < OPEN {
            self.questions.insert(of, Question { since, due: now + AGAIN });
        }
    }

    /// When the next thing is due.
    pub(crate) fn next(&self) -> Option<Mono> {
        let parts = self.parts.values().map(|part| part.due);
        parts.chain(self.questions.values().map(|question| question.due)).min()
    }
}
