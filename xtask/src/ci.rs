//! What CI runs.

use crate::{cargo, run, tidy};
use anyhow::Result;
use std::process::Command;
use std::time::Instant;

/// Tidy, formatting, lints, documentation and the test suite.
pub(crate) fn ci() -> Result<()> {
    tidy::tidy()?;
    step("format", || cargo(&["fmt", "--all", "--check"]))?;
    step("clippy", || cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))?;
    step("docs", docs)?;
    if Command::new("cargo").args(["deny", "--version"]).output().is_ok_and(|output| output.status.success()) {
        step("deny", || cargo(&["deny", "check", "bans", "licenses", "sources"]))?;
    } else {
        println!("== deny: skipped, cargo-deny is not installed");
    }
    test(&[])
}

/// The pages of all crates, without a warning: links that lead nowhere are faults.
fn docs() -> Result<()> {
    run(Command::new("cargo").args(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings"))
}

/// The whole test suite; arguments go to the test binaries.
pub(crate) fn test(arguments: &[String]) -> Result<()> {
    let binary = |arguments: &[&str]| run(Command::new("cargo").args(arguments));
    step("build the zt binary for the namespace tests", || binary(&["build", "--quiet", "-p", "zt-cli"]))?;
    step("unit, property, simulation and namespace tests", || {
        let mut command = Command::new("cargo");
        command.args(["test", "--workspace", "--exclude", "zt-test-vectors", "--no-fail-fast", "--quiet", "--"]);
        run(command.args(arguments))
    })?;
    vectors()
}

/// The recorded cases, with the number passed per file.
pub(crate) fn vectors() -> Result<()> {
    step("vectors", || cargo(&["test", "--quiet", "-p", "zt-test-vectors", "--", "--nocapture", "--test-threads", "1"]))
}

fn step(name: &str, run: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("== {name}");
    let start = Instant::now();
    run()?;
    println!("== {name}: {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}
