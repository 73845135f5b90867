//! `cargo xtask package check`: the packages, on a fresh Debian that boots systemd in a container. Needs root, systemd-nspawn and a
//! tree made by debootstrap; not a part of CI.

mod engine;
mod machine;

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{folder, stage, targets};
use crate::{known_options, option, run};
use engine::Engine;
use machine::{Init, Machine};

/// How long something may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Highest exposure that `systemd-analyze security` may say.
const EXPOSURE: f64 = 2.5;
/// What nobody may find when the packages are purged.
const TRACES: &str = "find / -xdev \\( -path /proc -o -path /sys -o -path '/var/lib/dpkg' -o -path '/var/log' -o -path '/var/cache' \\) -prune -o \
    \\( -name 'zt*' -o -name 'zerotier*' -o -name '_zt' \\) ! -path '/check/*' ! -path '/usr/share/terminfo/*' -print";

/// Runs the check. `--base DIR`: the tree; `--stock DIR`: the programs of ZeroTier One, for the take-over. `oci [--podman COMMAND]`: the
/// image alone, by Podman. `--openrc DIR`, `--runit DIR`: the service of such hosts, too.
pub(super) fn check(arguments: &[String]) -> Result<()> {
    known_options(arguments, &["--base", "--stock", "--openrc", "--runit", "--podman"])?;
    if arguments.first().is_some_and(|word| word == "oci") {
        return Engine::new(option(arguments, "--podman").unwrap_or("podman")).check();
    }
    others(arguments)?;
    if option(arguments, "--base").is_none()
        && ["--openrc", "--runit"].iter().any(|name| option(arguments, name).is_some())
    {
        return Ok(());
    }
    let base = option(arguments, "--base").context(
        "--base DIR is missing: a tree made by `debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,iproute2 bookworm DIR`",
    )?;
    let work = folder().join("check");
    let machine = Machine::boot(Init::Systemd, Path::new(base), &work)?;
    println!("== a fresh host boots");
    machine.lay(&newest("zt_", ".deb")?, "zt.deb")?;
    machine.lay(&newest("zt-zerotier-names_", ".deb")?, "names.deb")?;
    let mut machine = installed(machine)?;
    machine = rebooted(machine)?;
    names(&machine)?;
    purged(&machine)?;
    match option(arguments, "--stock") {
        Some(stock) => taken_over(&machine, Path::new(stock))?,
        None => println!("== left out: the take-over (--stock DIR)"),
    }
    drop(machine);
    rpm()
}

/// `zt service install` and `uninstall` where others than systemd start services.
fn others(arguments: &[String]) -> Result<()> {
    for (name, init, packages) in
        [("--openrc", Init::Openrc, "openrc sysvinit-core"), ("--runit", Init::Runit, "runit")]
    {
        let Some(base) = option(arguments, name) else {
            println!("== left out: {name} DIR, a tree with {packages}");
            continue;
        };
        println!("== {init:?}: installed");
        let machine = Machine::boot(init, Path::new(base), &folder().join("check"))?;
        machine.lay(&folder().join("root/usr/bin/zt"), "zt")?;
        machine.sh("install /check/zt /usr/bin/zt && zt service install")?;
        machine.eventually("zt info")?;
        let status = machine.sh("zt service status --json")?;
        for word in ["\"active\"", "\"enabled\": true", "\"user\": \"zt\"", "zt service install"] {
            ensure!(status.contains(word), "zt service status: {word} is missing in\n{status}");
        }
        let address = machine.sh("zt info --address")?;
        println!("   ended, and started again");
        machine.sh("kill -KILL $(pidof zt)")?;
        machine.eventually("zt info")?;
        ensure!(machine.sh("zt info --address")? == address, "another identity");
        println!("   uninstalled");
        machine.sh("zt service uninstall --purge --yes && rm /usr/bin/zt")?;
        machine.eventually("! pidof zt")?;
        let left = machine.sh(TRACES)?;
        ensure!(left.trim().is_empty(), "left behind:\n{left}");
        machine.sh("! getent passwd zt").map(drop)?;
    }
    Ok(())
}

