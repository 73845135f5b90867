//! Who may use the interface (06 §4.2).

use std::net::IpAddr;
use std::path::PathBuf;

use zt_wire::IpPrefix;

use super::Request;
use super::places::Origin;
use super::refused::Refusal;
use super::request::{Caller, Way};
use crate::daemon::authtoken;

/// Tokens and sources that open the interface.
#[derive(Clone, Default)]
pub struct Access {
    /// Opens everything.
    pub control_token: String,
    /// Opens `/metrics` only.
    pub metrics_token: String,
    /// Opens what only shows something, and no secret; empty: there is none.
    pub read_token: String,
    /// Sources besides loopback.
    pub allow_from: Vec<IpPrefix>,
    /// Names besides `localhost` under which the interface is asked for, and whose pages may ask; `*`: any.
    pub allow_hosts: Vec<String>,
    /// Answers may be wrapped as script (06 §4.3).
    pub jsonp: bool,
    /// The folder of web apps (06 §4.14), while they are served.
    pub apps: Option<PathBuf>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("allow_from", &self.allow_from)
            .field("allow_hosts", &self.allow_hosts)
            .finish_non_exhaustive()
    }
}

/// What a request may see and do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Right {
    /// Paths that need no token.
    #[default]
    Public,
    /// `/metrics`.
    Metrics,
    /// What shows no secret and changes nothing.
    Read,
    /// Everything.
    All,
}

impl Access {
    /// What the request may do, or why it is refused.
    pub(super) fn judge(&self, request: &Request) -> Result<Right, Refusal> {
        let shown = self.shown(request);
        let right = self.right(request, shown)?;
        self.judge_names(request, shown)?;
        Ok(right)
    }

    /// What the token of a request, or who sends it, is good for.
    fn shown(&self, request: &Request) -> Option<Right> {
        if request.caller.way == (Way::Unix { trusted: true }) {
            return Some(Right::All);
        }
        let token = presented(request).unwrap_or_default();
        // All are compared always, so that time tells nothing.
        let fits = [&self.control_token, &self.read_token, &self.metrics_token].map(|t| authtoken::matches(token, t));
        match fits {
            [true, ..] => Some(Right::All),
            [_, true, _] => Some(Right::Read),
            [_, _, true] => Some(Right::Metrics),
            _ => None,
        }
    }

    fn right(&self, request: &Request, shown: Option<Right>) -> Result<Right, Refusal> {
        let caller = &request.caller;
        if request.path == "/metrics" {
            return shown.ok_or(Refusal::NoAccess);
        }
        if !caller.is_unix() && !self.allows_from(caller.address) {
            return Err(Refusal::NoAccess);
        }
        match shown {
            Some(Right::All) => Ok(Right::All),
            _ if is_public(&request.path) => Ok(Right::Public),
            Some(Right::Read) if request.is_read() && is_readable(&request.path) => Ok(Right::Read),
            Some(Right::Read) => Err(Refusal::ReadOnly),
            _ => Err(Refusal::NoAccess),
        }
    }

    /// A page of another site that a browser on this host shows, or a name of its owner's that leads here, must not use the
    /// interface. Programs on other hosts, which call this one by whatever name it has there, show a token: no page knows one.
    fn judge_names(&self, request: &Request, shown: Option<Right>) -> Result<(), Refusal> {
        let caller = &request.caller;
        let by_program = caller.is_unix() || shown.is_some() && !is_loopback(caller.address);
        let named = request.authority.iter().chain(&request.host);
        if !by_program && !named.into_iter().all(|name| self.is_called(host_of(name), caller)) {
            return Err(Refusal::ForeignHost);
        }
        match &request.origin {
            Some(origin) if !self.is_own_page(origin, request.host.as_deref()) => Err(Refusal::ForeignOrigin),
            _ => Ok(()),
        }
    }

    /// Whether a host in a request is this one.
    fn is_called(&self, host: &str, caller: &Caller) -> bool {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match address {
            Ok(address) if is_loopback(address) || caller.at.is_some_and(|at| plain(at) == plain(address)) => true,
            _ => is_localhost(host) || self.is_allowed_host(host),
        }
    }

