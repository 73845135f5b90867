//! A client of the local HTTP interface of a node (06 §4), inside its namespace.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;
use zt_tap::netns::Namespace;

/// The HTTP interface of one node.
#[derive(Debug, Clone)]
pub struct Api {
    namespace: Arc<Namespace>,
    port: u16,
    token: String,
}

impl Api {
    /// Reads port and token from a home folder.
    ///
    /// # Errors
    /// They are not there (yet).
    pub fn new(namespace: Arc<Namespace>, home: &Path) -> Result<Self> {
        let port = fs::read_to_string(home.join("zerotier-one.port")).context("no port file")?;
        let token = fs::read_to_string(home.join("authtoken.secret")).context("no token file")?;
        Ok(Self { namespace, port: port.trim().parse().context("port file")?, token: token.trim().to_owned() })
    }

    /// `GET path`; the answer must be 200 and JSON.
    ///
    /// # Errors
    /// No connection, another status, no JSON.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.ask("GET", path, None)
    }

    /// `POST path` with a JSON body.
    ///
    /// # Errors
    /// As [`Api::get`].
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.ask("POST", path, Some(body))
    }

    /// `DELETE path`.
    ///
    /// # Errors
    /// As [`Api::get`].
    pub fn delete(&self, path: &str) -> Result<Value> {
        self.ask("DELETE", path, None)
    }

    /// One request: status and body.
    ///
    /// # Errors
    /// No connection, no HTTP.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Vec<u8>)> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let mut stream = self
            .namespace
            .run(|| TcpStream::connect_timeout(&address, PATIENCE))?
            .context("cannot reach the HTTP interface")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-ZT1-Auth: {}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).context("no answer")?;
        split(&answer).context("not an HTTP answer")
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let (status, answer) = self.request(method, path, body)?;
        if status != 200 {
            let text = String::from_utf8_lossy(&answer);
            bail!("{method} {path}: {status} {text}");
        }
        serde_json::from_slice(&answer).with_context(|| format!("{method} {path}: no JSON"))
    }
}

const PATIENCE: Duration = Duration::from_secs(5);

/// Status and body of an answer that ended with its connection.
fn split(answer: &[u8]) -> Result<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(|| anyhow!("no end of head"))?;
    let head = std::str::from_utf8(&answer[..end])?;
    let status = head.split(' ').nth(1).ok_or_else(|| anyhow!("no status"))?.parse()?;
    let body = &answer[end + 4..];
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { join_chunks(body)? } else { body.to_vec() };
    Ok((status, body))
}

fn join_chunks(mut bytes: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n").ok_or_else(|| anyhow!("chunk"))?;
        let len = usize::from_str_radix(std::str::from_utf8(&bytes[..end])?.trim(), 16)?;
        let chunk = bytes.get(end + 2..end + 2 + len).ok_or_else(|| anyhow!("short chunk"))?;
        if len == 0 {
            return Ok(body);
        }
        body.extend_from_slice(chunk);
        bytes = bytes.get(end + 4 + len..).ok_or_else(|| anyhow!("short chunk"))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(split(plain).expect("answer"), (200, b"{}".to_vec()));
        let chunked = b"HTTP/1.1 404 x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        assert_eq!(split(chunked).expect("answer"), (404, b"abcd".to_vec()));
        for bad in [&b""[..], b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n"] {
            assert!(split(bad).is_err());
        }
    }
}
