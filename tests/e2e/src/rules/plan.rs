//! What a rule set is: the network, and what is tried in it.

use anyhow::{Result, anyhow};
use serde_json::Value;
use zt_netconf::rules::script::{Options, Script, Source};
use zt_wire::NetworkId;

use super::cast::{Cast, Controller, ROLES};
use super::scene::Scene;

/// A network and what must pass in it and what must not.
#[derive(Debug, Clone, Copy)]
pub struct RuleSet {
    /// Its name in the table.
    pub name: &'static str,
    /// Who controls the network, if not [`Kind::AdHoc`].
    pub controller: Controller,
    /// The network.
    pub plan: fn() -> Plan,
    /// What is tried.
    pub act: fn(&Scene<'_>) -> Result<()>,
}

impl RuleSet {
    /// A set that our controller serves.
    #[must_use]
    pub const fn new(name: &'static str, plan: fn() -> Plan, act: fn(&Scene<'_>) -> Result<()>) -> Self {
        Self { name, controller: Controller::Ours, plan, act }
    }

    /// Whether our controller serves it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.controller == Controller::Ours
    }

    /// Its line in the table.
    #[must_use]
    pub fn title(&self) -> String {
        match self.controller {
            Controller::Ours => self.name.to_owned(),
            Controller::Stock => format!("{}, by a stock controller", self.name),
        }
    }

    /// The network to make.
    #[must_use]
    pub fn network(&self) -> Plan {
        let mut plan = (self.plan)();
        if let Kind::By(controller) = &mut plan.kind {
            *controller = self.controller;
        }
        plan
    }
}

/// How a network is made.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// By whom.
    pub kind: Kind,
    /// Rules, capabilities and tags in the rule language; `$a`, `$b` and `$c` stand for the addresses of the members.
    pub rules: &'static str,
    /// Without the rule that lets control frames pass.
    pub bare: bool,
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
        let mut text = format!("{}{}", if self.bare { "" } else { CONTROL }, self.rules);
        for role in ROLES {
            text = text.replace(&format!("${role:?}").to_lowercase(), &cast.address(role).to_string());
        }
        let script = Script::compile(&text, Options::default())
            .map_err(|error| anyhow!(error.render(Source { name: "rules", text: &text, color: false })))?;
        Ok(script.config_json())
    }
}

/// A statement that lets control frames pass: that one arrives shows that what was sent before it was dropped.
const CONTROL: &str = "accept ethertype 0x88b5; ";
