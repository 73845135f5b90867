//! Home folders as they are found: of other users, on disks that take nothing or know no locks, with secrets that are lost,
//! laid by others or open to them.
#![expect(clippy::print_stdout, reason = "skipped parts are told")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::path::Path;
use std::process::Command;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use zt_test_e2e::shim::without_locks;
use zt_test_e2e::{Daemon, Home, Options, is_root};
use zt_wire::NetworkId;

use crate::solo::{SmallDisk, Solo, WAIT, hex, says};

/// Nobody, and somebody else.
const NOBODY: u32 = 65_534;
const OTHER: u32 = 54_321;

fn mode(path: &Path) -> Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o777)
}

fn as_nobody() -> Options {
    let wrap = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"];
    let not_as_unit = Some("this node is to have no rights at all");
    Options { wrap: wrap.map(str::to_owned).to_vec(), not_as_unit, ..Options::default() }
}

fn printed(daemon: &Daemon, words: &[&str]) -> Result<()> {
    daemon.wait("a warning", WAIT, || {
        let output = daemon.output().join("\n");
        Ok(words.iter().all(|word| output.contains(word)).then_some(()))
    })
}

/// What is filled where `touch` made it, and only there: the token that reads, and the file for collectors.
#[test]
fn files_that_somebody_asked_for_are_filled() -> Result<()> {
    let Some(solo) = Solo::new("asked")? else { return Ok(()) };
    let home = solo.home("home")?;
    let node = solo.host.start(&solo.zt, home.clone())?;
    for name in ["metrics.prom", "readtoken.secret"] {
        assert!(!home.path().join(name).exists(), "nobody asked for {name}");
        home.write(name, b"")?;
    }
    fs::set_permissions(home.path().join("metrics.prom"), fs::Permissions::from_mode(0o640))?;
    let filled = |name: &str| node.wait(name, WAIT, || Ok(Some(home.read(name)?).filter(|text| !text.is_empty())));
    let metrics = String::from_utf8(filled("metrics.prom")?)?;
    assert!(metrics.contains("\nzt_num_networks 0\n") && metrics.ends_with('\n'), "{metrics}");
    assert_eq!(mode(&home.path().join("metrics.prom"))?, 0o640, "who may read it is for him to say who made it");
    assert_eq!(filled("readtoken.secret")?.len(), 24);
    node.join(NetworkId(0x1234_5678_9a00_0001))?;
    node.wait("the file of later", WAIT, || {
        Ok(String::from_utf8(home.read("metrics.prom")?)?.contains("\nzt_num_networks 1\n").then_some(()))
    })?;
    Ok(())
}

/// The first process of a container is not ended by a signal that it does not take: one that comes while the identity is made
/// must not be lost.
#[test]
fn a_signal_counts_from_the_first_file_on() -> Result<()> {
    let Some(solo) = Solo::new("early")? else { return Ok(()) };
    let home = solo.lab.home("home")?;
    let mut node = solo.host.namespace().spawn(solo.zt.service(home.path(), &Options::default()))?;
    zt_test_e2e::wait_for("a first file", WAIT, || Ok(fs::read_dir(home.path())?.next().map(drop)))?;
    let status = fs::read_to_string(format!("/proc/{}/status", node.id()))?;
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim).unwrap_or_default();
    let terminate = u64::from_str_radix(caught, 16)? >> (rustix::process::Signal::TERM.as_raw() - 1) & 1;
    assert_eq!(terminate, 1, "SIGTERM is not taken yet: {status}");
    node.signal(rustix::process::Signal::TERM)?;
    let ended = node.wait(WAIT)?;
    assert!(ended.success(), "{ended}: {:?}", node.output());
    Ok(())
}

