//! The bounds promised at the top of the file, on a path simulated with a virtual clock.

use zt_crypto::{Entropy, SeededEntropy};

use super::*;

/// A path with latency and loss that answers probes, and traffic of ours every `gap`.
struct Rig {
    live: Liveness,
    now: Mono,
    answers: Vec<(Mono, Mono)>,
    dice: SeededEntropy,
    latency_ms: (u64, u64),
    loss_percent: u64,
    dead: bool,
    moves: usize,
    probes: usize,
}

impl Rig {
    fn new(seed: u64, latency_ms: (u64, u64), loss_percent: u64) -> Self {
        let now = Mono::from_millis(1_000);
        let live = Liveness::new(now, Some(Duration::from_millis(latency_ms.0 * 2)));
        let dice = SeededEntropy::new(seed);
        Self { live, now, answers: Vec::new(), dice, latency_ms, loss_percent, dead: false, moves: 0, probes: 0 }
    }

    fn probe(&mut self) {
        self.live.sent_probe(self.now);
        self.probes += 1;
        let lost = (0..2).any(|_| self.dice.below(100) < self.loss_percent);
        if lost || self.dead {
            return;
        }
        let (base, jitter) = self.latency_ms;
        let rtt: u64 = (0..2).map(|_| base - jitter + self.dice.below(2 * jitter + 1)).sum();
        self.answers.push((self.now + Duration::from_millis(rtt), self.now));
    }

    /// Runs `ms` milliseconds; traffic leaves every `gap` ms. Returns when the path was first suspected.
    fn run(&mut self, ms: u64, gap: u64) -> Option<Mono> {
        let mut first = None;
        for step in 0..ms {
            self.now = self.now + Duration::from_millis(1);
            let (ready, later): (Vec<_>, Vec<_>) = self.answers.drain(..).partition(|(at, _)| *at <= self.now);
            self.answers = later;
            for (_, sent) in ready {
                self.live.answered(sent, self.now);
            }
            if gap != 0 && step % gap == 0 {
                self.live.traffic_out(self.now);
            }
            for _ in 0..4 {
                match self.live.due(self.now, true) {
                    Due::Wait(at) => {
                        assert!(at > self.now);
                        break;
                    }
                    Due::Send(_) => self.probe(),
                    Due::Suspected => {
                        self.moves += 1;
                        first.get_or_insert(self.now);
                    }
                }
            }
        }
        first
    }
}

#[test]
fn a_dead_path_is_suspected_in_time() {
    for seed in 0..20 {
        for (latency, gap) in [((1, 0), 20), ((1, 0), 1000), ((20, 5), 50), ((80, 10), 100)] {
            let mut rig = Rig::new(seed, latency, 0);
            assert_eq!(rig.run(30_000 + seed * 37, gap), None);
            rig.dead = true;
            let cut = rig.now;
            let at = rig.run(5_000, gap).expect("suspected");
            let limit = 2_400 + gap;
            assert!(at.millis_since(cut) <= limit, "after {} ms at {latency:?}", at.millis_since(cut));
        }
    }
}

#[test]
fn a_path_dead_from_the_start_is_suspected_in_time_too() {
    let mut rig = Rig::new(1, (1, 0), 0);
    rig.dead = true;
    let at = rig.run(5_000, 20).expect("suspected");
    assert!(at.millis_since(Mono::from_millis(1_000)) <= 2_900, "{at}");
}

#[test]
fn loss_and_jitter_make_at_most_one_false_move_in_ten_minutes() {
    let mut worst = 0;
    let mut total = 0;
    for seed in 0..20 {
        for (latency, loss) in [((10, 2), 20), ((600, 200), 0)] {
            let mut rig = Rig::new(seed, latency, loss);
            rig.run(600_000, 20);
            worst = worst.max(rig.moves);
            total += rig.moves;
            assert!(rig.probes < 3_000, "{} probes", rig.probes);
        }
    }
    assert!(worst <= 1, "{worst} false moves in one run, {total} in 40");
}

#[test]
fn no_traffic_no_probes_and_one_when_it_stops() {
    let mut rig = Rig::new(1, (10, 0), 0);
    rig.run(60_000, 0);
    assert_eq!(rig.probes, 0);
    rig.live.heard(rig.now, true);
    rig.run(60_000, 0);
    assert_eq!(rig.probes, 1);
    rig.live.traffic_out(rig.now);
    rig.run(60_000, 0);
    assert!(rig.probes <= 3, "{}", rig.probes);
}

#[test]
fn hearing_alone_does_not_prove_our_direction() {
    let mut rig = Rig::new(1, (1, 0), 0);
    rig.run(30_000, 20);
    rig.dead = true;
    let cut = rig.now;
    let mut suspected = None;
    for _ in 0..400 {
        rig.live.heard(rig.now, true);
        suspected = suspected.or(rig.run(10, 5));
    }
    let at = suspected.expect("suspected although it hears");
    assert!(at.millis_since(cut) < 2_500, "{}", at.millis_since(cut));
}

#[test]
fn one_answer_brings_it_back() {
    let mut rig = Rig::new(1, (1, 0), 0);
    rig.dead = true;
    assert!(rig.run(5_000, 20).is_some());
    rig.dead = false;
    rig.run(2_000, 20);
    assert!(!rig.live.is_suspected());
}

#[test]
fn a_path_that_the_peer_left_needs_few_lost_probes_and_one_answer_settles_it() {
    let mut rig = Rig::new(1, (1, 0), 0);
    rig.run(30_000, 20);
    assert!(!rig.live.peer_left(rig.now, false), "it was proved or heard just now");
    rig.run(3_000, 0);
    assert!(rig.live.peer_left(rig.now, false));
    let (probes, moves) = (rig.probes, rig.moves);
    rig.run(1_000, 0);
    assert!(rig.probes > probes && rig.moves == moves && !rig.live.is_suspected());
    assert!(!rig.live.peer_left(rig.now, true), "asked a moment ago");
    rig.run(2_000, 0);
    rig.dead = true;
    let cut = rig.now;
    assert!(rig.live.peer_left(rig.now, true));
    let at = rig.run(2_000, 0).expect("suspected");
    assert!(at.millis_since(cut) <= 400, "{}", at.millis_since(cut));
}

#[test]
fn an_answer_brings_back_what_was_suspected_with_others() {
    let mut rig = Rig::new(1, (1, 0), 0);
    rig.run(2_000, 20);
    rig.live.sent_probe(rig.now);
    rig.live.suspect(rig.now);
    assert!(rig.live.is_suspected() && rig.live.deep_doubt().is_none());
    assert!(rig.live.answered(rig.now, rig.now) && !rig.live.is_suspected());
}
