//! An exit node: the default routes of a member lead through another one to the internet, and everything of the underlay
//! stays outside.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use socket2::{Domain, Protocol, Socket, Type};
use zt_tap::HostRoute;
use zt_test_e2e::nft::Counter;
use zt_test_e2e::rig::first;
use zt_test_e2e::{Daemon, Host, IpPrefix, Lab, Namespace, Program, Switch, tcp, wait_for};
use zt_wire::NetworkId;

const WAIT: Duration = Duration::from_secs(60);
/// Longer than it takes a device to go with its process.
const SOON: Duration = Duration::from_secs(5);
const BYTES: usize = 3_000_000;
const PORT: u16 = 8080;

/// A home with two routers, a root, an exit node and a host of the internet behind both routers and the exit node. All
/// three translate addresses, so the host sees which way somebody came.
///
/// ```text
///        home          the internet          beyond
///   a ─┬─ gate1 ─┬─ root                 ┌─ gate1
///      └─ gate2 ─┼─ gate1, gate2         ├─ gate2
///                └─ b ───────────────────┼─ b
///                                        └─ web
/// ```
struct Scene {
    lab: Lab,
    switches: [Switch; 2],
    root_host: Host,
    root: Daemon,
    a_host: Host,
    _b_host: Host,
    b: Daemon,
    gates: [Host; 2],
    _web: Host,
    planet: Vec<u8>,
}

/// Where the internet host sees somebody come from.
const BY_GATE: [[&str; 2]; 2] = [["203.0.113.2", "2001:db8:9::2"], ["203.0.113.3", "2001:db8:9::3"]];
const BY_EXIT: [&str; 2] = ["203.0.113.1", "2001:db8:9::1"];
const WEB: [&str; 2] = ["203.0.113.9", "2001:db8:9::9"];
/// A's physical addresses, and those of its routers.
const A: [&str; 2] = ["10.1.0.2", "2001:db8:1::2"];
const HOME: [[&str; 2]; 2] = [["10.1.0.1", "2001:db8:1::1"], ["10.1.0.253", "2001:db8:1::fd"]];
const DEFAULTS: [&str; 2] = ["0.0.0.0/0", "::/0"];

fn ip(text: &str) -> Result<IpAddr> {
    Ok(text.parse()?)
}

fn prefix(text: &str) -> Result<IpPrefix> {
    text.parse().map_err(|_| anyhow::anyhow!("{text}"))
}

/// Makes a host an exit node as the documentation says, word for word.
fn make_exit_node(host: &Host, outside: &str) -> Result<()> {
    host.namespace().forward()?;
    let page = include_str!("../../../../docs/exit-node.md");
    let begin = page.find("table inet exit_node").context("a table")?;
    let length = page[begin..].find("\nEND").context("its end")?;
    Ok(host.namespace().nft(&page[begin..begin + length].replace("eth0", outside))?)
}

/// Answers everybody with the address they come from, and bytes.
fn serve(web: &Host) -> Result<()> {
    for address in WEB {
        let listen = || TcpListener::bind((address, PORT));
        let listener = web.namespace().run(listen)??;
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                thread::spawn(move || -> std::io::Result<()> {
                    let from = stream.peer_addr()?.ip().to_string();
                    stream.write_all(format!("{from}\n").as_bytes())?;
                    stream.write_all(&vec![b'x'; BYTES])
                });
            }
        });
    }
    Ok(())
}

/// Loads what the internet host has; by which address it saw us. With a `source` the socket is bound to it.
fn load(namespace: &Namespace, web: &str, source: Option<&str>) -> Result<String> {
    let (web, source) = (SocketAddr::new(ip(web)?, PORT), source.map(ip).transpose()?);
    let stream = namespace.run(|| -> std::io::Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(web), Type::STREAM, Some(Protocol::TCP))?;
        if let Some(source) = source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        socket.connect_timeout(&web.into(), Duration::from_secs(2))?;
        Ok(socket.into())
    })??;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut text = Vec::new();
    (&stream).read_to_end(&mut text)?;
    let end = text.iter().position(|byte| *byte == b'\n').context("a line")?;
    ensure!(text.len() - end - 1 == BYTES, "{} bytes", text.len());
    Ok(String::from_utf8_lossy(&text[..end]).into_owned())
}

