//! Clocks that were wrong and are set right: traffic of a private network passes within 10 s, without a restart,
//! whoever's clock it was, whenever it went wrong and in whatever order they are set.

use std::time::Duration;
use zt_test_sim::{Lab, NodeId, Place, StreamId};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Ahead by a time zone and by a day, behind by less than a window of certificates, and boards without a battery, that
/// boot 19 years or at the beginning of time ago.
const JUMPS: [i64; 5] = [8 * HOUR, DAY, -27 * MINUTE, -19 * 365 * DAY, -zt_test_sim::START_OF_TIME];

/// Longest time without traffic after all clocks are right.
const HEALED: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    A,
    B,
    Controller,
    Root,
}

const ALL: [Who; 4] = [Who::A, Who::B, Who::Controller, Who::Root];

#[derive(Clone, Copy, Debug)]
enum When {
    /// Before anything was started or joined.
    BeforeJoin,
    /// It jumps while all are running.
    Running,
    /// The node restarts with it.
    AtBoot,
    /// The node restarts with it, and again when it is set right.
    UntilReboot,
}

struct World {
    lab: Lab,
    streams: Vec<StreamId>,
}

fn world(name: &str, seed: u64, prepare: impl FnOnce(&mut zt_test_sim::Sim)) -> World {
    let mut lab = Lab::with(name, seed, &[Place::Public, Place::Public], prepare);
    lab.make_private();
    for member in lab.members.clone() {
        lab.sim.authorize(lab.controller, lab.network, member, true);
    }
    lab.sim.run_for(Duration::from_secs(2));
    let (a, b, network) = (lab.members[0], lab.members[1], lab.network);
    let every = Duration::from_millis(200);
    let streams = vec![lab.sim.ping(a, b, network, every, u32::MAX), lab.sim.ping(b, a, network, every, u32::MAX)];
    lab.sim.run_for(Duration::from_secs(5));
    World { lab, streams }
}

impl World {
    fn node(&self, who: Who) -> NodeId {
        match who {
            Who::A => self.lab.members[0],
            Who::B => self.lab.members[1],
            Who::Controller => self.lab.controller,
            Who::Root => self.lab.root,
        }
    }

    fn reboot(&mut self, who: Who, jump: i64) {
        let node = self.node(who);
        self.lab.sim.stop(node);
        self.lab.sim.run_for(Duration::from_secs(3));
        self.lab.sim.jump_clock(node, jump);
        self.lab.sim.start(node);
    }

    fn assert_healed(&self, what: &str) {
        let at = self.lab.sim.time() - 25_000_000;
        for &stream in &self.streams {
            let outage = self.lab.sim.result(stream).outage_after(at);
            let members = self.lab.members.iter().map(|&member| self.lab.sim.node(member).drops());
            let drops: Vec<_> = members.collect();
            assert!(outage.is_some_and(|outage| outage <= HEALED), "{what}: {outage:?} without traffic; {drops:?}");
        }
    }
}

/// Lets the clocks of `wrong` go wrong for `time`, sets them right in order, three seconds apart, and looks whether
/// traffic passes.
fn set_right(seed: u64, wrong: &[Who], jump: i64, when: When, time: Duration) {
    let what = format!("{wrong:?} {jump} ms {when:?} for {time:?}");
    let early = matches!(when, When::BeforeJoin);
    let mut world = world(&what, seed, |sim| {
        for (number, who) in [Who::Root, Who::Controller, Who::A, Who::B].into_iter().enumerate() {
            if early && wrong.contains(&who) {
                sim.jump_clock(NodeId(number), jump);
            }
        }
    });
    for &who in wrong {
        match when {
            When::BeforeJoin => {}
            When::Running => {
                let node = world.node(who);
                world.lab.sim.jump_clock(node, jump);
            }
            When::AtBoot | When::UntilReboot => world.reboot(who, jump),
        }
    }
    world.lab.sim.run_for(time);
    for &who in wrong {
        world.lab.sim.run_for(Duration::from_secs(3));
        if matches!(when, When::UntilReboot) {
            world.reboot(who, -jump);
        } else {
            let node = world.node(who);
            world.lab.sim.jump_clock(node, -jump);
        }
    }
    world.lab.sim.run_for(Duration::from_secs(25));
    world.assert_healed(&what);
    // And it stays: the next round of configurations brings nothing new.
    world.lab.sim.run_for(Duration::from_secs(70));
    world.assert_healed(&format!("{what}, later"));
}

fn each(seed: u64, when: When) {
    for (number, jump) in JUMPS.into_iter().enumerate() {
        for (place, who) in ALL.into_iter().enumerate() {
            set_right(seed + 10 * number as u64 + place as u64, &[who], jump, when, Duration::from_secs(75));
        }
    }
}

#[test]
fn a_clock_wrong_before_the_join_is_set_right() {
    each(1400, When::BeforeJoin);
}

#[test]
fn a_clock_that_jumped_is_set_right() {
    each(1500, When::Running);
}

#[test]
fn a_clock_wrong_at_boot_is_set_right() {
    each(1600, When::AtBoot);
}

#[test]
fn a_clock_wrong_until_the_next_boot_is_set_right() {
    each(1700, When::UntilReboot);
}

#[test]
fn several_clocks_are_set_right_in_any_order() {
    use Who::{A, B, Controller, Root};
    let orders: [&[Who]; 6] = [
        &[A, B],
        &[A, Controller],
        &[Controller, A],
        &[B, Controller, A],
        &[Root, Controller],
        &[A, B, Controller, Root],
    ];
    for (number, order) in orders.into_iter().enumerate() {
        for (place, jump) in [DAY, -19 * 365 * DAY].into_iter().enumerate() {
            for when in [When::BeforeJoin, When::Running, When::AtBoot] {
                set_right(1800 + 10 * number as u64 + place as u64, order, jump, when, Duration::from_secs(75));
            }
        }
    }
}

#[test]
fn a_clock_is_set_right_before_anybody_asked_again() {
    for when in [When::Running, When::AtBoot] {
        for (number, jump) in JUMPS.into_iter().enumerate() {
            set_right(1900 + number as u64, &[Who::Controller], jump, when, Duration::from_secs(20));
        }
    }
}

/// Who is shut out while the controller's clock is ahead stays out when it is set right, and can come back at once.
#[test]
fn a_revocation_under_a_wrong_clock_holds_and_can_be_taken_back() {
    for (seed, reboot) in [(1950, false), (1951, true)] {
        let what = format!("revoked a day ahead, reboot {reboot}");
        let mut world = world(&what, seed, |_| {});
        let (a, controller, network) = (world.lab.members[0], world.lab.controller, world.lab.network);
        world.lab.sim.jump_clock(controller, DAY);
        world.lab.sim.run_for(Duration::from_secs(75));
        world.lab.sim.authorize(controller, network, a, false);
        world.lab.sim.run_for(Duration::from_secs(5));
        if reboot {
            world.reboot(Who::Controller, -DAY);
        } else {
            world.lab.sim.jump_clock(controller, -DAY);
        }
        let out = world.lab.sim.time();
        world.lab.sim.run_for(Duration::from_secs(75));
        for &stream in &world.streams {
            let (_, got) = world.lab.sim.result(stream).between(out, world.lab.sim.time());
            assert_eq!(got, 0, "{what}: it is heard again");
        }
        world.lab.sim.authorize(controller, network, a, true);
        world.lab.sim.run_for(Duration::from_secs(25));
        world.assert_healed(&what);
    }
}
