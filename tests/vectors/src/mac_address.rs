//! `mac-address.json`: MACs, IPv6 addresses and groups derived from network and node (01 §1).
//!
//! Of the ad-hoc cases the derived addresses are checked here; the configuration a member makes is checked by the
//! network layer.

use serde_json::Value;
use zt_wire::{Address, InetAddress, Mac, MulticastGroup, NetworkId};

use crate::{Case, Suite, equal, list, same, text, unhex};

/// This file and how to execute it.
pub(crate) const SUITE: Suite = Suite {
    file: "mac-address.json",
    expected: 52,
    cases,
    alter: |file| file["reserved"][0]["reserved"] = false.into(),
};

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(case: &Value, name: &str) -> Result<T, String> {
    text(case, name).parse().map_err(|e| format!("{name}: {e}"))
}

fn cases(file: &Value) -> Vec<Case> {
    let mut cases = list(file, "derive", derive);
    cases.extend(list(file, "inverse", inverse));
    cases.extend(list(file, "address_resolution_group", |case| {
        let ip: InetAddress = parsed(case, "ip")?;
        let group = MulticastGroup::for_ip(ip.ip().ok_or("no IP")?);
        same("MAC", &group.mac, &parsed(case, "mac")?)?;
        same("ADI", &Some(u64::from(group.adi)), &case["adi"].as_u64())
    }));
    cases.extend(list(file, "reserved", |case| {
        let address: Address = parsed(case, "address")?;
        same("reserved", &Some(address.is_reserved()), &case["reserved"].as_bool())
    }));
    cases.extend(list(file, "adhoc", ad_hoc));
    cases
}

fn derive(case: &Value) -> Result<(), String> {
    let (network, node): (NetworkId, Address) = (parsed(case, "network_id")?, parsed(case, "address")?);
    let mac = Mac::for_member(node, network);
    same("MAC", &mac.to_string(), &text(case, "mac").to_owned())?;
    let first = case["first_octet_for_network"].as_u64();
    same("first octet", &Some(u64::from(Mac::first_octet(network))), &first)?;
    same("inverse", &mac.embedded_address(network), &parsed(case, "address_from_mac")?)?;
    let (rfc4193, sixplane) = (network.rfc4193(node), network.sixplane(node));
    same("RFC 4193 text", &rfc4193.to_string(), &text(case, "rfc4193").to_owned())?;
    same("6PLANE text", &sixplane.to_string(), &text(case, "sixplane").to_owned())?;
    equal("RFC 4193", &rfc4193.octets(), &unhex(text(case, "rfc4193_hex")))?;
    equal("6PLANE", &sixplane.octets(), &unhex(text(case, "sixplane_hex")))?;
    equal("link-local", &mac.link_local().octets(), &unhex(text(case, "link_local_hex")))?;
    same("controller", &network.controller(), &parsed(case, "controller")?)
}

fn inverse(case: &Value) -> Result<(), String> {
    let (mac, network): (Mac, NetworkId) = (parsed(case, "mac")?, parsed(case, "network_id")?);
    let address: Address = parsed(case, "address")?;
    same("inverse", &mac.embedded_address(network), &address)?;
    let deliverable = case["direct_member"] == true && case["must_be_dropped"] != true;
    same("member", &mac.member(network), &deliverable.then_some(address))?;
    if let (Some(multicast), Some(broadcast)) = (case["multicast"].as_bool(), case["broadcast"].as_bool()) {
        same("multicast", &mac.is_multicast(), &multicast)?;
        same("broadcast", &mac.is_broadcast(), &broadcast)?;
    }
    Ok(())
}

fn ad_hoc(case: &Value) -> Result<(), String> {
    let (network, node): (NetworkId, Address) = (parsed(case, "network_id")?, parsed(case, "node_address")?);
    same("ad-hoc", &network.is_ad_hoc(), &true)?;
    same("MAC", &Mac::for_member(node, network), &parsed(case, "mac")?)?;
    match case["assigned_addresses"][0].as_str() {
        Some(first) => same("6PLANE", &format!("{}/40", network.sixplane(node)), &first.to_owned()),
        None => Ok(()),
    }
}
