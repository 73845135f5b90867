//! Starts a program as systemd would by the unit of `zt`: `unit USER DROP-IN HOME KEEP... -- PROGRAM ARGUMENT...`, as root in mounts of
//! its own. DROP-IN is lines that are added to the unit, KEEP are folders that stay visible.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use zt_test_e2e::unit::{Confinement, confine};

const USAGE: &str = "unit USER DROP-IN HOME KEEP... -- PROGRAM ARGUMENT...";

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let mut word = || arguments.next().and_then(|word| word.into_string().ok()).context(USAGE);
    let (user, drop_in) = (word()?, word()?);
    let home = arguments.next().context(USAGE)?.into();
    let keep: Vec<PathBuf> = arguments.by_ref().take_while(|word| word != "--").map(PathBuf::from).collect();
    let program: OsString = arguments.next().context(USAGE)?;
    confine(&Confinement { user, drop_in, home, keep })?;
    let refused = Command::new(&program).args(arguments).exec();
    Err(refused).with_context(|| program.display().to_string())
}
