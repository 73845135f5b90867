//! Nebula, direct and over a relay that is the lighthouse too.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::{INSIDE, Peer, Tunnel, need, version};
use crate::Lab;
use crate::bench::report::Section;
use crate::rig;

/// Whether the ends reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nebula {
    Direct,
    Relayed,
}

const HOW: &str = "apt-get install nebula";
/// Address of the relay inside the tunnel.
const RELAY: &str = "10.8.0.100";

impl Peer for Nebula {
    fn id(&self) -> &'static str {
        match self {
            Self::Direct => "nebula",
            Self::Relayed => "nebula-relayed",
        }
    }

    fn about(&self) -> &'static str {
        "layer 3, AES-256-GCM, MTU 1300"
    }

    fn section(&self) -> Section {
        match self {
            Self::Direct => Section::Direct,
            Self::Relayed => Section::Relayed,
        }
    }

    fn find(&self) -> Result<String> {
        need("nebula-cert", HOW)?;
        Ok(format!("nebula {}", version("nebula", &["-version"], HOW)?.trim_start_matches("Version: ")))
    }

    fn prepare(&self) -> Result<Tunnel> {
        match self {
            Self::Direct => {
                let (lab, mut tunnel) = Tunnel::bare("nebula")?;
                let certificates = Certificates::new(lab.folder())?;
                for (end, other) in [(0, 1), (1, 0)] {
                    let known = (INSIDE[other], format!("10.0.0.{}:4242", other + 2));
                    let config = certificates.config(["a", "b"][end], INSIDE[end], &known, None)?;
                    tunnel.start(end, nebula(&config))?;
                }
                tunnel.hold(lab);
                tunnel.answered()
            }
            Self::Relayed => {
                let lab = Lab::new("nebula")?.context("this machine has no namespaces")?;
                let (between, hosts, far) = rig::apart(&lab)?;
                let mut tunnel = Tunnel::of(hosts)?;
                let certificates = Certificates::new(lab.folder())?;
                for (end, relay) in [(0, "10.0.0.1:4242"), (1, "10.0.1.1:4242")] {
                    let known = (RELAY, relay.to_owned());
                    let config = certificates.config(["a", "b"][end], INSIDE[end], &known, Some(false))?;
                    tunnel.start(end, nebula(&config))?;
                }
                let nobody = (RELAY, String::new());
                let config = certificates.config("relay", RELAY, &nobody, Some(true))?;
                tunnel.start_at(&between, nebula(&config))?;
                tunnel.hold((between, far, lab));
                tunnel.answered()
            }
        }
    }
}

fn nebula(config: &Path) -> Command {
    let mut command = Command::new("nebula");
    command.arg("-config").arg(config);
    command
}

/// An authority, and what it signed.
struct Certificates(PathBuf);

impl Certificates {
    fn new(folder: PathBuf) -> Result<Self> {
        let made = Self(folder);
        made.run(&["ca", "-name", "lab", "-out-crt", "ca.crt", "-out-key", "ca.key"])?;
        Ok(made)
    }

    fn run(&self, arguments: &[&str]) -> Result<()> {
        let output = Command::new("nebula-cert").args(arguments).current_dir(&self.0).output()?;
        ensure!(output.status.success(), "nebula-cert: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Signs a host and writes its configuration. It knows one other, by its inner and its outer address; with relays it
    /// is one, or uses that one.
    fn config(&self, name: &str, address: &str, known: &(&str, String), relay: Option<bool>) -> Result<PathBuf> {
        let (crt, key) = (format!("{name}.crt"), format!("{name}.key"));
        self.run(&["sign", "-name", name, "-ip", &format!("{address}/24"), "-out-crt", &crt, "-out-key", &key])?;
        let path = |file: &str| self.0.join(file).display().to_string();
        let (inner, outer) = known;
        let hosts = if outer.is_empty() { String::new() } else { format!("\"{inner}\": [\"{outer}\"]") };
        let relays = match relay {
            None => "{ use_relays: false }".to_owned(),
            Some(true) => "{ am_relay: true, use_relays: false }".to_owned(),
            Some(false) => format!("{{ relays: [\"{inner}\"], use_relays: true }}"),
        };
        let lighthouse = match relay {
            None => "{ am_lighthouse: false }".to_owned(),
            Some(true) => "{ am_lighthouse: true }".to_owned(),
            Some(false) => format!("{{ am_lighthouse: false, interval: 5, hosts: [\"{inner}\"] }}"),
        };
        let text = format!(
            "pki: {{ ca: {}, cert: {}, key: {} }}\nstatic_host_map: {{ {hosts} }}\nlighthouse: {lighthouse}\n\
             relay: {relays}\nlisten: {{ host: 0.0.0.0, port: 4242 }}\npunchy: {{ punch: true }}\ntun: {{ dev: nebula0 }}\n\
             logging: {{ level: warning }}\nfirewall:\n  outbound: [{{ port: any, proto: any, host: any }}]\n  \
             inbound: [{{ port: any, proto: any, host: any }}]\n",
            path("ca.crt"),
            path(&crt),
            path(&key)
        );
        let file = self.0.join(format!("{name}.yml"));
        std::fs::write(&file, text)?;
        Ok(file)
    }
}
