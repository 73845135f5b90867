//! What the rules say of a frame on its way in or out (04 §6.7, §6.8).

use zt_wire::Capability;
use zt_wire::ether::EthernetRef;
use zt_wire::ident::Address;

use super::Network;
use crate::config::NetworkConfig;
use crate::member::drop_reason::DropReason;
use crate::rules::{Decision, FrameFacts, evaluate, first_unsupported};

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
    /// Rules for a frame from another node (04 §6.8).
    pub(crate) fn judge_inbound(&self, from: Address, frame: &EthernetRef<'_>) -> Result<(), DropReason> {
        let config = self.held.ready()?;
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
        let config = self.held.ready()?;
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
}
