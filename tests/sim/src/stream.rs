//! Test traffic and what became of it.

use crate::node::NodeId;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;
use zt_wire::NetworkId;

/// What a stream sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// Echo requests; the answers count.
    Ping,
    /// Datagrams in one direction only.
    OneWay,
    /// Datagrams to everybody.
    Broadcast,
}

/// A stream, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// A stream of test messages.
pub struct Stream {
    pub(crate) from: NodeId,
    pub(crate) network: NetworkId,
    pub(crate) to: IpAddr,
    pub(crate) traffic: Traffic,
    pub(crate) every: u64,
    pub(crate) left: u32,
    pub(crate) size: usize,
    /// When each message was sent, in microseconds.
    pub sent: Vec<u64>,
    /// Number, receiver and time of each that arrived (for pings: whose answer did).
    pub heard: Vec<(u32, NodeId, u64)>,
}

impl Stream {
    /// Numbers of messages that arrived anywhere.
    #[must_use]
    pub fn arrived(&self) -> BTreeSet<u32> {
        self.heard.iter().map(|&(seq, ..)| seq).collect()
    }

    /// Who heard at least one message.
    #[must_use]
    pub fn hearers(&self) -> BTreeSet<NodeId> {
        self.heard.iter().map(|&(_, node, _)| node).collect()
    }

    /// Round trip (or time of travel) of the first message that arrived.
    #[must_use]
    pub fn first_trip(&self) -> Option<Duration> {
        let &(seq, _, at) = self.heard.first()?;
        Some(Duration::from_micros(at - self.sent[seq as usize]))
    }

    /// When the first arrived.
    #[must_use]
    pub fn first_arrival(&self) -> Option<u64> {
        self.heard.first().map(|&(.., at)| at)
    }

    /// How long after `time` messages were lost: up to the sending of the first message from which on ten in a row
    /// arrived. Zero when none was lost, `None` when it never healed.
    #[must_use]
    pub fn outage_after(&self, time: u64) -> Option<Duration> {
        const RUN: usize = 10;
        let arrived = self.arrived();
        let first = self.sent.iter().position(|&at| at >= time)?;
        let mut run = 0;
        for (seq, &at) in self.sent.iter().enumerate().skip(first) {
            run = if arrived.contains(&(seq as u32)) { run + 1 } else { 0 };
            if run == RUN {
                let healed = seq + 1 - RUN;
                let since = if healed == first { time } else { self.sent[healed].min(at) };
                return Some(Duration::from_micros(since - time));
            }
        }
        None
    }

    /// Messages sent in a span of time, and those of them that arrived.
    #[must_use]
    pub fn between(&self, from: u64, to: u64) -> (usize, usize) {
        let arrived = self.arrived();
        let sent = self.sent.iter().enumerate().filter(|&(_, &at)| (from..to).contains(&at));
        sent.fold((0, 0), |(sent, got), (seq, _)| (sent + 1, got + usize::from(arrived.contains(&(seq as u32)))))
    }
}
