//! The constants of rules in C have the numbers and names of the one table of rules.

use std::collections::BTreeMap;

use zt_wire::rules::RULE_TYPES;

#[test]
fn rule_constants_are_those_of_the_table() {
    let header = include_str!("../../include/ZeroTierOne.h");
    let constants: BTreeMap<&str, u8> = header
        .lines()
        .filter_map(|line| line.trim().strip_prefix("ZT_NETWORK_RULE_")?.split_once(" = "))
        .filter(|(name, _)| *name != "ACTION__MAX_ID" && *name != "MATCH__MAX_ID")
        .map(|(name, rest)| (name, rest.split([',', ' ']).next().and_then(|n| n.parse().ok()).expect("a number")))
        .collect();
    // Only this name differs: the JSON of the controller has it without its kind.
    let in_c = |name: &'static str| if name == "INTEGER_RANGE" { "MATCH_INTEGER_RANGE" } else { name };
    let table: BTreeMap<&str, u8> = RULE_TYPES.iter().map(|known| (in_c(known.name), known.number)).collect();
    assert_eq!(constants, table);
}
