//! VXLAN of the kernel: layer 2 without a cipher, the most that a tunnel can be.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};

use super::{INSIDE, Peer, Tunnel};
use crate::Lab;

pub(super) struct Vxlan;

const ENDS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 3)];

impl Peer for Vxlan {
    fn id(&self) -> &'static str {
        "vxlan"
    }

    fn about(&self) -> &'static str {
        "layer 2 in the kernel, no cipher, MTU 1450"
    }

    fn find(&self) -> Result<String> {
        let lab = Lab::new("vxlan")?.context("this machine has no namespaces")?;
        let host = lab.host("a", &["10.0.0.2/24"])?;
        host.namespace().add_vxlan("vx0", "eth0", ENDS).context("the kernel has no VXLAN (module vxlan)")?;
        Ok("the kernel".to_owned())
    }

    fn prepare(&self) -> Result<Tunnel> {
        let (lab, mut tunnel) = Tunnel::bare("vxlan")?;
        for (end, ends) in [ENDS, [ENDS[1], ENDS[0]]].into_iter().enumerate() {
            tunnel.hosts[end].namespace().add_vxlan("vx0", "eth0", ends)?;
            tunnel.address(end, "vx0", INSIDE[end])?;
        }
        tunnel.hold(lab);
        tunnel.answered()
    }
}
