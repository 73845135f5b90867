//! Paths are kept alive (03 §6.3).

use std::time::Duration;

use zt_wire::Mono;

use super::liveness::Probe;
use super::{PathProbe, Paths, choice};

/// Paths of a peer that are kept alive.
const KEPT_PATHS: usize = 4;

impl Paths {
    /// Questions on the best few paths: HELLO on all when a `full` one is due, else ECHO where nothing was sent for
    /// `heartbeat`. Of the others one each time, in turn: what is dead among them shows in a minute or so.
    pub(in crate::peer) fn keep_alive(&mut self, now: Mono, full: bool, heartbeat: Duration) -> Vec<PathProbe> {
        let mut order: Vec<usize> = (0..self.slots.len()).collect();
        order.sort_by_key(|i| (self.slots[*i].rank, choice::quality(&self.slots[*i], now)));
        let others = order.split_off(order.len().min(KEPT_PATHS));
        let is_quiet = |i: &usize| self.slots[*i].last_sent.is_open(now, heartbeat);
        order.retain(|i| full || is_quiet(i));
        if !full {
            let unsure = others.into_iter().filter(|i| is_quiet(i) && !self.slots[*i].is_suspected());
            order.extend(unsure.min_by_key(|i| self.slots[*i].last_probe()));
        }
        let kind = if full { Probe::Hello } else { Probe::Echo };
        order.into_iter().map(|i| self.slots[i].ask(now, kind)).collect()
    }

    /// The path in use, if it was not proved for a while and is not being proved.
    pub(crate) fn probe_stale(&mut self, now: Mono) -> Option<PathProbe> {
        let slot = self.slots.get_mut(self.route?)?;
        slot.live.is_stale(now).then(|| slot.ask(now, Probe::Echo))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::link::{Endpoint, LinkId, Path, Room};
    use crate::peer::Slot;
    use crate::peer::paths::Proof;
    use crate::periods::Periods;
    use crate::rate::PATH_EXPIRY;

    const HEARTBEAT: Duration = Periods::USUAL.heartbeat;

    fn at(host: u8) -> Path {
        Path { link: LinkId(1), remote: Endpoint::Ip(SocketAddr::from(([10, 0, 0, host], 9993))) }
    }

    fn t(ms: u64) -> Mono {
        Mono::from_millis(ms)
    }

    /// Paths adopted at second 1, the nearer the smaller the number of the host.
    fn paths(hosts: u8) -> Paths {
        let mut paths = Paths::default();
        for host in 0..hosts {
            let (path, sent) = (at(host), t(1_000 - 10 * (1 + u64::from(host))));
            let (asked, probe, heard_first, rank, room, trusted) = (path, true, false, 0, Room::fixed(1432), None);
            _ = paths
                .adopt(t(1_000), &Proof { path, asked, sent, probe, heard_first, rank, room, trusted, lasting: true });
        }
        paths
    }

    fn asked(questions: &[PathProbe]) -> Vec<(Path, Probe)> {
        questions.iter().map(|q| (q.path, q.kind)).collect()
    }

    #[test]
    fn a_path_is_asked_when_nothing_was_sent_by_it_for_a_while() {
        let mut paths = paths(2);
        assert!(paths.keep_alive(t(2_000), false, HEARTBEAT).is_empty());
        assert!(paths.note_sent(t(10_000), at(0)));
        assert_eq!(asked(&paths.keep_alive(t(16_000), false, HEARTBEAT)), [(at(1), Probe::Echo)]);
    }

    #[test]
    fn a_full_round_greets_the_best_paths_and_no_more() {
        let best: Vec<_> = (0..4).map(|host| (at(host), Probe::Hello)).collect();
        assert_eq!(asked(&paths(9).keep_alive(t(2_000), true, HEARTBEAT)), best);
    }

    #[test]
    fn paths_that_are_not_kept_take_turns_and_are_suspected_when_they_are_dead() {
        let mut paths = paths(7);
        let mut asked_at = std::collections::BTreeMap::<Path, u32>::new();
        for round in 4..16 {
            let now = t(round * 5_000);
            for question in paths.keep_alive(now, false, HEARTBEAT) {
                *asked_at.entry(question.path).or_default() += 1;
                // The last one is dead.
                if question.path != at(6) {
                    _ = paths.answered(now + Duration::from_millis(5), question.path, now);
                }
            }
            let mut tasks = Vec::new();
            let mut look = now;
            for _ in 0..40 {
                look = look + Duration::from_millis(100);
                _ = paths.check(look, false, Duration::from_millis(186), &mut tasks);
            }
        }
        assert_eq!(asked_at.len(), 7, "{asked_at:?}");
        let alive: Vec<Path> = paths.slots.iter().filter(|s| !s.is_suspected()).map(Slot::path).collect();
        assert_eq!(alive, (0..6).map(at).collect::<Vec<_>>());
        assert_eq!(paths.keep_alive(t(16 * 5_000), true, HEARTBEAT).len(), KEPT_PATHS);
    }

    #[test]
    fn a_path_that_nothing_is_heard_by_expires_and_the_traffic_moves() {
        let mut paths = paths(2);
        assert_eq!(paths.route().map(|s| s.path), Some(at(0)));
        let end = t(1_000) + PATH_EXPIRY;
        _ = paths.heard(end, at(1), false);
        let dropped = paths.drop_where(end, |s| s.is_expired(end));
        assert_eq!(dropped.paths, [at(0)]);
        assert_eq!(dropped.route.map(|r| (r.from, r.to)), Some((Some(at(0)), Some(at(1)))));
        let dropped = paths.drop_where(end + PATH_EXPIRY, |s| s.is_expired(end + PATH_EXPIRY));
        assert_eq!(dropped.route.map(|r| (r.from, r.to)), Some((Some(at(1)), None)));
        assert!(paths.is_empty() && paths.use_any(end, true, 0).is_none());
    }

    #[test]
    fn the_path_in_use_is_proved_again_when_its_proof_is_old() {
        let mut paths = paths(1);
        assert_eq!(paths.probe_stale(t(1_500)), None);
        let question = paths.probe_stale(t(2_000)).expect("a second ago");
        assert_eq!((question.path, question.kind), (at(0), Probe::Echo));
        assert_eq!(paths.probe_stale(t(2_100)), None, "it is being proved");
    }
}
