//! Packets to unproved addresses are paid for, or wait.

use zt_wire::{Address, Mono, Now};

use super::Vl1;
use crate::drop_reason::DropReason;
use crate::inbound::Ticket;
use crate::link::Path;
use crate::path_proof::Payer;
use crate::peer::Probe;
use crate::peer_table::PeerId;
use crate::transmit::Transmits;

impl Vl1 {
    /// Whether a peer has proved that it is where `path` leads: a path of it goes to that host, by whatever port, or a
    /// world in use names the address for it, so that a root which asks whether we are there is answered before it has
    /// answered us. `relayed`: the packet in hand came over others, whose own path it is.
    pub(super) fn is_proved(&self, id: PeerId, path: Path, relayed: bool) -> bool {
        if self.is_named(self.peers.get(id).address(), &path.remote) {
            return true;
        }
        let leads_there = |id: PeerId| self.peers.get(id).paths().lead_to(&path.remote);
        leads_there(id) || relayed && self.roots.addresses().filter_map(|a| self.peers.id(a)).any(leads_there)
    }

    /// Who pays for an answer to a packet of the peer that came by `path`.
    pub(super) fn payer(&self, now: Mono, id: PeerId, path: Path, relayed: bool) -> Payer {
        if self.is_proved(id, path, relayed) { Payer::Nobody } else { Payer::Path(now) }
    }

    /// Takes down what a packet of `len` bytes is worth.
    pub(super) fn earn(&mut self, now: Mono, c: &Ticket, len: usize) {
        let proved = self.is_proved(c.id, c.path, c.hops > 0);
        let ledger = self.peers.get_mut(c.id).ledger_mut();
        if proved { ledger.save(len) } else { ledger.earn_at(now, c.path, len) }
    }

    /// Bytes that may be sent to an unproved address of a peer.
    pub(super) fn credit(&self, id: PeerId, path: Path) -> usize {
        self.peers.get(id).ledger().credit(path)
    }

    /// Whether an answer to an unproved address of the peer waits.
    pub(super) fn holds(&self, id: PeerId, path: Path) -> bool {
        self.held.holds(self.peers.get(id).address(), path)
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

    /// Whether probes of `len` bytes in all may go to an address that the peer named by the packet in hand.
    fn spend_for(&mut self, c: &Ticket, len: usize) -> bool {
        let proved = self.is_proved(c.id, c.path, c.hops > 0);
        let ledger = self.peers.get_mut(c.id).ledger_mut();
        if proved { ledger.spend_saved(len) } else { ledger.spend_at(c.path, len) }
    }

    /// Probes the addresses that a peer named, as far as what it sent suffices; the others wait.
    pub(super) fn probe_named(&mut self, now: Now, c: &Ticket, out: &mut Transmits) {
        let peer = self.peers.get_mut(c.id);
        if peer.activity().is_trusted(now.mono) {
            peer.ledger_mut().allow(now.mono);
        }
        let mut waiting = peer.ledger_mut().take_named().into_iter();
        while let Some(remote) = waiting.next() {
            let mut paths = self.links.paths_to(remote);
            paths.retain(|p| !self.works(c.id, *p));
            let len = paths.len() * self.probe_len(c.id);
            if !self.spend_for(c, len) {
                let rest = std::iter::once(remote).chain(waiting);
                return self.peers.get_mut(c.id).ledger_mut().name(rest);
            }
            for path in paths {
                self.probe(now, c.id, path, Probe::Echo, out);
            }
        }
    }
}
