//! Whether the fields of a patch can be as they are. Those that say what is stored already pass whatever they are, so
//! that a record that was read can be changed and sent back.

use std::collections::BTreeSet;
use std::net::IpAddr;

use zt_wire::ident::{Address, NetworkId};
use zt_wire::rules::RuleTable;

use super::command::CommandError;
use super::network::{MAX_DOMAIN, MAX_RULES_SOURCE, MTU, Network, Pool, Route};
use super::patch::{MemberPatch, NetworkPatch};
use super::rules_json;
use super::state::NetworkState;
use crate::config::MAX_NAME;
use crate::rules::script::{Options, Script};
use crate::rules::trial::RuleSet;

/// Most DNS servers of a network.
const MAX_SERVERS: usize = 4;

type Check = Result<(), CommandError>;

fn wrong(field: impl Into<String>, problem: impl std::fmt::Display) -> Check {
    Err(CommandError::field(field, problem))
}

/// The value of a patch, unless it is what is stored.
fn changed<'a, T: PartialEq>(value: Option<&'a T>, stored: Option<&T>) -> Option<&'a T> {
    value.filter(|value| Some(*value) != stored)
}

/// Checks the fields of a network.
///
/// # Errors
/// The first field that cannot be as it is.
pub(super) fn network(patch: &NetworkPatch, stored: Option<&Network>) -> Check {
    if let Some(name) = changed(patch.name.as_ref(), stored.map(|s| &s.name))
        && name.len() > MAX_NAME
    {
        return wrong("name", format_args!("longer than {MAX_NAME} bytes"));
    }
    if let Some(mtu) = changed(patch.mtu.as_ref(), stored.map(|s| &s.mtu))
        && !MTU.contains(mtu)
    {
        return wrong("mtu", format_args!("{mtu} is no whole number from {} to {}", MTU.start(), MTU.end()));
    }
    if let Some(routes) = changed(patch.routes.as_ref(), stored.map(|s| &s.routes)) {
        routes.iter().enumerate().try_for_each(|(at, r)| route(&format!("routes[{at}]"), r))?;
    }
    if let Some(pools) = changed(patch.pools.as_ref(), stored.map(|s| &s.pools)) {
        pools.iter().enumerate().try_for_each(|(at, p)| pool(&format!("ipAssignmentPools[{at}]"), p))?;
    }
    if let Some(table) = changed(patch.rules.as_ref(), stored.map(|s| &s.rules)) {
        rules("rules", table)?;
    }
    if let Some(capabilities) = changed(patch.capabilities.as_ref(), stored.map(|s| &s.capabilities)) {
        once("capabilities", capabilities.iter().map(|c| c.id))?;
        for (at, capability) in capabilities.iter().enumerate() {
            rules(&format!("capabilities[{at}].rules"), &capability.rules)?;
        }
    }
    if let Some(tags) = changed(patch.tags.as_ref(), stored.map(|s| &s.tags)) {
        once("tags", tags.iter().map(|t| t.id))?;
    }
    if let Some(source) = changed(patch.rules_source.as_ref(), stored.map(|s| &s.rules_source))
        && source.len() > MAX_RULES_SOURCE
    {
        return wrong("rulesSource", format_args!("longer than {MAX_RULES_SOURCE} bytes"));
    }
    if let Some(source) = changed(patch.rules_source.as_ref(), stored.map(|s| &s.rules_source))
        && !source.is_empty()
    {
        says_what_is_so(source, patch, stored)?;
    }
    if let Some(Some(dns)) = changed(patch.dns.as_ref(), stored.map(|s| &s.dns)) {
        if dns.domain.len() > MAX_DOMAIN {
            return wrong("dns.domain", format_args!("longer than {MAX_DOMAIN} bytes"));
        }
        if dns.servers.len() > MAX_SERVERS {
            return wrong("dns.servers", format_args!("more than {MAX_SERVERS} servers"));
        }
    }
    Ok(())
}

