use super::*;

fn rule(text: &str) -> Rule {
    let mut words: Vec<_> = text.split(' ').collect();
    let mut take = |word: &str| words.iter().position(|w| *w == word).map(|at| words.remove(at)).is_some();
    let (not, or) = (take("not"), take("or"));
    let kind = match words[0] {
        "accept" => RuleKind::Accept,
        "drop" => RuleKind::Drop,
        "unknown" => RuleKind::Unknown { number: 60, value: Box::default() },
        "nothing" => RuleKind::Unknown { number: 12, value: Box::default() },
        hex => RuleKind::EtherType(u16::from_str_radix(hex, 16).expect("an ethertype")),
    };
    Rule { kind, not, or }
}

/// Evaluates rules separated by `;` for a frame of ethertype 0x0800.
fn check(text: &str, expected: Decision) {
    let rules: Vec<_> = text.split("; ").map(rule).collect();
    let facts = FrameFacts {
        inbound: true,
        own: Address::NIL,
        source: Address::NIL,
        destination: Address::NIL,
        source_mac: Mac::ZERO,
        destination_mac: Mac::ZERO,
        ethertype: 0x0800,
        payload: b"x",
    };
    assert_eq!(evaluate(&rules, &facts, false), expected, "{text}");
}

#[test]
fn sets_end_at_actions() {
    check("accept", Decision::Accept { rule: 0 });
    check("0806; accept", Decision::NoMatch);
    check("0800; accept", Decision::Accept { rule: 1 });
    check("0806; drop; accept", Decision::Accept { rule: 2 });
    check("0806; drop; 0800; drop; accept", Decision::Drop { rule: 3 });
    check("not 0800; not 0806; not 86dd; drop; accept", Decision::Accept { rule: 4 });
    check("not 0806; not 86dd; drop; accept", Decision::Drop { rule: 2 });
}

#[test]
fn or_and_and_apply_from_left_to_right() {
    check("0806; or 0800; accept", Decision::Accept { rule: 2 });
    check("0800; or 0806; accept", Decision::Accept { rule: 2 });
    check("0806; or 0800; 86dd; accept", Decision::NoMatch);
    check("0806; 0800; or 0800; accept", Decision::Accept { rule: 3 });
    check("0806; or not 0800; accept", Decision::NoMatch);
    // An OR on the first match makes the set true.
    check("or 0806; accept", Decision::Accept { rule: 1 });
}

#[test]
fn not_and_or_mean_nothing_on_actions() {
    check("not accept", Decision::Accept { rule: 0 });
    check("0806; or accept; drop", Decision::Drop { rule: 2 });
}

#[test]
fn unknown_actions_and_matches() {
    check("nothing; accept", Decision::Accept { rule: 1 });
    check("0806; nothing; accept", Decision::Accept { rule: 2 });
    check("unknown; accept", Decision::NoMatch);
    check("not unknown; accept", Decision::Accept { rule: 2 - 1 });
}

#[test]
fn what_cannot_be_judged_is_named() {
    let named =
        |kind: RuleKind| first_unsupported(&[RuleKind::Accept.into(), kind.into()]).map(|rule| rule.to_string());
    assert_eq!(named(RuleKind::EtherType(1)), None);
    assert_eq!(named(RuleKind::Break).as_deref(), Some("ACTION_BREAK (rule 1)"));
    assert_eq!(named(RuleKind::Random(1)).as_deref(), Some("MATCH_RANDOM (rule 1)"));
    let unknown = RuleKind::Unknown { number: 63, value: Box::default() };
    assert_eq!(named(unknown).as_deref(), Some("rule type 63 (rule 1)"));
}
