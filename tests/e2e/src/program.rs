//! Which binary plays a node.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail};

/// A program that plays nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// Our `zt`.
    Ours(PathBuf),
    /// A folder with the stock `zerotier-one` (or `zerotier-one` itself).
    Stock(PathBuf),
}

/// How a daemon is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Port for UDP and for the HTTP interface.
    pub port: u16,
    /// Log level of our daemon.
    pub log: &'static str,
    /// Words before the command line, as `unshare -m`: what changes the world the node finds. Must end in its program.
    pub wrap: Vec<String>,
}

impl Options {
    /// A shell script that runs as root of mounts of its own before the node does in the same process.
    #[must_use]
    pub fn after(script: &str) -> Self {
        let wrap = ["unshare", "-m", "sh", "-ec", &format!("{script}\nexec \"$@\""), "sh"];
        Self { wrap: wrap.map(str::to_owned).to_vec(), ..Self::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { port: 9993, log: "debug", wrap: Vec::new() }
    }
}

impl Program {
    /// Our program: the one `ZT_PROGRAM` names, else that of this workspace in the same profile, built if needed.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn ours() -> Result<Self> {
        static BUILT: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
        let built = BUILT.get_or_init(|| build_ours().map_err(|error| format!("{error:#}")));
        match built {
            Ok(path) => Ok(Self::Ours(path.clone())),
            Err(error) => bail!("cannot build zt: {error}"),
        }
    }

    /// A stock program: a folder that holds `zerotier-one`, or the binary itself.
    ///
    /// # Errors
    /// When it is not there.
    pub fn stock(path: &Path) -> Result<Self> {
        let binary = if path.is_dir() { path.join("zerotier-one") } else { path.to_owned() };
        if !binary.is_file() {
            bail!("{} is missing", binary.display());
        }
        Ok(Self::Stock(binary))
    }

    /// `ours` or `stock`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ours(_) => "ours",
            Self::Stock(_) => "stock",
        }
    }

    /// The command that runs a node with this home folder in the foreground.
    #[must_use]
    pub fn service(&self, home: &Path, options: &Options) -> Command {
        let start = |program: &Path| {
            let mut words = options.wrap.iter().map(OsStr::new).chain([program.as_os_str()]);
            let mut command = Command::new(words.next().unwrap_or_default());
            command.args(words);
            command
        };
        match self {
            Self::Ours(zt) => {
                let mut command = start(zt);
                command.arg("service").arg("--home").arg(home);
                command.args(["--port", &options.port.to_string(), "--log", options.log]);
                if home.starts_with("/proc") {
                    // The way there leads over another process, which nobody in a sandbox may look at.
                    command.args(["--sandbox", "off"]);
                } else if let Some(user) = std::env::var_os("ZT_TEST_USER") {
                    command.arg("--user").arg(user);
                }
                command
            }
            Self::Stock(one) => {
                let mut command = start(one);
                command.args(["-U", &format!("-p{}", options.port)]).arg(home);
                command
            }
        }
    }
}

fn build_ours() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("ZT_PROGRAM") {
        return Ok(path.into());
    }
    let folder = profile_folder()?;
    let mut command = cargo_build(&folder);
    command.args(["-p", "zt-cli", "--bin", "zt"]);
    let status = command.status().context("cannot run cargo")?;
    let program = folder.join("zt");
    if !status.success() || !program.is_file() {
        bail!("cargo build -p zt-cli: {status}");
    }
    Ok(program)
}

/// `TARGET/PROFILE` of the running program, which is `TARGET/PROFILE/deps/name-hash`, or `TARGET/PROFILE/name` for a
/// binary.
pub(crate) fn profile_folder() -> Result<PathBuf> {
    let me = std::env::current_exe()?;
    let mut folder = me.parent().context("a program lies in a folder")?;
    if folder.ends_with("deps") {
        folder = folder.parent().context("deps lies in a profile folder")?;
    }
    Ok(folder.to_owned())
}

/// `cargo build` of this workspace into such a folder.
pub(crate) fn cargo_build(profile_folder: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet"]);
    if profile_folder.ends_with("release") {
        command.arg("--release");
    }
    if let Some(target) = profile_folder.parent() {
        command.arg("--target-dir").arg(target);
    }
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    command
}
