//! NETWORK_CONFIG_REQUEST (02 §6.14).

use crate::{BufferFull, Emit, NetworkId, Parse, ParseError, Reader, Writer};

/// NETWORK_CONFIG_REQUEST: a member asks the controller for its configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkConfigRequest<'a> {
    /// Network.
    pub network: NetworkId,
    /// Metadata dictionary; `None` if its length is missing or overruns the packet, which only a controller minds.
    pub metadata: Option<&'a [u8]>,
    /// Revision of the configuration the member has. `None`: not there.
    pub revision: Option<u64>,
    /// Timestamp of that configuration. `None`: not there (1.1.x and older).
    pub timestamp: Option<u64>,
    /// Trailing bytes; without metadata everything behind the network ID.
    pub rest: &'a [u8],
}

impl<'a> Parse<'a> for NetworkConfigRequest<'a> {
    /// Only the network ID must be there.
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let mut request = Self { network: NetworkId::parse(r)?, ..Self::default() };
        let mut ahead = r.clone();
        let metadata = ahead.u16("length of metadata").and_then(|n| ahead.bytes(usize::from(n), "metadata"));
        if let Ok(metadata) = metadata {
            *r = ahead;
            request.metadata = Some(metadata);
            if r.remaining() >= 8 {
                request.revision = Some(r.u64("revision")?);
            }
            if r.remaining() >= 8 {
                request.timestamp = Some(r.u64("timestamp")?);
            }
        }
        request.rest = r.rest();
        Ok(request)
    }
}

impl Emit for NetworkConfigRequest<'_> {
    fn encoded_len(&self) -> usize {
        8 + self.metadata.map_or(0, |m| 2 + m.len())
            + self.revision.map_or(0, |_| 8)
            + self.timestamp.map_or(0, |_| 8)
            + self.rest.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        self.network.emit(w)?;
        if let Some(m) = self.metadata {
            w.put_u16(u16::try_from(m.len()).map_err(|_| BufferFull)?)?;
            w.put_bytes(m)?;
        }
        if let Some(v) = self.revision {
            w.put_u64(v)?;
        }
        if let Some(v) = self.timestamp {
            w.put_u64(v)?;
        }
        w.put_bytes(self.rest)
    }
}
