//! WireGuard by wireguard-go, by boringtun and by the kernel: one configuration, three ways to make the device.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use super::{INSIDE, Peer, Tunnel, WAIT, need, printed, version};
use crate::{Host, Lab, wait_for};

const WG: &str = "apt-get install wireguard-tools";

/// All three.
pub(super) fn all() -> Vec<Box<dyn Peer>> {
    [Maker::Go, Maker::Boring, Maker::Kernel].map(|maker| Box::new(maker) as Box<dyn Peer>).into()
}

/// What makes the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    Go,
    Boring,
    Kernel,
}

impl Peer for Maker {
    fn id(&self) -> &'static str {
        match self {
            Self::Go => "wireguard-go",
            Self::Boring => "boringtun",
            Self::Kernel => "wireguard",
        }
    }

    fn about(&self) -> &'static str {
        match self {
            Self::Kernel => "layer 3 in the kernel, ChaCha20-Poly1305, MTU 1420",
            Self::Go | Self::Boring => "layer 3, ChaCha20-Poly1305, MTU 1420",
        }
    }

    fn find(&self) -> Result<String> {
        need("wg", WG)?;
        match self {
            Self::Go => version("wireguard-go", &["--version"], "apt-get install wireguard-go"),
            Self::Boring => version("boringtun-cli", &["--version"], "cargo install boringtun-cli"),
            Self::Kernel => {
                let lab = Lab::new("wireguard")?.context("this machine has no namespaces")?;
                let host = lab.bare_host("probe")?;
                ip(&host, "wgprobe").context("the kernel has no WireGuard (module wireguard)")?;
                Ok(printed("wg", &["--version"])
                    .map_or_else(|| "the kernel".to_owned(), |wg| format!("the kernel, {wg}")))
            }
        }
    }

    fn prepare(&self) -> Result<Tunnel> {
        let (lab, mut tunnel) = Tunnel::bare("wireguard")?;
        let keys = [wg(&["genkey"], None)?, wg(&["genkey"], None)?];
        let public = [wg(&["pubkey"], Some(&keys[0]))?, wg(&["pubkey"], Some(&keys[1]))?];
        for (this, other) in [(0, 1), (1, 0)] {
            // One control socket for each device name, in a folder that namespaces share: so each has a name of its own.
            let device = format!("zt{}{this}-{}", &self.id()[..1], std::process::id() % 100_000);
            match self.daemon(&device) {
                Some(command) => tunnel.start(this, command)?,
                None => ip(&tunnel.hosts[this], &device)?,
            }
            let host = &tunnel.hosts[this];
            let key = lab.folder().join(format!("key{this}"));
            std::fs::write(&key, &keys[this])?;
            let endpoint = format!("10.0.0.{}:51820", other + 2);
            let key = key.to_string_lossy().into_owned();
            let set = ["set", &device, "listen-port", "51820", "private-key", &key, "peer", &public[other]];
            let set = [&set[..], &["allowed-ips", "10.8.0.0/24", "endpoint", &endpoint]].concat();
            wait_for("a control socket of WireGuard", WAIT, || {
                let mut command = Command::new("wg");
                command.args(&set).stderr(Stdio::null());
                host.namespace().enter_on_spawn(&mut command)?;
                Ok(command.status()?.success().then_some(()))
            })?;
            host.namespace().set_mtu(&device, 1420)?;
            tunnel.address(this, &device, INSIDE[this])?;
        }
        tunnel.hold(lab);
        tunnel.answered()
    }
}

impl Maker {
    /// The program that makes a device and runs it.
    fn daemon(self, device: &str) -> Option<Command> {
        match self {
            Self::Go => {
                let mut command = Command::new("wireguard-go");
                command.args(["-f", device]).env("LOG_LEVEL", "error");
                Some(command)
            }
            Self::Boring => {
                let mut command = Command::new("boringtun-cli");
                command.args(["-f", "--disable-drop-privileges", device]).env("WG_LOG_LEVEL", "error");
                Some(command)
            }
            Self::Kernel => None,
        }
    }
}

/// Makes a device of the kernel.
fn ip(host: &Host, device: &str) -> Result<()> {
    let mut command = Command::new("ip");
    command.args(["link", "add", device, "type", "wireguard"]);
    let (status, printed) = host.run(command, WAIT)?;
    ensure!(status.success(), "{printed}");
    Ok(())
}

fn wg(arguments: &[&str], input: Option<&str>) -> Result<String> {
    let mut command = Command::new("wg");
    let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(input) = input {
        writeln!(child.stdin.take().context("piped")?, "{input}")?;
    }
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "wg {arguments:?} failed");
    let text = String::from_utf8(output.stdout)?.trim().to_owned();
    if text.is_empty() {
        bail!("wg {arguments:?} printed nothing");
    }
    Ok(text)
}
