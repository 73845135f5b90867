//! What people are told of networks: joined, left, and each change of the status, with what to do about it.

use std::collections::BTreeMap;

use zt_netconf::{Network, NetworkConfig, NetworkStatus};
use zt_wire::{Address, NetworkId};

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
    /// Tells what changed of a network since this was called last. `own` is this node.
    pub(super) fn look(&mut self, own: Address, network: &Network) {
        for told in self.changes(network.id(), network.status()) {
            let name = network.config().map(NetworkConfig::name_text).unwrap_or_default();
            log(own, network.id(), &name, told);
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

fn log(own: Address, id: NetworkId, name: &str, told: Told) {
    let controller = id.controller();
    match told {
        Told::Joined => tracing::info!(network = %id, %controller, "network joined"),
        Told::Status(NetworkStatus::Ok) => tracing::info!(network = %id, name, "network is up: status OK"),
        Told::Status(status) => tracing::warn!(network = %id, %status, "{}", advice(own, id, status)),
    }
}

/// What a status means, and the next step.
fn advice(own: Address, id: NetworkId, status: NetworkStatus) -> String {
    let controller = id.controller();
    match status {
        NetworkStatus::AccessDenied => format!(
            "the controller {controller} does not let this node in; its administrator says `zt member auth {id} {own}`"
        ),
        NetworkStatus::NotFound => {
            format!("the controller {controller} has no such network; look at its ID, or leave it: `zt leave {id}`")
        }
        NetworkStatus::AuthenticationRequired => {
            "the controller wants a sign-on by a browser; `zt networks` shows its address".to_owned()
        }
        NetworkStatus::ClientTooOld => "the network wants a newer version of this program".to_owned(),
        NetworkStatus::PortError => "there is no virtual port; the line above says why".to_owned(),
        NetworkStatus::RequestingConfiguration => format!("the controller {controller} is asked for the configuration"),
        NetworkStatus::Ok => "up".to_owned(),
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

    #[test]
    fn a_refusal_names_the_controller_and_the_command() {
        let id: NetworkId = "8056c2e21c000001".parse().expect("an ID");
        let said = advice("fe39e980ad".parse().expect("an address"), id, NetworkStatus::AccessDenied);
        assert!(said.contains("8056c2e21c ") && said.contains("zt member auth 8056c2e21c000001 fe39e980ad"), "{said}");
    }
}
