//! Frames from the local port: where they go (04 §7.2).

use zt_wire::ether::{ETHERTYPE_IPV6, EthernetRef};
use zt_wire::ident::{Address, Mac, MulticastGroup};
use zt_wire::packet::MAX_PAYLOAD_LEN;
use zt_wire::time::Now;
use zt_wire::verb::{ExtFrame, Frame};

use super::Network;
use super::push::Push;
use crate::member::carrier::{Carrier, FrameVerdict, SendOptions};
use crate::member::drop_reason::DropReason;
use crate::member::neighbor;
use crate::member::outgoing::Outgoing;
use crate::member::shared::Shared;

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

impl Network {
    /// Sends a frame from the local port (04 §7.2).
    pub(crate) fn send_frame(
        &mut self,
        shared: &mut Shared,
        now: Now,
        frame: &EthernetRef<'_>,
        c: &mut dyn Carrier,
    ) -> Result<FrameVerdict, DropReason> {
        let config = self.held.ready()?;
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
        if let Err(reason) = self.filter_outbound(shared, now, peer, frame, true, c) {
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

    fn send_multicast_frame(
        &mut self,
        shared: &mut Shared,
        now: Now,
        frame: &EthernetRef<'_>,
        bridged: bool,
        c: &mut dyn Carrier,
    ) -> Result<FrameVerdict, DropReason> {
        let config = self.held.ready()?;
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
        self.filter_outbound(shared, now, Address::NIL, frame, true, c)?;
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
        let is_active = self.held.config.as_ref().is_some_and(|config| config.is_active_bridge(bridge));
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
        self.filter_outbound(shared, now, Address::NIL, frame, true, c)?;
        let config = self.held.ready()?;
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
            match self.filter_outbound(shared, now, bridge, frame, false, c) {
                Ok(()) => {
                    // Free choice (04 §4.7): the reference waits for the bridge to ask.
                    self.push_credentials(now, bridge, Push::BeforeFrame, c);
                    c.send(bridge, &self.bridged_frame(frame), SendOptions::default());
                    sent += 1;
                }
                Err(reason) => {
                    shared.drops.count(reason);
                    self.trace_unsent(shared, frame, bridge, reason);
                }
            }
        }
        shared.recipients = recipients;
        if sent == 0 { Err(DropReason::NoBridge) } else { Ok(FrameVerdict::Sent(sent)) }
    }

    fn bridged_frame<'a>(&self, frame: &EthernetRef<'a>) -> ExtFrame<'a> {
        ExtFrame::new(self.id, 0, *frame)
    }
}
