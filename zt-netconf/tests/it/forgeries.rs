//! Tags, capabilities, certificates of ownership and revocations that are not what they say: each has an outcome by name.

use std::time::Duration;

use zt_netconf::Verdict;
use zt_wire::credential::ownership::Thing;
use zt_wire::rules::TagMatch;
use zt_wire::verb::{Frame, NetworkCredentials};
use zt_wire::{
    Address, Body, Capability, Credential, CredentialKind, Custody, Emit, Mac, Message, NetworkId, Ownership,
    Revocation, Rule, RuleKind, Signature, Tag,
};

use crate::world::{A, B, CONTROLLER, NET, START, World, secret};

/// How far apart credentials may be.
const WINDOW: i64 = 1_800_000;
/// A network of the same controller that nobody joined.
const ELSEWHERE: NetworkId = NetworkId(NET.0 + 1);

fn tag(id: u32, value: u32, timestamp: i64) -> Tag {
    let mut tag =
        Tag { network: NET, timestamp, id, value, issued_to: B, signer: CONTROLLER, signature: Signature::NONE };
    tag.signature = sign(CONTROLLER, &tag);
    tag
}

fn sign(signer: Address, credential: &impl Credential) -> Signature {
    secret(signer).sign(&credential.signed_bytes())
}

fn tags(all: Vec<Tag>) -> NetworkCredentials<'static> {
    NetworkCredentials { tags: all, ..NetworkCredentials::default() }
}

fn capabilities(all: Vec<Capability>) -> NetworkCredentials<'static> {
    NetworkCredentials { capabilities: all, ..NetworkCredentials::default() }
}

fn revocations(all: Vec<Revocation>) -> NetworkCredentials<'static> {
    NetworkCredentials { revocations: all, ..NetworkCredentials::default() }
}

/// A capability to accept everything, handed on along `holders`, of at most `longest` links.
fn chain(holders: &[Address], longest: u8) -> Capability {
    let rules = vec![RuleKind::Accept.into()].into();
    let mut capability =
        Capability { network: NET, timestamp: START, id: 7, rules, max_custody: longest, custody: Vec::new() };
    let mut from = CONTROLLER;
    for to in holders {
        let signature = sign(from, &capability);
        capability.custody.push(Custody { to: *to, from, signature });
        from = *to;
    }
    capability
}

/// Holders of a chain that ends at B.
fn holders(links: usize) -> Vec<Address> {
    (0..links).map(|n| if (links - n) % 2 == 1 { B } else { A }).collect()
}

/// A network where only members with tag 1 = 5, or with a capability, are heard.
fn guarded() -> World {
    let mut world = World::new();
    let heard = RuleKind::TagSender(TagMatch { id: 1, value: 5 });
    world.authority.template.rules = vec![heard.into(), RuleKind::Accept.into()].into();
    world.authority.authorised.extend([A, B]);
    world.join(A);
    world.join(B);
    // A knows B as a member.
    let com = world.authority.membership(B, START);
    let message = NetworkCredentials { memberships: vec![com], ..NetworkCredentials::default() };
    assert_eq!(hand(&mut world, &message), Verdict::Accepted { trust: true });
    world
}

/// B hands credentials to A; each message in a second of its own.
fn hand(world: &mut World, body: &dyn Body) -> Verdict {
    world.now = world.now.plus(Duration::from_secs(2));
    let now = world.now;
    world.node(A).receive_body(now, B, body)
}

/// Whether A takes a frame of B.
fn heard(world: &mut World) -> bool {
    let now = world.now;
    let frame = Frame { network: NET, ethertype: 0x0800, payload: b"x" };
    world.delivered(A);
    // A frame that credentials could still let pass waits for them.
    let verdict = world.node(A).receive_body(now, B, &frame);
    assert!(matches!(verdict, Verdict::Accepted { trust: true } | Verdict::Defer), "{verdict:?}");
    !world.delivered(A).is_empty()
}

