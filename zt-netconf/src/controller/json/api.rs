//! The HTTP interface of the controller as a function of method, path and body (05 §1).
//!
//! The listener has checked the token, removed the query from the path and decoded it; it sends what comes out of
//! here when the commit named in it is written.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use zt_wire::ident::{Address, NetworkId};
use zt_wire::time::Now;

use super::{error, member, network, strict};
use crate::controller::Controller;
use crate::controller::member::Member;
use crate::controller::network::Network;
use crate::controller::serve::version_of;
use crate::controller::state::NetworkState;

/// Random network IDs tried before giving up.
const MAX_TRIALS: u32 = 100_000;

/// An answer of the HTTP interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiOutcome {
    /// HTTP status.
    pub status: u16,
    /// Text of the `application/json` body; `None`: an empty body without a type.
    pub body: Option<String>,
    /// Send the answer only when this commit is written; if it fails, send [`ApiOutcome::not_stored`] instead.
    pub commit: Option<u64>,
}

impl ApiOutcome {
    fn empty(status: u16) -> Self {
        Self { status, body: None, commit: None }
    }

    fn json(v: Value, commit: Option<u64>) -> Self {
        let mut v = v;
        v.sort_all_objects();
        Self { status: 200, body: Some(v.to_string()), commit }
    }

    /// Status 500 with a description.
    fn error(description: &str) -> Self {
        Self::described(500, description)
    }

    /// Status 400: the body is not as it should be.
    fn refused(description: &str) -> Self {
        Self::described(400, description)
    }

    fn described(status: u16, description: &str) -> Self {
        let text = Value::String(description.to_owned());
        Self { status, body: Some(format!("{{\"error\": {status}, \"description\": {text}}}")), commit: None }
    }

    /// What the caller gets instead when the commit could not be written.
    #[must_use]
    pub fn not_stored(reason: &str) -> Self {
        Self::error(&format!("not stored: {reason}"))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
    Delete,
}

/// Where a path leads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Route {
    Status,
    Networks,
    /// Old style creation, with the address in the path when it is well formed.
    NewNetwork(bool),
    Network(NetworkId),
    Members(NetworkId),
    Member(NetworkId, Address),
    AllNetworks,
    AllMembers(NetworkId),
}

impl Controller {
    /// Performs one call of the HTTP interface.
    ///
    /// `path` is without query and percent encoding. `HEAD` is for the listener to treat as `GET`.
    pub fn api(&mut self, now: Now, method: &str, path: &str, body: &[u8]) -> ApiOutcome {
        let method = match method {
            "GET" => Method::Get,
            "POST" | "PUT" => Method::Post,
            "DELETE" => Method::Delete,
            _ => return ApiOutcome::empty(404),
        };
        let Some(route) = self.route(path) else { return ApiOutcome::empty(404) };
        if route == Route::Status && method == Method::Get {
            return self.api_status(now);
        }
        if !self.ready {
            return ApiOutcome::empty(503);
        }
        match method {
            Method::Get => self.api_get(route),
            Method::Post => self.api_post(now, route, body),
            Method::Delete => self.api_delete(route),
        }
    }

    /// As [`Self::api`], but a body with a field that would be changed or dropped on the way in changes nothing and is
    /// answered with status 400 and the field's name.
    pub fn api_strict(&mut self, now: Now, method: &str, path: &str, body: &[u8]) -> ApiOutcome {
        if matches!(method, "POST" | "PUT")
            && let Some(route) = self.route(path)
            && let Err(wrong) = self.check(route, body)
        {
            return ApiOutcome::refused(&wrong);
        }
        self.api(now, method, path, body)
    }

