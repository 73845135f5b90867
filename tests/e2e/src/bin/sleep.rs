//! What [`zt_test_e2e::sleep`] promises, at full length; see `cargo xtask sleep`.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use zt_test_e2e::sleep::{Away, LIMIT, away, jump};

const HELP: &str = "usage: sleep [--seconds N]

  --seconds N   a daemon is stopped, a host sleeps, for so long (600)";
/// Longer than a configuration is taken as fresh.
const AFTER: Duration = Duration::from_secs(75);
const NONE: &str = "this machine has no namespaces or TAP devices";

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("sleep: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(words: &[String]) -> Result<bool> {
    let seconds: u32 = match words {
        [] => 600,
        [word, number] if word == "--seconds" => number.parse().context(HELP)?,
        _ => bail!("{HELP}"),
    };
    let mut right = true;
    let mut told = |what: &str, worst: Duration| {
        right &= worst <= LIMIT;
        println!("  {what:<60} {:>6.0} ms", worst.as_secs_f64() * 1e3);
    };
    println!("time until a ping has an answer:");
    let ways =
        [("stopped", Away::Stopped(Duration::from_secs(seconds.into()))), ("host asleep", Away::Slept(seconds.into()))];
    for (how, ways) in ways {
        for (behind, nats) in [("on one switch", false), ("its NAT forgot it", true)] {
            let [other, own] = away("sleep", nats, ways)?.context(NONE)?;
            told(&format!("{how} for {seconds} s, {behind}: to it"), other);
            told(&format!("{how} for {seconds} s, {behind}: from it"), own);
        }
    }
    for hours in [1, -1] {
        let worst = jump("clocks", hours * 3600, AFTER)?.context(NONE)?;
        told(&format!("wall clocks {hours:+} h and back, the worst of {AFTER:?} each"), worst);
    }
    Ok(right)
}
