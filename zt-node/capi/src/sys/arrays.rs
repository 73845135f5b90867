//! The arrays that `ZT1_Node_run` hands out.

use super::sockaddr;
use super::zt1::abi::{ZT1_VirtualLanFrame, ZT1_WireMessage};
use crate::zt1::level_of;
use core::ffi::c_uint;
use zt_node::engine::Outbox;

/// Packets and frames of a turn, pointing into its outbox.
#[derive(Default)]
pub(crate) struct Arrays {
    wires: Vec<ZT1_WireMessage>,
    frames: Vec<ZT1_VirtualLanFrame>,
}

// SAFETY: the pointers lead into the outbox beside which the arrays lie in the turn, and go where it goes. Rust code
// never follows them.
unsafe impl Send for Arrays {}

impl Arrays {
    pub(crate) fn clear(&mut self) {
        self.wires.clear();
        self.frames.clear();
    }

    /// Lists what is in a sealed outbox, which must then stay as it is until the next [`Arrays::clear`].
    pub(crate) fn fill(&mut self, outbox: &Outbox) {
        for transmit in outbox.transmits.iter() {
            let remote_address = sockaddr::of_endpoint(&transmit.path.remote);
            for datagram in transmit.datagrams() {
                self.wires.push(ZT1_WireMessage {
                    remoteAddress: remote_address,
                    desperation: level_of(transmit.path.link),
                    spam: transmit.spam.into(),
                    packetData: datagram.as_ptr().cast(),
                    packetLength: length(datagram),
                });
            }
        }
        let Some(list) = &outbox.list else { return };
        for frame in list.frames() {
            let payload = list.payload(frame);
            self.frames.push(ZT1_VirtualLanFrame {
                networkId: frame.network.0,
                sourceMac: frame.source.as_u64(),
                destMac: frame.destination.as_u64(),
                etherType: frame.ethertype.into(),
                vlanId: 0,
                frameData: payload.as_ptr().cast(),
                frameLength: length(payload),
            });
        }
    }

    pub(super) fn wires(&self) -> &[ZT1_WireMessage] {
        &self.wires
    }

    pub(super) fn frames(&self) -> &[ZT1_VirtualLanFrame] {
        &self.frames
    }
}

fn length(bytes: &[u8]) -> c_uint {
    c_uint::try_from(bytes.len()).unwrap_or(0)
}
