//! Where a root is reached by a stream, as a person writes it: `tcp://192.0.2.1:443`, `tls://root.example:443`,
//! `wss://root.example/zt#sha256=…`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

/// Bytes of a pinned key.
const PIN_LEN: usize = 32;
/// Longest host name and path.
const LONGEST_TEXT: usize = 255;

/// How a stream is dressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Records that pass as TLS.
    Tcp,
    /// Real TLS.
    Tls,
    /// A WebSocket.
    Ws,
    /// A WebSocket inside of TLS.
    Wss,
}

/// Whom TLS has to meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// A certificate of this host by an authority that the platform trusts.
    Platform,
    /// Whoever has the key whose SHA-256 this is.
    Pin([u8; PIN_LEN]),
    /// Anybody: for addresses that nobody configured. The stream needs no secret, and VL1 proves who the root is.
    Anybody,
}

/// Where a stream leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// How it is dressed.
    pub scheme: Scheme,
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path of the WebSocket, with its slash.
    pub path: String,
    /// Whom TLS has to meet.
    pub trust: Trust,
}

/// Why a text is no target. Each says what to write.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// Not of this form.
    #[error(
        "write an address such as \"tcp://192.0.2.1:443\", \"tls://root.example:443\" or \"wss://root.example/zt\""
    )]
    Form,
    /// The number after the colon.
    #[error("a port is a number from 1 to 65535")]
    Port,
    /// The part after `#`.
    #[error("after # comes the pinned key: sha256= and 64 hexadecimal digits")]
    Pin,
}

impl Scheme {
    /// Whether TLS is spoken.
    #[must_use]
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// Whether it is a WebSocket, which also passes proxies.
    #[must_use]
    pub const fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Ws => 80,
            _ => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Target {
    /// A target at an address that nobody configured.
    #[must_use]
    pub fn at(scheme: Scheme, ip: IpAddr, port: u16) -> Self {
        Self { scheme, host: ip.to_string(), port, path: "/".to_owned(), trust: Trust::Anybody }
    }

    /// Host and port as URLs and HTTP have them.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl Target {
    /// The same as browsers have it in requests: without the port that goes with the scheme.
    #[must_use]
    pub fn host_field(&self) -> String {
        let usual = if self.scheme.is_tls() { 443 } else { 80 };
        let whole = self.authority();
        match whole.strip_suffix(&format!(":{usual}")) {
            Some(host) if self.port == usual => host.to_owned(),
            _ => whole,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.scheme.is_websocket() { self.path.as_str() } else { "" };
        write!(f, "{}://{}{path}", self.scheme, self.authority())
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(TargetError::Form)?;
        let schemes = [Scheme::Tcp, Scheme::Tls, Scheme::Ws, Scheme::Wss];
        let scheme = schemes.into_iter().find(|s| s.word() == scheme).ok_or(TargetError::Form)?;
        let (rest, trust) = with_trust(rest)?;
        let (authority, path) = match rest.find('/') {
            None => (rest, "/"),
            Some(at) => rest.split_at(at),
        };
        let is_plain = |text: &str| text.len() <= LONGEST_TEXT && text.bytes().all(|b| b.is_ascii_graphic());
        let (host, port) = host_and_port(authority, scheme.port())?;
        let has_path = path != "/";
        if !is_plain(path)
            || (has_path && !scheme.is_websocket())
            || (!scheme.is_tls() && matches!(trust, Trust::Pin(_)))
        {
            return Err(TargetError::Form);
        }
        Ok(Self { scheme, host, port, path: path.to_owned(), trust })
    }
}

/// Reads the part behind `#`, if there is one: whom TLS has to meet.
pub(super) fn with_trust(text: &str) -> Result<(&str, Trust), TargetError> {
    match text.split_once('#') {
        None => Ok((text, Trust::Platform)),
        Some((rest, pin)) => {
            let pin = pin.strip_prefix("sha256=").and_then(unhex).ok_or(TargetError::Pin)?;
            Ok((rest, Trust::Pin(pin)))
        }
    }
}

/// Reads `host`, `host:port`, `[ipv6]` or `[ipv6]:port`.
pub(super) fn host_and_port(text: &str, default: u16) -> Result<(String, u16), TargetError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(TargetError::Form)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| TargetError::Form)?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or(TargetError::Form)?) })
        }
        None => match text.split_once(':') {
            None => (text, None),
            Some((host, port)) => (host, Some(port)),
        },
    };
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
    if host.is_empty() || host.len() > LONGEST_TEXT || !host.bytes().all(is_name) {
        return Err(TargetError::Form);
    }
    let port = match port {
        None => default,
        Some(digits) => digits.parse().ok().filter(|port| *port != 0).ok_or(TargetError::Port)?,
    };
    Ok((host.to_owned(), port))
}

fn unhex(text: &str) -> Option<[u8; PIN_LEN]> {
    crate::compat::idtool::unhex(text)?.as_slice().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_as_people_write_them() {
        for (text, shown) in [
            ("tcp://192.0.2.1", "tcp://192.0.2.1:443"),
            ("tls://[2001:db8::1]:9993", "tls://[2001:db8::1]:9993"),
            ("ws://10.0.0.1:8080/", "ws://10.0.0.1:8080/"),
            (" wss://root.example/zt?a=b ", "wss://root.example:443/zt?a=b"),
        ] {
            let target: Target = text.parse().expect(text);
            assert_eq!((target.to_string().as_str(), target.trust), (shown, Trust::Platform));
        }
        let pinned: Target = format!("tls://10.0.0.1#sha256={}", "0a".repeat(32)).parse().expect("a target");
        assert_eq!(pinned.trust, Trust::Pin([10; 32]));
    }

    #[test]
    fn requests_name_the_host_as_browsers_do() {
        for (text, host) in [
            ("wss://root.example/", "root.example"),
            ("wss://root.example:80/", "root.example:80"),
            ("ws://[2001:db8::1]/", "[2001:db8::1]"),
            ("ws://10.0.0.1:8080/", "10.0.0.1:8080"),
        ] {
            assert_eq!(text.parse::<Target>().expect(text).host_field(), host);
        }
    }

    #[test]
    fn what_is_none_says_why() {
        for (text, error) in [
            ("192.0.2.1:443", TargetError::Form),
            ("http://192.0.2.1", TargetError::Form),
            ("tcp://", TargetError::Form),
            ("tcp://a b", TargetError::Form),
            ("tcp://10.0.0.1/path", TargetError::Form),
            ("tcp://2001:db8::1", TargetError::Port),
            ("tcp://[10.0.0.1]:1", TargetError::Form),
            ("wss://root.example/a b", TargetError::Form),
            ("tcp://10.0.0.1:0", TargetError::Port),
            ("tls://10.0.0.1:70000", TargetError::Port),
            ("tls://10.0.0.1#sha256=00", TargetError::Pin),
            ("tls://10.0.0.1#md5=00", TargetError::Pin),
        ] {
            assert_eq!(text.parse::<Target>(), Err(error), "{text}");
        }
        let pin = "00".repeat(32);
        assert_eq!(format!("tcp://10.0.0.1#sha256={pin}").parse::<Target>(), Err(TargetError::Form), "nothing to pin");
    }
}
