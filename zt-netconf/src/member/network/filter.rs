//! What the rules say of a frame on its way in or out, and what follows: copies, redirection, questions (04 §6.7, §6.8).

use zt_wire::ether::EthernetRef;
use zt_wire::ident::{Address, PacketId};
use zt_wire::lane::{Lane, flow_of};
use zt_wire::time::Now;
use zt_wire::verb::{ErrorCode, ErrorReply, ExtFrame, Verb};

use super::Network;
use super::push::Push;
use crate::member::carrier::{Carrier, SendOptions};
use crate::member::drop_reason::DropReason;
use crate::member::shared::Shared;
use crate::rules::{Copies, Decision, Explanation, FrameFacts, Verdict};
use crate::trace::TraceEvent;

/// Flags of the packets that rules make: TEE, WATCH, REDIRECT (04 §6.7).
const INBOUND: [u8; 3] = [ExtFrame::INBOUND_TEE, ExtFrame::INBOUND_WATCH, ExtFrame::INBOUND_REDIRECT];
const OUTBOUND: [u8; 3] = [ExtFrame::OUTBOUND_TEE, ExtFrame::OUTBOUND_WATCH, ExtFrame::OUTBOUND_REDIRECT];

/// How a frame of another node may be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// When its MACs are in order.
    Plain,
    /// Whatever its MACs: this node watches.
    Observed,
}

/// Why a frame of another node is not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is dropped.
    Dropped(DropReason),
    /// It waits for what its sender was asked for.
    Waits,
}

impl Network {
    /// Rules for a frame from another node, as it came in a packet (04 §6.8). Copies that they make are on their way.
    pub(super) fn filter_inbound(
        &mut self,
        shared: &mut Shared,
        now: Now,
        from: Address,
        in_re: (Verb, PacketId),
        frame: &EthernetRef<'_>,
        c: &mut dyn Carrier,
    ) -> Result<Passage, Refusal> {
        self.held.ready().map_err(Refusal::Dropped)?;
        let facts = FrameFacts::new(true, from, self.own, frame);
        let trace = self.begin_trace(shared, TraceEvent::FILTER);
        let (verdict, told) = self.judge(shared, from, &facts, (trace.is_some(), false)).map_err(Refusal::Dropped)?;
        shared.traces.decided(trace, &facts, told.as_ref(), true);
        // A capability of the sender could have accepted what nothing decides.
        let may_change = verdict.looked_at_peer || verdict.decision == Decision::NoMatch;
        if !verdict.decision.accepts() && may_change && self.awaits_credentials(now, from, &verdict) {
            shared.drops.count(DropReason::CredentialsAwaited);
            if shared.error_gate.pass(now.mono, (self.id, from)) {
                let code = ErrorCode::NEED_MEMBERSHIP_CERTIFICATE;
                c.reply(&ErrorReply::network_error(in_re.0, in_re.1, code, self.id), SendOptions::default());
            }
            return Err(Refusal::Waits);
        }
        self.held.decisions.count(true, &verdict);
        let followed = self.follow(now, &verdict, INBOUND, true, frame, c);
        self.frames.count(true, followed.is_ok());
        match followed {
            Ok(()) if verdict.decision == Decision::SuperAccept => Ok(Passage::Observed),
            Ok(()) => Ok(Passage::Plain),
            Err(reason) => Err(Refusal::Dropped(reason)),
        }
    }

