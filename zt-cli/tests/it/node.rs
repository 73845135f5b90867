//! Commands that ask a running node, here a stand-in.

use serde_json::{Value, json};
use zt_cli::api;
use zt_cli::client::Client;
use zt_wire::IpPrefix;

use super::Folder;

use super::fake::Fake;

#[test]
fn a_frame_is_asked_about_in_words_and_the_answer_says_what_decides() {
    let node = Fake::start();
    let folder = node.folder();
    folder.fails("zt networks --why tcp22 --to dfa68ae067", "no networks");
    folder.ok("zt join 8056C2E21C000001");
    let told = folder.ok("zt networks --why arp --from dfa68ae067");
    let expected = [
        "arp from dfa68ae067 is dropped here",
        "drop by rule 3: drop not tdiff 1000 0",
        "tag 1000: ours 2, of dfa68ae067 not known, looked at by this rule",
        "missing: tag 1000 of dfa68ae067: it has shown none that counts now",
        "copies go to 6250c6ccf3",
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
    let json: Value = serde_json::from_str(&folder.ok("zt networks 8056c2e21c000001 --why arp --to dfa68ae067 --json"))
        .expect("json");
    assert_eq!((&json["inbound"], &json["decision"], &json["rule"]), (&json!(false), &json!("drop"), &json!(3)));
    folder.fails("zt networks --why arp", "--to");
    folder.fails("zt networks --why nonsense --to dfa68ae067", "zt: nonsense\n^ expected a frame");
    folder.fails("zt networks 8056c2e21c000009 --why arp --to dfa68ae067", "is not joined");
    folder.fails("zt networks --why arp --to nobody", "nobody");
    folder.fails("zt networks 8056c2e21c000002", "is not joined");
}

#[test]
fn rules_that_decided_are_shown_with_their_counts() {
    let count = |inbound, outbound| api::Count { inbound, outbound };
    let node = Fake::start();
    let folder = node.folder();
    folder.ok("zt join 8056C2E21C000001");
    assert!(folder.ok("zt networks --rules").contains("no rule has decided anything yet"));
    {
        let mut told = node.told.lock().expect("no panic");
        let network = &mut told.networks[0];
        network.passes_nothing = true;
        network.rule_counters = Some(api::RuleCounters {
            capabilities: vec![api::CapabilityCounter { count: count(4, 0), id: 7 }],
            no_rule: count(0, 9),
            rules: vec![api::RuleCounter { count: count(1, 2), index: 5, statement: "drop ethertype arp".to_owned() }],
        });
    }
    let shown = folder.ok("zt networks --rules");
    for line in [
        "8056c2e21c000001: the rules of this network accept nothing: no frame passes",
        "8056c2e21c000001: 1 in, 2 out: rule 5: drop ethertype arp",
        "8056c2e21c000001: 4 in, 0 out: accepted by capability 7",
        "8056c2e21c000001: 0 in, 9 out: dropped, for no rule and no capability accepts",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    let json: Value = serde_json::from_str(&folder.ok("zt networks --json")).expect("json");
    assert_eq!(
        json[0]["ruleCounters"]["rules"][0],
        json!({"in": 1, "index": 5, "out": 2, "statement": "drop ethertype arp"})
    );
    assert_eq!(json[0]["passesNothing"], json!(true));
}

#[test]
fn networks_are_joined_shown_and_left() {
    let node = Fake::start();
    let folder = node.folder();
    assert!(folder.ok("zt networks").contains("no networks"));
    let joined = folder.ok("zt join 8056C2E21C000001 --allow-default yes");
    assert!(joined.contains("8056c2e21c000001  la\u{fffd}[31mb  OK"), "{joined}");
    let shown = folder.ok("zt networks --routes");
    assert!(shown.contains("DNS of this network is not applied: no\u{fffd}one asks"), "{shown}");
    assert!(shown.contains("route 10.9.8.0/24"), "{shown}");
    let json: Value = serde_json::from_str(&folder.ok("zt networks --json")).expect("json");
    assert_eq!(json[0]["allowDefault"], true);
    folder.ok("zt leave 8056c2e21c000001");
    folder.fails("zt leave 8056c2e21c000001", "is not joined");
}

#[test]
fn what_a_host_does_not_use_is_shown_with_the_way_to_allow_it() {
    let node = Fake::start();
    let folder = node.folder();
    let line = "8056c2e21c000001: route 0.0.0.0/0 via 10.9.8.4 is not used: allowDefault is off; \
                `zt join 8056c2e21c000001 --allow-default yes` allows it";
    assert!(folder.ok("zt join 8056c2e21c000001").contains(line), "where it is joined");
    let few = folder.ok("zt networks");
    assert!(few.contains(line), "{few}");
    assert_eq!(few.matches("is not used").count(), 4, "{few}");
    assert!(few.contains("2 more are not used; `zt networks --routes` shows all"), "{few}");
    assert_eq!(folder.ok("zt networks --routes").matches("is not used").count(), 6);
    assert!(!folder.ok("zt join 8056c2e21c000001 --allow-default yes").contains("not used"));
}

#[test]
fn managed_can_be_everything_nothing_or_a_list() {
    let node = Fake::start();
    let folder = node.folder();
    for (value, managed, list) in [
        ("yes", true, &[][..]),
        ("no", false, &[]),
        ("10.0.0.0/8", true, &["10.0.0.0/8"]),
        ("10.0.0.0/8,fd00::/8", true, &["10.0.0.0/8", "fd00::/8"]),
    ] {
        let joined = folder.ok(&format!("zt join 8056c2e21c000001 --allow-managed {value} --json"));
        let joined: Value = serde_json::from_str(&joined).expect("json");
        assert_eq!(joined["allowManaged"], managed, "{value}");
        let shown = joined.get("allowManagedList").cloned().unwrap_or_else(|| json!([]));
        assert_eq!(shown, json!(list), "{value}");
    }
    folder.fails("zt join 8056c2e21c000001 --allow-managed 10.0.0.0/8,here", "\"here\" is not IP/BITS");
    // A list that cannot be read would be no restriction.
    let long: Vec<String> = (0..65).map(|number| format!("10.{number}.0.0/16")).collect();
    for list in [json!("10.0.0.0/8"), json!(["here"]), json!([1]), json!(long)] {
        let answer = node.client().post("/network/8056c2e21c000001", &json!({ "allowManagedList": list }).to_string());
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(answer.body.contains("allowManagedList is a list of at most 64"), "{}", answer.body);
    }
}

#[test]
fn the_node_is_shown() {
    let node = Fake::start();
    let folder = node.folder();
    let info = folder.ok("zt info");
    assert!(info.contains("fe39e980ad") && info.ends_with("ONLINE\n"), "{info}");
    assert_eq!(folder.ok("zt info --drops"), "dropped  reason\n12       bad mac\n3        duplicate\n");
    assert_eq!(folder.ok("zt peers"), "no peers\n");
    assert_eq!(folder.ok("zt moon list"), "no moons\n");
    assert!(folder.ok("zt planet list").contains("8b1a9953c4611296  file    5          1582af1036  192.0.2.9/9993"));
    assert_eq!(folder.ok("zerotier-cli info"), "200 info fe39e980ad 1.14.1 ONLINE\n");
}

/// The node's clock stands at 1 ms after 1970, ours decades later.
#[test]
fn ages_go_by_the_clock_of_the_node() {
    let node = Fake::start();
    let peer = json!({
        "address": "fe39e980ad", "isBonded": false, "latency": 3, "role": "LEAF", "tunneled": false,
        "version": "1.14.1", "versionMajor": 1, "versionMinor": 14, "versionRev": 1,
        "paths": [{
            "active": true, "address": "192.0.2.1/9993", "expired": false, "lastReceive": -6999, "lastSend": 5,
            "localPort": 0, "localSocket": 1, "preferred": true, "trustedPathId": 0,
        }],
    });
    node.told.lock().expect("no panic").peers = vec![serde_json::from_value(peer).expect("a peer")];
    let folder = node.folder();
    let shown = folder.ok("zt peers");
    assert!(shown.contains("7 s ago"), "{shown}");
    let listed = folder.ok("zerotier-cli listpeers");
    assert!(listed.contains("192.0.2.1/9993;0;7000 "), "{listed}");
}

#[test]
fn bonds_are_listed_shown_rotated_and_sized() {
    let node = Fake::start();
    let path = |interface: &str, carries: u8| {
        json!({
            "active": true, "address": "192.0.2.1/9993", "assignedFlowCount": 4, "bonded": carries, "eligible": 1,
            "expired": false, "givenLinkSpeed": 100, "ifname": interface, "lastInAge": 5, "lastOutAge": 6,
            "lastReceive": 1, "lastSend": 1, "latencyMean": 12.25, "latencyVariance": 0.5, "localPort": 9993,
            "localSocket": 7, "packetErrorRatio": 0.0, "packetLossRatio": 0.02, "preferred": carries == 1,
            "relativeQuality": 0.75, "trustedPathId": 0,
        })
    };
    let peer = |address: &str, bonded: bool| {
        let mut peer = json!({
            "address": address, "isBonded": bonded, "latency": 3, "role": "LEAF", "tunneled": false, "paths": [],
            "version": "1.14.1", "versionMajor": 1, "versionMinor": 14, "versionRev": 1,
        });
        if bonded {
            for (key, value) in [("bondingPolicyStr", json!("adaptive")), ("bondingPolicyCode", json!(6))] {
                peer[key] = value;
            }
            for (key, value) in [("numAliveLinks", 1), ("numTotalLinks", 2), ("failoverInterval", 5000)] {
                peer[key] = value.into();
            }
            for key in ["upDelay", "downDelay", "packetsPerLink"] {
                peer[key] = 64.into();
            }
            peer["paths"] = json!([path("eth0", 1), path("eth1.100", 0)]);
        }
        serde_json::from_value::<api::Peer>(peer).expect("a peer")
    };
    let folder = node.folder();
    assert_eq!(folder.ok("zt bond list"), "no bonds\n");
    node.told.lock().expect("no panic").peers = vec![peer("fe39e980ad", true), peer("1582af1036", false)];
    let list = folder.ok("zt bond list");
    assert!(list.contains("fe39e980ad  adaptive  1 of 2") && !list.contains("1582af1036"), "{list}");
    let shown = folder.ok("zt bond show fe39e980ad");
    for row in ["eth0       192.0.2.1/9993  carries  4      12.2 ms", "eth1.100   192.0.2.1/9993  waits"] {
        assert!(shown.contains(row), "{shown}");
    }
    assert!(shown.contains("2 %") && shown.contains("100 Mbit/s") && shown.contains("1 of 2 work"), "{shown}");
    folder.fails("zt bond show 1582af1036", "there is no bond with 1582af1036");
    folder.fails("zt bond show 0123456789", "no peer 0123456789 is known");
    folder.ok("zt bond rotate fe39e980ad");
    folder.ok("zt bond setmtu 1400 eth1.100 192.0.2.7");
    folder.fails("zt bond setmtu 1400 eth9 192.0.2.7", "Unable to find specified link: nothing was changed");
    assert_eq!(node.calls()[..2], ["rotate fe39e980ad", "mtu eth1.100 Some(192.0.2.7) 1400"]);
    let one = folder.ok("zerotier-cli bond fe39e980ad show");
    assert!(one.contains("Links                  : 1/2\n") && one.contains("eth1.100"), "{one}");
}

#[test]
fn what_is_left_to_the_kernel_is_shown_with_what_it_refuses() {
    let node = Fake::start();
    let folder = node.folder();
    let shows = |lines: [&str; 2]| {
        let info = folder.ok("zt info");
        let told: Vec<&str> = info.lines().filter(|line| line.contains("offload")).collect();
        let told: Vec<String> = told.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(told, lines, "{info}");
    };
    let is = |offload: Value| node.told.lock().expect("no panic").offload = offload;
    shows(["UDP offload: -", "TAP offload: -"]);
    let udp =
        |refusing: u8| json!({"level": "all", "refusing": refusing, "receiveBuffer": 4_194_304, "sendBuffer": 212_992});
    let port = |device: &str, to_kernel: &str| json!({"network": "8056c2e21c000001", "device": device, "fromKernel": "all", "toKernel": to_kernel});
    is(json!({"udp": udp(0), "tap": []}));
    shows(["UDP offload: all; buffers of 4096 KiB in, 208 KiB out", "TAP offload: -"]);
    is(json!({"udp": udp(1), "tap": [port("zt0", "all"), port("zt1", "checksums")]}));
    shows([
        "UDP offload: all; buffers of 4096 KiB in, 208 KiB out; to 1 destination datagrams leave one by one",
        "TAP offload: zt0 all, zt1 all (to the kernel checksums)",
    ]);
}

#[test]
fn the_version_shown_is_the_nodes_own() {
    let node = Fake::start();
    let folder = node.folder();
    assert!(folder.ok("zt info").contains("1.14.1 (not of zt"));
    let is = |version: &str| node.told.lock().expect("no panic").version = Some(version.to_owned());
    is("99.1.2");
    let info = folder.ok("zt info");
    assert!(info.contains("99.1.2 (speaks as 1.14.1); this command is"), "{info}");
    is(zt_cli::VERSION);
    let info = folder.ok("zt info");
    assert!(info.contains(&format!("{} (speaks as 1.14.1)\n", zt_cli::VERSION)), "{info}");
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let node = Fake::start();
    let folder = node.folder();
    folder.ok("zt identity generate a.secret a.public");
    for line in [
        "zt --help",
        "zt --version",
        "zt help network",
        "zt identity generate",
        "zt identity generate --json",
        "zt identity generate b.secret",
        "zt info",
        "zt info --json",
        "zt info --drops",
        "zt info --address",
        "zt peers",
        "zt networks",
        "zt join 8056c2e21c000001",
        "zt leave 8056c2e21c000001",
        "zt network list",
        "zt network show fe39e980ad000001",
        "zt member list fe39e980ad000001",
        "zt moon list",
        "zt planet list",
        "zt planet create --root a.public=192.0.2.1/9993",
        "zerotier-cli info",
        "zerotier-cli -j info",
        "zerotier-cli -h",
        "zerotier-cli -v",
        "zerotier-idtool generate",
        "zerotier-idtool getpublic a.secret",
        "zerotier-idtool help",
        "zerotier-one -v",
        "zerotier-one -h",
        "zt cli info",
        "zt idtool generate",
    ] {
        let (code, err) = folder.run_into(line, "/dev/full");
        assert_ne!(code, 0, "{line}");
        assert!(err.contains("cannot write the output: No space left on device"), "{line}: {err}");
        let _ = std::fs::remove_file(folder.path().join("b.secret"));
        let _ = std::fs::remove_file(folder.path().join("planet"));
        let _ = std::fs::remove_file(folder.path().join("planet.json"));
    }
    // A reader that has gone away is none.
    assert_eq!(folder.run_into_closed_pipe("zt info"), (0, String::new()));
}

#[test]
fn the_controller_is_told_what_was_typed() {
    let node = Fake::start();
    let folder = node.folder();
    assert!(
        folder.ok("zt network list").contains("fe39e980ad000001  lab   PRIVATE  2        1        10.9.8.1-10.9.8.254")
    );
    assert!(folder.ok("zt member list fe39e980ad000001").contains("b167db3b07  WAITING        1.14.1   10.9.8.7"));
    node.calls();
    folder.ok("zt network create --name lab --pool 10.9.8.0/24");
    assert_eq!(
        node.calls(),
        [
            "POST /controller/network {\"name\":\"lab\",\"ipAssignmentPools\":[{\"ipRangeStart\":\"10.9.8.1\",\"ipRangeEnd\":\
          \"10.9.8.254\"}],\"routes\":[{\"target\":\"10.9.8.0/24\",\"via\":null}],\"v4AssignMode\":{\"zt\":true}}"
        ]
    );
    folder.ok("zt network set fe39e980ad000001 --rfc4193 yes --route 10.2.0.0/16=10.1.0.1");
    assert_eq!(
        node.calls()[1],
        "POST /controller/network/fe39e980ad000001 {\"routes\":[{\"target\":\"10.2.0.0/16\",\"via\":\
         \"10.1.0.1\"}],\"v6AssignMode\":{\"6plane\":true,\"rfc4193\":true}}"
    );
    folder.ok("zt member auth fe39e980ad000001 b167db3b07 --ip 10.9.8.7 --name laptop");
    folder.ok("zt member deauth fe39e980ad000001 b167db3b07");
    folder.ok("zt member delete fe39e980ad000001 b167db3b07 --yes");
    let path = "/controller/network/fe39e980ad000001/member/b167db3b07";
    assert_eq!(
        node.calls(),
        [
            format!("POST {path} {{\"authorized\":true,\"name\":\"laptop\",\"ipAssignments\":[\"10.9.8.7\"]}}"),
            format!("POST {path} {{\"authorized\":false}}"),
            format!("DELETE {path} "),
        ]
    );
    folder.fails("zt network show ffffffffffffffff", "network ffffffffffffffff on this controller: not found");
    folder.fails("zt network create --pool 10.9.8.0/31", "no room for members");
}

#[test]
fn pools_and_routes_are_replaced_added_and_removed_as_said() {
    let node = Fake::start();
    let folder = node.folder();
    let old_pool = json!({"ipRangeStart": "10.9.8.1", "ipRangeEnd": "10.9.8.254"});
    node.told.lock().expect("no panic").hosted = json!({"id": "fe39e980ad000001", "name": "lab", "private": true,
        "ipAssignmentPools": [old_pool], "routes": [{"target": "10.9.8.0/24", "via": null},
        {"target": "10.1.0.0/16", "via": "10.9.8.1"}]});
    let route = |target: &str, via: Option<&str>| json!({"target": target, "via": via});
    let new_pool = json!({"ipRangeStart": "10.9.9.1", "ipRangeEnd": "10.9.9.254"});
    let (pool_route, far) = (route("10.9.8.0/24", None), route("10.1.0.0/16", Some("10.9.8.1")));
    for (options, pools, routes) in [
        ("--pool 10.9.9.0/24", Some(vec![&new_pool]), Some(vec![far.clone(), route("10.9.9.0/24", None)])),
        ("--route 10.2.0.0/16=10.9.8.2", None, Some(vec![pool_route.clone(), route("10.2.0.0/16", Some("10.9.8.2"))])),
        (
            "--pool 10.9.9.0/24 --route 10.2.0.0/16",
            Some(vec![&new_pool]),
            Some(vec![route("10.9.9.0/24", None), route("10.2.0.0/16", None)]),
        ),
        (
            "--add-pool 10.9.9.0/24",
            Some(vec![&old_pool, &new_pool]),
            Some(vec![pool_route.clone(), far.clone(), route("10.9.9.0/24", None)]),
        ),
        ("--add-route 10.3.0.0/16", None, Some(vec![pool_route.clone(), far.clone(), route("10.3.0.0/16", None)])),
        ("--add-pool 10.9.8.0/24", None, None),
        ("--remove-route 10.1.0.0/16", None, Some(vec![pool_route.clone()])),
        ("--remove-pool 10.9.8.0/24", Some(vec![]), Some(vec![far.clone()])),
    ] {
        node.calls();
        folder.ok(&format!("zt network set fe39e980ad000001 {options}"));
        let call = node.calls().pop().expect("a call");
        let body: Value =
            serde_json::from_str(call.split_once(" {").map_or("", |_| &call[call.find('{').expect("a body")..]))
                .expect("an object");
        assert_eq!(body.get("ipAssignmentPools"), pools.map(|pools| json!(pools)).as_ref(), "{options}");
        assert_eq!(body.get("routes"), routes.map(|routes| json!(routes)).as_ref(), "{options}");
    }
    folder.fails("zt network set fe39e980ad000001 --remove-route 10.7.0.0/16", "has no such route");
    folder.fails("zt network set fe39e980ad000001 --remove-pool 10.7.0.0/16", "has no such pool");
}

#[test]
fn a_field_that_the_controller_refuses_is_named() {
    let node = Fake::start();
    let folder = node.folder();
    let wrong = "zt network set fe39e980ad000001 --json-object {\"mtu\":\"abc\"}";
    folder.fails(wrong, "nothing was changed: mtu: \"abc\" is no whole number");
    // ZeroTier One's own client asks as it always did.
    let client = node.client();
    assert_eq!(client.post("/controller/network/fe39e980ad000001", "{\"mtu\":\"abc\"}").status, 200);
}

#[test]
fn planets_and_moons_change_while_the_node_runs() {
    let node = Fake::start();
    let folder = node.folder();
    folder.ok("zt identity generate root.secret root.public");
    folder.ok("zt planet create --root root.public=192.0.2.1/9993");
    assert!(folder.ok("zt planet add planet").ends_with("is in use\n"));
    assert!(node.calls()[0].starts_with("planet of "));
    assert!(!folder.path().join("home/planets.d").exists());
    folder.ok("zt planet remove 7");
    folder.fails("zt planet remove 8", "has no planet 0000000000000008");
    folder.ok("zt moon orbit 0f845a2d0e");
    folder.ok("zt moon leave 0f845a2d0e");
    assert_eq!(node.calls(), ["orbit f845a2d0e 0f845a2d0e", "deorbit f845a2d0e"]);
    // The file itself may be sent too, and nonsense is refused with the reason.
    let planet = String::from_utf8_lossy(&folder.read("planet")).into_owned();
    assert_eq!(node.client().post("/planet", &planet).status, 200);
    assert_eq!(node.client().post("/planet", "{}").status, 400);
    assert!(node.client().post("/planet", "short").body.contains("this is no signed planet"));
}

#[test]
fn access_follows_the_rules_without_a_restart() {
    let node = Fake::start();
    let everybody: IpPrefix = "0.0.0.0/0".parse().expect("a range");
    let client = node.client();
    assert_eq!(client.get("/status").status, 200);
    node.access.send_modify(|access| access.allow_from.push(everybody));
    // The listeners move at once; a client asks again while they do.
    let answered = |want: u16, token: &str| {
        (0..100).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            Client::new("127.0.0.1", node.port(), token).get("/status").status == want
        })
    };
    assert!(answered(200, "secrettoken"));
    node.access.send_modify(|access| access.control_token = "another".to_owned());
    assert!(answered(401, "secrettoken"));
    assert!(answered(200, "another"));
    assert_eq!(Client::new("127.0.0.1", node.port(), "metricstoken").get("/metrics").status, 200);
    assert_eq!(Client::new("127.0.0.1", node.port(), "metricstoken").get("/status").status, 401);
}

