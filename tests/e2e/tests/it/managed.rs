//! What of a network the operator lets in: the list of prefixes, public addresses, and what becomes of both.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use zt_test_e2e::rig::{Rig, first};
use zt_test_e2e::{Daemon, Host, Lab, Ping, Program, wait_for};
use zt_wire::NetworkId;

const WAIT: Duration = Duration::from_secs(60);

fn set(node: &Daemon, network: NetworkId, settings: Value) -> Result<Value> {
    node.api().post(&format!("/network/{network}"), &settings)
}

/// What the host has on the device of a network: addresses and targets of routes, without link-local ones.
fn on_host(host: &Host, node: &Daemon, network: NetworkId) -> Result<BTreeSet<String>> {
    let network = node.network(network)?;
    let device = network["portDeviceName"].as_str().context("a device")?;
    let mut netlink = host.namespace().netlink()?;
    let index = netlink.require_link(device)?.index;
    let addresses = netlink.addresses(Some(index))?.into_iter().map(|address| address.cidr.to_string());
    let routes = netlink.static_routes(index)?.into_iter().map(|route| route.target.to_string());
    Ok(addresses.chain(routes).filter(|text| !text.starts_with("fe80:")).collect())
}

/// A network with private and public addresses and routes, and a member that lets in more and less of it.
#[test]
fn a_list_a_switch_and_a_restart_decide_what_the_host_gets() -> Result<()> {
    let Some(rig) = Rig::new("managed")? else { return Ok(()) };
    let [of_a, of_b] = rig.join(WAIT)?;
    let ([a, b], [host, _]) = (rig.members, &rig.hosts);
    let (network, gateway) = (rig.network, first(&of_b)?.to_string());
    let routes = json!([
        { "target": "10.9.0.0/16", "via": null },
        { "target": "192.168.77.0/24", "via": gateway },
        { "target": "10.77.0.0/16", "via": gateway },
        { "target": "8.8.8.0/24", "via": gateway },
        { "target": "127.0.0.0/8", "via": null },
    ]);
    rig.root.change_network(network, &json!({ "routes": routes }))?;
    let [four, six]: [Vec<String>; 2] = [true, false]
        .map(|four| of_a.iter().filter(|cidr| cidr.address().is_ipv4() == four).map(ToString::to_string).collect());
    let expect = |node: &Daemon, what: &str, lists: &[&[String]], routes: &[&str]| {
        let wanted: BTreeSet<String> =
            lists.iter().copied().flatten().cloned().chain(routes.iter().map(|route| (*route).to_owned())).collect();
        let mut seen = BTreeSet::new();
        let result = wait_for(what, WAIT, || {
            seen = on_host(host, node, network)?;
            Ok((seen == wanted).then_some(()))
        });
        result.with_context(|| format!("there is {seen:?}, wanted {wanted:?}"))
    };
    let private = ["192.168.77.0/24", "10.77.0.0/16"];
    expect(&a, "private addresses and routes", &[&four, &six], &private)?;
    let withheld = |node: &Daemon| -> Result<Vec<(String, String)>> {
        let list = node.network(network)?["withheld"].as_array().cloned().unwrap_or_default();
        let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
        Ok(list.iter().map(|item| (text(item, "target"), text(item, "why"))).collect())
    };
    let never = ("127.0.0.0/8".to_owned(), "loopback, link-local and multicast addresses are never taken".to_owned());
    assert_eq!(withheld(&a)?, [("8.8.8.0/24".to_owned(), "allowGlobal is off".to_owned()), never.clone()]);

    set(&a, network, json!({ "allowGlobal": true }))?;
    expect(&a, "public routes too", &[&four, &six], &[&private[..], &["8.8.8.0/24"]].concat())?;
    assert_eq!(withheld(&a)?, [never]);

    // A list cuts everything else off, and says so.
    let answer = set(&a, network, json!({ "allowManagedList": ["10.0.0.0/8"] }))?;
    assert_eq!((&answer["allowManaged"], &answer["allowManagedList"]), (&json!(true), &json!(["10.0.0.0/8"])));
    expect(&a, "what is in the list", &[&four], &["10.77.0.0/16"])?;
    let told = withheld(&a)?;
    ensure!(told.len() == six.len() + 3, "{told:?}");
    ensure!(told.iter().all(|(_, why)| why == "it is not in the list of allowManaged"), "{told:?}");

    // Any other change keeps it, and so does a restart (the reference loses it on disk).
    set(&a, network, json!({ "allowDNS": true }))?;
    let a = a.restart()?;
    expect(&a, "the list after a restart", &[&four], &["10.77.0.0/16"])?;
    set(&a, network, json!({ "allowManaged": false }))?;
    expect(&a, "nothing", &[], &[])?;
    let a = a.restart()?;
    a.wait_status(network, "OK", WAIT)?;
    expect(&a, "nothing after a restart", &[], &[])?;
    set(&a, network, json!({ "allowManaged": true }))?;
    expect(&a, "the list, and no more", &[&four], &["10.77.0.0/16"])?;
    set(&a, network, json!({ "allowManagedList": [], "allowGlobal": false }))?;
    expect(&a, "all again", &[&four, &six], &private)?;

    // What somebody takes away comes back.
    let device = a.network(network)?["portDeviceName"].as_str().context("a device")?.to_owned();
    host.namespace().delete_address(&device, of_a.first().context("an address").copied()?)?;
    expect(&a, "the address that was taken away", &[&four, &six], &private)?;

    // Leaving forgets the settings.
    set(&a, network, json!({ "allowManagedList": ["10.0.0.0/8"] }))?;
    a.leave(network)?;
    a.join(network)?;
    expect(&a, "the usual after joining again", &[&four, &six], &private)?;
    [a, b].into_iter().try_for_each(Daemon::stop)
}

