//! Incoming datagrams: looking at them, opened packets, and keeping account (03 §2, 02 §5).

use std::sync::Arc;

use zt_crypto::{ArmorError, Suite, trusted_path_id_matches};
use zt_wire::packet::{HEADER_LEN, MAX_PACKET_LEN, Opened, PROTO_VERSION_MIN};
use zt_wire::verb::{ErrorCode, ErrorReply, Message, OkBody, OkEcho, OkReply, Verb};
use zt_wire::{
    Address, Cipher, Datagram, Fragment, Identity, Mono, Now, Packet, PacketId, Parse, Reader, classify, lz4,
};

use super::Vl1;
use super::train::Account;
use crate::config::SendOptions;
use crate::directory::strangers::Source;
use crate::directory::whois::Asker;
use crate::drop_reason::DropReason;
use crate::event::Vl1Event;
use crate::inbound::{Handled, Inbound, Look, Open, Outcome, Place, Received, Scratch, Taught, Ticket};
use crate::link::{Endpoint, LinkId, Path};
use crate::outgoing::is_frame;
use crate::peer::{Heard, Whence};
use crate::transmit::Transmits;
use crate::waiting::reassembly::{Piece, Step};
use crate::wire::expect::Purpose;

impl Vl1 {
    /// First of three steps: looks at a datagram's header. `datagram` may be changed (hops, decryption in the next
    /// step); `assembled` is used when this was the last piece of a packet.
    pub fn look(
        &mut self,
        now: Now,
        link: LinkId,
        remote: Endpoint,
        datagram: &mut [u8],
        assembled: &mut Vec<u8>,
        out: &mut Transmits,
    ) -> Look {
        let path = Path { link, remote };
        if self.links.get(link).is_none() {
            return Look::Dropped(self.refuse(DropReason::UnknownLink));
        }
        let result = match classify(datagram) {
            Datagram::Ignored | Datagram::LanBeacon => Err(DropReason::NotAPacket),
            Datagram::Fragment => self.look_fragment(now, path, datagram, assembled, out),
            Datagram::Head => self.look_head(now, path, datagram, assembled, out),
        };
        result.unwrap_or_else(|reason| Look::Dropped(self.refuse(reason)))
    }

    /// [`Vl1::look`] at a packet for this node that came in pieces and was put together by [`Train`](zt_wire::train::Train).
    pub fn look_joined(
        &mut self,
        now: Now,
        link: LinkId,
        remote: Endpoint,
        packet: &[u8],
        out: &mut Transmits,
    ) -> Look {
        let path = Path { link, remote };
        let result = match Packet::new_checked(packet) {
            _ if self.links.get(link).is_none() => Err(DropReason::UnknownLink),
            Err(_) => Err(DropReason::TooLong),
            Ok(packet) => self
                .may_be_from(packet.source())
                .and_then(|()| self.look_packet(now, path, packet, Place::Datagram, out)),
        };
        result.unwrap_or_else(|reason| Look::Dropped(self.refuse(reason)))
    }

    /// Whether an address can be that of another node.
    fn may_be_from(&self, source: Address) -> Result<(), DropReason> {
        match source {
            source if source == self.wire.address() => Err(DropReason::FromOurself),
            source if source.is_reserved() => Err(DropReason::ReservedAddress),
            _ => Ok(()),
        }
    }

    fn look_fragment(
        &mut self,
        now: Now,
        path: Path,
        datagram: &mut [u8],
        assembled: &mut Vec<u8>,
        out: &mut Transmits,
    ) -> Result<Look, DropReason> {
        let fragment = Fragment::new_checked(&*datagram).map_err(|_| DropReason::BadFragment)?;
        if !fragment.is_sane() {
            return Err(DropReason::BadFragment);
        }
        if fragment.destination() != self.wire.address() {
            let to = fragment.destination();
            return self.relay_fragment(now, path, to, datagram, out).map(|()| Look::Done);
        }
        let piece = Piece {
            path,
            known: self.paths.contains(&path),
            id: fragment.id(),
            number: fragment.number(),
            total: fragment.total(),
            bytes: fragment.body(),
        };
        self.reassemble(now, piece, assembled, out)
    }