    /// Whether a page comes from where the request goes, or from a host that may ask.
    fn is_own_page(&self, origin: &str, host: Option<&str>) -> bool {
        let Some((_, authority)) = origin.split_once("://") else { return false };
        host.is_some_and(|host| host.eq_ignore_ascii_case(authority)) || self.is_allowed_host(host_of(authority))
    }

    fn is_allowed_host(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        !host.is_empty() && self.allow_hosts.iter().any(|name| name == "*" || name.eq_ignore_ascii_case(host))
    }

    /// What a connection is known by before it says anything.
    pub(super) fn origin(&self, caller: &Caller) -> Origin {
        match () {
            () if caller.is_unix() || is_loopback(caller.address) => Origin::Local,
            () if self.allows_from(caller.address) => Origin::Allowed,
            () => Origin::Foreign,
        }
    }

    /// The source is loopback or inside `allowManagementFrom`.
    pub fn allows_from(&self, address: IpAddr) -> bool {
        let plain = plain(address);
        is_loopback(address) || self.allow_from.iter().any(|p| p.contains(plain) || p.contains(address))
    }

    /// Sources other than loopback are let in, so the listeners must be reachable.
    pub fn is_open(&self) -> bool {
        !self.allow_from.is_empty()
    }
}

/// The path needs no token.
fn is_public(path: &str) -> bool {
    ["/sso", "/health"].contains(&path) || path.starts_with("/app")
}

/// The path shows no secret, or none to the read-only token. `/config` shows passwords of proxies and the like, `/trace` pieces
/// of what members send.
fn is_readable(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    let whole = ["status", "network", "peer", "moon", "planet", "drops", "bond", "controller"].contains(&first);
    whole || path.starts_with("/unstable/controller/")
}

/// Name or address of an authority, without its port.
fn host_of(authority: &str) -> &str {
    match authority.find(']') {
        Some(end) if authority.starts_with('[') => &authority[..=end],
        _ => authority.split(':').next().unwrap_or_default(),
    }
}

fn is_localhost(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

fn is_loopback(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.segments() == [0xfe80, 0, 0, 0, 0, 0, 0, 1],
    }
}

