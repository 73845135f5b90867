//! The owner's say about paths, and addresses it knows (08 §A.4 `ZT_PathCheckFunction`, `ZT_PathLookupFunction`).
//!
//! The machine calls nobody: it asks by an event and goes on when the answer is given back.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use zt_wire::{Address, Mono};

use crate::link::Path;

/// Most questions and answers remembered; the oldest give way.
const MAX_CONSENTS: usize = 4096;
/// An answer holds for this long.
const VALID: Duration = Duration::from_secs(60);
/// A question is repeated after this.
const ASK_AGAIN: Duration = Duration::from_secs(1);

type Key = (Address, Path);

#[derive(Clone, Copy, Debug)]
struct Consent {
    /// When it was asked or answered last.
    at: Mono,
    answer: Option<bool>,
    /// The peer was heard there when it was asked.
    heard: bool,
}

/// How the owner stands to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    Refused,
    /// To be asked now.
    Ask,
    /// Was asked just now.
    Asked,
}

/// Questions about paths and their answers.
#[derive(Default)]
pub(crate) struct Consents {
    table: BTreeMap<Key, Consent>,
    order: VecDeque<Key>,
}

impl Consents {
    pub(crate) fn judge(&mut self, now: Mono, key: Key, heard: bool) -> Verdict {
        if let Some(c) = self.table.get_mut(&key) {
            let age = now.saturating_since(c.at);
            match c.answer {
                Some(true) if age < VALID => return Verdict::Allowed,
                Some(false) if age < VALID => return Verdict::Refused,
                None if age < ASK_AGAIN => return Verdict::Asked,
                _ => *c = Consent { at: now, answer: None, heard },
            }
            return Verdict::Ask;
        }
        self.insert(key, Consent { at: now, answer: None, heard });
        Verdict::Ask
    }

    /// Takes an answer. If a question waited for it: whether the peer had been heard there.
    pub(crate) fn answer(&mut self, now: Mono, key: Key, allowed: bool) -> Option<bool> {
        if let Some(c) = self.table.get_mut(&key) {
            let waited = c.answer.is_none().then_some(c.heard);
            c.at = now;
            c.answer = Some(allowed);
            return waited;
        }
        self.insert(key, Consent { at: now, answer: Some(allowed), heard: false });
        None
    }

    fn insert(&mut self, key: Key, consent: Consent) {
        while self.table.len() >= MAX_CONSENTS {
            let Some(oldest) = self.order.pop_front() else { break };
            self.table.remove(&oldest);
        }
        self.table.insert(key, consent);
        self.order.push_back(key);
    }

    pub(crate) fn expire(&mut self, now: Mono) {
        self.table.retain(|_, c| now.saturating_since(c.at) < VALID);
        let table = &self.table;
        self.order.retain(|key| table.contains_key(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::LinkId;

    fn key(n: u32) -> Key {
        let remote = crate::link::Endpoint::Ip(std::net::SocketAddr::from((n.to_be_bytes(), 9993)));
        (Address::new(5), Path { link: LinkId(1), remote })
    }

    const T: Mono = Mono(60_000_000);

    #[test]
    fn a_question_is_asked_once_a_second_and_its_answer_holds_for_a_minute() {
        let mut c = Consents::default();
        assert_eq!(c.judge(T, key(1), true), Verdict::Ask);
        assert_eq!(c.judge(T, key(1), true), Verdict::Asked);
        assert_eq!(c.judge(T + ASK_AGAIN, key(1), false), Verdict::Ask);
        assert_eq!(c.answer(T, key(1), true), Some(false));
        assert_eq!(c.answer(T, key(1), true), None, "nothing waits any more");
        assert_eq!(c.judge(T, key(1), true), Verdict::Allowed);
        assert_eq!(c.judge(T + VALID, key(1), true), Verdict::Ask);
        assert_eq!(c.answer(T, key(2), false), None);
        assert_eq!(c.judge(T, key(2), true), Verdict::Refused);
    }

    #[test]
    fn memory_is_bounded() {
        let mut c = Consents::default();
        for n in 0..10_000 {
            assert_eq!(c.judge(T, key(n), true), Verdict::Ask);
        }
        assert!(c.table.len() <= MAX_CONSENTS && c.order.len() <= MAX_CONSENTS);
        assert_eq!(c.judge(T, key(9_999), true), Verdict::Asked);
        c.expire(T + VALID);
        assert!(c.table.is_empty() && c.order.is_empty());
    }
}
