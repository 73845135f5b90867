//! The two errors of the codec.

use core::fmt;

/// Bytes do not have the layout they should have.
///
/// `at` counts from the first byte given to the outermost [`Reader`](crate::Reader); for a message this is the
/// payload offset (`P+n` in document 02).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParseError {
    /// Name of the field that could not be read.
    pub what: &'static str,
    /// Offset of that field in bytes.
    pub at: usize,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad {} at offset {}", self.what, self.at)
    }
}

impl core::error::Error for ParseError {}

/// The buffer given to a [`Writer`](crate::Writer) is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BufferFull;

impl fmt::Display for BufferFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("buffer full")
    }
}

impl core::error::Error for BufferFull {}

/// A text form (address, network ID, identity, physical address …) could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextError {
    /// What the text should have been.
    pub what: &'static str,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a valid {}", self.what)
    }
}

impl core::error::Error for TextError {}