/// The first token present of header, query and `Authorization: Bearer`; the others are not looked at.
fn presented(request: &Request) -> Option<&str> {
    if let Some(token) = request.token.as_deref().filter(|t| !t.is_empty()) {
        return Some(token);
    }
    if let Some(token) = request.parameter("auth") {
        return Some(token);
    }
    let mut words = request.authorization.as_deref()?.split(' ');
    match (words.next(), words.next(), words.next()) {
        (Some(scheme), Some(token), None) if scheme.eq_ignore_ascii_case("bearer") => Some(token),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn access() -> Access {
        Access {
            control_token: "control".to_owned(),
            metrics_token: "metrics".to_owned(),
            read_token: "read".to_owned(),
            allow_from: vec!["10.0.0.0/8".parse().expect("a prefix")],
            allow_hosts: vec!["vpn.example".to_owned()],
            ..Access::default()
        }
    }

    fn request(path: &str, token: &str) -> Request {
        let at = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 2));
        Request {
            caller: Caller { at: Some(at), ..Caller::loopback() },
            method: "GET".to_owned(),
            path: path.to_owned(),
            token: Some(token.to_owned()),
            ..Request::default()
        }
    }

    fn named(host: &str, origin: Option<&str>) -> Result<Right, Refusal> {
        let named = Request { host: Some(host.to_owned()), ..request("/status", "control") };
        access().judge(&Request { origin: origin.map(str::to_owned), ..named })
    }

    #[test]
    fn each_token_opens_its_part() {
        for (path, token, wanted) in [
            ("/status", "control", Ok(Right::All)),
            ("/config", "control", Ok(Right::All)),
            ("/status", "read", Ok(Right::Read)),
            ("/unstable/controller/network", "read", Ok(Right::Read)),
            ("/config", "read", Err(Refusal::ReadOnly)),
            ("/trace", "read", Err(Refusal::ReadOnly)),
            ("/metrics", "read", Ok(Right::Read)),
            ("/metrics", "metrics", Ok(Right::Metrics)),
            ("/status", "metrics", Err(Refusal::NoAccess)),
            ("/metrics", "", Err(Refusal::NoAccess)),
            ("/health", "", Ok(Right::Public)),
            ("/health", "wrong", Ok(Right::Public)),
            ("/status", "wrong", Err(Refusal::NoAccess)),
        ] {
            assert_eq!(access().judge(&request(path, token)), wanted, "{path} with {token}");
        }
        let post = Request { method: "POST".to_owned(), ..request("/network/8056c2e21c000001", "read") };
        assert_eq!(access().judge(&post), Err(Refusal::ReadOnly));
        let none = Access { read_token: String::new(), ..access() };
        assert_eq!(none.judge(&request("/status", "")), Err(Refusal::NoAccess), "an empty token opens nothing");
    }

    #[test]
    fn a_name_that_somebody_else_gave_this_host_opens_nothing() {
        for host in [
            "127.0.0.1:9993",
            "[::1]:9993",
            "localhost",
            "LOCALHOST:9993",
            "app.localhost:9993",
            "192.168.1.2:9993",
            "vpn.example:9993",
            "VPN.Example.",
        ] {
            assert_eq!(named(host, None), Ok(Right::All), "{host}");
        }
        for host in ["rebound.attacker.example:9993", "192.168.1.3", "localhost.attacker.example", "", "[::2]:9993"] {
            assert_eq!(named(host, None), Err(Refusal::ForeignHost), "{host}");
        }
        let absolute = Request { authority: Some("attacker.example".to_owned()), ..request("/health", "") };
        assert_eq!(access().judge(&absolute), Err(Refusal::ForeignHost));
    }

    #[test]
    fn pages_of_other_sites_may_not_ask() {
        let here = "localhost:9993";
        for origin in ["http://localhost:9993", "https://vpn.example", "http://vpn.example:8080"] {
            assert_eq!(named(here, Some(origin)), Ok(Right::All), "{origin}");
        }
        for origin in
            ["null", "http://attacker.example", "http://localhost:3000", "https://vpn.example.attacker.example"]
        {
            assert_eq!(named(here, Some(origin)), Err(Refusal::ForeignOrigin), "{origin}");
        }
    }

    #[test]
    fn programs_on_other_hosts_call_this_one_as_they_like_when_they_show_a_token() {
        let from = |path: &str, token: &str| Request {
            caller: Caller { address: IpAddr::V4(Ipv4Addr::new(10, 1, 1, 1)), ..Caller::loopback() },
            host: Some("node.lan:9993".to_owned()),
            ..request(path, token)
        };
        assert_eq!(access().judge(&from("/status", "control")), Ok(Right::All));
        assert_eq!(access().judge(&from("/metrics", "metrics")), Ok(Right::Metrics));
        assert_eq!(access().judge(&from("/health", "")), Err(Refusal::ForeignHost));
        let page = Request { origin: Some("http://attacker.example".to_owned()), ..from("/status", "control") };
        assert_eq!(access().judge(&page), Err(Refusal::ForeignOrigin));
    }

    #[test]
    fn who_comes_by_the_socket_is_known_by_name_and_needs_no_token() {
        let by = |trusted: bool| Request {
            caller: Caller { way: Way::Unix { trusted }, ..Caller::loopback() },
            host: Some("zt.sock".to_owned()),
            ..request("/status", "")
        };
        assert_eq!(access().judge(&by(true)), Ok(Right::All));
        assert_eq!(access().judge(&by(false)), Err(Refusal::NoAccess));
        let with_token = Request { token: Some("read".to_owned()), ..by(false) };
        assert_eq!(access().judge(&with_token), Ok(Right::Read));
    }
}
