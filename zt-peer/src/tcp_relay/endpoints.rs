//! To whom a client may send: to endpoints that answer the protocol, and a few datagrams to others to find out.
//!
//! A relay has no keys. What it sees of an answer: it comes from the endpoint that was sent to, to the node that sent, from
//! a node that was sent to. No other service answers so, and one that echoes does not turn the addresses around.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::time::Duration;

use zt_wire::{Address, Datagram, Fragment, Mono, Pace, Packet, classify};

use super::cause::Cause;

/// Endpoints of one client that are remembered.
const MAX_ENDPOINTS: usize = 512;
/// An endpoint that answered may be sent to for so long after it was heard last.
const ANSWERED: Duration = Duration::from_secs(120);
/// Datagrams to an endpoint that has not answered: so many at first, then one in this time.
const TRIES: (Duration, u32) = (Duration::from_secs(1), 8);
/// The same to all such endpoints of one client.
const ALL_TRIES: (Duration, u32) = (Duration::from_millis(125), 64);
/// Nodes that a client is known to be: itself, and what it may forward for.
const MAX_NODES: usize = 4;
/// Pairs of nodes that are remembered of what was sent to an endpoint.
const MAX_PAIRS: usize = 4;

/// The endpoints of one client.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    known: BTreeMap<SocketAddrV4, Known>,
    /// Sources of its packets.
    nodes: Vec<Address>,
    tries: Pace,
}

/// What is known of an endpoint.
#[derive(Debug, Default)]
struct Known {
    /// Sources and destinations of packets sent there, the latest last.
    pairs: Vec<(Address, Address)>,
    /// It answered, and was heard last then.
    heard: Option<Mono>,
    tries: Pace,
    sent: Mono,
}

/// Who a datagram is from and for, as far as it says.
struct Nodes {
    source: Option<Address>,
    destination: Address,
}

fn nodes(datagram: &[u8]) -> Option<Nodes> {
    match classify(datagram) {
        Datagram::Head => {
            let packet = Packet::new_checked(datagram).ok()?;
            Some(Nodes { source: Some(packet.source()), destination: packet.destination() })
        }
        Datagram::Fragment => {
            let fragment = Fragment::new_checked(datagram).ok().filter(Fragment::is_sane)?;
            Some(Nodes { source: None, destination: fragment.destination() })
        }
        _ => None,
    }
}

impl Known {
    fn answers(&self, now: Mono) -> bool {
        self.heard.is_some_and(|heard| now.saturating_since(heard) < ANSWERED)
    }
}

impl Endpoints {
    /// Endpoints that answer.
    #[cfg(test)]
    pub(super) fn answering(&self, now: Mono) -> usize {
        self.known.values().filter(|known| known.answers(now)).count()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether a datagram may be sent to an endpoint; true inside when that is one which answers.
    pub(super) fn send(&mut self, now: Mono, to: SocketAddrV4, datagram: &[u8]) -> Result<bool, Cause> {
        let Nodes { source, destination } = nodes(datagram).ok_or(Cause::NotAPacket)?;
        if let Some(known) = self.known.get_mut(&to)
            && known.answers(now)
        {
            known.sent = now;
            return Ok(true);
        }
        // Only who has not too many tries open gets a place for one more.
        if !self.tries.pass(now, ALL_TRIES.0, ALL_TRIES.1) {
            return Err(Cause::Unanswered);
        }
        if !self.known.contains_key(&to) {
            self.make_room(now);
        }
        let known = self.known.entry(to).or_default();
        if !known.tries.pass(now, TRIES.0, TRIES.1) {
            return Err(Cause::Unanswered);
        }
        known.sent = now;
        if let Some(source) = source {
            let pair = (source, destination);
            if !known.pairs.contains(&pair) {
                if known.pairs.len() == MAX_PAIRS {
                    known.pairs.remove(0);
                }
                known.pairs.push(pair);
            }
            if self.nodes.len() < MAX_NODES && !self.nodes.contains(&source) {
                self.nodes.push(source);
            }
        }
        Ok(false)
    }

    /// Whether what came from an endpoint is for this client; true inside when the endpoint answered by it, or had before.
    pub(super) fn receive(&mut self, now: Mono, from: SocketAddrV4, datagram: &[u8]) -> Result<bool, Cause> {
        let Nodes { source, destination } = nodes(datagram).ok_or(Cause::NotAPacket)?;
        if let Some(known) = self.known.get_mut(&from) {
            let answer = || source.is_some_and(|source| known.pairs.contains(&(destination, source)));
            if known.answers(now) || answer() {
                known.heard = Some(now);
                return Ok(true);
            }
        }
        // Somebody who was told where this client is, and calls first.
        if self.nodes.contains(&destination) { Ok(false) } else { Err(Cause::Uninvited) }
    }

    /// Forgets the endpoint that is worth least.
    fn make_room(&mut self, now: Mono) {
        if self.known.len() >= MAX_ENDPOINTS {
            let least = self.known.iter().min_by_key(|(_, known)| (known.answers(now), known.sent));
            if let Some(endpoint) = least.map(|(endpoint, _)| *endpoint) {
                self.known.remove(&endpoint);
            }
        }
    }
}
