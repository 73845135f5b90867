//! Outgoing packets: where they go (03 §3) and how they are made.

use zt_wire::packet::{HEADER_LEN, MAX_PACKET_LEN};
use zt_wire::{Address, Body, Now, PacketId};

use super::Vl1;
use crate::config::SendOptions;
use crate::outgoing::SendError;
use crate::transmit::Transmits;

impl Vl1 {
    /// Sends a message: directly, over a root, or later when the peer must first be found. The packet ID is known
    /// only when the packet could be sealed at once, which `expect_reply` asks for.
    ///
    /// # Errors
    /// Impossible destination or length. A peer that cannot be reached (yet) is no error.
    pub fn send(
        &mut self,
        now: Now,
        to: Address,
        body: &dyn Body,
        options: SendOptions,
        out: &mut Transmits,
    ) -> Result<Option<PacketId>, SendError> {
        if to == self.wire.address() || to.is_reserved() {
            return Err(SendError::Destination);
        }
        if HEADER_LEN + body.encoded_len() > MAX_PACKET_LEN {
            return Err(SendError::TooLong);
        }
        let Some(id) = self.peers.id(to) else {
            self.queue(now.mono, to, body, options);
            self.whois(now, to, out);
            return Ok(None);
        };
        self.send_known(now, id, body, options, out)
    }

    /// [`Transmits::seal`], and remembers the packet IDs that an ERROR may name.
    pub fn seal(&mut self, now: Now, out: &mut Transmits) {
        out.seal();
        self.handle_sealed(now, out);
    }

    /// Remembers the packet IDs of frames, once they are sealed: ERRORs that name none of them are refused. Only
    /// needed by an owner that calls [`Transmits::seal`] itself.
    pub fn handle_sealed(&mut self, now: Now, out: &mut Transmits) {
        self.wire.note_sealed(now.mono, out);
        self.bonds_sealed(now.mono, out);
        out.told();
    }
}
