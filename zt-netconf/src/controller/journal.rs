//! Changes on their way to the store: nothing that depends on one leaves before it is written.

use std::collections::VecDeque;
use std::sync::Arc;

use zt_wire::ident::NetworkId;

use super::member::Member;
use super::network::Network;
use super::record::Key;

/// What an object was before a change that is not written yet.
#[derive(Debug)]
pub(super) enum Before {
    Network(Option<Arc<Network>>),
    Member(Option<Arc<Member>>),
}

/// A commit that the store has not confirmed.
#[derive(Debug)]
struct Pending<E> {
    seq: u64,
    before: Vec<(Key, Before)>,
    effects: Vec<E>,
}

/// Commits in the order of their numbers; `E` is what happens once one is written.
#[derive(Debug)]
pub(super) struct Journal<E> {
    next: u64,
    pending: VecDeque<Pending<E>>,
}

impl<E> Journal<E> {
    pub(super) fn new() -> Self {
        Self { next: 1, pending: VecDeque::new() }
    }

    /// Adds a commit and returns its number.
    pub(super) fn add(&mut self, before: Vec<(Key, Before)>, effects: Vec<E>) -> u64 {
        let seq = self.next;
        self.next += 1;
        self.pending.push_back(Pending { seq, before, effects });
        seq
    }

    /// The last commit that touches a network and is not written yet.
    pub(super) fn last_of(&self, network: NetworkId) -> Option<u64> {
        self.pending.iter().rev().find(|p| p.before.iter().any(|(k, _)| k.network() == network)).map(|p| p.seq)
    }

    /// The last commit that decides what a record is and is not decided itself: one of the record or of its network, and
    /// for a network one of its members, too.
    pub(super) fn undecided(&self, key: Key) -> Option<u64> {
        let decides = |k: Key| match key {
            Key::Network(id) => k.network() == id,
            Key::Member(id, _) => k == key || k == Key::Network(id),
        };
        self.pending.iter().rev().find(|p| p.before.iter().any(|(k, _)| decides(*k))).map(|p| p.seq)
    }

    /// The last commit that is not written yet.
    pub(super) fn last(&self) -> Option<u64> {
        self.pending.back().map(|p| p.seq)
    }

    /// Lets an effect wait for a commit; hands it back when there is no such commit.
    pub(super) fn wait(&mut self, seq: u64, effect: E) -> Option<E> {
        match self.pending.iter_mut().find(|p| p.seq == seq) {
            Some(p) => {
                p.effects.push(effect);
                None
            }
            None => Some(effect),
        }
    }

    /// All commits up to `seq` are written: their effects, in order.
    pub(super) fn written(&mut self, seq: u64) -> Vec<E> {
        let mut out = Vec::new();
        while self.pending.front().is_some_and(|p| p.seq <= seq) {
            out.extend(self.pending.pop_front().into_iter().flat_map(|p| p.effects));
        }
        out
    }

    /// A member has to be put back whose network a later commit removes: that one remembers it, should it fail, too.
    pub(super) fn owe(&mut self, key: Key, before: Before) {
        let network = Key::Network(key.network());
        if let Some(p) = self.pending.iter_mut().find(|p| p.before.iter().any(|(k, _)| *k == network)) {
            p.before.push((key, before));
        }
    }

    /// A commit was not written: what must be put back, and its effects are dropped. Objects that a later commit
    /// writes again stay, but remember the older state.
    pub(super) fn failed(&mut self, seq: u64) -> Vec<(Key, Before)> {
        let Some(at) = self.pending.iter().position(|p| p.seq == seq) else { return Vec::new() };
        let Some(lost) = self.pending.remove(at) else { return Vec::new() };
        let mut restore = Vec::new();
        for (key, before) in lost.before {
            let later = self.pending.iter_mut().skip(at).find_map(|p| p.before.iter_mut().find(|(k, _)| *k == key));
            match later {
                Some((_, newer)) => *newer = before,
                None => restore.push((key, before)),
            }
        }
        restore
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u64) -> Key {
        Key::Network(NetworkId(n))
    }

    #[test]
    fn effects_wait_for_their_commit() {
        let mut j = Journal::new();
        let a = j.add(vec![(key(1), Before::Network(None))], vec!["a"]);
        let b = j.add(vec![(key(2), Before::Network(None))], vec!["b"]);
        assert_eq!((j.last_of(NetworkId(1)), j.last()), (Some(a), Some(b)));
        assert_eq!(j.wait(a, "a2"), None);
        assert_eq!(j.written(a), ["a", "a2"]);
        assert_eq!(j.wait(a, "late"), Some("late"));
        assert_eq!(j.written(b), ["b"]);
    }

    #[test]
    fn a_failed_commit_restores_only_what_no_later_one_writes() {
        let mut j = Journal::new();
        let a = j.add(vec![(key(1), Before::Network(None)), (key(2), Before::Network(None))], vec!["a"]);
        let object = Arc::new(Network::new(NetworkId(1), 0));
        let b = j.add(vec![(key(1), Before::Network(Some(object)))], vec!["b"]);
        let restored = j.failed(a);
        assert_eq!(restored.iter().map(|(k, _)| *k).collect::<Vec<_>>(), [key(2)]);
        let restored = j.failed(b);
        assert!(matches!(restored.as_slice(), [(_, Before::Network(None))]));
        assert!(j.failed(b).is_empty());
    }
}
