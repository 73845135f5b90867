//! Who may talk to us: the gate before any frame, and what is done about a peer that does not pass it (04 §4.6).

use zt_wire::ident::{Address, PacketId};
use zt_wire::identity::Identity;
use zt_wire::time::Now;
use zt_wire::verb::{ErrorCode, ErrorReply, Verb};

use super::Network;
use super::push::Push;
use crate::member::carrier::{Carrier, SendOptions, Verdict};
use crate::member::drop_reason::DropReason;
use crate::member::shared::Shared;

impl Network {
    /// The gate for what is no frame (04 §4.6). In low-bandwidth mode who says no more is told nothing.
    pub(crate) fn gate(&mut self, now: Now, from: &Identity, c: &mut dyn Carrier) -> Result<(), DropReason> {
        self.pass(now, from, !self.is_low_bandwidth(), c)
    }

    /// Executed before any frame is accepted (04 §4.6). `announces`: it hears of our groups when that is due.
    fn pass(&mut self, now: Now, from: &Identity, announces: bool, c: &mut dyn Carrier) -> Result<(), DropReason> {
        let every = self.announces_every();
        let Some(config) = &self.held.config else { return Err(DropReason::NotConfigured) };
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
        if !record.is_allowed(config, self.held.generation, from) {
            return Err(if record.is_revoked() { DropReason::PeerRevoked } else { DropReason::NotMember });
        }
        if announces && record.last_announce.pass(now.mono, every) {
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
        if self.held.is_self_revoked() {
            // Silence: we are no member and have nothing to ask for.
            return Err(shared.drop(DropReason::SelfRevoked));
        }
        let Err(reason) = self.pass(now, from, true, c) else { return Ok(()) };
        shared.drops.count(reason);
        self.trace_denied(shared, from.address, in_re);
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
}