/// What a message adds to a counter, and whether B is heard after it.
fn outcome(world: &mut World, body: &dyn Body, name: &str) -> (u64, bool) {
    let before = world.node(A).drops(name);
    hand(world, body);
    let counted = world.node(A).drops(name) - before;
    (counted, heard(world))
}

#[test]
fn a_capability_passes_along_its_chain_up_to_its_longest() {
    for links in 1..=7 {
        let mut world = guarded();
        assert!(!heard(&mut world));
        let good = chain(&holders(links), 7);
        assert_eq!(good.issued_to(), B);
        assert_eq!(outcome(&mut world, &capabilities(vec![good]), "credential refused"), (0, true), "{links} links");
    }
}

#[test]
fn a_chain_forged_at_any_link_is_refused() {
    let mut world = guarded();
    for links in 1..=7 {
        for link in 0..links {
            let good = chain(&holders(links), 7);
            let mut bits = good.clone();
            bits.custody[link].signature.0[17] ^= 1;
            let mut other_signer = good.clone();
            let signer = if good.custody[link].from == B { A } else { B };
            other_signer.custody[link].signature = sign(signer, &good);
            let mut from_elsewhere = good.clone();
            from_elsewhere.custody[link].from = Address::new(0x12_3456_789a);
            let mut from_nobody = good.clone();
            from_nobody.custody[link].from = Address::NIL;
            let mut all = vec![bits, other_signer, from_elsewhere, from_nobody];
            if link + 1 < links {
                // The last "to" is not signed by anybody (04 §5.3); the others have to be the next signer.
                let mut to_another = good.clone();
                to_another.custody[link].to = Address::new(0x12_3456_789a);
                let mut left_out = good.clone();
                left_out.custody.remove(link);
                all.extend([to_another, left_out]);
            }
            for (n, forged) in all.into_iter().enumerate() {
                // A chain that a link is missing of may end too early: then it is a whole one of somebody else.
                let holder = forged.issued_to();
                let seen = outcome(&mut world, &capabilities(vec![forged]), "credential refused");
                assert_eq!(seen, (1, false), "forgery {n} of link {link} of {links}, held by {holder}");
            }
        }
    }
}

#[test]
fn a_chain_is_as_long_as_it_says_at_most() {
    let mut world = guarded();
    for (links, longest) in [(2, 1), (3, 2), (7, 6)] {
        let long = chain(&holders(links), longest);
        assert!(Message::parse(capabilities(vec![long.clone()]).verb(), &capabilities(vec![long]).to_vec()).is_ok());
        let long = capabilities(vec![chain(&holders(links), longest)]);
        assert_eq!(outcome(&mut world, &long, "credential malformed"), (1, false), "{links} of {longest}");
    }
    for longest in [0, 8, 255] {
        let odd = capabilities(vec![chain(&[B], longest)]);
        assert_eq!(outcome(&mut world, &odd, "credential malformed"), (1, false), "{longest}");
    }
    // Nobody holds it: there is no chain.
    let bare = capabilities(vec![chain(&[], 1)]);
    assert_eq!(outcome(&mut world, &bare, "credential refused"), (1, false));
}

#[test]
fn changed_rules_void_a_capability() {
    let mut world = guarded();
    let mut changed = chain(&[B], 1);
    changed.rules = vec![Rule::from(RuleKind::EtherType(0x0800)), RuleKind::Accept.into()].into();
    assert_eq!(outcome(&mut world, &capabilities(vec![changed]), "credential refused"), (1, false));
    assert_eq!(outcome(&mut world, &capabilities(vec![chain(&[B], 1)]), "credential refused"), (0, true));
}

