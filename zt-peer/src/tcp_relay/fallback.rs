//! When a client of the relay connects, goes on, and leaves it again.
//!
//! The level of desperation (08 §B.5) says when UDP does not work: that is not decided here. What is: a connection is made
//! when there is something to send; when UDP works again, it serves a little longer, because traffic moves over one path
//! after the other; then nothing is sent by it any more, so that the others notice and go as well, while what they still
//! send arrives; then it is closed. So no packet is lost on the way back.

use std::time::Duration;

use zt_wire::Mono;

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Both directions are served for so long after a better level was found.
const LINGER: Duration = seconds(5);
/// Then datagrams are only taken for so long: peers that hear nothing by a path leave it within that time.
const DRAIN: Duration = seconds(15);
/// Something was sent and nothing came for so long: the server is gone. Roots and peers answer sooner than that.
const SILENCE: Duration = seconds(10);
/// A connection that worked is made again after this, the first that fails after the next, and so on twice as long.
const RETRY: Duration = Duration::from_millis(250);
const RETRY_FAILED: Duration = seconds(1);
const RETRY_AT_MOST: Duration = seconds(30);

/// How the relay is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not at all: something better works.
    Idle,
    /// Both ways.
    Serving,
    /// What comes is taken, nothing is sent.
    Draining,
    /// It is to be closed.
    Over,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Fallback {
    /// The level from which on it serves.
    rank: i32,
    level: i32,
    /// A better level was found then, after it had served.
    left: Option<Mono>,
    /// Attempts that failed since one worked.
    failures: u32,
    not_before: Mono,
    /// First datagram sent since something came.
    unanswered: Option<Mono>,
}

impl Fallback {
    /// For a link of this rank, at level 0: of rank 0 it always serves, above that when the level rises to it.
    #[must_use]
    pub const fn new(rank: i32) -> Self {
        Self { rank, level: 0, left: None, failures: 0, not_before: Mono::ZERO, unanswered: None }
    }

    /// Takes the level of desperation.
    pub const fn handle_level(&mut self, now: Mono, level: i32) {
        if level >= self.rank {
            self.left = None;
        } else if self.level >= self.rank {
            self.left = Some(now);
        }
        self.level = level;
    }

    /// How it is used now.
    #[must_use]
    pub fn phase(&self, now: Mono) -> Phase {
        match self.left {
            _ if self.level >= self.rank => Phase::Serving,
            None => Phase::Idle,
            Some(left) if now < left + LINGER => Phase::Serving,
            Some(left) if now < left + LINGER + DRAIN => Phase::Draining,
            Some(_) => Phase::Over,
        }
    }

    /// Whether a connection may be made for what is to be sent.
    #[must_use]
    pub fn may_connect(&self, now: Mono) -> bool {
        self.phase(now) == Phase::Serving && now >= self.not_before
    }

    /// Before this no connection is made.
    #[must_use]
    pub const fn not_before(&self) -> Mono {
        self.not_before
    }

    /// It could not be made, or it has ended.
    pub fn handle_lost(&mut self, now: Mono) {
        let pause = match self.failures {
            0 => RETRY,
            n => (RETRY_FAILED * (1 << (n - 1).min(8))).min(RETRY_AT_MOST),
        };
        (self.not_before, self.unanswered) = (now + pause, None);
        self.failures = self.failures.saturating_add(1);
    }

    /// The host slept: what failed before says nothing of now.
    pub const fn handle_resume(&mut self) {
        (self.not_before, self.failures, self.unanswered) = (Mono::ZERO, 0, None);
    }

    /// Datagrams were sent by it.
    pub fn handle_sent(&mut self, now: Mono) {
        self.unanswered.get_or_insert(now);
    }

    /// Something came by it.
    pub const fn handle_heard(&mut self) {
        (self.unanswered, self.failures) = (None, 0);
    }

    /// Whether the connection is of no use any more, although it has not ended. On the way back to something better nobody
    /// is expected to answer by it.
    #[must_use]
    pub fn is_silent(&self, now: Mono) -> bool {
        self.level >= self.rank && self.unanswered.is_some_and(|since| now >= since + SILENCE)
    }

