//! ECHO and its OK (02 §6.11).

use crate::{BufferFull, Emit, Parse, ParseError, Reader, Writer};

/// ECHO: asks for its payload to be sent back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Arbitrary payload; the reference sends none.
    pub data: &'a [u8],
}

/// Answer to ECHO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OkEcho<'a> {
    /// The payload of the ECHO.
    pub data: &'a [u8],
}

impl<'a> Parse<'a> for Echo<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        Ok(Self { data: r.rest() })
    }
}

impl Emit for Echo<'_> {
    fn encoded_len(&self) -> usize {
        self.data.len()
    }
    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_bytes(self.data)
    }
}

impl<'a> Parse<'a> for OkEcho<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        Ok(Self { data: r.rest() })
    }
}

impl Emit for OkEcho<'_> {
    fn encoded_len(&self) -> usize {
        self.data.len()
    }
    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_bytes(self.data)
    }
}
