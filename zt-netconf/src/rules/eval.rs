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
    let name = match kind.number() {
        0 => "ACTION_DROP",
        1 => "ACTION_ACCEPT",
        2 => "ACTION_TEE",
        3 => "ACTION_WATCH",
        4 => "ACTION_REDIRECT",
        5 => "ACTION_BREAK",
        6 => "ACTION_PRIORITY",
        24 => "MATCH_SOURCE_ZEROTIER_ADDRESS",
        25 => "MATCH_DEST_ZEROTIER_ADDRESS",
        26 => "MATCH_VLAN_ID",
        27 => "MATCH_VLAN_PCP",
        28 => "MATCH_VLAN_DEI",
        29 => "MATCH_MAC_SOURCE",
        30 => "MATCH_MAC_DEST",
        31 => "MATCH_IPV4_SOURCE",
        32 => "MATCH_IPV4_DEST",
        33 => "MATCH_IPV6_SOURCE",
        34 => "MATCH_IPV6_DEST",
        35 => "MATCH_IP_TOS",
        36 => "MATCH_IP_PROTOCOL",
        37 => "MATCH_ETHERTYPE",
        38 => "MATCH_ICMP",
        39 => "MATCH_IP_SOURCE_PORT_RANGE",
        40 => "MATCH_IP_DEST_PORT_RANGE",
        41 => "MATCH_CHARACTERISTICS",
        42 => "MATCH_FRAME_SIZE_RANGE",
        43 => "MATCH_RANDOM",
        44 => "MATCH_TAGS_DIFFERENCE",
        45 => "MATCH_TAGS_BITWISE_AND",
        46 => "MATCH_TAGS_BITWISE_OR",
        47 => "MATCH_TAGS_BITWISE_XOR",
        48 => "MATCH_TAGS_EQUAL",
        49 => "MATCH_TAG_SENDER",
        50 => "MATCH_TAG_RECEIVER",
        51 => "INTEGER_RANGE",
        number => return format!("rule type {number}"),
    };
    name.into()
}

#[cfg(test)]
mod tests;
