//! `/status` (06 §4.5) and `/drops`.

use super::{Answer, Backend, Reply, Request};

pub(super) async fn status<B: Backend>(backend: &B, request: &Request) -> Answer<Reply> {
    if !request.is_read() {
        return Ok(Reply::not_found());
    }
    Ok(Reply::json(&backend.status().await?))
}

/// Our own addition: why packets and frames were dropped.
pub(super) async fn drops<B: Backend>(backend: &B, request: &Request) -> Answer<Reply> {
    if !request.is_read() {
        return Ok(Reply::not_found());
    }
    Ok(Reply::json(&backend.drops().await?))
}
