//! Rules back to text.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use zt_netconf::rules::script::{CapabilityDefinition, Options, Position, Script, TagDefinition, explain};
use zt_wire::rules::{Forward, IcmpMatch, IntegerMatch, Ipv4Prefix, Ipv6Prefix, Rule, RuleKind, TagMatch, TosMatch};
use zt_wire::{Address, Mac};

fn compile(text: &str) -> Script {
    Script::compile(text, Options::default()).unwrap_or_else(|e| panic!("{e} in\n{text}"))
}

fn script(rules: impl IntoIterator<Item = RuleKind>) -> Script {
    Script { rules: rules.into_iter().map(|kind| Rule::from(kind).into()).collect(), ..Script::default() }
}

/// What the documents show as the customary rules.
const CUSTOMARY: &str = "drop
	not ethertype ipv4
	and not ethertype arp
	and not ethertype ipv6
;

accept;
";

#[test]
fn a_script_comes_back_readable() {
    let source = "
        tag department id 7 enum 1 sales enum 2 engineering flag 4 audited default sales;
        cap ssh id 1000 default accept ipprotocol tcp and dport 22; accept and; ;
        drop not ethertype ipv4 not ethertype arp;
        accept and; break teq department engineering; drop tand department audited or tor department 5;
        tee -1 0123456789 chr tcp_syn,tcp_fin,30 random 0.25 icmp 8 -1 icmp 3 1;
        redirect 0123456789;
        drop ipsrc 10.0.0.0/8 ipdest fd00::/8 macsrc 02:00:00:00:00:01 iptos 0xfc 8-16 ipprotocol 200 framesize 64-1500 sport 5;
        drop;";
    let text = compile(source).explain();
    assert_eq!(text.untold, []);
    assert_eq!(
        text.text,
        "tag department
	id 7
	enum 1 sales
	enum 2 engineering
	flag 4 audited
	default sales
;

cap ssh
	id 1000
	default
	accept ipprotocol tcp and dport 22;
	accept and;
;

drop not ethertype ipv4 and not ethertype arp;
accept and;
break teq department engineering;
drop tand department audited or tor department 5;
tee 65535 0123456789 chr 30,tcp_syn,tcp_fin and random 0.25 and icmp 8 -1 and icmp 3 1;
redirect 0123456789;
drop
	ipsrc 10.0.0.0/8
	and ipdest fd00::/8
	and macsrc 02:00:00:00:00:01
	and iptos 252 8-16
	and ipprotocol 200
	and framesize 64-1500
	and sport 5
;
drop;
"
    );
}

#[test]
fn what_a_network_has_from_another_compiler_is_read_with_its_names() {
    let compiled = compile(
        "tag department id 7 enum 1 sales flag 31 top; cap ssh id 5 accept dport 22; ; drop teq department sales;",
    );
    let json = compiled.to_json();
    let read = Script::from_json(&json).expect("its own form");
    assert_eq!(read.to_json(), json);
    assert_eq!(read.explain(), compiled.explain());
    // The reference compiler says flags on bit 31 as negative numbers.
    let source = "tag department id 7 flag 31 top;";
    let signed = Script::compile(source, Options { compatible: true }).expect("compiles").to_json();
    assert_eq!(signed["tagsByName"]["department"]["flags"]["top"], json!(-2_147_483_648i64));
    assert_eq!(Script::from_json(&signed).expect("read").explain(), compile(source).explain());
    // A record of a network, and rules alone.
    let record = json!({"id": "8056c2e21c000001", "rules": json["config"]["rules"], "tags": [{"id": 9, "default": null}],
        "capabilities": [{"id": 3, "rules": []}]});
    let text = Script::from_json(&record).expect("a record").explain();
    assert_eq!(text.text, "tag tag_9\n\tid 9\n;\n\ncap capability_3\n\tid 3\n;\n\ndrop teq 7 1;\n");
    assert_eq!(
        Script::from_json(&compile(CUSTOMARY).config_json()["rules"]).expect("rules").explain().text,
        "drop not ethertype ipv4 and not ethertype arp and not ethertype ipv6;\naccept;\n"
    );
}

#[test]
fn what_is_no_rule_is_refused_by_name() {
    let refused = |v: Value| Script::from_json(&v).expect_err("refused").to_string();
    assert_eq!(refused(json!([{"type": "MATCH_MOON"}])), "rules[0]: there is no rule type `MATCH_MOON`");
    assert_eq!(
        refused(json!({"rules": [], "capabilities": [{"id": 1, "rules": [5]}]})),
        "capabilities[0].rules[0] is no object of the right form"
    );
    assert_eq!(refused(json!({"rules": [], "tags": [{}]})), "tags[0] is no object of the right form");
    assert_eq!(refused(json!({"rules": 5})), "`rules` is no array");
    assert_eq!(
        refused(json!({"name": "lab"})),
        "no rules in it: expected what `zt rules compile` or `zt network show --json` prints, or an array of rules"
    );
}

