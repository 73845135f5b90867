//! What the node of a recorded command must have answered, read back out of the recorded output.

use serde_json::{Value, json};
use zt_cli::api;

use super::CLOCK;
use super::bonds;
use crate::service::{Service, mtu_error, read};
use crate::text;

/// The wall clock for a case: that of the moment when a world was signed, else any.
pub(super) fn clock(case: &Value) -> i64 {
    let out = case["stdout"].as_str().unwrap_or_default();
    let signed = out.split("timestamp ").nth(1).and_then(|rest| rest.split(')').next()?.parse().ok());
    signed.unwrap_or(CLOCK)
}

/// The node of a case.
pub(super) fn service(case: &Value, earlier: &[Value]) -> Result<Service, String> {
    let mut service = Service::default();
    let words: Vec<&str> = case["argv"].as_array().into_iter().flatten().skip(1).filter_map(Value::as_str).collect();
    let as_json = words.contains(&"-j");
    let words: Vec<&str> = words.into_iter().filter(|word| !word.starts_with('-')).collect();
    let out = text(case, "stdout");
    let json: Option<Value> = serde_json::from_str(out).ok();
    match words.first().copied().unwrap_or_default() {
        "info" | "status" | "/status" => {
            service.status = Some(json.unwrap_or_else(|| status(out)));
        }
        "bond" | "listbonds" => {
            service.peers = match json {
                Some(list) if list.is_array() => read(&list)?,
                Some(bonded) if bonded.get("address").is_some() => vec![read(&bonded)?],
                _ => bonds::peers(out)?,
            };
            service.rotates = case["exit_code"] == 0;
            service.bond_mtu = mtu_error(out);
        }
        "listpeers" | "peers" => match json.filter(Value::is_array) {
            Some(peers) => service.peers = read(&peers)?,
            None => service.peers = peers(out)?,
        },
        "listnetworks" => match json.filter(|_| as_json) {
            Some(networks) => service.networks = read(&networks)?,
            None => service.networks = networks(out)?,
        },
        "listmoons" => service.moons = read(&json.unwrap_or_default()).unwrap_or_default(),
        "join" | "set" => {
            let recorded = json.filter(|j| j.get("id").is_some());
            service.joined = Some(recorded.map_or_else(|| network("4ab928c5faf01900"), |j| read(&j))?);
        }
        "leave" => service.left = json.is_some_and(|j| j.get("result").is_some()),
        "orbit" => {}
        "get" => service.networks = networks_before(earlier)?,
        "dump" => dump(case, &mut service)?,
        _ => {}
    }
    Ok(service)
}

/// A status with the three words of `info`.
fn status(out: &str) -> Value {
    let mut status = crate::load("http-api.json")["cases"][0]["response"]["json"].clone();
    let words: Vec<&str> = out.split_whitespace().collect();
    if let [_, _, address, version, state] = words.as_slice() {
        status["address"] = json!(address);
        status["version"] = json!(version);
        status["online"] = json!(*state == "ONLINE");
        status["tcpFallbackActive"] = json!(*state == "TUNNELED");
    }
    status
}

fn peer(address: &str, version: &str, role: &str, latency: i32, path: Option<(&str, i64, i64)>) -> api::Peer {
    let mut parts = version.split('.').map(|n| n.parse().unwrap_or(-1));
    let (major, minor, rev) = (parts.next(), parts.next(), parts.next());
    let part = |n: Option<i32>| n.unwrap_or(-1);
    let moment = |age: i64| if age < 0 { 0 } else { CLOCK - age };
    let paths = path.map(|(remote, tx, rx)| api::Path {
        active: true,
        address: remote.to_owned(),
        last_receive: moment(rx),
        last_send: moment(tx),
        local_socket: 1,
        preferred: true,
        ..api::Path::default()
    });
    api::Peer {
        latency,
        paths: paths.into_iter().collect(),
        version: format!("{}.{}.{}", part(major), part(minor), part(rev)),
        version_major: part(major),
        version_minor: part(minor),
        version_rev: part(rev),
        ..bonds::unbonded(address, role)
    }
}

