//! Hosts that sleep and clocks that jump, at full length.

use crate::cargo;
use anyhow::Result;

/// Stops a daemon for ten minutes, or `--seconds N`, lets a host sleep for as long, and sets clocks.
pub(crate) fn sleep(arguments: &[String]) -> Result<()> {
    let mut all = vec!["run", "--quiet", "-p", "zt-test-e2e", "--bin", "sleep", "--"];
    all.extend(arguments.iter().map(String::as_str));
    cargo(&all)
}
