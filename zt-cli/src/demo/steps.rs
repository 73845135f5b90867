//! The demo with real TAP devices.

use super::folder::{Children, Folder};
use super::lab::{Lab, Machine, address};
use super::{Options, Screen, eventually};
use crate::worldfile::Template;
use anyhow::{Context as _, Result, anyhow};
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use zt_crypto::{Entropy as _, SecretIdentity};
use zt_netconf::NetworkStatus;
use zt_node::OsEntropy;
use zt_tap::netns::PingOptions;
use zt_wire::{Emit as _, InetAddress, Root, WorldKind};

const NAMES: [&str; 4] = ["root", "controller", "alice", "bob"];
/// Pings of the latency figure.
const PINGS: usize = 50;

pub(super) fn run(options: Options, screen: &mut Screen<'_>) -> Result<()> {
    let children = Children::default();
    let folder = Folder::new(children.clone()).context("cannot make a temporary folder")?;
    screen.step("Four machines on a switch: root, controller, alice, bob");
    let mut lab = Lab::new(folder.path(), &NAMES, children)?;
    let result = play(options, screen, &mut lab);
    lab.shut_down();
    if let Err(error) = &result {
        screen.note(&format!("failed: {error:#}"));
    }
    result?;
    screen.step("Done; daemons, devices and files are removed");
    Ok(())
}