impl Scene {
    fn new(name: &str) -> Result<Option<Self>> {
        let Some(lab) = Lab::new(name)? else { return Ok(None) };
        let (home, beyond) = (lab.switch()?, lab.switch()?);
        let internet =
            |name: &str, last: &str| lab.host(name, &[&format!("10.0.0.{last}/24"), &format!("2001:db8::{last}/64")]);
        let root_host = internet("root", "1")?;
        let b_host = internet("b", "3")?;
        let gates = [internet("gate1", "51")?, internet("gate2", "52")?];
        for (number, gate) in gates.iter().enumerate() {
            let lens = |[four, six]: [&str; 2]| [format!("{four}/24"), format!("{six}/64")];
            let inside = lens(HOME[number]);
            gate.plug("home0", &home, &[&inside[0], &inside[1]])?;
            let outside = lens(BY_GATE[number]);
            gate.plug("beyond0", &beyond, &[&outside[0], &outside[1]])?;
            gate.namespace().forward()?;
            gate.namespace().nft(
                "table inet nat { chain post { type nat hook postrouting priority srcnat; \
                 oifname { eth0, beyond0 } masquerade\n}\n}",
            )?;
        }
        b_host.plug("beyond0", &beyond, &["203.0.113.1/24", "2001:db8:9::1/64"])?;
        make_exit_node(&b_host, "beyond0")?;
        let web = lab.host("web", &[])?;
        web.plug("beyond0", &beyond, &["203.0.113.9/24", "2001:db8:9::9/64"])?;
        serve(&web)?;
        let a_host = lab.host("a", &[])?;
        a_host.unplug("eth0")?;
        a_host.plug("eth0", &home, &["10.1.0.2/24", "2001:db8:1::2/64"])?;
        // As strict as some distributions come: a packet is taken only from where its answer would leave.
        for device in ["all", "default", "eth0"] {
            a_host.namespace().sysctl(&format!("net/ipv4/conf/{device}/rp_filter"), "1")?;
        }
        let key = lab.identity(1);
        let planet = lab.planet(&[(key.identity(), &["10.0.0.1/9993", "2001:db8::1/9993"])])?;
        let zt = Program::ours()?;
        let root = root_host.start(&zt, lab.home("root")?.with_identity(&key)?.with_planet(&planet)?)?;
        let b = b_host.start(&zt, lab.home("b")?.with_identity(&lab.identity(3))?.with_planet(&planet)?)?;
        let (switches, _b_host, _web) = ([home, beyond], b_host, web);
        Ok(Some(Self { lab, switches, root_host, root, a_host, _b_host, b, gates, _web, planet }))
    }

    /// A's way out is this router; any other is taken away.
    fn route_by(&self, gate: usize) -> Result<()> {
        for (everything, (new, old)) in DEFAULTS.into_iter().zip(HOME[gate].into_iter().zip(HOME[1 - gate])) {
            let route = |via: &str| Ok::<_, anyhow::Error>(HostRoute::new(prefix(everything)?, Some(ip(via)?)));
            let _ = self.a_host.namespace().delete_route("eth0", &route(old)?);
            self.a_host.namespace().add_route("eth0", &route(new)?)?;
        }
        Ok(())
    }

    fn start_a(&self) -> Result<Daemon> {
        let home = self.lab.home("a")?.with_identity(&self.lab.identity(2))?.with_planet(&self.planet)?;
        self.a_host.start(&Program::ours()?, home)
    }

    /// A network of these members with default routes through B; its number, and B's addresses.
    fn network(&self, a: &Daemon, ten: u8) -> Result<(NetworkId, [IpAddr; 2])> {
        let network = self.root.create_network(&json!({
            "private": true, "v4AssignMode": { "zt": true }, "v6AssignMode": { "rfc4193": true },
            "routes": [{ "target": format!("10.{ten}.0.0/16"), "via": null }],
            "ipAssignmentPools": [{ "ipRangeStart": format!("10.{ten}.0.1"), "ipRangeEnd": format!("10.{ten}.0.99") }],
        }))?;
        let mut addresses = Vec::new();
        for member in [a, &self.b] {
            member.wait_online(WAIT)?;
            member.join(network)?;
            member.wait_status(network, "ACCESS_DENIED", WAIT)?;
            self.root.authorise(network, member.address(), true)?;
            addresses = member.wait_joined(network, WAIT)?;
        }
        addresses.sort_by_key(|cidr| cidr.address().is_ipv6());
        let gateways = [first(&addresses)?, addresses.last().context("an IPv6 address")?.address()];
        let route = |(target, via): (&str, &IpAddr)| json!({ "target": target, "via": via.to_string() });
        let mut routes = vec![json!({ "target": format!("10.{ten}.0.0/16"), "via": null })];
        routes.extend(DEFAULTS.into_iter().zip(&gateways).map(route));
        self.root.change_network(network, &json!({ "routes": routes }))?;
        Ok((network, gateways))
    }

