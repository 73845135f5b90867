//! Ports around ports: write a capture, look at frames, lose some.

mod fault;
mod pcap;
mod trace;

pub use fault::{Fault, FaultCounts, FaultPlan};
pub use pcap::{Pcap, PcapWriter};
pub use trace::Trace;

/// Which way a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the host to the network ([`Tap::poll_recv`](crate::Tap::poll_recv)).
    FromHost,
    /// From the network to the host ([`Tap::poll_send`](crate::Tap::poll_send)).
    ToHost,
}