fn play(options: Options, screen: &mut Screen<'_>, lab: &mut Lab) -> Result<()> {
    screen.step("zt planet create: a root set of our own");
    make_planet(lab)?;
    screen.step("zt service, four times");
    for machine in &mut lab.machines {
        machine.start()?;
    }
    for machine in &mut lab.machines {
        let status = machine.wait_online()?;
        screen.note(&format!("{:<11} {} at {} is online", machine.name, text(&status["address"]), address_of(machine)));
    }
    let [_, controller, alice, bob] = lab.machines.as_mut_slice() else { return Err(anyhow!("four machines")) };
    screen.step("zt network create: a private network with addresses");
    let network = make_network(controller)?;
    screen.note(&format!("network {network}"));
    let addresses = join(screen, &network, controller, alice, bob)?;
    traffic(options, screen, alice, bob, &addresses)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn address_of(machine: &Machine) -> IpAddr {
    let number = NAMES.iter().position(|name| *name == machine.name).unwrap_or(0);
    address(u8::try_from(number + 1).unwrap_or(1))
}

/// Gives every machine an identity and all of them the same planet.
fn make_planet(lab: &Lab) -> Result<()> {
    let mut entropy = OsEntropy;
    let root = lab.machines.first().context("a root")?;
    let identity = SecretIdentity::generate(&mut entropy);
    write_secret(&root.home, &identity.to_text())?;
    let endpoint = SocketAddr::new(address(1), 9993);
    let id = entropy.next_u64() >> 1;
    let root = Root { identity: *identity.identity(), endpoints: vec![InetAddress::from(endpoint)] };
    let template = Template::new(WorldKind::Planet, id, vec![root], &mut entropy);
    let now = u64::try_from(crate::console::system_clock()).unwrap_or_default();
    let planet = template.sign(now).to_vec();
    for machine in &lab.machines {
        std::fs::write(machine.home.join("planet"), &planet).context("cannot write a planet file")?;
    }
    Ok(())
}

fn write_secret(home: &Path, text: &str) -> Result<()> {
    crate::daemon::home::replace_file(&home.join("identity.secret"), text.as_bytes(), 0o600)
        .context("cannot write an identity")
}

fn make_network(controller: &Machine) -> Result<String> {
    let status = controller.get("/status")?;
    let path = format!("/controller/network/{}______", text(&status["address"]));
    let network = controller.post(
        &path,
        &json!({
            "name": "demo",
            "private": true,
            "v4AssignMode": { "zt": true },
            "v6AssignMode": { "rfc4193": true, "6plane": true },
            "ipAssignmentPools": [{ "ipRangeStart": "10.147.77.1", "ipRangeEnd": "10.147.77.254" }],
            "routes": [{ "target": "10.147.77.0/24" }],
        }),
    )?;
    Ok(text(&network["id"]))
}

/// Joins both members, authorises them and returns their IPv4 addresses on the network.
fn join(
    screen: &mut Screen<'_>,
    network: &str,
    controller: &Machine,
    alice: &Machine,
    bob: &Machine,
) -> Result<[IpAddr; 2]> {
    screen.step("zt join on alice and bob, zt member auth on the controller");
    for member in [alice, bob] {
        let address = text(&member.get("/status")?["address"]);
        member.post(&format!("/network/{network}"), &json!({}))?;
        controller.post(&format!("/controller/network/{network}/member/{address}"), &json!({ "authorized": true }))?;
    }
    let mut addresses = Vec::new();
    for member in [alice, bob] {
        let state = eventually(&format!("{} a member", member.name), Duration::from_secs(10), || {
            let state = member.get(&format!("/network/{network}"))?;
            let assigned = state["assignedAddresses"].as_array().is_some_and(|list| !list.is_empty());
            let ready = state["status"] == NetworkStatus::Ok.name() && assigned && state["portDeviceName"] != "";
            if ready { Ok(state) } else { Err(anyhow!("{} is {}", member.name, state["status"])) }
        })?;
        let assigned: Vec<String> = state["assignedAddresses"].as_array().into_iter().flatten().map(text).collect();
        screen.note(&format!("{:<11} {} has {}", member.name, text(&state["portDeviceName"]), assigned.join(", ")));
        let v4 = assigned.iter().filter_map(|item| item.split('/').next()?.parse().ok()).find(IpAddr::is_ipv4);
        addresses.push(v4.context("an IPv4 address on the network")?);
    }
    <[IpAddr; 2]>::try_from(addresses).map_err(|_| anyhow!("two addresses"))
}

fn traffic(options: Options, screen: &mut Screen<'_>, alice: &Machine, bob: &Machine, to: &[IpAddr; 2]) -> Result<()> {
    screen.step(&format!("ping {} from alice to bob, over the virtual LAN", to[1]));
    let mut pinger = alice.namespace.pinger(to[1]).context("cannot ping")?;
    let first = pinger
        .ping_until(56, Duration::from_millis(200), Duration::from_secs(10))
        .context("no answer to ping over the virtual LAN")?;
    screen.result("first reply", &format!("{:.0} ms after the first request", first.as_secs_f64() * 1e3));
    let mut times = Vec::new();
    for _ in 0..PINGS {
        times.push(pinger.ping(PingOptions::default()).context("a ping was lost")?);
    }
    times.sort_unstable();
    let ms = |at: usize| times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    screen.result("latency", &format!("{:.2} ms median, {:.2} ms worst of {PINGS}", ms(PINGS / 2), ms(PINGS - 1)));
    screen.step(&format!("{} MB over TCP from alice to bob", options.bytes / 1_000_000));
    let patience = Duration::from_secs(15);
    let sink = bob.namespace.tcp_receive(SocketAddr::new(to[1], 0), patience).context("cannot listen on bob")?;
    let sent = alice.namespace.tcp_send(sink.address(), options.bytes, patience).context("the transfer failed")?;
    let received = sink.join().context("the transfer failed at bob")?;
    anyhow::ensure!(received.bytes == options.bytes, "bob got {} of {} bytes", received.bytes, options.bytes);
    screen.result("throughput", &format!("{:.0} Mbit/s", sent.megabits_per_second()));
    let peers = alice.get("/peer")?;
    let bob_address = text(&bob.get("/status")?["address"]);
    let peer = peers.as_array().into_iter().flatten().find(|peer| peer["address"] == bob_address.as_str());
    let path = peer.and_then(|peer| peer["paths"].as_array()?.iter().find(|path| path["preferred"] == true).cloned());
    let path = path.map_or("relayed by the root".to_owned(), |path| format!("direct, {}", text(&path["address"])));
    screen.result("path", &path);
    Ok(())
}
