//! One path of a bond: whether it may be used, and what is known of it (03 §15.2, §15.5).

use std::net::IpAddr;
use std::time::Duration;

use zt_wire::{Gate, Mono};

use super::config::{BondLink, BondTemplate};
use super::quality::{Figures, Samples};
use super::records::{Received, Sent};
use super::throughput::Throughput;
use crate::link::Path;

/// A path that was nominated so lately needs no `upDelay` to be used.
const TRIAL: Duration = Duration::from_secs(15);
/// Loss of probes up to which one that is unanswered puts a path out of use.
const CLEAN: f32 = 0.03;
/// So many packets, so far from each other, say that a peer uses a path: what it does not use it keeps alive more seldom.
const USES: usize = 3;
const APART: Duration = Duration::from_millis(200);
/// First and longest time for which a path that was bad gets no new flows; it doubles from one to the next.
const REFRACTORY: Duration = Duration::from_secs(8);
const REFRACTORY_MOST: Duration = Duration::from_secs(120);
/// Periods for which a path must cost more before that counts.
const STEADY: usize = 4;
/// Share of probes that a full queue may lose.
const OVERFLOW: f32 = 0.1;
/// A path that costs so much more than another, and half of that one's cost, is bad beside it.
pub(super) const BAD: f32 = 100.0;
/// Milliseconds of round trip that all probes lost are as bad as, and the share of lost ones that says nothing: a path that was
/// hardly probed is taken to lose so many.
const LOSS_COST: f32 = 4000.0;
const LOSS_FREE: f32 = 0.05;

/// What VL1 knows about a path of the peer, whoever uses it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fact {
    pub(crate) path: Path,
    /// Rank of its link.
    pub(crate) rank: i32,
    /// Last valid packet by it.
    pub(crate) heard: Mono,
    /// Neither expired nor suspected.
    pub(crate) usable: bool,
    /// Probes by it that are overdue, if nothing was heard by it since.
    pub(crate) unanswered: usize,
    /// Measured round trip and its variation.
    pub(crate) round_trip: Option<(Duration, Duration)>,
    /// Share of probes lost lately.
    pub(crate) loss: f32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) path: Path,
    /// What the policy says about its interface.
    pub(super) link: BondLink,
    pub(super) rank: i32,
    /// Of the paths between the same two addresses, the one that stands for all of them: our other ports on that
    /// interface lead the same way.
    pub(super) leads: bool,
    nominated: Mono,
    pub(super) alive: bool,
    /// Since when it is alive, or dead after it was alive.
    since: Option<Mono>,
    /// It may carry traffic.
    pub(super) eligible: bool,
    /// It is one of those that carry traffic now.
    pub(super) bonded: bool,
    avoidance: Avoidance,
    pub(super) heartbeat: Gate,
    pub(super) meters: Meters,
    pub(super) figures: Figures,
    pub(super) round_trip: Option<Duration>,
    /// Its share in the quality of all, once that was worked out since it may be used.
    pub(super) share: Option<f32>,
}

/// What is counted of the packets by a path.
#[derive(Debug)]
pub(super) struct Meters {
    pub(super) received: Received,
    pub(super) reported: Gate,
    pub(super) sent: Sent,
    pub(super) samples: Samples,
    pub(super) throughput: Throughput,
    /// What it cost in the last periods, the last one first.
    costs: [Option<f32>; STEADY],
    /// How long its turns are, as a part of what its capacity gives (balance-rr).
    pub(super) turn: f32,
    /// What the peer sent without being asked.
    pub(super) initiated: Initiated,
    /// Packets since the last look at which path is used most.
    pub(super) came: u32,
    pub(super) left: u32,
    pub(super) last_in: Gate,
    pub(super) last_out: Gate,
}

/// Whether the peer uses a path by itself: then where it comes from is a way of its own, and not one more port of an
/// uplink of which it uses another.
#[derive(Debug, Default)]
pub(super) struct Initiated([Gate; USES]);

impl Initiated {
    pub(super) fn note(&mut self, now: Mono) {
        if self.0[0].since(now).is_none_or(|passed| passed >= APART) {
            self.0.rotate_right(1);
            self.0[0] = Gate::passed(now);
        }
    }

    fn is_used(&self, now: Mono, within: Duration) -> bool {
        self.0[USES - 1].since(now).is_some_and(|passed| passed < within)
    }
}

/// Whether a path gets no new flows, because others are better.
#[derive(Debug)]
struct Avoidance {
    avoided: bool,
    until: Mono,
    refractory: Duration,
}

impl Member {
    pub(super) fn new(now: Mono, path: Path, link: BondLink) -> Self {
        Self {
            path,
            link,
            rank: 0,
            leads: false,
            nominated: now,
            alive: false,
            since: None,
            eligible: false,
            bonded: false,
            avoidance: Avoidance { avoided: false, until: Mono::ZERO, refractory: REFRACTORY },
            heartbeat: Gate::OPEN,
            meters: Meters {
                received: Received::default(),
                reported: Gate::OPEN,
                sent: Sent::default(),
                samples: Samples::default(),
                throughput: Throughput::default(),
                costs: [None; STEADY],
                turn: 1.0,
                initiated: Initiated::default(),
                came: 0,
                left: 0,
                last_in: Gate::OPEN,
                last_out: Gate::OPEN,
            },
            figures: Figures::default(),
            round_trip: None,
            share: None,
        }
    }

