//! `zt networks --why`: what would become of a frame, and what decides.

use anyhow::{Result, bail};
use serde_json::json;

use super::{Node, Report};
use crate::api;
use crate::render::table::harmless;

/// Asks the running node about a frame.
pub(super) fn ask(node: &Node, network: Option<&str>, question: &api::Question) -> Result<Report> {
    let network = chosen(network, node.get("/network")?)?;
    let why: api::Why = node.ask(&format!("/network/{network}/why"), &json!(question))?;
    Ok(Report::new(serde_json::to_value(&why)?, told(&why)))
}

/// The network that is meant, which may go without saying.
fn chosen(named: Option<&str>, networks: Vec<api::Network>) -> Result<String> {
    if let Some(named) = named {
        if !networks.iter().any(|network| network.id == named) {
            bail!("network {named} is not joined; join it with `zt join {named}`");
        }
        return Ok(named.to_owned());
    }
    let mut networks = networks.into_iter();
    match (networks.next(), networks.next()) {
        (Some(network), None) => Ok(network.id),
        (None, _) => bail!("no networks; join one with `zt join <network ID>`"),
        _ => bail!("there are several networks; name one: `zt networks NETWORK --why …`"),
    }
}

/// The answer for people.
fn told(why: &api::Why) -> String {
    let (member, frame) = (harmless(&why.member), harmless(&why.frame));
    let way = if why.inbound { format!("from {member}") } else { format!("to {member}") };
    let fate = match (&why.redirected_to, why.accepted) {
        _ if why.standing == "revoked" => format!("is dropped here: {member} is no member any longer. The rules:"),
        _ if why.inbound && ["unknown", "outdated"].contains(&&*why.standing) => {
            format!("waits here until {member} shows that it is a member. The rules:")
        }
        (Some(to), _) => format!("goes to {} instead", harmless(to)),
        (None, true) => "passes here".to_owned(),
        (None, false) => "is dropped here".to_owned(),
    };
    let mut out = format!("{frame} {way} {fate}\n");
    out += &match (&why.statement, why.capability) {
        (Some(statement), None) => {
            format!("{} by rule {}: {}\n", why.decision, why.rule.unwrap_or(0), harmless(statement))
        }
        (Some(statement), Some(id)) => format!("{} by capability {id}: {}\n", why.decision, harmless(statement)),
        (None, _) if why.decision == "evasive" => "drop, because it hides what a rule asks for\n".to_owned(),
        (None, _) => "drop, because no rule and no capability accepts it\n".to_owned(),
    };
    for tag in &why.tags {
        let value = |value: Option<u32>| value.map_or("not known".to_owned(), |value| value.to_string());
        let mark = if tag.decided { ", looked at by this rule" } else { "" };
        out += &format!("tag {}: ours {}, of {member} {}{mark}\n", tag.id, value(tag.own), value(tag.other));
    }
    for missing in &why.missing {
        out += &format!("missing: {}\n", harmless(missing));
    }
    if !why.copies.is_empty() {
        out += &format!("copies go to {}\n", harmless(&why.copies.join(" ")));
    }
    out
}

/// How often what decided about frames of a network.
pub(super) fn counters(network: &api::Network) -> String {
    let id = &network.id;
    let Some(counters) = &network.rule_counters else { return format!("{id}: no rule has decided anything yet\n") };
    let line = |count: &api::Count, what: &str| format!("{id}: {} in, {} out: {what}\n", count.inbound, count.outbound);
    let mut out = String::new();
    for rule in &counters.rules {
        out += &line(&rule.count, &format!("rule {}: {}", rule.index, harmless(&rule.statement)));
    }
    for capability in &counters.capabilities {
        out += &line(&capability.count, &format!("accepted by capability {}", capability.id));
    }
    if counters.no_rule != api::Count::default() {
        out += &line(&counters.no_rule, "dropped, for no rule and no capability accepts");
    }
    out
}
