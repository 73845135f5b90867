//! Hash maps for keys that strangers cannot choose freely, and a bounded gate.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

use zt_wire::Mono;

/// Map with a fast hasher. Never iterated where the order could be seen.
pub(crate) type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<FoldHasher>>;

/// Multiply and fold: good enough for addresses (they cost a memory-hard hash), our own paths and random IDs.
#[derive(Default)]
pub(crate) struct FoldHasher(u64);

impl FoldHasher {
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        self.0 = (product as u64) ^ ((product >> 64) as u64).rotate_left(23);
    }
}

impl Hasher for FoldHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.mix(u64::from(n));
    }

    fn write_u16(&mut self, n: u16) {
        self.mix(u64::from(n));
    }

    fn write_u32(&mut self, n: u32) {
        self.mix(u64::from(n));
    }

    fn write_u64(&mut self, n: u64) {
        self.mix(n);
    }

    fn write_usize(&mut self, n: usize) {
        self.mix(n as u64);
    }
}

/// Lets each key pass once per interval; remembers a bounded number of keys.
#[derive(Debug)]
pub(crate) struct Gate<K> {
    interval: Duration,
    limit: usize,
    last: BTreeMap<K, Mono>,
    /// When old keys were last looked for: a full gate does not search at every call.
    swept: Mono,
}

impl<K: Ord + Copy> Gate<K> {
    pub(crate) const fn new(interval: Duration, limit: usize) -> Self {
        Self { interval, limit, last: BTreeMap::new(), swept: Mono::ZERO }
    }

    /// Whether `key` may pass. Full of recent keys: nobody new passes, so memory and rate stay bounded.
    pub(crate) fn pass(&mut self, now: Mono, key: K) -> bool {
        if let Some(last) = self.last.get_mut(&key) {
            let open = now.saturating_since(*last) >= self.interval;
            if open {
                *last = now;
            }
            return open;
        }
        if self.last.len() >= self.limit {
            if now.saturating_since(self.swept) >= self.interval / 8 {
                self.expire(now);
            }
            if self.last.len() >= self.limit {
                return false;
            }
        }
        self.last.insert(key, now);
        true
    }

    pub(crate) fn expire(&mut self, now: Mono) {
        self.swept = now;
        let interval = self.interval;
        self.last.retain(|_, t| now.saturating_since(*t) < interval);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.last.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gate_is_bounded_and_reopens() {
        let mut g = Gate::new(Duration::from_secs(2), 4);
        let t = Mono::from_millis(1000);
        assert!((0..4).all(|k| g.pass(t, k)));
        assert!(!g.pass(t, 0) && !g.pass(t, 9));
        assert_eq!(g.len(), 4);
        assert!(g.pass(t + Duration::from_secs(2), 9));
        assert_eq!(g.len(), 1);
    }
}
