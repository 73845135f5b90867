//! Libraries that stand between a node and the C library (`LD_PRELOAD`): what no namespace can change.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};

use crate::Options;
use crate::program::profile_folder;

/// Clocks of a node that are set while it runs.
#[derive(Debug)]
pub struct Clocks {
    library: PathBuf,
    path: PathBuf,
    file: File,
}

impl Clocks {
    /// Clocks that are right so far; what they are set to is kept in this folder.
    ///
    /// # Errors
    /// There is no C compiler, or of the file system.
    pub fn new(folder: &Path) -> Result<Self> {
        let path = folder.join("clocks");
        let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(&path)?;
        let clocks = Self { library: library("clock", include_str!("shim/clock.c"))?, path, file };
        clocks.set(0, 0)?;
        Ok(clocks)
    }

    /// How a node is started that has these clocks.
    #[must_use]
    pub fn options(&self) -> Options {
        let clock = format!("ZT_TEST_CLOCK={}", self.path.display());
        Options { wrap: vec!["env".to_owned(), preload(&self.library), clock], ..Options::default() }
    }

    /// Seconds that the wall clock is ahead, and that the host has slept.
    ///
    /// # Errors
    /// Of the file system.
    pub fn set(&self, wall: i64, slept: i64) -> Result<()> {
        Ok(self.file.write_all_at(&[wall.to_ne_bytes(), slept.to_ne_bytes()].concat(), 0)?)
    }
}

/// How a node is started whose disk has no locks.
///
/// # Errors
/// There is no C compiler.
pub fn without_locks() -> Result<Options> {
    let library = library("no_locks", include_str!("shim/no_locks.c"))?;
    Ok(Options { wrap: vec!["env".to_owned(), preload(&library)], ..Options::default() })
}

fn preload(library: &Path) -> String {
    format!("LD_PRELOAD={}", library.display())
}

/// Compiles a library beside the running program.
fn library(name: &str, source: &str) -> Result<PathBuf> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = profile_folder()?.join("shims");
    fs::create_dir_all(&folder)?;
    let text = folder.join(format!("{name}.{}.c", std::process::id()));
    let made = text.with_extension("so");
    fs::write(&text, source)?;
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(&compiler);
    command.args(["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]).arg(&made).arg(&text);
    command.arg("-ldl");
    let output = command
        .output()
        .with_context(|| format!("cannot run the C compiler {}: install one, or name it in CC", compiler.display()))?;
    ensure!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    // Whoever comes last of several processes replaces an equal file as a whole.
    let library = folder.join(format!("{name}.so"));
    fs::rename(&made, &library)?;
    fs::remove_file(&text)?;
    Ok(library)
}
