//! Forwarding for others (03 §4).

use zt_wire::packet::RELAY_MAX_HOPS;
use zt_wire::{Address, Fragment, Mono, Now, Packet};

use super::Vl1;
use crate::drop_reason::DropReason;
use crate::link::Path;
use crate::peer_table::PeerId;
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
        let id = direct.or_else(|| self.best_upstream(now.mono, None)).ok_or(DropReason::NoRelayRoute)?;
        self.forward(now.mono, id, datagram, out);
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
        if let Some(id) = self.direct_hop(now.mono, to) {
            self.forward(now.mono, id, datagram, out);
            self.unite(now, path, from, (to, id), out);
            return Ok(());
        }
        // Towards the best root, never back to the packet's source.
        let id = self.best_upstream(now.mono, Some(from)).ok_or(DropReason::NoRelayRoute)?;
        self.forward(now.mono, id, datagram, out);
        Ok(())
    }

    /// For anyone when we are a root; else only for what comes by a path on which members proved themselves.
    fn may_relay(&self, now: Mono, path: Path, to: Address) -> Result<(), DropReason> {
        if to.is_reserved() {
            return Err(DropReason::ReservedAddress);
        }
        if self.roots.am_root() || self.paths.is_trusted(now, &path) { Ok(()) } else { Err(DropReason::NotOurRelay) }
    }

    /// The destination, if it has a path of its own that has not expired.
    fn direct_hop(&mut self, now: Mono, to: Address) -> Option<PeerId> {
        let id = self.peers.id(to)?;
        let reachable = self.peers.hop(id).path().is_some() || self.peers.get(id).paths().are_reachable(now);
        reachable.then_some(id)
    }

    fn forward(&mut self, now: Mono, id: PeerId, datagram: &[u8], out: &mut Transmits) {
        let hop = self.peers.hop(id);
        if let Some(path) = hop.path() {
            hop.sends(now);
            out.push_datagram(path, datagram, None);
            return;
        }
        let Some((path, look_at)) = self.peers.get_mut(id).paths_mut().forward_by_any(now) else { return };
        if let Some(at) = look_at {
            self.peers.arm(id, at);
        }
        out.push_datagram(path, datagram, None);
    }
}
