//! Packets to a peer over a path that is given.

use std::sync::Arc;

use zt_wire::verb::Verb;
use zt_wire::{Body, Mono, PacketId};

use super::Vl1;
use crate::link::Path;
use crate::outgoing::SendError;
use crate::path_proof::{Payer, price};
use crate::peer_table::PeerId;
use crate::transmit::Transmits;
use crate::wire::Outgoing;

impl Vl1 {
    /// A packet to a peer over an explicit path, sealed at once.
    pub(super) fn outgoing(&mut self, now: Mono, id: PeerId, path: Path) -> Outgoing {
        let unknown = self.links.mtu(path);
        self.peers.count_sent(id);
        let peer = self.peers.get_mut(id);
        let mtu = peer.paths().mtu(path, false).unwrap_or(unknown);
        _ = peer.paths_mut().note_sent(now, path);
        Outgoing::new(peer.address(), Arc::clone(peer.keys()), peer.suite(), path, mtu)
    }

    /// Writes a packet into the batch, for whose bytes somebody answers. Its ID is returned if it is final.
    pub(super) fn make(
        &mut self,
        outgoing: Outgoing,
        payer: Payer,
        body: &dyn Body,
        out: &mut Transmits,
    ) -> Result<Option<PacketId>, SendError> {
        let Payer::Path(now) = payer else { return self.wire.write(outgoing, body, out) };
        let (to, path) = (outgoing.to, outgoing.path);
        let sealed = self.wire.write(Outgoing { at_once: true, ..outgoing }, body, out)?;
        self.charge(now, to, path, price(body, out.last_len()), out);
        Ok(sealed)
    }

    /// Sends a body to a peer over an explicit path, sealed at once.
    pub(super) fn send_over(
        &mut self,
        now: Mono,
        id: PeerId,
        path: Path,
        payer: Payer,
        body: &dyn Body,
        out: &mut Transmits,
    ) {
        let compress = body.verb() == Verb::PUSH_DIRECT_PATHS;
        let outgoing = Outgoing { compress, ..self.outgoing(now, id, path) };
        // Too long an answer is none.
        _ = self.make(outgoing, payer, body, out);
    }
}
