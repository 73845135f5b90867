//! USER_MESSAGE (02 §6.20).

use crate::{BufferFull, Emit, Parse, ParseError, Reader, Writer};

/// USER_MESSAGE: handed to the application, which has to restrict senders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserMessage<'a> {
    /// Type; up to 65535 are reserved.
    pub type_id: u64,
    /// Content.
    pub data: &'a [u8],
}

impl UserMessage<'_> {
    /// Shorter payloads are ignored.
    pub const MIN_LEN: usize = 8;
}

impl<'a> Parse<'a> for UserMessage<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        Ok(Self { type_id: r.u64("message type")?, data: r.rest() })
    }
}

impl Emit for UserMessage<'_> {
    fn encoded_len(&self) -> usize {
        8 + self.data.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u64(self.type_id)?;
        w.put_bytes(self.data)
    }
}
