//! `zt rules compile` and `zt rules check`: text to what a network takes.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::{Value, json};
use zt_netconf::rules::script::{Diagnostic, Options, Script};

use super::source::Rules;
use crate::cmd::Report;
use crate::console::Console;
use crate::daemon::home::replace_file;
use crate::render::json::pretty;

/// Arguments of `zt rules compile`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt rules compile lab.rules -o lab.json
  printf 'drop not ethertype ipv4 not ethertype arp; accept;' | zt rules compile -
  zt rules compile lab.rules | jq .config

The JSON is that of the original compiler: `config` is what a network takes, the rest says what names stand for.
Faults and warnings go to standard error; with --json faults go to standard output as JSON. Exit code: 0 compiled,
1 not. The language: docs/rules.md.")]
pub(crate) struct CompileArgs {
    /// File with rules; - is standard input
    file: String,
    /// File for the JSON [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    reading: Reading,
}

/// Arguments of `zt rules check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt rules check lab.rules
  zt rules check --strict lab.rules            for scripts: warnings count as faults
  zt rules check --json lab.rules              faults and warnings with their places, for editors")]
pub(crate) struct CheckArgs {
    /// File with rules; - is standard input
    file: String,
    /// Fail if there are warnings
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    reading: Reading,
}

/// How a text is read.
#[derive(Debug, Args)]
struct Reading {
    /// Make the mistakes of the original compiler: masks of `chr` with bit 63 or 31 and others, flags on bit 31
    #[arg(long)]
    compatible: bool,
}

impl Reading {
    const fn options(&self) -> Options {
        Options { compatible: self.compatible }
    }
}

/// Runs `zt rules compile`.
pub(crate) fn compile(args: &CompileArgs, console: &mut Console<'_>) -> Result<Report> {
    let rules = Rules::read_as(&args.file, args.reading.options(), console)?;
    let json = rules.script.to_json();
    let text = pretty(&json, 2) + "\n";
    let Some(output) = &args.output else { return Ok(Report::new(json, text)) };
    replace_file(&console.file(output), text.as_bytes(), 0o644)
        .with_context(|| format!("cannot write {}", output.display()))?;
    Ok(Report::new(json!({"output": output, "counts": counts(&rules.script)}), format!("{}\n", summary(&rules.script))))
}

/// Runs `zt rules check`.
pub(crate) fn check(args: &CheckArgs, console: &mut Console<'_>) -> Result<Report> {
    let rules = Rules::read_as(&args.file, args.reading.options(), console)?;
    let warnings: Vec<Value> = rules.script.warnings.iter().map(Diagnostic::to_json).collect();
    let failed = args.strict && !warnings.is_empty();
    let told = match warnings.len() {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        n => format!(", {n} warnings"),
    };
    let json = json!({"errors": [], "warnings": warnings, "counts": counts(&rules.script)});
    let mut report = Report::new(json, format!("{}: {}{told}\n", rules.name, summary(&rules.script)));
    report.code = i32::from(failed);
    Ok(report)
}

fn counts(script: &Script) -> Value {
    json!({
        "rules": script.rules.len(),
        "capabilities": script.capabilities.len(),
        "tags": script.tags.len(),
    })
}

/// `5 rules, 1 capability, 2 tags`.
fn summary(script: &Script) -> String {
    let count = |number: usize, one: &str, more: &str| format!("{number} {}", if number == 1 { one } else { more });
    let mut parts = vec![count(script.rules.len(), "rule", "rules")];
    for (number, one, more) in
        [(script.capabilities.len(), "capability", "capabilities"), (script.tags.len(), "tag", "tags")]
    {
        if number > 0 {
            parts.push(count(number, one, more));
        }
    }
    parts.join(", ")
}
