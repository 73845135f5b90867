//! What the host's resolver should know because of a port: servers and a search domain (04 §10.4).
//!
//! A trait of its own beside [`HostConfig`](crate::HostConfig): a resolver is another program, which answers late, restarts, or
//! is not there, and none of that may hold up frames. So settings are handed in at once and what became of them is told later.

mod memory;

use std::fmt;
use std::net::IpAddr;
use std::task::{Context, Poll};

pub use memory::{MemoryDns, NoDns};

/// Longest domain in characters (RFC 1035 §2.3.4).
const MAX_DOMAIN: usize = 253;
/// Longest part of it between two dots.
const MAX_LABEL: usize = 63;

/// Makes the host's resolver ask a network's servers for the network's names.
pub trait DnsConfig: Send {
    /// Wants these settings for a device, in place of those it had; `None` takes them away. Never waits.
    fn set(&mut self, device: &str, wanted: Option<LinkDns>);

    /// What became of settings, oldest first. Settings that were taken away say nothing.
    ///
    /// It may come again by itself, as when the resolver restarts.
    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<DnsOutcome>;

    /// Ready when all that [`DnsConfig::set`] wanted is done or has failed.
    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// The resolver's settings of one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkDns {
    /// Names below this domain are looked up at the servers, and it is tried behind names without a dot.
    pub domain: String,
    /// Servers; without one the domain is only searched.
    pub servers: Vec<IpAddr>,
}

impl LinkDns {
    /// Settings that can be handed to a program: the domain comes from a controller, so it must be a domain and nothing else.
    ///
    /// # Errors
    /// [`DnsError::BadDomain`].
    pub fn checked(&self) -> Result<(), DnsError> {
        let domain = self.domain.strip_suffix('.').unwrap_or(&self.domain);
        let label = |label: &str| {
            (1..=MAX_LABEL).contains(&label.len())
                && !label.starts_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        match domain.len() <= MAX_DOMAIN && domain.split('.').all(label) {
            true => Ok(()),
            false => Err(DnsError::BadDomain),
        }
    }
}

/// What became of the settings of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsOutcome {
    /// The device.
    pub device: String,
    /// The resolver that has them, or why none has.
    pub result: Result<Resolver, DnsError>,
}

/// Who looks names up on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resolver {
    /// systemd-resolved, asked over D-Bus. Names of other domains go where they went before.
    Resolved,
    /// The C library and its like, by resolvconf or openresolv. It knows no domains of a server: the network's servers are asked
    /// first, for every name.
    Resolvconf,
    /// The proxies of this program, where it has a stack of its own: they ask the network's servers for its names.
    Proxies,
    /// Nobody: settings are only remembered.
    Memory,
}

impl fmt::Display for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolved => "systemd-resolved",
            Self::Resolvconf => "resolvconf",
            Self::Proxies => "the proxies of zt",
            Self::Memory => "memory",
        })
    }
}

/// Why no resolver has the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DnsError {
    /// The controller's text is no domain name.
    #[error("the controller's search domain is not a domain name")]
    BadDomain,
    /// There is nothing to tell.
    #[error(
        "neither systemd-resolved nor resolvconf is on this host; install one of them, or set the resolver by hand"
    )]
    NoResolver,
    /// The service on the bus is not that of this network namespace: its device numbers are others.
    #[error("systemd-resolved belongs to another network namespace, and resolvconf is not on this host")]
    OtherNamespace,
    /// The device is gone.
    #[error("the port is gone")]
    NoSuchDevice,
    /// The resolver said no.
    #[error("{0} refuses: {1}")]
    Refused(Resolver, String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_domain_reaches_a_resolver() {
        let checked = |domain: &str| LinkDns { domain: domain.to_owned(), servers: vec![] }.checked();
        for good in ["lan", "home.arpa", "a-b.example.com.", "_srv.example", "xn--bcher-kva.example", "1.example"] {
            assert_eq!(checked(good), Ok(()), "{good}");
        }
        let long = ["a"; 128].join(".");
        let label = "a".repeat(64);
        for bad in
            ["", ".", "a..b", ".a", "a b", "a\nnameserver 6.6.6.6", "-x.example", "~a", "b\u{fc}cher", &long, &label]
        {
            assert_eq!(checked(bad), Err(DnsError::BadDomain), "{bad}");
        }
    }
}
