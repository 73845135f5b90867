//! When a peer gets HELLOs beside those that probe its paths (03 §6.2), and how long a root that does not answer is tried.

use std::time::Duration;

use zt_wire::{Gate, Mono};

use crate::rate::{QUEUE_RETRY, ROOT_ASKED, ROOT_RETRY_FIRST, ROOT_RETRY_QUEUED, root_retry};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Greetings {
    /// Last HELLO of the round.
    full: Gate,
    /// HELLOs sent: worlds take turns in them.
    count: u32,
    /// Tries of a root since it has no path.
    tries: usize,
    tried: Gate,
}

impl Greetings {
    /// Counts a HELLO.
    pub(crate) const fn next_turn(&mut self) -> u32 {
        self.count = self.count.wrapping_add(1);
        self.count
    }

    /// Whether a HELLO of the round is due every so often, and was not sent lately.
    pub(super) fn is_due(&self, now: Mono, every: Duration) -> bool {
        self.full.is_open(now, every)
    }

    pub(super) const fn greets(&mut self, now: Mono) {
        self.full.note(now);
    }

    /// The next round greets it, whenever that was done last.
    pub(crate) const fn hurry(&mut self) {
        self.full.reopen();
    }

    /// A root is tried now, at all its addresses.
    pub(crate) const fn tries_root(&mut self, now: Mono) {
        self.tried.note(now);
    }

    /// Tries of a root begin anew. Returns when the next one is due.
    pub(crate) fn begin_tries(&mut self, now: Mono) -> Mono {
        self.tries = 0;
        now + ROOT_RETRY_FIRST
    }

    /// Whether the round is to try a root again. The first tries follow each other within two seconds: while they run
    /// this is too soon.
    pub(super) fn is_root_neglected(&self, now: Mono) -> bool {
        self.tried.is_open(now, ROOT_ASKED - QUEUE_RETRY)
    }

    /// Whether a root without a path is to be tried now, and when it is to be looked at again. `queued`: it challenged us,
    /// and will answer when it is our turn, so that repeating is for lost answers only.
    pub(super) fn retry_root(&mut self, now: Mono, queued: bool) -> (bool, Option<Mono>) {
        let Some(at) = self.next_try(queued) else { return (false, None) };
        if now < at {
            return (false, Some(at));
        }
        self.tries += 1;
        self.tried.note(now);
        (true, self.next_try(queued))
    }

    fn next_try(&self, queued: bool) -> Option<Mono> {
        let wait = root_retry(self.tries)?;
        Some(self.tried.last()? + if queued { wait.max(ROOT_RETRY_QUEUED) } else { wait })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(ms: u64) -> Mono {
        Mono::from_millis(ms)
    }

    /// Times of the tries of a root that does not answer, until it is left to the round.
    fn tries(queued: bool) -> Vec<u64> {
        let mut g = Greetings::default();
        g.tries_root(t(0));
        let mut next = Some(g.begin_tries(t(0)));
        let mut times = Vec::new();
        while let Some(at) = next {
            let (now, then) = g.retry_root(at, queued);
            if now {
                times.push(at.as_millis());
            }
            next = then;
        }
        times
    }

    #[test]
    fn a_root_that_does_not_answer_is_tried_soon_and_then_by_the_round() {
        let times = tries(false);
        assert_eq!(times[..4], [250, 750, 1_750, 2_750]);
        assert_eq!(times.len(), 21);
    }

    #[test]
    fn a_root_that_challenged_us_is_tried_less_often() {
        let times = tries(true);
        assert!(times.windows(2).all(|w| w[1] - w[0] == 2_000), "{times:?}");
    }

    #[test]
    fn the_round_leaves_a_root_alone_that_was_just_tried() {
        let mut g = Greetings::default();
        assert!(g.is_root_neglected(t(1)), "it was never tried");
        g.tries_root(t(1_000));
        assert!(!g.is_root_neglected(t(5_499)) && g.is_root_neglected(t(5_500)));
    }

    #[test]
    fn a_greeting_of_the_round_is_due_every_so_often() {
        let mut g = Greetings::default();
        let minute = Duration::from_secs(60);
        assert!(g.is_due(t(5), minute));
        g.greets(t(5));
        assert!(!g.is_due(t(60_004), minute) && g.is_due(t(60_005), minute));
        g.hurry();
        assert!(g.is_due(t(6), minute));
    }
}
