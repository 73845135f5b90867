//! Looking ahead: whom the next datagrams are of and for, before the first of them is handled.
//!
//! A root of very many peers hands on packets between any two of them. What it needs of the two (a place of the index of
//! addresses and a [`Hop`](crate::peer_table) of each) is in no cache of the processor then, and one packet would wait for it
//! after the other. Datagrams come several at a time: read for all of them first, the waits are one.

use zt_wire::{Address, Datagram, Fragment, Packet, classify};

use super::Vl1;

/// With fewer peers the caches hold all that would be read.
pub(super) const MANY: usize = 6_000;
/// Packets that are looked ahead at a time: some more than processors have reads under way.
const AHEAD: usize = 32;

impl Vl1 {
    /// Looks ahead at datagrams that are about to be handed in, in any order: those that came with one read of a socket. It
    /// makes handling them faster where there are thousands of peers, and changes nothing that can be seen; with fewer
    /// it does nothing at all. Only headers are read, and nothing is believed.
    pub fn foresee<'d>(&self, datagrams: impl IntoIterator<Item = &'d [u8]>) {
        if self.peers.len() < MANY {
            return;
        }
        let mut ahead = [[Address::NIL; 2]; AHEAD];
        let mut len = 0;
        for ends in datagrams.into_iter().filter_map(ends) {
            // Trains are of one peer for another, mostly.
            if len > 0 && ahead[len - 1] == ends {
                continue;
            }
            if len == AHEAD {
                self.peers.touch(&ahead);
                len = 0;
            }
            ahead[len] = ends;
            len += 1;
        }
        self.peers.touch(&ahead[..len]);
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
