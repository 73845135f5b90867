//! Coverage-guided fuzzing of every target.

use crate::{option, root};
use anyhow::{Context, Result, bail};
use std::process::Command;

/// Runs all targets, each for its share of the minutes.
pub(crate) fn fuzz(arguments: &[String]) -> Result<()> {
    let minutes: u64 = option(arguments, "--minutes").unwrap_or("10").parse().context("--minutes wants a number")?;
    let folder = root().join("tests/fuzz");
    let mut targets: Vec<String> = std::fs::read_dir(folder.join("fuzz_targets"))
        .context("tests/fuzz/fuzz_targets")?
        .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(str::to_owned))
        .collect();
    targets.sort_unstable();
    let seconds = (minutes * 60 / targets.len().max(1) as u64).max(1);
    for target in &targets {
        println!("== fuzz {target} for {seconds} s");
        let status = Command::new("cargo")
            .args(["run", "--release", "--quiet", "--bin", target, "--", &format!("corpus/{target}")])
            .arg(format!("-max_total_time={seconds}"))
            .current_dir(&folder)
            .status()
            .context("cannot run cargo")?;
        if !status.success() {
            bail!("{target} found something: see tests/fuzz/artifacts");
        }
    }
    Ok(())
}
