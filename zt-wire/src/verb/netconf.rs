//! NETWORK_CONFIG (02 §6.13, 04 §2.5): chunks of a configuration dictionary.

use alloc::vec::Vec;

use crate::{BufferFull, Emit, NetworkId, PacketId, Parse, ParseError, Reader, Signature, Verb, Writer};

use super::{Body, OkBody, OkEcho, OkReply};

/// NETWORK_CONFIG carries one chunk; OK(NETWORK_CONFIG_REQUEST) carries the same layout.
pub type NetworkConfig<'a> = ConfigChunk<'a>;

/// Dictionary bytes per packet, as the reference cuts them.
pub const CHUNK_LEN: usize = 9740;

/// A part of a configuration dictionary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfigChunk<'a> {
    /// Network.
    pub network: NetworkId,
    /// Dictionary bytes.
    pub data: &'a [u8],
    /// Place in the dictionary and signature. `None`: legacy form, the whole dictionary, only from the controller.
    pub seal: Option<ChunkSeal<'a>>,
    /// Trailing bytes; they are passed on with the chunk.
    pub rest: &'a [u8],
}

/// What follows the dictionary bytes of a signed chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkSeal<'a> {
    /// Flags, see [`ConfigChunk::FAST_PROPAGATE`].
    pub flags: u8,
    /// Which update the chunk belongs to; not 0.
    pub update_id: u64,
    /// Length of the whole dictionary.
    pub total: u32,
    /// Index of the first byte of this chunk.
    pub index: u32,
    /// Signature type; only 1 is known.
    pub signature_type: u8,
    /// Signature; only a length of 96 is known.
    pub signature: &'a [u8],
}

impl ChunkSeal<'_> {
    /// The signature, if type and length are the known ones.
    pub fn signature(&self) -> Option<Signature> {
        match self.signature_type {
            Signature::TYPE => self.signature.try_into().ok().map(Signature),
            _ => None,
        }
    }
}

impl ConfigChunk<'_> {
    /// Flag: members pass the chunk on.
    pub const FAST_PROPAGATE: u8 = 1;

    /// The bytes the signature is over: network ID through chunk index. `None` for the legacy form.
    pub fn signed_bytes(&self) -> Option<Vec<u8>> {
        let seal = self.seal.as_ref()?;
        let mut out = alloc::vec![0; 27 + self.data.len()];
        let mut w = Writer::new(&mut out);
        self.emit_signed(seal, &mut w).ok()?;
        Some(out)
    }

    fn emit_data(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        self.network.emit(w)?;
        w.put_u16(u16::try_from(self.data.len()).map_err(|_| BufferFull)?)?;
        w.put_bytes(self.data)
    }

    fn emit_signed(&self, seal: &ChunkSeal<'_>, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        self.emit_data(w)?;
        w.put_u8(seal.flags)?;
        w.put_u64(seal.update_id)?;
        w.put_u32(seal.total)?;
        w.put_u32(seal.index)
    }
}

impl<'a> Parse<'a> for ConfigChunk<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let network = NetworkId::parse(r)?;
        let n = r.u16("chunk length")?;
        let data = r.bytes(usize::from(n), "chunk")?;
        if r.is_empty() {
            return Ok(Self { network, data, seal: None, rest: &[] });
        }
        let flags = r.u8("chunk flags")?;
        let update_id = r.u64("update ID")?;
        let total = r.u32("total length")?;
        let index = r.u32("chunk index")?;
        let signature_type = r.u8("chunk signature type")?;
        let n = r.u16("chunk signature length")?;
        let signature = r.bytes(usize::from(n), "chunk signature")?;
        let seal = ChunkSeal { flags, update_id, total, index, signature_type, signature };
        Ok(Self { network, data, seal: Some(seal), rest: r.rest() })
    }
}

impl Emit for ConfigChunk<'_> {
    fn encoded_len(&self) -> usize {
        let seal = self.seal.map_or(0, |s| 20 + s.signature.len());
        10 + self.data.len() + seal + self.rest.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        match &self.seal {
            None => self.emit_data(w)?,
            Some(seal) => {
                self.emit_signed(seal, w)?;
                w.put_u8(seal.signature_type)?;
                w.put_u16(u16::try_from(seal.signature.len()).map_err(|_| BufferFull)?)?;
                w.put_bytes(seal.signature)?;
            }
        }
        w.put_bytes(self.rest)
    }
}

/// Acknowledgement of a completed NETWORK_CONFIG. Quirk (02 §6.13): it is an OK to **ECHO**.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfigAck {
    /// ID of the packet that completed the configuration.
    pub in_re_packet: PacketId,
    /// Network.
    pub network: NetworkId,
    /// Update that was completed.
    pub update_id: u64,
}

impl ConfigAck {
    /// Reads an OK as such an acknowledgement.
    pub fn from_ok(ok: &OkReply<'_>) -> Option<Self> {
        let OkBody::Echo(OkEcho { data }) = ok.body else { return None };
        let mut r = Reader::new(data);
        let network = NetworkId::parse(&mut r).ok()?;
        let update_id = r.u64("update ID").ok()?;
        Some(Self { in_re_packet: ok.in_re_packet, network, update_id })
    }
}

impl Emit for ConfigAck {
    fn encoded_len(&self) -> usize {
        25
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u8(Verb::ECHO.0)?;
        w.put_u64(self.in_re_packet.0)?;
        self.network.emit(w)?;
        w.put_u64(self.update_id)
    }
}

impl Body for ConfigAck {
    fn verb(&self) -> Verb {
        Verb::OK
    }
}

/// What 0x0c meant before protocol 8: "please request your configuration again".
/// [`Message::parse`](super::Message::parse) never yields it; read it only from peers known to be that old.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkConfigRefresh<'a> {
    /// Networks of the controller that sends it.
    pub networks: Vec<NetworkId>,
    /// Trailing bytes, fewer than a network ID.
    pub rest: &'a [u8],
}

impl<'a> Parse<'a> for NetworkConfigRefresh<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let n = r.remaining() / 8;
        let networks = (0..n).map(|_| NetworkId::parse(r)).collect::<Result<_, _>>()?;
        Ok(Self { networks, rest: r.rest() })
    }
}

impl Emit for NetworkConfigRefresh<'_> {
    fn encoded_len(&self) -> usize {
        8 * self.networks.len() + self.rest.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        self.networks.iter().try_for_each(|n| n.emit(w))?;
        w.put_bytes(self.rest)
    }
}

impl Body for NetworkConfigRefresh<'_> {
    fn verb(&self) -> Verb {
        Verb::NETWORK_CONFIG
    }
}
