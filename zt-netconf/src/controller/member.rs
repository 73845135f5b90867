//! The member object: what the API reads and prints (05 §3), in typed form.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Map, Value, json};
use zt_wire::ident::{Address, NetworkId};

use super::json::coerce::{self, MAX_ARRAY};
use super::network::trace_target;

/// Keys that never reach the store.
const REMOVED: &[&str] = &[
    "clock",
    "physicalAddr",
    "recentLog",
    "lastModified",
    "lastRequestMetaData",
    "authenticationURL",
    "authenticationClientID",
];

/// A value that has no coercion: answered with status 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotText(pub(super) &'static str);

/// One member of a network, as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    pub(super) network: NetworkId,
    pub(super) address: Address,
    pub(super) name: Option<String>,
    /// Public identity text; pinned once it is there.
    pub(super) identity: Option<String>,
    pub(super) authorized: bool,
    pub(super) active_bridge: bool,
    pub(super) no_auto_assign: bool,
    pub(super) ips: Vec<IpAddr>,
    /// Tag id and value, in stored order.
    pub(super) tags: Vec<(u32, u32)>,
    pub(super) capabilities: Vec<u64>,
    pub(super) creation_time: i64,
    pub(super) revision: u64,
    pub(super) last_authorized: i64,
    pub(super) last_deauthorized: i64,
    /// `api`, `public` or `token`.
    pub(super) credential_type: Option<String>,
    pub(super) credential: Option<String>,
    pub(super) authentication_expiry: u64,
    pub(super) sso_exempt: bool,
    pub(super) trace_target: Option<String>,
    pub(super) trace_level: u64,
    /// Major, minor, revision, protocol; -1 until an authorised request.
    pub(super) version: [i64; 4],
    /// Keys of a stored object that this controller does not know.
    extra: BTreeMap<String, Value>,
}

const VERSION_KEYS: [&str; 4] = ["vMajor", "vMinor", "vRev", "vProto"];

impl Member {
    /// A new member with every default.
    pub(super) fn new(network: NetworkId, address: Address, now_ms: i64) -> Self {
        Self {
            network,
            address,
            name: None,
            identity: None,
            authorized: false,
            active_bridge: false,
            no_auto_assign: false,
            ips: Vec::new(),
            tags: Vec::new(),
            capabilities: Vec::new(),
            creation_time: now_ms,
            revision: 0,
            last_authorized: 0,
            last_deauthorized: 0,
            credential_type: None,
            credential: None,
            authentication_expiry: 0,
            sso_exempt: false,
            trace_target: None,
            trace_level: 0,
            version: [-1; 4],
            extra: BTreeMap::new(),
        }
    }

    /// Reads a stored object; unreadable fields get their default, unknown ones are kept.
    pub(super) fn from_stored(network: NetworkId, address: Address, o: Map<String, Value>, now_ms: i64) -> Self {
        let mut m = Self::new(network, address, now_ms);
        for (key, v) in o {
            m.read(key, v);
        }
        m
    }

    fn read(&mut self, key: String, v: Value) {
        let boolean = || coerce::boolean(&v).unwrap_or(false);
        let time = || coerce::signed(&v).unwrap_or(0);
        let number = || coerce::unsigned(&v).unwrap_or(0);
        match key.as_str() {
            "id" | "address" | "nwid" | "objtype" => {}
            "name" => self.name = coerce::text(&v),
            "identity" => self.identity = coerce::text(&v),
            "authorized" => self.authorized = boolean(),
            "activeBridge" => self.active_bridge = boolean(),
            "noAutoAssignIps" => self.no_auto_assign = boolean(),
            "ipAssignments" => {
                let texts = v.as_array().into_iter().flatten().take(MAX_ARRAY).filter_map(Value::as_str);
                self.ips = texts.filter_map(|t| Some(coerce::ip(t)?.0)).collect();
            }
            "tags" => self.tags = elements(&v).filter_map(tag).collect(),
            "capabilities" => self.capabilities = elements(&v).filter_map(coerce::unsigned).collect(),
            "creationTime" => self.creation_time = time(),
            "revision" => self.revision = number(),
            "lastAuthorizedTime" => self.last_authorized = time(),
            "lastDeauthorizedTime" => self.last_deauthorized = time(),
            "lastAuthorizedCredentialType" => self.credential_type = coerce::text(&v),
            "lastAuthorizedCredential" => self.credential = coerce::text(&v),
            "authenticationExpiryTime" => self.authentication_expiry = number(),
            "ssoExempt" => self.sso_exempt = boolean(),
            "remoteTraceTarget" => self.trace_target = trace_target(&v).as_str().map(str::to_owned),
            "remoteTraceLevel" => self.trace_level = number(),
            other => {
                if let Some(i) = VERSION_KEYS.iter().position(|k| *k == other) {
                    self.version[i] = coerce::signed(&v).unwrap_or(-1);
                } else if !REMOVED.contains(&other) {
                    self.extra.insert(key, v);
                }
            }
        }
    }

