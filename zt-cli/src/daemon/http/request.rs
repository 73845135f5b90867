//! A request as the endpoints see it.

use std::net::{IpAddr, Ipv4Addr};

use super::auth::Right;

/// How a connection came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By the IPv4 listener.
    Ip4,
    /// By the IPv6 listener.
    Ip6,
    /// By the socket in the file system.
    Unix {
        /// The kernel says that it is somebody who needs no token.
        trusted: bool,
    },
}

/// Who is asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Source address of the connection.
    pub address: IpAddr,
    /// Address of this host to which it came, where that is known.
    pub at: Option<IpAddr>,
    /// How it came.
    pub way: Way,
}

impl Caller {
    /// Somebody on this host, by IPv4.
    pub const fn loopback() -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::LOCALHOST), at: None, way: Way::Ip4 }
    }

    /// Somebody on this host, by the socket in the file system.
    pub const fn unix(trusted: bool) -> Self {
        Self { way: Way::Unix { trusted }, ..Self::loopback() }
    }

    /// By the socket in the file system.
    pub const fn is_unix(&self) -> bool {
        matches!(self.way, Way::Unix { .. })
    }
}

impl Default for Caller {
    fn default() -> Self {
        Self::loopback()
    }
}

/// A request with its body.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Who is asking.
    pub caller: Caller,
    /// Method word.
    pub method: String,
    /// Path, percent-decoded, without the query.
    pub path: String,
    /// Query parameters, decoded, in order; those of a form body follow, except the token.
    pub query: Vec<(String, String)>,
    /// Header `X-ZT1-Auth`.
    pub token: Option<String>,
    /// Header `Authorization`.
    pub authorization: Option<String>,
    /// Header `Host`.
    pub host: Option<String>,
    /// Host and port of an absolute target.
    pub authority: Option<String>,
    /// Header `Origin`: the page that asks.
    pub origin: Option<String>,
    /// Header `X-ZT-Strict: 1`, our own addition: the controller refuses what it would change on the way in.
    pub strict: bool,
    /// What it may see and do, once it was judged.
    pub right: Right,
    /// Body.
    pub body: Vec<u8>,
}

impl Request {
    /// The first value of a query parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Reads something.
    pub fn is_read(&self) -> bool {
        ["GET", "HEAD"].contains(&&*self.method)
    }

    /// Secrets are left out of the answer.
    pub fn hides_secrets(&self) -> bool {
        self.right != Right::All
    }

    /// Writes something; `PUT` and `POST` are the same everywhere (06 §4.1).
    pub fn is_write(&self) -> bool {
        ["PUT", "POST"].contains(&&*self.method)
    }

    /// Deletes something.
    pub fn is_delete(&self) -> bool {
        self.method == "DELETE"
    }
}

/// Decodes `%xx`, and `+` as a blank where asked; broken escapes stay as they are.
pub(super) fn percent_decode(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let escaped = bytes.get(i + 1..i + 3).filter(|_| bytes[i] == b'%');
        let escaped = escaped.filter(|pair| pair.iter().all(u8::is_ascii_hexdigit));
        let escaped = escaped.and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        match (bytes[i], escaped) {
            (_, Some(byte)) => {
                out.push(byte);
                i += 2;
            }
            (b'+', None) if plus => out.push(b' '),
            (byte, None) => out.push(byte),
        }
        i += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Splits `a=b&c=d` into decoded pairs.
pub(super) fn parameters(text: &str) -> impl Iterator<Item = (String, String)> + '_ {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (percent_decode(name, true), percent_decode(value, true))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded() {
        assert_eq!(percent_decode("/%73tatus%2", false), "/status%2");
        assert_eq!(percent_decode("a+b%2Bc%zz", true), "a b+c%zz");
        let pairs: Vec<_> = parameters("auth=x%3D&jsonp&").collect();
        assert_eq!(pairs, [("auth".into(), "x=".into()), ("jsonp".into(), String::new())]);
    }
}
