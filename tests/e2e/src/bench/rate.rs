//! The search for the rate at which less than 1 % is lost.

/// Part of all datagrams that may be lost.
pub const MOST_LOST: f64 = 0.01;

/// Finds the highest rate at which nearly nothing is lost, by trials.
#[derive(Debug, Clone)]
pub struct RateSearch {
    next: f64,
    /// Factor from trial to trial while only one side is known.
    stride: f64,
    trials: u32,
    good: Option<f64>,
    bad: Option<f64>,
    best: f64,
}

/// What became of a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// Datagrams a second that left.
    pub sent: f64,
    /// Datagrams a second that arrived.
    pub delivered: f64,
    /// Part that was lost.
    pub lost: f64,
}

impl RateSearch {
    /// Starts at a rate that is known from nothing, with at most so many trials.
    #[must_use]
    pub const fn new(start: f64, trials: u32) -> Self {
        Self { next: start, stride: 2.0, trials, good: None, bad: None, best: 0.0 }
    }

    /// Starts at a rate that an earlier round found: fewer trials, closer together.
    #[must_use]
    pub const fn near(found: f64, trials: u32) -> Self {
        Self { next: found, stride: 1.15, trials, good: None, bad: None, best: 0.0 }
    }

    /// The rate to try next, in datagrams a second; `None` at the end.
    #[must_use]
    pub fn next(&self) -> Option<f64> {
        let close = match (self.good, self.bad) {
            (Some(good), Some(bad)) => bad / good < CLOSE,
            _ => false,
        };
        (self.trials > 0 && !close && self.next >= LEAST).then_some(self.next)
    }

    /// Takes in what became of the rate that [`RateSearch::next`] named.
    pub fn record(&mut self, trial: Trial) {
        let rate = self.next;
        self.trials = self.trials.saturating_sub(1);
        if trial.lost < MOST_LOST && trial.delivered > 0.0 {
            // More is asked for than can be sent, and more than that brings no more: what was sent is all there is.
            if trial.sent < rate * KEPT_UP && trial.delivered < self.best * GROWN {
                self.trials = 0;
            }
            self.best = self.best.max(trial.delivered);
            self.good = Some(self.good.map_or(rate, |good| good.max(rate)));
        } else {
            self.bad = Some(self.bad.map_or(rate, |bad| bad.min(rate)));
        }
        self.next = match (self.good, self.bad) {
            (Some(good), Some(bad)) if good < bad => (good * bad).sqrt(),
            // What arrived of too much is near to what can be.
            (None, Some(bad)) => (trial.delivered * 0.9).clamp(bad / FAR, bad / self.stride.min(NEAR)),
            (Some(good), _) => good * self.stride,
            _ => rate,
        };
    }

    /// The most datagrams a second that arrived while nearly nothing was lost; 0 if there was no such trial.
    #[must_use]
    pub const fn best(&self) -> f64 {
        self.best
    }
}

/// How far a failed trial leads down at most, as a factor.
const FAR: f64 = 16.0;
/// And at least.
const NEAR: f64 = 1.1;
/// Two rates that are one.
const CLOSE: f64 = 1.04;
/// Part of the rate that a sender has to reach to have kept up.
const KEPT_UP: f64 = 0.95;
/// What a higher rate has to bring, as a factor, to have brought more.
const GROWN: f64 = 1.05;
/// A rate below which a search makes no sense.
const LEAST: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// A tunnel that takes so much, from a sender that makes so much.
    fn run(mut search: RateSearch, takes: f64, makes: f64) -> (f64, u32) {
        let mut trials = 0;
        while let Some(rate) = search.next() {
            let sent = rate.min(makes);
            let delivered = sent.min(takes);
            search.record(Trial { sent, delivered, lost: 1.0 - delivered / sent });
            trials += 1;
        }
        (search.best(), trials)
    }

    #[test]
    fn a_search_comes_close_from_below_and_from_above() {
        for takes in [3_000.0, 47_000.0, 250_000.0, 900_000.0] {
            let (found, trials) = run(RateSearch::new(50_000.0, 12), takes, 2_000_000.0);
            assert!(found > takes * 0.94 && found <= takes, "{found} of {takes} in {trials}");
            let (again, trials) = run(RateSearch::near(found, 5), takes, 2_000_000.0);
            assert!(again > takes * 0.9 && again <= takes, "{again} of {takes} in {trials}");
            assert!(trials <= 5);
        }
    }

    #[test]
    fn a_sender_that_cannot_more_ends_the_search() {
        // One that is late once may still do more.
        let mut search = RateSearch::new(50_000.0, 12);
        search.record(Trial { sent: 40_000.0, delivered: 40_000.0, lost: 0.0 });
        assert_eq!(search.next(), Some(100_000.0));

        let (found, trials) = run(RateSearch::new(50_000.0, 12), 900_000.0, 120_000.0);
        assert_eq!((found, trials), (120_000.0, 4));
    }

    #[test]
    fn a_dead_tunnel_has_no_rate() {
        let (found, trials) = run(RateSearch::new(50_000.0, 20), 0.0, 1e6);
        assert!(found == 0.0 && trials < 20, "{found} {trials}");
    }
}
