//! The same decision with everything that led to it: for people, and for remote trace (04 §8).

use core::ops::Range;

use super::facts::FrameFacts;
use super::policy::{PeerPolicy, Policy};
use super::program::{Op, Program};
use super::run::{Decided, Sink};
use super::verdict::{Decision, FrameCopy, Verdict};

/// Length of a rule log, bytes: four bits for each of 1024 rules.
pub const RULE_LOG_LEN: usize = 512;

/// One decision, and how each table came to its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// What [`Policy::judge`] says of the frame.
    pub verdict: Verdict,
    /// The rules of the network, then the capabilities that were tried.
    pub tables: Vec<TableTrace>,
    /// The tags that were asked for, ascending by ID.
    pub tags: Vec<TagTrace>,
}

/// What became of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableTrace {
    /// ID of the capability; `None` for the rules of the network.
    pub capability: Option<u32>,
    /// Result of this table alone.
    pub decision: Decision,
    /// Index of the deciding entry.
    pub rule: Option<usize>,
    /// The copy it made, whatever the decision.
    pub copy: Option<FrameCopy>,
    /// Queue of ACTION_PRIORITY, when that decided.
    pub priority: Option<u8>,
    /// What happened at each entry, in the order of the table; the rest was not reached.
    pub steps: Vec<Step>,
}

/// What happened at one entry of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A match was evaluated.
    Match {
        /// State of its set before.
        set: bool,
        /// Result before NOT; of a hard result, NOT taken back (04 §8).
        plain: bool,
        /// Result after NOT.
        holds: bool,
    },
    /// A match could not be evaluated: the frame hides what it asks for.
    Evaded {
        /// State of its set before.
        set: bool,
    },
    /// A match was passed by, because its set is false.
    Skipped,
    /// An action ended its set.
    Action {
        /// State of its set.
        set: bool,
    },
}

/// A tag that a match asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagTrace {
    /// Its ID.
    pub id: u32,
    /// Our value.
    pub own: Option<u32>,
    /// The other side's, when a valid credential tells it.
    pub other: Option<u32>,
}

impl TableTrace {
    /// Four bits for each rule, low half first (04 §8): the match before NOT, and the state of the set before it.
    pub fn rule_log(&self) -> [u8; RULE_LOG_LEN] {
        let mut log = [0; RULE_LOG_LEN];
        let bits = |state: bool| if state { 2 } else { 1 };
        for (rule, step) in self.steps.iter().enumerate().take(2 * RULE_LOG_LEN) {
            let four: u8 = match step {
                Step::Match { set, plain, .. } => bits(*plain) << 2 | bits(*set),
                Step::Evaded { set } => bits(*set),
                Step::Skipped => bits(false),
                Step::Action { .. } => 0,
            };
            log[rule / 2] |= if rule % 2 == 0 { four } else { four << 4 };
        }
        log
    }
}

impl Explanation {
    /// The rules of the network.
    pub fn base(&self) -> &TableTrace {
        &self.tables[0]
    }
}

impl Policy {
    /// Decides as [`judge`](Self::judge) does, and tells how.
    pub fn explain(
        &self,
        facts: &FrameFacts<'_>,
        peer: Option<&PeerPolicy>,
        random: &mut dyn FnMut() -> u32,
    ) -> Explanation {
        self.tell(facts, peer, random, false)
    }

    /// Decides as [`judge_stranger`](Self::judge_stranger) does, and tells how.
    pub fn explain_to_stranger(
        &self,
        facts: &FrameFacts<'_>,
        peer: Option<&PeerPolicy>,
        random: &mut dyn FnMut() -> u32,
    ) -> Explanation {
        self.tell(facts, peer, random, true)
    }

    fn tell(
        &self,
        facts: &FrameFacts<'_>,
        peer: Option<&PeerPolicy>,
        random: &mut dyn FnMut() -> u32,
        past_break: bool,
    ) -> Explanation {
        let mut tracer = Tracer::default();
        let verdict = self.walk(facts, peer, random, past_break, &mut tracer);
        let mut asked = tracer.asked;
        asked.sort_unstable();
        asked.dedup();
        let tag = |id| TagTrace { id, own: self.tag(id), other: peer.and_then(|peer| peer.tag(id)) };
        Explanation { verdict, tables: tracer.tables, tags: asked.into_iter().map(tag).collect() }
    }
}

#[derive(Default)]
struct Tracer {
    tables: Vec<TableTrace>,
    asked: Vec<u32>,
}

impl Tracer {
    fn step(&mut self, rule: usize, step: Step) {
        let table = self.tables.last_mut().expect("a table began");
        debug_assert_eq!(table.steps.len(), rule, "entries are told in order");
        table.steps.push(step);
    }
}

impl Sink for Tracer {
    fn table(&mut self, capability: Option<u32>) {
        self.tables.push(TableTrace { capability, ..TableTrace::default() });
    }

    fn matched(&mut self, program: &Program, rule: usize, set: bool, holds: bool) {
        let entry = &program.entries[rule];
        self.asked.extend(entry.op.tag());
        self.step(rule, Step::Match { set, plain: holds != entry.not, holds });
    }

    fn evaded(&mut self, rule: usize, set: bool) {
        self.step(rule, Step::Evaded { set });
    }

    fn skipped(&mut self, program: &Program, rules: Range<usize>) {
        for rule in rules {
            let is_action = matches!(program.entries[rule].op, Op::Action(_));
            self.step(rule, if is_action { Step::Action { set: false } } else { Step::Skipped });
        }
    }

    fn acted(&mut self, rule: usize, set: bool) {
        self.step(rule, Step::Action { set });
    }

    fn decided(&mut self, decided: &Decided) {
        let table = self.tables.last_mut().expect("a table began");
        table.decision = decided.decision;
        table.rule = decided.rule;
        table.copy = decided.copy;
        table.priority = decided.priority;
    }
}
