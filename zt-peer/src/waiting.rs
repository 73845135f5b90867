//! What waits: pieces for the rest of their packet, packets for an identity or for credentials, and packets for a
//! route. Everything is bounded and gives up after five seconds (03 §3, 02 §3.4); what is lost has a name.

use zt_wire::{Address, Body, Mono};

use self::pending::{DeferQueue, Deferred, SendQueue, Unsent};
use self::reassembly::{Piece, Reassembly, Step};
use crate::config::SendOptions;
use crate::drop_reason::DropReason;
use crate::inbound::Ticket;
use crate::link::LinkId;

pub(crate) mod pending;
pub(crate) mod reassembly;

/// See the module.
#[derive(Default)]
pub(crate) struct Waiting {
    reassembly: Reassembly,
    deferred: DeferQueue,
    unsent: SendQueue,
}

impl Waiting {
    /// Takes a piece of a packet; when it completes that, the packet is in `assembled`.
    pub(crate) fn piece(&mut self, now: Mono, piece: Piece<'_>, assembled: &mut Vec<u8>) -> Step {
        self.reassembly.take(now, piece, assembled)
    }

    /// Forgets the pieces that came by a link.
    pub(crate) fn forget_link(&mut self, link: LinkId) {
        self.reassembly.forget(|path| path.link == link);
    }

    /// Keeps a packet of somebody we do not know. `relayed`: by a root.
    pub(crate) fn keep_sealed(&mut self, ticket: Ticket, packet: &[u8], relayed: bool) -> Option<DropReason> {
        self.deferred.push_sealed(ticket, packet, relayed)
    }

    /// Keeps an opened packet that cannot be judged yet.
    pub(crate) fn keep_opened(&mut self, now: Mono, ticket: Ticket, packet: &[u8]) -> Option<DropReason> {
        self.deferred.push_opened(now, ticket, packet)
    }

    /// Keeps a message that cannot leave yet.
    pub(crate) fn keep_unsent(
        &mut self,
        now: Mono,
        to: Address,
        body: &dyn Body,
        options: SendOptions,
    ) -> Option<DropReason> {
        self.unsent.push(now, to, body.verb(), body.to_vec(), options)
    }

    /// An identity arrived: everything that was deferred may be tried now.
    pub(crate) fn hurry(&mut self) {
        self.deferred.hurry();
    }

    /// What the layer above waited for may have come: packets of this sender may be tried now.
    pub(crate) fn hurry_from(&mut self, sender: Address) {
        self.deferred.hurry_from(sender);
    }

    /// The next deferred packet to try again; `known`: there is an identity for this sender.
    pub(crate) fn next_ready(&mut self, now: Mono, known: impl Fn(Address) -> bool) -> Option<Deferred> {
        self.deferred.next(now, known)
    }

    /// Takes the messages for one destination.
    pub(crate) fn take_unsent(&mut self, to: Address) -> Vec<Unsent> {
        self.unsent.take_for(to)
    }

    /// Puts back one that still cannot leave; it keeps its age.
    pub(crate) fn put_back(&mut self, unsent: Unsent) -> Option<DropReason> {
        self.unsent.put_back(unsent)
    }

    /// Destinations of messages that wait.
    pub(crate) fn destinations(&self) -> Vec<Address> {
        self.unsent.destinations().into_iter().collect()
    }

    /// Whether a message waits for this destination.
    pub(crate) fn has_unsent(&self, to: Address) -> bool {
        self.unsent.has(to)
    }

    /// Unknown senders of packets that wait, and how a packet of each came.
    pub(crate) fn unknown_senders(&self) -> Vec<Ticket> {
        self.deferred.unknown_senders()
    }

    /// How a packet of this unknown sender came, if one waits.
    pub(crate) fn unknown_sender(&self, address: Address) -> Option<Ticket> {
        self.deferred.unknown_sender(address)
    }

    /// Whether a route or an identity is waited for.
    pub(crate) fn waits_for_somebody(&self) -> bool {
        !self.unsent.is_empty() || self.deferred.has_unknown_senders()
    }

    /// Gives up what is too old: how much of what.
    pub(crate) fn expire(&mut self, now: Mono) -> [(DropReason, u64); 4] {
        self.reassembly.expire(now);
        let (evicted, expired) = self.reassembly.take_lost();
        [
            (DropReason::ReassemblyFull, evicted),
            (DropReason::ReassemblyExpired, expired),
            (DropReason::DeferredExpired, self.deferred.expire(now)),
            (DropReason::SendExpired, self.unsent.expire(now)),
        ]
    }

    /// When something is due, and what.
    pub(crate) fn deadlines(&self) -> [(Option<Mono>, &'static str); 2] {
        [
            (self.deferred.deadline(), "retry a deferred packet"),
            (self.reassembly.deadline(), "give up an incomplete packet"),
        ]
    }
}

#[cfg(test)]
mod tests;
