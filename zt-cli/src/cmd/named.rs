//! Networks by their names: wherever a command takes a network, the name that its controller gave it will do.

use anyhow::{Result, bail};
use serde_json::Value;

use super::{Node, network_id};
use crate::api;
use crate::render::table::harmless;

/// Checks a network as typed: an ID, or a name.
pub(super) fn network(text: &str) -> Result<String, String> {
    match network_id(text) {
        Ok(id) => Ok(id),
        Err(hint) if text.trim().is_empty() || text.contains(|c: char| c.is_control() || c == '/') => Err(hint),
        Err(_) => Ok(text.to_owned()),
    }
}

/// The ID of a network that this node has joined; an ID is taken as it is.
///
/// # Errors
/// No network has that name, or several have.
pub(super) fn joined(node: &Node, text: &str) -> Result<String> {
    if let Ok(id) = network_id(text) {
        return Ok(id);
    }
    let networks: Vec<api::Network> = node.get("/network")?;
    choose(text, networks.iter().map(|network| (&*network.id, &*network.name)), "joined", "zt networks")
}

/// The ID of a network that this node has joined, else of one that it hosts; an ID is taken as it is.
///
/// # Errors
/// No network has that name, or several have.
pub(super) fn known(node: &Node, text: &str) -> Result<String> {
    let mine = |error: anyhow::Error| hosted(node, text).map_err(|_| error);
    joined(node, text).or_else(mine)
}

/// The ID of a network that this node hosts; an ID is taken as it is.
///
/// # Errors
/// No network has that name, or several have.
pub(super) fn hosted(node: &Node, text: &str) -> Result<String> {
    if let Ok(id) = network_id(text) {
        return Ok(id);
    }
    let answer: Value = node.get("/unstable/controller/network")?;
    let networks = answer.get("data").and_then(Value::as_array).into_iter().flatten();
    let word = |network: &'_ Value, key| network.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let networks: Vec<(String, String)> =
        networks.map(|network| (word(network, "id"), word(network, "name"))).collect();
    choose(text, networks.iter().map(|(id, name)| (&**id, &**name)), "hosted", "zt network list")
}

/// The one of that name. Upper and lower case are told apart only where that is needed.
fn choose<'a>(
    text: &str,
    networks: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    kind: &str,
    list: &str,
) -> Result<String> {
    let exact: Vec<&str> = networks.clone().filter(|(_, name)| *name == text).map(|(id, _)| id).collect();
    let alike = || networks.filter(|(_, name)| name.to_lowercase() == text.to_lowercase()).map(|(id, _)| id).collect();
    let found = if exact.is_empty() { alike() } else { exact };
    match found[..] {
        [id] => Ok(id.to_owned()),
        [] => bail!(
            "no {kind} network is called {}; `{list}` shows names, and a network ID has 16 hexadecimal digits, such as \
             8056c2e21c000001",
            harmless(text)
        ),
        _ => bail!(
            "{} {kind} networks are called {}; name one by its ID: {}",
            found.len(),
            harmless(text),
            found.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_the_one_network_that_has_it() {
        let networks = [("8056c2e21c000001", "lab"), ("8056c2e21c000002", "Lab"), ("8056c2e21c000003", "home")];
        let networks = [networks.as_slice(), &[("8056c2e21c000004", "twin"), ("8056c2e21c000005", "twin")]].concat();
        let choose = |text: &str| choose(text, networks.iter().copied(), "joined", "zt networks");
        assert_eq!(choose("lab").expect("exact"), "8056c2e21c000001");
        assert_eq!(choose("Lab").expect("exact"), "8056c2e21c000002");
        assert_eq!(choose("HOME").expect("alike"), "8056c2e21c000003");
        let told = |text: &str| choose(text).expect_err("none").to_string();
        assert!(told("twin").contains("name one by its ID: 8056c2e21c000004, 8056c2e21c000005"), "{}", told("twin"));
        assert!(told("LAB").contains("2 joined networks are called LAB"), "{}", told("LAB"));
        assert!(told("8056c2e21c00000").contains("has 16 hexadecimal digits"), "{}", told("8056c2e21c00000"));
    }

    #[test]
    fn what_can_be_no_name_is_refused_as_it_is_typed() {
        assert_eq!(network("8056C2E21C000001").as_deref(), Ok("8056c2e21c000001"));
        assert_eq!(network("my net").as_deref(), Ok("my net"));
        for text in ["", " ", "a/b", "a\nb"] {
            assert!(network(text).is_err(), "{text:?}");
        }
    }
}
