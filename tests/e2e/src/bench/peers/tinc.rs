//! tinc as a switch.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use super::{INSIDE, Peer, Tunnel, need, version};

pub(super) struct Tinc;

const HOW: &str = "apt-get install tinc";
const NAMES: [&str; 2] = ["a", "b"];

impl Peer for Tinc {
    fn id(&self) -> &'static str {
        "tinc"
    }

    fn about(&self) -> &'static str {
        "layer 2 (mode switch), its default cipher and digest, MTU 1500"
    }

    fn find(&self) -> Result<String> {
        version("tincd", &["--version"], HOW)
    }

    fn prepare(&self) -> Result<Tunnel> {
        let (lab, mut tunnel) = Tunnel::bare("tinc")?;
        let mut public = Vec::new();
        for (end, name) in NAMES.into_iter().enumerate() {
            let folder = lab.folder().join(name);
            fs::create_dir_all(folder.join("hosts"))?;
            let connect = if end == 0 { "ConnectTo = b\n" } else { "" };
            let conf = format!("Name = {name}\nMode = switch\nInterface = tinc0\nDeviceType = tap\n{connect}");
            fs::write(folder.join("tinc.conf"), conf)?;
            let address = format!("Address = 10.0.0.{}\n", end + 2);
            fs::write(folder.join("hosts").join(name), &address)?;
            let mut keys = need("tincd", HOW)?;
            let keys = keys.arg("-c").arg(&folder).arg("-K2048").stdin(Stdio::null()).output()?;
            ensure!(keys.status.success(), "tincd -K: {}", String::from_utf8_lossy(&keys.stderr));
            public.push(fs::read(folder.join("hosts").join(name))?);
        }
        for (end, other) in [(0, 1), (1, 0)] {
            let folder = lab.folder().join(NAMES[end]);
            fs::write(folder.join("hosts").join(NAMES[other]), &public[other])?;
            let mut command: Command = need("tincd", HOW)?;
            command.arg("-c").arg(&folder).arg("-D").arg("-d1");
            command.arg(format!("--pidfile={}", folder.join("pid").display()));
            tunnel.start(end, command)?;
            tunnel.address(end, "tinc0", INSIDE[end])?;
        }
        tunnel.hold(lab);
        tunnel.answered()
    }
}
