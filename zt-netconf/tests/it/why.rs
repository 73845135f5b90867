//! Questions about frames: what would decide now, and what is missing.

use zt_netconf::rules::Decision;
use zt_netconf::{Missing, NetworkStatus, NoAnswer, Question, Standing, Why};
use zt_wire::rules::TagMatch;
use zt_wire::{Address, Rule, RuleKind};

use crate::world::{A, B, Grant, NET, World};

const DEPARTMENT: u32 = 1000;

fn world() -> World {
    let tags = TagMatch { id: DEPARTMENT, value: 0 };
    let not = |kind: RuleKind| Rule { not: true, ..Rule::from(kind) };
    let mut world = World::new();
    let rules: Vec<Rule> = vec![
        RuleKind::EtherType(0x0806).into(),
        RuleKind::Accept.into(),
        not(RuleKind::TagsDifference(tags)),
        RuleKind::Drop.into(),
        RuleKind::EtherType(0x0800).into(),
        RuleKind::Accept.into(),
    ];
    world.authority.template.rules = rules.into();
    let tagged = |value| Grant { tags: vec![(DEPARTMENT, value)], ..Grant::default() };
    world.authority.grants.extend([(A, tagged(1)), (B, tagged(2))]);
    world.authority.authorised.extend([A, B]);
    world.join(A);
    world.join(B);
    world
}

fn ask(world: &mut World, at: Address, member: Address, inbound: bool, frame: &str) -> Result<Why, NoAnswer> {
    world.node(at).network().why(&Question { frame: frame.to_owned(), member, inbound })
}

#[test]
fn the_answer_names_rule_tag_and_what_is_missing() {
    let mut world = world();
    let why = ask(&mut world, B, A, true, "tcp 10.0.0.1 > 10.0.0.2:22").expect("an answer");
    assert_eq!((why.standing, why.explanation.verdict.decision), (Standing::Unknown, Decision::Accept));
    assert_eq!(why.statement.as_deref(), Some("accept ethertype ipv4"));
    assert_eq!(why.missing, [Missing::Certificate, Missing::Tag(DEPARTMENT)]);
    world.unicast(A, B, b"");
    let now = world.now;
    world.node(A).frame(now, zt_wire::Mac::for_member(A, NET), zt_wire::Mac::for_member(B, NET), 0x0806, b"arp");
    world.exchange();
    let why = ask(&mut world, B, A, true, "tcp 10.0.0.1 > 10.0.0.2:22").expect("an answer");
    assert_eq!((why.standing, why.explanation.verdict.decision), (Standing::Member, Decision::Drop));
    assert_eq!(why.explanation.verdict.by.tag, Some(DEPARTMENT));
    let statement = why.statement.expect("a rule decided");
    assert!(statement.starts_with("drop not tdiff"), "{statement}");
    assert!(why.missing.is_empty());
    let why = ask(&mut world, B, A, true, "arp who-has 10.0.0.2 tell 10.0.0.1").expect("an answer");
    assert_eq!(why.explanation.verdict.decision, Decision::Accept);
    // Nothing was sent or counted for it.
    assert!(world.node(B).network().rule_counters().rules().all(|(rule, _)| rule != 3));
}

#[test]
fn words_that_say_nothing_are_refused_with_their_place() {
    let mut world = world();
    let Err(NoAnswer::Words(error)) = ask(&mut world, A, B, false, "tcp nowhere") else { panic!("no answer") };
    assert_eq!(error.column, 5);
}

#[test]
fn a_network_that_passes_nothing_is_ok_and_says_so() {
    let mut world = World::new();
    world.authority.authorised.extend([A, B]);
    world.join(A);
    assert!(!world.node(A).network().passes_nothing());
    world.authority.template.rules = vec![RuleKind::EtherType(0x0806).into(), RuleKind::Drop.into()].into();
    let grant = Grant { capabilities: vec![(1, vec![RuleKind::Accept.into()])], ..Grant::default() };
    world.authority.grants.insert(B, grant);
    world.join(B);
    assert!(!world.node(B).network().passes_nothing(), "it has a capability");
    let now = world.now;
    let node = world.node(A);
    node.vl2.refresh(now, NET);
    node.vl2.handle_timeout(now, &mut node.wire);
    world.exchange();
    let network = world.node(A).network();
    assert!(network.passes_nothing());
    assert_eq!(network.status(), NetworkStatus::Ok);
}
