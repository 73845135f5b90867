//! The network object: what the API reads and prints (05 §2), and the settings that a configuration is built from.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Map, Value, json};
use zt_wire::ident::NetworkId;

use super::json::coerce::{self, MAX_ARRAY};
use super::rules_json;
use crate::config::MAX_NAME;

/// Longest DNS domain that fits its 128-byte field with the closing zero.
const MAX_DOMAIN: usize = 127;

/// Reads the value of a field and gives the one to store.
type Reader = fn(&Value) -> Value;

/// Keys that never reach the store.
const REMOVED: &[&str] = &["clock", "authorizedMemberCount", "activeMemberCount", "totalMemberCount", "lastModified"];

/// The stored object of one network, all defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NetworkObject {
    id: NetworkId,
    object: Map<String, Value>,
}

impl NetworkObject {
    /// A new network with every default.
    pub(super) fn new(id: NetworkId, now_ms: i64) -> Self {
        Self::from_stored(id, Map::new(), now_ms)
    }

    /// Takes an object of a store: kept as it is, missing fields filled in.
    pub(super) fn from_stored(id: NetworkId, mut object: Map<String, Value>, now_ms: i64) -> Self {
        for key in REMOVED {
            object.remove(*key);
        }
        for (key, default) in defaults(now_ms) {
            if !object.contains_key(key) {
                object.insert(key.to_owned(), default);
            }
        }
        object.insert("id".to_owned(), json!(id.to_string()));
        object.insert("nwid".to_owned(), json!(id.to_string()));
        Self { id, object }
    }

