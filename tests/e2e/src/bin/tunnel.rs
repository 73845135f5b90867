//! The public benchmark; see `cargo xtask bench tunnel --help` and docs/performance.md.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use zt_test_e2e::bench::{self, HELP, Options, json, svg, table};

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("tunnel: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<()> {
    let Some(options) = Options::read(words).with_context(|| HELP)? else {
        println!("{HELP}");
        return Ok(());
    };
    if options.list {
        return list(&options);
    }
    let mut say = |text: &str| {
        // Who closed the stream does not want to know.
        let _ = std::io::stderr().write_all(text.as_bytes());
    };
    let report = bench::run(&options, &mut say)?;
    println!("\n{}", table::markdown(&report));
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&json::json(&report))?;
        std::fs::write(path, text + "\n").with_context(|| format!("--json {}", path.display()))?;
    }
    if let Some(path) = &options.svg {
        std::fs::write(path, svg::svg(&report)).with_context(|| format!("--svg {}", path.display()))?;
    }
    Ok(())
}

fn list(options: &Options) -> Result<()> {
    let (found, absent) = bench::choose(options)?;
    for (peer, version) in &found {
        println!("{:18} {version} ({})", peer.id(), peer.about());
    }
    for absent in &absent {
        println!("{:18} not here: {}", absent.id, absent.why);
    }
    Ok(())
}
