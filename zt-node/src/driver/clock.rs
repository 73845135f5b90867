//! The one place where clocks are read.

use super::sys;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use zt_wire::time::{Mono, Now};

/// Reads the monotonic and the wall clock as the two integers that the engine knows.
///
/// The monotonic one goes on while the host sleeps, unlike [`Instant`]: what others forget in that time has to be old here
/// as well.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Duration,
}

impl Clock {
    /// A clock whose monotonic part starts at one second, so that "never" (0) differs from "at start".
    pub fn new() -> Self {
        Self { start: sys::since_boot() }
    }

    /// The present moment.
    pub fn now(&self) -> Now {
        let unix_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        Now { mono: self.mono(), unix_ms }
    }

    /// The moment at which the monotonic part reaches `at`, if the host does not sleep until then.
    pub fn instant(&self, at: Mono) -> Instant {
        Instant::now() + at.saturating_since(self.mono())
    }

    fn mono(&self) -> Mono {
        let since = sys::since_boot().saturating_sub(self.start);
        Mono(u64::try_from(since.as_micros()).unwrap_or(u64::MAX).saturating_add(1_000_000))
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
