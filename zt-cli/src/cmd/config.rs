//! `zt config`: the settings of a node, looked at before they are used and changed while it runs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{Globals, Report};
use crate::console::Console;
use crate::daemon::home::read_file;
use crate::daemon::local_conf::places::{Place, Places};
use crate::daemon::local_conf::{LocalConf, LocalConfError, schema};
use crate::render::json::{pretty, without_mark};
use crate::render::table::{Tone, paint};

/// Arguments of `zt config`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt config check                         the local.conf of this node, before it is started
  zt config check /tmp/local.conf         a file that is to become one
  zt config show                          settings of the running node
  zt config show lowBandwidthMode         one of them, its default if it is not set
  zt config set lowBandwidthMode true     change one; the node takes it up at once
  zt config set bind '[\"192.0.2.1\"]'      lists and objects are written as JSON
  zt config schema > local.schema.json    for an editor that completes and checks JSON files")]
pub struct ConfigArgs {
    #[command(subcommand)]
    pub(super) command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Look for mistakes in a local.conf; exits with 1 if there are any
    Check {
        /// The file [default: local.conf in the home folder]
        file: Option<PathBuf>,
    },
    /// Show the settings of the running node
    Show {
        /// One of them
        key: Option<String>,
    },
    /// Change one setting of the running node
    Set {
        /// Which, such as lowBandwidthMode
        key: String,
        /// Its value: a word, or JSON
        value: String,
    },
    /// Print the JSON schema of local.conf
    Schema,
}

/// Runs `zt config`.
pub fn run(args: &ConfigArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    match &args.command {
        ConfigCommand::Check { file: Some(file) } => check(&console.file(file), true, console),
        ConfigCommand::Check { file: None } => check(&globals.home(console)?.file("local.conf"), false, console),
        ConfigCommand::Show { key } => show(key.as_deref(), globals, console),
        ConfigCommand::Set { key, value } => set(key, value, globals, console),
        ConfigCommand::Schema => Ok(Report::new(schema::schema().clone(), schema::TEXT)),
    }
}

/// Something to say about a file.
struct Finding {
    place: Option<Place>,
    text: String,
    is_fault: bool,
}

fn check(file: &Path, must_exist: bool, console: &Console<'_>) -> Result<Report> {
    let content = read_file(file).with_context(|| format!("cannot read {}", file.display()))?;
    let shown = file.display();
    let Some(content) = content else {
        ensure!(!must_exist, "there is no file {shown}");
        let text = format!("{shown} does not exist: the node uses the defaults\n");
        return Ok(Report::new(json!({"file": shown.to_string(), "exists": false, "findings": []}), text));
    };
    let findings = findings(&content);
    let faults = findings.iter().filter(|finding| finding.is_fault).count();
    let mut text = String::new();
    for Finding { place, text: said, is_fault } in &findings {
        let at = place.map_or(String::new(), |Place { line, column }| format!(":{line}:{column}"));
        let (word, tone) = if *is_fault { ("fault", Tone::Bad) } else { ("note", Tone::Faint) };
        let _ = writeln!(text, "{shown}{at}: {}: {said}", paint(word, tone, console.color));
    }
    let _ = match faults {
        0 => writeln!(text, "{shown}: {}", paint("no fault found", Tone::Good, console.color)),
        1 => writeln!(text, "1 fault"),
        n => writeln!(text, "{n} faults"),
    };
    let listed = findings.iter().map(|finding| {
        json!({"line": finding.place.map(|place| place.line), "column": finding.place.map(|place| place.column),
               "fault": finding.is_fault, "text": finding.text})
    });
    let json = json!({"file": shown.to_string(), "exists": true, "findings": listed.collect::<Vec<_>>()});
    Ok(Report { code: i32::from(faults > 0), ..Report::new(json, text) })
}

/// All that is to say about the text of a file, from its beginning to its end.
fn findings(content: &[u8]) -> Vec<Finding> {
    let text = String::from_utf8_lossy(without_mark(content));
    let places = Places::of(&text);
    let mut findings = match LocalConf::parse(content) {
        Ok(conf) => {
            let finding = |text: String, is_fault| Finding { place: places.of_remark(&text), text, is_fault };
            let faults = conf.remarks.into_iter().map(|text| finding(text, true));
            let notes = conf.notes.into_iter().map(|text| finding(text, false));
            faults.chain(notes).collect()
        }
        Err(error) => vec![unusable(&error, &text, &places)],
    };
    findings.sort_by_key(|finding| finding.place);
    findings
}

fn unusable(error: &LocalConfError, text: &str, places: &Places) -> Finding {
    let place = match error {
        LocalConfError::Json { .. } => serde_json::from_str::<Value>(text)
            .err()
            .map(|error| Place { line: error.line().max(1), column: error.column().max(1) }),
        LocalConfError::Settings => places.of_field("settings"),
        _ => None,
    };
    Finding { place, text: error.hint(), is_fault: true }
}

/// The name of a member of `settings` as typed, with or without that word before it.
fn member(key: &str) -> &str {
    key.strip_prefix("settings.").unwrap_or(key)
}

