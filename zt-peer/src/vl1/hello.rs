//! HELLO: introducing ourselves, strangers, and what is told in answers (02 §6.2, §6.5).

use std::sync::Arc;

use zt_crypto::{PeerKeys, Suite};
use zt_wire::packet::PROTO_VERSION_MIN;
use zt_wire::verb::{Echo, ErrorCode, ErrorReply, Hello, OkBody, OkHello, OkReply, Verb, WorldVersion, parse_moons};
use zt_wire::{Identity, InetAddress, Mono, Now, Parse, Reader, World};

use super::Vl1;
use crate::directory::strangers::{Judgement, Waiting};
use crate::drop_reason::DropReason;
use crate::inbound::{Handled, Ticket};
use crate::link::Path;
use crate::path_proof::ANSWER_LEN;
use crate::path_proof::{MAX_HELD_LEN, Payer};
use crate::peer::{Peer, PeerVersion};
use crate::peer_table::MAX_PEERS;
use crate::peer_table::PeerId;
use crate::transmit::Transmits;
use crate::wire::Outgoing;
use crate::wire::expect::{Expected, Purpose, Question, Spread};

/// Room for worlds in an answer.
const WORLDS_ROOM: usize = 9_000;

/// Where a HELLO goes, and why.
#[derive(Clone, Copy)]
struct Greeting {
    path: Path,
    /// The path is, or may become, the peer's own, not a relay's.
    direct: bool,
    purpose: Purpose,
    /// To be sent over every link up to that of the path.
    spam: bool,
    /// The peer was heard there before we ever sent there.
    heard_first: bool,
    payer: Payer,
}

impl Greeting {
    /// To an address that we want to be, or know to be, a path of the peer.
    const fn to(path: Path, purpose: Purpose) -> Self {
        Self { path, direct: true, purpose, spam: false, heard_first: false, payer: Payer::Nobody }
    }
}

impl Vl1 {
    /// HELLO to an address that is, or may become, a path of the peer. Nothing is sent before the owner agrees.
    pub(super) fn send_hello(&mut self, now: Now, id: PeerId, path: Path, purpose: Purpose, out: &mut Transmits) {
        if purpose == Purpose::Probe {
            return self.greet(now, id, path, false, out);
        }
        self.hello(now, id, Greeting::to(path, purpose), out);
    }

    /// HELLO to an address that may become a path of the peer. `heard`: it was heard there, and what it sent pays.
    pub(super) fn greet(&mut self, now: Now, id: PeerId, path: Path, heard: bool, out: &mut Transmits) {
        if self.consents(now.mono, id, path, heard) {
            let heard_first = heard && !self.has_tried(id, path);
            let payer = if heard { self.payer(now.mono, id, path, false) } else { Payer::Nobody };
            self.hello(now, id, Greeting { heard_first, payer, ..Greeting::to(path, Purpose::Probe) }, out);
        }
    }

    /// HELLO over every link up to that of the path (08 §B.5): whichever brings the answer works.
    pub(super) fn send_hello_spread(&mut self, now: Now, id: PeerId, path: Path, out: &mut Transmits) {
        if self.consents(now.mono, id, path, false) {
            self.hello(now, id, Greeting { spam: true, ..Greeting::to(path, Purpose::Probe) }, out);
        }
    }

    /// HELLO over a root's path, addressed to the peer.
    pub(super) fn send_hello_relayed(
        &mut self,
        now: Now,
        id: PeerId,
        path: Path,
        purpose: Purpose,
        out: &mut Transmits,
    ) {
        self.hello(now, id, Greeting { direct: false, ..Greeting::to(path, purpose) }, out);
    }

