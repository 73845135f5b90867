//! What nodes say that have nothing to say: measured over days of virtual time.

use std::time::Duration;

use crate::{Lab, NatKind, NodeId, Place};

/// What a member sent in a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Datagrams.
    pub packets: u64,
    /// Their bytes, without headers of IP and UDP.
    pub bytes: u64,
}

/// A member behind a home NAT that has met all `peers` and is idle since, as they are.
pub struct Idle {
    /// The network.
    pub lab: Lab,
    /// The member that is watched.
    pub member: NodeId,
}

impl Idle {
    /// All is met and quiet: half an hour after the last frame. `low`: the member that is watched is in low-bandwidth mode.
    pub fn new(seed: u64, peers: usize, low: bool) -> Self {
        let mut places = vec![Place::Behind(NatKind::HOME)];
        places.resize(peers + 1, Place::Public);
        let mut lab = Lab::new(&format!("idle_{peers}_{low}"), seed, &places);
        let member = lab.members[0];
        for peer in lab.members.clone().into_iter().skip(1) {
            lab.sim.ping(member, peer, lab.network, Duration::from_millis(100), 5);
        }
        lab.sim.run_for(Duration::from_secs(20));
        let now = lab.sim.node(member).now(lab.sim.time());
        lab.sim.node_mut(member).engine_mut().set_low_bandwidth(now, low);
        lab.sim.touch(member);
        lab.sim.run_for(Duration::from_secs(1800));
        Self { lab, member }
    }

    /// What the member says in this time.
    pub fn listen(&mut self, time: Duration) -> Said {
        let before = self.said();
        self.lab.sim.run_for(time);
        let after = self.said();
        Said { packets: after.packets - before.packets, bytes: after.bytes - before.bytes }
    }

    fn said(&self) -> Said {
        let node = self.lab.sim.node(self.member);
        Said { packets: node.sent, bytes: node.sent_bytes }
    }
}
