//! What a daemon does when its home folder, its disk, its ports, its rights or its settings are not as they should be:
//! an answer with a name, nothing lost, nothing left behind (issue 3, Bad input).
#![expect(clippy::print_stdout, reason = "figures and skipped parts are told")]

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Value, json};
use zt_test_e2e::rig::{Rig, network_settings};
use zt_test_e2e::{Daemon, Home, Host, Options, Ping, Program, is_root};
use zt_wire::{Address, NetworkId};

use crate::solo::{REFUSAL, SmallDisk, Solo, WAIT, hex, says};

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

#[test]
fn a_damaged_identity_is_refused_and_left_alone() -> Result<()> {
    let Some(solo) = Solo::new("identity")? else { return Ok(()) };
    let whole = solo.lab.identity(1).to_text().as_bytes().to_vec();
    let other = solo.lab.identity(2).to_text().as_bytes().to_vec();
    let public = solo.lab.identity(1).identity().to_string().into_bytes();
    let damaged: [(&str, Vec<u8>); 7] = [
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("public", public),
        ("address", flipped(&whole, 3)),
        ("key", flipped(&whole, 40)),
        ("secret", flipped(&whole, whole.len() - 70)),
        ("swapped", [&whole[..11], &other[11..]].concat()),
        ("binary", vec![0xff; 300]),
    ];
    for (name, bytes) in damaged {
        let home = solo.lab.home(name)?;
        home.write("identity.secret", &bytes)?;
        let output = solo.refused(&home)?;
        says(&output, &["invalid identity loaded from disk", &home.path().display().to_string()]);
        assert_eq!(home.read("identity.secret")?, bytes, "{name}: the file was touched");
        assert!(home.read("identity.public").is_err() && home.read("controller.redb").is_err(), "{name}");
        home.write("identity.secret", &whole)?;
        solo.start(&home)?.stop()?;
    }
    Ok(())
}

#[test]
fn damaged_worlds_peers_and_networks_are_named_and_left_alone() -> Result<()> {
    let Some(solo) = Solo::new("worlds")? else { return Ok(()) };
    let home = solo.home("home")?;
    let planet = home.read("planet")?;
    let network = NetworkId(0x1234_5678_9a00_0001);
    let junk: [(String, &[u8]); 6] = [
        ("moons.d/000000123456789a.moon".to_owned(), &planet[..60]),
        ("planets.d/0000000000000007.planet".to_owned(), b"\x01 nothing of this kind"),
        ("peers.d/123456789a.peer".to_owned(), &[0xff; 500]),
        ("peers.d/123456789b.peer".to_owned(), &[2; 40]),
        (format!("networks.d/{network}.conf"), b"C\0\xff=not a configuration\n"),
        (format!("networks.d/{network}.local.conf"), &[0xff, 0, 0xfe]),
    ];
    for (name, bytes) in &junk {
        home.write(name, bytes)?;
    }
    for damaged in [planet[..planet.len() - 9].to_vec(), flipped(&planet, 90), Vec::new(), vec![1; 5000]] {
        home.write("planet", &damaged)?;
        let daemon = solo.start(&home)?;
        let worlds = daemon.api().get("/planet")?;
        assert_eq!(worlds, json!([]), "neither the damaged planet nor the public one is used");
        assert_ne!(daemon.api().get("/status")?["online"], true);
        // Joined before, so joined now: the configuration comes from the controller.
        let joined = daemon.network(network)?;
        assert_eq!(joined["status"], "REQUESTING_CONFIGURATION", "{joined}");
        let output = daemon.output().join("\n");
        says(&output, &["the planet is damaged", "put a copy of the file back", "Moon(", "ExtraPlanet("]);
        // A planet that is given by hand works beside it.
        let given = solo.lab.planet_with_id(9, &[(solo.lab.identity(1).identity(), &["10.0.0.1/9993"])])?;
        daemon.api().post("/planet", &json!({ "world": hex(&given) }))?;
        daemon.wait_online(WAIT)?;
        daemon.api().delete("/planet/0000000000000009")?;
        daemon.stop()?;
        assert_eq!(home.read("planet")?, damaged, "the file was touched");
        for (name, bytes) in junk.iter().filter(|(name, _)| !name.ends_with(".conf")) {
            assert_eq!(home.read(name)?, *bytes, "{name} was touched");
        }
    }
    home.write("planet", &planet)?;
    let daemon = solo.start(&home)?;
    daemon.wait_online(WAIT)?;
    daemon.stop()
}

