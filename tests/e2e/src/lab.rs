//! Machines and the cables between them.

use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use zt_crypto::SecretIdentity;
use zt_tap::HostRoute;
use zt_tap::linux::netlink::LinkChange;
use zt_tap::netns::{Masquerade, Namespace, NatBox};
use zt_wire::{Identity, IpPrefix};

use crate::Home;
use crate::home::{self, Folder};

/// A laboratory: one switch (the "internet"), to which hosts and NATs are plugged. Everything is gone when the values
/// made by it are dropped.
#[derive(Debug)]
pub struct Lab {
    folder: Arc<Folder>,
    internet: Switch,
}

/// An Ethernet switch.
#[derive(Debug, Clone)]
pub struct Switch {
    namespace: Arc<Namespace>,
    ports: Arc<AtomicU32>,
}

/// A machine.
#[derive(Debug)]
pub struct Host {
    name: String,
    namespace: Arc<Namespace>,
}

/// A NAT between the internet and a switch of its own.
#[derive(Debug)]
pub struct Nat {
    nat: NatBox,
    inside: Switch,
    gateway: IpAddr,
}

/// Packets that a switch does not pass on: from one block of addresses to another, in this direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Where they come from.
    pub from: IpPrefix,
    /// Where they go.
    pub to: IpPrefix,
}

impl Lab {
    /// A laboratory for the test of this name, or `None` where the machine offers no namespaces or TAP devices; the
    /// reason is printed.
    ///
    /// # Errors
    /// The same under `CI=true`, and anything else that fails.
    pub fn new(name: &str) -> Result<Option<Self>> {
        match missing()? {
            None => {}
            Some(what) if std::env::var_os("CI").is_some_and(|ci| ci == "true") => {
                bail!("CI must offer namespaces and TAP devices: {what}")
            }
            Some(what) => {
                use io::Write as _;
                let _ = writeln!(io::stderr(), "skipped {name}: no namespaces or TAP devices here: {what}");
                return Ok(None);
            }
        }
        Ok(Some(Self { folder: Folder::new(name)?, internet: Switch::new()? }))
    }

    /// The switch that [`Lab::host`] and [`Lab::nat`] plug into.
    #[must_use]
    pub fn internet(&self) -> &Switch {
        &self.internet
    }

    /// Another switch, for a second interface of hosts.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn switch(&self) -> Result<Switch> {
        Switch::new()
    }

    /// A host on the internet with `eth0` and these addresses (`IP/BITS`).
    ///
    /// # Errors
    /// Of the kernel, or an address is not readable.
    pub fn host(&self, name: &str, addresses: &[&str]) -> Result<Host> {
        let host = self.bare_host(name)?;
        host.plug("eth0", &self.internet, addresses)?;
        Ok(host)
    }

    /// A host without a device.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn bare_host(&self, name: &str) -> Result<Host> {
        Ok(Host { name: name.to_owned(), namespace: Arc::new(Namespace::new()?) })
    }

    /// A NAT for IPv4: `outside` on the internet, `inside` on a switch of its own.
    ///
    /// # Errors
    /// Of the kernel, or `nft` is missing.
    pub fn nat(&self, outside: &str, inside: &str, kind: Masquerade) -> Result<Nat> {
        let namespace = Namespace::new()?;
        let inner = Switch::new()?;
        inner.plug(&namespace, "lan")?;
        self.internet.plug(&namespace, "wan")?;
        namespace.add_address("wan", cidr(outside)?)?;
        let gateway = cidr(inside)?;
        namespace.add_address("lan", gateway)?;
        let nat = NatBox::new(namespace, "lan", "wan", kind)?;
        Ok(Nat { nat, inside: inner, gateway: gateway.address() })
    }

    /// An empty home folder.
    ///
    /// # Errors
    /// Of the file system.
    pub fn home(&self, name: &str) -> Result<Home> {
        Home::new(&self.folder, name)
    }

    /// A home folder at a place of the caller's.
    #[must_use]
    pub fn home_at(&self, path: PathBuf) -> Home {
        Home::elsewhere(&self.folder, path)
    }

    /// An identity; the same seed gives the same one.
    #[must_use]
    pub fn identity(&self, seed: u64) -> SecretIdentity {
        home::identity(seed)
    }

    /// A signed planet with these roots, each with endpoints as `IP/PORT`.
    ///
    /// # Errors
    /// An endpoint is not readable.
    pub fn planet(&self, roots: &[(&Identity, &[&str])]) -> Result<Vec<u8>> {
        home::planet(PLANET_ID, roots)
    }

    /// As [`Lab::planet`], with a world ID of its own, for nodes that hold several.
    ///
    /// # Errors
    /// An endpoint is not readable.
    pub fn planet_with_id(&self, id: u64, roots: &[(&Identity, &[&str])]) -> Result<Vec<u8>> {
        home::planet(id, roots)
    }

    /// The folder of this laboratory.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

