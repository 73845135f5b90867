//! The JSON of a compiled text (04 §6A.4), and of its faults.

use serde_json::{Map, Value, json};

use super::{Diagnostic, Script, ScriptRule, Severity, TagDefinition, Written};
use crate::controller::rules_json;

impl Script {
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
    let Some(Value::Object(form)) = rules_json::print(std::slice::from_ref(&rule.rule)).get(0).cloned() else {
        unreachable!("all that the compiler makes has a JSON form")
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
