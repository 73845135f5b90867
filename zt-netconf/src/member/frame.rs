//! Frames in and out: who may send what, and where it goes (04 §4.6, §7.2, §7.3).

use zt_wire::ether::{ETHERTYPE_IPV6, EthernetRef};
use zt_wire::ident::{Address, Mac, MulticastGroup, PacketId};
use zt_wire::identity::Identity;
use zt_wire::packet::MAX_PAYLOAD_LEN;
use zt_wire::time::Now;
use zt_wire::verb::{ErrorCode, ErrorReply, ExtFrame, Frame, OkBody, OkExtFrame, OkReply, Verb};
use zt_wire::{Capability, Membership};

use super::carrier::{Carrier, FrameVerdict, SendOptions, Verdict};
use super::credentials::Outcome;
use super::drop_reason::DropReason;
use super::multicast::Outgoing;
use super::neighbor;
use super::network::{ANNOUNCE, Network};
use super::push::Push;
use super::shared::Shared;
use crate::config::NetworkConfig;
use crate::rules::{Decision, FrameFacts, evaluate, first_unsupported};

/// Longest payload of a frame that is taken from others (04 §7.3).
pub(crate) const FRAME_LIMIT: usize = zt_wire::packet::MAX_VIRTUAL_MTU as usize;
/// Longest payload of a frame that fits a packet in each of its forms (02 §1): as FRAME, as EXT_FRAME from or to a host
/// behind a bridge, as MULTICAST_FRAME with all its fields.
const UNICAST_LIMIT: usize = MAX_PAYLOAD_LEN - 10;
const BRIDGED_LIMIT: usize = MAX_PAYLOAD_LEN - 23;
const MULTICAST_LIMIT: usize = MAX_PAYLOAD_LEN - 31;
/// The largest MTU that a port can have without losing frames: a little less than the largest a network can be given, for
/// which there is no packet.
pub const MAX_PORT_MTU: u32 = MULTICAST_LIMIT as u32;
/// Most bridges that a frame to an unknown MAC is sent to.
const BRIDGES: usize = 32;

/// Evaluates the rules of the network and then, when those decide nothing, capabilities in ascending order of their
/// ID: an accepting rule is needed (04 §6.7, §6.8).
fn judge<'r>(
    config: &NetworkConfig,
    capabilities: impl Iterator<Item = &'r Capability>,
    facts: &FrameFacts<'_>,
) -> Result<(), DropReason> {
    match evaluate(&config.rules, facts, config.unknown_rules_match()) {
        Decision::Accept { .. } => return Ok(()),
        Decision::Drop { .. } => return Err(DropReason::RuleDrop),
        Decision::NoMatch => {}
    }
    for capability in capabilities {
        // A DROP never drops from a capability. A foreign capability with rules that cannot be evaluated grants
        // nothing; an own one makes the whole configuration unsupported.
        if first_unsupported(&capability.rules).is_none()
            && matches!(evaluate(&capability.rules, facts, config.unknown_rules_match()), Decision::Accept { .. })
        {
            return Ok(());
        }
    }
    Err(DropReason::RuleNoMatch)
}

impl Network {
    /// Executed before any frame is accepted (04 §4.6).
    pub(crate) fn gate(&mut self, now: Now, from: &Identity, c: &mut dyn Carrier) -> Result<(), DropReason> {
        let Some(config) = &self.config else { return Err(DropReason::NotConfigured) };
        let record = match self.members.get_mut(from.address) {
            Some(record) => record,
            // Whoever sends on a public network gets a record, for the announcements.
            None if config.is_public() => match self.members.record(now.mono, from.address) {
                Some(record) => record,
                None => return Ok(()),
            },
            None => return Err(DropReason::NotMember),
        };
        record.last_active = now.mono;
        if !record.is_allowed(config, self.generation, from) {
            return Err(if record.is_revoked() { DropReason::PeerRevoked } else { DropReason::NotMember });
        }
        if record.last_announce.pass(now.mono, ANNOUNCE) {
            self.announce_to_member(from.address, c);
        }
        Ok(())
    }