    /// Waits until the internet sees A come from there, by both families; whole downloads.
    fn seen(&self, from: [&str; 2], source: [Option<&str>; 2]) -> Result<()> {
        for number in [0, 1] {
            let mut last = String::new();
            let seen = wait_for(&format!("A seen as {}", from[number]), WAIT, || {
                let seen = load(self.a_host.namespace(), WEB[number], source[number])?;
                last.clone_from(&seen);
                Ok((seen == from[number]).then_some(()))
            });
            seen.with_context(|| format!("last seen as {last:?}; {}", self.tables().unwrap_or_default()))?;
        }
        Ok(())
    }

    /// What the host has of rules and routes, for people.
    fn tables(&self) -> Result<String> {
        let mut out = String::new();
        for arguments in ["rule", "-6 rule", "route show table all", "-6 route show table all"] {
            let mut command = Command::new("ip");
            command.args(arguments.split(' '));
            out += &self.a_host.run(command, SOON)?.1;
            out.push('\n');
        }
        Ok(out)
    }

    /// Whether A's host has routing rules of ours.
    fn has_rules(&self) -> Result<bool> {
        let mut netlink = self.a_host.namespace().netlink()?;
        Ok(!netlink.rules(false)?.is_empty() || !netlink.rules(true)?.is_empty())
    }

    /// Nothing is left of what a daemon did to the host.
    fn is_bare(&self, gate: usize) -> Result<()> {
        self.seen(BY_GATE[gate], [None, None])?;
        ensure!(!self.has_rules()?, "{}", self.tables()?);
        let links = self.a_host.namespace().netlink()?.links()?;
        ensure!(links.iter().all(|link| !link.name.starts_with("zt")), "{links:?}");
        Ok(())
    }
}

const NO_SOURCE: [Option<&str>; 2] = [None, None];
const PHYSICAL: [Option<&str>; 2] = [Some(A[0]), Some(A[1])];

/// Counts datagrams to hosts of the underlay that leave by ports of ours (`inside`) and by the cable (`outside`).
fn watch(host: &Host) -> Result<()> {
    let underlay = "ip daddr { 10.0.0.0/24, 10.1.0.0/24 } meta l4proto udp";
    let underlay6 = "ip6 daddr { 2001:db8::/64, 2001:db8:1::/64 } meta l4proto udp";
    Ok(host.namespace().nft(&format!(
        "table inet watch {{\n chain inside {{ type filter hook output priority 0;\n\
         oifname \"zt*\" {underlay} counter\n oifname \"zt*\" {underlay6} counter\n}}\n\
         chain outside {{ type filter hook output priority 0;\n\
         oifname \"eth0\" {underlay} counter\n oifname \"eth0\" {underlay6} counter\n}}\n}}\n"
    ))?)
}

/// Packets counted so far by the two rules of a chain: IPv4 and IPv6.
fn counted(host: &Host, chain: &str) -> Result<[u64; 2]> {
    let counters = Counter::all(host, &["chain", "inet", "watch", chain])?;
    let packets: Vec<u64> = counters.iter().map(|counter| counter.packets).collect();
    packets.try_into().map_err(|other| anyhow::anyhow!("{other:?}"))
}

fn allow_default(node: &Daemon, network: NetworkId, yes: bool) -> Result<Value> {
    node.api().post(&format!("/network/{network}"), &json!({ "allowDefault": yes }))
}

/// Waits until something of the root arrived that it sent after now, twice over.
fn hears_root(node: &Daemon, root: &Daemon) -> Result<()> {
    for _ in 0..2 {
        let since = node.api().get("/status")?["clock"].as_i64().context("a clock")?;
        node.wait("a sign of the root", WAIT, || {
            let peer = node.peer(root.address())?.context("the root")?;
            let paths = peer["paths"].as_array().context("paths")?;
            Ok(paths.iter().any(|path| path["lastReceive"].as_i64() > Some(since)).then_some(()))
        })?;
        ensure!(node.api().get("/status")?["online"] == true, "offline");
    }
    Ok(())
}