    fn hello(&mut self, now: Now, id: PeerId, greeting: Greeting, out: &mut Transmits) {
        let Greeting { path, direct, purpose, spam, heard_first, payer } = greeting;
        if self.links.get(path.link).is_none() {
            return;
        }
        self.note_asked(now.mono, id);
        let spread = if spam { Spread::Levels } else { self.links.spread_of(path.link) };
        let destination = if direct { path.remote.inet() } else { InetAddress::None };
        let question = Question { sent: now.mono, purpose, direct, spread, heard_first };
        let outgoing = self.outgoing(now.mono, id, path);
        let peer = self.peers.get_mut(id);
        let (planet, timestamp) = self.roots.planet_for(peer.address(), peer.greetings_mut().next_turn());
        let known = peer.paths_mut().note_probe(now.mono, path);
        if !known && direct && purpose == Purpose::Probe && !heard_first {
            peer.paths_mut().note_tried(path, spread);
        }
        let moons = self.roots.moon_tuples().into_iter().map(|(id, timestamp)| WorldVersion { id, timestamp });
        let outgoing = Outgoing { suite: Suite::Poly1305None, asks: Some(question), ..outgoing };
        let (to, planet, moons) = (outgoing.to, WorldVersion { id: planet, timestamp }, moons.collect::<Vec<_>>());
        if self.wire.write_hello(now, outgoing, destination, planet, &moons, out).is_err() {
            return;
        }
        match payer {
            Payer::Path(now) => self.charge(now, to, path, out.last_len(), out),
            Payer::Nobody if spam => out.spam_last(),
            Payer::Nobody => {}
        }
    }

    /// A HELLO by somebody we do not know, or under another's address: it waits for its turn to be judged.
    pub(super) fn introduce(
        &mut self,
        now: Now,
        ticket: Ticket,
        identity: Identity,
        packet: &[u8],
        out: &mut Transmits,
    ) -> Result<(), DropReason> {
        let source = self.source_of(ticket.path, ticket.hops);
        let collision = self.peers.id(identity.address).is_some();
        let challenge = self.directory.hello(now.mono, source, ticket, identity, packet, collision);
        self.count_lost_hellos();
        if let Some(number) = challenge? {
            self.challenge_stranger(now, number, out);
        }
        Ok(())
    }

    /// The layer above knows this identity: when more come than can be judged it goes before strangers.
    pub fn note_known(&mut self, identity: &Identity) {
        self.directory.note_known(identity);
    }

    /// The judgement about a stranger's HELLO came back.
    pub(super) fn introduced(&mut self, now: Now, identity: &Identity, judgement: Judgement, out: &mut Transmits) {
        match judgement {
            Judgement::Nothing => {}
            Judgement::Refused(reason) => self.drops.add(reason),
            Judgement::Collision(waiting) => self.answer_collision(&waiting, out),
            Judgement::Authentic(number) => self.challenge_stranger(now, number, out),
            Judgement::Valid(waiting) => {
                let other = self.peers.find(identity.address).is_some_and(|p| p.identity() != identity);
                let Some(first) = waiting.first() else { return };
                if other {
                    return self.answer_collision(first, out);
                }
                let Some(keys) = first.keys.clone() else { return };
                self.admit_peer(now, *identity, keys, out);
                self.heard_waiting(now, waiting, out);
            }
        }
        self.count_lost_hellos();
    }

    /// Asks the sender of an authentic HELLO whether it is where it came from.
    fn challenge_stranger(&mut self, now: Now, number: u64, out: &mut Transmits) {
        let Some((ticket, keys)) = self.directory.to_challenge(number) else { return };
        let (to, suite) = (ticket.from, Suite::Salsa2012Poly1305);
        let outgoing = Outgoing::new(to, keys, suite, ticket.path, self.links.mtu(ticket.path));
        // Nobody pays: shorter than any HELLO, once for each that was judged.
        if let Ok(Some(packet)) = self.wire.write(outgoing, &Echo { data: &[] }, out) {
            self.directory.challenged(now.mono, number, packet);
        }
    }

    /// Handles the HELLOs of somebody who is a peer now.
    fn heard_waiting(&mut self, now: Now, waiting: Vec<Waiting>, out: &mut Transmits) {
        for Waiting { ticket, mut packet, proved, .. } in waiting {
            let Some(id) = self.peers.id(ticket.from) else { continue };
            let keys = Arc::clone(self.peers.get(id).keys());
            if let Some((path, sent)) = proved {
                self.answered_challenge(now, id, path, sent, out);
            }
            let opened = keys.open(&mut packet);
            self.handle_opened(now, ticket, opened, &packet, &mut Vec::new(), out);
        }
    }

