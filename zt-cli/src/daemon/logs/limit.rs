//! A line that would be written again and again is written some times, and counted after that.

use std::collections::BTreeMap;
use std::time::Duration;

/// Lines of one place in the code that may follow each other.
const BURST: u32 = 50;

/// How often there is room for one more.
const EVERY: Duration = Duration::from_secs(1);

/// The lines of one place.
#[derive(Debug)]
struct Place {
    room: u32,
    since: Duration,
    left_out: u64,
}

/// What each place in the code may still write; `P` names a place. Bounded by the places that there are.
#[derive(Debug)]
pub(super) struct Limit<P> {
    places: BTreeMap<P, Place>,
}

impl<P: Ord> Default for Limit<P> {
    fn default() -> Self {
        Self { places: BTreeMap::new() }
    }
}

impl<P: Ord> Limit<P> {
    /// A line wants to be written, so long after the start; false when it is left out.
    pub(super) fn pass(&mut self, now: Duration, place: P) -> bool {
        let place = self.places.entry(place).or_insert(Place { room: BURST, since: now, left_out: 0 });
        let grown = now.saturating_sub(place.since).as_millis() / EVERY.as_millis();
        let grown = u32::try_from(grown).unwrap_or(u32::MAX);
        place.since += EVERY * grown;
        place.room = place.room.saturating_add(grown).min(BURST);
        let passes = place.room > 0;
        match passes {
            true => place.room -= 1,
            false => place.left_out += 1,
        }
        passes
    }

    /// How many lines of each place were left out since this was asked last.
    pub(super) fn take_left_out(&mut self) -> Vec<(&P, u64)> {
        let counted = self.places.iter_mut().map(|(name, place)| (name, std::mem::take(&mut place.left_out)));
        counted.filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_line_hides_no_other_and_is_counted() {
        let mut limit = Limit::default();
        let at = Duration::from_secs(100);
        let passed = (0..1000).filter(|_| limit.pass(at, "flood")).count();
        assert_eq!(passed, 50);
        assert!(limit.pass(at, "other"));
        assert_eq!(limit.take_left_out(), [(&"flood", 950)]);
        assert_eq!(limit.take_left_out(), []);
        assert!(!limit.pass(at + Duration::from_millis(999), "flood"));
        assert!(limit.pass(at + Duration::from_secs(1), "flood"));
        assert!(!limit.pass(at + Duration::from_secs(1), "flood"));
    }

    #[test]
    fn a_line_that_comes_now_and_then_is_always_written() {
        let mut limit = Limit::default();
        assert!((0..10_000).all(|second| limit.pass(Duration::from_secs(second), ())));
        // Room is not saved up.
        let later = Duration::from_secs(1_000_000);
        assert_eq!((0..1000).filter(|_| limit.pass(later, ())).count(), 50);
        assert!((0..10).all(|_| !limit.pass(Duration::ZERO, ())), "a clock that goes back gives nothing");
    }
}
