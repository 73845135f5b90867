//! A network as its host is told of it.

use zt_netconf::{Authentication, Failure, Network, NetworkConfig, NetworkStatus, SignOn};
use zt_wire::{InetAddress, Mac, MulticastGroup, NetworkId};

/// A managed route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RouteImage {
    pub(crate) target: InetAddress,
    pub(crate) via: InetAddress,
    pub(crate) flags: u16,
    pub(crate) metric: u16,
}

/// Everything that `ZT_VirtualNetworkConfig` shows (08 §A.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetworkImage {
    pub(crate) network: NetworkId,
    pub(crate) mac: Mac,
    pub(crate) name: String,
    pub(crate) status: NetworkStatus,
    pub(crate) is_public: bool,
    pub(crate) mtu: u32,
    pub(crate) bridge: bool,
    pub(crate) broadcast: bool,
    pub(crate) port_error: i32,
    pub(crate) revision: u64,
    pub(crate) addresses: Vec<InetAddress>,
    pub(crate) routes: Vec<RouteImage>,
    pub(crate) groups: Vec<MulticastGroup>,
    pub(crate) domain: String,
    pub(crate) servers: Vec<InetAddress>,
    pub(crate) sign_on: SignOn,
    /// What the controller said when it asked for sign-on.
    pub(crate) authentication: Option<Authentication>,
}

impl NetworkImage {
    /// Shows at most `groups` subscriptions.
    pub(crate) fn of(network: &Network, groups: usize) -> Self {
        let config = network.config();
        let authentication = match network.failure() {
            Some(Failure::AuthenticationRequired(how)) => Some(how.clone()),
            _ => None,
        };
        Self {
            network: network.id(),
            mac: network.mac(),
            name: config.map(NetworkConfig::name_text).unwrap_or_default(),
            status: network.status(),
            is_public: config.is_some_and(NetworkConfig::is_public),
            mtu: config.map_or(NetworkConfig::DEFAULT_MTU, |config| config.mtu),
            bridge: config.is_some_and(|config| config.is_active_bridge(config.issued_to)),
            broadcast: config.is_some_and(NetworkConfig::broadcast_enabled),
            port_error: network.port_error().unwrap_or(0),
            revision: config.map_or(0, |config| config.revision),
            addresses: config.map(|config| config.addresses.clone()).unwrap_or_default(),
            routes: config.map(routes).unwrap_or_default(),
            groups: network.groups().take(groups).collect(),
            domain: config.map(|config| config.dns.domain.clone()).unwrap_or_default(),
            servers: config.map(|config| config.dns.servers.to_vec()).unwrap_or_default(),
            sign_on: config.map(|config| config.sign_on.clone()).unwrap_or_default(),
            authentication,
        }
    }

    /// Without what changes by itself: subscriptions, and what the host has told us about its port.
    pub(super) fn essence(&self) -> Self {
        let status = match self.status {
            NetworkStatus::PortError if self.revision > 0 => NetworkStatus::Ok,
            NetworkStatus::PortError => NetworkStatus::RequestingConfiguration,
            status => status,
        };
        Self { status, port_error: 0, groups: Vec::new(), ..self.clone() }
    }
}

fn routes(config: &NetworkConfig) -> Vec<RouteImage> {
    let routes = config.routes.iter();
    routes
        .map(|route| RouteImage { target: route.target, via: route.via, flags: route.flags, metric: route.metric })
        .collect()
}
