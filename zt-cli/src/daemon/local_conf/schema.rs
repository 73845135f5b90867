//! What `local.conf` may hold, as a JSON schema: for editors, for `zt config`, and for remarks on keys that mean nothing.
//!
//! A key that does not stand there is unknown to the node, so a new one is added there first. `x-zt-effect` says when it works:
//! `start` = with the next start, `none` = accepted without effect, absent = while the node runs; `x-zt-restart` says what of a key
//! that works at once waits for the next start all the same; `x-zt-strict` = what is no boolean changes nothing.

use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::boolean;

/// The schema as it is published.
pub const TEXT: &str = include_str!("schema.json");

/// The schema, parsed.
pub fn schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| serde_json::from_str(TEXT).expect("the schema is tested"))
}

/// What can be said of a file without acting on it.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Keys and values that do not do what somebody expects of them.
    pub(super) faults: Vec<String>,
    /// Keys that are understood and have no effect.
    pub(super) notes: Vec<String>,
}

/// Looks for unknown keys, switches that are no booleans, and keys without effect.
pub(super) fn look_at(file: &Map<String, Value>) -> Findings {
    let mut findings = Findings::default();
    members(&mut findings, "", schema(), file);
    findings
}

fn members(findings: &mut Findings, field: &str, schema: &Value, object: &Map<String, Value>) {
    for (key, value) in object {
        let name = if field.is_empty() { key.clone() } else { format!("{field}.{key}") };
        match member(schema, key) {
            Some(schema) => look(findings, &name, schema, value),
            None if schema["additionalProperties"] == false => {
                findings.faults.push(format!("{name}: unknown, has no effect{}", advice(schema, key)));
            }
            None => {}
        }
    }
}

fn look(findings: &mut Findings, field: &str, schema: &Value, value: &Value) {
    if schema["x-zt-effect"] == "none" {
        findings.notes.push(format!("{field}: accepted, but this version does not act on it"));
    } else if schema["type"] == "boolean" && !value.is_boolean() {
        let read = boolean(value, schema["default"] == true);
        let becomes = if schema["x-zt-strict"] == true { "ignored".to_owned() } else { format!("is read as {read}") };
        findings.faults.push(format!("{field}: {value} {becomes}; write true or false"));
    } else if let Value::Object(object) = value {
        members(findings, field, schema, object);
    }
}

/// The schema of a member of an object.
fn member<'s>(schema: &'s Value, key: &str) -> Option<&'s Value> {
    schema["properties"].get(key).or_else(|| schema.get("additionalProperties").filter(|other| other.is_object()))
}

/// The schema of a field by its path of keys.
pub fn of_field<'s>(path: impl IntoIterator<Item = &'s str>) -> Option<&'static Value> {
    path.into_iter().try_fold(schema(), member)
}

/// What somebody may have meant by an unknown key; begins with a semicolon unless empty.
fn advice(schema: &Value, key: &str) -> String {
    if let Some(meant) = nearest(schema, key) {
        return format!("; did you mean {meant}?");
    }
    let settings = &self::schema()["properties"]["settings"];
    let misplaced = !std::ptr::eq(schema, settings) && settings["properties"].get(key).is_some();
    if misplaced { "; it belongs in \"settings\"".to_owned() } else { String::new() }
}

/// The known key that is spelt most like another.
pub fn nearest<'s>(schema: &'s Value, key: &str) -> Option<&'s str> {
    let small = key.to_lowercase();
    let known = schema["properties"].as_object()?.keys().map(|known| {
        let distance = strsim::osa_distance(&small, &known.to_lowercase());
        (distance, known.as_str())
    });
    // Two letters of a long word, one of a short one; what is further apart is another word.
    known.filter(|(distance, known)| *distance <= 2 && distance * 4 <= known.len()).min().map(|(_, known)| known)
}

