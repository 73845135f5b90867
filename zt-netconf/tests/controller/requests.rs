//! Who gets a configuration, and what is in it (05 §5, §6, §8).

use std::net::IpAddr;

use proptest::prelude::*;
use serde_json::json;
use zt_netconf::controller::{ControllerOutput, Key, OwnAnswer, Request, Unserved};
use zt_wire::verb::ErrorCode;
use zt_wire::{Address, Identity, InetAddress, NetworkId, PacketId};

use crate::bench::{Bench, METADATA, Sent, identity, refused};

#[test]
fn a_member_is_denied_until_it_is_authorised() {
    let mut b = Bench::new();
    let n = b.network(json!({"name": "lan"}));
    assert!(refused(&b.ask(n, "a"), ErrorCode::NETWORK_ACCESS_DENIED));
    let record = b.get(&format!("/controller/network/{n}/member/{}", identity("a").address));
    assert_eq!(record["identity"], json!(identity("a").to_string()));
    assert_eq!((&record["authorized"], &record["revision"], &record["vMajor"]), (&json!(false), &json!(1), &json!(-1)));
    b.wait(2000);
    b.authorise(n, "a");
    b.wait(2000);
    let config = Bench::config(&b.ask(n, "a"));
    assert_eq!((config.network, config.issued_to, config.name_text().as_str()), (n, identity("a").address, "lan"));
    assert_eq!(config.timestamp, b.now.unix_ms);
}

#[test]
fn a_waiting_member_gets_its_configuration_when_it_is_authorised() {
    let mut b = Bench::new();
    let n = b.network(json!({}));
    b.ask(n, "a");
    b.authorise(n, "a");
    let sent = b.taken(identity("a").address);
    assert!(matches!(sent.as_slice(), [Sent::Push(_)]), "{sent:?}");
    // What its request said of it is known from then on.
    let record = b.get(&format!("/controller/network/{n}/member/{}", identity("a").address));
    assert_eq!((&record["vMajor"], &record["vMinor"]), (&json!(1), &json!(14)), "{record}");
    // But not when it asked long ago.
    let mut b = Bench::new();
    let n = b.network(json!({}));
    b.ask(n, "a");
    b.wait(121_000);
    b.authorise(n, "a");
    assert!(b.taken(identity("a").address).is_empty());
}

#[test]
fn newcomers_are_seen_however_many_strangers_ask() {
    const STRANGERS: u64 = 4_200;
    let stranger = |n: u64| Identity { address: Address::new(0x20_0000_0000 + n), public_key: [n as u8; 64] };
    let mut b = Bench::new();
    let n = b.network(json!({}));
    let record = |n: NetworkId, who: Address| format!("/controller/network/{n}/member/{who}");
    let seen = |b: &Bench, who: Address| b.store.contains_key(&Key::Member(n, who));
    // One that the administrator has named, and one that goes on asking.
    b.ask(n, "a");
    b.post(&record(n, identity("a").address), json!({"name": "printer"}));
    b.ask(n, "b");
    for i in 0..STRANGERS {
        assert!(b.ask_as(n, stranger(i), METADATA).is_ok());
        if i % 100 == 0 {
            b.wait(2_000);
            b.ask(n, "b");
        }
    }
    b.ask(n, "d");
    for who in ["a", "b", "d"] {
        assert!(seen(&b, identity(who).address), "{who}");
    }
    assert!(seen(&b, stranger(STRANGERS - 1).address) && !seen(&b, stranger(0).address));
    let members = b.store.keys().filter(|key| matches!(key, Key::Member(..))).count();
    assert_eq!(members, 1 + 4_096);
    // After a restart the oldest records give way first.
    let mut b = b.restarted();
    b.ask(n, "b");
    assert!(b.ask_as(n, stranger(STRANGERS), METADATA).is_ok());
    assert!(seen(&b, identity("b").address) && seen(&b, stranger(STRANGERS).address));
    assert_eq!(b.store.keys().filter(|key| matches!(key, Key::Member(..))).count(), 1 + 4_096);
}

#[test]
fn a_public_network_takes_everybody() {
    let mut b = Bench::new();
    let n = b.network(json!({"private": false, "capabilities": [{"id": 3, "default": true}, {"id": 4}]}));
    let config = Bench::config(&b.ask(n, "a"));
    assert!(config.is_public() && config.membership.is_some());
    assert_eq!(config.capabilities.iter().map(|c| c.id).collect::<Vec<_>>(), [3]);
    let record = b.get(&format!("/controller/network/{n}/member/{}", identity("a").address));
    assert_eq!((&record["lastAuthorizedCredentialType"], &record["vMinor"]), (&json!("public"), &json!(14)));
    // One change, one answer: no further push.
    assert_eq!(record["revision"], json!(1));
}

