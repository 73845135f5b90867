//! A program that has a controller inside and speaks to it by types: `cargo run -p zt-test-sim --example typed_controller`.
//!
//! Root, controller and two members run over the simulated internet. No text is made or read on the way.
#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::time::Duration;
use zt_netconf::controller::{Binding, Command, CommandError, MemberPatch, NetworkPatch, NetworkTag};
use zt_test_sim::{Lab, NatKind, Place};
use zt_wire::rules::{Rule, RuleKind};

fn main() {
    play(1);
}

/// Plays the scene; panics when something is not as it should be.
pub(crate) fn play(seed: u64) {
    let mut lab = Lab::new("typed_controller", seed, &[Place::Public, Place::Behind(NatKind::HOME)]);
    let (controller, network, [a, b]) = (lab.controller, lab.network, [lab.members[0], lab.members[1]]);

    // A network that was public becomes private, with a rule and a tag. Two orders are one patch.
    let only_ip = vec![
        Rule { kind: RuleKind::EtherType(0x0806), not: true, or: false },
        Rule { kind: RuleKind::EtherType(0x0800), not: true, or: false },
        RuleKind::Drop.into(),
        RuleKind::Accept.into(),
    ];
    let patch = NetworkPatch {
        name: Some("office".to_owned()),
        private: Some(true),
        rules: Some(only_ip.into()),
        tags: Some(vec![NetworkTag { id: 1, default: Some(10) }]),
        ..NetworkPatch::default()
    };
    let made = lab.sim.command(controller, Command::set_network(network, patch)).into_network().expect("a network");
    println!("network {} \"{}\", revision {}, {} rules", made.id, made.name, made.revision, made.rules.len());

    // Its members are bound to their identities since they asked first.
    let members = lab.sim.command(controller, Command::ListMembers(network)).into_members().expect("members");
    for member in &members {
        assert!(matches!(member.binding, Binding::To(_)) && member.authorized, "{member:?}");
        println!("member {} has {:?}", member.address, member.ips);
    }
    assert_eq!(members.len(), 2);

    // A name and an address by hand for one of them; an address that is taken is refused by name.
    let address = lab.sim.node(b).address();
    let wish = |ip: [u8; 4]| MemberPatch {
        name: Some("printer".to_owned()),
        ips: Some(vec![ip.into()]),
        ..MemberPatch::default()
    };
    lab.sim.command(controller, Command::set_member(network, address, wish([10, 147, 1, 2])));
    lab.sim.run_for(Duration::from_secs(2));
    assert_eq!(lab.sim.ip4(b, network), Some([10, 147, 1, 2].into()));
    let (now, other) = (lab.sim.node(controller).now(lab.sim.time()), lab.sim.node(a).address());
    let engine = lab.sim.node_mut(controller).engine_mut();
    let taken = engine.controller_command(now, Command::set_member(network, other, wish([10, 147, 1, 2])));
    match taken.expect("a controller") {
        Err(CommandError::Field { field, problem }) => println!("refused: {field}: {problem}"),
        other => panic!("{other:?}"),
    }

    // They reach each other, until one is put out.
    let ping = lab.sim.ping(a, b, network, Duration::from_millis(100), u32::MAX);
    lab.sim.run_for(Duration::from_secs(5));
    assert!(lab.sim.result(ping).arrived().len() > 20);
    lab.sim.authorize(controller, network, b, false);
    lab.sim.run_for(Duration::from_secs(2));
    let before = lab.sim.result(ping).arrived().len();
    lab.sim.run_for(Duration::from_secs(5));
    assert_eq!(lab.sim.result(ping).arrived().len(), before, "nothing reaches who is no member");
    println!("{before} pings were answered, and none after it was put out");
}