    /// The gate for frames: a refused sender is asked for its certificate, and the packet waits for it.
    pub(crate) fn admit(
        &mut self,
        shared: &mut Shared,
        now: Now,
        from: &Identity,
        in_re: (Verb, PacketId),
        c: &mut dyn Carrier,
    ) -> Result<(), Verdict> {
        if self.is_self_revoked() {
            // Silence: we are no member and have nothing to ask for.
            return Err(shared.drop(DropReason::SelfRevoked));
        }
        let Err(reason) = self.gate(now, from, c) else { return Ok(()) };
        shared.drops.count(reason);
        if shared.error_gate.pass(now.mono, (self.id, from.address)) {
            let body = ErrorReply::network_error(in_re.0, in_re.1, ErrorCode::NEED_MEMBERSHIP_CERTIFICATE, self.id);
            c.reply(&body, SendOptions::default());
            if self.members.get(from.address).is_some_and(|record| record.membership().is_some()) {
                // It has one that does not agree with ours: either may be the one to ask the controller.
                self.push_credentials(now, from.address, Push::Demanded, c);
            }
        } else {
            shared.drops.count(DropReason::ErrorRate);
        }
        Err(Verdict::Defer)
    }

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

    /// Rules for a frame from another node (04 §6.8).
    pub(crate) fn judge_inbound(&self, from: Address, frame: &EthernetRef<'_>) -> Result<(), DropReason> {
        let config = self.ready()?;
        let facts = FrameFacts {
            inbound: true,
            own: self.own,
            source: from,
            destination: self.own,
            source_mac: frame.source,
            destination_mac: frame.destination,
            ethertype: frame.ethertype,
            payload: frame.payload,
        };
        let record = self.members.get(from);
        let presented = record.into_iter().flat_map(|record| record.valid_capabilities(config));
        judge(config, presented, &facts)
    }

    /// Rules for a frame to another node, or to nobody in particular yet (`NIL`) (04 §6.7).
    pub(crate) fn judge_outbound(&self, to: Address, frame: &EthernetRef<'_>) -> Result<(), DropReason> {
        let config = self.ready()?;
        // Deliberate: a peer whose certificate is void gets nothing from us either.
        if !to.is_nil() && self.members.get(to).is_some_and(|record| record.is_revoked()) {
            return Err(DropReason::PeerRevoked);
        }
        let facts = FrameFacts {
            inbound: false,
            own: self.own,
            source: self.own,
            destination: to,
            source_mac: frame.source,
            destination_mac: frame.destination,
            ethertype: frame.ethertype,
            payload: frame.payload,
        };
        judge(config, config.capabilities.iter(), &facts)
    }

    /// Sends a frame from the local port (04 §7.2).
    pub(crate) fn send_frame(
        &mut self,
        shared: &mut Shared,
        now: Now,
        frame: &EthernetRef<'_>,
        c: &mut dyn Carrier,
    ) -> Result<FrameVerdict, DropReason> {
        let config = self.ready()?;
        let bridged = frame.source != self.mac;
        if bridged && !config.is_active_bridge(self.own) {
            return Err(DropReason::NotABridge);
        }
        let limit = match frame.destination.is_multicast() {
            true => MULTICAST_LIMIT,
            false if bridged || frame.destination.0[0] != self.mac.0[0] => BRIDGED_LIMIT,
            false => UNICAST_LIMIT,
        };
        if frame.payload.len() > limit {
            return Err(DropReason::TooLong);
        }
        if frame.destination.is_multicast() {
            return self.send_multicast_frame(shared, now, frame, bridged, c);
        }
        if frame.destination == self.mac {
            c.deliver(self.id, *frame);
            return Ok(FrameVerdict::Answered);
        }
        if frame.destination.0[0] != self.mac.0[0] || self.is_behind_bridge(frame.destination) {
            return self.send_to_bridges(shared, now, frame, c);
        }
        let peer = frame.destination.member(self.id).ok_or(DropReason::ReservedDestination)?;
        if let Err(reason) = self.judge_outbound(peer, frame) {
            if reason == DropReason::PeerRevoked {
                self.ask_for_membership(shared, now, peer, c);
            }
            return Err(reason);
        }
        self.push_credentials(now, peer, Push::BeforeFrame, c);
        if bridged {
            c.send(peer, &self.bridged_frame(frame), SendOptions::default());
        } else {
            let body = Frame { network: self.id, ethertype: frame.ethertype, payload: frame.payload };
            c.send(peer, &body, SendOptions::default());
        }
        Ok(FrameVerdict::Sent(1))
    }

    /// Nothing goes to a peer whose certificate is void; but it may hold a newer one that we have not seen. The
    /// error makes it send it, and our own credentials make a peer that ignores such errors do so too.
    pub(crate) fn ask_for_membership(&mut self, shared: &mut Shared, now: Now, peer: Address, c: &mut dyn Carrier) {
        if !shared.ask_gate.pass(now.mono, (self.id, peer)) {
            return;
        }
        let code = ErrorCode::NEED_MEMBERSHIP_CERTIFICATE;
        let body = ErrorReply::network_error(Verb::FRAME, PacketId(0), code, self.id);
        c.send(peer, &body, SendOptions::default());
        self.push_credentials(now, peer, Push::Demanded, c);
    }

