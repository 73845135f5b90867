//! A member behind a router that maps ports, and one behind a NAT that draws them: only a mapping lets them meet.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use zt_tap::netns::Process;
use zt_wire::NetworkId;

use crate::fronts::program;
use crate::rig::network_settings;
use crate::{Daemon, Host, Lab, Masquerade, Nat, Ping, Program, wait_for};

/// How a member is told to do without mapped ports.
const OFF: &str = "portMappingEnabled";
const WAIT: Duration = Duration::from_secs(60);
/// Traffic is direct after a port is mapped within this time.
const DIRECT: Duration = Duration::from_secs(20);
/// Tables of the router that miniupnpd writes to, besides those of the NAT.
const CHAINS: &str = "table inet upnp {
    chain forward { type filter hook forward priority 10; jump miniupnpd; }
    chain miniupnpd { }
    chain prerouting { type nat hook prerouting priority dstnat; jump prerouting_miniupnpd; }
    chain prerouting_miniupnpd { }
    chain postrouting { type nat hook postrouting priority srcnat - 1; jump postrouting_miniupnpd; }
    chain postrouting_miniupnpd { }
}
add rule inet filter pass ct status dnat accept
";

/// Drops what is of PCP, which is version 2 of its port.
const EARLY: &str = "table inet early {
    chain in {
        type filter hook input priority -1
        udp dport 5351 @th,64,8 2 drop
    }
}
";

/// How a router lets itself be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// PCP and NAT-PMP, of which a client takes PCP.
    Pcp,
    /// What is of PCP is dropped.
    NatPmp,
    /// UPnP alone.
    Upnp,
}

impl By {
    /// As the status says.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcp => "pcp",
            Self::NatPmp => "nat-pmp",
            Self::Upnp => "upnp",
        }
    }
}

/// A root and controller at 44.1.1.1, member A behind a router at 44.1.1.11 that keeps ports, and member B behind one at
/// 44.1.1.12 that draws them. Addresses of the Internet: others are not worth telling.
#[derive(Debug)]
pub struct Scene {
    /// Where they are.
    pub lab: Lab,
    /// The root and controller.
    pub root: Daemon,
    /// The router of A, 192.168.1.1 inside.
    pub router: Nat,
    /// The machine of A, 192.168.1.2.
    pub a_host: Host,
    /// Member A.
    pub a: Daemon,
    /// Member B.
    pub b: Daemon,
    /// Address of B in the network.
    pub b_address: IpAddr,
    _nat_of_b: Nat,
    _b_host: Host,
}

impl Scene {
    /// Starts all; A asks for no port yet. `None` where the machine has no namespaces.
    ///
    /// # Errors
    /// Something does not start.
    pub fn new(name: &str) -> Result<Option<Self>> {
        let zt = Program::ours()?;
        let Some(lab) = Lab::new(name)? else { return Ok(None) };
        let root_host = lab.host("root", &["44.1.1.1/24"])?;
        let key = lab.identity(1);
        let planet = lab.planet(&[(key.identity(), &["44.1.1.1/9993"])])?;
        let home = lab.home("root")?.with_identity(&key)?.with_planet(&planet)?;
        let root = root_host.start(&zt, home)?;
        let network = root.create_network(&network_settings())?;
        let router = lab.nat("44.1.1.11/24", "192.168.1.1/24", Masquerade::PortPreserving)?;
        let nat_of_b = lab.nat("44.1.1.12/24", "192.168.2.1/24", Masquerade::RandomPorts)?;
        let [a_host, b_host] = [router.host("a", "192.168.1.2/24")?, nat_of_b.host("b", "192.168.2.2/24")?];
        let start = |host: &Host, seed: u64| -> Result<Daemon> {
            let home = lab.home(host.name())?.with_planet(&planet)?.with_identity(&lab.identity(seed))?;
            host.start(&zt, home.with_local_conf(&settings(false))?)
        };
        let (a, b) = (start(&a_host, 2)?, start(&b_host, 3)?);
        join(&root, network, &a)?;
        let b_address = join(&root, network, &b)?;
        Ok(Some(Self { lab, root, router, a_host, a, b, b_address, _nat_of_b: nat_of_b, _b_host: b_host }))
    }

    /// Says to A whether ports are to be mapped, while it runs.
    ///
    /// # Errors
    /// Of the file system.
    pub fn set_enabled(&self, enabled: bool) -> Result<()> {
        Ok(std::fs::write(self.a.home().join("local.conf"), settings(enabled).to_string())?)
    }

    /// What A says of its mapping, `null` if it has none.
    ///
    /// # Errors
    /// Of the interface.
    pub fn mapping(&self) -> Result<Value> {
        Ok(self.a.api().get("/status")?["ztPortMapping"].clone())
    }

    /// Waits for a mapping of A that is as it should be.
    ///
    /// # Errors
    /// Not in time.
    pub fn wait_mapping(&self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        self.a.wait(what, WAIT, || Ok(Some(self.mapping()?).filter(&is)))
    }

    /// A pings B.
    ///
    /// # Errors
    /// No answer in time.
    pub fn ping(&self) -> Result<Duration> {
        self.a_host
            .ping(self.b_address, Ping { interval: Duration::from_millis(50), patience: WAIT, ..Ping::default() })
    }

    /// Whether the members send to each other directly, after a ping.
    ///
    /// # Errors
    /// No answer.
    pub fn is_direct(&self) -> Result<bool> {
        self.ping()?;
        Ok(self.a.is_direct(self.b.address())? && self.b.is_direct(self.a.address())?)
    }

    /// Lines of the log of A with this text.
    #[must_use]
    pub fn said(&self, text: &str) -> usize {
        self.a.output().iter().filter(|line| line.contains(text)).count()
    }

