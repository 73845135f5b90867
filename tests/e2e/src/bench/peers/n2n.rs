//! n2n: two edges that a supernode introduces to each other.

use std::process::Command;

use anyhow::Result;

use super::{INSIDE, Peer, Tunnel, need, version};

pub(super) struct N2n;

const HOW: &str = "apt-get install n2n";

impl Peer for N2n {
    fn id(&self) -> &'static str {
        "n2n"
    }

    fn about(&self) -> &'static str {
        "layer 2, its default cipher, MTU 1400"
    }

    fn find(&self) -> Result<String> {
        need("supernode", HOW)?;
        Ok(version("edge", &["-h"], HOW)?.trim_start_matches("Welcome to ").to_owned())
    }

    fn prepare(&self) -> Result<Tunnel> {
        let (lab, mut tunnel) = Tunnel::bare("n2n")?;
        let root = lab.host("root", &["10.0.0.1/24"])?;
        let mut supernode: Command = need("supernode", HOW)?;
        supernode.args(["-l", "7654"]);
        tunnel.hold(root.namespace().spawn(supernode)?);
        for (end, address) in INSIDE.into_iter().enumerate() {
            let mut edge: Command = need("edge", HOW)?;
            edge.args(["-d", "n2n0", "-a", address, "-s", "255.255.255.0", "-c", "lab", "-k", "a key of the lab"]);
            edge.args(["-l", "10.0.0.1:7654", "-u", "0", "-g", "0"]);
            tunnel.start(end, edge)?;
        }
        tunnel.hold((root, lab));
        tunnel.answered()
    }
}
