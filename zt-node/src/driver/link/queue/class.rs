//! One class of a queue: flows that take turns.

use super::Outgoing;
use std::collections::VecDeque;
use zt_peer::Endpoint;

/// What a flow may send in one turn.
const TURN: i64 = 8 << 10;
/// Flows that are told apart in one class.
const FLOWS: u8 = 64;

/// Flows of one class, and what it may still send before the others have their part.
#[derive(Default)]
pub(super) struct Class {
    /// Those in which something waits, in the order of their turns.
    flows: VecDeque<Flow>,
    credit: i64,
}

#[derive(Default)]
struct Flow {
    number: u8,
    trains: VecDeque<Waiting>,
    bytes: usize,
    credit: i64,
}

/// A train that waits.
pub(super) struct Waiting {
    remote: Endpoint,
    bytes: Box<[u8]>,
    /// What left already.
    start: usize,
    segment: usize,
    ttl: Option<u8>,
    dont_fragment: bool,
}

/// What was taken out.
#[derive(Default)]
pub(super) struct Done {
    pub(super) bytes: usize,
    pub(super) datagrams: usize,
    /// The train is gone.
    pub(super) is_whole: bool,
}

impl Waiting {
    pub(super) fn new(train: &Outgoing<'_>) -> Self {
        let Outgoing { remote, bytes, segment, ttl, dont_fragment } = *train;
        Self { remote, bytes: bytes.into(), start: 0, segment, ttl, dont_fragment }
    }

    pub(super) fn left(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(super) fn count(&self) -> usize {
        self.left().len().div_ceil(self.segment.max(1))
    }
}

impl Class {
    pub(super) fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    pub(super) fn may_send(&self) -> bool {
        !self.is_empty() && self.credit > 0
    }

    /// A new part, for whoever waits; nobody saves up.
    pub(super) fn give(&mut self, part: i64) {
        self.credit = if self.is_empty() { 0 } else { (self.credit + part).min(part) };
    }

    pub(super) fn push(&mut self, number: u8, train: Waiting) {
        let number = number % FLOWS;
        let at = match self.flows.iter().position(|flow| flow.number == number) {
            Some(at) => at,
            None => {
                self.flows.push_back(Flow { number, ..Flow::default() });
                self.flows.len() - 1
            }
        };
        let flow = &mut self.flows[at];
        flow.bytes += train.bytes.len();
        flow.trains.push_back(train);
    }

    /// The train of the flow whose turn it is.
    pub(super) fn front(&mut self) -> Option<Outgoing<'_>> {
        // A train that has begun to leave goes on.
        while let Some(flow) = self.flows.front_mut()
            && flow.credit <= 0
            && flow.trains.front().is_some_and(|train| train.start == 0)
        {
            flow.credit += TURN;
            if flow.credit <= 0 {
                self.flows.rotate_left(1);
            }
        }
        let Waiting { remote, segment, ttl, dont_fragment, .. } = *self.flows.front()?.trains.front()?;
        let bytes = self.flows.front()?.trains.front()?.left();
        Some(Outgoing { remote, bytes, segment, ttl, dont_fragment })
    }

    /// Takes out datagrams of the train that [`Class::front`] showed.
    pub(super) fn consume(&mut self, datagrams: usize) -> Done {
        let Some(flow) = self.flows.front_mut() else { return Done::default() };
        let Some(train) = flow.trains.front_mut() else { return Done::default() };
        let (waiting, bytes) = (train.count(), (datagrams * train.segment.max(1)).min(train.left().len()));
        train.start += bytes;
        let is_whole = train.left().is_empty();
        flow.bytes -= bytes;
        let spent = i64::try_from(bytes).unwrap_or(i64::MAX);
        flow.credit -= spent;
        self.credit -= spent;
        if is_whole {
            flow.trains.pop_front();
            let (is_over, is_done) = (flow.credit <= 0, flow.trains.is_empty());
            if is_done {
                self.flows.pop_front();
            } else if is_over {
                self.flows.rotate_left(1);
            }
        }
        if self.is_empty() {
            self.credit = 0;
        }
        Done { bytes, datagrams: datagrams.min(waiting), is_whole }
    }

    /// The longest flow, if it has so much more than this one that it should give way.
    pub(super) fn longest_beside(&self, number: u8, bytes: usize) -> Option<usize> {
        let number = number % FLOWS;
        let own = self.flows.iter().find(|flow| flow.number == number).map_or(0, |flow| flow.bytes);
        let longest = (0..self.flows.len()).max_by_key(|at| self.flows[*at].bytes)?;
        let flow = &self.flows[longest];
        (flow.number != number && flow.bytes > own + bytes).then_some(longest)
    }

    /// Drops the last train of the longest flow.
    pub(super) fn drop_youngest(&mut self) -> Option<Waiting> {
        let longest = (0..self.flows.len()).max_by_key(|at| self.flows[*at].bytes)?;
        let flow = &mut self.flows[longest];
        let out = flow.trains.pop_back()?;
        flow.bytes -= out.left().len();
        if flow.trains.is_empty() {
            self.flows.remove(longest);
        }
        if self.is_empty() {
            self.credit = 0;
        }
        Some(out)
    }
}
