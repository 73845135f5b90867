//! What one peer may make us do, and how often (03 §17).

use std::time::Duration;

use zt_wire::Mono;

use crate::link::Path;

/// Most paths that one gate of a peer remembers.
const MAX_GATED: usize = 16;

/// Lets each path of a peer pass once per interval. Full: no further path of this peer passes, and other peers do not
/// feel it.
// What zt_wire::Gates does, in a list: a peer has three of these, there may be 131,072 peers, and 16 entries are looked
// through as fast as they are found in a tree.
#[derive(Debug)]
pub(crate) struct PathGate {
    interval: Duration,
    passed: Vec<(Path, Mono)>,
}

impl PathGate {
    pub(super) const fn new(interval: Duration) -> Self {
        Self { interval, passed: Vec::new() }
    }

    /// Whether it let this path pass within its interval.
    pub(crate) fn passed(&self, now: Mono, path: Path) -> bool {
        self.passed.iter().any(|(p, t)| *p == path && now.saturating_since(*t) < self.interval)
    }

    pub(crate) fn pass(&mut self, now: Mono, path: Path) -> bool {
        let interval = self.interval;
        if let Some(entry) = self.passed.iter_mut().find(|(p, _)| *p == path) {
            let open = now.saturating_since(entry.1) >= interval;
            if open {
                entry.1 = now;
            }
            return open;
        }
        self.passed.retain(|(_, t)| now.saturating_since(*t) < interval);
        let room = self.passed.len() < MAX_GATED;
        if room {
            self.passed.push((path, now));
        }
        room
    }
}
