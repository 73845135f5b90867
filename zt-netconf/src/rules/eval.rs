//! Evaluation of one rule table (04 §6.4).
//!
//! Supported: ACCEPT, DROP and MATCH_ETHERTYPE, with NOT and OR. A configuration that holds anything else is found
//! by [`first_unsupported`] and must not be evaluated.

use zt_wire::ident::{Address, Mac};
use zt_wire::rules::{Rule, RuleKind};

/// What the rules look at: one frame on its way in or out (04 §6.3).
#[derive(Clone, Copy, Debug)]
pub struct FrameFacts<'a> {
    /// True for a frame from another node, false for one from the local port.
    pub inbound: bool,
    /// This node.
    pub own: Address,
    /// The node that sends the frame.
    pub source: Address,
    /// The node that receives it; `NIL` in the first pass of multicast and bridged frames.
    pub destination: Address,
    /// Source MAC.
    pub source_mac: Mac,
    /// Destination MAC.
    pub destination_mac: Mac,
    /// Ethertype.
    pub ethertype: u16,
    /// Frame without its header.
    pub payload: &'a [u8],
}

/// Result of one table, with the index of the deciding entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The frame passes.
    Accept {
        /// Index of the action.
        rule: usize,
    },
    /// The frame is dropped.
    Drop {
        /// Index of the action.
        rule: usize,
    },
    /// The table decides nothing.
    NoMatch,
}

/// A rule that this version cannot evaluate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsupportedRule {
    /// Where it stands in its table (base rules, or the rules of a capability).
    pub index: usize,
    /// Its name (04 §6.2).
    pub name: String,
}

impl core::fmt::Display for UnsupportedRule {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} (rule {})", self.name, self.index)
    }
}

/// The first entry of a table that [`evaluate`] cannot judge.
pub fn first_unsupported(rules: &[Rule]) -> Option<UnsupportedRule> {
    let unsupported = |rule: &Rule| !matches!(rule.kind, RuleKind::Drop | RuleKind::Accept | RuleKind::EtherType(_));
    let found = rules.iter().enumerate().find(|(_, rule)| unsupported(rule));
    found.map(|(index, rule)| UnsupportedRule { index, name: name(&rule.kind) })
}

/// Evaluates one table. `unknown_matches` is the result of match rules that are not known (configuration flag 0x08).
pub fn evaluate(rules: &[Rule], facts: &FrameFacts<'_>, unknown_matches: bool) -> Decision {
    let mut set = true;
    for (index, rule) in rules.iter().enumerate() {
        match &rule.kind {
            RuleKind::Drop if set => return Decision::Drop { rule: index },
            RuleKind::Accept if set => return Decision::Accept { rule: index },
            // An action ends the set, whatever NOT and OR say.
            kind if kind.is_action() => set = true,
            kind => {
                if !set && !rule.or {
                    continue;
                }
                let result = matches(kind, facts, unknown_matches) != rule.not;
                set = if rule.or { set || result } else { set && result };
            }
        }
    }
    Decision::NoMatch
}

/// One match, before NOT.
fn matches(kind: &RuleKind, facts: &FrameFacts<'_>, unknown_matches: bool) -> bool {
    match kind {
        RuleKind::EtherType(ethertype) => facts.ethertype == *ethertype,
        _ => unknown_matches,
    }
}

/// Name of a rule type (04 §6.2).
fn name(kind: &RuleKind) -> String {
    kind.name().map_or_else(|| format!("rule type {}", kind.number()), str::to_owned)
}

#[cfg(test)]
mod tests;
