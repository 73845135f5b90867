//! `/status` (06 §4.5) and `/drops`.

use serde_json::{Map, Value, json};

use super::{Answer, Backend, Reply, Request};
use crate::daemon::local_conf::STATUS_SETTINGS;

pub(super) async fn status<B: Backend>(backend: &B, request: &Request) -> Answer<Reply> {
    if !request.is_read() {
        return Ok(Reply::not_found());
    }
    let mut status = backend.status().await?;
    if request.hides_secrets() {
        // What an operator wrote may hold passwords of proxies, or of other programs.
        let settings = status.config.get_mut("settings").and_then(Value::as_object_mut).map(std::mem::take);
        let shown = settings.into_iter().flatten().filter(|(key, _)| STATUS_SETTINGS.contains(&&**key));
        status.config = json!({ "settings": shown.collect::<Map<_, _>>() });
    }
    Ok(Reply::json(&status))
}

/// Our own addition: why packets and frames were dropped.
pub(super) async fn drops<B: Backend>(backend: &B, request: &Request) -> Answer<Reply> {
    if !request.is_read() {
        return Ok(Reply::not_found());
    }
    Ok(Reply::json(&backend.drops().await?))
}
