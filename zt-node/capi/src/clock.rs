//! The host's clock, made safe: milliseconds of any epoch, which must never go back.

use zt_wire::time::{Mono, Now};

/// Where our own time starts, so that times before the first call exist.
const START: u64 = 1_000_000_000;

/// Turns what the host says into the two clocks of the engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HostClock {
    first: i64,
    last: i64,
}

impl HostClock {
    /// Starts at the host's present time.
    pub(crate) const fn new(now: i64) -> Self {
        Self { first: now, last: now }
    }

    /// The time of a call. A clock that goes back stands still.
    pub(crate) fn at(&mut self, now: i64) -> Now {
        self.last = self.last.max(now);
        self.now()
    }

    /// The time of the latest call.
    pub(crate) fn now(&self) -> Now {
        let elapsed = u64::try_from(self.last.saturating_sub(self.first)).unwrap_or(0);
        Now { mono: Mono(elapsed.saturating_mul(1000).saturating_add(START)), unix_ms: self.last }
    }
}

/// Milliseconds until `due`, rounded up, as the host's clock does not know less.
pub(crate) fn millis_until(now: Now, due: Mono) -> u64 {
    due.0.saturating_sub(now.mono.0).div_ceil(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stands_still_when_the_host_goes_back() {
        let mut clock = HostClock::new(5_000);
        let first = clock.at(5_000);
        assert_eq!(clock.at(4_000).mono, first.mono);
        assert_eq!(clock.at(i64::MIN).mono, first.mono);
        let later = clock.at(5_007);
        assert_eq!(later.mono.0 - first.mono.0, 7_000);
        assert_eq!(later.unix_ms, 5_007);
        assert_eq!(millis_until(later, Mono(later.mono.0 + 1)), 1);
        assert_eq!(millis_until(later, first.mono), 0);
        assert!(clock.at(i64::MAX).mono > later.mono);
    }
}
