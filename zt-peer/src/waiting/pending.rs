//! Packets that wait: to be sent (for a route or an identity) and to be handled (for an identity or credentials).
//! Both are bounded in number, per peer and in bytes, and give up after five seconds (03 §3, 02 §3.4).

use std::collections::{BTreeSet, VecDeque};

use zt_wire::verb::Verb;
use zt_wire::{Address, Mono};

use crate::config::SendOptions;
use crate::drop_reason::DropReason;
use crate::fair_queue::{FairQueue, GivesWay};
use crate::inbound::Ticket;
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
    pub(crate) fn put_back(&mut self, unsent: Unsent) -> Option<DropReason> {
        let room = self.0.len() < ROOM;
        if room {
            self.0.push_back(unsent);
        }
        (!room).then_some(DropReason::SendQueueFull)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn has(&self, to: Address) -> bool {
        self.0.iter().any(|u| u.to == to)
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
    /// How it came.
    pub(crate) ticket: Ticket,
    /// Its sender's identity is not known; else the layer above wants to see it again.
    pub(crate) sealed: bool,
    tried: Mono,
}

/// Who has a share of the room for packets of unknown senders: a path, or a sender by the path of a root.
type Stranger = (Path, Option<Address>);

/// Packets waiting to be handled. Anybody can send packets of unknown senders, so that nothing here may cost more the more
/// of them wait, but when an identity arrived.
pub(crate) struct DeferQueue {
    /// Opened packets, oldest first.
    opened: VecDeque<Deferred>,
    /// Sealed ones; the oldest of the path that holds most gives way.
    sealed: FairQueue<Stranger, Deferred>,
    /// No sealed packet came before.
    eldest: Option<Mono>,
    /// Everything may be tried now: an identity arrived.
    hurry: bool,
}

impl Default for DeferQueue {
    fn default() -> Self {
        let sealed = FairQueue::new(STRANGER_ROOM, GivesWay::Oldest);
        Self { opened: VecDeque::new(), sealed, eldest: None, hurry: false }
    }
}

impl DeferQueue {
    /// Keeps a packet of somebody we do not know. `relayed`: by a root.
    pub(crate) fn push_sealed(&mut self, ticket: Ticket, packet: &[u8], relayed: bool) -> Option<DropReason> {
        let (share, sender) = if relayed { (PER_RELAYED_SENDER, Some(ticket.from)) } else { (PER_STRANGER_PATH, None) };
        let deferred = Deferred { packet: packet.to_vec(), ticket, sealed: true, tried: ticket.arrived };
        self.eldest.get_or_insert(ticket.arrived);
        self.sealed.push((ticket.path, sender), share, deferred).lost().map(|_| DropReason::DeferredFull)
    }

    /// Keeps an opened packet.
    pub(crate) fn push_opened(&mut self, now: Mono, ticket: Ticket, packet: &[u8]) -> Option<DropReason> {
        if now.saturating_since(ticket.arrived) >= QUEUE_TIMEOUT {
            return Some(DropReason::DeferredExpired);
        }
        let same = |d: &Deferred| d.ticket.from == ticket.from;
        let full = self.opened.iter().filter(|d| same(d)).count() >= PER_PEER;
        let victim = if full { self.opened.iter().position(same) } else { (self.opened.len() >= ROOM).then_some(0) };
        let dropped = victim.and_then(|at| self.opened.remove(at)).map(|_| DropReason::DeferredFull);
        self.opened.push_back(Deferred { packet: packet.to_vec(), ticket, sealed: false, tried: now });
        dropped
    }

    /// Everything waiting may be tried now.
    pub(crate) fn hurry(&mut self) {
        self.hurry = !self.opened.is_empty() || !self.sealed.is_empty();
        for d in &mut self.opened {
            d.tried = Mono::ZERO;
        }
    }

    /// Opened packets of this sender may be tried now.
    pub(crate) fn hurry_from(&mut self, sender: Address) {
        for d in self.opened.iter_mut().filter(|d| d.ticket.from == sender) {
            d.tried = Mono::ZERO;
        }
    }

    /// The next packet to try again: a sealed one whose sender is `known` since an identity arrived, or an opened one that
    /// waited long enough.
    pub(crate) fn next(&mut self, now: Mono, known: impl Fn(Address) -> bool) -> Option<Deferred> {
        if self.hurry
            && let Some(deferred) = self.next_sealed(known)
        {
            return Some(deferred);
        }
        self.hurry = false;
        let at = self.opened.iter().position(|d| now.saturating_since(d.tried) >= QUEUE_RETRY);
        self.opened.remove(at?)
    }

    /// The oldest packet whose sender is known now.
    fn next_sealed(&mut self, known: impl Fn(Address) -> bool) -> Option<Deferred> {
        let ready = self.sealed.entries().filter(|(_, d)| known(d.ticket.from));
        let (stranger, arrived, id) =
            ready.map(|(s, d)| (s, d.ticket.arrived, d.ticket.packet_id)).min_by_key(|(_, at, _)| *at)?;
        self.sealed.remove(stranger, |d| d.ticket.arrived == arrived && d.ticket.packet_id == id)
    }

    /// Drops what is too old; returns how many.
    pub(crate) fn expire(&mut self, now: Mono) -> u64 {
        let fresh = |d: &Deferred| now.saturating_since(d.ticket.arrived) < QUEUE_TIMEOUT;
        let before = self.opened.len();
        self.opened.retain(fresh);
        let mut gone = before - self.opened.len();
        if self.eldest.is_some_and(|at| now.saturating_since(at) >= QUEUE_TIMEOUT) {
            gone += self.sealed.retain(fresh);
            self.eldest = self.sealed.iter().map(|d| d.ticket.arrived).min();
        }
        gone as u64
    }

    /// When something may be tried again or expires.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        if self.hurry {
            return Some(Mono::ZERO);
        }
        let due = |d: &Deferred| (d.tried + QUEUE_RETRY).min(d.ticket.arrived + QUEUE_TIMEOUT);
        let sealed = self.eldest.filter(|_| !self.sealed.is_empty()).map(|at| at + QUEUE_TIMEOUT);
        self.opened.iter().map(due).chain(sealed).min()
    }

    /// Senders that are waited for, and how a packet of each came.
    pub(crate) fn unknown_senders(&self) -> Vec<Ticket> {
        let mut seen = BTreeSet::new();
        self.sealed.iter().map(|d| d.ticket).filter(|t| seen.insert(t.from)).collect()
    }

    pub(crate) fn has_unknown_senders(&self) -> bool {
        !self.sealed.is_empty()
    }

    /// How a packet of this unknown sender came, if one waits.
    pub(crate) fn unknown_sender(&self, address: Address) -> Option<Ticket> {
        self.sealed.iter().map(|d| d.ticket).find(|t| t.from == address)
    }
}

#[cfg(test)]
mod tests;