/// A host whose IPv6 is switched off uses what there is of IPv4, however often that is looked after.
#[test]
fn a_host_without_ipv6_is_a_member_all_the_same() -> Result<()> {
    let zt = Program::ours()?;
    let hosts = |lab: &Lab| {
        let hosts = [lab.host("a", &["10.0.0.2/24"])?, lab.host("b", &["10.0.0.3/24"])?];
        for scope in ["all", "default"] {
            hosts[0].namespace().sysctl(&format!("net/ipv6/conf/{scope}/disable_ipv6"), "1")?;
        }
        Ok(hosts)
    };
    let Some(rig) = Rig::with_hosts("no-ipv6", [&zt, &zt, &zt], hosts)? else { return Ok(()) };
    let [a, b] = rig.members;
    for member in [&a, &b] {
        member.wait_online(WAIT)?;
        member.join(rig.network)?;
        member.wait_status(rig.network, "ACCESS_DENIED", WAIT)?;
        rig.root.authorise(rig.network, member.address(), true)?;
    }
    let of_b = b.wait_joined(rig.network, WAIT)?;
    let target = of_b.iter().map(|cidr| cidr.address()).find(IpAddr::is_ipv4).context("an IPv4 address")?;
    a.wait_status(rig.network, "OK", WAIT)?;
    rig.hosts[0].ping(target, Ping { patience: WAIT, ..Ping::default() })?;
    for more in [true, false] {
        let answer = set(&a, rig.network, json!({ "allowGlobal": more }))?;
        ensure!((&answer["status"], &answer["portError"]) == (&json!("OK"), &json!(0)), "{answer}");
    }
    let told = a.network(rig.network)?["withheld"].as_array().cloned().unwrap_or_default();
    ensure!(!told.is_empty(), "nothing is told of IPv6");
    ensure!(told.iter().all(|item| item["why"] == "the host refuses it: not supported by the host"), "{told:?}");
    [a, b].into_iter().try_for_each(Daemon::stop)
}

/// Of every kind that a controller gives, also out of a pool, where nothing in the address says whose it is.
#[test]
fn a_member_is_asked_by_each_address_that_it_has() -> Result<()> {
    let Some(rig) = Rig::new("asked")? else { return Ok(()) };
    let settings = json!({
        "v6AssignMode": { "6plane": true, "rfc4193": true, "zt": true },
        "routes": [{ "target": "10.9.0.0/16", "via": null }, { "target": "fd77::/64", "via": null }],
        "ipAssignmentPools": [
            { "ipRangeStart": "10.9.0.1", "ipRangeEnd": "10.9.0.99" },
            { "ipRangeStart": "fd77::100", "ipRangeEnd": "fd77::1ff" },
        ],
    });
    rig.root.change_network(rig.network, &settings)?;
    let [_, of_b] = rig.join(WAIT)?;
    ensure!(of_b.iter().any(|cidr| cidr.to_string().starts_with("fd77::")) && of_b.len() == 4, "{of_b:?}");
    let Program::Ours(program) = Program::ours()? else { anyhow::bail!("our program") };
    let b = rig.members[1].address().to_string();
    for cidr in &of_b {
        let mut command = Command::new(&program);
        // A node answers once a second, and the question before may have been just now.
        command.arg("--home").arg(rig.members[0].home()).args(["ping", &cidr.address().to_string(), "--count", "3"]);
        let (status, output) = rig.hosts[0].run(command, WAIT)?;
        ensure!(status.success() && output.contains(&b), "{cidr}: {output}");
    }
    Ok(())
}
