//! Runs the scenario of [`zt_test_e2e::roles`], NATs and C hosts with stock binaries in some roles; see `cargo xtask
//! interop`.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use zt_test_e2e::c_cut::{self, Loss};
use zt_test_e2e::c_host::{CoreLibrary, Example};
use zt_test_e2e::c_scene::{beside_a_daemon, on_two_cores};
use zt_test_e2e::roles::{Cast, Roles, Scenario, Underlay};
use zt_test_e2e::rules::{self, Outcome, Pairing, table};
use zt_test_e2e::tcp_relay::{self, our_server};
use zt_test_e2e::{Program, nats};

const HELP: &str = "usage: interop --peer DIR [--old DIR] [--core FILE] [--relay FILE] [--only TEXT] [--verbose]

  --peer DIR    folder with the stock zerotier-one (1.14.1)
  --old DIR     folder with an old one (1.2.12), as member B; of rule sets as B and C
  --core FILE   the stock core's libzerotiercore.a, for the C host that runs on either library; `make core` leaves
                osdep/OSUtils.o out of it, which it needs
  --relay FILE  the stock server of the TCP relay (tcp-proxy), for our member by it
  --only TEXT   only scenarios whose name contains it; those of rule sets are called as `rules ours–stock`
  --sets TEXTS  only rule sets whose name contains one of them (with commas between)
  --verbose     each step with its time";

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("interop: {error:#}");
            ExitCode::from(2)
        }
    }
}

#[derive(Default)]
struct Arguments {
    peer: Option<PathBuf>,
    old: Option<PathBuf>,
    core: Option<PathBuf>,
    relay: Option<PathBuf>,
    only: String,
    sets: String,
    verbose: bool,
}

fn parse(words: &[String]) -> Result<Arguments> {
    let mut arguments = Arguments::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value\n{HELP}"));
        match word.as_str() {
            "--peer" => arguments.peer = Some(value()?.into()),
            "--old" => arguments.old = Some(value()?.into()),
            "--core" => arguments.core = Some(value()?.into()),
            "--relay" => arguments.relay = Some(value()?.into()),
            "--only" => arguments.only.clone_from(value()?),
            "--sets" => arguments.sets.clone_from(value()?),
            "--verbose" => arguments.verbose = true,
            other => bail!("unknown argument {other}\n{HELP}"),
        }
    }
    Ok(arguments)
}

