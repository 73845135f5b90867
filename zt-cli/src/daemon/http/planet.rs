//! `/planet`: our own addition. Lists the root sets in use, adds one live from its signed form, removes one.

use serde_json::{Value, json};

use super::{Answer, Backend, Failure, Reply, Request, hex_id};
use crate::compat::idtool::unhex;
use crate::render::json::without_mark;

/// Longest signed planet (01 §10.3), with room.
const MAX_WORLD: usize = 16 << 10;

pub(super) async fn all<B: Backend>(backend: &B, request: &Request) -> Answer<Reply> {
    if request.is_read() {
        return Ok(Reply::json(&backend.planets().await?));
    }
    if !request.is_write() {
        return Ok(Reply::not_found());
    }
    // Either the bytes of the file as they are, or {"world": "<hex>"}.
    let world = match serde_json::from_slice::<Value>(without_mark(&request.body)) {
        Ok(body) => body.get("world").and_then(Value::as_str).and_then(unhex).unwrap_or_default(),
        Err(_) => request.body.clone(),
    };
    if world.is_empty() || world.len() > MAX_WORLD {
        return Err(Failure::Refused("send the signed planet file, or {\"world\": \"<its hex>\"}".to_owned()));
    }
    let id = backend.add_planet(world).await?;
    Ok(Reply::json(&json!({"id": format!("{id:016x}"), "result": true})))
}

pub(super) async fn one<B: Backend>(backend: &B, request: &Request, id: &str) -> Answer<Reply> {
    let Some(id) = hex_id(id, 16) else { return Ok(Reply::not_found()) };
    if request.is_read() {
        let name = format!("{id:016x}");
        let planet = backend.planets().await?.into_iter().find(|p| p.id == name);
        return Ok(planet.map_or_else(|| Reply::json_with(404, &json!({})), |p| Reply::json(&p)));
    }
    if request.is_delete() {
        let removed = backend.remove_planet(id).await?;
        return Ok(Reply::json(&if removed { json!({"result": true}) } else { json!({}) }));
    }
    Ok(Reply::not_found())
}
