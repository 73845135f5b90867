//! `/moon` (06 §4.10).

use serde_json::{Value, json};
use zt_wire::Address;

use super::request::Way;
use super::{Answer, Backend, Reply, Request, hex_id};
use crate::api::Moon;
use crate::render::json::without_mark;

pub(super) async fn list<B: Backend>(backend: &B, request: &Request) -> Answer<Reply> {
    if !request.is_read() {
        return Ok(Reply::not_found());
    }
    let mut moons = backend.moons().await?;
    moons.retain(|moon| !moon.waiting);
    Ok(Reply::json(&moons))
}

pub(super) async fn one<B: Backend>(backend: &B, request: &Request, id: &str) -> Answer<Reply> {
    let Some(id) = hex_id(id, 10) else { return Ok(Reply::not_found()) };
    let known = find(backend, id).await?.filter(|moon| !moon.waiting);
    if request.is_read() {
        return Ok(known.map_or_else(|| Reply::json(&json!({})), |m| Reply::json(&m)));
    }
    if request.is_write() {
        if let Some(moon) = known {
            return Ok(Reply::json(&moon));
        }
        let Some(seed) = seed(&request.body) else { return Ok(Reply::json(&json!({}))) };
        backend.orbit(id, seed).await?;
        // A moon kept from before may be there at once.
        let moon = find(backend, id).await?.unwrap_or_else(|| waiting(id));
        return Ok(Reply::json(&moon));
    }
    // Quirk (06 §4.10): the IPv6 listener does not know this one.
    if request.is_delete() && request.caller.way != Way::Ip6 {
        backend.deorbit(id).await?;
        return Ok(Reply::json(&json!({"result": true})));
    }
    Ok(Reply::not_found())
}

async fn find<B: Backend>(backend: &B, id: u64) -> Answer<Option<Moon>> {
    let name = format!("{id:016x}");
    Ok(backend.moons().await?.into_iter().find(|moon| moon.id == name))
}

/// A moon that was asked for.
fn waiting(id: u64) -> Moon {
    Moon {
        id: format!("{id:016x}"),
        roots: Vec::new(),
        signature: None,
        timestamp: 0,
        updates_must_be_signed_by: None,
        waiting: true,
    }
}

/// `seed` of the body: hexadecimal text, or a number whose decimal digits are read as such (06 §4.10).
fn seed(body: &[u8]) -> Option<Address> {
    let body: Value = serde_json::from_slice(without_mark(body)).ok()?;
    let text = match body.get("seed")? {
        Value::String(text) => text.clone(),
        Value::Number(n) => n.to_string(),
        _ => return None,
    };
    let end = text.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(text.len());
    let number = u64::from_str_radix(&text[..end], 16).ok()?;
    Some(Address::new(number)).filter(|a| a.as_u64() != 0)
}
