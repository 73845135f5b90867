//! Outgoing packets: where they go (03 §3) and how they are made.

use std::sync::Arc;

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
use crate::peer::{Peer, Slot, Way};
use crate::peer_table::PeerId;
use crate::relay_choice;
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
            to: peer.address(),
            keys: Arc::clone(peer.keys()),
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
        _ = peer.paths_mut().note_sent(now, path);
        Outgoing::new(peer.address(), Arc::clone(peer.keys()), peer.suite(), path, mtu)
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
        if traffic {
            peer.sends_traffic(now);
            self.schedule.traffic(now);
            self.links.asked(now);
        }
        if peer.paths().route().is_some() {
            return self.use_path(now, id, true, traffic);
        }
        if traffic {
            self.no_direct_path(now, id);
        }
        match self.relay_for(now, id) {
            Some(root) => self.use_path(now, root, false, traffic),
            None => self.use_path(now, id, true, traffic),
        }
    }

    /// The best path of a peer, be it the destination (`direct`) or the root that relays.
    fn use_path(&mut self, now: Mono, id: PeerId, direct: bool, traffic: bool) -> Option<NextHop> {
        let Way { path, mtu, trusted, look_at } = self.peers.get_mut(id).paths_mut().use_any(now, traffic)?;
        if let Some(at) = look_at {
            self.peers.arm(id, at);
        }
        Some(NextHop { path, mtu, trusted, direct })
    }

    /// The root over which a peer without a direct path is reached.
    pub(super) fn relay_for(&self, now: Mono, id: PeerId) -> Option<PeerId> {
        let peer = self.peers.get(id);
        let usual = peer.detour().via().filter(|a| self.roots.is_upstream(*a)).and_then(|a| self.peers.id(a));
        let usual = usual.filter(|root| *root != id).map(|root| (root, self.peers.get(root)));
        relay_choice::choose(now, peer, usual, self.upstreams_but(Some(peer.address())))
    }

    /// HELLO to a peer without a direct path, over the root by which it is reached.
    pub(super) fn greet_over_root(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let root = self.relay_for(now.mono, id).map(|root| self.peers.get(root));
        if let Some(path) = root.and_then(|root| root.paths().any_path(now.mono)) {
            self.send_hello_relayed(now, id, path, Purpose::Content, out);
        }
    }

    /// Traffic goes over a root and nothing comes back: a HELLO over each root; the one whose answer comes is the way.
    fn ask_over_roots(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        if !self.peers.get_mut(id).detour_mut().asks_over_roots(now.mono) {
            return;
        }
        for root in self.upstream_ids().into_iter().filter(|r| *r != id) {
            if let Some(path) = self.peers.get(root).paths().route().map(Slot::path) {
                self.send_hello_relayed(now, id, path, Purpose::Content, out);
            }
        }
    }

    /// The best root (03 §11.4).
    pub(super) fn best_upstream(&self, now: Mono, except: Option<Address>) -> Option<PeerId> {
        relay_choice::best(now, self.upstreams_but(except))
    }

    fn upstreams_but(&self, except: Option<Address>) -> impl Iterator<Item = (PeerId, &Peer)> + '_ {
        let others = self.roots.addresses().filter(move |a| Some(*a) != except);
        others.filter_map(|a| self.peers.id(a)).map(|id| (id, self.peers.get(id)))
    }

    fn queue(&mut self, now: Mono, to: Address, body: &dyn Body, options: SendOptions) {
        if let Some(reason) = self.waiting.keep_unsent(now, to, body, options) {
            self.drops.add(reason);
        }
        self.schedule.something_waits(now);
    }

    /// Tries to send what waits for a peer.
    pub(super) fn flush_unsent(&mut self, now: Now, to: Address, out: &mut Transmits) {
        let Some(id) = self.peers.id(to) else { return };
        for unsent in self.waiting.take_unsent(to) {
            match self.next_hop(now.mono, id, carries_traffic(unsent.verb)) {
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
