//! How much is left to a kernel.

/// What the kernel and a TAP device leave to each other, each level with what is below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Offloads {
    /// Nothing: every frame is complete, and goes by itself.
    None,
    /// The kernel leaves checksums to us.
    Checksums,
    /// Segments of a TCP stream go as one, both ways.
    Tcp,
    /// UDP datagrams of one flow as well (Linux 6.2).
    #[default]
    All,
}

impl Offloads {
    /// All levels, the least first.
    pub const LEVELS: [Self; 4] = [Self::None, Self::Checksums, Self::Tcp, Self::All];

    /// The word that settings and reports have for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Checksums => "checksums",
            Self::Tcp => "tcp",
            Self::All => "all",
        }
    }
}

/// What a port and its host leave to each other now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapOffloads {
    /// What the host leaves to the port: what it agreed to when the port was opened.
    pub from_host: Offloads,
    /// What the port leaves to the host: the same, or less since it refused.
    pub to_host: Offloads,
}
