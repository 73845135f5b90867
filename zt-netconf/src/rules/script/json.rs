//! The JSON of a compiled text (04 §6A.4), and of its faults.

use serde_json::{Map, Value, json};
use thiserror::Error;
use zt_wire::rules::{IntegerMatch, Rule, RuleKind};

use super::{CapabilityDefinition, Diagnostic, Position, Script, ScriptRule, Severity, TagDefinition, Written};
use crate::controller::json::coerce;
use crate::controller::rules_json;

/// Why JSON is no script.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JsonError {
    /// Neither an object with rules nor an array of them.
    #[error(
        "no rules in it: expected what `zt rules compile` or `zt network show --json` prints, or an array of rules"
    )]
    NoRules,
    /// An array is something else.
    #[error("`{0}` is no array")]
    NoArray(String),
    /// An element of an array is no object, or has no ID.
    #[error("{0} is no object of the right form")]
    BadElement(String),
    /// A rule that nobody knows.
    #[error("{place}: there is no rule type `{name}`")]
    UnknownType {
        /// Which rule.
        place: String,
        /// Its type.
        name: String,
    },
}

impl Script {
    /// Reads what [`Script::to_json`] prints, the record of a network, or an array of rules. Numbers and addresses become
    /// what a controller keeps of them.
    pub fn from_json(v: &Value) -> Result<Self, JsonError> {
        let config = match v.get("config") {
            Some(config) if config.is_object() => config,
            _ => v,
        };
        let rules = if v.is_array() { v } else { config.get("rules").ok_or(JsonError::NoRules)? };
        let mut script = Self { rules: read_rules(rules, "rules")?, ..Self::default() };
        let mut names = by_name(v.get("capabilitiesByName"), |named| named);
        for (i, element) in array(config.get("capabilities"), "capabilities")?.iter().enumerate() {
            let place = format!("capabilities[{i}]");
            let id = id(element).ok_or_else(|| JsonError::BadElement(place.clone()))?;
            let rules = element.get("rules").unwrap_or(&Value::Null);
            script.capabilities.push(CapabilityDefinition {
                name: take_name(&mut names, id).map_or_else(|| format!("capability_{id}"), |(name, _)| name),
                id,
                default: element.get("default").and_then(coerce::boolean).unwrap_or(false),
                rules: read_rules(rules, &format!("{place}.rules"))?,
                at: Position::default(),
            });
        }
        let mut names = by_name(v.get("tagsByName"), |named| named.get("id").unwrap_or(&Value::Null));
        for (i, element) in array(config.get("tags"), "tags")?.iter().enumerate() {
            let id = id(element).ok_or_else(|| JsonError::BadElement(format!("tags[{i}]")))?;
            script.tags.push(tag(id, element, take_name(&mut names, id)));
        }
        Ok(script)
    }

    /// What the reference compiler prints: `config` as a network takes it, and what the names stand for.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let capabilities = self.capabilities.iter();
        let by_name: Map<_, _> = capabilities.map(|c| (c.name.clone(), json!(c.id))).collect();
        let tags: Map<_, _> = self.tags.iter().map(|tag| (tag.name.clone(), self.tag_json(tag))).collect();
        json!({
            "config": self.config_json(),
            "capabilitiesByName": by_name,
            "tagsByName": tags,
        })
    }

    /// The fields of a network that the text says: `rules`, `capabilities` and `tags`.
    #[must_use]
    pub fn config_json(&self) -> Value {
        let capabilities = self.capabilities.iter();
        let capabilities = capabilities.map(|c| json!({"id": c.id, "default": c.default, "rules": rules(&c.rules)}));
        let tags = self.tags.iter().map(|tag| json!({"id": tag.id, "default": default(tag)}));
        json!({
            "rules": rules(&self.rules),
            "capabilities": capabilities.collect::<Vec<_>>(),
            "tags": tags.collect::<Vec<_>>(),
        })
    }

    fn tag_json(&self, tag: &TagDefinition) -> Value {
        // Quirk (04 §6A.4): flags are signed there.
        let signed = |value: u32| if self.options.compatible { json!(value as i32) } else { json!(value) };
        let enums: Map<_, _> = tag.enums.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let flags: Map<_, _> = tag.flags.iter().map(|(name, value)| (name.clone(), signed(*value))).collect();
        json!({"id": tag.id, "default": default(tag), "enums": enums, "flags": flags})
    }
}

fn default(tag: &TagDefinition) -> Value {
    match tag.written {
        Some(written) => json!(written),
        None => json!(tag.default),
    }
}

fn rules(rules: &[ScriptRule]) -> Value {
    rules.iter().map(rule).collect()
}

/// One rule: the JSON form of a network, in the order of the reference compiler and without what no text can say.
fn rule(rule: &ScriptRule) -> Value {
    let form = match rules_json::print(std::slice::from_ref(&rule.rule)).get(0).cloned() {
        Some(Value::Object(form)) => form,
        _ => formless(&rule.rule),
    };
    let first = ["type", "not", "or"];
    let mut out: Map<_, _> =
        first.iter().filter_map(|key| Some(((*key).to_owned(), form.get(*key)?.clone()))).collect();
    out.extend(form.into_iter().filter(|(key, _)| !first.contains(&key.as_str()) && key != "flags"));
    for (key, value) in &rule.written {
        out.insert(
            (*key).to_owned(),
            match value {
                Written::Number(number) => json!(number),
                Written::Text(text) => json!(text),
            },
        );
    }
    Value::Object(out)
}

