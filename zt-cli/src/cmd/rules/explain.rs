//! `zt rules explain`: what a network has, as text.

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::{Value, json};
use zt_netconf::rules::script::Script;

use super::source::read_text;
use crate::cmd::Report;
use crate::complain;
use crate::console::Console;

/// Arguments of `zt rules explain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt network show 8056c2e21c000001 --json | zt rules explain -
  zt rules explain lab.json > lab.rules

The text compiles to the same rules. What the language cannot say stands in comments and is told on standard error;
the exit code is then 1.")]
pub(crate) struct ExplainArgs {
    /// JSON of a network, of `zt rules compile`, or an array of rules; - is standard input
    file: String,
}

/// Runs `zt rules explain`.
pub(crate) fn run(args: &ExplainArgs, console: &mut Console<'_>) -> Result<Report> {
    let name = &args.file;
    let text = read_text(name, console)?;
    let json: Value = serde_json::from_str(&text).with_context(|| format!("{name} is no JSON"))?;
    let script = Script::from_json(&json).with_context(|| format!("cannot explain {name}"))?;
    let explained = script.explain();
    for untold in &explained.untold {
        complain!(console, "zt: the language cannot say {untold}\n");
    }
    let untold = explained.untold.iter().map(|u| json!({"place": u.place, "what": u.what}));
    let json = json!({"text": explained.text, "untold": untold.collect::<Vec<_>>()});
    let mut report = Report::new(json, explained.text);
    report.code = i32::from(!explained.untold.is_empty());
    Ok(report)
}
