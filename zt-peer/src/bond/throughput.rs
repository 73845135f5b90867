//! What a path is seen to carry: what leaves by it, while its queue says that it is full.

use std::time::Duration;

use zt_wire::{Gate, Mono};

/// A round trip that is longer than the shortest by this is a queue: the path is full.
const QUEUE: Duration = Duration::from_millis(15);
/// In a row, in periods of a second: one alone may be chance.
const IN_A_ROW: u8 = 2;
/// Bytes in a second that are no sign of anything.
const LEAST: f32 = 10_000.0;
/// What was seen counts for so long.
const REMEMBERED: Duration = Duration::from_secs(600);
/// What a full queue has lost is in the figures for so long.
const AFTERMATH: Duration = Duration::from_secs(10);
/// The shortest round trip is that of the last one or two such times.
const SHORTEST: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Throughput {
    /// Bytes of this period.
    bytes: u64,
    /// Bytes in a second, of the last whole period.
    rate: f32,
    /// The queue that is there because of what leaves.
    queue: Duration,
    /// When there was one last, and whether that was lately.
    queued: Gate,
    overflown: bool,
    /// Periods in a row in which it was full.
    full: u8,
    /// What it carried when it was full, or what it carried at least, in bytes in a second, and when that was.
    carries: Option<(f32, Mono)>,
    period: Gate,
    /// Of this time and of that before.
    shortest: [Option<Duration>; 2],
    shortest_since: Gate,
}

impl Throughput {
    /// Bytes leave.
    pub(super) fn count(&mut self, len: usize) {
        self.bytes += len as u64;
    }

    /// A period ends, with the round trip that is measured now.
    pub(super) fn next_period(&mut self, now: Mono, round_trip: Option<Duration>) {
        let Some(passed) = self.period.since(now) else {
            self.period = Gate::passed(now);
            self.bytes = 0;
            return;
        };
        if passed.is_zero() {
            return;
        }
        self.period = Gate::passed(now);
        self.rate = std::mem::take(&mut self.bytes) as f32 / passed.as_secs_f32();
        if self.shortest_since.pass(now, SHORTEST) {
            self.shortest = [round_trip, self.shortest[0]];
        }
        self.shortest[0] = [self.shortest[0], round_trip].into_iter().flatten().min();
        let shortest = self.shortest.into_iter().flatten().min();
        let queue = round_trip.zip(shortest).map_or(Duration::ZERO, |(now, shortest)| now.saturating_sub(shortest));
        let full = queue >= QUEUE && self.rate >= LEAST;
        self.full = if full { self.full.saturating_add(1) } else { 0 };
        self.queue = if full { queue } else { Duration::ZERO };
        if full {
            self.queued = Gate::passed(now);
        }
        self.overflown = self.queued.since(now).is_some_and(|passed| passed < AFTERMATH);
        match self.carries(now) {
            // Slowly, as what leaves in one second depends on much.
            Some(before) if self.is_full() => self.carries = Some((f32::midpoint(before, self.rate), now)),
            None if self.is_full() => self.carries = Some((self.rate, now)),
            // What leaves while a queue builds up may be lost in it.
            Some(before) if self.rate > before && !full => self.carries = Some((self.rate, now)),
            _ => {}
        }
    }

    /// Bytes that left in a second, lately.
    pub(super) const fn rate(&self) -> f32 {
        self.rate
    }

    /// What of the round trip is a queue of our own packets.
    pub(super) const fn queue(&self) -> Duration {
        self.queue
    }

    /// There was such a queue lately: it may have lost probes.
    pub(super) const fn has_overflown(&self) -> bool {
        self.overflown
    }

    /// It carries no more than it does.
    pub(super) const fn is_full(&self) -> bool {
        self.full >= IN_A_ROW
    }

    /// What it carries, in bytes in a second, if that was seen lately.
    pub(super) fn carries(&self, now: Mono) -> Option<f32> {
        self.carries.filter(|(_, at)| now.saturating_since(*at) < REMEMBERED).map(|(carries, _)| carries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn second(path: &mut Throughput, number: u64, kilobytes: usize, round_trip: u64) {
        path.count(kilobytes * 1000);
        path.next_period(Mono::from_millis(number * 1000), Some(MS(round_trip)));
    }

    #[test]
    fn what_leaves_while_there_is_a_queue_is_what_a_path_carries() {
        let mut path = Throughput::default();
        for n in 1..10 {
            second(&mut path, n, 500, 10);
        }
        assert_eq!((path.is_full(), path.carries(Mono::from_millis(9000))), (false, None), "it could carry more");
        second(&mut path, 10, 1000, 60);
        assert!(!path.is_full(), "once is chance");
        second(&mut path, 11, 1000, 60);
        assert!(path.is_full());
        assert_eq!(path.carries(Mono::from_millis(11_000)), Some(1e6));
        second(&mut path, 12, 1500, 10);
        assert_eq!(path.carries(Mono::from_millis(12_000)), Some(1.5e6), "it carried more than was thought");
        assert_eq!(path.carries(Mono::from_millis(612_001)), None, "that was long ago");
        second(&mut path, 13, 3000, 60);
        assert_eq!(path.carries(Mono::from_millis(13_000)), Some(1.5e6), "who knows what of that arrived");
    }

    #[test]
    fn a_quiet_path_with_a_long_round_trip_is_not_full() {
        let mut path = Throughput::default();
        for n in 1..10 {
            second(&mut path, n, 9, if n < 5 { 10 } else { 300 });
        }
        assert!(!path.is_full());
    }

    #[test]
    fn a_path_that_became_longer_is_not_full_for_ever() {
        let mut path = Throughput::default();
        for n in 1..400 {
            second(&mut path, n, 100, if n < 5 { 10 } else { 300 });
        }
        assert!(!path.is_full());
    }
}
