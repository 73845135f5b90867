//! resolvconf: the program of Debian, openresolv, and what else takes `-a` and `-d`.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::dns::{DnsError, LinkDns, Resolver};

const PROGRAM: &str = "resolvconf";
/// Folders that a daemon's `PATH` may lack.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";
/// Where both programs keep their entries, one file each.
const RECORDS: &str = "/run/resolvconf";
/// The folders in it: of Debian's program, of openresolv, of newer ones of that.
const FOLDERS: [&str; 3] = ["interface", "interfaces", "keys"];
/// Ends the names of our entries: device and program, as the manuals of both ask for.
const SUFFIX: &str = ".zt";

#[derive(Clone, Debug)]
pub(super) struct Resolvconf {
    /// First line of our entries.
    mark: String,
    path: OsString,
    records: PathBuf,
}

impl Resolvconf {
    pub(super) fn new(owner: &str, path: Option<OsString>, records: Option<PathBuf>) -> Self {
        let path = path.unwrap_or_else(|| {
            let mut path = std::env::var_os("PATH").unwrap_or_default();
            path.push(":");
            path.push(SYSTEM_PATH);
            path
        });
        Self { mark: format!("# zt {owner}"), path, records: records.unwrap_or_else(|| PathBuf::from(RECORDS)) }
    }

    pub(super) async fn add(&self, device: &str, dns: &LinkDns) -> Result<(), DnsError> {
        let mut text = format!("{}\nsearch {}\n", self.mark, dns.domain);
        for server in &dns.servers {
            text += &format!("nameserver {server}\n");
        }
        let entry = entry(device);
        self.apart(move |this| {
            // openresolv asks low numbers first. Debian's program goes by the name and knows no number.
            let knows_metrics = this.run(&["--version"], "").is_ok_and(|told| is_openresolv(&told));
            let arguments: &[&str] = if knows_metrics { &["-m", "0", "-a", &entry] } else { &["-a", &entry] };
            match this.run(arguments, &text) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err(DnsError::NoResolver),
                Err(error) => Err(DnsError::Refused(Resolver::Resolvconf, error.to_string())),
                Ok(output) if output.status.success() => Ok(()),
                Ok(output) => Err(DnsError::Refused(Resolver::Resolvconf, complaint(&output))),
            }
        })
        .await
        .unwrap_or(Err(DnsError::NoResolver))
    }

    pub(super) async fn remove(&self, device: &str) {
        let entry = entry(device);
        let _ = self.apart(move |this| this.run(&["-d", &entry], "")).await;
    }

    /// Takes away what this node left when it was killed.
    pub(super) async fn remove_stale(&self) {
        let _ = self
            .apart(|this| {
                for entry in this.stale() {
                    let _ = this.run(&["-d", &entry], "");
                }
            })
            .await;
    }

    /// Entries with our mark.
    fn stale(&self) -> Vec<String> {
        let files = FOLDERS.iter().filter_map(|folder| std::fs::read_dir(self.records.join(folder)).ok()).flatten();
        let names = files.flatten().filter_map(|file| {
            let name = file.file_name().into_string().ok()?;
            (name.ends_with(SUFFIX) && self.is_marked(&file.path())).then_some(name)
        });
        names.collect()
    }

    fn is_marked(&self, file: &Path) -> bool {
        std::fs::read_to_string(file).is_ok_and(|text| text.lines().any(|line| line == self.mark))
    }

    /// Off the packet loop: the program runs scripts of the host, which may take their time.
    async fn apart<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> T + Send + 'static) -> Option<T> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || work(&this)).await.ok()
    }

    fn run(&self, arguments: &[&str], input: &str) -> io::Result<Output> {
        let mut child = Command::new(self.program().ok_or(io::ErrorKind::NotFound)?)
            .args(arguments)
            .env("PATH", &self.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read says with its exit what it thinks.
            let _ = stdin.write_all(input.as_bytes());
        }
        child.wait_with_output()
    }

    fn program(&self) -> Option<PathBuf> {
        std::env::split_paths(&self.path).map(|folder| folder.join(PROGRAM)).find(|file| file.is_file())
    }
}

/// Name of a device's entry. Debian's program sorts by name, and `tun*` stands before every other device.
fn entry(device: &str) -> String {
    format!("tun.{device}{SUFFIX}")
}

fn is_openresolv(told: &Output) -> bool {
    told.status.success() && told.stdout.starts_with(b"openresolv")
}

/// What the program said, in one line.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let text = text.trim().replace(|character: char| character.is_control(), " ");
    if text.is_empty() { output.status.to_string() } else { text }
}