    /// Runs miniupnpd on the router of A, and forgets what an earlier one mapped.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn miniupnpd(&self, miniupnpd: &Path, by: By) -> Result<Process> {
        let (folder, router) = (self.lab.folder(), self.router.namespace());
        router.nft(&format!("table inet upnp {{}}\ndelete table inet upnp\n{CHAINS}"))?;
        if by == By::NatPmp {
            router.nft(EARLY)?;
        }
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        let (pmp, upnp) = (yes(by != By::Upnp), yes(by == By::Upnp));
        let text = format!(
            "ext_ifname=wan\nlistening_ip=lan\nenable_natpmp={pmp}\nenable_upnp={upnp}\nsecure_mode=yes\n\
             min_lifetime=10\nmax_lifetime=20\nsystem_uptime=yes\nuuid=c0ffee00-0000-4000-8000-000000000001\n\
             upnp_table_name=upnp\nupnp_nat_table_name=upnp\nupnp_forward_chain=miniupnpd\n\
             upnp_nat_chain=prerouting_miniupnpd\nupnp_nat_postrouting_chain=postrouting_miniupnpd\n\
             allow 1024-65535 192.168.1.0/24 1024-65535\ndeny 0-65535 0.0.0.0/0 0-65535\n",
        );
        let config = folder.join("miniupnpd.conf");
        std::fs::write(&config, text)?;
        let mut command = Command::new(miniupnpd);
        command.arg("-d").arg("-f").arg(&config).arg("-P").arg(folder.join("miniupnpd.pid"));
        router.spawn(command).context("cannot start miniupnpd")
    }
}

fn settings(enabled: bool) -> Value {
    json!({ "settings": { OFF: enabled } })
}

/// Makes a node a member; its IPv4 address.
fn join(root: &Daemon, network: NetworkId, member: &Daemon) -> Result<IpAddr> {
    member.wait_online(WAIT)?;
    member.join(network)?;
    root.authorise(network, member.address(), true)?;
    let addresses = member.wait_joined(network, WAIT)?;
    addresses.iter().map(|cidr| cidr.address()).find(IpAddr::is_ipv4).context("an IPv4 address")
}

/// Shows by one protocol: no direct path without a mapping, one with it, that is renewed and given back. `step` is told
/// times. `None` where the machine has no namespaces or no miniupnpd.
///
/// # Errors
/// The first step that failed.
pub fn mapped(by: By, step: &mut dyn FnMut(&str, Duration)) -> Result<Option<()>> {
    let Some(miniupnpd) = program("miniupnpd")? else { return Ok(None) };
    let Some(scene) = Scene::new(&format!("map-{}", by.name()))? else { return Ok(None) };
    let mut daemon = scene.miniupnpd(&miniupnpd, by)?;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        ensure!(!scene.is_direct()?, "these NATs cannot be crossed without a mapping");
    }
    ensure!(scene.mapping()?.is_null() && !is_open(&scene.router, 9993)?, "nothing is mapped while it is switched off");
    let start = Instant::now();
    scene.set_enabled(true)?;
    let mapping = scene.wait_mapping("a mapping", |mapping| mapping["offered"] == true);
    let mapping = mapping.with_context(|| daemon.output().join("\n"))?;
    step("mapped", start.elapsed());
    let wanted = json!({
        "protocol": by.name(), "external": "44.1.1.11/9993", "internal": "192.168.1.2/9993", "offered": true
    });
    ensure!(mapping == wanted && is_open(&scene.router, 9993)?, "{mapping}");
    wait_for("direct", DIRECT, || Ok(scene.is_direct()?.then_some(())))?;
    step("direct", start.elapsed());
    match by {
        By::Pcp => {
            // The router grants 20 s.
            wait_for("two renewals", WAIT, || Ok((scene.said("mapped port is renewed") >= 2).then_some(())))?;
            ensure!(is_open(&scene.router, 9993)?, "the mapping is kept");
            step("renewed twice", start.elapsed());
        }
        By::NatPmp => {
            daemon.kill();
            daemon = scene.miniupnpd(&miniupnpd, by)?;
            ensure!(!is_open(&scene.router, 9993)?, "a router that starts anew has forgotten");
            let start = Instant::now();
            wait_for("mapped again", WAIT, || Ok(is_open(&scene.router, 9993)?.then_some(())))?;
            step("mapped again by a router that started anew", start.elapsed());
        }
        By::Upnp => {
            scene.set_enabled(false)?;
            wait_for("closed", WAIT, || {
                Ok((!is_open(&scene.router, 9993)? && scene.mapping()?.is_null()).then_some(()))
            })?;
            step("given back when it is switched off", start.elapsed());
            scene.set_enabled(true)?;
            scene.wait_mapping("a mapping", |mapping| mapping["offered"] == true)?;
        }
    }
    ensure!(is_open(&scene.router, 9993)?, "the mapping is there");
    let start = Instant::now();
    let Scene { a, router, .. } = scene;
    a.stop()?;
    ensure!(daemon.exited()?.is_none(), "miniupnpd ended:\n{}", daemon.output().join("\n"));
    ensure!(!is_open(&router, 9993)?, "the mapping is given back");
    step("given back at the end", start.elapsed());
    Ok(Some(()))
}

/// Whether a router with miniupnpd hands on what comes to this port.
fn is_open(router: &Nat, port: u16) -> Result<bool> {
    let mut list = Command::new(program("nft")?.context("nft is missing")?);
    list.args(["list", "chain", "inet", "upnp", "prerouting_miniupnpd"]);
    let mut process = router.namespace().spawn(list)?;
    ensure!(process.wait(WAIT)?.success(), "nft list: {}", process.output().join("\n"));
    Ok(process.output().iter().any(|line| line.contains(&format!("dport {port} ")) && line.contains("dnat")))
}
