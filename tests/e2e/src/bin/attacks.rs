//! Plays the attacks of [`zt_test_e2e::attacks`] and prints what they did; see `cargo xtask attacks`.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use zt_test_e2e::Program;
use zt_test_e2e::attacks::{self, Play};

const HELP: &str = "usage: attacks [--peer DIR] [--only TEXT] [--seconds N] [--rate N] [--json]

  --peer DIR    the same against the stock zerotier-one in this folder
  --only TEXT   only attacks whose name contains it
  --seconds N   for how long each goes on (default 5)
  --rate N      packets in a second that floods try to reach (default 150000)
  --json        one object a line";

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("attacks: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(words: &[String]) -> Result<()> {
    let (mut peer, mut only, mut json, mut how) = (None::<PathBuf>, String::new(), false, Play::default());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value\n{HELP}"));
        let number = |text: &str| text.parse::<u32>().with_context(|| format!("{word}: {text} is no number\n{HELP}"));
        match word.as_str() {
            "--peer" => peer = Some(value()?.into()),
            "--only" => only.clone_from(value()?),
            "--seconds" => how.time = Duration::from_secs(number(value()?)?.clamp(1, 3600).into()),
            "--rate" => how.rate = number(value()?)?.max(1),
            "--json" => json = true,
            other => bail!("unknown argument {other}\n{HELP}"),
        }
    }
    let mut programs = vec![Program::ours()?];
    programs.extend(peer.map(|folder| Program::stock(&folder)).transpose()?);
    let chosen: Vec<_> = attacks::all().into_iter().filter(|attack| attack.name.contains(&only)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = attacks::all().iter().map(|attack| attack.name).collect();
        bail!("no attack is called like {only}; there are {}", names.join(", "));
    }
    if !json {
        println!("{}", attacks::HEAD);
    }
    for attack in chosen {
        for program in &programs {
            match attacks::play(&attack, program, &how) {
                Ok(Some(measured)) if json => println!("{}", attacks::as_json(&attack, program, &measured)),
                Ok(Some(measured)) => println!("{}", attacks::line(&attack, program, &measured)),
                Ok(None) => bail!("this machine has no namespaces or TAP devices"),
                Err(error) if json => println!(
                    "{}",
                    serde_json::json!({ "attack": attack.name, "program": program.kind(), "error": format!("{error:#}") })
                ),
                Err(error) => println!("{:<25} {:<7} {error:#}", attack.name, program.kind()),
            }
        }
    }
    Ok(())
}
