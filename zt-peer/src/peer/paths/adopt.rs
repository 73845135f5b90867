//! A proved address becomes a path (03 §7.1 step 3c).

use zt_wire::{Gate, Mono, When};

use super::liveness::{Liveness, Probe};
use super::size::Size;
use super::{MAX_SIBLINGS, MAX_SLOTS, PathProbe, Paths, RouteChange, Slot};
use crate::link::{Path, Room};

/// An answer that proved an address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proof {
    /// Where the answer came from.
    pub(crate) path: Path,
    /// Where the question was sent.
    pub(crate) asked: Path,
    pub(crate) sent: Mono,
    /// The question was a HELLO or an ECHO: its answer comes at once.
    pub(crate) probe: bool,
    /// It was asked because the peer was heard there first.
    pub(crate) heard_first: bool,
    /// Rank of the link.
    pub(crate) rank: i32,
    /// How large its datagrams may be.
    pub(crate) room: Room,
    /// Trusted path ID to mark packets with.
    pub(crate) trusted: Option<u64>,
    /// The address can be tried later, too.
    pub(crate) lasting: bool,
}

/// What adopting a path changed.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct Adopted {
    /// Paths that gave way.
    pub(crate) gone: Vec<Path>,
    /// The path used so far may be left: it is to prove itself.
    pub(crate) doubted: Option<PathProbe>,
    pub(crate) route: Option<RouteChange>,
}

impl Paths {
    /// Takes a path that is not there yet. Ports of one host and paths at all are bounded: those heard longest ago give way.
    pub(in crate::peer) fn adopt(&mut self, now: Mono, proof: &Proof) -> Adopted {
        debug_assert!(!self.contains(proof.path), "an answer by a known path proves that one");
        let before = self.route_path();
        let gone = self.make_room(proof.path);
        let mut size = Size::new(proof.room);
        // ECHOs may have asked whether it is a path, and nobody has counted them: another would meet the peer's gate.
        size.echoed(now);
        // Most peers have one path, and there may be many peers.
        self.slots.reserve_exact(1);
        self.slots.push(Slot {
            path: proof.path,
            rank: proof.rank,
            live: Liveness::new(now, proof.probe.then(|| now.saturating_since(proof.sent))),
            last_sent: Gate::passed(proof.sent),
            heard_first: proof.heard_first,
            last_probe: if proof.probe { When::at(proof.sent) } else { When::NEVER },
            size,
            trusted: proof.trusted,
            lasting: proof.lasting,
        });
        if proof.lasting {
            self.remember(proof.path.remote);
        }
        let doubted = self.doubt_silent(now, proof);
        Adopted { gone, doubted, route: self.change_route(now, before) }
    }

    fn make_room(&mut self, path: Path) -> Vec<Path> {
        let mut gone = self.remove(|s| s.is_sibling_of(path) && s.is_suspected());
        let heard_longest_ago = |slots: &[Slot], among: &dyn Fn(&Slot) -> bool| {
            slots.iter().filter(|s| among(s)).map(|s| (s.live.last_heard(), s.path)).min().map(|(_, path)| path)
        };
        if self.slots.iter().filter(|s| s.is_sibling_of(path)).count() >= MAX_SIBLINGS {
            let oldest = heard_longest_ago(&self.slots, &|s| s.is_sibling_of(path));
            gone.extend(self.remove(|s| Some(s.path) == oldest));
        }
        if self.slots.len() >= MAX_SLOTS {
            let oldest = heard_longest_ago(&self.slots, &|_| true);
            gone.extend(self.remove(|s| Some(s.path) == oldest));
        }
        gone
    }

