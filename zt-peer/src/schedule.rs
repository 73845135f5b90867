//! When VL1 has something to do that concerns no single peer (03 §6).

use std::ops::Range;

use zt_wire::Mono;

use crate::periods::Periods;
use crate::rate::{HOUSEKEEPING, QUEUE_RETRY, ROOT_WATCH, TRAFFIC_LINGERS};

/// Most peers looked at in one call; the rest follows in the next, so that packets need not wait for all of them. To ask one of
/// thousands costs 5 to 15 microseconds: none of it is in a cache.
pub(crate) const PART: usize = 32;

/// A look at each peer in turn.
#[derive(Default)]
struct Walk {
    /// The place that is next, and since when it is due; `None`: it is over.
    at: Option<(usize, Mono)>,
}

impl Walk {
    /// The places that are next, and whether they are the last ones.
    fn part(&mut self, places: usize) -> Option<(Range<usize>, bool)> {
        let (from, since) = self.at?;
        let to = (from + PART).min(places);
        let is_last = to == places;
        self.at = (!is_last).then_some((to, since));
        Some((from.min(to)..to, is_last))
    }
}

/// The clocks of the whole machine; `Mono::FAR` means never.
pub(crate) struct Schedule {
    round: Mono,
    rounding: Walk,
    housekeeping: Mono,
    keeping: Walk,
    /// Next try for what waits to be sent.
    queue: Mono,
    /// Next look at the best root while there is traffic.
    watch: Mono,
    last_traffic: Mono,
    periods: &'static Periods,
}

impl Schedule {
    pub(crate) fn new(now: Mono) -> Self {
        Self {
            round: now + Periods::USUAL.round,
            rounding: Walk::default(),
            housekeeping: now + HOUSEKEEPING,
            keeping: Walk::default(),
            queue: Mono::FAR,
            watch: Mono::FAR,
            last_traffic: Mono::ZERO,
            periods: &Periods::USUAL,
        }
    }

    /// Low-bandwidth mode (03 §14).
    pub(crate) const fn set_low_bandwidth(&mut self, low: bool) {
        self.periods = if low { &Periods::LOW } else { &Periods::USUAL };
    }

