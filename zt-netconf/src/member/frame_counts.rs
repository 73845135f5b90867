//! Frames of a network, counted by what its rules said.

/// Frames that rules looked at since the network was joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameCounts {
    /// From other nodes, accepted.
    pub accepted_in: u64,
    /// From other nodes, not accepted. One that waits for credentials is counted when that is over.
    pub refused_in: u64,
    /// From the port, accepted; once, to however many nodes it goes.
    pub accepted_out: u64,
    /// From the port, not accepted.
    pub refused_out: u64,
}

impl FrameCounts {
    pub(super) const fn count(&mut self, inbound: bool, accepted: bool) {
        let counter = match (inbound, accepted) {
            (true, true) => &mut self.accepted_in,
            (true, false) => &mut self.refused_in,
            (false, true) => &mut self.accepted_out,
            (false, false) => &mut self.refused_out,
        };
        *counter += 1;
    }
}
