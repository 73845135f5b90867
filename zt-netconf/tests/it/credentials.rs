//! Credentials and revocations between members.

use std::time::Duration;

use zt_netconf::{DropReason, FrameVerdict, NetworkStatus, Verdict, Vl2Event};
use zt_wire::verb::{ErrorCode, ErrorReply, Frame, NetworkCredentials};
use zt_wire::{CredentialKind, Membership, PacketId, Revocation, Verb};

use crate::world::{A, B, CONTROLLER, NET, START, World};

fn memberships(all: Vec<Membership>) -> NetworkCredentials<'static> {
    NetworkCredentials { memberships: all, ..NetworkCredentials::default() }
}

fn revocations(all: Vec<Revocation>) -> NetworkCredentials<'static> {
    NetworkCredentials { revocations: all, ..NetworkCredentials::default() }
}

/// A world in which A and B have talked.
fn talking() -> World {
    let mut world = World::with_members();
    world.unicast(A, B, b"1");
    world.unicast(B, A, b"2");
    world.delivered(A);
    world.delivered(B);
    world
}

#[test]
fn at_most_one_message_a_second_and_peer() {
    let mut world = World::with_members();
    let now = world.now;
    let com = world.authority.membership(B, START);
    let node = world.node(A);
    assert_eq!(node.receive_body(now, B, &memberships(vec![com.clone()])), Verdict::Accepted { trust: true });
    let again = node.receive_body(now, B, &memberships(vec![com.clone()]));
    assert_eq!(again, Verdict::Dropped(DropReason::CredentialRate));
    let later = now.plus(Duration::from_secs(1));
    assert_eq!(node.receive_body(later, B, &memberships(vec![com])), Verdict::Accepted { trust: true });
}

#[test]
fn forged_certificates_are_refused() {
    let mut world = World::with_members();
    let good = world.authority.membership(B, START);
    let mut tampered = good.clone();
    tampered.qualifiers[0].value += 1;
    let mut foreign = good.clone();
    foreign.signer = B;
    foreign.signature = crate::world::secret(B).sign(&foreign.signed_bytes());
    let mut now = world.now;
    for com in [tampered, foreign, Membership::default()] {
        now = now.plus(Duration::from_secs(2));
        let verdict = world.node(A).receive_body(now, B, &memberships(vec![com]));
        assert_eq!(verdict, Verdict::Accepted { trust: false });
    }
    let frame = Frame { network: NET, ethertype: 0x0800, payload: b"x" };
    assert_eq!(world.node(A).receive_body(now, B, &frame), Verdict::Defer);
}

#[test]
fn an_unknown_signer_defers_and_the_retry_passes() {
    let mut world = World::with_members();
    let now = world.now;
    let com = world.authority.membership(B, START);
    let node = world.node(A);
    let controller = node.wire.known.remove(&CONTROLLER).expect("known");
    assert_eq!(node.receive_body(now, B, &memberships(vec![com.clone()])), Verdict::Defer);
    assert_eq!(node.wire.asked, [CONTROLLER]);
    node.wire.known.insert(CONTROLLER, controller);
    assert_eq!(node.receive_body(now, B, &memberships(vec![com])), Verdict::Accepted { trust: true });
}

#[test]
fn a_certificate_of_another_network_is_skipped_and_counted() {
    let mut world = World::with_members();
    let now = world.now;
    let mut com = world.authority.membership(B, START);
    com.qualifiers[1].value = 0x6250_c6cc_f300_0002;
    com.signature = world.authority.secret.sign(&com.signed_bytes());
    let verdict = world.node(A).receive_body(now, B, &memberships(vec![com]));
    assert_eq!(verdict, Verdict::Accepted { trust: false });
    assert_eq!(world.node(A).drops("network not joined"), 1);
}

#[test]
fn a_revoked_member_is_silent_both_ways_at_once_and_heals_after_authorisation() {
    let mut world = talking();
    let now = world.now;
    let revocation = world.authority.revocation(B, START + 10);
    world.node(A).receive_body(now, CONTROLLER, &revocations(vec![revocation]));
    // In: the certificate held is void, and B cannot bring it back.
    world.unicast(B, A, b"3");
    assert!(world.delivered(A).is_empty());
    // Out: nothing leaves for B either.
    assert_eq!(world.unicast(A, B, b"4"), FrameVerdict::Dropped(DropReason::PeerRevoked));
    let com = world.authority.membership(B, START + 10);
    let later = now.plus(Duration::from_secs(2));
    let verdict = world.node(A).receive_body(later, B, &memberships(vec![com]));
    assert_eq!(verdict, Verdict::Accepted { trust: false });
    // B gets a new configuration; A alone sends, and still both heal.
    world.run(61_000);
    world.unicast(A, B, b"5");
    world.run(1_000);
    world.delivered(B);
    assert_eq!(world.unicast(A, B, b"6"), FrameVerdict::Sent(1));
    assert_eq!(world.delivered(B).len(), 1);
}

