//! Interoperability with stock binaries, in namespaces.

use crate::{cargo, option};
use anyhow::{Result, bail};

/// Runs all role combinations with the stock binaries of a folder; with `--core FILE` also the C host for the ZT
/// interface on the stock core's library and on ours.
pub(crate) fn interop(arguments: &[String]) -> Result<()> {
    if option(arguments, "--peer").is_none() {
        bail!("--peer DIR is missing: a folder with the stock zerotier-one, zerotier-cli and zerotier-idtool");
    }
    cargo(&["build", "--release", "--quiet", "-p", "zt-cli", "-p", "zt-capi"])?;
    let mut all = vec!["run", "--release", "--quiet", "-p", "zt-test-e2e", "--bin", "interop", "--"];
    all.extend(arguments.iter().map(String::as_str));
    cargo(&all)
}
