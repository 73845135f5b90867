//! Several uplinks between two nodes, used together (03 §15).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use zt_peer::{BondConfig, BondLink, BondMtuError, BondPolicy, BondTemplate, IpPreference, LinkId, PathView, Reselect};
use zt_wire::PacketId;
use zt_wire::verb::{PathNegotiationRequest, QosMeasurement, QosRecord};

use crate::net::{Line, Net, addr, address, planet};

/// The two nodes that talk; node 0 is the root.
const A: usize = 1;
const B: usize = 2;

/// Address of an uplink of a node.
fn uplink(node: usize, number: u8) -> SocketAddr {
    SocketAddr::from(([10, number, u8::try_from(node).unwrap(), 1], 9993))
}

/// Two nodes with two uplinks each, as two separate networks: the first of one reaches the first of the other.
fn two_by_two(seed: u64, template: &BondTemplate) -> Net {
    two_by_two_with(seed, [template, template])
}

fn two_by_two_with(seed: u64, templates: [&BondTemplate; 2]) -> Net {
    let mut net = Net::new(seed);
    let world = planet(&[(0, addr(0))]);
    net.add(0, Some(&world));
    for (node, template) in [A, B].into_iter().zip(templates) {
        let config = BondConfig::all(template.clone());
        let index = net.add_bare(node);
        assert_eq!(index, node);
        net.with(node, |vl1, now, out| {
            vl1.set_bonding(now, config, out);
            vl1.load_world(now, world.clone(), zt_peer::Source::File, out).unwrap();
        });
        for number in [1, 2] {
            let name = format!("eth{}", number - 1);
            net.with(node, |vl1, _, _| vl1.set_interface(LinkId(number.into()), &name));
            let local = uplink(node, number);
            net.link(node, number.into(), local, local);
        }
    }
    net.cut_both(uplink(A, 1), uplink(B, 2));
    net.cut_both(uplink(A, 2), uplink(B, 1));
    net.run(2_000);
    net.talk(A, B, 50, 3_000);
    net
}

fn template(policy: BondPolicy) -> BondTemplate {
    BondTemplate::new(policy)
}

/// Sends frames of flows from one node to another, one of each in `gap` ms, for `ms`, and half as many back.
fn flows(net: &mut Net, from: usize, to: usize, count: u32, gap: u64, ms: u64) {
    for number in 0..u32::try_from(ms / gap).unwrap() {
        for flow in 0..count {
            net.flow_frame(from, to, flow * 7919, number);
            if number % 2 == 0 {
                net.flow_frame(to, from, flow * 7919, number);
            }
        }
        net.run(gap);
    }
}

/// Flow and number of each frame that a node received since its `from`th, and the link by which it came.
fn received(net: &Net, node: usize, from: usize) -> Vec<(u32, u32, LinkId)> {
    let frames = net.nodes[node].frames.iter().zip(&net.nodes[node].arrivals).skip(from);
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
    frames
        .filter(|((_, _, b), _)| b.len() == 16)
        .map(|((_, _, b), p)| (number(&b[8..12]), number(&b[12..]), p.link))
        .collect()
}

fn links_of_flows(frames: &[(u32, u32, LinkId)]) -> BTreeMap<u32, BTreeSet<LinkId>> {
    let mut links: BTreeMap<u32, BTreeSet<LinkId>> = BTreeMap::new();
    for (flow, _, link) in frames {
        links.entry(*flow).or_default().insert(*link);
    }
    links
}

/// Frames that came after a later one of their flow.
fn overtaken(frames: &[(u32, u32, LinkId)]) -> usize {
    let mut last: BTreeMap<u32, u32> = BTreeMap::new();
    let late = |(flow, number, _): &&(u32, u32, LinkId)| {
        let newest = last.entry(*flow).or_default();
        let late = number < newest;
        *newest = (*newest).max(*number);
        late
    };
    frames.iter().filter(late).count()
}

fn paths(net: &Net, node: usize, of: usize) -> Vec<PathView> {
    net.nodes[node].vl1.peer(net.now, address(of)).unwrap().paths
}

fn active_link(net: &Net, node: usize, of: usize) -> Option<LinkId> {
    paths(net, node, of).iter().find(|p| p.preferred).map(|p| p.path.link)
}

/// Longest time without a frame at a node, in ms, among those that were sent after `since`.
fn longest_gap(net: &Net, node: usize, since: u64) -> u64 {
    let times: Vec<u64> =
        net.nodes[node].frames.iter().map(|(t, _, _)| t.as_millis()).filter(|t| *t >= since).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
}