    /// How often is spoken without need.
    pub(crate) const fn periods(&self) -> &'static Periods {
        self.periods
    }

    /// There is traffic with somebody: the best root is watched for as long.
    pub(crate) fn traffic(&mut self, now: Mono) {
        self.last_traffic = now;
        self.watch = self.watch.min(now + ROOT_WATCH);
    }

    /// Something waits to be sent, or somebody is asked for.
    pub(crate) fn something_waits(&mut self, now: Mono) {
        self.queue = self.queue.min(now + QUEUE_RETRY);
    }

    /// The next round is now.
    pub(crate) fn hurry_round(&mut self, now: Mono) {
        self.round = self.round.min(now);
    }

    /// Whether the round over all peers begins; if so, the next one is set.
    pub(crate) fn takes_round(&mut self, now: Mono) -> bool {
        let due = now >= self.round;
        if due {
            self.round = now + self.periods.round;
            // One that is still under way begins anew: what hurried it may concern all.
            self.rounding.at = Some((0, now));
        }
        due
    }

    /// Of so many places of peers those that the round looks at now, and whether they are its last ones.
    pub(crate) fn round_part(&mut self, places: usize) -> Option<(Range<usize>, bool)> {
        self.rounding.part(places)
    }

    /// Whether housekeeping begins; if so, the next one is set.
    pub(crate) fn takes_housekeeping(&mut self, now: Mono) -> bool {
        let due = now >= self.housekeeping;
        if due {
            self.housekeeping = now + HOUSEKEEPING;
            self.keeping.at = Some((0, now));
        }
        due
    }

    /// As [`Schedule::round_part`], for housekeeping.
    pub(crate) fn keeping_part(&mut self, places: usize) -> Option<Range<usize>> {
        self.keeping.part(places).map(|(part, _)| part)
    }

    /// Whether what waits is to be tried again; if so, nothing waits until somebody says so.
    pub(crate) fn takes_queue(&mut self, now: Mono) -> bool {
        let due = now >= self.queue;
        if due {
            self.queue = Mono::FAR;
        }
        due
    }

    /// Whether the best root is to be looked at; if so, the next look is set, and none once traffic is over.
    pub(crate) fn takes_watch(&mut self, now: Mono) -> bool {
        if now < self.watch {
            return false;
        }
        let lingers = now.saturating_since(self.last_traffic) < TRAFFIC_LINGERS;
        self.watch = if lingers { now + ROOT_WATCH } else { Mono::FAR };
        lingers
    }

    /// What is set, and why.
    pub(crate) fn deadlines(&self) -> impl Iterator<Item = (Mono, &'static str)> {
        let all = [
            (self.queue, "retry unsent packets"),
            (self.watch, "watch the best root"),
            (self.round, "keep-alive round"),
            (self.housekeeping, "housekeeping"),
            (self.rounding.at.map_or(Mono::FAR, |(_, since)| since), "rest of the round"),
            (self.keeping.at.map_or(Mono::FAR, |(_, since)| since), "rest of housekeeping"),
        ];
        all.into_iter().filter(|(at, _)| *at != Mono::FAR)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const T: Mono = Mono(60_000_000);

    #[test]
    fn rounds_follow_each_other_and_can_be_hurried() {
        let mut schedule = Schedule::new(T);
        let usual = Periods::USUAL.round;
        assert!(!schedule.takes_round(T));
        schedule.hurry_round(T);
        assert!(schedule.takes_round(T) && !schedule.takes_round(T), "once");
        schedule.set_low_bandwidth(true);
        assert!(schedule.takes_round(T + usual) && !schedule.takes_round(T + usual * 2), "the next one is later");
        assert!(schedule.takes_housekeeping(T + HOUSEKEEPING) && !schedule.takes_housekeeping(T + HOUSEKEEPING));
    }

    #[test]
    fn a_round_over_many_takes_them_in_parts_and_leaves_nobody_out() {
        let mut schedule = Schedule::new(T);
        assert_eq!(schedule.round_part(2_000), None, "none is under way");
        schedule.hurry_round(T);
        assert!(schedule.takes_round(T));
        let mut seen = Vec::new();
        let mut calls = 0;
        while let Some((part, is_last)) = schedule.round_part(2_000) {
            seen.extend(part);
            calls += 1;
            let rest = schedule.deadlines().any(|(at, why)| at == T && why == "rest of the round");
            assert_ne!(rest, is_last, "what is left is due at once");
        }
        assert!(seen == (0..2_000).collect::<Vec<_>>() && calls == 2_000_usize.div_ceil(PART));
        schedule.hurry_round(T);
        assert!(schedule.takes_round(T));
        assert_eq!((schedule.round_part(0), schedule.round_part(0)), (Some((0..0, true)), None), "of nobody, once");
    }

    #[test]
    fn the_root_is_watched_while_there_is_traffic_and_a_while_longer() {
        let mut schedule = Schedule::new(T);
        assert!(!schedule.takes_watch(T + Duration::from_secs(3600)), "no traffic, no watch");
        schedule.traffic(T);
        let mut looks = 0;
        loop {
            let watch = schedule.deadlines().find(|(_, why)| why.contains("root"));
            let Some((at, _)) = watch else { break };
            looks += u32::from(schedule.takes_watch(at));
        }
        assert_eq!(looks, 4, "every two seconds, for less than ten");
    }

    #[test]
    fn what_waits_is_tried_once_and_again_when_something_waits() {
        let mut schedule = Schedule::new(T);
        schedule.something_waits(T);
        schedule.something_waits(T + QUEUE_RETRY);
        assert!(schedule.takes_queue(T + QUEUE_RETRY), "the earlier time counts");
        assert!(!schedule.takes_queue(T + Duration::from_secs(3600)));
    }
}