#[test]
fn tokens_authorise_and_bad_ones_do_not() {
    for (tokens, token, good) in [
        (json!({"t": 0}), "token:t", true),
        (json!({"t": 1_795_000_000_001u64}), "token:t", true),
        (json!({"t": 1_795_000_000_000u64}), "token:t", false),
        (json!({"t": 0}), "token:x", false),
        (json!({"": 0}), "token:", false),
        (json!([null]), "token:t", false),
    ] {
        let mut b = Bench::new();
        let n = b.network(json!({ "authTokens": tokens }));
        let sent = b.ask_as(n, identity("a"), format!("v=7\na={token}").as_bytes()).expect("served");
        assert_eq!(matches!(sent.as_slice(), [Sent::Reply(_)]), good, "{tokens} {token}");
    }
}

#[test]
fn an_address_belongs_to_the_first_identity_that_used_it() {
    let mut b = Bench::new();
    let n = b.network(json!({"private": false}));
    b.ask(n, "a");
    let mut thief = identity("b");
    thief.address = identity("a").address;
    b.wait(2000);
    let before = b.store.clone();
    let sent = b.ask_as(n, thief, METADATA).expect("served");
    assert!(refused(&sent, ErrorCode::NETWORK_ACCESS_DENIED));
    assert_eq!(b.store, before);
    // The thief is not taken for the member by later pushes either.
    b.post(&format!("/controller/network/{n}"), json!({"name": "x"}));
    let sent = b.taken(thief.address);
    let config = Bench::config(&sent);
    let print = config.membership.expect("signed").qualifier(3).expect("fingerprint").value;
    let want = zt_crypto::fingerprint(&identity("a"));
    assert_eq!(print.to_be_bytes(), want[..8]);
}

#[test]
fn requests_are_gated_per_network_and_node() {
    let mut b = Bench::new();
    let n = b.network(json!({"private": false}));
    let other = b.network(json!({"private": false}));
    b.ask(n, "a");
    b.now = b.now.plus(std::time::Duration::from_millis(1000));
    assert_eq!(b.ask_as(n, identity("a"), METADATA).expect_err("refused"), Unserved::TooFast);
    assert_eq!(b.ask(n, "b").len(), 1);
    assert_eq!(b.ask(other, "a").len(), 1);
    b.now = b.now.plus(std::time::Duration::from_millis(1));
    assert_eq!(b.ask(n, "a").len(), 1);
}

#[test]
fn networks_of_others_and_unknown_ones() {
    let mut b = Bench::new();
    let foreign = NetworkId(0x0123_4567_8900_0001);
    assert_eq!(b.ask_as(foreign, identity("a"), METADATA).expect_err("refused"), Unserved::NotOurs);
    let unknown = NetworkId(identity("ctl").address.as_u64() << 24 | 1);
    assert!(refused(&b.ask(unknown, "a"), ErrorCode::OBJ_NOT_FOUND));
    assert!(b.store.is_empty());
    // Metadata may be anything.
    b.wait(2000);
    let n = b.network(json!({"private": false}));
    assert_eq!(b.ask_as(n, identity("a"), &[0xff; 5000]).expect("served").len(), 1);
}

