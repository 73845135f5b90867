//! How far down the ranks of links we are willing to go (08 §B.5, the seed's *desperation*).
//!
//! The level is the worst rank of links that first contact uses. It starts at 0. While questions asked at the present
//! level stay without an answer it rises, by one every five seconds, up to the highest rank among our links. Above 0,
//! better levels are probed all the time, and the first answer by one of them makes it the level. A node whose links
//! all have rank 0 or better has nowhere to go and pays nothing for this.

use std::time::Duration;

use zt_wire::Mono;

/// The level rises when there was no answer for this long.
const PATIENCE: Duration = Duration::from_secs(5);
/// Above level 0, better levels are probed so often.
const LOOK_UP: Duration = Duration::from_millis(2500);
/// Peers that are heard while no root answers hold it up, but no longer than this.
const PATIENCE_AT_MOST: Duration = Duration::from_secs(8);
/// A path still counts as working although nothing was answered lately: looked at again after this.
const AGAIN: Duration = Duration::from_millis(250);

/// What the present level gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// There is nobody to reach.
    Nobody,
    /// Somebody is reached.
    Works,
    /// Nobody is.
    Silent,
}

/// The level and what decides it.
#[derive(Debug, Default)]
pub(crate) struct Desperation {
    pub(crate) level: i32,
    /// Highest rank among our links.
    ceiling: i32,
    /// First question since the last answer.
    asked: Option<Mono>,
    /// Last packet by a link of this level or better.
    heard: Mono,
    /// Not judged before this.
    not_before: Mono,
    /// When better levels are probed next; only above level 0.
    look_up: Option<Mono>,
    /// Counts probes of better levels.
    turn: usize,
}

impl Desperation {
    /// The links are others. True when the level had to come down.
    pub(crate) fn set_ceiling(&mut self, ceiling: Option<i32>) -> bool {
        self.ceiling = ceiling.unwrap_or(0).max(0);
        self.lower_to(self.ceiling)
    }

    pub(crate) const fn level(&self) -> i32 {
        self.level
    }

    pub(crate) const fn may_rise(&self) -> bool {
        self.level < self.ceiling
    }

    /// Something was asked.
    pub(crate) fn asked(&mut self, now: Mono) {
        if self.ceiling > 0 {
            self.asked.get_or_insert(now);
        }
    }

    /// What was asked before counts no more.
    pub(crate) const fn forget_asked(&mut self) {
        self.asked = None;
    }

    /// Something valid came by a link of this rank.
    pub(crate) fn heard(&mut self, now: Mono, rank: i32) {
        if rank <= self.level {
            self.heard = now;
        }
    }

    /// An answer came by a link of this rank. True when the level came down.
    pub(crate) fn answered(&mut self, rank: i32) -> bool {
        if rank > self.level {
            return false;
        }
        self.asked = None;
        self.lower_to(rank.max(0))
    }

    fn lower_to(&mut self, level: i32) -> bool {
        let lower = level < self.level;
        if lower {
            self.level = level;
        }
        if self.level == 0 {
            self.look_up = None;
        }
        lower
    }

    fn judge_at(&self) -> Option<Mono> {
        let asked = self.asked.filter(|_| self.may_rise())?;
        let heard = (self.heard + PATIENCE).min(asked + PATIENCE_AT_MOST);
        Some((asked + PATIENCE).max(heard).max(self.not_before))
    }

    /// Whether [`Desperation::judge`] wants to know how things are.
    pub(crate) fn is_judged(&self, now: Mono) -> bool {
        self.judge_at().is_some_and(|t| now >= t)
    }

    /// True when the level rose.
    pub(crate) fn judge(&mut self, now: Mono, outlook: Outlook) -> bool {
        match outlook {
            Outlook::Nobody => {
                self.asked = None;
                false
            }
            Outlook::Works => {
                self.not_before = now + AGAIN;
                false
            }
            Outlook::Silent => {
                self.level += 1;
                self.asked = Some(now);
                self.look_up = Some(now + LOOK_UP);
                true
            }
        }
    }