    /// Who answered the challenge has proved its address: there is nothing more to ask.
    fn answered_challenge(&mut self, now: Now, id: PeerId, path: Path, sent: Mono, out: &mut Transmits) {
        let to = self.peers.get(id).address();
        let known = self.peers.get(id).paths().contains(path);
        if !known && self.may_stay_path(to, &path.remote) && self.owner_consents(now.mono, id, path, true) {
            let (purpose, verb, spread) = (Purpose::Probe, Verb::ECHO, Spread::Exact);
            let expected = Expected { to, path, direct: true, verb, sent, purpose, spread, heard_first: true };
            self.adopt(now, id, path, &expected, out);
        }
    }

    /// Creates a peer whose identity and keys are good, and continues what waited for it.
    pub(super) fn admit_peer(
        &mut self,
        now: Now,
        identity: Identity,
        keys: Arc<PeerKeys>,
        out: &mut Transmits,
    ) -> PeerId {
        if self.peers.len() >= MAX_PEERS {
            self.make_room_for_peers();
        }
        let id = self.peers.insert(Peer::new(now.mono, identity, keys));
        self.waiting.hurry();
        self.flush_unsent(now, identity.address, out);
        let waiting = self.directory.arrived(&identity);
        self.heard_waiting(now, waiting, out);
        id
    }

    /// The peers that were silent longest give way: a part of them at once, for looking at all of them costs time.
    fn make_room_for_peers(&mut self) {
        let mut silent: Vec<(Option<Mono>, PeerId)> = Vec::new();
        for id in self.peers.ids() {
            let peer = self.peers.get(id);
            if !peer.activity().was_trusted() && !self.roots.keeps(peer.address()) {
                silent.push((peer.activity().last_heard(), id));
            }
        }
        silent.sort_unstable();
        for (_, id) in silent.into_iter().take(MAX_PEERS / 64) {
            self.forget_peer(id);
        }
    }

    /// Deliberate: for the claimed identity, so that it can read it (02 §6.2 step 4, Quirk).
    fn answer_collision(&mut self, waiting: &Waiting, out: &mut Transmits) {
        self.drops.add(DropReason::IdentityCollision);
        let Some(keys) = waiting.keys.clone() else { return };
        let (ticket, identity) = (waiting.ticket, waiting.identity);
        let error = ErrorReply::plain(Verb::HELLO, ticket.packet_id, ErrorCode::IDENTITY_COLLISION);
        let (to, suite) = (identity.address, Suite::Salsa2012Poly1305);
        let outgoing = Outgoing::new(to, keys, suite, ticket.path, self.links.mtu(ticket.path));
        // Nobody pays: shorter than any HELLO, once for each that was judged.
        let made = self.wire.write(outgoing, &error, out);
        debug_assert!(made.is_ok(), "short enough");
    }

    /// An authentic HELLO of a known peer (02 §6.2 from step 7).
    pub(super) fn handle_hello(
        &mut self,
        now: Now,
        c: &Ticket,
        m: &Hello<'_>,
        payload: &[u8],
        out: &mut Transmits,
    ) -> Handled {
        if m.protocol < PROTO_VERSION_MIN {
            return Handled::Refused(DropReason::OldProtocol);
        }
        let peer = self.peers.get_mut(c.id);
        if m.identity != *peer.identity() {
            return Handled::Refused(DropReason::ForgedHello);
        }
        debug_assert!(m.moons.len() <= payload.len());
        let mut section = m.moons.to_vec();
        peer.keys().mask_hello_tail(c.packet_id, &mut section);
        let Ok(moons) = parse_moons(&section) else { return Handled::Refused(DropReason::Malformed) };
        let said = i64::try_from(m.timestamp).unwrap_or(i64::MAX);
        if !peer.software().judge_hello(now.mono, said, m.protocol) {
            if peer.gates_mut().confirms(now.mono, c.path) {
                self.challenge(now, c, out);
            }
            return Handled::Refused(DropReason::StaleHello);
        }
        let moons: Vec<_> = moons.iter().map(|w| (w.id, w.timestamp)).collect();
        self.answer_hello(now, c, m, &moons, out);
        let version = PeerVersion { protocol: m.protocol, software: m.version };
        self.peers.get_mut(c.id).software_mut().accept_hello(now.mono, said, version);
        self.persist_once(c.id);
        if let Some(seen_as) = m.destination.and_then(InetAddress::socket_addr) {
            self.sighted(now, c, seen_as, out);
        }
        Handled::Counted
    }