    /// The peer answers at a new address. If nothing was heard on the present path since we asked there, it may have
    /// moved: the new path is preferred until the old one answers. Who comes by a worse link of its own accord has left the
    /// better one.
    fn doubt_silent(&mut self, now: Mono, proof: &Proof) -> Option<PathProbe> {
        let old = self.slots.get_mut(self.route?)?;
        let only_worse = old.rank < proof.rank && !proof.heard_first;
        if old.path == proof.asked || only_worse || old.live.last_heard() >= proof.sent {
            return None;
        }
        old.live.doubt();
        Some(old.ask(now, Probe::Echo))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::*;
    use crate::link::{Endpoint, LinkId};

    fn at(host: u8, port: u16) -> Path {
        Path { link: LinkId(1), remote: Endpoint::Ip(SocketAddr::from(([10, 0, 0, host], port))) }
    }

    fn t(ms: u64) -> Mono {
        Mono::from_millis(ms)
    }

    fn proof(path: Path, sent: Mono) -> Proof {
        Proof {
            path,
            asked: path,
            sent,
            probe: true,
            heard_first: false,
            rank: 0,
            room: Room::fixed(1432),
            trusted: None,
            lasting: true,
        }
    }

    #[test]
    fn every_echo_by_a_path_is_waited_for_before_another_whatever_it_was_for() {
        const GATE: Duration = Duration::from_millis(166);
        let mut paths = Paths::default();
        let path = at(1, 1);
        _ = paths.adopt(t(100), &proof(path, t(90)));
        assert_eq!(paths.gate_closed(t(101), GATE), Some(t(266)), "what asked whether it is a path");
        assert_eq!(paths.gate_closed(t(266), GATE), None);
        assert!(paths.note_probe(t(300), path, Probe::Hello));
        assert_eq!(paths.gate_closed(t(300), GATE), None, "a HELLO is none");
        assert!(paths.note_probe(t(300), path, Probe::Echo));
        assert_eq!(paths.gate_closed(t(301), GATE), Some(t(466)));
        paths.echoes(t(500));
        assert_eq!(paths.gate_closed(t(501), GATE), Some(t(666)), "a ping");
    }

    #[test]
    fn the_first_path_takes_the_traffic_and_its_answer_measures_it() {
        let mut paths = Paths::default();
        let adopted = paths.adopt(t(1_030), &proof(at(1, 9993), t(1_000)));
        assert_eq!(adopted.route, Some(RouteChange { from: None, to: Some(at(1, 9993)) }));
        assert!(adopted.gone.is_empty() && adopted.doubted.is_none());
        let slot = paths.route().expect("adopted");
        assert_eq!((slot.latency(), slot.last_probe()), (Some(Duration::from_millis(30)), Some(t(1_000))));
        assert_eq!(paths.known_remotes(9), [at(1, 9993).remote]);
    }

    #[test]
    fn an_answer_that_took_its_time_measures_nothing() {
        let mut paths = Paths::default();
        _ = paths.adopt(t(9_000), &Proof { probe: false, ..proof(at(1, 9993), t(1_000)) });
        assert_eq!(paths.route().and_then(Slot::latency), None);
    }

    #[test]
    fn who_comes_by_a_worse_rank_of_its_own_accord_has_left_the_better_one() {
        let (udp, tunnel) = (at(1, 9993), at(1, 443));
        let asked = |heard_first| {
            let mut paths = Paths::default();
            _ = paths.adopt(t(1_000), &proof(udp, t(990)));
            let adopted = paths.adopt(t(5_010), &Proof { rank: 1, heard_first, ..proof(tunnel, t(5_000)) });
            (adopted.doubted.map(|probe| probe.path), paths.route().map(Slot::path))
        };
        assert_eq!(asked(false), (None, Some(udp)), "we asked there: that says nothing of where the peer is");
        assert_eq!(asked(true), (Some(udp), Some(tunnel)));
    }

    #[test]
    fn a_better_rank_takes_the_traffic_and_a_worse_one_does_not() {
        let mut paths = Paths::default();
        _ = paths.adopt(t(1_000), &Proof { rank: 1, ..proof(at(1, 1), t(999)) });
        _ = paths.heard(t(2_000), at(1, 1), false);
        let adopted = paths.adopt(t(2_000), &proof(at(2, 1), t(1_900)));
        assert_eq!(adopted.route, Some(RouteChange { from: Some(at(1, 1)), to: Some(at(2, 1)) }));
        let adopted = paths.adopt(t(2_000), &Proof { rank: 2, ..proof(at(3, 1), t(1_999)) });
        assert_eq!(adopted, Adopted { gone: Vec::new(), doubted: None, route: None });
    }

    #[test]
    fn a_silent_path_gives_way_to_the_new_address_until_it_answers() {
        let mut paths = Paths::default();
        _ = paths.adopt(t(1_000), &proof(at(1, 1), t(990)));
        let adopted = paths.adopt(t(5_000), &proof(at(2, 1), t(4_980)));
        let question = adopted.doubted.expect("it said nothing since we asked elsewhere");
        assert_eq!((question.path, question.kind), (at(1, 1), Probe::Echo));
        assert_eq!(adopted.route, Some(RouteChange { from: Some(at(1, 1)), to: Some(at(2, 1)) }));
        _ = paths.answered(t(5_010), at(1, 1), t(5_000));
        assert!(paths.slots.iter().all(|s| !s.live.is_doubted()));
        // Who was heard where it is has not moved.
        let mut paths = Paths::default();
        _ = paths.adopt(t(1_000), &proof(at(1, 1), t(990)));
        _ = paths.heard(t(4_990), at(1, 1), false);
        let adopted = paths.adopt(t(5_000), &proof(at(2, 1), t(4_980)));
        assert_eq!((adopted.doubted, adopted.route), (None, None));
    }

    #[test]
    fn ports_of_one_host_are_few_and_suspected_ones_go_first() {
        let mut paths = Paths::default();
        for n in 0..4u16 {
            _ = paths.adopt(t(1_000 + u64::from(n)), &proof(at(1, 1 + n), t(999)));
        }
        let adopted = paths.adopt(t(2_000), &proof(at(1, 100), t(1_999)));
        assert_eq!(adopted.gone, [at(1, 1)], "heard longest ago");
        paths.slots[0].live.suspect(t(2_000));
        paths.slots[1].live.suspect(t(2_000));
        let adopted = paths.adopt(t(2_001), &proof(at(1, 101), t(2_000)));
        assert_eq!(adopted.gone, [at(1, 2), at(1, 3)]);
        assert!(paths.contains(at(1, 4)) && paths.contains(at(1, 100)));
    }

    #[test]
    fn paths_are_few() {
        let mut paths = Paths::default();
        let gone: usize =
            (0..200).map(|n| paths.adopt(t(1_000 + u64::from(n)), &proof(at(n, 1), t(999))).gone.len()).sum();
        assert_eq!((paths.slots.len(), gone), (MAX_SLOTS, 200 - MAX_SLOTS));
        assert!(paths.known_remotes(100).len() <= MAX_SLOTS + super::super::MAX_REMEMBERED);
    }
}