    /// The peer uses this path by itself.
    pub(super) fn is_used_by_peer(&self, now: Mono, template: &BondTemplate) -> bool {
        self.meters.initiated.is_used(now, 2 * template.failover_interval)
    }

    /// It gets no new flows: others are better.
    pub(super) const fn is_avoided(&self) -> bool {
        self.avoidance.avoided
    }

    pub(super) fn is_ipv4(&self) -> bool {
        self.path.remote.ip().is_none_or(|ip: IpAddr| ip.is_ipv4())
    }

    /// Leads where another one leads.
    pub(super) fn is_same_way(&self, other: &Self) -> bool {
        self.link.interface == other.link.interface && self.path.remote == other.path.remote
    }

    /// Leads to the same host of the same network, by whatever port.
    pub(super) fn is_same_place(&self, other: &Self) -> bool {
        let to = |m: &Self| m.path.remote.ip();
        let same = to(self).is_some() && to(self) == to(other);
        self.link.interface == other.link.interface && (same || self.path.remote == other.path.remote)
    }

    /// Takes what VL1 knows now.
    pub(super) fn update(&mut self, now: Mono, fact: &Fact, template: &BondTemplate) {
        self.rank = fact.rank;
        self.round_trip = fact.round_trip.map(|(mean, _)| mean);
        // A full queue loses probes now and then; they are asked more often there.
        let overflows = self.meters.throughput.has_overflown();
        let needed = [[1, 2], [3, 3]][usize::from(overflows)][usize::from(fact.loss > CLEAN)];
        let heard = now.saturating_since(fact.heard) < template.failover_interval;
        let alive = fact.usable && heard && fact.unanswered < needed;
        if alive != self.alive {
            (self.alive, self.since) = (alive, Some(now));
        }
        let trial = now.saturating_since(self.nominated) < TRIAL;
        let past = |delay| self.since.is_some_and(|at| now.saturating_since(at) >= delay);
        let up = alive && (trial || past(template.up_delay));
        let fading = !alive && self.since.is_some() && !past(template.down_delay);
        self.eligible = up || fading && fact.usable;
    }

    /// Works out how good it is.
    pub(super) fn estimate(&mut self, fact: &Fact) {
        let millis = |d: Duration| d.as_secs_f32() * 1000.0;
        let probed = fact.round_trip.map(|(mean, variation)| (millis(mean) / 2.0, millis(variation) / 2.0));
        let (latency, jitter) = self.meters.samples.figures().or(probed).unwrap_or_default();
        self.figures = Figures { latency, jitter, loss: fact.loss };
    }

    /// Its share in the quality of all; 0 = not known.
    pub(super) fn quality(&self) -> f32 {
        self.share.unwrap_or_default()
    }

    /// A period ends: what it costs to send by it now is noted.
    pub(super) fn end_period(&mut self, now: Mono) {
        self.meters.throughput.next_period(now, self.round_trip);
        self.meters.costs.rotate_right(1);
        self.meters.costs[0] = Some(self.cost_now());
    }

    /// What it costs to send by it, in milliseconds: the least of the last periods, as one lost probe is no sign.
    pub(super) fn cost(&self) -> f32 {
        let least = self.meters.costs.iter().copied().flatten().min_by(f32::total_cmp);
        least.unwrap_or_else(|| self.cost_now())
    }

    /// The round trip with every queue, in milliseconds: what a packet by another path may overtake.
    pub(super) fn delay(&self) -> f32 {
        self.round_trip.map_or(2.0 * self.figures.latency, |d| d.as_secs_f32() * 1000.0)
    }

    /// The round trip that probes find, and more for what is lost. The queue of our own packets, and what is lost because of
    /// it, are no fault of the path: they would go with the packets.
    fn cost_now(&self) -> f32 {
        let queue = self.meters.throughput.queue();
        let round_trip = match self.round_trip {
            Some(all) => all.saturating_sub(queue).as_secs_f32() * 1000.0,
            None => 2.0 * self.figures.latency,
        };
        let own = if self.meters.throughput.has_overflown() { OVERFLOW } else { LOSS_FREE };
        round_trip + LOSS_COST * (self.figures.loss - own).max(0.0)
    }

    /// Whether it costs so much more than another that it should not be used beside it.
    pub(super) fn is_much_dearer_than(&self, other: &Self) -> bool {
        self.cost() - other.cost() > BAD + other.cost() / 2.0
    }

    /// It gets no new flows before this time.
    pub(super) fn keep_out(&mut self, until: Mono) {
        self.avoidance.avoided = true;
        self.avoidance.until = self.avoidance.until.max(until);
    }

    /// It costs much more than the best (`bad`), or hardly more (`good`): it gets no new flows for a time, a longer one
    /// each time.
    pub(super) fn judge(&mut self, now: Mono, bad: bool, good: bool) {
        let Avoidance { avoided, until, refractory } = &mut self.avoidance;
        if bad {
            if !*avoided {
                *until = now + *refractory;
                *refractory = (*refractory * 2).min(REFRACTORY_MOST);
            }
            *avoided = true;
        } else if good && now >= *until {
            *avoided = false;
            // Good times count against bad ones.
            if now.saturating_since(*until) >= 2 * *refractory {
                *refractory = REFRACTORY;
            }
        }
    }
}
