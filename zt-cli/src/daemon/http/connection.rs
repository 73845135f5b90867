//! One connection: HTTP/1.1 by hyper, with the limits and headers of 06 §4.1.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::http::response::Builder;
use hyper::rt::ReadBufCursor;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, Version};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::request::{parameters, percent_decode};
use super::{Backend, Caller, Reply, Request, Shared, answer};

/// Requests on one connection (06 §4.1).
const MAX_REQUESTS: usize = 5;

/// Silence after which a connection is closed (06 §4.1).
const IDLE: Duration = Duration::from_secs(5);

/// Longest request line, and longest header line, with the line end (06 §4.1).
const MAX_LINE: usize = 8192;

/// Longest body taken; a network with every table full stays below it.
const MAX_BODY: usize = 8 << 20;

/// Longest body of a form (06 §4.1).
const MAX_FORM: usize = 8192;

/// Serves one connection until it ends.
pub async fn serve_connection<B: Backend>(shared: Arc<Shared<B>>, stream: TcpStream, caller: Caller) {
    let busy = Arc::new(AtomicBool::new(false));
    let served = AtomicUsize::new(0);
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (shared, busy) = (Arc::clone(&shared), Arc::clone(&busy));
        let last = served.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_REQUESTS;
        async move {
            let head = Head::of(&request, last);
            busy.store(true, Ordering::Relaxed);
            let reply = reply(&shared, request, caller).await;
            busy.store(false, Ordering::Relaxed);
            Ok::<_, Infallible>(head.response(reply))
        }
    });
    let stream = Stream { stream, idle: Box::pin(sleep(IDLE)), busy: Arc::clone(&busy) };
    let served = http1::Builder::new()
        .header_read_timeout(None)
        .auto_date_header(false)
        .title_case_headers(true)
        .max_buf_size(8 * MAX_LINE)
        .serve_connection(stream, service)
        .await;
    if let Err(error) = served {
        tracing::debug!(from = %caller.address, %error, "http connection ended");
    }
}

/// Reads the request and answers it.
async fn reply<B: Backend>(shared: &Shared<B>, request: hyper::Request<Incoming>, caller: Caller) -> Reply {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    // Method, target, version and line end.
    if parts.method.as_str().len() + target.len() + " HTTP/1.1\r\n".len() + 1 > MAX_LINE {
        return Reply::empty(414);
    }
    if parts.headers.iter().any(|(name, value)| name.as_str().len() + value.len() + 4 > MAX_LINE) {
        return Reply::empty(400);
    }
    let text = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let media = text("content-type").unwrap_or_default();
    let form = media.starts_with("application/x-www-form-urlencoded");
    let Some(mut body) = read_body(body, if form { MAX_FORM } else { MAX_BODY }).await else {
        return Reply::empty(413);
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut query: Vec<(String, String)> = parameters(query).collect();
    if form {
        let text = String::from_utf8_lossy(&body).into_owned();
        query.extend(parameters(&text).filter(|(name, _)| name != "auth"));
    }
    if media.starts_with("multipart/form-data") {
        // Parts are never looked at by an endpoint (06 §4.1).
        body.clear();
    }
    let request = Request {
        caller,
        method: parts.method.as_str().to_owned(),
        path: percent_decode(path, false),
        query,
        token: text("x-zt1-auth"),
        authorization: text("authorization"),
        body,
    };
    answer(shared, &request).await
}

/// The whole body, `None` if it is longer than allowed or does not arrive.
async fn read_body(mut body: Incoming, limit: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        match std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            None => return Some(out),
            Some(Err(_)) => return None,
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                if out.len() + data.len() > limit {
                    return None;
                }
                out.extend_from_slice(&data);
            }
        }
    }
}

/// What the form of an answer depends on.
struct Head {
    is_head: bool,
    close: bool,
}

impl Head {
    fn of(request: &hyper::Request<Incoming>, last: bool) -> Self {
        let close = last || wants_close(request.headers()) || request.version() < Version::HTTP_11;
        Self { is_head: request.method() == hyper::Method::HEAD, close }
    }

    /// Headers in the order of the original (06 §4.1).
    fn response(&self, reply: Reply) -> Response<Whole> {
        let mut response = Response::builder().status(reply.status);
        let set = |response: Builder, name: &str, value: &str| response.header(name, value);
        if self.is_head && reply.status == 200 {
            response = set(response, "accept-ranges", "bytes");
        }
        if self.close {
            response = set(response, "connection", "close");
        }
        response = set(response, "content-length", &reply.body.len().to_string());
        if let Some(media) = reply.media {
            response = set(response, "content-type", media);
        }
        if !self.close {
            response = set(response, "keep-alive", "timeout=5, max=5");
        }
        let body = Whole(Some(Bytes::from(reply.body)).filter(|b| !b.is_empty()));
        response.body(body).expect("status and headers are made of fixed texts and numbers")
    }
}

fn wants_close(headers: &HeaderMap<HeaderValue>) -> bool {
    let value = headers.get("connection").and_then(|v| v.to_str().ok());
    value.is_some_and(|v| v.split(',').any(|word| word.trim().eq_ignore_ascii_case("close")))
}

/// A body known as a whole.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    // `is_end_stream` stays false: for a body that says it is empty hyper writes a length of its own, behind the others.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// A socket which fails after a silence, unless an answer is being made.
struct Stream {
    stream: TcpStream,
    idle: Pin<Box<Sleep>>,
    busy: Arc<AtomicBool>,
}

impl Stream {
    fn moved(&mut self) {
        self.idle.as_mut().reset(Instant::now() + IDLE);
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        while self.idle.as_mut().poll(cx).is_ready() {
            if !self.busy.load(Ordering::Relaxed) {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.moved();
        }
        Poll::Pending
    }
}

impl hyper::rt::Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut out: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [0; 4096];
        let room = out.remaining().min(scratch.len());
        let mut read = ReadBuf::new(&mut scratch[..room]);
        match Pin::new(&mut self.stream).poll_read(cx, &mut read) {
            Poll::Ready(result) => {
                self.moved();
                out.put_slice(read.filled());
                Poll::Ready(result)
            }
            Poll::Pending => Poll::Ready(Err(ready!(self.poll_idle(cx)))),
        }
    }
}

impl hyper::rt::Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, data) {
            Poll::Ready(result) => {
                self.moved();
                Poll::Ready(result)
            }
            Poll::Pending => Poll::Ready(Err(ready!(self.poll_idle(cx)))),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