#[test]
fn a_member_whose_caches_are_damaged_comes_back() -> Result<()> {
    let Some(mut rig) = Rig::new("caches")? else { return Ok(()) };
    let [_, of_b] = rig.join(WAIT)?;
    rig.hosts[0].ping(of_b[0].address(), Ping::default())?;
    let [a, b] = rig.members;
    let home = rig.lab.home("a")?;
    a.stop()?;
    let mut count = 0;
    for folder in ["peers.d", "networks.d"] {
        for entry in fs::read_dir(home.path().join(folder))? {
            let path = entry?.path();
            let mut bytes = fs::read(&path)?;
            for at in (0..bytes.len()).step_by(7) {
                bytes[at] ^= 0x55;
            }
            bytes.truncate(bytes.len() * 2 / 3);
            fs::write(&path, bytes)?;
            count += 1;
        }
    }
    assert!(count >= 3, "{count} files of caches");
    rig.members = [rig.hosts[0].start(&Program::ours()?, home)?, b];
    rig.members[0].wait_joined(rig.network, WAIT)?;
    rig.hosts[0].ping(of_b[0].address(), Ping { patience: WAIT, ..Ping::default() })?;
    Ok(())
}

#[test]
fn a_damaged_store_is_refused_and_left_alone() -> Result<()> {
    let Some(solo) = Solo::new("store")? else { return Ok(()) };
    let home = solo.home("home")?;
    let daemon = solo.start(&home)?;
    let network = daemon.create_network(&network_settings())?;
    daemon.authorise(network, Address::new(0x12_3456_789a), true)?;
    daemon.stop()?;
    let whole = home.read("controller.redb")?;
    let scribbled = |range: std::ops::Range<usize>| {
        let mut bytes = whole.clone();
        bytes[range].fill(0x55);
        bytes
    };
    let damaged =
        [Vec::new(), b"hello".to_vec(), whole[..whole.len() / 2].to_vec(), scribbled(0..512), vec![0; 70_000]];
    for bytes in damaged {
        home.write("controller.redb", &bytes)?;
        let output = solo.refused(&home)?;
        says(&output, &["controller.redb", "Put a copy of it back"]);
        assert_eq!(home.read("controller.redb")?, bytes, "the file was touched");
    }
    // Damage inside: refused, or still all there.
    for at in (4096..whole.len() - 512).step_by(whole.len() / 6) {
        home.write("controller.redb", &scribbled(at..at + 512))?;
        if let Some(output) = solo.refusal(&home)? {
            says(&output, &["controller.redb"]);
        }
    }
    home.write("controller.redb", &whole)?;
    let daemon = solo.start(&home)?;
    let kept = daemon.api().get(&format!("/controller/network/{network}/member/123456789a"))?;
    assert_eq!(kept["authorized"], true, "{kept}");
    daemon.stop()
}