fn run(words: &[String]) -> Result<bool> {
    let arguments = parse(words)?;
    let peer = arguments.peer.as_deref().with_context(|| format!("--peer DIR is missing\n{HELP}"))?;
    let (ours, stock) = (Program::ours()?, Program::stock(peer)?);
    let mut scenarios = Vec::new();
    for number in 0..16 {
        let roles = Roles::numbered(number, &ours, &stock);
        scenarios.push((roles.names(), Scenario::new(roles)));
    }
    let matrix = scenarios.len();
    scenarios.extend(more(&ours, &stock));
    if let Some(old) = &arguments.old {
        let old = Program::stock(old)?;
        let roles = Roles { b: old, ..Roles::all(&ours) };
        scenarios.push(("old member B".to_owned(), Scenario::new(roles)));
    }
    let cores = arguments.core.as_deref().map(|core| anyhow::Ok((CoreLibrary::ours()?, CoreLibrary::stock(core)?)));
    let cores = cores.transpose()?;
    let mut plays: Vec<(String, Play<'_>)> = Vec::new();
    for (name, scenario) in scenarios {
        plays.push((name, Box::new(move |step| scenario.run(step))));
    }
    plays.extend(behind_nats(&ours, &stock));
    plays.extend(c_hosts(&ours, &stock));
    plays.extend(relayed_by_tcp(&ours, &stock, arguments.relay.as_deref()));
    if let Some((our_core, stock_core)) = &cores {
        plays.extend(on_both_cores(&ours, &stock, our_core, stock_core));
    }
    println!("root controller A B");
    let (mut passed, mut tried, mut passed_of_matrix) = (0, 0, 0);
    for (number, (name, act)) in plays.iter().enumerate() {
        if !name.contains(&arguments.only) {
            continue;
        }
        tried += 1;
        if play(name, act, arguments.verbose)? {
            passed += 1;
            passed_of_matrix += u32::from(number < matrix);
        }
    }
    println!("combinations: {passed_of_matrix} of {matrix}; all scenarios: {passed} of {tried}");
    let (sets_passed, sets_tried) = rule_sets(&arguments, &ours, &stock)?;
    Ok(passed == tried && sets_passed == sets_tried && tried + sets_tried > 0)
}

/// Rule sets by all pairings of members, two laboratories at a time, and their table; how many passed of how many.
fn rule_sets(arguments: &Arguments, ours: &Program, stock: &Program) -> Result<(usize, usize)> {
    let mut pairings = Pairing::all(ours, stock);
    if let Some(old) = &arguments.old {
        pairings.push(Pairing::new(("ours", ours), ("old", &Program::stock(old)?)));
    }
    pairings.retain(|pairing| format!("rules {}", pairing.name).contains(&arguments.only));
    let play = |pairing: &Pairing| {
        let mut tell = |outcome: &Outcome| {
            let seconds = outcome.time.as_secs_f64();
            println!("{}: {}: {} ({seconds:.1} s)", outcome.pairing, outcome.set, outcome.cell());
            outcome.failures().iter().for_each(|line| println!("    {line}"));
        };
        let mut sets = if pairing.name.ends_with("old") { rules::with_old() } else { rules::all() };
        sets.retain(|set| arguments.sets.split(',').any(|part| set.name.contains(part)));
        pairing.play(ours, Some(stock), &sets, &mut tell)?.context("this machine has no namespaces or TAP devices")
    };
    let mut outcomes = Vec::new();
    for pair in pairings.chunks(2) {
        let played: Vec<Result<Vec<Outcome>>> = std::thread::scope(|scope| {
            let threads: Vec<_> = pair.iter().map(|pairing| scope.spawn(|| play(pairing))).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a pairing panicked")))
            };
            threads.into_iter().map(join).collect()
        });
        for (pairing, list) in pair.iter().zip(played) {
            outcomes.extend(list.unwrap_or_else(|error| {
                println!("FAILED  {}: {error:#}", pairing.name);
                vec![Outcome::failed("the laboratory", &pairing.name, &error)]
            }));
        }
    }
    let passed = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    if !outcomes.is_empty() {
        println!("{}\nrule sets: {passed} of {}", table(&outcomes), outcomes.len());
    }
    Ok((passed, outcomes.len()))
}

/// Scenarios beside the matrix.
fn more(ours: &Program, stock: &Program) -> Vec<(String, Scenario)> {
    let mut list = Vec::new();
    for (who, own, other) in [("ours", ours, stock), ("stock", stock, ours)] {
        let roles = Roles { b: other.clone(), ..Roles::all(own) };
        let base = Scenario::new(roles);
        for underlay in [Underlay::V6, Underlay::TwoInterfaces] {
            list.push((format!("{underlay:?}, {who} with the other as B"), Scenario { underlay, ..base.clone() }));
        }
        for cast in [Cast::AllInOne, Cast::ControllerJoins] {
            list.push((format!("{cast:?}, {who} with the other as B"), Scenario { cast, ..base.clone() }));
        }
    }
    list
}

