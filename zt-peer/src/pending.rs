//! Packets that wait: to be sent (for a route or an identity) and to be handled (for an identity or credentials).
//! Both are bounded in number, per peer and in bytes, and give up after five seconds (03 §3, 02 §3.4).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use zt_wire::verb::Verb;
use zt_wire::{Address, Mono};

use crate::config::SendOptions;
use crate::drop_reason::DropReason;
use crate::inbound::{Receipt, Ticket};
use crate::link::Path;
use crate::rate::{QUEUE_RETRY, QUEUE_TIMEOUT};

/// Most waiting packets of a queue.
const ROOM: usize = 256;
/// Most waiting packets of one peer (or unknown sender's path).
const PER_PEER: usize = 32;
/// Most waiting packets of senders we do not know; the path that holds most gives way.
const STRANGER_ROOM: usize = 256;
/// Most waiting packets by one path of such senders.
const PER_STRANGER_PATH: usize = 8;
/// The same by the path of a root, which relays for many: of each sender.
const PER_RELAYED_SENDER: usize = 2;

/// A packet to be sent, not yet sealed.
#[derive(Clone, Debug)]
pub(crate) struct Unsent {
    pub(crate) to: Address,
    pub(crate) verb: Verb,
    pub(crate) body: Vec<u8>,
    pub(crate) options: SendOptions,
    queued: Mono,
}

/// Packets waiting for a route.
#[derive(Default)]
pub(crate) struct SendQueue(VecDeque<Unsent>);

impl SendQueue {
    /// Adds a packet; the oldest of the same destination (or of all) gives way.
    pub(crate) fn push(
        &mut self,
        now: Mono,
        to: Address,
        verb: Verb,
        body: Vec<u8>,
        options: SendOptions,
    ) -> Option<DropReason> {
        let full = self.0.iter().filter(|u| u.to == to).count() >= PER_PEER;
        let victim = if full { self.0.iter().position(|u| u.to == to) } else { None };
        let victim = victim.or((self.0.len() >= ROOM).then_some(0));
        let dropped = victim.and_then(|at| self.0.remove(at)).map(|_| DropReason::SendQueueFull);
        self.0.push_back(Unsent { to, verb, body, options, queued: now });
        dropped
    }

    /// Takes what may go to `to`.
    pub(crate) fn take_for(&mut self, to: Address) -> Vec<Unsent> {
        let (ready, rest) = self.0.drain(..).partition(|u| u.to == to);
        self.0 = rest;
        Vec::from_iter::<VecDeque<_>>(ready)
    }

    /// Puts back what still cannot go, keeping its age.
    pub(crate) fn put_back(&mut self, unsent: Unsent) {
        if self.0.len() < ROOM {
            self.0.push_back(unsent);
        }
    }

    /// Drops what is too old; returns how many.
    pub(crate) fn expire(&mut self, now: Mono) -> u64 {
        let before = self.0.len();
        self.0.retain(|u| now.saturating_since(u.queued) < QUEUE_TIMEOUT);
        (before - self.0.len()) as u64
    }

    pub(crate) fn destinations(&self) -> BTreeSet<Address> {
        self.0.iter().map(|u| u.to).collect()
    }
}

/// A packet to be handled later.
#[derive(Clone, Debug)]
pub(crate) struct Deferred {
    pub(crate) packet: Vec<u8>,
    pub(crate) state: DeferredState,
    arrived: Mono,
    tried: Mono,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum DeferredState {
    /// Still sealed: the sender's identity is not known.
    Sealed(Ticket),
    /// Opened: the layer above wants to see it again.
    Opened(Receipt),
}

impl Deferred {
    /// How it came, when its sender is not known.
    const fn sealed(&self) -> Option<Ticket> {
        match self.state {
            DeferredState::Sealed(ticket) => Some(ticket),
            DeferredState::Opened(_) => None,
        }
    }
}

/// Packets waiting to be handled, oldest first.
#[derive(Default)]
pub(crate) struct DeferQueue {
    waiting: VecDeque<Deferred>,
    /// Everything may be tried now: an identity arrived.
    hurry: bool,
}

impl DeferQueue {
    /// Keeps a packet of somebody we do not know. `relayed`: by a root.
    pub(crate) fn push_sealed(&mut self, ticket: Ticket, packet: &[u8], relayed: bool) -> Option<DropReason> {
        let share = if relayed { PER_RELAYED_SENDER } else { PER_STRANGER_PATH };
        let same =
            |d: &Deferred| d.sealed().is_some_and(|t| t.path == ticket.path && (!relayed || t.source == ticket.source));
        let victim = if self.waiting.iter().filter(|d| same(d)).count() >= share {
            self.waiting.iter().position(same)
        } else {
            self.heaviest_stranger()
        };
        let dropped = victim.and_then(|at| self.waiting.remove(at)).map(|_| DropReason::DeferredFull);
        let state = DeferredState::Sealed(ticket);
        self.waiting.push_back(Deferred {
            packet: packet.to_vec(),
            state,
            arrived: ticket.arrived,
            tried: ticket.arrived,
        });
        dropped
    }

