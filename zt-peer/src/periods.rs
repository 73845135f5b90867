//! How often a node speaks that has nothing to say (03 §6, §10.2, §14): as usual, or as seldom as can be.
//!
//! Low-bandwidth mode, where it is Free choice (03 §14): one root, the best, is enough to keep a NAT open and to be found, so
//! the others are only asked before their paths would expire. A binding of a NAT that is used in both directions lasts for a minute
//! with those that forget soonest; the best root is asked a little more often than that, and answers.

use std::time::Duration;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Periods of an idle node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Periods {
    /// Interval of the round over all peers. All others are reached with the first round after them.
    pub(crate) round: Duration,
    /// Nothing sent on a path of an active peer: ECHO (03 §6.3).
    pub(crate) heartbeat: Duration,
    /// Full HELLO to an active peer.
    pub(crate) hello: Duration,
    /// Nothing sent on a path of the best root: ECHO.
    pub(crate) root_heartbeat: Duration,
    /// The same for other roots.
    pub(crate) other_root_heartbeat: Duration,
    /// Full HELLO to a connected root.
    pub(crate) root_hello: Duration,
    /// HELLO over a relay to a node of the contact list without a path.
    pub(crate) contact_hello: Duration,
    /// Direct path push after a direct packet (03 §10.2).
    pub(crate) push_direct: Duration,
    /// A root not heard for this long does not make us online.
    pub(crate) online: Duration,
    /// Direct paths are sought for traffic alone.
    pub(crate) only_for_traffic: bool,
    /// HELLOs to roots also leave by links without a path to them.
    pub(crate) looks_around: bool,
}

impl Periods {
    /// As usual.
    pub(crate) const USUAL: Self = Self {
        round: ms(5_000),
        heartbeat: ms(14_000),
        hello: ms(60_000),
        root_heartbeat: ms(20_000),
        other_root_heartbeat: ms(20_000),
        root_hello: ms(120_000),
        contact_hello: ms(28_000),
        push_direct: ms(120_000),
        online: ms(60_000),
        only_for_traffic: false,
        looks_around: true,
    };

    /// In low-bandwidth mode.
    pub(crate) const LOW: Self = Self {
        round: ms(25_000),
        heartbeat: ms(45_000),
        hello: ms(240_000),
        root_heartbeat: ms(45_000),
        other_root_heartbeat: ms(120_000),
        root_hello: ms(230_000),
        contact_hello: ms(120_000),
        push_direct: ms(16 * 120_000),
        online: ms(180_000),
        only_for_traffic: true,
        looks_around: false,
    };

    pub(crate) const fn root_heartbeat(&self, is_best: bool) -> Duration {
        if is_best { self.root_heartbeat } else { self.other_root_heartbeat }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::{PATH_EXPIRY, SURFACE};

    #[test]
    fn nothing_expires_while_it_is_asked_for_so_seldom() {
        for periods in [Periods::USUAL, Periods::LOW] {
            // One answer may be lost.
            assert!(periods.root_heartbeat(true) + periods.round * 2 < PATH_EXPIRY);
            assert!(periods.root_heartbeat(false) + periods.round < PATH_EXPIRY);
            // What is announced to a root puts its heartbeat off, and is not answered.
            let heard = (periods.root_heartbeat(true) + periods.round) * 2;
            assert!(heard < periods.online && periods.online < PATH_EXPIRY, "{periods:?}");
            assert!(periods.root_hello + periods.round < SURFACE / 2, "our address is heard again in time");
        }
    }
}
