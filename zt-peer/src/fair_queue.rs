//! A bounded queue in which sources take turns: who sends much waits behind itself, not before others.
//!
//! Each source has a queue of its own, in order of arrival, and a share of the room. The first entry of each is taken in
//! turn, however long its queue is. When the room is full the source with the longest queue gives way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Which entry of the longest queue gives way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivesWay {
    /// The last that came, or the one that comes: for what is served in order, so that waiting is not in vain.
    Newest,
    /// The first that came: for what waits for an answer, which the oldest had most time to get.
    Oldest,
}

/// What became of an entry that was added.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Added<T> {
    /// There was room.
    Fits,
    /// It is in, and another one gave way.
    Instead(T),
    /// It is not in.
    Refused(T),
}

impl<T> Added<T> {
    /// What is not in the queue (any more).
    pub(crate) fn lost(self) -> Option<T> {
        match self {
            Self::Fits => None,
            Self::Instead(lost) | Self::Refused(lost) => Some(lost),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct FairQueue<S, T> {
    room: usize,
    gives_way: GivesWay,
    queues: BTreeMap<S, VecDeque<T>>,
    /// Sources with entries, the next one first.
    turns: VecDeque<S>,
    /// The same by length.
    lengths: BTreeSet<(usize, S)>,
    len: usize,
}

impl<S: Ord + Copy, T> FairQueue<S, T> {
    /// A queue for at most `room` entries.
    pub(crate) const fn new(room: usize, gives_way: GivesWay) -> Self {
        Self { room, gives_way, queues: BTreeMap::new(), turns: VecDeque::new(), lengths: BTreeSet::new(), len: 0 }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The source that gives way when one which may hold `share` places adds an entry; `None` while there is room.
    fn victim(&self, source: S, share: usize) -> Option<S> {
        let own = self.held(source);
        if own >= share {
            Some(source)
        } else if self.len >= self.room {
            Some(self.heaviest(source, own))
        } else {
            None
        }
    }

    fn held(&self, source: S) -> usize {
        self.queues.get(&source).map_or(0, VecDeque::len)
    }

    /// The oldest entry of the source that would give way to an entry of `source` although it holds no more than that one.
    pub(crate) fn equal_in_the_way(&self, source: S, share: usize) -> Option<&T> {
        let victim = self.victim(source, share)?;
        let equal = victim == source || self.held(victim) <= self.held(source) + 1;
        self.queues.get(&victim).filter(|_| equal)?.front()
    }

    /// Adds an entry of a source that may hold `share` places.
    pub(crate) fn push(&mut self, source: S, share: usize, entry: T) -> Added<T> {
        let Some(victim) = self.victim(source, share) else {
            self.append(source, entry);
            return Added::Fits;
        };
        if self.gives_way == GivesWay::Newest && victim == source {
            return Added::Refused(entry);
        }
        let lost = self.take(victim, self.gives_way == GivesWay::Newest);
        self.append(source, entry);
        lost.map_or(Added::Fits, Added::Instead)
    }

    /// Takes the first entry of the source whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<(S, T)> {
        let source = self.turns.pop_front()?;
        let entry = self.take(source, false)?;
        if self.queues.contains_key(&source) {
            self.turns.push_back(source);
        }
        Some((source, entry))
    }

    /// All entries, source by source.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.queues.values().flatten()
    }

    /// All entries with their sources.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (S, &T)> {
        self.queues.iter().flat_map(|(source, queue)| queue.iter().map(move |entry| (*source, entry)))
    }

    /// Keeps what matches; how many are gone.
    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) -> usize {
        let before = self.len;
        let sources: Vec<S> = self.queues.keys().copied().collect();
        for source in sources {
            while self.remove(source, |entry| !keep(entry)).is_some() {}
        }
        before - self.len
    }