#[test]
fn a_full_disk_is_told_and_what_was_acknowledged_survives() -> Result<()> {
    let Some(solo) = Solo::new("disk")? else { return Ok(()) };
    let disk = SmallDisk::new(&solo, 8192)?;
    let home = solo.furnish(solo.lab.home_at(disk.path.join("home")))?;
    let daemon = solo.start(&home)?;
    let network = daemon.create_network(&network_settings())?;
    let [joined, other] = [NetworkId(0x1234_5678_9a00_0001), NetworkId(0x1234_5678_9a00_0002)];
    daemon.join(joined)?;
    disk.fill_up(0)?;

    // The member's side: not joined, or not set, rather than forgotten later.
    let refused = daemon.join(other).expect_err("no room for another membership");
    says(&refused.to_string(), &["500", "cannot keep the membership"]);
    assert!(daemon.network(other).is_err(), "joined nevertheless");
    let settings = daemon.api().post(&format!("/network/{joined}"), &json!({ "allowDefault": true }));
    says(&settings.expect_err("no room for settings").to_string(), &["500"]);
    assert_eq!(daemon.network(joined)?["allowDefault"], false);
    let planet = solo.lab.planet_with_id(9, &[(solo.lab.identity(2).identity(), &["10.0.0.2/9993"])])?;
    let unkept = daemon.api().post("/planet", &json!({ "world": hex(&planet) }));
    says(&unkept.expect_err("no room for a planet").to_string(), &["500", "cannot be kept"]);

    // The controller's: each change is acknowledged and kept, or refused and not there.
    let mut acknowledged = Vec::new();
    let mut refused = Vec::new();
    for number in 1..=300_u64 {
        let member = Address::new(0x20_0000_0000 + number);
        // Names grow the store.
        match daemon.change_member(network, member, &json!({ "authorized": true, "name": "n".repeat(3000) })) {
            Ok(_) => acknowledged.push(member),
            Err(error) => {
                says(&error.to_string(), &["not stored"]);
                refused.push(member);
            }
        }
    }
    assert!(!refused.is_empty(), "the disk is full");
    let there = |daemon: &Daemon, member: Address| {
        daemon
            .api()
            .get(&format!("/controller/network/{network}/member/{member}"))
            .is_ok_and(|m| m["authorized"] == true)
    };
    let check = |daemon: &Daemon| {
        for member in &acknowledged {
            assert!(there(daemon, *member), "{member} was acknowledged");
        }
        for member in &refused {
            assert!(!there(daemon, *member), "{member} was refused");
        }
    };
    check(&daemon);
    daemon.stop()?;
    disk.make_room()?;
    let daemon = solo.start(&home)?;
    check(&daemon);
    assert!(daemon.network(joined).is_ok(), "a membership was lost");
    // With room it goes on.
    daemon.authorise(network, refused[0], true)?;
    daemon.join(other)?;
    disk.fill_up(0)?;
    daemon.kill();
    disk.make_room()?;
    let daemon = solo.start(&home)?;
    assert!(there(&daemon, refused[0]) && daemon.network(other).is_ok());
    daemon.stop()
}

#[test]
fn a_disk_that_is_full_from_the_start_makes_nothing_half() -> Result<()> {
    let Some(solo) = Solo::new("nodisk")? else { return Ok(()) };
    let disk = SmallDisk::new(&solo, 4096)?;
    let mut refusals = 0;
    for left in [0, 4096, 8192, 16384, 32768, 65536] {
        let home = solo.lab.home_at(disk.path.join(format!("home{left}")));
        fs::create_dir_all(home.path())?;
        disk.fill_up(left)?;
        if let Some(output) = solo.refusal(&home)? {
            refusals += 1;
            says(&output, &["pace"]);
            assert!(home.read("controller.redb").is_err(), "a store without room");
        }
        // What is there is whole, and used when there is room.
        let identity = home.read("identity.secret").unwrap_or_default();
        disk.make_room()?;
        let daemon = solo.start(&home)?;
        let kept = home.read("identity.secret")?;
        assert!(identity.is_empty() || identity == kept, "another identity with {left} bytes left");
        daemon.stop()?;
    }
    assert!(refusals > 1, "{refusals}");
    Ok(())
}

#[test]
fn a_home_serves_one_daemon() -> Result<()> {
    let Some(solo) = Solo::new("lock")? else { return Ok(()) };
    let home = solo.home("home")?;
    let daemon = solo.start(&home)?;
    let port = home.read("zerotier-one.port")?;
    let output = solo.refused_with(&home, &Options { port: 9994, ..Options::default() })?;
    says(&output, &["is in use by another daemon", &format!("pid {}", daemon.id()), "--home"]);
    assert_eq!(home.read("zerotier-one.port")?, port, "the second one wrote into the home of the first");
    assert_eq!(daemon.api().get("/status")?["online"], true);
    // The end of a process ends its hold, however it ends.
    daemon.kill();
    solo.start(&home)?.stop()
}