const PLANET_ID: u64 = 0x7a74_6c61_6200_0001;

impl Switch {
    fn new() -> Result<Self> {
        let namespace = Namespace::new().context("cannot make a network namespace")?;
        namespace.add_bridge("sw0").context("cannot make a bridge")?;
        // A host that has the module, for containers for instance, hands what crosses a bridge to its packet filter: a tenth of
        // what a datagram costs, which no cable and no switch has. Without the module there is no such setting.
        for family in ["ip", "ip6", "arp"] {
            let _ = namespace.sysctl(&format!("net/bridge/bridge-nf-call-{family}tables"), "0");
        }
        Ok(Self { namespace: Arc::new(namespace), ports: Arc::default() })
    }

    /// Stops these packets without a sign at any host; replaces what was stopped before. No cuts heal everything.
    ///
    /// # Errors
    /// `nft` is missing or refuses.
    pub fn cut(&self, cuts: &[Cut]) -> Result<()> {
        let mut rules = String::new();
        for Cut { from, to } in cuts {
            let family = if from.address().is_ipv4() { "ip" } else { "ip6" };
            writeln!(rules, "{family} saddr {} {family} daddr {} drop", from.network(), to.network())?;
        }
        self.forward_rules("cut", &rules)
    }

    /// Loses this percentage of all packets, at random.
    ///
    /// # Errors
    /// `nft` is missing or refuses.
    pub fn lose(&self, percent: u32) -> Result<()> {
        let rules = match percent {
            0 => String::new(),
            100.. => "drop\n".to_owned(),
            _ => format!("numgen random mod 100 < {percent} drop\n"),
        };
        self.forward_rules("loss", &rules)
    }

    /// Gives all ports and the switch itself this MTU; the devices of the hosts have theirs.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn set_mtu(&self, mtu: u32) -> Result<()> {
        let mut netlink = self.namespace.netlink()?;
        let change = LinkChange { mtu: Some(mtu), ..LinkChange::default() };
        for link in netlink.links()?.iter().filter(|link| link.name.starts_with("port")) {
            netlink.change_link(link.index, &change)?;
        }
        Ok(())
    }

    /// Switches the power on or off: without it nothing passes, and no host is told.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn power(&self, on: bool) -> Result<()> {
        Ok(self.namespace.set_up("sw0", on)?)
    }

    /// Switches one port on or off, by the order in which they were plugged in: its host sees that its cable is pulled.
    ///
    /// # Errors
    /// There is no such port, or of the kernel.
    pub fn power_port(&self, number: u32, on: bool) -> Result<()> {
        Ok(self.namespace.set_up(&format!("port{number}"), on)?)
    }

    fn forward_rules(&self, table: &str, rules: &str) -> Result<()> {
        self.namespace.nft(&format!(
            "table bridge {table} {{}}\ndelete table bridge {table}\n\
             table bridge {table} {{ chain pass {{ type filter hook forward priority 0;\n{rules}}}\n}}\n"
        ))?;
        Ok(())
    }

    /// Where it is.
    pub(crate) fn namespace(&self) -> &Arc<Namespace> {
        &self.namespace
    }

    /// A name for the next port.
    pub(crate) fn next_port(&self) -> String {
        format!("port{}", self.ports.fetch_add(1, Ordering::Relaxed))
    }

    fn plug(&self, namespace: &Namespace, device: &str) -> Result<()> {
        let port = self.next_port();
        self.namespace.connect(&port, namespace, device)?;
        self.namespace.join_bridge(&port, "sw0")?;
        Ok(())
    }
}

