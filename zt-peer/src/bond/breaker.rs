//! How many bonding messages of one peer are looked at (03 §15.7).

use std::time::Duration;

use zt_wire::{Gate, Mono};

/// Messages in quick succession from which on they are refused.
const LIMIT: u32 = 128;
/// A period is cut in so many parts: messages that follow each other sooner than one of them count.
const PARTS: u32 = 64;

/// Counts messages that follow each other quickly, and refuses from some number on, until there was a pause.
#[derive(Debug)]
pub(super) struct Breaker {
    count: u32,
    last: Gate,
}

impl Breaker {
    pub(super) const fn new() -> Self {
        Self { count: 0, last: Gate::OPEN }
    }

    /// Whether a message that comes now is looked at; `period`: of honest messages, so many of which are one too many.
    pub(super) fn passes(&mut self, now: Mono, period: Duration) -> bool {
        let soon = self.last.since(now).is_some_and(|passed| passed <= period / PARTS);
        self.count = if soon { self.count.saturating_add(1) } else { 0 };
        self.last = Gate::passed(now);
        self.count < LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_refused_until_there_is_a_pause() {
        let (mut breaker, period) = (Breaker::new(), Duration::from_secs(10));
        let passed = (0..10_000u64).filter(|n| breaker.passes(Mono::from_millis(1000 + n), period)).count();
        assert_eq!(passed, 128);
        assert!(!breaker.passes(Mono::from_millis(11_155), period));
        assert!(breaker.passes(Mono::from_millis(11_313), period), "158 ms after the last one");
        let honest = (0..1000u64).filter(|n| breaker.passes(Mono::from_millis(20_000 + 160 * n), period)).count();
        assert_eq!(honest, 1000);
    }
}