#[test]
fn a_lost_secret_is_never_replaced_unasked() -> Result<()> {
    let Some(solo) = Solo::new("lost")? else { return Ok(()) };
    let home = solo.home("home")?;
    let old = solo.lab.identity(1).identity().address.to_string();
    let public = home.read("identity.public")?;
    // The public half alone, and then with a network that was joined.
    for joined in [false, true] {
        if joined {
            home.write("networks.d/123456789a000001.conf", b"\n")?;
        }
        for empty in [false, true] {
            let _ = fs::remove_file(home.path().join("identity.secret"));
            if empty {
                home.write("identity.secret", b"")?;
            }
            let output = solo.refused(&home)?;
            says(&output, &["identity.secret is missing or empty", &old, "Put a copy", "--new-identity"]);
            assert_eq!(home.read("identity.public")?, public, "it was touched");
            assert!(home.read("identity.secret").unwrap_or_default().is_empty(), "one was made");
        }
    }
    let mut command = solo.zt.service(home.path(), &Options::default());
    command.arg("--new-identity");
    let mut process = solo.host.namespace().spawn(command)?;
    let new = zt_test_e2e::wait_for("another identity", WAIT, || {
        if let Some(status) = process.exited()? {
            return Err(anyhow!("the node ended with {status}: {}", process.output().join("\n")));
        }
        Ok(home
            .read("identity.public")
            .ok()
            .filter(|now| *now != public && home.path().join("zerotier-one.port").exists()))
    })?;
    process.terminate(WAIT)?;
    // It stays, asked for or not.
    let daemon = solo.start(&home)?;
    assert!(new.starts_with(daemon.address().to_string().as_bytes()));
    daemon.stop()
}

#[test]
fn the_public_identity_follows_the_secret_one_and_that_is_told() -> Result<()> {
    let Some(solo) = Solo::new("public")? else { return Ok(()) };
    let home = solo.home("home")?;
    let other = solo.lab.identity(2);
    home.write("identity.public", other.identity().to_string().as_bytes())?;
    let daemon = solo.start(&home)?;
    assert_eq!(daemon.address(), solo.lab.identity(1).identity().address);
    printed(&daemon, &["identity.public did not match", &other.identity().address.to_string()])?;
    assert_eq!(home.read("identity.public")?, solo.lab.identity(1).identity().to_string().into_bytes());
    daemon.stop()
}

#[test]
fn secrets_are_not_left_open_to_others_and_a_home_may_be_a_link() -> Result<()> {
    let Some(solo) = Solo::new("secrets")? else { return Ok(()) };
    let home = solo.home("home")?;
    solo.start(&home)?.stop()?;
    let secrets = ["identity.secret", "authtoken.secret", "metricstoken.secret"];
    for name in secrets {
        fs::set_permissions(home.path().join(name), fs::Permissions::from_mode(0o664))?;
    }
    let link = solo.lab.folder().join("link");
    symlink(home.path(), &link)?;
    let daemon = solo.start(&solo.lab.home_at(link.clone()))?;
    for name in secrets {
        printed(&daemon, &[&format!("{name} was open to other users (mode 664)")])?;
        assert_eq!(mode(&home.path().join(name))?, 0o600);
    }
    daemon.stop()?;
    assert!(link.is_symlink(), "the link was replaced");
    Ok(())
}

#[test]
fn a_secret_is_not_taken_from_a_link_that_somebody_else_laid() -> Result<()> {
    let Some(solo) = Solo::new("laid")? else { return Ok(()) };
    if !is_root() {
        println!("only root can lay links for others");
        return Ok(());
    }
    let home = solo.home("home")?;
    // In use: a new folder would be given to the user of the unit with all that is in it.
    solo.start(&home)?.stop()?;
    let (secret, elsewhere) = (home.path().join("identity.secret"), solo.lab.folder().join("elsewhere"));
    fs::rename(&secret, &elsewhere)?;
    symlink(&elsewhere, &secret)?;
    lchown(&secret, Some(OTHER), Some(OTHER))?;
    let output = solo.refused(&home)?;
    says(&output, &["identity.secret is a link that belongs to user 54321", "chown -h"]);
    // One's own is followed, and root's.
    let owner = fs::metadata(home.path())?.uid();
    lchown(&elsewhere, Some(owner), None)?;
    lchown(&secret, Some(0), Some(0))?;
    let daemon = solo.start(&home)?;
    assert_eq!(daemon.address(), solo.lab.identity(1).identity().address);
    daemon.stop()?;
    assert!(secret.is_symlink());
    Ok(())
}

#[test]
fn a_disk_without_locks_serves_one_daemon_of_this_host() -> Result<()> {
    let Some(solo) = Solo::new("nolocks")? else { return Ok(()) };
    let home = solo.home("home")?;
    let options = without_locks()?;
    for _ in 0..2 {
        let daemon = solo.host.start_with(&solo.zt, home.clone(), options.clone())?;
        printed(&daemon, &["offers no locks", "no other daemon"])?;
        let output = solo.refused_with(&home, &Options { port: 9994, ..options.clone() })?;
        says(&output, &["in use by another daemon", &daemon.id().to_string()]);
        daemon.create_network(&json!({}))?;
        // The number of a process that is no more is in nobody's way.
        daemon.kill();
    }
    Ok(())
}