/// The package of this kind for this processor.
fn newest(start: &str, end: &str) -> Result<PathBuf> {
    let target = targets(None)?[0];
    let end = match end {
        ".deb" => format!("_{}{end}", target.deb),
        ".rpm" => format!(".{}{end}", target.rpm),
        _ => format!("-{}{end}", target.oci),
    };
    let mut found = fs::read_dir(folder())?.flatten().map(|entry| entry.path());
    let fits = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with(start) && name.ends_with(&end)
    };
    found.find(fits).with_context(|| format!("{start}…{end}: say `cargo xtask package` first"))
}

fn installed(machine: Machine) -> Result<Machine> {
    println!("== installed");
    machine.sh("dpkg -i /check/zt.deb")?;
    let status = machine.sh("zt service status --json")?;
    for word in ["\"active\"", "\"enabled\": true", "\"user\": \"zt\"", "a package"] {
        ensure!(status.contains(word), "zt service status: {word} is missing in\n{status}");
    }
    let info = machine.sh("zt info --json")?;
    ensure!(info.contains("\"user\": \"zt\"") && info.contains("\"files\": \"on\""), "the sandbox:\n{info}");
    let sentence = machine.sh("systemd-analyze security --no-pager zt.service | tail -n 1")?;
    println!("   {}", sentence.trim());
    let exposure = sentence.split(": ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<f64>().ok());
    ensure!(exposure.context("systemd-analyze says a figure")? <= EXPOSURE, "{sentence}");
    machine.sh("zt network create --name lab --pool 10.9.8.0/24 --json > /check/network")?;
    machine.sh("zt join $(grep -o '\"id\": \"[0-9a-f]*' /check/network | head -n 1 | cut -d'\"' -f4)")?;
    machine.sh("zt member auth $(grep -o '\"id\": \"[0-9a-f]*' /check/network | head -n 1 | cut -d'\"' -f4) $(zt info --address)")?;
    joined(&machine)?;
    Ok(machine)
}

/// One network is up, on a device with an address.
fn joined(machine: &Machine) -> Result<()> {
    machine.eventually("zt networks | grep -q OK && ip -br addr | grep -q 10.9.8.").context("the network is not up")
}

fn rebooted(machine: Machine) -> Result<Machine> {
    println!("== booted again");
    let address = machine.sh("zt info --address")?;
    let machine = machine.reboot()?;
    machine.eventually("zt info").context("the service does not start with the host")?;
    ensure!(machine.sh("zt info --address")? == address, "another identity after the boot");
    joined(&machine)?;
    Ok(machine)
}

fn names(machine: &Machine) -> Result<()> {
    println!("== the names of ZeroTier One");
    machine.sh("dpkg -i /check/names.deb")?;
    let info = machine.sh("zerotier-cli info")?;
    ensure!(info.starts_with("200 info "), "zerotier-cli info: {info}");
    machine.sh("dpkg -P zt-zerotier-names && ! command -v zerotier-cli").map(drop)
}

fn purged(machine: &Machine) -> Result<()> {
    println!("== removed, installed again, purged");
    let address = machine.sh("zt info --address")?;
    machine.sh("dpkg -r zt && ! systemctl is-active zt.service && test -s /var/lib/zerotier-one/identity.secret")?;
    machine.sh("dpkg -i /check/zt.deb")?;
    ensure!(machine.sh("zt info --address")? == address, "the identity is not kept");
    machine.sh("dpkg -i /check/zt.deb")?;
    ensure!(machine.sh("zt info --address")? == address, "an upgrade lost the identity");
    machine.sh("dpkg -P zt")?;
    let left = machine.sh(TRACES)?;
    ensure!(left.trim().is_empty(), "left behind:\n{left}");
    machine.sh("! getent passwd zt && ! getent group zt && ! systemctl cat zt.service 2>/dev/null").map(drop)
}

/// A package that stands for ZeroTier One's: its programs and its unit.
fn stand_in(stock: &Path, work: &Path) -> Result<PathBuf> {
    let tree = work.join("stand-in");
    for name in ["zerotier-one", "zerotier-cli", "zerotier-idtool"] {
        stage::put(&stock.join(name), &tree.join("usr/sbin").join(name), 0o755)?;
    }
    let write = |path: &str, text: &str| -> Result<()> {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().context("a folder")?)?;
        Ok(fs::write(path, text)?)
    };
    write(
        "lib/systemd/system/zerotier-one.service",
        "[Unit]\nDescription=ZeroTier One\n[Service]\nExecStart=/usr/sbin/zerotier-one\nRestart=always\nKillMode=process\n\
         [Install]\nWantedBy=multi-user.target\n",
    )?;
    write(
        "DEBIAN/control",
        "Package: zerotier-one\nVersion: 1.14.1\nArchitecture: all\nMaintainer: nobody <nobody@example.invalid>\nDescription: stand-in\n",
    )?;
    let package = work.join("zerotier-one.deb");
    run(Command::new("dpkg-deb").args(["--root-owner-group", "-Zgzip", "--build"]).arg(&tree).arg(&package))?;
    Ok(package)
}

