//! Questions about the state.

use std::sync::Arc;
use std::time::Duration;

use zt_wire::{Address, Identity, Now};

use super::Vl1;
use crate::drop_reason::DropReason;
use crate::event::{BondView, PathView, PeerView, Role};
use crate::link::Link;
use crate::peer::{Peer, Slot};
use crate::peer_table::PeerId;
use crate::traffic::{PacketCounts, PeerTraffic};

impl Vl1 {
    /// Identity of an address: our own, or a peer's in memory.
    pub fn identity_of(&self, address: Address) -> Option<&Identity> {
        if address == self.wire.address() {
            return Some(self.wire.own());
        }
        self.peers.find(address).map(|p| p.identity())
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
        ids.sort_by_key(|id| self.peers.get(*id).standing(now.mono));
        ids.into_iter().map(|id| self.peers.get(id).address()).collect()
    }

    /// Milliseconds by which the clocks of peers are ahead of ours, in the middle of them; `None` while none has said HELLO, which
    /// roots need not do.
    pub fn clock_behind(&self, now: Now) -> Option<i64> {
        let clocks = self.peers.ids().into_iter().filter_map(|id| self.peers.get(id).software().clock(now.mono));
        let mut ahead: Vec<i64> = clocks.map(|clock| clock.saturating_sub(now.unix_ms)).collect();
        ahead.sort_unstable();
        ahead.get(ahead.len() / 2).copied()
    }

    /// Round trip over the direct path in use.
    pub fn direct_latency(&self, address: Address) -> Option<Duration> {
        self.peers.find(address)?.paths().route()?.latency()
    }

    /// Protocol version of a peer, once told.
    pub fn protocol_of(&self, address: Address) -> Option<u8> {
        self.peers.find(address)?.software().version().map(|v| v.protocol)
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

    /// Packets received and opened, and packets sent, since the start.
    pub const fn packets(&self) -> (&PacketCounts, &PacketCounts) {
        (self.peers.received(), self.wire.sent())
    }

    /// What was counted of roots, and of peers that proved a relation to us (03 §1), by address. Whoever just says hello has
    /// no part in it: strangers can be as many as they like.
    pub fn peer_traffic(&self) -> Vec<PeerTraffic> {
        let known = |peer: &&Peer| peer.activity().was_trusted() || self.roots.is_upstream(peer.address());
        let mut all: Vec<PeerTraffic> = self.peers.iter().filter(known).map(|peer| self.traffic_of(peer)).collect();
        all.sort_unstable_by_key(|traffic| traffic.address);
        all
    }

    fn traffic_of(&self, peer: &Peer) -> PeerTraffic {
        let packets = self.peers.id(peer.address()).map(|id| self.peers.counts(id)).unwrap_or_default();
        let dead = peer.paths().iter().filter(|slot| slot.is_suspected()).count();
        let alive = peer.paths().iter().count() - dead;
        PeerTraffic { address: peer.address(), packets, latencies: peer.latencies(), alive, dead }
    }

    fn view_of(&self, now: Now, peer: &Peer) -> PeerView {
        let t = now.mono;
        let handed_on = self.peers.id(peer.address()).and_then(|id| self.peers.handed_on(id));
        let sent = |s: &Slot| handed_on.filter(|(path, _)| *path == s.path()).map(|(_, at)| at).max(s.last_sent());
        let paths = peer.paths().best_first(t).into_iter().map(|(s, preferred)| PathView {
            path: s.path(),
            last_sent: sent(s).map(|l| t.saturating_since(l)),
            last_heard: Some(t.saturating_since(s.last_heard())),
            latency: s.latency(),
            preferred,
            suspected: s.is_suspected(),
            is_active: s.is_usable(t),
            rank: s.rank(),
            last_probe: s.last_probe().map(|l| t.saturating_since(l)),
            heard_first: s.heard_first(),
            mtu: s.mtu(),
            trusted_path_id: s.trusted().unwrap_or(0),
            bonded: peer.bond().and_then(|bond| bond.view(t, s.path())),
        });
        let role = match self.roots.upstream(peer.address()) {
            Some(u) if !u.planets.is_empty() => Role::Planet,
            Some(_) => Role::Moon,
            None => Role::Leaf,
        };
        PeerView {
            identity: *peer.identity(),
            version: peer.software().version(),
            latency: peer.paths().route().and_then(Slot::latency),
            role,
            last_heard: peer.activity().last_heard().map(|l| t.saturating_since(l)),
            paths: paths.collect(),
            bond: peer.bond().map(|bond| {
                let (alive, total) = bond.ways();
                BondView { template: Arc::clone(bond.template()), alive, total }
            }),
            relay: peer.detour().via(),
        }
    }
}