#[test]
fn the_own_node_is_answered_in_process() {
    let mut b = Bench::new();
    let n = b.network(json!({}));
    let request = Request { network: n, from: identity("ctl"), from_path: None, packet: None, metadata: METADATA };
    let ask = |b: &mut Bench| {
        b.controller.handle_request(b.now, request).expect("served");
        loop {
            match b.controller.poll_output(b.now).expect("an answer") {
                ControllerOutput::Commit { seq, .. } => b.controller.handle_committed(b.now, seq),
                ControllerOutput::Local { network, answer } => return (network, answer),
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(ask(&mut b), (n, OwnAnswer::Denied));
    let path = format!("/controller/network/{n}/member/{}", identity("ctl").address);
    b.controller.api(b.now, "POST", &path, b"{\"authorized\": true}");
    // No gate for this node; the answer carries the whole text.
    let (_, OwnAnswer::Config(text)) = ask(&mut b) else { panic!("a configuration") };
    assert_eq!(zt_netconf::NetworkConfig::from_text(&text).expect("readable").network, n);
}

#[test]
fn a_pool_runs_out_and_a_freed_address_is_given_again() {
    let mut b = Bench::new();
    let n = b.network(json!({"private": false, "v4AssignMode": "zt", "routes": [{"target": "10.9.0.0/24"}],
        "ipAssignmentPools": [{"ipRangeStart": "10.9.0.1", "ipRangeEnd": "10.9.0.3"}]}));
    let first = Bench::config(&b.ask(n, "a")).addresses;
    let second = Bench::config(&b.ask(n, "b")).addresses;
    let third = Bench::config(&b.ask(n, "d")).addresses;
    assert_eq!((first.len(), second.len(), third.len()), (1, 1, 0));
    assert_ne!(first, second);
    let path = format!("/controller/network/{n}/member/{}", identity("a").address);
    assert_eq!(b.api("DELETE", &path, json!(null)).status, 200);
    b.wait(2000);
    assert_eq!(Bench::config(&b.ask(n, "d")).addresses, first);
    // It stays with its member.
    b.wait(2000);
    assert_eq!(Bench::config(&b.ask(n, "d")).addresses, first);
}

#[test]
fn all_kinds_of_addresses_and_their_certificate() {
    let mut b = Bench::new();
    let n = b.network(json!({"private": false, "v4AssignMode": "zt", "v6AssignMode": "zt,rfc4193,6plane",
        "routes": [{"target": "10.9.0.0/24"}, {"target": "fd09::/64"}],
        "ipAssignmentPools": [{"ipRangeStart": "fd09::", "ipRangeEnd": "fd09::ffff:ffff:ffff:ffff"},
                              {"ipRangeStart": "10.9.0.1", "ipRangeEnd": "10.9.0.200"}]}));
    let config = Bench::config(&b.ask(n, "a"));
    let a = identity("a").address;
    let ip = |ip: IpAddr, bits| InetAddress::new(ip, bits);
    assert_eq!(config.addresses[..2], [ip(n.rfc4193(a).into(), 88), ip(n.sixplane(a).into(), 40)]);
    assert_eq!(config.addresses.iter().map(|a| a.port()).collect::<Vec<_>>(), [88, 40, 64, 24]);
    assert!(config.ndp_emulation());
    let [coo] = config.ownerships.as_slice() else { panic!("one certificate") };
    assert!(config.addresses.iter().all(|a| coo.owns_ip(a.ip().expect("an IP"))));
    assert!(zt_crypto::verify_credential(&coo.signed_bytes(), &coo.signature, &identity("ctl")));
}

#[test]
fn changes_are_pushed_to_those_who_are_online() {
    let mut b = Bench::new();
    let n = b.network(json!({"private": false}));
    b.ask(n, "a");
    b.ask(n, "b");
    b.sent.clear();
    b.post(&format!("/controller/network/{n}"), json!({"mtu": 1500}));
    assert_eq!(Bench::config(&b.taken(identity("a").address)).mtu, 1500);
    assert_eq!(Bench::config(&b.taken(identity("b").address)).mtu, 1500);
    // A change of one member is for it alone, unless it concerns all.
    b.member(n, "a", json!({"tags": [[1, 2]]}));
    assert_eq!(Bench::config(&b.taken(identity("a").address)).tags.len(), 1);
    assert!(b.taken(identity("b").address).is_empty());
    b.member(n, "a", json!({"activeBridge": true}));
    let config = Bench::config(&b.taken(identity("b").address));
    assert_eq!(config.active_bridges().collect::<Vec<_>>(), [identity("a").address]);
    // Nothing changed, nothing sent.
    b.sent.clear();
    b.post(&format!("/controller/network/{n}"), json!({"mtu": 1500}));
    assert!(b.sent.is_empty());
}

#[test]
fn strangers_leave_a_bounded_number_of_records() {
    let mut b = Bench::new();
    let n = b.network(json!({}));
    let mut stranger = identity("a");
    for i in 0..5000u64 {
        stranger.address = Address::new(0x10_0000_0000 + i);
        let sent = b.ask_as(n, stranger, METADATA).expect("served");
        assert!(refused(&sent, ErrorCode::NETWORK_ACCESS_DENIED));
    }
    assert_eq!(b.controller.counts(), (1, 4096));
    // An administrator can still add members, and they are served.
    b.authorise(n, "d");
    assert_eq!(b.ask(n, "d").len(), 1);
}

#[test]
fn a_sign_on_that_ends_voids_the_certificate() {
    let mut b = Bench::new();
    let n = b.network(json!({}));
    let key = Key::Network(n);
    let mut object = b.stored(key);
    object.insert("ssoEnabled".to_owned(), json!(true));
    object.insert("revision".to_owned(), json!(9));
    assert!(b.put_elsewhere(key, object));
    let end = b.now.unix_ms + 10_000;
    b.member(n, "a", json!({"authorized": true, "authenticationExpiryTime": end}));
    let config = Bench::config(&b.ask(n, "a"));
    assert!(config.sign_on.is_enabled());
    b.wait(10_100);
    assert!(matches!(b.taken(identity("a").address).as_slice(), [Sent::Revoked(r)] if r.len() == 1));
    assert!(refused(&b.ask(n, "a"), ErrorCode::NETWORK_AUTHENTICATION_REQUIRED));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 4))]

    #[test]
    fn no_metadata_makes_it_fail(metadata in prop::collection::vec(any::<u8>(), 0..200), packet in any::<u64>()) {
        let mut b = Bench::new();
        let n = b.network(json!({"private": false, "tags": [{"id": 1, "default": 1}]}));
        let request = Request {
            network: n, from: identity("a"), from_path: None, packet: Some(PacketId(packet)), metadata: &metadata,
        };
        prop_assert!(b.controller.handle_request(b.now, request).is_ok());
        b.drain();
        prop_assert_eq!(b.taken(identity("a").address).len(), 1);
    }
}
