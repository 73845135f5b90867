use super::*;

const RTT: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_millis(250);
const MOMENT: Duration = Duration::from_millis(10);

/// A path that loses what is too long, and a peer that answers the rest.
struct Line {
    size: Size,
    now: Mono,
    /// The most that passes; nothing at all with 0.
    passes: u16,
    /// Each so-many-th probe is lost besides.
    loses_each: u32,
    /// So many of a thousand are lost by chance.
    loses_permille: u32,
    dice: u32,
    heard: Mono,
    look: Mono,
    under_way: Vec<(Mono, u16, Mono)>,
    /// Sizes of the probes that left, and when.
    probes: Vec<(Mono, u16)>,
}

fn room(most: u16) -> Room {
    Room { base: most.min(1432), most, headers: 28, probed: true }
}

impl Line {
    fn new(most: u16, passes: u16) -> Self {
        let now = Mono::from_millis(1_000_000);
        let (size, look) = (Size::new(room(most)), Mono::FAR);
        let (under_way, probes) = (Vec::new(), Vec::new());
        let (loses_each, loses_permille, dice) = (0, 0, 1);
        Self { size, now, passes, loses_each, loses_permille, dice, heard: now, look, under_way, probes }
    }

    /// Traffic of long datagrams for some time.
    fn run(&mut self, time: Duration) {
        self.traffic(time, 2800);
    }

    fn traffic(&mut self, time: Duration, len: usize) {
        let end = self.now + time;
        while self.now < end {
            self.now = self.now + MOMENT;
            if self.passes > 0 {
                // Something short comes back.
                self.heard = self.now;
            }
            let (arrived, rest) = self.under_way.iter().partition(|(at, ..)| *at <= self.now);
            self.under_way = rest;
            let arrived: Vec<(Mono, u16, Mono)> = arrived;
            for (_, size, sent) in arrived {
                if self.size.answered(self.now, size, sent) {
                    self.look = self.now;
                }
            }
            if let Some(at) = self.size.sent(self.now, len) {
                self.look = self.look.min(at);
            }
            if self.look <= self.now {
                self.look = self.look_at();
            }
        }
    }

    fn look_at(&mut self) -> Mono {
        let (size, at) = match self.size.due(self.now, PATIENCE, self.heard) {
            SizeDue::Wait(at) => return at,
            SizeDue::Send(size) | SizeDue::SendBoth(size) => (size, self.now + PATIENCE),
        };
        self.probes.push((self.now, size));
        self.dice = self.dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let lost = self.loses_each > 0 && (self.probes.len() as u32).is_multiple_of(self.loses_each);
        let lost = lost || (self.dice >> 16) % 1000 < self.loses_permille;
        if size <= self.passes && !lost {
            self.under_way.push((self.now + RTT, size, self.now));
        }
        at
    }

