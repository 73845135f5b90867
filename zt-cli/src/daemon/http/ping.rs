//! `/peer/ADDRESS/ping`: our own addition.

use std::time::Duration;

use serde_json::Value;
use zt_wire::Address;

use super::{Answer, Backend, Failure, Reply, Request, hex_id};
use crate::render::json::without_mark;

/// Longest wait for an answer.
const LONGEST: Duration = Duration::from_secs(30);
/// Wait when nothing is said.
const USUAL: Duration = Duration::from_secs(2);

/// Asks a peer to answer, and waits for that: by POST, for it sends something. `timeout` in the body: milliseconds.
pub(super) async fn ping<B: Backend>(backend: &B, request: &Request, id: &str) -> Answer<Reply> {
    let Some(peer) = hex_id(id, 10).map(Address::new).filter(|_| request.is_write()) else {
        return Ok(Reply::not_found());
    };
    Ok(Reply::json(&backend.ping(peer, patience(&request.body)?).await?))
}

fn patience(body: &[u8]) -> Answer<Duration> {
    let body = without_mark(body);
    if body.is_empty() {
        return Ok(USUAL);
    }
    let refused = |_| Failure::Refused("a ping takes an object such as {\"timeout\": 2000}".to_owned());
    let asked: Value = serde_json::from_slice(body).map_err(refused)?;
    Ok(asked.get("timeout").and_then(Value::as_u64).map_or(USUAL, Duration::from_millis).min(LONGEST))
}
