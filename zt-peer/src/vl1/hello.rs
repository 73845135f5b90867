//! HELLO: introducing ourselves, strangers, and what is told in answers (02 §6.2, §6.5).

use std::net::SocketAddr;

use zt_crypto::Suite;
use zt_wire::packet::PROTO_VERSION_MIN;
use zt_wire::verb::{Echo, Hello, OkBody, OkHello, OkReply, parse_moons};
use zt_wire::{Identity, InetAddress, Now, Parse, Reader, World};

use super::Vl1;
use crate::drop_reason::DropReason;
use crate::event::Vl1Event;
use crate::inbound::{Handled, Ticket};
use crate::path_proof::{ANSWER_LEN, MAX_HELD_LEN, Payer};
use crate::peer::PeerVersion;
use crate::self_awareness::{Reporter, Sighting};
use crate::transmit::Transmits;
use crate::wire::Outgoing;
use crate::wire::expect::{Expected, Purpose};

/// Room for worlds in an answer.
const WORLDS_ROOM: usize = 9_000;

impl Vl1 {
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

    /// Asks the sender of an authentic HELLO whether it is where it came from.
    pub(super) fn challenge_stranger(&mut self, now: Now, number: u64, out: &mut Transmits) {
        let Some((ticket, keys)) = self.directory.to_challenge(number) else { return };
        let (to, suite) = (ticket.from, Suite::Salsa2012Poly1305);
        let outgoing = Outgoing::new(to, keys, suite, ticket.path, self.links.mtu(ticket.path));
        // Nobody pays: shorter than any HELLO, once for each that was judged.
        if let Ok(Some(packet)) = self.wire.write(outgoing, &Echo { data: &[] }, out) {
            self.directory.challenged(now.mono, number, packet);
        }
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

    /// Somebody tells how we appear to it.
    pub(super) fn sighted(&mut self, now: Now, c: &Ticket, seen_as: SocketAddr, out: &mut Transmits) {
        // What a stream comes from is no address at which others reach us.
        let is_ours = self.links.get(c.path.link).is_some_and(|link| link.kind.has_udp_addresses());
        if c.hops != 0 || !is_ours {
            return;
        }
        let by = if self.roots.is_upstream(c.from) {
            Reporter::Root
        } else if self.peers.get(c.id).activity().is_trusted(now.mono) {
            Reporter::Member
        } else {
            return;
        };
        let sighting = Sighting { reporter: c.from, by, link: c.path.link, from: c.path.remote, seen_as };
        if let Some(scope) = self.surface.report(now.mono, sighting) {
            self.event(Vl1Event::SurfaceChanged { by: c.from, path: c.path, scope });
            self.surface_changed(now, c.path, scope, out);
        }
    }
}
