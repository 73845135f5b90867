//! Looking ahead: whom the next datagrams are of and for, before the first of them is handled.
//!
//! A root of very many peers hands on packets between any two of them. What it needs of the two (a
//! [`Hop`](crate::peer_table) of the receiver, seldom one of the sender) is in no cache of the processor then, and one packet
//! would wait for it after the other. Datagrams come several at a time: asked for at once for all of them, it comes while the
//! first ones are handled. A member with hundreds of others needs the sender of a packet, its path and its keys, of which each says
//! where the next one lies: it reads them for all packets first, so that the waits are one.

use zt_wire::{Address, Datagram, Fragment, Packet, classify};

use super::Vl1;

/// With fewer peers the caches hold all that would be read of them to hand on packets.
pub(super) const MANY: usize = 6_000;
/// With fewer peers the caches hold all that would be read of them to open their packets, some two kilobytes.
const SOME: usize = 500;
/// Packets that are looked ahead at a time: some more than processors have reads under way.
const AHEAD: usize = 32;

impl Vl1 {
    /// Looks ahead at datagrams that are about to be handed in, in any order: those that came with one read of a socket. It
    /// makes handling them faster where there are hundreds of peers, and changes nothing that can be seen; with fewer
    /// it does nothing at all. Only headers are read, and nothing is believed.
    pub fn foresee<'d>(&mut self, datagrams: impl IntoIterator<Item = &'d [u8]>) {
        if self.peers.len() < SOME {
            return;
        }
        // Of packets for ourselves the senders, of the others both ends.
        let (mut senders, mut pairs, mut at_hand) = (Few::new(), 0, 0);
        for [to, from] in datagrams.into_iter().filter_map(ends) {
            let is_at_hand = if to == self.wire.address() {
                let known = self.peers.was_touched(from);
                if !known {
                    senders.add(from, |senders| self.peers.touch_senders(senders));
                }
                known
            } else {
                let asked = self.peers.len() >= MANY && self.peers.prefetch([to, from]);
                pairs += usize::from(asked);
                !asked
            };
            at_hand += usize::from(is_at_hand);
            if at_hand == ENOUGH && senders.len + pairs == 0 {
                return;
            }
        }
        self.peers.touch_senders(senders.all());
    }
}

/// When so many come first that need no looking ahead, the others seldom need it: few converse, however many there are.
const ENOUGH: usize = 4;

/// Up to [`AHEAD`] senders.
struct Few {
    all: [Address; AHEAD],
    len: usize,
}

impl Few {
    const fn new() -> Self {
        Self { all: [Address::NIL; AHEAD], len: 0 }
    }

    /// Adds one, unless it is as the last one: trains are of one peer, mostly. `full` takes them when there is no room.
    fn add(&mut self, one: Address, full: impl FnOnce(&[Address])) {
        if self.len > 0 && self.all[self.len - 1] == one {
            return;
        }
        if self.len == AHEAD {
            full(&self.all);
            self.len = 0;
        }
        self.all[self.len] = one;
        self.len += 1;
    }

    fn all(&self) -> &[Address] {
        &self.all[..self.len]
    }
}

/// Destination and source of a packet; a fragment names its destination only.
fn ends(datagram: &[u8]) -> Option<[Address; 2]> {
    match classify(datagram) {
        Datagram::Head => Packet::new_checked(datagram).ok().map(|packet| [packet.destination(), packet.source()]),
        Datagram::Fragment => Fragment::new_checked(datagram).ok().map(|piece| [piece.destination(); 2]),
        Datagram::Ignored | Datagram::LanBeacon => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trains_count_once_and_no_packet_is_left_out() {
        let (mut few, mut seen) = (Few::new(), Vec::new());
        let all: Vec<Address> = (1..=3 * AHEAD as u64 + 5).map(Address::new).collect();
        for address in &all {
            for _of_a_train in 0..4 {
                few.add(*address, |full| seen.extend_from_slice(full));
            }
        }
        assert_eq!(seen.len(), 3 * AHEAD, "as many as fit are looked at together");
        seen.extend_from_slice(few.all());
        assert_eq!(seen, all);
    }
}
