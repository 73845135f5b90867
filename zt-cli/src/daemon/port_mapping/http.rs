//! The one kind of HTTP that a gateway is spoken to with: a short request, an answer of bounded length in bounded time.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Most bytes of an answer that are read; descriptions of gateways have some thousand.
const LONGEST: usize = 64 * 1024;
/// Most bytes of its head.
const LONGEST_HEAD: usize = 8 * 1024;
const PATIENCE: Duration = Duration::from_secs(4);

/// Sends a request and reads the answer: whether its status is good, and its body. `None`: there is none that can be used.
pub(super) async fn exchange(stream: TcpStream, request: &[u8]) -> Option<(bool, String)> {
    let bytes = tokio::time::timeout(PATIENCE, read(stream, request)).await.ok()??;
    answer(&bytes)
}

async fn read(mut stream: TcpStream, request: &[u8]) -> Option<Vec<u8>> {
    stream.write_all(request).await.ok()?;
    let mut bytes = Vec::new();
    let mut end = End::Unknown;
    // Some gateways keep the connection open; one whose answer is too long is left.
    loop {
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return Some(bytes),
            Ok(len) if bytes.len() + len > LONGEST => return None,
            Ok(len) => bytes.extend_from_slice(&part[..len]),
        }
        if end == End::Unknown {
            end = End::of(&bytes)?;
        }
        match end {
            End::At(len) if bytes.len() >= len => return Some(bytes),
            End::LastChunk if bytes.ends_with(b"\r\n0\r\n\r\n") => return Some(bytes),
            _ => {}
        }
    }
}

/// Where an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Its head is not whole yet.
    Unknown,
    /// After so many bytes.
    At(usize),
    LastChunk,
    /// With the connection.
    Closed,
}

impl End {
    /// `None`: the head is too long. So it is read anew a few times only, however slowly it comes.
    fn of(bytes: &[u8]) -> Option<Self> {
        let read = parse(bytes, |answer, head| {
            let length = || header(answer, "content-length")?.parse::<usize>().ok();
            let end = if is_chunked(answer) { Some(Self::LastChunk) } else { None };
            Some(end.or_else(|| Some(Self::At(length()?.saturating_add(head)))).unwrap_or(Self::Closed))
        });
        match read {
            None if bytes.len() > LONGEST_HEAD => None,
            read => Some(read.unwrap_or(Self::Unknown)),
        }
    }
}

fn is_chunked(answer: &httparse::Response<'_, '_>) -> bool {
    header(answer, "transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
}

fn parse<T>(bytes: &[u8], read: impl FnOnce(&httparse::Response<'_, '_>, usize) -> Option<T>) -> Option<T> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut headers);
    match answer.parse(bytes).ok()? {
        httparse::Status::Complete(head) => read(&answer, head),
        httparse::Status::Partial => None,
    }
}

fn header<'a>(answer: &'a httparse::Response<'_, '_>, name: &str) -> Option<&'a str> {
    let found = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(found.value).ok().map(str::trim)
}

fn answer(bytes: &[u8]) -> Option<(bool, String)> {
    parse(bytes, |answer, head| {
        let body = bytes.get(head..)?;
        let body = if is_chunked(answer) { joined(body)? } else { body.to_vec() };
        Some((answer.code == Some(200), String::from_utf8(body).ok()?))
    })
}

/// The chunks of a body without their frames.
fn joined(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        match httparse::parse_chunk_size(body).ok()? {
            httparse::Status::Complete((_, 0)) => return Some(whole),
            httparse::Status::Complete((head, len)) => {
                let len = usize::try_from(len).ok()?;
                whole.extend_from_slice(body.get(head..head.checked_add(len)?)?);
                body = body.get(head + len + 2..)?;
            }
            httparse::Status::Partial => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bodies_are_taken_out_of_answers() {
        let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(answer(plain), Some((true, "hello".to_owned())));
        assert_eq!(End::of(plain), Some(End::At(plain.len())));
        assert_eq!(
            (End::of(&plain[..30]), End::of(b"HTTP/1.1 200 OK\r\n\r\nx")),
            (Some(End::Unknown), Some(End::Closed))
        );
        let endless = [&b"HTTP/1.1 200 OK\r\nX: "[..], &[b'x'; LONGEST_HEAD]].concat();
        assert_eq!(End::of(&endless), None);
        let chunks = b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
        assert_eq!(End::of(chunks), Some(End::LastChunk));
        assert_eq!(answer(chunks), Some((false, "hello".to_owned())));
        let wild = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello\r\n";
        assert_eq!(answer(wild), None);
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(tail in prop::collection::vec(any::<u8>(), 0..200), chunked in any::<bool>()) {
            let coding = if chunked { "Transfer-Encoding: chunked\r\n" } else { "" };
            let mut bytes = format!("HTTP/1.1 200 OK\r\n{coding}\r\n").into_bytes();
            bytes.extend_from_slice(&tail);
            let _ = (answer(&bytes), answer(&tail), End::of(&bytes), End::of(&tail));
        }
    }
}
