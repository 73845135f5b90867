//! One connection: HTTP/1.1 by hyper, with the limits and headers of 06 §4.1.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::response::Builder;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, Version};
use tokio::net::TcpStream;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::body::Sent;
use super::range::{self, Part};
use super::refused::Refusal;
use super::reply::{Content, Reply};
use super::request::{parameters, percent_decode};
use super::seat::{Phase, Seat, Seats};
use super::stream::{Stream, Wire};
use super::{Backend, Caller, Request, Right, SMALL_BODY, Shared, admit, answer};

/// Requests on one connection (06 §4.1).
const MAX_REQUESTS: usize = 5;

/// Longest request line, and longest header line, with the line end (06 §4.1).
const MAX_LINE: usize = 8192;

/// Most header lines. ZeroTier One sets no limit; this many fit the longest head.
const MAX_HEADERS: usize = 2000;

/// Longest body taken; a network with every table full stays below it.
const MAX_BODY: usize = 8 << 20;

/// Longest body of a form (06 §4.1).
const MAX_FORM: usize = 8192;

/// Time for a whole body, and longest silence in it.
const BODY: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(5));

/// Serves one connection until it ends, with a place of its own.
pub async fn serve_connection<B: Backend>(shared: Arc<Shared<B>>, stream: TcpStream, caller: Caller) {
    let origin = shared.origin(&caller);
    if let Some(seat) = Arc::new(Seats::default()).take(origin, caller.address, &shared.refused).await {
        serve(shared, Wire::Tcp(stream), caller, seat).await;
    }
}

/// Serves one connection until it ends or has to give way.
pub(super) async fn serve<B: Backend>(shared: Arc<Shared<B>>, stream: Wire, caller: Caller, seat: Arc<Seat>) {
    let _occupied = seat.occupied();
    let served = AtomicUsize::new(0);
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (shared, seat) = (Arc::clone(&shared), Arc::clone(&seat));
        let last = served.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_REQUESTS;
        async move {
            seat.enter(Phase::Answering);
            let mut head = Head::of(&request, last);
            let reply = reply(&shared, request, caller, &seat).await;
            head.close |= seat.left_a_body();
            seat.enter(Phase::Sending);
            Ok::<_, Infallible>(head.response(reply, seat))
        }
    });
    if let Wire::Tcp(stream) = &stream {
        // Answers are written as a whole; waiting for more to send only delays them.
        let _ = stream.set_nodelay(true);
    }
    let stream = Stream::new(stream, Arc::clone(&seat), &shared.refused);
    let served = http1::Builder::new()
        // A client that has said all it will ever say, as `printf … | nc -N`, still wants its answer.
        .half_close(true)
        .header_read_timeout(None)
        .auto_date_header(false)
        .title_case_headers(true)
        .max_buf_size(8 * MAX_LINE)
        .max_headers(MAX_HEADERS)
        .serve_connection(stream, service)
        .await;
    if let Err(error) = served {
        if error.is_parse_too_large() {
            shared.refused.count(Refusal::LargeHead);
        } else if error.is_parse() {
            shared.refused.count(Refusal::Malformed);
        }
        tracing::debug!(from = %caller.address, %error, "http connection ended");
    }
}

/// Reads the request and answers it: its head first, and its body only if somebody wants it.
async fn reply<B: Backend>(
    shared: &Shared<B>,
    request: hyper::Request<Incoming>,
    caller: Caller,
    seat: &Seat,
) -> Reply {
    let (parts, body) = request.into_parts();
    let has_body = !body.is_end_stream();
    let mut request = match head_of(&parts, caller) {
        Ok(request) => request,
        Err((refusal, refused)) => {
            shared.refused.count(refusal);
            if has_body {
                seat.leave_body();
            }
            return refused;
        }
    };
    if let Some(refused) = admit(shared, &mut request) {
        if has_body {
            seat.leave_body();
        }
        return refused;
    }
    if request.right != Right::Public {
        seat.is_known();
    }
    // Nothing that only reads or deletes has a use for a body, so none is waited for.
    if !has_body || request.is_read() || request.is_delete() {
        if has_body {
            seat.leave_body();
        }
        return answer(shared, request).await;
    }
    let media = parts.headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let form = media.starts_with("application/x-www-form-urlencoded");
    let whole = match read_body(body, shared, if form { MAX_FORM } else { MAX_BODY }).await {
        Ok(whole) => whole,
        Err((refusal, reply)) => {
            shared.refused.count(refusal);
            seat.leave_body();
            return reply;
        }
    };
    if form {
        let text = String::from_utf8_lossy(&whole.bytes).into_owned();
        request.query.extend(parameters(&text).filter(|(name, _)| name != "auth"));
    }
    // Parts are never looked at by an endpoint (06 §4.1).
    if !media.starts_with("multipart/form-data") {
        request.body = whole.bytes;
    }
    answer(shared, request).await
}

