//! The host slept, or this process was stopped: what follows when it goes on.

use super::{Driver, sys};
use crate::engine::Input;
use std::os::fd::{AsFd as _, OwnedFd};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use zt_wire::time::{Mono, Now};

/// The loop turns every second. One that did not for so long was not running.
const GAP: Duration = Duration::from_secs(5);

/// Notices that time passed without a turn.
pub(super) struct Wakefulness {
    last: Mono,
    /// Wakes the loop when the host does; else it would wait for what is left of its timer.
    clock: Option<AsyncFd<OwnedFd>>,
}

impl Wakefulness {
    /// Must be called inside a tokio runtime.
    pub(super) fn new(now: Mono) -> Self {
        let clock = sys::watch_clock();
        if let Err(error) = &clock {
            tracing::debug!(%error, "the kernel does not tell when this host wakes up; it is noticed within a second");
        }
        Self { last: now, clock: clock.ok() }
    }

    /// A round begins. How long there was none, if that is long.
    fn gap(&mut self, now: Mono) -> Option<Duration> {
        let gap = now.saturating_since(std::mem::replace(&mut self.last, now));
        (gap >= GAP).then_some(gap)
    }

    /// Has the task woken when the wall clock is set or the host wakes up. True: that happened.
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(clock) = &self.clock else { return false };
        let mut news = false;
        while let Poll::Ready(Ok(mut ready)) = clock.poll_read_ready(cx) {
            news = true;
            ready.clear_ready();
            if let Err(error) = sys::rearm(clock.get_ref().as_fd()) {
                tracing::debug!(%error, "the clock is not watched any more");
                self.clock = None;
                break;
            }
        }
        news
    }
}

impl Driver {
    /// Before anything else in a round: what waits in sockets is of another time if there was none for long.
    pub(super) fn poll_wakefulness(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let news = self.wakefulness.poll(cx);
        let Some(gap) = self.wakefulness.gap(now.mono) else { return news };
        let discarded = self.links.resume(gap);
        tracing::info!(
            seconds = gap.as_secs(),
            discarded,
            "this host slept, or the process was stopped: roots and peers are greeted anew"
        );
        self.hand_in(now, Input::Resumed(gap));
        // The host may be elsewhere, and news of that may have been lost.
        self.rebind(now);
        self.ports_checked = now.mono;
        self.resumed.send_modify(|count| *count += 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_without_a_turn_is_usual_and_five_are_not() {
        let at = Mono::from_millis;
        let mut wakefulness = Wakefulness { last: at(1000), clock: None };
        assert_eq!(wakefulness.gap(at(2100)), None);
        assert_eq!(wakefulness.gap(at(7100)), Some(GAP));
        assert_eq!(wakefulness.gap(at(7100)), None, "it is over");
    }

    #[tokio::test]
    async fn the_clock_of_the_host_can_be_watched() {
        let mut wakefulness = Wakefulness::new(Mono::ZERO);
        assert!(wakefulness.clock.is_some());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(!wakefulness.poll(&mut cx), "nobody sets it now");
    }
}
