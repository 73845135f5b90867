//! Outgoing packets: where they go (03 §3) and how they are made.

use std::sync::Arc;
use std::time::Duration;

use zt_wire::packet::{HEADER_LEN, MAX_PACKET_LEN};
use zt_wire::verb::{Unknown, Verb};
use zt_wire::{Address, Body, Mono, Now, PacketId};

use super::Vl1;
use crate::config::SendOptions;
use crate::drop_reason::DropReason;
use crate::inbound::ReplyTo;
use crate::link::Path;
use crate::outgoing::{NextHop, SendError, carries_traffic, is_frame};
use crate::path_proof::{Payer, price};
use crate::peer::path_choice;
use crate::peer_table::PeerId;
use crate::rate::{ERROR_OUT, PEER_ACTIVITY};
use crate::transmit::Transmits;
use crate::wire::Outgoing;
use crate::wire::expect::{Purpose, Question};

impl Vl1 {
    /// Sends a message: directly, over a root, or later when the peer must first be found. The packet ID is known
    /// only when the packet could be sealed at once, which `expect_reply` asks for.
    ///
    /// # Errors
    /// Impossible destination or length. A peer that cannot be reached (yet) is no error.
    pub fn send(
        &mut self,
        now: Now,
        to: Address,
        body: &dyn Body,
        options: SendOptions,
        out: &mut Transmits,
    ) -> Result<Option<PacketId>, SendError> {
        if to == self.wire.address() || to.is_reserved() {
            return Err(SendError::Destination);
        }
        if HEADER_LEN + body.encoded_len() > MAX_PACKET_LEN {
            return Err(SendError::TooLong);
        }
        let Some(id) = self.peers.id(to) else {
            self.queue(now.mono, to, body, options);
            self.whois(now, to, out);
            return Ok(None);
        };
        let traffic = carries_traffic(body.verb());
        match self.next_hop(now.mono, id, traffic) {
            Some(hop) => {
                if traffic && !hop.direct {
                    self.ask_over_roots(now, id, out);
                }
                self.send_by(now.mono, id, hop, body, options, out)
            }
            None => {
                self.queue(now.mono, to, body, options);
                Ok(None)
            }
        }
    }

    /// Answers a packet on the path by which it came. ERRORs about frames go out once a second to a peer at most.
    pub fn reply(&mut self, now: Now, to: &ReplyTo, body: &dyn Body, options: SendOptions, out: &mut Transmits) {
        let Some(id) = self.peers.id(to.address) else { return };
        let peer = self.peers.get_mut(id);
        if is_frame_error(body) && !peer.error_sent.pass(now.mono, ERROR_OUT) {
            self.drops.add(DropReason::ErrorGate);
            return;
        }
        let mut payer = self.payer(now.mono, id, to.path, to.relayed);
        let mut path = to.path;
        if payer != Payer::Nobody
            && !proves_path(body)
            && let Some(route) = self.peers.get(id).route_slot()
        {
            // What teaches no path goes where the peer is known to be.
            (payer, path) = (Payer::Nobody, route.path);
        }
        let outgoing = self.outgoing(now.mono, id, path);
        let direct = self.peers.get(id).slot(path).is_some();
        let asks = options.expect_reply.then(|| self.question(now.mono, path, direct));
        let outgoing = Outgoing { compress: options.compress, at_once: options.expect_reply, asks, ..outgoing };
        // Too long an answer is none.
        _ = self.make(outgoing, payer, body, out);
    }

    /// [`Transmits::seal`], and remembers the packet IDs that an ERROR may name.
    pub fn seal(&mut self, now: Now, out: &mut Transmits) {
        out.seal();
        self.handle_sealed(now, out);
    }

