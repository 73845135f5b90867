//! Who may use the interface (06 §4.2).

use std::net::IpAddr;
use std::path::PathBuf;

use zt_wire::IpPrefix;

use super::Request;
use super::places::Origin;
use crate::daemon::authtoken;

/// Tokens and sources that open the interface.
#[derive(Clone, Default)]
pub struct Access {
    /// Opens everything.
    pub control_token: String,
    /// Opens `/metrics` only.
    pub metrics_token: String,
    /// Sources besides loopback.
    pub allow_from: Vec<IpPrefix>,
    /// Answers may be wrapped as script (06 §4.3).
    pub jsonp: bool,
    /// The folder of web apps (06 §4.14), while they are served.
    pub apps: Option<PathBuf>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("allow_from", &self.allow_from).finish_non_exhaustive()
    }
}

impl Access {
    /// The request may go on to its endpoint.
    pub fn allows(&self, request: &Request) -> bool {
        let token = presented(request);
        if request.path == "/metrics" {
            let token = token.unwrap_or_default();
            // Both are compared always, so that time tells nothing.
            return authtoken::matches(token, &self.metrics_token) | authtoken::matches(token, &self.control_token);
        }
        if !self.allows_from(request.caller.address) {
            return false;
        }
        self.is_public(request) || authtoken::matches(token.unwrap_or_default(), &self.control_token)
    }

    /// The path needs no token, so who asks for it has shown none.
    pub(super) fn is_public(&self, request: &Request) -> bool {
        ["/sso", "/health"].contains(&&*request.path) || request.path.starts_with("/app")
    }

    /// What a connection is known by before it says anything.
    pub(super) fn origin(&self, address: IpAddr) -> Origin {
        match () {
            () if is_loopback(address) => Origin::Local,
            () if self.allows_from(address) => Origin::Allowed,
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