#[test]
fn a_port_in_use_is_named() -> Result<()> {
    let Some(solo) = Solo::new("port")? else { return Ok(()) };
    let home = solo.home("home")?;
    let namespace = solo.host.namespace();
    let udp = |ip: Ipv4Addr| namespace.run(|| UdpSocket::bind((ip, 9993)));
    let tcp = |ip: Ipv4Addr| namespace.run(|| TcpListener::bind((ip, 9993)));
    // Both families are tried, so the other one must be taken too.
    let v6 = namespace.run(|| UdpSocket::bind("[::]:9993"))??;
    let held = udp(Ipv4Addr::UNSPECIFIED);
    let refused = |home: &Home| -> Result<()> {
        says(&solo.refused(home)?, &["cannot bind to local control interface port 9993", "--port"]);
        assert!(home.read("zerotier-one.port").is_err() && home.read("zerotier-one.pid").is_err());
        Ok(())
    };
    refused(&home)?;
    drop((v6, held));
    let v6 = namespace.run(|| TcpListener::bind("[::1]:9993"))??;
    let held = tcp(Ipv4Addr::LOCALHOST)??;
    refused(&home)?;
    // Another port is free, and the home is not harmed. One port of an address is missing, until that is free again.
    let other = namespace.run(|| UdpSocket::bind((Ipv4Addr::new(10, 0, 0, 1), 9996)))??;
    home.write("local.conf", json!({ "settings": { "secondaryPort": 9996 } }).to_string().as_bytes())?;
    let daemon = solo.host.start_with(&solo.zt, home.clone(), Options { port: 9994, ..Options::default() })?;
    assert_eq!(home.read("zerotier-one.port")?, b"9994");
    let remarks = |daemon: &Daemon| daemon.output().iter().filter(|line| line.contains("WARN cannot bind;")).count();
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(remarks(&daemon), 1, "said once: {:?}", daemon.output());
    drop(other);
    daemon.wait("the second port", WAIT, || {
        let status = daemon.api().get("/status")?;
        Ok(status["config"]["settings"]["listeningOn"].to_string().contains("10.0.0.1/9996").then_some(()))
    })?;
    daemon.stop()?;
    drop((v6, held));
    solo.start(&home)?.stop()
}

#[test]
fn without_tun_the_network_has_a_port_error_and_the_daemon_lives() -> Result<()> {
    let Some(mut rig) = Rig::new("notun")? else { return Ok(()) };
    let [_, of_b] = rig.join(WAIT)?;
    let zt = Program::ours()?;
    let [a, b] = rig.members;
    a.stop()?;
    let home = rig.lab.home("a")?;
    let blind = rig.hosts[0].start_with(&zt, home.clone(), Options::after("mount -t tmpfs none /dev/net"))?;
    let network = blind.wait_status(rig.network, "PORT_ERROR", WAIT)?;
    assert_ne!(network["portError"], 0, "{network}");
    blind.wait("advice", WAIT, || {
        let output = blind.output().join("\n");
        Ok((output.contains("cannot open the virtual port") && output.contains("/dev/net/tun")).then_some(()))
    })?;
    blind.wait_online(WAIT)?;
    let complaints = || blind.output().iter().filter(|line| line.contains("cannot open the virtual port")).count();
    blind.wait_direct(rig.root.address(), WAIT)?;
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(complaints(), 1, "{:?}", blind.output());
    blind.stop()?;
    rig.members = [rig.hosts[0].start(&zt, home)?, b];
    rig.members[0].wait_joined(rig.network, WAIT)?;
    rig.hosts[0].ping(of_b[0].address(), Ping { patience: WAIT, ..Ping::default() })?;
    Ok(())
}

