//! REMOTE_TRACE (02 §6.21).

use crate::{BufferFull, Dictionary, Emit, Parse, ParseError, Reader, Writer};

/// REMOTE_TRACE: NUL-terminated dictionaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoteTrace<'a> {
    /// The dictionaries with their terminators.
    pub body: &'a [u8],
}

impl<'a> RemoteTrace<'a> {
    /// Longest dictionary that is handed on.
    pub const MAX_DICTIONARY_LEN: usize = 10000;

    /// Dictionaries that are not empty, not too long and terminated.
    pub fn dictionaries(&self) -> impl Iterator<Item = Dictionary<'a>> + use<'a> {
        let end = self.body.iter().rposition(|c| *c == 0).unwrap_or(0);
        self.body[..end]
            .split(|c| *c == 0)
            .filter(|d| !d.is_empty() && d.len() <= Self::MAX_DICTIONARY_LEN)
            .map(Dictionary::new)
    }
}

impl<'a> Parse<'a> for RemoteTrace<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        Ok(Self { body: r.rest() })
    }
}

impl Emit for RemoteTrace<'_> {
    fn encoded_len(&self) -> usize {
        self.body.len()
    }
    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_bytes(self.body)
    }
}
