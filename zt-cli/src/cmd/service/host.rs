//! What `zt service install` finds on a host: who supervises services there, and what stands in its way.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Stands in every file that `zt service install` writes, so that it is known again.
pub(super) const MARK: &str = "# Made by `zt service install`; `zt service uninstall` takes it away.";
/// Stands in the file when a service of ZeroTier One was switched off for this one.
pub(super) const TOOK_OVER: &str = "# zerotier-one was enabled before.";
/// Where the program is copied to when it lies where services may not look.
pub(super) const PROGRAM: &str = "/usr/local/bin/zt";

/// Who starts services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Init {
    /// systemd.
    Systemd,
    /// OpenRC.
    Openrc,
    /// runit.
    Runit,
}

impl Init {
    /// As people write it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Openrc => "OpenRC",
            Self::Runit => "runit",
        }
    }

    /// The file that `zt service install` writes.
    pub(super) fn unit(self) -> &'static str {
        match self {
            Self::Systemd => "/etc/systemd/system/zt.service",
            Self::Openrc => "/etc/init.d/zt",
            Self::Runit => "/etc/sv/zt/run",
        }
    }
}

/// A host: its files below a folder, which is `/` outside of tests.
pub(super) struct Host {
    root: PathBuf,
    path: OsString,
}

impl Host {
    pub(super) fn new(root: impl Into<PathBuf>, path: Option<OsString>) -> Self {
        let mut path = path.unwrap_or_default();
        path.push(":/usr/sbin:/sbin:/usr/bin:/bin");
        Self { root: root.into(), path }
    }

    /// A file of the host, named as there.
    pub(super) fn file(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.file(path).exists()
    }

    /// Whether a program is there.
    pub(super) fn knows(&self, program: &str) -> bool {
        std::env::split_paths(&self.path).any(|folder| self.has(&folder.join(program).to_string_lossy()))
    }

    /// Who starts services here.
    pub(super) fn init(&self) -> Option<Init> {
        let signs = [
            (Init::Systemd, &["/run/systemd/system"] as &[&str]),
            (Init::Openrc, &["/run/openrc", "/sbin/openrc-run"]),
            (Init::Runit, &["/run/runit", "/etc/runit", "/etc/sv"]),
        ];
        signs.into_iter().find(|(_, signs)| signs.iter().any(|sign| self.has(sign))).map(|(init, _)| init)
    }

    /// A unit that a package brought: `zt service` keeps its hands off it.
    pub(super) fn of_package(&self, init: Init) -> Option<String> {
        let places: &[&str] = match init {
            Init::Systemd => &["/usr/lib/systemd/system/zt.service", "/lib/systemd/system/zt.service"],
            Init::Openrc | Init::Runit => &[],
        };
        let packaged = places.iter().copied().find(|path| self.has(path));
        let foreign = Some(init.unit()).filter(|path| self.text(path).is_some_and(|text| !text.contains(MARK)));
        packaged.or(foreign).map(str::to_owned)
    }

    /// What `zt service install` wrote here.
    pub(super) fn installed(&self, init: Init) -> Option<String> {
        self.text(init.unit()).filter(|text| text.contains(MARK))
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.file(path)).ok()
    }

    /// Whether there is a user of this name.
    pub(super) fn has_user(&self, name: &str) -> bool {
        self.text("/etc/passwd").is_some_and(|text| text.lines().any(|line| line.split(':').next() == Some(name)))
    }

    /// Whether the service of ZeroTier One is started with the host.
    pub(super) fn starts_stock(&self, init: Init) -> bool {
        let name = "zerotier-one";
        let places = match init {
            Init::Systemd => vec![format!("/etc/systemd/system/multi-user.target.wants/{name}.service")],
            Init::Openrc => vec![format!("/etc/runlevels/default/{name}")],
            Init::Runit => SERVICES.iter().map(|folder| format!("{folder}/{name}")).collect(),
        };
        // The link may lead to a file that is looked up below another root.
        places.iter().any(|path| fs::symlink_metadata(self.file(path)).is_ok())
    }

    /// The folder of runit's running services.
    pub(super) fn services(&self) -> &'static str {
        SERVICES.iter().find(|folder| self.has(folder)).unwrap_or(&SERVICES[0])
    }
}

const SERVICES: [&str; 3] = ["/var/service", "/etc/service", "/service"];

/// Where the program of the service is, and whether it has to be copied there: services see no homes of users, and a build
/// folder goes away.
pub(super) fn program(running: &Path) -> (PathBuf, bool) {
    let lasting = ["/usr", "/opt", "/bin", "/sbin", "/nix", "/gnu"].iter().any(|folder| running.starts_with(folder));
    if lasting { (running.to_owned(), false) } else { (PathBuf::from(PROGRAM), true) }
}
