//! By which ways a root is tried: what is configured for it, else what is likely.

use std::net::SocketAddr;

use super::proxy::Proxies;
use super::target::{Scheme, Target};

/// The port that is open where nothing else is.
const HTTPS: u16 = 443;

/// The ranks of links that we open (08 §B.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// TCP, dressed as TLS or inside of it.
    Tcp = 1,
    /// WebSockets, which pass proxies.
    WebSocket = 2,
}

impl Rank {
    pub(super) const ALL: [Self; 2] = [Self::Tcp, Self::WebSocket];

    const fn of(scheme: Scheme) -> Self {
        if scheme.is_websocket() { Self::WebSocket } else { Self::Tcp }
    }
}

/// A root, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Root {
    /// Where its world says it is; the first stands for all in what is configured.
    pub(super) endpoints: Vec<SocketAddr>,
    /// What is configured for it.
    pub(super) targets: Vec<Target>,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) roots: Vec<Root>,
    pub(super) proxies: Proxies,
}

impl Plan {
    /// Whether a link of this rank and family has somewhere to go.
    pub(super) fn wants(&self, rank: Rank, is_ipv4: bool) -> bool {
        let all = self.roots.iter().flat_map(|root| &root.endpoints);
        all.filter(|at| at.is_ipv4() == is_ipv4).any(|at| !self.targets(rank, *at).is_empty())
    }

    /// The ways to an endpoint of a root, in the order in which they are tried; none if it is no root's.
    pub(super) fn targets(&self, rank: Rank, remote: SocketAddr) -> Vec<Target> {
        let Some(root) = self.roots.iter().find(|root| root.endpoints.contains(&remote)) else { return Vec::new() };
        let of_rank = |target: &&Target| Rank::of(target.scheme) == rank;
        let configured: Vec<Target> = root.targets.iter().filter(of_rank).cloned().collect();
        if !configured.is_empty() {
            // One connection to a root is enough.
            return if root.endpoints.first() == Some(&remote) { configured } else { Vec::new() };
        }
        let mut ports = vec![HTTPS, remote.port()];
        ports.dedup();
        let schemes: &[Scheme] = match rank {
            Rank::Tcp => &[Scheme::Tcp, Scheme::Tls],
            Rank::WebSocket => &[Scheme::Wss],
        };
        let ways = schemes.iter().flat_map(|scheme| ports.iter().map(|port| (*scheme, *port)));
        ways.map(|(scheme, port)| Target::at(scheme, remote.ip(), port)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(targets: &[&str]) -> Plan {
        let endpoints = ["192.0.2.1:9993", "[2001:db8::1]:443"].map(|at| at.parse().expect("an address")).to_vec();
        let targets = targets.iter().map(|text| text.parse().expect("a target")).collect();
        Plan { roots: vec![Root { endpoints, targets }], proxies: Proxies::default() }
    }

    fn shown(plan: &Plan, rank: Rank, at: &str) -> Vec<String> {
        plan.targets(rank, at.parse().expect("an address")).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn without_settings_the_likely_ports_are_tried() {
        let plan = plan(&[]);
        assert_eq!(
            shown(&plan, Rank::Tcp, "192.0.2.1:9993"),
            ["tcp://192.0.2.1:443", "tcp://192.0.2.1:9993", "tls://192.0.2.1:443", "tls://192.0.2.1:9993"]
        );
        assert_eq!(shown(&plan, Rank::WebSocket, "[2001:db8::1]:443"), ["wss://[2001:db8::1]:443/"]);
        assert!(shown(&plan, Rank::Tcp, "192.0.2.2:9993").is_empty(), "no root: nobody is bothered");
        assert!(plan.wants(Rank::Tcp, true) && plan.wants(Rank::WebSocket, false));
        assert!(!Plan::default().wants(Rank::Tcp, true));
    }

    #[test]
    fn what_is_configured_takes_the_place_of_guesses_of_its_rank() {
        let plan = plan(&["tls://root.example:8443", "tcp://192.0.2.9"]);
        assert_eq!(shown(&plan, Rank::Tcp, "192.0.2.1:9993"), ["tls://root.example:8443", "tcp://192.0.2.9:443"]);
        assert!(shown(&plan, Rank::Tcp, "[2001:db8::1]:443").is_empty() && !plan.wants(Rank::Tcp, false));
        assert_eq!(shown(&plan, Rank::WebSocket, "192.0.2.1:9993").len(), 2);
    }
}
