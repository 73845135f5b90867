//! `zt network rules`: the rules of a network on this node's controller.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};
use zt_netconf::rules::diff::Names;
use zt_netconf::rules::script::Script;
use zt_netconf::rules::trial::{Party, RuleSet};

use super::diff;
use super::hosted::{self, Hosted, kept_script};
use super::source::Rules;
use super::test::Trial;
use crate::cmd::{Node, Report, named};
use crate::console::Console;
use crate::render::Screen;

/// Arguments of `zt network rules`.
#[derive(Debug, Args)]
#[command(
    after_help = "Without a file the rules of the network are shown as text: the one that they were made from, or one that
compiles to the same.

A file is applied if it compiles and the cases beside it (FILE with .cases) are as they must be."
)]
pub(crate) struct ApplyArgs {
    /// Network: its ID, or its name
    #[arg(value_parser = named::network)]
    network: String,
    /// File with the rules it is to have
    file: Option<String>,
    /// File of cases [default: the same name with .cases]
    #[arg(long, value_name = "FILE", requires = "file")]
    cases: Option<String>,
    /// Show what would change, and change nothing
    #[arg(long, requires = "file")]
    dry_run: bool,
}

/// Runs `zt network rules`.
pub(crate) fn run(args: ApplyArgs, node: &Node, console: &mut Console<'_>) -> Result<Report> {
    let args = ApplyArgs { network: named::hosted(node, &args.network)?, ..args };
    match &args.file {
        Some(file) => apply(&args, file, node, console),
        None => show(&args, node),
    }
}

/// The text that a network keeps, or one that says the same.
fn show(args: &ApplyArgs, node: &Node) -> Result<Report> {
    let network = hosted::network(node, &args.network)?;
    let object = Value::Object(network.to_json());
    let mut text = network.rules_source.clone();
    if text.is_empty() {
        let explained = Script::from_json(&object)?.explain();
        text = format!("# Made from the rules of the network, which keeps no text of them.\n{}", explained.text);
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let field = |key: &str| object.get(key).cloned().unwrap_or_default();
    let json = json!({
        "network": args.network,
        "rulesSource": field("rulesSource"),
        "text": text,
        "rules": field("rules"),
        "capabilities": field("capabilities"),
        "tags": field("tags"),
    });
    Ok(Report::new(json, text))
}

fn apply(args: &ApplyArgs, file: &str, node: &Node, console: &mut Console<'_>) -> Result<Report> {
    let rules = Rules::read(file, console)?;
    let cases = rules.cases(args.cases.as_deref(), console)?;
    let trial = cases.as_ref().map(|(name, cases)| Trial::of(&rules, name, cases));
    if let Some(trial) = trial.as_ref().filter(|trial| trial.failed() > 0) {
        bail!("nothing was changed: {}\n{}", trial.summary(), trial.table(true, Screen::default()).trim_end());
    }
    let hosted = Hosted::ask(node, &args.network)?;
    let old = kept_script(&hosted.network);
    let mut names = Names::of(&old);
    names.extend(Names::of(&rules.script));
    let sets = [&hosted.network.rule_set(), &RuleSet::of(&rules.script)];
    let difference = diff::compare(hosted.network.id, sets, &hosted.members, &names, console);
    let mut text = trial.as_ref().map_or_else(
        || format!("no cases beside {file}: nothing was tried\n"),
        |trial| format!("{}\n", trial.summary()),
    );
    text += &diff::text(&difference, &hosted.members, console.screen());
    for line in lost(&hosted.members, &rules.script, &names) {
        text += &format!("{line}\n");
    }
    let id = &args.network;
    if args.dry_run {
        text += &format!("network {id} was not changed (--dry-run)\n");
    } else {
        let _: Value = node.post(&format!("/controller/network/{id}"), &body(&rules))?;
        text += &format!("network {id} has the rules of {file}\n");
    }
    let json = json!({
        "network": id,
        "applied": !args.dry_run,
        "cases": trial.map(|trial| trial.json()),
        "difference": diff::to_json(&difference, &hosted.members),
    });
    Ok(Report::new(json, text))
}

/// The fields of the network. Of several tags with one ID the last counts, as the controller has it (05 §2).
fn body(rules: &Rules) -> Value {
    let mut body = rules.script.config_json();
    let tags = body.get("tags").and_then(Value::as_array).cloned().unwrap_or_default();
    let by_id: BTreeMap<u64, Value> =
        tags.into_iter().filter_map(|tag| Some((tag.get("id")?.as_u64()?, tag))).collect();
    body["tags"] = by_id.into_values().collect();
    body["rulesSource"] = json!(rules.text);
    body
}

/// What members hold that means nothing under the new rules.
fn lost(members: &[Party], script: &Script, names: &Names) -> Vec<String> {
    let mut holders: BTreeMap<String, usize> = BTreeMap::new();
    for party in members {
        for id in party.capabilities.iter().filter(|id| script.capabilities.iter().all(|c| c.id != **id)) {
            *holders.entry(format!("capability {}", names.capability(*id))).or_default() += 1;
        }
        for (id, value) in party.tags.iter().filter(|(id, _)| script.tags.iter().all(|tag| tag.id != **id)) {
            *holders.entry(format!("tag {}", names.tag(*id, *value))).or_default() += 1;
        }
    }
    let line = |(what, count)| match count {
        1 => format!("1 member holds {what}, which these rules do not define"),
        _ => format!("{count} members hold {what}, which these rules do not define"),
    };
    holders.into_iter().map(line).collect()
}
