//! Nothing leaves before it is written, and nothing unwritten stays.

use serde_json::{Value, json};
use zt_netconf::controller::{ApiOutcome, Change, Controller, Decision, Key, Request, Unserved};
use zt_wire::PacketId;

use crate::bench::{Bench, METADATA, Sent, identity, secret};

#[test]
fn an_answer_waits_for_its_commit() {
    let mut b = Bench::new();
    let n = b.network(json!({"private": false}));
    b.fast = false;
    assert!(b.ask(n, "a").is_empty(), "sent before it was written");
    assert_eq!(b.open.len(), 1);
    b.confirm();
    assert!(matches!(b.taken(identity("a").address).as_slice(), [Sent::Reply(_)]));
    // A refresh changes nothing and needs no disk.
    b.wait(60_000);
    assert_eq!(b.ask(n, "a").len(), 1);
    assert!(b.open.is_empty());
}

#[test]
fn a_denial_waits_too_and_so_does_the_news_of_the_administrator() {
    let mut b = Bench::new();
    b.fast = false;
    let n = b.network(json!({}));
    assert_eq!(b.ask(n, "a").len(), 0);
    b.confirm();
    assert!(matches!(b.taken(identity("a").address).as_slice(), [Sent::Denied(_)]));
    let path = format!("/controller/network/{n}/member/{}", identity("a").address);
    let outcome = b.api("POST", &path, json!({"authorized": true}));
    assert!(outcome.commit.is_some());
    // A reader does not see it earlier than it is written, either.
    let read = b.controller.api(b.now, "GET", &path, b"");
    assert_eq!(read.commit, outcome.commit);
    assert!(b.taken(identity("a").address).is_empty());
    b.confirm();
    assert!(matches!(b.taken(identity("a").address).as_slice(), [Sent::Push(_)]));
    assert_eq!(b.controller.api(b.now, "GET", &path, b"").commit, None);
}

#[test]
fn a_failed_commit_is_taken_back() {
    let mut b = Bench::new();
    let n = b.network(json!({"private": false}));
    b.fast = false;
    assert!(b.ask(n, "a").is_empty());
    let (seq, _) = b.open.pop().expect("a commit");
    b.controller.handle_commit_failed(b.now, seq);
    b.drain();
    assert!(b.taken(identity("a").address).is_empty());
    assert_eq!(b.controller.counts(), (1, 0));
    // When the disk works again the next request succeeds.
    b.wait(5000);
    assert!(b.ask(n, "a").is_empty());
    b.confirm();
    assert_eq!(b.taken(identity("a").address).len(), 1);
}

#[test]
fn a_failed_deletion_brings_network_and_members_back() {
    let mut b = Bench::new();
    let n = b.network(json!({"name": "keep"}));
    b.authorise(n, "a");
    b.authorise(n, "b");
    b.fast = false;
    let path = format!("/controller/network/{n}");
    assert_eq!(b.api("DELETE", &path, json!(null)).status, 200);
    assert_eq!(b.controller.api(b.now, "GET", &path, b"").status, 404);
    let (seq, changes) = b.open.pop().expect("a commit");
    assert_eq!(changes.len(), 3);
    b.controller.handle_commit_failed(b.now, seq);
    assert_eq!(b.get(&path)["name"], json!("keep"));
    assert_eq!(b.controller.counts(), (1, 2));
}

#[test]
fn everything_is_there_after_a_restart() {
    let mut b = Bench::new();
    let n = b.network(json!({"private": false, "v4AssignMode": "zt", "routes": [{"target": "10.9.0.0/24"}],
        "ipAssignmentPools": [{"ipRangeStart": "10.9.0.1", "ipRangeEnd": "10.9.0.99"}]}));
    let before = Bench::config(&b.ask(n, "a"));
    let mut b = b.restarted();
    let after = Bench::config(&b.ask(n, "a"));
    assert_eq!(before.addresses, after.addresses);
    assert_eq!(before.revision, after.revision);
}