#[test]
fn both_uplinks_become_ways_and_the_bond_says_so() {
    let net = two_by_two(1, &template(BondPolicy::BalanceXor));
    for (node, other) in [(A, B), (B, A)] {
        let view = net.nodes[node].vl1.peer(net.now, address(other)).unwrap();
        let bond = view.bond.expect("there is a bond");
        assert_eq!((bond.alive, bond.total, bond.template.policy), (2, 2, BondPolicy::BalanceXor));
        let bonded: Vec<_> = view.paths.iter().filter_map(|p| p.bonded.as_ref()).collect();
        assert!(bonded.iter().all(|b| b.bonded && b.eligible && b.alive), "{bonded:?}");
        let names: BTreeSet<&str> = bonded.iter().map(|b| b.interface.as_str()).collect();
        assert_eq!(names, BTreeSet::from(["eth0", "eth1"]));
        let root = net.nodes[node].vl1.peer(net.now, address(0)).unwrap();
        assert!(root.bond.is_none(), "a root is never bonded");
    }
}

#[test]
fn balance_policies_use_both_links_and_keep_each_flow_in_order() {
    for policy in [BondPolicy::BalanceXor, BondPolicy::BalanceAware, BondPolicy::Adaptive] {
        let mut net = two_by_two(2, &template(policy));
        // Ways that differ much: packet by packet they would overtake each other.
        net.lines.push((uplink(A, 2), uplink(B, 2), Line { latency_ms: 30, jitter_ms: 0, loss_percent: 0 }));
        let before = net.nodes[B].frames.len();
        flows(&mut net, A, B, 64, 10, 3_000);
        net.run(100);
        let frames = received(&net, B, before);
        assert_eq!(frames.len(), 64 * 300, "{policy:?}");
        assert_eq!(overtaken(&frames), 0, "{policy:?}");
        let links = links_of_flows(&frames);
        let on = |link| links.values().filter(|l| l.contains(&LinkId(link))).count();
        assert!(on(1) >= 16 && on(2) >= 16, "{policy:?}: {} and {} flows", on(1), on(2));
    }
}

#[test]
fn a_link_that_comes_later_gets_new_flows_at_once() {
    for policy in [BondPolicy::BalanceAware, BondPolicy::Adaptive] {
        let mut net = two_by_two(29, &template(policy));
        net.cut_both(uplink(A, 2), uplink(B, 2));
        net.run(20_000);
        net.cuts.truncate(net.cuts.len() - 2);
        let is_used = |net: &Net| {
            let paths = paths(net, A, B);
            paths.iter().filter(|p| p.bonded.as_ref().is_some_and(|b| b.bonded && b.leads)).count() == 2
        };
        for _ in 0..600 {
            if is_used(&net) {
                break;
            }
            net.run(100);
        }
        assert!(is_used(&net), "{policy:?}");
        let before = net.nodes[B].frames.len();
        flows(&mut net, A, B, 16, 20, 100);
        let links: BTreeSet<LinkId> = received(&net, B, before).into_iter().map(|(_, _, link)| link).collect();
        assert_eq!(links.len(), 2, "{policy:?}");
    }
}

#[test]
fn a_flow_goes_back_the_way_it_came() {
    for policy in [BondPolicy::BalanceAware, BondPolicy::Adaptive] {
        let mut net = two_by_two(3, &template(policy));
        let before = [net.nodes[A].frames.len(), net.nodes[B].frames.len()];
        flows(&mut net, A, B, 32, 10, 1_000);
        let there = links_of_flows(&received(&net, B, before[1]));
        let back = links_of_flows(&received(&net, A, before[0]));
        // The first frames cross.
        let same = there.iter().filter(|(flow, links)| back.get(flow) == Some(links)).count();
        assert!(same >= 16, "{policy:?}: {same} of 32");
        let mut later = Vec::new();
        for flow in 100..132u32 {
            net.flow_frame(A, B, flow * 7919, 0);
            net.run(20);
            net.flow_frame(B, A, flow * 7919, 0);
            later.push(flow * 7919);
        }
        net.run(100);
        let there = links_of_flows(&received(&net, B, before[1]));
        let back = links_of_flows(&received(&net, A, before[0]));
        assert!(later.iter().all(|flow| there[flow] == back[flow]), "{policy:?}");
    }
}

