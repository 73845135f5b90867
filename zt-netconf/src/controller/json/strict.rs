//! What the API coerces or drops (05 §1.2), named instead: for people, who want to know what they mistyped.
//!
//! Nothing here changes anything. A body that passes is taken by the API exactly as it is written.

use std::net::IpAddr;

use serde_json::{Map, Value};
use zt_wire::IpPrefix;
use zt_wire::packet::{MAX_VIRTUAL_MTU, MIN_VIRTUAL_MTU};

use super::coerce;
use crate::controller::command::CommandError;
use crate::controller::network::{MAX_DOMAIN, MAX_RULES_SOURCE};
use crate::controller::rules_json;

type Wrong = CommandError;
type Check = Result<(), Wrong>;

/// Checks the fields of a network. Those that say what is stored already pass whatever they are, so that an object
/// that was read can be changed and sent back.
///
/// # Errors
/// The first field that would not be taken as it is written.
pub(super) fn network(body: &Map<String, Value>, stored: Option<&Map<String, Value>>) -> Check {
    let same = |key: &str, v: &Value| stored.and_then(|stored| stored.get(key)) == Some(v);
    for (key, v) in body.iter().filter(|(key, v)| !same(key, v)) {
        match key.as_str() {
            "name" => text(key, v, usize::MAX)?,
            "private" | "enableBroadcast" => flag(key, v)?,
            "multicastLimit" => number(key, v, 0, u64::from(u32::MAX))?,
            "mtu" => number(key, v, MIN_VIRTUAL_MTU.into(), MAX_VIRTUAL_MTU.into())?,
            "remoteTraceTarget" => trace_target(key, v)?,
            "remoteTraceLevel" => number(key, v, 0, u64::from(u32::MAX))?,
            "v4AssignMode" => modes(key, v, &["zt"])?,
            "v6AssignMode" => modes(key, v, &["6plane", "rfc4193", "zt"])?,
            "routes" => each(key, v, route)?,
            "ipAssignmentPools" => each(key, v, pool)?,
            "rules" => each(key, v, rule)?,
            "capabilities" => each(key, v, capability)?,
            "tags" => each(key, v, tag)?,
            "rulesSource" => text(key, v, MAX_RULES_SOURCE)?,
            "authTokens" => tokens(key, v)?,
            "dns" => dns(key, v)?,
            _ => return Err(unknown(key, stored)),
        }
    }
    Ok(())
}

/// Checks the fields of a member.
///
/// # Errors
/// The first field that would not be taken as it is written.
pub(super) fn member(body: &Map<String, Value>, stored: Option<&Map<String, Value>>) -> Check {
    let same = |key: &str, v: &Value| stored.and_then(|stored| stored.get(key)) == Some(v);
    for (key, v) in body.iter().filter(|(key, v)| !same(key, v)) {
        match key.as_str() {
            "name" => text(key, v, usize::MAX)?,
            "authorized" | "activeBridge" | "noAutoAssignIps" => flag(key, v)?,
            "authenticationExpiryTime" => number(key, v, 0, i64::MAX as u64)?,
            "remoteTraceTarget" => trace_target(key, v)?,
            "remoteTraceLevel" => number(key, v, 0, u64::from(u32::MAX))?,
            "ipAssignments" => each(key, v, |key, v| ip(key, Some(v)).map(drop))?,
            "tags" => each(key, v, |key, v| match v.as_array().map(Vec::as_slice) {
                Some([id, value]) => word(key, id).and_then(|()| word(key, value)),
                _ => wrong(key, "write [id, value]"),
            })?,
            "capabilities" => each(key, v, word)?,
            _ => return Err(unknown(key, stored)),
        }
    }
    Ok(())
}

fn wrong(key: &str, why: impl std::fmt::Display) -> Check {
    Err(CommandError::field(key, why))
}

fn unknown(key: &str, stored: Option<&Map<String, Value>>) -> Wrong {
    match stored.is_some_and(|stored| stored.contains_key(key)) {
        true => CommandError::field(key, "this field is kept by the controller and cannot be set"),
        false => CommandError::field(key, "there is no such field"),
    }
}

fn text(key: &str, v: &Value, limit: usize) -> Check {
    match v.as_str() {
        Some(text) if text.len() <= limit => Ok(()),
        Some(_) => wrong(key, format_args!("longer than {limit} bytes")),
        None => wrong(key, format_args!("{v} is no text")),
    }
}

fn flag(key: &str, v: &Value) -> Check {
    if v.is_boolean() { Ok(()) } else { wrong(key, format_args!("{v} is neither true nor false")) }
}

fn number(key: &str, v: &Value, least: u64, most: u64) -> Check {
    match v.as_u64() {
        Some(n) if (least..=most).contains(&n) => Ok(()),
        _ => wrong(key, format_args!("{v} is no whole number from {least} to {most}")),
    }
}

fn word(key: &str, v: &Value) -> Check {
    number(key, v, 0, u64::from(u32::MAX))
}

fn trace_target(key: &str, v: &Value) -> Check {
    let is_address = |text: &str| text.len() == 10 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if v.is_null() || v.as_str().is_some_and(is_address) {
        return Ok(());
    }
    wrong(key, format_args!("{v} is no node address of 10 hexadecimal digits"))
}

