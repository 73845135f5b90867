//! FRAME and EXT_FRAME from other nodes (04 §7.3).

use zt_wire::ether::EthernetRef;
use zt_wire::ident::{Address, Mac, PacketId};
use zt_wire::identity::Identity;
use zt_wire::time::Now;
use zt_wire::verb::{ExtFrame, Frame, OkBody, OkExtFrame, OkReply, Verb};

use super::carrier::{Carrier, SendOptions, Verdict};
use super::drop_reason::DropReason;
use super::network::Network;
use super::shared::Shared;

impl Network {
    /// FRAME (04 §7.3).
    pub(crate) fn handle_frame_message(
        &mut self,
        shared: &mut Shared,
        now: Now,
        from: &Identity,
        packet_id: PacketId,
        message: &Frame<'_>,
        c: &mut dyn Carrier,
    ) -> Verdict {
        if let Err(verdict) = self.admit(shared, now, from, (Verb::FRAME, packet_id), c) {
            return verdict;
        }
        if message.payload.is_empty() {
            return Verdict::Accepted { trust: true };
        }
        let frame = EthernetRef {
            destination: self.mac,
            source: Mac::for_member(from.address, self.id),
            ethertype: message.ethertype,
            payload: message.payload,
        };
        match self.judge_inbound(from.address, &frame) {
            Ok(()) => c.deliver(self.id, frame),
            Err(reason) => shared.drops.count(reason),
        }
        Verdict::Accepted { trust: true }
    }

    /// EXT_FRAME (04 §7.3).
    pub(crate) fn handle_ext_frame(
        &mut self,
        shared: &mut Shared,
        now: Now,
        from: &Identity,
        packet_id: PacketId,
        message: &ExtFrame<'_>,
        c: &mut dyn Carrier,
    ) -> Verdict {
        if let Err(verdict) = self.take_inline(shared, now, from.address, message.membership.as_ref(), c) {
            return verdict;
        }
        if let Err(verdict) = self.admit(shared, now, from, (Verb::EXT_FRAME, packet_id), c) {
            return verdict;
        }
        if let Some(frame) = message.frame.filter(|frame| !frame.payload.is_empty()) {
            if frame.source.is_zero() || frame.source == self.mac {
                shared.drops.count(DropReason::InvalidSource);
                return Verdict::Accepted { trust: true };
            }
            match self.judge_inbound(from.address, &frame) {
                Err(reason) => shared.drops.count(reason),
                Ok(()) => {
                    if let Err(reason) = self.bridging(now, from.address, &frame) {
                        shared.drops.count(reason);
                        return Verdict::Accepted { trust: true };
                    }
                    c.deliver(self.id, frame);
                }
            }
        }
        if message.flags & ExtFrame::ACKNOWLEDGE != 0 {
            let ok = OkExtFrame { network: Some(self.id), rest: &[] };
            let body = OkReply { in_re_packet: packet_id, body: OkBody::ExtFrame(ok) };
            c.reply(&body, SendOptions::default());
        }
        Verdict::Accepted { trust: true }
    }

    /// Whether an accepted bridged frame may go to the port.
    fn bridging(&mut self, now: Now, from: Address, frame: &EthernetRef<'_>) -> Result<(), DropReason> {
        let config = self.config.as_ref().ok_or(DropReason::NotConfigured)?;
        if frame.source != Mac::for_member(from, self.id) {
            // Quirk (04 §7.3): the destination is not looked at in this case.
            return self.learn_bridge(now, from, frame.source);
        }
        if frame.destination == self.mac {
            return Ok(());
        }
        if frame.destination.is_multicast() {
            return if config.multicast_limit == 0 { Err(DropReason::MulticastDisabled) } else { Ok(()) };
        }
        if config.is_active_bridge(self.own) { Ok(()) } else { Err(DropReason::BridgingLocal) }
    }

    /// A MAC that is not the sender's own: only an active bridge may use it.
    pub(crate) fn learn_bridge(&mut self, now: Now, from: Address, source: Mac) -> Result<(), DropReason> {
        if !self.config.as_ref().is_some_and(|config| config.is_active_bridge(from)) {
            return Err(DropReason::BridgingRemote);
        }
        // A full table only means that frames to this MAC go to all bridges.
        self.bridges.learn(now.mono, source, from);
        Ok(())
    }
}
