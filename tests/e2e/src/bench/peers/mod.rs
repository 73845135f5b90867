//! What is measured: one file for each program, all behind [`Peer`].

mod easytier;
mod n2n;
mod nebula;
mod raw;
mod tinc;
mod vpncloud;
mod vxlan;
mod wireguard;
mod zerotier;

use std::any::Any;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use zt_tap::netns::Process;

use super::measure::Measure;
use super::report::Section;
use crate::{Host, Lab, Ping, wait_for};

/// What starting a tunnel may take.
const WAIT: Duration = Duration::from_secs(60);

/// A program that makes tunnels, in one of the ways in which it is measured.
pub trait Peer {
    /// Name on the command line, in tables and in JSON.
    fn id(&self) -> &'static str;

    /// Layer, cipher, MTU.
    fn about(&self) -> &'static str;

    /// In which table it stands.
    fn section(&self) -> Section {
        Section::Direct
    }

    /// Whether this is measured of it.
    fn covers(&self, _measure: Measure) -> bool {
        true
    }

    /// Its version.
    ///
    /// # Errors
    /// What is missing on this machine, and how to get it.
    fn find(&self) -> Result<String>;

    /// Makes two hosts with a tunnel between them through which pings go.
    ///
    /// # Errors
    /// Something does not start.
    fn prepare(&self) -> Result<Tunnel>;
}

/// A tunnel that works.
pub struct Tunnel {
    /// Programs that were started for it; killed first.
    processes: Vec<Process>,
    /// What else has to be kept.
    held: Vec<Box<dyn Any>>,
    /// Numbers of the processes of the tunnel: the two ends, then a relay if there is one.
    pub daemons: Vec<u32>,
    /// The hosts at its ends.
    pub hosts: [Host; 2],
    /// Their addresses inside it.
    pub inside: [IpAddr; 2],
}

/// Addresses of the ends inside most tunnels.
const INSIDE: [&str; 2] = ["10.8.0.1", "10.8.0.2"];

impl Tunnel {
    /// Process of the relay, if there is one.
    #[must_use]
    pub fn relay(&self) -> Option<u32> {
        self.daemons.get(2).copied()
    }

    /// Two hosts, 10.0.0.2 and 10.0.0.3, between which there is none yet.
    fn bare(name: &str) -> Result<(Lab, Self)> {
        let lab = Lab::new(name)?.context("this machine has no namespaces")?;
        let hosts = [lab.host("a", &["10.0.0.2/24"])?, lab.host("b", &["10.0.0.3/24"])?];
        let tunnel = Self::of(hosts)?;
        Ok((lab, tunnel))
    }

    /// Two hosts between which there is none yet.
    fn of(hosts: [Host; 2]) -> Result<Self> {
        let inside = [INSIDE[0].parse()?, INSIDE[1].parse()?];
        Ok(Self { processes: Vec::new(), held: Vec::new(), daemons: Vec::new(), hosts, inside })
    }

    /// Keeps a value as long as the tunnel.
    fn hold(&mut self, value: impl Any) {
        self.held.push(Box::new(value));
    }

    /// Starts the program of an end; first that of the first one.
    fn start(&mut self, end: usize, command: Command) -> Result<()> {
        let process = spawn(&self.hosts[end], command)?;
        self.keep(process);
        Ok(())
    }

    /// Starts the program of the relay, when both ends have theirs.
    fn start_at(&mut self, relay: &Host, command: Command) -> Result<()> {
        let process = spawn(relay, command)?;
        self.keep(process);
        Ok(())
    }

    fn keep(&mut self, process: Process) {
        self.daemons.push(process.id());
        self.processes.push(process);
    }

    /// Gives a device an address as soon as it is there, and sets it up.
    fn address(&self, end: usize, device: &str, address: &str) -> Result<()> {
        let host = &self.hosts[end];
        wait_for(&format!("device {device}"), WAIT, || {
            let links = host.namespace().netlink()?.links()?;
            Ok(links.iter().any(|link| link.name == device).then_some(()))
        })?;
        host.add_address(device, &format!("{address}/24"))?;
        Ok(host.namespace().set_up(device, true)?)
    }

    /// Waits for the first answer of the other end.
    fn answered(self) -> Result<Self> {
        let how = Ping { interval: Duration::from_millis(200), patience: WAIT, ..Ping::default() };
        self.hosts[0].ping(self.inside[1], how).with_context(|| {
            let said = self.processes.iter().flat_map(|process| process.output().into_iter().rev().take(2));
            format!("no ping; the programs said last: {}", said.collect::<Vec<_>>().join(" / "))
        })?;
        Ok(self)
    }
}

fn spawn(host: &Host, command: Command) -> Result<Process> {
    let what = format!("{} on {}", command.get_program().display(), host.name());
    host.namespace().spawn(command).context(what)
}

/// Where the programs of ZeroTier One are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folders {
    /// A folder with `zerotier-one`.
    pub stock: Option<PathBuf>,
    /// A folder with a `zerotier-one` that knows no AES: 1.2.12.
    pub old: Option<PathBuf>,
}

/// All, in the order of tables and rounds.
#[must_use]
pub fn all(folders: &Folders) -> Vec<Box<dyn Peer>> {
    let mut all = zerotier::direct(folders);
    all.extend(wireguard::all());
    all.push(Box::new(nebula::Nebula::Direct));
    all.push(Box::new(easytier::EasyTier));
    all.push(Box::new(tinc::Tinc));
    all.push(Box::new(n2n::N2n));
    all.push(Box::new(vpncloud::VpnCloud));
    all.push(Box::new(vxlan::Vxlan));
    all.push(Box::new(raw::Raw));
    all.extend(zerotier::relayed(folders));
    all.push(Box::new(nebula::Nebula::Relayed));
    all.extend(zerotier::mixed(folders));
    all
}

/// What a program prints, both streams, however it ends; `None` if it is not installed.
#[must_use]
pub fn printed(program: &str, arguments: &[&str]) -> Option<String> {
    let output = command(program)?.args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&text).trim().to_owned())
}

/// A command for a program that is installed, in the folders of administrators too.
fn command(program: &str) -> Option<Command> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|path| path.is_file()).map(Command::new)
}

/// A command for a program, or how to get it.
fn need(program: &str, how: &str) -> Result<Command> {
    command(program).ok_or_else(|| anyhow!("{program} is not installed ({how})"))
}

/// The first line that a program prints of its version.
fn version(program: &str, arguments: &[&str], how: &str) -> Result<String> {
    need(program, how)?;
    let text = printed(program, arguments).unwrap_or_default();
    Ok(text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or(program).to_owned())
}
