//! The steps of `zt service install` and `uninstall`, as values: printed by `--dry-run`, done otherwise.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::host::{Host, Init, MARK, PROGRAM, TOOK_OVER, program};
use crate::daemon::home::STOCK_HOME;

/// The user of the service.
pub(super) const USER: &str = "zt";

const UNIT: &str = include_str!("../../../packaging/zt.service");
const OPENRC: &str = include_str!("../../../packaging/zt.openrc");
const RUNIT: &str = include_str!("../../../packaging/runit/run");

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Copies the running program.
    Copy { from: PathBuf, to: PathBuf },
    /// Writes a file.
    Write { path: PathBuf, text: String, mode: u32 },
    /// Runs a program; `must` it succeed?
    Run { words: Vec<String>, must: bool },
    /// Removes a file, or a folder with all that is in it.
    Remove(PathBuf),
}

impl Step {
    fn run(line: &str) -> Self {
        Self::Run { words: line.split(' ').map(str::to_owned).collect(), must: true }
    }

    /// What may fail, as stopping what does not run.
    fn attempt(line: &str) -> Self {
        Self::Run { words: line.split(' ').map(str::to_owned).collect(), must: false }
    }

    /// As a shell would say it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Copy { from, to } => format!("cp {} {}", from.display(), to.display()),
            Self::Write { path, text, .. } => format!("write {} ({} lines)", path.display(), text.lines().count()),
            Self::Run { words, .. } => words.join(" "),
            Self::Remove(path) => format!("rm -r {}", path.display()),
        }
    }

    /// For scripts.
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Copy { from, to } => json!({"copy": from, "to": to}),
            Self::Write { path, text, mode } => json!({"write": path, "mode": format!("{mode:04o}"), "text": text}),
            Self::Run { words, .. } => json!({"run": words}),
            Self::Remove(path) => json!({"remove": path}),
        }
    }

    /// Does it.
    pub(super) fn act(&self) -> Result<()> {
        match self {
            Self::Copy { from, to } => put(to, &fs::read(from).with_context(|| from.display().to_string())?, 0o755),
            Self::Write { path, text, mode } => put(path, text.as_bytes(), *mode),
            Self::Run { words, must } => run(words, *must),
            Self::Remove(path) => {
                let kind = fs::symlink_metadata(path);
                let result = match kind {
                    Ok(kind) if kind.is_dir() => fs::remove_dir_all(path),
                    Ok(_) => fs::remove_file(path),
                    Err(_) => Ok(()),
                };
                result.with_context(|| format!("cannot remove {}", path.display()))
            }
        }
    }
}

/// Beside its place first: a program that runs cannot be written over.
fn put(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let cannot = || format!("cannot write {}; try as root", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(cannot)?;
    }
    let beside = path.with_extension("zt-new");
    fs::write(&beside, content).with_context(cannot)?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(mode)).with_context(cannot)?;
    fs::rename(&beside, path).with_context(cannot)
}

fn run(words: &[String], must: bool) -> Result<()> {
    let line = words.join(" ");
    let (program, arguments) = words.split_first().context("a program")?;
    let output = Command::new(program).args(arguments).output();
    match output {
        _ if !must => Ok(()),
        Err(error) => bail!("cannot run `{line}`: {error}"),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => bail!("`{line}` failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim()),
    }
}

/// What `install` is asked for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) init: Init,
    pub(super) home: PathBuf,
    /// The program that runs now.
    pub(super) running: PathBuf,
}

/// Makes the service, starts it and has it started with the host.
pub(super) fn install(host: &Host, wanted: &Wanted) -> Vec<Step> {
    let Wanted { init, home, running } = wanted;
    let (program, copied) = program(running);
    let mut steps = Vec::new();
    if copied {
        steps.push(Step::Copy { from: running.clone(), to: program.clone() });
    }
    if !host.has_user(USER) {
        steps.extend(new_user(host));
    }
    let took_over = host.starts_stock(*init) || host.installed(*init).is_some_and(|text| text.contains(TOOK_OVER));
    if took_over {
        steps.extend(stock(*init, host, false));
    }
    let text = unit(*init, &program, home, took_over);
    let mode = if *init == Init::Systemd { 0o644 } else { 0o755 };
    steps.push(Step::Write { path: init.unit().into(), text, mode });
    match init {
        Init::Systemd => {
            if home != Path::new(STOCK_HOME) {
                let home = home.display();
                steps.push(Step::run(&format!("install -d -o {USER} -g {USER} -m 0755 {home}")));
                steps.push(Step::run(&format!("chown -R {USER}:{USER} {home}")));
            }
            steps.push(Step::run("systemctl daemon-reload"));
            steps.push(Step::run("systemctl enable zt.service"));
            // One that ran before has the new program only after this.
            steps.push(Step::run("systemctl restart zt.service"));
        }
        Init::Openrc => {
            steps.push(Step::run("rc-update add zt default"));
            steps.push(Step::run("rc-service zt restart"));
        }
        // The supervisor looks every five seconds.
        Init::Runit => steps.push(Step::run(&format!("ln -sfn /etc/sv/zt {}/zt", host.services()))),
    }
    steps
}

