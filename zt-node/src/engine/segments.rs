//! TCP segments of networks that ask for it are made so small that a frame goes in one datagram.

use std::collections::BTreeSet;

use zt_peer::Vl1;
use zt_wire::{Address, EthernetRef, NetworkId, mss};

/// What stands before the payload of a frame in its packet: the header of the packet, and that of the longest verb for frames,
/// EXT_FRAME (network, flags, two MACs, EtherType).
const OVERHEAD: usize = zt_wire::packet::HEADER_LEN + 8 + 1 + 12 + 2;

/// The networks that ask for it.
#[derive(Default)]
pub(super) struct Segments {
    networks: BTreeSet<NetworkId>,
    /// Room for a changed frame, of which there are two for a flow.
    pub(super) scratch: Vec<u8>,
}

impl Segments {
    /// Whether a network asks for it (`clampMss`).
    pub(super) fn set(&mut self, network: NetworkId, asks: bool) {
        if asks {
            self.networks.insert(network);
        } else {
            self.networks.remove(&network);
        }
    }

    /// Whether a frame is to be looked at by [`fit`].
    pub(super) fn concerns(&self, network: NetworkId, frame: &EthernetRef<'_>) -> bool {
        !self.networks.is_empty() && self.networks.contains(&network) && mss::says_mss(frame)
    }
}

/// The frame as it goes on to or comes from a member: with what both ends can carry in one datagram, as far as is known now.
pub(super) fn fit<'a>(
    vl1: &Vl1,
    member: Address,
    frame: &EthernetRef<'a>,
    scratch: &'a mut Vec<u8>,
) -> EthernetRef<'a> {
    scratch.clear();
    scratch.extend_from_slice(frame.payload);
    mss::clamp(frame.ethertype, scratch, vl1.one_datagram(member).saturating_sub(OVERHEAD));
    EthernetRef { payload: scratch, ..*frame }
}
