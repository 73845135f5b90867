//! What is kept about peers for the time after a restart (03 §12).

use super::Vl1;
use crate::event::Vl1Event;
use crate::peer_table::PeerId;
use crate::snapshot::PeerRecord;

impl Vl1 {
    /// Emits what is worth keeping about a peer as soon as there is something: a proved path, and what software it runs.
    pub(super) fn persist_once(&mut self, id: PeerId) {
        if self.peers.get_mut(id).is_newly_known() {
            self.persist(id);
        }
    }

    /// Emits what is worth keeping about a peer (03 §12).
    pub(super) fn persist(&mut self, id: PeerId) {
        let peer = self.peers.get(id);
        let Some(version) = peer.software().version() else { return };
        let (identity, addresses) = (*peer.identity(), peer.paths().worth_keeping());
        let record = PeerRecord { identity, version, addresses };
        let address = identity.address;
        let record = record.emit_vouched(self.wire.secret());
        self.directory.note_persisted(address);
        self.event(Vl1Event::PersistPeer { address, record });
    }

    /// Emits a [`Vl1Event::PersistPeer`] for every peer: before shutting down.
    pub fn persist_peers(&mut self) {
        for id in self.peers.ids() {
            self.persist(id);
        }
    }
}
