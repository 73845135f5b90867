//! How long what a gateway said holds, and when it is asked again: decisions about times, as values.

use std::time::Duration;

use tokio::time::Instant;

/// Time asked for, in seconds. At half of it the mapping is renewed; a program that is killed leaves it behind for no
/// longer than that.
pub(super) const ASKED: u32 = 600;
/// A gateway that grants less than twice this is asked again so often.
const SOONEST: Duration = Duration::from_secs(10);
/// More than this is not waited for, whatever is granted: the gateway may forget.
const LATEST: Duration = Duration::from_secs(300);
/// After a failure, doubled up to the last.
const RETRY: Duration = Duration::from_secs(60);
const RETRY_LAST: Duration = Duration::from_secs(3600);

/// A mapping holds for a time, and is renewed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    made: Instant,
    pub(super) renew: Instant,
    ends: Instant,
}

impl Lease {
    /// What was granted now. 0 seconds: for good, as some gateways with UPnP do; it is renewed all the same.
    pub(super) fn granted(now: Instant, seconds: u32) -> Self {
        let seconds = if seconds == 0 { ASKED } else { seconds };
        let lasts = Duration::from_secs(seconds.into()).clamp(SOONEST, LATEST * 2);
        Self { made: now, renew: now + (lasts / 2).max(SOONEST), ends: now + lasts }
    }

    /// After a renewal that failed: once more before it ends, if there is time.
    pub(super) fn again(self, now: Instant) -> Option<Self> {
        let left = self.ends.checked_duration_since(now)?;
        (left > SOONEST * 2).then(|| Self { renew: now + (left / 2).min(RETRY), ..self })
    }

    /// The gateway says that it started anew, and may have forgotten.
    pub(super) fn doubted(&mut self, now: Instant) {
        self.renew = self.renew.min(now.max(self.made + SOONEST));
    }
}

/// A gateway that did not map is left alone for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    began: Instant,
    length: Duration,
}

impl Pause {
    /// From now on, for longer than the one before.
    pub(super) fn after(before: Option<Self>, now: Instant) -> Self {
        Self { began: now, length: before.map_or(RETRY, |before| (before.length * 2).min(RETRY_LAST)) }
    }

    pub(super) fn until(self) -> Instant {
        self.began + self.length
    }

    /// The gateway says that it started anew, and may have learned.
    pub(super) fn doubted(&mut self) {
        self.length = RETRY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_mapping_is_renewed_at_half_of_its_time_and_never_too_often_or_too_late() {
        let now = Instant::now();
        for (granted, renewed) in [(600, 300), (120, 60), (20, 10), (1, 10), (0, 300), (u32::MAX, 300)] {
            assert_eq!(Lease::granted(now, granted).renew - now, seconds(renewed), "{granted}");
        }
    }

    #[test]
    fn a_renewal_that_fails_is_tried_again_while_the_mapping_holds() {
        let now = Instant::now();
        let mut lease = Lease::granted(now, 600);
        let mut tries = 0;
        while let Some(next) = lease.again(lease.renew) {
            assert!(next.renew > lease.renew && next.renew < now + seconds(600));
            (lease, tries) = (next, tries + 1);
        }
        assert!((4..10).contains(&tries), "{tries}");
    }

    #[test]
    fn a_gateway_that_starts_anew_is_asked_at_once_but_not_by_every_word_of_it() {
        let now = Instant::now();
        let mut lease = Lease::granted(now, 600);
        lease.doubted(now + seconds(100));
        assert_eq!(lease.renew, now + seconds(100));
        let mut lease = Lease::granted(now, 600);
        lease.doubted(now);
        assert_eq!(lease.renew, now + SOONEST);
    }

    #[test]
    fn who_does_not_map_is_asked_ever_more_seldom() {
        let now = Instant::now();
        let mut pause = Pause::after(None, now);
        let mut lengths = vec![pause.until() - now];
        for _ in 0..8 {
            pause = Pause::after(Some(pause), now);
            lengths.push(pause.until() - now);
        }
        assert_eq!(lengths[..3], [seconds(60), seconds(120), seconds(240)]);
        assert_eq!(lengths[8], RETRY_LAST);
        pause.doubted();
        assert_eq!(pause.until() - now, RETRY);
    }
}
