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
use crate::controller::command::{Answer, Answered, Command, CommandError, NetworkSummary};
use crate::controller::member::Member;
use crate::controller::network::Network;
use crate::controller::patch::NetworkPatch;

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

/// How the body of a network becomes a change.
type ReadPatch = fn(&Map<String, Value>) -> NetworkPatch;

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
        self.call(now, method, path, body, network::patch)
    }

    /// One call; `patch` reads the body of a network.
    fn call(&mut self, now: Now, method: &str, path: &str, body: &[u8], patch: ReadPatch) -> ApiOutcome {
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
            Method::Get => self.api_get(now, route),
            Method::Post => self.api_post(now, route, body, patch),
            Method::Delete => self.api_delete(now, route),
        }
    }

    /// As [`Self::api`], but a body with a field that would be changed or dropped on the way in changes nothing and is
    /// answered with status 400 and the field's name. It also takes the source text of rules, which the reference does not.
    pub fn api_strict(&mut self, now: Now, method: &str, path: &str, body: &[u8]) -> ApiOutcome {
        if matches!(method, "POST" | "PUT")
            && let Some(route) = self.route(path)
            && let Err(wrong) = self.check_body(route, body)
        {
            return ApiOutcome::refused(&wrong);
        }
        self.call(now, method, path, body, network::own_patch)
    }

    /// What would not be taken as it is written, first by its spelling, then by its value.
    fn check_body(&self, route: Route, body: &[u8]) -> Result<(), String> {
        let parse = || serde_json::from_slice::<Value>(without_mark(body)).map_err(|error| error.to_string());
        let object = || match parse()? {
            Value::Object(object) => Ok(object),
            other => Err(format!("{other} is no object")),
        };
        let command = match route {
            Route::Networks | Route::NewNetwork(true) => {
                let object = object()?;
                strict::network(&object, None).map_err(|wrong| wrong.to_string())?;
                Command::create_network(network::own_patch(&object))
            }
            Route::Network(id) => {
                let object = object()?;
                let stored = self.networks.get(&id).map(|network| network.network().to_json());
                strict::network(&object, stored.as_ref()).map_err(|wrong| wrong.to_string())?;
                Command::set_network(id, network::own_patch(&object))
            }
            Route::Member(id, address) if self.networks.contains_key(&id) => {
                let object = object()?;
                let member = self.networks.get(&id).and_then(|n| n.member(address));
                let stored = member.map(|member| member.to_json());
                strict::member(&object, stored.as_ref()).map_err(|wrong| wrong.to_string())?;
                Command::set_member(id, address, member::patch(&object).map_err(|wrong| wrong.to_string())?)
            }
            _ => return Ok(()),
        };
        self.check(&command).map_err(|wrong| wrong.to_string())
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

    fn api_get(&mut self, now: Now, route: Route) -> ApiOutcome {
        let command = match route {
            Route::Networks | Route::AllNetworks => Command::ListNetworks,
            Route::Network(id) => Command::GetNetwork(id),
            Route::Members(id) | Route::AllMembers(id) => Command::ListMembers(id),
            Route::Member(id, address) => Command::GetMember(id, address),
            Route::Status | Route::NewNetwork(_) => return ApiOutcome::empty(404),
        };
        let all = matches!(route, Route::AllNetworks | Route::AllMembers(_));
        if route == Route::AllNetworks && self.ready {
            // The reference counts the members of each.
            self.counts.get_network += self.networks.len() as u64;
            self.counts.get_members += self.networks.len() as u64;
        }
        self.run(now, command, |answer| match answer {
            Answer::Networks(networks) if all => all_networks(&networks),
            Answer::Members(members) if all => all_members(&members),
            other => print(&other),
        })
    }

    fn api_post(&mut self, now: Now, route: Route, body: &[u8], patch: ReadPatch) -> ApiOutcome {
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
            Route::Network(id) => self.post_network(now, id, patch(&body)),
            Route::Member(id, address) => self.post_member(now, id, address, &body),
            _ => self.run(now, Command::create_network(patch(&body)), |answer| print(&answer)),
        }
    }

    fn post_network(&mut self, now: Now, id: NetworkId, patch: NetworkPatch) -> ApiOutcome {
        // Quirk: network 0 is answered and not stored.
        if id.0 == 0 {
            let mut network = Network::new(id, now.unix_ms);
            network.apply(patch);
            return ApiOutcome::json(Value::Object(network.to_json()), None);
        }
        self.run(now, Command::set_network(id, patch), |answer| print(&answer))
    }

    fn post_member(&mut self, now: Now, id: NetworkId, address: Address, body: &Map<String, Value>) -> ApiOutcome {
        let patch = match member::patch(body) {
            Ok(patch) => patch,
            Err(wrong) => return ApiOutcome::error(&wrong.to_string()),
        };
        // Quirk: member 0 is answered and not stored.
        if address.as_u64() == 0 {
            let mut member = Member::new(id, address, now.unix_ms);
            member.apply(patch, now.unix_ms);
            return ApiOutcome::json(Value::Object(member.to_json()), None);
        }
        // Quirk: what the member told of its software when it was refused is not yet in this answer.
        let held = self.networks.get(&id).and_then(|n| n.member(address));
        let told = held.map_or([-1; 4], |held| held.version);
        self.run(now, Command::set_member(id, address, patch), |answer| match answer {
            Answer::Member(stored) => Value::Object(Member { version: told, ..Member::clone(&stored) }.to_json()),
            other => print(&other),
        })
    }

    fn api_delete(&mut self, now: Now, route: Route) -> ApiOutcome {
        match route {
            Route::Network(id) => self.run(now, Command::DeleteNetwork(id), |answer| print(&answer)),
            Route::Member(id, address) => self.run(now, Command::DeleteMember(id, address), |answer| print(&answer)),
            _ => ApiOutcome::empty(404),
        }
    }

    /// Executes a command whose fields are coerced, and prints the answer.
    fn run(&mut self, now: Now, command: Command, print: impl FnOnce(Answer) -> Value) -> ApiOutcome {
        match self.execute(now, command) {
            Ok(Answered { answer, commit }) => ApiOutcome::json(print(answer), commit),
            Err(CommandError::NotReady | CommandError::NoFreeId) => ApiOutcome::empty(503),
            Err(CommandError::NoNetwork(_) | CommandError::NoMember { .. }) => ApiOutcome::empty(404),
            Err(wrong @ CommandError::Field { .. }) => ApiOutcome::refused(&wrong.to_string()),
        }
    }
}

