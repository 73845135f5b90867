//! FRAME, EXT_FRAME and MULTICAST_FRAME from other nodes (04 §7.3).

use zt_wire::Membership;
use zt_wire::ether::EthernetRef;
use zt_wire::ident::{Address, Mac, PacketId};
use zt_wire::identity::Identity;
use zt_wire::time::Now;
use zt_wire::verb::{ExtFrame, Frame, MulticastFrame, OkBody, OkExtFrame, OkMulticastFrame, OkReply, Verb};

use super::Network;
use super::filter::{Passage, Refusal};
use crate::member::carrier::{Carrier, SendOptions, Verdict};
use crate::member::credentials::Outcome;
use crate::member::drop_reason::DropReason;
use crate::member::gather::{gather, reply};
use crate::member::outgoing::Outgoing;
use crate::member::shared::Shared;

/// Longest payload of a frame that is taken from others (04 §7.3).
const FRAME_LIMIT: usize = zt_wire::packet::MAX_VIRTUAL_MTU as usize;

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
            shared.drops.count(DropReason::Empty);
            return Verdict::Accepted { trust: true };
        }
        let frame = EthernetRef {
            destination: self.mac,
            source: Mac::for_member(from.address, self.id),
            ethertype: message.ethertype,
            payload: message.payload,
        };
        match self.filter_inbound(shared, now, from.address, (Verb::FRAME, packet_id), &frame, c) {
            Ok(_) => c.deliver(self.id, frame),
            Err(Refusal::Dropped(reason)) => shared.drops.count(reason),
            Err(Refusal::Waits) => return Verdict::Defer,
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
            match self.filter_inbound(shared, now, from.address, (Verb::EXT_FRAME, packet_id), &frame, c) {
                Ok(Passage::Observed) => c.deliver(self.id, frame),
                Ok(Passage::Plain) => {
                    if let Err(reason) = self.bridging(now, from.address, &frame) {
                        shared.drops.count(reason);
                        self.trace_undelivered(shared, from.address, (Verb::EXT_FRAME, packet_id), &frame, reason);
                        return Verdict::Accepted { trust: true };
                    }
                    c.deliver(self.id, frame);
                }
                // The acknowledgement is sent all the same.
                Err(Refusal::Dropped(reason)) => shared.drops.count(reason),
                Err(Refusal::Waits) => return Verdict::Defer,
            }
        }
        if message.frame.is_some_and(|frame| frame.payload.is_empty()) {
            shared.drops.count(DropReason::Empty);
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
        let config = self.held.config.as_ref().ok_or(DropReason::NotConfigured)?;
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
        if !self.held.config.as_ref().is_some_and(|config| config.is_active_bridge(from)) {
            return Err(DropReason::BridgingRemote);
        }
        // A full table only means that frames to this MAC go to all bridges.
        self.bridges.learn(now.mono, source, from);
        Ok(())
    }

    /// MULTICAST_FRAME (04 §7.3).
    pub(crate) fn handle_multicast_frame(
        &mut self,
        shared: &mut Shared,
        now: Now,
        from: &Identity,
        packet_id: PacketId,
        message: &MulticastFrame<'_>,
        c: &mut dyn Carrier,
    ) -> Verdict {
        if let Err(verdict) = self.take_inline(shared, now, from.address, message.membership.as_ref(), c) {
            return verdict;
        }
        if let Err(verdict) = self.admit(shared, now, from, (Verb::MULTICAST_FRAME, packet_id), c) {
            return verdict;
        }
        match self.take_multicast(shared, now, from.address, packet_id, message, c) {
            Ok(()) => {}
            Err(Refusal::Dropped(reason)) => {
                shared.drops.count(reason);
                let frame = EthernetRef {
                    destination: message.group.mac,
                    source: message.source.unwrap_or_else(|| Mac::for_member(from.address, self.id)),
                    ethertype: message.ethertype,
                    payload: message.payload,
                };
                self.trace_undelivered(shared, from.address, (Verb::MULTICAST_FRAME, packet_id), &frame, reason);
                return Verdict::Accepted { trust: true };
            }
            Err(Refusal::Waits) => return Verdict::Defer,
        }
        let limit = message.gather_limit.unwrap_or(0) as usize;
        let results = gather(shared, self.is_subscribed(message.group), (self.id, message.group), from.address, limit);
        if results.is_some() {
            let (network, group) = (self.id, message.group);
            let body = OkMulticastFrame { network, group, results, ..OkMulticastFrame::default() };
            reply(packet_id, OkBody::MulticastFrame(body), c);
        }
        Verdict::Accepted { trust: true }
    }

    /// The frame of a MULTICAST_FRAME; errors are drops without an answer.
    fn take_multicast(
        &mut self,
        shared: &mut Shared,
        now: Now,
        from: Address,
        packet_id: PacketId,
        message: &MulticastFrame<'_>,
        c: &mut dyn Carrier,
    ) -> Result<(), Refusal> {
        let config = self.held.config.as_ref().ok_or(Refusal::Dropped(DropReason::NotConfigured))?;
        if config.multicast_limit == 0 {
            return Err(Refusal::Dropped(DropReason::MulticastDisabled));
        }
        if message.payload.is_empty() || message.payload.len() > FRAME_LIMIT {
            // Who asks for members of the group in the same packet is answered all the same.
            shared.drops.count(if message.payload.is_empty() { DropReason::Empty } else { DropReason::TooLong });
            return Ok(());
        }
        let implied = Mac::for_member(from, self.id);
        let source = message.source.unwrap_or(implied);
        if !message.group.mac.is_multicast() {
            return Err(Refusal::Dropped(DropReason::InvalidDestination));
        }
        if source.is_zero() || source.is_multicast() || source == self.mac {
            return Err(Refusal::Dropped(DropReason::InvalidSource));
        }
        // Deliberate (04 §7.3): the reference takes what a replicator passes on only where that is an active bridge too, and a network
        // with other replicators has no multicast.
        let passed_on = config.is_replicator(from) && !config.is_active_bridge(from);
        let replicates = message.flags & MulticastFrame::REPLICATE != 0 && config.is_replicator(self.own);
        if replicates {
            let out = Outgoing {
                origin: from,
                group: message.group,
                source: Some(source),
                ethertype: message.ethertype,
                payload: message.payload,
            };
            self.send_multicast(shared, now, &out, c);
        }
        if source != implied && !passed_on {
            self.learn_bridge(now, from, source).map_err(Refusal::Dropped)?;
        }
        let frame = EthernetRef {
            destination: message.group.mac,
            source,
            ethertype: message.ethertype,
            payload: message.payload,
        };
        match self.filter_inbound(shared, now, from, (Verb::MULTICAST_FRAME, packet_id), &frame, c) {
            Ok(_) => c.deliver(self.id, frame),
            // The gather answer is sent all the same.
            Err(Refusal::Dropped(reason)) => shared.drops.count(reason),
            // What has gone on to others must not be seen again.
            Err(Refusal::Waits) if replicates => {}
            Err(Refusal::Waits) => return Err(Refusal::Waits),
        }
        Ok(())
    }

    /// An inline certificate of old peers; only "deferred" matters here, the gate decides on the rest.
    ///
    /// Security: one that is held costs nothing; another one costs the check of a signature, so that one is looked at
    /// per second and sender.
    pub(crate) fn take_inline(
        &mut self,
        shared: &mut Shared,
        now: Now,
        from: Address,
        com: Option<&Membership>,
        c: &mut dyn Carrier,
    ) -> Result<(), Verdict> {
        let Some(com) = com else { return Ok(()) };
        if self.members.get(com.issued_to()).is_some_and(|record| record.membership() == Some(com)) {
            return Ok(());
        }
        if !shared.inline_gate.pass(now.mono, from) {
            shared.drops.count(DropReason::CredentialRate);
            return Ok(());
        }
        match self.take_membership(shared, now, com, c) {
            Outcome::New => self.member_proved(shared, now, com.issued_to(), c),
            Outcome::Redundant => {}
            Outcome::Rejected => shared.drops.count(DropReason::CredentialRefused),
            Outcome::Deferred => {
                // The retry of this packet must not meet the gate.
                shared.inline_gate.reopen(from);
                shared.drops.count(DropReason::SignerUnknown);
                return Err(Verdict::Defer);
            }
        }
        Ok(())
    }
}
