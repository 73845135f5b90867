//! What people are told of networks: joined, left, and each change of the status, with what to do about it.

use std::collections::BTreeMap;

use zt_netconf::{Network, NetworkConfig, NetworkStatus};
use zt_wire::{Address, NetworkId};

use crate::status::{Standing, next_step};

/// The status of each network as it was told last.
#[derive(Debug, Default)]
pub(super) struct Notices {
    told: BTreeMap<NetworkId, NetworkStatus>,
}

/// Something to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Joined,
    Status(NetworkStatus),
}

impl Notices {
    /// Tells what changed of a network since this was called last. `own` is this node. Whatever changes the status of a network
    /// configures its port as well, so it is called then.
    pub(super) fn look(&mut self, own: Address, network: &Network) {
        for told in self.changes(network.id(), network.status()) {
            let name = network.config().map(NetworkConfig::name_text).unwrap_or_default();
            log(&standing(own, network), &name, told);
        }
    }

    /// Tells that a network was left.
    pub(super) fn left(&mut self, id: NetworkId) {
        if self.told.remove(&id).is_some() {
            tracing::info!(network = %id, "network left");
        }
    }

    fn changes(&mut self, id: NetworkId, status: NetworkStatus) -> Vec<Told> {
        match self.told.insert(id, status) {
            // That its configuration is asked for is what joining means.
            None if status == NetworkStatus::RequestingConfiguration => vec![Told::Joined],
            None => vec![Told::Joined, Told::Status(status)],
            Some(before) if before != status => vec![Told::Status(status)],
            Some(_) => Vec::new(),
        }
    }
}

fn standing(own: Address, network: &Network) -> Standing<'static> {
    let port_error = network.port_error().unwrap_or_default();
    Standing { network: network.id(), own: Some(own), status: network.status(), port_error, sign_on: None }
}

fn log(standing: &Standing<'_>, name: &str, told: Told) {
    let id = standing.network;
    let controller = id.controller();
    match told {
        Told::Joined => tracing::info!(network = %id, %controller, "network joined"),
        Told::Status(NetworkStatus::Ok) => tracing::info!(network = %id, name, "network is up: status OK"),
        Told::Status(status) => {
            tracing::warn!(network = %id, %status, "{}", next_step(standing).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_told_once() {
        let mut notices = Notices::default();
        let (one, two) = (NetworkId(1), NetworkId(2));
        let asked = NetworkStatus::RequestingConfiguration;
        assert_eq!(notices.changes(one, asked), [Told::Joined]);
        assert_eq!(notices.changes(one, asked), []);
        assert_eq!(notices.changes(one, NetworkStatus::Ok), [Told::Status(NetworkStatus::Ok)]);
        assert_eq!(notices.changes(one, NetworkStatus::Ok), []);
        let refused = NetworkStatus::PortError;
        assert_eq!(notices.changes(two, refused), [Told::Joined, Told::Status(refused)]);
        notices.left(one);
        assert_eq!(notices.changes(one, asked), [Told::Joined]);
        assert_eq!(notices.changes(two, asked), [Told::Status(asked)], "its configuration was lost");
    }
}