/// Peers out of the lines of `listpeers` or `peers`.
fn peers(out: &str) -> Result<Vec<api::Peer>, String> {
    let number = |text: &str| text.parse().map_err(|_| format!("{text} is no number"));
    let mut found = Vec::new();
    for line in out.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["200", "listpeers", address, path, latency, version, role] if address.len() == 10 => {
                let mut parts = path.split(';');
                let path = match (parts.next(), parts.next(), parts.next()) {
                    (Some(remote), Some(tx), Some(rx)) => {
                        Some((remote, i64::from(number(tx)?), i64::from(number(rx)?)))
                    }
                    _ => None,
                };
                found.push(peer(address, version, role, number(latency)?, path));
            }
            [address, version, role, latency, "RELAY"] if address.len() == 10 => {
                found.push(peer(address, version, role, number(latency)?, None));
            }
            [address, version, role, latency, "DIRECT", tx, rx, remote] => {
                let path = Some((*remote, i64::from(number(tx)?), i64::from(number(rx)?)));
                found.push(peer(address, version, role, number(latency)?, path));
            }
            ["NOTE:", ..] => found.iter_mut().for_each(|peer| peer.tunneled = true),
            _ => {}
        }
    }
    Ok(found)
}

/// A recorded network object.
fn network(id: &str) -> Result<api::Network, String> {
    let file = crate::load("http-api.json");
    let cases = file["cases"].as_array().expect("a list of cases");
    let objects = cases.iter().map(|case| &case["response"]["json"]);
    let mut objects = objects.flat_map(|json| json.as_array().cloned().unwrap_or_else(|| vec![json.clone()]));
    let found = objects.find(|object| object["nwid"] == id && object["portDeviceName"].is_string());
    read(&found.ok_or_else(|| format!("no recorded network {id}"))?)
}

/// Networks out of the lines of `listnetworks`; the name may hold blanks.
fn networks(out: &str) -> Result<Vec<api::Network>, String> {
    let mut found = Vec::new();
    for line in out.lines().filter_map(|line| line.strip_prefix("200 listnetworks ")) {
        let Some((id, rest)) = line.split_once(' ').filter(|(id, _)| id.len() == 16) else { continue };
        let words: Vec<&str> = rest.rsplitn(6, ' ').collect();
        let [addresses, device, kind, status, mac, name] = words.as_slice() else { continue };
        let mut network = network("4ab928c5faf01900")?;
        network.id = id.to_owned();
        network.nwid = id.to_owned();
        network.name = (*name).to_owned();
        network.mac = (*mac).to_owned();
        network.status = api::Word::read(status);
        network.kind = api::Word::read(kind);
        network.port_device_name = (*device).to_owned();
        network.assigned_addresses = addresses.split(',').filter(|a| *a != "-").map(str::to_owned).collect();
        found.push(network);
    }
    Ok(found)
}

/// The networks of the last `-j listnetworks` before a `get`, with the settings made since.
fn networks_before(earlier: &[Value]) -> Result<Vec<api::Network>, String> {
    let list = earlier.iter().rposition(|case| {
        let argv = &case["argv"];
        argv[2] == "-j" && argv[3] == "listnetworks"
    });
    let Some(list) = list else { return Ok(Vec::new()) };
    let listed: Value = serde_json::from_str(text(&earlier[list], "stdout")).unwrap_or_default();
    let mut networks: Vec<api::Network> = read(&listed)?;
    for case in &earlier[list..] {
        let set: Option<Value> = serde_json::from_str(case["stdout"].as_str().unwrap_or_default()).ok();
        let Some(set) = set.filter(|set| set.get("nwid").is_some()) else { continue };
        let changed: api::Network = read(&set)?;
        for network in networks.iter_mut().filter(|network| network.id == changed.id) {
            *network = changed.clone();
        }
    }
    Ok(networks)
}

/// The three bodies inside a recorded dump.
fn dump(case: &Value, service: &mut Service) -> Result<(), String> {
    let Some(content) = case["file_written"]["zerotier_dump.txt"].as_str() else { return Ok(()) };
    let section = |title: &str| -> Value {
        let head = format!("\n{title}\n{}\n", "-".repeat(title.len()));
        let body = content.split(&head).nth(1).and_then(|rest| rest.lines().next());
        body.and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default()
    };
    service.status = Some(section("status"));
    service.networks = read(&section("networks"))?;
    service.peers = read(&section("peers"))?;
    Ok(())
}