#[test]
fn without_rights_it_says_which() -> Result<()> {
    let Some(rig) = Rig::new("nobody")? else { return Ok(()) };
    if !is_root() {
        println!("only root can become nobody");
        return Ok(());
    }
    rig.join(WAIT)?;
    let zt = Program::ours()?;
    let [a, b] = rig.members;
    a.stop()?;
    let home = rig.lab.home("a")?;
    let wrap = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"];
    let not_as_unit = Some("this node is to have no rights at all");
    let options = Options { wrap: wrap.map(str::to_owned).to_vec(), not_as_unit, ..Options::default() };
    // A home of somebody else.
    let root = Command::new("chown").args(["-R", "0:0"]).arg(home.path()).status()?;
    assert!(root.success());
    let (status, output) = rig.hosts[0].run(zt.service(home.path(), &options), REFUSAL)?;
    assert_eq!(status.code(), Some(1), "{output}");
    says(&output, &[&home.path().display().to_string(), "ermission denied"]);
    // A home of its own: all but the device works.
    let nobody = Command::new("chown").args(["-R", "65534:65534"]).arg(home.path()).status()?;
    assert!(nobody.success());
    let daemon = rig.hosts[0].start_with(&zt, home.clone(), options)?;
    daemon.wait_status(rig.network, "PORT_ERROR", WAIT)?;
    daemon.wait("advice", WAIT, || {
        let output = daemon.output().join("\n");
        Ok((output.contains("cannot open the virtual port") && output.contains("NET_ADMIN")).then_some(()))
    })?;
    daemon.wait_online(WAIT)?;
    daemon.stop()?;
    b.stop()
}

#[test]
fn bad_settings_are_refused_at_start_and_ignored_later() -> Result<()> {
    let Some(solo) = Solo::new("conf")? else { return Ok(()) };
    let home = solo.home("home")?;
    let bad: [(&str, &[&str]); 4] = [
        ("{\"settings\": {\"primaryPort\": 9993,}}", &["local.conf", "line 1 column", "correct the file"]),
        ("[1, 2]", &["local.conf must hold one object"]),
        ("{\"settings\": []}", &["\"settings\": {…}"]),
        ("\u{0}\u{1}", &["local.conf", "line 1"]),
    ];
    for (text, words) in bad {
        home.write("local.conf", text.as_bytes())?;
        says(&solo.refused(&home)?, words);
        assert_eq!(home.read("local.conf")?, text.as_bytes(), "the file was touched");
    }
    home.write("local.conf", json!({ "settings": { "bind": ["10.0.0.1"] } }).to_string().as_bytes())?;
    let daemon = solo.start(&home)?;
    assert_eq!(listening(&daemon)?, ["10.0.0.1"]);
    for (text, _) in bad {
        let before = daemon.output().iter().filter(|line| line.contains("local.conf was not taken up")).count();
        home.write("local.conf", text.as_bytes())?;
        daemon.wait("a remark", WAIT, || {
            let output = daemon.output();
            let now = output.iter().filter(|line| line.contains("local.conf was not taken up")).count();
            Ok((now > before).then_some(()))
        })?;
        assert_eq!(listening(&daemon)?, ["10.0.0.1"], "the old settings are kept");
        let shown = daemon.api().get("/status")?;
        assert_eq!(shown["config"]["settings"]["bind"], json!(["10.0.0.1"]), "{shown}");
    }
    daemon.stop()
}

/// Addresses with sockets, each once.
fn listening(daemon: &Daemon) -> Result<Vec<String>> {
    let status = daemon.api().get("/status")?;
    let list = status["config"]["settings"]["listeningOn"].as_array().cloned().context("listeningOn")?;
    let mut ips: Vec<String> =
        list.iter().filter_map(|text| Some(text.as_str()?.split_once('/')?.0.to_owned())).collect();
    ips.sort();
    ips.dedup();
    Ok(ips)
}