    /// Takes the first entry of a source that matches.
    pub(crate) fn remove(&mut self, source: S, matches: impl Fn(&T) -> bool) -> Option<T> {
        let queue = self.queues.get_mut(&source)?;
        let before = queue.len();
        let entry = queue.iter().position(matches).and_then(|at| queue.remove(at))?;
        self.resized(source, before);
        Some(entry)
    }

    /// Who gives way when the room is full: the source with the longest queue. Among equals, where the oldest gives way,
    /// it is the one that waits for its turn longest; where the newest does, the one that comes.
    fn heaviest(&self, source: S, own: usize) -> S {
        match self.lengths.last() {
            Some((longest, heaviest)) if *longest > own + 1 => *heaviest,
            Some(_) if self.gives_way == GivesWay::Oldest => self.turns.front().copied().unwrap_or(source),
            _ => source,
        }
    }

    fn append(&mut self, source: S, entry: T) {
        let queue = self.queues.entry(source).or_default();
        let before = queue.len();
        queue.push_back(entry);
        if before == 0 {
            self.turns.push_back(source);
        }
        self.resized(source, before);
    }

    fn take(&mut self, source: S, newest: bool) -> Option<T> {
        let queue = self.queues.get_mut(&source)?;
        let before = queue.len();
        let entry = if newest { queue.pop_back() } else { queue.pop_front() };
        self.resized(source, before);
        entry
    }

    /// Keeps the books after the queue of a source changed.
    fn resized(&mut self, source: S, before: usize) {
        let after = self.queues.get(&source).map_or(0, VecDeque::len);
        self.len = self.len + after - before;
        self.lengths.remove(&(before, source));
        if after > 0 {
            self.lengths.insert((after, source));
        } else {
            self.queues.remove(&source);
            if let Some(at) = self.turns.iter().position(|s| *s == source) {
                self.turns.remove(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(q: &mut FairQueue<u32, u32>) -> Vec<u32> {
        std::iter::from_fn(|| q.pop()).map(|(_, entry)| entry).collect()
    }

    #[test]
    fn sources_take_turns_whatever_they_send() {
        let mut q = FairQueue::new(100, GivesWay::Newest);
        for n in 0..5 {
            assert_eq!(q.push(1, 10, 10 + n), Added::Fits);
        }
        q.push(2, 10, 20);
        q.push(3, 10, 30);
        q.push(3, 10, 31);
        assert_eq!(drain(&mut q), [10, 20, 30, 11, 31, 12, 13, 14]);
        assert!(q.is_empty() && q.queues.is_empty() && q.lengths.is_empty() && q.turns.is_empty());
    }

    #[test]
    fn a_source_has_a_share_and_the_heaviest_gives_way() {
        let mut q = FairQueue::new(4, GivesWay::Newest);
        for n in 0..3 {
            q.push(1, 3, n);
        }
        assert_eq!(q.push(1, 3, 3), Added::Refused(3), "its share");
        q.push(2, 3, 20);
        assert_eq!(q.push(3, 3, 30), Added::Instead(2), "the last of who holds most");
        assert_eq!(q.push(4, 3, 40), Added::Instead(1));
        assert_eq!(q.push(5, 3, 50), Added::Refused(50), "all hold one");
        assert_eq!(q.len(), 4);
        assert_eq!(drain(&mut q), [0, 20, 30, 40]);
    }

    #[test]
    fn where_the_oldest_gives_way_the_newest_is_always_in() {
        let mut q = FairQueue::new(3, GivesWay::Oldest);
        q.push(1, 2, 10);
        q.push(1, 2, 11);
        assert_eq!(q.push(1, 2, 12), Added::Instead(10));
        q.push(2, 2, 20);
        assert_eq!(q.push(3, 2, 30), Added::Instead(11));
        assert_eq!(q.push(4, 2, 40), Added::Instead(12), "all hold one: the first of them");
        assert_eq!(q.remove(3, |e| *e == 30), Some(30));
        assert_eq!(q.remove(3, |e| *e == 30), None);
        assert_eq!(drain(&mut q), [20, 40]);
    }
}
