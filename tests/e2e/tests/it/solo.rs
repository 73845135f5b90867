//! One machine with a home, for tests of what a daemon does alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use zt_tap::netns::Process;
use zt_test_e2e::{Daemon, Home, Host, Lab, Options, Program};

pub(crate) const WAIT: Duration = Duration::from_secs(20);
/// A daemon that refuses to start has ended after this time.
pub(crate) const REFUSAL: Duration = Duration::from_secs(20);

/// One machine, 10.0.0.1.
pub(crate) struct Solo {
    pub(crate) lab: Lab,
    pub(crate) host: Host,
    pub(crate) zt: Program,
}

impl Solo {
    pub(crate) fn new(name: &str) -> Result<Option<Self>> {
        let zt = Program::ours()?;
        let Some(lab) = Lab::new(name)? else { return Ok(None) };
        let host = lab.host("solo", &["10.0.0.1/24"])?;
        Ok(Some(Self { lab, host, zt }))
    }

    /// Gives a home the first identity, which is the root of its own planet: online at once.
    pub(crate) fn furnish(&self, home: Home) -> Result<Home> {
        let key = self.lab.identity(1);
        let planet = self.lab.planet(&[(key.identity(), &["10.0.0.1/9993"])])?;
        home.with_identity(&key)?.with_planet(&planet)
    }

    pub(crate) fn home(&self, name: &str) -> Result<Home> {
        self.furnish(self.lab.home(name)?)
    }

    pub(crate) fn start(&self, home: &Home) -> Result<Daemon> {
        self.host.start(&self.zt, home.clone())
    }

    /// A start that must be refused: exit code 1, and what was printed.
    pub(crate) fn refused(&self, home: &Home) -> Result<String> {
        self.refused_with(home, &Options::default())
    }

    /// Starts a node and kills it when it is up: what it said if it refused instead.
    pub(crate) fn refusal(&self, home: &Home) -> Result<Option<String>> {
        let output = match self.start(home) {
            Ok(daemon) => {
                let output = daemon.output().join("\n");
                daemon.kill();
                assert!(!output.contains("panicked"), "{output}");
                return Ok(None);
            }
            Err(error) => format!("{error:#}"),
        };
        assert!(output.contains("the node ended with exit status: 1"), "{output}");
        assert!(!output.contains("panicked"), "{output}");
        Ok(Some(output))
    }

    pub(crate) fn refused_with(&self, home: &Home, options: &Options) -> Result<String> {
        let (status, output) = self.host.run(self.zt.service(home.path(), options), REFUSAL)?;
        assert_eq!(status.code(), Some(1), "{status}: {output}");
        assert!(!output.contains("panicked"), "{output}");
        Ok(output)
    }
}

/// Asks for `words` in what was printed.
#[track_caller]
pub(crate) fn says(output: &str, words: &[&str]) {
    for word in words {
        assert!(output.contains(word), "{word:?} is not in:\n{output}");
    }
}

/// A process that holds a mount of its own: a small disk, reachable by its `/proc` entry.
pub(crate) struct SmallDisk {
    _holder: Process,
    pub(crate) path: PathBuf,
}

impl SmallDisk {
    pub(crate) fn new(solo: &Solo, kilobytes: u32) -> Result<Self> {
        let place = solo.lab.folder().join("disk");
        fs::create_dir_all(&place)?;
        let script =
            format!("mount -t tmpfs -o size={kilobytes}k disk '{}'; echo ready; exec sleep 1000", place.display());
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-ec", &script]);
        let holder = solo.host.namespace().spawn(command)?;
        zt_test_e2e::wait_for("a small disk", WAIT, || {
            Ok(holder.output().iter().any(|line| line == "ready").then_some(()))
        })?;
        let inside = place.strip_prefix("/").unwrap_or(&place);
        let path = Path::new("/proc").join(holder.id().to_string()).join("root").join(inside);
        Ok(Self { _holder: holder, path })
    }

    /// Leaves this many bytes.
    pub(crate) fn fill_up(&self, left: u64) -> Result<()> {
        let mut bytes = Vec::new();
        while fs::write(self.path.join("ballast"), &bytes).is_ok() {
            bytes.resize(bytes.len() + 4096, 1);
        }
        bytes.truncate(bytes.len().saturating_sub(4096 + usize::try_from(left)?));
        Ok(fs::write(self.path.join("ballast"), &bytes)?)
    }

    pub(crate) fn make_room(&self) -> Result<()> {
        Ok(fs::remove_file(self.path.join("ballast"))?)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