#[test]
fn settings_are_taken_up_while_running() -> Result<()> {
    let Some(solo) = Solo::new("reload")? else { return Ok(()) };
    let other = solo.lab.host("other", &["10.0.0.2/24"])?;
    let second = solo.lab.switch()?;
    solo.host.plug("wan0", &second, &["10.7.0.1/24"])?;
    let home = solo.home("home")?;
    let daemon = solo.start(&home)?;
    let v4 = |daemon: &Daemon| -> Result<Vec<String>> {
        Ok(listening(daemon)?.into_iter().filter(|ip| ip.contains('.')).collect())
    };
    let set = |settings: Value| home.write("local.conf", settings.to_string().as_bytes());
    let becomes = |wanted: &[&str]| {
        daemon.wait(&format!("sockets {wanted:?}"), WAIT, || Ok((v4(&daemon)? == wanted).then_some(())))
    };
    becomes(&["10.0.0.1", "10.7.0.1"])?;
    set(json!({ "settings": { "interfacePrefixBlacklist": ["wan"] } }))?;
    becomes(&["10.0.0.1"])?;
    set(json!({ "settings": { "bind": ["10.7.0.1"] } }))?;
    becomes(&["10.7.0.1"])?;
    set(json!({ "physical": { "10.0.0.0/24": { "blacklist": true } } }))?;
    becomes(&["10.7.0.1"])?;
    set(json!({}))?;
    becomes(&["10.0.0.1", "10.7.0.1"])?;

    // Who may ask.
    let reach = || -> Result<Option<TcpStream>> {
        let address = (Ipv4Addr::new(10, 0, 0, 1), 9993).into();
        Ok(other.namespace().run(|| TcpStream::connect_timeout(&address, Duration::from_secs(2)))?.ok())
    };
    assert!(reach()?.is_none(), "only loopback is served");
    set(json!({ "settings": { "allowManagementFrom": ["10.0.0.2/32"] } }))?;
    daemon.wait("the other host is let in", WAIT, || {
        Ok(reach()?.filter(|stream| status_line(stream) == 200).map(drop))
    })?;
    set(json!({ "settings": { "allowManagementFrom": ["10.0.0.3/32"] } }))?;
    daemon.wait("the other host is shut out", WAIT, || {
        Ok(reach()?.filter(|stream| status_line(stream) != 200).map(drop))
    })?;
    set(json!({ "settings": {} }))?;
    daemon.wait("loopback only", WAIT, || Ok(reach()?.is_none().then_some(())))?;

    // A port of its own for UDP.
    set(json!({ "settings": { "primaryPort": 9777 } }))?;
    daemon.wait("port 9777", WAIT, || {
        let status = daemon.api().get("/status")?;
        Ok(status["config"]["settings"]["listeningOn"].to_string().contains("10.0.0.1/9777").then_some(()))
    })?;
    daemon.stop()
}

/// Status of an answer to `GET /health`, for which a permitted source is enough.
fn status_line(mut stream: &TcpStream) -> u16 {
    use std::io::{Read, Write};
    let mut answer = String::new();
    let asked = stream
        .set_read_timeout(Some(Duration::from_secs(2)))
        .and_then(|()| stream.write_all(b"GET /health HTTP/1.1\r\nHost: 10.0.0.1\r\nConnection: close\r\n\r\n"))
        .and_then(|()| stream.read_to_string(&mut answer));
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    asked.ok().and(status).unwrap_or(0)
}

#[test]
fn a_device_that_vanishes_comes_back() -> Result<()> {
    let Some(rig) = Rig::new("device")? else { return Ok(()) };
    let [_, of_b] = rig.join(WAIT)?;
    let device = rig.members[0].network(rig.network)?["portDeviceName"].as_str().unwrap_or_default().to_owned();
    rig.hosts[0].ping(of_b[0].address(), Ping::default())?;
    rig.hosts[0].namespace().delete_device(&device)?;
    rig.members[0].wait("a new device", WAIT, || {
        let output = rig.members[0].output().join("\n");
        Ok((output.matches("virtual port is up").count() == 2).then_some(()))
    })?;
    rig.members[0].wait_joined(rig.network, WAIT)?;
    rig.hosts[0].ping(of_b[0].address(), Ping { patience: WAIT, ..Ping::default() })?;
    Ok(())
}

