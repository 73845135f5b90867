//! Rules in the JSON form of the API (04 §6.10) and their binary table (04 §6.2), both ways, from the table of fields in zt-wire.

use std::net::IpAddr;

use serde_json::{Map, Value, json};
use zt_wire::rules::{Field, RULE_TYPES, Rule, RuleKind, RuleTable};
use zt_wire::{Emit as _, IpPrefix};

use super::json::coerce;

/// One rule: its type byte (bit 7 NOT, bit 6 OR) and its value as it is on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    type_byte: u8,
    value: Vec<u8>,
}

use Field::{Address, End, Icmp, Int, Ip4, Ip6, Mac, Mask, Zero};

/// The type with this JSON name. INTEGER_RANGE, ACTION_PRIORITY and unknown types have none: they are dropped on input,
/// as the reference controller does.
fn named(name: &str) -> Option<(u8, &'static [Field])> {
    let found = RULE_TYPES.iter().find(|known| known.name == name)?;
    Some((found.number, found.fields?))
}

/// JSON name and fields of a type.
fn numbered(number: u8) -> Option<(&'static str, &'static [Field])> {
    let found = RULE_TYPES.iter().find(|known| known.number == number)?;
    Some((found.name, found.fields?))
}

impl Entry {
    /// Reads one element of a `rules` array; `None` for what is not an object or not of a known type.
    pub(super) fn from_json(v: &Value) -> Option<Self> {
        let object = v.as_object()?;
        let name = object.get("type")?.as_str()?;
        let (number, fields) = named(name)?;
        let mut type_byte = number;
        if number >= RuleKind::FIRST_MATCH {
            let flag = |key: &str| object.get(key).and_then(coerce::boolean).unwrap_or(false);
            type_byte |= u8::from(flag("not")) << 7 | u8::from(flag("or")) << 6;
        }
        let mut value = Vec::new();
        for field in fields {
            read_field(*field, object, &mut value);
        }
        Some(Self { type_byte, value })
    }

    /// The entry of a rule; `None` for types that have no JSON form.
    fn of(rule: &Rule) -> Option<Self> {
        let bytes = rule.to_vec();
        let (head, value) = bytes.split_at_checked(2)?;
        has_form(rule).then(|| Self { type_byte: head[0], value: value.to_vec() })
    }

    /// The JSON form; `not` and `or` only on matches.
    pub(super) fn to_json(&self) -> Value {
        let number = self.type_byte & 0x3f;
        let mut object = Map::new();
        if let Some((name, fields)) = numbered(number) {
            object.insert("type".to_owned(), json!(name));
            let mut rest = self.value.as_slice();
            for field in fields {
                rest = print_field(*field, rest, &mut object);
            }
        }
        if number >= RuleKind::FIRST_MATCH {
            object.insert("not".to_owned(), json!(self.type_byte & 0x80 != 0));
            object.insert("or".to_owned(), json!(self.type_byte & 0x40 != 0));
        }
        Value::Object(object)
    }
}

fn read_field(field: Field, object: &Map<String, Value>, out: &mut Vec<u8>) {
    let get = |key: &str| object.get(key);
    let int = |key: &str| get(key).and_then(coerce::unsigned).unwrap_or(0);
    let hex = |key: &str| get(key).and_then(coerce::text).map_or(0, |t| coerce::leading_hex(&t));
    match field {
        Int(key, size) => put(out, int(key), size),
        End(key) => match get(key).and_then(coerce::unsigned) {
            Some(end) => put(out, end, 2),
            None => out.extend_from_within(out.len() - 2..),
        },
        Address(key, size) => put(out, hex(key) & 0xff_ffff_ffff, size),
        Mac(key) => {
            let digits: String = get(key).and_then(coerce::text).unwrap_or_default().replace([':', '-'], "");
            put(out, coerce::leading_hex(&digits), 6);
        }
        Ip4(key) => read_ip(get(key), out, IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)),
        Ip6(key) => read_ip(get(key), out, IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED)),
        Mask(key) => put(out, get(key).and_then(coerce::hex_or_number).unwrap_or(0), 8),
        Icmp => {
            put(out, int("icmpType"), 1);
            let code = get("icmpCode").filter(|v| !v.is_null());
            put(out, code.and_then(coerce::unsigned).unwrap_or(0), 1);
            put(out, u64::from(code.is_some()), 1);
        }
        Zero(size) => put(out, 0, size),
    }
}

