//! What a node's state looks like to people, and what they are told to do next; here of a stand-in.

use serde_json::{Value, json};
use zt_netconf::NetworkStatus;

use super::Folder;
use super::fake::Fake;

const LAB: &str = "8056c2e21c000001";

fn json(folder: &Folder, line: &str) -> (i32, Value) {
    let (code, out, err) = folder.run(line);
    (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{line}: {error}: {out}{err}")))
}

#[test]
fn one_screen_shows_what_matters_and_each_warning_names_the_next_step() {
    let node = Fake::start();
    let folder = node.folder();
    node.told.lock().expect("no panic").version = Some(env!("CARGO_PKG_VERSION").to_owned());
    let shown = folder.ok("zt status");
    assert!(shown.starts_with("fe39e980ad ONLINE for 2 min 5 s\n"), "{shown}");
    for text in ["speaks as 1.14.1", "planet:    8b1a9953c4611296 (file), roots 1582af1036", "no networks; join one"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    assert!(!shown.contains("! "), "{shown}");
    folder.ok(&format!("zt join {LAB} --allow-default yes"));
    {
        let mut told = node.told.lock().expect("no panic");
        told.version = Some("0.0.1".to_owned());
        told.offline = true;
        told.networks[0].status = NetworkStatus::AccessDenied.into();
    }
    let shown = folder.ok("zt status");
    for text in [
        "fe39e980ad OFFLINE",
        "(the node 0.0.1)",
        "! the node runs version 0.0.1, this command is ",
        "! OFFLINE: no root answers\n    is UDP port 9993 let out? `zt doctor`",
        "ACCESS_DENIED\n    its controller 8056c2e21c has not let this node in; run there: `zt member auth 8056c2e21c000001 ",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    let (code, told) = json(&folder, "zt status --json");
    assert_eq!((code, &told["address"], &told["online"]), (0, &json!("fe39e980ad"), &json!(false)));
    assert_eq!(told["networks"][0]["id"], json!(LAB));
    assert_eq!(told["peers"], json!({"all": 0, "direct": 0, "relayed": 0, "roots": 0}));
    let warnings = told["warnings"].as_array().expect("warnings");
    assert!(warnings.iter().all(|w| w["text"].is_string() && w["next"].is_string()), "{told}");
    folder.ok(&format!("zt leave {LAB}"));
    node.told.lock().expect("no panic").version = None;
    assert!(folder.ok("zt status").contains("ZeroTier One 1.14.1"));
}

#[test]
fn what_keeps_a_network_from_coming_up_is_told_with_the_command_that_helps() {
    let node = Fake::start();
    let folder = node.folder();
    folder.ok(&format!("zt join {LAB}"));
    let set = |status: NetworkStatus, error| {
        let mut told = node.told.lock().expect("no panic");
        told.networks[0].status = status.into();
        told.networks[0].port_error = error;
    };
    let own =
        zt_wire::ident::Mac::from_u64(0x02a8_9721_fe2f).embedded_address(zt_wire::NetworkId(0x8056_c2e2_1c00_0001));
    let auth = format!("zt member auth {LAB} {own}");
    for (status, error, texts) in [
        (NetworkStatus::RequestingConfiguration, 0, ["zt ping 8056c2e21c", &*auth]),
        (NetworkStatus::AccessDenied, 0, ["controller 8056c2e21c has not let this node in", &*auth]),
        (NetworkStatus::NotFound, 0, ["controller 8056c2e21c has no such network", "zt network list"]),
        (NetworkStatus::PortError, 1, ["CAP_NET_ADMIN", "--cap-add NET_ADMIN"]),
        (NetworkStatus::PortError, 2, ["/dev/net/tun", "modprobe tun"]),
    ] {
        set(status, error);
        for line in ["zt networks", "zt status"] {
            let shown = folder.ok(line);
            assert!(texts.iter().all(|text| shown.contains(text)), "{line}: {shown}");
        }
        let (code, _, err) = folder.run(&format!("zt wait network {LAB} --timeout 0"));
        assert!(code == 1 && texts.iter().all(|text| err.contains(text)), "{err}");
    }
}

#[test]
fn a_networks_name_does_wherever_its_id_does() {
    let node = Fake::start();
    let folder = node.folder();
    folder.ok(&format!("zt join {LAB}"));
    node.told.lock().expect("no panic").networks[0].name = "home".to_owned();
    assert!(folder.ok("zt networks home").contains(LAB));
    assert!(folder.ok("zt networks HOME --why arp --to dfa68ae067").contains("is dropped here"));
    assert!(folder.ok("zt wait network home").contains("is up on"));
    folder.fails("zt leave lab", "no joined network is called lab; `zt networks` shows names");
    folder.fails("zt join nothing", "a network ID has 16 hexadecimal digits");
    {
        let mut told = node.told.lock().expect("no panic");
        let mut twin = told.networks[0].clone();
        twin.id = "8056c2e21c000002".to_owned();
        told.networks.push(twin);
    }
    folder.fails("zt leave home", "name one by its ID: 8056c2e21c000001, 8056c2e21c000002");
    node.told.lock().expect("no panic").networks.truncate(1);
    folder.ok("zt leave home");
    // Those of the controller.
    node.calls();
    for line in [
        "zt network show lab",
        "zt network set lab --private no",
        "zt network rules lab",
        "zt member list lab",
        "zt member auth lab b167db3b07",
        "zt member deauth lab b167db3b07",
        "zt member delete lab b167db3b07 --yes",
        "zt trace --disable lab",
        "zt network delete lab --yes",
    ] {
        folder.ok(line);
    }
    let calls = node.calls();
    let is_of_lab = |call: &String| {
        call.trim_end() == "GET /unstable/controller/network" || call.contains("/controller/network/fe39e980ad000001")
    };
    assert!(!calls.is_empty() && calls.iter().all(is_of_lab), "{calls:?}");
    folder.fails("zt network show home", "no hosted network is called home");
    folder.fails(
        "zt network delete lab",
        "Network fe39e980ad000001 (lab) is deleted with all its members; this cannot be undone",
    );
    assert!(!node.calls().iter().any(|call| call.starts_with("DELETE")));
}

#[test]
fn a_peer_is_pinged_and_silence_is_an_exit_code() {
    let node = Fake::start();
    let folder = node.folder();
    let told = folder.ok("zt ping fe39e980ae -c 2 -i 0.2");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], "answer from fe39e980ae: seq=1 time=12.50 ms, direct from 192.0.2.7/9993");
    assert_eq!(lines[2], "fe39e980ae: 2 sent, 2 answered, 0% lost; min/avg/max 12.50/12.50/12.50 ms");
    assert_eq!(node.calls(), ["ping fe39e980ae 2000", "ping fe39e980ae 2000"]);
    let (code, out, _) = folder.run("zt ping 0f845a2d0e -c 1 -W 1");
    assert!(code == 1 && out.contains("no answer from 0f845a2d0e: seq=1") && out.contains("100% lost"), "{out}");
    assert_eq!(node.calls(), ["ping 0f845a2d0e 1000"]);
    let (code, told) = json(&folder, "zt ping fe39e980ae -c 1 --json");
    assert_eq!((code, &told["received"], &told["replies"][0]["time"]), (0, &json!(1), &json!(12.5)));
    folder.fails("zt ping ff00000001 -c 1", "it cannot be asked");
    folder.fails("zt ping 10.9.8.7 -c 1", "in none of the joined networks");
    folder.fails("zt ping nobody", "neither a node address");
    folder.fails("zt ping fe39e980ae -i 0", "at least 0.2");
    folder.ok(&format!("zt join {LAB}"));
    folder.fails("zt ping 10.9.8.1 -c 1", "own address");
}

#[test]
fn the_doctor_finds_faults_with_and_without_a_node() {
    let node = Fake::start();
    let folder = node.folder();
    folder.write("home/identity.secret", "no identity");
    let (code, told) = json(&folder, "zt doctor --json");
    assert_eq!(code, 1, "{told}");
    let of = |check: &str| -> Vec<(String, String)> {
        let findings = told["findings"].as_array().expect("findings").iter();
        let word = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        findings.filter(|f| f["check"] == check).map(|f| (word(f, "level"), word(f, "text"))).collect()
    };
    assert!(
        of("identity").iter().any(|(level, text)| level == "fault" && text.contains("no valid identity")),
        "{told}"
    );
    assert!(of("home").iter().any(|(level, text)| level == "fault" && text.contains("authtoken.secret")), "{told}");
    assert!(of("online").iter().any(|(level, _)| level == "ok"), "{told}");
    assert!(!of("NAT").is_empty() && !of("clock").is_empty(), "{told}");
    let faults = told["findings"].as_array().expect("findings").iter().filter(|f| f["level"] == "fault");
    assert!(faults.clone().count() > 0 && faults.clone().all(|f| f["fix"].is_string()), "{told}");
    assert_eq!(told["faults"].as_u64(), Some(faults.count() as u64));
    // Nobody is there: what can be seen without a node is shown all the same.
    let empty = Folder::new();
    let (_, out, err) = empty.run("zt doctor");
    assert!(
        err.is_empty() && out.contains("warning  node") && out.contains("fix: start it with `zt service`"),
        "{out}{err}"
    );
}
