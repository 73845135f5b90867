//! What leaves: packets are written here, and what they ask is remembered here until it is answered.

use std::sync::Arc;

use zt_crypto::{Entropy, PeerKeys, SecretIdentity, Suite, trusted_path};
use zt_wire::packet::{HEADER_LEN, MAX_PACKET_LEN, PROTO_VERSION, PROTO_VERSION_WITHOUT_AES};
use zt_wire::verb::{ErrorCode, Hello, OkHello, Verb, WorldVersion, emit_moons};
use zt_wire::{
    Address, Body, Identity, InetAddress, Mono, Now, Packet, PacketId, SoftwareVersion, Writer, fragment, lz4,
    write_header,
};

use self::expect::{Expectations, Expected, Question, SentFrames};
use self::random::Random;
use crate::link::{LinkId, Path};
use crate::outgoing::{SendError, is_frame};
use crate::traffic::PacketCounts;
use crate::transmit::{Plan, Transmits};

pub(crate) mod expect;
mod random;

/// Place of the code in the payload of an ERROR (02 §6.4): behind the verb and the ID of the packet that it is about.
const ERROR_CODE: usize = 9;

/// One packet to be written: to whom, how and where.
pub(crate) struct Outgoing {
    pub(crate) to: Address,
    pub(crate) keys: Arc<PeerKeys>,
    pub(crate) suite: Suite,
    pub(crate) path: Path,
    /// Largest datagram.
    pub(crate) mtu: u16,
    /// ID of a trusted path: marked with it, and not sealed.
    pub(crate) trusted: Option<u64>,
    pub(crate) compress: bool,
    /// Seal it now: only then are its bytes and its ID known. What asks something is in any case.
    pub(crate) at_once: bool,
    /// It is a question, whose answer is expected.
    pub(crate) asks: Option<Question>,
}

impl Outgoing {
    /// A packet that is sealed at once and asks nothing.
    pub(crate) const fn new(to: Address, keys: Arc<PeerKeys>, suite: Suite, path: Path, mtu: u16) -> Self {
        Self { to, keys, suite, path, mtu, trusted: None, compress: false, at_once: true, asks: None }
    }
}

/// Writes packets in our name.
pub(crate) struct Wire {
    secret: Arc<SecretIdentity>,
    own: Identity,
    version: SoftwareVersion,
    random: Random,
    squeeze: Vec<u8>,
    expectations: Expectations,
    sent_frames: SentFrames,
    /// Cipher 3 is used, and told to peers.
    aes: bool,
    sent: PacketCounts,
}

impl Wire {
    pub(crate) fn new(secret: Arc<SecretIdentity>, version: SoftwareVersion, entropy: Box<dyn Entropy + Send>) -> Self {
        Self {
            own: *secret.identity(),
            secret,
            version,
            random: Random::new(entropy),
            squeeze: Vec::new(),
            expectations: Expectations::default(),
            sent_frames: SentFrames::default(),
            aes: true,
            sent: PacketCounts::new(),
        }
    }

    /// Nothing is sealed with cipher 3 from now on, and peers are told a version that knows none.
    pub(crate) const fn leave_out_aes(&mut self) {
        self.aes = false;
    }

    const fn protocol(&self) -> u8 {
        if self.aes { PROTO_VERSION } else { PROTO_VERSION_WITHOUT_AES }
    }

    /// Our secret identity.
    pub(crate) const fn secret(&self) -> &Arc<SecretIdentity> {
        &self.secret
    }

    /// Our identity.
    pub(crate) const fn own(&self) -> &Identity {
        &self.own
    }

    /// Our address.
    pub(crate) const fn address(&self) -> Address {
        self.own.address
    }

    /// What was written so far.
    pub(crate) const fn sent(&self) -> &PacketCounts {
        &self.sent
    }

    /// Writes a packet into the batch. Its ID is returned if it is final. If it is a question, its answer is expected
    /// from now on.
    pub(crate) fn write(
        &mut self,
        o: Outgoing,
        body: &dyn Body,
        out: &mut Transmits,
    ) -> Result<Option<PacketId>, SendError> {
        let id = self.random.packet_id();
        self.write_as(id, o, body, out)
    }

    /// Writes a HELLO (02 §6.2), whose tail is masked by its packet ID.
    pub(crate) fn write_hello(
        &mut self,
        now: Now,
        o: Outgoing,
        destination: InetAddress,
        planet: WorldVersion,
        moons: &[WorldVersion],
        out: &mut Transmits,
    ) -> Result<Option<PacketId>, SendError> {
        let id = self.random.packet_id();
        let mut moons = emit_moons(moons);
        o.keys.mask_hello_tail(id, &mut moons);
        let body = Hello {
            protocol: self.protocol(),
            version: self.version,
            timestamp: u64::try_from(now.unix_ms).unwrap_or(0),
            identity: self.own,
            destination: Some(destination),
            planet: Some(planet),
            moons: &moons,
        };
        self.write_as(id, o, &body, out)
    }

