//! The daemon's own house: what it makes on disk, who may hold its interface, what a demo leaves.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use zt_tap::netns::Process;
use zt_test_e2e::{Lab, Options, Program, wait_for};

const WAIT: Duration = Duration::from_secs(20);

fn mode(path: &Path) -> Result<u32> {
    Ok(fs::symlink_metadata(path)?.permissions().mode() & 0o777)
}

#[test]
fn a_home_is_private_keeps_its_links_and_its_identity() -> Result<()> {
    let Some(lab) = Lab::new("home")? else { return Ok(()) };
    let host = lab.host("solo", &["10.0.0.1/24"])?;
    let home = lab.home_at(lab.folder().join("deep/home"));
    let wrap = ["sh", "-c", "umask 0; exec \"$@\"", "sh"].map(str::to_owned).to_vec();
    let zt = Program::ours()?;
    let not_as_unit = Some("a unit sets the umask, and lets a daemon write nowhere but in its home");
    let options = Options { wrap, not_as_unit, ..Options::default() };
    let daemon = host.start_with(&zt, home.clone(), options.clone())?;
    daemon.join("123456789a000001".parse().expect("an id"))?;
    for (name, wanted) in [
        ("", 0o755),
        ("networks.d", 0o755),
        ("networks.d/123456789a000001.conf", 0o644),
        ("networks.d/123456789a000001.local.conf", 0o644),
        ("identity.secret", 0o600),
        ("authtoken.secret", 0o600),
        ("controller.redb", 0o600),
    ] {
        assert_eq!(mode(&home.path().join(name))?, wanted, "{name:?}");
    }
    assert_eq!(mode(&lab.folder().join("deep"))?, 0o755);
    let local = home.read("networks.d/123456789a000001.local.conf")?;
    assert_eq!(local, b"allowManaged=1\nallowGlobal=0\nallowDefault=0\nallowDNS=0\n");
    // Both files come from elsewhere, as packages and images do it; and one was made private.
    for (name, there) in [("local.conf", "conf"), ("networks.d/123456789a000001.local.conf", "settings")] {
        let (link, there) = (home.path().join(name), lab.folder().join(there));
        fs::write(&there, home.read(name).unwrap_or_else(|_| b"{}".to_vec()))?;
        fs::set_permissions(&there, fs::Permissions::from_mode(0o600))?;
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(&there, &link)?;
    }
    // The sandbox of a start knows where its links lead.
    let daemon = daemon.restart()?;
    daemon.api().post("/config/settings", &json!({ "interfacePrefixBlacklist": ["wan"] }))?;
    daemon.api().post("/network/123456789a000001", &json!({ "allowDefault": true }))?;
    for (name, there, text) in
        [("local.conf", "conf", "wan"), ("networks.d/123456789a000001.local.conf", "settings", "allowDefault=1")]
    {
        assert!(home.path().join(name).is_symlink(), "{name}");
        let there = lab.folder().join(there);
        assert!(fs::read_to_string(&there)?.contains(text), "{name}");
        assert_eq!(mode(&there)?, 0o600, "{name}");
    }
    daemon.stop()?;
    // The networks belong to this identity.
    let (secret, public) = (home.read("identity.secret")?, home.read("identity.public")?);
    for gone in [false, true] {
        if gone {
            fs::remove_file(home.path().join("identity.secret"))?;
        } else {
            home.write("identity.secret", b"")?;
        }
        let (status, output) = host.run(zt.service(home.path(), &options), WAIT)?;
        assert_eq!(status.code(), Some(1), "{output}");
        let address = String::from_utf8_lossy(&public[..10]).into_owned();
        for words in ["identity.secret is missing or empty", "1 joined networks", &address, "Put a copy"] {
            assert!(output.contains(words), "{words}: {output}");
        }
        assert_eq!(home.read("identity.public")?, public);
    }
    home.write("identity.secret", &secret)?;
    host.start_with(&zt, home, options)?.stop()
}

#[test]
fn foreign_hosts_do_not_take_the_interface_away() -> Result<()> {
    let Some(lab) = Lab::new("foreign")? else { return Ok(()) };
    let host = lab.host("solo", &["10.0.0.1/24"])?;
    let others = [lab.host("other", &["10.0.0.2/24"])?, lab.host("ally", &["10.0.0.3/24"])?];
    let home = lab.home("home")?;
    home.write("local.conf", json!({ "settings": { "allowManagementFrom": ["10.0.0.3/32"] } }).to_string().as_bytes())?;
    let daemon = host.start(&Program::ours()?, home)?;
    let mut held = Vec::new();
    for other in &others {
        for number in 0..100 {
            let address = (Ipv4Addr::new(10, 0, 0, 1), 9993).into();
            let connect = || TcpStream::connect_timeout(&address, Duration::from_secs(2));
            let Ok(mut stream) = other.namespace().run(connect)? else { continue };
            let start: &[u8] = match number % 3 {
                0 => b"",
                1 => b"GET /sta",
                _ => b"POST /controller/network HTTP/1.1\r\nContent-Length: 8000000\r\n\r\n{",
            };
            let _ = stream.write_all(start);
            held.push(stream);
        }
        daemon.api().get("/status")?;
    }
    assert!(held.len() > 100, "{}", held.len());
    daemon.stop()
}

#[test]
fn a_demo_that_is_stopped_leaves_nothing() -> Result<()> {
    let Some(lab) = Lab::new("demo")? else { return Ok(()) };
    let Program::Ours(zt) = Program::ours()? else { unreachable!("ours is ours") };
    let folder = lab.folder().join("tmp");
    fs::create_dir_all(&folder)?;
    let mut command = Command::new(zt);
    command.arg("demo").env("TMPDIR", &folder);
    let mut demo = Process::spawn(command)?;
    let made = wait_for("an identity of the demo", WAIT, || {
        let Some(made) = fs::read_dir(&folder)?.next() else { return Ok(None) };
        let made = made?.path();
        Ok(made.join("bob/identity.secret").exists().then_some(made))
    })?;
    assert_eq!(mode(&made)?, 0o700);
    let status = demo.terminate(WAIT)?;
    assert!(!status.success(), "it was stopped");
    assert_eq!(fs::read_dir(&folder)?.count(), 0, "the folder is gone");
    Ok(())
}
