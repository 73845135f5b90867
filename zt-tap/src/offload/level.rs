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