fn taken_over(machine: &Machine, stock: &Path) -> Result<()> {
    println!("== the home of ZeroTier One is taken over");
    machine.lay(&stand_in(stock, machine.work())?, "stock.deb")?;
    machine.lay(&folder().join("root/usr/bin/zt"), "zt")?;
    machine.sh("dpkg -i /check/stock.deb && systemctl enable --now zerotier-one")?;
    machine.eventually("zerotier-cli info")?;
    let address = "zerotier-cli info | cut -d' ' -f3";
    let before = machine.sh(address)?;
    machine
        .sh("chmod 755 /check/zt; /check/zt network create --name old --pool 10.9.8.0/24 --json > /check/network")?;
    let id = machine.sh("grep -o '\"id\": \"[0-9a-f]*' /check/network | head -n 1 | cut -d'\"' -f4")?;
    let id = id.trim();
    machine.sh(&format!("zerotier-cli join {id}; /check/zt member auth {id} {}", before.trim()))?;
    let up = format!("zerotier-cli listnetworks | grep {id} | grep -q OK && ip -br addr | grep -q 10.9.8.");
    machine.eventually(&up).context("the network is up at ZeroTier One")?;

    machine.sh("dpkg -i /check/zt.deb")?;
    machine
        .sh("! systemctl is-active zerotier-one && ! systemctl is-enabled zerotier-one && systemctl is-active zt")?;
    ensure!(machine.sh("zt info --address")?.trim() == before.trim(), "another identity");
    joined(machine)?;
    let owner = machine.sh("stat -c %U /var/lib/zerotier-one /var/lib/zerotier-one/identity.secret | sort -u")?;
    ensure!(owner.trim() == "zt", "the home belongs to {owner}");

    println!("== and given back");
    machine.sh("dpkg -P zt")?;
    machine.sh("systemctl is-active zerotier-one && systemctl is-enabled zerotier-one")?;
    machine.eventually("zerotier-cli info")?;
    ensure!(machine.sh(address)? == before, "another identity");
    machine.eventually(&up).context("the network is not up again at ZeroTier One")?;
    let owner = machine.sh("stat -c %U /var/lib/zerotier-one/identity.secret")?;
    ensure!(owner.trim() == "root", "the home belongs to {owner}");
    machine.sh("! getent passwd zt").map(drop)
}

/// Content and scripts of the .rpm, as rpm itself reads them.
fn rpm() -> Result<()> {
    println!("== the .rpm");
    let file = newest("zt-0", ".rpm").or_else(|_| newest("zt-", ".rpm"))?;
    let ask = |words: &[&str]| -> Result<String> {
        let output = Command::new("rpm").args(words).arg(&file).output().context("rpm")?;
        ensure!(output.status.success(), "rpm {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let files = ask(&["-qlp"])?;
    for path in
        ["/usr/bin/zt", "/usr/lib/systemd/system/zt.service", "/usr/share/zt/setup", "/usr/lib/sysusers.d/zt.conf"]
    {
        ensure!(files.lines().any(|line| line == path), "{path} is not in\n{files}");
    }
    let scripts = ask(&["-qp", "--scripts"])?;
    for word in ["setup install", "setup remove", "setup upgrade", "daemon-reload"] {
        ensure!(scripts.contains(word), "{word} is not in\n{scripts}");
    }
    let digests = ask(&["-K", "--nosignature"])?;
    println!("   {}", digests.trim());
    Ok(())
}