    /// Remembers the packet IDs of frames, once they are sealed: ERRORs that name none of them are refused. Only
    /// needed by an owner that calls [`Transmits::seal`] itself.
    pub fn handle_sealed(&mut self, now: Now, out: &Transmits) {
        self.wire.note_sealed(now.mono, out);
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
            to: peer.identity.address,
            keys: Arc::clone(&peer.keys),
            suite: peer.suite(),
            path,
            mtu,
            // Deliberate: trusted marking on direct paths only (03 §3, safer point 5).
            trusted: hop.trusted.filter(|_| direct),
            compress: options.compress,
            at_once: options.expect_reply,
            asks,
        };
        self.wire.write(outgoing, body, out)
    }

    /// A question for its content.
    fn question(&self, sent: Mono, path: Path, direct: bool) -> Question {
        let (purpose, spread) = (Purpose::Content, self.links.spread_of(path.link));
        Question { sent, purpose, direct, spread, heard_first: false }
    }

    /// A packet to a peer over an explicit path, sealed at once.
    pub(super) fn outgoing(&mut self, now: Mono, id: PeerId, path: Path) -> Outgoing {
        let mtu = self.links.mtu(path);
        let peer = self.peers.get_mut(id);
        if let Some(slot) = peer.slot(path) {
            peer.slots[slot].last_sent.note(now);
        }
        Outgoing::new(peer.identity.address, Arc::clone(&peer.keys), peer.suite(), path, mtu)
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

    /// Where a packet to a known peer goes (03 §3). `traffic`: it counts as use of the path, which must then prove
    /// itself alive.
    pub(super) fn next_hop(&mut self, now: Mono, id: PeerId, traffic: bool) -> Option<NextHop> {
        let peer = self.peers.get_mut(id);
        let route = peer.route;
        if traffic {
            peer.last_traffic_out = Some(now);
            self.schedule.traffic(now);
            self.links.asked(now);
        }
        if let Some(slot) = route {
            return self.use_slot(now, id, slot, true, traffic);
        }
        if traffic {
            self.no_direct_path(now, id);
        }
        if let Some((carrier, slot)) = self.relay_for(now, id) {
            return self.use_slot(now, carrier, slot, false, traffic);
        }
        let slot = path_choice::last_resort(self.peers.get(id), now)?;
        self.use_slot(now, id, slot, true, traffic)
    }

    fn use_slot(&mut self, now: Mono, id: PeerId, slot: usize, direct: bool, traffic: bool) -> Option<NextHop> {
        let peer = self.peers.get_mut(id);
        let wake_behind = traffic && peer.due == Mono::FAR;
        let s = peer.slots.get_mut(slot)?;
        s.last_sent.note(now);
        let hop = NextHop { path: s.path, mtu: s.mtu, trusted: s.trusted, direct };
        if traffic {
            let due = s.live.traffic_out(now);
            if due < peer.due || wake_behind {
                self.peers.arm(id, due);
            }
        }
        Some(hop)
    }

    /// The root, and its slot, over which a peer without a direct path is reached: the one through which it was heard
    /// last, else the best.
    pub(super) fn relay_for(&self, now: Mono, id: PeerId) -> Option<(PeerId, usize)> {
        let peer = self.peers.get(id);
        let working = |root: Address| {
            let root = self.peers.id(root)?;
            let slot = self.peers.get(root).route?;
            (root != id).then_some((root, slot))
        };
        if let Some(root) = self.other_relay(now, id) {
            return Some(root);
        }
        let via = peer.via.filter(|a| self.roots.is_upstream(*a)).and_then(working);
        via.or_else(|| {
            let best = self.best_upstream(now, Some(peer.identity.address))?;
            working(self.peers.get(best).identity.address).or_else(|| {
                let slot = path_choice::last_resort(self.peers.get(best), now)?;
                Some((best, slot))
            })
        })
    }

    /// Traffic goes over a root and nothing comes back: a HELLO over each root; the one whose answer comes is the way.
    fn ask_over_roots(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let peer = self.peers.get_mut(id);
        let unheard = peer.unheard_relayed.is_some_and(|t| now.mono.saturating_since(t) >= RELAY_QUESTION);
        if !unheard || !peer.last_relay_question.pass(now.mono, RELAY_QUESTION) {
            return;
        }
        for root in self.upstream_ids().into_iter().filter(|r| *r != id) {
            if let Some(path) = self.peers.get(root).route_slot().map(|s| s.path) {
                self.send_hello_relayed(now, id, path, Purpose::Content, out);
            }
        }
    }

    /// Nothing comes back over the usual root: the peer may be connected to another one, so each is used in turn.
    fn other_relay(&self, now: Mono, id: PeerId) -> Option<(PeerId, usize)> {
        let waited = now.saturating_since(self.peers.get(id).unheard_relayed?);
        let turn = usize::try_from(waited.as_millis() / RELAY_PATIENCE.as_millis()).ok()?;
        if turn == 0 {
            return None;
        }
        let mut roots = self.upstream_ids();
        roots.retain(|r| *r != id && self.peers.get(*r).route.is_some());
        let usual = self.peers.get(id).via.and_then(|a| self.peers.id(a));
        roots.sort_by_key(|r| (Some(*r) != usual, self.upstream_rank(now, *r)));
        let root = *roots.get(turn % roots.len().max(1))?;
        Some((root, self.peers.get(root).route?))
    }

    /// Roots by rank (03 §11.4): working paths before others, then by latency and silence.
    pub(super) fn best_upstream(&self, now: Mono, except: Option<Address>) -> Option<PeerId> {
        self.roots
            .addresses()
            .filter(|a| Some(*a) != except)
            .filter_map(|a| self.peers.id(a))
            .filter(|id| !self.peers.get(*id).slots.is_empty())
            .min_by_key(|id| self.upstream_rank(now, *id))
    }

    pub(super) fn upstream_rank(&self, now: Mono, id: PeerId) -> (bool, i32, bool, u64) {
        let peer = self.peers.get(id);
        let slot = peer.route_slot();
        let silent = !peer.heard_within(now, PEER_ACTIVITY);
        let rank = slot.map_or(i32::MAX, |s| s.rank);
        let latency = slot
            .and_then(|s| s.live.rtt.latency())
            .map_or(u64::MAX, |l| u64::try_from(l.as_micros()).unwrap_or(u64::MAX));
        let silence = peer.last_receive.map_or(u64::MAX / 2, |t| now.millis_since(t)) / 61_000 + 1;
        (slot.is_none(), rank, silent, latency.saturating_mul(silence))
    }

    fn queue(&mut self, now: Mono, to: Address, body: &dyn Body, options: SendOptions) {
        let dropped = self.unsent.push(now, to, body.verb(), body.to_vec(), options);
        if let Some(reason) = dropped {
            self.drops.add(reason);
        }
        self.schedule.something_waits(now);
    }

    /// Tries to send what waits for a peer.
    pub(super) fn flush_unsent(&mut self, now: Now, to: Address, out: &mut Transmits) {
        let Some(id) = self.peers.id(to) else { return };
        for unsent in self.unsent.take_for(to) {
            match self.next_hop(now.mono, id, carries_traffic(unsent.verb)) {
                Some(hop) => {
                    let body = Unknown { verb: unsent.verb, body: &unsent.body };
                    let sent = self.send_by(now.mono, id, hop, &body, unsent.options, out);
                    debug_assert!(sent.is_ok() || unsent.body.len() > 9000, "was checked when it was queued");
                }
                None => self.unsent.put_back(unsent),
            }
        }
    }
}

/// Traffic over a root that nothing comes back for: the peer is asked over every root after this, and so often.
const RELAY_QUESTION: Duration = Duration::from_millis(1000);
/// Traffic over a root that nothing comes back for takes another root after this.
const RELAY_PATIENCE: Duration = Duration::from_millis(2000);

/// An answer whose path matters: it shows the peer that this path works.
fn proves_path(body: &dyn Body) -> bool {
    let in_re = || body.to_vec().first().copied().map(Verb);
    body.verb() == Verb::OK && matches!(in_re(), Some(Verb::ECHO | Verb::HELLO))
}

/// An ERROR that a refused frame brings about (safer point 7).
fn is_frame_error(body: &dyn Body) -> bool {
    body.verb() == Verb::ERROR && body.to_vec().first().is_some_and(|v| is_frame(Verb(*v)))
}