/// The request without its body, or what is wrong with its form.
fn head_of(parts: &Parts, caller: Caller) -> Result<Request, (Refusal, Reply)> {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    // Method, target, version and line end.
    if parts.method.as_str().len() + target.len() + " HTTP/1.1\r\n".len() + 1 > MAX_LINE {
        return Err((Refusal::LargeHead, Reply::empty(414)));
    }
    if parts.headers.iter().any(|(name, value)| name.as_str().len() + value.len() + 4 > MAX_LINE) {
        return Err((Refusal::LargeHead, Reply::empty(400)));
    }
    // Who reads one of two and who reads the other do not speak of the same host.
    if parts.headers.get_all("host").iter().count() > 1 {
        return Err((Refusal::Malformed, Reply::empty(400)));
    }
    let text = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Ok(Request {
        caller,
        method: parts.method.as_str().to_owned(),
        path: percent_decode(path, false),
        query: parameters(query).collect(),
        token: text("x-zt1-auth"),
        authorization: text("authorization"),
        // One that is no text is no name of ours, and not as if there was none.
        host: parts.headers.get("host").map(|host| host.to_str().unwrap_or_default().to_owned()),
        authority: parts.uri.authority().map(|authority| authority.as_str().to_owned()),
        origin: parts.headers.get("origin").map(|origin| origin.to_str().unwrap_or_default().to_owned()),
        strict: text("x-zt-strict").is_some_and(|value| value == "1"),
        ..Request::default()
    })
}

/// A body, and the room it takes of what all bodies together may.
struct WholeBody<'a> {
    bytes: Vec<u8>,
    _room: Option<SemaphorePermit<'a>>,
}

/// The whole body, or why it is not taken.
async fn read_body<B>(mut body: Incoming, shared: &Shared<B>, limit: usize) -> Result<WholeBody<'_>, (Refusal, Reply)> {
    let too_large = || (Refusal::LargeBody, Reply::empty(413));
    let slow = || (Refusal::SlowBody, Reply::error(408, "the body of the request did not arrive in time"));
    // A length that is not told may become the longest.
    let length = body.size_hint().upper().map_or(limit, |n| usize::try_from(n).unwrap_or(usize::MAX));
    if length > limit {
        return Err(too_large());
    }
    let end = Instant::now() + BODY.0;
    let room = match length {
        0..=SMALL_BODY => None,
        _ => {
            let room = shared.bodies.acquire_many(u32::try_from(length).expect("below the limit"));
            Some(timeout_at(end, room).await.map_err(|_| slow())?.expect("the semaphore is never closed"))
        }
    };
    let mut bytes = Vec::with_capacity(length.min(SMALL_BODY));
    loop {
        let until = end.min(Instant::now() + BODY.1);
        match timeout_at(until, std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx))).await {
            Err(_) => return Err(slow()),
            Ok(None) => return Ok(WholeBody { bytes, _room: room }),
            Ok(Some(Err(_))) => return Err((Refusal::SlowBody, Reply::empty(400))),
            Ok(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                if bytes.len() + data.len() > limit {
                    return Err(too_large());
                }
                bytes.reserve_exact(data.len().max(length.saturating_sub(bytes.len())));
                bytes.extend_from_slice(&data);
            }
        }
    }
}

/// What the form of an answer depends on.
struct Head {
    /// With that of the request hyper adds no word of its own to `Connection`.
    version: Version,
    is_head: bool,
    close: bool,
    range: Option<String>,
}

impl Head {
    fn of(request: &hyper::Request<Incoming>, last: bool) -> Self {
        let close = last || wants_close(request.headers()) || request.version() < Version::HTTP_11;
        // Only what is read can be read in part.
        let range = request.headers().get("range").filter(|_| request.method() == hyper::Method::GET);
        let range = range.and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self { version: request.version(), is_head: request.method() == hyper::Method::HEAD, close, range }
    }

    /// Headers in the order of the original (06 §4.1).
    fn response(&self, reply: Reply, seat: Arc<Seat>) -> Response<Sent> {
        let length = reply.length();
        let part = match (&self.range, reply.status) {
            (Some(range), 200) if !self.is_head => range::part(Some(range), length),
            _ => Part::Whole,
        };
        let (status, sent) = match &part {
            Part::Whole => (reply.status, 0..length),
            Part::Bytes(bytes) => (206, bytes.clone()),
            Part::Outside => (416, 0..0),
        };
        let mut response = Response::builder().status(status).version(self.version);
        let set = |response: Builder, name: &str, value: &str| response.header(name, value);
        if self.is_head && status == 200 {
            response = set(response, "accept-ranges", "bytes");
        }
        if self.close {
            response = set(response, "connection", "close");
        }
        response = set(response, "content-length", &(sent.end - sent.start).to_string());
        if status == 206 {
            response = set(response, "content-range", &format!("bytes {}-{}/{length}", sent.start, sent.end - 1));
        }
        if let Some(media) = reply.media {
            response = set(response, "content-type", media);
        }
        if !self.close {
            response = set(response, "keep-alive", "timeout=5, max=5");
        }
        if let Some(location) = &reply.location {
            response = set(response, "location", location);
        }
        let body = match reply.content {
            Content::File(file, _) => Sent::file(file, sent, seat),
            Content::Text(text) if part == Part::Whole => Sent::whole(text.into_bytes(), seat),
            Content::Text(text) => {
                let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
                let bytes = text.as_bytes().get(at(sent.start)..at(sent.end)).unwrap_or_default();
                Sent::whole(bytes.to_vec(), seat)
            }
        };
        response.body(body).expect("status and headers are made of fixed texts, numbers and escaped paths")
    }
}

fn wants_close(headers: &HeaderMap<HeaderValue>) -> bool {
    let value = headers.get("connection").and_then(|v| v.to_str().ok());
    value.is_some_and(|v| v.split(',').any(|word| word.trim().eq_ignore_ascii_case("close")))
}
