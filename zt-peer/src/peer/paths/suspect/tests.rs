//! Several paths of one peer, with a virtual clock and without a network.

use std::net::SocketAddr;

use super::*;
use crate::link::{Endpoint, LinkId, Room};
use crate::peer::paths::Proof;

/// One peer whose paths answer probes after 20 ms, except those that are cut.
struct Rig {
    paths: Paths,
    now: Mono,
    next: Option<Mono>,
    under_way: Vec<(Mono, Path, Mono)>,
    cut: Vec<Path>,
    /// Everything asked for but answers to questions.
    told: Vec<(Mono, Task)>,
    asked: Vec<(Mono, Path)>,
}

fn at(host: u8, port: u16) -> Path {
    Path { link: LinkId(1), remote: Endpoint::Ip(SocketAddr::from(([10, 0, 0, host], port))) }
}

impl Rig {
    fn new(all: &[Path]) -> Self {
        let mut paths = Paths::default();
        let now = Mono::from_millis(1_000);
        for (n, path) in all.iter().copied().enumerate() {
            let sent = Mono::from_millis(980 - n as u64);
            let (asked, probe, heard_first, rank, room, trusted) = (path, true, false, 0, Room::fixed(1432), None);
            _ = paths.adopt(now, &Proof { path, asked, sent, probe, heard_first, rank, room, trusted, lasting: true });
        }
        let (under_way, cut, told, asked) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { paths, now, next: None, under_way, cut, told, asked }
    }

    /// Sends what is asked, and what comes back.
    fn ask(&mut self, q: PathProbe) {
        self.asked.push((self.now, q.path));
        self.look_at(q.overdue);
        self.under_way.push((self.now + Duration::from_millis(20), q.path, self.now));
    }

    fn look_at(&mut self, at: Mono) {
        self.next = Some(self.next.map_or(at, |n| n.min(at)));
    }

    /// Runs `ms` milliseconds; traffic leaves and comes every `gap`.
    fn run(&mut self, ms: u64, gap: u64) {
        for step in 0..ms {
            self.now = self.now + Duration::from_millis(1);
            let arrived: Vec<_> = self.under_way.iter().copied().filter(|(at, ..)| *at <= self.now).collect();
            self.under_way.retain(|(at, ..)| *at > self.now);
            for (_, path, sent) in arrived {
                if !self.cut.contains(&path) {
                    let change = self.paths.answered(self.now, path, sent);
                    self.told.extend(change.map(|c| (self.now, Task::Route(c))));
                }
            }
            if gap != 0 && step % gap == 0 {
                let way = self.paths.use_any(self.now, true, 0).expect("any path is better than none");
                self.look_at(way.look_at.expect("traffic"));
                if !self.cut.contains(&way.path) {
                    let wake = self.paths.heard(self.now, way.path, true).expect("a path");
                    wake.into_iter().for_each(|at| self.look_at(at));
                }
            }
            while self.next.is_some_and(|at| at <= self.now) {
                let mut tasks = Vec::new();
                self.next = self
                    .paths
                    .check(self.now, gap != 0, Duration::from_millis(186), &mut tasks)
                    .map(|at| at.max(self.now + MOMENT));
                for task in tasks {
                    if let Task::Probe(q) = task { self.ask(q) } else { self.told.push((self.now, task)) }
                }
            }
        }
    }

    fn route(&self) -> Option<Path> {
        self.paths.route().map(|s| s.path)
    }

    fn moves(&self) -> Vec<(Mono, Option<Path>)> {
        let moves = self.told.iter().filter_map(|(at, task)| match task {
            Task::Route(change) => Some((*at, change.to)),
            _ => None,
        });
        moves.collect()
    }
}

const MOMENT: Duration = Duration::from_millis(1);

