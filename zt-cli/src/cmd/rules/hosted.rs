//! A network of this node's controller, as rules need to know it.

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};
use zt_netconf::controller::{Member, Network};
use zt_netconf::rules::script::{Options, Script};
use zt_netconf::rules::trial::Party;
use zt_wire::{Address, NetworkId};

use crate::cmd::Node;

/// A network and its members.
pub(crate) struct Hosted {
    /// The network.
    pub(crate) network: Network,
    /// Its authorised members.
    pub(crate) members: Vec<Party>,
}

impl Hosted {
    /// Asks the node.
    ///
    /// # Errors
    /// It does not answer, or has no such network.
    pub(crate) fn ask(node: &Node, id: &str) -> Result<Self> {
        let network = network(node, id)?;
        let path = format!("/unstable/controller/network/{id}/member");
        let answer: Value = node.get(&path).with_context(|| format!("members of network {id}"))?;
        let records = answer.get("data").and_then(Value::as_array).into_iter().flatten();
        let read = |record: &Value| {
            let object: Map<String, Value> = record.as_object().cloned()?;
            let address: Address = object.get("id")?.as_str()?.to_ascii_lowercase().parse().ok()?;
            Some(Member::from_json(network.id, address, object, 0))
        };
        let members = records.filter_map(read).filter(|member| member.authorized);
        let members = members.map(|member| member.party(&network)).collect();
        Ok(Self { network, members })
    }
}

/// A network of this controller.
///
/// # Errors
/// The node does not answer, or has no such network.
pub(crate) fn network(node: &Node, id: &str) -> Result<Network> {
    let path = format!("/controller/network/{id}");
    let object: Map<String, Value> = node.get(&path).with_context(|| format!("network {id} on this controller"))?;
    let id: NetworkId = id.parse().with_context(|| format!("{id} is no network ID"))?;
    Ok(Network::from_json(id, object, 0))
}

/// What the text says that a network keeps; nothing where it keeps none.
#[must_use]
pub(crate) fn kept_script(network: &Network) -> Script {
    let kept = Some(&network.rules_source).filter(|text| !text.is_empty());
    kept.and_then(|text| Script::compile(text, Options::default()).ok()).unwrap_or_default()
}