/// Members of `settings` that differ between two files and of which at least a part waits for the next start, with what does.
pub(super) fn waits_for_start(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<String> {
    let of =
        |file: &Map<String, Value>, key: &str| file.get("settings").and_then(|settings| settings.get(key)).cloned();
    let known = schema()["properties"]["settings"]["properties"].as_object().into_iter().flatten();
    known
        .filter(|(key, _)| of(before, key) != of(after, key))
        .filter_map(|(key, schema)| match (&schema["x-zt-effect"], &schema["x-zt-restart"]) {
            (Value::String(effect), _) if effect == "start" => {
                Some(format!("settings.{key}: takes effect with the next start"))
            }
            (_, Value::String(what)) => Some(format!("settings.{key}: {what}")),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{LocalConf, Settings};
    use super::*;
    use serde_json::json;

    /// Every member of every object of the schema: its path, and its schema.
    fn fields(path: &[String], schema: &'static Value, out: &mut Vec<(Vec<String>, &'static Value)>) {
        let named = schema["properties"].as_object().into_iter().flatten().map(|(key, schema)| (key.as_str(), schema));
        let other = schema["additionalProperties"].is_object().then(|| {
            let example = schema["examples"][0].as_object().and_then(|example| example.keys().next());
            (example.expect("an example of a key").as_str(), &schema["additionalProperties"])
        });
        for (key, schema) in named.chain(other) {
            let path: Vec<String> = path.iter().cloned().chain([key.to_owned()]).collect();
            out.push((path.clone(), schema));
            fields(&path, schema, out);
        }
    }

    fn file_with(path: &[String], value: &Value) -> LocalConf {
        let file = path.iter().rev().fold(value.clone(), |inner, key| json!({ key.as_str(): inner }));
        let Value::Object(file) = file else { unreachable!("a path has a key") };
        LocalConf::from_object(file).expect("usable")
    }

    #[test]
    fn every_field_has_a_description_and_its_example_is_taken_as_it_is_written() {
        let mut all = Vec::new();
        fields(&[], schema(), &mut all);
        assert!(all.len() > 70, "{}", all.len());
        for (path, schema) in all {
            let field = path.join(".");
            if let Some(example) = schema["examples"].get(0) {
                assert!(!schema["description"].as_str().unwrap_or_default().is_empty(), "{field}");
                let remarks = file_with(&path, example).remarks;
                // What depends on its neighbours is told as such.
                let about = remarks.iter().filter(|remark| {
                    !["no base policy", "is invalid, unknown base policy", "must both name", "not for a spare"]
                        .iter()
                        .any(|partner| remark.contains(partner))
                        && !remark.contains("unknown policy")
                        && !remark.contains("is neither a policy")
                });
                assert_eq!(about.count(), 0, "{field}: {remarks:?}");
            }
        }
    }

    #[test]
    fn the_defaults_of_the_schema_are_those_of_the_node() {
        for (key, schema) in schema()["properties"]["settings"]["properties"].as_object().expect("settings") {
            let Some(default) = schema.get("default").filter(|_| key != "primaryPort") else { continue };
            let conf = file_with(&["settings".to_owned(), key.clone()], default);
            assert_eq!((conf.settings, conf.remarks), (Settings::default(), Vec::new()), "{key}");
        }
        for (key, schema) in of_field(["settings", "tcp"]).expect("tcp")["properties"].as_object().expect("an object") {
            let Some(default) = schema.get("default") else { continue };
            let conf = file_with(&["settings".to_owned(), "tcp".to_owned(), key.clone()], default);
            assert_eq!((conf.settings, conf.remarks), (Settings::default(), Vec::new()), "tcp.{key}");
        }
    }

    #[test]
    fn a_key_that_means_nothing_is_told_with_what_was_meant() {
        let told = |text: &str| LocalConf::parse(text.as_bytes()).expect("usable").remarks;
        for (text, remark) in [
            (
                r#"{"settings":{"primaryport":9}}"#,
                "settings.primaryport: unknown, has no effect; did you mean primaryPort?",
            ),
            (
                r#"{"settings":{"lowBandwithMode":true}}"#,
                "settings.lowBandwithMode: unknown, has no effect; did you mean lowBandwidthMode?",
            ),
            (r#"{"setings":{}}"#, "setings: unknown, has no effect; did you mean settings?"),
            (r#"{"primaryPort":9}"#, "primaryPort: unknown, has no effect; it belongs in \"settings\""),
            (r#"{"settings":{"colour":9}}"#, "settings.colour: unknown, has no effect"),
            (
                r#"{"physical":{"10.0.0.0/8":{"blacklsit":true}}}"#,
                "physical.10.0.0.0/8.blacklsit: unknown, has no effect; did you mean blacklist?",
            ),
            (
                r#"{"virtual":{"feedbeef11":{"Try":[]}}}"#,
                "virtual.feedbeef11.Try: unknown, has no effect; did you mean try?",
            ),
            (r#"{"settings":{"tcp":{"proxies":1}}}"#, "settings.tcp.proxies: unknown, has no effect"),
            (
                r#"{"settings":{"portMappingEnabled":"no"}}"#,
                "settings.portMappingEnabled: \"no\" is read as false; write true or false",
            ),
            (
                r#"{"settings":{"portMappingEnabled":null}}"#,
                "settings.portMappingEnabled: null is read as true; write true or false",
            ),
            (r#"{"settings":{"aes":"off"}}"#, "settings.aes: \"off\" ignored; write true or false"),
        ] {
            assert_eq!(told(text), [remark], "{text}");
        }
    }

    #[test]
    fn what_waits_for_a_start_is_known_of_each_key() {
        let Value::Object(before) = json!({"settings": {"primaryPort": 9993, "aes": true, "bind": []}}) else {
            unreachable!()
        };
        let Value::Object(after) = json!({"settings": {"primaryPort": 9994, "udpOffload": "none", "bind": ["::1"]}})
        else {
            unreachable!()
        };
        assert_eq!(
            waits_for_start(&before, &after),
            [
                "settings.primaryPort: the HTTP interface follows with the next start",
                "settings.udpOffload: takes effect with the next start",
                "settings.aes: takes effect with the next start"
            ]
        );
        assert!(waits_for_start(&after, &after).is_empty());
    }

    /// The page is for people; a key that it lacks is one that nobody finds.
    #[test]
    fn the_page_of_the_documents_has_every_key_with_its_default() {
        let page = include_str!("../../../../docs/local-conf.md");
        let mut all = Vec::new();
        fields(&[], schema(), &mut all);
        for (path, schema) in all.iter().filter(|(path, _)| path.len() > 1) {
            let key = path.last().expect("a key");
            let is_name = schema["additionalProperties"] == false && schema.get("examples").is_none();
            let line = page.lines().find(|line| {
                line.starts_with(&format!("| `{key}` |"))
                    && line.contains(schema["description"].as_str().unwrap_or_default())
            });
            assert!(is_name || line.is_some() || schema.get("description").is_none(), "{}", path.join("."));
            if let (Some(default), Some(line)) = (schema.get("default"), line) {
                assert!(line.replace(", ", ",").contains(&format!("`{default}`")), "{line} {default}");
            }
        }
    }
}
