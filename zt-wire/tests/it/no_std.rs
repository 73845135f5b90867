//! The crate links into a program that has no standard library.

use std::path::Path;
use std::process::Command;

#[test]
fn links_without_std() {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/no_std");
    if !program.exists() {
        // A published package does not hold nested packages.
        return;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_std");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--offline", "--locked", "--target-dir"])
        .arg(&target)
        .current_dir(&program)
        .env_remove("RUSTFLAGS")
        .status();
    assert!(built.expect("cargo runs").success(), "does not build without std");
    let ran = Command::new(target.join("debug/zt-wire-no-std")).status();
    assert!(ran.expect("the program runs").success(), "does not read back what it wrote");
}
