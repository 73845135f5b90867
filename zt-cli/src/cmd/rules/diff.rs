//! `zt rules diff`: what a change of rules would open and cut.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use zt_netconf::rules::diff::{self, Change, Difference, Group, Names, Ways};
use zt_netconf::rules::script::Script;
use zt_netconf::rules::trial::{Party, RuleSet};
use zt_wire::NetworkId;

use super::hosted::{Hosted, kept_script};
use super::source::Rules;
use crate::cmd::{Globals, Report, named, network_id};
use crate::complain;
use crate::console::Console;
use crate::render::Screen;
use crate::render::table::{Table, Tone};

/// Exit code when something changes.
pub(crate) const CHANGES: i32 = 3;

/// How long nothing is said about how far it is.
const QUIET: Duration = Duration::from_secs(2);

/// Arguments of `zt rules diff`.
#[derive(Debug, Args)]
#[command(after_help = "Exit code: 0 nothing changes, 3 something does, 1 it could not be found out.")]
pub(crate) struct DiffArgs {
    /// A network of this node's controller by its ID or name, or a file with the rules of before
    #[arg(value_name = "NETWORK|FILE")]
    pub(crate) old: String,
    /// File with the rules of after
    #[arg(value_name = "FILE")]
    pub(crate) new: String,
    /// Members from a file of cases, instead of those that the controller knows
    #[arg(long, value_name = "FILE")]
    pub(crate) members: Option<String>,
}

impl DiffArgs {
    /// It asks a node: what is no file is a network.
    fn asks_node(&self, console: &Console<'_>) -> bool {
        network_id(&self.old).is_ok() || self.old != "-" && !self.old.contains('/') && !console.file(&self.old).exists()
    }
}

/// Runs `zt rules diff`.
pub(crate) fn run(args: &DiffArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    let new = Rules::read(&args.new, console)?;
    let listed = |old: &Script, console: &mut Console<'_>| new.members(old, args.members.as_deref(), console);
    let (network, old, mut names, members) = if args.asks_node(console) {
        let unread = || format!("{} is neither a file nor a network of this node's controller", args.old);
        let node = globals.node(console).with_context(unread)?;
        let hosted = Hosted::ask(&node, &named::hosted(&node, &args.old).with_context(unread)?)?;
        let kept = kept_script(&hosted.network);
        let names = Names::of(&kept);
        let members = match &args.members {
            Some(_) => listed(&kept, console)?.map(|cases| cases.members).unwrap_or_default(),
            None => hosted.members,
        };
        (hosted.network.id, hosted.network.rule_set(), names, members)
    } else {
        let old = Rules::read(&args.old, console)?;
        let Some(cases) = listed(&old.script, console)? else {
            bail!("whose frames? Write members into {}, or name a file with --members", beside(&args.new))
        };
        (cases.network, RuleSet::of(&old.script), Names::of(&old.script), cases.members)
    };
    names.extend(Names::of(&new.script));
    let difference = compare(network, [&old, &RuleSet::of(&new.script)], &members, &names, console);
    let text = text(&difference, &members, console.screen());
    let code = if difference.is_empty() { 0 } else { CHANGES };
    Ok(Report { code, ..Report::new(to_json(&difference, &members), text) })
}

fn beside(file: &str) -> String {
    std::path::Path::new(file).with_extension("cases").display().to_string()
}

/// Compares, and says how far it is when that takes long.
pub(crate) fn compare(
    network: NetworkId,
    sets: [&RuleSet; 2],
    members: &[Party],
    names: &Names,
    console: &mut Console<'_>,
) -> Difference {
    let clock = console.clock;
    let mut said = clock();
    let quiet = QUIET.as_millis() as i64;
    diff::compare(network, sets, members, names, &mut |done, total| {
        if clock() - said >= quiet {
            said = clock();
            complain!(console, "comparing: {done} of {total} pairs of groups\n");
        }
    })
}

/// For people.
#[must_use]
pub(crate) fn text(difference: &Difference, members: &[Party], screen: Screen) -> String {
    let mut out = String::new();
    let mut table = Table::new(&["change", "between", "frames"]);
    for line in &difference.lines {
        let [change, between] = difference.words(line, members);
        let tone = match line.change {
            Change::Opened => Tone::Good,
            Change::Cut => Tone::Bad,
            _ => Tone::Fair,
        };
        let mut first = Some((change, between));
        for frames in &line.frames {
            let (change, between) = first.take().unwrap_or_default();
            table.row([(change, tone), (between, Tone::Plain), (frames.clone(), Tone::Plain)]);
        }
    }
    if !table.is_empty() {
        out += &table.render(screen);
    } else if members.len() < 2 {
        out += "there are no two members whose frames could be compared\n";
    } else {
        out += "nothing changes\n";
    }
    for group in difference.groups.iter().filter(|group| group.members.len() > 1 && difference.groups.len() > 1) {
        out += &format!("{}: {} members\n", group.name, group.members.len());
    }
    if !difference.alike.is_empty() {
        let alike: usize = difference.alike.iter().map(|group| group.members.len()).sum();
        let groups = difference.alike.len();
        out += &format!(
            "{alike} more members in {groups} groups have other values of tags, which no rule names: what holds for those above holds for them\n"
        );
    }
    for what in &difference.left_out {
        out += &format!("not complete: {what}\n");
    }
    let (of, groups, tried) = (members.len(), difference.groups.len(), difference.tried);
    out += &format!("{of} members in {groups} groups, {tried} frames judged under both\n");
    out
}

/// For scripts.
#[must_use]
pub(crate) fn to_json(difference: &Difference, members: &[Party]) -> Value {
    let list = |groups: &[Group]| -> Vec<Value> {
        let group = |group: &Group| {
            let nodes: Vec<String> = group.members.iter().map(|at| members[*at].address.to_string()).collect();
            json!({"name": group.name, "members": nodes})
        };
        groups.iter().map(group).collect()
    };
    let lines: Vec<Value> = difference
        .lines
        .iter()
        .map(|line| {
            let node = match line.change {
                Change::Redirected(node) | Change::Copied(node) | Change::NotCopied(node) => Some(node.to_string()),
                Change::Opened | Change::Cut | Change::ByChance => None,
            };
            json!({
                "change": word(line.change),
                "node": node,
                "from": line.from,
                "to": line.to,
                "ways": match line.ways {
                    Ways::One => "one",
                    Ways::Both => "both",
                    Ways::AnyTwo => "anyTwo",
                },
                "frames": line.frames,
            })
        })
        .collect();
    json!({
        "changes": lines,
        "groups": list(&difference.groups),
        "alike": list(&difference.alike),
        "tried": difference.tried,
        "leftOut": difference.left_out,
    })
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Opened => "opened",
        Change::Cut => "cut",
        Change::Redirected(_) => "redirected",
        Change::ByChance => "byChance",
        Change::Copied(_) => "copied",
        Change::NotCopied(_) => "notCopied",
    }
}
