//! MULTICAST_FRAME and its OK (02 §6.16).

use crate::credential::membership::Membership;
use crate::{BufferFull, Emit, Mac, MulticastGroup, NetworkId, Parse, ParseError, Reader, Writer};

use super::GatherResults;

/// MULTICAST_FRAME: an Ethernet frame for a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MulticastFrame<'a> {
    /// Network.
    pub network: NetworkId,
    /// Flags; the bits 0x01, 0x02 and 0x04 follow from the optional fields when emitted.
    pub flags: u8,
    /// Certificate of membership (deprecated, protocol 7 and older).
    pub membership: Option<Membership>,
    /// Most members wanted in an OK. `None`: no OK wanted.
    pub gather_limit: Option<u32>,
    /// Source MAC. `None`: that of the sender.
    pub source: Option<Mac>,
    /// Destination group.
    pub group: MulticastGroup,
    /// EtherType.
    pub ethertype: u16,
    /// Ethernet payload.
    pub payload: &'a [u8],
}

impl MulticastFrame<'_> {
    /// Flag: certificate attached.
    pub const MEMBERSHIP: u8 = 0x01;
    /// Flag: gather limit is there.
    pub const GATHER_LIMIT: u8 = 0x02;
    /// Flag: source MAC is there.
    pub const SOURCE: u8 = 0x04;
    /// Flag: "please replicate".
    pub const REPLICATE: u8 = 0x08;

    /// The flag byte as it is written.
    fn wire_flags(&self) -> u8 {
        self.flags & !(Self::MEMBERSHIP | Self::GATHER_LIMIT | Self::SOURCE)
            | super::flag(Self::MEMBERSHIP, self.membership.is_some())
            | super::flag(Self::GATHER_LIMIT, self.gather_limit.is_some())
            | super::flag(Self::SOURCE, self.source.is_some())
    }
}

impl<'a> Parse<'a> for MulticastFrame<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let network = NetworkId::parse(r)?;
        let flags = r.u8("multicast flags")?;
        let mut frame = Self { network, flags, ..Self::default() };
        if flags & Self::MEMBERSHIP != 0 {
            frame.membership = Some(Membership::parse(r)?);
        }
        if flags & Self::GATHER_LIMIT != 0 {
            frame.gather_limit = Some(r.u32("gather limit")?);
        }
        if flags & Self::SOURCE != 0 {
            frame.source = Some(Mac(r.array("source MAC")?));
        }
        frame.group = MulticastGroup::parse(r)?;
        frame.ethertype = r.u16("EtherType")?;
        frame.payload = r.rest();
        Ok(frame)
    }
}

impl Emit for MulticastFrame<'_> {
    fn encoded_len(&self) -> usize {
        21 + self.membership.as_ref().map_or(0, Emit::encoded_len)
            + self.gather_limit.map_or(0, |_| 4)
            + self.source.map_or(0, |_| 6)
            + self.payload.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        self.network.emit(w)?;
        w.put_u8(self.wire_flags())?;
        if let Some(m) = &self.membership {
            m.emit(w)?;
        }
        if let Some(limit) = self.gather_limit {
            w.put_u32(limit)?;
        }
        if let Some(source) = self.source {
            source.emit(w)?;
        }
        self.group.emit(w)?;
        w.put_u16(self.ethertype)?;
        w.put_bytes(self.payload)
    }
}

/// Answer to MULTICAST_FRAME.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OkMulticastFrame<'a> {
    /// Network.
    pub network: NetworkId,
    /// Group.
    pub group: MulticastGroup,
    /// Flags; the bits 0x01 and 0x02 follow from the optional fields when emitted.
    pub flags: u8,
    /// Certificate of membership, only from old nodes.
    pub membership: Option<Membership>,
    /// Gather results.
    pub results: Option<GatherResults>,
    /// Trailing bytes.
    pub rest: &'a [u8],
}

impl OkMulticastFrame<'_> {
    /// Flag: certificate attached.
    pub const MEMBERSHIP: u8 = 0x01;
    /// Flag: gather results follow.
    pub const RESULTS: u8 = 0x02;
}

impl<'a> Parse<'a> for OkMulticastFrame<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let network = NetworkId::parse(r)?;
        let group = MulticastGroup::parse(r)?;
        let flags = r.u8("multicast flags")?;
        let membership = match flags & Self::MEMBERSHIP {
            0 => None,
            _ => Some(Membership::parse(r)?),
        };
        let results = match flags & Self::RESULTS {
            0 => None,
            _ => Some(GatherResults::parse(r)?),
        };
        Ok(Self { network, group, flags, membership, results, rest: r.rest() })
    }
}

impl Emit for OkMulticastFrame<'_> {
    fn encoded_len(&self) -> usize {
        19 + self.membership.as_ref().map_or(0, Emit::encoded_len)
            + self.results.as_ref().map_or(0, Emit::encoded_len)
            + self.rest.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        self.network.emit(w)?;
        self.group.emit(w)?;
        let flags = self.flags & !(Self::MEMBERSHIP | Self::RESULTS)
            | super::flag(Self::MEMBERSHIP, self.membership.is_some())
            | super::flag(Self::RESULTS, self.results.is_some());
        w.put_u8(flags)?;
        if let Some(m) = &self.membership {
            m.emit(w)?;
        }
        if let Some(results) = &self.results {
            results.emit(w)?;
        }
        w.put_bytes(self.rest)
    }
}
