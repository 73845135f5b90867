//! What a daemon gives up, looked at from outside and by a program that it starts; and what it tells its service manager.
#![expect(clippy::print_stdout, reason = "skipped parts are told")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use zt_test_e2e::{Daemon, Lab, Options, Program, is_root};

const WAIT: Duration = Duration::from_secs(20);

/// Stands for resolvconf, which a daemon starts to take away what a killed one left: does what a node has no use for, and
/// writes down how that went, which is allowed: in the home.
const INTRUDER: &str = r#"#!/bin/sh
try() { if "$@" >/dev/null 2>&1; then echo "allowed: $*"; else echo "refused: $*"; fi; }
{
    try cat /mnt/secret
    try cp /dev/null /etc/zt-was-here
    try mount -t tmpfs tmpfs /mnt
    try umount /run
    try unshare -n true
    try unshare -Ur true
    try hostname other
    try chroot / true
    try chown 1:1 "$PLACE"
    try cat /etc/passwd
    try sh -c 'echo > "$PLACE/allowed"'
} > "$PLACE/report.new"
mv "$PLACE/report.new" "$PLACE/report"
"#;

#[test]
fn a_daemon_and_the_programs_that_it_starts_cannot_do_what_no_node_needs() -> Result<()> {
    let Some(lab) = Lab::new("sandbox")? else { return Ok(()) };
    let host = lab.host("alone", &["10.0.0.1/24"])?;
    let home = lab.home("alone")?.with_identity(&lab.identity(1))?;
    let address = lab.identity(1).identity().address;
    home.write("fake/resolvconf", INTRUDER.as_bytes())?;
    let place = home.path().display().to_string();
    let options = Options::after(&format!(
        "mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /mnt; echo of somebody else > /mnt/secret
        mkdir -p /run/resolvconf/interface; echo '# zt {address}' > /run/resolvconf/interface/tun.old.zt
        chmod 755 {place}/fake/resolvconf; export PATH={place}/fake:$PATH PLACE={place}"
    ));
    let node = host.start_with(&Program::ours()?, home, options)?;
    let report =
        node.wait("report of the program", WAIT, || Ok(fs::read_to_string(node.home().join("report")).ok()))?;
    let allowed: Vec<&str> = report.lines().filter_map(|line| line.strip_prefix("allowed: ")).collect();
    assert_eq!(allowed, ["cat /etc/passwd", "sh -c echo > \"$PLACE/allowed\""], "{report}");
    assert_eq!(report.lines().count(), 11, "{report}");

    let process = fs::read_to_string(format!("/proc/{}/status", node.id()))?;
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000003000", "CapBnd:\t0000000000003000"] {
        assert!(process.lines().any(|found| found == line), "{line}\n{process}");
    }
    let told = &node.api().get("/status")?["ztSandbox"];
    assert_eq!(told["capabilities"], json!(["NET_ADMIN", "NET_RAW"]));
    assert_eq!(
        (&told["files"], &told["systemCalls"], &told["noNewPrivileges"]),
        (&json!("on"), &json!("on"), &json!(true))
    );
    Ok(())
}

#[test]
fn a_service_that_root_starts_for_another_user_gives_it_the_home_and_makes_devices() -> Result<()> {
    let Some(lab) = Lab::new("user")? else { return Ok(()) };
    if !is_root() {
        println!("skipped: nobody else can be become here");
        return Ok(());
    }
    let host = lab.host("root", &["10.0.0.1/24"])?;
    let root = lab.identity(1);
    let planet = lab.planet(&[(root.identity(), &["10.0.0.1/9993"])])?;
    let home = lab.home("root")?.with_identity(&root)?.with_planet(&planet)?;
    let wrap = ["sh", "-c", "exec \"$@\" --user nobody", "sh"].map(str::to_owned).to_vec();
    let not_as_unit = Some("the daemon itself becomes another user");
    let node = host.start_with(&Program::ours()?, home, Options { wrap, not_as_unit, ..Options::default() })?;
    assert_eq!(node.api().get("/status")?["ztSandbox"]["user"], "nobody");
    for file in ["identity.secret", "planet", "controller.redb", ""] {
        assert_eq!(fs::metadata(node.home().join(file))?.uid(), 65_534, "{file:?}");
    }
    let network = node.create_network(&json!({"private": false}))?;
    node.join(network)?;
    node.wait_status(network, "OK", WAIT)?;
    // A start with the home as it is now.
    node.restart()?.stop()
}

