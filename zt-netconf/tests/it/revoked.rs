//! Revoked tags, capabilities and certificates of ownership: the very next frame is judged without them.

use std::net::{IpAddr, Ipv4Addr};

use zt_netconf::Verdict;
use zt_wire::rules::TagMatch;
use zt_wire::verb::{Frame, NetworkCredentials};
use zt_wire::{CredentialKind, Revocation, Rule, RuleKind, Thing, Verb};

use crate::world::{A, B, CONTROLLER, Grant, NET, OBSERVER, START, World};

const IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// When what is revoked was issued.
const OLD: i64 = START - 60_000;

/// What a member shows: one credential of this kind, with ID 1.
fn shown(world: &World, kind: CredentialKind, timestamp: i64) -> NetworkCredentials<'static> {
    let authority = &world.authority;
    let mut shown = NetworkCredentials { memberships: vec![authority.membership(A, START)], ..Default::default() };
    let rules = vec![RuleKind::EtherType(0x0800).into(), RuleKind::Accept.into()];
    match kind {
        CredentialKind::TAG => shown.tags.push(authority.tag(A, 1, 7, timestamp)),
        CredentialKind::CAPABILITY => shown.capabilities.push(authority.capability(A, 1, rules, timestamp)),
        _ => shown.ownerships.push(authority.ownership(A, vec![Thing::from(IpAddr::from(IP))], timestamp)),
    }
    shown
}

/// A network in which B takes frames with this match only, and A has shown a credential of this kind.
fn world(rule: Option<RuleKind>, kind: CredentialKind) -> World {
    let mut world = World::new();
    let rules: Vec<Rule> = rule.into_iter().flat_map(|kind| [kind, RuleKind::Accept]).map(Rule::from).collect();
    world.authority.template.rules = rules.into();
    world.authority.authorised.extend([A, B]);
    world.join(A);
    world.join(B);
    let shown = shown(&world, kind, OLD);
    let now = world.now;
    world.node(B).receive_body(now, A, &shown);
    world.exchange();
    world
}

/// Whether B takes a frame of A now.
fn passes(world: &mut World) -> bool {
    let mut packet = [0; 20];
    packet[0] = 0x45;
    packet[12..16].copy_from_slice(&IP.octets());
    let now = world.now;
    let frame = Frame { network: NET, ethertype: 0x0800, payload: &packet };
    let verdict = world.node(B).receive_body(now, A, &frame);
    assert!(matches!(verdict, Verdict::Accepted { trust: true } | Verdict::Defer));
    !world.delivered(B).is_empty()
}

fn revoke(world: &mut World, revocation: Revocation) {
    let body = NetworkCredentials { revocations: vec![revocation], ..NetworkCredentials::default() };
    let now = world.now;
    assert_eq!(world.node(B).receive_body(now, CONTROLLER, &body), Verdict::Accepted { trust: true });
}

#[test]
fn what_is_revoked_counts_no_longer_for_the_next_frame() {
    const IPAUTH: u64 = 1 << 60;
    let cases = [
        (Some(RuleKind::TagSender(TagMatch { id: 1, value: 7 })), CredentialKind::TAG),
        (None, CredentialKind::CAPABILITY),
        (Some(RuleKind::Characteristics(IPAUTH)), CredentialKind::OWNERSHIP),
    ];
    for (rule, kind) in cases {
        let mut world = world(rule, kind);
        assert!(passes(&mut world), "{kind:?}");
        // Of another ID, or of a time before it was issued: nothing happens.
        let other = world.authority.revocation_of(A, (kind, 2), OLD);
        revoke(&mut world, other);
        world.run(1_000);
        assert!(passes(&mut world), "{kind:?}");
        let early = world.authority.revocation_of(A, (kind, 1), OLD - 1);
        revoke(&mut world, early);
        world.run(1_000);
        assert!(passes(&mut world), "{kind:?}");
        let revocation = world.authority.revocation_of(A, (kind, 1), OLD);
        revoke(&mut world, revocation);
        assert!(!passes(&mut world), "{kind:?}");
        // A newer one counts, an old one does not come back.
        world.run(2_000);
        let now = world.now;
        let (old, new) = (shown(&world, kind, OLD), shown(&world, kind, OLD + 1));
        world.node(B).receive_body(now, A, &old);
        assert!(!passes(&mut world), "{kind:?}");
        world.run(1_000);
        let now = world.now;
        world.node(B).receive_body(now, A, &new);
        assert!(passes(&mut world), "{kind:?}");
    }
}

#[test]
fn a_revoked_tag_is_passed_on_and_not_asked_for_for_ever() {
    let mut world = world(Some(RuleKind::TagSender(TagMatch { id: 1, value: 7 })), CredentialKind::TAG);
    let tagged = || Grant { tags: vec![(1, 7)], ..Grant::default() };
    world.authority.grants.extend([(B, tagged()), (OBSERVER, tagged())]);
    world.add_observer();
    let now = world.now;
    let node = world.node(B);
    node.vl2.refresh(now, NET);
    node.vl2.handle_timeout(now, &mut node.wire);
    world.exchange();
    world.unicast(B, OBSERVER, b"hello");
    world.unicast(OBSERVER, B, b"hello");
    world.run(2_000);
    world.log.clear();
    let revocation = world.authority.revocation_of(A, (CredentialKind::TAG, 1), OLD);
    revoke(&mut world, revocation);
    world.exchange();
    let told = |world: &World, from| {
        let sent = world.log.iter().filter(|p| p.from == from && p.verb == Verb::NETWORK_CREDENTIALS);
        sent.map(|p| p.to).collect::<Vec<_>>()
    };
    assert!(told(&world, B).contains(&OBSERVER));
    assert!(!told(&world, B).contains(&CONTROLLER));
    assert!(!told(&world, OBSERVER).contains(&B), "it came from there");
    world.delivered(B);
    let mut now = world.now;
    for _ in 0..300 {
        now = now.plus(std::time::Duration::from_secs(1));
        let frame = Frame { network: NET, ethertype: 0x0800, payload: b"x" };
        world.node(B).receive_body(now, A, &frame);
    }
    // No answer comes: it is asked some five times each time, and ever more seldom.
    let asked = world.node(B).take_sent(Verb::ERROR).len();
    assert!((1..=40).contains(&asked), "{asked}");
    assert!(world.delivered(B).is_empty());
}