fn print_field<'v>(field: Field, value: &'v [u8], object: &mut Map<String, Value>) -> &'v [u8] {
    let (bytes, rest) = value.split_at(field.size());
    let number = bytes.iter().take(8).fold(0u64, |n, b| n << 8 | u64::from(*b));
    let mut set = |key: &str, v: Value| object.insert(key.to_owned(), v);
    match field {
        Int(key, _) | End(key) => _ = set(key, json!(number)),
        Address(key, _) => _ = set(key, json!(format!("{number:010x}"))),
        Mac(key) => {
            let octets: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
            set(key, json!(octets.join(":")));
        }
        Ip4(key) => {
            let a = <[u8; 4]>::try_from(&bytes[..4]).expect("an IPv4 value has 5 bytes");
            set(key, json!(format!("{}/{}", IpAddr::from(a), bytes[4])));
        }
        Ip6(key) => {
            let a = <[u8; 16]>::try_from(&bytes[..16]).expect("an IPv6 value has 17 bytes");
            set(key, json!(format!("{}/{}", IpAddr::from(a), bytes[16])));
        }
        Mask(key) => _ = set(key, json!(format!("{number:016x}"))),
        Icmp => {
            set("icmpType", json!(bytes[0]));
            set("icmpCode", if bytes[2] & 1 != 0 { json!(bytes[1]) } else { Value::Null });
        }
        Zero(_) => {}
    }
    rest
}

/// An address of the other family becomes one that matches nothing real, so that a set of matches never widens.
fn read_ip(v: Option<&Value>, out: &mut Vec<u8>, family: IpAddr) {
    let text = v.and_then(coerce::text).unwrap_or_default();
    let prefix = match coerce::ip(&text) {
        Some((ip, bits)) if ip.is_ipv4() == family.is_ipv4() => {
            IpPrefix::clamped(ip, u8::try_from(bits).unwrap_or(u8::MAX))
        }
        _ => IpPrefix::host(family),
    };
    match prefix.address() {
        IpAddr::V4(a) => out.extend_from_slice(&a.octets()),
        IpAddr::V6(a) => out.extend_from_slice(&a.octets()),
    }
    out.push(prefix.bits());
}

/// The low `size` bytes of a number, big-endian.
fn put(out: &mut Vec<u8>, number: u64, size: usize) {
    out.extend_from_slice(&number.to_be_bytes()[8 - size..]);
}

/// Reads an array of rules; what is not a rule is dropped.
pub(super) fn read(v: &Value) -> Vec<Entry> {
    v.as_array().into_iter().flatten().take(coerce::MAX_ARRAY).filter_map(Entry::from_json).collect()
}

/// Parses an array of rules and prints it anew.
pub(super) fn normalise(v: &Value) -> Value {
    Value::Array(read(v).iter().map(Entry::to_json).collect())
}

/// The rules as values.
pub(super) fn table(rules: &[Entry]) -> RuleTable {
    let mut bytes = Vec::new();
    for rule in rules {
        bytes.push(rule.type_byte);
        bytes.push(rule.value.len() as u8);
        bytes.extend_from_slice(&rule.value);
    }
    RuleTable::parse_blob(&bytes).expect("every type of ours is written in full")
}

/// Reads one rule; `None` for what is none, or of a type that has no JSON form.
pub(crate) fn read_one(v: &Value) -> Option<Rule> {
    table(&[Entry::from_json(v)?]).into_vec().pop()
}

/// Whether a rule has a JSON form, in which it is kept.
pub(super) fn has_form(rule: &Rule) -> bool {
    numbered(rule.kind.number()).is_some()
}

/// Prints rules given as values.
pub(crate) fn print(rules: &[Rule]) -> Value {
    rules.iter().filter_map(|rule| Some(Entry::of(rule)?.to_json())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_range_ends_where_it_starts_unless_told() {
        let rules = read(&json!([{"type": "MATCH_IP_DEST_PORT_RANGE", "start": 22}]));
        assert_eq!(table(&rules).to_vec(), [40, 4, 0, 22, 0, 22]);
    }

    #[test]
    fn flags_of_actions_are_ignored_and_those_of_matches_kept() {
        let rules = read(&json!([
            {"type": "MATCH_ETHERTYPE", "etherType": 2048, "not": true, "or": "true"},
            {"type": "ACTION_DROP", "not": true, "or": true},
            {"type": "INTEGER_RANGE"}, {"type": "ACTION_PRIORITY"}, 5, null, {}
        ]));
        assert_eq!(table(&rules).to_vec(), [0x80 | 0x40 | 37, 2, 8, 0, 0, 0]);
        assert_eq!(table(&rules[..1]).to_vec().len(), 4);
    }

    #[test]
    fn an_address_of_the_other_family_matches_nothing() {
        let rules = read(&json!([{"type": "MATCH_IPV4_SOURCE", "ip": "fd00::1/8"}]));
        assert_eq!(table(&rules).to_vec(), [31, 5, 0, 0, 0, 0, 32]);
    }

    #[test]
    fn every_type_prints_what_it_read() {
        for name in RULE_TYPES.iter().filter(|known| known.fields.is_some()).map(|known| known.name) {
            let once = normalise(&json!([{"type": name}]));
            assert_eq!(normalise(&once), once, "{name}");
            assert_eq!(print(&table(&read(&once))), once, "{name}");
            assert_eq!(once.as_array().unwrap().len(), 1);
        }
    }
}
