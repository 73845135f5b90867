//! What the rules say of a frame on its way in or out (04 §6.7, §6.8).

use zt_wire::ether::EthernetRef;
use zt_wire::ident::Address;

use super::Network;
use crate::member::drop_reason::DropReason;
use crate::member::shared::Shared;
use crate::rules::{Decision, FrameFacts, Verdict};

impl Network {
    /// Rules for a frame from another node (04 §6.8).
    pub(crate) fn judge_inbound(
        &mut self,
        shared: &mut Shared,
        from: Address,
        frame: &EthernetRef<'_>,
    ) -> Result<Verdict, DropReason> {
        self.held.ready()?;
        let facts = FrameFacts {
            inbound: true,
            source: from,
            destination: self.own,
            source_mac: frame.source,
            destination_mac: frame.destination,
            ethertype: frame.ethertype,
            payload: frame.payload,
        };
        self.judge(shared, from, &facts)
    }

    /// Rules for a frame to another node, or to nobody in particular yet (`NIL`) (04 §6.7).
    pub(crate) fn judge_outbound(
        &mut self,
        shared: &mut Shared,
        to: Address,
        frame: &EthernetRef<'_>,
    ) -> Result<Verdict, DropReason> {
        self.held.ready()?;
        // Deliberate: a peer whose certificate is void gets nothing from us either.
        if !to.is_nil() && self.members.get(to).is_some_and(|record| record.is_revoked()) {
            return Err(DropReason::PeerRevoked);
        }
        let facts = FrameFacts {
            inbound: false,
            source: self.own,
            destination: to,
            source_mac: frame.source,
            destination_mac: frame.destination,
            ethertype: frame.ethertype,
            payload: frame.payload,
        };
        self.judge(shared, to, &facts)
    }

    /// One decision; an error unless the frame may go on its way.
    fn judge(&mut self, shared: &mut Shared, other: Address, facts: &FrameFacts<'_>) -> Result<Verdict, DropReason> {
        let policy = self.held.policy.as_ref().ok_or(DropReason::NotConfigured)?;
        let generation = self.held.generation;
        let peer = self.members.get_mut(other).map(|record| record.policy(policy, generation));
        let verdict = policy.judge(facts, peer, &mut || shared.entropy.next_u64() as u32);
        match verdict.decision {
            Decision::Accept | Decision::SuperAccept => Ok(verdict),
            Decision::Redirect(_) => Err(DropReason::Redirected),
            Decision::Drop => Err(DropReason::RuleDrop),
            Decision::Evasive => Err(DropReason::RuleEvaded),
            Decision::NoMatch => Err(DropReason::RuleNoMatch),
        }
    }
}
