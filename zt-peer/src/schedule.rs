//! When VL1 has something to do that concerns no single peer (03 §6).

use zt_wire::Mono;

use crate::periods::Periods;
use crate::rate::{HOUSEKEEPING, QUEUE_RETRY, ROOT_WATCH, TRAFFIC_LINGERS};

/// The clocks of the whole machine; `Mono::FAR` means never.
pub(crate) struct Schedule {
    round: Mono,
    housekeeping: Mono,
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
            housekeeping: now + HOUSEKEEPING,
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

    /// Whether the round over all peers is due; if so, the next one is set.
    pub(crate) fn takes_round(&mut self, now: Mono) -> bool {
        let due = now >= self.round;
        if due {
            self.round = now + self.periods.round;
        }
        due
    }

    /// Whether housekeeping is due; if so, the next one is set.
    pub(crate) fn takes_housekeeping(&mut self, now: Mono) -> bool {
        let due = now >= self.housekeeping;
        if due {
            self.housekeeping = now + HOUSEKEEPING;
        }
        due
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
