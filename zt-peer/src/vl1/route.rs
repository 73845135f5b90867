//! Which way packets to a peer take (03 §3), and what follows when it changes.

use std::sync::Arc;

use zt_wire::packet::HEADER_LEN;
use zt_wire::verb::{Unknown, Verb};
use zt_wire::{Address, Body, FlowId, Mono, Now, PacketId};

use super::Vl1;
use crate::config::SendOptions;
use crate::drop_reason::DropReason;
use crate::event::Vl1Event;
use crate::inbound::ReplyTo;
use crate::link::Path;
use crate::outgoing::{NextHop, SendError, carries_traffic, is_frame};
use crate::path_proof::Payer;
use crate::peer::{Dropped, RouteChange, Slot, Way};
use crate::peer_table::PeerId;
use crate::transmit::Transmits;
use crate::wire::Outgoing;
use crate::wire::expect::{Purpose, Question};

impl Vl1 {
    /// Sends a message to a known peer, or keeps it until there is a way.
    pub(super) fn send_known(
        &mut self,
        now: Now,
        id: PeerId,
        body: &dyn Body,
        options: SendOptions,
        out: &mut Transmits,
    ) -> Result<Option<PacketId>, SendError> {
        let traffic = carries_traffic(body.verb());
        if self.bonding.in_use
            && out.flow().is_some()
            && let Some(sent) = self.send_everywhere(now.mono, id, body, options, out)
        {
            return sent;
        }
        let flow = out.flow().filter(|_| self.bonding.in_use && traffic);
        let bonded = flow.and_then(|flow| self.bonded_hop(now.mono, id, flow, body.encoded_len()));
        let len = HEADER_LEN + body.encoded_len();
        let hop = bonded.or_else(|| self.next_hop(now.mono, id, traffic, len));
        match hop {
            Some(hop) => {
                if traffic && !hop.direct {
                    self.ask_over_roots(now, id, out);
                }
                self.send_by(now.mono, id, hop, body, options, out)
            }
            None => {
                let to = self.peers.get(id).address();
                self.queue(now.mono, to, body, options);
                Ok(None)
            }
        }
    }

    /// Keeps a message that cannot be sent now.
    pub(super) fn queue(&mut self, now: Mono, to: Address, body: &dyn Body, options: SendOptions) {
        if let Some(reason) = self.waiting.keep_unsent(now, to, body, options) {
            self.drops.add(reason);
        }
        self.schedule.something_waits(now);
    }

    /// Where a packet to a known peer goes (03 §3). `traffic`: it counts as use of the path, which must then prove
    /// itself alive. `len`: of the packet.
    fn next_hop(&mut self, now: Mono, id: PeerId, traffic: bool, len: usize) -> Option<NextHop> {
        if traffic {
            self.note_traffic(now, id);
        }
        if self.peers.get(id).paths().route().is_some() {
            return self.use_path(now, id, true, (traffic, len));
        }
        if traffic {
            self.no_direct_path(now, id);
        }
        match self.relay_for(now, id) {
            Some(root) => self.use_path(now, root, false, (traffic, len)),
            None => self.use_path(now, id, true, (traffic, len)),
        }
    }

    /// Most bytes of a packet that go to a peer in one datagram, as far as is known now: by the path in use, of a bond by each,
    /// and where there is none what every path takes.
    pub fn one_datagram(&self, to: Address) -> usize {
        let known = self.peers.find(to).and_then(|peer| match (peer.bond(), peer.paths().route()) {
            (_, None) => None,
            (None, Some(slot)) => Some(slot.mtu()),
            (Some(_), Some(_)) => peer.paths().iter().filter(|slot| !slot.is_suspected()).map(Slot::mtu).min(),
        });
        known.unwrap_or(zt_wire::packet::DEFAULT_PHYS_MTU).into()
    }

    /// Traffic goes to a peer.
    fn note_traffic(&mut self, now: Mono, id: PeerId) {
        self.peers.get_mut(id).sends_traffic(now);
        self.schedule.traffic(now);
        self.links.asked(now);
    }

    /// The best path of a peer, be it the destination (`direct`) or the root that relays.
    fn use_path(&mut self, now: Mono, id: PeerId, direct: bool, (traffic, len): (bool, usize)) -> Option<NextHop> {
        let way = self.peers.get_mut(id).paths_mut().use_any(now, traffic, len)?;
        let Way { path, mtu, relayed_mtu, trusted, look_at } = way;
        if let Some(at) = look_at {
            self.peers.arm(id, at);
        }
        Some(NextHop { path, mtu: if direct { mtu } else { relayed_mtu }, trusted, direct })
    }