#[test]
fn credentials_of_another_time_are_kept_and_do_not_count() {
    for (apart, counts) in [(WINDOW, true), (-WINDOW, true), (WINDOW + 1, false), (-WINDOW - 1, false)] {
        let mut world = guarded();
        let seen = outcome(&mut world, &tags(vec![tag(1, 5, START + apart)]), "credential refused");
        assert_eq!(seen, (0, counts), "{apart} ms");
        // Refused by name: no rule accepts what a tag should.
        assert_eq!(world.node(A).drops("no rule accepts"), u64::from(!counts));
        let (_, record) = world.node(A).network().members().find(|(address, _)| *address == B).expect("a record");
        assert_eq!(record.tags().count(), 1);
        let mut world = guarded();
        let mut capability = chain(&[], 1);
        capability.timestamp += apart;
        capability.custody.push(Custody { to: B, from: CONTROLLER, signature: sign(CONTROLLER, &capability) });
        assert_eq!(
            outcome(&mut world, &capabilities(vec![capability]), "credential refused"),
            (0, counts),
            "{apart} ms"
        );
    }
    for extreme in [i64::MIN, i64::MAX] {
        let mut world = guarded();
        assert!(!outcome(&mut world, &tags(vec![tag(1, 5, extreme)]), "credential refused").1);
    }
}

#[test]
fn credentials_of_another_network_or_member_open_nothing() {
    let mut world = guarded();
    let mut foreign = Tag { network: ELSEWHERE, ..tag(1, 5, START) };
    foreign.signature = sign(CONTROLLER, &foreign);
    assert_eq!(outcome(&mut world, &tags(vec![foreign.clone()]), "network not joined"), (1, false));
    // Its network changed, or its holder, or its value: the signature covers them.
    let moved = Tag { network: NET, ..foreign };
    let mut of_another = Tag { issued_to: Address::new(0x12_3456_789a), ..tag(1, 5, START) };
    of_another.signature = sign(CONTROLLER, &of_another);
    let taken_over = Tag { issued_to: B, ..of_another.clone() };
    let raised = Tag { value: 5, ..tag(1, 4, START) };
    for forged in [moved, taken_over, raised] {
        assert_eq!(outcome(&mut world, &tags(vec![forged]), "credential refused"), (1, false));
    }
    // A member signs what only the controller may.
    let mut own = Tag { signer: B, ..tag(1, 5, START) };
    own.signature = sign(B, &own);
    assert_eq!(outcome(&mut world, &tags(vec![own]), "credential refused"), (1, false));
    // Genuine and of another member: it is filed under that one, whoever delivers it.
    assert_eq!(outcome(&mut world, &tags(vec![of_another]), "credential refused"), (0, false));
    // Ours, from somebody else: nobody tells us what we are.
    let mut ours = Tag { issued_to: A, ..tag(1, 5, START) };
    ours.signature = sign(CONTROLLER, &ours);
    assert_eq!(outcome(&mut world, &tags(vec![ours]), "credential refused"), (1, false));
    assert_eq!(outcome(&mut world, &tags(vec![tag(1, 5, START)]), "credential refused"), (0, true));
}

#[test]
fn certificates_of_ownership_cover_what_was_signed() {
    let mut world = guarded();
    let mut good = Ownership {
        network: NET,
        timestamp: START,
        flags: 0,
        id: 1,
        things: vec![Thing::from(Mac([2; 6]))],
        issued_to: B,
        signer: CONTROLLER,
        signature: Signature::NONE,
    };
    good.signature = sign(CONTROLLER, &good);
    let ownerships = |all| NetworkCredentials { ownerships: all, ..NetworkCredentials::default() };
    let mut more = good.clone();
    more.things.push(Thing::from(Mac([4; 6])));
    let other = Ownership { issued_to: Address::new(0x12_3456_789a), ..good.clone() };
    for forged in [more, other] {
        assert_eq!(outcome(&mut world, &ownerships(vec![forged]), "credential refused").0, 1);
    }
    assert_eq!(outcome(&mut world, &ownerships(vec![good.clone()]), "credential refused").0, 0);
    // More things than fit are no certificate.
    good.things = vec![Thing::from(Mac([2; 6])); 17];
    good.signature = sign(CONTROLLER, &good);
    assert_eq!(outcome(&mut world, &ownerships(vec![good]), "credential malformed").0, 1);
}