#[test]
fn a_node_that_is_not_there_is_told() {
    let folder = Folder::new();
    folder.fails("zt info", "start one with `zt service`");
    folder.write("home/zerotier-one.port", "1");
    folder.fails("zt info", "cannot read");
    folder.write("home/authtoken.secret", "x");
    folder.fails("zt info", "is `zt service` running?");
    let node = Fake::start();
    let folder = node.folder();
    folder.fails("zt info --token wrong", "refused the token");
}

fn told(number: u64, event: &str, fields: Value) -> api::Trace {
    api::Trace {
        event: event.to_owned(),
        fields: serde_json::from_value(fields).expect("texts"),
        member: "fe39e980ad".to_owned(),
        name: "some event".to_owned(),
        network: Some("8056c2e21c000001".to_owned()),
        number,
        time: 1_700_000_000_123,
    }
}

#[test]
fn traces_are_shown_in_words_and_chosen_by_event() {
    let ping = format!("4500001c00000000400100000a0900010a090002{}", "0800f7ff00000000");
    let filter = json!({
        "filterInbound": "0", "filterResult": "0000000000000000", "sourceZtAddr": "000000fe39e980ad",
        "etherType": "0000000000000800", "frameLength": "000000000000001c", "frameData": ping
    });
    let denied = json!({"remoteZtAddr": "0000001122334455", "reason": "no\u{1b}pe"});
    let traces = vec![told(1, "2006", filter), told(2, "2001", denied)];
    let node = Fake::start();
    node.told.lock().expect("no panic").traces = traces;
    let folder = node.folder();
    let shown = folder.ok("zt trace --past");
    assert!(shown.contains("rules, out: drop; fe39e980ad > -; icmp"), "{shown}");
    let line = "22:13:20.123  fe39e980ad  8056c2e21c000001  incoming access denied: no\u{fffd}pe; peer 1122334455\n";
    assert!(shown.contains(line), "{shown}");
    let shown = folder.ok("zt trace --past --event filter");
    assert!(shown.contains("rules, out") && !shown.contains("denied"), "{shown}");
    assert!(folder.ok("zt trace --past --member 0000000001").contains("zt trace --enable"));
    let shown: Vec<api::Trace> = serde_json::from_str(&folder.ok("zt trace --past --json")).expect("JSON");
    assert_eq!(shown.len(), 2);
    folder.fails("zt trace --past --event nonsense", "2001 incoming access denied");
    folder.fails("zt trace --enable 8056c2e21c000001 --level loud", "a level is one of normal, verbose, rules");
}

#[test]
fn members_are_asked_to_tell_this_node_and_asked_no_more() {
    let node = Fake::start();
    let folder = node.folder();
    let shown = folder.ok("zt trace --enable 8056c2e21c000001 --member fe39e980ad --level rules --seconds 0");
    assert!(shown.contains("fe39e980ad in 8056c2e21c000001 tell this node what happens, at level rules"), "{shown}");
    let asked = node.calls().join("\n");
    let body = r#"{"remoteTraceTarget":"fe39e980ad","remoteTraceLevel":15}"#;
    assert!(asked.contains("member/fe39e980ad") && asked.contains(body), "{asked}");
    assert!(folder.ok("zt trace --disable 8056c2e21c000001").contains("members of 8056c2e21c000001 tell nobody"));
    let asked = node.calls().join("\n");
    assert!(asked.contains(r#"{"remoteTraceTarget":null,"remoteTraceLevel":0}"#), "{asked}");
}
