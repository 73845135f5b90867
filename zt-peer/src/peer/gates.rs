//! What one peer may make us do, and how often (03 §17).

use std::time::Duration;

use zt_wire::{Gate, Mono, Pace};

use crate::link::Path;
use crate::periods::Periods;
use crate::rate::{
    CONFIRM, ECHO_ANSWER, ERROR_OUT, FRAME_ERROR_AGAIN, PUSH_BREAKER, PUSH_GAP, PUSH_RELAYED, QUESTION, TRACE,
    TRACE_BURST, WHOIS_ANSWER,
};

/// Most paths that one gate of a peer remembers.
const MAX_GATED: usize = 16;

/// See the module.
#[derive(Debug)]
pub(crate) struct Gates {
    by_path: PathGates,
    pushed: Gate,
    /// What most peers of a root never pass.
    seldom: Option<Box<Seldom>>,
}

#[derive(Debug, Default)]
struct Seldom {
    whois_answered: Gate,
    error_sent: Gate,
    /// Last ERROR that named a frame of ours.
    frame_error: Gate,
    /// Last ERROR that asked for credentials on the peer's own account.
    question: Gate,
    pushes_taken: (u32, Gate),
    traces: Pace,
}

impl Gates {
    pub(super) const fn new() -> Self {
        Self { by_path: PathGates(Vec::new()), pushed: Gate::OPEN, seldom: None }
    }

    /// Forgets what is over: the peer was silent for a while.
    pub(super) fn rest(&mut self, now: Mono) {
        self.by_path.forget_open(now);
        self.by_path.0.shrink_to_fit();
    }

    fn seldom(&mut self) -> &mut Seldom {
        self.seldom.get_or_insert_default()
    }

    /// Whether to ask at a path that is none of the peer's, because it was heard there.
    pub(crate) fn confirms(&mut self, now: Mono, path: Path) -> bool {
        self.by_path.pass(now, PathGate::Confirming, path)
    }

    /// Whether that was asked just now.
    pub(crate) fn is_confirming(&self, now: Mono, path: Path) -> bool {
        self.by_path.passed(now, PathGate::Confirming, path)
    }

    pub(crate) fn answers_echo(&mut self, now: Mono, path: Path) -> bool {
        self.by_path.pass(now, PathGate::Echoes, path)
    }

    /// Whether to follow an introduction of the peer. A recorded one, played back again and again, moves us once a second.
    pub(crate) fn follows_introduction(&mut self, now: Mono, path: Path) -> bool {
        self.by_path.pass(now, PathGate::Introduced, path)
    }

    pub(crate) fn answers_whois(&mut self, now: Mono) -> bool {
        self.seldom().whois_answered.pass(now, WHOIS_ANSWER)
    }

    /// Whether a trace of the peer is read: a little more than an honest one sends (04 §8).
    pub(crate) fn takes_trace(&mut self, now: Mono) -> bool {
        self.seldom().traces.pass(now, TRACE, TRACE_BURST)
    }

    /// Whether a frame that was refused is answered by an ERROR.
    pub(crate) fn sends_error(&mut self, now: Mono) -> bool {
        self.seldom().error_sent.pass(now, ERROR_OUT)
    }

    /// Whether an ERROR that names a frame counts; if it does, [`Gates::took_error`] says so.
    pub(crate) fn may_take_error(&self, now: Mono) -> bool {
        self.seldom.as_ref().is_none_or(|seldom| seldom.frame_error.is_open(now, FRAME_ERROR_AGAIN))
    }

    pub(crate) fn took_error(&mut self, now: Mono) {
        self.seldom().frame_error.note(now);
    }

    /// Whether an ERROR that names no frame, but asks for credentials, counts.
    pub(crate) fn takes_question(&mut self, now: Mono) -> bool {
        self.seldom().question.pass(now, QUESTION)
    }

    /// Breaker of PUSH_DIRECT_PATHS (02 §6.17): whether the content of one received now counts.
    pub(crate) fn takes_push(&mut self, now: Mono) -> bool {
        let (count, last) = self.seldom().pushes_taken;
        let soon = last.since(now).is_some_and(|passed| passed <= PUSH_GAP);
        let count = if soon { count.saturating_add(1) } else { 0 };
        self.seldom().pushes_taken = (count, Gate::passed(now));
        count < PUSH_BREAKER
    }

    /// Whether our addresses are told to the peer, whose packet came `relayed` or not (03 §10.2).
    pub(crate) fn pushes(&mut self, now: Mono, relayed: bool, periods: &Periods) -> bool {
        self.pushed.pass(now, if relayed { PUSH_RELAYED } else { periods.push_direct })
    }