/// What there is to know of a setting.
fn known(key: &str) -> Result<&'static Value> {
    schema::of_field(["settings", member(key)]).with_context(|| {
        let settings = schema::of_field(["settings"]).expect("the schema has settings");
        let meant = schema::nearest(settings, member(key)).map(|near| format!("; did you mean {near}?"));
        format!("there is no setting {key}{}", meant.unwrap_or_else(|| "; `zt config schema` lists all".to_owned()))
    })
}

fn show(key: Option<&str>, globals: &Globals, console: &Console<'_>) -> Result<Report> {
    let schema = key.map(known).transpose()?;
    let config: Value = globals.node(console)?.get("/config")?;
    let (Some(key), Some(schema)) = (key, schema) else {
        let text = format!("{}\n", pretty(&config, 2));
        return Ok(Report::new(config, text));
    };
    let set = config["settings"].get(member(key)).cloned();
    let note = if set.is_some() { "" } else { " (default)" };
    let value = set.or_else(|| schema.get("default").cloned()).unwrap_or_default();
    let text = match &value {
        Value::Null => "not set\n".to_owned(),
        value => format!("{}{note}\n", pretty(value, 2)),
    };
    Ok(Report::new(value, text))
}

fn set(key: &str, value: &str, globals: &Globals, console: &Console<'_>) -> Result<Report> {
    let schema = known(key)?;
    let value = typed(schema, value);
    let name = member(key);
    let settings = Map::from_iter([(name.to_owned(), value.clone())]);
    let conf = LocalConf::from_object(Map::from_iter([("settings".to_owned(), Value::Object(settings))]))
        .map_err(|error| anyhow!("{}", error.hint()))?;
    if let Some(remark) = conf.remarks.first() {
        // A policy may stand in the file already, which the node knows and this command does not.
        ensure!(["defaultBondingPolicy", "peerSpecificBonds"].contains(&name), "nothing was changed: {remark}");
    }
    if let Some(note) = conf.notes.first() {
        bail!("nothing was changed: {note}");
    }
    let _: Value = globals.node(console)?.post("/config/settings", &json!({ name: value }))?;
    let later = match (&schema["x-zt-effect"], &schema["x-zt-restart"]) {
        (Value::String(_), _) => "it takes effect with the next start".to_owned(),
        (_, Value::String(what)) => format!("the node has taken it up; {what}"),
        _ => "the node has taken it up".to_owned(),
    };
    let text = format!("settings.{name} is {value}: {later}\n");
    Ok(Report::new(json!({"key": name, "value": value, "later": later}), text))
}

/// A value as typed: JSON, or a word where text is wanted.
fn typed(schema: &Value, text: &str) -> Value {
    let is_text = schema["type"] == "string" && !text.starts_with('"');
    let parsed = (!is_text).then(|| serde_json::from_str(text).ok()).flatten();
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<String> {
        let at =
            |place: Option<Place>| place.map_or("?".to_owned(), |place| format!("{}:{}", place.line, place.column));
        findings(text.as_bytes()).into_iter().map(|finding| format!("{} {}", at(finding.place), finding.text)).collect()
    }

    #[test]
    fn each_finding_has_its_line_and_column_in_the_order_of_the_file() {
        let found = said(
            "{\n  \"settings\": {\n    \"softwareUpdate\": \"apply\",\n    \"primryPort\": 1,\n    \"bind\": [], \"bind\": 7\n  }\n}",
        );
        let begins = [
            "3:5 settings.softwareUpdate: accepted, but",
            "4:5 settings.primryPort: unknown, has no effect; did you mean primaryPort?",
            "5:17 settings.bind: ignored, must be an array",
            "5:17 settings.bind: stands there twice, in lines 5 and 5",
        ];
        assert_eq!(found.len(), begins.len(), "{found:#?}");
        for (found, begin) in found.iter().zip(begins) {
            assert!(found.starts_with(begin), "{found}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_used_is_told_with_the_place() {
        assert!(
            said("{\n \"settings\": {,}}")[0].starts_with("2:15 local.conf: "),
            "{:?}",
            said("{\n \"settings\": {,}}")
        );
        assert!(said("{\n  \"settings\": 5}")[0].starts_with("2:3 write \"settings\""));
        assert!(said("[]")[0].starts_with("? local.conf must hold one object"));
        assert_eq!(said(""), [""; 0]);
    }

    #[test]
    fn a_value_is_json_or_a_word() {
        let read = |key: &str, text: &str| typed(known(key).expect("known"), text);
        assert_eq!(read("lowBandwidthMode", "true"), json!(true));
        assert_eq!(read("settings.tapOffload", "none"), json!("none"));
        assert_eq!(read("tcpFallbackRelay", "\"192.0.2.1/443\""), json!("192.0.2.1/443"));
        assert_eq!(read("bind", "[\"::1\"]"), json!(["::1"]));
        assert_eq!(read("primaryPort", "9994"), json!(9994));
        assert!(known("lowBandwithMode").expect_err("unknown").to_string().contains("did you mean lowBandwidthMode?"));
    }
}
