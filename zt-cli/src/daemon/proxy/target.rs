//! Where a client wants to go: an address, or a name.

use std::fmt;
use std::net::IpAddr;

/// Longest name (RFC 1035).
const MAX_NAME: usize = 253;

/// A host as a client names it, with the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: Host,
    pub(super) port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Ip(IpAddr),
    Name(String),
}

impl Host {
    /// An address, in brackets or not, or a name.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(ip) = bare.parse() {
            return Some(Self::Ip(ip));
        }
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let is_name = (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(good) && !text.starts_with('.');
        is_name.then(|| Self::Name(text.to_ascii_lowercase()))
    }
}

impl Target {
    /// `host:port`; without a port the one given.
    pub(super) fn parse(text: &str, default: Option<u16>) -> Option<Self> {
        let after_bracket = text.rfind(']').map_or(0, |at| at + 1);
        let (host, port) = match text[after_bracket..].rfind(':') {
            Some(at) => (&text[..after_bracket + at], text[after_bracket + at + 1..].parse().ok()?),
            None => (text, default?),
        };
        (port != 0).then_some(Self { host: Host::parse(host)?, port })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            Host::Ip(ip) => write!(f, "{ip}:{}", self.port),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}