/// The source text of the rules compiles to what the network then has.
fn says_what_is_so(source: &str, patch: &NetworkPatch, stored: Option<&Network>) -> Check {
    let script = match Script::compile(source, Options::default()) {
        Ok(script) => script,
        Err(error) => return wrong("rulesSource", format_args!("does not compile: {error}")),
    };
    let mut said = stored.cloned().unwrap_or_else(|| Network::new(NetworkId(0), 0));
    said.apply(NetworkPatch {
        rules: patch.rules.clone(),
        capabilities: patch.capabilities.clone(),
        tags: patch.tags.clone(),
        ..NetworkPatch::default()
    });
    let defaults = script.capabilities.iter().filter(|c| c.default).map(|c| c.id);
    let given = said.capabilities.iter().filter(|c| c.default).map(|c| c.id);
    let ids = said.tags.iter().map(|tag| tag.id);
    let same = said.rule_set() == RuleSet::of(&script)
        && given.collect::<BTreeSet<u32>>() == defaults.collect()
        && ids.collect::<BTreeSet<u32>>() == script.tags.iter().map(|tag| tag.id).collect();
    if same {
        Ok(())
    } else {
        wrong("rulesSource", "does not compile to the rules, capabilities and tags of the network")
    }
}

/// Records are kept in the form of 05, which does not know every rule: what it would lose is refused.
fn rules(field: &str, table: &RuleTable) -> Check {
    match table.iter().enumerate().find(|(_, rule)| !rules_json::has_form(rule)) {
        Some((at, rule)) => {
            wrong(format!("{field}[{at}]"), format_args!("rules of type {} cannot be kept", rule.kind.number()))
        }
        None => Ok(()),
    }
}

fn once(field: &str, ids: impl Iterator<Item = u32>) -> Check {
    let mut seen = BTreeSet::new();
    for (at, id) in ids.enumerate() {
        if !seen.insert(id) {
            return wrong(format!("{field}[{at}].id"), format_args!("{id} is given twice"));
        }
    }
    Ok(())
}

fn route(field: &str, route: &Route) -> Check {
    match route.via {
        Some(via) if via.is_ipv4() != route.target.is_ipv4() => {
            wrong(format!("{field}.via"), format_args!("{via} is not of the family of {}", route.target))
        }
        _ => Ok(()),
    }
}

fn pool(field: &str, pool: &Pool) -> Check {
    let Pool { start, end } = pool;
    if start.is_ipv4() != end.is_ipv4() || start > end {
        return wrong(field, format_args!("{start} to {end} is no range"));
    }
    Ok(())
}

/// Checks the fields of a member: its addresses are each in a route of the network, given to nobody else, and once.
///
/// # Errors
/// The first field that cannot be as it is.
pub(super) fn member(patch: &MemberPatch, network: &NetworkState, address: Address) -> Check {
    let Some(ips) = changed(patch.ips.as_ref(), network.member(address).map(|m| &m.ips)) else { return Ok(()) };
    let mut seen = BTreeSet::new();
    for (at, ip) in ips.iter().enumerate() {
        let field = format!("ipAssignments[{at}]");
        if !seen.insert(ip) {
            return wrong(field, format_args!("{ip} is named twice"));
        }
        own_address(&field, *ip, network, address)?;
    }
    Ok(())
}

fn own_address(field: &str, ip: IpAddr, network: &NetworkState, member: Address) -> Check {
    let (id, routes) = (network.network().id, &network.network().routes);
    if !routes.iter().any(|route| route.target.contains(ip)) {
        let routes: Vec<String> = routes.iter().map(|route| route.target.to_string()).collect();
        let there = if routes.is_empty() { "none".to_owned() } else { routes.join(", ") };
        return wrong(field, format_args!("{ip} lies in no route of network {id} (there: {there})"));
    }
    match network.holders(ip).find(|holder| *holder != member) {
        Some(holder) => wrong(field, format_args!("{ip} is given to member {holder} already")),
        None => Ok(()),
    }
}
