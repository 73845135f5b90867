//! The code for aarch64, on machines that are none: cross-built, and run in an emulator of that processor.

use crate::{answers, run};
use anyhow::{Result, bail};
use std::process::Command;

const TARGET: &str = "aarch64-unknown-linux-gnu";
/// That of the program that is shipped: its library of C has fewer calls.
const STATIC: &str = "aarch64-unknown-linux-musl";
/// What links for it, and compiles the C of aws-lc; Debian: gcc-aarch64-linux-gnu, libc6-dev-arm64-cross.
const COMPILER: &str = "aarch64-linux-gnu-gcc";
/// What runs it, with the C library of the packages above; Debian: qemu-user.
const EMULATOR: &str = "qemu-aarch64";
const RUNNER: &str = "qemu-aarch64 -L /usr/aarch64-linux-gnu";

/// `cargo xtask arm`: everything type-checks, and all tests of zt-crypto pass.
pub(crate) fn arm(arguments: &[String]) -> Result<()> {
    if let Some(missing) = missing(&[TARGET, STATIC]) {
        bail!("{missing}");
    }
    if !arguments.iter().any(|argument| argument == "--crypto") {
        run(&mut cross(TARGET, &["check", "--quiet", "-p", "zt-cli", "-p", "zt-capi", "--all-targets"]))?;
        run(&mut cross(STATIC, &["check", "--quiet", "-p", "zt-cli"]))?;
    }
    run(&mut cross(TARGET, &["test", "--quiet", "-p", "zt-crypto"]))
}

/// What CI proves of it: the vector units compute there what the libraries compute. Left out, in words, where this
/// machine cannot.
pub(crate) fn units() -> Result<()> {
    if let Some(missing) = missing(&[TARGET]) {
        println!("== skipped: {missing}");
        return Ok(());
    }
    // A property of a cipher takes its time in an emulator, and every length is walked beside it.
    run(cross(TARGET, &["test", "--quiet", "-p", "zt-crypto", "--test", "it", "vector_units"])
        .env("PROPTEST_CASES", "16"))
}

/// Why it cannot be done here.
fn missing(targets: &[&str]) -> Option<String> {
    if cfg!(target_arch = "aarch64") {
        return Some("this machine is aarch64 itself: `cargo xtask test` is that test".into());
    }
    for (program, package) in [(COMPILER, "gcc-aarch64-linux-gnu and libc6-dev-arm64-cross"), (EMULATOR, "qemu-user")] {
        if !answers(Command::new(program).arg("--version")) {
            return Some(format!("no `{program}` here, for tests of code for aarch64 (Debian: {package})"));
        }
    }
    if !answers(Command::new("rustup").args(["target", "add"]).args(targets)) {
        let targets = targets.join(" ");
        return Some(format!("`rustup target add {targets}` does not work here, so that nothing can be built for it"));
    }
    None
}

/// A cargo command for that processor, to which warnings of ours are faults.
fn cross(target: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).args(["--target", target]);
    command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", COMPILER);
    command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", RUNNER);
    command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS", "-D warnings");
    command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUSTFLAGS", "-D warnings");
    command.env("CC_aarch64_unknown_linux_musl", COMPILER);
    command
}
