//! Floods and amplifications against running nodes, in namespaces.

use crate::cargo;
use anyhow::Result;

/// Plays the attacks of tests/e2e against our program and, with `--peer DIR`, a stock one.
pub(crate) fn attacks(arguments: &[String]) -> Result<()> {
    cargo(&["build", "--release", "--quiet", "-p", "zt-cli"])?;
    let mut all = vec!["run", "--release", "--quiet", "-p", "zt-test-e2e", "--bin", "attacks", "--"];
    all.extend(arguments.iter().map(String::as_str));
    cargo(&all)
}