    fn look_head(
        &mut self,
        now: Now,
        path: Path,
        datagram: &mut [u8],
        assembled: &mut Vec<u8>,
        out: &mut Transmits,
    ) -> Result<Look, DropReason> {
        let packet = Packet::new_checked(&*datagram).map_err(|_| DropReason::TooLong)?;
        self.may_be_from(packet.source())?;
        if packet.destination() != self.wire.address() {
            return self.relay_head(now, path, datagram, out).map(|()| Look::Done);
        }
        if packet.is_fragmented() {
            let piece = Piece {
                path,
                known: self.paths.contains(&path),
                id: packet.id(),
                number: 0,
                total: 0,
                bytes: packet.as_bytes(),
            };
            return self.reassemble(now, piece, assembled, out);
        }
        self.look_packet(now, path, packet, Place::Datagram, out)
    }

    fn reassemble(
        &mut self,
        now: Now,
        piece: Piece<'_>,
        assembled: &mut Vec<u8>,
        out: &mut Transmits,
    ) -> Result<Look, DropReason> {
        let path = piece.path;
        match self.waiting.piece(now.mono, piece, assembled) {
            Step::Incomplete => Ok(Look::Done),
            Step::Dropped(reason) => Err(reason),
            Step::Complete => {
                let packet = Packet::new_checked(assembled.as_slice()).map_err(|_| DropReason::TooLong)?;
                self.look_packet(now, path, packet, Place::Assembled, out)
            }
        }
    }

    /// A whole packet for us, still sealed (02 §5 steps 1–5).
    fn look_packet(
        &mut self,
        now: Now,
        path: Path,
        packet: Packet<&[u8]>,
        place: Place,
        out: &mut Transmits,
    ) -> Result<Look, DropReason> {
        let mut ticket = Ticket::new(packet.source(), path, packet.hops(), packet.id(), now.mono);
        match packet.cipher() {
            None => return Err(DropReason::UnknownCipher),
            Some(Cipher::Trusted) => {
                // Safer point 5: a non-zero ID, and only on the sender's own path.
                let matches = |id| trusted_path_id_matches(packet.as_bytes(), id);
                if ticket.hops != 0 || !self.links.trusted_ids(&path.remote).any(matches) {
                    return Err(DropReason::UntrustedPath);
                }
                ticket.trusted = true;
            }
            Some(Cipher::Poly1305None) if packet.clear().is_some_and(|clear| clear.verb() == Verb::HELLO) => {
                return self.look_hello(now, ticket, packet, place, out);
            }
            Some(_) => {}
        }
        let Some(id) = self.peers.id(ticket.from) else {
            self.heard_stranger(now, ticket, packet.as_bytes(), out);
            return Ok(Look::Done);
        };
        ticket.id = id;
        let keys = (!ticket.trusted).then(|| Arc::clone(self.peers.get(id).keys()));
        Ok(Look::Open(Open { keys, ticket, place }))
    }

    /// A packet of somebody we do not know: an answer to our challenge, or it waits until we know who that is.
    fn heard_stranger(&mut self, now: Now, ticket: Ticket, bytes: &[u8], out: &mut Transmits) {
        if self.directory.answers(&ticket, bytes) {
            return;
        }
        let source = self.source_of(ticket.path, ticket.hops);
        let relayed = matches!(source, Source::Relay(_));
        if let Some(reason) = self.waiting.keep_sealed(ticket, bytes, relayed) {
            self.drops.add(reason);
        }
        self.ask_for(now, ticket.from, Asker::Stranger(source), out);
    }

