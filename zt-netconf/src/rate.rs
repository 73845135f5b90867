//! Rate gates: at most one event per key and interval, with bounded memory.

use core::time::Duration;
use std::collections::BTreeMap;

use zt_wire::time::Mono;

/// One event per key and interval; remembers at most `limit` keys.
#[derive(Debug)]
pub(crate) struct RateTable<K> {
    last: BTreeMap<K, Mono>,
    interval: Duration,
    limit: usize,
}

impl<K: Ord + Copy> RateTable<K> {
    pub(crate) const fn new(interval: Duration, limit: usize) -> Self {
        Self { last: BTreeMap::new(), interval, limit }
    }

    /// True, and noted, when the key had no event within the interval. A full table refuses strangers: whoever
    /// fills it within one interval gains nothing and costs nothing more.
    pub(crate) fn allow(&mut self, now: Mono, key: K) -> bool {
        if let Some(last) = self.last.get_mut(&key) {
            if now.saturating_since(*last) < self.interval {
                return false;
            }
            *last = now;
            return true;
        }
        if self.last.len() >= self.limit {
            let interval = self.interval;
            self.last.retain(|_, last| now.saturating_since(*last) < interval);
            if self.last.len() >= self.limit {
                return false;
            }
        }
        self.last.insert(key, now);
        true
    }

    /// True when the key had no event within the interval; nothing is noted.
    pub(crate) fn is_open(&self, now: Mono, key: K) -> bool {
        self.last.get(&key).is_none_or(|last| now.saturating_since(*last) >= self.interval)
    }

    /// Forgets the last event of a key.
    pub(crate) fn release(&mut self, key: K) {
        self.last.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_per_interval_and_bounded() {
        let mut table = RateTable::new(Duration::from_secs(1), 3);
        let t = |ms: u64| Mono(ms * 1000);
        assert!(table.allow(t(0), 1));
        assert!(!table.allow(t(999), 1));
        assert!(table.allow(t(1000), 1));
        assert!(table.allow(t(1000), 2));
        assert!(table.allow(t(1000), 3));
        assert!(!table.allow(t(1000), 4), "full");
        assert!(table.allow(t(2000), 4), "old entries make room");
        assert!(!table.is_open(t(2000), 4) && table.is_open(t(3000), 4) && table.is_open(t(2000), 5));
        table.release(4);
        assert!(table.allow(t(2001), 4));
    }
}
