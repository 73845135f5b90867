//! `zt trace`: what members of a network hosted by this node tell about themselves (04 §8).

mod filter;
mod line;
mod rules;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};
use zt_netconf::trace::TraceLevel;

use super::{Globals, Node, Report, named, node_address};
use crate::api;
use crate::console::Console;
use crate::say;
use filter::Filter;
use line::Line;
use rules::Rules;

/// Seconds that the node may take to answer without news.
const WAIT: u64 = 10;
/// The same while one member's level has to be looked after.
const LOOK: u64 = 2;

/// Arguments of `zt trace`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt trace --enable 8056c2e21c000001 --level rules
                                      ask all members to tell, then show what they tell
  zt trace --enable 8056c2e21c000001 --member fe39e980ad --level verbose
                                      ask one of them
  zt trace --network 8056c2e21c000001 --event filter
  zt trace --past                     what was told so far, and no more
  zt trace --disable 8056c2e21c000001

Levels: normal (paths, refused credentials), verbose (and dropped frames), rules (and each decision
of the rules, with the rule logs and the first bytes of frames), debug, insane.
Members learn of a change at once when they are online; a node tells twenty things in a second.
A controller sets the level of one member back whenever that asks for its configuration, so that
telling ends by itself within a minute; while `zt trace --enable … --member …` runs, it asks again.")]
pub struct TraceArgs {
    /// Ask the members of a network to tell
    #[arg(long, value_name = "NETWORK", value_parser = named::network, conflicts_with_all = ["disable", "past"])]
    enable: Option<String>,
    /// Ask them no more
    #[arg(long, value_name = "NETWORK", value_parser = named::network, conflicts_with = "past")]
    disable: Option<String>,
    /// How much they tell
    #[arg(long, requires = "enable", default_value = "verbose", value_parser = level)]
    level: TraceLevel,
    /// Show only this member; with --enable and --disable: ask only this one
    #[arg(long, value_name = "ADDRESS", value_parser = node_address)]
    member: Option<String>,
    /// Show only this network
    #[arg(long, value_name = "NETWORK", value_parser = named::network)]
    network: Option<String>,
    /// Show only these events: four hex digits, or a word of their names
    #[arg(long, value_name = "EVENT")]
    event: Vec<String>,
    /// Show each rule that was looked at, not only the one that decided
    #[arg(long)]
    rules: bool,
    /// Show what was told so far, then end
    #[arg(long)]
    past: bool,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS", conflicts_with = "past")]
    seconds: Option<u64>,
}

fn level(text: &str) -> Result<TraceLevel, String> {
    let names = || TraceLevel::NAMED.map(|(name, _)| name).join(", ");
    let number = || text.parse().ok().map(TraceLevel);
    TraceLevel::named(text).or_else(number).ok_or_else(|| format!("a level is one of {}, or a number", names()))
}

/// Runs `zt trace`.
pub fn run(mut args: TraceArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    let node = globals.node(console)?;
    for network in [&mut args.enable, &mut args.disable, &mut args.network].into_iter().flatten() {
        *network = named::hosted(&node, network)?;
    }
    let args = &args;
    if let Some(network) = &args.disable {
        return ask(&node, network, args.member.as_deref(), None, args.level);
    }
    if let Some(network) = &args.enable {
        let own = node.get::<api::Status>("/status")?.address;
        let report = ask(&node, network, args.member.as_deref(), Some(&own), args.level)?;
        if !globals.json {
            say!(console, "{}", report.text);
        }
    }
    let filter = Filter::new(args.network.as_deref().or(args.enable.as_deref()), args.member.as_deref(), &args.event)?;
    show(args, globals, &node, &filter, console)
}

