//! Small verbs: NOP (02 §6.23), ACK (02 §6.18), PATH_NEGOTIATION_REQUEST (02 §6.22), and unknown ones.

use crate::{BufferFull, Emit, Parse, ParseError, Reader, Verb, Writer};

/// NOP: nothing; counts as received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nop<'a> {
    /// Bytes without meaning; send none.
    pub rest: &'a [u8],
}

impl<'a> Parse<'a> for Nop<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        Ok(Self { rest: r.rest() })
    }
}

impl Emit for Nop<'_> {
    fn encoded_len(&self) -> usize {
        self.rest.len()
    }
    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_bytes(self.rest)
    }
}

/// ACK of 1.4.x–1.6.x multipath nodes; ignored by 1.14.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ack<'a> {
    /// Number of bytes received since the last ACK.
    pub received: u32,
    /// Trailing bytes.
    pub rest: &'a [u8],
}

impl<'a> Parse<'a> for Ack<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        Ok(Self { received: r.u32("number of bytes")?, rest: r.rest() })
    }
}

impl Emit for Ack<'_> {
    fn encoded_len(&self) -> usize {
        4 + self.rest.len()
    }
    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u32(self.received)?;
        w.put_bytes(self.rest)
    }
}

/// PATH_NEGOTIATION_REQUEST; the payload must be exactly two bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathNegotiationRequest {
    /// How much the sender prefers the path.
    pub utility: i16,
}

impl<'a> Parse<'a> for PathNegotiationRequest {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let utility = r.u16("path utility")? as i16;
        if !r.is_empty() {
            return Err(r.fail("length of path negotiation request"));
        }
        Ok(Self { utility })
    }
}

impl Emit for PathNegotiationRequest {
    fn encoded_len(&self) -> usize {
        2
    }
    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u16(self.utility as u16)
    }
}

/// A payload whose verb has no layout here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown<'a> {
    /// The verb.
    pub verb: Verb,
    /// The payload.
    pub body: &'a [u8],
}

impl Emit for Unknown<'_> {
    fn encoded_len(&self) -> usize {
        self.body.len()
    }
    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_bytes(self.body)
    }
}
