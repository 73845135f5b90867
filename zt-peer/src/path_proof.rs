//! What may be sent to an address before its peer has proved it.
//!
//! Packets are authentic, their source addresses are not: whoever has one identity can write any address on the
//! envelope. Only an answer to something that we sent to an address proves that the peer is there. Until then no more
//! bytes go there than came from there over the wire, compressed as they came; an answer that does not fit waits
//! until the address is proved, and a question that is no larger than what came (ECHO) is asked for that. Addresses
//! that a peer merely names (PUSH_DIRECT_PATHS) are probed for what the peer itself has sent.

use std::collections::VecDeque;
use std::time::Duration;

use zt_wire::verb::Verb;
use zt_wire::{Address, Body, Mono};

use crate::link::Path;
use crate::transmit::Taken;

/// Answers wait this long for the proof of an address.
pub(crate) const PATIENCE: Duration = Duration::from_millis(2000);
/// Most answers that wait, in all and of one peer; the oldest give way, those of the same peer first.
const MAX_HELD: usize = 256;
const HELD_PER_PEER: usize = 4;
/// Longest answer to a HELLO without worlds: to an IPv6 address.
pub(crate) const ANSWER_LEN: usize = 71;
/// Longest answer that may wait.
pub(crate) const MAX_HELD_LEN: usize = 2 << 10;

/// Who answers for the bytes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payer {
    /// Nobody has to: its path is proved, or we send for a reason of our own.
    Nobody,
    /// What came from its path. The time is now.
    Path(Mono),
}

/// What a packet to an unproved address costs: its bytes for what leads to a proof (a question of ours, the short answer
/// to a HELLO), twice as much for everything else. So whoever cannot answer gets clearly less than was sent in its name,
/// also when some credit was left from before.
pub(crate) fn price(body: &dyn Body, len: usize) -> usize {
    let answers_hello = || len <= ANSWER_LEN && body.to_vec().first() == Some(&Verb::HELLO.0);
    let proves = matches!(body.verb(), Verb::ECHO | Verb::HELLO) || body.verb() == Verb::OK && answers_hello();
    if proves { len } else { 2 * len }
}

/// An answer that waits for the proof of its address.
pub(crate) struct Held {
    pub(crate) to: Address,
    pub(crate) path: Path,
    pub(crate) since: Mono,
    pub(crate) price: usize,
    pub(crate) packet: Taken,
}

/// Answers that wait for the proof of an address.
#[derive(Default)]
pub(crate) struct HeldAnswers(pub(crate) VecDeque<Held>);

impl HeldAnswers {
    /// Returns how many gave way.
    pub(crate) fn push(&mut self, held: Held) -> u64 {
        let before = self.0.len() + 1;
        let since = held.since;
        self.0.retain(|h| since.saturating_since(h.since) < PATIENCE);
        if self.0.iter().filter(|h| h.to == held.to).count() >= HELD_PER_PEER {
            let oldest = self.0.iter().position(|h| h.to == held.to);
            oldest.and_then(|at| self.0.remove(at));
        } else if self.0.len() >= MAX_HELD {
            self.0.pop_front();
        }
        self.0.push_back(held);
        (before - self.0.len()) as u64
    }

    pub(crate) fn take_for(&mut self, to: Address) -> Vec<Held> {
        if !self.0.iter().any(|h| h.to == to) {
            return Vec::new();
        }
        let (taken, rest) = std::mem::take(&mut self.0).into_iter().partition::<VecDeque<_>, _>(|h| h.to == to);
        self.0 = rest;
        taken.into()
    }

    pub(crate) fn expire(&mut self, now: Mono) {
        self.0.retain(|h| now.saturating_since(h.since) < PATIENCE);
    }
}
