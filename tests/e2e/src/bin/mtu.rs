//! The table of [`zt_test_e2e::mtu_table`] for our program and, beside it, for a stock one; see `cargo xtask mtu`.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use zt_test_e2e::Program;
use zt_test_e2e::mtu_table::{render, table};

const HELP: &str = "usage: mtu [--peer DIR]

  --peer DIR   folder with the stock zerotier-one to print beside ours";

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("mtu: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// True when every cell of ours is right; stock is only printed.
fn run(words: &[String]) -> Result<bool> {
    let peer = match words {
        [] => None,
        [word, folder] if word == "--peer" => Some(PathBuf::from(folder)),
        _ => bail!("{HELP}"),
    };
    let right = print(&Program::ours()?)?;
    if let Some(peer) = &peer {
        print(&Program::stock(peer)?)?;
    }
    Ok(right)
}

fn print(program: &Program) -> Result<bool> {
    let cells = table("mtu", program, |cell| println!("  {} over {}: {cell}", cell.network, cell.underlay))?;
    let cells = cells.context("this machine has no namespaces or TAP devices")?;
    let right = cells.iter().filter(|cell| cell.failures.is_empty()).count();
    println!("{}: {right} of {} right\n{}", program.kind(), cells.len(), render(&cells));
    Ok(right == cells.len())
}
