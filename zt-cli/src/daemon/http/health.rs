//! `/health` (06 §4.6).

use super::{Answer, Backend, Reply, Request};
use crate::api::Health;

pub(super) async fn health<B: Backend>(backend: &B, request: &Request) -> Answer<Reply> {
    if !request.is_read() {
        return Ok(Reply::not_found());
    }
    let status = backend.status().await?;
    Ok(Reply::json(&Health {
        clock: status.clock,
        online: status.online,
        version: status.version,
        version_build: status.version_build,
        version_major: status.version_major,
        version_minor: status.version_minor,
        version_rev: status.version_rev,
    }))
}