/// An answer in the short form: lists name their records only.
fn print(answer: &Answer) -> Value {
    match answer {
        Answer::Networks(networks) => networks.iter().map(|n| json!(n.network.id.to_string())).collect(),
        Answer::Network(network) => Value::Object(network.to_json()),
        Answer::Members(members) => {
            Value::Object(members.iter().map(|m| (m.address.to_string(), json!(m.revision))).collect())
        }
        Answer::Member(member) => Value::Object(member.to_json()),
    }
}

fn all_networks(networks: &[NetworkSummary]) -> Value {
    let print = |n: &NetworkSummary| {
        let mut object = n.network.to_json();
        let meta = json!({"authorizedMemberCount": n.authorized, "totalMemberCount": n.members});
        object.insert("meta".to_owned(), meta);
        Value::Object(object)
    };
    let data: Vec<Value> = networks.iter().map(print).collect();
    json!({"meta": {"networkCount": data.len()}, "data": data})
}

fn all_members(members: &[Arc<Member>]) -> Value {
    let data: Vec<Value> = members.iter().map(|m| Value::Object(m.to_json())).collect();
    let authorized = members.iter().filter(|m| m.authorized).count();
    json!({"data": data, "meta": {"authorizedCount": authorized, "totalCount": members.len()}})
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