/// Members behind NATs: ours with ours, and each with the other.
fn behind_nats<'a>(ours: &'a Program, stock: &'a Program) -> Vec<(String, Play<'a>)> {
    let mut list: Vec<(String, Play<'a>)> = Vec::new();
    for programs in [[ours, ours, ours], [ours, ours, stock], [stock, stock, ours]] {
        let names = programs.map(Program::kind).join(" ");
        list.push((format!("NATs crossed (root A B): {names}"), Box::new(move |step| nats::crossed(programs, step))));
        list.push((format!("NATs relayed (root A B): {names}"), Box::new(move |step| nats::relayed(programs, step))));
    }
    list
}

/// C hosts on our library, beside stock members.
fn c_hosts<'a>(ours: &'a Program, stock: &'a Program) -> Vec<(String, Play<'a>)> {
    let mut list: Vec<(String, Play<'a>)> = Vec::new();
    for (example, interface) in [(Example::Zt1Host, "ZT1"), (Example::ZtHost, "ZT")] {
        for root in [ours, stock] {
            let name = format!("C host, {interface} interface (root, member beside it): {} stock", root.kind());
            list.push((name, Box::new(move |step| beside_a_daemon(example, root, stock, step))));
        }
    }
    // Stock peers keep to a path that has gone silent for up to 20 s.
    let silence = Duration::from_secs(45);
    let name = "C host, UDP cut (root, members): stock stock".to_owned();
    list.push((name, Box::new(move |step| c_cut::with_relay(stock, Loss::Both, silence, step))));
    list
}

/// Members without UDP: a stock one by our relay, ours by it among stock nodes, and ours by a stock relay.
fn relayed_by_tcp<'a>(ours: &'a Program, stock: &'a Program, relay: Option<&'a Path>) -> Vec<(String, Play<'a>)> {
    let mut list: Vec<(String, Play<'a>)> = Vec::new();
    for programs in [[ours, stock, ours], [stock, stock, stock], [stock, ours, stock]] {
        let names = programs.map(Program::kind).join(" ");
        let play: Play<'a> = Box::new(move |step| tcp_relay::forced(programs, &our_server, step));
        list.push((format!("TCP relay, forced (root A B): {names}"), play));
    }
    for programs in [[ours, stock, ours], [stock, stock, ours]] {
        let names = programs.map(Program::kind).join(" ");
        let play: Play<'a> = Box::new(move |step| tcp_relay::stock_falls_back(programs, &our_server, step));
        list.push((format!("TCP relay, UDP cut (root A B): {names}"), play));
    }
    let play: Play<'a> = Box::new(move |step| tcp_relay::cut_and_healed([stock, stock], &our_server, step));
    list.push(("TCP relay, UDP cut (root A B): stock ours stock".to_owned(), play));
    if let Some(relay) = relay {
        let play: Play<'a> =
            Box::new(move |step| tcp_relay::forced([ours, ours, ours], &|| Ok(Command::new(relay)), step));
        list.push(("TCP relay of stock, forced (root A B): ours ours ours".to_owned(), play));
        // A yardstick for the stock member by our relay.
        let play: Play<'a> =
            Box::new(move |step| tcp_relay::forced([stock, stock, stock], &|| Ok(Command::new(relay)), step));
        list.push(("TCP relay of stock, forced (root A B): stock stock stock".to_owned(), play));
        let play: Play<'a> =
            Box::new(move |step| tcp_relay::cut_and_healed([ours, ours], &|| Ok(Command::new(relay)), step));
        list.push(("TCP relay of stock, UDP cut (root A B): ours ours ours".to_owned(), play));
    }
    list
}

/// The same C host on each library, and on the stock one twice, as a yardstick.
fn on_both_cores<'a>(
    ours: &'a Program,
    stock: &'a Program,
    our_core: &'a CoreLibrary,
    stock_core: &'a CoreLibrary,
) -> Vec<(String, Play<'a>)> {
    let mut list: Vec<(String, Play<'a>)> = Vec::new();
    for (root, cores) in [
        (ours, [our_core, stock_core]),
        (stock, [our_core, stock_core]),
        (ours, [our_core, our_core]),
        (stock, [stock_core, stock_core]),
    ] {
        let names = cores.map(CoreLibrary::kind).join(" ");
        let name = format!("C hosts, ZT interface (root, core, core): {} {names}", root.kind());
        list.push((name, Box::new(move |step| on_two_cores(root, cores, step))));
    }
    list
}

type Play<'a> = Box<dyn Fn(&mut dyn FnMut(&str, Duration)) -> Result<Option<()>> + 'a>;

fn play(name: &str, act: &Play<'_>, verbose: bool) -> Result<bool> {
    let start = Instant::now();
    let mut step = |step: &str, time: Duration| {
        if verbose {
            println!("    {:7.2} s  {step}", time.as_secs_f64());
        }
    };
    match act(&mut step) {
        Ok(Some(())) => {
            println!("ok      {name} ({:.1} s)", start.elapsed().as_secs_f64());
            Ok(true)
        }
        Ok(None) => bail!("this machine has no namespaces or TAP devices"),
        Err(error) => {
            println!("FAILED  {name} ({:.1} s): {error:#}", start.elapsed().as_secs_f64());
            Ok(false)
        }
    }
}
