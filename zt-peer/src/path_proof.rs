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
const PATIENCE: Duration = Duration::from_millis(2000);
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

/// Answers that wait for the proof of an address.
#[derive(Default)]
pub(crate) struct HeldAnswers(VecDeque<Held>);

/// An answer that waits for the proof of its address.
pub(crate) struct Held {
    to: Address,
    since: Mono,
    pub(crate) path: Path,
    pub(crate) price: usize,
    pub(crate) packet: Taken,
}

impl HeldAnswers {
    /// Keeps an answer. Returns how many were lost: it is too long, or others gave way.
    pub(crate) fn hold(&mut self, now: Mono, to: Address, path: Path, price: usize, packet: Taken) -> u64 {
        if packet.len() > MAX_HELD_LEN {
            return 1;
        }
        let before = self.0.len() + 1;
        self.expire(now);
        if self.0.iter().filter(|h| h.to == to).count() >= HELD_PER_PEER {
            let oldest = self.0.iter().position(|h| h.to == to);
            oldest.and_then(|at| self.0.remove(at));
        } else if self.0.len() >= MAX_HELD {
            self.0.pop_front();
        }
        self.0.push_back(Held { to, since: now, path, price, packet });
        (before - self.0.len()) as u64
    }

    /// Whether an answer to an address of a peer waits.
    pub(crate) fn holds(&self, to: Address, path: Path) -> bool {
        self.0.iter().any(|h| h.to == to && h.path == path)
    }

    /// Takes what waits for a peer: to be sent, or put back.
    pub(crate) fn take_for(&mut self, to: Address) -> Vec<Held> {
        if !self.0.iter().any(|h| h.to == to) {
            return Vec::new();
        }
        let (taken, rest) = std::mem::take(&mut self.0).into_iter().partition::<VecDeque<_>, _>(|h| h.to == to);
        self.0 = rest;
        taken.into()
    }

    /// An answer that was taken cannot go yet. False: it has waited in vain.
    pub(crate) fn put_back(&mut self, now: Mono, held: Held) -> bool {
        let waits = held.is_awaited(now);
        if waits {
            self.0.push_back(held);
        }
        waits
    }

    pub(crate) fn expire(&mut self, now: Mono) {
        self.0.retain(|h| h.is_awaited(now));
    }
}

impl Held {
    fn is_awaited(&self, now: Mono) -> bool {
        now.saturating_since(self.since) < PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use zt_wire::PacketId;
    use zt_wire::verb::{Echo, OkBody, OkEcho, OkReply};

    use super::*;
    use crate::link::{Endpoint, LinkId};
    use crate::transmit::Transmits;

    const T: Mono = Mono(60_000_000);

    fn at(port: u16) -> Path {
        Path { link: LinkId(1), remote: Endpoint::Ip(std::net::SocketAddr::from(([10, 0, 0, 1], port))) }
    }

    fn hold(held: &mut HeldAnswers, now: Mono, to: u64, len: usize) -> u64 {
        let mut out = Transmits::new();
        out.push_datagram(at(1), &vec![0; len], None);
        held.hold(now, Address::new(to), at(1), len, out.take_last().expect("pushed above"))
    }

    #[test]
    fn what_proves_nothing_costs_twice_its_length() {
        let echo = |data: &[u8]| {
            let ok = OkReply { in_re_packet: PacketId(1), body: OkBody::Echo(OkEcho { data }) };
            price(&ok, 37 + data.len())
        };
        assert_eq!((price(&Echo { data: &[] }, 28), echo(&[])), (28, 74));
    }

    #[test]
    fn an_answer_waits_for_its_proof_and_not_for_long() {
        let mut held = HeldAnswers::default();
        assert_eq!(hold(&mut held, T, 5, 100), 0);
        assert!(held.holds(Address::new(5), at(1)) && !held.holds(Address::new(6), at(1)));
        assert!(held.take_for(Address::new(6)).is_empty());
        let taken = held.take_for(Address::new(5)).pop().expect("it waits");
        assert!(!held.holds(Address::new(5), at(1)));
        assert!(held.put_back(T + PATIENCE / 2, taken));
        let taken = held.take_for(Address::new(5)).pop().expect("it waits on");
        assert!(!held.put_back(T + PATIENCE, taken), "as long as from the beginning");
    }

    #[test]
    fn few_answers_wait_and_none_that_is_long() {
        let mut held = HeldAnswers::default();
        assert_eq!(hold(&mut held, T, 5, MAX_HELD_LEN + 1), 1);
        let lost: u64 = (0..10).map(|_| hold(&mut held, T, 5, 50)).sum();
        assert_eq!((lost, held.take_for(Address::new(5)).len()), (10 - HELD_PER_PEER as u64, HELD_PER_PEER));
        let lost: u64 = (0..1000).map(|to| hold(&mut held, T, to, 50)).sum();
        assert_eq!((lost, held.0.len()), (1000 - MAX_HELD as u64, MAX_HELD));
        assert_eq!(hold(&mut held, T + PATIENCE, 5, 50), MAX_HELD as u64, "all others waited in vain");
    }
}