#[test]
fn a_member_whose_own_certificate_is_revoked_falls_silent_and_asks_again() {
    let mut world = talking();
    world.authority.authorised.remove(&B);
    let now = world.now;
    let revocation = world.authority.revocation(B, START + 10);
    world.node(B).events.clear();
    world.node(B).receive_body(now, CONTROLLER, &revocations(vec![revocation]));
    world.node(B).collect();
    let told = Vl2Event::ConfigUpdated { network: NET };
    assert!(world.node(B).events.contains(&told), "a status is told when it changes");
    assert_eq!(world.unicast(B, A, b"3"), FrameVerdict::Dropped(DropReason::SelfRevoked));
    assert_eq!(world.node(B).network().status(), NetworkStatus::AccessDenied, "it passes nothing");
    let frame = Frame { network: NET, ethertype: 0x0800, payload: b"x" };
    let verdict = world.node(B).receive_body(now, A, &frame);
    assert_eq!(verdict, Verdict::Dropped(DropReason::SelfRevoked));
    world.run(1_000);
    assert_eq!(world.node(B).network().status(), NetworkStatus::AccessDenied);
    world.authority.authorised.insert(B);
    world.run(3_000);
    world.unicast(B, A, b"4");
    assert_eq!(world.delivered(A).len(), 1);
}

#[test]
fn revocations_spread_once_to_all_but_sender_and_signer() {
    let mut world = talking();
    let now = world.now;
    let third = zt_wire::Address::new(0xb7_4f2a_493e);
    let revocation = world.authority.revocation(third, START);
    let node = world.node(A);
    node.receive_body(now, CONTROLLER, &revocations(vec![revocation.clone()]));
    // To B and, since a record of it exists now, to the target.
    let to: Vec<_> = node.take_sent(Verb::NETWORK_CREDENTIALS).iter().map(|p| p.to).collect();
    assert_eq!(to, [third, B]);
    let node = world.node(A);
    node.receive_body(now, B, &revocations(vec![revocation.clone()]));
    assert!(node.take_sent(Verb::NETWORK_CREDENTIALS).is_empty(), "known already");
    let mut forged = revocation;
    forged.threshold += 1;
    let later = now.plus(Duration::from_secs(2));
    let verdict = world.node(A).receive_body(later, B, &revocations(vec![forged]));
    assert_eq!(verdict, Verdict::Accepted { trust: false });
}

#[test]
fn credentials_are_pushed_when_demanded_once_a_second() {
    let mut world = World::with_members();
    let now = world.now;
    let demand = ErrorReply::network_error(Verb::FRAME, PacketId(3), ErrorCode::NEED_MEMBERSHIP_CERTIFICATE, NET);
    let node = world.node(A);
    for (after, expected) in [(0, 1), (900, 0), (1_001, 1)] {
        node.receive_body(now.plus(Duration::from_millis(after)), B, &demand);
        assert_eq!(node.take_sent(Verb::NETWORK_CREDENTIALS).len(), expected, "after {after} ms");
    }
}

#[test]
fn credentials_are_pushed_before_frames_after_each_refresh() {
    let mut world = talking();
    let pushes = |world: &World| {
        let all = world.log.iter();
        all.filter(|p| p.from == A && p.to == B && p.verb == Verb::NETWORK_CREDENTIALS).count()
    };
    let before = pushes(&world);
    world.unicast(A, B, b"x");
    world.unicast(A, B, b"y");
    assert_eq!(pushes(&world), before);
    world.run(61_000);
    world.unicast(A, B, b"z");
    world.unicast(A, B, b"z");
    assert_eq!(pushes(&world), before + 1);
}

#[test]
fn junk_after_good_credentials_keeps_the_good_ones() {
    let mut world = World::with_members();
    let now = world.now;
    let com = world.authority.membership(B, START);
    let mut payload = zt_wire::Emit::to_vec(&com);
    payload.extend_from_slice(&[0, 0, 1, 0xff]);
    let packet = crate::world::Sent {
        from: B,
        to: A,
        id: PacketId(1),
        verb: Verb::NETWORK_CREDENTIALS,
        payload,
        options: Default::default(),
    };
    let verdict = world.node(A).receive(now, &packet);
    assert_eq!(verdict, Verdict::Dropped(DropReason::CredentialMalformed));
    assert!(world.node(A).network().members().any(|(address, m)| address == B && m.membership().is_some()));
}

