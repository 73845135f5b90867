//! The demo without TAP devices: the same nodes in this process, on the TCP/IP stack of `zt service --userspace`.

use super::{Options, Screen, eventually};
use crate::console::system_clock;
use crate::userspace::{Port, Ports};
use crate::worldfile::Template;
use anyhow::{Context as _, Result, anyhow, ensure};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use zt_crypto::{Entropy as _, SecretIdentity};
use zt_netconf::controller::{Command, NetworkPatch, Pool, Route};
use zt_node::OsEntropy;
use zt_node::{Driver, Forgetful, Handle, NodeConfig};
use zt_wire::{Address, InetAddress, IpPrefix, NetworkId, Root, World, WorldKind};

/// A node in this process.
struct Node {
    name: &'static str,
    address: Address,
    handle: Handle,
    ports: Ports,
}

pub(super) fn run(options: Options, screen: &mut Screen<'_>) -> Result<()> {
    screen.step("A root, a controller, alice and bob in this process, UDP over loopback");
    let (sender, receiver) = std::sync::mpsc::channel();
    // The nodes live on a thread of their own; the demo asks them from here.
    let thread = std::thread::Builder::new().name("nodes".to_owned()).spawn(move || host_nodes(&sender))?;
    let (runtime, nodes) = receiver.recv().context("the nodes ended early")??;
    let result = play(options, screen, &runtime, &nodes);
    for node in &nodes {
        runtime.block_on(node.handle.stop());
    }
    drop(nodes);
    thread.join().map_err(|_| anyhow!("a node panicked"))?;
    result
}

type Started = Result<(tokio::runtime::Handle, Vec<Node>)>;

fn host_nodes(sender: &std::sync::mpsc::Sender<Started>) {
    let started = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = match started {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = sender.send(Err(error.into()));
            return;
        }
    };
    let local = tokio::task::LocalSet::new();
    let nodes = start_nodes(&runtime, &local);
    let _ = sender.send(nodes.map(|nodes| (runtime.handle().clone(), nodes)));
    runtime.block_on(local);
}

fn start_nodes(runtime: &tokio::runtime::Runtime, local: &tokio::task::LocalSet) -> Result<Vec<Node>> {
    let mut entropy = OsEntropy;
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let port = UdpSocket::bind((loopback, 0)).and_then(|socket| socket.local_addr()).context("a free port")?.port();
    let root = SecretIdentity::generate(&mut entropy);
    let endpoint = InetAddress::from(SocketAddr::new(loopback, port));
    let roots = vec![Root { identity: *root.identity(), endpoints: vec![endpoint] }];
    let template = Template::new(WorldKind::Planet, entropy.next_u64() >> 1, roots, &mut entropy);
    let planet = template.sign(u64::try_from(system_clock()).unwrap_or_default());
    let mut nodes = vec![start_node(runtime, local, "root", root, &planet, port, false)?];
    for (name, is_controller) in [("controller", true), ("alice", false), ("bob", false)] {
        let identity = SecretIdentity::generate(&mut entropy);
        nodes.push(start_node(runtime, local, name, identity, &planet, 0, is_controller)?);
    }
    Ok(nodes)
}

fn start_node(
    runtime: &tokio::runtime::Runtime,
    local: &tokio::task::LocalSet,
    name: &'static str,
    identity: SecretIdentity,
    planet: &World,
    port: u16,
    is_controller: bool,
) -> Result<Node> {
    let ports = Ports::new();
    let address = identity.identity().address;
    let mut config = NodeConfig::new(identity, Box::new(ports.clone()));
    config.host = Box::new(ports.clone());
    config.planets = vec![planet.clone()];
    config.ports = vec![port];
    config.bind = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    config.allow_loopback = true;
    if is_controller {
        config.controller = Some(Box::new(Forgetful));
    }
    let _guard = runtime.enter();
    let (driver, handle) = Driver::new(config).with_context(|| format!("cannot start {name}"))?;
    local.spawn_local(driver.run());
    Ok(Node { name, address, handle, ports })
}

