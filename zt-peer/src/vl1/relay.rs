//! Forwarding for others (03 §4).

use zt_wire::packet::RELAY_MAX_HOPS;
use zt_wire::{Address, Fragment, Mono, Now, Packet};

use super::Vl1;
use crate::drop_reason::DropReason;
use crate::link::Path;
use crate::peer_table::{HopId, PeerTable};
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
        let hop = direct.or_else(|| self.upstream_hop(now.mono, None)).ok_or(DropReason::NoRelayRoute)?;
        self.forward(now.mono, hop, datagram, out);
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
        if let Some(hop) = self.direct_hop(now.mono, to) {
            self.forward(now.mono, hop, datagram, out);
            self.unite(now, path, from, (to, hop), out);
            return Ok(());
        }
        // Towards the best root, never back to the packet's source.
        let hop = self.upstream_hop(now.mono, Some(from)).ok_or(DropReason::NoRelayRoute)?;
        self.forward(now.mono, hop, datagram, out);
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
    fn direct_hop(&mut self, now: Mono, to: Address) -> Option<HopId> {
        let hop = self.peers.hop_to(to)?;
        let reachable = |peers: &PeerTable| peers.get(peers.owner(hop)).paths().are_reachable(now);
        (self.peers.hop_at(hop).path().is_some() || reachable(&self.peers)).then_some(hop)
    }

    /// The best root.
    fn upstream_hop(&mut self, now: Mono, except: Option<Address>) -> Option<HopId> {
        self.best_upstream(now, except).map(|id| self.peers.hop(id))
    }

    fn forward(&mut self, now: Mono, hop: HopId, datagram: &[u8], out: &mut Transmits) {
        let known = self.peers.hop_at(hop);
        if let Some(path) = known.path() {
            known.sends(now);
            out.push_datagram(path, datagram, None);
            return;
        }
        let id = self.peers.owner(hop);
        let Some((path, look_at)) = self.peers.get_mut(id).paths_mut().forward_by_any(now) else { return };
        if let Some(at) = look_at {
            self.peers.arm(id, at);
        }
        // The choice voided it; whom the peer met is asked of it next.
        self.peers.hop(id);
        out.push_datagram(path, datagram, None);
    }
}
