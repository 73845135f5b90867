//! Two uplinks and every policy, both ends ours or one of them stock; see `cargo xtask bench bonding`.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use zt_test_e2e::Program;
use zt_test_e2e::uplinks::{FLOWS, Figures, RATE, Rate, State, Uplinks};

const HELP: &str = "usage: bonding [--peer DIR] [--policy NAME] [--pair WHICH] [--sent yes]

  --peer DIR      folder with the stock zerotier-one, measured against ours in both directions
  --policy NAME   only this policy [all]
  --pair WHICH    only ours-ours, ours-stock or stock-ours [all]
  --sent yes      behind each table what the sender sent in each state: by which uplink, how long, how much again";

/// Policies, the sender's and that of a stock node at the other end.
const POLICIES: [&str; 6] = ["active-backup", "broadcast", "balance-rr", "balance-xor", "balance-aware", "adaptive"];
/// Share of the best single uplink below which a policy does harm, and what two uplinks are to give.
const FLOOR: f64 = 0.95;
const GAIN: f64 = 1.8;

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("bonding: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<()> {
    let (mut peer, mut policies, mut pair, mut shows_sent) = (None, POLICIES.to_vec(), None, false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} needs a value\n{HELP}"))?;
        match word.as_str() {
            "--peer" => peer = Some(PathBuf::from(value)),
            "--policy" => policies.retain(|name| name == value),
            "--pair" => pair = Some(value.as_str()),
            "--sent" if value == "yes" => shows_sent = true,
            other => bail!("unknown argument {other}\n{HELP}"),
        }
    }
    ensure!(!policies.is_empty(), "no such policy\n{HELP}");
    let ours = Program::ours()?;
    let mut pairs = vec![("ours-ours", [ours.clone(), ours.clone()])];
    if let Some(peer) = &peer {
        let stock = Program::stock(peer)?;
        pairs.push(("ours-stock", [ours.clone(), stock.clone()]));
        pairs.push(("stock-ours", [stock, ours]));
    }
    println!(
        "{FLOWS} flows over two uplinks of {RATE} Mbit/s; Mbit/s of payload, and against one uplink in the same run"
    );
    for (name, programs) in pairs.iter().filter(|(name, _)| pair.is_none_or(|wanted| wanted == *name)) {
        let sent = table(name, [&programs[0], &programs[1]], &policies)?;
        if shows_sent {
            println!("\n{}", sent.join("\n"));
        }
    }
    Ok(())
}

/// Prints a table; what was sent for it, line by line.
fn table(name: &str, programs: [&Program; 2], policies: &[&str]) -> Result<Vec<String>> {
    let states: String = State::ALL.map(|state| format!(" {state} |")).concat();
    println!("\n| {name} |{states} longest gap | overtaken |\n|---|{}---|---|", "---|".repeat(State::ALL.len()));
    // Without a bond one of the two carries all, whichever it is; a stock node stays on it when it is cut.
    let first = scene(programs, ["none"; 2])?.rate(State::Good)?;
    let alone = first.megabits;
    let mut sent = vec![format!("no bond, {}: {}", State::Good, first.sent)];
    println!("| one uplink, no bond | {alone:.0} | | | | | | |");
    for policy in policies {
        let of = |program: &Program| match (program, *policy) {
            (Program::Stock(_), "adaptive") => "balance-aware",
            (_, policy) => policy,
        };
        if matches!((programs[0], *policy), (Program::Stock(_), "adaptive")) {
            continue;
        }
        match scene(programs, programs.map(of)).and_then(|scene| scene.figures()) {
            Ok(figures) => {
                println!("| `{policy}` |{}", row(&figures, alone, policy));
                let states = State::ALL.into_iter().zip(&figures.rates);
                sent.extend(states.map(|(state, rate)| format!("{policy}, {state}: {}", rate.sent)));
            }
            Err(error) => println!("| `{policy}` | {error:#} |"),
        }
    }
    Ok(sent)
}

fn scene(programs: [&Program; 2], policies: [&str; 2]) -> Result<Uplinks> {
    Uplinks::new("bonding", programs, policies)?.context("this machine has no namespaces or TAP devices")
}

/// What falls short is marked.
fn row(figures: &Figures, alone: f64, policy: &str) -> String {
    let wanted = |state| if state == State::Good && policy.starts_with("bal") { GAIN } else { FLOOR };
    let cell = |(state, rate): (State, &Rate)| {
        let rate = rate.megabits;
        let mark = if rate / alone < wanted(state) { " (!)" } else { "" };
        format!(" {rate:.0} = {:.2}{mark} |", rate / alone)
    };
    let cells: String = State::ALL.into_iter().zip(&figures.rates).map(cell).collect();
    let gap = figures.failover.longest_gap.as_secs_f64();
    let mark = if gap < 1.0 { "" } else { " (!)" };
    format!("{cells} {gap:.2} s{mark} | {} |", figures.failover.overtaken)
}
