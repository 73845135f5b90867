//! A network with C hosts and daemons in it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use zt_wire::{IpPrefix, NetworkId};

use crate::c_host::{CHost, CoreLibrary, Example};
use crate::rig::network_settings;
use crate::{Daemon, Host, Lab, Ping, Program};

/// A root, which is the controller of a private network, too; members are plugged in as needed.
#[derive(Debug)]
pub struct Scene {
    /// Where they are.
    pub lab: Lab,
    /// The root and controller.
    pub root: Daemon,
    /// The network.
    pub network: NetworkId,
    planet: Vec<u8>,
}

/// A machine with a node on it that is a member.
#[derive(Debug)]
pub struct Member<N> {
    /// The machine.
    pub host: Host,
    /// The node.
    pub node: N,
    /// Its addresses in the network.
    pub addresses: Vec<IpPrefix>,
}

/// Is told each step that passed, and how long it took.
pub type Step<'a> = &'a mut dyn FnMut(&str, Duration);

impl Scene {
    /// The root is machine 1. `None` where the machine has no namespaces.
    ///
    /// # Errors
    /// Something does not start.
    pub fn new(name: &str, root: &Program) -> Result<Option<Self>> {
        let Some(lab) = Lab::new(name)? else { return Ok(None) };
        let key = lab.identity(1);
        let planet = lab.planet(&[(key.identity(), &["10.0.1.1/9993"])])?;
        let (_, root) = start_daemon(&lab, &planet, "root", 1, root)?;
        let network = root.create_network(&network_settings())?;
        Ok(Some(Self { lab, root, network, planet }))
    }

    /// A daemon on machine `number` (2 to 8), let in and with all addresses set.
    ///
    /// # Errors
    /// Something does not start, or not in time.
    pub fn daemon(&self, name: &str, number: u8, program: &Program) -> Result<Member<Daemon>> {
        let (host, node) = start_daemon(&self.lab, &self.planet, name, number, program)?;
        self.root.authorise(self.network, node.address(), true)?;
        node.wait_online(WAIT)?;
        node.join(self.network)?;
        let addresses = node.wait_joined(self.network, WAIT)?;
        Ok(Member { host, node, addresses })
    }

    /// A C program on machine `number` (2 to 8), let in and with all addresses set.
    ///
    /// # Errors
    /// Something does not start, or not in time.
    pub fn c_host(
        &self,
        name: &str,
        number: u8,
        program: &Path,
        arguments: &[&str],
        step: Step<'_>,
    ) -> Result<Member<CHost>> {
        let key = self.lab.identity(number.into());
        self.root.authorise(self.network, key.identity().address, true)?;
        let host = self.lab.host(name, &[&underlay_address(number)])?;
        let home = self.lab.home(name)?.with_identity(&key)?.with_planet(&self.planet)?;
        let start = Instant::now();
        let network = self.network.to_string();
        let mut node = CHost::start(&host, program, &home, &[&["--join", &network], arguments].concat())?;
        node.await_online(WAIT)?;
        step(&format!("{name} is online"), start.elapsed());
        let addresses = node.await_joined(self.network, WAIT)?;
        step(&format!("{name} is a member"), start.elapsed());
        Ok(Member { host, node, addresses })
    }
}

/// Pings each address of either member from the other.
///
/// # Errors
/// One does not answer in time.
pub fn ping_both_ways<A, B>(a: &Member<A>, b: &Member<B>, step: Step<'_>) -> Result<()> {
    for (from, to, addresses) in [(&a.host, &b.host, &b.addresses), (&b.host, &a.host, &a.addresses)] {
        for target in addresses {
            let how = Ping { patience: WAIT, ..Ping::default() };
            let time = from.ping(target.address(), how)?;
            step(&format!("{} pings {} at {}", from.name(), to.name(), target.address()), time);
        }
    }
    Ok(())
}

/// A C host on the interface of 2015, beside a daemon.
///
/// # Errors
/// The first step that failed. `None` where the machine has no namespaces.
pub fn beside_a_daemon(example: Example, root: &Program, member: &Program, step: Step<'_>) -> Result<Option<()>> {
    let Some(scene) = Scene::new("c-daemon", root)? else { return Ok(None) };
    let daemon = scene.daemon("daemon", 2, member)?;
    let program = example.build(&CoreLibrary::ours()?)?;
    let c = scene.c_host("c", 3, &program, &[], step)?;
    ping_both_ways(&c, &daemon, step)?;
    c.node.stop()?;
    daemon.node.stop()?;
    scene.root.stop()?;
    Ok(Some(()))
}

/// The same host for the ZT interface on two libraries.
///
/// # Errors
/// The first step that failed. `None` where the machine has no namespaces.
pub fn on_two_cores(root: &Program, cores: [&CoreLibrary; 2], step: Step<'_>) -> Result<Option<()>> {
    let Some(scene) = Scene::new("c-cores", root)? else { return Ok(None) };
    let programs = [Example::ZtHost.build(cores[0])?, Example::ZtHost.build(cores[1])?];
    let names = cores.map(|core| format!("host on {} core", core.kind()));
    let a = scene.c_host(&names[0], 2, &programs[0], &[], step)?;
    let b = scene.c_host(&names[1], 3, &programs[1], &[], step)?;
    ping_both_ways(&a, &b, step)?;
    a.node.stop()?;
    b.node.stop()?;
    scene.root.stop()?;
    Ok(Some(()))
}

/// Stock nodes need up to half a minute for some things.
const WAIT: Duration = Duration::from_secs(90);

fn start_daemon(lab: &Lab, planet: &[u8], name: &str, number: u8, program: &Program) -> Result<(Host, Daemon)> {
    let host = lab.host(name, &[&underlay_address(number)])?;
    let home = lab.home(name)?.with_identity(&lab.identity(number.into()))?.with_planet(planet)?;
    let home = home.with_local_conf(&json!({ "settings": { "portMappingEnabled": false } }))?;
    let daemon = host.start(program, home)?;
    Ok((host, daemon))
}

/// Each machine in a block of its own, as strangers on the internet are: roots answer one stranger of a block in two
/// seconds (02 §6.2).
fn underlay_address(number: u8) -> String {
    format!("10.0.{number}.1/16")
}