    /// The object in the form the API prints: keys ascending.
    pub(super) fn to_json(&self) -> Map<String, Value> {
        let mut o = Map::new();
        let mut set = |key: &str, v: Value| o.insert(key.to_owned(), v);
        set("id", json!(self.address.to_string()));
        set("address", json!(self.address.to_string()));
        set("nwid", json!(self.network.to_string()));
        set("objtype", json!("member"));
        set("authorized", json!(self.authorized));
        set("activeBridge", json!(self.active_bridge));
        set("noAutoAssignIps", json!(self.no_auto_assign));
        set("ipAssignments", json!(self.ips.iter().map(IpAddr::to_string).collect::<Vec<_>>()));
        set("tags", json!(self.tags.iter().map(|(id, v)| [id, v]).collect::<Vec<_>>()));
        set("capabilities", json!(self.capabilities));
        set("creationTime", json!(self.creation_time));
        set("revision", json!(self.revision));
        set("lastAuthorizedTime", json!(self.last_authorized));
        set("lastDeauthorizedTime", json!(self.last_deauthorized));
        set("lastAuthorizedCredentialType", json!(self.credential_type));
        set("lastAuthorizedCredential", json!(self.credential));
        set("authenticationExpiryTime", json!(self.authentication_expiry));
        set("ssoExempt", json!(self.sso_exempt));
        set("remoteTraceTarget", json!(self.trace_target));
        set("remoteTraceLevel", json!(self.trace_level));
        for (key, v) in VERSION_KEYS.iter().zip(self.version) {
            set(key, json!(v));
        }
        for (key, v) in [("name", &self.name), ("identity", &self.identity)] {
            if let Some(v) = v {
                set(key, json!(v));
            }
        }
        for (key, v) in &self.extra {
            set(key, v.clone());
        }
        let mut sorted = Value::Object(o);
        sorted.sort_all_objects();
        match sorted {
            Value::Object(o) => o,
            _ => Map::new(),
        }
    }

    /// Applies the body of a POST: only keys that are present change anything (05 §3).
    ///
    /// # Errors
    /// An element of `ipAssignments` is not text; nothing is to be stored then.
    pub(super) fn apply(&mut self, body: &Map<String, Value>, now_ms: i64) -> Result<(), NotText> {
        let boolean = |key: &str| body.get(key).map(|v| coerce::boolean(v).unwrap_or(false));
        if let Some(on) = boolean("authorized") {
            self.set_authorized(on, now_ms);
        }
        self.active_bridge = boolean("activeBridge").unwrap_or(self.active_bridge);
        self.no_auto_assign = boolean("noAutoAssignIps").unwrap_or(self.no_auto_assign);
        if let Some(v) = body.get("name") {
            self.name = Some(coerce::text(v).unwrap_or_default());
        }
        if let Some(v) = body.get("authenticationExpiryTime") {
            self.authentication_expiry = coerce::unsigned(v).unwrap_or(0);
        }
        if let Some(v) = body.get("remoteTraceTarget") {
            self.trace_target = trace_target(v).as_str().map(str::to_owned);
        }
        // Quirk: every POST without it sets it back to 0.
        self.trace_level = body.get("remoteTraceLevel").and_then(coerce::unsigned).unwrap_or(0);
        if let Some(v) = body.get("ipAssignments").filter(|v| v.is_array()) {
            self.ips = ips(v)?;
        }
        if let Some(v) = body.get("tags").filter(|v| v.is_array()) {
            let by_id: BTreeMap<u32, u32> = elements(v).filter_map(tag).collect();
            self.tags = by_id.into_iter().collect();
        }
        if let Some(v) = body.get("capabilities").filter(|v| v.is_array()) {
            let unique: BTreeSet<u64> = elements(v).map(|v| coerce::unsigned(v).unwrap_or(0)).collect();
            self.capabilities = unique.into_iter().collect();
        }
        Ok(())
    }

