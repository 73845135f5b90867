//! What a person mistypes is named and changes nothing; what the API coerces it goes on coercing for scripts.

use serde_json::{Value, json};

use crate::bench::{Bench, identity};

/// A strict call; status and description.
fn strict(b: &mut Bench, path: &str, body: &Value) -> (u16, String) {
    let outcome = b.controller.api_strict(b.now, "POST", path, body.to_string().as_bytes());
    b.drain();
    let answer: Value = serde_json::from_str(&outcome.body.unwrap_or_default()).unwrap_or_default();
    (outcome.status, answer["description"].as_str().unwrap_or_default().to_owned())
}

/// The reference ignores the source text of rules; who asks strictly can give it, and it survives a store.
#[test]
fn the_text_of_rules_is_taken_from_those_who_ask_strictly() {
    let mut b = Bench::new();
    let n = b.network(json!({"name": "lan", "rulesSource": "drop;"}));
    let path = format!("/controller/network/{n}");
    assert_eq!(b.get(&path)["rulesSource"], "");
    let rules = json!([{"type": "ACTION_DROP"}]);
    assert_eq!(strict(&mut b, &path, &json!({"rules": rules, "rulesSource": "drop;"})).0, 200);
    let network = b.get(&path);
    assert_eq!((&network["rulesSource"], &network["rules"]), (&json!("drop;"), &rules));
    let stored = network.as_object().unwrap().clone();
    let read = zt_netconf::controller::Network::from_json(zt_wire::NetworkId(1), stored, 0);
    assert_eq!(read.rules_source, "drop;");

    for (source, named) in [
        ("accept;", "rulesSource: does not compile to the rules, capabilities and tags of the network"),
        ("tag x id 1; drop;", "rulesSource: does not compile to the rules"),
        ("dorp;", "rulesSource: does not compile: "),
    ] {
        let (status, text) = strict(&mut b, &path, &json!({"rulesSource": source}));
        assert_eq!((status, text.contains(named)), (400, true), "{text}");
    }

    b.post(&path, json!({"name": "new", "rulesSource": "accept;"}));
    assert_eq!(b.get(&path)["rulesSource"], "drop;");
    let long = "#".repeat(zt_netconf::controller::MAX_RULES_SOURCE + 1);
    let (status, text) = strict(&mut b, &path, &json!({"rulesSource": long}));
    assert_eq!((status, text.contains("rulesSource: longer than 262144 bytes")), (400, true), "{text}");
    b.post(&path, json!({"rules": [{"type": "ACTION_ACCEPT"}]}));
    assert_eq!(b.get(&path)["rulesSource"], "");
}

