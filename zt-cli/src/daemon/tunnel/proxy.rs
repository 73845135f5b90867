//! The HTTP proxy that leads out: where it is, for which hosts, and what is said to it (`CONNECT`, RFC 9110 §9.3.6).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use thiserror::Error;
use zeroize::Zeroizing;
use zt_wire::IpPrefix;

use super::target::{Trust, host_and_port, with_trust};

/// A proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// It is spoken to inside of TLS, and has to be this.
    pub tls: Option<Trust>,
    /// `user:password`.
    credentials: Option<Zeroizing<String>>,
}

/// Why a text names no proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "write a proxy as \"http://10.0.0.1:8080\", \"http://user:password@proxy.example:8080\" or \"https://proxy.example\", \
     no other kind is supported"
)]
pub struct ProxyError;

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, user) = (if self.tls.is_some() { "https" } else { "http" }, self.credentials.is_some());
        write!(f, "{scheme}://{}{}:{}", if user { "…@" } else { "" }, self.host, self.port)
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let text = text.trim();
        // As curl has it, what names no scheme is HTTP.
        let (rest, tls, port) = match text.split_once("://") {
            None => (text, None, 8080),
            Some(("http", rest)) => (rest, None, 8080),
            Some(("https", rest)) => {
                let (rest, trust) = with_trust(rest).map_err(|_| ProxyError)?;
                (rest, Some(trust), 443)
            }
            Some(_) => return Err(ProxyError),
        };
        let rest = rest.trim_end_matches('/');
        let (credentials, authority) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some((credentials, authority)) => (Some(percent_decoded(credentials)?), authority),
        };
        let (host, port) = host_and_port(authority, port).map_err(|_| ProxyError)?;
        Ok(Self { host, port, tls, credentials: credentials.map(Zeroizing::new) })
    }
}

impl Proxy {
    /// What asks it to connect to `host:port`.
    #[must_use]
    pub fn request(&self, authority: &str) -> Zeroizing<String> {
        let mut request = Zeroizing::new(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"));
        if let Some(credentials) = &self.credentials {
            request.push_str("Proxy-Authorization: Basic ");
            request.push_str(&BASE64.encode(credentials.as_bytes()));
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        request
    }
}

fn percent_decoded(text: &str) -> Result<String, ProxyError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%' {
            let digits = rest.get(..2).and_then(|d| std::str::from_utf8(d).ok()).ok_or(ProxyError)?;
            bytes.push(u8::from_str_radix(digits, 16).map_err(|_| ProxyError)?);
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| ProxyError)?;
    if text.chars().any(char::is_control) { Err(ProxyError) } else { Ok(text) }
}

/// Which proxy is asked for which host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    proxy: Option<Proxy>,
    exempt: Vec<String>,
}

impl Proxies {
    /// This one for all hosts.
    #[must_use]
    pub const fn always(proxy: Proxy) -> Self {
        Self { proxy: Some(proxy), exempt: Vec::new() }
    }

    /// As the environment says: `https_proxy` or `all_proxy`, in small letters or capitals, but for what `no_proxy` names.
    /// The second value says what of it cannot be used.
    #[must_use]
    pub fn of_environment(env: &dyn Fn(&str) -> Option<String>) -> (Self, Option<String>) {
        let either =
            |name: &str| env(name).or_else(|| env(&name.to_uppercase())).filter(|value| !value.trim().is_empty());
        let Some(text) = either("https_proxy").or_else(|| either("all_proxy")) else { return (Self::default(), None) };
        match text.parse() {
            Ok(proxy) => {
                let exempt = either("no_proxy").unwrap_or_default();
                let exempt = exempt.split([',', ' ']).map(str::trim).filter(|name| !name.is_empty());
                (Self { proxy: Some(proxy), exempt: exempt.map(str::to_lowercase).collect() }, None)
            }
            Err(error) => (Self::default(), Some(format!("the proxy of the environment is not used: {error}"))),
        }
    }

    /// The proxy for a host, unless that is reached without.
    #[must_use]
    pub fn of(&self, host: &str) -> Option<&Proxy> {
        let host = host.to_lowercase();
        self.proxy.as_ref().filter(|_| !self.exempt.iter().any(|name| is_exempt(name, &host)))
    }
}

/// Whether an entry of `no_proxy` means a host: a name with all below it, an address, a range, or `*`.
fn is_exempt(entry: &str, host: &str) -> bool {
    if entry == "*" {
        return true;
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        return entry.parse() == Ok(ip) || entry.parse::<IpPrefix>().is_ok_and(|range| range.contains(ip));
    }
    let name = entry.trim_start_matches("*").trim_start_matches('.');
    !name.is_empty() && host.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_asked_with_user_and_password() {
        let proxy: Proxy = "http://us%65r:p%40ss@proxy.example:3128/".parse().expect("a proxy");
        assert_eq!((proxy.host.as_str(), proxy.port), ("proxy.example", 3128));
        assert_eq!(
            proxy.request("[2001:db8::1]:443").as_str(),
            "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\
             Proxy-Authorization: Basic dXNlcjpwQHNz\r\n\r\n"
        );
        assert!(!format!("{proxy:?}").contains("p@ss"), "passwords are not logged");
        let plain: Proxy = "10.0.0.1".parse().expect("a proxy");
        assert_eq!((plain.port, plain.request("a:1").contains("Authorization")), (8080, false));
        let secure: Proxy = "https://a:b@proxy.example".parse().expect("a proxy");
        assert_eq!((secure.port, secure.tls), (443, Some(Trust::Platform)));
        let pinned: Proxy = format!("https://10.0.0.1:8443/#sha256={}", "07".repeat(32)).parse().expect("a proxy");
        assert_eq!((pinned.port, pinned.tls), (8443, Some(Trust::Pin([7; 32]))));
        for bad in [
            "",
            "https://10.0.0.1#sha256=7",
            "http://10.0.0.1#sha256=7",
            "socks5://10.0.0.1",
            "http://a%0d@b",
            "http://a%zz@b",
            "http://a:0",
        ] {
            assert_eq!(bad.parse::<Proxy>(), Err(ProxyError), "{bad}");
        }
    }

    #[test]
    fn the_environment_says_which_hosts_are_exempt() {
        let env = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://10.0.0.1:3128".to_owned()),
            "no_proxy" => Some("localhost, .corp.example,10.9.0.0/16 192.0.2.7".to_owned()),
            _ => None,
        };
        let (proxies, remark) = Proxies::of_environment(&env);
        assert_eq!(remark, None);
        for host in ["root.example", "notcorp.example", "10.8.0.1", "192.0.2.70", "2001:db8::1"] {
            assert!(proxies.of(host).is_some(), "{host}");
        }
        for host in ["LOCALHOST", "a.corp.example", "corp.example", "10.9.3.4", "192.0.2.7"] {
            assert!(proxies.of(host).is_none(), "{host}");
        }
        let bad = |name: &str| (name == "all_proxy").then(|| "socks5://10.0.0.1".to_owned());
        let (proxies, remark) = Proxies::of_environment(&bad);
        assert!(proxies.of("root.example").is_none() && remark.is_some());
    }
}
