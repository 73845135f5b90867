//! Many members: one call never does all the work, and the cost of each call stays small.

use serde_json::json;
use zt_netconf::controller::{ControllerOutput, SendKind};
use zt_wire::Address;

use crate::bench::{Bench, METADATA, identity};

#[test]
fn a_change_of_a_large_network_is_told_one_configuration_per_call() {
    let mut b = Bench::new();
    let n = b.network(json!({"private": false}));
    let mut node = identity("a");
    for i in 0..300u64 {
        node.address = Address::new(0x10_0000_0000 + i);
        b.ask_as(n, node, METADATA).expect("served");
    }
    b.controller.api(b.now, "POST", &format!("/controller/network/{n}"), b"{\"name\": \"x\"}");
    // The commit comes first and alone.
    let Some(ControllerOutput::Commit { seq, changes }) = b.controller.poll_output(b.now) else { panic!("a commit") };
    assert_eq!(changes.len(), 1);
    assert!(b.controller.poll_output(b.now).is_none());
    b.controller.handle_committed(b.now, seq);
    assert_eq!(b.controller.poll_timeout(b.now).map(|(at, _)| at), Some(b.now.mono));
    // A second change meanwhile does not double the work.
    let half: Vec<_> = (0..150).map_while(|_| b.controller.poll_output(b.now)).collect();
    assert!(half.iter().all(|o| matches!(o, ControllerOutput::Send { kind: SendKind::Push, .. })));
    b.controller.api(b.now, "POST", &format!("/controller/network/{n}"), b"{\"name\": \"y\"}");
    b.drain();
    let pushed = std::mem::take(&mut b.sent);
    assert_eq!(pushed.len(), 300);
    assert!(b.controller.poll_output(b.now).is_none());
}