    /// How long packets were cut too large, until now.
    fn until_fits(&mut self, most: Duration) -> Duration {
        let start = self.now;
        while self.size.used() > self.passes && self.now < start + most {
            self.run(MOMENT);
        }
        self.now.saturating_since(start)
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn one_probe_finds_that_a_path_carries_what_its_link_takes() {
    for most in [1252, 1432, 1472, 8972, 10_015] {
        let mut line = Line::new(most, most);
        line.run(SECOND / 5);
        assert_eq!((line.size.used(), line.probes.len()), (most, 1), "{most}");
    }
}

#[test]
fn what_a_path_carries_is_found_between_the_sizes() {
    for passes in [548, 600, 1000, 1232, 1252, 1300, 1372, 1392, 1432, 1464, 1472, 1600, 2000, 4324, 7000, 8972] {
        let mut line = Line::new(8972, passes);
        line.until_fits(3 * SECOND);
        line.run(12 * SECOND);
        let used = line.size.used();
        assert!(used <= passes && passes - used < GRAIN, "{used} where {passes} pass");
    }
    for mtu in USUAL {
        let mut line = Line::new(8972, mtu - 28);
        line.run(10 * SECOND);
        assert_eq!(line.size.used(), mtu - 28, "sizes that networks have are found exactly");
    }
}

#[test]
fn a_shrink_is_noticed_well_within_three_seconds() {
    for (before, after) in [(8972, 1472), (8972, 1252), (1472, 1252), (1472, 1000), (8972, 548), (1472, 1464)] {
        let mut line = Line::new(before, before);
        line.run(7 * SECOND + Duration::from_millis(120));
        assert_eq!(line.size.used(), before);
        line.passes = after;
        let took = line.until_fits(10 * SECOND);
        let least = if after < LIKELY { 2 } else { 1 };
        assert!(took <= least * Duration::from_millis(1050), "{before} to {after}: {took:?}");
        line.run(6 * SECOND);
        assert!(after - line.size.used() < GRAIN, "{before} to {after}: {}", line.size.used());
    }
}

#[test]
fn a_path_that_became_wider_is_noticed_at_a_slow_pace() {
    let mut line = Line::new(8972, 1252);
    line.run(8 * SECOND);
    line.passes = 8972;
    line.run(20 * SECOND);
    assert_eq!(line.size.used(), 8972, "soon after it was narrow");
    let mut line = Line::new(8972, 1252);
    line.run(3600 * SECOND);
    let above = line.probes.iter().filter(|(at, size)| at.as_millis() > 1_000_000 + 600_000 && *size > 1252).count();
    assert!((10..=60).contains(&above), "{above} probes above in 50 minutes");
    line.passes = 1500;
    line.run(301 * SECOND);
    assert!(line.size.used() >= 1472, "a little wider: {}", line.size.used());
}

#[test]
fn no_long_datagrams_no_probes() {
    let mut line = Line::new(1472, 1472);
    line.traffic(60 * SECOND, usize::from(SURE));
    assert!(line.probes.is_empty());
    line.run(SECOND);
    let sent = line.probes.len();
    assert!((1..=3).contains(&sent));
    line.traffic(3600 * SECOND, 100);
    assert!(line.probes.len() <= sent + 2);
    // One packet now and then is asked for once each.
    let sent = line.probes.len();
    for _ in 0..10 {
        line.run(MOMENT);
        line.traffic(60 * SECOND, 0);
    }
    assert!(line.probes.len() <= sent + 11, "{:?}", &line.probes[sent..]);
}

#[test]
fn a_path_that_is_dead_says_nothing_about_sizes() {
    let mut line = Line::new(1472, 1472);
    line.run(2 * SECOND);
    line.passes = 0;
    line.run(60 * SECOND);
    assert_eq!(line.size.used(), 1472);
}

#[test]
fn loss_by_chance_costs_little() {
    let mut line = Line::new(1472, 1472);
    line.loses_each = 4;
    let mut small = Duration::ZERO;
    for _ in 0..6000 {
        line.run(MOMENT);
        small += if line.size.used() < 1472 { MOMENT } else { Duration::ZERO };
    }
    assert!(small < 3 * SECOND, "{small:?} of a minute");
}

/// A queue that is full takes probes as it takes the rest, while answers to shorter ones come back.
#[test]
fn a_full_queue_is_no_narrow_path() {
    let mut line = Line::new(1472, 1472);
    line.loses_permille = 350;
    let (mut small, mut tiny) = (0, 0);
    for _ in 0..60_000 {
        line.run(MOMENT);
        small += u32::from(line.size.used() < 1472);
        tiny += u32::from(line.size.used() < LIKELY);
    }
    assert!(small < 6000 && tiny < 600, "{small} and {tiny} of 60,000");
}

#[test]
fn what_was_not_asked_teaches_nothing() {
    let mut line = Line::new(8972, 1472);
    line.run(5 * SECOND);
    let now = line.now;
    assert!(!line.size.answered(now, 9999, now) && !line.size.answered(now, 5000, now));
    assert_eq!(line.size.used(), 1472);
}

#[test]
fn the_link_and_the_operator_decide_at_once() {
    let mut line = Line::new(8972, 8972);
    line.run(SECOND);
    assert_eq!((line.size.used(), line.size.relayed()), (8972, 1432), "whoever is beyond a relay may have less");
    line.size.set_room(room(1372));
    assert_eq!((line.size.used(), line.size.relayed()), (1372, 1372));
    line.passes = 1372;
    line.run(2 * SECOND);
    line.size.set_room(room(8972));
    assert_eq!(line.size.used(), 1372, "proved, and kept");
    line.passes = 8972;
    line.run(SECOND);
    assert_eq!(line.size.used(), 8972);
    line.size.set_room(Room::fixed(1400));
    let sent = line.probes.len();
    line.run(10 * SECOND);
    assert_eq!((line.size.used(), line.probes.len()), (1400, sent), "what is configured is not doubted");
}
