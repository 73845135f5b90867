//! `/peer` (06 §4.8).

use serde_json::json;
use zt_wire::Address;

use super::{Answer, Backend, Reply, Request, hex_id};

pub(super) async fn list<B: Backend>(backend: &B, request: &Request) -> Answer<Reply> {
    if !request.is_read() {
        return Ok(Reply::not_found());
    }
    Ok(Reply::json(&backend.peers().await?))
}

pub(super) async fn one<B: Backend>(backend: &B, request: &Request, id: &str) -> Answer<Reply> {
    let Some(id) = hex_id(id, 10).map(Address::new).filter(|_| request.is_read()) else {
        return Ok(Reply::not_found());
    };
    let name = id.to_string();
    let peer = backend.peers().await?.into_iter().find(|p| p.address == name);
    Ok(peer.map_or_else(|| Reply::json(&json!({})), |p| Reply::json(&p)))
}
