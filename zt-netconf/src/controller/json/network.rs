//! The network object of the API: what a POST makes of a body, and the object's typed form, both ways (05 §2).
//!
//! A field is first made what the API stores of it ([`taken`]), then read into its type ([`read`]). What our printing of
//! the type would not give back is kept beside it, see [`Verbatim`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Map, Value, json};
use zt_wire::IpPrefix;
use zt_wire::ident::{Address, NetworkId};
use zt_wire::packet::DEFAULT_VIRTUAL_MTU;
use zt_wire::rules::{RuleKind, RuleTable};

use super::coerce::{self, MAX_ARRAY};
use crate::controller::network::{AssignV6, Dns, MAX_DOMAIN, MTU, Network, NetworkCapability, NetworkTag, Pool, Route};
use crate::controller::patch::NetworkPatch;
use crate::controller::rules_json;
use crate::controller::verbatim::Verbatim;

/// Keys that never reach the store.
const REMOVED: &[&str] = &["clock", "authorizedMemberCount", "activeMemberCount", "totalMemberCount", "lastModified"];

impl Network {
    /// Reads an object as a store or a file of `controller.d` holds it (05 §2, §4): missing and unreadable fields have their
    /// default, unknown fields and spellings are kept. `id` counts, whatever the object says.
    #[must_use]
    pub fn from_json(id: NetworkId, object: Map<String, Value>, now_ms: i64) -> Self {
        let mut network = Self::new(id, now_ms);
        network.apply(read(&object));
        let text = |key: &str| object.get(key).and_then(coerce::text);
        let number = |key: &str| object.get(key).and_then(coerce::unsigned);
        if let Some(v) = object.get("creationTime") {
            network.creation_time = coerce::signed(v).unwrap_or(0);
        }
        network.revision = number("revision").unwrap_or(0);
        network.rules_source = text("rulesSource").unwrap_or_default();
        network.client_id = text("clientId").unwrap_or_default();
        network.authorization_endpoint = text("authorizationEndpoint").unwrap_or_default();
        network.sign_on = object.get("ssoEnabled").and_then(coerce::boolean).unwrap_or(false);
        network.window_ms = number("certificateTimeoutWindowSize");
        let kept =
            object.into_iter().filter(|(key, _)| !REMOVED.contains(&key.as_str()) && key != "id" && key != "nwid");
        network.verbatim = spelled_otherwise(&network, kept);
        network
    }

    /// The object in the form that the API prints and stores keep: keys ascending.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        let mut object = print(self);
        object.extend(self.verbatim.iter().map(|(key, v)| (key.clone(), v.clone())));
        let mut sorted = Value::Object(object);
        sorted.sort_all_objects();
        match sorted {
            Value::Object(object) => object,
            _ => Map::new(),
        }
    }
}

/// The patch that the body of a POST is: only keys that are present change anything.
pub(super) fn patch(body: &Map<String, Value>) -> NetworkPatch {
    let mut body = body.clone();
    // Quirk: every POST without it sets it back to 0.
    body.entry("remoteTraceLevel").or_insert(json!(0));
    read_body(&body)
}

fn read_body(body: &Map<String, Value>) -> NetworkPatch {
    let fields: Map<String, Value> = body.iter().filter_map(|(key, v)| Some((key.clone(), taken(key, v)?))).collect();
    let mut patch = read(&fields);
    let mut scratch = Network::new(NetworkId(0), 0);
    scratch.apply(patch.clone());
    patch.verbatim = spelled_otherwise(&scratch, fields);
    patch
}

/// The same for those who ask strictly: what is not said stays as it is, and the source text of rules can be given.
pub(super) fn own_patch(body: &Map<String, Value>) -> NetworkPatch {
    let rules_source = body.get("rulesSource").and_then(Value::as_str).map(str::to_owned);
    NetworkPatch { rules_source, ..read_body(body) }
}

/// The fields that our printing would not give back as they are.
fn spelled_otherwise(network: &Network, fields: impl IntoIterator<Item = (String, Value)>) -> Verbatim {
    let printed = print(network);
    fields.into_iter().filter(|(key, v)| printed.get(key) != Some(v)).collect()
}