    /// The next hop of a frame by the bond of its receiver.
    fn bonded_hop(&mut self, now: Mono, id: PeerId, flow: FlowId, len: usize) -> Option<NextHop> {
        let Way { path, mtu, trusted, look_at, .. } = self.peers.get_mut(id).bonded_way(now, flow, len)?;
        self.note_traffic(now, id);
        if let Some(at) = look_at {
            self.peers.arm(id, at);
        }
        Some(NextHop { path, mtu, trusted, direct: true })
    }

    /// Sends a frame by every path of a broadcast bond: the same bytes, so that the receiver knows the copies. `None`:
    /// there is no such bond, or none of its paths works.
    fn send_everywhere(
        &mut self,
        now: Mono,
        id: PeerId,
        body: &dyn Body,
        options: SendOptions,
        out: &mut Transmits,
    ) -> Option<Result<Option<PacketId>, SendError>> {
        let bond = self.peers.get(id).bond().filter(|bond| bond.broadcasts())?;
        let first = bond.all().next()?;
        let paths = self.peers.get(id).paths();
        let mtu = bond.all().filter_map(|path| paths.mtu(path, false)).min()?;
        let len = HEADER_LEN + body.encoded_len();
        self.note_traffic(now, id);
        let asks = options.expect_reply.then(|| self.question(now, first, true));
        let peer = self.peers.get(id);
        let outgoing = Outgoing::new(peer.address(), Arc::clone(peer.keys()), peer.suite(), first, mtu);
        let sent = self.wire.write(Outgoing { compress: options.compress, asks, ..outgoing }, body, out);
        if sent.is_err() {
            return Some(sent);
        }
        self.peers.count_sent(id);
        let mut turn = 0;
        while let Some(path) = self.peers.get(id).bond().and_then(|bond| bond.all().nth(turn)) {
            if turn > 0 {
                out.copy_last(path);
            }
            let way = self.peers.get_mut(id).paths_mut().use_path(now, path, true, len);
            let look_at = way.and_then(|way| way.look_at);
            if let Some(at) = look_at {
                self.peers.arm(id, at);
            }
            turn += 1;
        }
        Some(sent)
    }

    /// Traffic for a peer without a working direct path: probes behind, and the operator's hints (03 §3 step 2c).
    pub(super) fn no_direct_path(&mut self, now: Mono, id: PeerId) {
        let peer = self.peers.get_mut(id);
        peer.detour_mut().sends(now);
        if self.peers.is_armed(id) {
            return;
        }
        let peer = self.peers.get(id);
        let memorised = || !self.links.attempts(peer.address()).is_empty() && peer.detour().may_try_memorised(now);
        if !peer.paths().is_empty() || memorised() || self.may_want_address(now, id) {
            self.peers.arm(id, now);
        }
    }

    /// Answers a packet on the path by which it came. ERRORs about frames go out once a second to a peer at most.
    pub fn reply(&mut self, now: Now, to: &ReplyTo, body: &dyn Body, options: SendOptions, out: &mut Transmits) {
        let Some(id) = self.peers.id(to.address) else { return };
        if is_frame_error(body) && !self.peers.get_mut(id).gates_mut().sends_error(now.mono) {
            self.drops.add(DropReason::ErrorGate);
            return;
        }
        let mut payer = self.payer(now.mono, id, to.path, to.relayed);
        let mut path = to.path;
        if payer != Payer::Nobody
            && !proves_path(body)
            && let Some(route) = self.peers.get(id).paths().route()
        {
            // What teaches no path goes where the peer is known to be.
            (payer, path) = (Payer::Nobody, route.path());
        }
        let outgoing = self.outgoing(now.mono, id, path);
        let direct = self.peers.get(id).paths().contains(path);
        let asks = options.expect_reply.then(|| self.question(now.mono, path, direct));
        let outgoing = Outgoing { compress: options.compress, at_once: false, asks, ..outgoing };
        // Too long an answer is none.
        _ = self.make(outgoing, payer, body, out);
    }

