//! The controller by types: what the JSON interface says is said without it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::json;
use zt_netconf::controller::{
    Answer, AssignV6, Binding, Command, CommandError, Dns, MemberPatch, NetworkCapability, NetworkPatch, NetworkTag,
    Pool, Route,
};
use zt_wire::rules::{Rule, RuleKind};
use zt_wire::{Address, IpPrefix, NetworkId};

use crate::bench::{Bench, identity};

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn run(b: &mut Bench, command: Command) -> Answer {
    let answered = b.controller.command(b.now, command).expect("it is executed");
    b.drain();
    answered.answer
}

fn lan() -> NetworkPatch {
    NetworkPatch {
        name: Some("lan".to_owned()),
        assign_v4: Some(true),
        assign_v6: Some(AssignV6 { rfc4193: true, ..AssignV6::default() }),
        routes: Some(vec![Route { target: IpPrefix::clamped(ip("10.9.8.0"), 24), via: None }]),
        pools: Some(vec![Pool { start: ip("10.9.8.1"), end: ip("10.9.8.99") }]),
        dns: Some(Some(Dns { domain: "lan".to_owned(), servers: vec![ip("10.9.8.1")] })),
        tags: Some(vec![NetworkTag { id: 7, default: Some(3) }]),
        capabilities: Some(vec![NetworkCapability {
            id: 1,
            default: true,
            rules: vec![RuleKind::Accept.into()].into(),
        }]),
        tokens: Some(BTreeMap::from([("secret".to_owned(), 0)])),
        ..NetworkPatch::default()
    }
}

#[test]
fn a_network_and_a_member_by_types_alone() {
    let mut b = Bench::new();
    let network = run(&mut b, Command::create_network(lan())).into_network().expect("a network");
    assert_eq!((network.name.as_str(), network.private, network.revision), ("lan", true, 1));
    assert_eq!(network.id.controller(), identity("ctl").address);
    let who = identity("a").address;
    assert_eq!(b.ask(network.id, "a").len(), 1);
    let asked = run(&mut b, Command::GetMember(network.id, who)).into_member().expect("a candidate");
    assert_eq!((asked.authorized, asked.binding), (false, Binding::To(identity("a"))));
    b.sent.clear();
    let member = run(&mut b, Command::authorize(network.id, who, true)).into_member().expect("a member");
    assert!(member.authorized && member.version[0] == 1, "{member:?}");
    // It asked a moment ago and is told at once.
    let config = Bench::config(&b.taken(who));
    assert_eq!((config.name_text().to_string(), config.tags.len()), ("lan".to_owned(), 1));
    let networks = run(&mut b, Command::ListNetworks).into_networks().expect("networks");
    assert_eq!(
        networks.iter().map(|n| (n.network.id, n.members, n.authorized)).collect::<Vec<_>>(),
        [(network.id, 1, 1)]
    );
    let members: Vec<Address> = run(&mut b, Command::ListMembers(network.id))
        .into_members()
        .expect("members")
        .iter()
        .map(|m| m.address)
        .collect();
    assert_eq!(members, [who]);
    assert!(run(&mut b, Command::DeleteMember(network.id, who)).into_member().expect("the last state").authorized);
    assert_eq!(run(&mut b, Command::DeleteNetwork(network.id)).into_network().expect("the last state").name, "lan");
    assert_eq!(b.controller.counts(), (0, 0));
}

#[test]
fn types_and_json_say_the_same() {
    let mut b = Bench::new();
    let typed = run(&mut b, Command::create_network(lan())).into_network().expect("a network");
    let posted = b.network(json!({
        "name": "lan", "v4AssignMode": {"zt": true}, "v6AssignMode": {"rfc4193": true, "6plane": false, "zt": false},
        "routes": [{"target": "10.9.8.0/24", "via": null}],
        "ipAssignmentPools": [{"ipRangeStart": "10.9.8.1", "ipRangeEnd": "10.9.8.99"}],
        "dns": {"domain": "lan", "servers": ["10.9.8.1"]}, "tags": [{"id": 7, "default": 3}],
        "capabilities": [{"id": 1, "default": true, "rules": [{"type": "ACTION_ACCEPT"}]}], "authTokens": {"secret": 0},
    }));
    let posted = run(&mut b, Command::GetNetwork(posted)).into_network().expect("a network");
    let mut same = (*posted).clone();
    same.id = typed.id;
    assert_eq!(same, *typed);
    assert!(typed.verbatim.is_empty());
    let mut printed = b.get(&format!("/controller/network/{}", typed.id));
    for key in ["id", "nwid"] {
        printed[key] = json!(posted.id.to_string());
    }
    assert_eq!(printed, b.get(&format!("/controller/network/{}", posted.id)));
}

