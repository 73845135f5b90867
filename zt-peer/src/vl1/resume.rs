//! The host slept, or this process was stopped: what was not heard or answered in that time says nothing of anybody, and
//! NATs may have forgotten us.

use std::time::Duration;

use zt_wire::Now;

use super::Vl1;
use crate::peer_table::PeerId;
use crate::transmit::Transmits;

/// Most peers greeted at once, those with traffic first. The others follow with the round and with their traffic.
const AT_ONCE: usize = 64;

impl Vl1 {
    /// Nothing was handed in for `time`, because the host slept or the process was stopped. To be called before anything else
    /// is, what is due among it: nobody is forgotten for that time, and roots and active peers are greeted at once.
    pub fn resume(&mut self, now: Now, time: Duration, out: &mut Transmits) {
        self.links.forget_asked();
        for id in self.peers.ids() {
            self.peers.get_mut(id).resume(time);
        }
        for id in self.upstream_ids() {
            let questions = self.peers.get_mut(id).paths_mut().resume(now.mono, time, false);
            self.ask_all(now, id, questions.0, out);
            self.tell_route(now, id, questions.1, out);
            self.greet_root(now, id, out);
        }
        for id in self.missed_first(now) {
            let (questions, change) = self.peers.get_mut(id).paths_mut().resume(now.mono, time, true);
            self.tell_route(now, id, change, out);
            self.ask_all(now, id, questions, out);
            if self.peers.get(id).paths().is_empty() {
                self.greet_peers(now, vec![id], None, out);
            } else {
                // Its NAT may let us in only after it was told, over a root.
                self.greet_over_root(now, id, out);
            }
        }
        self.schedule.hurry_round(now.mono);
    }

    /// Active peers that are no roots: those with traffic first, and no more than are greeted at once.
    fn missed_first(&self, now: Now) -> Vec<PeerId> {
        let mut missed: Vec<PeerId> = self.peers.ids();
        missed.retain(|id| {
            let peer = self.peers.get(*id);
            peer.is_missed(now.mono) && !self.roots.is_upstream(peer.address())
        });
        missed.sort_by_key(|id| !self.peers.get(*id).activity().is_wanted(now.mono));
        missed.truncate(AT_ONCE);
        missed
    }
}
