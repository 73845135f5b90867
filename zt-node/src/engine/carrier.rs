//! VL2's view of VL1: the adapter between the two machines, which do not know each other.

use super::Outbox;
use super::segments::{self, Segments};
use std::time::Duration;
use zt_netconf::{Carrier, SendOptions};
use zt_peer::{ReplyTo, Vl1};
use zt_wire::time::Now;
use zt_wire::verb::Body;
use zt_wire::{Address, EthernetRef, FlowId, Identity, Lane, NetworkId, PacketId};

/// Carries VL2 over VL1 during one call.
pub(super) struct OverVl1<'a> {
    pub(super) now: Now,
    pub(super) vl1: &'a mut Vl1,
    pub(super) outbox: &'a mut Outbox,
    pub(super) segments: &'a mut Segments,
    /// The packet in hand, if there is one.
    pub(super) reply_to: Option<ReplyTo>,
}

fn options(options: SendOptions) -> zt_peer::SendOptions {
    zt_peer::SendOptions { compress: options.compress, expect_reply: options.expect_reply }
}

impl Carrier for OverVl1<'_> {
    fn identity(&self, address: Address) -> Option<Identity> {
        self.vl1.identity_of(address).copied()
    }

    fn request_identity(&mut self, address: Address) {
        self.vl1.whois(self.now, address, &mut self.outbox.transmits);
    }

    fn roots(&self) -> Vec<Address> {
        self.vl1.upstreams(self.now)
    }

    fn is_root(&self) -> bool {
        self.vl1.am_root()
    }

    fn direct_latency(&self, address: Address) -> Option<Duration> {
        self.vl1.direct_latency(address)
    }

    fn send(&mut self, to: Address, body: &dyn Body, how: SendOptions) -> Option<PacketId> {
        match self.vl1.send(self.now, to, body, options(how), &mut self.outbox.transmits) {
            Ok(id) => id,
            Err(error) => {
                tracing::trace!(%to, %error, "not sent");
                None
            }
        }
    }

    fn reply(&mut self, body: &dyn Body, how: SendOptions) {
        if let Some(to) = self.reply_to {
            self.vl1.reply(self.now, &to, body, options(how), &mut self.outbox.transmits);
        }
    }

    fn hurry(&mut self, from: Address) {
        self.vl1.hurry(from);
    }

    fn lane(&mut self, lane: Lane) {
        self.outbox.transmits.set_lane(lane);
    }

    fn deliver(&mut self, network: NetworkId, frame: EthernetRef<'_>) {
        if self.vl1.is_bonding()
            && let Some(from) = self.reply_to
        {
            self.vl1.flow_came(self.now, &from, FlowId::of(&frame));
        }
        if !self.segments.concerns(network, &frame) {
            return self.outbox.deliver(network, frame);
        }
        let mut scratch = std::mem::take(&mut self.segments.scratch);
        let fitting = match frame.source.member(network) {
            Some(member) => segments::fit(self.vl1, member, &frame, &mut scratch),
            None => frame,
        };
        self.outbox.deliver(network, fitting);
        self.segments.scratch = scratch;
    }
}