#[test]
fn tags_out_of_range_are_numbers_like_others() {
    for (id, value) in [(0, 0), (0, u32::MAX), (u32::MAX, 0), (u32::MAX, u32::MAX)] {
        let mut world = guarded();
        assert_eq!(outcome(&mut world, &tags(vec![tag(id, value, START)]), "credential refused"), (0, false));
        // All are compared without overflow.
        let matches = [0, 1, u32::MAX].map(|value| TagMatch { id, value });
        let kinds = matches.into_iter().flat_map(|tag| {
            [
                RuleKind::TagsDifference(tag),
                RuleKind::TagsBitwiseAnd(tag),
                RuleKind::TagsBitwiseOr(tag),
                RuleKind::TagsBitwiseXor(tag),
                RuleKind::TagsEqual(tag),
                RuleKind::TagSender(tag),
                RuleKind::TagReceiver(tag),
            ]
        });
        let tried: Vec<Rule> = kinds.flat_map(|kind| [kind.into(), RuleKind::Accept.into()]).collect();
        let own = Tag { issued_to: A, ..tag(id, !value, START) };
        world.authority.template.tags = vec![own];
        world.authority.template.rules = tried.into();
        world.run(61_000);
        heard(&mut world);
    }
}

#[test]
fn a_record_has_room_for_so_many_tags() {
    let mut world = guarded();
    // The one that counts is among the first.
    for first in (0..160).step_by(40) {
        let all: Vec<_> = (first..first + 40).map(|id| tag(id, 5, START)).collect();
        hand(&mut world, &tags(all));
    }
    let (_, record) = world.node(A).network().members().find(|(address, _)| *address == B).expect("a record");
    assert_eq!(record.tags().count(), 128);
    // After a few refusals the rest of a message is not looked at.
    assert_eq!(world.node(A).drops("credential refused"), 4);
    assert!(heard(&mut world));
}

#[test]
fn a_revoked_tag_stays_void_and_a_newer_one_counts_whatever_is_repeated() {
    let mut world = guarded();
    assert_eq!(outcome(&mut world, &tags(vec![tag(1, 5, START)]), "credential refused"), (0, true));
    let mut revocation = Revocation {
        id: 3,
        network: NET,
        credential_id: 1,
        threshold: START,
        flags: 1,
        target: B,
        signer: CONTROLLER,
        credential_kind: CredentialKind::TAG,
        signature: Signature::NONE,
    };
    revocation.signature = sign(CONTROLLER, &revocation);
    let lower = {
        let mut lower = Revocation { threshold: START - 10, ..revocation.clone() };
        lower.signature = sign(CONTROLLER, &lower);
        lower
    };
    let forged = Revocation { threshold: START + 10, ..revocation.clone() };
    let by_member = {
        let mut own = Revocation { signer: B, ..revocation.clone() };
        own.signature = sign(B, &own);
        own
    };
    for bad in [forged, by_member] {
        assert_eq!(outcome(&mut world, &revocations(vec![bad]), "credential refused"), (1, true));
    }
    assert_eq!(hand(&mut world, &revocations(vec![revocation.clone()])), Verdict::Accepted { trust: true });
    // Quirk (04 §5.5): the certificate of membership of that time is void as well; a newer one is not.
    let com = world.authority.membership(B, START + 1);
    hand(&mut world, &NetworkCredentials { memberships: vec![com], ..NetworkCredentials::default() });
    assert!(!heard(&mut world));
    // Held still: "redundant", and void all the same. One with another value is refused.
    assert_eq!(outcome(&mut world, &tags(vec![tag(1, 5, START)]), "credential refused"), (0, false));
    assert_eq!(outcome(&mut world, &tags(vec![tag(1, 6, START)]), "credential refused"), (1, false));
    assert_eq!(outcome(&mut world, &tags(vec![tag(1, 5, START + 1)]), "credential refused"), (0, true));
    // Recorded ones, handed in again, change nothing and go no further.
    world.node(A).wire.sent.clear();
    for _ in 0..3 {
        let again = revocations(vec![revocation.clone(), lower.clone()]);
        assert_eq!(outcome(&mut world, &again, "credential refused"), (0, true));
    }
    assert!(world.node(A).take_sent(zt_wire::Verb::NETWORK_CREDENTIALS).is_empty());
}