/// What the API stores of a field of a body; `None`: the field keeps its value.
fn taken(key: &str, v: &Value) -> Option<Value> {
    Some(match key {
        "name" => json!(coerce::text(v).unwrap_or_default()),
        "private" => json!(coerce::boolean(v).unwrap_or(true)),
        "enableBroadcast" => json!(coerce::boolean(v).unwrap_or(false)),
        "multicastLimit" => json!(coerce::unsigned(v).unwrap_or(32)),
        "mtu" => json!(mtu(v)),
        "remoteTraceTarget" => trace_target(v),
        "remoteTraceLevel" => json!(coerce::unsigned(v).unwrap_or(0)),
        "v4AssignMode" => v4_mode(v),
        "v6AssignMode" => v6_mode(v),
        "routes" if v.is_array() => Value::Array(routes(v).map(|r| print_route(&r)).collect()),
        "ipAssignmentPools" if v.is_array() => Value::Array(pools(v).map(|p| print_pool(&p)).collect()),
        "rules" if v.is_array() => rules_json::normalise(v),
        "capabilities" if v.is_array() => capabilities(v),
        "tags" if v.is_array() => tags(v),
        "authTokens" => auth_tokens(v),
        "dns" => dns(v.as_object()?),
        _ => return None,
    })
}

/// The typed form of fields that are stored.
fn read(object: &Map<String, Value>) -> NetworkPatch {
    let get = |key: &str| object.get(key);
    let flag = |key: &str, default: bool| get(key).map(|v| coerce::boolean(v).unwrap_or(default));
    let mode = |v: &Value, key: &str| v.get(key).and_then(coerce::boolean).unwrap_or(false);
    NetworkPatch {
        name: get("name").map(|v| coerce::text(v).unwrap_or_default()),
        private: flag("private", true),
        broadcast: flag("enableBroadcast", true),
        multicast_limit: get("multicastLimit").map(|v| coerce::unsigned(v).unwrap_or(32) as u32),
        mtu: get("mtu").map(mtu),
        trace_target: get("remoteTraceTarget").map(read_trace_target),
        trace_level: get("remoteTraceLevel").map(|v| coerce::unsigned(v).unwrap_or(0)),
        assign_v4: get("v4AssignMode").map(|v| mode(v, "zt")),
        assign_v6: get("v6AssignMode").map(|v| AssignV6 {
            zt: mode(v, "zt"),
            rfc4193: mode(v, "rfc4193"),
            sixplane: mode(v, "6plane"),
        }),
        routes: get("routes").map(|v| routes(v).collect()),
        pools: get("ipAssignmentPools").map(|v| pools(v).collect()),
        rules: get("rules").map(read_rules),
        capabilities: get("capabilities").map(|v| objects(v).map(read_capability).collect()),
        tags: get("tags").map(|v| objects(v).filter_map(read_tag).collect()),
        rules_source: None,
        tokens: get("authTokens").map(read_tokens),
        dns: get("dns").map(|v| v.as_object().map(read_dns)),
        verbatim: Verbatim::default(),
    }
}

/// A network as we spell it.
fn print(network: &Network) -> Map<String, Value> {
    let mut object = Map::new();
    let mut set = |key: &str, v: Value| object.insert(key.to_owned(), v);
    set("id", json!(network.id.to_string()));
    set("nwid", json!(network.id.to_string()));
    set("objtype", json!("network"));
    set("name", json!(network.name));
    set("private", json!(network.private));
    set("creationTime", json!(network.creation_time));
    set("revision", json!(network.revision));
    set("enableBroadcast", json!(network.broadcast));
    set("multicastLimit", json!(network.multicast_limit));
    set("mtu", json!(network.mtu));
    set("remoteTraceTarget", json!(network.trace_target.map(|a| a.to_string())));
    set("remoteTraceLevel", json!(network.trace_level));
    set("v4AssignMode", json!({"zt": network.assign_v4}));
    let v6 = network.assign_v6;
    set("v6AssignMode", json!({"6plane": v6.sixplane, "rfc4193": v6.rfc4193, "zt": v6.zt}));
    set("routes", network.routes.iter().map(print_route).collect());
    set("ipAssignmentPools", network.pools.iter().map(print_pool).collect());
    set("rules", print_rules(&network.rules));
    set("capabilities", network.capabilities.iter().map(print_capability).collect());
    set("tags", network.tags.iter().map(|t| json!({"default": t.default, "id": t.id})).collect());
    // Quirk: no tokens are an array with null in it.
    set("authTokens", if network.tokens.is_empty() { json!([null]) } else { json!(network.tokens) });
    set("dns", network.dns.as_ref().map_or(json!([]), |d| json!({"domain": d.domain, "servers": d.servers})));
    set("rulesSource", json!(network.rules_source));
    set("ssoEnabled", json!(network.sign_on));
    set("clientId", json!(network.client_id));
    set("authorizationEndpoint", json!(network.authorization_endpoint));
    if let Some(window) = network.window_ms {
        set("certificateTimeoutWindowSize", json!(window));
    }
    object
}

