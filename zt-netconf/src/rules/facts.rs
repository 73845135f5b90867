//! What the rules look at (04 §6.3).

use zt_wire::ether::EthernetRef;
use zt_wire::ident::{Address, Mac};

/// One frame on its way in or out.
#[derive(Clone, Copy, Debug)]
pub struct FrameFacts<'a> {
    /// True for a frame from another node, false for one from the local port.
    pub inbound: bool,
    /// The node that sends the frame.
    pub source: Address,
    /// The node that receives it; `NIL` in the first pass of multicast and bridged frames.
    pub destination: Address,
    /// Source MAC.
    pub source_mac: Mac,
    /// Destination MAC.
    pub destination_mac: Mac,
    /// Ethertype.
    pub ethertype: u16,
    /// Frame without its header.
    pub payload: &'a [u8],
}

impl<'a> FrameFacts<'a> {
    /// An Ethernet frame on its way between two nodes.
    pub const fn new(inbound: bool, source: Address, destination: Address, frame: &EthernetRef<'a>) -> Self {
        Self {
            inbound,
            source,
            destination,
            source_mac: frame.source,
            destination_mac: frame.destination,
            ethertype: frame.ethertype,
            payload: frame.payload,
        }
    }
}