/// Takes the service away, and the home with the user if asked.
pub(super) fn uninstall(host: &Host, init: Init, home: &Path, purge: bool) -> Vec<Step> {
    let text = host.installed(init).unwrap_or_default();
    let mut steps = match init {
        Init::Systemd => vec![Step::attempt("systemctl disable --now zt.service")],
        Init::Openrc => vec![Step::attempt("rc-service zt stop"), Step::attempt("rc-update del zt default")],
        // First out of sight, or its supervisor is started again; that has to end before its folder and the user can go.
        Init::Runit => {
            vec![Step::Remove(PathBuf::from(host.services()).join("zt")), Step::attempt("sv force-shutdown /etc/sv/zt")]
        }
    };
    let unit = PathBuf::from(init.unit());
    steps.push(Step::Remove(if init == Init::Runit { PathBuf::from("/etc/sv/zt") } else { unit }));
    if init == Init::Systemd {
        steps.push(Step::run("systemctl daemon-reload"));
    }
    if text.contains(&format!("{PROGRAM} service")) {
        steps.push(Step::Remove(PROGRAM.into()));
    }
    if purge {
        steps.push(Step::Remove(home.to_owned()));
        let delete = if host.knows("userdel") { "userdel" } else { "deluser" };
        steps.push(Step::attempt(&format!("{delete} {USER}")));
    } else if text.contains(TOOK_OVER) {
        steps.push(Step::attempt(&format!("chown -R root:root {}", home.display())));
    }
    if text.contains(TOOK_OVER) && !purge {
        steps.extend(stock(init, host, true));
    }
    steps
}

fn new_user(host: &Host) -> Vec<Step> {
    let home = STOCK_HOME;
    if host.knows("useradd") {
        let options = format!("--system --user-group --no-create-home --home-dir {home} --shell /usr/sbin/nologin");
        return vec![Step::run(&format!("useradd {options} {USER}"))];
    }
    vec![
        Step::run(&format!("addgroup -S {USER}")),
        Step::run(&format!("adduser -S -D -H -h {home} -s /sbin/nologin -G {USER} {USER}")),
    ]
}

/// The service of ZeroTier One, which has the same home and the same port.
fn stock(init: Init, host: &Host, on: bool) -> Vec<Step> {
    let name = "zerotier-one";
    match (init, on) {
        (Init::Systemd, false) => vec![Step::run(&format!("systemctl disable --now {name}.service"))],
        (Init::Systemd, true) => vec![Step::run(&format!("systemctl enable --now {name}.service"))],
        (Init::Openrc, false) => {
            vec![Step::attempt(&format!("rc-service {name} stop")), Step::run(&format!("rc-update del {name} default"))]
        }
        (Init::Openrc, true) => {
            vec![Step::run(&format!("rc-update add {name} default")), Step::run(&format!("rc-service {name} start"))]
        }
        (Init::Runit, false) => {
            vec![Step::attempt(&format!("sv down {name}")), Step::Remove(format!("{}/{name}", host.services()).into())]
        }
        (Init::Runit, true) => vec![Step::run(&format!("ln -sfn /etc/sv/{name} {}/{name}", host.services()))],
    }
}

/// The file for the supervisor, with this program and this home.
fn unit(init: Init, program: &Path, home: &Path, took_over: bool) -> String {
    let text = match init {
        Init::Systemd => UNIT,
        Init::Openrc => OPENRC,
        Init::Runit => RUNIT,
    };
    let mut text = text.replace("/usr/bin/zt", &program.display().to_string());
    if home != Path::new(STOCK_HOME) {
        let shown = home.display();
        text = text.replace("StateDirectory=zerotier-one", &format!("ReadWritePaths={shown}"));
        text =
            text.lines().filter(|line| !line.starts_with("StateDirectoryMode=")).fold(String::new(), |text, line| {
                let starts = !line.starts_with('#') && (line.contains(" service ") || line.contains("\"service "));
                let line = match starts {
                    true => line.replacen("service", &format!("service --home {shown}"), 1),
                    false => line.to_owned(),
                };
                text + &line + "\n"
            });
    }
    let marks = if took_over { format!("{MARK}\n{TOOK_OVER}\n") } else { format!("{MARK}\n") };
    // A script begins with its interpreter.
    match text.split_once('\n').filter(|(first, _)| first.starts_with("#!")) {
        Some((first, rest)) => format!("{first}\n{marks}{rest}"),
        None => marks + &text,
    }
}

#[cfg(test)]
mod tests;