    /// The object in the form the API prints: keys ascending.
    pub(super) fn to_json(&self) -> Map<String, Value> {
        let mut v = Value::Object(self.object.clone());
        v.sort_all_objects();
        match v {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    pub(super) fn id(&self) -> NetworkId {
        self.id
    }

    /// Number of the last stored change.
    pub(super) fn revision(&self) -> u64 {
        self.get("revision").and_then(coerce::unsigned).unwrap_or(0)
    }

    pub(super) fn set_revision(&mut self, revision: u64) {
        self.set("revision", json!(revision));
    }

    /// Equal in everything but the revision (05 §4).
    pub(super) fn same_as(&self, other: &Self) -> bool {
        let differs = |a: &Self, b: &Self| a.object.iter().any(|(k, v)| k != "revision" && b.object.get(k) != Some(v));
        !differs(self, other) && !differs(other, self)
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.object.get(key)
    }

    fn set(&mut self, key: &str, value: Value) {
        self.object.insert(key.to_owned(), value);
    }

    /// Applies the body of a POST: only keys that are present change anything (05 §2).
    pub(super) fn apply(&mut self, body: &Map<String, Value>) {
        self.apply_scalars(body);
        if let Some(v) = body.get("v4AssignMode") {
            self.set("v4AssignMode", v4_mode(v));
        }
        if let Some(v) = body.get("v6AssignMode") {
            self.set("v6AssignMode", v6_mode(v));
        }
        let arrays: [(&str, Reader); 5] = [
            ("routes", routes),
            ("ipAssignmentPools", pools),
            ("rules", rules_json::normalise),
            ("capabilities", capabilities),
            ("tags", tags),
        ];
        for (key, read) in arrays {
            if let Some(v) = body.get(key).filter(|v| v.is_array()) {
                self.set(key, read(v));
            }
        }
        if let Some(v) = body.get("authTokens") {
            self.set("authTokens", auth_tokens(v));
        }
        if let Some(Value::Object(v)) = body.get("dns") {
            self.set("dns", dns(v));
        }
    }

    fn apply_scalars(&mut self, body: &Map<String, Value>) {
        if let Some(v) = body.get("name") {
            self.set("name", json!(coerce::text(v).unwrap_or_default()));
        }
        if let Some(v) = body.get("private") {
            self.set("private", json!(coerce::boolean(v).unwrap_or(true)));
        }
        if let Some(v) = body.get("enableBroadcast") {
            self.set("enableBroadcast", json!(coerce::boolean(v).unwrap_or(false)));
        }
        if let Some(v) = body.get("multicastLimit") {
            self.set("multicastLimit", json!(coerce::unsigned(v).unwrap_or(32)));
        }
        if let Some(v) = body.get("mtu") {
            self.set("mtu", json!(coerce::unsigned(v).unwrap_or(2800).clamp(1280, 10_000)));
        }
        if let Some(v) = body.get("remoteTraceTarget") {
            self.set("remoteTraceTarget", trace_target(v));
        }
        // Quirk: every POST without it sets it back to 0.
        let level = body.get("remoteTraceLevel").and_then(coerce::unsigned).unwrap_or(0);
        self.set("remoteTraceLevel", json!(level));
    }

    /// What a configuration is made from, read once per change.
    pub(super) fn settings(&self) -> Settings {
        let flag = |key: &str| self.get(key).and_then(coerce::boolean);
        let number = |key: &str| self.get(key).and_then(coerce::unsigned);
        let mode = |field: &str, key: &str| {
            self.get(field).and_then(|m| m.get(key)).and_then(coerce::boolean).unwrap_or(false)
        };
        Settings {
            id: self.id,
            name: self.name_bytes(),
            private: flag("private").unwrap_or(true),
            revision: self.revision(),
            broadcast: flag("enableBroadcast").unwrap_or(true),
            multicast_limit: number("multicastLimit").unwrap_or(32) as u32,
            mtu: number("mtu").unwrap_or(2800).clamp(1280, 10_000) as u16,
            trace: read_trace(&self.object),
            assign_v4: mode("v4AssignMode", "zt"),
            assign_v6: mode("v6AssignMode", "zt"),
            rfc4193: mode("v6AssignMode", "rfc4193"),
            sixplane: mode("v6AssignMode", "6plane"),
            routes: self.elements("routes").filter_map(Route::from_json).collect(),
            pools: self.elements("ipAssignmentPools").filter_map(Pool::from_json).collect(),
            rules: rules_json::read(self.get("rules").unwrap_or(&Value::Null)),
            capabilities: self.elements("capabilities").filter_map(Capability::from_json).collect(),
            tag_defaults: self.elements("tags").filter_map(tag_default).collect(),
            tokens: self.tokens(),
            dns_domain: self.domain(),
            dns_servers: self.servers(),
            window_ms: number("certificateTimeoutWindowSize").unwrap_or(1_800_000).clamp(300_000, 7_200_000),
            sign_on: flag("ssoEnabled").unwrap_or(false),
        }
    }

    fn elements(&self, key: &str) -> impl Iterator<Item = &Value> {
        self.get(key).and_then(Value::as_array).into_iter().flatten().take(MAX_ARRAY)
    }

    /// The name as it is sent: cut to its field, even inside a character.
    fn name_bytes(&self) -> Vec<u8> {
        let mut bytes = self.get("name").and_then(coerce::text).unwrap_or_default().into_bytes();
        bytes.truncate(MAX_NAME);
        bytes
    }

    fn tokens(&self) -> BTreeMap<String, u64> {
        let Some(Value::Object(tokens)) = self.get("authTokens") else { return BTreeMap::new() };
        tokens.iter().filter_map(|(k, v)| Some((k.clone(), coerce::number(v.as_number()?)))).collect()
    }

    fn domain(&self) -> String {
        let domain = self.get("dns").and_then(|d| d.get("domain")).and_then(Value::as_str);
        domain.unwrap_or_default().to_owned()
    }

    fn servers(&self) -> Vec<IpAddr> {
        let servers = self.get("dns").and_then(|d| d.get("servers")).and_then(Value::as_array);
        let texts = servers.into_iter().flatten().filter_map(Value::as_str);
        texts.filter_map(|t| Some(coerce::ip(t)?.0)).take(4).collect()
    }
}

fn defaults(now_ms: i64) -> Vec<(&'static str, Value)> {
    vec![
        ("authTokens", json!([null])),
        ("authorizationEndpoint", json!("")),
        ("capabilities", json!([])),
        ("clientId", json!("")),
        ("creationTime", json!(now_ms)),
        ("dns", json!([])),
        ("enableBroadcast", json!(true)),
        ("ipAssignmentPools", json!([])),
        ("mtu", json!(2800)),
        ("multicastLimit", json!(32)),
        ("name", json!("")),
        ("objtype", json!("network")),
        ("private", json!(true)),
        ("remoteTraceLevel", json!(0)),
        ("remoteTraceTarget", Value::Null),
        ("revision", json!(0)),
        ("routes", json!([])),
        ("rules", json!([{"not": false, "or": false, "type": "ACTION_ACCEPT"}])),
        ("rulesSource", json!("")),
        ("ssoEnabled", json!(false)),
        ("tags", json!([])),
        ("v4AssignMode", json!({"zt": false})),
        ("v6AssignMode", json!({"6plane": false, "rfc4193": false, "zt": false})),
    ]
}

/// Text of exactly 10 characters (digits are not checked), anything else is null.
pub(super) fn trace_target(v: &Value) -> Value {
    coerce::text(v).filter(|t| t.len() == 10).map_or(Value::Null, Value::String)
}

/// Remote trace target and level of an object; `None` without a target of 10 characters.
pub(super) fn read_trace(object: &Map<String, Value>) -> Option<(u64, u64)> {
    let target = object.get("remoteTraceTarget")?.as_str().filter(|t| t.len() == 10)?;
    let level = object.get("remoteTraceLevel").and_then(coerce::unsigned).unwrap_or(0);
    Some((coerce::leading_hex(target), level))
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

fn routes(v: &Value) -> Value {
    let routes = v.as_array().into_iter().flatten().take(MAX_ARRAY).filter_map(Route::from_json);
    Value::Array(routes.map(|r| r.to_json()).collect())
}

fn pools(v: &Value) -> Value {
    let pools = v.as_array().into_iter().flatten().take(MAX_ARRAY).filter_map(Pool::from_json);
    let print = |p: Pool| json!({"ipRangeEnd": p.end.to_string(), "ipRangeStart": p.start.to_string()});
    Value::Array(pools.map(print).collect())
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

fn tag_default(v: &Value) -> Option<(u32, u32)> {
    let id = v.get("id").and_then(coerce::unsigned)?;
    let default = v.get("default").and_then(Value::as_number)?;
    Some((id as u32, coerce::number(default) as u32))
}

/// The settings of a network in typed form.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) id: NetworkId,
    pub(super) name: Vec<u8>,
    pub(super) private: bool,
    pub(super) revision: u64,
    pub(super) broadcast: bool,
    pub(super) multicast_limit: u32,
    pub(super) mtu: u16,
    /// Target address and level.
    pub(super) trace: Option<(u64, u64)>,
    pub(super) assign_v4: bool,
    pub(super) assign_v6: bool,
    pub(super) rfc4193: bool,
    pub(super) sixplane: bool,
    pub(super) routes: Vec<Route>,
    pub(super) pools: Vec<Pool>,
    pub(super) rules: Vec<rules_json::Entry>,
    pub(super) capabilities: Vec<Capability>,
    /// Tag id and value of the tags that have a default.
    pub(super) tag_defaults: BTreeMap<u32, u32>,
    /// Token → expiry in Unix milliseconds, 0: never.
    pub(super) tokens: BTreeMap<String, u64>,
    pub(super) dns_domain: String,
    pub(super) dns_servers: Vec<IpAddr>,
    /// Credential window in milliseconds, clamped (05 §7).
    pub(super) window_ms: u64,
    pub(super) sign_on: bool,
}

/// A managed route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// Host bits are kept as given.
    pub(super) target: IpAddr,
    pub(super) bits: u8,
    pub(super) via: Option<IpAddr>,
}

impl Route {
    fn from_json(v: &Value) -> Option<Self> {
        let o = v.as_object()?;
        let (target, bits) = coerce::ip(o.get("target")?.as_str()?)?;
        if bits > coerce::width(&target) {
            return None;
        }
        let via = o.get("via").and_then(Value::as_str).and_then(coerce::ip).map(|(a, _)| a);
        Some(Self { target, bits: bits as u8, via: via.filter(|a| a.is_ipv4() == target.is_ipv4()) })
    }

    fn to_json(&self) -> Value {
        json!({"target": format!("{}/{}", self.target, self.bits), "via": self.via.map(|a| a.to_string())})
    }

    /// Whether an address lies in the target.
    pub(super) fn contains(&self, a: IpAddr) -> bool {
        match (masked(a, self.bits), masked(self.target, self.bits)) {
            (IpAddr::V4(x), IpAddr::V4(y)) => x == y,
            (IpAddr::V6(x), IpAddr::V6(y)) => x == y,
            _ => false,
        }
    }
}

/// The first `bits` bits of an address, the others zero.
pub(super) fn masked(a: IpAddr, bits: u8) -> IpAddr {
    match a {
        IpAddr::V4(a) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            IpAddr::V4((u32::from(a) & mask).into())
        }
        IpAddr::V6(a) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            IpAddr::V6((u128::from(a) & mask).into())
        }
    }
}