fn mtu(v: &Value) -> u16 {
    coerce::unsigned(v).unwrap_or(DEFAULT_VIRTUAL_MTU.into()).clamp((*MTU.start()).into(), (*MTU.end()).into()) as u16
}

/// A target is text of 10 characters, of which the leading digits count.
pub(super) fn read_trace_target(v: &Value) -> Option<Address> {
    let text = v.as_str().filter(|text| text.len() == 10)?;
    Some(Address::new(coerce::leading_hex(text)))
}

fn read_rules(v: &Value) -> RuleTable {
    rules_json::table(&rules_json::read(v))
}

/// Quirk: the single rule of a new network is printed with flags that actions do not have.
fn print_rules(rules: &RuleTable) -> Value {
    match rules.as_slice() {
        [rule] if rule.kind == RuleKind::Accept => json!([{"not": false, "or": false, "type": "ACTION_ACCEPT"}]),
        rules => rules_json::print(rules),
    }
}

fn read_capability(o: &Map<String, Value>) -> NetworkCapability {
    NetworkCapability {
        id: o.get("id").and_then(coerce::unsigned).unwrap_or(0) as u32,
        default: o.get("default").and_then(coerce::boolean).unwrap_or(false),
        rules: read_rules(o.get("rules").unwrap_or(&Value::Null)),
    }
}

fn print_capability(c: &NetworkCapability) -> Value {
    json!({"default": c.default, "id": c.id, "rules": rules_json::print(&c.rules)})
}

fn read_tag(o: &Map<String, Value>) -> Option<NetworkTag> {
    let id = o.get("id").and_then(coerce::unsigned)? as u32;
    let default = o.get("default").and_then(Value::as_number);
    Some(NetworkTag { id, default: default.map(|n| coerce::number(n) as u32) })
}

fn read_tokens(v: &Value) -> BTreeMap<String, u64> {
    let tokens = v.as_object().into_iter().flatten();
    tokens.filter_map(|(k, v)| Some((k.clone(), coerce::number(v.as_number()?)))).collect()
}

fn read_dns(o: &Map<String, Value>) -> Dns {
    let domain = o.get("domain").and_then(Value::as_str).unwrap_or_default().to_owned();
    let servers = o.get("servers").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    Dns { domain, servers: servers.filter_map(|t| Some(coerce::ip(t)?.0)).collect() }
}

/// Text of exactly 10 characters (digits are not checked), anything else is null.
pub(super) fn trace_target(v: &Value) -> Value {
    coerce::text(v).filter(|t| t.len() == 10).map_or(Value::Null, Value::String)
}

fn v4_mode(v: &Value) -> Value {
    let zt = match v {
        Value::Object(o) => o.get("zt").and_then(coerce::boolean).unwrap_or(false),
        Value::String(s) => s == "zt",
        _ => false,
    };
    json!({ "zt": zt })
}

/// An object keeps only the keys it had: the others vanish and read as false.
fn v6_mode(v: &Value) -> Value {
    const MODES: [&str; 3] = ["6plane", "rfc4193", "zt"];
    let named: BTreeSet<&str> = match v {
        Value::Object(o) => {
            let present = MODES.iter().filter_map(|m| Some((*m, coerce::boolean(o.get(*m)?).unwrap_or(false))));
            return Value::Object(present.map(|(m, on)| (m.to_owned(), json!(on))).collect());
        }
        Value::String(s) => s.split(',').collect(),
        _ => BTreeSet::new(),
    };
    Value::Object(MODES.iter().map(|m| ((*m).to_owned(), json!(named.contains(m)))).collect())
}