#[test]
fn a_controller_whose_records_are_not_loaded_says_so() {
    let mut c = Controller::new(std::sync::Arc::new(secret("ctl")), Box::new(zt_crypto::SeededEntropy::new(1)));
    let now = Bench::new().now;
    let network = zt_wire::NetworkId(identity("ctl").address.as_u64() << 24 | 1);
    let request =
        Request { network, from: identity("a"), from_path: None, packet: Some(PacketId(1)), metadata: METADATA };
    assert_eq!(c.handle_request(now, request), Err(Unserved::NotReady));
    let status = c.api(now, "GET", "/controller", b"");
    assert_eq!(status.status, 503);
    assert!(status.body.expect("a body").contains("\"databaseReady\": false"));
    assert_eq!(c.api(now, "GET", "/controller/network", b"").status, 503);
    assert!(c.poll_output(now).is_none());
}

#[test]
fn changes_made_elsewhere_are_pushed_and_not_written_again() {
    let mut b = Bench::new();
    let n = b.network(json!({"private": false}));
    b.ask(n, "a");
    b.sent.clear();
    b.fast = false;
    let key = Key::Network(n);
    let mut object = b.stored(key);
    object.insert("name".to_owned(), json!("elsewhere"));
    object.insert("revision".to_owned(), json!(7));
    assert!(b.put_elsewhere(key, object.clone()));
    b.drain();
    assert!(b.open.is_empty(), "it is in the store already");
    assert_eq!(b.get(&format!("/controller/network/{n}"))["revision"], json!(7));
    assert_eq!(Bench::config(&b.taken(identity("a").address)).name_text(), "elsewhere");
    // The same once more, and an older one, do nothing.
    assert!(!b.put_elsewhere(key, object.clone()));
    object.insert("name".to_owned(), json!("old"));
    object.insert("revision".to_owned(), json!(6));
    assert!(!b.put_elsewhere(key, object));
    let orphan = Key::Member(zt_wire::NetworkId(5), identity("a").address);
    assert!(!b.put_elsewhere(orphan, serde_json::Map::new()));
    assert!(b.controller.handle_change(b.now, Change::remove(key, b.store[&key].version())));
    b.drain();
    assert!(b.open.is_empty());
    assert_eq!(b.controller.counts(), (0, 0));
}

#[test]
fn the_answer_of_a_failed_call_is_an_error_object() {
    let ApiOutcome { status, body, .. } = ApiOutcome::not_stored("no space \"left\"");
    let body: Value = serde_json::from_str(&body.expect("a body")).expect("JSON");
    assert_eq!((status, &body["error"]), (500, &json!(500)));
}

/// What an operator hears since this was asked last.
fn heard(b: &mut Bench) -> Vec<Decision> {
    std::iter::from_fn(|| b.controller.poll_decision()).collect()
}

#[test]
fn an_operator_hears_of_each_decision_once_it_is_written() {
    let mut b = Bench::new();
    let n = b.network(json!({"name": "lan"}));
    let who = identity("a").address;
    let member = format!("/controller/network/{n}/member/{who}");
    assert_eq!(heard(&mut b), [Decision::Created(n)]);
    b.ask(n, "a");
    assert_eq!(heard(&mut b), [Decision::Asked(n, who)]);
    b.wait(2_000);
    b.ask(n, "a");
    b.post(&format!("/controller/network/{n}"), json!({"name": "renamed"}));
    assert_eq!(heard(&mut b), [], "it waits as before");
    b.fast = false;
    b.api("POST", &member, json!({"authorized": true}));
    assert_eq!(heard(&mut b), [], "not written yet");
    b.confirm();
    b.fast = true;
    assert_eq!(heard(&mut b), [Decision::Authorized(n, who)]);
    b.post(&member, json!({"authorized": false}));
    b.api("DELETE", &member, json!({}));
    b.api("DELETE", &format!("/controller/network/{n}"), json!({}));
    assert_eq!(heard(&mut b), [Decision::Deauthorized(n, who), Decision::Forgotten(n, who), Decision::Removed(n)]);
    let n = b.network(json!({"private": false}));
    b.member(n, "a", json!({"name": "entered by hand"}));
    heard(&mut b);
    b.ask(n, "a");
    assert_eq!(heard(&mut b), [Decision::Authorized(n, who)]);
}