#[test]
fn the_way_out_leads_through_a_member_and_comes_back_whatever_happens() -> Result<()> {
    let Some(scene) = Scene::new("exit")? else { return Ok(()) };
    let (a_host, root) = (&scene.a_host, &scene.root);
    scene.route_by(0)?;
    watch(a_host)?;
    let mut a = scene.start_a()?;
    let (network, _) = scene.network(&a, 9)?;

    // Nothing happens unasked, and it is told what does not.
    let told = a.wait("word of the default routes", WAIT, || {
        let withheld = a.network(network)?["withheld"].as_array().cloned().unwrap_or_default();
        Ok((withheld.len() == 2).then_some(withheld))
    })?;
    for (item, target) in told.iter().zip(DEFAULTS) {
        ensure!(item["target"] == target && item["setting"] == "allowDefault", "{told:?}");
    }
    scene.seen(BY_GATE[0], NO_SOURCE)?;

    // Through B, by both families; who uses the physical address goes, and answers, by the physical way.
    allow_default(&a, network, true)?;
    scene.seen(BY_EXIT, NO_SOURCE)?;
    scene.seen(BY_GATE[0], PHYSICAL)?;
    a.wait_direct(scene.b.address(), WAIT)?;
    // Who comes from beyond the LAN to a physical address (an operator by ssh) is taken in and answered.
    for (number, home) in ["10.1.0.0/24", "2001:db8:1::/64"].into_iter().enumerate() {
        let by_gate = HostRoute::new(prefix(home)?, Some(ip(["10.0.0.51", "2001:db8::51"][number])?));
        scene.root_host.namespace().add_route("eth0", &by_gate)?;
        tcp(&scene.root_host, a_host, ip(A[number])?, 100_000)?;
    }
    let before = counted(a_host, "outside")?;
    hears_root(&a, root)?;
    scene.seen(BY_EXIT, NO_SOURCE)?;
    let after = counted(a_host, "outside")?;
    ensure!(after[0] > before[0], "nothing of ours by the cable: {before:?} {after:?}");
    ensure!(after[1] > 0, "nothing of ours by IPv6: {after:?}");
    ensure!(counted(a_host, "inside")? == [0, 0], "own packets in the tunnel");

    // Another router, as after a DHCP lease; the old one is dead.
    scene.route_by(1)?;
    scene.gates[0].namespace().set_up("home0", false)?;
    scene.seen(BY_EXIT, NO_SOURCE)?;
    scene.seen(BY_GATE[1], PHYSICAL)?;
    hears_root(&a, root)?;

    // Off and on again.
    allow_default(&a, network, false)?;
    scene.seen(BY_GATE[1], NO_SOURCE)?;
    ensure!(!scene.has_rules()?, "{}", scene.tables()?);
    allow_default(&a, network, true)?;
    scene.seen(BY_EXIT, NO_SOURCE)?;

    // SIGKILL: the host works on; what is left does nothing. The next start goes on where it was.
    let home = a.home().to_owned();
    a.kill();
    scene.seen(BY_GATE[1], NO_SOURCE)?;
    ensure!(scene.has_rules()?, "the rest that is looked for below");
    a = a_host.start(&Program::ours()?, scene.lab.home_at(home.clone()))?;
    scene.seen(BY_EXIT, NO_SOURCE)?;
    hears_root(&a, root)?;
    // Killed again, and the settings are taken back while it is dead: the rest goes at the next start.
    a.kill();
    std::fs::remove_file(home.join(format!("networks.d/{network}.local.conf")))?;
    a = a_host.start(&Program::ours()?, scene.lab.home_at(home.clone()))?;
    a.wait_online(WAIT)?;
    scene.seen(BY_GATE[1], NO_SOURCE)?;
    ensure!(!scene.has_rules()?, "{}", scene.tables()?);
    allow_default(&a, network, true)?;
    scene.seen(BY_EXIT, NO_SOURCE)?;

    // SIGTERM, and leaving.
    a = a.restart()?;
    scene.seen(BY_EXIT, NO_SOURCE)?;
    a.leave(network)?;
    wait_for("a bare host", WAIT, || Ok(scene.is_bare(1).is_ok().then_some(())))?;
    ensure!(counted(a_host, "inside")? == [0, 0], "own packets in the tunnel");
    a.stop()?;
    scene.is_bare(1)
}