#[test]
fn round_robin_sends_some_packets_by_each_link_in_turn() {
    let mut net = two_by_two(4, &BondTemplate { packets_per_link: 5, ..template(BondPolicy::BalanceRr) });
    let before = net.nodes[B].frames.len();
    for number in 0..200 {
        net.flow_frame(A, B, 1, number);
    }
    net.run(50);
    let links: Vec<LinkId> = received(&net, B, before).iter().map(|(_, _, link)| *link).collect();
    let runs: Vec<usize> = links.chunk_by(|a, b| a == b).map(<[LinkId]>::len).collect();
    assert!(runs.len() >= 39 && runs[1..runs.len() - 1].iter().all(|run| *run == 5), "{runs:?}");
}

#[test]
fn a_cut_link_is_left_within_a_second_by_every_policy() {
    for policy in &BondPolicy::ALL[1..] {
        let mut net = two_by_two(5, &template(*policy));
        flows(&mut net, A, B, 8, 20, 4_000);
        let link = match active_link(&net, A, B) {
            Some(LinkId(2)) => 2,
            _ => 1,
        };
        net.cut_both(uplink(A, link), uplink(B, link));
        let cut = net.now.mono.as_millis();
        flows(&mut net, A, B, 8, 20, 5_000);
        for node in [A, B] {
            // Of each flow, the time from the cut to the first frame that was sent after it and arrived.
            let stamp = |b: &[u8]| u64::from_be_bytes(b[..8].try_into().unwrap());
            let flow = |b: &[u8]| u32::from_be_bytes(b[8..12].try_into().unwrap());
            let frames = net.nodes[node].frames.iter().map(|(_, _, b)| b).filter(|b| b.len() == 16);
            let mut back: BTreeMap<u32, u64> = BTreeMap::new();
            let mut last: BTreeMap<u32, u64> = BTreeMap::new();
            for b in frames.filter(|b| stamp(b) >= cut) {
                let gap = stamp(b) - last.insert(flow(b), stamp(b)).unwrap_or(cut);
                let longest = back.entry(flow(b)).or_default();
                *longest = gap.max(*longest);
            }
            let worst = back.values().max().copied().unwrap();
            println!("{}: node {node}: longest gap of a flow {worst} ms", policy.name());
            assert_eq!(back.len(), 8, "{policy:?}");
            assert!(worst < 1_000, "{policy:?}: node {node} after {worst} ms");
        }
    }
}

#[test]
fn active_backup_goes_back_to_a_primary_link_as_it_is_told() {
    for reselect in [Reselect::Always, Reselect::Failure] {
        let spare = BondLink { primary: false, ..BondLink::new("eth1") };
        let links = vec![BondLink::new("eth0"), spare];
        let mut net = two_by_two(6, &BondTemplate { reselect, links, ..template(BondPolicy::ActiveBackup) });
        net.talk(A, B, 50, 1_000);
        assert_eq!((active_link(&net, A, B), active_link(&net, B, A)), (Some(LinkId(1)), Some(LinkId(1))));
        net.cut_both(uplink(A, 1), uplink(B, 1));
        net.talk(A, B, 50, 3_000);
        assert_eq!((active_link(&net, A, B), active_link(&net, B, A)), (Some(LinkId(2)), Some(LinkId(2))));
        net.cuts.truncate(net.cuts.len() - 2);
        net.talk(A, B, 50, 8_000);
        let after = if reselect == Reselect::Always { LinkId(1) } else { LinkId(2) };
        assert_eq!((active_link(&net, A, B), active_link(&net, B, A)), (Some(after), Some(after)), "{reselect:?}");
    }
}

#[test]
fn better_goes_back_to_the_link_that_names_its_heir() {
    let first = BondLink { failover_to: Some("eth1".to_owned()), ..BondLink::new("eth0") };
    let links = vec![first, BondLink { primary: false, ..BondLink::new("eth1") }];
    let better = BondTemplate { reselect: Reselect::Better, links, ..template(BondPolicy::ActiveBackup) };
    let mut net = two_by_two(33, &better);
    assert_eq!(active_link(&net, A, B), Some(LinkId(1)));
    net.cut_both(uplink(A, 1), uplink(B, 1));
    net.talk(A, B, 50, 3_000);
    assert_eq!(active_link(&net, A, B), Some(LinkId(2)), "it takes over");
    net.cuts.truncate(net.cuts.len() - 2);
    net.talk(A, B, 50, 8_000);
    assert_eq!(active_link(&net, A, B), Some(LinkId(1)), "the heir has a little less than what it inherits from");
}