#[test]
fn a_wrong_field_of_a_network_is_named_and_changes_nothing() {
    let mut b = Bench::new();
    let n = b.network(json!({"name": "lan", "routes": [{"target": "10.1.0.0/16"}], "mtu": 1400}));
    let path = format!("/controller/network/{n}");
    let before = b.get(&path);
    for (body, named) in [
        (json!({"mtu": "abc"}), "mtu: \"abc\" is no whole number from 1280 to 10000"),
        (json!({"mtu": 1279}), "mtu: 1279"),
        (json!({"mtu": 10001}), "mtu: 10001"),
        (json!({"mtu": -1}), "mtu: -1"),
        (json!({"mtu": 1400.5}), "mtu: 1400.5"),
        (json!({"mtu": null}), "mtu: null"),
        (json!({"multicastLimit": 4_294_967_296_u64}), "multicastLimit: 4294967296"),
        (json!({"private": "no"}), "private: \"no\" is neither true nor false"),
        (json!({"private": 0}), "private: 0"),
        (json!({"name": 5}), "name: 5 is no text"),
        (json!({"name": "x".repeat(200)}), "name: longer than 127 bytes"),
        (json!({"routes": [{"target": "zzz"}]}), "routes[0].target: \"zzz\" is no range"),
        (json!({"routes": [{"target": "10.0.0.0/33"}]}), "routes[0].target"),
        (json!({"routes": [{"target": "10.0.0.0"}]}), "routes[0].target"),
        (json!({"routes": [{"target": "10.0.0.0/+8"}]}), "routes[0].target"),
        (json!({"routes": [{"target": "10.0.0.0/8", "via": "x.y"}]}), "routes[0].via"),
        (
            json!({"routes": [{"target": "10.0.0.0/8", "via": "fd00::1"}]}),
            "routes[0].via: fd00::1 is not of the family",
        ),
        (
            json!({"routes": [{"target": "10.0.0.0/8", "gateway": "10.0.0.1"}]}),
            "routes[0].gateway: there is no such field",
        ),
        (json!({"routes": {}}), "routes: {} is no array"),
        (json!({"ipAssignmentPools": [{"ipRangeStart": "10.0.0.9", "ipRangeEnd": "10.0.0.1"}]}), "is no range"),
        (json!({"ipAssignmentPools": [{"ipRangeStart": "10.0.0.9"}]}), "ipAssignmentPools[0].ipRangeEnd: null"),
        (json!({"v4AssignMode": {"zt": "yes"}}), "v4AssignMode.zt"),
        (json!({"v6AssignMode": {"6PLANE": true}}), "v6AssignMode.6PLANE: there is no such field; write 6plane"),
        (json!({"rules": [{"type": "ACTION_REJECT"}]}), "rules[0].type: \"ACTION_REJECT\" is no type of rule"),
        (
            json!({"rules": [{"type": "MATCH_ETHERTYPE", "etherType": 70000}]}),
            "rules[0].etherType: 70000 would be taken as 4464",
        ),
        (json!({"rules": [{"type": "MATCH_ETHERTYPE", "ethertype": 2048}]}), "rules[0].ethertype"),
        (json!({"rules": [{"type": "MATCH_IPV4_SOURCE", "ip": "300.0.0.1/8"}]}), "rules[0].ip"),
        (json!({"tags": [{"id": -1}]}), "tags[0].id: -1"),
        (json!({"capabilities": [{"id": 1, "rules": [{"type": "?"}]}]}), "capabilities[0].rules[0].type"),
        (json!({"authTokens": {"t": "never"}}), "authTokens.t"),
        (json!({"dns": {"domain": "x", "servers": ["x"]}}), "dns.servers[0]"),
        (json!({"remoteTraceTarget": "me"}), "remoteTraceTarget"),
        (json!({"mtuu": 1400}), "mtuu: there is no such field"),
        (json!({"id": "0123456789abcdef"}), "id: this field is kept by the controller"),
        (json!({"name": "new", "mtu": "abc"}), "mtu"),
        (json!([]), "[] is no object"),
    ] {
        let (status, description) = strict(&mut b, &path, &body);
        assert!(status == 400 && description.contains(named), "{body}: {status} {description}");
        assert_eq!(b.get(&path), before, "{body}");
        let (status, _) = strict(&mut b, "/controller/network", &body);
        assert_eq!(status, 400, "{body}");
    }
    assert_eq!(b.get("/controller/network"), json!([n.to_string()]), "none was made");
    // For scripts nothing is different.
    assert_eq!(b.post(&path, json!({"mtu": "abc"}))["mtu"], json!(1280));
}