#[test]
fn traffic_leaves_a_dead_path_for_one_that_lives() {
    let (dead, alive) = (at(1, 9993), at(2, 9993));
    let mut rig = Rig::new(&[dead, alive]);
    rig.run(5_000, 20);
    assert_eq!((rig.route(), rig.told.len()), (Some(dead), 0));
    rig.cut = vec![dead];
    let cut = rig.now;
    rig.run(5_000, 20);
    let (when, to) = rig.moves()[0];
    assert_eq!(to, Some(alive), "it was asked while the other was in doubt, and answered");
    assert!(when.millis_since(cut) <= 2_500, "{}", when.millis_since(cut));
    assert!(matches!(rig.told[1], (_, Task::Suspected { since }) if since >= cut && since < when));
    rig.cut.clear();
    rig.run(3_000, 20);
    assert!(rig.paths.iter().all(|s| !s.is_suspected()), "one answer brings it back");
}

#[test]
fn paths_that_die_together_are_left_together() {
    let all = [at(1, 9993), at(1, 20_001), at(2, 9993), at(2, 20_002)];
    let mut rig = Rig::new(&all);
    rig.run(5_000, 20);
    rig.cut = all.to_vec();
    let cut = rig.now;
    rig.run(3_000, 20);
    let moves = rig.moves();
    assert_eq!(moves.len(), 1, "no dead path is tried after another: {moves:?}");
    assert_eq!(moves[0].1, None);
    assert!(moves[0].0.millis_since(cut) <= 2_500);
    assert!(rig.paths.iter().all(Slot::is_suspected));
    // Behind, all are asked; the first answer takes the traffic.
    rig.cut = all[..3].to_vec();
    rig.run(3_000, 20);
    assert_eq!(rig.route(), Some(all[3]));
}

#[test]
fn a_dead_port_beside_a_living_one_does_not_make_traffic_leave_the_host() {
    let (dead, alive) = (at(1, 9993), at(1, 20_001));
    let mut rig = Rig::new(&[dead, alive]);
    rig.run(3_000, 20);
    rig.cut = vec![dead];
    rig.run(5_000, 20);
    assert!(rig.moves().iter().all(|(_, to)| to.is_some()), "{:?}", rig.moves());
    assert_eq!(rig.route(), Some(alive));
}

#[test]
fn probes_are_paced_and_none_leave_without_traffic() {
    let mut rig = Rig::new(&[at(1, 9993)]);
    rig.run(60_000, 20);
    let calm = rig.asked.len();
    assert!((50..=65).contains(&calm), "about one a second: {calm}");
    rig.run(60_000, 0);
    assert!(rig.asked.len() <= calm + 2, "{}", rig.asked.len() - calm);
    // Dead: quickly at first, then once a second, then once in five.
    rig.cut = vec![at(1, 9993)];
    rig.run(3_000, 20);
    let suspected = rig.asked.len();
    rig.run(60_000, 20);
    let behind = rig.asked.len() - suspected;
    assert!((20..=32).contains(&behind), "{behind}");
}

#[test]
fn a_peer_that_comes_over_a_root_is_asked_at_once() {
    let path = at(1, 9993);
    let mut rig = Rig::new(&[path]);
    rig.run(5_000, 0);
    rig.cut = vec![path];
    let cut = rig.now;
    assert!(rig.paths.came_over_root(rig.now, true));
    rig.look_at(rig.now);
    rig.run(1_000, 0);
    let (when, to) = rig.moves()[0];
    assert!(to.is_none() && when.millis_since(cut) <= 400, "{}", when.millis_since(cut));
}

#[test]
fn another_address_of_the_peer_is_tried_when_its_path_is_in_doubt() {
    let (used, heard) = (at(1, 9993), at(1, 40_000));
    let mut rig = Rig::new(&[used]);
    rig.run(2_000, 20);
    rig.paths.note_candidate(rig.now, heard);
    rig.run(1_000, 20);
    assert!(rig.told.is_empty(), "not while it works");
    rig.cut = vec![used];
    rig.run(3_000, 20);
    let tried: Vec<_> = rig.told.iter().filter(|(_, t)| *t == Task::TryCandidate(heard)).collect();
    assert_eq!(tried.len(), 1);
    // What was heard long ago is not worth a question.
    let mut rig = Rig::new(&[used]);
    rig.paths.note_candidate(rig.now, heard);
    rig.run(31_000, 20);
    rig.cut = vec![used];
    rig.run(3_000, 20);
    assert!(!rig.told.iter().any(|(_, t)| matches!(t, Task::TryCandidate(_))));
}