    fn send_by(
        &mut self,
        now: Mono,
        id: PeerId,
        hop: NextHop,
        body: &dyn Body,
        options: SendOptions,
        out: &mut Transmits,
    ) -> Result<Option<PacketId>, SendError> {
        let NextHop { path, mtu, direct, .. } = hop;
        let asks = options.expect_reply.then(|| self.question(now, path, direct));
        let peer = self.peers.get(id);
        let outgoing = Outgoing {
            to: peer.address(),
            keys: Arc::clone(peer.keys()),
            suite: peer.suite(),
            path,
            mtu,
            // Deliberate: trusted marking on direct paths only (03 §3, safer point 5).
            trusted: hop.trusted.filter(|_| direct),
            compress: options.compress,
            at_once: false,
            asks,
        };
        self.peers.count_sent(id);
        self.wire.write(outgoing, body, out)
    }

    /// A question for its content.
    fn question(&self, sent: Mono, path: Path, direct: bool) -> Question {
        let (purpose, spread) = (Purpose::Content, self.links.spread_of(path.link));
        Question { sent, purpose, direct, spread, heard_first: false }
    }

    /// Tries to send what waits for a peer.
    pub(super) fn flush_unsent(&mut self, now: Now, to: Address, out: &mut Transmits) {
        let Some(id) = self.peers.id(to) else { return };
        for unsent in self.waiting.take_unsent(to) {
            let len = HEADER_LEN + unsent.body.len();
            match self.next_hop(now.mono, id, carries_traffic(unsent.verb), len) {
                Some(hop) => {
                    let body = Unknown { verb: unsent.verb, body: &unsent.body };
                    let sent = self.send_by(now.mono, id, hop, &body, unsent.options, out);
                    debug_assert!(sent.is_ok() || unsent.body.len() > 9000, "was checked when it was queued");
                }
                None => {
                    if let Some(reason) = self.waiting.put_back(unsent) {
                        self.drops.add(reason);
                    }
                }
            }
        }
    }

    /// Tells when the peer's traffic takes another way.
    pub(super) fn tell_route(&mut self, now: Now, id: PeerId, change: Option<RouteChange>, out: &mut Transmits) {
        let peer = self.peers.get(id).address();
        self.note_route(peer, change);
        if change.is_some_and(|c| c.to.is_some()) {
            self.flush_unsent(now, peer, out);
        }
    }

    /// The same where nothing can have waited for another way.
    pub(super) fn note_route(&mut self, peer: Address, change: Option<RouteChange>) {
        let Some(RouteChange { from, to }) = change else { return };
        match (from, to) {
            (None, Some(_)) => self.event(Vl1Event::PeerUp(peer)),
            (Some(_), None) => self.event(Vl1Event::PeerDown(peer)),
            _ => {}
        }
        self.event(Vl1Event::PathChanged { peer, from, to });
    }

    /// Paths of a peer were dropped.
    pub(super) fn dropped(&mut self, now: Now, id: PeerId, dropped: Dropped, out: &mut Transmits) {
        self.paths.release(&dropped.paths);
        self.tell_route(now, id, dropped.route, out);
    }

    /// Drops paths of a peer: its traffic may take another way.
    pub(super) fn drop_paths(&mut self, now: Now, id: PeerId, gone: impl Fn(&Slot) -> bool, out: &mut Transmits) {
        let dropped = self.peers.get_mut(id).paths_mut().drop_where(now.mono, gone);
        self.dropped(now, id, dropped, out);
    }

    /// Drops a peer.
    pub(super) fn forget_peer(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.remove(id) {
            let paths: Vec<Path> = peer.paths().iter().map(Slot::path).collect();
            self.paths.release(&paths);
        }
    }

    /// Tells whether a root answers.
    pub(super) fn note_root(&mut self, now: Now) {
        let answers = self.upstream_ids().into_iter().any(|id| {
            let peer = self.peers.get(id);
            !peer.paths().is_empty() && peer.activity().heard_within(now.mono, self.schedule.periods().online)
        });
        if let Some(online) = self.roots.note_answers(answers) {
            self.event(Vl1Event::Online(online));
        }
    }
}

/// An answer whose path matters: it shows the peer that this path works.
fn proves_path(body: &dyn Body) -> bool {
    let in_re = || body.to_vec().first().copied().map(Verb);
    body.verb() == Verb::OK && matches!(in_re(), Some(Verb::ECHO | Verb::HELLO))
}

/// An ERROR that a refused frame brings about (safer point 7).
fn is_frame_error(body: &dyn Body) -> bool {
    body.verb() == Verb::ERROR && body.to_vec().first().is_some_and(|v| is_frame(Verb(*v)))
}
