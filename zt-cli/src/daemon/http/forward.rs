//! `/forward`: ports that a node without a device hands on. Our own addition.

use serde_json::{Value, json};

use super::{Answer, Backend, Reply, Request};
use crate::daemon::proxy::Forward;
use crate::render::json::without_mark;

/// `GET` lists, `POST` adds one or replaces that of the same source.
pub(super) async fn all<B: Backend>(backend: &B, request: &Request) -> Answer<Reply> {
    if request.is_read() {
        return Ok(Reply::json(&backend.forwards().await?));
    }
    if !request.is_write() {
        return Ok(Reply::not_found());
    }
    let value: Value = match serde_json::from_slice(without_mark(&request.body)) {
        Ok(value) => value,
        Err(error) => return Ok(Reply::bad_json(&error)),
    };
    match Forward::read(&value) {
        Ok(forward) => {
            let id = forward.id();
            let state = backend.add_forward(forward).await?;
            Ok(Reply::json(&json!({"id": id, "state": state})))
        }
        Err(why) => Ok(Reply::error(400, &why)),
    }
}

/// `DELETE` of one, by its ID.
pub(super) async fn one<B: Backend>(backend: &B, request: &Request, id: &str) -> Answer<Reply> {
    if !request.is_delete() {
        return Ok(Reply::not_found());
    }
    Ok(match backend.remove_forward(id.to_owned()).await? {
        true => Reply::json(&json!({"result": true})),
        false => Reply::not_found(),
    })
}
