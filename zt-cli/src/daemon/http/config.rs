//! `/config` (06 §4.11).

use serde_json::{Value, json};

use super::{Answer, Backend, Reply, Request};
use crate::render::json::{sorted, without_mark};

pub(super) async fn config<B: Backend>(backend: &B, request: &Request, rest: &[&str]) -> Answer<Reply> {
    match rest {
        [] if request.is_read() => Ok(Reply::json(&sorted(backend.config().await?))),
        ["settings"] if request.is_write() => match serde_json::from_slice(without_mark(&request.body)) {
            Err(error) => Ok(Reply::bad_json(&error)),
            Ok(Value::Object(changes)) => {
                backend.change_settings(changes).await?;
                Ok(Reply::json(&json!({})))
            }
            Ok(_) => Ok(Reply::json(&json!({}))),
        },
        _ => Ok(Reply::not_found()),
    }
}