fn objects(v: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    v.as_array().into_iter().flatten().take(MAX_ARRAY).filter_map(Value::as_object)
}

fn routes(v: &Value) -> impl Iterator<Item = Route> {
    v.as_array().into_iter().flatten().take(MAX_ARRAY).filter_map(read_route)
}

fn read_route(v: &Value) -> Option<Route> {
    let o = v.as_object()?;
    let (ip, bits) = coerce::ip(o.get("target")?.as_str()?)?;
    let target = IpPrefix::new(ip, u8::try_from(bits).ok()?)?;
    let via = o.get("via").and_then(Value::as_str).and_then(coerce::ip).map(|(a, _)| a);
    Some(Route { target, via: via.filter(|a| a.is_ipv4() == target.is_ipv4()) })
}

fn print_route(r: &Route) -> Value {
    json!({"target": r.target.to_string(), "via": r.via.map(|a| a.to_string())})
}

fn pools(v: &Value) -> impl Iterator<Item = Pool> {
    v.as_array().into_iter().flatten().take(MAX_ARRAY).filter_map(read_pool)
}

fn read_pool(v: &Value) -> Option<Pool> {
    let end_of = |key: &str| Some(coerce::ip(v.as_object()?.get(key)?.as_str()?)?.0);
    let (start, end): (IpAddr, IpAddr) = (end_of("ipRangeStart")?, end_of("ipRangeEnd")?);
    (start.is_ipv4() == end.is_ipv4()).then_some(Pool { start, end })
}

fn print_pool(p: &Pool) -> Value {
    json!({"ipRangeEnd": p.end.to_string(), "ipRangeStart": p.start.to_string()})
}

/// Sorted by id, the last of equal ids wins; rules may be empty.
fn capabilities(v: &Value) -> Value {
    let mut by_id = BTreeMap::new();
    for o in objects(v) {
        let id = o.get("id").and_then(coerce::unsigned).unwrap_or(0);
        let default = o.get("default").and_then(coerce::boolean).unwrap_or(false);
        let rules = rules_json::normalise(o.get("rules").unwrap_or(&Value::Null));
        by_id.insert(id, json!({"default": default, "id": id, "rules": rules}));
    }
    Value::Array(by_id.into_values().collect())
}

fn tags(v: &Value) -> Value {
    let mut by_id = BTreeMap::new();
    for o in objects(v) {
        let id = o.get("id").and_then(coerce::unsigned).unwrap_or(0);
        let default = o.get("default").filter(|d| !d.is_null()).and_then(coerce::unsigned);
        by_id.insert(id, json!({"default": default, "id": id}));
    }
    Value::Array(by_id.into_values().collect())
}

/// Token → expiry in ms (0: never); an empty object becomes null, other types the default `[null]`.
fn auth_tokens(v: &Value) -> Value {
    let Value::Object(o) = v else { return json!([null]) };
    let usable = |v: &Value| v.as_f64().is_some_and(|f| f >= 0.0);
    let kept: Map<String, Value> = o.iter().filter(|(_, v)| usable(v)).map(|(k, v)| (k.clone(), v.clone())).collect();
    if kept.is_empty() { Value::Null } else { Value::Object(kept) }
}

