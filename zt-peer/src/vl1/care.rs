//! Roots and contacts are kept in touch with (03 §6.2).

use zt_wire::Now;

use super::Vl1;
use crate::peer::Care;
use crate::peer_table::PeerId;
use crate::transmit::Transmits;
use crate::wire::expect::Purpose;

impl Vl1 {
    pub(super) fn tend_root(&mut self, now: Now, id: PeerId, is_best: bool, out: &mut Transmits) {
        let care = self.peers.get_mut(id).tend_root(now.mono, self.schedule.periods(), is_best);
        self.take_care(now, id, care, out);
    }

    /// HELLO to a node of the contact list, over a root while there is no path.
    pub(super) fn tend_contact(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let care = self.peers.get_mut(id).tend_contact(now.mono, self.schedule.periods());
        self.take_care(now, id, care, out);
    }

    fn take_care(&mut self, now: Now, id: PeerId, care: Care, out: &mut Transmits) {
        match care {
            Care::Ask(questions) => self.ask_all(now, id, questions, out),
            Care::AskAndLookAround(questions) => {
                self.ask_all(now, id, questions, out);
                if self.schedule.periods().looks_around {
                    self.try_idle_links(now, id, out);
                }
            }
            Care::TryRoot => self.try_root(now, id, out),
            Care::OverRoot => self.greet_over_root(now, id, out),
        }
    }

    /// From each link without a path to a root: HELLO to one of its endpoints, so that a second interface or family
    /// is found.
    fn try_idle_links(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let peer = self.peers.get(id);
        let endpoints = self.roots.upstream(peer.address()).map(|u| u.endpoints.clone()).unwrap_or_default();
        let idle = self
            .links
            .iter()
            .filter(|l| self.links.is_for_contact(l) && peer.paths().iter().all(|s| s.path().link != l.id));
        let idle: Vec<_> = idle.copied().collect();
        for link in idle {
            let fitting: Vec<_> = endpoints.iter().filter(|e| e.same_family(&link.local)).copied().collect();
            let pick = self.wire.random_below(fitting.len());
            if let Some(remote) = fitting.get(pick).copied() {
                self.send_hello(now, id, crate::link::Path { link: link.id, remote }, Purpose::Probe, out);
            }
        }
    }
}