#[test]
fn sigterm_leaves_nothing_behind() -> Result<()> {
    let Some(rig) = Rig::new("sigterm")? else { return Ok(()) };
    let settings = json!({ "routes": [{ "target": "10.9.0.0/16" }, { "target": "10.10.0.0/16", "via": "10.9.0.77" }] });
    rig.root.change_network(rig.network, &settings)?;
    let state = |host: &Host| -> Result<String> {
        let mut netlink = host.namespace().netlink()?;
        let links: Vec<(u32, String)> = netlink.links()?.into_iter().map(|link| (link.index, link.name)).collect();
        let mut text = format!("{links:?}\n");
        for (index, _) in &links {
            let addresses: Vec<_> = netlink.addresses(Some(*index))?.iter().map(|address| address.cidr).collect();
            text += &format!("{addresses:?} {:?}\n", netlink.static_routes(*index)?);
        }
        Ok(text)
    };
    let before = [state(&rig.hosts[0])?, state(&rig.hosts[1])?];
    rig.join(WAIT)?;
    rig.members[0].wait("a route", WAIT, || Ok(state(&rig.hosts[0])?.contains("10.10.0.0").then_some(())))?;
    let [a, b] = rig.members;
    let home = rig.lab.home("a")?;
    a.stop()?;
    b.stop()?;
    for (host, before) in rig.hosts.iter().zip(before) {
        assert_eq!(state(host)?, before);
    }
    assert!(home.read("zerotier-one.pid").is_err(), "the pid file is left");
    Ok(())
}

#[test]
fn kill_9_loses_nothing_acknowledged() -> Result<()> {
    let Some(solo) = Solo::new("kill9")? else { return Ok(()) };
    let home = solo.home("home")?;
    let mut daemon = solo.start(&home)?;
    let network = daemon.create_network(&network_settings())?;
    let mut kept: Vec<(String, Value)> = Vec::new();
    let mut number = 0_u64;
    for round in 0..8_u64 {
        let api = daemon.api().clone();
        let writer = std::thread::spawn(move || {
            let mut acknowledged = Vec::new();
            loop {
                number += 1;
                let member = Address::new(0x30_0000_0000 + number);
                let path = match number % 5 {
                    0 => format!("/controller/network/{network}"),
                    _ => format!("/controller/network/{network}/member/{member}"),
                };
                let name = format!("n{number}");
                match api.post(&path, &json!({ "name": name, "authorized": number.is_multiple_of(2) })) {
                    Ok(answer) => acknowledged.push((path, answer)),
                    Err(_) => return (number, acknowledged),
                }
            }
        });
        // At a moment that has nothing to do with the commits; now and then with a good end.
        std::thread::sleep(Duration::from_millis(150 + round * 173 % 400));
        if round % 4 == 3 {
            daemon.stop()?
        } else {
            daemon.kill()
        }
        let (last, acknowledged) = writer.join().map_err(|_| anyhow!("the writer panicked"))?;
        assert!(!acknowledged.is_empty(), "round {round}: nothing was written");
        number = last;
        for (path, answer) in acknowledged {
            kept.retain(|(other, _)| *other != path);
            kept.push((path, answer));
        }
        daemon = solo.start(&home)?;
        for (path, answer) in &kept {
            let found = daemon.api().get(path)?;
            if path.contains("/member/") {
                assert_eq!(found, *answer, "{path}");
            } else {
                // The one that was under way may have been kept too.
                let of = |value: &Value| value["name"].as_str().and_then(|name| name[1..].parse::<u64>().ok());
                if of(&found) < of(answer) {
                    bail!("{path}: {found} is older than {answer}");
                }
            }
        }
    }
    println!("{} acknowledged changes, 8 ends", kept.len());
    daemon.stop()
}
