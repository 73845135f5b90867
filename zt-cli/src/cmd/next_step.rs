//! What to do about a network that is not up, of what the node's interface says.

use zt_node::status;
use zt_wire::ident::Mac;
use zt_wire::{Address, NetworkId};

use crate::api::{self, Word};
use crate::render::table::harmless;

/// What stands in the way of a network, and what helps; `None`: nothing does, or nothing that this program knows.
pub(super) fn next_step(network: &api::Network) -> Option<String> {
    let Word::Known(status) = network.status else { return None };
    let id = NetworkId(u64::from_str_radix(&network.id, 16).ok()?);
    let sign_on = network.authentication_url.as_deref().map(harmless);
    status::next_step(&status::Standing {
        network: id,
        own: own_address(network, id),
        status,
        port_error: network.port_error,
        sign_on: sign_on.as_deref(),
    })
}

/// The node's own address: it stands in its MAC address on the network.
fn own_address(network: &api::Network, id: NetworkId) -> Option<Address> {
    let mac: Mac = network.mac.parse().ok()?;
    (mac != Mac::ZERO).then(|| mac.embedded_address(id))
}