#[test]
fn what_has_no_text_stands_in_a_comment_and_is_told() {
    let rules = json!([
        {"type": "INTEGER_RANGE", "start": "10", "end": 20, "idx": 4, "bits": 16, "little": true, "not": true},
        {"type": "MATCH_ETHERTYPE", "etherType": 2048},
        {"type": "ACTION_DROP"},
        {"type": "ACTION_PRIORITY"},
        {"type": "ACTION_ACCEPT"},
        {"type": "MATCH_IP_DEST_PORT_RANGE", "start": 9, "end": 2},
    ]);
    let text = Script::from_json(&rules).expect("rules").explain();
    assert_eq!(
        text.text,
        "# The language cannot say this:
# drop not (INTEGER_RANGE 0x10 to 0x14, 16 bits at 4, little endian) and ethertype ipv4;
# The language cannot say this:
# (ACTION_PRIORITY);
accept and;
# The language cannot say this:
# accept (MATCH_IP_DEST_PORT_RANGE from 9 down to 2);
"
    );
    let untold: Vec<String> = text.untold.iter().map(ToString::to_string).collect();
    assert_eq!(
        untold,
        [
            "rule 1: INTEGER_RANGE 0x10 to 0x14, 16 bits at 4, little endian",
            "rule 4: ACTION_PRIORITY",
            "rule 6: matches without an action behind them",
            "rule 6: MATCH_IP_DEST_PORT_RANGE from 9 down to 2",
        ]
    );
    for kind in [
        RuleKind::Characteristics(0),
        RuleKind::Ipv4Source(Ipv4Prefix { ip: Ipv4Addr::LOCALHOST, bits: 33 }),
        RuleKind::Icmp(IcmpMatch { kind: 8, code: 1, flags: 2 }),
        RuleKind::Tee(Forward { flags: 1, ..Forward::default() }),
        RuleKind::Unknown { number: 60, value: Box::new([]) },
        RuleKind::IntegerRange(IntegerMatch::default()),
    ] {
        let text = script([kind.clone(), RuleKind::Drop]).explain();
        assert_eq!(
            (text.untold.len(), text.text.lines().all(|l| l.starts_with('#') || l.starts_with("drop"))),
            (1, true),
            "{kind:?}"
        );
    }
}

#[test]
fn what_has_no_text_is_kept_in_json() {
    let range = IntegerMatch { first: u64::MAX, last: 7, index: 300, format: 0x80 | 14 };
    let mut kept = script([RuleKind::IntegerRange(range), RuleKind::Priority]);
    kept.rules[0].rule.not = true;
    let read = Script::from_json(&kept.to_json()).expect("its own form");
    assert_eq!(read.base(), kept.base());
    // Only what nobody knows is not.
    let unknown = script([RuleKind::Unknown { number: 60, value: Box::new([]) }]).to_json();
    assert!(Script::from_json(&unknown).expect_err("refused").to_string().ends_with("there is no rule type `TYPE_60`"));
}

#[test]
fn names_that_no_text_can_have_are_replaced() {
    let tag = |name: &str, id| TagDefinition {
        name: name.to_owned(),
        id,
        default: Some(3),
        enums: vec![("Sales Team".to_owned(), 3), ("same".to_owned(), 4)],
        flags: vec![("same".to_owned(), 8)],
        at: Position::default(),
        written: None,
    };
    let mut script = script([RuleKind::TagsEqual(TagMatch { id: 1, value: 4 }), RuleKind::Accept]);
    script.tags = vec![tag("drop", 1), tag("Dept", 2), tag("dept", 3)];
    let text = script.explain();
    let names: Vec<&str> = text.text.lines().filter_map(|line| line.strip_prefix("tag ")).collect();
    assert_eq!(names, ["tag_1", "dept", "dept_"]);
    assert_eq!(text.untold[0].to_string(), "tag 1: the name `Sales Team` of 3");
    assert!(text.text.ends_with("accept teq 1 4;\n"), "{}", text.text);
}