    /// Rules for a frame to another node, or to nobody in particular yet (`NIL`) (04 §6.7). `tee`: copies that they make
    /// are sent.
    pub(crate) fn filter_outbound(
        &mut self,
        shared: &mut Shared,
        now: Now,
        to: Address,
        frame: &EthernetRef<'_>,
        tee: bool,
        c: &mut dyn Carrier,
    ) -> Result<(), DropReason> {
        self.held.ready()?;
        // Deliberate: a peer whose certificate is void gets nothing from us either.
        if !to.is_nil() && self.members.get(to).is_some_and(|record| record.is_revoked()) {
            return Err(DropReason::PeerRevoked);
        }
        let facts = FrameFacts::new(false, self.own, to, frame);
        let trace = self.begin_trace(shared, TraceEvent::FILTER);
        let listens = trace.is_some();
        let (mut verdict, mut told) = self.judge(shared, to, &facts, (listens, false))?;
        let mut stranger = to.is_nil() || self.members.get(to).is_none();
        if !verdict.decision.accepts() && verdict.looked_at_peer && self.awaits_credentials(now, to, &verdict) {
            // What we know of its tags may be of yesterday, and it has no reason to tell us.
            self.ask_for_membership(shared, now, to, c);
            stranger = true;
        }
        if stranger && verdict.decision == Decision::NoMatch && verdict.missing_tag.is_some() {
            (verdict, told) = self.judge(shared, to, &facts, (listens, true))?;
        }
        shared.traces.decided(trace, &facts, told.as_ref(), tee);
        self.held.decisions.count(false, &verdict);
        c.lane(verdict.priority.map_or(Lane::USUAL, |bucket| Lane::new(bucket, flow_of(frame))));
        let followed = self.follow(now, &verdict, OUTBOUND, tee, frame, c);
        if tee {
            // The first judgement of a frame; those for each of several receivers make no copies.
            self.frames.count(false, followed.is_ok());
        }
        followed
    }

    /// One decision, by what the rules say of a member or, when `stranger`, of somebody whose tags are not known yet; told
    /// how when `listens`.
    fn judge(
        &mut self,
        shared: &mut Shared,
        other: Address,
        facts: &FrameFacts<'_>,
        (listens, stranger): (bool, bool),
    ) -> Result<(Verdict, Option<Explanation>), DropReason> {
        let policy = self.held.policy.as_ref().ok_or(DropReason::NotConfigured)?;
        let generation = self.held.generation;
        let peer = self.members.get_mut(other).map(|record| record.policy(policy, generation));
        let mut random = || shared.entropy.next_u64() as u32;
        if listens {
            let told = match stranger {
                true => policy.explain_to_stranger(facts, peer, &mut random),
                false => policy.explain(facts, peer, &mut random),
            };
            return Ok((told.verdict, Some(told)));
        }
        let verdict = match stranger {
            true => policy.judge_stranger(facts, peer, &mut random),
            false => policy.judge(facts, peer, &mut random),
        };
        Ok((verdict, None))
    }

    /// Does what a verdict says besides; an error unless the frame may go on its way.
    fn follow(
        &mut self,
        now: Now,
        verdict: &Verdict,
        flags: [u8; 3],
        tee: bool,
        frame: &EthernetRef<'_>,
        c: &mut dyn Carrier,
    ) -> Result<(), DropReason> {
        if tee && verdict.copies != Copies::default() {
            for copy in verdict.copies.iter() {
                let cut = EthernetRef { payload: &frame.payload[..copy.length], ..*frame };
                self.send_copy_of(now, copy.to, flags[usize::from(copy.watch)], cut, c);
            }
        }
        match verdict.decision {
            Decision::Accept | Decision::SuperAccept => Ok(()),
            Decision::Redirect(to) => {
                self.send_copy_of(now, to, flags[2], *frame, c);
                Err(DropReason::Redirected)
            }
            Decision::Drop => Err(DropReason::RuleDrop),
            Decision::Evasive => Err(DropReason::RuleEvaded),
            Decision::NoMatch => Err(DropReason::RuleNoMatch),
        }
    }

    fn send_copy_of(&mut self, now: Now, to: Address, flags: u8, frame: EthernetRef<'_>, c: &mut dyn Carrier) {
        // Nobody has address 0: to ask a root who that is, and to keep the frame for an answer, would be in vain.
        if to.is_nil() {
            return;
        }
        // Free choice (04 §4.7): the reference waits until it is asked, and its first copies come late.
        self.push_credentials(now, to, Push::BeforeFrame, c);
        let expect_reply = flags & ExtFrame::ACKNOWLEDGE != 0;
        c.send(to, &ExtFrame::new(self.id, flags, frame), SendOptions { compress: true, expect_reply });
    }

    /// True when a member, for want of whose credentials a frame may have been refused, is to be asked for them.
    fn awaits_credentials(&mut self, now: Now, member: Address, verdict: &Verdict) -> bool {
        let Some(record) = self.members.get_mut(member) else { return false };
        let outdated = verdict.missing_tag.is_some_and(|id| record.has_outdated_tag(id));
        record.contact.is_worth_asking(now.mono, outdated)
    }
}
