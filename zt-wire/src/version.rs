//! Versions that nodes tell of themselves (02 §6.2).

use core::fmt;

use crate::{BufferFull, Emit, Parse, ParseError, Reader, Writer};

/// Version of a node's software. Ordered as versions are.
///
/// ```
/// use zt_wire::SoftwareVersion;
/// let version = SoftwareVersion::new(1, 14, 1);
/// assert!(version > SoftwareVersion::new(1, 2, 12));
/// assert_eq!(version.to_string(), "1.14.1");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SoftwareVersion {
    /// Major number.
    pub major: u8,
    /// Minor number.
    pub minor: u8,
    /// Revision.
    pub revision: u16,
}

impl SoftwareVersion {
    /// Makes one.
    #[must_use]
    pub const fn new(major: u8, minor: u8, revision: u16) -> Self {
        Self { major, minor, revision }
    }
}

impl fmt::Display for SoftwareVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.revision)
    }
}

impl<'a> Parse<'a> for SoftwareVersion {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        Ok(Self { major: r.u8("major version")?, minor: r.u8("minor version")?, revision: r.u16("revision")? })
    }
}

impl Emit for SoftwareVersion {
    fn encoded_len(&self) -> usize {
        4
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_bytes(&[self.major, self.minor])?;
        w.put_u16(self.revision)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn numbers_are_compared_and_not_digits() {
        let version = SoftwareVersion::new;
        let ascending = [version(0, 9, 9), version(1, 1, 0), version(1, 2, 12), version(1, 14, 1), version(1, 14, 300)];
        assert!(ascending.is_sorted());
        assert_eq!(ascending.map(|v| v.to_string()), ["0.9.9", "1.1.0", "1.2.12", "1.14.1", "1.14.300"]);
    }

    #[test]
    fn two_bytes_and_a_word() {
        let version = SoftwareVersion::new(1, 14, 0x102);
        assert_eq!(version.to_vec(), [1, 14, 1, 2]);
        assert_eq!(SoftwareVersion::parse(&mut Reader::new(&[1, 14, 1, 2])), Ok(version));
    }
}