#[test]
fn a_disk_that_takes_no_writes_is_told() -> Result<()> {
    let Some(solo) = Solo::new("readonly")? else { return Ok(()) };
    let home = solo.home("home")?;
    let at = home.path().display();
    let options = Options::after(&format!("mount --bind {at} {at}\nmount -o remount,ro,bind {at}"));
    for _ in 0..2 {
        let output = solo.refused_with(&home, &options)?;
        says(&output, &["zt.lock", "ead-only file system", "mount it", "--home"]);
        // Also one that was used before.
        solo.start(&home)?.stop()?;
    }
    Ok(())
}

#[test]
fn a_home_of_another_user_is_told_with_whose_it_is() -> Result<()> {
    let Some(solo) = Solo::new("owner")? else { return Ok(()) };
    if !is_root() {
        println!("only root can become nobody");
        return Ok(());
    }
    let home = solo.home("home")?;
    let output = solo.refused_with(&home, &as_nobody())?;
    says(&output, &["zt.lock", "ermission denied", "belongs to user 0", "chown", "--home"]);
    // Root serves a home of nobody, and leaves it to him.
    assert!(Command::new("chown").args(["-R", "65534:65534"]).arg(home.path()).status()?.success());
    let as_root = Options { not_as_unit: Some("root is to serve a home of another user"), ..Options::default() };
    for _ in 0..2 {
        let daemon = solo.host.start_with(&solo.zt, home.clone(), as_nobody())?;
        daemon.wait_online(WAIT)?;
        daemon.stop()?;
        solo.host.start_with(&solo.zt, home.clone(), as_root.clone())?.stop()?;
    }
    for name in ["identity.secret", "controller.redb", "authtoken.secret"] {
        let file = fs::metadata(home.path().join(name))?;
        assert_eq!((file.uid(), file.mode() & 0o777), (NOBODY, 0o600), "{name}");
    }
    Ok(())
}

/// What `zt info` would show.
fn trouble(daemon: &Daemon) -> Result<Value> {
    Ok(daemon.api().get("/status")?["ztTrouble"].clone())
}

#[test]
fn what_a_full_disk_did_not_take_is_written_when_there_is_room() -> Result<()> {
    let Some(solo) = Solo::new("room")? else { return Ok(()) };
    let disk = SmallDisk::new(&solo, 8192)?;
    let home: Home = solo.furnish(solo.lab.home_at(disk.path.join("home")))?;
    let daemon = solo.start(&home)?;
    let network = NetworkId(0x1234_5678_9a00_0001);
    daemon.join(network)?;
    assert_eq!(trouble(&daemon)?, Value::Null);
    disk.fill_up(0)?;
    // In force, though not on the disk: its caller hears that.
    let planet = solo.lab.planet_with_id(9, &[(solo.lab.identity(2).identity(), &["10.0.0.2/9993"])])?;
    let unkept = daemon.api().post("/planet", &json!({ "world": hex(&planet) }));
    says(&unkept.expect_err("no room for a planet").to_string(), &["cannot be kept"]);
    let told = trouble(&daemon)?.to_string();
    says(&told, &["state cannot be written", "tried again"]);
    let said = |word: &str| daemon.output().iter().filter(|line| line.contains(word)).count();
    // It is tried again and again, and told once.
    let text = |daemon: &Daemon| daemon.output().join("\n");
    assert_eq!(said("cannot write state"), 1, "{}", text(&daemon));
    disk.make_room()?;
    daemon.wait("the planet on the disk", WAIT, || Ok(home.read("planets.d/0000000000000009.planet").ok()))?;
    daemon.wait("no more trouble", WAIT, || Ok((trouble(&daemon)? == Value::Null).then_some(())))?;
    assert_eq!((said("cannot write state"), said("state is written again")), (1, 1), "{}", text(&daemon));
    daemon.stop()?;
    let daemon = solo.start(&home)?;
    let kept = daemon.api().get("/planet")?.as_array().map(Vec::len);
    assert_eq!(kept, Some(2));
    assert!(daemon.network(network).is_ok());
    daemon.stop()
}