    /// When strangers have no room left: the oldest packet by the path that holds most.
    fn heaviest_stranger(&self) -> Option<usize> {
        let paths: Vec<Path> = self.waiting.iter().filter_map(Deferred::sealed).map(|t| t.path).collect();
        if paths.len() < STRANGER_ROOM {
            return None;
        }
        let mut held: BTreeMap<Path, usize> = BTreeMap::new();
        paths.iter().for_each(|path| *held.entry(*path).or_default() += 1);
        let most = held.values().copied().max()?;
        self.waiting.iter().position(|d| d.sealed().is_some_and(|t| held[&t.path] == most))
    }

    /// Keeps an opened packet; the time it first arrived is in its receipt.
    pub(crate) fn push_opened(&mut self, now: Mono, receipt: Receipt, packet: &[u8]) -> Option<DropReason> {
        if now.saturating_since(receipt.first_arrival) >= QUEUE_TIMEOUT {
            return Some(DropReason::DeferredExpired);
        }
        let opened = |d: &Deferred| matches!(d.state, DeferredState::Opened(_));
        let same = |d: &Deferred| matches!(d.state, DeferredState::Opened(r) if r.from == receipt.from);
        let full = self.waiting.iter().filter(|d| same(d)).count() >= PER_PEER;
        let victim = if full {
            self.waiting.iter().position(same)
        } else if self.waiting.iter().filter(|d| opened(d)).count() >= ROOM {
            self.waiting.iter().position(opened)
        } else {
            None
        };
        let dropped = victim.and_then(|at| self.waiting.remove(at)).map(|_| DropReason::DeferredFull);
        let state = DeferredState::Opened(receipt);
        self.waiting.push_back(Deferred { packet: packet.to_vec(), state, arrived: receipt.first_arrival, tried: now });
        dropped
    }

    /// Everything waiting may be tried now.
    pub(crate) fn hurry(&mut self) {
        self.hurry = !self.waiting.is_empty();
        for d in &mut self.waiting {
            d.tried = Mono::ZERO;
        }
    }

    /// The next packet to try again: an opened one that waited long enough, or a sealed one whose sender is `known`.
    pub(crate) fn next(&mut self, now: Mono, known: impl Fn(Address) -> bool) -> Option<Deferred> {
        let ready = |d: &Deferred| match d.state {
            DeferredState::Sealed(t) => known(t.source),
            DeferredState::Opened(_) => now.saturating_since(d.tried) >= QUEUE_RETRY,
        };
        let at = self.waiting.iter().position(ready);
        if at.is_none() {
            self.hurry = false;
        }
        self.waiting.remove(at?)
    }

    /// Drops what is too old; returns how many.
    pub(crate) fn expire(&mut self, now: Mono) -> u64 {
        let before = self.waiting.len();
        self.waiting.retain(|d| now.saturating_since(d.arrived) < QUEUE_TIMEOUT);
        (before - self.waiting.len()) as u64
    }

    /// When something may be tried again or expires.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        if self.hurry {
            return Some(Mono::ZERO);
        }
        let due = |d: &Deferred| match d.state {
            DeferredState::Sealed(_) => d.arrived + QUEUE_TIMEOUT,
            DeferredState::Opened(_) => (d.tried + QUEUE_RETRY).min(d.arrived + QUEUE_TIMEOUT),
        };
        self.waiting.iter().map(due).min()
    }

    /// Senders that are waited for, and how a packet of each came.
    pub(crate) fn unknown_senders(&self) -> Vec<Ticket> {
        let mut seen = BTreeSet::new();
        self.waiting.iter().filter_map(Deferred::sealed).filter(|t| seen.insert(t.source)).collect()
    }

    /// How a packet of this unknown sender came, if one waits.
    pub(crate) fn unknown_sender(&self, address: Address) -> Option<Ticket> {
        self.waiting.iter().filter_map(Deferred::sealed).find(|t| t.source == address)
    }
}

#[cfg(test)]
mod tests;
