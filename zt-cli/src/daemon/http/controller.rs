//! `/controller` and `/unstable/controller` (06 §4.13): passed to the controller, which knows its objects (05).

use serde_json::Value;

use super::{Answer, Backend, ControllerRequest, JSON, Reply, Request};

pub(super) async fn pass<B: Backend>(backend: &B, request: &mut Request) -> Answer<Reply> {
    let method = match request.method.as_str() {
        "HEAD" => "GET",
        method @ ("GET" | "POST" | "PUT" | "DELETE") => method,
        _ => return Ok(Reply::not_found()),
    };
    let (path, body) = (request.path.clone(), std::mem::take(&mut request.body));
    let (strict, hides_secrets) = (request.strict, request.hides_secrets());
    let reply = backend.controller(ControllerRequest { method: method.to_owned(), path, body, strict }).await?;
    let body = if hides_secrets { without_secrets(reply.body) } else { reply.body };
    Ok(match body.is_empty() {
        true => Reply::empty(reply.status),
        false => Reply::text(reply.status, JSON, body),
    })
}

/// Members of objects that let in who knows them (05 §2).
const SECRETS: [&str; 3] = ["authTokens", "authenticationURL", "ssoConfig"];

/// An answer without what lets somebody in.
fn without_secrets(body: String) -> String {
    if !SECRETS.iter().any(|name| body.contains(name)) {
        return body;
    }
    let Ok(mut value) = serde_json::from_str::<Value>(&body) else { return body };
    clear(&mut value);
    value.to_string()
}

fn clear(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|name, _| !SECRETS.contains(&&**name));
            object.values_mut().for_each(clear);
        }
        Value::Array(list) => list.iter_mut().for_each(clear),
        _ => {}
    }
}
