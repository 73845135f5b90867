//! FRAME (02 §6.9).

use crate::{BufferFull, Emit, NetworkId, Parse, ParseError, Reader, Writer};

/// FRAME: an Ethernet frame between two members; both MACs follow from their addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Network.
    pub network: NetworkId,
    /// EtherType; 0 if the packet ends before it.
    pub ethertype: u16,
    /// Ethernet payload; delivered only if not empty.
    pub payload: &'a [u8],
}

impl<'a> Parse<'a> for Frame<'a> {
    /// Only the network ID must be there.
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let network = NetworkId(r.u64("frame network")?);
        if r.remaining() < 2 {
            r.rest();
            return Ok(Self { network, ethertype: 0, payload: &[] });
        }
        let ethertype = r.u16("EtherType")?;
        let payload = r.rest();
        Ok(Self { network, ethertype, payload })
    }
}

impl Emit for Frame<'_> {
    fn encoded_len(&self) -> usize {
        10 + self.payload.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u64(self.network.0)?;
        w.put_u16(self.ethertype)?;
        w.put_bytes(self.payload)
    }
}