    /// Whether better levels are to be probed now; if so, the number of this probe.
    pub(crate) fn looks_up(&mut self, now: Mono) -> Option<usize> {
        self.look_up.filter(|t| now >= *t)?;
        self.look_up = Some(now + LOOK_UP);
        self.turn = self.turn.wrapping_add(1);
        Some(self.turn)
    }

    /// When to look again.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        [self.judge_at(), self.look_up].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(ms: u64) -> Mono {
        Mono::from_millis(ms)
    }

    fn node(ceiling: i32) -> Desperation {
        let mut d = Desperation::default();
        assert!(!d.set_ceiling(Some(ceiling)));
        d
    }

    #[test]
    fn with_links_of_rank_0_and_better_nothing_ever_happens() {
        for ceiling in [Some(0), Some(-3), None] {
            let mut d = Desperation::default();
            d.set_ceiling(ceiling);
            d.asked(t(0));
            assert_eq!((d.deadline(), d.is_judged(t(100_000)), d.looks_up(t(100_000))), (None, false, None));
        }
    }

    #[test]
    fn it_rises_by_one_every_five_seconds_up_to_the_ceiling() {
        let mut d = node(2);
        assert_eq!(d.deadline(), None, "nothing was asked");
        d.asked(t(1_000));
        d.asked(t(3_000));
        assert_eq!(d.deadline(), Some(t(6_000)));
        assert!(!d.is_judged(t(5_999)) && d.is_judged(t(6_000)));
        assert!(d.judge(t(6_000), Outlook::Silent));
        assert_eq!((d.level, d.deadline()), (1, Some(t(8_500))));
        assert!(d.looks_up(t(8_500)).is_some() && d.looks_up(t(8_501)).is_none());
        assert_eq!(d.deadline(), Some(t(11_000)));
        assert!(d.is_judged(t(11_000)) && d.judge(t(11_000), Outlook::Silent));
        assert_eq!(d.level, 2);
        assert!(!d.is_judged(t(99_000)), "that is the ceiling");
        assert!(d.deadline().is_some(), "better levels are probed");
    }

    #[test]
    fn an_answer_ends_the_wait_and_one_by_a_better_rank_lowers_the_level() {
        let mut d = node(2);
        d.asked(t(0));
        assert!(!d.answered(0));
        assert_eq!(d.deadline(), None);
        d.asked(t(1_000));
        assert!(!d.answered(1), "came by a link that we did not ask by");
        assert!(d.judge(t(6_000), Outlook::Silent) && d.judge(t(11_000), Outlook::Silent));
        assert!(!d.answered(2) && d.level == 2);
        assert!(d.answered(1) && d.level == 1 && d.look_up.is_some());
        assert!(d.answered(-1) && d.level == 0, "the floor");
        assert_eq!(d.deadline(), None);
    }

    #[test]
    fn it_waits_for_what_is_heard_though_not_for_ever() {
        let mut d = node(1);
        d.asked(t(1_000));
        d.heard(t(2_500), 0);
        d.heard(t(9_000), 1);
        assert_eq!(d.deadline(), Some(t(7_500)));
        d.heard(t(7_000), 0);
        assert_eq!(d.deadline(), Some(t(9_000)));
    }

    #[test]
    fn it_does_not_rise_while_a_path_works_or_nobody_is_wanted() {
        let mut d = node(1);
        d.asked(t(0));
        assert!(!d.judge(t(5_000), Outlook::Works));
        assert_eq!(d.deadline(), Some(t(5_250)));
        assert!(!d.judge(t(5_250), Outlook::Nobody));
        assert_eq!((d.level, d.deadline()), (0, None));
    }

    #[test]
    fn it_comes_down_when_the_last_link_of_its_rank_goes() {
        let mut d = node(1);
        d.asked(t(0));
        assert!(d.judge(t(5_000), Outlook::Silent));
        assert!(d.set_ceiling(Some(0)) && d.level == 0);
        assert_eq!(d.deadline(), None);
    }
}
