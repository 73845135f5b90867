//! Which binary plays a node.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Error, Result, bail, ensure};

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
    /// Why this node does not run under the rights of the systemd unit, as all others of tests do.
    pub not_as_unit: Option<&'static str>,
    /// Lines that an operator adds to the unit, by `systemctl edit zt`.
    pub drop_in: &'static str,
}

impl Options {
    /// What docs/install.md says for a port below 1024.
    pub const LOW_PORT: &'static str =
        "AmbientCapabilities=CAP_NET_BIND_SERVICE\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE";

    /// A shell script that runs as root of mounts of its own before the node does in the same process.
    #[must_use]
    pub fn after(script: &str) -> Self {
        let wrap = ["unshare", "-m", "sh", "-ec", &format!("{script}\nexec \"$@\""), "sh"];
        Self { wrap: wrap.map(str::to_owned).to_vec(), ..Self::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { port: 9993, log: "debug", wrap: Vec::new(), not_as_unit: None, drop_in: "" }
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
        let start = |words: Vec<OsString>| {
            let mut words = options.wrap.iter().map(OsString::from).chain(words);
            let mut command = Command::new(words.next().unwrap_or_default());
            command.args(words);
            command
        };
        match self {
            Self::Ours(zt) => {
                let (mut words, mut home) = (Vec::new(), home.to_owned());
                let as_unit = as_unit(options);
                if let Some(user) = &as_unit {
                    // A disk of another process is entered: nobody may look at it from outside.
                    if let Some((process, inside)) = of_process(&home) {
                        words.extend(["nsenter".into(), "--mount".into(), "--target".into(), process]);
                        home = inside;
                    }
                    // All of a laboratory stays visible below `/tmp`.
                    let is_lab = |folder: &&Path| {
                        let name = folder.file_name().and_then(OsStr::to_str);
                        name.is_some_and(|name| name.starts_with(crate::home::PREFIX))
                    };
                    let lab = home.ancestors().find(is_lab);
                    words.extend(unit_command(user, options.drop_in, &home, lab, zt));
                }
                words.push(zt.into());
                let mut command = start(words);
                command.arg("service").arg("--home").arg(&home);
                command.args(["--port", &options.port.to_string(), "--log", options.log]);
                if home.starts_with("/proc") {
                    // The way there leads over another process, which nobody in a sandbox may look at.
                    command.args(["--sandbox", "off"]);
                }
                command
            }
            Self::Stock(one) => {
                let mut command = start(vec![one.into()]);
                command.args(["-U", &format!("-p{}", options.port)]).arg(home);
                command
            }
        }
    }
}

/// The user under whose rights, those of the unit, a node is started: `ZT_TEST_USER`, `nobody` in tests.
fn as_unit(options: &Options) -> Option<OsString> {
    let user = unit_user()?;
    if let Some(reason) = options.not_as_unit {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "not under the rights of the unit: {reason}");
        return None;
    }
    Some(user)
}

/// As whom services of tests run, with the rights of the unit; `None` is as whoever runs the tests. The programs of `src/bin`
/// measure, and so run nodes plainly unless they are asked.
pub(crate) fn unit_user() -> Option<OsString> {
    static USER: OnceLock<Option<OsString>> = OnceLock::new();
    let user = USER.get_or_init(|| {
        if !is_root() {
            return None;
        }
        let in_test =
            std::env::current_exe().is_ok_and(|me| me.parent().is_some_and(|folder| folder.ends_with("deps")));
        let asked = std::env::var_os("ZT_TEST_USER");
        asked.or_else(|| in_test.then(|| "nobody".into())).filter(|user| user != "root")
    });
    user.clone()
}

/// Whether this process is root of the computer and not of a user namespace alone.
#[must_use]
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
        && fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| map.split_whitespace().nth(2) != Some("1"))
}

/// Words before a command of a service that has this user, the rights of the unit and this home folder.
pub(crate) fn unit_command(
    user: &OsStr,
    drop_in: &str,
    home: &Path,
    lab: Option<&Path>,
    program: &Path,
) -> Vec<OsString> {
    let unit = match unit_program() {
        Ok(path) => path,
        // Says so when it is started.
        Err(error) => PathBuf::from(format!("(no program that stands for the unit: {error:#})")),
    };
    // The program is to be seen wherever it was built.
    let keep = lab.into_iter().chain(program.parent()).chain(unit.parent()).map(OsString::from);
    let mut words: Vec<OsString> = ["unshare", "--mount", "--propagation", "slave"].map(OsString::from).to_vec();
    words.extend([unit.clone().into(), user.to_owned(), drop_in.into(), home.into()]);
    words.extend(keep);
    words.push("--".into());
    words
}

/// The way to a home folder that another process sees, as `/proc/NUMBER/root/…`: the process, and the folder as it sees it.
fn of_process(home: &Path) -> Option<(OsString, PathBuf)> {
    let mut parts = home.strip_prefix("/proc").ok()?.components();
    let process = parts.next()?.as_os_str().to_owned();
    (parts.next()?.as_os_str() == "root").then(|| (process, Path::new("/").join(parts.as_path())))
}

/// `src/bin/unit.rs`, which cargo builds with the tests, and which is built here for other programs.
fn unit_program() -> Result<PathBuf> {
    static BUILT: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let build = || -> Result<PathBuf> {
        let folder = profile_folder()?;
        let program = folder.join("unit");
        if !program.is_file() {
            let status = cargo_build(&folder).args(["-p", "zt-test-e2e", "--bin", "unit"]).status()?;
            ensure!(status.success(), "cargo build: {status}");
        }
        Ok(program)
    };
    BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}"))).clone().map_err(Error::msg)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is tried, and whether the unit lets it.
    const TRIED: [(&str, bool); 14] = [
        ("touch home/new", true),
        ("cat seen", true),
        ("touch seen", false),
        ("touch /etc/zt-was-here", false),
        ("ls -d /tmp/zt-unseen", false),
        ("test -r /dev/net/tun", true),
        ("ls /dev/kmsg", false),
        ("ls -d /proc/1", false),
        ("sh -c 'echo 0 > /proc/sys/net/ipv4/ip_forward'", false),
        ("chown 1 home/new", false),
        ("chmod u+s home/new", false),
        ("unshare -r true", false),
        ("renice -n 5 $$", false),
        ("sh -c 'grep -q ^CapPrm:.*0000000000003000$ /proc/self/status'", true),
    ];

    #[test]
    fn what_stands_for_the_unit_refuses_what_the_unit_refuses() {
        if !is_root() {
            return;
        }
        let lab = crate::home::Folder::new("rights").expect("a folder");
        let home = lab.path().join("home");
        fs::create_dir(&home).expect("a folder");
        fs::write(lab.path().join("seen"), "").expect("a file");
        fs::write("/tmp/zt-unseen", "").expect("a file");
        let script: String = TRIED.iter().map(|(what, _)| format!("{what} && echo yes || echo no\n")).collect();
        let words = unit_command(OsStr::new("nobody"), "", &home, Some(lab.path()), Path::new("/bin/sh"));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["sh", "-c", &format!("cd '{}'\nexec 2>&1\n{script}", lab.path().display())]);
        let output = command.output().expect("unshare");
        fs::remove_file("/tmp/zt-unseen").expect("removed");
        let text = String::from_utf8_lossy(&output.stdout);
        let answers: Vec<bool> =
            text.lines().filter(|line| ["yes", "no"].contains(line)).map(|line| line == "yes").collect();
        assert_eq!(answers, TRIED.map(|(_, lets)| lets), "{text}{}", String::from_utf8_lossy(&output.stderr));
    }
}