#[test]
fn an_active_link_that_became_much_worse_is_left_unless_only_failures_count() {
    for (reselect, after) in [(Reselect::Always, LinkId(2)), (Reselect::Failure, LinkId(1))] {
        let mut net = two_by_two(34, &BondTemplate { reselect, ..template(BondPolicy::ActiveBackup) });
        net.talk(A, B, 50, 5_000);
        assert_eq!(active_link(&net, A, B), Some(LinkId(1)));
        for (one, other) in [(A, B), (B, A)] {
            let far = Line { latency_ms: 100, jitter_ms: 0, loss_percent: 0 };
            net.lines.push((uplink(one, 1), uplink(other, 1), far));
        }
        net.talk(A, B, 50, 15_000);
        assert_eq!(active_link(&net, A, B), Some(after), "{reselect:?}");
    }
}

#[test]
fn a_down_delay_keeps_what_has_just_failed() {
    let down_delay = std::time::Duration::from_millis(1500);
    let mut times = Vec::new();
    for down_delay in [std::time::Duration::ZERO, down_delay] {
        let mut net = two_by_two(35, &BondTemplate { down_delay, ..template(BondPolicy::ActiveBackup) });
        net.talk(A, B, 50, 5_000);
        let used = active_link(&net, A, B);
        net.cut_both(uplink(A, 1), uplink(B, 1));
        let start = net.now.mono;
        while active_link(&net, A, B) == used {
            net.talk(A, B, 50, 50);
        }
        times.push(net.now.mono.saturating_since(start));
    }
    assert!(times[1] > times[0], "{times:?}");
}

#[test]
fn the_preferred_family_carries_flows_while_it_works() {
    for (ip, first) in [(IpPreference::V4First, LinkId(1)), (IpPreference::V6First, LinkId(2))] {
        let links = vec![BondLink { ip, ..BondLink::new("eth0") }];
        let template = BondTemplate { links, ..template(BondPolicy::BalanceXor) };
        let mut net = Net::new(36);
        let world = planet(&[(0, addr(0))]);
        net.add(0, Some(&world));
        let v6 = |node: usize| SocketAddr::from(([0x2600, 0, 0, 0, 0, 0, 0, node as u16], 9993));
        for node in [A, B] {
            net.add_bare(node);
            net.with(node, |vl1, now, out| {
                vl1.set_bonding(now, BondConfig::all(template.clone()), out);
                vl1.load_world(now, world.clone(), zt_peer::Source::File, out).unwrap();
            });
            for (id, local) in [(1, uplink(node, 1)), (2, v6(node))] {
                net.with(node, |vl1, _, _| vl1.set_interface(LinkId(id), "eth0"));
                net.link(node, id, local, local);
            }
        }
        net.run(2_000);
        net.talk(A, B, 50, 40_000);
        let by = |net: &mut Net| {
            let before = net.nodes[B].frames.len();
            flows(net, A, B, 16, 20, 500);
            net.run(50);
            received(net, B, before).into_iter().map(|(_, _, link)| link).collect::<BTreeSet<LinkId>>()
        };
        assert_eq!(by(&mut net), BTreeSet::from([first]), "{ip:?}");
        let cut = if first == LinkId(1) { [uplink(A, 1), uplink(B, 1)] } else { [v6(A), v6(B)] };
        net.cut_both(cut[0], cut[1]);
        net.talk(A, B, 50, 3_000);
        assert_eq!(by(&mut net), BTreeSet::from([LinkId(3 - first.0)]), "{ip:?}: the other one when it fails");
    }
}

#[test]
fn links_get_flows_by_their_capacity() {
    for policy in [BondPolicy::BalanceAware, BondPolicy::Adaptive] {
        let link = |name, capacity| BondLink { capacity, ..BondLink::new(name) };
        let links = vec![link("eth0", 300), link("eth1", 100)];
        let mut net = two_by_two(37, &BondTemplate { links, ..template(policy) });
        net.talk(A, B, 50, 2_000);
        let before = net.nodes[B].frames.len();
        flows(&mut net, A, B, 64, 50, 500);
        net.run(50);
        let all = links_of_flows(&received(&net, B, before));
        let on_first = all.values().filter(|links| links.contains(&LinkId(1))).count();
        assert!((38..=58).contains(&on_first), "{policy:?}: {on_first} of 64 on the link that carries three quarters");
    }
}

