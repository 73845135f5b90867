//! What software a peer runs.

/// Version of a peer's software, as it told us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) protocol: u8,
    pub(crate) major: u8,
    pub(crate) minor: u8,
    pub(crate) revision: u16,
}

impl Version {
    /// ECHO is understood (03 §6.1).
    pub(crate) fn understands_echo(&self) -> bool {
        self.protocol >= 5 && (self.major, self.minor, self.revision) != (1, 1, 0)
    }
}