    fn send_multicast_frame(
        &mut self,
        shared: &mut Shared,
        now: Now,
        frame: &EthernetRef<'_>,
        bridged: bool,
        c: &mut dyn Carrier,
    ) -> Result<FrameVerdict, DropReason> {
        let config = self.ready()?;
        let mut group = MulticastGroup { mac: frame.destination, adi: 0 };
        if frame.destination.is_broadcast() {
            match neighbor::arp_group(frame.ethertype, frame.payload) {
                Some(queried) => group = queried,
                None if !config.broadcast_enabled() => return Err(DropReason::BroadcastDisabled),
                None => {}
            }
        } else if frame.ethertype == ETHERTYPE_IPV6 && config.ndp_emulation() {
            let answer = neighbor::emulate_ndp(self.id, self.own, &config.addresses, frame.payload);
            if let Some(answer) = answer {
                let frame = EthernetRef {
                    destination: frame.source,
                    source: answer.source,
                    ethertype: ETHERTYPE_IPV6,
                    payload: &answer.payload,
                };
                c.deliver(self.id, frame);
                return Ok(FrameVerdict::Answered);
            }
        }
        if config.multicast_limit == 0 {
            return Err(DropReason::MulticastDisabled);
        }
        if bridged {
            self.note_bridged_group(now, group, c);
        }
        self.judge_outbound(Address::NIL, frame)?;
        let outgoing = Outgoing {
            origin: Address::NIL,
            group,
            source: bridged.then_some(frame.source),
            ethertype: frame.ethertype,
            payload: frame.payload,
        };
        Ok(FrameVerdict::Sent(self.send_multicast(shared, now, &outgoing, c)))
    }

    /// A MAC that looks like a member's but was seen behind an active bridge, while no member showed itself that has
    /// it. Machines get such MACs at random (one in 64 of veth devices; containers have 02:42:…), and 04 §7.2 step 5
    /// would send their frames to a node that does not exist.
    // Deliberate: peers see ordinary bridged frames.
    fn is_behind_bridge(&self, mac: Mac) -> bool {
        let Some(bridge) = self.bridges.bridge_of(mac) else { return false };
        let is_active = self.config.as_ref().is_some_and(|config| config.is_active_bridge(bridge));
        let member = mac.member(self.id).filter(|member| self.members.get(*member).is_some());
        is_active && bridge != self.own && member.is_none()
    }

    /// A MAC behind a bridge (04 §7.2 step 6).
    fn send_to_bridges(
        &mut self,
        shared: &mut Shared,
        now: Now,
        frame: &EthernetRef<'_>,
        c: &mut dyn Carrier,
    ) -> Result<FrameVerdict, DropReason> {
        self.judge_outbound(Address::NIL, frame)?;
        let config = self.ready()?;
        let own = self.own;
        let learned = self.bridges.bridge_of(frame.destination);
        let learned = learned.filter(|bridge| *bridge != own && config.is_active_bridge(*bridge));
        let mut recipients = core::mem::take(&mut shared.recipients);
        recipients.clear();
        match learned {
            Some(bridge) => recipients.push(bridge),
            None => recipients.extend(config.active_bridges().filter(|bridge| *bridge != own)),
        }
        // Free choice (04 §7.2): 32 different ones.
        while recipients.len() > BRIDGES {
            let out = shared.below(recipients.len());
            recipients.swap_remove(out);
        }
        let mut sent = 0;
        for bridge in recipients.drain(..) {
            match self.judge_outbound(bridge, frame) {
                Ok(()) => {
                    // Free choice (04 §4.7): the reference waits for the bridge to ask.
                    self.push_credentials(now, bridge, Push::BeforeFrame, c);
                    c.send(bridge, &self.bridged_frame(frame), SendOptions::default());
                    sent += 1;
                }
                Err(reason) => shared.drops.count(reason),
            }
        }
        shared.recipients = recipients;
        if sent == 0 { Err(DropReason::NoBridge) } else { Ok(FrameVerdict::Sent(sent)) }
    }

    fn bridged_frame<'a>(&self, frame: &EthernetRef<'a>) -> ExtFrame<'a> {
        ExtFrame::new(self.id, 0, *frame)
    }
}
