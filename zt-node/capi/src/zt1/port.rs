//! What the host is told about the port of a network.

use zt_netconf::NetworkStatus;
use zt_node::status;
use zt_wire::{InetAddress, Mac, NetworkId};

/// State of a port in the words of 08 §B.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortStatus {
    /// No configuration yet.
    Waiting,
    /// A member with a configuration.
    Authorized,
    /// Refused.
    AccessDenied,
    /// No such network.
    NotFound,
}

/// The port of a network as the callback shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PortImage {
    pub(crate) network: NetworkId,
    pub(crate) mac: Mac,
    pub(crate) status: PortStatus,
    pub(crate) is_public: bool,
    pub(crate) mtu: u16,
    pub(crate) bridge: bool,
    pub(crate) revision: u64,
    pub(crate) addresses: Vec<InetAddress>,
    pub(crate) name: String,
}

impl PortImage {
    pub(crate) fn of(network: &status::NetworkStatus) -> Self {
        Self {
            network: network.id,
            mac: network.mac,
            status: match network.status {
                NetworkStatus::Ok => PortStatus::Authorized,
                NetworkStatus::AccessDenied | NetworkStatus::AuthenticationRequired => PortStatus::AccessDenied,
                NetworkStatus::NotFound => PortStatus::NotFound,
                // A port that the host could not open has its configuration all the same.
                NetworkStatus::PortError if network.revision > 0 => PortStatus::Authorized,
                NetworkStatus::PortError | NetworkStatus::RequestingConfiguration | NetworkStatus::ClientTooOld => {
                    PortStatus::Waiting
                }
            },
            is_public: !network.private,
            mtu: network.mtu,
            bridge: network.bridge,
            revision: network.revision,
            addresses: network.assigned.clone(),
            name: network.name.clone(),
        }
    }
}

/// What is known of a port beside the engine.
#[derive(Clone, Debug, Default)]
pub(crate) struct PortState {
    told: Option<PortImage>,
    device: String,
}

impl PortState {
    /// Whether the host must be told this; it then counts as told.
    pub(crate) fn tell(&mut self, image: &PortImage) -> bool {
        let changed = self.told.as_ref() != Some(image);
        if changed {
            self.told = Some(image.clone());
        }
        changed
    }

    /// The host was told of this port.
    pub(crate) const fn is_told(&self) -> bool {
        self.told.is_some()
    }

    pub(crate) fn set_device(&mut self, device: String) {
        self.device = device;
    }

    /// Name of the host's device, empty if it was not told.
    pub(crate) fn device(&self) -> &str {
        &self.device
    }
}
