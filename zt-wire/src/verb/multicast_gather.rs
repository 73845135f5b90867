//! MULTICAST_GATHER and its OK (02 §6.15).

use alloc::vec::Vec;

use crate::credential::membership::Membership;
use crate::{Address, BufferFull, Emit, MulticastGroup, NetworkId, Parse, ParseError, Reader, Writer};

/// MULTICAST_GATHER: asks for subscribers of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MulticastGather<'a> {
    /// Network.
    pub network: NetworkId,
    /// Flags; 0x01 (certificate attached) is set by [`Emit::emit`] if there is one.
    pub flags: u8,
    /// Group.
    pub group: MulticastGroup,
    /// Most members wanted.
    pub limit: u32,
    /// Certificate of membership; a malformed one is left in `rest`.
    pub membership: Option<Membership>,
    /// Trailing bytes.
    pub rest: &'a [u8],
}

impl MulticastGather<'_> {
    /// Flag: certificate attached.
    pub const MEMBERSHIP: u8 = 0x01;
}

impl<'a> Parse<'a> for MulticastGather<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let network = NetworkId::parse(r)?;
        let flags = r.u8("gather flags")?;
        let group = MulticastGroup::parse(r)?;
        let limit = r.u32("gather limit")?;
        let mut membership = None;
        if flags & Self::MEMBERSHIP != 0 {
            let mut ahead = r.clone();
            if let Ok(m) = Membership::parse(&mut ahead) {
                membership = Some(m);
                *r = ahead;
            }
        }
        Ok(Self { network, flags, group, limit, membership, rest: r.rest() })
    }
}

impl Emit for MulticastGather<'_> {
    fn encoded_len(&self) -> usize {
        23 + self.membership.as_ref().map_or(0, Emit::encoded_len) + self.rest.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        self.network.emit(w)?;
        w.put_u8(self.flags | super::flag(Self::MEMBERSHIP, self.membership.is_some()))?;
        self.group.emit(w)?;
        w.put_u32(self.limit)?;
        if let Some(m) = &self.membership {
            m.emit(w)?;
        }
        w.put_bytes(self.rest)
    }
}

/// Subscribers of a group, as they stand in OKs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatherResults {
    /// Number of members the responder knows.
    pub total: u32,
    /// Members told here, at most 65535.
    pub members: Vec<Address>,
}

impl<'a> Parse<'a> for GatherResults {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let total = r.u32("number of members known")?;
        let n = usize::from(r.u16("number of members told")?);
        let mut list = r.sub(n * Address::LEN, "members")?;
        let members = (0..n).map(|_| Address::parse(&mut list)).collect::<Result<_, _>>()?;
        Ok(Self { total, members })
    }
}

impl Emit for GatherResults {
    fn encoded_len(&self) -> usize {
        6 + Address::LEN * self.members.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u32(self.total)?;
        w.put_u16(u16::try_from(self.members.len()).map_err(|_| BufferFull)?)?;
        self.members.iter().try_for_each(|a| a.emit(w))
    }
}

/// Answer to MULTICAST_GATHER.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OkMulticastGather<'a> {
    /// Network.
    pub network: NetworkId,
    /// Group.
    pub group: MulticastGroup,
    /// Members.
    pub results: GatherResults,
    /// Trailing bytes.
    pub rest: &'a [u8],
}

impl<'a> Parse<'a> for OkMulticastGather<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        Ok(Self {
            network: NetworkId::parse(r)?,
            group: MulticastGroup::parse(r)?,
            results: GatherResults::parse(r)?,
            rest: r.rest(),
        })
    }
}

impl Emit for OkMulticastGather<'_> {
    fn encoded_len(&self) -> usize {
        18 + self.results.encoded_len() + self.rest.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        self.network.emit(w)?;
        self.group.emit(w)?;
        self.results.emit(w)?;
        w.put_bytes(self.rest)
    }
}
