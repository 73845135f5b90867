//! The times that certificates and revocations carry (04 §4.5, §5.7): the machine's clock, made monotonic.
//!
//! Members compare such times only with each other, and stock members never take an older certificate for a newer one.
//! So a clock that is set back must not be seen in them: what was ahead goes on at half speed until the clock has come
//! up. A clock that is set forward is followed at once, and everybody who is online gets a configuration of the new
//! time, because certificates from before and after would not agree.

use zt_wire::time::{Mono, Now};

use super::member::Member;

/// A step forward of less than this leaves certificates of before and after in agreement (the narrowest window has
/// five minutes, and members ask each minute).
const STEP_MS: i64 = 60_000;
/// A stored time beyond this (the year 2200) is damage.
const END_MS: i64 = 7_258_118_400_000;

/// The controller's clock for what it signs.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    /// What a clock is not before: the latest time in the stored records.
    floor: i64,
    /// The last moment at which the machine's clock was followed, and the time it was.
    followed: Option<(Mono, i64)>,
    issued: i64,
    revoked: i64,
    stepped: bool,
}

impl Stamps {
    /// Takes a time from a stored record: the clock that made it may have been ahead, and what was signed then is
    /// still held by members.
    pub(super) fn remember(&mut self, ms: i64) {
        if ms < END_MS {
            self.floor = self.floor.max(ms);
        }
    }

    /// Takes the times of a member's record.
    pub(super) fn remember_member(&mut self, m: &Member) {
        for time in [m.creation_time, m.last_authorized, m.last_deauthorized] {
            self.remember(time);
        }
    }

    /// Looks at the clock. True, once, after it was set forward while certificates were out.
    pub(super) fn stepped(&mut self, now: Now) -> bool {
        self.time(now);
        std::mem::take(&mut self.stepped) && self.issued > 0
    }

    /// Timestamp of a certificate: now, but later than every revocation.
    pub(super) fn issue(&mut self, now: Now) -> i64 {
        let time = self.time(now);
        let stamp = if self.revoked >= time { self.revoked + 1 } else { time };
        self.issued = self.issued.max(stamp);
        stamp
    }

    /// Threshold of a revocation: now, but not earlier than any certificate.
    pub(super) fn revoke(&mut self, now: Now) -> i64 {
        self.revoked = self.time(now).max(self.issued);
        self.revoked
    }

    /// The present, never before a moment that was the present once.
    fn time(&mut self, now: Now) -> i64 {
        // A threshold of 0 means "not revoked", so no certificate has a time of 0.
        let clock = now.unix_ms.max(self.floor).max(1);
        let Some((at, then)) = self.followed else {
            self.followed = Some((now.mono, clock));
            return clock;
        };
        let passed = i64::try_from(now.mono.millis_since(at)).unwrap_or(i64::MAX);
        let half = then.saturating_add(passed / 2);
        if clock < half {
            return half;
        }
        self.stepped |= clock > then.saturating_add(passed).saturating_add(STEP_MS);
        self.followed = Some((now.mono, clock));
        clock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ms: u64, unix_ms: i64) -> Now {
        Now { mono: Mono::from_millis(mono_ms), unix_ms }
    }

    #[test]
    fn certificates_after_a_revocation_are_newer_even_when_the_clock_goes_back() {
        let mut s = Stamps::default();
        let first = s.issue(at(0, 1_000_000));
        let void = s.revoke(at(1, 999_000));
        assert!(void >= first);
        assert!(s.issue(at(2, 999_000)) > void);
        assert_eq!(s.issue(at(3, 2_000_000)), 2_000_000);
        // What a clock signed that was decades ahead is void all the same.
        let ahead = s.issue(at(4, i64::MAX / 2));
        assert!(s.revoke(at(5, 2_000_001)) >= ahead);
    }

    #[test]
    fn a_clock_set_back_is_waited_for_at_half_speed() {
        let mut s = Stamps::default();
        assert_eq!(s.issue(at(0, 28_800_000)), 28_800_000);
        // Eight hours back: nothing that was issued gets out of reach of what is issued now.
        assert_eq!(s.issue(at(1_000, 1_000)), 28_800_500);
        assert_eq!(s.issue(at(600_000, 600_000)), 29_100_000);
        assert!(!s.stepped(at(600_000, 600_000)));
        // Sixteen hours later the clock has come up, and is followed without a step.
        assert_eq!(s.issue(at(57_600_000, 57_600_000)), 57_600_000);
        assert!(!s.stepped(at(57_601_000, 57_601_000)));
    }

    #[test]
    fn a_step_forward_is_told_once_and_only_when_certificates_are_out() {
        let mut s = Stamps::default();
        assert!(!s.stepped(at(0, 0)));
        assert!(!s.stepped(at(1_000, 1_000_000)), "nobody holds anything");
        s.issue(at(2_000, 1_001_000));
        assert!(!s.stepped(at(3_000, 1_061_000)), "within a minute");
        assert!(s.stepped(at(4_000, 2_000_000)));
        assert!(!s.stepped(at(5_000, 2_001_000)));
    }

    #[test]
    fn a_restart_is_not_before_the_stored_records() {
        let mut s = Stamps::default();
        s.remember(5_000_000);
        s.remember(i64::MAX);
        assert_eq!(s.issue(at(0, 1)), 5_000_000);
        let mut s = Stamps::default();
        assert_eq!(s.issue(at(0, 0)), 1, "a clock at the beginning of time signs nothing void");
    }
}
