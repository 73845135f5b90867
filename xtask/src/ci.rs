//! What CI runs.

use crate::{answers, arm, book, cargo, run, tidy};
use anyhow::{Result, ensure};
use std::process::Command;
use std::time::Instant;

/// All that is proved of a commit; the cheapest first.
pub(crate) fn ci() -> Result<()> {
    step("tidy", tidy::tidy)?;
    step("format", || cargo(&["fmt", "--all", "--check"]))?;
    step("dependencies", deny)?;
    step("clippy", || cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))?;
    step("clippy of each crate without its default features", bare)?;
    step("docs", docs)?;
    step("book", book::book)?;
    step("vector units of aarch64, in an emulator", arm::units)?;
    suite(&[], Some("256"))
}

/// Licences, sources and forbidden packages, as deny.toml tells.
fn deny() -> Result<()> {
    let installed = answers(Command::new("cargo").args(["deny", "--version"]));
    if !installed {
        // A person without it still gets the rest; CI has to have it.
        ensure!(std::env::var_os("CI").is_none(), "cargo-deny is not installed (`cargo install cargo-deny --locked`)");
        println!("== skipped: cargo-deny is not installed");
        return Ok(());
    }
    cargo(&["deny", "--log-level", "error", "check", "bans", "licenses", "sources"])
}

/// Each crate alone: in a build of the workspace the features that others ask for hide what is missing.
fn bare() -> Result<()> {
    for package in tidy::packages()? {
        cargo(&["clippy", "--quiet", "--package", &package, "--no-default-features", "--", "-D", "warnings"])?;
    }
    Ok(())
}

/// The pages of all crates, without a warning: links that lead nowhere are faults.
fn docs() -> Result<()> {
    run(Command::new("cargo").args(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings"))
}

/// The whole test suite; arguments go to the test binaries.
pub(crate) fn test(arguments: &[String]) -> Result<()> {
    suite(arguments, None)
}

/// The whole test suite, with so many cases of each property instead of the few that `.cargo/config.toml` asks for.
fn suite(arguments: &[String], cases: Option<&str>) -> Result<()> {
    let binary = |arguments: &[&str]| run(Command::new("cargo").args(arguments));
    step("build the zt binary for the namespace tests", || binary(&["build", "--quiet", "-p", "zt-cli"]))?;
    step("unit, property, simulation and namespace tests", || {
        let mut command = Command::new("cargo");
        command.args(["test", "--workspace", "--exclude", "zt-test-vectors", "--no-fail-fast", "--quiet", "--"]);
        if let Some(cases) = cases {
            command.env("PROPTEST_CASES", cases);
        }
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
