//! The HTTP proxy as bytes: CONNECT, and requests with an absolute URI (RFC 9112 §3.2.2, §3.2.3).

use super::target::Target;

/// Longest head.
pub(super) const MAX_HEAD: usize = 16 << 10;
const MAX_HEADERS: usize = 100;

/// What the head of a request wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) target: Target,
    /// What goes to the target in place of the head; nothing after CONNECT.
    pub(super) forwarded: Option<Vec<u8>>,
    /// `Proxy-Authorization`.
    pub(super) authorization: Option<String>,
    /// Bytes of the head.
    pub(super) len: usize,
}

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadHead {
    /// Longer than is taken.
    Large,
    /// No HTTP, or nothing that a proxy does.
    Bad,
}

/// Reads a head; `None` while it is not whole.
pub(super) fn head(bytes: &[u8]) -> Result<Option<Head>, BadHead> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let len = match request.parse(bytes) {
        Ok(httparse::Status::Complete(len)) if len <= MAX_HEAD => len,
        Ok(httparse::Status::Complete(_)) | Err(httparse::Error::TooManyHeaders) => return Err(BadHead::Large),
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
        Ok(httparse::Status::Partial) => return Err(BadHead::Large),
        Err(_) => return Err(BadHead::Bad),
    };
    let (Some(method), Some(path)) = (request.method, request.path) else { return Err(BadHead::Bad) };
    let text = |name: &str| {
        let header = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.map(|header| String::from_utf8_lossy(header.value).into_owned())
    };
    let authorization = text("proxy-authorization");
    if method == "CONNECT" {
        let target = Target::parse(path, None).ok_or(BadHead::Bad)?;
        return Ok(Some(Head { target, forwarded: None, authorization, len }));
    }
    let (scheme, rest) = path.split_once("://").ok_or(BadHead::Bad)?;
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(BadHead::Bad);
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest[..end].rsplit('@').next().unwrap_or_default();
    let target = Target::parse(authority, Some(80)).ok_or(BadHead::Bad)?;
    let origin = match &rest[end..] {
        "" => "/".to_owned(),
        query if query.starts_with('?') => format!("/{query}"),
        path => path.to_owned(),
    };
    let mut forwarded =
        format!("{method} {origin} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n").into_bytes();
    for header in request.headers.iter() {
        let own = ["host", "connection", "proxy-connection", "proxy-authorization", "keep-alive"];
        if !own.iter().any(|name| header.name.eq_ignore_ascii_case(name)) {
            forwarded.extend_from_slice(header.name.as_bytes());
            forwarded.extend_from_slice(b": ");
            forwarded.extend_from_slice(header.value);
            forwarded.extend_from_slice(b"\r\n");
        }
    }
    forwarded.extend_from_slice(b"\r\n");
    Ok(Some(Head { target, forwarded: Some(forwarded), authorization, len }))
}

/// An answer of the proxy itself.
pub(super) fn answer(status: u16, reason: &str, text: &str) -> String {
    let ask = if status == 407 { "Proxy-Authenticate: Basic realm=\"zt\"\r\n" } else { "" };
    format!(
        "HTTP/1.1 {status} {reason}\r\n{ask}Content-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}\n",
        text.len() + 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Head {
        head(text.as_bytes()).expect("good").expect("whole")
    }

    #[test]
    fn connect_names_host_and_port() {
        let head = read("CONNECT [fd00::2]:443 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic eA==\r\n\r\nrest");
        assert_eq!(head.target.to_string(), "[fd00::2]:443");
        assert_eq!((head.forwarded, head.authorization.as_deref()), (None, Some("Basic eA==")));
    }

    #[test]
    fn a_request_with_an_absolute_uri_goes_on_in_the_form_of_origins() {
        let head = read(
            "GET http://u@web.lan:8080/a?b HTTP/1.1\r\nHost: other\r\nProxy-Connection: keep-alive\r\nAccept: */*\r\n\r\n",
        );
        assert_eq!(head.target.to_string(), "web.lan:8080");
        let text = String::from_utf8(head.forwarded.expect("a head")).expect("text");
        assert_eq!(text, "GET /a?b HTTP/1.1\r\nHost: web.lan:8080\r\nConnection: close\r\nAccept: */*\r\n\r\n");
        assert_eq!(read("GET http://10.0.0.1 HTTP/1.0\r\n\r\n").target.port, 80);
    }

    #[test]
    fn what_is_no_request_of_a_proxy_is_refused() {
        for bad in
            ["GET / HTTP/1.1\r\n\r\n", "CONNECT x HTTP/1.1\r\n\r\n", "GET ftp://x/ HTTP/1.1\r\n\r\n", "\u{1}\r\n\r\n"]
        {
            assert_eq!(head(bad.as_bytes()), Err(BadHead::Bad), "{bad}");
        }
        let long = format!("GET http://x/{} HTTP/1.1\r\n", "a".repeat(MAX_HEAD));
        assert_eq!(head(long.as_bytes()), Err(BadHead::Large));
        assert_eq!(head(b"GET http://x/ HTTP/1.1\r\n"), Ok(None));
    }
}
