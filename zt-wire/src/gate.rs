//! "Not more often than": the last time of a thing, and the same for many keys.
//!
//! Who asks says how long an interval is; where the question is not "since then at least so long", [`Gate::since`] gives the
//! time that has passed.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use crate::time::{Mono, When};

/// Lets one thing pass per interval: remembers when it passed last, if it ever did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gate {
    last: When,
}

impl Gate {
    /// A gate that nothing has passed: open.
    pub const OPEN: Self = Self { last: When::NEVER };

    /// A gate that was passed at `at`.
    pub const fn passed(at: Mono) -> Self {
        Self { last: When::at(at) }
    }

    /// True, and noted, when nothing passed for at least `interval`, or ever. What is refused does not count.
    #[must_use]
    pub fn pass(&mut self, now: Mono, interval: Duration) -> bool {
        let open = self.is_open(now, interval);
        if open {
            self.note(now);
        }
        open
    }

    /// True when nothing passed for at least `interval`, or ever; nothing is noted.
    pub fn is_open(self, now: Mono, interval: Duration) -> bool {
        self.since(now).is_none_or(|passed| passed >= interval)
    }

    /// Notes that something passed now, whether the gate was open or not.
    pub const fn note(&mut self, now: Mono) {
        self.last = When::at(now);
    }

    /// Opens the gate: forgets what passed.
    pub const fn reopen(&mut self) {
        self.last = When::NEVER;
    }

    /// When something passed last.
    pub const fn last(self) -> Option<Mono> {
        self.last.get()
    }

    /// How long ago something passed last.
    pub fn since(self, now: Mono) -> Option<Duration> {
        self.last.since(now)
    }
}

/// Lets things pass at an even pace, and some at once after a pause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// When all that passed would have passed if each had waited for its turn.
    paid: Mono,
}

impl Pace {
    /// A pace at which nothing went yet: the whole burst is left.
    pub const RESTED: Self = Self { paid: Mono(0) };

    /// True, and noted, when there is a turn left: one every `each`, of which up to `burst` may have been saved.
    #[must_use]
    pub fn pass(&mut self, now: Mono, each: Duration, burst: u32) -> bool {
        let from = self.paid.max(now);
        let pays = from.saturating_since(now) + each <= each * burst;
        if pays {
            self.paid = from + each;
        }
        pays
    }
}

/// Lets each key pass once per interval, and remembers a bounded number of keys.
///
/// Full of keys that passed within the interval, it lets nobody new pass: who fills it gains nothing, and takes nothing
/// from those it knows. No call looks through the table, however full it is.
#[derive(Clone, Debug)]
pub struct Gates<K> {
    interval: Duration,
    limit: usize,
    last: BTreeMap<K, Mono>,
    /// The same by time: the oldest are forgotten first.
    order: BTreeSet<(Mono, K)>,
}

impl<K: Ord + Copy> Gates<K> {
    /// Gates that nothing has passed, for at most `limit` keys at a time.
    pub const fn new(interval: Duration, limit: usize) -> Self {
        Self { interval, limit, last: BTreeMap::new(), order: BTreeSet::new() }
    }

    /// True, and noted, when the key did not pass within the interval and there is room for it.
    #[must_use]
    pub fn pass(&mut self, now: Mono, key: K) -> bool {
        self.expire(now);
        if self.last.contains_key(&key) || self.last.len() >= self.limit {
            return false;
        }
        self.last.insert(key, now);
        self.order.insert((now, key));
        true
    }

    /// True when the key did not pass within the interval; nothing is noted.
    pub fn is_open(&self, now: Mono, key: K) -> bool {
        self.last.get(&key).is_none_or(|last| now.saturating_since(*last) >= self.interval)
    }

    /// Opens the gate of a key: forgets that it passed.
    pub fn reopen(&mut self, key: K) {
        if let Some(last) = self.last.remove(&key) {
            self.order.remove(&(last, key));
        }
    }

    /// Forgets the keys whose gates are open again: memory is free before the next one passes.
    pub fn expire(&mut self, now: Mono) {
        while let Some(&(last, key)) = self.order.first()
            && now.saturating_since(last) >= self.interval
        {
            self.order.pop_first();
            self.last.remove(&key);
        }
    }

    /// Number of keys remembered.
    pub fn len(&self) -> usize {
        self.last.len()
    }

    /// True when no key is remembered.
    pub fn is_empty(&self) -> bool {
        self.last.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn t(ms: u64) -> Mono {
        Mono::from_millis(ms)
    }

    #[test]
    fn a_gate_lets_one_pass_per_interval() {
        let mut gate = Gate::OPEN;
        assert_eq!((gate, gate.last(), gate.since(t(9))), (Gate::default(), None, None));
        assert!(gate.is_open(t(0), SECOND), "at first");
        assert!(gate.pass(t(0), SECOND));
        assert!(!gate.pass(t(999), SECOND), "refused, which does not count");
        assert_eq!(gate.since(t(999)), Some(Duration::from_millis(999)));
        assert!(gate.pass(t(1000), SECOND), "at the end of the interval, not after it");
        assert!(gate.is_open(t(1500), Duration::from_millis(500)) && !gate.is_open(t(1500), SECOND));
        gate.note(t(1900));
        assert_eq!(gate, Gate::passed(t(1900)));
        assert!(!gate.pass(t(2000), SECOND));
        assert!(!gate.pass(t(0), SECOND), "a clock that goes back opens nothing");
        gate.reopen();
        assert!(gate.pass(t(2001), SECOND));
    }

    #[test]
    fn a_pace_lets_a_burst_pass_and_then_one_for_each_interval() {
        let mut pace = Pace::default();
        let each = Duration::from_millis(50);
        let passed = (0..10_000).filter(|ms| pace.pass(t(*ms), each, 64)).count();
        assert_eq!(passed, 64 + 200 - 1);
        let mut at_once = 0;
        while pace.pass(t(1_000_000), each, 64) {
            at_once += 1;
        }
        assert_eq!(at_once, 64, "no more is saved up, however long the pause");
    }

    #[test]
    fn each_key_passes_once_per_interval() {
        let mut gates = Gates::new(SECOND, 3);
        assert!(gates.pass(t(0), 1) && !gates.pass(t(999), 1) && gates.pass(t(1000), 1));
        assert!(!gates.is_open(t(1999), 1) && gates.is_open(t(2000), 1) && gates.is_open(t(1000), 2));
        gates.reopen(1);
        assert!(gates.pass(t(1001), 1));
        gates.reopen(7);
        gates.expire(t(2000));
        assert_eq!(gates.len(), 1);
        gates.expire(t(2001));
        assert!(gates.is_empty());
    }

    #[test]
    fn full_gates_keep_whom_they_know_and_have_room_again_at_once() {
        let mut gates = Gates::new(SECOND, 3);
        assert!(gates.pass(t(0), 1) && gates.pass(t(500), 2) && gates.pass(t(500), 3));
        assert!((4..1000).all(|key| !gates.pass(t(999), key)), "full");
        assert_eq!(gates.len(), 3);
        assert!(!gates.pass(t(999), 1) && !gates.pass(t(999), 2), "nobody was flushed");
        assert!(gates.pass(t(1000), 4), "the first is over: one place");
        assert!(!gates.pass(t(1000), 5) && !gates.pass(t(1499), 2));
        // Whoever is let go makes room for one, and leaves nothing behind.
        for round in 0..1000 {
            gates.reopen(4);
            assert!(gates.pass(t(1001), 4), "{round}");
        }
        assert_eq!((gates.len(), gates.order.len()), (3, 3));
    }
}