#[test]
fn rules_go_through_both_forms() {
    let mut b = Bench::new();
    let not_ip = Rule { kind: RuleKind::EtherType(0x0800), not: true, or: false };
    let rules = vec![not_ip, RuleKind::Drop.into(), RuleKind::Accept.into()];
    let patch = NetworkPatch { rules: Some(rules.clone().into()), ..NetworkPatch::default() };
    let network = run(&mut b, Command::create_network(patch)).into_network().expect("a network");
    let path = format!("/controller/network/{}", network.id);
    let printed = b.get(&path)["rules"].clone();
    assert_eq!(printed[0], json!({"type": "MATCH_ETHERTYPE", "etherType": 2048, "not": true, "or": false}));
    b.post(&path, json!({"rules": printed}));
    let again = run(&mut b, Command::GetNetwork(network.id)).into_network().expect("a network");
    assert_eq!(again.rules.as_slice(), rules);
}

#[test]
fn a_field_that_cannot_be_is_named_and_changes_nothing() {
    let mut b = Bench::new();
    let before = run(&mut b, Command::create_network(lan())).into_network().expect("a network");
    let id = before.id;
    let patch = NetworkPatch::default;
    let route = |via: &str| Route { target: IpPrefix::clamped(ip("10.0.0.0"), 8), via: Some(ip(via)) };
    for (patch, want) in [
        (NetworkPatch { mtu: Some(1279), ..patch() }, "mtu: 1279 is no whole number from 1280 to 10000"),
        (NetworkPatch { name: Some("x".repeat(128)), ..patch() }, "name: longer than 127 bytes"),
        (
            NetworkPatch { routes: Some(vec![route("fd00::1")]), ..patch() },
            "routes[0].via: fd00::1 is not of the family of 10.0.0.0/8",
        ),
        (
            NetworkPatch { pools: Some(vec![Pool { start: ip("10.0.0.9"), end: ip("10.0.0.1") }]), ..patch() },
            "ipAssignmentPools[0]: 10.0.0.9 to 10.0.0.1 is no range",
        ),
        (
            NetworkPatch { tags: Some(vec![NetworkTag { id: 1, default: None }; 2]), ..patch() },
            "tags[1].id: 1 is given twice",
        ),
        (
            NetworkPatch { rules: Some(vec![RuleKind::Accept.into(), RuleKind::Priority.into()].into()), ..patch() },
            "rules[1]: rules of type 6 cannot be kept",
        ),
        (
            NetworkPatch { dns: Some(Some(Dns { domain: "x".repeat(128), servers: vec![] })), ..patch() },
            "dns.domain: longer than 127 bytes",
        ),
    ] {
        let error = b.controller.command(b.now, Command::set_network(id, patch)).expect_err(want);
        assert!(error.to_string().starts_with(want), "{error}");
    }
    let who = identity("a").address;
    let patch = |text: &str| MemberPatch { ips: Some(vec![ip(text)]), ..MemberPatch::default() };
    let error = b.controller.command(b.now, Command::set_member(id, who, patch("10.1.1.1"))).expect_err("no route");
    let want = format!("ipAssignments[0]: 10.1.1.1 lies in no route of network {id} (there: 10.9.8.0/24)");
    assert_eq!(error.to_string(), want);
    run(&mut b, Command::set_member(id, identity("b").address, patch("10.9.8.7")));
    assert!(b.controller.command(b.now, Command::set_member(id, who, patch("10.9.8.7"))).is_err(), "it is taken");
    assert_eq!(run(&mut b, Command::GetNetwork(id)), Answer::Network(before));
    assert_eq!(
        b.controller.command(b.now, Command::GetMember(id, who)),
        Err(CommandError::NoMember { network: id, member: who })
    );
    // What scripts have stored may be sent back as it is.
    let path = format!("/controller/network/{id}");
    b.post(&path, json!({"name": "y".repeat(200)}));
    let stored = run(&mut b, Command::GetNetwork(id)).into_network().expect("a network");
    let patch = NetworkPatch { name: Some(stored.name.clone()), mtu: Some(1500), ..NetworkPatch::default() };
    assert_eq!(run(&mut b, Command::set_network(id, patch)).into_network().expect("a network").mtu, 1500);
}

#[test]
fn what_is_not_there_is_said_by_its_name() {
    let mut b = Bench::new();
    let (id, who) = (NetworkId(0x1122_3344_5566_7788), identity("a").address);
    for command in [
        Command::GetNetwork(id),
        Command::DeleteNetwork(id),
        Command::ListMembers(id),
        Command::GetMember(id, who),
        Command::authorize(id, who, true),
        Command::set_member(id, who, MemberPatch::default()),
    ] {
        assert_eq!(b.controller.command(b.now, command), Err(CommandError::NoNetwork(id)));
    }
    assert!(b.controller.command(b.now, Command::set_network(NetworkId(0), NetworkPatch::default())).is_err());
    let network = run(&mut b, Command::create_network(lan())).into_network().expect("a network").id;
    let error = b.controller.command(b.now, Command::authorize(network, Address::NIL, true));
    assert!(matches!(error, Err(CommandError::Field { .. })));
}