#[test]
fn a_rule_is_told_in_the_words_of_its_statement() {
    let script = compile(
        "tag department id 7 enum 2 engineering; drop not ethertype ipv4 and not ethertype arp; accept teq department engineering or not dport 22; accept;",
    );
    let rules = script.base();
    let told = |index| explain::statement(&rules, index, &script.tags);
    assert_eq!(told(0), "drop not ethertype ipv4 and not ethertype arp");
    assert_eq!(told(2), told(0));
    assert_eq!(told(4), "accept teq department engineering or not dport 22");
    assert_eq!(told(6), "accept");
    assert_eq!(told(99), "(no action)");
    assert_eq!(explain::rule(&rules[3], &[]), "teq 7 2");
    assert_eq!(explain::rule(&RuleKind::Priority.into(), &[]), "(ACTION_PRIORITY)");
}

/// Where a statement stands is kept, also through macros.
#[test]
fn a_rule_knows_where_it_comes_from() {
    let script = compile("macro web($port)\n\tdrop not\n\t\tdport $port;\n;\ndrop ethertype arp;\ninclude web(80)\n");
    let at = |line, column| Position { line, column };
    let places: Vec<_> = script.rules.iter().map(|r| (r.at, r.statement, r.included)).collect();
    assert_eq!(
        places,
        [
            (at(5, 5), at(5, 0), None),
            (at(5, 0), at(5, 0), None),
            (at(3, 2), at(2, 1), Some(at(6, 8))),
            (at(2, 1), at(2, 1), Some(at(6, 8))),
        ]
    );
}

fn forward() -> impl Strategy<Value = Forward> {
    (any::<u64>(), any::<u16>()).prop_map(|(a, length)| Forward { address: Address::new(a), flags: 0, length })
}

fn action() -> impl Strategy<Value = RuleKind> {
    prop_oneof![
        3 => select(vec![RuleKind::Drop, RuleKind::Accept, RuleKind::Break]),
        1 => prop_oneof![
            forward().prop_map(RuleKind::Tee),
            forward().prop_map(RuleKind::Watch),
            forward().prop_map(|to| RuleKind::Redirect(Forward { length: 0, ..to })),
        ],
    ]
}

fn tag_match() -> impl Strategy<Value = RuleKind> {
    let make: Vec<fn(TagMatch) -> RuleKind> = vec![
        RuleKind::TagsDifference,
        RuleKind::TagsBitwiseAnd,
        RuleKind::TagsBitwiseOr,
        RuleKind::TagsBitwiseXor,
        RuleKind::TagsEqual,
        RuleKind::TagSender,
        RuleKind::TagReceiver,
    ];
    let value = prop_oneof![0u32..16, any::<u32>()];
    (0u32..6, value, select(make)).prop_map(|(id, value, make)| make(TagMatch { id, value }))
}

fn range() -> impl Strategy<Value = std::ops::RangeInclusive<u16>> {
    any::<(u16, u16)>().prop_map(|(a, b)| a.min(b)..=a.max(b))
}

fn matching() -> impl Strategy<Value = RuleKind> {
    let v4 = || (any::<u32>(), 0..=32u8).prop_map(|(ip, bits)| Ipv4Prefix { ip: Ipv4Addr::from(ip), bits });
    let v6 = || (any::<u128>(), 0..=128u8).prop_map(|(ip, bits)| Ipv6Prefix { ip: Ipv6Addr::from(ip), bits });
    let numbers = prop_oneof![
        any::<u64>().prop_map(|a| RuleKind::SourceAddress(Address::new(a))),
        any::<u64>().prop_map(|a| RuleKind::DestinationAddress(Address::new(a))),
        any::<u16>().prop_map(RuleKind::VlanId),
        any::<u8>().prop_map(RuleKind::VlanPcp),
        any::<u8>().prop_map(RuleKind::VlanDei),
        any::<[u8; 6]>().prop_map(|mac| RuleKind::MacSource(Mac(mac))),
        any::<[u8; 6]>().prop_map(|mac| RuleKind::MacDestination(Mac(mac))),
        any::<u8>().prop_map(RuleKind::IpProtocol),
        any::<u16>().prop_map(RuleKind::EtherType),
        select(vec![0x0800, 0x0806, 0x86dd]).prop_map(RuleKind::EtherType),
    ];
    let ranges = prop_oneof![
        any::<(u8, u8, u8)>().prop_map(|(mask, a, b)| RuleKind::IpTos(TosMatch {
            mask,
            first: a.min(b),
            last: a.max(b)
        })),
        any::<(u8, u8, bool)>().prop_map(|(kind, code, any)| {
            RuleKind::Icmp(IcmpMatch { kind, code: if any { 0 } else { code }, flags: u8::from(!any) })
        }),
        range().prop_map(RuleKind::SourcePort),
        range().prop_map(RuleKind::DestinationPort),
        range().prop_map(RuleKind::FrameSize),
        (1..=u64::MAX).prop_map(RuleKind::Characteristics),
        (0..64u32).prop_map(|bit| RuleKind::Characteristics(1 << bit)),
        any::<u32>().prop_map(RuleKind::Random),
        (0..8u32).prop_map(|n| RuleKind::Random(n.wrapping_sub(4))),
    ];
    prop_oneof![
        numbers,
        ranges,
        tag_match(),
        v4().prop_map(RuleKind::Ipv4Source),
        v4().prop_map(RuleKind::Ipv4Destination),
        v6().prop_map(RuleKind::Ipv6Source),
        v6().prop_map(RuleKind::Ipv6Destination),
    ]
}

