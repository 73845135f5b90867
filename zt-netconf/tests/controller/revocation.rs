//! A member that lost its membership (05 §5.2).

use serde_json::json;
use zt_wire::credential::CredentialKind;
use zt_wire::{Address, NetworkId, Revocation};

use crate::bench::{Bench, Sent, identity, refused};
use zt_wire::verb::ErrorCode;

fn trio() -> (Bench, NetworkId) {
    let mut b = Bench::new();
    let n = b.network(json!({}));
    for who in ["a", "b", "d"] {
        b.authorise(n, who);
        b.ask(n, who);
    }
    b.wait(2000);
    b.sent.clear();
    (b, n)
}

fn revocations(sent: Vec<Sent>) -> Vec<Revocation> {
    sent.into_iter().flat_map(|s| if let Sent::Revoked(r) = s { r } else { Vec::new() }).collect()
}

#[test]
fn everybody_online_hears_of_it_at_once_the_member_included() {
    let (mut b, n) = trio();
    b.member(n, "b", json!({"authorized": false}));
    for who in ["a", "b", "d"] {
        let got = revocations(b.taken(identity(who).address));
        let [r] = got.as_slice() else { panic!("{who}: {got:?}") };
        assert_eq!((r.network, r.target, r.credential_kind), (n, identity("b").address, CredentialKind::MEMBERSHIP));
        assert_eq!((r.threshold, r.credential_id), (b.now.unix_ms, 0));
        assert!(r.is_fast_propagate());
    }
    assert!(refused(&b.ask(n, "b"), ErrorCode::NETWORK_ACCESS_DENIED));
}

#[test]
fn a_lost_revocation_is_made_good() {
    let (mut b, n) = trio();
    b.member(n, "b", json!({"authorized": false}));
    b.sent.clear();
    b.wait(10_000);
    assert_eq!(revocations(b.taken(identity("a").address)).len(), 2);
    b.sent.clear();
    b.wait(60_000);
    assert!(b.sent.is_empty());
}

#[test]
fn two_in_a_row_do_not_fall_to_the_receivers_gate() {
    let (mut b, n) = trio();
    b.member(n, "b", json!({"authorized": false}));
    b.member(n, "d", json!({"authorized": false}));
    let a = identity("a").address;
    assert_eq!(revocations(b.taken(a)).len(), 1);
    b.wait(1000);
    assert!(b.taken(a).is_empty());
    b.wait(100);
    let targets: Vec<Address> = revocations(b.taken(a)).iter().map(|r| r.target).collect();
    assert!(targets.contains(&identity("d").address), "{targets:?}");
}

#[test]
fn a_deleted_member_and_a_deleted_network_are_revoked() {
    let (mut b, n) = trio();
    let path = format!("/controller/network/{n}");
    b.api("DELETE", &format!("{path}/member/{}", identity("b").address), json!(null));
    assert_eq!(revocations(b.taken(identity("a").address)).len(), 1);
    assert_eq!(revocations(b.taken(identity("b").address)).len(), 1);
    b.wait(60_000);
    b.sent.clear();
    b.api("DELETE", &path, json!(null));
    // One packet names all that are left.
    let sent = b.taken(identity("a").address);
    assert_eq!(sent.len(), 1);
    assert_eq!(revocations(sent).len(), 2);
    assert!(refused(&b.ask(n, "a"), ErrorCode::OBJ_NOT_FOUND));
}

#[test]
fn a_member_taken_back_in_the_same_millisecond_has_a_valid_certificate() {
    let (mut b, n) = trio();
    b.member(n, "b", json!({"authorized": false}));
    let threshold = revocations(b.taken(identity("a").address))[0].threshold;
    b.sent.clear();
    b.authorise(n, "b");
    let config = Bench::config(&b.taken(identity("b").address));
    assert!(config.membership.expect("signed").timestamp() > threshold);
    assert!(config.timestamp > threshold);
}

#[test]
fn a_clock_set_back_does_not_save_the_member() {
    let (mut b, n) = trio();
    b.wait(2000);
    let issued = Bench::config(&b.ask(n, "b")).timestamp;
    b.now.unix_ms -= 3_600_000;
    b.member(n, "b", json!({"authorized": false}));
    assert!(revocations(b.taken(identity("a").address))[0].threshold >= issued);
}

#[test]
fn strangers_are_told_nothing() {
    let (mut b, n) = trio();
    let mut stranger = identity("a");
    stranger.address = Address::new(0x12_3456_789a);
    b.ask_as(n, stranger, b"").expect("served");
    b.member(n, "b", json!({"authorized": false}));
    assert!(revocations(b.taken(stranger.address)).is_empty());
}
