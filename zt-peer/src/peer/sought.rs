//! How often a peer is looked for by everybody on a cable.

use std::time::Duration;

use zt_wire::{Gate, Mono};

use crate::rate::{SEEK_FIRST, SEEK_LOST_MOST, SEEK_MOST};

/// See the module. Who is not there is asked for ever more seldom: whoever is plugged in looks around by itself.
#[derive(Debug, Default)]
pub(crate) struct Sought {
    /// Times it was looked for since it was found, or a cable came.
    times: u32,
    last: Gate,
}

impl Sought {
    /// Whether to look for it now. `lost`: it is reached by no path at all.
    pub(crate) fn is_due(&self, now: Mono, lost: bool) -> bool {
        let most = if lost { SEEK_LOST_MOST } else { SEEK_MOST };
        let gap = match self.times.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => SEEK_FIRST.saturating_mul(1 << doublings.min(16)).min(most),
        };
        self.last.is_open(now, gap)
    }

    /// It is looked for now.
    pub(crate) const fn seeks(&mut self, now: Mono) {
        self.times = self.times.saturating_add(1);
        self.last.note(now);
    }

    /// It is there, or there is another cable: the next time begins anew.
    pub(crate) const fn begin(&mut self) {
        self.times = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(seconds: u64) -> Mono {
        Mono::from_millis(seconds * 1000)
    }

    /// Seconds at which it is looked for within an hour, when it is asked every second.
    fn times(lost: bool) -> Vec<u64> {
        let mut sought = Sought::default();
        let due = |at: &u64| {
            let due = sought.is_due(t(*at), lost);
            if due {
                sought.seeks(t(*at));
            }
            due
        };
        (1..3600).filter(due).collect()
    }

    #[test]
    fn who_is_not_there_is_looked_for_ever_more_seldom() {
        let seen = times(false);
        assert_eq!(seen[..5], [1, 6, 16, 36, 76]);
        assert!(seen.len() < 14, "{seen:?}");
        assert!(times(true).windows(2).all(|pair| pair[1] - pair[0] <= 20), "who is reached by nothing");
    }

    #[test]
    fn who_was_found_is_looked_for_at_once_when_it_is_lost() {
        let mut sought = Sought::default();
        for _ in 0..9 {
            sought.seeks(t(10));
        }
        assert!(!sought.is_due(t(60), false));
        sought.begin();
        assert!(sought.is_due(t(10), false));
    }
}