fn play(options: Options, screen: &mut Screen<'_>, runtime: &tokio::runtime::Handle, nodes: &[Node]) -> Result<()> {
    for node in nodes {
        eventually(&format!("{} online", node.name), Duration::from_secs(10), || {
            let online = runtime.block_on(node.handle.engine(|engine, _| engine.is_online()))?;
            ensure!(online, "{} is not online", node.name);
            Ok(())
        })?;
        screen.note(&format!("{:<11} {} is online", node.name, node.address));
    }
    let [_, controller, alice, bob] = nodes else { return Err(anyhow!("four nodes")) };
    screen.step("A private network with addresses");
    let network = make_network(runtime, controller)?;
    screen.note(&format!("network {network}"));
    let mut places = Vec::new();
    for member in [alice, bob] {
        runtime.block_on(member.handle.join(network))??;
        let command = Command::authorize(network, member.address, true);
        runtime.block_on(controller.handle.controller(command))?;
        places.push(place_of(screen, runtime, member)?);
    }
    let [(from, _), (to, target)] = places.as_slice() else { return Err(anyhow!("two places")) };
    let target = *target;
    let ping = || runtime.block_on(from.ping(target.into(), Duration::from_secs(10)));
    screen.step(&format!("ping {target} from alice to bob, over the virtual LAN"));
    let first = ping().or_else(|error| {
        let mut seen = String::new();
        for node in [alice, bob] {
            let drops = runtime.block_on(node.handle.engine(|engine, _| engine.drops()))?;
            seen += &format!("\n{}: dropped {drops:?}", node.name);
        }
        Err(anyhow!(error).context(format!("no ping over the virtual LAN{seen}")))
    })?;
    screen.result("first reply", &format!("{:.1} ms round trip", first.as_secs_f64() * 1e3));
    let again = ping()?;
    screen.result("latency", &format!("{:.2} ms", again.as_secs_f64() * 1e3));
    screen.step(&format!("{} MB over TCP from alice to bob", options.bytes / 1_000_000));
    // On the thread of the nodes, as in a daemon: a program of one thread is what is shown.
    let work = transfer(from.clone(), to.clone(), target.into(), options.bytes);
    let elapsed = runtime.block_on(runtime.spawn(work))??;
    let rate = options.bytes as f64 * 8.0 / 1e6 / elapsed.as_secs_f64().max(1e-9);
    screen.result("throughput", &format!("{rate:.0} Mbit/s"));
    screen.result("path", &path_of(runtime, alice, bob)?);
    screen.step("Done. MEMORY");
    Ok(())
}

fn make_network(runtime: &tokio::runtime::Handle, controller: &Node) -> Result<NetworkId> {
    let patch = NetworkPatch {
        name: Some("demo".to_owned()),
        assign_v4: Some(true),
        routes: Some(vec![Route { target: IpPrefix::clamped([10, 147, 77, 0].into(), 24), via: None }]),
        pools: Some(vec![Pool { start: [10, 147, 77, 1].into(), end: [10, 147, 77, 254].into() }]),
        ..NetworkPatch::default()
    };
    let made = runtime.block_on(controller.handle.controller(Command::create_network(patch)))?;
    Ok(made.into_network().context("a network")?.id)
}

/// Waits until a member has its address.
fn place_of(screen: &mut Screen<'_>, runtime: &tokio::runtime::Handle, member: &Node) -> Result<(Port, Ipv4Addr)> {
    eventually(&format!("{} a member", member.name), Duration::from_secs(10), || {
        let networks = runtime.block_on(member.handle.control(|control| control.networks()))?;
        let network = networks.first().context("a network")?;
        let assigned = network.assigned.iter().find_map(|address| match address {
            InetAddress::V4(ip, bits) => Some((*ip, *bits)),
            _ => None,
        });
        let (address, bits) = assigned.with_context(|| format!("{} is {}", member.name, network.status))?;
        let port = member.ports.all().into_iter().find(|port| port.addresses().contains(&address.into()));
        let port = port.context("a port with its address")?;
        screen.note(&format!("{:<11} has {address}/{bits}", member.name));
        Ok((port, address))
    })
}

/// Sends bytes over TCP from one member to the other; the time until the last one arrived.
async fn transfer(from: Port, to: Port, target: IpAddr, bytes: u64) -> Result<Duration> {
    const PORT: u16 = 5001;
    /// Silence after which a transfer counts as stopped.
    const PATIENCE: Duration = Duration::from_secs(15);
    let listener = to.listen(PORT)?;
    let mut client = from.connect(SocketAddr::new(target, PORT)).await.context("no connection")?;
    let start = Instant::now();
    let sender = tokio::spawn(async move {
        let chunk = vec![0x5a_u8; 64 << 10];
        let mut left = bytes;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
            left -= client.write(&chunk[..most]).await? as u64;
        }
        Ok::<_, std::io::Error>(client)
    });
    let (mut server, _) = listener.accept().await?;
    let (mut received, mut room) = (0, vec![0; 256 << 10]);
    while received < bytes {
        let read = tokio::time::timeout(PATIENCE, server.read(&mut room)).await;
        let count = read.with_context(|| format!("the transfer stopped after {received} of {bytes} bytes"))??;
        ensure!(count > 0, "the connection ended after {received} of {bytes} bytes");
        received += count as u64;
    }
    sender.await??;
    Ok(start.elapsed())
}

fn path_of(runtime: &tokio::runtime::Handle, from: &Node, to: &Node) -> Result<String> {
    let peers = runtime.block_on(from.handle.engine(|engine, now| engine.peers(now)))?;
    let peer = peers.iter().find(|peer| peer.address == to.address).context("bob as a peer")?;
    let path = peer.paths.iter().find(|path| path.preferred);
    Ok(path.map_or("relayed by the root".to_owned(), |path| format!("direct, {}", path.address)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_without_devices_sends_all_its_bytes() {
        let mut out = Vec::new();
        let options = Options { bytes: 50_000_000, memory: true, color: false, inside: false };
        super::super::run(options, &mut out).expect("all steps");
        let text = String::from_utf8(out).expect("text");
        assert!(text.contains("50 MB over TCP") && text.ends_with("Done. MEMORY\n"), "{text}");
    }
}
