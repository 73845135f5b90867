//! What is measured: one file for each program, all behind [`Peer`].

mod raw;
mod vxlan;
mod wireguard;
mod zerotier;

use std::any::Any;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::measure::Measure;
use super::report::Section;
use crate::{Host, Ping};

/// What starting a tunnel may take.
const WAIT: Duration = Duration::from_secs(90);

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
    /// What has to be kept; dropped before the hosts.
    pub held: Vec<Box<dyn Any>>,
    /// Processes of the tunnel: the two ends, then a relay if there is one.
    pub daemons: Vec<u32>,
    /// The hosts at its ends.
    pub hosts: [Host; 2],
    /// Their addresses inside it.
    pub inside: [IpAddr; 2],
}

impl Tunnel {
    /// Process of the relay, if there is one.
    #[must_use]
    pub fn relay(&self) -> Option<u32> {
        self.daemons.get(2).copied()
    }

    /// Waits for the first answer of the other end.
    fn answered(self) -> Result<Self> {
        self.hosts[0].ping(self.inside[1], Ping { patience: WAIT, ..Ping::default() })?;
        Ok(self)
    }
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
    all.push(Box::new(vxlan::Vxlan));
    all.push(Box::new(raw::Raw));
    all.extend(zerotier::relayed(folders));
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