    /// HELLO in clear: by a known peer it is opened like any packet; a stranger's waits for its turn to be judged.
    fn look_hello(
        &mut self,
        now: Now,
        mut ticket: Ticket,
        packet: Packet<&[u8]>,
        place: Place,
        out: &mut Transmits,
    ) -> Result<Look, DropReason> {
        let hello = packet.clear().ok_or(DropReason::Malformed)?;
        let mut r = Reader::new(hello.payload());
        let protocol = r.u8("protocol version").map_err(|_| DropReason::Malformed)?;
        let identity = r
            .bytes(12, "version and timestamp")
            .and_then(|_| Identity::parse(&mut r))
            .map_err(|_| DropReason::Malformed)?;
        if protocol < PROTO_VERSION_MIN {
            return Err(DropReason::OldProtocol);
        }
        if identity.address != ticket.from {
            return Err(DropReason::ForgedHello);
        }
        if let Some(id) = self.peers.id(ticket.from)
            && *self.peers.get(id).identity() == identity
        {
            ticket.id = id;
            return Ok(Look::Open(Open { keys: Some(Arc::clone(self.peers.get(id).keys())), ticket, place }));
        }
        self.introduce(now, ticket, identity, packet.as_bytes(), out).map(|()| Look::Done)
    }

    /// Third of three steps: a packet that was opened (or failed to) is decompressed, parsed and handled.
    /// `inflated` must live as long as the message is used.
    pub fn handle_opened<'p>(
        &mut self,
        now: Now,
        ticket: Ticket,
        opened: Result<Suite, ArmorError>,
        packet: &'p [u8],
        inflated: &'p mut Vec<u8>,
        out: &mut Transmits,
    ) -> Inbound<'p> {
        match self.judge_opened(now.mono, ticket, opened, packet) {
            Ok((ticket, packet)) => self.handle_plain(now, ticket, packet, inflated, out),
            Err(reason) => Inbound::Dropped(self.refuse(reason)),
        }
    }

    fn judge_opened<'p>(
        &mut self,
        now: Mono,
        mut ticket: Ticket,
        opened: Result<Suite, ArmorError>,
        packet: &'p [u8],
    ) -> Result<(Ticket, Opened<&'p [u8]>), DropReason> {
        let Ok(suite) = opened else {
            if let Some(id) = self.peers.still(ticket.id, ticket.from) {
                self.peers.count_error(id);
            }
            return Err(DropReason::BadMac);
        };
        let len = packet.len();
        let packet = Packet::new_checked(packet).map_err(|_| DropReason::TooLong)?.opened();
        let verb = packet.verb();
        ticket.id = self.peers.still(ticket.id, ticket.from).ok_or(DropReason::DeferredExpired)?;
        ticket.verb = verb;
        // Safer point 6: readable packets only of verbs that are sent so.
        if suite == Suite::Poly1305None && !ticket.trusted && !(verb.is_plain() || verb == Verb::NOP) {
            return Err(DropReason::PlainVerb);
        }
        if suite == Suite::AesGmacSiv {
            self.peers.get_mut(ticket.id).software_mut().prove_aes();
        }
        self.peers.count_received(ticket.id, verb);
        self.earn(now, &ticket, len);
        Ok((ticket, packet))
    }

    fn handle_plain<'p>(
        &mut self,
        now: Now,
        ticket: Ticket,
        packet: Opened<&'p [u8]>,
        inflated: &'p mut Vec<u8>,
        out: &mut Transmits,
    ) -> Inbound<'p> {
        if is_frame(ticket.verb) && self.is_copy(&ticket) {
            // It shows that its path works.
            self.account(now, &ticket, false, out);
            return Inbound::Dropped(self.refuse(DropReason::Copy));
        }
        let heard = match ticket.verb {
            Verb::USER_MESSAGE => self.hears.messages,
            Verb::REMOTE_TRACE if self.hears.traces => {
                // Security (04 §8): anybody may send them, so that each peer has its pace.
                let paced = self.peers.get_mut(ticket.id).gates_mut().takes_trace(now.mono);
                if !paced {
                    self.drops.add(DropReason::MessagesFull);
                }
                paced
            }
            Verb::REMOTE_TRACE => false,
            _ => true,
        };
        if !heard {
            // Nobody listens: not worth the time to decompress them.
            self.account(now, &ticket, false, out);
            return Inbound::Consumed;
        }
        let payload = match plain_payload(packet, inflated) {
            Ok(payload) => payload,
            Err(reason) => return self.unreadable(&ticket, reason),
        };
        let Ok(message) = Message::parse(ticket.verb, payload) else {
            return self.unreadable(&ticket, DropReason::Malformed);
        };
        self.dispatch(now, ticket, message, payload, out)
    }

    /// A packet of a peer that was opened and says nothing.
    fn unreadable<'p>(&mut self, c: &Ticket, reason: DropReason) -> Inbound<'p> {
        self.peers.count_error(c.id);
        Inbound::Dropped(self.refuse(reason))
    }

    fn dispatch<'p>(
        &mut self,
        now: Now,
        mut ticket: Ticket,
        message: Message<'p>,
        payload: &'p [u8],
        out: &mut Transmits,
    ) -> Inbound<'p> {
        let c = &mut ticket;
        let handled = match &message {
            Message::Nop(_) | Message::Unknown(_) => Handled::Counted,
            Message::Hello(m) => self.handle_hello(now, c, m, payload, out),
            Message::Ok(m) => self.handle_ok(now, c, m, out),
            Message::Error(m) => self.handle_error(now, c, m),
            Message::Whois(m) => self.handle_whois(now, c, m, out),
            Message::Rendezvous(m) => self.handle_rendezvous(now, c, m, out),
            Message::Echo(m) => self.handle_echo(now, c, m.data, out),
            Message::PushDirectPaths(m) => self.handle_push(now, c, m, out),
            Message::Ack(_) => Handled::NotCounted,
            Message::QosMeasurement(m) => self.handle_qos(now, c, m),
            Message::PathNegotiationRequest(m) => self.handle_negotiation(now, c, m),
            Message::UserMessage(m) => {
                let (from, data) = (c.from, m.data.to_vec());
                self.event(Vl1Event::UserMessage { from, type_id: m.type_id, data });
                Handled::Counted
            }
            Message::RemoteTrace(m) => {
                let event = Vl1Event::RemoteTrace { from: c.from, body: m.body.to_vec() };
                self.event(event);
                Handled::Counted
            }
            Message::Frame(_)
            | Message::ExtFrame(_)
            | Message::MulticastLike(_)
            | Message::NetworkCredentials(_)
            | Message::NetworkConfigRequest(_)
            | Message::NetworkConfig(_)
            | Message::MulticastGather(_)
            | Message::MulticastFrame(_) => Handled::Above,
        };
        match handled {
            Handled::Counted => {
                self.account(now, &ticket, false, out);
                Inbound::Consumed
            }
            Handled::NotCounted => Inbound::Consumed,
            Handled::Refused(reason) => Inbound::Dropped(self.refuse(reason)),
            Handled::Above => Inbound::Message(self.received(ticket, message)),
        }
    }

    fn received<'p>(&self, ticket: Ticket, message: Message<'p>) -> Received<'p> {
        Received { ticket, identity: *self.peers.get(ticket.id).identity(), message }
    }

    /// Reports what the layer above made of a message. `packet`: the opened packet (datagram, assembled buffer or
    /// [`Scratch::packet`]), of which a copy is kept when it must wait.
    pub fn settle(&mut self, now: Now, mut ticket: Ticket, outcome: Outcome, packet: &[u8], out: &mut Transmits) {
        match outcome {
            Outcome::Accepted { trust } => {
                let Some(id) = self.peers.still(ticket.id, ticket.from) else { return };
                ticket.id = id;
                self.account(now, &ticket, trust, out);
            }
            Outcome::NotCounted => {}
            Outcome::Dropped => self.drops.add(DropReason::Refused),
            Outcome::Defer => {
                if let Some(reason) = self.waiting.keep_opened(now.mono, ticket, packet) {
                    self.drops.add(reason);
                }
            }
        }
    }

    /// Packets of this sender that the layer above wanted to see again ([`Outcome::Defer`]) are due now: what they waited
    /// for may have come.
    pub fn hurry(&mut self, from: Address) {
        self.waiting.hurry_from(from);
    }

    /// Packets that waited for an identity or for credentials, tried again.
    pub fn poll_ready<'p>(&mut self, now: Now, scratch: &'p mut Scratch, out: &mut Transmits) -> Option<Inbound<'p>> {
        let peers = &self.peers;
        let waiting = self.waiting.next_ready(now.mono, |a| peers.id(a).is_some())?;
        let Scratch { packet, inflated } = scratch;
        *packet = waiting.packet;
        let tried = if waiting.sealed {
            self.open_waiting(now, waiting.ticket, packet)
                .map(|(ticket, packet)| self.handle_plain(now, ticket, packet, inflated, out))
        } else {
            self.again(waiting.ticket, packet, inflated)
        };
        Some(tried.unwrap_or_else(|reason| Inbound::Dropped(self.refuse(reason))))
    }

    /// A packet whose sender was not known when it came.
    fn open_waiting<'p>(
        &mut self,
        now: Now,
        ticket: Ticket,
        packet: &'p mut [u8],
    ) -> Result<(Ticket, Opened<&'p [u8]>), DropReason> {
        let keys = self.peers.find(ticket.from).map(|p| Arc::clone(p.keys())).ok_or(DropReason::DeferredExpired)?;
        let opened = if ticket.trusted { Ok(Suite::Poly1305None) } else { keys.open(packet) };
        self.judge_opened(now.mono, ticket, opened, packet)
    }

    /// A message that the layer above wanted to see again: its gates were passed the first time.
    fn again<'p>(
        &mut self,
        mut ticket: Ticket,
        packet: &'p [u8],
        inflated: &'p mut Vec<u8>,
    ) -> Result<Inbound<'p>, DropReason> {
        ticket.id = self.peers.still(ticket.id, ticket.from).ok_or(DropReason::DeferredExpired)?;
        let packet = Packet::new_checked(packet).map_err(|_| DropReason::TooLong)?.opened();
        let payload = plain_payload(packet, inflated)?;
        let message = Message::parse(ticket.verb, payload).map_err(|_| DropReason::Malformed)?;
        Ok(Inbound::Message(self.received(ticket, message)))
    }

    /// Account of a received packet (03 §7.1): liveness, trust, learning of paths.
    pub(super) fn account(&mut self, now: Now, c: &Ticket, trust: bool, out: &mut Transmits) {
        let t = now.mono;
        let account = Account::of(c, trust);
        if account.is_some_and(|account| self.train.repeats(&account)) {
            return self.bond_heard(t, c);
        }
        let nontrivial = matches!(
            c.verb,
            Verb::FRAME | Verb::EXT_FRAME | Verb::NETWORK_CONFIG_REQUEST | Verb::NETWORK_CONFIG | Verb::MULTICAST_FRAME
        );
        let hello = c.verb == Verb::HELLO;
        let packet = Heard { path: c.path, direct: c.hops == 0, nontrivial, hello, trust };
        let whence = self.peers.get_mut(c.id).heard(t, &packet);
        self.bond_heard(t, c);
        if nontrivial {
            self.schedule.traffic(t);
        }
        if trust {
            self.paths.trust(t, &c.path);
        }
        let by_path = matches!(whence, Whence::Path(_));
        match whence {
            Whence::Path(look_at) => self.heard_by_path(now, c, look_at, out),
            Whence::Elsewhere => self.heard_elsewhere(now, c, out),
            Whence::Root(look_now) => {
                self.heard_relayed(t, c, nontrivial);
                if look_now {
                    self.peers.arm(c.id, t);
                }
            }
        }
        let proved = self.is_proved(c.id, c.path, c.hops > 0);
        if self.peers.get(c.id).activity().is_trusted(t) && proved {
            self.maybe_push_paths(now, c, out);
        }
        if self.peers.get(c.id).ledger().has_named() {
            self.probe_named(now, c, out);
        }
        self.release_held(t, c.id, out);
        self.train.note(account, by_path && proved && !self.peers.get(c.id).ledger().has_named());
    }

    fn heard_by_path(&mut self, now: Now, c: &Ticket, look_at: Option<Mono>, out: &mut Transmits) {
        self.links.heard(now.mono, c.path);
        if let Some(taught) = c.teaches {
            self.answered(now, c, taught, out);
        }
        if let Some(at) = look_at {
            self.peers.arm(c.id, at);
        }
    }

    fn heard_elsewhere(&mut self, now: Now, c: &Ticket, out: &mut Transmits) {
        self.links.heard(now.mono, c.path);
        if !self.may_stay_path(c.from, &c.path.remote) {
            return;
        }
        let peer = self.peers.get_mut(c.id);
        if c.verb == Verb::HELLO {
            let probes = peer.paths_mut().doubt_siblings(now.mono, c.path);
            self.ask_all(now, c.id, probes, out);
        }
        if let Some(taught) = c.teaches {
            if self.owner_consents(now.mono, c.id, c.path, taught.heard_first) {
                self.adopt(now, c.id, c.path, taught, out);
                self.note_answer(now, c, out);
            }
        } else if self.peers.get_mut(c.id).asks_elsewhere(now.mono, c.path, c.verb == Verb::ERROR) {
            self.confirm(now, c.id, c.path, out);
            self.event(Vl1Event::ConfirmingPath { peer: c.from, path: c.path });
        }
    }

    /// A relayed packet says through which root its sender is reached, and that the root's path works one way.
    fn heard_relayed(&mut self, t: Mono, c: &Ticket, nontrivial: bool) {
        let mut roots = self.roots.addresses().filter_map(|a| self.peers.id(a));
        let Some(id) = roots.find(|id| self.peers.get(*id).paths().contains(c.path)) else { return };
        let root = self.peers.get_mut(id);
        let (address, look_at) = (root.address(), root.paths_mut().heard(t, c.path, nontrivial).flatten());
        if let Some(at) = look_at {
            self.peers.arm(id, at);
        }
        self.peers.get_mut(c.id).detour_mut().came_via(address);
    }

    fn handle_ok(&mut self, now: Now, c: &mut Ticket, m: &OkReply<'_>, out: &mut Transmits) -> Handled {
        // Safer point 1: bound to the peer and the verb, consumed, expiring.
        let Some(expected) = self.wire.answered(now.mono, c.from, m.in_re_verb(), m.in_re_packet, c.path.link) else {
            return Handled::Refused(DropReason::NotExpected);
        };
        // … and to the address that was asked: only from there does it teach a path.
        if c.hops == 0 && expected.direct && self.links.reaches(expected.path, expected.spread, c.path) {
            c.teaches = Some(Taught::from(&expected));
        }
        match &m.body {
            OkBody::Hello(ok) => self.handle_ok_hello(now, c, &expected, ok, out),
            OkBody::Whois(ok) => self.handle_ok_whois(now, c, ok),
            OkBody::Echo(echo) if expected.verb == Verb::ECHO && expected.purpose == Purpose::Content => {
                self.answered_ping(now.mono, c, &expected, echo.data)
            }
            OkBody::Echo(echo) if expected.verb == Verb::ECHO => {
                if let Some(taught) = c.teaches.as_mut().filter(|_| !echo.data.is_empty()) {
                    taught.size = u16::try_from(HEADER_LEN + echo.data.len()).unwrap_or(0);
                }
                Handled::Counted
            }
            _ => Handled::Above,
        }
    }

    fn handle_error(&mut self, now: Now, c: &Ticket, m: &ErrorReply<'_>) -> Handled {
        self.peers.count_received_error(m.code);
        // Safer point 7: gated like OKs.
        let asked = self.wire.refused(now.mono, c.from, m.in_re_verb, m.in_re_packet, c.path.link)
            || is_frame(m.in_re_verb) && self.is_frame_error(now.mono, c, m.in_re_packet)
            || self.is_question(now.mono, c, m);
        if !asked {
            return Handled::Refused(DropReason::NotExpected);
        }
        if m.code == ErrorCode::IDENTITY_COLLISION {
            if self.roots.is_upstream(c.from) {
                self.event(Vl1Event::IdentityCollision);
                return Handled::Counted;
            }
            return Handled::Refused(DropReason::NotARoot);
        }
        Handled::Above
    }

    /// Whether an ERROR asks for our credentials without a frame of ours: the peer has one for us, and may not send it. It
    /// names packet 0. A replay costs a push of credentials as often as an honest question does.
    fn is_question(&mut self, now: Mono, c: &Ticket, m: &ErrorReply<'_>) -> bool {
        m.code == ErrorCode::NEED_MEMBERSHIP_CERTIFICATE
            && m.in_re_packet == PacketId(0)
            && is_frame(m.in_re_verb)
            && self.peers.get_mut(c.id).gates_mut().takes_question(now)
    }

    /// Whether an ERROR names a frame of ours. A refused frame waits at the peer and is judged again, each time with an
    /// ERROR (02 §5): what that asks for may have been held back at the first one, or lost. So it counts again, but as
    /// seldom as honest peers repeat it; a replay gains nothing by that.
    fn is_frame_error(&mut self, now: Mono, c: &Ticket, id: PacketId) -> bool {
        let gates = self.peers.get_mut(c.id).gates_mut();
        let fits = gates.may_take_error(now) && self.wire.has_sent_frame(now, c.from, id);
        if fits {
            gates.took_error(now);
        }
        fits
    }

    fn handle_echo(&mut self, now: Now, c: &Ticket, payload: &[u8], out: &mut Transmits) -> Handled {
        if payload.len() + 9 + HEADER_LEN > MAX_PACKET_LEN {
            return Handled::Refused(DropReason::TooLong);
        }
        if !self.peers.get_mut(c.id).gates_mut().answers_echo(now.mono, c.path) {
            return Handled::Refused(DropReason::EchoGate);
        }
        let ok = OkReply { in_re_packet: c.packet_id, body: OkBody::Echo(OkEcho { data: payload }) };
        // Where it is paid for by what came, as short as it may be: the same bytes may have come compressed.
        let compress = !self.is_proved(c.id, c.path, c.hops > 0);
        self.reply(now, &c.reply_to(), &ok, SendOptions { compress, expect_reply: false }, out);
        Handled::Counted
    }

    /// Whether a push of our addresses is due (03 §10.2).
    fn maybe_push_paths(&mut self, now: Now, c: &Ticket, out: &mut Transmits) {
        if self.may_meet(now.mono, c.id)
            && self.peers.get_mut(c.id).gates_mut().pushes(now.mono, c.hops > 0, self.schedule.periods())
        {
            self.push_paths(now, c.id, c.path, out);
        }
    }
}

/// The payload of an opened packet, decompressed if it was compressed.
fn plain_payload<'p>(packet: Opened<&'p [u8]>, inflated: &'p mut Vec<u8>) -> Result<&'p [u8], DropReason> {
    // Quirk (02 §4): a HELLO in clear is never compressed, whatever its flag says.
    let clear_hello = packet.verb() == Verb::HELLO && packet.header().cipher() == Some(Cipher::Poly1305None);
    let compressed = packet.is_compressed() && !clear_hello;
    let payload = packet.into_payload();
    if !compressed {
        return Ok(payload);
    }
    lz4::decompress_payload(payload, inflated).map_err(|_| DropReason::BadCompression)?;
    Ok(inflated)
}