/// The controller's clock was ahead when it made one of two certificates: whoever sees that asks it, but not for ever.
#[test]
fn a_certificate_of_another_time_makes_us_ask_the_controller() {
    let mut world = World::with_members();
    let mut now = world.now;
    let later = START + 8 * 3_600_000;
    let [ahead, right, old] = [later, START, START - 86_400_000].map(|time| world.authority.membership(B, time));
    let node = world.node(A);
    let mut asked = |node: &mut crate::world::Node, seconds, com: &Membership, taken| {
        now = now.plus(Duration::from_secs(seconds));
        // The request of the usual round.
        node.vl2.handle_timeout(now, &mut node.wire);
        node.take_sent(Verb::NETWORK_CONFIG_REQUEST);
        let verdict = node.receive_body(now, B, &memberships(vec![com.clone()]));
        assert_eq!(verdict, Verdict::Accepted { trust: taken });
        node.vl2.handle_timeout(now, &mut node.wire);
        node.take_sent(Verb::NETWORK_CONFIG_REQUEST).len()
    };
    assert_eq!(asked(node, 1, &ahead, true), 1, "newer ones are filed");
    assert_eq!(asked(node, 7, &right, true), 0, "what agrees takes the place of what does not");
    assert_eq!(asked(node, 7, &old, false), 1);
    for _ in 0..3 {
        assert_eq!(asked(node, 7, &old, false), 0, "the same one again says nothing new");
    }
}

/// A recorded revocation of a tag, of before the member was expelled, must not lower what was said since.
#[test]
fn thresholds_only_rise() {
    let mut world = talking();
    let revoke = |world: &mut World, kind, id, threshold| {
        world.now = world.now.plus(Duration::from_secs(1));
        let now = world.now;
        let mut revocation = world.authority.revocation(B, threshold);
        (revocation.credential_kind, revocation.credential_id) = (kind, id);
        revocation.signature = world.authority.secret.sign(&revocation.signed_bytes());
        world.node(A).receive_body(now, CONTROLLER, &revocations(vec![revocation]));
    };
    let kinds = [CredentialKind::TAG, CredentialKind::CAPABILITY, CredentialKind::OWNERSHIP];
    revoke(&mut world, CredentialKind::MEMBERSHIP, 0, START + 10);
    for (id, kind) in kinds.into_iter().enumerate() {
        let id = id as u32;
        revoke(&mut world, kind, id, START - 5);
        revoke(&mut world, kind, id, START + 20);
        revoke(&mut world, kind, id, START - 1);
        let member = world.node(A).network().members().find(|(address, _)| *address == B).expect("a record").1;
        assert_eq!((member.revoked_until(kind, id), member.threshold()), (Some(START + 20), START + 20));
    }
    // B's certificate of the start stays void.
    let frame = Frame { network: NET, ethertype: 0x0800, payload: b"x" };
    let com = world.authority.membership(B, START);
    let later = world.now.plus(Duration::from_secs(1));
    let node = world.node(A);
    node.receive_body(later, B, &memberships(vec![com]));
    assert_eq!(node.receive_body(later, B, &frame), Verdict::Defer);
}

/// Each check of a signature costs as much as a thousand packets: forgeries get few of them.
#[test]
fn forgeries_cost_few_checks() {
    let mut world = World::with_members();
    let now = world.now;
    let forged = |n: i64| {
        let mut com = world.authority.membership(B, START + n);
        com.signature.0[0] ^= 1;
        com
    };
    let all: Vec<_> = (0..100).map(forged).collect();
    let good = world.authority.membership(B, START);
    let node = world.node(A);
    // In frames: one a second.
    let frame = zt_wire::EthernetRef {
        destination: zt_wire::Mac::for_member(A, NET),
        source: zt_wire::Mac::for_member(B, NET),
        ethertype: 0x0800,
        payload: b"x",
    };
    let with = |com: &Membership| zt_wire::verb::ExtFrame {
        membership: Some(com.clone()),
        ..zt_wire::verb::ExtFrame::new(NET, 0, frame)
    };
    for com in &all {
        assert_eq!(node.receive_body(now, B, &with(com)), Verdict::Defer);
        node.receive_body(
            now,
            B,
            &zt_wire::verb::MulticastGather {
                network: NET,
                group: zt_wire::MulticastGroup::BROADCAST,
                limit: 1,
                membership: Some(com.clone()),
                ..Default::default()
            },
        );
    }
    assert_eq!((node.drops("credential refused"), node.drops("credentials too often")), (1, 199));
    // In a message of their own: four, and the rest is not looked at.
    node.receive_body(now, B, &memberships(all[..30].to_vec()));
    assert_eq!(node.drops("credential refused"), 1 + 4);
    // The right one is taken, also from an old peer that sends it with each frame.
    let later = now.plus(Duration::from_secs(1));
    for _ in 0..3 {
        assert_eq!(node.receive_body(later, B, &with(&good)), Verdict::Accepted { trust: true });
    }
}