#[test]
fn an_up_delay_is_waited_for() {
    let links = vec![BondLink::new("eth0"), BondLink { primary: false, ..BondLink::new("eth1") }];
    let up_delay = std::time::Duration::from_secs(20);
    let mut net = two_by_two(7, &BondTemplate { up_delay, links, ..template(BondPolicy::ActiveBackup) });
    net.talk(A, B, 50, 16_000);
    net.cut_both(uplink(A, 1), uplink(B, 1));
    net.talk(A, B, 50, 3_000);
    assert_eq!(active_link(&net, A, B), Some(LinkId(2)));
    net.cuts.truncate(net.cuts.len() - 2);
    net.talk(A, B, 50, 15_000);
    assert_eq!(active_link(&net, A, B), Some(LinkId(2)), "it works again, but not for long enough");
    net.talk(A, B, 50, 15_000);
    assert_eq!(active_link(&net, A, B), Some(LinkId(1)));
}

#[test]
fn a_spare_link_carries_flows_only_when_no_primary_does() {
    let spare = BondLink { primary: false, ..BondLink::new("eth1") };
    let links = vec![BondLink::new("eth0"), spare];
    let mut net = two_by_two(8, &BondTemplate { links, ..template(BondPolicy::BalanceXor) });
    let before = net.nodes[B].frames.len();
    flows(&mut net, A, B, 16, 20, 1_000);
    assert!(received(&net, B, before).iter().all(|(_, _, link)| *link == LinkId(1)));
    net.cut_both(uplink(A, 1), uplink(B, 1));
    flows(&mut net, A, B, 16, 20, 2_000);
    let before = net.nodes[B].frames.len();
    flows(&mut net, A, B, 16, 20, 1_000);
    let frames = received(&net, B, before);
    assert!(frames.len() > 700 && frames.iter().all(|(_, _, link)| *link == LinkId(2)), "{}", frames.len());
}

#[test]
fn interfaces_that_are_not_listed_and_families_that_are_not_wanted_have_no_part() {
    let only = |links| BondTemplate { links, ..template(BondPolicy::BalanceXor) };
    for links in [
        vec![BondLink::new("eth1")],
        vec![BondLink { enabled: false, ..BondLink::new("eth0") }, BondLink::new("eth1")],
        vec![BondLink { ip: IpPreference::V6, ..BondLink::new("eth0") }, BondLink::new("eth1")],
    ] {
        let mut net = two_by_two(9, &only(links));
        let before = net.nodes[B].frames.len();
        flows(&mut net, A, B, 16, 20, 1_000);
        let frames = received(&net, B, before);
        assert!(frames.len() > 700 && frames.iter().all(|(_, _, link)| *link == LinkId(2)));
        let bond = net.nodes[A].vl1.peer(net.now, address(B)).unwrap().bond.unwrap();
        assert_eq!((bond.alive, bond.total), (1, 1));
    }
}

#[test]
fn broadcast_delivers_one_copy_and_loses_nothing_when_a_link_is_cut() {
    let mut net = two_by_two(10, &template(BondPolicy::Broadcast));
    for (cut, ms) in [(false, 1_000), (true, 2_000)] {
        if cut {
            net.cut_both(uplink(A, 1), uplink(B, 1));
        }
        let before = net.nodes[B].frames.len();
        flows(&mut net, A, B, 4, 10, ms);
        net.run(100);
        let frames = received(&net, B, before);
        assert_eq!((frames.len() as u64, overtaken(&frames)), (4 * ms / 10, 0));
    }
    assert!(net.drops(B, "copy") >= 400);
}

#[test]
fn lossy_links_lose_less_together() {
    let mut net = two_by_two(11, &template(BondPolicy::Broadcast));
    net.line.loss_percent = 10;
    let before = net.nodes[B].frames.len();
    flows(&mut net, A, B, 4, 10, 5_000);
    net.run(100);
    let got = received(&net, B, before).len();
    assert!((1_950..2_000).contains(&got), "{got} of 2000: about one in a hundred is lost");
}