/// `domain` unchecked except for its length, `servers` only if it is an array.
fn dns(o: &Map<String, Value>) -> Value {
    let mut domain = o.get("domain").cloned().unwrap_or(Value::Null);
    if let Value::String(s) = &mut domain
        && s.len() > MAX_DOMAIN
    {
        let end = (0..=MAX_DOMAIN).rev().find(|i| s.is_char_boundary(*i)).unwrap_or(0);
        s.truncate(end);
    }
    let mut out = Map::new();
    out.insert("domain".to_owned(), domain);
    if let Some(servers) = o.get("servers").filter(|s| s.is_array()) {
        out.insert("servers".to_owned(), servers.clone());
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posted(body: Value) -> Map<String, Value> {
        let mut n = Network::new(NetworkId(0x5630_e858_b700_0001), 7);
        n.apply(patch(body.as_object().unwrap()));
        n.to_json()
    }

    #[test]
    fn modes_of_other_types_are_all_off() {
        let o = posted(json!({"v4AssignMode": 1, "v6AssignMode": []}));
        assert_eq!(o["v4AssignMode"], json!({"zt": false}));
        assert_eq!(o["v6AssignMode"], json!({"6plane": false, "rfc4193": false, "zt": false}));
        let o = posted(json!({"v6AssignMode": "zt, 6plane"}));
        assert_eq!(o["v6AssignMode"], json!({"6plane": false, "rfc4193": false, "zt": true}));
    }

    #[test]
    fn bad_input_gives_the_default_of_the_field() {
        let o =
            posted(json!({"private": null, "enableBroadcast": null, "mtu": null, "multicastLimit": {}, "name": []}));
        assert_eq!((&o["private"], &o["enableBroadcast"]), (&json!(true), &json!(false)));
        assert_eq!((&o["mtu"], &o["multicastLimit"], &o["name"]), (&json!(2800), &json!(32), &json!("")));
        assert_eq!(posted(json!({"mtu": -1}))["mtu"], json!(10_000));
    }

    #[test]
    fn tokens() {
        assert_eq!(posted(json!({"authTokens": {}}))["authTokens"], Value::Null);
        assert_eq!(posted(json!({"authTokens": 5}))["authTokens"], json!([null]));
        assert_eq!(posted(json!({"authTokens": {"a": 1.5, "b": -1}}))["authTokens"], json!({"a": 1.5}));
    }

    #[test]
    fn a_long_domain_is_cut_at_a_character() {
        let o = posted(json!({"dns": {"domain": "é".repeat(100), "servers": 5, "x": 1}}));
        assert_eq!(o["dns"], json!({"domain": "é".repeat(63)}));
        assert_eq!(posted(json!({"dns": {}}))["dns"], json!({"domain": null}));
        assert_eq!(posted(json!({"dns": 5}))["dns"], json!([]));
    }

    #[test]
    fn arrays_of_another_type_keep_their_value() {
        let o = posted(json!({"routes": 5, "rules": {}, "tags": null, "capabilities": "x", "ipAssignmentPools": 1}));
        assert_eq!(o["routes"], json!([]));
        assert_eq!(o["rules"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn what_a_stored_object_says_is_printed_again() {
        let id = NetworkId(0x5630_e858_b700_0001);
        let stored = json!({
            "mtu": "abc", "private": 1, "remoteTraceTarget": "ABCDEFGHIJ", "certificateTimeoutWindowSize": 600_000,
            "tags": [{"id": 4_294_967_297_u64, "default": 2}], "rules": [{"type": "ACTION_DROP"}, {"type": "?"}],
            "routes": [{"target": "10.0.0.0/8", "metric": 5}], "dns": {"servers": ["10.0.0.1", 7]}, "hidden": {"a": 1},
        });
        let network = Network::from_json(id, stored.as_object().unwrap().clone(), 9);
        let printed = network.to_json();
        for (key, v) in stored.as_object().unwrap() {
            assert_eq!(&printed[key], v, "{key}");
        }
        assert_eq!((network.mtu, network.private, network.tags[0].id), (1280, true, 1));
        assert_eq!((network.routes.len(), network.rules.len(), network.credential_window_ms()), (1, 1, 600_000));
        assert_eq!(Network::from_json(id, printed, 0), network);
    }

    #[test]
    fn a_type_that_is_set_replaces_the_spelling() {
        let id = NetworkId(0x5630_e858_b700_0001);
        let mut network = Network::from_json(id, json!({"v6AssignMode": {"zt": true}}).as_object().unwrap().clone(), 9);
        assert_eq!(network.to_json()["v6AssignMode"], json!({"zt": true}));
        let assign_v6 = Some(AssignV6 { sixplane: true, ..AssignV6::default() });
        network.apply(NetworkPatch { assign_v6, ..NetworkPatch::default() });
        assert_eq!(network.to_json()["v6AssignMode"], json!({"6plane": true, "rfc4193": false, "zt": false}));
        assert!(network.verbatim.is_empty());
    }
}