#[test]
fn what_is_right_is_taken_as_written() {
    let mut b = Bench::new();
    let n = b.network(json!({}));
    let path = format!("/controller/network/{n}");
    let body = json!({
        "name": "lan", "private": false, "mtu": 9000, "multicastLimit": 0, "enableBroadcast": false,
        "routes": [{"target": "10.1.0.0/16", "via": null}, {"target": "fd00::/8", "via": "fd00::1"}],
        "ipAssignmentPools": [{"ipRangeStart": "10.1.0.1", "ipRangeEnd": "10.1.0.9"}],
        "v4AssignMode": {"zt": true}, "v6AssignMode": {"6plane": true, "rfc4193": false, "zt": true},
        "rules": [{"type": "MATCH_ETHERTYPE", "etherType": 2048, "not": true, "or": false}, {"type": "ACTION_DROP"},
            {"type": "MATCH_MAC_SOURCE", "mac": "AA-BB-CC-00-11-22", "not": false, "or": false},
            {"type": "MATCH_IPV6_DEST", "ip": "fd00::/8", "not": false, "or": true}, {"type": "ACTION_ACCEPT", "or": false}],
        "capabilities": [{"id": 1, "default": true, "rules": [{"type": "ACTION_ACCEPT"}]}],
        "tags": [{"id": 7, "default": 3}, {"id": 8, "default": null}],
        "authTokens": {"secret": 0}, "dns": {"domain": "lan", "servers": ["10.1.0.1"]},
    });
    assert_eq!(strict(&mut b, &path, &body).0, 200);
    let stored = b.get(&path);
    for key in ["name", "mtu", "routes", "ipAssignmentPools", "tags", "dns", "v6AssignMode"] {
        assert_eq!(stored[key], body[key], "{key}");
    }
    // The whole object can be sent back.
    assert_eq!(strict(&mut b, &path, &stored), (200, String::new()));
    let fresh = b.network(json!({}));
    let path = format!("/controller/network/{fresh}");
    let stored = b.get(&path);
    assert_eq!(strict(&mut b, &path, &stored), (200, String::new()));
}

#[test]
fn addresses_of_a_member_are_free_and_of_the_network() {
    let mut b = Bench::new();
    let n = b.network(json!({"routes": [{"target": "10.9.8.0/24"}, {"target": "fd00::/64"}]}));
    b.member(n, "a", json!({"authorized": true, "ipAssignments": ["10.9.8.7"]}));
    let path = format!("/controller/network/{n}/member/{}", identity("b").address);
    let holder = identity("a").address.to_string();
    for (body, named) in [
        (json!({"ipAssignments": ["10.9.8.7"]}), format!("10.9.8.7 is given to member {holder} already")),
        (json!({"ipAssignments": ["10.9.9.7"]}), "10.9.9.7 lies in no route of network".to_owned()),
        (json!({"ipAssignments": ["10.9.9.7"]}), "(there: 10.9.8.0/24, fd00::/64)".to_owned()),
        (json!({"ipAssignments": ["10.9.8.8", "10.9.8.8"]}), "ipAssignments[1]: 10.9.8.8 is named twice".to_owned()),
        (json!({"ipAssignments": ["10.9.8.8/24"]}), "ipAssignments[0]: \"10.9.8.8/24\" is no IP address".to_owned()),
        (json!({"ipAssignments": [5]}), "ipAssignments[0]: 5 is no IP address".to_owned()),
        (json!({"ipAssignments": "10.9.8.8"}), "is no array".to_owned()),
        (json!({"authorized": "yes"}), "authorized: \"yes\" is neither true nor false".to_owned()),
        (json!({"tags": [[1]]}), "tags[0]: write [id, value]".to_owned()),
        (json!({"tags": [[1, 4_294_967_296_u64]]}), "tags[0]".to_owned()),
        (json!({"capabilities": ["x"]}), "capabilities[0]".to_owned()),
        (json!({"ip": []}), "ip: there is no such field".to_owned()),
    ] {
        let (status, description) = strict(&mut b, &path, &body);
        assert!(status == 400 && description.contains(&named), "{body}: {status} {description}");
    }
    let outcome = b.controller.api(b.now, "GET", &path, b"");
    assert_eq!(outcome.status, 404, "no member was made");
    let body =
        json!({"authorized": true, "ipAssignments": ["10.9.8.8", "fd00::8"], "tags": [[1, 2]], "capabilities": [1]});
    assert_eq!(strict(&mut b, &path, &body).0, 200);
    // What the member has it may keep.
    assert_eq!(strict(&mut b, &path, &json!({"ipAssignments": ["10.9.8.8"]})).0, 200);
    let unknown = "/controller/network/0123456789abcdef/member/1122334455";
    assert_eq!(strict(&mut b, unknown, &json!({"authorized": true})).0, 404);
}