    /// Remote trace target and level, if a target is set.
    pub(super) fn trace(&self) -> Option<(u64, u64)> {
        self.trace_target.as_ref().map(|t| (coerce::leading_hex(t), self.trace_level))
    }

    fn set_authorized(&mut self, on: bool, now_ms: i64) {
        if on == self.authorized {
            return;
        }
        if on {
            self.authorize("api", None, now_ms);
        } else {
            self.authorized = false;
            self.last_deauthorized = now_ms;
        }
    }

    /// Marks the member as authorised and by what.
    pub(super) fn authorize(&mut self, kind: &str, credential: Option<String>, now_ms: i64) {
        self.authorized = true;
        self.last_authorized = now_ms;
        self.credential_type = Some(kind.to_owned());
        self.credential = credential;
    }

    /// Equal in everything but the revision (05 §4).
    pub(super) fn same_as(&self, other: &Self) -> bool {
        Self { revision: 0, ..self.clone() } == Self { revision: 0, ..other.clone() }
    }

    /// A record that only a request of a stranger made: nobody has touched or authorised it.
    pub(super) fn is_candidate(&self) -> bool {
        let untouched =
            self.name.is_none() && self.ips.is_empty() && self.tags.is_empty() && self.capabilities.is_empty();
        !self.authorized && self.last_authorized == 0 && untouched && !self.active_bridge && !self.no_auto_assign
    }
}

fn elements(v: &Value) -> impl Iterator<Item = &Value> {
    v.as_array().into_iter().flatten().take(MAX_ARRAY)
}

/// A two-element array, each cut to 32 bits.
fn tag(v: &Value) -> Option<(u32, u32)> {
    let [id, value] = v.as_array()?.as_slice() else { return None };
    let word = |v: &Value| coerce::unsigned(v).unwrap_or(0) as u32;
    Some((word(id), word(value)))
}

fn ips(v: &Value) -> Result<Vec<IpAddr>, NotText> {
    let mut out = Vec::new();
    for element in elements(v) {
        match element {
            Value::String(s) => out.extend(coerce::ip(s).map(|(a, _)| a)),
            other => return Err(NotText(type_name(other))),
        }
    }
    Ok(out)
}

fn type_name(v: &Value) -> &'static str {
    match v {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a panic is how a test fails
mod tests {
    use super::*;

    fn member() -> Member {
        Member::new(NetworkId(1), Address::new(0x11_2233_4455), 5)
    }

    #[test]
    fn what_is_stored_reads_back_the_same() {
        let mut m = member();
        let body = json!({"authorized": true, "name": "x", "ipAssignments": ["10.0.0.1/8", "fd00::1", "bogus"],
            "tags": [[2, 1], [1, -1]], "capabilities": [3, null, 3]});
        m.apply(body.as_object().unwrap(), 9).unwrap();
        assert_eq!(m.capabilities, [0, 3]);
        assert_eq!(m.tags, [(1, u32::MAX), (2, 1)]);
        m.extra.insert("hidden".to_owned(), json!(true));
        assert_eq!(Member::from_stored(m.network, m.address, m.to_json(), 0), m);
    }

    #[test]
    fn a_change_of_authorisation_is_dated() {
        let mut m = member();
        m.apply(json!({"authorized": "t"}).as_object().unwrap(), 9).unwrap();
        assert_eq!((m.last_authorized, m.credential_type.as_deref()), (9, Some("api")));
        m.apply(json!({"authorized": 1}).as_object().unwrap(), 10).unwrap();
        assert_eq!(m.last_authorized, 9);
        m.apply(json!({"authorized": null}).as_object().unwrap(), 11).unwrap();
        assert_eq!((m.authorized, m.last_deauthorized), (false, 11));
    }

    #[test]
    fn an_address_that_is_no_text_is_an_error() {
        for (v, name) in [(json!(5), "number"), (json!(null), "null"), (json!([]), "array"), (json!({}), "object")] {
            let body = json!({ "ipAssignments": [v] });
            assert_eq!(member().apply(body.as_object().unwrap(), 0), Err(NotText(name)));
        }
    }
}
