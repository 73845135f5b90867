//! Introductions: made when we relay, and followed when a root makes one (03 §10.1, 02 §6.8).

use std::net::SocketAddr;

use zt_wire::verb::Rendezvous;
use zt_wire::{Address, Mono, Now};

use super::Vl1;
use crate::config::SendOptions;
use crate::drop_reason::DropReason;
use crate::inbound::{Handled, ReplyTo, Ticket};
use crate::link::{Endpoint, Path};
use crate::peer::{Peer, Probe};
use crate::peer_table::{HopId, PeerId};
use crate::transmit::Transmits;

/// Time to live of the datagram that opens our own NAT without reaching the peer.
const OPENER_TTL: u8 = 2;

impl Vl1 {
    /// Tells two peers, whose packet we just forwarded, of each other: once in 30 s per pair. `path`: by which it came.
    pub(super) fn unite(
        &mut self,
        now: Now,
        path: Path,
        source: Address,
        (destination, hop): (Address, HopId),
        out: &mut Transmits,
    ) {
        // Most packets end here, whether they come from where they say or not: nothing of their source is needed.
        if self.peers.has_met(now.mono, hop, source) || destination == source {
            return;
        }
        let Some(of_source) = self.peers.hop_from(source) else { return };
        if self.peers.has_met(now.mono, of_source, destination) {
            return;
        }
        let Some((s, d)) = self.peers.id(source).zip(self.peers.id(destination)) else { return };
        let (us, ud) = (self.peers.get(s).united(), self.peers.get(d).united());
        let t = now.mono;
        let at_once = us.was_last(t, destination, ud.moved_at()) || ud.was_last(t, source, us.moved_at());
        if at_once || us.is_used_up(t) {
            return;
        }
        // Nothing in a relayed packet is proved: it must at least come from where its sender or another root is.
        let has_path = |peer: &Peer| peer.paths().contains(path);
        if !has_path(self.peers.get(s)) && !self.upstreams_but(None).any(|(_, root)| has_path(root)) {
            return;
        }
        if us.is_fresh(t, destination, ud.moved_at()) || ud.is_fresh(t, source, us.moved_at()) {
            return;
        }
        if !self.peers.get_mut(s).united_mut().note(t, destination) {
            return;
        }
        self.peers.get_mut(d).united_mut().is_last(t, source);
        let Some((path_of_d, path_of_s)) = self.common_ground(now.mono, d, s) else { return };
        let mut both = [(destination, path_of_d, source, path_of_s), (source, path_of_s, destination, path_of_d)];
        if self.wire.random_below(2) == 1 {
            both.swap(0, 1);
        }
        for (to, via, other, where_) in both {
            let body = Rendezvous { flags: 0, peer: other, endpoint: where_.remote.inet(), rest: &[] };
            self.reply(now, &ReplyTo { address: to, path: via, relayed: false }, &body, SendOptions::default(), out);
        }
    }

    /// Best pair of paths of the same scope and family, highest scope first, IPv6 before IPv4.
    fn common_ground(&self, now: Mono, x: PeerId, y: PeerId) -> Option<(Path, Path)> {
        let best = |id: PeerId, scope: u8, v6: bool| {
            let told = |p: &Path| self.links.get(p.link).is_some_and(|link| link.kind.has_udp_addresses());
            let alike = |at: SocketAddr| at.is_ipv6() == v6;
            let fits =
                |p: &Path| p.remote.scope() as u8 == scope && p.remote.socket_addr().is_some_and(alike) && told(p);
            self.peers.get(id).paths().best_among(now, fits)
        };
        (0..=7u8)
            .rev()
            .find_map(|scope| [true, false].into_iter().find_map(|v6| best(x, scope, v6).zip(best(y, scope, v6))))
    }

    /// A root tells where a peer is: open our NAT towards it, then probe.
    pub(super) fn handle_rendezvous(
        &mut self,
        now: Now,
        c: &Ticket,
        m: &Rendezvous<'_>,
        out: &mut Transmits,
    ) -> Handled {
        let Some(remote) = m.endpoint.socket_addr().filter(|a| a.port() != 0) else { return Handled::Counted };
        let Some(id) = self.peers.id(m.peer) else { return Handled::Counted };
        if !self.roots.is_upstream(c.from) {
            self.drops.add(DropReason::NotARoot);
            return Handled::Counted;
        }
        if !self.may_meet(now.mono, id) {
            self.drops.add(DropReason::NoTraffic);
            return Handled::Counted;
        }
        if !self.may_be_path(m.peer, &Endpoint::Ip(remote)) {
            self.drops.add(DropReason::UnusablePath);
            return Handled::Counted;
        }
        self.punch(now, id, Path { link: c.path.link, remote: Endpoint::Ip(remote) }, remote, out);
        Handled::Counted
    }

    /// Whether a direct path to a peer is sought now. In low-bandwidth mode only for traffic: what peers announce now and
    /// then may go over roots.
    pub(super) fn may_meet(&self, now: Mono, id: PeerId) -> bool {
        !self.schedule.periods().only_for_traffic || self.peers.get(id).is_missed(now)
    }

    fn punch(&mut self, now: Now, id: PeerId, path: Path, remote: SocketAddr, out: &mut Transmits) {
        let fits = self.links.get(path.link);
        let fits = fits.is_some_and(|l| l.local.same_family(&path.remote) && self.links.is_for_contact(l));
        // Told over a link of the other family, or one that only answers: all links that can.
        let paths = if fits { vec![path] } else { self.links.paths_to(Endpoint::Ip(remote)) };
        for path in paths {
            let passes = self.peers.get_mut(id).gates_mut().follows_introduction(now.mono, path);
            if !passes || !self.consents(now.mono, id, path, false) {
                continue;
            }
            let junk = self.wire.random().to_be_bytes();
            out.push_datagram(path, &junk[..4], remote.is_ipv4().then_some(OPENER_TTL));
            self.probe(now, id, path, Probe::Echo, out);
        }
    }
}
