//! The one place where clocks are read.

use std::time::{Instant, SystemTime, UNIX_EPOCH};
use zt_wire::time::{Mono, Now};

/// Reads the monotonic and the wall clock as the two integers that the engine knows.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose monotonic part starts at one second, so that "never" (0) differs from "at start".
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// The present moment.
    pub fn now(&self) -> Now {
        let mono = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX).saturating_add(1_000_000);
        let unix_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        Now { mono: Mono(mono), unix_ms }
    }

    /// The moment at which the monotonic part reaches `at`.
    pub fn instant(&self, at: Mono) -> Instant {
        self.start + std::time::Duration::from_micros(at.0.saturating_sub(1_000_000))
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
