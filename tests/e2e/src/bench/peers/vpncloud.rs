//! VpnCloud as a switch.

use anyhow::Result;

use super::{INSIDE, Peer, Tunnel, need, version};

pub(super) struct VpnCloud;

const HOW: &str = "cargo install vpncloud";

impl Peer for VpnCloud {
    fn id(&self) -> &'static str {
        "vpncloud"
    }

    fn about(&self) -> &'static str {
        "layer 2 (type tap), the cipher that it finds to be the fastest, its default MTU"
    }

    fn find(&self) -> Result<String> {
        version("vpncloud", &["--version"], HOW)
    }

    fn prepare(&self) -> Result<Tunnel> {
        let (lab, mut tunnel) = Tunnel::bare("vpncloud")?;
        for (end, other) in [(0, 1), (1, 0)] {
            // It ends where no route leads to the internet.
            tunnel.hosts[end].default_route("eth0", "10.0.0.1".parse()?)?;
            let mut command = need("vpncloud", HOW)?;
            command.args(["-t", "tap", "-m", "switch", "-d", "vpncloud0", "-l", "3210", "-p", "a password of the lab"]);
            command.args(["-c", &format!("10.0.0.{}:3210", other + 2), "--ip", &format!("{}/24", INSIDE[end])]);
            command.args(["--no-port-forwarding", "-q"]);
            tunnel.start(end, command)?;
        }
        tunnel.hold(lab);
        tunnel.answered()
    }
}