    fn check(&self, route: Route, body: &[u8]) -> Result<(), String> {
        let parse = || serde_json::from_slice::<Value>(without_mark(body)).map_err(|error| error.to_string());
        let object = || match parse()? {
            Value::Object(object) => Ok(object),
            other => Err(format!("{other} is no object")),
        };
        match route {
            Route::Networks | Route::NewNetwork(true) => strict::network(&object()?, None),
            Route::Network(id) => {
                let stored = self.networks.get(&id).map(|network| network.network().to_json());
                strict::network(&object()?, stored.as_ref())
            }
            Route::Member(id, address) => match self.networks.get(&id) {
                Some(network) => strict::member(&object()?, network, address),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn route(&self, path: &str) -> Option<Route> {
        let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        Some(match parts.as_slice() {
            ["controller"] => Route::Status,
            ["controller", "network"] => Route::Networks,
            ["controller", "network", id] => match id.strip_suffix("______") {
                Some(address) => {
                    hex(address, 10)?;
                    Route::NewNetwork(address == self.own.address().to_string())
                }
                None => Route::Network(network_id(id)?),
            },
            ["controller", "network", id, "member"] => Route::Members(network_id(id)?),
            ["controller", "network", id, "member", address] => {
                Route::Member(network_id(id)?, Address::new(hex(address, 10)?))
            }
            ["unstable", "controller", "network"] => Route::AllNetworks,
            ["unstable", "controller", "network", id, "member"] => Route::AllMembers(network_id(id)?),
            _ => return None,
        })
    }

    fn api_status(&self, now: Now) -> ApiOutcome {
        let body = format!(
            "{{\n\t\"controller\": true,\n\t\"apiVersion\": 4,\n\t\"clock\": {},\n\t\"databaseReady\": {}\n}}\n",
            now.unix_ms, self.ready
        );
        ApiOutcome { status: if self.ready { 200 } else { 503 }, body: Some(body), commit: None }
    }

    fn api_get(&self, route: Route) -> ApiOutcome {
        let found = match route {
            Route::Networks => {
                let ids: Vec<String> = self.networks.keys().map(NetworkId::to_string).collect();
                return ApiOutcome::json(json!(ids), self.journal.last());
            }
            Route::AllNetworks => return ApiOutcome::json(self.all_networks(), self.journal.last()),
            Route::Network(id) => self.networks.get(&id).map(|n| Value::Object(n.network().to_json())),
            Route::Members(id) => self.networks.get(&id).map(member_revisions),
            Route::AllMembers(id) => self.networks.get(&id).map(all_members),
            Route::Member(id, address) => {
                let member = self.networks.get(&id).and_then(|n| n.member(address));
                member.map(|m| Value::Object(m.to_json()))
            }
            Route::Status | Route::NewNetwork(_) => None,
        };
        let commit = route.network().and_then(|id| self.journal.last_of(id));
        found.map_or(ApiOutcome::empty(404), |v| ApiOutcome::json(v, commit))
    }

    fn all_networks(&self) -> Value {
        let data: Vec<Value> = self
            .networks
            .values()
            .map(|n| {
                let mut o = n.network().to_json();
                let meta = json!({"authorizedMemberCount": n.authorized_count(), "totalMemberCount": n.member_count()});
                o.insert("meta".to_owned(), meta);
                Value::Object(o)
            })
            .collect();
        json!({"meta": {"networkCount": data.len()}, "data": data})
    }

    fn api_post(&mut self, now: Now, route: Route, body: &[u8]) -> ApiOutcome {
        match route {
            Route::NewNetwork(false) => return ApiOutcome::empty(400),
            Route::Member(id, _) if !self.networks.contains_key(&id) => return ApiOutcome::empty(404),
            Route::Status | Route::Members(_) | Route::AllNetworks | Route::AllMembers(_) => {
                return ApiOutcome::empty(404);
            }
            _ => {}
        }
        let body = match parse_object(body) {
            Ok(object) => object,
            Err(text) => return ApiOutcome::error(&text),
        };
        match route {
            Route::Network(id) => self.post_network(now, id, &body),
            Route::Member(id, address) => self.post_member(now, id, address, &body),
            _ => match self.free_network_id() {
                Some(id) => self.post_network(now, id, &body),
                None => ApiOutcome::empty(503),
            },
        }
    }

    fn free_network_id(&mut self) -> Option<NetworkId> {
        let base = self.own.address().as_u64() << 24;
        (0..MAX_TRIALS)
            .map(|_| NetworkId(base | (self.entropy.next_u64() & 0xff_ffff).max(1)))
            .find(|id| !self.networks.contains_key(id))
    }

    fn post_network(&mut self, now: Now, id: NetworkId, body: &Map<String, Value>) -> ApiOutcome {
        let held = self.networks.get(&id).map(|n| Arc::clone(n.network()));
        let mut new = held.as_deref().cloned().unwrap_or_else(|| Network::new(id, now.unix_ms));
        new.apply(network::patch(body));
        // Quirk: network 0 is answered and not stored.
        let changed = id.0 != 0 && !held.is_some_and(|h| h.same_as(&new));
        if changed {
            let seq = self.store_network(new);
            let stored = self.networks.get(&id).map(|n| n.network().to_json()).unwrap_or_default();
            return ApiOutcome::json(Value::Object(stored), Some(seq));
        }
        ApiOutcome::json(Value::Object(new.to_json()), self.journal.last_of(id))
    }

    fn post_member(&mut self, now: Now, id: NetworkId, address: Address, body: &Map<String, Value>) -> ApiOutcome {
        let held = self.networks.get(&id).and_then(|n| n.member(address)).cloned();
        let was_authorized = held.as_ref().is_some_and(|member| member.authorized);
        let mut new = held.unwrap_or_else(|| Member::new(id, address, now.unix_ms));
        match member::patch(body) {
            Ok(patch) => new.apply(patch, now.unix_ms),
            Err(e) => {
                let text = format!("[json.exception.type_error.302] type must be string, but is {}", e.0);
                return ApiOutcome::error(&text);
            }
        }
        // What the member said when it was refused a moment ago counts from now on. Quirk: not yet in this answer.
        let told = new.version;
        if new.authorized
            && !was_authorized
            && let Some(asker) = self.presence.online(now.mono, id, address)
        {
            new.version = version_of(&asker.metadata);
        }
        // Quirk: member 0 is answered and not stored.
        if address.as_u64() == 0 {
            return ApiOutcome::json(Value::Object(new.to_json()), None);
        }
        let mut answer = new.clone();
        let seq = self.store_member(new, Vec::new(), true);
        if let Some(stored) = self.networks.get(&id).and_then(|n| n.member(address)) {
            answer = stored.clone();
        }
        answer.version = told;
        ApiOutcome::json(Value::Object(answer.to_json()), seq.or_else(|| self.journal.last_of(id)))
    }

    fn api_delete(&mut self, route: Route) -> ApiOutcome {
        let deleted = match route {
            Route::Network(id) => self.delete_network(id).map(|(n, seq)| (n.to_json(), seq)),
            Route::Member(id, address) => self.delete_member(id, address).map(|(m, seq)| (m.to_json(), seq)),
            _ => None,
        };
        deleted.map_or(ApiOutcome::empty(404), |(o, seq)| ApiOutcome::json(Value::Object(o), Some(seq)))
    }
}

impl Route {
    fn network(self) -> Option<NetworkId> {
        match self {
            Self::Network(id) | Self::Members(id) | Self::Member(id, _) | Self::AllMembers(id) => Some(id),
            _ => None,
        }
    }
}

/// Member address → revision.
fn member_revisions(n: &NetworkState) -> Value {
    Value::Object(n.members().map(|m| (m.address.to_string(), json!(m.revision))).collect())
}

fn all_members(n: &NetworkState) -> Value {
    let data: Vec<Value> = n.members().map(|m| Value::Object(m.to_json())).collect();
    json!({"data": data, "meta": {"authorizedCount": n.authorized_count(), "totalCount": n.member_count()}})
}

/// The text without the byte order mark that some editors and shells write before it.
fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// A valid body that is no object counts as an empty one.
fn parse_object(body: &[u8]) -> Result<Map<String, Value>, String> {
    let body = without_mark(body);
    match serde_json::from_slice(body) {
        Ok(Value::Object(o)) => Ok(o),
        Ok(_) => Ok(Map::new()),
        Err(e) => Err(error::describe(body, &e)),
    }
}

fn network_id(text: &str) -> Option<NetworkId> {
    hex(text, 16).map(NetworkId)
}

/// Exactly `digits` hexadecimal digits of either case.
fn hex(text: &str, digits: usize) -> Option<u64> {
    let right = text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
    right.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}