#[test]
fn a_low_port_says_which_right_the_unit_lacks_and_opens_with_it() -> Result<()> {
    let Some(lab) = Lab::new("lowport")? else { return Ok(()) };
    if !is_root() {
        println!("skipped: root of a user namespace has all rights there");
        return Ok(());
    }
    let (host, zt) = (lab.host("alone", &["10.0.0.1/24"])?, Program::ours()?);
    let settings = json!({ "settings": { "tcp": { "listen": [443] } } });
    let home = lab.home("alone")?.with_identity(&lab.identity(1))?.with_local_conf(&settings)?;
    if std::env::var_os("ZT_TEST_USER").is_none_or(|user| user != "root") {
        let (status, output) = host.run(zt.service(home.path(), &Options::default()), WAIT)?;
        assert_eq!(status.code(), Some(1), "{output}");
        assert!(output.contains("NET_BIND_SERVICE") && output.contains("systemctl edit zt"), "{output}");
    }
    let node = host.start_with(&zt, home, Options { drop_in: Options::LOW_PORT, ..Options::default() })?;
    let told = &node.api().get("/status")?["ztSandbox"];
    assert_eq!(told["capabilities"], json!(["NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE"]));
    node.stop()
}

/// What a service manager hears, datagram by datagram.
fn heard(socket: &UnixDatagram) -> Result<Vec<String>> {
    let mut room = [0; 1024];
    let len = socket.recv(&mut room).context("nothing is told")?;
    Ok(String::from_utf8_lossy(&room[..len]).lines().map(str::to_owned).collect())
}

fn hear_until(socket: &UnixDatagram, line: &str) -> Result<Vec<String>> {
    let mut all = Vec::new();
    while !all.iter().any(|told| told == line) {
        all.extend(heard(socket).with_context(|| format!("waiting for {line} behind {all:?}"))?);
    }
    Ok(all)
}

#[test]
fn the_service_manager_hears_when_a_node_is_ready_alive_and_stopping() -> Result<()> {
    let Some(lab) = Lab::new("notify")? else { return Ok(()) };
    let host = lab.host("root", &["10.0.0.1/24"])?;
    let root = lab.identity(1);
    let planet = lab.planet(&[(root.identity(), &["10.0.0.1/9993"])])?;
    let home = lab.home("root")?.with_identity(&root)?.with_planet(&planet)?;
    let path = home.path().join("notify");
    let socket = UnixDatagram::bind(&path)?;
    socket.set_read_timeout(Some(WAIT))?;
    // Anybody may tell, whoever the daemon runs as.
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666))?;
    let wrap = ["env", &format!("NOTIFY_SOCKET={}", path.display()), "WATCHDOG_USEC=3000000"];
    let options = Options { wrap: wrap.map(str::to_owned).to_vec(), ..Options::default() };
    let node: Daemon = host.start_with(&Program::ours()?, home, options)?;
    let told = hear_until(&socket, "READY=1")?;
    let address = node.address();
    // A root is online by itself, and the first thing that it tells is all of it.
    assert_eq!(told, ["READY=1", &format!("STATUS={address} ONLINE"), "WATCHDOG=1"]);
    hear_until(&socket, "WATCHDOG=1")?;
    let network = node.create_network(&json!({"private": false}))?;
    node.join(network)?;
    let joined = node.wait_status(network, "OK", WAIT)?;
    let device = joined["portDeviceName"].as_str().context("a device")?.to_owned();
    hear_until(&socket, &format!("STATUS={address} ONLINE, {network} {device}"))?;
    node.stop()?;
    hear_until(&socket, "STOPPING=1")?;
    Ok(())
}
