//! EXT_FRAME and its OK (02 §6.10).

use crate::credential::membership::Membership;
use crate::ether::EthernetRef;
use crate::{BufferFull, Emit, NetworkId, Parse, ParseError, Reader, Writer};

/// EXT_FRAME: an Ethernet frame with both MACs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtFrame<'a> {
    /// Network.
    pub network: NetworkId,
    /// Flags; bit 0x01 follows from [`ExtFrame::membership`] when emitted. Quirk (02 §6.10): send
    /// [`ExtFrame::OUTBOUND_TEE`] and the like, not what the definition of the subtype bits says.
    pub flags: u8,
    /// Certificate of membership (deprecated, protocol 7 and older).
    pub membership: Option<Membership>,
    /// The frame; `None` if the packet is too short for its header. An empty payload is no frame either.
    pub frame: Option<EthernetRef<'a>>,
    /// What stands there instead of a frame.
    pub rest: &'a [u8],
}

impl<'a> ExtFrame<'a> {
    /// Flag: certificate attached.
    pub const MEMBERSHIP: u8 = 0x01;
    /// Flag: acknowledge with OK(EXT_FRAME).
    pub const ACKNOWLEDGE: u8 = 0x10;
    /// Flags of TEE copies of outgoing frames.
    pub const OUTBOUND_TEE: u8 = 0x02;
    /// Flags of WATCH copies of outgoing frames.
    pub const OUTBOUND_WATCH: u8 = 0x16;
    /// Flags of redirected outgoing frames.
    pub const OUTBOUND_REDIRECT: u8 = 0x04;
    /// Flags of TEE copies of incoming frames.
    pub const INBOUND_TEE: u8 = 0x08;
    /// Flags of WATCH copies of incoming frames.
    pub const INBOUND_WATCH: u8 = 0x1c;
    /// Flags of redirected incoming frames.
    pub const INBOUND_REDIRECT: u8 = 0x0a;

    /// A frame with flags and nothing else.
    pub const fn new(network: NetworkId, flags: u8, frame: EthernetRef<'a>) -> Self {
        Self { network, flags, membership: None, frame: Some(frame), rest: &[] }
    }
}

impl<'a> Parse<'a> for ExtFrame<'a> {
    /// The network ID must be there; with a certificate the whole header.
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let network = NetworkId(r.u64("frame network")?);
        let flags = if r.is_empty() { 0 } else { r.u8("frame flags")? };
        let membership = match flags & Self::MEMBERSHIP {
            0 => None,
            _ => Some(Membership::parse(r)?),
        };
        let frame = match r.remaining() {
            0..14 if membership.is_none() => None,
            _ => Some(EthernetRef::parse(r)?),
        };
        Ok(Self { network, flags, membership, frame, rest: r.rest() })
    }
}

impl Emit for ExtFrame<'_> {
    fn encoded_len(&self) -> usize {
        9 + self.membership.as_ref().map_or(0, Emit::encoded_len)
            + self.frame.as_ref().map_or(0, Emit::encoded_len)
            + self.rest.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u64(self.network.0)?;
        let membership = super::flag(Self::MEMBERSHIP, self.membership.is_some());
        w.put_u8(self.flags & !Self::MEMBERSHIP | membership)?;
        if let Some(m) = &self.membership {
            m.emit(w)?;
        }
        if let Some(frame) = &self.frame {
            frame.emit(w)?;
        }
        w.put_bytes(self.rest)
    }
}

/// Answer to EXT_FRAME.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OkExtFrame<'a> {
    /// Network; may be missing.
    pub network: Option<NetworkId>,
    /// Trailing bytes.
    pub rest: &'a [u8],
}

impl<'a> Parse<'a> for OkExtFrame<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let network = if r.remaining() < 8 { None } else { Some(NetworkId::parse(r)?) };
        Ok(Self { network, rest: r.rest() })
    }
}

impl Emit for OkExtFrame<'_> {
    fn encoded_len(&self) -> usize {
        self.network.map_or(0, |_| 8) + self.rest.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        if let Some(n) = self.network {
            n.emit(w)?;
        }
        w.put_bytes(self.rest)
    }
}
