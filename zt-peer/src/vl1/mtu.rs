//! Sizes of datagrams by path: learnt ones are applied to the paths in use.

use zt_wire::Now;

use super::Vl1;
use crate::link::Path;

impl Vl1 {
    /// The owner found out that `path` takes no datagrams above `size` bytes of payload: packets are cut accordingly
    /// (any split is legal, 02 §3.3) for some minutes.
    pub fn learn_path_mtu(&mut self, now: Now, path: Path, size: u16) {
        self.links.learn_mtu(now.mono, path, size);
        self.refresh_mtus();
    }

    /// Brings the paths in use in step with what is configured and learnt.
    pub(super) fn refresh_mtus(&mut self) {
        for id in self.peers.ids() {
            let links = &self.links;
            self.peers.get_mut(id).paths_mut().set_rooms(|path| links.room(path));
        }
    }
}