#[test]
fn reports_measure_each_way() {
    let mut net = two_by_two(12, &template(BondPolicy::BalanceXor));
    net.lines.push((uplink(A, 2), uplink(B, 2), Line { latency_ms: 40, jitter_ms: 3, loss_percent: 0 }));
    flows(&mut net, A, B, 64, 10, 12_000);
    for (node, other) in [(A, B), (B, A)] {
        for path in paths(&net, node, other) {
            let bonded = path.bonded.expect("a member");
            let (low, high) = if path.path.link == LinkId(1) { (4.0, 7.0) } else { (36.0, 44.0) };
            assert!(
                (low..high).contains(&bonded.latency),
                "node {node}: {} ms by {}",
                bonded.latency,
                bonded.interface
            );
        }
        assert_eq!((net.drops(node, "qos-gate"), net.drops(node, "no-bond")), (0, 0));
        assert!(net.drops(node, "qos-unknown") <= 1, "of packets from before the bond");
    }
}

#[test]
fn reports_of_strangers_and_storms_have_no_effect_but_a_count() {
    let mut net = two_by_two_with(13, [&template(BondPolicy::BalanceXor), &template(BondPolicy::None)]);
    let own = net.nodes[A].vl1.address();
    let to_b = address(B);
    let records: Vec<QosRecord> =
        (0..140).map(|n| QosRecord { packet: PacketId(n * 2 + 1), held_ms: 60_000 }).collect();
    let report = QosMeasurement { records, rest: &[] };
    net.send(A, to_b, &report);
    net.send(A, to_b, &PathNegotiationRequest { utility: 9 });
    net.run(50);
    assert!(net.drops(B, "no-bond") >= 2, "without a bond there is nothing to measure");
    for _ in 0..10_000 {
        net.send(B, own, &report);
        net.send(B, own, &PathNegotiationRequest { utility: i16::MAX });
    }
    net.run(50);
    assert_eq!(net.drops(A, "qos-gate") + net.drops(A, "qos-unknown"), 10_000);
    assert!(net.drops(A, "qos-gate") >= 9_800, "{}", net.drops(A, "qos-gate"));
    assert!(net.drops(A, "negotiation-gate") >= 9_800);
    assert!(
        paths(&net, A, B).iter().all(|p| p.bonded.as_ref().is_none_or(|b| b.latency == 0.0)),
        "invented records measure nothing"
    );
    let before = net.nodes[B].frames.len();
    flows(&mut net, A, B, 16, 20, 1_000);
    net.run(50);
    assert_eq!(received(&net, B, before).len(), 16 * 50, "traffic goes on");
}

#[test]
fn both_ends_agree_on_a_path() {
    let negotiating =
        BondTemplate { reselect: Reselect::Optimize, negotiates: true, ..template(BondPolicy::ActiveBackup) };
    let mut net = two_by_two(14, &negotiating);
    net.talk(A, B, 50, 1_000);
    assert!(net.with(A, |vl1, now, _| vl1.rotate_bond(now, address(B))));
    net.talk(A, B, 50, 1_000);
    assert_ne!(active_link(&net, A, B), active_link(&net, B, A));
    net.talk(A, B, 50, 90_000);
    assert_eq!(active_link(&net, A, B), active_link(&net, B, A));
    assert_eq!((net.drops(A, "no-bond"), net.drops(B, "no-bond")), (0, 0));
}

#[test]
fn rotating_takes_each_path_in_turn_and_needs_another_one() {
    let mut net = two_by_two(15, &BondTemplate { reselect: Reselect::Failure, ..template(BondPolicy::ActiveBackup) });
    let rotate = |net: &mut Net, of| {
        net.with(A, |vl1, now, out| {
            let rotated = vl1.rotate_bond(now, of);
            vl1.handle_timeout(now, out);
            rotated
        })
    };
    let first = active_link(&net, A, B);
    assert!(rotate(&mut net, address(B)));
    let second = active_link(&net, A, B);
    assert_ne!(first, second);
    net.talk(A, B, 50, 2_000);
    assert_eq!(active_link(&net, A, B), second, "it stays");
    assert!(rotate(&mut net, address(B)));
    assert_eq!(active_link(&net, A, B), first);
    assert!(!rotate(&mut net, address(0)) && !rotate(&mut net, address(5)), "no bond");
    net.unlink(A, 2);
    net.talk(A, B, 50, 500);
    assert!(!rotate(&mut net, address(B)), "no other path");
    let mut balanced = two_by_two(15, &template(BondPolicy::BalanceXor));
    assert!(!balanced.with(A, |vl1, now, _| vl1.rotate_bond(now, address(B))));
}