/// Cables come, die, go and are plugged in again while the default route leads through the tunnel.
#[test]
fn uplinks_come_and_go_under_the_default_route() -> Result<()> {
    let Some(scene) = Scene::new("uplinks")? else { return Ok(()) };
    scene.route_by(0)?;
    watch(&scene.a_host)?;
    let a = scene.start_a()?;
    let (network, _) = scene.network(&a, 9)?;
    allow_default(&a, network, true)?;
    scene.seen(BY_EXIT, NO_SOURCE)?;

    // A second one, on the link of the root and of the exit node; then the first one is dead beyond its router.
    let inside = scene.gates[0].namespace();
    scene.a_host.plug("eth1", scene.lab.internet(), &["10.0.0.2/24", "2001:db8::2/64"])?;
    a.wait("the second cable", WAIT, || {
        let bound = a.api().get("/status")?["config"]["settings"]["listeningOn"].to_string();
        Ok((bound.contains("10.0.0.2/") && bound.contains("2001:db8::2/")).then_some(()))
    })?;
    inside.set_up("home0", false)?;
    hears_root(&a, &scene.root)?;
    scene.seen(BY_EXIT, NO_SOURCE)?;

    // The first one lives again, and the second one is pulled.
    inside.set_up("home0", true)?;
    scene.gates[0].add_address("home0", "2001:db8:1::1/64")?;
    scene.a_host.unplug("eth1")?;
    hears_root(&a, &scene.root)?;
    scene.seen(BY_EXIT, NO_SOURCE)?;

    // Down and up, which loses routes and IPv6 addresses until DHCP and the router give them again.
    scene.a_host.namespace().set_up("eth0", false)?;
    scene.a_host.namespace().set_up("eth0", true)?;
    scene.a_host.add_address("eth0", "2001:db8:1::2/64")?;
    scene.route_by(0)?;
    hears_root(&a, &scene.root)?;
    scene.seen(BY_EXIT, NO_SOURCE)?;
    scene.seen(BY_GATE[0], PHYSICAL)?;
    ensure!(counted(&scene.a_host, "inside")? == [0, 0], "own packets in the tunnel");
    a.stop()?;
    scene.is_bare(0)
}

/// Of two networks with default routes the one with the lower number has them, and the other takes over when it goes.
#[test]
fn one_network_has_the_default_routes_and_the_next_takes_over() -> Result<()> {
    let Some(scene) = Scene::new("exits")? else { return Ok(()) };
    scene.route_by(0)?;
    let a = scene.start_a()?;
    let mut networks = [scene.network(&a, 9)?, scene.network(&a, 8)?];
    networks.sort_by_key(|(network, _)| *network);
    let [(low, _), (high, _)] = networks;
    let device = |network| -> Result<String> {
        Ok(a.network(network)?["portDeviceName"].as_str().context("a device")?.to_owned())
    };
    let devices = [device(low)?, device(high)?];
    let holds = |device: &str| -> Result<bool> {
        let mut netlink = scene.a_host.namespace().netlink()?;
        let index = netlink.require_link(device)?.index;
        let routes = netlink.static_routes(index)?;
        Ok(routes.iter().filter(|route| route.target.bits() == 1).count() == 4)
    };
    let wait_holder = |name: &str| a.wait(name, WAIT, || Ok(holds(name)?.then_some(())));
    // The order of asking does not matter.
    allow_default(&a, high, true)?;
    wait_holder(&devices[1])?;
    allow_default(&a, low, true)?;
    wait_holder(&devices[0])?;
    ensure!(!holds(&devices[1])?, "both");
    let told = a.network(high)?["withheld"].to_string();
    ensure!(told.matches(&format!("network {low} has it")).count() == 2, "{told}");
    scene.seen(BY_EXIT, NO_SOURCE)?;
    a.leave(low)?;
    wait_holder(&devices[1])?;
    scene.seen(BY_EXIT, NO_SOURCE)?;
    ensure!(a.network(high)?.get("withheld").is_none(), "{}", a.network(high)?);
    a.stop()?;
    scene.is_bare(0)
}

