//! `/network` (06 §4.7).

use serde_json::{Value, json};
use zt_netconf::{Question, Settings};
use zt_wire::{Address, IpPrefix, NetworkId};

use super::{Answer, Backend, Failure, NetworkSettings, Reply, Request, hex_id};
use crate::api;
use crate::render::json::without_mark;

pub(super) async fn list<B: Backend>(backend: &B, request: &Request) -> Answer<Reply> {
    if !request.is_read() {
        return Ok(Reply::not_found());
    }
    Ok(Reply::json(&backend.networks().await?))
}

pub(super) async fn one<B: Backend>(backend: &B, request: &Request, id: &str) -> Answer<Reply> {
    let Some(id) = hex_id(id, 16).map(NetworkId) else { return Ok(Reply::not_found()) };
    if request.is_read() {
        let name = id.to_string();
        let network = backend.networks().await?.into_iter().find(|n| n.id == name);
        return Ok(network.map_or_else(|| Reply::json_with(404, &json!({})), |n| Reply::json(&n)));
    }
    if request.is_write() {
        let network = backend.join(id, settings(&request.body)?).await?;
        return Ok(network.map_or_else(|| Reply::json(&json!({})), |n| Reply::json(&n)));
    }
    if request.is_delete() {
        let left = backend.leave(id).await?;
        return Ok(Reply::json(&if left { json!({"result": true}) } else { json!({}) }));
    }
    Ok(Reply::not_found())
}

/// Our own addition: what would become of a frame now. Asks only, but by POST, for the frame stands in the body.
pub(super) async fn why<B: Backend>(backend: &B, request: &Request, id: &str) -> Answer<Reply> {
    let Some(id) = hex_id(id, 16).map(NetworkId).filter(|_| request.is_write()) else { return Ok(Reply::not_found()) };
    let asked: api::Question = serde_json::from_slice(without_mark(&request.body))
        .map_err(|error| Failure::Refused(format!("this is no question about a frame: {error}")))?;
    let (member, inbound) = match (&asked.from, &asked.to) {
        (Some(from), None) => (from, true),
        (None, Some(to)) => (to, false),
        _ => {
            return Err(Failure::Refused(
                "say who sends the frame (from) or who is to receive it (to), not both".to_owned(),
            ));
        }
    };
    let member = hex_id(member, 10).map(Address::new).filter(|address| !address.is_reserved());
    let member = member.ok_or_else(|| Failure::Refused("a member is a node address of 10 hex digits".to_owned()))?;
    let question = Question { frame: asked.frame, member, inbound };
    let answer = backend.why(id, question).await?;
    Ok(answer.map_or_else(|| Reply::json_with(404, &json!({})), |why| Reply::json(&why)))
}

/// Only JSON booleans count; anything else is ignored, even a body that is no JSON (06 §4.7). Our own addition, the list of
/// prefixes, is refused when it cannot be read: an ignored restriction would be none.
fn settings(body: &[u8]) -> Answer<NetworkSettings> {
    let body: Value = serde_json::from_slice(without_mark(body)).unwrap_or_default();
    let flag = |key: &str| body.get(key).and_then(Value::as_bool);
    Ok(NetworkSettings {
        allow_managed: flag("allowManaged"),
        allow_managed_list: body.get("allowManagedList").map(prefixes).transpose()?,
        allow_global: flag("allowGlobal"),
        allow_default: flag("allowDefault"),
        allow_dns: flag("allowDNS"),
        clamp_mss: flag("clampMss"),
    })
}

fn prefixes(list: &Value) -> Answer<Vec<IpPrefix>> {
    let refused = || {
        Failure::Refused(format!("allowManagedList is a list of at most {} texts, each IP/BITS", Settings::MOST_LISTED))
    };
    let list = list.as_array().filter(|list| list.len() <= Settings::MOST_LISTED).ok_or_else(refused)?;
    list.iter().map(|item| item.as_str().and_then(|text| text.parse().ok()).ok_or_else(refused)).collect()
}
