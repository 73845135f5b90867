//! EasyTier with one listener and one that connects.

use anyhow::Result;

use super::{INSIDE, Peer, Tunnel, need, version};

pub(super) struct EasyTier;

const HOW: &str = "cargo install easytier --locked, which needs protoc";

impl Peer for EasyTier {
    fn id(&self) -> &'static str {
        "easytier"
    }

    fn about(&self) -> &'static str {
        "layer 3, its default cipher and MTU"
    }

    fn find(&self) -> Result<String> {
        version("easytier-core", &["--version"], HOW)
    }

    fn prepare(&self) -> Result<Tunnel> {
        let (lab, mut tunnel) = Tunnel::bare("easytier")?;
        for (end, other) in [(0, 1), (1, 0)] {
            let mut command = need("easytier-core", HOW)?;
            command.args(["--network-name", "lab", "--network-secret", "a secret of the lab"]);
            command.args(["--ipv4", INSIDE[end], "--dev-name", "easytier0"]);
            command.args(["--listeners", "udp://0.0.0.0:11010"]);
            command.args(["--peers", &format!("udp://10.0.0.{}:11010", other + 2)]);
            tunnel.start(end, command)?;
        }
        tunnel.hold(lab);
        tunnel.answered()
    }
}
