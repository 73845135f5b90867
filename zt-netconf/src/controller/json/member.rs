//! The member object of the API: what a POST makes of a body, and the object's typed form, both ways (05 §3).

use std::net::IpAddr;

use serde_json::{Map, Value, json};
use zt_wire::ident::{Address, NetworkId};

use super::coerce::{self, MAX_ARRAY};
use super::network::{read_trace_target, trace_target};
use crate::controller::member::{Binding, Member};
use crate::controller::patch::MemberPatch;
use crate::controller::verbatim::Verbatim;

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

/// A value that has no coercion: answered with status 500, in the words of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("[json.exception.type_error.302] type must be string, but is {0}")]
pub(super) struct NotText(pub(super) &'static str);

const VERSION_KEYS: [&str; 4] = ["vMajor", "vMinor", "vRev", "vProto"];

impl Member {
    /// Reads an object as a store or a file of `controller.d` holds it (05 §3, §4): missing and unreadable fields have their
    /// default, unknown fields are kept. `network` and `address` count, whatever the object says.
    #[must_use]
    pub fn from_json(network: NetworkId, address: Address, object: Map<String, Value>, now_ms: i64) -> Self {
        let mut m = Self::new(network, address, now_ms);
        for (key, v) in object {
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
            "identity" => self.read_identity(key, coerce::text(&v)),
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
            "remoteTraceTarget" => {
                let text = trace_target(&v);
                self.trace_target = read_trace_target(&text);
                self.verbatim.merge(spelled_target(&text));
            }
            "remoteTraceLevel" => self.trace_level = number(),
            other => {
                if let Some(i) = VERSION_KEYS.iter().position(|k| *k == other) {
                    self.version[i] = coerce::signed(&v).unwrap_or(-1);
                } else if !REMOVED.contains(&other) {
                    self.verbatim.keep(key, v);
                }
            }
        }
    }

    fn read_identity(&mut self, key: String, text: Option<String>) {
        let Some(text) = text else { return };
        self.binding = text.parse().map_or(Binding::Unreadable, Binding::To);
        if self.binding.identity().is_none_or(|identity| identity.to_string() != text) {
            self.verbatim.keep(key, Value::String(text));
        }
    }

    /// The object in the form that the API prints and stores keep: keys ascending.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
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
        set("remoteTraceTarget", json!(self.trace_target.map(|a| a.to_string())));
        set("remoteTraceLevel", json!(self.trace_level));
        for (key, v) in VERSION_KEYS.iter().zip(self.version) {
            set(key, json!(v));
        }
        if let Some(name) = &self.name {
            set("name", json!(name));
        }
        if let Some(identity) = self.binding.identity() {
            set("identity", json!(identity.to_string()));
        }
        for (key, v) in self.verbatim.iter() {
            set(key, v.clone());
        }
        let mut sorted = Value::Object(o);
        sorted.sort_all_objects();
        match sorted {
            Value::Object(o) => o,
            _ => Map::new(),
        }
    }
}

/// The patch that the body of a POST is: only keys that are present change anything.
///
/// # Errors
/// An element of `ipAssignments` is not text; nothing is to be changed then.
pub(super) fn patch(body: &Map<String, Value>) -> Result<MemberPatch, NotText> {
    let boolean = |key: &str| body.get(key).map(|v| coerce::boolean(v).unwrap_or(false));
    let array = |key: &str| body.get(key).filter(|v| v.is_array());
    let target = body.get("remoteTraceTarget").map(trace_target);
    Ok(MemberPatch {
        name: body.get("name").map(|v| coerce::text(v).unwrap_or_default()),
        authorized: boolean("authorized"),
        active_bridge: boolean("activeBridge"),
        no_auto_assign: boolean("noAutoAssignIps"),
        ips: array("ipAssignments").map(ips).transpose()?,
        tags: array("tags").map(|v| elements(v).filter_map(tag).collect()),
        capabilities: array("capabilities").map(|v| elements(v).map(|v| coerce::unsigned(v).unwrap_or(0)).collect()),
        authentication_expiry: body.get("authenticationExpiryTime").map(|v| coerce::unsigned(v).unwrap_or(0)),
        trace_target: target.as_ref().map(read_trace_target),
        // Quirk: every POST without it sets it back to 0.
        trace_level: Some(body.get("remoteTraceLevel").and_then(coerce::unsigned).unwrap_or(0)),
        verbatim: target.as_ref().map(spelled_target).unwrap_or_default(),
    })
}

/// A trace target that is no address as we print it.
fn spelled_target(text: &Value) -> Verbatim {
    let printed = json!(read_trace_target(text).map(|a| a.to_string()));
    (printed != *text).then(|| ("remoteTraceTarget".to_owned(), text.clone())).into_iter().collect()
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
mod tests {
    use super::*;

    fn member() -> Member {
        Member::new(NetworkId(1), Address::new(0x11_2233_4455), 5)
    }

    fn post(m: &mut Member, body: &Value, now_ms: i64) {
        m.apply(patch(body.as_object().unwrap()).unwrap(), now_ms);
    }

    #[test]
    fn what_is_stored_reads_back_the_same() {
        let mut m = member();
        let body = json!({"authorized": true, "name": "x", "ipAssignments": ["10.0.0.1/8", "fd00::1", "bogus"],
            "tags": [[2, 1], [1, -1]], "capabilities": [3, null, 3], "remoteTraceTarget": "no address"});
        post(&mut m, &body, 9);
        assert_eq!(m.capabilities, [0, 3]);
        assert_eq!(m.tags, [(1, u32::MAX), (2, 1)]);
        assert_eq!(m.to_json()["remoteTraceTarget"], json!("no address"));
        m.verbatim.keep("hidden".to_owned(), json!(true));
        assert_eq!(Member::from_json(m.network, m.address, m.to_json(), 0), m);
    }

    #[test]
    fn a_change_of_authorisation_is_dated() {
        let mut m = member();
        post(&mut m, &json!({"authorized": "t"}), 9);
        assert_eq!((m.last_authorized, m.credential_type.as_deref()), (9, Some("api")));
        post(&mut m, &json!({"authorized": 1}), 10);
        assert_eq!(m.last_authorized, 9);
        post(&mut m, &json!({"authorized": null}), 11);
        assert_eq!((m.authorized, m.last_deauthorized), (false, 11));
    }

    #[test]
    fn an_address_that_is_no_text_is_an_error() {
        for (v, name) in [(json!(5), "number"), (json!(null), "null"), (json!([]), "array"), (json!({}), "object")] {
            let body = json!({ "ipAssignments": [v] });
            assert_eq!(patch(body.as_object().unwrap()), Err(NotText(name)));
        }
    }

    #[test]
    fn an_identity_that_cannot_be_read_is_kept_and_binds_to_nobody() {
        let stored = json!({"identity": "1122334455:0:bogus"});
        let m = Member::from_json(NetworkId(1), Address::new(1), stored.as_object().unwrap().clone(), 0);
        assert_eq!(m.binding, Binding::Unreadable);
        assert_eq!(m.to_json()["identity"], stored["identity"]);
    }
}
