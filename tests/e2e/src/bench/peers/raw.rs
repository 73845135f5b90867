//! No tunnel at all: what the machine can do.

use anyhow::{Context as _, Result};

use super::{Peer, Tunnel};
use crate::Lab;

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
        let lab = Lab::new("raw")?.context("this machine has no namespaces")?;
        let hosts = [lab.host("a", &["10.0.0.2/24"])?, lab.host("b", &["10.0.0.3/24"])?];
        let inside = ["10.0.0.2".parse()?, "10.0.0.3".parse()?];
        Tunnel { held: vec![Box::new(lab)], daemons: Vec::new(), hosts, inside }.answered()
    }
}
