//! Senders that fill what there is, as TCP does: a window that grows with each answer and halves with each loss.

use crate::node::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use zt_wire::NetworkId;

/// A flow, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlowNumber(pub u32);

/// Marks of flows begin here, those of streams end before.
pub(crate) const FIRST: u32 = 1 << 31;
/// Bytes of each message.
pub const FLOW_MESSAGE: usize = 1200;
/// Answers reach the sender so much later, by another way, in microseconds.
pub(crate) const ANSWER: u64 = 10_000;
/// The sender looks at its clock so often, in microseconds.
pub(crate) const TICK: u64 = 20_000;
/// Nothing came back for so long: all is lost. Microseconds.
const SILENCE: u64 = 1_000_000;
/// Messages that seemed to be lost and are remembered.
const REMEMBERED: usize = 256;
const FIRST_WINDOW: f64 = 10.0;
const LEAST_WINDOW: f64 = 2.0;

/// What a flow does.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    /// Messages after which it ends.
    pub messages: u64,
    /// Most messages in a second: what the application makes; `None`: as many as go.
    pub rate: Option<u32>,
}

impl Demand {
    /// As much as goes, without end.
    pub const GREEDY: Self = Self { messages: u64::MAX, rate: None };
}

/// One flow and what became of it.
pub struct Flow {
    pub(crate) from: NodeId,
    pub(crate) network: NetworkId,
    pub(crate) to: Ipv4Addr,
    demand: Demand,
    window: f64,
    threshold: f64,
    /// Sent and not answered: when.
    outstanding: BTreeMap<u32, u64>,
    next: u32,
    /// Losses of messages before this one are one sign, not several.
    recovering: u32,
    /// What seems to be lost, and window and threshold before that.
    lost: BTreeSet<u32>,
    before: (f64, f64),
    /// Quarters of a round trip for which one may come behind another.
    patience: u64,
    heard: u64,
    allowance: f64,
    last_tick: u64,
    newest: Option<u32>,
    /// Messages whose answer came.
    pub answered: u64,
    /// Messages that reached the receiver.
    pub arrived: u64,
    /// Messages that reached it behind a later one.
    pub overtaken: u64,
    /// Longest time between two arrivals, in microseconds, once there was one.
    pub longest_gap: u64,
    last_arrival: Option<u64>,
    /// When all that was demanded was answered.
    pub done: Option<u64>,
}

impl Flow {
    pub(crate) fn new(from: NodeId, network: NetworkId, to: Ipv4Addr, demand: Demand, now: u64) -> Self {
        Self {
            from,
            network,
            to,
            demand,
            window: FIRST_WINDOW,
            threshold: f64::MAX,
            outstanding: BTreeMap::new(),
            next: 0,
            recovering: 0,
            lost: BTreeSet::new(),
            before: (FIRST_WINDOW, f64::MAX),
            patience: 1,
            heard: now,
            allowance: 1.0,
            last_tick: now,
            newest: None,
            answered: 0,
            arrived: 0,
            overtaken: 0,
            longest_gap: 0,
            last_arrival: None,
            done: None,
        }
    }

    /// A message reached the receiver.
    pub(crate) fn handle_arrival(&mut self, now: u64, number: u32) {
        self.arrived += 1;
        self.overtaken += u64::from(self.newest.is_some_and(|newest| number < newest));
        self.newest = self.newest.max(Some(number));
        self.longest_gap = self.longest_gap.max(self.last_arrival.map_or(0, |at| now - at));
        self.last_arrival = Some(now);
    }

    /// The answer to a message came.
    pub(crate) fn handle_answer(&mut self, now: u64, number: u32) {
        let Some(sent) = self.outstanding.remove(&number) else { return self.was_not_lost(number) };
        self.heard = now;
        self.answered += 1;
        if self.answered >= self.demand.messages && self.done.is_none() {
            self.done = Some(now);
        }
        self.window += if self.window < self.threshold { 1.0 } else { 1.0 / self.window };
        // What was sent a quarter of a round trip earlier and has no answer is lost, as RFC 8985 has it; more quarters where
        // that was wrong.
        let before = sent.saturating_sub((now - sent) * self.patience / 4);
        let late: Vec<u32> =
            self.outstanding.iter().filter(|(_, at)| **at < before).map(|(number, _)| *number).collect();
        for number in &late {
            self.outstanding.remove(number);
        }
        let sign = late.iter().any(|number| *number >= self.recovering);
        self.lost.extend(late);
        while self.lost.len() > REMEMBERED {
            self.lost.pop_first();
        }
        if sign {
            self.before = (self.window, self.threshold);
            self.threshold = (self.window / 2.0).max(LEAST_WINDOW);
            self.window = self.threshold;
            self.recovering = self.next;
        }
    }

    /// The answer to a message that seemed to be lost: it was only overtaken.
    fn was_not_lost(&mut self, number: u32) {
        if self.lost.remove(&number) {
            self.answered += 1;
            self.patience = (self.patience + 1).min(4);
            self.window = self.window.max(self.before.0);
            self.threshold = self.threshold.max(self.before.1);
        }
    }

    /// Time passes.
    pub(crate) fn handle_tick(&mut self, now: u64) {
        if let Some(rate) = self.demand.rate {
            let more = f64::from(rate) * (now - self.last_tick) as f64 / 1e6;
            // An application that was held up does not catch up for ever.
            self.allowance = (self.allowance + more).min(f64::from(rate) / 5.0 + 1.0);
        }
        self.last_tick = now;
        if !self.outstanding.is_empty() && now - self.heard >= SILENCE {
            self.outstanding.clear();
            (self.window, self.threshold, self.heard) = (LEAST_WINDOW, LEAST_WINDOW.max(self.window / 2.0), now);
        }
    }

    /// The number of the next message that may leave now.
    pub(crate) fn poll(&mut self, now: u64) -> Option<u32> {
        let open = (self.outstanding.len() as f64) < self.window;
        let wanted = self.answered + (self.outstanding.len() as u64) < self.demand.messages;
        if !open || !wanted || self.demand.rate.is_some() && self.allowance < 1.0 {
            return None;
        }
        if self.demand.rate.is_some() {
            self.allowance -= 1.0;
        }
        if self.outstanding.is_empty() {
            self.heard = now;
        }
        let number = self.next;
        self.next += 1;
        self.outstanding.insert(number, now);
        Some(number)
    }
}
