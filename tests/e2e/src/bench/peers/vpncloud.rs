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
        // The second end waits for the first one: two that call each other at a time refuse each other.
        for end in [0, 1] {
            // It ends where no route leads to the internet.
            tunnel.hosts[end].default_route("eth0", "10.0.0.1".parse()?)?;
            let mut command = need("vpncloud", HOW)?;
            command.args(["-t", "tap", "-m", "switch", "-d", "vpncloud0", "-l", "3210", "-p", "a password of the lab"]);
            command.args(["--no-port-forwarding", "-q"]);
            if end == 0 {
                command.args(["-c", "10.0.0.3:3210"]);
            }
            tunnel.start(end, command)?;
            // Of itself (--ip) it takes another address than it is told.
            tunnel.address(end, "vpncloud0", INSIDE[end])?;
        }
        tunnel.hold(lab);
        tunnel.answered()
    }
}
