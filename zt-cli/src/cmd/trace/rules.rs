//! The rules behind a filter trace, in words: where this node hosts the network, it knows them.

use std::collections::BTreeMap;

use serde_json::Value;
use zt_netconf::rules::script::{Script, TagDefinition, explain};
use zt_netconf::trace::{LoggedRule, TraceEvent, key, rule_log};
use zt_wire::rules::{Rule, RuleKind};

use crate::api;
use crate::cmd::Node;
use crate::compat::idtool::unhex;
use crate::render::table::harmless;

/// Networks whose rules were looked up; none where they are not known.
#[derive(Debug, Default)]
pub(super) struct Rules {
    networks: BTreeMap<String, Option<Script>>,
}

impl Rules {
    /// Looks up the rules of the network that a filter trace is about, once.
    pub(super) fn learn(&mut self, node: &Node, trace: &api::Trace) {
        if let Some(network) = trace.network.as_ref().filter(|_| is_filter(trace))
            && !self.networks.contains_key(network)
        {
            let record = node.get::<Value>(&format!("/controller/network/{network}"));
            self.note(network, record.ok().as_ref());
        }
    }

    fn note(&mut self, network: &str, record: Option<&Value>) {
        let script = record.and_then(|record| Script::from_json(record).ok());
        self.networks.insert(network.to_owned(), script);
    }

    /// The statement that decided; with `all` each rule that was looked at, with what it said. Rules may have changed since.
    pub(super) fn words(&self, trace: &api::Trace, all: bool) -> Vec<String> {
        let script = trace.network.as_ref().and_then(|network| self.networks.get(network)?.as_ref());
        let Some(script) = script.filter(|_| is_filter(trace)) else { return Vec::new() };
        let log = |key: &str| trace.fields.get(key).and_then(|hex| unhex(hex)).filter(|log| !log.is_empty());
        let mut lines = Vec::new();
        if let Some(log) = log(key::BASE_LOG) {
            lines.extend(table("rules", &script.base(), &log, &script.tags, all));
        }
        let capability =
            trace.number(key::CAPABILITY).and_then(|id| script.capabilities.iter().find(|c| u64::from(c.id) == id));
        if let (Some(capability), Some(log)) = (capability, log(key::CAPABILITY_LOG)) {
            let name = format!("capability {}", harmless(&capability.name));
            lines.extend(table(&name, &capability.base(), &log, &script.tags, all));
        }
        lines
    }
}

fn is_filter(trace: &api::Trace) -> bool {
    u16::from_str_radix(&trace.event, 16) == Ok(TraceEvent::FILTER.0)
}

fn table(name: &str, rules: &[Rule], log: &[u8], tags: &[TagDefinition], all: bool) -> Vec<String> {
    let logged: Vec<LoggedRule> = rule_log(log).take(rules.len()).collect();
    let mut lines = Vec::new();
    if all {
        for (number, (rule, entry)) in rules.iter().zip(&logged).enumerate() {
            if let Some(plain) = entry.plain {
                let held = if plain != rule.not { "yes" } else { "no" };
                lines.push(format!("{name}, {number}: {}: {held}", explain::rule(rule, tags)));
            }
        }
    }
    lines.push(match decided(rules, &logged) {
        Some(at) => format!("{name}, {at}: {}", explain::statement(rules, at, tags)),
        None => format!("{name}: none decides"),
    });
    lines
}

/// The action that ended the table: the first that was executed with nothing looked at behind it. A DROP that a missing tag made
/// lenient is passed over so (04 §6.4).
fn decided(rules: &[Rule], logged: &[LoggedRule]) -> Option<usize> {
    let last = logged.iter().rposition(|entry| entry.plain.is_some() || entry.set.is_some()).unwrap_or(0);
    let mut set = true;
    for (at, (rule, entry)) in rules.iter().zip(logged).enumerate() {
        if !rule.kind.is_action() {
            if let Some(plain) = entry.plain {
                let holds = plain != rule.not;
                set = if rule.or { set || holds } else { set && holds };
            }
            continue;
        }
        let ends = matches!(
            rule.kind,
            RuleKind::Drop | RuleKind::Accept | RuleKind::Break | RuleKind::Priority | RuleKind::Redirect(_)
        );
        if set && ends && at >= last {
            return Some(at);
        }
        set = true;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_statement_that_decided_is_shown_in_words() {
        let record = json!({
            "rules": [
                {"type": "MATCH_ETHERTYPE", "etherType": 2048, "not": true},
                {"type": "ACTION_DROP"},
                {"type": "MATCH_IP_PROTOCOL", "ipProtocol": 1},
                {"type": "ACTION_DROP"},
                {"type": "ACTION_ACCEPT"}
            ],
            "capabilities": [], "tags": []
        });
        let mut rules = Rules::default();
        rules.note("8056c2e21c000001", Some(&record));
        let trace = |log: &str| api::Trace {
            event: "2006".to_owned(),
            fields: [(key::BASE_LOG.to_owned(), log.to_owned())].into(),
            member: String::new(),
            name: String::new(),
            network: Some("8056c2e21c000001".to_owned()),
            number: 1,
            time: 0,
        };
        // An ICMP packet: the first match is true before NOT, the second too.
        let shown = rules.words(&trace("0a0a00"), false);
        assert_eq!(shown, ["rules, 3: drop ipprotocol icmp4"]);
        let shown = rules.words(&trace("0a0a00"), true);
        assert_eq!(shown[..2], ["rules, 0: not ethertype ipv4: no", "rules, 2: ipprotocol icmp4: yes"]);
        // A TCP packet, and one of another ethertype.
        assert_eq!(rules.words(&trace("0a0600"), false), ["rules, 4: accept"]);
        assert_eq!(rules.words(&trace("060000"), false), ["rules, 1: drop not ethertype ipv4"]);
        rules.note("8056c2e21c000001", None);
        assert_eq!(rules.words(&trace("0a0a00"), true), [""; 0]);
    }
}
