//! The table of MTUs, beside stock binaries.

use crate::cargo;
use anyhow::Result;

/// Tries every MTU of a network over every MTU below, with our program and, with `--peer DIR`, with the stock one.
pub(crate) fn mtu(arguments: &[String]) -> Result<()> {
    cargo(&["build", "--release", "--quiet", "-p", "zt-cli"])?;
    let mut all = vec!["run", "--release", "--quiet", "-p", "zt-test-e2e", "--bin", "mtu", "--"];
    all.extend(arguments.iter().map(String::as_str));
    cargo(&all)
}
