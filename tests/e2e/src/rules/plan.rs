//! What a rule set is: the network, and what is tried in it.

use anyhow::Result;
use serde_json::{Value, json};
use zt_wire::NetworkId;

use super::cast::{Cast, Controller, ROLES};
use super::scene::Scene;
use super::script;

/// A network and what must pass in it and what must not.
#[derive(Debug, Clone, Copy)]
pub struct RuleSet {
    /// Its name in the table.
    pub name: &'static str,
    /// The network.
    pub plan: fn() -> Plan,
    /// What is tried.
    pub act: fn(&Scene<'_>) -> Result<()>,
}

/// How a network is made.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// By whom.
    pub kind: Kind,
    /// The rules as statements of the rule language; `$a`, `$b` and `$c` stand for the addresses of the members.
    pub rules: &'static str,
    /// Without the rule that lets control frames pass.
    pub bare: bool,
    /// Capabilities: their numbers and statements.
    pub capabilities: &'static [(u32, &'static str)],
    /// Tags and their default values.
    pub tags: &'static [(u32, Option<u32>)],
    /// More settings of the network.
    pub settings: Value,
    /// Settings of the members A, B and C.
    pub members: Vec<Value>,
}

/// What kind of network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// With a controller.
    By(Controller),
    /// Without one (04 §9).
    AdHoc(NetworkId),
}

impl Default for Kind {
    fn default() -> Self {
        Self::By(Controller::Ours)
    }
}

impl Plan {
    /// Rules, capabilities and tags as a controller takes them.
    pub(super) fn table(&self, cast: &Cast) -> Result<Value> {
        let capabilities: Vec<Value> = (self.capabilities.iter())
            .map(|(id, text)| Ok(json!({ "id": id, "default": false, "rules": self.compile(text, cast)? })))
            .collect::<Result<_>>()?;
        let tags: Vec<Value> = self.tags.iter().map(|(id, value)| json!({ "id": id, "default": value })).collect();
        let control = if self.bare { "" } else { CONTROL };
        let rules = self.compile(&format!("{control}{}", self.rules), cast)?;
        Ok(json!({ "rules": rules, "capabilities": capabilities, "tags": tags }))
    }

    fn compile(&self, text: &str, cast: &Cast) -> Result<Vec<Value>> {
        let mut text = text.to_owned();
        for role in ROLES {
            text = text.replace(&format!("${role:?}").to_lowercase(), &cast.address(role).to_string());
        }
        script::rules(&text)
    }
}

/// A statement that lets control frames pass: that one arrives shows that what was sent before it was dropped.
const CONTROL: &str = "accept ethertype 0x88b5; ";
