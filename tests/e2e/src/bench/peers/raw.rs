//! No tunnel at all: what the machine can do.

use anyhow::Result;

use super::{Peer, Tunnel};

pub(super) struct Raw;

impl Peer for Raw {
    fn id(&self) -> &'static str {
        "raw"
    }

    fn about(&self) -> &'static str {
        "veth and a bridge, no tunnel, MTU 1500"
    }

    fn find(&self) -> Result<String> {
        Ok("the kernel".to_owned())
    }

    fn prepare(&self) -> Result<Tunnel> {
        let (lab, mut tunnel) = Tunnel::bare("raw")?;
        tunnel.inside = ["10.0.0.2".parse()?, "10.0.0.3".parse()?];
        tunnel.hold(lab);
        tunnel.answered()
    }
}
