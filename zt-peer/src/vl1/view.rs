//! Questions about the state.

use std::time::Duration;

use zt_wire::{Address, Identity, Now};

use super::Vl1;
use crate::drop_reason::DropReason;
use crate::event::{PathView, PeerView, Role};
use crate::link::Link;
use crate::peer::Peer;
use crate::peer::path_choice;
use crate::peer_table::PeerId;

impl Vl1 {
    /// Identity of an address: our own, or a peer's in memory.
    pub fn identity_of(&self, address: Address) -> Option<&Identity> {
        if address == self.wire.address() {
            return Some(self.wire.own());
        }
        self.peers.find(address).map(|p| &p.identity)
    }

    /// Whether an address is a root of some world in use (never our own).
    pub fn is_upstream(&self, address: Address) -> bool {
        self.roots.is_upstream(address)
    }

    /// Whether we are a root of some world in use.
    pub const fn am_root(&self) -> bool {
        self.roots.am_root()
    }

    /// Whether a root answers, or we are one.
    pub const fn is_online(&self) -> bool {
        self.roots.is_online()
    }

    /// Roots, best first.
    pub fn upstreams(&self, now: Now) -> Vec<Address> {
        let mut ids: Vec<PeerId> = self.upstream_ids();
        ids.sort_by_key(|id| self.upstream_rank(now.mono, *id));
        ids.into_iter().map(|id| self.peers.get(id).identity.address).collect()
    }

    /// Round trip over the direct path in use.
    pub fn direct_latency(&self, address: Address) -> Option<Duration> {
        self.peers.find(address)?.route_slot()?.live.rtt.latency()
    }

    /// Protocol version of a peer, once told.
    pub fn protocol_of(&self, address: Address) -> Option<u8> {
        self.peers.find(address)?.version.map(|v| v.protocol)
    }

    /// Number of peers in memory.
    pub fn peer_count(&self) -> usize {
        self.peers.len()
    }

    /// All peers, in order of their address.
    pub fn peers(&self, now: Now) -> Vec<PeerView> {
        let mut views: Vec<PeerView> = self.peers.iter().map(|p| self.view_of(now, p)).collect();
        views.sort_by_key(|v| v.identity.address);
        views
    }

    /// One peer.
    pub fn peer(&self, now: Now, address: Address) -> Option<PeerView> {
        self.peers.find(address).map(|p| self.view_of(now, p))
    }

    /// Links in use.
    pub fn links(&self) -> impl Iterator<Item = &Link> + '_ {
        self.links.iter()
    }

    /// Counters of refusals.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        self.drops.iter()
    }

    fn view_of(&self, now: Now, peer: &Peer) -> PeerView {
        let t = now.mono;
        let route = peer.route;
        let mut slots: Vec<(usize, &crate::peer::Slot)> = peer.slots.iter().enumerate().collect();
        slots.sort_by_key(|(i, s)| (Some(*i) != route, s.rank, path_choice::quality(s, t)));
        let paths: Vec<PathView> = slots
            .into_iter()
            .map(|(i, s)| PathView {
                path: s.path,
                last_sent: s.last_sent.since(t),
                last_heard: Some(t.saturating_since(s.live.heard)),
                latency: s.live.rtt.latency(),
                preferred: Some(i) == route,
                suspected: s.live.is_suspected(),
                is_active: !s.is_expired(t) && !s.live.is_suspected(),
                rank: s.rank,
                last_probe: s.last_probe.map(|l| t.saturating_since(l)),
                heard_first: s.heard_first,
                trusted_path_id: s.trusted.unwrap_or(0),
            })
            .collect();
        let role = match self.roots.upstream(peer.identity.address) {
            Some(u) if !u.planets.is_empty() => Role::Planet,
            Some(_) => Role::Moon,
            None => Role::Leaf,
        };
        PeerView {
            identity: peer.identity,
            version: peer.version.map(|v| (v.protocol, v.major, v.minor, v.revision)),
            latency: peer.route_slot().and_then(|s| s.live.rtt.latency()),
            role,
            last_heard: peer.last_receive.map(|l| t.saturating_since(l)),
            paths,
            relay: peer.via,
        }
    }
}