impl Host {
    /// Runs a command here to its end: how it ended, and what it printed (both streams).
    ///
    /// # Errors
    /// It cannot be started, or goes on for longer than `patience`.
    pub fn run(&self, command: Command, patience: Duration) -> Result<(ExitStatus, String)> {
        let what = format!("{command:?}");
        let mut process = self.namespace.spawn(command).with_context(|| what.clone())?;
        let status = process.wait(patience).with_context(|| format!("{what}:\n{}", process.output().join("\n")))?;
        Ok((status, process.output().join("\n")))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &Arc<Namespace> {
        &self.namespace
    }

    /// Adds a device that is plugged into a switch and has these addresses (`IP/BITS`).
    ///
    /// # Errors
    /// Of the kernel, or an address is not readable.
    pub fn plug(&self, device: &str, switch: &Switch, addresses: &[&str]) -> Result<()> {
        switch.plug(&self.namespace, device).with_context(|| format!("host {}", self.name))?;
        for address in addresses {
            self.add_address(device, address)?;
        }
        Ok(())
    }

    /// Removes a device and its cable.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn unplug(&self, device: &str) -> Result<()> {
        Ok(self.namespace.delete_device(device)?)
    }

    /// Adds an address (`IP/BITS`).
    ///
    /// # Errors
    /// Of the kernel, or it is not readable.
    pub fn add_address(&self, device: &str, address: &str) -> Result<()> {
        let what = || format!("address {address} for {}", self.name);
        self.namespace.add_address(device, cidr(address)?).with_context(what)
    }

    /// Removes an address (`IP/BITS`).
    ///
    /// # Errors
    /// Of the kernel, or it is not readable.
    pub fn delete_address(&self, device: &str, address: &str) -> Result<()> {
        let what = || format!("address {address} of {}", self.name);
        self.namespace.delete_address(device, cidr(address)?).with_context(what)
    }

    /// Sets the default route.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn default_route(&self, device: &str, gateway: IpAddr) -> Result<()> {
        let everything = if gateway.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
        Ok(self.namespace.add_route(device, &HostRoute::new(cidr(everything)?, Some(gateway)))?)
    }
}

impl Nat {
    /// A host behind it, with `eth0`, this address (`IP/BITS`) and a default route through the NAT.
    ///
    /// # Errors
    /// Of the kernel, or the address is not readable.
    pub fn host(&self, name: &str, address: &str) -> Result<Host> {
        let host = Host { name: name.to_owned(), namespace: Arc::new(Namespace::new()?) };
        host.plug("eth0", &self.inside, &[address])?;
        host.default_route("eth0", self.gateway)?;
        Ok(host)
    }

    /// The switch behind it.
    #[must_use]
    pub fn inside(&self) -> &Switch {
        &self.inside
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        self.nat.namespace()
    }

    /// Forgets all mappings and gives out other ports from now on, as if it had restarted.
    ///
    /// # Errors
    /// `nft` is missing or refuses.
    pub fn rebind(&self, first_port: u16, last_port: u16) -> Result<()> {
        Ok(self.nat.rebind(first_port, last_port)?)
    }
}

impl Cut {
    /// Both directions between two addresses or blocks (`IP` or `IP/BITS`).
    ///
    /// # Errors
    /// One is not readable.
    pub fn between(one: &str, other: &str) -> Result<[Self; 2]> {
        let (one, other) = (block(one)?, block(other)?);
        Ok([Self { from: one, to: other }, Self { from: other, to: one }])
    }

    /// One direction only.
    ///
    /// # Errors
    /// One is not readable.
    pub fn one_way(from: &str, to: &str) -> Result<Self> {
        Ok(Self { from: block(from)?, to: block(to)? })
    }
}

fn cidr(text: &str) -> Result<IpPrefix> {
    text.parse().map_err(|_| anyhow!("{text} is not IP/BITS"))
}

fn block(text: &str) -> Result<IpPrefix> {
    match text.parse::<IpAddr>() {
        Ok(ip) => Ok(IpPrefix::host(ip)),
        Err(_) => cidr(text),
    }
}

/// What keeps this machine from being a laboratory.
fn missing() -> Result<Option<io::Error>> {
    let namespace = match Namespace::new() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(Some(error)),
        namespace => namespace?,
    };
    let spec = zt_tap::TapSpec { name: "probe".to_owned(), mac: zt_wire::Mac([2, 0, 0, 0, 0, 1]), mtu: 2800 };
    match namespace.run(|| zt_tap::LinuxTap::open(&spec))? {
        Ok(_) => Ok(None),
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound) => {
            Ok(Some(error))
        }
        Err(error) => Err(error.into()),
    }
}
