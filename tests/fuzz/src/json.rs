//! JSON values from bytes, with the words that the controller knows.

use crate::input::Input;
use std::fmt::Write;

/// Keys of networks, members and rules (05 §2, §3; 04 §6.10).
const KEYS: [&str; 59] = [
    "type",
    "not",
    "or",
    "ip",
    "mask",
    "start",
    "end",
    "ipProtocol",
    "etherType",
    "icmpType",
    "icmpCode",
    "probability",
    "id",
    "value",
    "zt",
    "mac",
    "vlanId",
    "vlanPcp",
    "vlanDei",
    "address",
    "flags",
    "length",
    "target",
    "via",
    "ipRangeStart",
    "ipRangeEnd",
    "6plane",
    "rfc4193",
    "default",
    "rules",
    "domain",
    "servers",
    "name",
    "private",
    "enableBroadcast",
    "multicastLimit",
    "mtu",
    "remoteTraceTarget",
    "remoteTraceLevel",
    "v4AssignMode",
    "v6AssignMode",
    "routes",
    "ipAssignmentPools",
    "capabilities",
    "tags",
    "authTokens",
    "dns",
    "authorized",
    "activeBridge",
    "noAutoAssignIps",
    "ipAssignments",
    "identity",
    "authenticationExpiryTime",
    "ssoEnabled",
    "revision",
    "clientId",
    "objtype",
    "rulesSource",
    "creationTime",
];

/// Texts that mean something to it.
const TEXTS: [&str; 44] = [
    "ACTION_DROP",
    "ACTION_ACCEPT",
    "ACTION_TEE",
    "ACTION_WATCH",
    "ACTION_REDIRECT",
    "ACTION_BREAK",
    "ACTION_PRIORITY",
    "MATCH_SOURCE_ZEROTIER_ADDRESS",
    "MATCH_DEST_ZEROTIER_ADDRESS",
    "MATCH_VLAN_ID",
    "MATCH_VLAN_PCP",
    "MATCH_VLAN_DEI",
    "MATCH_MAC_SOURCE",
    "MATCH_MAC_DEST",
    "MATCH_IPV4_SOURCE",
    "MATCH_IPV4_DEST",
    "MATCH_IPV6_SOURCE",
    "MATCH_IPV6_DEST",
    "MATCH_IP_TOS",
    "MATCH_IP_PROTOCOL",
    "MATCH_ETHERTYPE",
    "MATCH_ICMP",
    "MATCH_IP_SOURCE_PORT_RANGE",
    "MATCH_IP_DEST_PORT_RANGE",
    "MATCH_CHARACTERISTICS",
    "MATCH_FRAME_SIZE_RANGE",
    "MATCH_RANDOM",
    "MATCH_TAGS_DIFFERENCE",
    "MATCH_TAG_SENDER",
    "INTEGER_RANGE",
    "10.0.0.1",
    "10.0.0.0/24",
    "10.0.0.9",
    "fd00::1/64",
    "fd00::ffff",
    "0.0.0.0/0",
    "a7a3749ee1",
    "02:00:00:00:00:01",
    "zt",
    "rfc4193,6plane",
    "true",
    "ffffffffffffffff",
    "",
    "inbound",
];

/// One value; nested up to a depth of four.
pub(crate) fn value(input: &mut Input<'_>, depth: usize) -> String {
    let choice = input.below(if depth < 4 { 12 } else { 7 });
    match choice {
        0 => "null".to_owned(),
        1 => "true".to_owned(),
        2 => "false".to_owned(),
        3 => input.u16().to_string(),
        4 => format!("-{}.5e{}", input.u8(), input.u8() % 30),
        5 => format!("\"{}\"", TEXTS[input.below(TEXTS.len())]),
        6 => serde_json::Value::String(String::from_utf8_lossy(input.some_bytes()).into_owned()).to_string(),
        7 | 8 => {
            let items: Vec<String> = (0..input.below(5)).map(|_| value(input, depth + 1)).collect();
            format!("[{}]", items.join(","))
        }
        _ => object(input, depth),
    }
}

/// An object with known keys.
pub(crate) fn object(input: &mut Input<'_>, depth: usize) -> String {
    let mut text = String::from("{");
    for n in 0..input.below(6) {
        let comma = if n > 0 { "," } else { "" };
        let key = KEYS[input.below(KEYS.len())];
        let value = value(input, depth + 1);
        write!(text, "{comma}\"{key}\":{value}").expect("a string takes everything");
    }
    text.push('}');
    text
}

/// A list of rules.
pub(crate) fn rules(input: &mut Input<'_>) -> String {
    let rules: Vec<String> = (0..input.below(6))
        .map(|_| {
            let kind = TEXTS[input.below(30)];
            let key = KEYS[input.below(24)];
            let other = KEYS[input.below(24)];
            let (first, second) = (value(input, 4), value(input, 4));
            format!("{{\"type\":\"{kind}\",\"{key}\":{first},\"{other}\":{second}}}")
        })
        .collect();
    format!("[{}]", rules.join(","))
}
