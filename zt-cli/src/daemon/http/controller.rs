//! `/controller` and `/unstable/controller` (06 §4.13): passed to the controller, which knows its objects (05).

use super::{Answer, Backend, ControllerRequest, JSON, Reply, Request};

pub(super) async fn pass<B: Backend>(backend: &B, request: &mut Request) -> Answer<Reply> {
    let method = match request.method.as_str() {
        "HEAD" => "GET",
        method @ ("GET" | "POST" | "PUT" | "DELETE") => method,
        _ => return Ok(Reply::not_found()),
    };
    let (path, body) = (request.path.clone(), std::mem::take(&mut request.body));
    let strict = request.strict;
    let reply = backend.controller(ControllerRequest { method: method.to_owned(), path, body, strict }).await?;
    Ok(match reply.body.is_empty() {
        true => Reply::empty(reply.status),
        false => Reply::text(reply.status, JSON, reply.body),
    })
}