/// Asks one member again after its controller set the level back (05 §3).
fn ask_again(args: &TraceArgs, node: &Node) -> Result<()> {
    let (Some(network), Some(member)) = (&args.enable, &args.member) else { return Ok(()) };
    let path = format!("/controller/network/{network}/member/{member}");
    let record: Value = node.get(&path)?;
    let Some(target) = record["remoteTraceTarget"].as_str() else { bail!("{member} was told to tell nobody") };
    if record["remoteTraceLevel"].as_u64().unwrap_or(0) < args.level.0 {
        let body = json!({"remoteTraceTarget": target, "remoteTraceLevel": args.level.0});
        let _: Value = node.post(&path, &body)?;
    }
    Ok(())
}

/// Sets target and level of a network or of one of its members.
fn ask(node: &Node, network: &str, member: Option<&str>, target: Option<&str>, level: TraceLevel) -> Result<Report> {
    let mut path = format!("/controller/network/{network}");
    // What is not there would be made by the request.
    let _: Value = node.get(&path).map_err(|error| error.context(format!("{network} is not hosted by this node")))?;
    if let Some(member) = member {
        path += &format!("/member/{member}");
        let _: Value = node.get(&path).map_err(|error| error.context(format!("{network} has no member {member}")))?;
    }
    let level = if target.is_some() { level.0 } else { 0 };
    let body = json!({"remoteTraceTarget": target, "remoteTraceLevel": level});
    let changed: Value = node.post(&path, &body)?;
    let who = member.map_or_else(|| format!("members of {network}"), |member| format!("{member} in {network}"));
    let text = match target {
        Some(_) => format!("{who} tell this node what happens, at level {}\n", name(level)),
        None => format!("{who} tell nobody\n"),
    };
    Ok(Report::new(changed, text))
}

fn name(level: u64) -> String {
    let known = TraceLevel::NAMED.iter().find(|(_, known)| known.0 == level);
    known.map_or_else(|| level.to_string(), |(name, _)| (*name).to_owned())
}

/// Shows traces as they come, or those of before.
fn show(
    args: &TraceArgs,
    globals: &Globals,
    node: &Node,
    filter: &Filter,
    console: &mut Console<'_>,
) -> Result<Report> {
    let start = Instant::now();
    let end = args.seconds.map(Duration::from_secs);
    // What was told before is shown only when asked for.
    let mut after = if args.past { 0 } else { node.get::<api::Traces>("/trace")?.newest };
    let mut rules = Rules::default();
    let mut told = Vec::new();
    loop {
        let left = end.map(|end| end.saturating_sub(start.elapsed()));
        let most = if args.enable.is_some() && args.member.is_some() { LOOK } else { WAIT };
        let wait = if args.past { 0 } else { left.map_or(most, |left| most.min(left.as_secs().max(1))) };
        let news: api::Traces = node.get(&format!("/trace?after={after}&wait={wait}"))?;
        if news.newest < after {
            bail!("the node was started again; start `zt trace` again too");
        }
        after = news.newest;
        for trace in news.traces.iter().filter(|trace| filter.takes(trace)) {
            let read = if args.past {
                told.push(trace.clone());
                true
            } else if globals.json {
                console.print(format_args!("{}\n", serde_json::to_string(trace)?))
            } else {
                rules.learn(node, trace);
                let line = Line { trace, rules: rules.words(trace, args.rules), color: console.color };
                console.print(format_args!("{line}"))
            };
            if !read {
                // Nobody sees what would follow.
                return Ok(Report::new(Value::Null, ""));
            }
        }
        if args.past || left.is_some_and(|left| left.is_zero()) {
            break;
        }
        ask_again(args, node)?;
    }
    if !args.past {
        return Ok(Report::new(Value::Null, ""));
    }
    let mut text = String::new();
    for trace in &told {
        rules.learn(node, trace);
        text += &Line { trace, rules: rules.words(trace, args.rules), color: console.color }.to_string();
    }
    if told.is_empty() {
        "nothing was told; `zt trace --enable <network ID>` asks its members\n".clone_into(&mut text);
    }
    Ok(Report::new(serde_json::to_value(&told)?, text))
}