#[test]
fn a_size_is_set_for_a_link_of_a_bond_alone() {
    let mut net = two_by_two(16, &template(BondPolicy::BalanceXor));
    let set = |net: &mut Net, name: &str, ip: IpAddr, mtu| net.with(A, |vl1, _, _| vl1.set_bond_mtu(name, ip, mtu));
    let own = uplink(A, 2).ip();
    assert_eq!(set(&mut net, "eth1", own, 67), Err(BondMtuError::Unreasonable));
    assert_eq!(set(&mut net, "eth1", own, 65_536), Err(BondMtuError::Unreasonable));
    assert_eq!(set(&mut net, "eth7", own, 1_300), Err(BondMtuError::NoSuchLink));
    assert_eq!(set(&mut net, "eth0", own, 1_300), Err(BondMtuError::NoSuchLink), "it is on the other interface");
    assert_eq!(set(&mut net, "eth1", own, 700), Ok(()));
    assert_eq!(set(&mut net, "eth1", uplink(B, 2).ip(), 700), Ok(()), "by the peer's address");
    net.keep_log = true;
    for flow in 0..64u32 {
        let payload = vec![flow as u8; 1_300];
        let frame = zt_wire::verb::Frame { network: crate::net::NETWORK, ethertype: 0x0800, payload: &payload };
        net.with(A, |vl1, now, out| {
            out.set_flow(Some(zt_wire::FlowId(flow * 7919)));
            vl1.send(now, address(B), &frame, zt_peer::SendOptions::default(), out).unwrap();
            out.set_flow(None);
        });
    }
    net.run(50);
    let longest = |from: SocketAddr| net.log.iter().filter(|(_, f, _, _)| *f == from).map(|l| l.3.len()).max().unwrap();
    assert!(longest(uplink(A, 1)) > 1_300 && longest(uplink(A, 2)) <= 700);
    let mut without = Net::new(17);
    without.add(0, Some(&planet(&[(0, addr(0))])));
    let refused = without.with(0, |vl1, _, _| vl1.set_bond_mtu("eth0", own, 1_300));
    assert_eq!(refused, Err(BondMtuError::NotInUse));
}

#[test]
fn two_modems_behind_one_nat_are_two_ways() {
    let mut net = Net::new(18);
    let world = planet(&[(0, addr(0))]);
    net.add(0, Some(&world));
    // Both uplinks of A leave by one public address, each by a port of its own; B has one uplink.
    let outside = |port| SocketAddr::from(([203, 0, 113, 7], port));
    for (node, uplinks) in [(A, 2), (B, 1)] {
        net.add_bare(node);
        net.with(node, |vl1, now, out| {
            vl1.set_bonding(now, BondConfig::all(template(BondPolicy::BalanceXor)), out);
            vl1.load_world(now, world.clone(), zt_peer::Source::File, out).unwrap();
        });
        for number in 1..=uplinks {
            let local = uplink(node, number);
            let external = if node == A { outside(1000 + u16::from(number)) } else { local };
            net.link(node, number.into(), local, external);
        }
    }
    net.run(2_000);
    net.talk(A, B, 50, 5_000);
    for (from, to) in [(A, B), (B, A)] {
        let before = net.nodes[to].frames.len();
        flows(&mut net, from, to, 32, 20, 1_000);
        let frames = received(&net, to, before);
        assert!(links_of_flows(&frames).len() == 32 && overtaken(&frames) == 0);
    }
    let ports = |net: &Net| -> BTreeSet<u16> {
        net.nodes[B].arrivals.iter().rev().take(500).filter_map(|p| Some(p.remote.socket_addr()?.port())).collect()
    };
    assert_eq!(ports(&net), BTreeSet::from([1001, 1002]), "both modems carry flows there");
    let links: BTreeSet<LinkId> = net.nodes[A].arrivals.iter().rev().take(500).map(|p| p.link).collect();
    assert_eq!(links.len(), 2, "and back");
}