#[test]
fn an_address_that_the_peer_no_longer_tells_is_doubted_and_asked() {
    let (old, other) = (at(1, 9993), at(2, 9993));
    let mut rig = Rig::new(&[old, other]);
    rig.run(1_000, 0);
    let questions = rig.paths.doubt(rig.now, |p| *p == old);
    assert_eq!(questions.iter().map(|q| (q.path, q.kind)).collect::<Vec<_>>(), [(old, Probe::Hello)]);
    assert_eq!(rig.paths.choose_route(rig.now).map(|c| c.to), Some(Some(other)));
    assert!(rig.paths.doubt(rig.now, |p| *p == old).is_empty(), "it is doubted already");
    _ = rig.paths.heard(rig.now, other, false);
    assert!(rig.paths.doubt(rig.now, |p| *p == other).is_empty(), "it was heard just now");
    for q in questions {
        rig.ask(q);
    }
    rig.run(100, 0);
    assert_eq!(rig.route(), Some(other), "hysteresis among equals: it stays where it is");
}

#[test]
fn our_own_new_address_makes_every_path_prove_itself_again() {
    let all = [at(1, 9993), at(2, 9993)];
    let mut rig = Rig::new(&all);
    rig.run(500, 0);
    let questions = rig.paths.shake(rig.now, |p| *p == all[1]);
    assert_eq!(questions.iter().map(|q| q.path).collect::<Vec<_>>(), [all[1]]);
    rig.cut = vec![all[1]];
    for q in questions {
        rig.ask(q);
    }
    rig.run(3_000, 0);
    let suspected: Vec<_> = rig.paths.iter().map(Slot::is_suspected).collect();
    assert_eq!(suspected, [false, true]);
}

/// A bond asks its paths eight times a second at most; a peer answers one ECHO in a sixth of one.
#[test]
fn what_a_bond_asks_takes_no_answer_from_probes_of_the_size() {
    let (path, gate) = (at(2, 9993), Duration::from_millis(186));
    let mut rig = Rig::new(&[path]);
    rig.paths.set_rooms(|_| Room { base: 1432, most: 1472, headers: 28, probed: true });
    let (mut echoes, mut sizes, mut hellos) = (Vec::new(), Vec::new(), 0);
    for step in 0..15_000_u64 {
        rig.now = rig.now + Duration::from_millis(1);
        rig.paths.heard(rig.now, path, true);
        // Long datagrams leave for a third of the time; their size is of interest for as long again.
        if step < 5000 {
            rig.paths.use_path(rig.now, path, true, 2800);
        }
        let mut tasks = Vec::new();
        if step % 125 == 7 {
            tasks.extend(rig.paths.heartbeat(rig.now, path, gate).map(Task::Probe));
        }
        rig.paths.check(rig.now, true, gate, &mut tasks);
        for task in tasks {
            match task {
                Task::Probe(question) => {
                    rig.paths.answered(rig.now, path, rig.now);
                    match question.kind {
                        Probe::Hello => hellos += 1,
                        Probe::Echo => echoes.push(rig.now),
                    }
                }
                Task::Size(_, size) => {
                    echoes.push(rig.now);
                    sizes.push(rig.now);
                    rig.paths.carried(rig.now, path, size, rig.now);
                }
                _ => {}
            }
        }
    }
    assert!(echoes.windows(2).all(|two| two[1].saturating_since(two[0]) >= gate), "{echoes:?}");
    assert!((8..20).contains(&sizes.len()), "the size is asked for all the time: {sizes:?}");
    assert!(hellos >= 40 && echoes.len() - sizes.len() > 5, "{hellos} HELLOs, {} ECHOs", echoes.len());
}