    /// Safer point 2: who truly went back in time or version answers this.
    fn challenge(&mut self, now: Now, c: &Ticket, out: &mut Transmits) {
        if c.hops == 0 {
            let payer = self.payer(now.mono, c.id, c.path, false);
            self.hello(now, c.id, Greeting { payer, ..Greeting::to(c.path, Purpose::Challenge) }, out);
        } else {
            self.send_hello_relayed(now, c.id, c.path, Purpose::Challenge, out);
        }
    }

    fn answer_hello(&mut self, now: Now, c: &Ticket, m: &Hello<'_>, moons: &[(u64, u64)], out: &mut Transmits) {
        let payer = self.payer(now.mono, c.id, c.path, c.hops > 0);
        let mut worlds = self.roots.updates_for(m.planet.map(|p| (p.id, p.timestamp)), moons, WORLDS_ROOM);
        let len = ANSWER_LEN + worlds.len();
        // The answer with worlds waits for a proof of the address, unless it is too long for that or one waits already:
        // the path must not wait for worlds again and again.
        let may_wait = len <= MAX_HELD_LEN && !self.holds(c.id, c.path);
        if payer != Payer::Nobody && self.credit(c.id, c.path) < 2 * len && !may_wait {
            worlds.clear();
        }
        let address = c.path.remote.inet();
        // Peers this old compare ports and would reset for ever behind symmetric NATs (03 §9).
        let address = if m.protocol < 5 { address.with_port(0) } else { address };
        let ok = self.wire.answer_to_hello(m.timestamp, address, &worlds);
        let ok = OkReply { in_re_packet: c.packet_id, body: OkBody::Hello(ok) };
        self.send_over(now.mono, c.id, c.path, payer, &ok, out);
    }

    pub(super) fn handle_ok_hello(
        &mut self,
        now: Now,
        c: &Ticket,
        expected: &Expected,
        ok: &OkHello<'_>,
        out: &mut Transmits,
    ) -> Handled {
        if ok.protocol < PROTO_VERSION_MIN {
            return Handled::Refused(DropReason::OldProtocol);
        }
        let believed = self.roots.is_upstream(c.from) || self.roots.is_seed(c.from);
        if believed && !self.take_worlds(now, ok, out) {
            return Handled::Refused(DropReason::Malformed);
        }
        let version = PeerVersion { protocol: ok.protocol, software: ok.version };
        let challenged = expected.purpose == Purpose::Challenge;
        self.peers.get_mut(c.id).software_mut().accept_answer(version, challenged);
        self.persist_once(c.id);
        if let Some(seen_as) = ok.address.and_then(InetAddress::socket_addr) {
            self.sighted(now, c, seen_as, out);
        }
        Handled::Counted
    }

    /// Offers the worlds of an answer one by one; a malformed one ends it, those before stay (03 §11.2).
    fn take_worlds(&mut self, now: Now, ok: &OkHello<'_>, out: &mut Transmits) -> bool {
        let mut r = Reader::new(ok.worlds.unwrap_or_default());
        while !r.is_empty() {
            let Ok(world) = World::parse(&mut r) else { return false };
            self.offer_from_network(now, world, out);
        }
        ok.missing == 0
    }
}