#[test]
fn further_ports_of_a_peer_are_no_further_ways() {
    for policy in [BondPolicy::Broadcast, BondPolicy::BalanceRr] {
        let mut net = Net::new(31);
        let world = planet(&[(0, addr(0))]);
        net.add(0, Some(&world));
        for node in [A, B] {
            net.add_bare(node);
            net.with(node, |vl1, now, out| {
                vl1.set_bonding(now, BondConfig::all(template(policy)), out);
                vl1.load_world(now, world.clone(), zt_peer::Source::File, out).unwrap();
            });
            // Two ports on each of two interfaces, as the daemon has them.
            for number in 1..=4_u8 {
                let name = if number <= 2 { "eth0" } else { "eth1" };
                net.with(node, |vl1, _, _| vl1.set_interface(LinkId(number.into()), name));
                let port = if number % 2 == 1 { 9993 } else { 40_000 };
                let local = SocketAddr::new(uplink(node, number.div_ceil(2)).ip(), port);
                net.link(node, number.into(), local, local);
            }
        }
        for (one, other) in [(1, 2), (2, 1)] {
            for (from, to) in [(9993, 9993), (9993, 40_000), (40_000, 9993), (40_000, 40_000)] {
                let at = |node, number, port| SocketAddr::new(uplink(node, number).ip(), port);
                net.cut_both(at(A, one, from), at(B, other, to));
            }
        }
        net.run(2_000);
        net.talk(A, B, 50, 40_000);
        for (node, other) in [(A, B), (B, A)] {
            let bond = net.nodes[node].vl1.peer(net.now, address(other)).unwrap().bond.unwrap();
            assert_eq!((bond.alive, bond.total), (2, 2), "{policy:?}: {:?}", paths(&net, node, other));
        }
        let (before, copies) = (net.nodes[B].frames.len(), net.drops(B, "copy"));
        flows(&mut net, A, B, 4, 20, 2_000);
        net.run(100);
        assert_eq!(net.nodes[B].frames.len() - before, 400);
        let expected = if policy == BondPolicy::Broadcast { 400 } else { 0 };
        assert_eq!(net.drops(B, "copy") - copies, expected, "one copy by each interface");
    }
}

#[test]
fn a_policy_can_change_and_end_while_the_node_runs() {
    let mut net = two_by_two(19, &template(BondPolicy::BalanceXor));
    let mut config = BondConfig::all(template(BondPolicy::BalanceXor));
    config.peers.insert(address(B), std::sync::Arc::new(template(BondPolicy::ActiveBackup)));
    let policy = |net: &Net| net.nodes[A].vl1.peer(net.now, address(B)).unwrap().bond.map(|b| b.template.policy);
    net.with(A, |vl1, now, out| vl1.set_bonding(now, config, out));
    net.talk(A, B, 50, 1_000);
    assert_eq!(policy(&net), Some(BondPolicy::ActiveBackup));
    let before = net.nodes[B].frames.len();
    flows(&mut net, A, B, 16, 20, 1_000);
    let frames = received(&net, B, before);
    assert_eq!(links_of_flows(&frames).values().collect::<BTreeSet<_>>().len(), 1, "one path for all");
    net.with(A, |vl1, now, out| vl1.set_bonding(now, BondConfig::default(), out));
    assert_eq!((policy(&net), net.nodes[A].vl1.is_bonding()), (None, false));
    let before = net.nodes[B].frames.len();
    flows(&mut net, A, B, 16, 20, 1_000);
    net.run(50);
    assert_eq!(received(&net, B, before).len(), 16 * 50);
}

#[test]
fn a_far_or_lossy_link_gets_no_new_flows_and_is_used_again_later() {
    let bad = [
        Line { latency_ms: 205, jitter_ms: 0, loss_percent: 0 },
        Line { latency_ms: 5, jitter_ms: 0, loss_percent: 15 },
    ];
    for (line, policy) in bad.into_iter().zip([BondPolicy::BalanceXor, BondPolicy::Adaptive]) {
        let mut net = two_by_two(20, &template(policy));
        flows(&mut net, A, B, 8, 20, 4_000);
        net.lines.push((uplink(A, 2), uplink(B, 2), line));
        flows(&mut net, A, B, 8, 20, 20_000);
        let before = net.nodes[B].frames.len();
        flows(&mut net, A, B, 8, 20, 3_000);
        let frames = received(&net, B, before);
        let by_bad = frames.iter().filter(|(_, _, link)| *link == LinkId(2)).count();
        assert!(by_bad * 20 < frames.len(), "{policy:?}: {by_bad} of {} by the bad link", frames.len());
        net.lines.clear();
        net.talk(A, B, 50, 60_000);
        let before = net.nodes[B].frames.len();
        flows(&mut net, A, B, 32, 20, 2_000);
        let frames = received(&net, B, before);
        let again = frames.iter().filter(|(_, _, link)| *link == LinkId(2)).count();
        assert!(again * 8 > frames.len(), "{policy:?}: {again} of {} by the link that is good again", frames.len());
        assert!(longest_gap(&net, B, 0) < 10_000);
    }
}