    /// When to look again at [`Fallback::phase`] and [`Fallback::is_silent`].
    #[must_use]
    pub fn deadline(&self, now: Mono) -> Option<Mono> {
        let phases = self.left.into_iter().flat_map(|left| [left + LINGER, left + LINGER + DRAIN]);
        let silent = self.unanswered.filter(|_| self.level >= self.rank).map(|since| since + SILENCE);
        phases.chain(silent).filter(|at| *at > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(ms: u64) -> Mono {
        Mono::from_millis(ms)
    }

    #[test]
    fn it_serves_from_its_level_on_and_leaves_in_steps() {
        let mut relay = Fallback::new(1);
        assert_eq!((relay.phase(t(0)), relay.may_connect(t(0)), relay.deadline(t(0))), (Phase::Idle, false, None));
        relay.handle_level(t(5_000), 1);
        assert!(relay.phase(t(5_000)) == Phase::Serving && relay.may_connect(t(5_000)));
        relay.handle_level(t(60_000), 0);
        assert_eq!((relay.phase(t(64_999)), relay.deadline(t(60_000))), (Phase::Serving, Some(t(65_000))));
        assert_eq!((relay.phase(t(65_000)), relay.deadline(t(65_000))), (Phase::Draining, Some(t(80_000))));
        assert!(!relay.may_connect(t(65_000)));
        assert_eq!((relay.phase(t(80_000)), relay.deadline(t(80_000))), (Phase::Over, None));
        relay.handle_level(t(70_000), 1);
        assert_eq!(relay.phase(t(80_000)), Phase::Serving, "UDP went again meanwhile");
        relay.handle_level(t(81_000), 2);
        assert_eq!(relay.phase(t(99_000)), Phase::Serving, "a worse level needs the better links too");
    }

    #[test]
    fn of_rank_0_it_always_serves() {
        let mut relay = Fallback::new(0);
        assert!(relay.may_connect(t(0)));
        relay.handle_level(t(1), 0);
        assert_eq!((relay.phase(t(1_000_000)), relay.deadline(t(1))), (Phase::Serving, None));
    }

    #[test]
    fn it_connects_again_at_once_where_it_worked_and_ever_more_slowly_where_not() {
        let mut relay = Fallback::new(0);
        let mut now = t(0);
        for pause in [250, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            relay.handle_lost(now);
            let again = now + Duration::from_millis(pause);
            assert!(!relay.may_connect(again.saturating_sub(Duration::from_millis(1))) && relay.may_connect(again));
            now = again;
        }
        relay.handle_heard();
        relay.handle_lost(now);
        assert!(relay.may_connect(now + RETRY));
    }

    #[test]
    fn after_a_sleep_it_connects_at_once() {
        let mut relay = Fallback::new(0);
        (0..9).for_each(|_| relay.handle_lost(t(1000)));
        assert!(!relay.may_connect(t(2000)));
        relay.handle_resume();
        assert!(relay.may_connect(t(2000)));
    }

    #[test]
    fn a_server_that_sends_nothing_back_is_given_up() {
        let mut relay = Fallback::new(0);
        relay.handle_sent(t(1000));
        relay.handle_sent(t(9000));
        assert_eq!((relay.is_silent(t(10_999)), relay.is_silent(t(11_000))), (false, true));
        assert_eq!(relay.deadline(t(9000)), Some(t(11_000)));
        relay.handle_heard();
        assert!(!relay.is_silent(t(90_000)), "and nothing is asked");
        relay.handle_sent(t(90_000));
        relay.handle_lost(t(91_000));
        assert!(!relay.is_silent(t(101_000)), "another connection begins anew");
        let mut relay = Fallback::new(1);
        relay.handle_level(t(0), 1);
        relay.handle_sent(t(1000));
        relay.handle_level(t(2000), 0);
        assert!(!relay.is_silent(t(12_000)), "the others answer by UDP again");
    }
}