/// Every element of an array, named by its place.
fn each(key: &str, v: &Value, check: impl Fn(&str, &Value) -> Check) -> Check {
    let Some(elements) = v.as_array() else { return wrong(key, format_args!("{v} is no array")) };
    if elements.len() > coerce::MAX_ARRAY {
        return wrong(key, format_args!("more than {} elements", coerce::MAX_ARRAY));
    }
    elements.iter().enumerate().try_for_each(|(at, element)| check(&format!("{key}[{at}]"), element))
}

/// An object with these fields only.
fn object<'v>(key: &str, v: &'v Value, fields: &[&str]) -> Result<&'v Map<String, Value>, Wrong> {
    let object = v.as_object().ok_or_else(|| CommandError::field(key, format_args!("{v} is no object")))?;
    match object.keys().find(|name| !fields.contains(&name.as_str())) {
        Some(name) => {
            let problem = format!("there is no such field; write {}", fields.join(", "));
            Err(CommandError::field(format!("{key}.{name}"), problem))
        }
        None => Ok(object),
    }
}

fn modes(key: &str, v: &Value, names: &[&str]) -> Check {
    object(key, v, names)?.iter().try_for_each(|(name, on)| flag(&format!("{key}.{name}"), on))
}

/// An address without anything behind it.
fn ip(key: &str, v: Option<&Value>) -> Result<IpAddr, Wrong> {
    let text = v.and_then(Value::as_str).unwrap_or_default();
    let problem = || format!("{} is no IP address", v.unwrap_or(&Value::Null));
    text.parse().map_err(|_| CommandError::field(key, problem()))
}

fn route(key: &str, v: &Value) -> Check {
    let route = object(key, v, &["target", "via"])?;
    let target = route.get("target").unwrap_or(&Value::Null);
    let range = target.as_str().and_then(|text| text.parse::<IpPrefix>().ok());
    let Some(range) = range else {
        return wrong(&format!("{key}.target"), format_args!("{target} is no range such as \"10.9.8.0/24\""));
    };
    match route.get("via") {
        None | Some(Value::Null) => Ok(()),
        via => match ip(&format!("{key}.via"), via)? {
            via if via.is_ipv4() == range.is_ipv4() => Ok(()),
            via => wrong(&format!("{key}.via"), format_args!("{via} is not of the family of {target}")),
        },
    }
}

fn pool(key: &str, v: &Value) -> Check {
    let pool = object(key, v, &["ipRangeStart", "ipRangeEnd"])?;
    let start = ip(&format!("{key}.ipRangeStart"), pool.get("ipRangeStart"))?;
    let end = ip(&format!("{key}.ipRangeEnd"), pool.get("ipRangeEnd"))?;
    // The API would drop it.
    if start.is_ipv4() != end.is_ipv4() { wrong(key, format_args!("{start} to {end} is no range")) } else { Ok(()) }
}

/// A rule is right when it prints as it was written.
fn rule(key: &str, v: &Value) -> Check {
    let Some(written) = v.as_object() else { return wrong(key, format_args!("{v} is no object")) };
    let name = written.get("type").unwrap_or(&Value::Null);
    let Some(Value::Object(read)) = rules_json::normalise(&Value::Array(vec![v.clone()])).get(0).cloned() else {
        return wrong(&format!("{key}.type"), format_args!("{name} is no type of rule"));
    };
    let same = |a: &Value, b: &Value| match (a.as_str(), b.as_str()) {
        (Some(a), Some(b)) => a.replace('-', ":").eq_ignore_ascii_case(b),
        _ => a == b,
    };
    for (field, value) in written {
        match read.get(field) {
            Some(taken) if same(value, taken) => {}
            Some(taken) => return wrong(&format!("{key}.{field}"), format_args!("{value} would be taken as {taken}")),
            // Actions have no flags; false is what they have.
            None if ["not", "or"].contains(&field.as_str()) && value == &Value::Bool(false) => {}
            None => return wrong(&format!("{key}.{field}"), format_args!("a rule of type {name} has no such field")),
        }
    }
    Ok(())
}

fn capability(key: &str, v: &Value) -> Check {
    let capability = object(key, v, &["id", "default", "rules"])?;
    word(&format!("{key}.id"), capability.get("id").unwrap_or(&Value::Null))?;
    capability.get("default").map_or(Ok(()), |v| flag(&format!("{key}.default"), v))?;
    capability.get("rules").map_or(Ok(()), |v| each(&format!("{key}.rules"), v, rule))
}

fn tag(key: &str, v: &Value) -> Check {
    let tag = object(key, v, &["id", "default"])?;
    word(&format!("{key}.id"), tag.get("id").unwrap_or(&Value::Null))?;
    match tag.get("default") {
        None | Some(Value::Null) => Ok(()),
        Some(v) => word(&format!("{key}.default"), v),
    }
}

fn tokens(key: &str, v: &Value) -> Check {
    let Some(tokens) = v.as_object() else { return wrong(key, format_args!("{v} is no object")) };
    tokens.iter().try_for_each(|(name, end)| number(&format!("{key}.{name}"), end, 0, u64::MAX))
}

fn dns(key: &str, v: &Value) -> Check {
    let dns = object(key, v, &["domain", "servers"])?;
    text(&format!("{key}.domain"), dns.get("domain").unwrap_or(&Value::Null), MAX_DOMAIN)?;
    let Some(servers) = dns.get("servers") else { return Ok(()) };
    each(&format!("{key}.servers"), servers, |key, v| ip(key, Some(v)).map(drop))
}
