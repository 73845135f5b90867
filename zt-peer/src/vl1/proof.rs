//! Packets to unproved addresses are paid for, or wait.

use zt_wire::{Address, Mono};

use super::Vl1;
use crate::drop_reason::DropReason;
use crate::inbound::Ticket;
use crate::link::Path;
use crate::peer_table::PeerId;
use crate::transmit::Transmits;

impl Vl1 {
    /// Takes down what a packet of `len` bytes is worth.
    pub(super) fn earn(&mut self, now: Mono, c: &Ticket, len: usize) {
        let proved = self.train.has_proved(c) || self.is_proved(c.id, c.path, c.hops > 0);
        let ledger = self.peers.get_mut(c.id).ledger_mut();
        if proved { ledger.save(len) } else { ledger.earn_at(now, c.path, len) }
    }

    /// Pays for a packet to an unproved address. Where we ask for the peer ourselves and its own question crosses with
    /// ours, what is missing comes from what the peer sent by proved paths: OK(ECHO) is longer than ECHO by nine bytes, and
    /// two that are as strict as we are must not wait for each other.
    fn pay(&mut self, now: Mono, id: PeerId, path: Path, len: usize, price: usize) -> bool {
        let asked = self.peers.get(id).gates().is_confirming(now, path) || self.has_tried(id, path);
        self.peers.get_mut(id).ledger_mut().pay(path, len, price, asked)
    }

    /// The packet made last goes to an unproved address: it is paid for, or waits.
    pub(super) fn charge(&mut self, now: Mono, to: Address, path: Path, price: usize, out: &mut Transmits) {
        let Some(id) = self.peers.id(to) else { return };
        if self.pay(now, id, path, out.last_len(), price) {
            return;
        }
        let lost = out.take_last().map_or(1, |packet| self.held.hold(now, to, path, price, packet));
        self.count(DropReason::UnprovedPath, lost);
    }

    /// Sends what waited for the peer and may go now: its address is proved, or enough came from there.
    pub(super) fn release_held(&mut self, now: Mono, id: PeerId, out: &mut Transmits) {
        let to = self.peers.get(id).address();
        for held in self.held.take_for(to) {
            let proved = self.is_proved(id, held.path, false);
            if proved || self.pay(now, id, held.path, held.packet.len(), held.price) {
                out.put(held.path, &held.packet);
            } else if !self.held.put_back(now, held) {
                self.drops.add(DropReason::UnprovedPath);
            }
        }
    }

    /// An address of the peer was proved: its account is closed.
    pub(super) fn proved(&mut self, now: Mono, id: PeerId, path: Path, out: &mut Transmits) {
        self.release_held(now, id, out);
        self.peers.get_mut(id).ledger_mut().close(&path.remote);
    }
}