/// Whole statements.
fn rules(statements: usize) -> impl Strategy<Value = Vec<Rule>> {
    let matching = (matching(), any::<bool>(), any::<bool>()).prop_map(|(kind, not, or)| Rule { kind, not, or });
    let statement = (prop::collection::vec(matching, 0..5), action()).prop_map(|(mut rules, action)| {
        rules.push(action.into());
        rules
    });
    prop::collection::vec(statement, 0..statements).prop_map(|all| all.concat())
}

fn tags() -> impl Strategy<Value = Vec<TagDefinition>> {
    let enums = prop::collection::btree_map("[a-z_][a-z0-9_]{0,3}_", prop_oneof![0u32..16, any::<u32>()], 0..4);
    let flags = prop::collection::btree_map("[a-z_][a-z0-9_]{0,3}_", 1..=u32::MAX, 0..4);
    let tag = (0u32..6, prop::option::of(any::<u32>()), enums, flags);
    prop::collection::vec(tag, 0..4).prop_map(|tags| {
        let tags = tags.into_iter().enumerate();
        tags.map(|(i, (id, default, enums, flags))| TagDefinition {
            name: format!("t{i}"),
            id,
            default: default.or_else(|| enums.values().next().copied()),
            enums: enums.into_iter().collect(),
            flags: flags.into_iter().collect(),
            at: Position::default(),
            written: None,
        })
        .collect()
    })
}

/// JSON with the names that are looked for.
fn json_soup() -> impl Strategy<Value = Value> {
    let names = [
        "type",
        "not",
        "or",
        "rules",
        "config",
        "capabilities",
        "tags",
        "tagsByName",
        "capabilitiesByName",
        "id",
        "default",
        "enums",
        "flags",
        "ip",
        "mask",
        "start",
        "end",
        "zt",
        "mac",
        "address",
        "length",
        "value",
        "icmpCode",
        "bits",
    ];
    let types = ["ACTION_TEE", "MATCH_IPV6_DEST", "MATCH_ICMP", "INTEGER_RANGE", "ACTION_PRIORITY", "MATCH_TAGS_EQUAL"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(types.to_vec()).prop_map(Value::from),
        select(vec!["fd00::1/64", "10.0.0.0/99", "ffff", "é", ""]).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(select(names.to_vec()), inner, 0..8).prop_map(|map| {
                map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<serde_json::Map<_, _>>().into()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_has_an_outcome(rules in json_soup(), other in json_soup()) {
        for json in [json!({"rules": [rules], "tags": [other]}), json!({"rules": rules, "capabilities": [other]}), other] {
            if let Ok(script) = Script::from_json(&json) {
                let text = script.explain();
                if text.untold.is_empty() {
                    prop_assert_eq!(compile(&text.text).base(), script.base());
                }
                prop_assert_eq!(Script::from_json(&script.to_json()).expect("its own form").base(), script.base());
            }
        }
    }

    #[test]
    fn what_is_explained_compiles_to_the_same(
        base in rules(12), capability in rules(6), other in rules(6), tags in tags(), default: bool,
    ) {
        let define = |id, rules: Vec<Rule>| CapabilityDefinition {
            name: format!("c{id}"),
            id,
            default,
            rules: rules.into_iter().map(Into::into).collect(),
            at: Position::default(),
        };
        let rules = base.iter().cloned().map(Into::into).collect();
        let capabilities = vec![define(9, capability), define(4, other)];
        let script = Script { rules, capabilities, tags, ..Script::default() };
        let text = script.explain();
        prop_assert_eq!(&text.untold, &[], "{}", text.text);
        let again = compile(&text.text);
        prop_assert_eq!(again.base(), base, "{}", &text.text);
        // Names, values and definitions as well.
        prop_assert_eq!(again.to_json(), script.to_json(), "{}", &text.text);
        // And once more through the JSON.
        let read = Script::from_json(&script.to_json()).expect("its own form");
        prop_assert_eq!(read.explain().text, text.text);
    }
}
