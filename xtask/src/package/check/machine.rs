//! A host in a container: a tree of its own over one that is only read, and who starts services as the first process.

use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::PATIENCE;
use crate::run;

/// Who starts services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Init {
    Systemd,
    Openrc,
    /// Its supervisor alone.
    Runit,
}

impl Init {
    /// Words of systemd-nspawn.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Systemd => &["--boot"],
            Self::Openrc => &["/sbin/init"],
            Self::Runit => &["--as-pid2", "/usr/bin/runsvdir", "-P", "/etc/service"],
        }
    }

    /// What succeeds when the host is up.
    fn sign(self) -> &'static str {
        match self {
            // Degraded is fine: units of a minimal tree that a container has no use for may fail.
            Self::Systemd => "systemctl is-system-running | grep -qE 'running|degraded'",
            Self::Openrc => "test -e /run/openrc/softlevel && rc-status -r | grep -q default",
            Self::Runit => "test -d /etc/service",
        }
    }
}

pub(super) struct Machine {
    init: Init,
    work: PathBuf,
    tree: PathBuf,
    container: Child,
}

impl Machine {
    /// Boots a host; `base` is not changed.
    pub(super) fn boot(init: Init, base: &Path, work: &Path) -> Result<Self> {
        let tree = work.join("tree");
        let _ = Command::new("umount").arg(&tree).stderr(Stdio::null()).status();
        let _ = fs::remove_dir_all(work);
        for folder in ["tree", "upper", "overlay"] {
            fs::create_dir_all(work.join(folder))?;
        }
        let layers = format!(
            "lowerdir={},upperdir={},workdir={}",
            base.display(),
            work.join("upper").display(),
            work.join("overlay").display()
        );
        run(Command::new("mount").args(["-t", "overlay", "overlay", "-o", &layers]).arg(&tree))
            .context("an overlay needs root")?;
        fs::create_dir_all(tree.join("check"))?;
        // As udev makes it, which may not run here.
        let device = work.join("tun");
        run(Command::new("mknod").args(["-m", "666"]).arg(&device).args(["c", "10", "200"]))?;
        let container = start(init, &tree)?;
        let machine = Self { init, work: work.to_owned(), tree, container };
        machine.wait_for_boot()?;
        Ok(machine)
    }

    /// Where files of the check are kept.
    pub(super) fn work(&self) -> &Path {
        &self.work
    }

    /// Lays a file into `/check`.
    pub(super) fn lay(&self, file: &Path, name: &str) -> Result<()> {
        fs::copy(file, self.tree.join("check").join(name)).with_context(|| file.display().to_string()).map(drop)
    }

    /// What a shell in the container prints; an error if it fails.
    pub(super) fn sh(&self, script: &str) -> Result<String> {
        let first = self.first_process().context("the container has no first process")?;
        let mut command = Command::new("nsenter");
        command.args(["-t", &first.to_string(), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]);
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let output =
            command.args(["env", "-i", &format!("PATH={path}"), "HOME=/root", "DEBIAN_FRONTEND=noninteractive"]);
        let output = output.args(["sh", "-c", script]).output().context("nsenter (util-linux)")?;
        if !output.status.success() {
            let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
            bail!("`{script}` in the container: {}\n{out}{err}", output.status);
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Waits until a shell script succeeds.
    pub(super) fn eventually(&self, script: &str) -> Result<()> {
        let begun = Instant::now();
        loop {
            match self.sh(script) {
                Ok(_) => return Ok(()),
                Err(error) if begun.elapsed() > PATIENCE => {
                    let journal = self.sh("journalctl -b --no-pager -n 40 -u zt -u zerotier-one").unwrap_or_default();
                    return Err(error.context(journal));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(200)),
            }
        }
    }

    /// Shuts the host down and boots it again.
    pub(super) fn reboot(mut self) -> Result<Self> {
        self.shut_down();
        self.container = start(self.init, &self.tree)?;
        self.wait_for_boot()?;
        Ok(self)
    }

    fn shut_down(&mut self) {
        // A supervisor alone has no notion of it.
        if self.init == Init::Runit || self.sh("poweroff").is_err() {
            // With its first process all of them end; with the program that holds it none would.
            if let Some(first) = self.first_process() {
                let _ = Command::new("kill").args(["-KILL", &first.to_string()]).status();
            }
        }
        let _ = self.container.wait();
    }

    fn wait_for_boot(&self) -> Result<()> {
        self.eventually(self.init.sign()).context("it does not boot")
    }

    /// The number of the container's first process, the child of the program that holds it.
    fn first_process(&self) -> Option<u32> {
        let holder = self.container.id();
        let children = fs::read_to_string(format!("/proc/{holder}/task/{holder}/children")).ok()?;
        children.split(' ').next()?.parse().ok()
    }
}

fn start(init: Init, tree: &Path) -> Result<Child> {
    let mut command = Command::new("systemd-nspawn");
    command.args(["--quiet", "--keep-unit", "--register=no", "--private-network", "--console=pipe"]);
    // Calls that this program did not know when its own list was made.
    command.arg("--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self");
    command.arg(format!("--bind={}:/dev/net/tun", tree.with_file_name("tun").display()));
    command.args(["--hostname=zt-check", "-D"]).arg(tree).args(init.words());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().context("systemd-nspawn (systemd-container)")
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.shut_down();
        let _ = Command::new("umount").arg(&self.tree).status();
        let _ = fs::remove_dir_all(&self.work);
    }
}