/// The host gets its own default route after the daemon has started (DHCP takes its time), and its rules are thrown away
/// by a program that thinks that they are all its own.
#[test]
fn a_way_out_that_comes_late_and_rules_that_somebody_flushes() -> Result<()> {
    let Some(scene) = Scene::new("late")? else { return Ok(()) };
    let a = scene.start_a()?;
    scene.route_by(0)?;
    let (network, _) = scene.network(&a, 9)?;
    allow_default(&a, network, true)?;
    scene.seen(BY_EXIT, NO_SOURCE)?;
    let mut netlink = scene.a_host.namespace().netlink()?;
    for ipv6 in [false, true] {
        for rule in netlink.rules(ipv6)?.into_iter().rev() {
            netlink.delete_rule(ipv6, &rule)?;
        }
    }
    wait_for("the rules", WAIT, || Ok(scene.has_rules()?.then_some(())))?;
    scene.seen(BY_EXIT, NO_SOURCE)?;
    a.stop()?;
    scene.is_bare(0)
}

/// A route whose target is the subnet of the host's own cable: the cable comes first, peers in it stay reachable, and the
/// operator is told.
#[test]
fn a_route_to_the_hosts_own_subnet_cuts_nothing_off() -> Result<()> {
    let Some(scene) = Scene::new("own-subnet")? else { return Ok(()) };
    scene.route_by(0)?;
    let a = scene.start_a()?;
    let (network, [by_b, by_b6]) = scene.network(&a, 9)?;
    let neighbour = scene.lab.host("neighbour", &[])?;
    neighbour.unplug("eth0")?;
    neighbour.plug("eth0", &scene.switches[0], &["10.1.0.7/24", "2001:db8:1::7/64"])?;
    neighbour.default_route("eth0", ip(HOME[0][0])?)?;
    let home = scene.lab.home("neighbour")?.with_identity(&scene.lab.identity(4))?.with_planet(&scene.planet)?;
    let near = neighbour.start(&Program::ours()?, home)?;
    near.wait_online(WAIT)?;
    near.join(network)?;
    near.wait_status(network, "ACCESS_DENIED", WAIT)?;
    scene.root.authorise(network, near.address(), true)?;
    let near_at = first(&near.wait_joined(network, WAIT)?)?;
    let routes = json!([
        { "target": "10.9.0.0/16", "via": null },
        { "target": "10.1.0.0/24", "via": by_b.to_string() },
        { "target": "2001:db8:1::/64", "via": by_b6.to_string() },
    ]);
    scene.root.change_network(network, &json!({ "routes": routes }))?;
    a.api().post(&format!("/network/{network}"), &json!({ "allowGlobal": true }))?;
    let told = a.wait("word of both routes", WAIT, || {
        let told = a.network(network)?["withheld"].as_array().cloned().unwrap_or_default();
        Ok((told.len() == 2).then_some(told))
    })?;
    ensure!(told.iter().all(|item| item["why"] == "this host is in that subnet itself, which comes first"), "{told:?}");
    scene.a_host.ping(near_at, zt_test_e2e::Ping { patience: WAIT, ..Default::default() })?;
    a.wait_direct(near.address(), WAIT)?;
    let paths = a.peer(near.address())?.context("the neighbour")?["paths"].to_string();
    ensure!(paths.contains("10.1.0.7/") || paths.contains("2001:db8:1::7/"), "{paths}");
    for address in ["10.1.0.7", "2001:db8:1::7"] {
        scene.a_host.ping(ip(address)?, zt_test_e2e::Ping::default())?;
    }
    // A part of the subnet is followed, as a longer prefix is; the node's own packets stay on the cable.
    watch(&scene.a_host)?;
    let routes = json!([
        { "target": "10.9.0.0/16", "via": null },
        { "target": "10.1.0.0/25", "via": by_b.to_string() },
    ]);
    scene.root.change_network(network, &json!({ "routes": routes }))?;
    let device = a.network(network)?["portDeviceName"].as_str().context("a device")?.to_owned();
    let mut netlink = scene.a_host.namespace().netlink()?;
    let index = netlink.require_link(&device)?.index;
    a.wait("the part of the subnet", WAIT, || {
        let routes = netlink.static_routes(index)?;
        Ok(routes.iter().any(|route| route.target.to_string() == "10.1.0.0/25").then_some(()))
    })?;
    hears_root(&a, &scene.root)?;
    scene.a_host.ping(near_at, zt_test_e2e::Ping { patience: WAIT, ..Default::default() })?;
    ensure!(counted(&scene.a_host, "inside")? == [0, 0], "own packets in the tunnel");
    a.stop()
}
