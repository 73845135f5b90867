//! What is said in HTTP before a stream is one: the opening of a WebSocket (RFC 6455 §4), and heads of answers.

use std::net::IpAddr;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use thiserror::Error;

/// Longest head that is read.
pub(super) const LONGEST_HEAD: usize = 8 << 10;
/// Most fields of one.
const MOST_FIELDS: usize = 64;
/// RFC 6455 §1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Why an answer is not the one that was wanted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum AnswerError {
    /// No HTTP, or a head without an end.
    #[error("the answer is not HTTP")]
    NotHttp,
    /// The proxy wants a password, or another one.
    #[error("the proxy refuses user and password ({0}): write the right ones into its address, http://user:password@…")]
    ProxyPassword(u16),
    /// Another status.
    #[error("the answer is {0}")]
    Status(u16),
    /// A status of 101, without what proves that it is meant.
    #[error("the answer is no WebSocket's")]
    NotAWebSocket,
}

/// What a client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// A WebSocket.
    Upgrade {
        /// To be sent.
        answer: String,
        /// Whom the proxy in front names as the client.
        forwarded_for: Option<IpAddr>,
    },
    /// Something else: to be sent, then closed.
    Other(&'static str),
}

/// Bytes of a head, with its empty line, if they are all there.
pub(super) fn head_len(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4)
}

/// What opens a WebSocket. `key` are 16 random bytes.
pub(super) fn request(authority: &str, path: &str, key: [u8; 16]) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\nUser-Agent: Mozilla/5.0\r\n\r\n",
        BASE64.encode(key)
    )
}

/// Reads the whole head of a request.
pub(super) fn read_request(head: &[u8]) -> Request {
    const BAD: Request = Request::Other("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    const UPGRADE: Request = Request::Other(
        "HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n",
    );
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    if !matches!(request.parse(head), Ok(httparse::Status::Complete(_))) || request.method != Some("GET") {
        return BAD;
    }
    let is_websocket = has(request.headers, "upgrade", "websocket") && has(request.headers, "connection", "upgrade");
    let Some(key) = field(request.headers, "sec-websocket-key").filter(|_| is_websocket) else { return UPGRADE };
    if field(request.headers, "sec-websocket-version") != Some("13") {
        return UPGRADE;
    }
    if !BASE64.decode(key).is_ok_and(|key| key.len() == 16) {
        return BAD;
    }
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        accept(key)
    );
    // The nearest proxy appends; what stands before it may be anybody's invention.
    let chain = request.headers.iter().rfind(|f| f.name.eq_ignore_ascii_case("x-forwarded-for"));
    let last = chain.and_then(|f| std::str::from_utf8(f.value).ok()?.rsplit(',').next()?.trim().parse().ok());
    Request::Upgrade { answer, forwarded_for: last }
}

/// Whether the whole head of an answer opens the WebSocket that `key` was sent for.
pub(super) fn read_answer(head: &[u8], key: [u8; 16]) -> Result<(), AnswerError> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let (status, fields) = parse(head, &mut fields)?;
    if status != 101 {
        return Err(AnswerError::Status(status));
    }
    let proves = field(fields, "sec-websocket-accept") == Some(accept(&BASE64.encode(key)).as_str());
    // An extension or protocol that nobody asked for would change what the frames mean.
    let is_plain =
        field(fields, "sec-websocket-extensions").is_none() && field(fields, "sec-websocket-protocol").is_none();
    if proves && is_plain && has(fields, "upgrade", "websocket") { Ok(()) } else { Err(AnswerError::NotAWebSocket) }
}

/// Whether a proxy has connected.
pub(super) fn read_connected(head: &[u8]) -> Result<(), AnswerError> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    match parse(head, &mut fields)?.0 {
        200..=299 => Ok(()),
        // Some say 401 of a wrong password.
        status @ (401 | 407) => Err(AnswerError::ProxyPassword(status)),
        status => Err(AnswerError::Status(status)),
    }
}