fn array<'v>(v: Option<&'v Value>, name: &str) -> Result<&'v [Value], JsonError> {
    match v {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(elements)) => Ok(elements),
        Some(_) => Err(JsonError::NoArray(name.to_owned())),
    }
}

fn id(element: &Value) -> Option<u32> {
    element.get("id").and_then(coerce::unsigned).map(|id| id as u32)
}

/// The elements of a table by name, with their IDs.
fn by_name<'v>(table: Option<&'v Value>, id: impl Fn(&'v Value) -> &'v Value) -> Vec<(String, u32, &'v Value)> {
    let table = table.and_then(Value::as_object).into_iter().flatten();
    table.filter_map(|(name, v)| Some((name.clone(), coerce::unsigned(id(v))? as u32, v))).collect()
}

/// The first name of an ID, which is then used up: two tags may share an ID.
fn take_name<'v>(names: &mut Vec<(String, u32, &'v Value)>, id: u32) -> Option<(String, &'v Value)> {
    let found = names.iter().position(|(_, other, _)| *other == id)?;
    let (name, _, v) = names.remove(found);
    Some((name, v))
}

fn tag(id: u32, element: &Value, named: Option<(String, &Value)>) -> TagDefinition {
    let number = |v: &Value| coerce::unsigned(v).map(|n| n as u32);
    let table = |v: Option<&Value>| -> Vec<(String, u32)> {
        let table = v.and_then(Value::as_object).into_iter().flatten();
        table.filter_map(|(name, v)| Some((name.clone(), number(v)?))).collect()
    };
    let (name, names) = named.map_or_else(|| (format!("tag_{id}"), None), |(name, v)| (name, Some(v)));
    TagDefinition {
        name,
        id,
        default: element.get("default").and_then(number),
        enums: table(names.and_then(|v| v.get("enums"))),
        flags: table(names.and_then(|v| v.get("flags"))),
        at: Position::default(),
        written: None,
    }
}

fn read_rules(v: &Value, place: &str) -> Result<Vec<ScriptRule>, JsonError> {
    let rules = array(Some(v), place)?.iter().enumerate();
    rules.map(|(i, v)| Ok(read_rule(v, &format!("{place}[{i}]"))?.into())).collect()
}

/// One rule, also of those types that no controller takes and no text can say.
fn read_rule(v: &Value, place: &str) -> Result<Rule, JsonError> {
    let name = v.get("type").and_then(Value::as_str).ok_or_else(|| JsonError::BadElement(place.to_owned()))?;
    if let Some(rule) = rules_json::read_one(v) {
        return Ok(rule);
    }
    let flag = |key: &str| v.get(key).and_then(coerce::boolean).unwrap_or(false);
    let number = |key: &str| v.get(key).and_then(coerce::hex_or_number).unwrap_or(0);
    let kind = match name {
        "ACTION_PRIORITY" => RuleKind::Priority,
        "INTEGER_RANGE" => RuleKind::IntegerRange(IntegerMatch {
            first: number("start"),
            last: number("end"),
            index: number("idx") as u16,
            format: (number("bits").saturating_sub(1) as u8 & 0x3f) | u8::from(flag("little")) << 7,
        }),
        _ => return Err(JsonError::UnknownType { place: place.to_owned(), name: name.to_owned() }),
    };
    Ok(Rule { kind, not: flag("not"), or: flag("or") })
}

/// What [`read_rule`] reads of rules that no controller takes. No text makes them.
fn formless(rule: &Rule) -> Map<String, Value> {
    let mut form = Map::new();
    let name = rule.kind.name().map_or_else(|| format!("TYPE_{}", rule.kind.number()), str::to_owned);
    form.insert("type".to_owned(), json!(name));
    if !rule.kind.is_action() {
        form.insert("not".to_owned(), json!(rule.not));
        form.insert("or".to_owned(), json!(rule.or));
    }
    if let RuleKind::IntegerRange(v) = rule.kind {
        form.insert("start".to_owned(), json!(format!("{:x}", v.first)));
        form.insert("end".to_owned(), json!(format!("{:x}", v.last)));
        form.insert("idx".to_owned(), json!(v.index));
        form.insert("little".to_owned(), json!(v.format & 0x80 != 0));
        form.insert("bits".to_owned(), json!((v.format & 0x3f) + 1));
    }
    form
}

impl Diagnostic {
    /// For programs: `severity`, `fault`, `line` and `column` (both from 1), `width`, `message`, and what else is known.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let severity = match self.fault.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let note = self.note.as_ref().map(|(at, text)| json!({"line": at.line, "column": at.column + 1, "text": text}));
        json!({
            "severity": severity,
            "fault": self.fault.name(),
            "line": self.at.line,
            "column": self.at.column + 1,
            "width": self.width,
            "message": self.message,
            "expected": self.expected,
            "help": self.help,
            "note": note,
        })
    }
}