    /// Our addresses are told to the peer again at the next occasion.
    pub(crate) const fn push_again(&mut self) {
        self.pushed.reopen();
    }
}

/// What each path of a peer may do once in a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PathGate {
    /// HELLOs and ECHOs that confirm an unknown path (03 §7.1).
    Confirming,
    /// ECHOs answered.
    Echoes,
    /// Introductions followed.
    Introduced,
}

impl PathGate {
    const fn interval(self) -> Duration {
        match self {
            Self::Confirming | Self::Introduced => CONFIRM,
            Self::Echoes => ECHO_ANSWER,
        }
    }
}

/// Lets each path of a peer pass each of its gates once per interval. A full gate: no further path of this peer passes it,
/// and other peers do not feel it.
// What zt_wire::Gates does, in one list for all gates: there may be 131,072 peers, most of which have one path or none here,
// and a few entries are looked through as fast as they are found in a tree.
#[derive(Debug)]
struct PathGates(Vec<(PathGate, Path, Mono)>);

impl PathGates {
    /// Whether the gate let this path pass within its interval.
    fn passed(&self, now: Mono, gate: PathGate, path: Path) -> bool {
        self.0.iter().any(|(g, p, t)| *g == gate && *p == path && now.saturating_since(*t) < gate.interval())
    }

    fn pass(&mut self, now: Mono, gate: PathGate, path: Path) -> bool {
        if let Some(entry) = self.0.iter_mut().find(|(g, p, _)| *g == gate && *p == path) {
            let open = now.saturating_since(entry.2) >= gate.interval();
            if open {
                entry.2 = now;
            }
            return open;
        }
        self.forget_open(now);
        let room = self.0.iter().filter(|(g, ..)| *g == gate).count() < MAX_GATED;
        if room {
            self.0.reserve_exact(1);
            self.0.push((gate, path, now));
        }
        room
    }

    fn forget_open(&mut self, now: Mono) {
        self.0.retain(|(g, _, t)| now.saturating_since(*t) < g.interval());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{Endpoint, LinkId};

    fn at(port: u16) -> Path {
        Path { link: LinkId(1), remote: Endpoint::Ip(std::net::SocketAddr::from(([10, 0, 0, 1], port))) }
    }

    fn t(ms: u64) -> Mono {
        Mono::from_millis(ms)
    }

    #[test]
    fn pushes_have_a_breaker() {
        let mut g = Gates::new();
        assert_eq!((0..12).filter(|i| g.takes_push(t(i * 10))).count(), 8);
        assert!(g.takes_push(t(60_000)));
    }

    #[test]
    fn each_path_is_confirmed_once_a_second_and_few_paths_are() {
        let mut g = Gates::new();
        assert!(!g.is_confirming(t(0), at(1)) && g.confirms(t(0), at(1)));
        assert!(g.is_confirming(t(999), at(1)) && !g.confirms(t(999), at(1)));
        assert!(!g.is_confirming(t(1_000), at(1)) && g.confirms(t(1_000), at(1)));
        assert_eq!((2..1_000).filter(|port| g.confirms(t(1_500), at(*port))).count(), MAX_GATED - 1);
        assert!(g.confirms(t(2_500), at(5_000)));
        assert!(g.answers_echo(t(2_500), at(1)) && g.follows_introduction(t(2_500), at(1)), "gates are apart");
    }

    #[test]
    fn addresses_are_told_soon_to_who_comes_over_a_root_and_seldom_to_others() {
        let mut g = Gates::new();
        assert!(
            g.pushes(t(0), false, &Periods::USUAL)
                && !g.pushes(t(14_999), true, &Periods::USUAL)
                && g.pushes(t(15_000), true, &Periods::USUAL)
        );
        assert!(!g.pushes(t(134_999), false, &Periods::USUAL) && g.pushes(t(135_000), false, &Periods::USUAL));
        g.push_again();
        assert!(g.pushes(t(135_001), false, &Periods::USUAL));
    }

    #[test]
    fn errors_are_seldom_in_both_directions() {
        let mut g = Gates::new();
        assert!(g.sends_error(t(0)) && !g.sends_error(t(999)) && g.sends_error(t(1_000)));
        assert!(g.may_take_error(t(0)) && g.may_take_error(t(0)), "until one counted");
        g.took_error(t(0));
        assert!(!g.may_take_error(t(449)) && g.may_take_error(t(450)));
        assert!(g.answers_whois(t(0)) && !g.answers_whois(t(99)) && g.answers_whois(t(100)));
    }
}
