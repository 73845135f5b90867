//! A node that never was a member of a private network and wants to read what goes to all of them.

use std::time::Duration;
use zt_crypto::{PeerKeys, Suite};
use zt_test_sim::{Lab, NodeId, PORT, Place, Sim, StreamId, Traffic};
use zt_wire::verb::{
    GatherResults, MulticastGather, MulticastLike, OkBody, OkMulticastFrame, OkMulticastGather, OkReply, Subscription,
};
use zt_wire::{Body, MulticastGroup, NetworkId, PacketId, Writer, write_header};

/// A private network of two members, and Eve, who is known to the root and to nobody else.
fn private(name: &str, seed: u64) -> (Lab, NodeId) {
    let mut eve = None;
    let places = [Place::Public, Place::Public];
    let mut lab = Lab::with(name, seed, &places, |sim| eve = Some(sim.public_node("eve")));
    lab.make_private();
    for member in lab.members.clone() {
        lab.sim.authorize(lab.controller, lab.network, member, true);
    }
    lab.sim.run_for(Duration::from_secs(2));
    (lab, eve.expect("made before the start"))
}

/// A message of `from` arrives at `to`.
fn say(sim: &mut Sim, from: NodeId, to: NodeId, id: u64, body: &dyn Body) {
    let mut bytes = vec![0; 28 + body.encoded_len()];
    let (header, payload) = bytes.split_at_mut(28);
    write_header(header.try_into().expect("28 bytes"), sim.node(to).address(), sim.node(from).address(), body.verb());
    body.emit(&mut Writer::new(payload)).expect("room was made");
    bytes[..8].copy_from_slice(&id.to_be_bytes());
    let key = sim.node(from).secret.agree(sim.node(to).secret.identity()).expect("keys that agree");
    PeerKeys::new(key).seal(&mut bytes, Suite::AesGmacSiv);
    let at = |id: NodeId| std::net::SocketAddr::new(sim.internet.addresses(sim.node(id).uses[0].iface)[0], PORT);
    let (remote, local, iface) = (at(from), at(to), sim.node(to).uses[0].iface);
    sim.inject(iface, local, remote, bytes);
}

fn likes(network: NetworkId, groups: &[MulticastGroup]) -> MulticastLike<'static> {
    let subscriptions = groups.iter().map(|&group| Subscription { network, group }).collect();
    MulticastLike { subscriptions, rest: &[] }
}

fn broadcast(lab: &mut Lab, from: usize) -> StreamId {
    let to = "255.255.255.255".parse().expect("an address");
    lab.sim.stream(lab.members[from], lab.network, to, Traffic::Broadcast, Duration::from_millis(100), 50)
}

/// What was heard by Eve of the members meanwhile, in words.
fn overheard(lab: &Lab, eve: NodeId) -> Vec<String> {
    let captured = lab.sim.captured.as_deref().unwrap_or_default();
    let of = |member: NodeId| {
        captured.iter().filter(move |c| c.arrived).filter_map(move |c| {
            lab.sim.explain(c, (member, eve)).filter(|line| line.contains(&format!("{member:?} -> {eve:?}")))
        })
    };
    lab.members.iter().flat_map(|&member| of(member)).collect()
}

#[test]
fn who_subscribes_at_a_root_reads_nothing_of_a_private_network() {
    let (mut lab, eve) = private("subscribes_at_a_root", 2001);
    let groups: Vec<_> = (0..16).map(|n| MulticastGroup { adi: n, ..MulticastGroup::BROADCAST }).collect();
    lab.sim.captured = Some(Vec::new());
    for (number, to) in [lab.root, lab.controller, lab.members[0], lab.members[1]].into_iter().enumerate() {
        say(&mut lab.sim, eve, to, 900 + number as u64, &likes(lab.network, &groups));
    }
    lab.sim.run_for(Duration::from_secs(1));
    let streams = [broadcast(&mut lab, 0), broadcast(&mut lab, 1)];
    lab.sim.run_for(Duration::from_secs(8));
    let lines = overheard(&lab, eve);
    println!("{}", lines.join("\n"));
    assert!(!lines.is_empty(), "the root named her, and she was asked for her certificate");
    assert!(lines.iter().all(|line| !line.contains("MULTICAST_FRAME")), "she was sent a frame");
    // The members have it all, from the first on.
    for (stream, other) in streams.into_iter().zip([1, 0]) {
        let result = lab.sim.result(stream);
        assert!(result.hearers().contains(&lab.members[other]));
        assert_eq!(result.arrived().len(), 50);
    }
}

#[test]
fn answers_of_who_was_not_asked_lead_nobody_to_her() {
    let (mut lab, eve) = private("answers_of_who_was_not_asked", 2002);
    let [a, b] = lab.members[..] else { panic!("two members") };
    let ping = lab.sim.ping(a, b, lab.network, Duration::from_millis(100), 20);
    lab.sim.run_for(Duration::from_secs(3));
    assert_eq!(lab.sim.result(ping).arrived().len(), 20);
    lab.sim.captured = Some(Vec::new());
    let (network, group) = (lab.network, MulticastGroup::BROADCAST);
    let results = GatherResults { total: 1, members: vec![lab.sim.node(eve).address()] };
    let names_her = OkMulticastGather { network, group, results: results.clone(), rest: &[] };
    let frame = OkMulticastFrame { network, group, results: Some(results), ..OkMulticastFrame::default() };
    for id in 0..50 {
        let in_re_packet = PacketId(id);
        say(
            &mut lab.sim,
            eve,
            a,
            3000 + id,
            &OkReply { in_re_packet, body: OkBody::MulticastGather(names_her.clone()) },
        );
        say(&mut lab.sim, eve, a, 4000 + id, &OkReply { in_re_packet, body: OkBody::MulticastFrame(frame.clone()) });
        let ask = MulticastGather { network, group, limit: 10, ..MulticastGather::default() };
        say(&mut lab.sim, eve, a, 5000 + id, &ask);
    }
    lab.sim.run_for(Duration::from_millis(500));
    let stream = broadcast(&mut lab, 0);
    lab.sim.run_for(Duration::from_secs(8));
    assert_eq!(lab.sim.result(stream).hearers().into_iter().collect::<Vec<_>>(), [b]);
    let lines = overheard(&lab, eve);
    assert!(lines.iter().all(|line| !line.contains("MULTICAST")), "{lines:?}");
}

/// The certificate is asked for on first contact; that must not be felt.
#[test]
fn the_first_question_of_a_private_network_is_answered_at_once() {
    let (mut lab, _) = private("the_first_question", 2003);
    let [a, b] = lab.members[..] else { panic!("two members") };
    let ping = lab.sim.ping(a, b, lab.network, Duration::from_millis(100), 10);
    lab.sim.run_for(Duration::from_secs(3));
    let first = lab.sim.result(ping).first_trip();
    println!("first answer after {first:?}");
    assert!(first.is_some_and(|first| first < Duration::from_millis(1_000)), "{first:?}");
    assert_eq!(lab.sim.result(ping).arrived().len(), 10);
}
