//! Forwarding for others (03 §4).

use zt_wire::packet::RELAY_MAX_HOPS;
use zt_wire::{Address, Fragment, Mono, Now, Packet};

use super::Vl1;
use crate::drop_reason::DropReason;
use crate::link::Path;
use crate::peer::path_choice;
use crate::peer_table::PeerId;
use crate::rate::TRUST;
use crate::transmit::Transmits;

impl Vl1 {
    pub(super) fn relay_fragment(
        &mut self,
        now: Now,
        path: Path,
        to: Address,
        datagram: &mut [u8],
        out: &mut Transmits,
    ) -> Result<(), DropReason> {
        self.may_relay(now.mono, path, to)?;
        let mut fragment = Fragment::new_checked(&mut *datagram).map_err(|_| DropReason::BadFragment)?;
        let hops = fragment.hops();
        if hops >= RELAY_MAX_HOPS {
            return Err(DropReason::HopLimit);
        }
        fragment.set_hops(hops + 1);
        let direct = self.direct_hop(now.mono, to);
        let (id, slot) = direct.or_else(|| self.upward_hop(now.mono, None)).ok_or(DropReason::NoRelayRoute)?;
        self.forward(now.mono, id, slot, datagram, out);
        Ok(())
    }

    pub(super) fn relay_head(
        &mut self,
        now: Now,
        path: Path,
        datagram: &mut [u8],
        out: &mut Transmits,
    ) -> Result<(), DropReason> {
        let mut packet = Packet::new_checked(&mut *datagram).map_err(|_| DropReason::TooLong)?;
        let (from, to, hops) = (packet.source(), packet.destination(), packet.hops());
        self.may_relay(now.mono, path, to)?;
        if hops >= RELAY_MAX_HOPS {
            return Err(DropReason::HopLimit);
        }
        packet.set_hops(hops + 1);
        if let Some((id, slot)) = self.direct_hop(now.mono, to) {
            self.forward(now.mono, id, slot, datagram, out);
            self.unite(now, path, from, to, out);
            return Ok(());
        }
        let (id, slot) = self.upward_hop(now.mono, Some(from)).ok_or(DropReason::NoRelayRoute)?;
        self.forward(now.mono, id, slot, datagram, out);
        Ok(())
    }

    /// For anyone when we are a root; else only for what comes by a path on which members proved themselves.
    fn may_relay(&self, now: Mono, path: Path, to: Address) -> Result<(), DropReason> {
        if to.is_reserved() {
            return Err(DropReason::ReservedAddress);
        }
        let trusted = || {
            let trust = self.paths.get(&path).and_then(|p| p.trust);
            trust.is_some_and(|t| now.saturating_since(t) < TRUST)
        };
        if self.roots.am_root() || trusted() { Ok(()) } else { Err(DropReason::NotOurRelay) }
    }

    /// The destination's own path: the one in use, else any that has not expired.
    fn direct_hop(&self, now: Mono, to: Address) -> Option<(PeerId, usize)> {
        let id = self.peers.id(to)?;
        let peer = self.peers.get(id);
        let slot =
            peer.route.or_else(|| path_choice::last_resort(peer, now).filter(|i| !peer.slots[*i].is_expired(now)))?;
        Some((id, slot))
    }

    /// Towards the best root, never back to the packet's source.
    fn upward_hop(&self, now: Mono, source: Option<Address>) -> Option<(PeerId, usize)> {
        let id = self.best_upstream(now, source)?;
        let peer = self.peers.get(id);
        Some((id, peer.route.or_else(|| path_choice::last_resort(peer, now))?))
    }

    fn forward(&mut self, now: Mono, id: PeerId, slot: usize, datagram: &[u8], out: &mut Transmits) {
        let peer = self.peers.get_mut(id);
        // With a choice of paths a relay notices when one dies; without one there is nothing to decide.
        let several = peer.slots.len() > 1;
        let Some(s) = peer.slots.get_mut(slot) else { return };
        s.last_sent.note(now);
        let path = s.path;
        if several {
            let due = s.live.traffic_out(now);
            self.peers.arm(id, due);
        }
        out.push_datagram(path, datagram, None);
    }
}
