//! What the rules of a network decided, and why: our own additions to the interface.

use serde::{Deserialize, Serialize};

/// How often what decided about frames of a network. Counted since its rules changed last, or the node started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleCounters {
    /// Capabilities that accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<CapabilityCounter>,
    /// Dropped because nothing accepted.
    pub no_rule: Count,
    /// Rules that decided: what a rule that drops decided was dropped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleCounter>,
}

/// Frames by direction. One to a group or to bridges is judged once as such and once for each receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// From other members.
    #[serde(rename = "in")]
    pub inbound: u64,
    /// From this host.
    #[serde(rename = "out")]
    pub outbound: u64,
}

/// One capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapabilityCounter {
    /// How often.
    #[serde(flatten)]
    pub count: Count,
    /// Its ID.
    pub id: u32,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleCounter {
    /// How often.
    #[serde(flatten)]
    pub count: Count,
    /// Its place among the rules of the network, from 0.
    pub index: usize,
    /// Its statement in the words of the rule language.
    pub statement: String,
}

/// `POST /network/<id>/why`: what is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The frame in words.
    pub frame: String,
    /// The member that sends it to this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The member that this node sends it to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// The answer: what would become of the frame now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// It passes here: the rules accept it, and the member is one.
    pub accepted: bool,
    /// ID of the capability that accepted, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<u32>,
    /// Nodes that get a copy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<String>,
    /// `accept`, `super-accept`, `redirect`, `drop`, `evasive` or `no rule`.
    pub decision: String,
    /// The frame that was judged.
    pub frame: String,
    /// The member sends it to this node.
    pub inbound: bool,
    /// The other member.
    pub member: String,
    /// What the decision would need, and nobody has shown or given, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Where it is redirected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirected_to: Option<String>,
    /// Place of the deciding rule in its table, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<usize>,
    /// How the member stands: `public`, `member`, `revoked`, `outdated` or `unknown`.
    pub standing: String,
    /// The deciding statement in the words of the rule language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// Tags that rules asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<TagValues>,
}

/// A tag that rules asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagValues {
    /// It decided.
    pub decided: bool,
    /// Its ID.
    pub id: u32,
    /// The member's value, if one is known that counts.
    pub other: Option<u32>,
    /// Our value, if we have one.
    pub own: Option<u32>,
}