/// A range that addresses are assigned from; both ends of one family, their order is not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pool {
    pub(super) start: IpAddr,
    pub(super) end: IpAddr,
}

impl Pool {
    fn from_json(v: &Value) -> Option<Self> {
        let end_of = |key: &str| Some(coerce::ip(v.as_object()?.get(key)?.as_str()?)?.0);
        let (start, end) = (end_of("ipRangeStart")?, end_of("ipRangeEnd")?);
        (start.is_ipv4() == end.is_ipv4()).then_some(Self { start, end })
    }
}

/// A capability of the network.
#[derive(Clone, Debug)]
pub(super) struct Capability {
    pub(super) id: u32,
    pub(super) default: bool,
    pub(super) rules: Vec<rules_json::Entry>,
}

impl Capability {
    fn from_json(v: &Value) -> Option<Self> {
        let o = v.as_object()?;
        Some(Self {
            id: o.get("id").and_then(coerce::unsigned).unwrap_or(0) as u32,
            default: o.get("default").and_then(coerce::boolean).unwrap_or(false),
            rules: rules_json::read(o.get("rules").unwrap_or(&Value::Null)),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a panic is how a test fails
mod tests {
    use super::*;

    fn posted(body: Value) -> Map<String, Value> {
        let mut n = NetworkObject::new(NetworkId(0x5630_e858_b700_0001), 7);
        n.apply(body.as_object().unwrap());
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
    fn masks_at_their_ends() {
        let a: IpAddr = "10.1.2.3".parse().unwrap();
        assert_eq!(masked(a, 0), "0.0.0.0".parse::<IpAddr>().unwrap());
        assert_eq!(masked(a, 32), a);
        let b: IpAddr = "fd00::1".parse().unwrap();
        assert_eq!(masked(b, 128), b);
        assert_eq!(masked(b, 0), "::".parse::<IpAddr>().unwrap());
    }
}
