//! The rights of the systemd unit without systemd: what it makes of `zt.service` before it starts the daemon.
//!
//! The unit itself is read (`zt-cli/packaging/zt.service`), so that tests run under what is shipped. Each of its lines is
//! imitated, or named with the reason in `LEFT_OUT`; a test holds both lists against the file.

mod calls;
mod rights;
mod view;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

const UNIT: &str = include_str!("../../../../zt-cli/packaging/zt.service");

/// What is imitated, by the word before `=`.
#[cfg(test)]
const IMITATED: [&str; 24] = [
    "User",
    "UMask",
    "StateDirectory",
    "AmbientCapabilities",
    "CapabilityBoundingSet",
    "NoNewPrivileges",
    "DevicePolicy",
    "DeviceAllow",
    "ProtectSystem",
    "ProtectHome",
    "PrivateTmp",
    "ReadWritePaths",
    "ProtectProc",
    "ProtectKernelTunables",
    "ProtectControlGroups",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "SystemCallFilter",
    "SystemCallErrorNumber",
    "LimitNOFILE",
];

/// What is not, and why.
#[cfg(test)]
const LEFT_OUT: [(&str, &str); 19] = [
    ("Type", "how systemd learns that the daemon is ready: a test of its own listens"),
    ("NotifyAccess", "as Type"),
    ("WatchdogSec", "as Type"),
    ("ExecStart", "the test's own command line"),
    ("EnvironmentFile", "the test's own options"),
    ("Restart", "a test wants to see how a daemon ended"),
    ("RestartSec", "as Restart"),
    ("TimeoutStartSec", "the test's patience"),
    ("TimeoutStopSec", "the test's patience"),
    ("Group", "the group of the user"),
    ("StateDirectoryMode", "homes of tests have the modes that the test wants"),
    ("RuntimeDirectory", "all daemons of this computer would share it; the socket in the home is the same"),
    ("RuntimeDirectoryMode", "as RuntimeDirectory"),
    ("ProtectClock", "in the filter of system calls already, and the capability is not there"),
    ("ProtectHostname", "as ProtectClock"),
    ("ProtectKernelLogs", "as ProtectClock; /dev has no kmsg"),
    ("ProtectKernelModules", "as ProtectClock"),
    ("RemoveIPC", "what is left when the service has ended"),
    ("KeyringMode", "the daemon may not speak to keyrings at all"),
];

/// Left out, too: each call has one door on x86_64 and aarch64 in a filter that knows its processor.
#[cfg(test)]
const ARCHITECTURES: &str = "SystemCallArchitectures";

/// Who is confined, and what a test needs to be there.
#[derive(Debug, Clone)]
pub struct Confinement {
    /// The user of the unit, by a name of `/etc/passwd`.
    pub user: String,
    /// Lines that an operator added to the unit.
    pub drop_in: String,
    /// The home folder, which stands for the unit's `StateDirectory`.
    pub home: PathBuf,
    /// Folders that are to be seen, and not written to, although they lie where the unit hides things, as in `/tmp`.
    pub keep: Vec<PathBuf>,
}

/// Confines this process, which must have one thread, mounts of its own and all rights of root, as the unit does; for good,
/// and for whatever it executes.
///
/// # Errors
/// The kernel refuses a part, or the unit says what is not understood.
pub fn confine(confinement: &Confinement) -> Result<()> {
    let mut unit = Unit::shipped();
    unit.add(&confinement.drop_in);
    let user = rights::find(&confinement.user)?;
    view::narrow(&unit, confinement, user).context("what is to be seen of the file system")?;
    rights::give_up(&unit, user).context("user and capabilities")?;
    calls::restrict(&unit).context("system calls")
}

/// The lines of a unit's `[Service]`, by the word before `=`.
#[derive(Debug)]
struct Unit(BTreeMap<String, Vec<String>>);

impl Unit {
    fn shipped() -> Self {
        let (_, service) = UNIT.split_once("[Service]").unwrap_or_default();
        let (service, _) = service.split_once("[Install]").unwrap_or((service, ""));
        let mut unit = Self(BTreeMap::new());
        unit.add(service);
        unit
    }

    fn add(&mut self, lines: &str) {
        for (key, value) in lines.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='))
        {
            self.0.entry(key.to_owned()).or_default().push(value.to_owned());
        }
    }

    /// All lines of this name.
    fn all(&self, key: &str) -> &[String] {
        self.0.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// The words of all lines of this name.
    fn words(&self, key: &str) -> impl Iterator<Item = &str> {
        self.all(key).iter().flat_map(|value| value.split_whitespace())
    }

    /// The one line of this name.
    fn one(&self, key: &str) -> Result<&str> {
        let all = self.all(key);
        ensure!(all.len() == 1, "{key} stands {} times in the unit", all.len());
        Ok(&all[0])
    }

    /// Whether the unit says so; what is neither `yes` nor a known word is not understood here.
    fn says(&self, key: &str, word: &str) -> Result<bool> {
        match self.all(key) {
            [] => Ok(false),
            [found] if found == "no" => Ok(false),
            [found] if found == word => Ok(true),
            other => anyhow::bail!("{key}={other:?} is not imitated, only {word}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_the_unit_is_imitated_or_left_out_for_a_reason() {
        let unit = Unit::shipped();
        let left_out = LEFT_OUT.iter().map(|(key, _)| *key).chain([ARCHITECTURES]);
        let known: std::collections::BTreeSet<&str> = IMITATED.into_iter().chain(left_out).collect();
        assert_eq!(unit.0.keys().map(String::as_str).collect::<std::collections::BTreeSet<_>>(), known);
    }
}