fn parse<'h, 'b>(
    head: &'b [u8],
    fields: &'h mut [httparse::Header<'b>],
) -> Result<(u16, &'h [httparse::Header<'b>]), AnswerError> {
    let mut answer = httparse::Response::new(fields);
    match answer.parse(head) {
        Ok(httparse::Status::Complete(_)) => Ok((answer.code.ok_or(AnswerError::NotHttp)?, answer.headers)),
        _ => Err(AnswerError::NotHttp),
    }
}

fn field<'b>(fields: &[httparse::Header<'b>], name: &str) -> Option<&'b str> {
    let value = fields.iter().find(|f| f.name.eq_ignore_ascii_case(name))?.value;
    std::str::from_utf8(value).ok().map(str::trim)
}

/// Whether a list names a word.
fn has(fields: &[httparse::Header<'_>], name: &str, word: &str) -> bool {
    let named = fields.iter().filter(|f| f.name.eq_ignore_ascii_case(name));
    let words = named.filter_map(|f| std::str::from_utf8(f.value).ok()).flat_map(|value| value.split(','));
    words.into_iter().any(|w| w.trim().eq_ignore_ascii_case(word))
}

/// RFC 6455 §4.2.2: shows that the key was read by somebody who knows WebSockets.
fn accept(key: &str) -> String {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes());
    BASE64.encode(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_websocket_is_opened_as_the_specification_says() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "the example of RFC 6455 §1.3");
        let request = request("root.example:443", "/zt", [7; 16]);
        assert_eq!(head_len(request.as_bytes()), Some(request.len()));
        assert_eq!(head_len(&request.as_bytes()[..request.len() - 1]), None);
        let Request::Upgrade { answer, forwarded_for: None } = read_request(request.as_bytes()) else {
            panic!("{request}");
        };
        assert_eq!(read_answer(answer.as_bytes(), [7; 16]), Ok(()));
        assert_eq!(read_answer(answer.as_bytes(), [8; 16]), Err(AnswerError::NotAWebSocket));
    }

    #[test]
    fn a_proxy_in_front_names_the_client_last() {
        let request = request("a:1", "/", [7; 16]);
        let with = |fields: &str| request.replace("\r\n\r\n", &format!("\r\n{fields}\r\n\r\n"));
        let named = |fields: &str| match read_request(with(fields).as_bytes()) {
            Request::Upgrade { forwarded_for, .. } => forwarded_for.map(|ip| ip.to_string()),
            Request::Other(answer) => panic!("{answer}"),
        };
        assert_eq!(named("X-Forwarded-For: 1.1.1.1, 192.0.2.9").as_deref(), Some("192.0.2.9"));
        assert_eq!(named("X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2001:db8::1").as_deref(), Some("2001:db8::1"));
        assert_eq!(named("X-Forwarded-For: unknown"), None);
    }

    #[test]
    fn other_requests_get_an_answer_and_no_stream() {
        for (request, status) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "426"),
            ("GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", "426"),
            ("POST / HTTP/1.1\r\n\r\n", "400"),
            ("GET \r\n\r\n", "400"),
            (
                "GET / HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 8\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                "426",
            ),
            (
                "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: short\r\n\r\n",
                "400",
            ),
        ] {
            let Request::Other(answer) = read_request(request.as_bytes()) else { panic!("{request}") };
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.ends_with("\r\n\r\n"), "{request}");
        }
    }

    #[test]
    fn answers_of_proxies_have_names() {
        assert_eq!(read_connected(b"HTTP/1.0 200 Connection established\r\n\r\n"), Ok(()));
        assert_eq!(read_connected(b"HTTP/1.1 407 No\r\n\r\n"), Err(AnswerError::ProxyPassword(407)));
        assert_eq!(read_connected(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"), Err(AnswerError::Status(502)));
        assert_eq!(read_connected(b"<html>\r\n\r\n"), Err(AnswerError::NotHttp));
        assert_eq!(read_answer(b"HTTP/1.1 404 Not Found\r\n\r\n", [0; 16]), Err(AnswerError::Status(404)));
    }
}