    /// Our part of an answer to a HELLO (02 §6.5).
    pub(crate) const fn answer_to_hello<'w>(
        &self,
        timestamp: u64,
        address: InetAddress,
        worlds: &'w [u8],
    ) -> OkHello<'w> {
        OkHello {
            timestamp,
            protocol: self.protocol(),
            version: self.version,
            address: Some(address),
            worlds: Some(worlds),
            missing: 0,
            rest: &[],
        }
    }

    fn write_as(
        &mut self,
        id: PacketId,
        o: Outgoing,
        body: &dyn Body,
        out: &mut Transmits,
    ) -> Result<Option<PacketId>, SendError> {
        let payload_len = body.encoded_len();
        let len = HEADER_LEN + payload_len;
        if len > MAX_PACKET_LEN {
            return Err(SendError::TooLong);
        }
        let verb = body.verb();
        let draft = out.room(len);
        let bytes = out.draft(&draft);
        let (header, payload) = bytes.split_at_mut(HEADER_LEN);
        write_header(header.try_into().expect("split at its length"), o.to, self.own.address, verb);
        let mut writer = Writer::new(payload);
        // A body that is shorter than it says would leave bytes of an earlier packet behind it.
        if body.emit(&mut writer).is_err() || writer.written() != payload_len {
            debug_assert!(false, "encoded_len of {verb} is wrong");
            out.cancel(draft);
            return Err(SendError::TooLong);
        }
        let code = (verb == Verb::ERROR).then(|| payload.get(ERROR_CODE).copied()).flatten();
        let mut packed = None;
        if o.compress
            && let Some(block) = lz4::compress(payload, &mut self.squeeze)
        {
            payload[..block.len()].copy_from_slice(block);
            packed = Some(HEADER_LEN + block.len());
        }
        let len = packed.unwrap_or(len);
        let mtu = o.mtu.max(fragment::least_mtu(len));
        let Some(pieces) = fragment::pieces(len, usize::from(mtu)) else {
            out.cancel(draft);
            return Err(SendError::TooLong);
        };
        out.shorten(&draft, len);
        let mut packet = Packet::new_checked(out.draft(&draft)).expect("has a header and is not too long");
        packet.set_id(id);
        packet.set_compressed(packed.is_some());
        packet.set_fragmented(pieces.total() > 1);
        let seal = match o.trusted {
            Some(id) => {
                trusted_path(packet.into_inner(), id);
                None
            }
            None if o.suite == Suite::AesGmacSiv && !self.aes => Some((o.keys, Suite::Salsa2012Poly1305)),
            None => Some((o.keys, o.suite)),
        };
        self.sent.count(verb);
        if let Some(code) = code {
            self.sent.count_error(ErrorCode(code));
        }
        let at_once = o.at_once || o.asks.is_some();
        let sealed = out.finish(draft, Plan { path: o.path, mtu, seal, at_once, to: o.to, frame: is_frame(verb) });
        if let (Some(id), Some(question)) = (sealed, o.asks) {
            self.expectations.add(id, Expected::new(o.to, o.path, verb, question));
        }
        Ok(sealed)
    }

    /// Remembers the packet IDs of frames, once they are sealed: ERRORs may name them.
    pub(crate) fn note_sealed(&mut self, now: Mono, out: &Transmits) {
        for (to, id) in out.sealed() {
            self.sent_frames.note(now, to, id);
        }
    }

    /// Whether `peer` was sent this frame lately.
    pub(crate) fn has_sent_frame(&mut self, now: Mono, peer: Address, id: PacketId) -> bool {
        self.sent_frames.contains(now, peer, id)
    }

    /// The question that an OK answers (see [`Expectations::take`]).
    pub(crate) fn answered(
        &mut self,
        now: Mono,
        from: Address,
        in_re: Verb,
        id: PacketId,
        by: LinkId,
    ) -> Option<Expected> {
        self.expectations.take(now, from, in_re, id, by)
    }

    /// Whether an ERROR answers a question, which ends by that.
    pub(crate) fn refused(&mut self, now: Mono, from: Address, in_re: Verb, id: PacketId, by: LinkId) -> bool {
        self.expectations.end(now, from, in_re, id, by)
    }

    /// A random number.
    pub(crate) fn random(&mut self) -> u64 {
        self.random.next_u64()
    }

    /// A random index below `n` (0 when `n` is 0).
    pub(crate) fn random_below(&mut self, n: usize) -> usize {
        self.random.below(n)
    }
}

#[cfg(test)]
mod tests;
